//! Changing the username and the email.

use std::time::Duration;

use futures_util::future::join_all;
use marquee_shared::{
    Error,
    db::{
        Store,
        names_change::{NamesChange, NewNames},
        user::UserItem,
    },
    domain::{Email, UserId, Username},
};
use serde_json::{Value, json};

use super::{ME, change_password, session_ids, sign_in};
use crate::{
    api::{
        auth::{caller_with, refresh},
        with_changes,
    },
    support::{PASSWORD, TestApp, audit::audit, proxy::ProxiedApp},
};

fn names(changes: &Value) -> Value {
    with_changes(&json!({"current_password": PASSWORD}), changes)
}

#[tokio::test]
async fn a_user_changes_their_names_and_the_old_ones_are_free_at_once() {
    let app = TestApp::new().await;
    let member = app.register("ripley").await;
    let old = member.get(ME).send().await.is(200).body;
    let change = async |changes: Value| member.patch(ME).json(&names(&changes)).send().await;
    let changed = change(json!({"username": " Ellen ", "email": "ellen@Example.org"}))
        .await
        .is(200)
        .body;
    let expected = with_changes(&old, &json!({"username": "Ellen", "email": "ellen@Example.org"}));
    assert_eq!(changed, expected);
    assert_eq!(member.get(ME).send().await.is(200).body, expected);
    for (name, status) in [
        ("ripley", 401),
        ("ripley@example.com", 401),
        ("ELLEN", 200),
        ("ellen@example.org", 200),
    ] {
        sign_in(&app, name, PASSWORD).await.is(status);
    }
    // Sessions go on.
    refresh(&app, &member.refresh).await.is(200);
    assert_eq!(session_ids(&member).await.len(), 3);
    let heir = app.register("ripley").await;
    assert_ne!(heir.id, member.id);
    // Only one of them, only the case, nothing, and names that change places.
    for (changes, username, email) in [
        (json!({"email": "e@example.org"}), "Ellen", "e@example.org"),
        (json!({"username": "ELLEN"}), "ELLEN", "e@example.org"),
        (json!({}), "ELLEN", "e@example.org"),
        (
            json!({"username": "e@example.org", "email": "both@example.org"}),
            "e@example.org",
            "both@example.org",
        ),
        (
            json!({"username": "both@example.org", "email": "e@example.org"}),
            "both@example.org",
            "e@example.org",
        ),
        (
            json!({"email": "both@example.org"}),
            "both@example.org",
            "both@example.org",
        ),
        (
            json!({"username": "ellen", "email": "ellen@example.org"}),
            "ellen",
            "ellen@example.org",
        ),
    ] {
        let body = change(changes.clone()).await.is(200).body;
        assert_eq!(
            (&body["username"], &body["email"]),
            (&json!(username), &json!(email)),
            "{changes}"
        );
        for name in [username, email] {
            sign_in(&app, name, PASSWORD).await.is(200);
        }
        audit(&app.running.state.store).await;
    }
    // The password changes for both names.
    change_password(&member).await;
    for name in ["ellen", "ellen@example.org"] {
        sign_in(&app, name, PASSWORD).await.is(401);
        sign_in(&app, name, super::OTHER).await.is(200);
    }
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_taken_or_bad_name_or_a_wrong_password_changes_nothing() {
    let app = TestApp::new().await;
    let (member, other) = (app.register("ripley").await, app.register("dallas").await);
    let before = member.get(ME).send().await.body;
    let send = async |changes: Value| member.patch(ME).json(&names(&changes)).send().await;
    for (changes, fields) in [
        (json!({"username": "DALLAS"}), &["username"][..]),
        (json!({"username": "Dallas@example.com"}), &["username"]),
        (json!({"email": "dallas@EXAMPLE.com"}), &["email"]),
        (
            json!({"username": "dallas", "email": "dallas@example.com"}),
            &["email", "username"],
        ),
        (
            json!({"username": "kane", "email": "dallas@example.com"}),
            &["email"],
        ),
    ] {
        send(changes).await.is_problem(409, "conflict").names(fields);
    }
    for (changes, fields) in [
        (json!({"username": "x"}), &["username"][..]),
        (json!({"email": "nobody"}), &["email"]),
        (json!({"email": 7, "username": ["kane"]}), &["email", "username"]),
        (
            json!({"username": "kane", "current_password": "another passphrase"}),
            &["current_password"],
        ),
        (
            json!({"username": "kane", "current_password": null}),
            &["current_password"],
        ),
    ] {
        send(changes).await.is_problem(400, "invalid_input").names(fields);
    }
    for (body, field) in [
        (
            json!({"username": null, "current_password": PASSWORD}),
            "username",
        ),
        (json!({"email": null, "current_password": PASSWORD}), "email"),
        (
            json!({"email": "kane@example.com", "current_password": null}),
            "current_password",
        ),
    ] {
        let answer = member.patch(ME).json(&body).send().await;
        answer.is_problem(400, "invalid_input").names(&[field]);
    }
    assert_eq!(member.get(ME).send().await.body, before);
    for caller in [&member, &other] {
        caller.login().await.is(200);
    }
    sign_in(&app, "kane", PASSWORD).await.is(401);
    // Fields of the server can't be set.
    let own =
        send(json!({"role": "admin", "id": 99, "date_joined": "2000-01-01", "password_version": 7})).await;
    assert_eq!(own.is(200).body, before);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_username_is_never_the_users_password() {
    let app = TestApp::new().await;
    let body = json!({"username": "ripley", "email": "r@example.com", "password": "nostromo-1979"});
    let tokens = app
        .anonymous()
        .post("/api/auth/register/")
        .json(&body)
        .send()
        .await
        .is(201)
        .body;
    let member = caller_with(&app, tokens["access"].as_str().unwrap());
    let change = json!({"username": "Nostromo-1979", "current_password": "nostromo-1979"});
    member
        .patch(ME)
        .json(&change)
        .send()
        .await
        .is_problem(400, "invalid_input")
        .names(&["username"]);
}

/// Guarantee 31.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_many_users_want_gets_one_owner() {
    let app = TestApp::new().await;
    let mut members = Vec::new();
    for _ in 0..8 {
        members.push(app.member().await);
    }
    let body = names(&json!({"username": "Newt", "email": "newt@example.com"}));
    let answers = join_all(members.iter().map(|member| member.patch(ME).json(&body).send())).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 409).count(),
        7,
        "{statuses:?}"
    );
    audit(&app.running.state.store).await;
    // A user's own requests at once leave one of their results.
    let owner = &members[statuses.iter().position(|status| *status == 200).unwrap()];
    let change = async |n: usize| {
        let body = names(&json!({"username": format!("newt{n}"), "email": format!("newt{n}@example.com")}));
        owner.patch(ME).json(&body).send().await.status.as_u16()
    };
    let statuses = join_all((0..6).map(change)).await;
    assert!(
        statuses.iter().all(|status| [200, 503].contains(status)),
        "{statuses:?}"
    );
    let now = owner.get(ME).send().await.is(200).body;
    assert_eq!(
        now["email"],
        format!("{}@example.com", now["username"].as_str().unwrap())
    );
    sign_in(&app, now["username"].as_str().unwrap(), PASSWORD)
        .await
        .is(200);
    audit(&app.running.state.store).await;
}

