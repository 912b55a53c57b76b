//! Keys. The auth function alone holds [`AuthSecrets`]; every function reads the public keys, and the key that seals
//! cursors, from the table through a [`KeyRing`].

use std::{collections::HashMap, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{DecodingKey, EncodingKey};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{
    auth::{
        hex, random,
        refresh::{KEY_BYTES as REFRESH_KEY_BYTES, RefreshKey},
    },
    clock::{Clock, Instant},
    db::{
        Key, Store,
        keys::{KEYS, PK, SK, TABLE},
        store::{Item, RangeQuery, corrupt, text},
    },
    error::{Error, Result},
    http::cursor::{CursorKey, KEY_BYTES as CURSOR_KEY_BYTES},
};

/// The sort key of the cursor key, which no key id may be.
const CURSOR: &str = "CURSOR";

/// The most keys that are read: far more than a rotation has at once.
const MAX_KEYS: usize = 100;

/// How old the keys that were read may become, in seconds. A key that is withdrawn verifies this much longer.
const FRESH_SECONDS: i64 = 5 * 60;

/// How long after the keys were read an unknown key id is believed to be unknown, in seconds.
const UNKNOWN_SECONDS: i64 = 10;

/// What only the auth function may know: the signing keys and the key of refresh tokens.
pub struct AuthSecrets {
    /// The first signs; the others are published, so that what they signed still verifies.
    signing: Vec<SigningKey>,
    refresh_key: [u8; REFRESH_KEY_BYTES],
}

impl std::fmt::Debug for AuthSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthSecrets(..)")
    }
}

/// An Ed25519 key pair.
struct SigningKey {
    kid: String,
    pkcs8: Vec<u8>,
    public: Vec<u8>,
}

/// Secrets that can't be read or made. The text says what is wrong without quoting any of it.
#[derive(Debug)]
pub struct SecretsError(&'static str);

impl std::fmt::Display for SecretsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "auth secrets: {}", self.0)
    }
}

impl std::error::Error for SecretsError {}

/// The JSON form of [`AuthSecrets`]; keys in base64.
#[derive(Serialize, Deserialize)]
struct SecretsJson {
    signing: Vec<SigningJson>,
    refresh_key: String,
}

#[derive(Serialize, Deserialize)]
struct SigningJson {
    kid: String,
    pkcs8: String,
}

impl AuthSecrets {
    /// New secrets, with one signing key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, SecretsError> {
        const NO_RANDOMNESS: SecretsError = SecretsError("the system has no randomness");
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| NO_RANDOMNESS)?;
        let kid = hex(&random::<8>().map_err(|_| NO_RANDOMNESS)?);
        Ok(Self {
            signing: vec![SigningKey::new(kid, pkcs8.as_ref().to_vec())?],
            refresh_key: random().map_err(|_| NO_RANDOMNESS)?,
        })
    }

    /// Reads the JSON form: `{"signing": [{"kid", "pkcs8"}, …], "refresh_key"}`. The first signing key is the one that
    /// signs.
    ///
    /// # Errors
    /// When it isn't that.
    pub fn from_json(json: &str) -> Result<Self, SecretsError> {
        let json: SecretsJson =
            serde_json::from_str(json).map_err(|_| SecretsError("not the JSON that is expected"))?;
        let signing = json
            .signing
            .into_iter()
            .map(|key| {
                let pkcs8 = STANDARD.decode(key.pkcs8);
                SigningKey::new(key.kid, pkcs8.map_err(|_| SecretsError("pkcs8 isn't base64"))?)
            })
            .collect::<Result<Vec<_>, _>>()?;
        if signing.is_empty() {
            return Err(SecretsError("there is no signing key"));
        }
        let refresh_key = STANDARD
            .decode(json.refresh_key)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(SecretsError("refresh_key isn't 32 bytes in base64"))?;
        Ok(Self { signing, refresh_key })
    }

    /// The JSON form, to be kept where only the auth function can read it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::json!({
            "signing": self.signing.iter().map(|key| SigningJson {
                kid: key.kid.clone(),
                pkcs8: STANDARD.encode(&key.pkcs8),
            }).collect::<Vec<_>>(),
            "refresh_key": STANDARD.encode(self.refresh_key),
        })
        .to_string()
    }

    /// Reads the environment: the JSON form from `AUTH_SECRETS`, or from the file that `AUTH_SECRETS_FILE` names.
    ///
    /// # Errors
    /// When neither is set or what is there can't be read.
    pub fn from_env() -> Result<Self, SecretsError> {
        if let Ok(json) = std::env::var("AUTH_SECRETS") {
            return Self::from_json(&json);
        }
        let file = std::env::var_os("AUTH_SECRETS_FILE")
            .ok_or(SecretsError("set AUTH_SECRETS or AUTH_SECRETS_FILE"))?;
        let json = std::fs::read_to_string(file)
            .map_err(|_| SecretsError("the file AUTH_SECRETS_FILE names can't be read"))?;
        Self::from_json(&json)
    }

    /// The key that signs, with its id.
    pub(crate) fn signing_key(&self) -> Result<(&str, EncodingKey)> {
        self.signing
            .first()
            .map(|key| (key.kid.as_str(), EncodingKey::from_ed_der(&key.pkcs8)))
            .ok_or_else(|| Error::Internal("no signing key".into()))
    }

    /// The key of refresh tokens.
    #[must_use]
    pub fn refresh_key(&self) -> RefreshKey {
        RefreshKey::new(&self.refresh_key)
    }
}

