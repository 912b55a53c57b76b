//! Lists that change while a client walks them.

use std::io::Write as _;

use futures_util::future::join_all;
use marquee::server::Catalog;

use super::member_with;
use crate::api::pages;
use crate::support::{TestApp, movie};

/// Returns a server with the movies 1 to `count`, which have no owner.
async fn imported(count: u64) -> TestApp {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "imdb_id,title,description,release_date,director,genre").unwrap();
    for n in 1..=count {
        writeln!(
            file,
            "tt{n:07},Movie {n},A movie.,{}-01-01,Somebody,Drama",
            1900 + n % 100
        )
        .unwrap();
    }
    file.flush().unwrap();
    let path = file.path().to_owned();
    let app = TestApp::with(|options| options.catalog = Catalog::File(path)).await;
    assert_eq!(
        app.anonymous().get("/api/movies/").send().await.body["count"],
        count
    );
    app
}

/// Guarantee 45.
#[tokio::test]
async fn movies_deleted_between_two_pages_hide_no_other() {
    let app = imported(700).await;
    let admin = app.admin().await;
    let nobody = app.anonymous();
    let start = |query: &'static str| nobody.get(query);
    let orders = [
        ("/api/movies/?limit=10", false),
        ("/api/movies/?limit=10&ordering=-id", true),
        ("/api/movies/?limit=10&genre=drama", false),
        ("/api/movies/?limit=10&genre=drama&ordering=-id", true),
    ];
    let mut nexts = Vec::new();
    for (path, down) in orders {
        let first = start(path).send().await.is(200);
        let expected: Vec<u64> = if down {
            (691..=700).rev().collect()
        } else {
            (1..=10).collect()
        };
        assert_eq!(first.ids(), expected);
        nexts.push((first.body["next"].as_str().unwrap().to_owned(), down));
    }
    let gone: Vec<u64> = (5..=300).chain(310..=690).chain(695..=696).collect();
    for some in gone.chunks(60) {
        join_all(some.iter().map(|id| async {
            admin
                .delete(&format!("/api/movies/{}/", *id))
                .send()
                .await
                .is(204);
        }))
        .await;
    }
    for (next, down) in nexts {
        let walked: Vec<u64> = pages(&nobody, &next, "next").await.concat();
        let mut expected: Vec<u64> = (301..=309).collect();
        if down {
            expected.reverse();
            expected.extend([4, 3, 2, 1]);
        } else {
            expected.extend((691..=694).chain(697..=700));
        }
        assert_eq!(walked, expected, "{next}");
        // Backward from the first page of what is left, and from the end.
        let back = nobody.get(&next).send().await.is(200);
        let before = nobody
            .get(back.body["previous"].as_str().unwrap())
            .send()
            .await
            .is(200)
            .ids();
        let left: Vec<u64> = if down {
            vec![700, 699, 698, 697, 694, 693, 692, 691]
        } else {
            vec![1, 2, 3, 4]
        };
        assert_eq!(before, left, "before {next}");
    }
    assert_eq!(nobody.get("/api/movies/").send().await.body["count"], 21);
    assert_eq!(
        nobody.get("/api/movies/?genre=drama").send().await.body["count"],
        21
    );
}

#[tokio::test]
async fn movies_added_while_a_list_is_walked_hide_no_other() {
    let app = TestApp::new().await;
    let member = member_with(&app, 4).await;
    for query in ["ordering=-release_date", "ordering=-id", "genre=drama"] {
        let path = format!("/api/movies/?limit=1&{query}");
        let existing = member
            .get(&format!("/api/movies/?limit=100&{query}"))
            .send()
            .await
            .ids();
        let (mut seen, mut at) = (Vec::new(), path);
        loop {
            let page = member.get(&at).send().await.is(200);
            seen.extend(page.ids());
            if seen.len() < 4 {
                member
                    .add(&movie("Newcomer", "Somebody", "Drama", "2024-01-01"))
                    .await;
            }
            match page.body["next"].as_str() {
                Some(next) => next.clone_into(&mut at),
                None => break,
            }
        }
        let of_before: Vec<u64> = seen.iter().copied().filter(|id| existing.contains(id)).collect();
        assert_eq!(of_before, existing, "{query}");
    }
}
