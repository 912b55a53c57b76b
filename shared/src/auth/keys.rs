//! The public keys that verify access tokens. The auth function publishes its own key in the table, and every function
//! verifies with the keys that it reads there through a [`KeyRing`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use tokio::sync::Mutex;

use crate::{
    auth::{secrets::PublicKey, verified::VerifiedTokens},
    clock::{Clock, Instant},
    db::{item::corrupt, public_key::PublicKeyItem, store::Store},
    error::Result,
};

/// The maximum age of the cached keys, in seconds. A key that is removed from the table verifies tokens for up to this
/// time.
pub const FRESH_SECONDS: i64 = 5 * 60;

/// The seconds after a read of the keys in which an unknown key id isn't looked up again.
const UNKNOWN_SECONDS: i64 = 10;

/// A public key in the form that verifies a token.
#[derive(Debug)]
pub struct VerifyingKey {
    public: PublicKey,
    /// The key.
    pub decoding: DecodingKey,
    verified: SyncMutex<VerifiedTokens>,
    since: Instant,
    expires: Instant,
}

impl VerifyingKey {
    /// Returns the key for tokens, without verified ones.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) if the public key isn't base64url.
    pub fn new(public: PublicKey, since: Instant, expires: Instant) -> Result<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(&public.x);
        let bytes = bytes.map_err(|_| corrupt("a public key that isn't base64url"))?;
        Ok(Self {
            public,
            decoding: DecodingKey::from_ed_der(&bytes),
            verified: SyncMutex::default(),
            since,
            expires,
        })
    }

    /// Returns the tokens whose signature by this key was verified since the keys were read, which is at most
    /// [`FRESH_SECONDS`] ago.
    pub fn verified(&self) -> MutexGuard<'_, VerifiedTokens> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_valid_at(&self, time: Instant) -> bool {
        time < self.expires
    }
}

/// A cache of the keys in the table. Concurrent requests that need the keys share one read.
///
/// A method that reads or writes the table fails with [`Unavailable`](crate::Error::Unavailable) if it can't be reached.
#[derive(Debug)]
pub struct KeyRing {
    clock: Clock,
    cached: Mutex<Option<Keys>>,
}

/// The keys that were in the table at one moment, by id.
#[derive(Debug)]
struct Keys {
    read: Instant,
    by_id: BTreeMap<String, Arc<VerifyingKey>>,
}

impl KeyRing {
    /// Returns an empty cache.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            cached: Mutex::new(None),
        }
    }

    /// Returns the public key with this id, or `None` if there is none. An id that isn't cached is looked up in the table,
    /// at most once in 10 seconds.
    pub async fn verifying_key(&self, store: &Store, kid: &str) -> Result<Option<Arc<VerifyingKey>>> {
        // Locked during the read, so that other requests wait for it and then use its result.
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        let find = |keys: &Keys| {
            let key = keys.by_id.get(kid).filter(|key| key.is_valid_at(now))?;
            Some(Arc::clone(key))
        };
        if let Some(keys) = cached.as_ref().filter(|keys| keys.is_younger(now, FRESH_SECONDS)) {
            let found = find(keys);
            if found.is_some() || keys.is_younger(now, UNKNOWN_SECONDS) {
                return Ok(found);
            }
        }
        Ok(find(cached.insert(Keys::read(store, now).await?)))
    }

    /// Reads all valid public keys from the table, ordered by id.
    pub async fn public_keys(&self, store: &Store) -> Result<Vec<PublicKey>> {
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        let keys = cached.insert(Keys::read(store, now).await?);
        let valid = keys.by_id.values().filter(|key| key.is_valid_at(now));
        Ok(valid.map(|key| key.public.clone()).collect())
    }

    /// Makes sure that `key` is valid for at least another `seconds`, so that a token that it signs before the next call
    /// can be verified until it expires. Reads the keys, and writes this one if it is missing or expires sooner. Returns
    /// when it was first published.
    pub async fn publish(&self, store: &Store, key: &PublicKey, seconds: i64) -> Result<Instant> {
        let mut cached = self.cached.lock().await;
        let now = self.clock.now();
        let keys = cached.insert(Keys::read(store, now).await?);
        let published = keys.by_id.get(&key.kid).filter(|key| key.is_valid_at(now));
        let since = published.map_or(now, |key| key.since);
        if published.is_some_and(|key| key.is_valid_at(now.plus_seconds(seconds))) {
            return Ok(since);
        }
        // Twice the required time, so that a key in use is written only once in `seconds`.
        let expires = now.plus_seconds(seconds.saturating_mul(2)).seconds();
        let item = PublicKeyItem {
            kid: key.kid.clone(),
            public: key.x.clone(),
            since: since.seconds(),
            expires,
            ttl: expires,
        };
        store.put_public_key(&item).await?;
        keys.add(item)?;
        Ok(since)
    }

    /// Returns the ids of the cached keys that were published at least `lead` seconds ago and stay valid for another
    /// `seconds`.
    pub async fn known(&self, lead: i64, seconds: i64) -> BTreeSet<String> {
        let cached = self.cached.lock().await;
        let now = self.clock.now();
        let keys = cached.iter().flat_map(|keys| &keys.by_id);
        keys.filter(|(_, key)| {
            key.since.plus_seconds(lead) <= now && key.is_valid_at(now.plus_seconds(seconds))
        })
        .map(|(kid, _)| kid.clone())
        .collect()
    }
}

impl Keys {
    async fn read(store: &Store, now: Instant) -> Result<Self> {
        let mut keys = Self {
            read: now,
            by_id: BTreeMap::new(),
        };
        for item in store.public_keys().await? {
            keys.add(item)?;
        }
        Ok(keys)
    }

    fn add(&mut self, item: PublicKeyItem) -> Result<()> {
        let public = PublicKey {
            kid: item.kid.clone(),
            x: item.public,
        };
        let [since, expires] = [item.since, item.expires].map(|seconds| Instant(0).plus_seconds(seconds));
        let key = VerifyingKey::new(public, since, expires)?;
        self.by_id.insert(item.kid, Arc::new(key));
        Ok(())
    }

    /// Whether the keys were read less than this many seconds ago. Keys that were read ahead of the clock weren't: if the clock was
    /// set back, they would be kept until it has caught up.
    fn is_younger(&self, now: Instant, seconds: i64) -> bool {
        (self.read..self.read.plus_seconds(seconds)).contains(&now)
    }
}
