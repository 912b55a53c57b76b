//! Guarantee 39: nothing that a client sent and nothing that is stored reaches the log or a problem document.
//!
//! The functions log in the test's own thread, as they do on AWS. The tests put a canary, which is a text to search for,
//! wherever a client can write: in paths, queries, headers, bodies and stored items.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::{Router, body::Body, routing::get};
use futures_util::future::join_all;
use marquee_shared::{
    config::Config,
    db::{
        item::Item,
        keys::{PK, SK, class_of},
    },
    http::with_layers,
};
use reqwest::Method;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::captured_log::Log;
use crate::support::{
    Answer, Call, Caller, TestApp,
    audit::scan,
    mail::token_in,
    movie,
    operations::{IMAGE, NO_SESSION, Operation, operations},
    proxy::{Fault, ProxiedApp, TABLE_CALLS},
    secrets::{CANARY, assert_no_secrets},
};

/// An acceptable password that contains the canary.
const CANARY_PASSWORD: &str = "the canary sings no password";

/// The id of a movie that does not exist.
const NO_MOVIE: u64 = 9_007_199_254_740_991;

/// Adds the canary in every header that the test case does not set itself.
fn with_canary_headers(call: Call) -> Call {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let request = call.0.try_clone().unwrap().build().unwrap();
    let call = match request.headers().contains_key("idempotency-key") {
        true => call,
        false => {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            call.header("idempotency-key", &format!("canary-{n}"))
        }
    };
    call.header("x-request-id", "canary-request-id")
        .header("user-agent", "canary/1.0")
        .header("cookie", "session=canary")
        .header("referer", "https://canary.example/reset?token=canary")
        .header("x-forwarded-for", "canary, 203.0.113.7")
        .header("x-api-key", "canary")
        .header("accept-language", "canary")
}

/// The callers of a test and a stored movie, whose texts all contain the canary.
struct Fixture {
    anonymous: Caller,
    member: Caller,
    owner: Caller,
    movie: Value,
}

impl Fixture {
    async fn new(app: &TestApp, tokens: &mut BTreeSet<String>) -> Self {
        let member = register(app, "Canary.Member").await;
        let owner = register(app, "Canary.Owner").await;
        let movie = owner.post("/api/movies/").json(&stored_movie());
        let movie = movie
            .header("idempotency-key", USED_KEY)
            .send()
            .await
            .is(201)
            .body;
        let mut other = stored_movie();
        other["imdb_id"] = json!(TAKEN_IMDB_ID);
        owner.add(&other).await;
        tokens.extend([&member, &owner].into_iter().flat_map(tokens_of));
        Self {
            anonymous: app.anonymous(),
            member,
            owner,
            movie,
        }
    }

