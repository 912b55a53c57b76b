//! The public keys that verify access tokens: one item each, all in one partition.

use serde::{Deserialize, Serialize};

use crate::{
    db::{
        item::from_item,
        keys::{KEYS, Key, TABLE},
        range::{Direction, KeyRange},
        store::Store,
    },
    error::Result,
};

/// The most keys that are read: far more than rotations leave behind.
const MAX_KEYS: usize = 100;

/// A public key, as stored under `KEYS`, key id. Times are in seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PublicKeyItem {
    /// The key's id.
    #[serde(rename = "sk", skip_serializing)]
    pub kid: String,
    /// The Ed25519 public key in base64url.
    pub public: String,
    /// When the key was published.
    pub since: i64,
    /// The time after which the key verifies nothing.
    pub expires: i64,
    /// When DynamoDB may delete the item.
    pub ttl: i64,
}

impl Store {
    /// AP-25: reads all public keys, including expired ones. 1 call, 1 unit.
    pub async fn public_keys(&self) -> Result<Vec<PublicKeyItem>> {
        let all = KeyRange::partition(TABLE, KEYS);
        let output = self.query(&all, Direction::Ascending, MAX_KEYS).await?;
        output.items.into_iter().map(from_item).collect()
    }

    /// AP-25: writes a public key, or replaces the one with its id. 1 call.
    pub async fn put_public_key(&self, key: &PublicKeyItem) -> Result<()> {
        self.write(&Key::new(KEYS, &*key.kid), key).await
    }
}
