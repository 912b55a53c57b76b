//! Access tokens: JWTs signed with Ed25519.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use time::OffsetDateTime;

/// Verifies access tokens with one public key.
pub struct Verifier {
    key: UnparsedPublicKey<Vec<u8>>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

/// The claims that are checked.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    nbf: i64,
    exp: i64,
    token_type: String,
}

impl Verifier {
    /// Returns a verifier with this key, in base64url.
    ///
    /// # Errors
    /// Returns an error if the key isn't base64url.
    pub fn new(key: &str) -> Result<Self, base64::DecodeError> {
        Ok(Self {
            key: UnparsedPublicKey::new(&ED25519, URL_SAFE_NO_PAD.decode(key)?),
        })
    }

    /// Returns the id of the user of a token, or `None` if the token is invalid.
    pub fn user(&self, token: &str) -> Option<i64> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let header: Header = serde_json::from_slice(&decoded(header)?).ok()?;
        if header.alg != "EdDSA" {
            return None;
        }
        self.key.verify(signed.as_bytes(), &decoded(signature)?).ok()?;
        let claims: Claims = serde_json::from_slice(&decoded(claims)?).ok()?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let valid = claims.iss == "marquee"
            && claims.aud == "marquee-api"
            && claims.token_type == "access"
            && (claims.nbf..claims.exp).contains(&now);
        claims.sub.parse().ok().filter(|_| valid)
    }
}
