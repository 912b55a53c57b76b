//! Access tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037) and verified as RFC 8725 recommends.

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};

use crate::{
    auth::{crypto, keys::VerifyingKey, secrets::AuthSecrets, verified::Verified},
    clock::Instant,
    config::TokenConfig,
    digest::hex,
    domain::{SessionId, UserId, password::Secret},
    error::{Error, Result},
    random::random,
    state::AppState,
};

/// The longest token that is parsed, in bytes. A token of ours has about 500.
pub const MAX_BYTES: usize = 4096;

/// The `token_type` of an access token.
const ACCESS: &str = "access";

/// The leeway on `nbf`, in seconds: how far a verifier's clock may be behind the signer's. `exp` has no leeway.
const CLOCK_SKEW_SECONDS: i64 = 5;

/// The error for an invalid token. It doesn't say what is wrong.
const INVALID: Error = Error::invalid_token("The access token is invalid.");

/// The claims of an access token. All of them are required, except that a token of an earlier version has no `sid`.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    jti: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    token_type: String,
}

/// Signs an access token for `user`, in `session`.
///
/// # Errors
/// [`Error::Internal`] if the system has no randomness or the key can't sign.
pub fn issue(
    secrets: &AuthSecrets,
    config: &TokenConfig,
    user: UserId,
    session: SessionId,
    now: Instant,
) -> Result<Secret> {
    crypto::install();
    let header = Header {
        kid: Some(secrets.public_key().kid.clone()),
        ..Header::new(Algorithm::EdDSA)
    };
    let claims = Claims {
        iss: config.issuer.clone(),
        aud: config.audience.clone(),
        sub: user.to_string(),
        sid: Some(session),
        jti: hex(&random::<16>()?),
        iat: now.seconds(),
        nbf: now.seconds(),
        exp: now.seconds().saturating_add(config.access_seconds),
        token_type: ACCESS.into(),
    };
    encode(&header, &claims, &secrets.signing_key())
        .map(Secret::new)
        .map_err(|e| Error::internal(format!("an access token can't be signed: {e}")))
}

/// Returns what a valid access token says.
///
/// # Errors
/// [`Error::TokenExpired`] for a token of ours after its `exp`; [`Error::InvalidToken`] for an invalid token;
/// [`Error::Unavailable`] if the public keys can't be read.
pub async fn verify(state: &AppState, token: &str) -> Result<Verified> {
    if token.len() > MAX_BYTES {
        return Err(INVALID);
    }
    // Only the key id of the header is used. `alg` is fixed below, and keys or their URLs (`jwk`, `jku`, `x5u`) are
    // ignored. `crit` names extensions that must be understood, and this service understands none (RFC 7515 §4.1.11).
    let header = decode_header(token).map_err(|_| INVALID)?;
    let kid = header.kid.ok_or(INVALID)?;
    if header.crit.is_some() {
        return Err(INVALID);
    }
    let key = state.keys.verifying_key(&state.store, &kid).await?;
    let key = key.ok_or(INVALID)?;
    valid_at(state.clock.now(), verified(token, &key, &state.config.tokens)?)
}

/// Returns what a token says. Its signature is verified only if that isn't known of this key.
fn verified(token: &str, key: &VerifyingKey, config: &TokenConfig) -> Result<Verified> {
    // Not locked while the signature is verified.
    let known = key.verified().get(token);
    if let Some(verified) = known {
        return Ok(verified);
    }
    let verified = verify_signature(token, &key.decoding, config)?;
    key.verified().add(token, verified);
    Ok(verified)
}

/// Verifies the signature of a token and all its claims except the times.
fn verify_signature(token: &str, key: &DecodingKey, config: &TokenConfig) -> Result<Verified> {
    crypto::install();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.audience]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "nbf", "exp"]);
    // Checked for each request, against the state's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims: Claims = decode(token, key, &validation).map_err(|_| INVALID)?.claims;
    let user = UserId::from_path(&claims.sub).ok_or(INVALID)?;
    if claims.token_type != ACCESS {
        return Err(INVALID);
    }
    Ok(Verified {
        user,
        session: claims.sid,
        nbf: claims.nbf,
        exp: claims.exp,
    })
}

