//! Cursors: each works for one collection only, and a changed one is refused.

use super::{cursor, member_with};
use crate::support::TestApp;

/// Guarantee 26.
#[tokio::test]
async fn a_cursor_works_only_for_its_own_collection() {
    let app = TestApp::new().await;
    let one = member_with(&app, 6).await;
    let two = app.member().await;
    for caller in [&one, &two] {
        for id in [1, 2, 3] {
            caller
                .put(&format!("/api/movies/{id}/favorite/"))
                .send()
                .await
                .is(200);
        }
    }
    let collections = [
        "/api/movies/?",
        "/api/movies/?ordering=-id&",
        "/api/movies/?ordering=release_date&",
        "/api/movies/?genre=drama&",
        "/api/movies/?genre=comedy&",
        "/api/movies/search/?q=movie&",
        "/api/movies/search/?q=somebody&",
        "/api/movies/categories/?",
        "/api/users/?",
        "/api/users/me/favorites/?",
    ];
    let mut cursors = Vec::new();
    for path in collections {
        cursors.push(cursor(&one, path).await);
    }
    for (own, path) in collections.iter().enumerate() {
        for (of, cursor) in cursors.iter().enumerate() {
            let answer = one.get(&format!("{path}cursor={cursor}")).send().await;
            if own == of {
                assert!(!answer.is(200).body["results"].as_array().unwrap().is_empty());
            } else {
                answer.is_problem(400, "invalid_input").names(&["cursor"]);
            }
        }
    }
    let favorites = cursors.last().unwrap();
    let answer = two
        .get(&format!("/api/users/me/favorites/?cursor={favorites}"))
        .send()
        .await;
    answer.is_problem(400, "invalid_input").names(&["cursor"]);
}

/// Guarantee 26.
#[tokio::test]
async fn a_changed_cursor_is_400() {
    let app = TestApp::new().await;
    let member = member_with(&app, 2).await;
    let whole = cursor(&member, "/api/movies/?").await;
    assert!(
        whole
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
        "{whole}"
    );
    let mut changed: Vec<String> = (0..whole.len())
        .map(|at| {
            let other = if &whole[at..=at] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &whole[..at], &whole[at + 1..])
        })
        .collect();
    changed.extend([
        "".into(),
        "x".into(),
        whole[1..].into(),
        whole[..whole.len() - 1].into(),
    ]);
    changed.extend([
        format!("{whole}A"),
        format!("{whole}="),
        "A".repeat(8_000),
        "%00".into(),
        "é".into(),
    ]);
    for cursor in changed {
        let answer = member.get(&format!("/api/movies/?cursor={cursor}")).send().await;
        answer.is_problem(400, "invalid_input").names(&["cursor"]);
    }
    // A cursor still works after its movie has been deleted.
    member.delete("/api/movies/1/").send().await.is(204);
    let rest = member
        .get(&format!("/api/movies/?cursor={whole}"))
        .send()
        .await
        .is(200);
    assert_eq!(rest.ids(), [2]);
}
