//! Guarantee 77: password resets.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use marquee::mail::Mails;
use marquee_shared::{
    auth::{password, reset::ResetToken},
    db::{
        item::Attributes as _,
        password_change::{NewPassword, PasswordChange},
    },
    domain::{Password, UserId},
};
use serde_json::{Value, json};

use super::{login, post, refresh, register, text};
use crate::support::{
    Answer, Caller, PASSWORD, TestApp,
    audit::{audit, scan},
    mail::token_in,
    proxy::ProxiedApp,
};

const RESET: &str = "/api/auth/password-reset/";
const CONFIRM: &str = "/api/auth/password-reset/confirm/";
const NEW: &str = "another long passphrase";

fn email_of(caller: &Caller) -> String {
    format!("{}@example.com", caller.username)
}

async fn ask(caller: &Caller, email: &str) -> Answer {
    caller.post(RESET).json(&json!({"email": email})).send().await
}

async fn confirm(app: &TestApp, token: &str, password: &str) -> Answer {
    post(app, CONFIRM, json!({"token": token, "password": password})).await
}

/// A token of the user, as an operator makes it.
async fn token_of(app: &TestApp, caller: &Caller) -> String {
    app.with_reset_token(caller.clone()).await.reset
}

/// Asserts that a token is refused, whatever is wrong with it, and that only the token is named.
#[track_caller]
fn assert_no_good(answer: Answer) {
    let answer = answer.is_problem(400, "invalid_input").names(&["token"]);
    assert_eq!(
        answer.body["errors"]["token"],
        json!(["This token is wrong, was used or is too old."])
    );
}

