//! Guarantee 77: the mail function, which the table's stream invokes.

use lambda_runtime::{Context, LambdaEvent};
use marquee::mail::Mails;
use marquee_mail::{Failures, MailFunction, Mailer, Settings, StreamEvent};
use marquee_shared::{
    auth::reset::ResetToken,
    db::{Key, Store, outbox::LANES},
    domain::Email,
};
use serde_json::{Value, json};

use crate::support::{
    Caller, PASSWORD, TestApp,
    audit::audit,
    mail::token_in,
    proxy::{Fault, ProxiedApp},
    ses::Ses,
};

fn settings() -> Settings {
    Settings {
        from: "movies@example.com".into(),
        public_url: "https://movies.example".into(),
        reset_seconds: 1800,
    }
}

/// A server whose mails are left to the function of the test.
async fn app() -> TestApp {
    TestApp::with(|options| options.mails = Mails::LeftInOutbox).await
}

/// The function with the role of the template.
fn function(app: &TestApp, ses: &Ses) -> MailFunction<impl Mailer + use<>> {
    let store = app.running.functions.mail.state.store.clone();
    MailFunction::new(store, settings(), marquee_mail::Ses::from(ses.client.clone()))
}

fn email_of(caller: &Caller) -> String {
    format!("{}@example.com", caller.username)
}

/// Asks for mails, and returns their items in this order.
async fn ask(app: &TestApp, emails: &[&str]) -> Vec<Key> {
    let earlier = outbox(&app.running.state.store).await;
    let mut asked: Vec<Key> = Vec::new();
    for email in emails {
        let body = json!({"email": email});
        let call = app.anonymous().post("/api/auth/password-reset/").json(&body);
        call.send().await.is(202);
        let new = outbox(&app.running.state.store).await;
        asked.extend(
            new.into_iter()
                .filter(|key| !asked.contains(key) && !earlier.contains(key))
                .collect::<Vec<_>>(),
        );
        app.clock.advance(1);
    }
    assert_eq!(asked.len(), emails.len());
    asked
}

async fn outbox(store: &Store) -> Vec<Key> {
    let mut keys = Vec::new();
    for lane in 0..LANES {
        keys.extend(store.asked_mails(lane, 100).await.unwrap());
    }
    keys
}

/// Invokes the function as Lambda does, and returns the number of the record from which on the stream repeats.
async fn invoke<M: Mailer>(function: &MailFunction<M>, keys: &[Key]) -> Option<usize> {
    let event = serde_json::to_value(StreamEvent::of(keys.to_vec())).unwrap();
    let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default());
    let answer: Failures = marquee_mail::handle(function, event).await.unwrap();
    let answer: Value = serde_json::to_value(answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap();
    assert!(failures.len() <= 1, "{answer}");
    failures
        .first()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap().parse().unwrap())
}

/// Sets a password by the token of a mail, which must be good.
async fn use_token(app: &TestApp, token: &str) {
    let body = json!({"token": token, "password": PASSWORD});
    let call = app
        .anonymous()
        .post("/api/auth/password-reset/confirm/")
        .json(&body);
    call.send().await.is(204);
}

#[tokio::test]
async fn a_mail_is_sent_by_ses_and_its_item_is_removed() {
    let (app, ses) = (app().await, Ses::new().await);
    let function = function(&app, &ses);
    let user = app.member().await;
    let keys = ask(&app, &["nobody@example.com", &email_of(&user)]).await;
    assert_eq!(invoke(&function, &keys).await, None);
    let sent = ses.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(
        (&*sent[0].from, &sent[0].to),
        ("movies@example.com", &vec![email_of(&user)])
    );
    let link = format!(
        "https://movies.example/reset-password#token={}",
        token_in(&sent[0].message)
    );
    assert!(sent[0].message.contains(&link));
    assert_eq!(outbox(&app.running.state.store).await, []);
    // The stream repeats records.
    assert_eq!(invoke(&function, &keys).await, None);
    assert_eq!(ses.sent().len(), 1);
    use_token(&app, &token_in(&sent[0].message)).await;
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_mail_that_fails_is_repeated_with_those_behind_it_and_not_those_before() {
    let (app, ses) = (app().await, Ses::new().await);
    let function = function(&app, &ses);
    let users = [app.member().await, app.member().await, app.member().await];
    let emails = users.each_ref().map(email_of);
    let keys = ask(&app, &emails.each_ref().map(String::as_str)).await;
    ses.refuse(Some((&emails[1], "MessageRejected")));
    for _ in 0..3 {
        assert_eq!(invoke(&function, &keys).await, Some(2));
    }
    assert_eq!(ses.sent().len(), 1);
    ses.refuse(None);
    assert_eq!(invoke(&function, &keys[1..]).await, None);
    let to: Vec<String> = ses.sent().into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to, emails);
    // Only the token of the mail that was sent is good.
    for mail in ses.sent() {
        use_token(&app, &token_in(&mail.message)).await;
    }
}

