//! Sessions: refresh, rotation, grace period, expiry and logout.

use serde_json::json;

use super::{LOGOUT, caller_with, decode_jwt, keys, login, post, refresh, register, text};
use crate::support::{PASSWORD, TestApp, audit::scan};

/// Guarantee 11: a dump of the whole table has nothing of a token but the session's id, with which it begins.
#[tokio::test]
async fn the_table_holds_no_refresh_token_and_no_part_of_one() {
    let app = TestApp::new().await;
    let user = app.member().await;
    let mut tokens = vec![user.refresh.clone(), user.in_new_session().await.refresh];
    for _ in 0..3 {
        let answer = refresh(&app, tokens.last().unwrap()).await.is(200);
        tokens.push(text(&answer.body["refresh"]));
    }
    let dump = format!("{:?}", scan(&app.running.state.store).await);
    assert!(dump.contains("SESSIONS#"), "{dump}");
    // An id of 16 bytes is 22 characters.
    for token in &tokens {
        for piece in token.as_bytes()[22..].windows(16) {
            let piece = std::str::from_utf8(piece).unwrap();
            assert!(
                !dump.contains(piece) || piece.trim_matches('A').is_empty(),
                "{piece} of {token}"
            );
        }
    }
}

/// Guarantee 7.
#[tokio::test]
async fn a_refresh_returns_new_tokens() {
    let app = TestApp::new().await;
    let first = register(&app, json!({})).await.is(201).body;
    app.clock.advance(60);
    let answer = refresh(&app, &text(&first["refresh"])).await.is(200);
    assert_eq!(
        keys(&answer.body),
        ["access", "expires_in", "refresh", "token_type"]
    );
    assert_eq!(
        (&answer.body["token_type"], &answer.body["expires_in"]),
        (&json!("Bearer"), &json!(900))
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    for token in ["access", "refresh"] {
        assert_ne!(answer.body[token], first[token]);
    }
    let (old, new) = (
        decode_jwt(&text(&first["access"])).1,
        decode_jwt(&text(&answer.body["access"])).1,
    );
    assert_eq!(old["sub"], new["sub"]);
    assert_ne!(old["jti"], new["jti"]);
    assert_eq!(old["sid"], new["sid"]);
    for access in [&first["access"], &answer.body["access"]] {
        caller_with(&app, &text(access))
            .get("/api/users/me/")
            .send()
            .await
            .is(200);
    }
}

/// Guarantee 10.
#[tokio::test]
async fn a_refresh_whose_answer_was_lost_can_be_sent_again_within_the_grace_period() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let lost = refresh(&app, &member.refresh).await.is(200).body;
    app.clock.advance(5);
    let again = refresh(&app, &member.refresh).await.is(200).body;
    assert_eq!(
        again["refresh"], lost["refresh"],
        "both answers contain the one valid token"
    );
    caller_with(&app, &text(&again["access"]))
        .get("/api/users/me/")
        .send()
        .await
        .is(200);
    let next = refresh(&app, &text(&again["refresh"])).await.is(200).body;
    app.clock.advance(3600);
    refresh(&app, &text(&next["refresh"])).await.is(200);
}

/// Guarantee 8.
#[tokio::test]
async fn an_older_refresh_token_ends_its_session() {
    let app = TestApp::new().await;
    // The previous token, after the grace period.
    let member = app.member().await;
    let next = refresh(&app, &member.refresh).await.is(200).body;
    app.clock.advance(11);
    refresh(&app, &member.refresh)
        .await
        .is_problem(401, "unauthenticated");
    refresh(&app, &text(&next["refresh"]))
        .await
        .is_problem(401, "unauthenticated");

    // A token before the previous one, within the grace period.
    let signed_in = login(&app, &member.username, PASSWORD).await.is(200).body;
    let other = login(&app, &member.username, PASSWORD).await.is(200).body;
    let second = refresh(&app, &text(&signed_in["refresh"])).await.is(200).body;
    let third = refresh(&app, &text(&second["refresh"])).await.is(200).body;
    refresh(&app, &text(&signed_in["refresh"]))
        .await
        .is_problem(401, "unauthenticated");
    for token in [&signed_in, &second, &third] {
        refresh(&app, &text(&token["refresh"]))
            .await
            .is_problem(401, "unauthenticated");
    }
    // The user's other session continues.
    refresh(&app, &text(&other["refresh"])).await.is(200);
}