    /// Returns a request of this operation whose answer has this status. Returns `None` if only the table or a throttle
    /// causes that status.
    fn request_answered_with(&self, operation: &Operation, status: u16) -> Option<Call> {
        let has_body = operation.id == "delete_me"
            || (["POST", "PUT", "PATCH"].contains(&&*operation.method)
                && !operation.path.ends_with("/favorite/"));
        let good = |caller: &Caller| operation.request(caller, &self.movie["id"], &self.anonymous);
        let path = operation.path_of(&self.movie["id"].to_string(), NO_SESSION);
        let method = || operation.method.parse::<Method>().unwrap();
        Some(match status {
            404 if operation.id == "end_session" => self.owner.call(method(), &path),
            409 if operation.id == "update_me" => {
                let body = json!({"username": self.member.username, "current_password": CANARY_PASSWORD});
                self.owner.call(method(), &path).json(&body)
            }
            400 if operation.id == "set_cover" => self
                .owner
                .call(method(), &path)
                .body("image/png", [IMAGE, CANARY.as_bytes()].concat()),
            413 if operation.id == "set_cover" => self
                .owner
                .call(method(), &path)
                .body("image/png", CANARY.repeat(4_100_000 / CANARY.len())),
            400 if has_body => self.owner.call(method(), &path).body(
                "application/json",
                r#"{"username": ["canary"], "password": "canary", "title": {"canary": 1}, "refresh": "canary", "canary"#,
            ),
            400 => self.owner.call(
                method(),
                &format!("{path}?limit=canary&cursor=canary&ordering=canary&genre=%00canary&q="),
            ),
            401 if ["log_in", "refresh_session", "log_out"].contains(&&*operation.id) => self
                .anonymous
                .call(method(), &path)
                .json(&json!({"username": "canary", "password": CANARY_PASSWORD, "refresh": "canary"})),
            401 => good(&Caller {
                access: Some("canary.canary.canary".into()),
                ..self.anonymous.clone()
            }),
            403 if operation.id == "create_movie" => {
                let mut movie = stored_movie();
                movie["user"] = json!(self.owner.id);
                self.member.call(method(), &path).json(&movie)
            }
            403 => good(&self.member),
            // This server sends mail.
            404 if operation.id == "request_password_reset" => return None,
            404 => operation.request(&self.owner, &json!(NO_MOVIE), &self.anonymous),
            409 if operation.path.starts_with("/api/movies/") => {
                let mut movie = stored_movie();
                movie["imdb_id"] = json!(TAKEN_IMDB_ID);
                self.owner.call(method(), &path).json(&movie)
            }
            409 => self.anonymous.call(method(), &path).json(&json!({
                "username": self.member.username, "email": "other.canary@example.com", "password": CANARY_PASSWORD,
            })),
            412 => good(&self.owner).header("if-match", "\"canary\""),
            413 => self
                .owner
                .call(method(), &path)
                .body("application/json", CANARY.repeat(60_000)),
            415 => self
                .owner
                .call(method(), &path)
                .body("application/x-canary", CANARY),
            422 => {
                let call = operation.request(&self.owner, &self.movie["id"], &self.anonymous);
                call.header("idempotency-key", USED_KEY)
            }
            429 | 503 => return None,
            other => panic!("{}: no request for status {other}", operation.id),
        })
    }
}

/// Returns a request about a caller's account, with the password of this test's users.
fn account_call(operation: &Operation, caller: &Caller) -> Call {
    let body = json!({"current_password": CANARY_PASSWORD, "new_password": CANARY_PASSWORD});
    let path = operation.path_of("1", NO_SESSION);
    let call = caller.call(operation.method.parse().unwrap(), &path);
    call.json(&body)
}

fn tokens_of(caller: &Caller) -> [String; 2] {
    [caller.access.clone().unwrap(), caller.refresh.clone()]
}

fn email_of(caller: &Caller) -> String {
    format!("{}@canary.example", caller.username)
}

/// Registers a member all of whose texts contain the canary.
async fn register(app: &TestApp, username: &str) -> Caller {
    let body = json!({
        "username": username, "email": format!("{username}@canary.example"), "password": CANARY_PASSWORD,
    });
    let answer = with_canary_headers(app.anonymous().post("/api/auth/register/").json(&body))
        .send()
        .await
        .is(201);
    let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
    Caller {
        id: answer.body["user"]["id"].as_u64().unwrap(),
        username: username.to_owned(),
        access: Some(text("access")),
        refresh: text("refresh"),
        ..app.anonymous()
    }
}

/// The idempotency key of the request that added the stored movie.
const USED_KEY: &str = "the-used-canary";

/// The IMDb id of a stored movie.
const TAKEN_IMDB_ID: &str = "tt9999999";

fn stored_movie() -> Value {
    movie("Canary", "Director Canary", "Canary Drama", "1979-05-25")
}

/// Sends a request. Panics if its answer is an error that contains the canary or a token.
async fn send(what: &str, call: Call, tokens: &BTreeSet<String>) -> Answer {
    let answer = with_canary_headers(call).send().await;
    if !answer.status.is_success() {
        assert_no_secrets(what, &answer.text, tokens);
    }
    answer
}

