//! Favorites: adding, removing, toggling, and exact counts.

use serde_json::{Value, json};

use crate::support::{Answer, Caller, TestApp, movie};

fn ran() -> Value {
    movie("Ran", "Akira Kurosawa", "Drama", "1985-06-01")
}

const FAVORITE: &str = "/api/movies/1/favorite/";

/// Returns `favorite` and `favorite_count` of an answer. Panics unless the answer has the documented form.
fn favorite(answer: Answer) -> (bool, u64) {
    let answer = answer.is(200);
    let body = answer.body.as_object().unwrap();
    assert_eq!(
        body.keys().collect::<Vec<_>>(),
        ["favorite", "favorite_count", "id", "message"]
    );
    assert_eq!(body["id"], 1);
    assert!(!body["message"].as_str().unwrap().is_empty());
    (
        body["favorite"].as_bool().unwrap(),
        body["favorite_count"].as_u64().unwrap(),
    )
}

/// Returns `favorite` and `favorite_count` as the movie shows them to this caller.
async fn seen(caller: &Caller) -> (bool, u64) {
    let movie = caller.get("/api/movies/1/").send().await.is(200).body;
    (
        movie["favorite"].as_bool().unwrap(),
        movie["favorite_count"].as_u64().unwrap(),
    )
}

#[tokio::test]
async fn toggling_twice_restores_the_count() {
    let app = TestApp::new().await;
    let (one, two) = (app.member().await, app.member().await);
    one.add(&ran()).await;
    assert_eq!(favorite(one.post(FAVORITE).send().await), (true, 1));
    assert_eq!(favorite(two.post(FAVORITE).send().await), (true, 2));
    assert_eq!((seen(&one).await, seen(&two).await), ((true, 2), (true, 2)));
    assert_eq!(favorite(one.post(FAVORITE).send().await), (false, 1));
    assert_eq!((seen(&one).await, seen(&two).await), ((false, 1), (true, 1)));
    assert_eq!(favorite(two.post(FAVORITE).send().await), (false, 0));
    assert_eq!(seen(&app.anonymous()).await, (false, 0));
    assert_eq!(favorite(one.post(FAVORITE).send().await), (true, 1));
}

#[tokio::test]
async fn adding_and_removing_can_be_repeated() {
    let app = TestApp::new().await;
    let (one, two) = (app.member().await, app.member().await);
    one.add(&ran()).await;
    for _ in 0..2 {
        assert_eq!(favorite(one.delete(FAVORITE).send().await), (false, 0));
    }
    for _ in 0..2 {
        assert_eq!(favorite(one.put(FAVORITE).send().await), (true, 1));
    }
    for _ in 0..2 {
        assert_eq!(favorite(two.put(FAVORITE).send().await), (true, 2));
    }
    for _ in 0..2 {
        assert_eq!(favorite(one.delete(FAVORITE).send().await), (false, 1));
    }
    assert_eq!(seen(&two).await, (true, 1));
}

#[tokio::test]
async fn a_favorite_needs_a_caller_and_a_movie() {
    let app = TestApp::new().await;
    let member = app.member().await;
    member.add(&ran()).await;
    let nobody = app.anonymous();
    for call in [
        nobody.post(FAVORITE),
        nobody.put(FAVORITE),
        nobody.delete(FAVORITE),
    ] {
        call.send().await.is_problem(401, "unauthenticated");
    }
    let gone = "/api/movies/2/favorite/";
    for call in [member.post(gone), member.put(gone), member.delete(gone)] {
        call.send().await.is_problem(404, "not_found");
    }
    assert_eq!(seen(&member).await, (false, 0));
}

#[tokio::test]
async fn a_favorite_request_may_have_any_body_or_none() {
    let app = TestApp::new().await;
    let member = app.member().await;
    member.add(&ran()).await;
    assert_eq!(
        favorite(
            member
                .put(FAVORITE)
                .json(&json!({"favorite": false}))
                .send()
                .await
        ),
        (true, 1)
    );
    assert_eq!(
        favorite(member.put(FAVORITE).body("text/plain", "{").send().await),
        (true, 1)
    );
    assert_eq!(
        favorite(
            member
                .put(FAVORITE)
                .header("content-type", "application/json")
                .send()
                .await
        ),
        (true, 1)
    );
}

#[tokio::test]
async fn every_list_shows_the_callers_own_favorite_and_everybodys_count() {
    let app = TestApp::new().await;
    let (one, two) = (app.member().await, app.member().await);
    one.add(&ran()).await;
    one.put(FAVORITE).send().await.is(200);
    for (caller, favorite) in [(&one, true), (&two, false), (&app.anonymous(), false)] {
        for path in [
            "/api/movies/",
            "/api/movies/?ordering=-release_date",
            "/api/movies/?genre=drama",
            "/api/movies/search/?q=ran",
            "/api/movies/most-liked/",
            "/api/movies/newest/",
            "/api/movies/categories/",
        ] {
            let body = caller.get(path).send().await.is(200).body;
            let first = &body["results"][0];
            let movie = if path.contains("categories") {
                &first["movies"][0]
            } else {
                first
            };
            assert_eq!(
                (&movie["favorite"], &movie["favorite_count"]),
                (&json!(favorite), &json!(1)),
                "{path}"
            );
        }
    }
}
