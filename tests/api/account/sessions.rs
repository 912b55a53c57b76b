//! The list of sessions, and ending them.

use futures_util::future::join_all;
use marquee::server::Place;
use marquee_shared::{
    auth::refresh::RefreshToken,
    db::{keys, session::SessionItem, session_list::MAX_SESSIONS, user::PasswordVersion},
    domain::{SessionId, UserId},
};
use serde_json::{Value, json};

use super::{PASSWORD_PATH, SESSIONS, change_password, other_password, session_ids, sign_in};
use crate::{
    api::auth::{LOGOUT, SigningFixture, caller_with, post, refresh, text},
    support::{
        Caller, PASSWORD, TestApp, audit::audit, layouts::make_sessions_earlier, tokens::without_user,
    },
};

#[tokio::test]
async fn a_user_sees_their_sessions_the_latest_first() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    app.clock.advance(60);
    let login = json!({"username": member.username, "password": PASSWORD});
    let call = app.anonymous().post("/api/auth/login/").json(&login);
    let odd = "Browser/1.0 (\tOdd) ".repeat(20);
    call.header("user-agent", &odd).send().await.is(200);
    app.clock.advance(60);
    let third = member.in_new_session().await;
    let ids = session_ids(&third).await;
    assert_eq!(ids.len(), 3);
    assert_eq!(
        (&ids[0], &ids[2]),
        (&third.session().unwrap(), &member.session().unwrap())
    );
    assert_eq!(session_ids(&other).await, [other.session().unwrap()]);

    app.clock.advance(60);
    refresh(&app, &member.refresh).await.is(200);
    let list = third.get(SESSIONS).send().await.is(200).body;
    let results = list["results"].as_array().unwrap();
    let current: Vec<&Value> = results.iter().map(|session| &session["current"]).collect();
    assert_eq!(current, [true, false, false]);
    let names = results[0].as_object().unwrap().keys().map(String::as_str);
    let expected = [
        "created_at",
        "current",
        "expires_at",
        "id",
        "last_used_at",
        "user_agent",
    ];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    let time = |session: usize, name: &str| text(&results[session][name]);
    // The oldest was used last.
    assert!(
        time(2, "created_at") < time(1, "created_at") && time(2, "last_used_at") > time(0, "last_used_at")
    );
    assert_eq!(time(0, "created_at"), time(0, "last_used_at"));
    assert!(time(0, "expires_at") > time(1, "expires_at"));
    let shown = text(&results[1]["user_agent"]);
    assert!(
        shown.starts_with("Browser/1.0 (Odd) Browser") && shown.chars().count() <= 200,
        "{shown}"
    );
    assert_eq!(results[0]["user_agent"], Value::Null);

    // Pages in both directions.
    let first = third
        .get(&format!("{SESSIONS}?limit=2"))
        .send()
        .await
        .is(200)
        .body;
    let second = third
        .get(first["next"].as_str().unwrap())
        .send()
        .await
        .is(200)
        .body;
    assert_eq!(
        (text(&second["results"][0]["id"]), &second["next"]),
        (ids[2].clone(), &Value::Null)
    );
    let again = third
        .get(second["previous"].as_str().unwrap())
        .send()
        .await
        .is(200)
        .body;
    assert_eq!(again["results"], first["results"]);
    other.get(first["next"].as_str().unwrap()).send().await.is(400);
    // An expired session isn't listed.
    app.clock.advance(30 * 24 * 3600 - 150);
    assert_eq!(
        session_ids(&in_same_session(&app, &third.refresh).await)
            .await
            .len(),
        2
    );
}

/// The caller with the access token of a refresh.
async fn in_same_session(app: &TestApp, token: &str) -> Caller {
    let tokens = refresh(app, token).await.is(200).body;
    caller_with(app, &text(&tokens["access"]))
}