#[tokio::test]
async fn nothing_that_a_client_sent_is_in_the_log_or_in_an_error_answer() {
    let log = Log::capture();
    let app = TestApp::new().await;
    let mut tokens = BTreeSet::new();
    let fixture = Fixture::new(&app, &mut tokens).await;
    let operations = operations();
    for operation in &operations {
        for status in operation.statuses.iter().copied().filter(|status| *status >= 400) {
            if let Some(call) = fixture.request_answered_with(operation, status) {
                let what = format!("{} {status}", operation.id);
                let answer = send(&what, call, &tokens).await;
                assert_eq!(answer.status, status, "{what}: {}", answer.text);
            }
        }
    }
    // Requests without an operation, where a client has put secrets into the path or the query by mistake.
    let (refresh, access) = (&fixture.member.refresh, fixture.member.access.as_ref().unwrap());
    for (method, path) in [
        ("POST", format!("/api/auth/refresh/{refresh}/")),
        (
            "GET",
            format!("/api/auth/refresh/?refresh={refresh}&password=canary"),
        ),
        ("GET", format!("/api/movies/{access}/")),
        ("GET", "/api/users/member@canary.example/".into()),
        ("GET", "/api/movies/canary/favorite?access=canary".into()),
        ("GET", "/canary@example.com?password=canary".into()),
        ("GET", "/api/movies/%63anary%2F..%2Fcanary/".into()),
        ("DELETE", "/api/auth/login/?canary".into()),
        ("CANARY", "/api/movies/".into()),
        ("CANARY", "/canary/".into()),
    ] {
        let call = fixture.anonymous.call(method.parse().unwrap(), &path);
        let answer = send(&path, call, &tokens).await;
        assert!([404, 405].contains(&answer.status.as_u16()), "{path}");
    }
    // Requests that succeed, and the tokens in their answers.
    for operation in &operations {
        // No sample finds a cover.
        if operation.id == "get_cover" {
            continue;
        }
        let guest = register(&app, &format!("Canary.{}", operation.id)).await;
        let guest = app.with_reset_token(guest).await;
        tokens.extend(tokens_of(&guest));
        tokens.insert(guest.reset.clone());
        let movie = fixture.owner.add(&stored_movie()).await;
        let call = match operation.id.as_str() {
            "log_in" => fixture.anonymous.post("/api/auth/login/").json(&json!({
                "username": guest.username, "password": CANARY_PASSWORD,
            })),
            "update_me" | "change_password" => account_call(operation, &fixture.owner),
            "delete_me" => account_call(operation, &guest),
            "request_password_reset" => fixture
                .anonymous
                .post("/api/auth/password-reset/")
                .json(&json!({"email": email_of(&guest)})),
            "search_movies" => fixture.owner.get("/api/movies/search/?q=canary"),
            "list_movies" => fixture.owner.get("/api/movies/?genre=canary+drama"),
            _ => operation.request(&fixture.owner, &movie["id"], &guest),
        };
        let answer = send(&operation.id, call, &tokens).await;
        assert!(answer.status.is_success(), "{}: {}", operation.id, answer.text);
        for name in ["access", "refresh"] {
            tokens.extend(answer.body[name].as_str().map(str::to_owned));
        }
        if operation.id == "request_password_reset" {
            // The mail function logs too.
            let mails = app.mails(&email_of(&guest), 1).await;
            tokens.insert(token_in(&mails[0]));
        }
    }
    assert_no_secrets("the log", &log.text(), &tokens);
    assert!(log.text().contains("mail_sent"), "{}", log.text());
    // The log contains the route instead of the path.
    let routes = log.routes();
    for operation in &operations {
        let route = routes
            .get(&operation.id)
            .unwrap_or_else(|| panic!("{}", operation.id));
        assert_eq!(
            route.trim_end_matches('/'),
            operation.path.trim_end_matches('/'),
            "{}",
            operation.id
        );
    }
}

