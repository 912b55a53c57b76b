//! Users: which fields each caller sees, and the list of the caller's favorites.

use serde_json::{Value, json};

use super::pages;
use crate::support::{TestApp, movie};

fn keys(user: &Value) -> Vec<&str> {
    user.as_object().unwrap().keys().map(String::as_str).collect()
}

const PUBLIC: [&str; 4] = ["date_joined", "id", "role", "username"];
const OWN: [&str; 5] = ["date_joined", "email", "id", "role", "username"];

#[tokio::test]
async fn a_caller_sees_their_own_email() {
    let app = TestApp::new().await;
    let (member, admin) = (app.register("Ellen.Ripley").await, app.admin().await);
    let me = member.get("/api/users/me/").send().await.is(200).body;
    assert_eq!(keys(&me), OWN);
    assert_eq!(
        (&me["id"], &me["username"]),
        (&json!(member.id), &json!("Ellen.Ripley"))
    );
    assert_eq!(
        (&me["email"], &me["role"]),
        (&json!("Ellen.Ripley@example.com"), &json!("member"))
    );
    let joined = me["date_joined"].as_str().unwrap();
    assert!(joined.len() == 24 && joined.ends_with('Z'), "{joined}");
    let admin = admin.get("/api/users/me/").send().await.is(200).body;
    assert_eq!((keys(&admin), &admin["role"]), (OWN.to_vec(), &json!("admin")));
}

/// Guarantee 24.
#[tokio::test]
async fn only_admins_see_emails_and_nobody_sees_a_hash() {
    let app = TestApp::new().await;
    let (one, two, admin) = (app.member().await, app.member().await, app.admin().await);
    for caller in [&one, &two, &admin] {
        let answer = caller.get("/api/users/").send().await.is(200);
        assert_eq!(answer.ids(), [one.id, two.id, admin.id]);
        assert_eq!(
            (&answer.body["count"], &answer.body["next"]),
            (&json!(3), &json!(null))
        );
        for secret in ["argon2", "hash", "password"] {
            assert!(!answer.text.contains(secret), "{}", answer.text);
        }
        for user in answer.body["results"].as_array().unwrap() {
            if caller.id == admin.id {
                assert_eq!(keys(user), OWN);
                assert_eq!(
                    user["email"],
                    format!("{}@example.com", user["username"].as_str().unwrap())
                );
            } else {
                assert_eq!(keys(user), PUBLIC);
            }
        }
        assert_eq!(answer.text.contains("@example.com"), caller.id == admin.id);
        let roles: Vec<&str> = answer.body["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|u| u["role"].as_str().unwrap())
            .collect();
        assert_eq!(roles, ["member", "member", "admin"]);
    }
}

#[tokio::test]
async fn users_are_shown_only_to_signed_in_callers() {
    let app = TestApp::new().await;
    for path in ["/api/users/", "/api/users/me/", "/api/users/me/favorites/"] {
        let answer = app
            .anonymous()
            .get(path)
            .send()
            .await
            .is_problem(401, "unauthenticated");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
    }
}

#[tokio::test]
async fn users_are_listed_by_id_in_both_directions() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for _ in 0..4 {
        app.member().await;
    }
    let forward = pages(&member, "/api/users/?limit=2", "next").await;
    assert_eq!(forward, [vec![1, 2], vec![3, 4], vec![5]]);
    let second = member.get("/api/users/?limit=2").send().await.body["next"].clone();
    let third = member.get(second.as_str().unwrap()).send().await.body["next"].clone();
    let mut backward = pages(&member, third.as_str().unwrap(), "previous").await;
    backward.reverse();
    assert_eq!(backward, forward);
    assert_eq!(member.get("/api/users/?limit=1").send().await.body["count"], 5);
}

#[tokio::test]
async fn favorites_are_listed_latest_first() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    for n in 1..=6 {
        // Dates descend while ids ascend. Neither is the order of the favorites.
        member
            .add(&movie(
                &format!("Movie {n}"),
                "Somebody",
                "Drama",
                &format!("{}-01-01", 2000 - n),
            ))
            .await;
    }
    let favorite = async |id: u64| {
        app.clock.advance(1);
        member
            .put(&format!("/api/movies/{id}/favorite/"))
            .send()
            .await
            .is(200);
    };
    let list = async || {
        let answer = member.get("/api/users/me/favorites/").send().await.is(200);
        assert_eq!(answer.body["previous"], Value::Null);
        answer.ids()
    };
    assert!(list().await.is_empty());
    for id in [3, 1, 6, 2, 5] {
        favorite(id).await;
    }
    other.put("/api/movies/4/favorite/").send().await.is(200);
    assert_eq!(list().await, [5, 2, 6, 1, 3]);
    // Adding an existing favorite does not move it. Removing and adding it again makes it the latest.
    favorite(1).await;
    assert_eq!(list().await, [5, 2, 6, 1, 3]);
    member.delete("/api/movies/6/favorite/").send().await.is(200);
    assert_eq!(list().await, [5, 2, 1, 3]);
    favorite(6).await;
    assert_eq!(list().await, [6, 5, 2, 1, 3]);
    // An edit moves nothing. A deleted movie disappears.
    app.clock.advance(1);
    member
        .patch("/api/movies/3/")
        .json(&json!({"release_date": "2020-01-01"}))
        .send()
        .await
        .is(200);
    member.delete("/api/movies/5/").send().await.is(204);
    assert_eq!(list().await, [6, 2, 1, 3]);

    let forward = pages(&member, "/api/users/me/favorites/?limit=3", "next").await;
    assert_eq!(forward, [vec![6, 2, 1], vec![3]]);
    let first = member.get("/api/users/me/favorites/?limit=3").send().await.body;
    let second = member.get(first["next"].as_str().unwrap()).send().await.body;
    let again = member.get(second["previous"].as_str().unwrap()).send().await;
    assert_eq!(again.ids(), [6, 2, 1]);
    let movie = &again.body["results"][0];
    assert_eq!(movie, &member.get("/api/movies/6/").send().await.body);
    assert_eq!(
        (&movie["favorite"], &movie["favorite_count"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(other.get("/api/users/me/favorites/").send().await.ids(), [4]);
}

#[tokio::test]
async fn a_favorite_added_with_its_movie_is_listed() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let mut movie = movie("Movie", "Somebody", "Drama", "2000-01-01");
    movie["favorite"] = json!(true);
    member.add(&movie).await;
    app.clock.advance(1);
    member.add(&movie).await;
    assert_eq!(member.get("/api/users/me/favorites/").send().await.ids(), [2, 1]);
    member
        .patch("/api/movies/2/")
        .json(&json!({"favorite": false}))
        .send()
        .await
        .is(200);
    assert_eq!(member.get("/api/users/me/favorites/").send().await.ids(), [1]);
}
