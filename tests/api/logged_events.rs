//! Guarantee 39: sign-ins, and whatever else happens to an account, are logged with the user's id and nothing else of the user.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use marquee::mail::Mails;
use marquee_mail::{MailFunction, Mailer, Settings, StreamEvent};
use marquee_shared::{
    db::{outbox::LANES, password_reset::MAILS_IN_A_ROW},
    domain::Email,
};
use serde_json::{Value, json};

use super::{
    captured_log::Log,
    throttles::{FREE, LOGIN, REFRESH, WRONG},
};
use crate::{
    docs::files,
    support::{Answer, Caller, PASSWORD, TestApp, mail::token_in, secrets::assert_no_secrets, ses::Ses},
};

const RESET: &str = "/api/auth/password-reset/";
const CONFIRM: &str = "/api/auth/password-reset/confirm/";
const LOGOUT: &str = "/api/auth/logout/";
const OTHER: &str = "another long passphrase";

/// The events of the mail function, which [`nothing_of_a_mail_is_in_the_log`] causes, and of the limit of an address.
const ELSEWHERE: [&str; 5] = [
    "address_throttled",
    "mail_for_nobody",
    "mail_sent",
    "mail_spaced",
    "mail_too_late",
];

/// The log, and the events in it that a test has seen.
struct Events {
    log: Log,
    seen: usize,
    names: BTreeSet<String>,
}

impl Events {
    /// Checks that one event has been logged since the last check: this one, of this user, at this level.
    #[track_caller]
    fn are(&mut self, name: &str, user: Option<u64>, level: &str) {
        let events = self.log.events().split_off(self.seen);
        let of = |event: &Value| {
            (
                event["event"].clone(),
                event["user"].as_u64(),
                event["level"].clone(),
            )
        };
        let seen: Vec<_> = events.iter().map(of).collect();
        assert_eq!(seen, [(json!(name), user, json!(level))]);
        // The line of the request, with the same id, is in the gateway's log beside the address of the client.
        assert!(events[0]["span"]["request_id"].is_string(), "{}", events[0]);
        assert!(events[0]["timestamp"].is_string(), "{}", events[0]);
        self.seen += 1;
        self.names.insert(name.to_owned());
    }
}

async fn post(caller: &Caller, path: &str, body: Value) -> Answer {
    caller.post(path).json(&body).send().await
}

async fn login(caller: &Caller, name: &str, password: &str) -> Answer {
    post(caller, LOGIN, json!({"username": name, "password": password})).await
}

/// Every event that the functions log, by the text of their code.
fn events_of_the_code() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in files(&["functions", "shared/src"], "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let found = text.split("event = \"").skip(1);
        names.extend(found.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    names
}

#[tokio::test]
async fn every_event_of_an_account_is_logged_with_its_user() {
    let app = TestApp::with(|options| options.mails = Mails::LeftInOutbox).await;
    let mut events = Events {
        log: Log::capture(),
        seen: 0,
        names: BTreeSet::new(),
    };
    let anonymous = app.anonymous();
    // So that no wait ends because this machine is slow.
    app.clock.stop();
    let user = app.register("ripley").await;
    let id = Some(user.id);
    events.are("registered", id, "INFO");
    login(&anonymous, "ripley", PASSWORD).await.is(200);
    events.are("logged_in", id, "INFO");
    login(&anonymous, "ripley", WRONG).await.is(401);
    events.are("login_failed", id, "WARN");
    for _ in 0..FREE {
        login(&anonymous, "nobody", WRONG).await.is(401);
        events.are("login_failed", None, "WARN");
    }
    login(&anonymous, "nobody", WRONG).await.is(429);
    events.are("login_throttled", None, "WARN");

    let second = user.in_new_session().await;
    events.are("logged_in", id, "INFO");
    let next = post(&anonymous, REFRESH, json!({"refresh": second.refresh})).await;
    let next = next.is(200).body["refresh"].clone();
    post(&anonymous, REFRESH, json!({"refresh": next})).await.is(200);
    post(&anonymous, REFRESH, json!({"refresh": second.refresh}))
        .await
        .is(401);
    events.are("refresh_replayed", id, "WARN");
    let third = user.in_new_session().await;
    events.are("logged_in", id, "INFO");
    post(&anonymous, LOGOUT, json!({"refresh": third.refresh}))
        .await
        .is(204);
    events.are("logged_out", id, "INFO");
    let fourth = user.in_new_session().await;
    events.are("logged_in", id, "INFO");
    let path = format!("/api/users/me/sessions/{}/", fourth.session().unwrap());
    user.delete(&path).send().await.is(204);
    events.are("session_ended", id, "INFO");
    user.delete("/api/users/me/sessions/").send().await.is(204);
    events.are("other_sessions_ended", id, "INFO");

    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        user.put("/api/users/me/password/").json(&body).send()
    };
    change(PASSWORD, OTHER).await.is(204);
    events.are("password_changed", id, "INFO");
    let names = json!({"current_password": OTHER, "email": "ripley@nostromo.example"});
    user.patch("/api/users/me/").json(&names).send().await.is(200);
    events.are("names_changed", id, "INFO");

    for _ in 0..FREE {
        post(&anonymous, RESET, json!({"email": "ripley@nostromo.example"}))
            .await
            .is(202);
        // Whether somebody has the email is not known yet.
        events.are("password_reset_asked", None, "INFO");
    }
    post(&anonymous, RESET, json!({"email": "ripley@nostromo.example"}))
        .await
        .is(429);
    events.are("password_reset_throttled", None, "WARN");
    post(&anonymous, CONFIRM, json!({"token": "wrong", "password": OTHER}))
        .await
        .is(400);
    events.are("password_reset_refused", None, "WARN");
    let reset = app.with_reset_token(user.clone()).await.reset;
    post(&anonymous, CONFIRM, json!({"token": reset, "password": PASSWORD}))
        .await
        .is(204);
    events.are("password_reset", id, "INFO");

    for _ in 0..FREE {
        change(WRONG, OTHER).await.is(400);
        events.are("password_check_failed", id, "WARN");
    }
    change(PASSWORD, OTHER).await.is(429);
    events.are("password_throttled", id, "WARN");
    app.clock.advance(60);
    let body = json!({"current_password": PASSWORD});
    user.delete("/api/users/me/").json(&body).send().await.is(204);
    events.are("account_deleted", id, "INFO");

    let mut expected = events_of_the_code();
    for name in ELSEWHERE {
        assert!(expected.remove(name), "{name}");
    }
    assert_eq!(events.names, expected);
    let text = events.log.text();
    for secret in ["ripley", "nostromo", PASSWORD, OTHER, WRONG] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn a_request_beyond_the_limit_of_an_address_is_logged() {
    let app = TestApp::with(|options| options.config.throttle.address_per_minute = 1).await;
    // So that the minute doesn't end between the two.
    app.clock.stop();
    let mut events = Events {
        log: Log::capture(),
        seen: 0,
        names: BTreeSet::new(),
    };
    login(&app.anonymous(), "nobody", WRONG).await.is(401);
    events.are("login_failed", None, "WARN");
    login(&app.anonymous(), "nobody", WRONG).await.is(429);
    events.are("address_throttled", None, "WARN");
}