#[tokio::test]
async fn a_mail_is_not_sent_an_hour_after_it_was_asked_for() {
    let (app, ses) = (app().await, Ses::new().await);
    let function = function(&app, &ses);
    let email = email_of(&app.member().await);
    let keys = ask(&app, &[&email]).await;
    app.clock.advance(3600);
    assert_eq!(invoke(&function, &keys).await, None);
    assert_eq!(
        (ses.sent().len(), outbox(&app.running.state.store).await.len()),
        (0, 0)
    );
}

/// The function fails, and the next invocation sends the mail once, whichever call to the table failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_fails_delays_a_mail_and_loses_none() {
    let proxied = ProxiedApp::new().await;
    let (app, ses) = (&proxied.app, Ses::new().await);
    let function = function(app, &ses);
    let user = app.member().await;
    let mut sent = 0;
    for operation in ["GetItem", "PutItem"] {
        let keys = ask(app, &[&email_of(&user)]).await;
        let refused = Fault::Refused(400, "AccessDeniedException");
        proxied.proxy.inject(operation, 0..usize::MAX, refused);
        assert_eq!(invoke(&function, &keys).await, Some(1), "{operation}");
        assert_eq!(ses.sent().len(), sent);
        proxied.proxy.clear_faults();
        assert_eq!(invoke(&function, &keys).await, None);
        sent += 1;
        assert_eq!(ses.sent().len(), sent);
    }
    // The mail was sent, and only its item is left. It isn't a failure, and the stream doesn't repeat it.
    let keys = ask(app, &[&email_of(&user)]).await;
    let refused = Fault::Refused(400, "AccessDeniedException");
    proxied.proxy.inject("DeleteItem", 0..usize::MAX, refused);
    assert_eq!(invoke(&function, &keys).await, None);
    proxied.proxy.clear_faults();
    assert_eq!(
        (ses.sent().len(), outbox(&app.running.state.store).await.len()),
        (sent + 1, 1)
    );
    // So it is if the time of the mail can't be noted.
    let keys = ask(app, &[&email_of(&user)]).await;
    proxied.proxy.inject("PutItem", 1..usize::MAX, refused);
    assert_eq!(invoke(&function, &keys).await, None);
    proxied.proxy.clear_faults();
    sent += 2;
    assert_eq!(ses.sent().len(), sent);
    // Lost answers and throttles are retried within an invocation.
    for (n, fault) in [
        Fault::AnswerLost,
        Fault::Refused(400, "ProvisionedThroughputExceededException"),
    ]
    .into_iter()
    .enumerate()
    {
        let keys = ask(app, &[&email_of(&user)]).await;
        proxied.proxy.inject("*", 0..2, fault);
        assert_eq!(invoke(&function, &keys).await, None, "{fault:?}");
        proxied.proxy.clear_faults();
        assert_eq!(ses.sent().len(), sent + 1 + n, "{fault:?}");
    }
    audit(&app.running.state.store).await;
}

/// Asks for a mail as a stranger from this address, and lets the function work.
async fn ask_as<M: Mailer>(
    app: &TestApp,
    function: &MailFunction<M>,
    address: u8,
    email: &str,
) -> Option<usize> {
    let stranger = app.anonymous().at([127, 0, 3, address]);
    let call = stranger
        .post("/api/auth/password-reset/")
        .json(&json!({"email": email}));
    call.send().await.is(202);
    invoke(function, &outbox(&app.running.state.store).await).await
}

/// The tokens of the mails that were sent.
fn tokens(ses: &Ses) -> Vec<String> {
    ses.sent().iter().map(|mail| token_in(&mail.message)).collect()
}

async fn is_good(app: &TestApp, token: &str) -> bool {
    let token = ResetToken::parse(token).unwrap();
    let user = app.running.state.store.reset_by(&token).await;
    user.unwrap().is_some()
}

