//! Deleting an account, and the list of one's own movies.

use std::time::Duration;

use futures_util::future::join_all;
use marquee_shared::{
    db::{Key, keys, leaving::LEAVING_FOR},
    domain::{MovieId, UserId},
};
use serde_json::{Value, json};

use super::{ME, SESSIONS, sign_in};
use crate::{
    api::{auth::refresh, pages},
    support::{
        Caller, PASSWORD, TestApp,
        accounts::{all_gone, leave_behind},
        audit::{audit, scan},
        movie,
        operations::{operations, sample_movie},
    },
};

async fn delete(caller: &Caller) {
    let body = json!({"current_password": PASSWORD});
    let answer = caller.delete(ME).json(&body).send().await.is(204);
    assert_eq!(answer.text, "");
}

/// Guarantee 76.
#[tokio::test]
async fn a_deleted_account_leaves_movies_without_an_owner_and_nothing_else() {
    let app = TestApp::new().await;
    let (member, other) = (app.register("ripley").await, app.register("dallas").await);
    let member = app.with_reset_token(member).await;
    let second = member.in_new_session().await;
    let mut favorite = sample_movie();
    favorite["favorite"] = json!(true);
    let mine = member.add(&favorite).await;
    let theirs = other.add(&favorite).await;
    for id in [&mine["id"], &theirs["id"]] {
        for caller in [&member, &other] {
            caller
                .put(&format!("/api/movies/{id}/favorite/"))
                .send()
                .await
                .is(200);
        }
    }
    let wrong = json!({"current_password": "another passphrase"});
    member
        .delete(ME)
        .json(&wrong)
        .send()
        .await
        .is_problem(400, "invalid_input")
        .names(&["current_password"]);
    member
        .delete(ME)
        .send()
        .await
        .is_problem(400, "invalid_input")
        .names(&["current_password"]);
    member.get(ME).send().await.is(200);

    delete(&member).await;
    // Every operation that reads the token refuses it from then on.
    for operation in operations()
        .iter()
        .filter(|operation| operation.sample.reads_token)
    {
        for (query, call) in operation.requests(&member, &theirs["id"], &app.anonymous()) {
            let answer = call.send().await;
            assert_eq!(answer.status, 401, "{}{query}: {}", operation.id, answer.text);
        }
    }
    refused_or_not_the_token_is_bad(&member).await;
    for session in [&member, &second] {
        refresh(&app, &session.refresh)
            .await
            .is_problem(401, "unauthenticated");
    }
    for name in ["ripley", "ripley@example.com"] {
        sign_in(&app, name, PASSWORD)
            .await
            .is_problem(401, "unauthenticated");
    }
    all_gone(&app.running.state.store, member.id).await;
    let anyone = app.anonymous();
    for (id, owner) in [(&mine["id"], Value::Null), (&theirs["id"], json!(other.id))] {
        let shown = anyone
            .get(&format!("/api/movies/{id}/"))
            .send()
            .await
            .is(200)
            .body;
        assert_eq!((&shown["favorite_count"], &shown["user"]), (&json!(1), &owner));
        assert_eq!(shown["version"], mine["version"]);
    }
    let users = other.get("/api/users/").send().await.is(200);
    assert_eq!((users.ids(), &users.body["count"]), (vec![other.id], &json!(1)));

    // Who registers the name has nothing of it.
    let heir = app.register("ripley").await;
    assert_ne!(heir.id, member.id);
    for path in ["/api/users/me/favorites/", "/api/users/me/movies/"] {
        assert!(heir.get(path).send().await.is(200).ids().is_empty());
    }
    assert_eq!(heir.get(SESSIONS).send().await.body["count"], 1);
    member.get("/api/movies/").send().await.is(401);
    heir.delete(&format!("/api/movies/{}/", mine["id"]))
        .send()
        .await
        .is(403);
    audit(&app.running.state.store).await;
}

