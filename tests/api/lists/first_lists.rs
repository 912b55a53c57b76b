//! The lists of a start page: categories, most liked, newest.

use serde_json::json;

use super::member_with;
use crate::api::{texts, with_changes};
use crate::support::{TestApp, encode, movie};

#[tokio::test]
async fn categories_are_the_genres_in_alphabetical_order_with_their_five_newest_movies() {
    let app = TestApp::new().await;
    let member = app.member().await;
    // "drama" is the same genre as "Drama", which was added before.
    for (n, genre) in [
        "western",
        "Drama, War",
        "drama",
        "Action",
        "DRAMA",
        "Drama",
        "Drama",
        "Drama",
    ]
    .into_iter()
    .enumerate()
    {
        let date = ["1990-01-01", "2001-01-01"][n % 2];
        member
            .add(&movie(&format!("Movie {n}"), "Somebody", genre, date))
            .await;
    }
    member.put("/api/movies/8/favorite/").send().await.is(200);
    let answer = member.get("/api/movies/categories/").send().await.is(200);
    assert_eq!(
        (&answer.body["count"], &answer.body["next"]),
        (&json!(4), &json!(null))
    );
    assert_eq!(texts(&answer, "genre"), ["Action", "Drama", "War", "western"]);
    let results = answer.body["results"].as_array().unwrap();
    let counts: Vec<u64> = results.iter().map(|c| c["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 6, 1, 1]);
    assert_eq!(
        results[0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["count", "genre", "movies"]
    );
    let dramas = results[1]["movies"].as_array().unwrap();
    let ids: Vec<u64> = dramas.iter().map(|f| f["id"].as_u64().unwrap()).collect();
    // By descending date, then by descending id.
    assert_eq!(ids, [8, 6, 2, 7, 5]);
    assert_eq!(
        (&dramas[0]["favorite"], &dramas[0]["favorite_count"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(dramas[0], member.get("/api/movies/8/").send().await.body);

    // One category per page, forward and backward.
    let (mut names, mut at) = (Vec::new(), "/api/movies/categories/?limit=1".to_owned());
    let last = loop {
        let page = member.get(&at).send().await.is(200);
        assert_eq!(page.body["count"], 4);
        names.extend(texts(&page, "genre").into_iter().map(str::to_owned));
        match page.body["next"].as_str() {
            Some(next) => next.clone_into(&mut at),
            None => break page,
        }
    };
    assert_eq!(names, ["Action", "Drama", "War", "western"]);
    let before = member
        .get(last.body["previous"].as_str().unwrap())
        .send()
        .await
        .is(200);
    assert_eq!(texts(&before, "genre"), ["War"]);
}

#[tokio::test]
async fn a_category_follows_every_edit_and_disappears_with_its_last_movie() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let one = movie("One", "Somebody", "Drama, War", "2000-01-01");
    member.add(&one).await;
    member.add(&with_changes(&one, &json!({"title": "Two"}))).await;
    let state = async |expected: &[(&str, u64)]| {
        let answer = member.get("/api/movies/categories/").send().await.is(200);
        let found: Vec<(&str, u64)> = texts(&answer, "genre")
            .into_iter()
            .zip(
                answer.body["results"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|c| c["count"].as_u64().unwrap()),
            )
            .collect();
        assert_eq!(found, expected);
        assert_eq!(answer.body["count"], expected.len());
        for (name, count) in expected {
            let list = member
                .get(&format!("/api/movies/?genre={}", encode(name)))
                .send()
                .await
                .is(200);
            assert_eq!(list.body["count"], *count, "{name}");
            assert_eq!(list.ids().len() as u64, *count, "{name}");
        }
    };
    state(&[("Drama", 2), ("War", 2)]).await;
    member
        .patch("/api/movies/2/")
        .json(&json!({"genre": "DRAMA, Film-Noir"}))
        .send()
        .await
        .is(200);
    state(&[("Drama", 2), ("Film-Noir", 1), ("War", 1)]).await;
    member
        .put("/api/movies/1/")
        .json(&with_changes(&one, &json!({"genre": "Western"})))
        .send()
        .await
        .is(200);
    state(&[("Drama", 1), ("Film-Noir", 1), ("Western", 1)]).await;
    member.delete("/api/movies/2/").send().await.is(204);
    state(&[("Western", 1)]).await;
}

#[tokio::test]
async fn most_liked_is_ordered_by_favorites_and_then_by_descending_id() {
    let app = TestApp::new().await;
    let member = member_with(&app, 14).await;
    let (two, three) = (app.member().await, app.member().await);
    for id in 1..=12 {
        member
            .put(&format!("/api/movies/{id}/favorite/"))
            .send()
            .await
            .is(200);
    }
    for (caller, id) in [(&two, 3), (&two, 7), (&three, 7), (&three, 1)] {
        caller
            .put(&format!("/api/movies/{id}/favorite/"))
            .send()
            .await
            .is(200);
    }
    let liked = async |query: &str| {
        let answer = two
            .get(&format!("/api/movies/most-liked/{query}"))
            .send()
            .await
            .is(200);
        assert_eq!(answer.body.as_object().unwrap().len(), 1, "results alone");
        answer
    };
    let all = liked("?limit=100").await;
    assert_eq!(all.ids(), [7, 3, 1, 12, 11, 10, 9, 8, 6, 5, 4, 2]);
    let counts: Vec<u64> = all.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|movie| movie["favorite_count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(all.body["results"][0]["favorite"], true);
    assert_eq!(all.body["results"][2]["favorite"], false);
    assert_eq!(liked("").await.ids(), all.ids()[..10]);
    assert_eq!(liked("?limit=1").await.ids(), [7]);
    two.delete("/api/movies/7/favorite/").send().await.is(200);
    member.delete("/api/movies/3/").send().await.is(204);
    member.post("/api/movies/2/favorite/").send().await.is(200);
    assert_eq!(liked("?limit=3").await.ids(), [7, 1, 12]);
    assert_eq!(liked("").await.ids().len(), 10);
}

#[tokio::test]
async fn newest_is_ordered_by_release_date_and_then_by_descending_id() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for date in [
        "1999-01-01",
        "2001-01-01",
        "2000-12-31",
        "2001-01-01",
        "1870-01-01",
        "9999-12-31",
        "1999-01-01",
    ] {
        member.add(&movie("Movie", "Somebody", "Drama", date)).await;
    }
    let newest = async |query: &str| {
        let answer = app
            .anonymous()
            .get(&format!("/api/movies/newest/{query}"))
            .send()
            .await
            .is(200);
        assert_eq!(answer.body.as_object().unwrap().len(), 1, "results alone");
        answer.ids()
    };
    assert_eq!(newest("").await, [6, 4, 2, 3, 7]);
    assert_eq!(newest("?limit=100").await, [6, 4, 2, 3, 7, 1, 5]);
    assert_eq!(newest("?limit=2").await, [6, 4]);
    member
        .patch("/api/movies/5/")
        .json(&json!({"release_date": "2001-01-01"}))
        .send()
        .await
        .is(200);
    member.delete("/api/movies/4/").send().await.is(204);
    assert_eq!(newest("").await, [6, 5, 2, 3, 7]);
}
