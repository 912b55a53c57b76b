//! Deletion of movies: nothing of the movie remains.

use serde_json::{Value, json};

use super::{create, path};
use crate::api::without_request_id;
use crate::support::{Caller, TestApp};

/// Returns the answers to all requests that show the catalog to these callers.
async fn visible_state(callers: &[&Caller]) -> Vec<(u16, Value)> {
    let mut seen = Vec::new();
    for caller in callers {
        for path in [
            "/api/movies/",
            "/api/movies/?ordering=-id",
            "/api/movies/?ordering=release_date",
            "/api/movies/?ordering=-release_date",
            "/api/movies/?genre=drama",
            "/api/movies/?genre=sci-fi&ordering=release_date",
            "/api/movies/search/?q=solaris",
            "/api/movies/search/?q=tarkovsky",
            "/api/movies/search/?q=sci",
            "/api/movies/search/?q=fi",
            "/api/movies/categories/",
            "/api/movies/most-liked/",
            "/api/movies/newest/",
            "/api/users/me/favorites/",
        ] {
            seen.push(without_request_id(caller.get(path).send().await));
        }
    }
    seen
}

#[tokio::test]
async fn a_deleted_movie_leaves_no_trace() {
    let app = TestApp::new().await;
    let (owner, fan) = (app.member().await, app.member().await);
    let other = create(
        &owner,
        json!({"title": "Nostalghia", "genre": "drama", "favorite": true}),
    )
    .await
    .is(201);
    let callers = [&owner, &fan, &app.anonymous()];
    let before = visible_state(&callers).await;
    for _ in 0..2 {
        let path = path(&create(&owner, json!({"favorite": true})).await.is(201).body);
        fan.post(&format!("{path}favorite/")).send().await.is(200);
        assert_ne!(visible_state(&callers).await, before);
        owner.delete(&path).send().await.is(204);
        assert_eq!(visible_state(&callers).await, before);
        for caller in callers {
            caller.get(&path).send().await.is(404);
        }
        owner.delete(&path).send().await.is(404);
        owner
            .patch(&path)
            .json(&json!({"title": "back"}))
            .send()
            .await
            .is(404);
        fan.post(&format!("{path}favorite/")).send().await.is(404);
        assert_eq!(visible_state(&callers).await, before);
    }
    owner.delete(&path(&other.body)).send().await.is(204);
    for (_, body) in visible_state(&callers).await {
        assert_ne!(body["count"], 1, "{body}");
        assert!(body["results"].as_array().is_none_or(Vec::is_empty), "{body}");
    }
}

/// A bookmarked URL never leads to a different movie.
#[tokio::test]
async fn the_id_of_a_deleted_movie_is_not_reused() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let one = create(&member, json!({})).await.is(201).body;
    member.delete(&path(&one)).send().await.is(204);
    let two = create(&member, json!({})).await.is(201).body;
    assert!(two["id"].as_u64() > one["id"].as_u64());
}
