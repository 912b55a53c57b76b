//! The keys that only the auth function may know, derived from two secret texts.
//!
//! A deployment generates the texts at random. They are texts, not keys, so that CloudFormation's `GenerateSecretString` can
//! generate them and a rotation is one command. A key is derived from each text (HKDF, RFC 5869) and the key's id from the
//! key (RFC 7638), so nothing else is stored or configured.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use ring::{
    digest::{SHA256, digest},
    hkdf::{HKDF_SHA256, Salt},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde::{Deserialize, Serialize};

use crate::{auth::refresh::RefreshKey, digest::hex, random::random};

/// The minimum length of a text in characters: 128 bits if it is random hexadecimal.
pub const MIN_TEXT: usize = 32;

/// The two secret texts. Only they are stored, as `{"signing": "…", "refresh": "…"}`.
#[derive(Serialize, Deserialize)]
pub struct SecretTexts {
    /// The source of the signing key. Replacing it rotates the key.
    signing: String,
    /// The source of the key for refresh tokens. Replacing it ends every session.
    refresh: String,
}

impl std::fmt::Debug for SecretTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretTexts(..)")
    }
}

impl SecretTexts {
    /// Returns these texts as the pair.
    #[must_use]
    pub fn new(signing: String, refresh: String) -> Self {
        Self { signing, refresh }
    }

    /// Returns new texts of 256 random bits each.
    ///
    /// # Errors
    /// Returns an error if the system has no randomness.
    pub fn generate() -> Result<Self, SecretsError> {
        let text = || random::<32>().map(|bytes| hex(&bytes));
        match (text(), text()) {
            (Ok(signing), Ok(refresh)) => Ok(Self { signing, refresh }),
            _ => Err(SecretsError("the system has no randomness")),
        }
    }

    /// Parses the JSON form.
    ///
    /// # Errors
    /// Returns an error if `json` isn't an object with both texts.
    pub fn from_json(json: &str) -> Result<Self, SecretsError> {
        serde_json::from_str(json)
            .map_err(|_| SecretsError("must be a JSON object with the strings \"signing\" and \"refresh\""))
    }

    /// Returns the JSON form, to be stored where only the auth function can read it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// Reads the JSON form from the environment variable `AUTH_SECRETS` or from the file that `AUTH_SECRETS_FILE` names.
    /// Returns `None` if both are unset or empty.
    ///
    /// # Errors
    /// Returns an error if the file can't be read or the JSON can't be parsed.
    pub fn from_env() -> Result<Option<Self>, SecretsError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Option<Self>, SecretsError> {
        // template.yaml declares the first variable with an empty value, so that `sam local` can set it.
        let variable = |name| lookup(name).filter(|text| !text.is_empty());
        if let Some(json) = variable("AUTH_SECRETS") {
            return Self::from_json(&json).map(Some);
        }
        let Some(file) = variable("AUTH_SECRETS_FILE") else {
            return Ok(None);
        };
        let json = std::fs::read_to_string(file)
            .map_err(|_| SecretsError("the file that AUTH_SECRETS_FILE names can't be read"))?;
        Self::from_json(&json).map(Some)
    }
}

/// Secrets that can't be read or derived. The text says why and quotes no secret.
#[derive(Debug)]
pub struct SecretsError(pub &'static str);

impl std::fmt::Display for SecretsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "auth secrets: {}", self.0)
    }
}

impl std::error::Error for SecretsError {}

/// The keys that are derived from the secret texts.
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
    /// Derives the keys. The same texts always give the same keys.
    ///
    /// # Errors
    /// Returns an error if a text is shorter than [`MIN_TEXT`] characters.
    pub fn derive(texts: &SecretTexts) -> Result<Self, SecretsError> {
        let seed = derive_key(&texts.signing, b"access tokens: Ed25519 seed")?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_| SecretsError("the signing key can't be derived"))?;
        Ok(Self {
            public: PublicKey::new(pair.public_key().as_ref()),
            seed,
            refresh: RefreshKey::new(&derive_key(&texts.refresh, b"refresh tokens: HMAC key")?),
        })
    }

    /// Returns the key that signs access tokens.
    pub(crate) fn signing_key(&self) -> EncodingKey {
        EncodingKey::from_ed_der(&self.seed)
    }

    /// Returns the public half of the signing key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Returns the key for refresh tokens.
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

/// Derives a key of 32 bytes from a random text (HKDF-SHA-256).
fn derive_key(text: &str, purpose: &[u8]) -> Result<[u8; 32], SecretsError> {
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
