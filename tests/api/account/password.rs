//! Changing the password.

use futures_util::future::join_all;
use marquee_shared::{
    auth::{password, refresh::RefreshToken},
    db::{
        counter::Counter,
        expression::{Condition, Update},
        item::number,
        password_change::{NewPassword, PasswordChange},
        session::{Rotation, SessionItem},
    },
    domain::{Password, UserId},
};
use serde_json::json;

use super::{OTHER, PASSWORD_PATH, change_password, other_password, session_ids, sign_in};
use crate::{
    api::{auth::refresh, with_changes},
    support::{PASSWORD, TestApp, audit::audit},
};

/// Guarantee 75.
#[tokio::test]
async fn a_change_of_the_password_ends_every_other_session_at_once() {
    let app = TestApp::new().await;
    let (member, stranger) = (app.member().await, app.member().await);
    let others = [member.in_new_session().await, member.in_new_session().await];
    let answer = change_password(&member).await;
    assert_eq!(answer.text, "");
    assert_eq!(session_ids(&member).await, [member.session().unwrap()]);
    for other in &others {
        refresh(&app, &other.refresh)
            .await
            .is_problem(401, "unauthenticated");
    }
    refresh(&app, &member.refresh).await.is(200);
    refresh(&app, &stranger.refresh).await.is(200);
    let email = format!("{}@example.com", member.username);
    for name in [&member.username, &email] {
        sign_in(&app, name, PASSWORD).await.is(401);
        sign_in(&app, name, OTHER).await.is(200);
    }
    // In the new sessions, back to the first one.
    let back = json!({"current_password": OTHER, "new_password": PASSWORD});
    member.put(PASSWORD_PATH).json(&back).send().await.is(204);
    assert_eq!(session_ids(&member).await, [member.session().unwrap()]);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_new_password_follows_the_rules_of_registration_and_a_refused_one_changes_nothing() {
    let app = TestApp::new().await;
    let member = app.register("Ellen.Ripley").await;
    let other = member.in_new_session().await;
    let change = |changes| {
        member
            .put(PASSWORD_PATH)
            .json(&with_changes(&other_password(), &changes))
    };
    for (changes, fields) in [
        (json!({"new_password": "seven77"}), &["new_password"][..]),
        (json!({"new_password": "password123"}), &["new_password"]),
        (json!({"new_password": "ellen.RIPLEY"}), &["new_password"]),
        (
            json!({"new_password": "ellen.ripley@EXAMPLE.com"}),
            &["new_password"],
        ),
        (json!({"new_password": null}), &["new_password"]),
        (json!({"current_password": ""}), &["current_password"]),
        (json!({"current_password": OTHER}), &["current_password"]),
        (
            json!({"current_password": OTHER, "new_password": "ellen.ripley"}),
            &["current_password", "new_password"],
        ),
        (
            json!({"current_password": 7, "new_password": "x"}),
            &["current_password", "new_password"],
        ),
    ] {
        change(changes)
            .send()
            .await
            .is_problem(400, "invalid_input")
            .names(fields);
    }
    let empty = member
        .put(PASSWORD_PATH)
        .send()
        .await
        .is_problem(400, "invalid_input");
    empty.names(&["current_password", "new_password"]);
    assert_eq!(session_ids(&member).await.len(), 2);
    refresh(&app, &other.refresh).await.is(200);
    sign_in(&app, "ellen.ripley", PASSWORD).await.is(200);
    // The same password again is a change: other sessions end.
    change(json!({"new_password": PASSWORD})).send().await.is(204);
    assert_eq!(session_ids(&member).await.len(), 1);
}

/// Guarantee 20: guesses in a stolen session are slowed, for this user alone.
#[tokio::test]
async fn wrong_current_passwords_are_slowed_for_the_caller_alone() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    app.clock.stop();
    let wrong = with_changes(
        &other_password(),
        &json!({"current_password": "another passphrase"}),
    );
    for _ in 0..9 {
        member.put(PASSWORD_PATH).json(&wrong).send().await.is(400);
    }
    let names = json!({"username": "kane", "current_password": PASSWORD});
    for call in [
        member.put(PASSWORD_PATH).json(&other_password()),
        member.in_new_session().await.patch(super::ME).json(&names),
    ] {
        let answer = call.send().await.is_problem(429, "too_many_requests");
        assert!(!answer.header("retry-after").is_empty());
    }
    // Neither the login nor another user is affected.
    sign_in(&app, &member.username, PASSWORD).await.is(200);
    change_password(&other).await;
    // The right one ends the waits.
    app.clock.advance(2);
    change_password(&member).await;
    let wrong = with_changes(&wrong, &json!({"new_password": PASSWORD}));
    for _ in 0..9 {
        member.put(PASSWORD_PATH).json(&wrong).send().await.is(400);
    }
}