/// Guarantee 22.
#[tokio::test]
async fn whoever_asks_without_pause_leaves_the_owner_five_minutes_for_each_token() {
    let (app, ses) = (app().await, Ses::new().await);
    let function = function(&app, &ses);
    let owner = app.member().await;
    let email = email_of(&owner);
    app.clock.stop();
    for asked in 0..30 {
        assert_eq!(ask_as(&app, &function, asked / 9, &email).await, None);
        assert_eq!(ses.sent().len(), usize::from(asked + 1).min(10));
        assert!(is_good(&app, tokens(&ses).last().unwrap()).await);
        app.clock.advance(1);
    }
    // The tenth mail was sent when the clock had advanced by 9 s.
    app.clock.advance(9 + 299 - 30);
    ask_as(&app, &function, 4, &email).await;
    assert_eq!(ses.sent().len(), 10);
    let tenth = tokens(&ses).remove(9);
    assert!(is_good(&app, &tenth).await);
    app.clock.advance(1);
    ask_as(&app, &function, 4, &email).await;
    assert_eq!(ses.sent().len(), 11);
    assert!(!is_good(&app, &tenth).await);
    app.clock.advance(299);
    ask_as(&app, &function, 4, &email).await;
    let tokens = tokens(&ses);
    assert_eq!(tokens.len(), 11);
    // An item that nobody is sent a mail for is removed.
    assert_eq!(outbox(&app.running.state.store).await, []);
    use_token(&app, &tokens[10]).await;
    // A token that was used delays no mail.
    ask_as(&app, &function, 4, &email).await;
    assert_eq!(ses.sent().len(), 12);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_mail_that_failed_a_token_that_is_not_good_and_a_clock_that_is_set_back_delay_no_mail() {
    let (app, ses) = (app().await, Ses::new().await);
    let function = function(&app, &ses);
    let owner = app.member().await;
    let email = email_of(&owner);
    app.clock.stop();
    for asked in 0..10 {
        ask_as(&app, &function, asked / 9, &email).await;
    }
    app.clock.advance(300);
    ses.refuse(Some((&email, "MessageRejected")));
    for _ in 0..3 {
        assert_eq!(ask_as(&app, &function, 2, &email).await, Some(1));
    }
    ses.refuse(None);
    // The first of the three is sent, and the token of the others is that of the first.
    let keys = outbox(&app.running.state.store).await;
    assert_eq!((keys.len(), invoke(&function, &keys).await), (3, None));
    assert_eq!(ses.sent().len(), 11);
    // With another password, the token of the last mail is not good.
    let body = json!({"current_password": PASSWORD, "new_password": "another long passphrase"});
    let call = owner.put("/api/users/me/password/").json(&body);
    call.send().await.is(204);
    ask_as(&app, &function, 3, &email).await;
    assert_eq!(ses.sent().len(), 12);
    ask_as(&app, &function, 3, &email).await;
    assert_eq!(ses.sent().len(), 12);
    app.clock.advance(-7200);
    ask_as(&app, &function, 3, &email).await;
    assert_eq!(ses.sent().len(), 13);
    // After a quarter of an hour without a mail, ten more may follow each other.
    app.clock.advance(900);
    for asked in 0..11 {
        ask_as(&app, &function, 4 + asked / 9, &email).await;
    }
    assert_eq!(ses.sent().len(), 23);
}

/// The mail of a user goes to the address of their registration, in whatever form it is typed.
#[tokio::test]
async fn a_mail_goes_to_the_registered_address_with_its_domain_in_ascii() {
    let (app, ses) = (app().await, Ses::new().await);
    let function = function(&app, &ses);
    let body = json!({"username": "ripley", "email": "Ripley@Bücher.example", "password": PASSWORD});
    app.anonymous()
        .post("/api/auth/register/")
        .json(&body)
        .send()
        .await
        .is(201);
    let typed = Email::parse("ｒipley@BÜCHER.example").unwrap();
    assert_ne!(typed.as_str(), "Ripley@Bücher.example");
    app.running.state.store.ask_for_reset(&typed).await.unwrap();
    let keys = outbox(&app.running.state.store).await;
    assert_eq!(invoke(&function, &keys).await, None);
    assert_eq!(ses.sent()[0].to, ["Ripley@xn--bcher-kva.example"]);
}
