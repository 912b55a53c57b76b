//! The key that encrypts cursors: one item, which the first function that needs it makes.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    auth::random,
    db::{
        expression::Condition,
        item::{Item, corrupt, text},
        keys,
        store::Store,
    },
    error::{Error, Result},
    http::cursor::{CursorKey, KEY_BYTES},
};

/// The attribute that holds the key, in base64.
const SECRET: &str = "secret";

impl Store {
    /// AP-30: the key that encrypts cursors. 1 call; 2 or 3 the very first time.
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
        // Another process was first; or this one was, and the response was lost.
        let item = self.get(&key).await?;
        parse(&item.ok_or_else(|| Error::Unavailable("the cursor key is being replaced".into()))?)
    }
}

fn parse(item: &Item) -> Result<CursorKey> {
    let secret = item.get(SECRET).map(AttributeValue::as_s);
    let Some(Ok(secret)) = secret else {
        return Err(corrupt("a cursor key without its text"));
    };
    let bytes = STANDARD.decode(secret);
    CursorKey::new(&bytes.map_err(|_| corrupt("a cursor key that isn't base64"))?)
}