/// Returns what a verified token says if the token is valid at this time.
fn valid_at(now: Instant, verified: Verified) -> Result<Verified> {
    if verified.nbf > now.plus_seconds(CLOCK_SKEW_SECONDS).seconds() {
        return Err(INVALID);
    }
    if now.seconds() >= verified.exp {
        return Err(Error::TokenExpired);
    }
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    use super::*;
    use crate::{auth::secrets::SecretTexts, config::Config};

    const NOW: Instant = Instant(1_800_000_000_000);

    struct Fixture {
        secrets: AuthSecrets,
        public: VerifyingKey,
        config: TokenConfig,
    }

    impl Fixture {
        fn new() -> Self {
            let secrets = AuthSecrets::derive(&SecretTexts::generate().unwrap()).unwrap();
            Self {
                public: VerifyingKey::new(secrets.public_key().clone(), NOW, NOW).unwrap(),
                config: Config::default().tokens,
                secrets,
            }
        }

        fn check(&self, token: &str, now: Instant) -> Result<UserId> {
            self.read(token, now).map(|verified| verified.user)
        }

        fn read(&self, token: &str, now: Instant) -> Result<Verified> {
            valid_at(now, verified(token, &self.public, &self.config)?)
        }

        fn issue(&self) -> Secret {
            issue(&self.secrets, &self.config, user(), session(), NOW).unwrap()
        }

        /// Returns a token of ours in which one claim is replaced, or removed if `value` is null.
        fn signed_with(&self, claim: &str, value: Value) -> String {
            let mut claims = json!({
                "iss": self.config.issuer, "aud": self.config.audience, "sub": "7", "jti": "1",
                "iat": NOW.seconds(), "nbf": NOW.seconds(), "exp": NOW.seconds() + 900, "token_type": "access",
            });
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(claim);
            } else {
                claims[claim] = value;
            }
            crypto::install();
            encode(
                &Header::new(Algorithm::EdDSA),
                &claims,
                &self.secrets.signing_key(),
            )
            .unwrap()
        }
    }

    fn user() -> UserId {
        UserId::try_from(7).unwrap()
    }

    fn session() -> SessionId {
        SessionId::new([7; 16])
    }

    fn is_invalid(result: &Result<UserId>) -> bool {
        matches!(result, Err(Error::InvalidToken(_)))
    }

    /// Guarantee 3.
    #[test]
    fn a_token_is_valid_from_nbf_less_the_leeway_to_the_second_before_exp() {
        let f = Fixture::new();
        let token = f.issue();
        let at = |seconds| f.check(token.expose(), NOW.plus_seconds(seconds));
        assert_eq!(at(0).unwrap(), user());
        assert_eq!(at(899).unwrap(), user());
        assert!(matches!(at(900), Err(Error::TokenExpired)));
        assert_eq!(at(-5).unwrap(), user());
        assert!(is_invalid(&at(-6)));
    }

    /// Guarantee 3.
    #[test]
    fn every_claim_must_be_there_and_right() {
        let f = Fixture::new();
        assert!(f.check(&f.signed_with("jti", json!("2")), NOW).is_ok());
        for claim in ["iss", "aud", "sub", "jti", "iat", "nbf", "exp", "token_type"] {
            assert!(
                is_invalid(&f.check(&f.signed_with(claim, Value::Null), NOW)),
                "{claim}"
            );
        }
        for (claim, wrong) in [
            ("iss", json!("other")),
            ("iss", json!(["marquee", "other"])),
            ("aud", json!("other")),
            ("aud", json!(["marquee-api"])),
            ("sub", json!("0")),
            ("sub", json!(7)),
            ("sid", json!("")),
            ("sid", json!("ABCDEF0123456789abcdef0123456789")),
            ("sid", json!(7)),
            ("nbf", json!("soon")),
            ("exp", json!("never")),
            ("token_type", json!("refresh")),
        ] {
            assert!(
                is_invalid(&f.check(&f.signed_with(claim, wrong.clone()), NOW)),
                "{claim}: {wrong}"
            );
        }
    }

    #[test]
    fn a_token_names_its_session_and_one_of_an_earlier_version_names_none() {
        let f = Fixture::new();
        let session_of = |token: &str| f.read(token, NOW).unwrap().session;
        assert_eq!(session_of(f.issue().expose()), Some(session()));
        assert_eq!(session_of(&f.signed_with("jti", json!("2"))), None);
        let named = f.signed_with("sid", json!(session().to_string()));
        assert_eq!(session_of(&named), Some(session()));
    }

    /// Guarantee 1.
    #[test]
    fn no_other_algorithm_verifies() {
        let f = Fixture::new();
        let token = f.issue();
        let (_, rest) = token.expose().split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        for alg in ["none", "None", "HS256", "RS256", "ES256"] {
            let header = json!({"alg": alg, "typ": "JWT", "kid": "k"});
            let header = URL_SAFE_NO_PAD.encode(header.to_string());
            assert!(is_invalid(&f.check(&format!("{header}.{claims}."), NOW)), "{alg}");
            assert!(
                is_invalid(&f.check(&format!("{header}.{claims}.{signature}"), NOW)),
                "{alg}"
            );
        }
    }

    #[test]
    fn a_token_with_any_byte_changed_is_refused() {
        let f = Fixture::new();
        let token = f.issue();
        assert!(f.check(token.expose(), NOW).is_ok());
        for at in 0..token.expose().len() {
            let mut bytes = token.expose().as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(is_invalid(&f.check(&changed, NOW)), "byte {at}");
        }
    }

    #[test]
    fn another_key_does_not_verify() {
        let (f, other) = (Fixture::new(), Fixture::new());
        let token = other.issue();
        assert!(is_invalid(&f.check(token.expose(), NOW)));
        // The other key has verified it.
        assert!(other.check(token.expose(), NOW).is_ok());
        assert!(is_invalid(&f.check(token.expose(), NOW)));
    }

    #[test]
    fn the_signature_of_a_valid_token_is_verified_once() {
        let f = Fixture::new();
        let token = f.issue();
        let known = || f.public.verified().get(token.expose());
        assert_eq!(known(), None);
        assert!(f.check(token.expose(), NOW).is_ok());
        let expected = Verified {
            user: user(),
            session: Some(session()),
            nbf: NOW.seconds(),
            exp: NOW.seconds() + f.config.access_seconds,
        };
        assert_eq!(known(), Some(expected));
        // What is known decides, not the signature.
        let another = Verified {
            user: UserId::try_from(8).unwrap(),
            ..expected
        };
        f.public.verified().add(token.expose(), another);
        assert_eq!(f.check(token.expose(), NOW).unwrap(), another.user);
    }

    #[test]
    fn a_token_that_is_refused_is_not_known() {
        let f = Fixture::new();
        for (claim, wrong) in [("aud", json!("other")), ("token_type", json!("refresh"))] {
            let token = f.signed_with(claim, wrong);
            assert!(is_invalid(&f.check(&token, NOW)));
            assert_eq!(f.public.verified().get(&token), None);
        }
    }
}
