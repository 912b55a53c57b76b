//! What only the auth function may know, made of two texts that a deployment draws at random.
//!
//! Texts and not keys, so that CloudFormation's `GenerateSecretString` makes them and a rotation is one command: a key is
//! derived from each (HKDF, RFC 5869), and a key's id from the key (RFC 7638), so nothing else has to be kept or agreed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use ring::{
    digest::{SHA256, digest},
    hkdf::{HKDF_SHA256, Salt},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde::{Deserialize, Serialize};

use crate::auth::{hex, random, refresh::RefreshKey};

/// The fewest characters of a text: 128 bits, if it is random hexadecimal.
pub const MIN_TEXT: usize = 32;

/// The two texts. They are all that is kept of the secrets, as `{"signing": "…", "refresh": "…"}`.
#[derive(Serialize, Deserialize)]
pub struct SecretTexts {
    /// What the signing key is derived from. Replacing it is a rotation.
    signing: String,
    /// What the key of refresh tokens is derived from. Replacing it ends every session.
    refresh: String,
}

impl std::fmt::Debug for SecretTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretTexts(..)")
    }
}

impl SecretTexts {
    /// These texts.
    #[must_use]
    pub fn new(signing: String, refresh: String) -> Self {
        Self { signing, refresh }
    }

    /// New texts of 256 random bits each.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, SecretsError> {
        let text = || random::<32>().map(|bytes| hex(&bytes));
        match (text(), text()) {
            (Ok(signing), Ok(refresh)) => Ok(Self { signing, refresh }),
            _ => Err(SecretsError("the system has no randomness")),
        }
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// When it isn't that.
    pub fn from_json(json: &str) -> Result<Self, SecretsError> {
        serde_json::from_str(json).map_err(|_| SecretsError("not the JSON that is expected"))
    }

    /// The JSON form, to be kept where only the auth function can read it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Reads the environment: the JSON form from `AUTH_SECRETS`, or from the file that `AUTH_SECRETS_FILE` names. `None`
    /// when neither is set, or both are empty.
    ///
    /// # Errors
    /// When what is there can't be read.
    pub fn from_env() -> Result<Option<Self>, SecretsError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Option<Self>, SecretsError> {
        // The template declares the first one empty, so that `sam local` may set it.
        let given = |name| lookup(name).filter(|text| !text.is_empty());
        if let Some(json) = given("AUTH_SECRETS") {
            return Self::from_json(&json).map(Some);
        }
        let Some(file) = given("AUTH_SECRETS_FILE") else {
            return Ok(None);
        };
        let json = std::fs::read_to_string(file)
            .map_err(|_| SecretsError("the file AUTH_SECRETS_FILE names can't be read"))?;
        Self::from_json(&json).map(Some)
    }
}

/// Secrets that can't be read or made. The text says what is wrong without quoting any of it.
#[derive(Debug)]
pub struct SecretsError(pub &'static str);

impl std::fmt::Display for SecretsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "auth secrets: {}", self.0)
    }
}

impl std::error::Error for SecretsError {}

/// The keys that are derived from the texts.
pub struct AuthSecrets {
    public: PublicKey,
    seed: [u8; 32],
    refresh: RefreshKey,
}

impl std::fmt::Debug for AuthSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AuthSecrets({}, ..)", self.public.kid)
    }
}

/// The public half of a signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The key's id: its thumbprint (RFC 7638) in base64url.
    pub kid: String,
    /// The Ed25519 public key in base64url: a JWK's `x` (RFC 8037 §2).
    pub x: String,
}

impl AuthSecrets {
    /// Derives the keys. The same texts always give the same ones.
    ///
    /// # Errors
    /// When a text is shorter than [`MIN_TEXT`] characters.
    pub fn derive(texts: &SecretTexts) -> Result<Self, SecretsError> {
        let seed = derived(&texts.signing, b"access tokens: Ed25519 seed")?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_| SecretsError("the signing key can't be derived"))?;
        Ok(Self {
            public: PublicKey::new(pair.public_key().as_ref()),
            seed,
            refresh: RefreshKey::new(&derived(&texts.refresh, b"refresh tokens: HMAC key")?),
        })
    }

    /// The key that signs.
    pub(crate) fn signing_key(&self) -> EncodingKey {
        EncodingKey::from_ed_der(&self.seed)
    }

    /// Its public half.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The key of refresh tokens.
    #[must_use]
    pub fn refresh_key(&self) -> &RefreshKey {
        &self.refresh
    }
}

impl PublicKey {
    fn new(public: &[u8]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(public);
        // The required members in alphabetical order, without spaces (RFC 7638 §3.2, RFC 8037 appendix A.3).
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        Self { kid, x }
    }
}

/// 32 bytes of key from a random text (HKDF-SHA-256).
fn derived(text: &str, purpose: &[u8]) -> Result<[u8; 32], SecretsError> {
    if text.chars().count() < MIN_TEXT {
        return Err(SecretsError("a text is shorter than 32 characters"));
    }
    let mut key = [0; 32];
    Salt::new(HKDF_SHA256, b"marquee")
        .extract(text.as_bytes())
        .expand(&[purpose], HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .map_err(|_| SecretsError("a key can't be derived"))?;
    Ok(key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_same_texts_give_the_same_keys() {
        let texts = SecretTexts::generate().unwrap();
        let again = SecretTexts::from_json(&texts.to_json()).unwrap();
        let (one, two) = (
            AuthSecrets::derive(&texts).unwrap(),
            AuthSecrets::derive(&again).unwrap(),
        );
        assert_eq!(one.public, two.public);
        assert_eq!(one.seed, two.seed);
        let other = AuthSecrets::derive(&SecretTexts::generate().unwrap()).unwrap();
        assert_ne!(one.public, other.public);
    }

    /// RFC 8037, appendix A.3.
    #[test]
    fn a_key_id_is_the_keys_thumbprint() {
        let public = URL_SAFE_NO_PAD
            .decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
            .unwrap();
        assert_eq!(
            PublicKey::new(&public).kid,
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }

    #[test]
    fn an_empty_variable_is_one_that_is_not_set() {
        let texts = SecretTexts::from_lookup(|_| Some(String::new()));
        assert!(texts.unwrap().is_none());
        let texts = SecretTexts::from_lookup(|name| (name == "AUTH_SECRETS").then(|| "{}".into()));
        assert!(texts.is_err());
    }

    /// Guarantee 39.
    #[test]
    fn neither_debug_nor_an_error_shows_a_secret() {
        let texts = SecretTexts::generate().unwrap();
        let shown = format!("{texts:?} {:?}", AuthSecrets::derive(&texts).unwrap());
        for text in [&texts.signing, &texts.refresh] {
            assert!(!shown.contains(text.as_str()));
        }
        let short = SecretTexts::new("tooshort".into(), texts.refresh.clone());
        let error = AuthSecrets::derive(&short).unwrap_err();
        assert_eq!(
            error.to_string(),
            "auth secrets: a text is shorter than 32 characters"
        );
        let error = SecretTexts::from_json(r#"{"signing": "tooshort"}"#).unwrap_err();
        assert!(!error.to_string().contains("tooshort"));
    }
}
