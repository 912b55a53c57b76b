//! Calls on many items: BatchGetItem and BatchWriteItem. They retry the items that DynamoDB leaves unprocessed.

use std::{borrow::Cow, collections::HashMap};

use aws_sdk_dynamodb::{
    error::SdkError,
    types::{DeleteRequest, KeysAndAttributes, WriteRequest},
};
use futures_util::future::try_join_all;

use crate::{
    db::{
        answer::decoded,
        item::{StoredItem, corrupt},
        keys::Key,
        retry::Retry,
        store::{Consistency, Store, build_error},
    },
    error::Result,
};

/// The most keys of one BatchGetItem (AWS: BatchGetItem).
pub const BATCH_GET: usize = 100;
/// The most writes of one BatchWriteItem (AWS: BatchWriteItem).
pub const BATCH_WRITE: usize = 25;

impl Store {
    /// Reads many items, strongly consistent, in parallel batches of [`BATCH_GET`]. The result doesn't contain keys without
    /// an item.
    pub async fn batch_get(&self, keys: Vec<Key>) -> Result<HashMap<Key, StoredItem>> {
        self.get_batches(keys, Consistency::Strong).await
    }

    /// Reads many items as [`Store::batch_get`] does, but eventually consistent: it costs half the units, and may lack the
    /// latest writes.
    pub async fn batch_get_eventually(&self, keys: Vec<Key>) -> Result<HashMap<Key, StoredItem>> {
        self.get_batches(keys, Consistency::Eventual).await
    }

    async fn get_batches(
        &self,
        mut keys: Vec<Key>,
        consistency: Consistency,
    ) -> Result<HashMap<Key, StoredItem>> {
        // DynamoDB rejects a batch that contains a key twice.
        keys.sort_unstable();
        keys.dedup();
        let batches = keys
            .chunks(BATCH_GET)
            .map(|batch| self.get_batch(batch, consistency));
        let mut found = HashMap::with_capacity(keys.len());
        for items in try_join_all(batches).await? {
            for item in items {
                let key = Key::of(&item).ok_or_else(|| corrupt("an item without keys"))?;
                found.insert(key, item);
            }
        }
        Ok(found)
    }

    async fn get_batch(&self, keys: &[Key], consistency: Consistency) -> Result<Vec<StoredItem>> {
        let is_strong = matches!(consistency, Consistency::Strong);
        let mut wanted = Cow::Borrowed(keys);
        let mut items = Vec::with_capacity(wanted.len());
        let mut retry = Retry::of_read("BatchGetItem");
        loop {
            // Built for each attempt. Most calls need only one, and a copy for another one would cost as much.
            let get = || async {
                let keys = wanted.iter().map(Key::attributes).collect();
                let request = KeysAndAttributes::builder().set_keys(Some(keys));
                let request = request.consistent_read(is_strong).build();
                let request = request.map_err(SdkError::construction_failure)?;
                let get = self.client.batch_get_item();
                let get = get.set_return_consumed_capacity(self.units.clone());
                decoded(get.request_items(&*self.table, request).send()).await
            };
            let answer = retry.call(get).await?.map_err(|e| retry.rejected(&e))?;
            items.extend(answer.items);
            if answer.unprocessed.is_empty() {
                return Ok(items);
            }
            let sent = wanted.len();
            let unprocessed = answer.unprocessed.iter().map(Key::of);
            let unprocessed: Option<Vec<Key>> = unprocessed.collect();
            wanted = Cow::Owned(unprocessed.ok_or_else(|| corrupt("an item without keys"))?);
            if wanted.len() < sent {
                retry.pause_after_progress("some keys were not processed").await?;
            } else {
                retry.pause_after_failure("no key was processed").await?;
            }
        }
    }

    /// Puts and deletes many items without conditions, in batches of [`BATCH_WRITE`], one after another.
    pub async fn batch_write(&self, mut requests: Vec<WriteRequest>) -> Result<()> {
        let mut retry = Retry::of_write("BatchWriteItem");
        while !requests.is_empty() {
            let rest = requests.split_off(requests.len().min(BATCH_WRITE));
            let write = || {
                self.client
                    .batch_write_item()
                    .request_items(&*self.table, requests.clone())
                    .set_return_consumed_capacity(self.units.clone())
                    .send()
            };
            let mut output = retry.call(write).await?.map_err(|e| retry.rejected(&e))?;
            let unprocessed = output
                .unprocessed_items
                .as_mut()
                .and_then(|tables| tables.remove(&*self.table))
                .unwrap_or_default();
            match unprocessed.len() {
                0 => {}
                some if some < requests.len() => {
                    retry
                        .pause_after_progress("some writes were not processed")
                        .await?;
                }
                _ => retry.pause_after_failure("no write was processed").await?,
            }
            requests = unprocessed;
            requests.extend(rest);
        }
        Ok(())
    }

    /// Deletes many items.
    pub async fn batch_delete(&self, keys: &[Key]) -> Result<()> {
        let requests = keys.iter().map(|key| {
            let delete = DeleteRequest::builder()
                .set_key(Some(key.attributes()))
                .build()
                .map_err(build_error)?;
            Ok(WriteRequest::builder().delete_request(delete).build())
        });
        self.batch_write(requests.collect::<Result<_>>()?).await
    }
}
