//! Public keys: auth publishes its own in the table, and every function verifies with those it reads there through a
//! [`KeyRing`].

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{
    auth::secrets::PublicKey,
    clock::{Clock, Instant},
    db::{
        Key, Store,
        expression::Condition,
        item::{corrupt, from_item, to_item},
        keys::{KEYS, TABLE},
        range::{Direction, KeyRange},
    },
    error::Result,
};

/// The most keys that are read: far more than rotations leave behind.
const MAX_KEYS: usize = 100;

/// How old the keys that were read may become, in seconds. A key that is withdrawn verifies this much longer.
pub const FRESH_SECONDS: i64 = 5 * 60;

/// How long after the keys were read an unknown key id is believed to be unknown, in seconds.
const UNKNOWN_SECONDS: i64 = 10;

/// A public key as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct KeyItem {
    #[serde(rename = "sk", skip_serializing)]
    kid: String,
    public: String,
    since: i64,
    expires: i64,
    ttl: i64,
}

/// A key that verifies.
#[derive(Debug)]
struct Verifying {
    public: PublicKey,
    decoding: DecodingKey,
    since: Instant,
    expires: Instant,
}

impl Verifying {
    fn lives_at(&self, time: Instant) -> bool {
        time < self.expires
    }
}

/// The keys in the table, as a function remembers them for a while. Requests that need them read at once share one read.
#[derive(Debug)]
pub struct KeyRing {
    clock: Clock,
    keys: Mutex<Option<Keys>>,
}

/// The keys in the table at one moment, by id.
#[derive(Debug)]
struct Keys {
    read: Instant,
    verifying: BTreeMap<String, Verifying>,
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
    /// [`crate::Error::Unavailable`] when the keys can't be read.
    pub async fn verifying_key(&self, store: &Store, kid: &str) -> Result<Option<DecodingKey>> {
        // Held over the read, so that those who wait for it find the keys fresh.
        let mut held = self.keys.lock().await;
        let now = self.clock.now();
        let pick = |keys: &Keys| {
            let key = keys.verifying.get(kid).filter(|key| key.lives_at(now))?;
            Some(key.decoding.clone())
        };
        if let Some(keys) = held.as_ref().filter(|keys| keys.younger(now, FRESH_SECONDS)) {
            let found = pick(keys);
            if found.is_some() || keys.younger(now, UNKNOWN_SECONDS) {
                return Ok(found);
            }
        }
        Ok(pick(held.insert(Keys::read(store, now).await?)))
    }

    /// Reads every public key that verifies, by id, now and not from memory.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the keys can't be read.
    pub async fn public_keys(&self, store: &Store) -> Result<Vec<PublicKey>> {
        let mut held = self.keys.lock().await;
        let now = self.clock.now();
        let keys = held.insert(Keys::read(store, now).await?);
        let living = keys.verifying.values().filter(|key| key.lives_at(now));
        Ok(living.map(|key| key.public.clone()).collect())
    }

    /// AP-25: sees that `key` verifies for at least `seconds` from now, so that whatever it signs until the next call
    /// can be verified to its end. Reads the keys, and writes this one when it isn't there or near its end. Returns
    /// since when it has been there.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn publish(&self, store: &Store, key: &PublicKey, seconds: i64) -> Result<Instant> {
        let mut held = self.keys.lock().await;
        let now = self.clock.now();
        let keys = held.insert(Keys::read(store, now).await?);
        let published = keys.verifying.get(&key.kid).filter(|key| key.lives_at(now));
        let since = published.map_or(now, |key| key.since);
        if published.is_some_and(|key| key.lives_at(now.plus_seconds(seconds))) {
            return Ok(since);
        }
        // Twice as long, so that a key in use is written once in this time.
        let expires = now.plus_seconds(seconds.saturating_mul(2)).seconds();
        let item = KeyItem {
            kid: key.kid.clone(),
            public: key.x.clone(),
            since: since.seconds(),
            expires,
            ttl: expires,
        };
        let mut stored = to_item(&item)?;
        stored.extend(Key::new(KEYS, &*key.kid).attributes());
        let put = store.put(stored, Condition::none()).await?;
        debug_assert!(put.is_ok(), "no condition was sent");
        keys.add(item)?;
        Ok(since)
    }

    /// Of the keys that were read last, the ids of those that have been there for `lead` seconds and verify for `seconds`
    /// more.
    pub async fn known(&self, lead: i64, seconds: i64) -> BTreeSet<String> {
        let held = self.keys.lock().await;
        let now = self.clock.now();
        let keys = held.iter().flat_map(|keys| &keys.verifying);
        keys.filter(|(_, key)| key.since.plus_seconds(lead) <= now && key.lives_at(now.plus_seconds(seconds)))
            .map(|(kid, _)| kid.clone())
            .collect()
    }
}

impl Keys {
    /// AP-25: reads all keys. 1 call, 1 unit.
    async fn read(store: &Store, now: Instant) -> Result<Self> {
        let all = KeyRange::partition(TABLE, KEYS);
        let items = store.query(&all, Direction::Ascending, MAX_KEYS).await?.items;
        let mut keys = Self {
            read: now,
            verifying: BTreeMap::new(),
        };
        for item in items {
            keys.add(from_item(item)?)?;
        }
        Ok(keys)
    }

    fn add(&mut self, item: KeyItem) -> Result<()> {
        let bytes = URL_SAFE_NO_PAD.decode(&item.public);
        let bytes = bytes.map_err(|_| corrupt("a public key that isn't base64url"))?;
        let key = Verifying {
            decoding: DecodingKey::from_ed_der(&bytes),
            since: Instant(0).plus_seconds(item.since),
            expires: Instant(0).plus_seconds(item.expires),
            public: PublicKey {
                kid: item.kid.clone(),
                x: item.public,
            },
        };
        self.verifying.insert(item.kid, key);
        Ok(())
    }

    fn younger(&self, now: Instant, seconds: i64) -> bool {
        now < self.read.plus_seconds(seconds)
    }
}