/// Asserts that the token of a deleted account is `401` also where a request would be refused for another reason.
async fn refused_or_not_the_token_is_bad(deleted: &Caller) {
    for path in [
        "/api/users/?limit=x",
        "/api/users/?cursor=x",
        "/api/movies/?unknown=1",
        "/api/movies/search/",
        "/api/movies/999999/",
        "/api/movies/x/",
        "/api/users/me/favorites/?limit=0",
        "/api/users/me/?x=1",
    ] {
        let answer = deleted.get(path).send().await.is_problem(401, "unauthenticated");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("invalid_token"), "{path}: {challenge}");
    }
    for path in [
        "/api/movies/",
        "/api/movies/999999/favorite/",
        "/api/auth/login/",
        "/api/auth/register/",
        "/api/auth/refresh/",
        "/api/auth/logout/",
    ] {
        let call = deleted.post(path).json(&json!({}));
        call.send().await.is_problem(401, "unauthenticated");
        let call = deleted.post(path).body("text/plain", "x");
        call.send().await.is_problem(401, "unauthenticated");
    }
    for path in ["/api/movies/999999/", ME] {
        let call = deleted.patch(path).json(&json!({"title": "", "username": ""}));
        call.send().await.is_problem(401, "unauthenticated");
        deleted
            .delete(path)
            .send()
            .await
            .is_problem(401, "unauthenticated");
    }
    let call = deleted.put("/api/users/me/password/").json(&json!({}));
    call.send().await.is_problem(401, "unauthenticated");
    let session = format!("{SESSIONS}x/");
    deleted
        .delete(&session)
        .send()
        .await
        .is_problem(401, "unauthenticated");
}

/// Guarantee 76.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_favorites_and_movies_of_a_deleted_account_are_gone_within_ten_seconds() {
    const MOVIES: u64 = 320;
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    for n in 1..=MOVIES {
        let mut added = movie(&format!("Movie {n}"), "Somebody", "Drama", "2000-01-01");
        added["favorite"] = json!(true);
        member.add(&added).await;
    }
    other.put("/api/movies/7/favorite/").send().await.is(200);
    // Favorites of others meanwhile.
    let toggling = async {
        for _ in 0..30 {
            other.post("/api/movies/9/favorite/").send().await.is(200);
        }
    };
    tokio::join!(delete(&member), toggling);
    all_gone(&app.running.state.store, member.id).await;
    let most = other.get("/api/movies/most-liked/").send().await.is(200).body;
    let counts: Vec<(u64, u64)> = most["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|movie| {
            (
                movie["id"].as_u64().unwrap(),
                movie["favorite_count"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(counts, [(7, 1)]);
    audit(&app.running.state.store).await;
}

/// Guarantee 76: what a slow request writes after the deletion doesn't stay.
#[tokio::test]
async fn what_a_slow_request_writes_after_a_deletion_is_removed() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    let id = other.add(&sample_movie()).await["id"].as_u64().unwrap();
    delete(&member).await;
    let store = &app.running.state.store;
    let user = UserId::try_from(member.id).unwrap();
    let sweep = &app.running.functions.sweep.state.store;
    let is_looked_after = async || {
        let items = scan(store).await;
        items
            .iter()
            .any(|item| Key::of(item).unwrap().pk == keys::LEAVING)
    };
    let ample = Duration::from_secs(60);
    marquee_sweep::sweep_accounts(sweep, ample).await.unwrap();
    assert!(is_looked_after().await, "no request may still write");
    let owned = MovieId::try_from(id).unwrap();
    let path = format!("/api/movies/{id}/");
    // The movie's own owner is another user by then.
    let taken = keys::owned_movie(UserId::try_from(other.id).unwrap(), owned);
    store.delete(&taken).await.unwrap();
    leave_behind(store, user, owned).await;
    app.clock.advance(LEAVING_FOR - 1);
    marquee_sweep::sweep_accounts(sweep, ample).await.unwrap();
    let shown = app.anonymous().get(&path).send().await.is(200).body;
    assert_eq!(
        (&shown["favorite_count"], &shown["user"]),
        (&json!(0), &Value::Null)
    );
    audit(store).await;
    assert!(is_looked_after().await);
    app.clock.advance(2);
    let swept = marquee_sweep::sweep_accounts(sweep, ample).await.unwrap();
    assert_eq!(swept.accounts, 0);
    assert!(!is_looked_after().await);
    audit(store).await;
}

/// Guarantee 76: nobody has to sweep on one machine. The server makes another pass a few seconds after a deletion.
#[tokio::test]
async fn the_server_removes_what_a_slow_request_writes_by_itself() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    let added = other.add(&sample_movie()).await;
    let movie = MovieId::try_from(added["id"].as_u64().unwrap()).unwrap();
    delete(&member).await;
    let store = &app.running.state.store;
    let taken = keys::owned_movie(UserId::try_from(other.id).unwrap(), movie);
    store.delete(&taken).await.unwrap();
    leave_behind(store, UserId::try_from(member.id).unwrap(), movie).await;
    all_gone(store, member.id).await;
    audit(store).await;
}

