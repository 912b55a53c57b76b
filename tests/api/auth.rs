//! Registering, signing in, staying signed in, signing out; and tokens that aren't ours.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use marquee::server::Place;
use marquee_shared::domain::Role;
use ring::{
    hkdf, hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use super::{but, settled};
use crate::support::{Answer, Call, Caller, PASSWORD, TestApp};

const REGISTER: &str = "/api/auth/register/";
const LOGIN: &str = "/api/auth/login/";
const REFRESH: &str = "/api/auth/refresh/";
const LOGOUT: &str = "/api/auth/logout/";

fn ripley() -> Value {
    json!({"username": "Ripley", "email": "Ellen@Example.com", "password": PASSWORD})
}

async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    app.anonymous().post(path).json(&body).send().await
}

async fn register(app: &TestApp, changes: Value) -> Answer {
    post(app, REGISTER, but(&ripley(), &changes)).await
}

async fn login(app: &TestApp, username: &str, password: &str) -> Answer {
    post(app, LOGIN, json!({"username": username, "password": password})).await
}

async fn refresh(app: &TestApp, token: &str) -> Answer {
    post(app, REFRESH, json!({"refresh": token})).await
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The parts of a JWT: header and claims.
fn decoded(token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let part = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    (part(parts[0]), part(parts[1]))
}

/// A caller with this access token.
fn bearing(app: &TestApp, access: &str) -> Caller {
    Caller {
        access: Some(access.to_owned()),
        ..app.anonymous()
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn registering_answers_the_user_and_their_tokens() {
    let app = TestApp::new().await;
    let answer = register(&app, json!({})).await.is(201);
    let body = &answer.body;
    assert_eq!(
        keys(body),
        ["access", "expires_in", "refresh", "token_type", "user"]
    );
    assert_eq!(
        keys(&body["user"]),
        ["date_joined", "email", "id", "role", "username"]
    );
    assert_eq!(body["user"]["username"], "Ripley");
    assert_eq!(body["user"]["email"], "Ellen@Example.com");
    assert_eq!(body["user"]["role"], "member");
    assert_eq!(
        (&body["token_type"], &body["expires_in"]),
        (&json!("Bearer"), &json!(900))
    );
    assert!(!answer.text.contains(PASSWORD) && !answer.text.contains("argon2"));
    assert_eq!(answer.header("cache-control"), "no-store");

    let (header, claims) = decoded(&text(&body["access"]));
    assert!(header["kid"].is_string());
    assert_eq!(
        keys(&claims),
        ["aud", "exp", "iat", "iss", "jti", "nbf", "sub", "token_type"]
    );
    assert_eq!(claims["sub"], body["user"]["id"].to_string());
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!("marquee"), &json!("marquee-api"))
    );
    assert_eq!(claims["token_type"], "access");
    assert_eq!(
        claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        900
    );
    assert_eq!(claims["nbf"], claims["iat"]);
    let me = bearing(&app, &text(&body["access"]))
        .get("/api/users/me/")
        .send()
        .await
        .is(200);
    assert_eq!(me.body, body["user"]);
}

#[tokio::test]
async fn signing_in_takes_the_username_or_the_email_in_any_case() {
    let app = TestApp::new().await;
    let registered = register(&app, json!({})).await.is(201).body;
    for name in [
        "Ripley",
        "ripley",
        "RIPLEY",
        "Ellen@Example.com",
        "ellen@EXAMPLE.com",
        " Ripley\n",
        "\t ellen@example.com\u{a0}",
    ] {
        let answer = login(&app, name, PASSWORD).await.is(200);
        assert_eq!(keys(&answer.body), keys(&registered));
        assert_eq!(answer.body["user"], registered["user"]);
        for token in ["access", "refresh"] {
            assert_ne!(answer.body[token], registered[token], "each session has its own");
        }
        assert_eq!(answer.header("cache-control"), "no-store");
        refresh(&app, &text(&answer.body["refresh"])).await.is(200);
        bearing(&app, &text(&answer.body["access"]))
            .get("/api/users/me/")
            .send()
            .await
            .is(200);
    }
    refresh(&app, &text(&registered["refresh"])).await.is(200);
}

/// Guarantee 18.
#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_get_the_same_answer() {
    let app = TestApp::new().await;
    register(&app, json!({})).await.is(201);
    let mut answers = Vec::new();
    for (name, password) in [
        ("Ripley", "another long passphrase"),
        ("Ellen@example.com", "another long passphrase"),
        ("nobody", "another long passphrase"),
        ("nobody@example.com", PASSWORD),
        ("Ripley", &PASSWORD.to_uppercase()),
        ("Ripley", &format!(" {PASSWORD}")),
        ("Ripley", "x"),
        ("Ri pley", PASSWORD),
        ("\0", PASSWORD),
        (&"x".repeat(5000), PASSWORD),
        ("Ripley", &"x".repeat(5000)),
    ] {
        let answer = login(&app, name, password)
            .await
            .is_problem(401, "unauthenticated");
        let challenge = answer.header("www-authenticate").to_owned();
        answers.push((challenge, settled(answer)));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named_at_once() {
    let app = TestApp::new().await;
    let all = ["email", "password", "username"];
    for body in [
        json!({}),
        json!({"username": "", "email": "", "password": ""}),
        json!({"username": "a b", "email": "nobody", "password": "short"}),
        json!({"username": "x".repeat(151), "email": "a@b", "password": "x".repeat(129)}),
        json!({"username": "xy", "email": null, "password": "password"}),
    ] {
        post(&app, REGISTER, body)
            .await
            .is_problem(400, "invalid_input")
            .names(&all);
    }
    // The password is compared with what is right of the two names.
    let body = json!({"username": "a b", "email": "ripley@example.com", "password": "Ripley@Example.com"});
    post(&app, REGISTER, body)
        .await
        .is_problem(400, "invalid_input")
        .names(&["password", "username"]);
    for body in [
        json!({}),
        json!({"username": "", "password": ""}),
        json!({"username": " \t\n", "password": ""}),
        json!({"username": null}),
    ] {
        post(&app, LOGIN, body)
            .await
            .is_problem(400, "invalid_input")
            .names(&["password", "username"]);
    }
    for path in [REFRESH, LOGOUT] {
        for body in [json!({}), json!({"refresh": ""}), json!({"refresh": null})] {
            post(&app, path, body)
                .await
                .is_problem(400, "invalid_input")
                .names(&["refresh"]);
        }
    }
}

#[tokio::test]
async fn a_username_has_3_to_150_letters_digits_and_five_signs() {
    let app = TestApp::new().await;
    for (n, username) in ["abc", "a.b+c-d_e@f", "Zoë42", "日本語", &"x".repeat(150)]
        .into_iter()
        .enumerate()
    {
        let change = json!({"username": username, "email": format!("u{n}@example.com")});
        assert_eq!(
            register(&app, change).await.is(201).body["user"]["username"],
            *username
        );
    }
    for username in [
        "ab",
        " ab ",
        &"x".repeat(151),
        "a b",
        "a/b",
        "a#b",
        "a\0b",
        "a\u{301}\n",
        "<script>",
        "a,b",
        "🎬🎬🎬",
    ] {
        let answer = register(&app, json!({"username": username})).await;
        answer.is_problem(400, "invalid_input").names(&["username"]);
    }
}

#[tokio::test]
async fn an_email_is_a_mailbox_at_a_domain() {
    let app = TestApp::new().await;
    for (n, email) in ["a@b.co", "x+tag@mail.example.org", "o'neil@example.com"]
        .into_iter()
        .enumerate()
    {
        let change = json!({"username": format!("user{n}"), "email": email});
        assert_eq!(register(&app, change).await.is(201).body["user"]["email"], email);
    }
    let long = format!("{}@{}.com", "x".repeat(60), "y".repeat(250));
    for email in [
        "x",
        "@b.co",
        "a@",
        "a b@c.de",
        "a@b..co",
        "Bob <a@b.co>",
        "a@b.co\nc@d.co",
        "a@b.co, c@d.co",
        &long,
    ] {
        register(&app, json!({"email": email}))
            .await
            .is_problem(400, "invalid_input")
            .names(&["email"]);
    }
}

/// Guarantees 14 and 15.
#[tokio::test]
async fn a_password_is_any_8_to_128_characters_exactly_as_typed() {
    let app = TestApp::new().await;
    let longest = "🦀".repeat(128);
    for (n, password) in [
        "  spaced  ",
        "пароль со словами",
        &longest,
        "tab\tand\u{0}nul",
        "x1!x1!x1",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{n}");
        let change = json!({"username": name, "email": format!("{name}@example.com"), "password": password});
        register(&app, change).await.is(201);
        login(&app, &name, password).await.is(200);
        for other in [
            password.trim(),
            &password.to_uppercase(),
            &format!("{password}x"),
            &password[..password.len() - 4],
        ] {
            if other != password {
                login(&app, &name, other).await.is(401);
            }
        }
    }
    for password in ["seven 7", "", &"x".repeat(129), &"🦀".repeat(7)] {
        register(&app, json!({"password": password}))
            .await
            .is_problem(400, "invalid_input")
            .names(&["password"]);
    }
}

/// Guarantee 16.
#[tokio::test]
async fn a_password_that_is_guessed_first_is_refused() {
    let app = TestApp::new().await;
    for password in [
        "password",
        "PASSWORD",
        "12345678",
        "qwertyuiop",
        "iloveyou1",
        "baseball",
        "trustno1",
    ] {
        register(&app, json!({"password": password}))
            .await
            .is_problem(400, "invalid_input")
            .names(&["password"]);
    }
    let long = json!({"username": "EllenRipley", "email": "ellen.ripley@example.com"});
    for password in [
        "EllenRipley",
        "ellenripley",
        "ellen.ripley@example.com",
        "Ellen.Ripley@Example.COM",
    ] {
        let answer = register(&app, but(&long, &json!({"password": password}))).await;
        answer.is_problem(400, "invalid_input").names(&["password"]);
    }
    // Even while another field is wrong.
    let change = json!({"email": "nobody", "password": "ellenripley"});
    register(&app, but(&long, &change))
        .await
        .is_problem(400, "invalid_input")
        .names(&["email", "password"]);
    register(&app, but(&long, &json!({"password": "ellenripley2"})))
        .await
        .is(201);
}

/// Guarantee 19.
#[tokio::test]
async fn a_name_that_is_taken_in_any_case_is_409_and_named() {
    let app = TestApp::new().await;
    register(&app, json!({})).await.is(201);
    for (username, email, taken) in [
        ("ripley", "new@example.com", &["username"][..]),
        ("RIPLEY", "new@example.com", &["username"]),
        ("\u{ff32}ipley", "new@example.com", &["username"]),
        ("newt", "ellen@example.com", &["email"]),
        ("newt", "ELLEN@EXAMPLE.COM", &["email"]),
        ("riPley", "eLLen@example.com", &["email", "username"]),
        // One's username can't be the other's email: either may be typed to sign in.
        ("ellen@example.com", "new@example.com", &["username"]),
    ] {
        let answer = register(&app, json!({"username": username, "email": email})).await;
        answer.is_problem(409, "conflict").names(taken);
    }
    // What was refused has taken nothing.
    register(&app, json!({"username": "newt", "email": "new@example.com"}))
        .await
        .is(201);
    assert_eq!(
        register(&app, json!({"username": "bishop", "email": "b@example.com"}))
            .await
            .is(201)
            .body["user"]["role"],
        "member"
    );
}

/// A name is the same with white space at its ends, wherever it is sent; a password isn't.
#[tokio::test]
async fn names_are_trimmed_and_passwords_are_not() {
    let app = TestApp::new().await;
    let spaced =
        json!({"username": " Ripley\t", "email": "\n Ellen@Example.com ", "password": "  a b c d e  "});
    let body = register(&app, spaced).await.is(201).body;
    assert_eq!(
        (&body["user"]["username"], &body["user"]["email"]),
        (&json!("Ripley"), &json!("Ellen@Example.com"))
    );
    for name in ["ripley", " ripley ", "ellen@example.com\r\n"] {
        login(&app, name, "  a b c d e  ").await.is(200);
        login(&app, name, "a b c d e").await.is(401);
    }
    let again = json!({"username": "ripley ", "email": " ellen@example.com"});
    register(&app, again)
        .await
        .is_problem(409, "conflict")
        .names(&["email", "username"]);
    let same = json!({"username": " newt12345 ", "email": "newt@example.com", "password": "newt12345"});
    register(&app, same)
        .await
        .is_problem(400, "invalid_input")
        .names(&["password"]);
    let store = &app.running.state.store;
    assert!(store.promote(" RIPLEY ", Role::Admin).await.unwrap().is_some());
}

/// Guarantee 25.
#[tokio::test]
async fn a_new_user_cannot_choose_what_the_server_owns() {
    let app = TestApp::new().await;
    app.member().await;
    let forged = json!({
        "id": 1, "role": "admin", "date_joined": "2000-01-01T00:00:00.000Z", "is_admin": true, "is_staff": true,
        "password_hash": "x", "account": "x",
    });
    let body = register(&app, forged).await.is(201).body;
    assert_eq!(
        (&body["user"]["id"], &body["user"]["role"]),
        (&json!(2), &json!("member"))
    );
    assert!(body["user"]["date_joined"].as_str() > Some("2001"));
}

/// Guarantee 7.
#[tokio::test]
async fn a_refresh_answers_new_tokens() {
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
        decoded(&text(&first["access"])).1,
        decoded(&text(&answer.body["access"])).1,
    );
    assert_eq!(old["sub"], new["sub"]);
    assert_ne!(old["jti"], new["jti"]);
    for access in [&first["access"], &answer.body["access"]] {
        bearing(&app, &text(access))
            .get("/api/users/me/")
            .send()
            .await
            .is(200);
    }
}

/// Guarantee 10.
#[tokio::test]
async fn a_refresh_whose_answer_was_lost_can_be_sent_again_within_the_grace() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let lost = refresh(&app, &member.refresh).await.is(200).body;
    app.clock.advance(5);
    let again = refresh(&app, &member.refresh).await.is(200).body;
    assert_eq!(
        again["refresh"], lost["refresh"],
        "both know the one token that works"
    );
    bearing(&app, &text(&again["access"]))
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
    // The one just replaced, after the grace.
    let member = app.member().await;
    let next = refresh(&app, &member.refresh).await.is(200).body;
    app.clock.advance(11);
    refresh(&app, &member.refresh)
        .await
        .is_problem(401, "unauthenticated");
    refresh(&app, &text(&next["refresh"]))
        .await
        .is_problem(401, "unauthenticated");

    // One older than that, within the grace of the last.
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
    // The user's other session is another.
    refresh(&app, &text(&other["refresh"])).await.is(200);
}

