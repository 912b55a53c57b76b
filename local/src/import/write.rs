//! Writes to the table: by direct calls of the embedded engine if the table is there, otherwise through DynamoDB's API.

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures_util::{StreamExt as _, TryStreamExt as _};
use marquee_shared::db::{
    Store,
    batch::BATCH_WRITE,
    item::Item,
    transaction::{Outcome, Transaction},
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

    /// Runs a transaction of puts and updates.
    pub(super) async fn transact(&self, transaction: Transaction) -> Result<Outcome, ImportError> {
        Ok(match &self.bulk {
            Some(bulk) => bulk.transact(transaction).await?,
            None => self.store.transact(&transaction).await?,
        })
    }
}
