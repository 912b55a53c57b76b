//! The keys of a deployment: derived from secrets in Secrets Manager, published, rotated and withdrawn.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use marquee::{functions::Functions, gateway::Gateway, server::TEMPLATE, template::Template};
use marquee_auth::Vault;
use marquee_covers::Objects;
use marquee_shared::{db::Key, http::layers::cors};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{
    Answer, Caller, NothingRefused, PASSWORD, TestApp,
    proxy::{Exchange, ProxiedApp, Record},
    secrets_manager::SecretsManager,
};

const JWKS: &str = "/.well-known/jwks.json";

/// The names of the secrets.
const SIGNING: &str = "marquee/signing";
const REFRESH: &str = "marquee/refresh";

/// A day, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// Two values of the signing secret.
const FIRST: &str = "Rk3vQ8wXz1LmNp5TyB7HcJ9dSfG2aEuV";
const SECOND: &str = "m9XhT4qLw2ZcV6bNk8RjP1sDyF3gAe5U";

/// A table and a Secrets Manager, which the processes of all functions share.
struct Deployment {
    app: TestApp,
    secrets: SecretsManager,
    started: Mutex<Vec<NothingRefused>>,
}

impl Deployment {
    async fn new() -> Self {
        Self::over(TestApp::new().await).await
    }

    /// Over the table of this server.
    async fn over(app: TestApp) -> Self {
        let secrets = SecretsManager::new().await;
        secrets.put(SIGNING, FIRST);
        secrets.put(REFRESH, "c5VbN7mQwE9rT1yU3iO4pA6sD8fG0hJk");
        Self {
            app,
            secrets,
            started: Mutex::default(),
        }
    }

    /// Starts new processes of all functions, with empty caches, and returns a caller of them.
    async fn start(&self) -> Caller {
        let template = Template::parse(TEMPLATE).unwrap();
        let functions = Functions::new(&template, &self.app.running.state, Objects::memory());
        let client = self.secrets.client.clone();
        let vault = Vault::secrets_manager(move || client, SIGNING.into(), REFRESH.into());
        let routers = functions.routers(vault).unwrap();
        self.started.lock().unwrap().push(NothingRefused(functions));
        let cors = cors(&self.app.running.state.config.http).unwrap();
        let gateway = Arc::new(Gateway::new(&template, routers, cors).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(gateway.serve(listener, std::future::pending()));
        Caller {
            base,
            ..self.app.anonymous()
        }
    }
}

async fn register(caller: &Caller, name: &str) -> Answer {
    let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
    caller.post("/api/auth/register/").json(&body).send().await
}

async fn refresh(caller: &Caller, token: &Value) -> Answer {
    caller
        .post("/api/auth/refresh/")
        .json(&json!({"refresh": token}))
        .send()
        .await
}

async fn me(caller: &Caller, access: &Value) -> Answer {
    let caller = Caller {
        access: Some(access.as_str().unwrap().into()),
        ..caller.clone()
    };
    caller.get("/api/users/me/").send().await
}

fn kid(access: &Value) -> String {
    let header = access.as_str().unwrap().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

/// Returns the token with the id of a key that does not exist. A verifier reads the keys again when it sees such a token,
/// unless it read them a moment ago.
fn with_unknown_kid(access: &Value) -> Value {
    with_kid(access, "unknown")
}

/// Returns the token with the id of another key in its header.
fn with_kid(access: &Value, kid: &str) -> Value {
    let (_, rest) = access.as_str().unwrap().split_once('.').unwrap();
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "EdDSA", "kid": kid}).to_string());
    json!(format!("{header}.{rest}"))
}

/// How many of these calls read the keys.
fn reads_of_keys(calls: Vec<Record>) -> usize {
    let read = calls.into_iter().filter(|record| {
        let names_keys = |exchange: &Exchange| exchange.call.to_string().contains("\"KEYS\"");
        record.operation == "Query" && record.exchange.as_ref().is_some_and(names_keys)
    });
    read.count()
}