#[tokio::test]
async fn nothing_that_a_client_sent_is_in_the_log_when_the_table_fails() {
    let log = Log::capture();
    let proxied = ProxiedApp::with(|options| options.config.http.deadline = Duration::from_secs(1)).await;
    let mut tokens = BTreeSet::new();
    let fixture = Fixture::new(&proxied.app, &mut tokens).await;
    for fault in [
        Fault::CallLost,
        Fault::AnswerLost,
        Fault::NoAnswer,
        Fault::Refused(400, "ProvisionedThroughputExceededException"),
        Fault::Refused(500, "InternalServerError"),
    ] {
        // After this time the cached keys that verify tokens are read again.
        proxied.app.clock.advance(6 * 60);
        let fixture = Fixture {
            member: log_in(&fixture.member).await,
            owner: log_in(&fixture.owner).await,
            anonymous: fixture.anonymous.clone(),
            movie: fixture.movie.clone(),
        };
        tokens.extend([&fixture.member, &fixture.owner].into_iter().flat_map(tokens_of));
        proxied.app.clock.advance(6 * 60);
        for name in TABLE_CALLS {
            proxied.proxy.inject(name, 0..usize::MAX, fault);
        }
        let operations = operations();
        let failing = operations
            .iter()
            // The store of covers is no table.
            .filter(|operation| operation.statuses.contains(&503) && operation.id != "get_cover");
        join_all(failing.map(async |operation| {
            let what = format!("{} {fault:?}", operation.id);
            let call = operation.request(&fixture.owner, &fixture.movie["id"], &fixture.member);
            let answer = send(&what, call, &tokens).await;
            assert_eq!(answer.status, 503, "{what}: {}", answer.text);
        }))
        .await;
        proxied.proxy.clear_faults();
    }
    assert_no_secrets("the log", &log.text(), &tokens);
}

async fn log_in(caller: &Caller) -> Caller {
    let body = json!({"username": caller.username, "password": CANARY_PASSWORD});
    let anonymous = Caller {
        access: None,
        ..caller.clone()
    };
    let answer = anonymous
        .post("/api/auth/login/")
        .json(&body)
        .send()
        .await
        .is(200);
    let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
    Caller {
        access: Some(text("access")),
        refresh: text("refresh"),
        ..caller.clone()
    }
}

#[tokio::test]
async fn nothing_stored_is_in_the_log_when_an_item_cannot_be_decoded() {
    let log = Log::capture();
    let app = TestApp::new().await;
    let mut tokens = BTreeSet::new();
    let fixture = Fixture::new(&app, &mut tokens).await;
    let favorite = format!("/api/movies/{}/favorite/", fixture.movie["id"]);
    fixture.owner.put(&favorite).send().await.is(200);
    let store = &app.running.state.store;
    let put = async |item: Item| {
        let put = store
            .client
            .put_item()
            .table_name(&*store.table)
            .set_item(Some(item));
        put.send().await.unwrap();
    };
    let mut classes: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in scan(store).await {
        classes.entry(class_of(&item)).or_default().push(item);
    }
    let mut unreadable = BTreeSet::new();
    let canary = || AttributeValue::S("canary".into());
    let spoiled_texts = [AttributeValue::L(vec![canary()]), canary()];
    for ((class, items), text) in classes
        .iter()
        .flat_map(|class| spoiled_texts.iter().map(move |text| (class, text)))
    {
        for item in items {
            put(corrupted(item, text, &canary())).await;
        }
        for operation in operations() {
            let call = match operation.id.as_str() {
                "log_in" => fixture.anonymous.post("/api/auth/login/").json(&json!({
                    "username": fixture.owner.username, "password": CANARY_PASSWORD,
                })),
                "update_me" | "change_password" => account_call(&operation, &fixture.owner),
                "search_movies" => fixture.owner.get("/api/movies/search/?q=canary"),
                // The next requests need the movie, the session and the owner.
                "delete_movie" | "log_out" | "delete_me" => continue,
                "create_movie" => {
                    let call = fixture.owner.post("/api/movies/").json(&stored_movie());
                    call.header("idempotency-key", USED_KEY)
                }
                _ => operation.request(&fixture.owner, &fixture.movie["id"], &fixture.owner),
            };
            // The answer may be a 500, which `Call::send` does not accept.
            let (client, request) = with_canary_headers(call).0.build_split();
            let response = client.execute(request.unwrap()).await.unwrap();
            let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
            if status >= 400 {
                assert_no_secrets(&format!("{} over {class}", operation.id), &text, &tokens);
            }
            if status == 500 {
                unreadable.insert(class.as_str());
            }
        }
        for item in items {
            put(item.clone()).await;
        }
    }
    assert_no_secrets("the log", &log.text(), &tokens);
    let noticed = [
        "GENRES",
        "IDEMPOTENCY",
        "LOGIN",
        "META",
        "MOVIES",
        "SESSIONS",
        "USERS",
    ];
    assert!(
        noticed.iter().all(|class| unreadable.contains(class)),
        "{unreadable:?}"
    );
}