/// Invokes the mail function for everything in the outbox.
async fn deliver<M: Mailer>(app: &TestApp, function: &MailFunction<M>) {
    let mut keys = Vec::new();
    for lane in 0..LANES {
        keys.extend(app.running.state.store.asked_mails(lane, 100).await.unwrap());
    }
    assert!(!keys.is_empty());
    function.deliver(&StreamEvent::of(keys)).await;
}

/// Neither an address nor a token, also if SES refuses the mail with an error that quotes the address.
#[tokio::test]
async fn nothing_of_a_mail_is_in_the_log() {
    let log = Log::capture();
    let app = TestApp::with(|options| options.mails = Mails::LeftInOutbox).await;
    let ses = Ses::new().await;
    let settings = Settings {
        from: "from.canary@example.com".into(),
        public_url: "https://movies.example".into(),
        reset_seconds: 1800,
    };
    let store = app.running.functions.mail.state.store.clone();
    let function = MailFunction::new(store, settings, marquee_mail::Ses::from(ses.client.clone()));
    let user = app.register("canary").await;
    let ask = async |email: &str| {
        post(&app.anonymous(), RESET, json!({"email": email}))
            .await
            .is(202);
    };
    ask("canary@example.com").await;
    for code in [
        "MessageRejected",
        "BadRequestException",
        "TooManyRequestsException",
    ] {
        ses.refuse(Some(("canary@example.com", code)));
        deliver(&app, &function).await;
    }
    assert_eq!(
        log.text().matches("a mail was not sent").count(),
        3,
        "{}",
        log.text()
    );
    ses.refuse(None);
    deliver(&app, &function).await;
    let email = Email::parse("canary@example.com").unwrap();
    for _ in 0..MAILS_IN_A_ROW {
        app.running.state.store.ask_for_reset(&email).await.unwrap();
    }
    deliver(&app, &function).await;
    ask("nobody.canary@example.com").await;
    deliver(&app, &function).await;
    ask("canary@example.com").await;
    app.clock.advance(3601);
    deliver(&app, &function).await;
    let sent = ses.sent();
    assert_eq!(sent.len(), 10);
    let mut by_event: BTreeMap<String, Option<u64>> = BTreeMap::new();
    for event in log.events() {
        by_event.insert(
            event["event"].as_str().unwrap().to_owned(),
            event["user"].as_u64(),
        );
    }
    assert_eq!(by_event["mail_sent"], Some(user.id));
    assert_eq!(by_event["mail_spaced"], Some(user.id));
    assert_eq!(by_event["mail_for_nobody"], None);
    assert_eq!(by_event["mail_too_late"], None);
    let tokens = sent.iter().map(|mail| token_in(&mail.message)).collect();
    assert_no_secrets("the log", &log.text(), &tokens);
}
