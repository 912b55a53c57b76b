//! Access tokens: their lifetime, and which tokens are refused.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use marquee::server::Place;
use ring::{
    hkdf, hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use super::{LOGIN, LOGOUT, REFRESH, caller_with, decode_jwt, post, refresh, register, text};
use crate::api::with_changes;
use crate::support::{Call, PASSWORD, TestApp};

/// The challenge of a call whose access token is expired, invalid or of a user who doesn't exist (RFC 6750 §3.1).
const INVALID_TOKEN: &str = r#"Bearer realm="marquee", error="invalid_token""#;

/// The challenge of any other call without valid credentials. It has no error code if there are no credentials (RFC 6750 §3.1).
const CHALLENGE: &str = r#"Bearer realm="marquee""#;

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
        assert_eq!(answer.header("www-authenticate"), INVALID_TOKEN);
    }
    // A client may send the expired token with the call that refreshes it.
    let answer = member
        .post(REFRESH)
        .json(&json!({"refresh": member.refresh}))
        .send()
        .await
        .is(200);
    caller_with(&app, &text(&answer.body["access"]))
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
    caller_with(&app, &text(&body["access"]))
        .get("/api/movies/")
        .send()
        .await
        .is_problem(401, "token_expired");
    let next = refresh(&app, &text(&body["refresh"])).await.is(200).body;
    assert_eq!(next["expires_in"], 60);
    app.clock.advance(60);
    refresh(&app, &text(&next["refresh"])).await.is(401);
}

/// Returns the key that `marquee_shared::auth::secrets` derives from the text of a deployment's secret.
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

/// A server and the key with which it signs, so that a test can sign tokens of its own.
pub(in crate::api) struct SigningFixture {
    pub(in crate::api) app: TestApp,
    _data: tempfile::TempDir,
    kid: String,
    key: Ed25519KeyPair,
    user: u64,
    header: Value,
    claims: Value,
}

impl SigningFixture {
    pub(in crate::api) async fn new() -> Self {
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
        let (header, claims) = decode_jwt(member.access.as_deref().unwrap());
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

    /// Returns a token with this header and these claims, signed by `sign`.
    fn token(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// Returns a token signed with the server's key.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        Self::token(header, claims, |text| self.key.sign(text).as_ref().to_vec())
    }

    /// Returns a correctly signed token whose header is changed.
    fn with_header(&self, changes: &Value) -> String {
        self.signed(&with_changes(&self.header, changes), &self.claims)
    }

    /// Returns a correctly signed token whose claims are changed.
    pub(in crate::api) fn with_claims(&self, changes: &Value) -> String {
        self.signed(&self.header, &with_changes(&self.claims, changes))
    }

    /// Asserts that public and other routes answer this token with `401`.
    async fn assert_refused(&self, what: &str, token: &str) {
        let caller = caller_with(&self.app, token);
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
            assert_eq!(answer.header("www-authenticate"), INVALID_TOKEN, "{what}");
        }
    }
}