#[tokio::test]
async fn the_message_of_a_panic_is_not_in_the_log() {
    async fn panics(path: axum::extract::Path<String>) {
        panic!("{}", path.0)
    }
    let log = Log::capture();
    let config = Config::default().http;
    let router = with_layers(Router::new().route("/{text}/", get(panics)), &config).unwrap();
    let request = axum::http::Request::get("/canary/").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_no_secrets("the log", &log.text(), &BTreeSet::new());
    assert!(log.text().contains("a panic"), "{}", log.text());
}

/// Returns the item with `text` in place of each string and `other` in place of all other values. The keys of the table
/// and of its indexes stay.
fn corrupted(item: &Item, text: &AttributeValue, other: &AttributeValue) -> Item {
    const KEYS: [&str; 6] = [PK, SK, "dated", "date", "liked", "likes"];
    let spoil = |(name, value): (&String, &AttributeValue)| {
        let value = match value {
            value if KEYS.contains(&name.as_str()) => value,
            AttributeValue::S(_) => text,
            _ => other,
        };
        (name.clone(), value.clone())
    };
    item.iter().map(spoil).collect()
}

#[tokio::test]
async fn the_cause_of_a_failure_is_logged_with_separate_fields_for_operation_and_error_code() {
    let log = Log::capture();
    let proxied = ProxiedApp::new().await;
    for name in TABLE_CALLS {
        let refused = Fault::Refused(400, "AccessDeniedException");
        proxied.proxy.inject(name, 0..usize::MAX, refused);
    }
    // `Call::send` does not accept a 500.
    let response = proxied
        .app
        .anonymous()
        .get("/api/movies/")
        .0
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(
        (&problem["status"], &problem["code"]),
        (&json!(500), &json!("internal_error"))
    );
    let lines = log.lines();
    let line = |message: &str| {
        let found = lines.iter().find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("no line {message}: {lines:?}"))
    };
    let failure = line("internal error");
    assert_eq!(failure["level"], "ERROR");
    assert_eq!(failure["code"], "internal_error");
    assert_eq!(failure["error"], "the call failed");
    assert_eq!(failure["aws_error_code"], "AccessDeniedException");
    let operation = failure["aws_operation"].as_str().unwrap();
    assert!(TABLE_CALLS.contains(&operation), "{operation}");
    assert_eq!(failure["span"]["operation"], "list_movies");
    let answered = line("answered");
    assert_eq!(answered["status"], 500);
    assert_eq!(answered["code"], "internal_error");
}
