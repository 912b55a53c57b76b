//! Access tokens: their lifetime, and every token that is refused.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use marquee::server::Place;
use ring::{
    hkdf, hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use super::{LOGIN, LOGOUT, REFRESH, bearing, decoded, post, refresh, register, text};
use crate::api::but;
use crate::support::{Call, PASSWORD, TestApp};

/// Guarantee 3.
#[tokio::test]
async fn an_access_token_is_valid_for_15_minutes() {
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
async fn token_lifetimes_are_configurable() {
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
async fn access_and_refresh_tokens_are_not_interchangeable() {
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
async fn malformed_credentials_are_401_everywhere() {
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
