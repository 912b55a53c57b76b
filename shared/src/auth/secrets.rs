//! The keys that only the auth function may know, derived from two secret texts.
//!
//! A deployment generates the texts at random. They are texts, not keys, so that CloudFormation's `GenerateSecretString` can
//! generate them and a rotation is one command. A key is derived from each text (HKDF, RFC 5869) and the key's id from the
//! key (RFC 7638), so nothing else is stored or configured.

use std::ffi::OsString;

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

/// The variable that has the secret texts, in JSON.
const VARIABLE: &str = "AUTH_SECRETS";

/// The variable that names a file that has them.
const FILE_VARIABLE: &str = "AUTH_SECRETS_FILE";

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
            _ => Err(SecretsError::new("can't be made: the system has no randomness")),
        }
    }

    /// Parses the JSON form.
    ///
    /// # Errors
    /// Returns an error if `json` isn't an object with both texts.
    pub fn from_json(json: &str) -> Result<Self, SecretsError> {
        serde_json::from_str(json).map_err(|_| {
            SecretsError::new("must be a JSON object with the strings \"signing\" and \"refresh\"")
        })
    }

    /// Returns the JSON form, to be stored where only the auth function can read it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// Secrets that can't be read or derived. The text is one sentence that names them and says what they must be, and quotes no
/// secret.
///
/// A function that can't start prints its error with `Debug`, so that is the same sentence.
#[derive(PartialEq, Eq)]
pub struct SecretsError {
    /// Where the secrets are.
    secrets: &'static str,
    reason: &'static str,
}

impl SecretsError {
    /// The error for secrets in an unknown place. `reason` is a sentence without its subject, which is the secrets.
    #[must_use]
    pub fn new(reason: &'static str) -> Self {
        Self {
            secrets: "the auth secrets",
            reason,
        }
    }

    /// The same error for the secrets in this place.
    #[must_use]
    pub fn of(self, secrets: &'static str) -> Self {
        Self { secrets, ..self }
    }

    /// What the secrets must be or have.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl std::fmt::Display for SecretsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.secrets, self.reason)
    }
}

impl std::fmt::Debug for SecretsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
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
    /// Reads the texts, in JSON, from the environment variable `AUTH_SECRETS` or from the file that `AUTH_SECRETS_FILE` names,
    /// and derives the keys. Returns `None` if both are unset or empty.
    ///
    /// # Errors
    /// Returns an error that names the variable if the file can't be read or the secrets aren't in the right form.
    pub fn from_env() -> Result<Option<Self>, SecretsError> {
        Self::from_lookup(std::env::var_os)
    }

    fn from_lookup(lookup: impl Fn(&'static str) -> Option<OsString>) -> Result<Option<Self>, SecretsError> {
        let derived = |json: &str, place| {
            let texts = SecretTexts::from_json(json);
            let keys = texts.and_then(|texts| Self::derive(&texts));
            keys.map(Some).map_err(|error| error.of(place))
        };
        // template.yaml declares the first variable with an empty value, so that `sam local` can set it.
        let variable = |name| lookup(name).filter(|text| !text.is_empty());
        if let Some(json) = variable(VARIABLE) {
            // Bytes that aren't UTF-8 aren't JSON (RFC 8259 §8.1), and aren't replaced: each would become the same character.
            return derived(json.to_str().unwrap_or_default(), VARIABLE);
        }
        let Some(file) = variable(FILE_VARIABLE) else {
            return Ok(None);
        };
        let json = std::fs::read_to_string(file).map_err(|_| {
            SecretsError::new("must be the path of a file that can be read").of(FILE_VARIABLE)
        })?;
        derived(&json, "the file that AUTH_SECRETS_FILE names")
    }

    /// Derives the keys. The same texts always give the same keys.
    ///
    /// # Errors
    /// Returns an error if a text is shorter than [`MIN_TEXT`] characters.
    pub fn derive(texts: &SecretTexts) -> Result<Self, SecretsError> {
        let seed = derive_key(&texts.signing, b"access tokens: Ed25519 seed")?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_| SecretsError::new("have no signing key"))?;
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
        return Err(SecretsError::new("must have texts of at least 32 characters"));
    }
    let mut key = [0; 32];
    Salt::new(HKDF_SHA256, b"marquee")
        .extract(text.as_bytes())
        .expand(&[purpose], HKDF_SHA256)
        .and_then(|output| output.fill(&mut key))
        .map_err(|_| SecretsError::new("have a key that can't be derived"))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

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

    /// The error of the keys with these variables, as a function that can't start prints it.
    fn error(variables: &[(&str, &str)]) -> Option<String> {
        let set = |name: &str| variables.iter().find(|(own, _)| *own == name);
        let read = AuthSecrets::from_lookup(|name| set(name).map(|(_, value)| value.into()));
        read.err()
            .map(|error| format!("{:?}", Box::<dyn std::error::Error>::from(error)))
    }

    #[test]
    fn an_empty_variable_is_one_that_is_not_set() {
        assert!(
            AuthSecrets::from_lookup(|_| Some(OsString::new()))
                .unwrap()
                .is_none()
        );
        assert!(AuthSecrets::from_lookup(|_| None).unwrap().is_none());
        assert!(error(&[(VARIABLE, "{}"), (FILE_VARIABLE, "")]).is_some());
    }

    #[test]
    fn a_variable_that_cannot_work_is_named_in_a_sentence_without_its_value() {
        let right = SecretTexts::generate().unwrap().to_json();
        assert_eq!(error(&[(VARIABLE, &right)]), None);
        let short = r#"{"signing": "tooshort", "refresh": "tooshort"}"#;
        for json in ["{}", "tooshort", r#"{"signing": "tooshort"}"#, "[]"] {
            let expected = "AUTH_SECRETS must be a JSON object with the strings \"signing\" and \"refresh\"";
            assert_eq!(error(&[(VARIABLE, json)]).as_deref(), Some(expected), "{json}");
        }
        // Bytes that aren't UTF-8.
        let bytes = right
            .replacen("\"signing\":\"", "\"signing\":\"?", 1)
            .into_bytes();
        let bytes = bytes
            .into_iter()
            .map(|byte| if byte == b'?' { 0xff } else { byte });
        let value = OsString::from_vec(bytes.collect());
        let read = AuthSecrets::from_lookup(|name| (name == VARIABLE).then(|| value.clone()));
        let expected = "AUTH_SECRETS must be a JSON object with the strings \"signing\" and \"refresh\"";
        assert_eq!(
            read.err().map(|error| error.to_string()).as_deref(),
            Some(expected)
        );
        assert_eq!(
            error(&[(VARIABLE, short)]).as_deref(),
            Some("AUTH_SECRETS must have texts of at least 32 characters")
        );
        assert_eq!(
            error(&[(FILE_VARIABLE, "there/is/no/such/file.json")]).as_deref(),
            Some("AUTH_SECRETS_FILE must be the path of a file that can be read")
        );
        let other = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let text = error(&[(FILE_VARIABLE, other)]).unwrap();
        let expected = "the file that AUTH_SECRETS_FILE names must be a JSON object";
        assert!(text.starts_with(expected), "{text}");
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
            "the auth secrets must have texts of at least 32 characters"
        );
        let error = SecretTexts::from_json(r#"{"signing": "tooshort"}"#).unwrap_err();
        assert!(!error.to_string().contains("tooshort"));
    }
}