/// The login was read before the deletion, and the user after it.
#[tokio::test]
async fn a_sign_in_to_an_account_that_is_deleted_meanwhile_is_401() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let user = keys::user(UserId::try_from(member.id).unwrap());
    app.running.state.store.delete(&user).await.unwrap();
    let answer = sign_in(&app, &member.username, PASSWORD).await;
    answer.is_problem(401, "unauthenticated");
}

/// Guarantee 76: deletions, toggles, additions, sign-ins and changes of names at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_user_amid_their_deletion_leave_no_trace() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    for _ in 0..3 {
        other.add(&sample_movie()).await;
    }
    let deleted = async |_| {
        let body = json!({"current_password": PASSWORD});
        member.delete(ME).json(&body).send().await.status.as_u16()
    };
    let toggled = async |n: u64| {
        let path = format!("/api/movies/{}/favorite/", n % 3 + 1);
        member.post(&path).send().await.status.as_u16()
    };
    let added = async |_: u64| {
        member
            .post("/api/movies/")
            .json(&sample_movie())
            .send()
            .await
            .status
            .as_u16()
    };
    let signed_in = async |_: u64| sign_in(&app, &member.username, PASSWORD).await.status.as_u16();
    let named = async |n: u64| {
        let body = json!({"current_password": PASSWORD, "username": format!("newt{n}")});
        member.patch(ME).json(&body).send().await.status.as_u16()
    };
    let (deleted, toggled, added, signed_in, named) = tokio::join!(
        join_all((0..4_u64).map(deleted)),
        join_all((0..12).map(toggled)),
        join_all((0..6).map(added)),
        join_all((0..6).map(signed_in)),
        join_all((0..3).map(named))
    );
    assert_eq!(
        deleted.iter().filter(|status| **status == 204).count(),
        1,
        "{deleted:?}"
    );
    assert!(
        deleted.iter().all(|status| [204, 401].contains(status)),
        "{deleted:?}"
    );
    assert!(
        toggled.iter().all(|status| [200, 401].contains(status)),
        "{toggled:?}"
    );
    assert!(
        added.iter().all(|status| [201, 401].contains(status)),
        "{added:?}"
    );
    for statuses in [signed_in, named] {
        assert!(
            statuses.iter().all(|status| [200, 401].contains(status)),
            "{statuses:?}"
        );
    }
    member.get("/api/movies/").send().await.is(401);
    app.clock.advance(LEAVING_FOR + 1);
    let sweep = &app.running.functions.sweep.state.store;
    let swept = marquee_sweep::sweep_accounts(sweep, Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(swept.accounts, 0);
    all_gone(&app.running.state.store, member.id).await;
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_user_lists_their_own_movies_the_latest_first() {
    let app = TestApp::new().await;
    let (member, admin) = (app.member().await, app.admin().await);
    let list = async |caller: &Caller| caller.get("/api/users/me/movies/").send().await.is(200).ids();
    assert!(list(&member).await.is_empty());
    for n in 1..=5 {
        let added = movie(&format!("Movie {n}"), "Somebody", "Drama", "2000-01-01");
        if n == 3 {
            admin.add(&added).await;
        } else {
            member.add(&added).await;
        }
    }
    assert_eq!(
        (list(&member).await, list(&admin).await),
        (vec![5, 4, 2, 1], vec![3])
    );
    let walked = pages(&member, "/api/users/me/movies/?limit=3", "next").await;
    assert_eq!(walked, [vec![5, 4, 2], vec![1]]);
    // An edit moves nothing; another owner, an admin's addition for a user, and a deletion do.
    member
        .patch("/api/movies/1/")
        .json(&json!({"title": "Other"}))
        .send()
        .await
        .is(200);
    admin
        .patch("/api/movies/4/")
        .json(&json!({"user": admin.id}))
        .send()
        .await
        .is(200);
    let mut named = movie("Movie 6", "Somebody", "Drama", "2000-01-01");
    named["user"] = json!(member.id);
    admin.add(&named).await;
    member.delete("/api/movies/2/").send().await.is(204);
    assert_eq!(
        (list(&member).await, list(&admin).await),
        (vec![6, 5, 1], vec![4, 3])
    );
    let shown = member.get("/api/users/me/movies/").send().await.body;
    assert_eq!(
        (&shown["count"], &shown["results"][2]["title"]),
        (&Value::Null, &json!("Other"))
    );
    app.anonymous().get("/api/users/me/movies/").send().await.is(401);
    audit(&app.running.state.store).await;
}