/// Guarantees 1, 2 and 3.
#[tokio::test]
async fn a_token_that_is_not_ours_is_401_even_on_a_public_route() {
    let fixture = SigningFixture::new().await;
    // A token that the fixture signs is accepted. So each token below is refused for its one change only.
    let good = fixture.with_claims(&json!({"jti": "forged"}));
    let me = caller_with(&fixture.app, &good)
        .get("/api/users/me/")
        .send()
        .await
        .is(200);
    assert_eq!(me.body["id"], fixture.user);

    let public = fixture.key.public_key().as_ref().to_vec();
    let hmac = |text: &[u8]| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &public), text)
            .as_ref()
            .to_vec()
    };
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = with_changes(&fixture.header, &json!({"alg": alg}));
        fixture
            .assert_refused(
                &format!("alg {alg}, no signature"),
                &SigningFixture::token(&header, &fixture.claims, |_| Vec::new()),
            )
            .await;
        fixture
            .assert_refused(&format!("alg {alg}"), &fixture.signed(&header, &fixture.claims))
            .await;
    }
    for alg in ["HS256", "HS512", "RS256", "ES256", "PS256"] {
        let header = with_changes(&fixture.header, &json!({"alg": alg}));
        fixture
            .assert_refused(
                &format!("{alg} with the public key"),
                &SigningFixture::token(&header, &fixture.claims, hmac),
            )
            .await;
        fixture
            .assert_refused(
                &format!("{alg} with our key"),
                &fixture.signed(&header, &fixture.claims),
            )
            .await;
    }

    let other_key = Ed25519KeyPair::from_pkcs8(
        Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new())
            .unwrap()
            .as_ref(),
    )
    .unwrap();
    let sign_with_other_key = |text: &[u8]| other_key.sign(text).as_ref().to_vec();
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(other_key.public_key().as_ref())});
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
        let header = with_changes(&fixture.header, &header);
        fixture
            .assert_refused(
                what,
                &SigningFixture::token(&header, &fixture.claims, sign_with_other_key),
            )
            .await;
    }
    for (what, token) in [
        ("no kid", fixture.with_header(&json!({"kid": null}))),
        ("an unknown kid", fixture.with_header(&json!({"kid": "other"}))),
        (
            "the cursor key's id",
            fixture.with_header(&json!({"kid": "CURSOR"})),
        ),
        (
            "a kid that is a path",
            fixture.with_header(&json!({"kid": format!("../{}", fixture.kid)})),
        ),
        (
            "a long kid",
            fixture.with_header(&json!({"kid": "k".repeat(2500)})),
        ),
        (
            "a critical extension",
            fixture.with_header(&json!({"crit": ["x"], "x": 1})),
        ),
    ] {
        fixture.assert_refused(what, &token).await;
    }
    let now = fixture.claims["iat"].as_i64().unwrap();
    for changes in [
        json!({"aud": "another-api"}),
        json!({"aud": null}),
        json!({"iss": "another"}),
        json!({"iss": null}),
        json!({"sub": "0"}),
        json!({"sub": "x"}),
        json!({"sub": null}),
        json!({"sub": fixture.user}),
        json!({"exp": null}),
        json!({"nbf": now + 3600}),
        json!({"token_type": "refresh"}),
        json!({"token_type": null}),
    ] {
        fixture
            .assert_refused(&changes.to_string(), &fixture.with_claims(&changes))
            .await;
    }
    // The answer to an expired token has its own code, so that a client knows to refresh it.
    let expired = fixture.with_claims(&json!({"exp": now - 1}));
    let answer = caller_with(&fixture.app, &expired)
        .get("/api/movies/")
        .send()
        .await;
    answer.is_problem(401, "token_expired");
    // The user of a valid token may not exist.
    let unknown_user = caller_with(&fixture.app, &fixture.with_claims(&json!({"sub": "999"})));
    for path in ["/api/users/me/", "/api/users/"] {
        let answer = unknown_user.get(path).send().await;
        let answer = answer.is_problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), INVALID_TOKEN);
    }
}

#[tokio::test]
async fn only_the_challenge_of_a_token_names_an_error() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let nobody = app.anonymous();
    for call in [
        nobody.get("/api/users/me/"),
        nobody
            .get("/api/movies/")
            .header("authorization", "Basic dXNlcjpwYXNz"),
        nobody
            .post(LOGIN)
            .json(&json!({"username": "nobody", "password": PASSWORD})),
        nobody.post(REFRESH).json(&json!({"refresh": member.access})),
    ] {
        let answer = call.send().await.is_problem(401, "unauthenticated");
        assert_eq!(answer.header("www-authenticate"), CHALLENGE);
    }
}

/// Guarantee 4.
#[tokio::test]
async fn access_and_refresh_tokens_are_not_interchangeable() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let access = member.access.clone().unwrap();
    for path in ["/api/users/me/", "/api/movies/"] {
        caller_with(&app, &member.refresh)
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
    // Two `Authorization` headers are refused.
    let twice = Call(
        nobody
            .get("/api/users/me/")
            .header("authorization", &format!("Bearer {access}"))
            .0
            .header("authorization", "Bearer x"),
    );
    twice.send().await.is(401);
}