/// Guarantee 12.
#[tokio::test]
async fn ending_sessions_ends_their_refresh_tokens_and_no_others() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    let (second, third) = (member.in_new_session().await, member.in_new_session().await);
    let path = |id: &str| format!("{SESSIONS}{id}/");
    let [first_id, second_id] = [&member, &second].map(|caller| caller.session().unwrap());
    // Another user's session, an unknown one, and text that is no id.
    for id in [
        &*other.session().unwrap(),
        "00000000000000000000000000000000",
        "1",
        "x",
        &first_id.to_uppercase(),
    ] {
        member.delete(&path(id)).send().await.is_problem(404, "not_found");
    }
    member.delete(&path(&second_id)).send().await.is(204);
    member.delete(&path(&second_id)).send().await.is(404);
    refresh(&app, &second.refresh).await.is(401);
    assert_eq!(session_ids(&member).await.len(), 2);
    // Its access token is valid until it expires.
    second.get(SESSIONS).send().await.is(200);

    third.delete(SESSIONS).send().await.is(204);
    assert_eq!(session_ids(&third).await, [third.session().unwrap()]);
    refresh(&app, &member.refresh).await.is(401);
    for caller in [&third, &other] {
        refresh(&app, &caller.refresh).await.is(200);
    }
    // The current session.
    third
        .delete(&path(&third.session().unwrap()))
        .send()
        .await
        .is(204);
    refresh(&app, &third.refresh).await.is(401);
    assert!(session_ids(&third).await.is_empty());
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_sign_in_beyond_eighty_sessions_ends_the_one_that_was_not_used_for_longest() {
    let app = TestApp::new().await;
    let member = app.member().await;
    app.clock.advance(10);
    let oldest_unused = member.in_new_session().await;
    app.clock.advance(10);
    let used = refresh(&app, &member.refresh).await.is(200).body;
    let user = UserId::try_from(member.id).unwrap();
    let store = &app.running.state.store;
    // The rest, without hashing a password for each.
    for n in 2..MAX_SESSIONS {
        let token = RefreshToken::first(user).unwrap();
        let at = store.clock.now().plus_seconds(n as i64);
        let session = SessionItem::of_password(user, PasswordVersion::default(), &token, at, 3600);
        store.put_session(&token, &session).await.unwrap();
    }
    assert_eq!(member.get(SESSIONS).send().await.body["count"], MAX_SESSIONS);
    sign_in(&app, &member.username, PASSWORD).await.is(200);
    assert_eq!(member.get(SESSIONS).send().await.body["count"], MAX_SESSIONS);
    refresh(&app, &oldest_unused.refresh).await.is(401);
    refresh(&app, &text(&used["refresh"])).await.is(200);
    // Sign-ins at once end no more than they begin.
    let many = (0..6).map(|_| sign_in(&app, &member.username, PASSWORD));
    for answer in join_all(many).await {
        answer.is(200);
    }
    let count = member.get(SESSIONS).send().await.body["count"].as_u64().unwrap();
    assert!(
        (MAX_SESSIONS as u64 - 6..=MAX_SESSIONS as u64).contains(&count),
        "{count}"
    );
}

/// Guarantee 7: sessions and tokens of earlier versions go on.
#[tokio::test]
async fn a_session_of_an_earlier_version_goes_on_and_is_listed_after_its_next_refresh() {
    let data = tempfile::tempdir().unwrap();
    let place = data.path().to_owned();
    let app = TestApp::with(|options| options.place = Place::Data(place)).await;
    let store = &app.running.state.store;
    for without in [false, true] {
        let member = app.member().await;
        let id = UserId::try_from(member.id).unwrap();
        let token = if without {
            without_user(&member.refresh, data.path())
        } else {
            member.refresh.clone()
        };
        make_sessions_earlier(store, id).await;
        assert!(session_ids(&member).await.is_empty());
        let next = refresh(&app, &token).await.is(200).body;
        assert_eq!(session_ids(&member).await, [member.session().unwrap()]);
        // Its retry, in either form, gets the same successor.
        app.clock.advance(5);
        let again = refresh(&app, &token).await.is(200).body;
        assert_eq!(again["refresh"], next["refresh"]);
        let last = refresh(&app, &text(&next["refresh"])).await.is(200).body;
        // A token from before ends it, and it isn't moved again.
        app.clock.advance(60);
        refresh(&app, &token).await.is(401);
        for token in [&token, &text(&last["refresh"])] {
            refresh(&app, token).await.is(401);
        }
        assert!(session_ids(&member).await.is_empty());
    }
    // Logout of one that was never moved.
    let member = app.member().await;
    make_sessions_earlier(store, UserId::try_from(member.id).unwrap()).await;
    post(&app, LOGOUT, json!({"refresh": member.refresh}))
        .await
        .is(204);
    refresh(&app, &member.refresh).await.is(401);
    // A change of the password ends those that nothing finds.
    let member = app.member().await;
    make_sessions_earlier(store, UserId::try_from(member.id).unwrap()).await;
    change_password(&member).await;
    refresh(&app, &member.refresh).await.is(401);
    let moved = keys::session(
        UserId::try_from(member.id).unwrap(),
        SessionId::parse(&member.session().unwrap()).unwrap(),
    );
    assert!(store.get(&moved).await.unwrap().is_none());
}

/// Guarantee 12: sessions of an earlier version too, which are not listed.
#[tokio::test]
async fn ending_the_other_sessions_ends_those_of_an_earlier_version() {
    let app = TestApp::new().await;
    let member = app.member().await;
    make_sessions_earlier(&app.running.state.store, UserId::try_from(member.id).unwrap()).await;
    let current = member.in_new_session().await;
    for _ in 0..2 {
        current.delete(SESSIONS).send().await.is(204);
        refresh(&app, &member.refresh).await.is(401);
        assert_eq!(session_ids(&current).await, [current.session().unwrap()]);
    }
    refresh(&app, &current.refresh).await.is(200);
    audit(&app.running.state.store).await;
}

/// A token of an earlier version names no session.
#[tokio::test]
async fn without_a_session_in_the_token_the_client_is_told_to_refresh_it() {
    let fixture = SigningFixture::new().await;
    let token = fixture.with_claims(&json!({"sid": null}));
    let caller = caller_with(&fixture.app, &token);
    caller.get("/api/users/me/").send().await.is(200);
    caller.get(SESSIONS).send().await.is_problem(401, "token_expired");
    caller
        .delete(SESSIONS)
        .send()
        .await
        .is_problem(401, "token_expired");
    let call = caller.put(PASSWORD_PATH).json(&other_password());
    call.send().await.is_problem(401, "token_expired");
}