/// Guarantees 8 and 10.
#[tokio::test]
async fn the_grace_is_configurable() {
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

/// Guarantee 8: a stamp ahead of the clock says nothing about how long ago it was.
#[tokio::test]
async fn a_rotation_before_the_clock_was_set_back_grants_no_grace() {
    let app = TestApp::new().await;
    let (member, other) = (app.member().await, app.member().await);
    let next = refresh(&app, &member.refresh).await.is(200).body;
    let others = refresh(&app, &other.refresh).await.is(200).body;
    app.clock.advance(-3600);
    // The token that works works as ever.
    let others = refresh(&app, &text(&others["refresh"])).await.is(200).body;
    refresh(&app, &text(&others["refresh"])).await.is(200);
    // The one before it may be in anybody's hands.
    refresh(&app, &member.refresh).await.is(401);
    refresh(&app, &text(&next["refresh"])).await.is(401);
}

/// Guarantee 13: nor does a session live longer because it began before the clock was set back.
#[tokio::test]
async fn a_session_ends_after_30_days_though_the_clock_was_set_back() {
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

/// Guarantee 3.
#[tokio::test]
async fn an_access_token_is_good_for_15_minutes() {
    let app = TestApp::new().await;
    let member = app.member().await;
    app.clock.advance(880);
    member.get("/api/users/me/").send().await.is(200);
    app.clock.advance(20);
    for path in ["/api/users/me/", "/api/movies/"] {
        let answer = member.get(path).send().await.is_problem(401, "token_expired");
        assert!(
            answer
                .header("www-authenticate")
                .contains("error=\"invalid_token\"")
        );
    }
    // A client that attaches it to the very call that replaces it is helped.
    let answer = member
        .post(REFRESH)
        .json(&json!({"refresh": member.refresh}))
        .send()
        .await
        .is(200);
    bearing(&app, &text(&answer.body["access"]))
        .get("/api/users/me/")
        .send()
        .await
        .is(200);
}

#[tokio::test]
async fn lifetimes_are_configurable() {
    let app = TestApp::with(|options| {
        options.config.tokens.access_seconds = 60;
        options.config.tokens.session_seconds = 120;
    })
    .await;
    let body = register(&app, json!({})).await.is(201).body;
    assert_eq!(body["expires_in"], 60);
    app.clock.advance(60);
    bearing(&app, &text(&body["access"]))
        .get("/api/movies/")
        .send()
        .await
        .is_problem(401, "token_expired");
    let next = refresh(&app, &text(&body["refresh"])).await.is(200).body;
    assert_eq!(next["expires_in"], 60);
    app.clock.advance(60);
    refresh(&app, &text(&next["refresh"])).await.is(401);
}

/// Guarantee 12.
#[tokio::test]
async fn signing_out_ends_the_sessions_refresh_tokens_and_no_others() {
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
    // Once more is no error, and what is no token is refused.
    post(&app, LOGOUT, json!({"refresh": next})).await.is(204);
    for wrong in ["x", "", &member.access.clone().unwrap(), &"A".repeat(100_000)] {
        let answer = post(&app, LOGOUT, json!({"refresh": wrong})).await;
        answer.is(if wrong.is_empty() { 400 } else { 401 });
        let answer = refresh(&app, wrong).await;
        answer.is(if wrong.is_empty() { 400 } else { 401 });
    }
}

/// The key that a deployment's secret text stands for, derived as `marquee_shared::auth::secrets` says it is.
fn signing_key(text: &str) -> Ed25519KeyPair {
    let mut seed = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"marquee")
        .extract(text.as_bytes())
        .expand(&[b"access tokens: Ed25519 seed"], hkdf::HKDF_SHA256)
        .unwrap()
        .fill(&mut seed)
        .unwrap();
    Ed25519KeyPair::from_seed_unchecked(&seed).unwrap()
}

/// A server whose secrets are known, and the key it signs with.
struct Forge {
    app: TestApp,
    _data: tempfile::TempDir,
    kid: String,
    key: Ed25519KeyPair,
    user: u64,
    header: Value,
    claims: Value,
}

impl Forge {
    async fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().to_owned();
        let place = path.clone();
        let app = TestApp::with(|options| options.place = Place::Data(place)).await;
        let secrets = std::fs::read_dir(&path)
            .unwrap()
            .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
            .find_map(|text| {
                serde_json::from_str::<Value>(&text)
                    .ok()
                    .filter(|s| s["signing"].is_string())
            })
            .unwrap();
        let member = app.member().await;
        let (header, claims) = decoded(member.access.as_deref().unwrap());
        Self {
            app,
            _data: data,
            kid: text(&header["kid"]),
            key: signing_key(secrets["signing"].as_str().unwrap()),
            user: member.id,
            header,
            claims,
        }
    }

    /// A token with this header and these claims, signed by `sign`.
    fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// A token signed with the server's own key.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        Self::token(header, claims, |text| self.key.sign(text).as_ref().to_vec())
    }

    fn header_but(&self, changes: &Value) -> String {
        self.signed(&but(&self.header, changes), &self.claims)
    }

    fn claims_but(&self, changes: &Value) -> String {
        self.signed(&self.header, &but(&self.claims, changes))
    }

    /// Asserts that nobody takes this for credentials, on public routes and on others.
    async fn is_refused(&self, what: &str, token: &str) {
        let caller = bearing(&self.app, token);
        for call in [
            caller.get("/api/users/me/"),
            caller.get("/api/movies/"),
            caller.get("/api/movies/search/?q=x"),
            caller.post("/api/movies/1/favorite/"),
        ] {
            let answer = call.send().await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["code"]),
                (401, &json!("unauthenticated")),
                "{what}: {}",
                answer.text
            );
        }
    }
}