impl SigningKey {
    fn new(kid: String, pkcs8: Vec<u8>) -> Result<Self, SecretsError> {
        if kid.is_empty() || kid == CURSOR || !kid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(SecretsError("a kid must be letters and digits"));
        }
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8)
            .map_err(|_| SecretsError("a signing key isn't Ed25519 in PKCS#8 v2 (RFC 5958)"))?;
        Ok(Self {
            kid,
            public: pair.public_key().as_ref().to_vec(),
            pkcs8,
        })
    }
}

/// AP-25: makes the public keys known to every function, and sees that there is a cursor key. What is there stays.
///
/// # Errors
/// [`Error::Unavailable`] when the table doesn't serve.
pub async fn publish(store: &Store, secrets: &AuthSecrets) -> Result<()> {
    for key in &secrets.signing {
        let public = text(URL_SAFE_NO_PAD.encode(&key.public));
        put_if_absent(store, &key.kid, "public", public).await?;
    }
    let cursor: [u8; CURSOR_KEY_BYTES] = random()?;
    put_if_absent(store, CURSOR, "secret", text(STANDARD.encode(cursor))).await
}

async fn put_if_absent(
    store: &Store,
    sk: &str,
    attribute: &str,
    value: aws_sdk_dynamodb::types::AttributeValue,
) -> Result<()> {
    let mut item = Key::new(KEYS, sk).attributes();
    item.insert(attribute.into(), value);
    item.insert("created".into(), text(store.clock.now().to_string()));
    store
        .put(item, Some(&format!("attribute_not_exists({PK})")))
        .await?;
    Ok(())
}

/// The keys in the table, as a function remembers them for a while. Requests that need them read at once share one read.
#[derive(Debug)]
pub struct KeyRing {
    clock: Clock,
    keys: Mutex<Option<Keys>>,
}

/// The keys in the table at one moment.
#[derive(Debug)]
struct Keys {
    read: Instant,
    verifying: HashMap<String, DecodingKey>,
    cursor: Option<Arc<CursorKey>>,
}

