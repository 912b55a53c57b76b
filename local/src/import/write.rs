//! Writes to the table: by direct calls of the embedded engine if the table is there, otherwise through DynamoDB's API.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::{StreamExt as _, TryStreamExt as _};
use marquee_shared::db::{
    Key, Store,
    batch::BATCH_WRITE,
    item::Item,
    new_words::{addition, with_room},
    transaction::{MAX_ACTIONS, Outcome, Transaction},
    vocabulary::{first_entry, missing_rests},
};

use super::error::ImportError;
use crate::bulk::Bulk;

/// How many calls of BatchWriteItem are made at the same time.
const CALLS_AT_ONCE: usize = 8;

/// The table that an import writes to.
pub(super) struct Writer {
    pub(super) store: Store,
    /// The embedded engine's table behind `store`, if there is one.
    pub(super) bulk: Option<Bulk>,
}

impl Writer {
    /// The same table, through a handle whose writes are on the disk only after [`Writer::sync`].
    pub(super) async fn without_waiting(&self) -> Result<Self, ImportError> {
        let bulk = match &self.bulk {
            Some(bulk) => Some(bulk.without_waiting().await?),
            None => None,
        };
        Ok(Self {
            store: self.store.clone(),
            bulk,
        })
    }

    /// Waits until everything that was written is on the disk.
    pub(super) async fn sync(&self) -> Result<(), ImportError> {
        match &self.bulk {
            Some(bulk) => Ok(bulk.sync().await?),
            None => Ok(()),
        }
    }

    /// Puts items without a condition.
    pub(super) async fn put_all(&self, items: Vec<Item>) -> Result<(), ImportError> {
        if let Some(bulk) = &self.bulk {
            return Ok(bulk.put(items).await?);
        }
        let mut requests = Vec::with_capacity(items.len());
        for item in items {
            let put = PutRequest::builder()
                .set_item(Some(item))
                .build()
                .map_err(|e| ImportError::Table(e.to_string()))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let calls: Vec<Vec<WriteRequest>> = requests.chunks(BATCH_WRITE).map(<[_]>::to_vec).collect();
        futures_util::stream::iter(calls)
            .map(|call| self.store.batch_write(call))
            .buffer_unordered(CALLS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(())
    }

    /// Adds these words to the vocabulary, except the entries whose item is full. To add a word that is there changes nothing.
    pub(super) async fn add_words(&self, words: &BTreeSet<String>) -> Result<(), ImportError> {
        let Some(bulk) = &self.bulk else {
            let new = self.store.new_words(words, usize::MAX).await?;
            return Ok(self.store.add_words(&new).await?);
        };
        // A word whose first entry is there counts as known, so the first entries are added last. The others are added in the
        // order of their keys, which is that of the engine's pages.
        let mut others = with_room(words);
        let mut first: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
        for entry in words.iter().filter_map(|word| first_entry(word)) {
            if let Some((key, rests)) = others.remove_entry(&entry.key) {
                first.insert(key, rests);
            }
        }
        for entries in [others, first] {
            self.add_entries(bulk, entries).await?;
        }
        Ok(())
    }

    /// Adds rests to items of the vocabulary. No item is put as a whole: the server, or another import, may be adding words to
    /// it.
    async fn add_entries(
        &self,
        bulk: &Bulk,
        entries: BTreeMap<Key, BTreeSet<String>>,
    ) -> Result<(), ImportError> {
        let entries: Vec<(Key, BTreeSet<String>)> = entries.into_iter().collect();
        for chunk in entries.chunks(MAX_ACTIONS) {
            let mut left = chunk.to_vec();
            while !left.is_empty() {
                let mut transaction = Transaction::default();
                for (key, rests) in &left {
                    transaction.add(self.store.on(key.clone()).update(addition(key, rests))?);
                }
                let outcome = bulk.transact(transaction).await?;
                if let Outcome::Committed = outcome {
                    break;
                }
                // These items have no room for all their rests.
                let full = left
                    .iter()
                    .enumerate()
                    .filter(|(action, _)| outcome.failed(*action));
                let full: Vec<Key> = full.map(|(_, (key, _))| key.clone()).collect();
                let full = self.store.batch_get(full).await?;
                for (key, rests) in &mut left {
                    if let Some(item) = full.get(key) {
                        *rests = missing_rests(key, Some(item), rests);
                    }
                }
                left.retain(|(_, rests)| !rests.is_empty());
            }
        }
        Ok(())
    }

    /// Runs a transaction of puts, updates and deletes.
    pub(super) async fn transact(&self, transaction: Transaction) -> Result<Outcome, ImportError> {
        Ok(match &self.bulk {
            Some(bulk) => bulk.transact(transaction).await?,
            None => self.store.transact(&transaction).await?,
        })
    }
}