/// Guarantee 75: of many changes from one password, one is made, and the sessions of the others have ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_twelve_concurrent_changes_of_a_password_is_made() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let mut sessions = vec![member.clone()];
    for _ in 0..7 {
        sessions.push(member.in_new_session().await);
    }
    let change = async |n: usize| {
        let password = format!("passphrase number {n}");
        let body = json!({"current_password": PASSWORD, "new_password": password});
        let answer = sessions[n].put(PASSWORD_PATH).json(&body).send().await;
        (n, answer.status.as_u16())
    };
    let answers = join_all((0..8).map(change)).await;
    let made: Vec<usize> = answers
        .iter()
        .filter(|(_, status)| *status == 204)
        .map(|(n, _)| *n)
        .collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    assert!(
        answers.iter().all(|(_, status)| [204, 400, 503].contains(status)),
        "{answers:?}"
    );
    let kept = &sessions[made[0]];
    assert_eq!(session_ids(kept).await, [kept.session().unwrap()]);
    for (n, session) in sessions.iter().enumerate() {
        refresh(&app, &session.refresh)
            .await
            .is(if n == made[0] { 200 } else { 401 });
    }
    sign_in(&app, &member.username, &format!("passphrase number {}", made[0]))
        .await
        .is(200);
    audit(&app.running.state.store).await;
}

/// Guarantee 75: a session that begins with the old password while it is changed has ended with it.
#[tokio::test]
async fn a_sign_in_that_read_the_old_password_begins_no_session_after_the_change() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let store = &app.running.state.store;
    let login = store.find_login(&member.username).await.unwrap().unwrap();
    let user = UserId::try_from(member.id).unwrap();
    let token = RefreshToken::first(user).unwrap();
    let session = SessionItem::of_password(user, login.password_version, &token, store.clock.now(), 3600);
    change_password(&member).await;
    store.put_session(&token, &session).await.unwrap();
    assert_eq!(session_ids(&member).await, [member.session().unwrap()]);
    let rotated = store
        .rotate_session(&token, &token, &app.running.state.config.tokens)
        .await;
    assert_eq!(rotated.unwrap(), Rotation::Gone);
    audit(store).await;
}

/// What a reset of the password needs: another action in the same transaction, no session that goes on.
#[tokio::test]
async fn a_password_is_set_together_with_further_actions_or_not_at_all() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let store = &app.running.state.store;
    let user = UserId::try_from(member.id).unwrap();
    let hash = password::hash(Password::parse(OTHER.into()).unwrap())
        .await
        .unwrap();
    let set = async |condition: Condition| {
        let action = Update::new("ADD #n :zero")
            .only_if(condition)
            .value(":zero", number(0));
        let new = NewPassword {
            hash: &hash,
            known: None,
            email: None,
            keep: None,
            also: vec![store.on(Counter::Users.key()).update(action).unwrap()],
        };
        store.set_password(user, &new).await.unwrap()
    };
    assert_eq!(set(Condition::not_exists()).await, PasswordChange::Refused);
    sign_in(&app, &member.username, PASSWORD).await.is(200);
    assert_eq!(session_ids(&member).await.len(), 2);
    assert_eq!(set(Condition::exists()).await, PasswordChange::Made);
    sign_in(&app, &member.username, PASSWORD).await.is(401);
    sign_in(&app, &member.username, OTHER).await.is(200);
    assert_eq!(session_ids(&member).await.len(), 1);
    let new = NewPassword {
        hash: &hash,
        known: None,
        email: None,
        keep: None,
        also: Vec::new(),
    };
    let nobody = UserId::try_from(99).unwrap();
    assert_eq!(
        store.set_password(nobody, &new).await.unwrap(),
        PasswordChange::NoUser
    );
}