async fn published_kids(caller: &Caller) -> Vec<String> {
    let answer = caller.get(JWKS).send().await.is(200);
    let keys = answer.body["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_published_keys_verify_access_tokens() {
    let app = TestApp::new().await;
    let first_caller = app.anonymous().get(JWKS).send().await.is(200);
    assert_eq!(first_caller.header("content-type"), "application/json");
    assert_eq!(first_caller.header("cache-control"), "public, max-age=60");
    let with_slash = app.anonymous().get(&format!("{JWKS}/")).send().await.is(200);
    assert_eq!(with_slash.text, first_caller.text);

    let key = &first_caller.body["keys"][0];
    assert_eq!(first_caller.body["keys"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"), &json!("sig"))
    );
    let token = app.member().await.access.unwrap();
    assert_eq!(key["kid"], kid(&json!(token)));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    UnparsedPublicKey::new(&ED25519, public)
        .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .unwrap();
    assert!(!first_caller.text.contains("\"d\""), "{}", first_caller.text);
}

#[tokio::test]
async fn no_other_well_known_path_exists() {
    let app = TestApp::new().await;
    app.anonymous().get("/.well-known/").send().await.is(404);
    app.anonymous()
        .get("/.well-known/openid-configuration")
        .send()
        .await
        .is_problem(404, "not_found");
}

/// Guarantee 6.
#[tokio::test]
async fn a_rotation_signs_nobody_out() {
    let deployment = Deployment::new().await;
    let old = deployment.start().await;
    let before = register(&old, "before").await.is(201).body;
    // Some time later, so that only the rotation is recent.
    deployment.app.clock.advance(3600);
    let before = refresh(&old, &before["refresh"]).await.is(200).body;
    assert_eq!(published_kids(&old).await.len(), 1);

    deployment.secrets.put(SIGNING, SECOND);
    let new = deployment.start().await;
    // The new key is published immediately, but signs only after every verifier has had time to read it.
    let during = register(&new, "during").await.is(201).body;
    assert_eq!(kid(&during["access"]), kid(&before["access"]));
    assert_eq!(published_kids(&new).await.len(), 2);
    deployment.app.clock.advance(45);
    let during = refresh(&new, &during["refresh"]).await.is(200).body;
    assert_eq!(kid(&during["access"]), kid(&before["access"]));
    deployment.app.clock.advance(45);
    let after = register(&new, "after").await.is(201).body;
    assert_ne!(kid(&after["access"]), kid(&before["access"]));
    // A process that has cached the old key signs with it for up to five minutes. Every process verifies both.
    let late = register(&old, "late").await.is(201).body;
    assert_eq!(kid(&late["access"]), kid(&before["access"]));
    for process in [&old, &new, &deployment.start().await] {
        for tokens in [&before, &during, &after, &late] {
            me(process, &tokens["access"]).await.is(200);
        }
        assert_eq!(published_kids(process).await.len(), 2);
    }

    deployment.app.clock.advance(5 * 60);
    let noticed = refresh(&old, &before["refresh"]).await.is(200).body;
    assert_eq!(kid(&noticed["access"]), kid(&after["access"]));
    me(&new, &before["access"]).await.is(200);
    refresh(&new, &noticed["refresh"]).await.is(200);

    // A client that returns weeks later may send the old access token with the call that refreshes it.
    deployment.app.clock.advance(20 * DAY);
    let returning = Caller {
        access: Some(late["access"].as_str().unwrap().into()),
        ..new.clone()
    };
    let back = refresh(&returning, &late["refresh"]).await.is(200).body;
    me(&old, &back["access"]).await.is(200);
    // The old key is removed once all sessions that began under it have ended.
    deployment.app.clock.advance(41 * DAY);
    register(&new, "stranger").await.is(201);
    assert_eq!(published_kids(&new).await, [kid(&after["access"])]);
}

/// A client can continue its session even if nobody has signed in for a long time, whichever access token it sends.
#[tokio::test]
async fn a_month_without_logins_signs_nobody_out() {
    let deployment = Deployment::new().await;
    let caller = deployment.start().await;
    let tokens = register(&caller, "ripley").await.is(201).body;
    deployment.app.clock.advance(29 * DAY);
    let returning = Caller {
        access: Some(tokens["access"].as_str().unwrap().into()),
        ..caller.clone()
    };
    returning
        .get("/api/users/me/")
        .send()
        .await
        .is_problem(401, "token_expired");
    let tokens = refresh(&returning, &tokens["refresh"]).await.is(200).body;
    me(&caller, &tokens["access"]).await.is(200);
}

/// A key does not sign before every verifier has had time to read it. This holds for the current and the previous key.
#[tokio::test]
async fn two_rotations_in_a_row_sign_nobody_out() {
    let deployment = Deployment::new().await;
    let verifier = deployment.start().await;
    let mut tokens = register(&verifier, "ripley").await.is(201).body;
    let first = kid(&tokens["access"]);
    deployment.app.clock.advance(400);
    // A process that uses the first key sees the second and the third key appear before its cache expires.
    let signer = deployment.start().await;
    tokens = refresh(&signer, &tokens["refresh"]).await.is(200).body;
    deployment.app.clock.advance(300);
    let unknown = with_unknown_kid(&tokens["access"]);
    me(&verifier, &unknown).await.is(401);
    for text in [SECOND, "Tt5rD8wQz2KmHp6LyV9NcX3bSfJ1aGuE"] {
        deployment.secrets.put(SIGNING, text);
        published_kids(&deployment.start().await).await;
    }
    for _ in 0..30 {
        // Makes the verifier read the keys as often as it may, for the first time before either new key exists.
        me(&verifier, &unknown).await.is(401);
        tokens = refresh(&signer, &tokens["refresh"]).await.is(200).body;
        me(&verifier, &tokens["access"]).await.is(200);
        deployment.app.clock.advance(5);
    }
    assert_ne!(kid(&tokens["access"]), first);
}

/// Guarantee 6.
/// A verifier reads the keys at most once in ten seconds. It would refuse a token of a key that was published since then.
#[tokio::test]
async fn a_verifier_that_has_just_read_the_keys_knows_the_new_key_before_it_signs() {
    let deployment = Deployment::new().await;
    let verifier = deployment.start().await;
    let mut tokens = register(&verifier, "ripley").await.is(201).body;
    deployment.app.clock.advance(200);
    deployment.secrets.put(SIGNING, SECOND);
    let signer = deployment.start().await;
    let first = kid(&tokens["access"]);
    let unknown = with_unknown_kid(&tokens["access"]);
    for _ in 0..30 {
        // Makes the verifier read the keys as often as it may.
        me(&verifier, &unknown).await.is(401);
        tokens = refresh(&signer, &tokens["refresh"]).await.is(200).body;
        me(&verifier, &tokens["access"]).await.is(200);
        deployment.app.clock.advance(5);
    }
    assert_ne!(kid(&tokens["access"]), first);
}

/// Guarantee 6: tokens with made-up key ids, each another one, cause one read of the keys in ten seconds, however many are sent
/// at once. A token of a key that was published meanwhile is accepted after one read, and so is the next one without any.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_with_200_unknown_key_ids_cause_one_read_of_the_keys_in_10_seconds() {
    let proxied = ProxiedApp::new().await;
    proxied.proxy.record_bodies();
    let deployment = Deployment::over(proxied.app).await;
    let signer = deployment.start().await;
    let before = register(&signer, "before").await.is(201).body;
    let verifier = deployment.start().await;
    let proxy = &proxied.proxy;
    // The reads of 200 requests at once.
    let flood = async |series: &str| {
        proxy.take();
        let tokens = (0..200).map(|n| with_kid(&before["access"], &format!("{series}-{n}")));
        let refused =
            tokens.map(async |token| me(&verifier, &token).await.is_problem(401, "unauthenticated"));
        join_all(refused).await;
        reads_of_keys(proxy.take())
    };
    // The verifier has not read any key yet.
    assert_eq!(flood("new").await, 1);
    assert_eq!(flood("again").await, 0);
    deployment.app.clock.advance(10);
    assert_eq!(flood("later").await, 1);
    proxy.take();
    me(&verifier, &before["access"]).await.is(200);
    assert_eq!(reads_of_keys(proxy.take()), 0);

    deployment.secrets.put(SIGNING, SECOND);
    let rotated = deployment.start().await;
    register(&rotated, "during").await.is(201);
    deployment.app.clock.advance(90);
    let after = register(&rotated, "after").await.is(201).body;
    assert_ne!(kid(&after["access"]), kid(&before["access"]));
    for (tokens, reads) in [(&after, 1), (&after, 0), (&before, 0)] {
        proxy.take();
        me(&verifier, &tokens["access"]).await.is(200);
        assert_eq!(reads_of_keys(proxy.take()), reads);
    }
    assert_eq!(flood("after the rotation").await, 0);
    // Keys that were read ahead of the clock are not kept until it has caught up.
    deployment.app.clock.advance(-3600);
    assert_eq!(flood("set back").await, 1);
    assert_eq!(flood("set back, again").await, 0);
}

#[tokio::test]
async fn a_key_in_use_stays_published() {
    let deployment = Deployment::new().await;
    let caller = deployment.start().await;
    let mut tokens = register(&caller, "ripley").await.is(201).body;
    for _ in 0..20 {
        deployment.app.clock.advance(3 * 60 * 60);
        tokens = refresh(&caller, &tokens["refresh"]).await.is(200).body;
        // Shortly before the token expires.
        deployment.app.clock.advance(800);
        me(&deployment.start().await, &tokens["access"]).await.is(200);
        assert_eq!(published_kids(&caller).await.len(), 1);
    }
}

/// Guarantee 6.
#[tokio::test]
async fn a_withdrawn_key_no_longer_verifies_and_is_not_published_again() {
    let deployment = Deployment::new().await;
    let caller = deployment.start().await;
    let stolen = register(&caller, "ripley").await.is(201).body;
    me(&caller, &stolen["access"]).await.is(200);
    deployment.secrets.put(SIGNING, SECOND);
    let item = Key::new("KEYS", kid(&stolen["access"]));
    deployment.app.running.state.store.delete(&item).await.unwrap();
    // A process caches the keys for five minutes.
    me(&caller, &stolen["access"]).await.is(200);
    // A process that still has the old secret must not publish the old key again when it reads the keys.
    published_kids(&caller).await;
    register(&caller, "newt").await.is(201);
    assert_eq!(published_kids(&caller).await, Vec::<String>::new());

    deployment.app.clock.advance(5 * 60);
    me(&caller, &stolen["access"])
        .await
        .is_problem(401, "unauthenticated");
    let safe = refresh(&caller, &stolen["refresh"]).await.is(200).body;
    assert_eq!(published_kids(&caller).await, [kid(&safe["access"])]);
    // A verifier reads the keys at most once in ten seconds.
    deployment.app.clock.advance(10);
    me(&caller, &safe["access"]).await.is(200);
}

#[tokio::test]
async fn unreadable_secrets_are_503_and_secrets_once_read_are_kept_for_an_hour() {
    let deployment = Deployment::new().await;
    deployment.secrets.fail(Some("InternalServiceError"));
    let caller = deployment.start().await;
    register(&caller, "early").await.is_problem(503, "unavailable");
    deployment.secrets.fail(None);
    let tokens = register(&caller, "early").await.is(201).body;

    deployment.secrets.fail(Some("InternalServiceError"));
    deployment.app.clock.advance(45 * 60);
    let tokens = refresh(&caller, &tokens["refresh"]).await.is(200).body;
    me(&caller, &tokens["access"]).await.is(200);
    // The secrets are not read again for every request.
    let reads = deployment.secrets.reads();
    let tokens = refresh(&caller, &tokens["refresh"]).await.is(200).body;
    assert_eq!(deployment.secrets.reads(), reads);
    deployment.app.clock.advance(15 * 60);
    refresh(&caller, &tokens["refresh"])
        .await
        .is_problem(503, "unavailable");
    deployment.secrets.fail(None);
    refresh(&caller, &tokens["refresh"]).await.is(200);
}

#[tokio::test]
async fn a_missing_or_short_secret_is_503_until_it_is_fixed() {
    let deployment = Deployment::new().await;
    let caller = deployment.start().await;
    deployment.secrets.put(SIGNING, "short");
    register(&caller, "ripley").await.is_problem(503, "unavailable");
    caller.get(JWKS).send().await.is_problem(503, "unavailable");
    deployment.secrets.put(SIGNING, SECOND);
    register(&caller, "ripley").await.is(201);
    // An anonymous read needs no secret.
    caller.get("/api/movies/").send().await.is(200);
}

#[tokio::test]
async fn each_process_reads_the_secrets_once_in_five_minutes() {
    let deployment = Deployment::new().await;
    let caller = deployment.start().await;
    let mut tokens = register(&caller, "ripley").await.is(201).body;
    for _ in 0..3 {
        tokens = refresh(&caller, &tokens["refresh"]).await.is(200).body;
    }
    assert_eq!(deployment.secrets.reads(), 2);
    deployment.app.clock.advance(200);
    tokens = refresh(&caller, &tokens["refresh"]).await.is(200).body;
    assert_eq!(deployment.secrets.reads(), 2);
    deployment.app.clock.advance(100);
    refresh(&caller, &tokens["refresh"]).await.is(200);
    assert_eq!(deployment.secrets.reads(), 4);
}
