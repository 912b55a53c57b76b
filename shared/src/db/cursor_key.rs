//! The item with the key that encrypts cursors. The first function that needs the key creates it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    db::{
        cursor::{CursorKey, KEY_BYTES},
        expression::Condition,
        item::{Attributes, corrupt, text},
        keys,
        store::Store,
    },
    error::{Error, Result},
    random::random,
};

/// The attribute with the key's bytes in base64.
const SECRET: &str = "secret";

impl Store {
    /// AP-30: returns the key that encrypts cursors, and creates it if there is none. 1 call; 2 or 3 the first time.
    pub async fn cursor_key(&self) -> Result<CursorKey> {
        let key = keys::cursor_key();
        if let Some(item) = self.get(&key).await? {
            return parse(&item);
        }
        let mut item = key.attributes();
        item.insert(SECRET.into(), text(STANDARD.encode(random::<KEY_BYTES>()?)));
        if self.put(item.clone(), Condition::not_exists()).await?.is_ok() {
            return parse(&item);
        }
        // Another process created it, or this one did and the response was lost.
        let item = self.get(&key).await?;
        parse(&item.ok_or_else(|| Error::unavailable("the cursor key is being replaced"))?)
    }
}

fn parse(item: &impl Attributes) -> Result<CursorKey> {
    let Some(secret) = item.text(SECRET) else {
        return Err(corrupt("a cursor key without its text"));
    };
    let bytes = STANDARD.decode(secret);
    CursorKey::new(&bytes.map_err(|_| corrupt("a cursor key that isn't base64"))?)
}