/// Guarantees 1, 2 and 3.
#[tokio::test]
async fn a_token_that_is_not_ours_is_401_even_on_a_public_route() {
    let forge = Forge::new().await;
    // The forge works: what follows is refused for the one thing that is wrong.
    let good = forge.claims_but(&json!({"jti": "forged"}));
    let me = bearing(&forge.app, &good)
        .get("/api/users/me/")
        .send()
        .await
        .is(200);
    assert_eq!(me.body["id"], forge.user);

    let public = forge.key.public_key().as_ref().to_vec();
    let hmac = |text: &[u8]| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), text)
            .as_ref()
            .to_vec()
    };
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = but(&forge.header, &json!({"alg": alg}));
        forge
            .is_refused(
                &format!("alg {alg}, no signature"),
                &Forge::token(&header, &forge.claims, |_| Vec::new()),
            )
            .await;
        forge
            .is_refused(&format!("alg {alg}"), &forge.signed(&header, &forge.claims))
            .await;
    }
    for alg in ["HS256", "HS512", "RS256", "ES256", "PS256"] {
        let header = but(&forge.header, &json!({"alg": alg}));
        forge
            .is_refused(
                &format!("{alg} with the public key"),
                &Forge::token(&header, &forge.claims, hmac),
            )
            .await;
        forge
            .is_refused(
                &format!("{alg} with our key"),
                &forge.signed(&header, &forge.claims),
            )
            .await;
    }

    let stranger = Ed25519KeyPair::from_pkcs8(
        Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new())
            .unwrap()
            .as_ref(),
    )
    .unwrap();
    let strange = |text: &[u8]| stranger.sign(text).as_ref().to_vec();
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(stranger.public_key().as_ref())});
    for (what, header) in [
        ("another key", json!({})),
        ("its own key", json!({"jwk": jwk})),
        (
            "a key elsewhere",
            json!({"jku": "https://attacker.example/keys.json"}),
        ),
        (
            "a certificate elsewhere",
            json!({"x5u": "https://attacker.example/cert.pem"}),
        ),
    ] {
        let header = but(&forge.header, &header);
        forge
            .is_refused(what, &Forge::token(&header, &forge.claims, strange))
            .await;
    }
    for (what, token) in [
        ("no kid", forge.header_but(&json!({"kid": null}))),
        ("an unknown kid", forge.header_but(&json!({"kid": "other"}))),
        ("the cursor key's id", forge.header_but(&json!({"kid": "CURSOR"}))),
        (
            "a kid that is a path",
            forge.header_but(&json!({"kid": format!("../{}", forge.kid)})),
        ),
        ("a long kid", forge.header_but(&json!({"kid": "k".repeat(2500)}))),
        (
            "a critical extension",
            forge.header_but(&json!({"crit": ["x"], "x": 1})),
        ),
    ] {
        forge.is_refused(what, &token).await;
    }
    let now = forge.claims["iat"].as_i64().unwrap();
    for changes in [
        json!({"aud": "another-api"}),
        json!({"aud": null}),
        json!({"iss": "another"}),
        json!({"iss": null}),
        json!({"sub": "0"}),
        json!({"sub": "x"}),
        json!({"sub": null}),
        json!({"sub": forge.user}),
        json!({"exp": null}),
        json!({"nbf": now + 3600}),
        json!({"token_type": "refresh"}),
        json!({"token_type": null}),
    ] {
        forge
            .is_refused(&changes.to_string(), &forge.claims_but(&changes))
            .await;
    }
    // Ours, and over: it says so, so that a client knows to refresh it.
    let over = forge.claims_but(&json!({"exp": now - 1}));
    let answer = bearing(&forge.app, &over).get("/api/movies/").send().await;
    answer.is_problem(401, "token_expired");
    // Of a user who isn't there: signed by us, and yet nobody.
    let ghost = bearing(&forge.app, &forge.claims_but(&json!({"sub": "999"})));
    ghost.get("/api/users/me/").send().await.is(401);
    ghost.get("/api/users/").send().await.is(401);
}