#[tokio::test]
async fn the_token_of_a_mail_sets_a_password_and_ends_every_session() {
    let app = TestApp::new().await;
    let (user, other) = (app.member().await, app.member().await);
    let second = user.login().await.is(200);
    let email = email_of(&user);
    // In another case and with white space: the mail goes to the address that was registered.
    let asked = ask(&app.anonymous(), &format!(" {} ", email.to_uppercase()))
        .await
        .is(202);
    assert_eq!(asked.body.as_object().unwrap().len(), 1);
    let mails = app.mails(&email, 1).await;
    let token = token_in(&mails[0]);
    assert!(
        mails[0].contains(&format!("{}/reset-password#token={token}", app.base)),
        "{}",
        mails[0]
    );
    // Nothing has changed yet.
    user.login().await.is(200);

    let answer = confirm(&app, &format!(" {token}\n"), NEW).await.is(204);
    assert_eq!(answer.text, "");
    for name in [&user.username, &email] {
        login(&app, name, PASSWORD).await.is(401);
        login(&app, name, NEW).await.is(200);
    }
    for token in [&user.refresh, &text(&second.body["refresh"])] {
        refresh(&app, token).await.is(401);
    }
    // Nobody else is affected.
    refresh(&app, &other.refresh).await.is(200);
    other.login().await.is(200);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_token_works_once_and_only_the_newest_one() {
    let app = TestApp::new().await;
    let user = app.member().await;
    let email = email_of(&user);
    let mut tokens = Vec::new();
    for count in 1..=3 {
        ask(&user, &email).await.is(202);
        tokens.push(token_in(app.mails(&email, count).await.last().unwrap()));
    }
    let different: BTreeSet<&String> = tokens.iter().collect();
    assert_eq!(different.len(), 3);
    for token in &tokens[..2] {
        assert_no_good(confirm(&app, token, NEW).await);
    }
    user.login().await.is(200);
    confirm(&app, &tokens[2], NEW).await.is(204);
    for token in &tokens {
        assert_no_good(confirm(&app, token, PASSWORD).await);
    }
    login(&app, &user.username, NEW).await.is(200);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_token_is_good_for_as_long_as_the_setting_says() {
    for (seconds, config) in [(1800, None), (60, Some(60))] {
        let app = TestApp::with(|options| {
            options.config.tokens.reset_seconds = config.unwrap_or(options.config.tokens.reset_seconds);
        })
        .await;
        let user = app.member().await;
        let token = token_of(&app, &user).await;
        app.clock.advance(seconds);
        assert_no_good(confirm(&app, &token, NEW).await);
        user.login().await.is(200);
        let token = token_of(&app, &user).await;
        app.clock.advance(seconds - 5);
        confirm(&app, &token, NEW).await.is(204);
    }
}

#[tokio::test]
async fn of_thirty_who_use_one_token_at_once_one_sets_the_password() {
    let app = TestApp::new().await;
    let user = app.member().await;
    let token = token_of(&app, &user).await;
    let passwords: Vec<String> = (0..30).map(|n| format!("{NEW} {n}")).collect();
    let answers = join_all(passwords.iter().map(|password| confirm(&app, &token, password))).await;
    let mut winners = Vec::new();
    for (answer, password) in answers.into_iter().zip(&passwords) {
        match answer.status.as_u16() {
            204 => winners.push(password),
            _ => assert_no_good(answer),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    login(&app, &user.username, winners[0]).await.is(200);
    user.login().await.is(401);
    audit(&app.running.state.store).await;
}

/// The transaction that sets the password checks the token again: between the first check and the transaction, it may have been
/// replaced, used or have become too old.
#[tokio::test]
async fn the_transaction_itself_refuses_a_token_that_is_no_longer_good() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let store = &app.running.state.store;
    let user = store
        .get_user(UserId::try_from(member.id).unwrap())
        .await
        .unwrap()
        .unwrap();
    let hash = password::hash(Password::parse(NEW.into()).unwrap())
        .await
        .unwrap();
    let set = async |token: &ResetToken| {
        let new = NewPassword {
            hash: &hash,
            known: None,
            email: None,
            keep: None,
            also: vec![store.use_reset_token(token).unwrap()],
        };
        store.set_password(user.id, &new).await.unwrap()
    };
    let replaced = store.make_reset_token(&user, 60).await.unwrap();
    let old = store.make_reset_token(&user, 60).await.unwrap();
    assert_eq!(set(&replaced).await, PasswordChange::Refused);
    app.clock.advance(60);
    assert_eq!(set(&old).await, PasswordChange::Refused);
    member.login().await.is(200);
    let good = store.make_reset_token(&user, 60).await.unwrap();
    assert_eq!(set(&good).await, PasswordChange::Made);
    assert_eq!(set(&good).await, PasswordChange::Refused);
    audit(store).await;
}

#[tokio::test]
async fn a_token_with_any_bit_flipped_or_of_another_user_is_refused() {
    let app = TestApp::new().await;
    let (user, other) = (app.member().await, app.member().await);
    let token = token_of(&app, &user).await;
    let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
    let mut bad: Vec<String> = (0..bytes.len())
        .map(|at| {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            URL_SAFE_NO_PAD.encode(flipped)
        })
        .collect();
    // The secret of one user with the id of another one, who has a token too.
    token_of(&app, &other).await;
    let id = other.id.to_be_bytes();
    bad.push(URL_SAFE_NO_PAD.encode([&id[..], &bytes[8..]].concat()));
    bad.extend(["x", "a token", "映画", &token[1..]].map(str::to_owned));
    bad.push(format!("{token}A"));
    bad.push(user.refresh.clone());
    bad.push(user.access.clone().unwrap());
    for token in &bad {
        assert_no_good(confirm(&app, token, NEW).await);
    }
    confirm(&app, &token, NEW).await.is(204);
    other.login().await.is(200);
}

#[tokio::test]
async fn the_rules_for_passwords_apply_and_a_refused_password_leaves_the_token_good() {
    let app = TestApp::new().await;
    let answer = register(&app, json!({})).await.is(201);
    let user = Caller {
        username: "Ripley".into(),
        refresh: text(&answer.body["refresh"]),
        ..app.anonymous()
    };
    let token = token_of(&app, &user).await;
    for password in ["short", "password", "ellen@example.com", &"x".repeat(129)] {
        confirm(&app, &token, password).await.is(400).names(&["password"]);
    }
    let named = app.register("long-enough-name").await;
    let token_of_named = token_of(&app, &named).await;
    confirm(&app, &token_of_named, "Long-Enough-Name")
        .await
        .is(400)
        .names(&["password"]);
    for (body, fields) in [
        (json!({}), vec!["password", "token"]),
        (
            json!({"token": "", "password": "short"}),
            vec!["password", "token"],
        ),
        (json!({"token": 7, "password": NEW}), vec!["token"]),
        (json!({"token": token}), vec!["password"]),
    ] {
        post(&app, CONFIRM, body).await.is(400).names(&fields);
    }
    // The session lives, until the token is used.
    let refreshed = refresh(&app, &user.refresh).await.is(200);
    confirm(&app, &token, NEW).await.is(204);
    refresh(&app, &text(&refreshed.body["refresh"])).await.is(401);
}

#[tokio::test]
async fn an_email_must_be_one() {
    let app = TestApp::new().await;
    for body in [
        json!({}),
        json!({"email": ""}),
        json!({"email": "ripley"}),
        json!({"email": ["a@b.co"]}),
    ] {
        post(&app, RESET, body).await.is(400).names(&["email"]);
    }
}

/// An answer without what differs between any two answers.
fn comparable(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let headers = headers.filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    (answer.status.as_u16(), answer.text.clone(), headers.collect())
}

/// Guarantee 18: the answer and the calls to the table are the same for an email of an account, an email of nobody, and a username that looks
/// like an email.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_shows_nothing_of_whether_an_account_has_the_email() {
    let proxied = ProxiedApp::new().await;
    let app = &proxied.app;
    let user = app.member().await;
    let body = json!({"username": "name@example.com", "email": "mail@example.com", "password": PASSWORD});
    app.anonymous()
        .post("/api/auth/register/")
        .json(&body)
        .send()
        .await
        .is(201);
    let known = email_of(&user);
    let mut seen = Vec::new();
    for email in [
        "nobody@example.com",
        &known,
        "name@example.com",
        "mail@example.com",
    ] {
        proxied.proxy.take();
        let answer = ask(&app.anonymous(), email).await.is(202);
        seen.push((comparable(&answer), proxied.proxy.take_operations()));
    }
    for other in &seen[1..] {
        assert_eq!(other, &seen[0]);
    }
    assert_eq!(
        seen[0].1,
        ["GetItem", "GetItem", "PutItem", "UpdateItem", "UpdateItem"]
    );
}

/// No mail is sent for an address that is nobody's, and none to a username.
#[tokio::test]
async fn a_mail_is_sent_to_the_registered_address_and_to_no_other() {
    let app = TestApp::new().await;
    let body = json!({"username": "name@example.com", "email": "Mail@Example.com", "password": PASSWORD});
    post(&app, "/api/auth/register/", body).await.is(201);
    for email in ["nobody@example.com", "name@example.com", "ｍail@example.com"] {
        ask(&app.anonymous(), email).await.is(202);
    }
    app.mails("Mail@example.com", 1).await;
    // The outbox is empty once all three have been handled.
    while of_class(&app, "OUTBOX").await > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(app.running.mailbox.messages().unwrap().len(), 1);
    assert_eq!(of_class(&app, "RESET").await, 1);
}

/// The number of items whose partition key begins with this.
async fn of_class(app: &TestApp, class: &str) -> usize {
    let items = scan(&app.running.state.store).await;
    let keys = items.iter().filter_map(|item| item.text("pk"));
    keys.filter(|pk| pk.starts_with(&format!("{class}#"))).count()
}

/// The table has neither a token nor its secret.
#[tokio::test]
async fn only_the_hash_of_a_token_is_stored() {
    let app = TestApp::new().await;
    let user = app.member().await;
    ask(&user, &email_of(&user)).await.is(202);
    let token = token_in(&app.mails(&email_of(&user), 1).await[0]);
    let stored = format!("{:?}", scan(&app.running.state.store).await);
    assert!(stored.contains("RESET#"), "{stored}");
    for end in [8, 20, 43] {
        assert!(!stored.contains(&token[end - 8..end]), "{end}");
    }
}

#[tokio::test]
async fn requests_are_throttled_by_email_and_address_apart_from_logins() {
    let app = TestApp::new().await;
    let user = app.member().await;
    app.clock.stop();
    for email in [&email_of(&user), "nobody@example.com"] {
        for _ in 0..9 {
            ask(&user, email).await.is(202);
        }
        let answer = ask(&user, email).await.is_problem(429, "too_many_requests");
        assert_eq!(answer.header("retry-after"), "1");
        // Another address, and another email.
        ask(&user.at([127, 0, 0, 9]), email).await.is(202);
        ask(&user, &format!("x{email}")).await.is(202);
    }
    // Neither slows the other.
    user.login().await.is(200);
    for _ in 0..9 {
        login(&app, &user.username, "a wrong passphrase").await.is(401);
    }
    app.mails(&email_of(&user), 10).await;
}

#[tokio::test]
async fn an_email_has_50_requests_in_15_minutes_from_all_addresses_together() {
    let app = TestApp::with(|options| options.mails = Mails::LeftInOutbox).await;
    let email = email_of(&app.member().await);
    app.clock.stop();
    let mut asked = 0;
    for n in 1..=10 {
        let stranger = app.anonymous().at([127, 0, 3, n]);
        for _ in 0..9 {
            asked += usize::from(ask(&stranger, &email).await.status == 202);
        }
    }
    assert_eq!(asked, 50);
    app.clock.advance(900);
    ask(&app.anonymous(), &email).await.is(202);
}

#[tokio::test]
async fn the_limit_of_an_address_applies_to_both_operations() {
    let app = TestApp::with(|options| options.config.throttle.address_per_minute = 4).await;
    app.clock.stop();
    let caller = app.anonymous().at([127, 0, 0, 8]);
    for n in 0..2 {
        ask(&caller, &format!("nobody{n}@example.com")).await.is(202);
        let body = json!({"token": "x".repeat(43), "password": NEW});
        caller.post(CONFIRM).json(&body).send().await.is(400);
    }
    ask(&caller, "nobody@example.com").await.is(429);
    let body = json!({"token": "x".repeat(43), "password": NEW});
    caller.post(CONFIRM).json(&body).send().await.is(429);
}

#[tokio::test]
async fn where_no_mail_is_configured_only_an_operators_token_resets_a_password() {
    let app = TestApp::with(|options| options.mails = Mails::Off).await;
    let user = app.member().await;
    for body in [json!({"email": email_of(&user)}), json!({})] {
        let answer = post(&app, RESET, body).await.is_problem(404, "not_found");
        assert!(
            text(&answer.body["detail"]).contains("operator"),
            "{}",
            answer.text
        );
    }
    let token = token_of(&app, &user).await;
    confirm(&app, &token, NEW).await.is(204);
    login(&app, &user.username, NEW).await.is(200);
}

/// Nobody who knows the old password keeps a token, and a forgotten password that was tried too often can be replaced at once.
#[tokio::test]
async fn a_reset_lets_its_user_sign_in_at_once_after_many_wrong_passwords() {
    let app = TestApp::new().await;
    let user = app.member().await;
    let wrong = async |name: &str| login(&app, name, "a wrong passphrase").await;
    app.clock.stop();
    for name in [&user.username, &email_of(&user)] {
        for _ in 0..9 {
            wrong(name).await.is(401);
        }
        wrong(name).await.is(429);
    }
    let token = token_of(&app, &user).await;
    confirm(&app, &token, NEW).await.is(204);
    for name in [&user.username, &email_of(&user)] {
        login(&app, name, NEW).await.is(200);
    }
}

/// Whoever reads an old mailbox, or has asked for a mail before, gets nothing.
#[tokio::test]
async fn another_email_or_password_ends_a_token() {
    let app = TestApp::new().await;
    let user = app.member().await;
    let token = token_of(&app, &user).await;
    let names = json!({"email": "other@example.com", "current_password": PASSWORD});
    user.patch("/api/users/me/").json(&names).send().await.is(200);
    assert_no_good(confirm(&app, &token, NEW).await);

    let token = token_of(&app, &user).await;
    let change = json!({"current_password": PASSWORD, "new_password": NEW});
    user.put("/api/users/me/password/")
        .json(&change)
        .send()
        .await
        .is(204);
    assert_no_good(confirm(&app, &token, PASSWORD).await);
    login(&app, &user.username, NEW).await.is(200);

    // A mail that was asked for with the old email goes nowhere.
    ask(&user, &email_of(&user)).await.is(202);
    ask(&user, "other@example.com").await.is(202);
    let token = token_in(&app.mails("other@example.com", 1).await[0]);
    confirm(&app, &token, PASSWORD).await.is(204);
    assert!(app.mails_to(&email_of(&user)).is_empty());
}

/// A token that is used while the user changes the email or the password either works before that or not at all.
#[tokio::test]
async fn a_change_of_email_or_password_and_a_reset_at_once_are_one_after_the_other() {
    for n in 0..6 {
        let app = TestApp::new().await;
        let user = app.member().await;
        let token = token_of(&app, &user).await;
        let (path, change) = if n % 2 == 0 {
            (
                "/api/users/me/password/",
                json!({"current_password": PASSWORD, "new_password": "a third passphrase"}),
            )
        } else {
            (
                "/api/users/me/",
                json!({"email": "other@example.com", "current_password": PASSWORD}),
            )
        };
        let call = match n % 2 {
            0 => user.put(path),
            _ => user.patch(path),
        };
        let (changed, reset) = tokio::join!(call.json(&change).send(), confirm(&app, &token, NEW));
        let (changed, reset) = (changed.status.is_success(), reset.status.is_success());
        // The change was checked with the old password, so it isn't made after the reset.
        assert!(changed != reset, "{n}: {changed} {reset}");
        login(&app, &user.username, NEW)
            .await
            .is(if reset { 200 } else { 401 });
        audit(&app.running.state.store).await;
    }
}

#[tokio::test]
async fn a_form_is_accepted_too() {
    let app = TestApp::new().await;
    let user = app.member().await;
    let form = "application/x-www-form-urlencoded";
    let call = app
        .anonymous()
        .post(RESET)
        .body(form, format!("email={}", email_of(&user)));
    call.send().await.is(202);
    let token = token_in(&app.mails(&email_of(&user), 1).await[0]);
    let call = app
        .anonymous()
        .post(CONFIRM)
        .body(form, format!("token={token}&password={NEW}"));
    call.send().await.is(204);
    let _: Value = login(&app, &user.username, NEW).await.is(200).body;
}