impl KeyRing {
    /// A ring that has read nothing yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            keys: Mutex::new(None),
        }
    }

    /// The public key of this id, or `None` when there is none. An unknown id is looked for in the table, though not
    /// within 10 seconds of the last look.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the keys can't be read.
    pub async fn verifying_key(&self, store: &Store, kid: &str) -> Result<Option<DecodingKey>> {
        self.find(store, |keys| keys.verifying.get(kid).cloned()).await
    }

    /// The key that seals cursors.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the keys can't be read or no cursor key has been published yet.
    pub async fn cursor_key(&self, store: &Store) -> Result<Arc<CursorKey>> {
        self.find(store, |keys| keys.cursor.clone())
            .await?
            .ok_or_else(|| Error::Unavailable("the table has no cursor key".into()))
    }

    async fn find<T>(&self, store: &Store, pick: impl Fn(&Keys) -> Option<T>) -> Result<Option<T>> {
        // Held over the read, so that those who wait for it find the keys fresh.
        let mut held = self.keys.lock().await;
        if let Some(keys) = held.as_ref().filter(|keys| self.younger(keys, FRESH_SECONDS)) {
            let found = pick(keys);
            if found.is_some() || self.younger(keys, UNKNOWN_SECONDS) {
                return Ok(found);
            }
        }
        let keys = Keys::read(store, self.clock.now()).await?;
        let found = pick(&keys);
        *held = Some(keys);
        Ok(found)
    }

    fn younger(&self, keys: &Keys, seconds: i64) -> bool {
        self.clock.now() < keys.read.plus_seconds(seconds)
    }
}

impl Keys {
    /// AP-25: reads all keys. 1 call, 1 unit.
    async fn read(store: &Store, now: Instant) -> Result<Self> {
        let all = RangeQuery {
            index: TABLE,
            pk: KEYS,
            // Every printable character of ASCII.
            low: "!",
            high: "~",
            backward: false,
            limit: MAX_KEYS,
        };
        let (items, _) = store.query(&all).await?;
        let mut keys = Self {
            read: now,
            verifying: HashMap::new(),
            cursor: None,
        };
        for item in items {
            if attribute(&item, SK)? == CURSOR {
                let secret = STANDARD.decode(attribute(&item, "secret")?);
                let secret = secret.map_err(|_| corrupt("a cursor key that isn't base64"))?;
                keys.cursor = Some(Arc::new(CursorKey::new(&secret)?));
            } else {
                let public = URL_SAFE_NO_PAD.decode(attribute(&item, "public")?);
                let public = public.map_err(|_| corrupt("a public key that isn't base64url"))?;
                keys.verifying
                    .insert(attribute(&item, SK)?.into(), DecodingKey::from_ed_der(&public));
            }
        }
        Ok(keys)
    }
}

fn attribute<'a>(item: &'a Item, name: &str) -> Result<&'a str> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
        .ok_or_else(|| corrupt("a key without its text"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn secrets_survive_their_json_form() {
        let secrets = AuthSecrets::generate().unwrap();
        let json = secrets.to_json();
        let again = AuthSecrets::from_json(&json).unwrap();
        assert_eq!(again.to_json(), json);
        assert_eq!(again.signing[0].public, secrets.signing[0].public);
    }

    /// Promise 39.
    #[test]
    fn neither_debug_nor_an_error_shows_a_secret() {
        let secrets = AuthSecrets::generate().unwrap();
        let json = secrets.to_json();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let pkcs8 = value["signing"][0]["pkcs8"].as_str().unwrap();
        assert!(!format!("{secrets:?}").contains(pkcs8));
        let broken = json.replace("\"refresh_key\":\"", "\"refresh_key\":\"!");
        let error = AuthSecrets::from_json(&broken).unwrap_err();
        assert_eq!(
            error.to_string(),
            "auth secrets: refresh_key isn't 32 bytes in base64"
        );
    }

    #[test]
    fn secrets_without_a_usable_signing_key_are_refused() {
        let key = STANDARD.encode([7; REFRESH_KEY_BYTES]);
        for signing in [
            "".to_owned(),
            r#"{"kid": "a", "pkcs8": "AAAA"}"#.to_owned(),
            r#"{"kid": "CURSOR", "pkcs8": "AAAA"}"#.to_owned(),
        ] {
            let json = format!(r#"{{"signing": [{signing}], "refresh_key": "{key}"}}"#);
            assert!(AuthSecrets::from_json(&json).is_err(), "{signing}");
        }
    }
}