/// Guarantee 4.
#[tokio::test]
async fn neither_token_is_the_other() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let access = member.access.clone().unwrap();
    for path in ["/api/users/me/", "/api/movies/"] {
        bearing(&app, &member.refresh)
            .get(path)
            .send()
            .await
            .is_problem(401, "unauthenticated");
    }
    refresh(&app, &access).await.is_problem(401, "unauthenticated");
    post(&app, LOGOUT, json!({"refresh": access}))
        .await
        .is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn credentials_that_are_none_are_401_everywhere() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let access = member.access.clone().unwrap();
    let tampered = {
        let (head, tail) = access.split_at(access.len() / 2);
        let other = if tail.starts_with('A') { "B" } else { "A" };
        format!("{head}{other}{}", &tail[1..])
    };
    let nobody = app.anonymous();
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer null",
        "Basic dXNlcjpwYXNz",
        &access,
        &format!("Token {access}"),
        &format!("Bearer {access}x"),
        &format!("Bearer {access} x"),
        &format!("Bearer {tampered}"),
        &format!("Bearer {}.", access.rsplit_once('.').unwrap().0),
        &format!("Bearer {}", "A".repeat(8000)),
        &format!("Bearer {access}, Bearer {access}"),
    ] {
        for call in [
            nobody.get("/api/movies/"),
            nobody.get("/api/movies/newest/"),
            nobody.get("/api/users/me/"),
            nobody
                .post(LOGIN)
                .json(&json!({"username": member.username, "password": PASSWORD})),
        ] {
            let shown = &value[..value.len().min(20)];
            let answer = call.header("authorization", value).send().await;
            assert_eq!(answer.status, 401, "{shown}: {}", answer.text);
        }
    }
    for scheme in ["bearer", "BEARER", "Bearer "] {
        let call = nobody
            .get("/api/users/me/")
            .header("authorization", &format!("{scheme} {access}"));
        call.send().await.is(200);
    }
    // Two at once are nobody's.
    let twice = Call(
        nobody
            .get("/api/users/me/")
            .header("authorization", &format!("Bearer {access}"))
            .0
            .header("authorization", "Bearer x"),
    );
    twice.send().await.is(401);
}