/// Several users read that the names are free before any of them takes one: the transaction decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_were_free_when_many_users_read_them_get_one_owner() {
    let proxied = ProxiedApp::new().await;
    let store = &proxied.app.running.state.store;
    let mut users = Vec::new();
    for _ in 0..8 {
        users.push(new_user(store, &proxied.app).await);
    }
    for wanted in [
        NewNames {
            username: Some(Username::parse("newt").unwrap()),
            email: None,
        },
        NewNames {
            username: None,
            email: Some(Email::parse("newt@example.com").unwrap()),
        },
    ] {
        // Holds the reads until all are there, and so the transactions.
        proxied.proxy.gather_calls(Duration::from_millis(200));
        let changes = users.iter().map(|user| store.set_names(user.clone(), &wanted));
        let results = join_all(changes).await;
        let made: Vec<UserItem> = results
            .iter()
            .filter_map(|result| match result {
                Ok(NamesChange::Made(user)) => Some(user.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(made.len(), 1, "{results:?}");
        let is_taken = |result: &_| matches!(result, Err(Error::Conflict(_)));
        assert_eq!(
            results.iter().filter(|result| is_taken(result)).count(),
            7,
            "{results:?}"
        );
        users.retain(|user| user.id != made[0].id);
        users.push(new_user(store, &proxied.app).await);
    }
    audit(store).await;
}

/// Two clients of one user, or a client that sends a request again, meet no error that another moment would not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_user_at_once_are_all_made() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    for round in 0..12 {
        let change = |name: String| owner.patch(ME).json(&names(&json!({"username": name}))).send();
        // Two that are alike, and one of another name.
        let same = format!("same{round}");
        let answers = join_all([
            change(same.clone()),
            change(same.clone()),
            change(format!("other{round}")),
        ])
        .await;
        for answer in answers {
            answer.is(200);
        }
        let mine = owner.get(ME).send().await.is(200).body;
        let again = change(mine["username"].as_str().unwrap().to_owned()).await;
        again.is(200);
    }
    audit(&app.running.state.store).await;
}

/// The reads of one request come before the change that another one makes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_was_read_before_a_change_is_read_again() {
    let proxied = ProxiedApp::new().await;
    let store = &proxied.app.running.state.store;
    let old = new_user(store, &proxied.app).await;
    let wanted = NewNames {
        username: Some(Username::parse("newt").unwrap()),
        email: None,
    };
    // Both read that the name is free. One takes it, and the other finds that it is the user's own.
    proxied.proxy.gather_calls(Duration::from_millis(200));
    let twice = join_all([
        store.set_names(old.clone(), &wanted),
        store.set_names(old.clone(), &wanted),
    ])
    .await;
    proxied.proxy.gather_calls(Duration::ZERO);
    for change in twice {
        assert!(matches!(change, Ok(NamesChange::Made(user)) if user.username == "newt"));
    }
    let (user, login) = store.login_of(old.clone()).await.unwrap().unwrap();
    assert_eq!((user.username.as_str(), login.user), ("newt", old.id));
    store.delete_user(old.id, None).await.unwrap();
    assert!(store.login_of(old).await.unwrap().is_none());
}

/// A new user.
async fn new_user(store: &Store, app: &TestApp) -> UserItem {
    let member = app.member().await;
    let user = store.get_user(UserId::try_from(member.id).unwrap()).await;
    user.unwrap().unwrap()
}