/// Guarantees 8 and 10.
#[tokio::test]
async fn the_grace_period_is_configurable() {
    let app = TestApp::with(|options| options.config.tokens.grace_seconds = 60).await;
    let member = app.member().await;
    let next = refresh(&app, &member.refresh).await.is(200).body;
    app.clock.advance(55);
    let again = refresh(&app, &member.refresh).await.is(200).body;
    assert_eq!(again["refresh"], next["refresh"]);
    app.clock.advance(6);
    refresh(&app, &member.refresh).await.is(401);
    refresh(&app, &text(&next["refresh"])).await.is(401);
}

/// Guarantee 8: the age of a rotation is unknown if its timestamp is in the future.
#[tokio::test]
async fn a_rotation_before_the_clock_was_set_back_has_no_grace_period() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    let next = refresh(&app, &member.refresh).await.is(200).body;
    let others = refresh(&app, &other.refresh).await.is(200).body;
    app.clock.advance(-3600);
    // The current token still works.
    let others = refresh(&app, &text(&others["refresh"])).await.is(200).body;
    refresh(&app, &text(&others["refresh"])).await.is(200);
    // The previous token may have been stolen.
    refresh(&app, &member.refresh).await.is(401);
    refresh(&app, &text(&next["refresh"])).await.is(401);
}

/// Guarantee 13: setting the clock back does not extend a session.
#[tokio::test]
async fn a_session_ends_after_30_days_even_if_the_clock_is_set_back() {
    const DAY: i64 = 24 * 3600;
    let app = TestApp::new().await;
    app.clock.advance(100 * DAY);
    let member = app.member().await;
    app.clock.advance(-100 * DAY);
    let mut token = text(&refresh(&app, &member.refresh).await.is(200).body["refresh"]);
    for _ in 0..4 {
        app.clock.advance(7 * DAY);
        token = text(&refresh(&app, &token).await.is(200).body["refresh"]);
    }
    app.clock.advance(2 * DAY);
    refresh(&app, &token).await.is(401);
}

/// Guarantee 13.
#[tokio::test]
async fn a_session_ends_30_days_after_it_began_however_often_it_is_refreshed() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let mut token = member.refresh.clone();
    for _ in 0..5 {
        app.clock.advance(6 * 24 * 3600 - 60);
        token = text(&refresh(&app, &token).await.is(200).body["refresh"]);
    }
    app.clock.advance(600);
    refresh(&app, &token).await.is_problem(401, "unauthenticated");
    login(&app, &member.username, PASSWORD).await.is(200);
}

/// Guarantee 12.
#[tokio::test]
async fn logout_revokes_the_refresh_tokens_of_its_session_only() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let other = login(&app, &member.username, PASSWORD).await.is(200).body;
    let next = text(&refresh(&app, &member.refresh).await.is(200).body["refresh"]);
    let answer = post(&app, LOGOUT, json!({"refresh": next})).await.is(204);
    assert_eq!(answer.text, "");
    for token in [&member.refresh, &next] {
        refresh(&app, token).await.is_problem(401, "unauthenticated");
    }
    refresh(&app, &text(&other["refresh"])).await.is(200);
    member.get("/api/users/me/").send().await.is(200);
    // A second logout succeeds. An invalid token is refused.
    post(&app, LOGOUT, json!({"refresh": next})).await.is(204);
    for wrong in ["x", "", &member.access.clone().unwrap(), &"A".repeat(100_000)] {
        let answer = post(&app, LOGOUT, json!({"refresh": wrong})).await;
        answer.is(if wrong.is_empty() { 400 } else { 401 });
        let answer = refresh(&app, wrong).await;
        answer.is(if wrong.is_empty() { 400 } else { 401 });
    }
}
