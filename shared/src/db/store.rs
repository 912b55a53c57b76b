//! The table, and the calls on one item or one range of it.
//!
//! Every call to DynamoDB is made here, in [`batch`](crate::db::batch) or in [`transaction`](crate::db::transaction), with
//! its retries and its errors.

use std::{
    ops::{Bound, RangeBounds},
    sync::Arc,
};

use aws_sdk_dynamodb::{
    Client,
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError, query::builders::QueryFluentBuilder,
        update_item::UpdateItemError,
    },
    types::{ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use futures_util::future::join_all;
use serde::Serialize;

use crate::{
    clock::Clock,
    db::{
        answer::decoded,
        expression::{Condition, ConditionFailed, Conditional, Update},
        item::{Item, StoredItem, number, text, to_item},
        keys::{Index, Key},
        known_words::KnownWords,
        last_id::LastId,
        likes::LikesShards,
        range::{Direction, KeyRange},
        retry::{Priority, Retry},
    },
    error::{Error, Result},
};

/// A client for the table.
#[derive(Clone, Debug)]
pub struct Store {
    /// The SDK client. Its own retries must be off, as in the clients of [`client`](crate::aws::client): the store itself
    /// retries.
    pub client: Client,
    /// The table's name.
    pub table: Arc<str>,
    /// The clock from which expiries and timestamps are read.
    pub clock: Clock,
    /// The shards of the likes index.
    pub likes_shards: LikesShards,
    /// The last movie id that this process has seen.
    pub(crate) last_movie: LastId,
    /// The words that this process has seen in the vocabulary.
    pub(crate) known_words: KnownWords,
    /// Whether answers say how many units their calls consumed.
    pub(crate) units: Option<ReturnConsumedCapacity>,
}

/// What one Query or Scan read.
#[derive(Clone, Debug, Default)]
pub struct QueryOutput {
    /// The items, in the direction of reading.
    pub items: Vec<StoredItem>,
    /// Whether there may be more items: DynamoDB stopped at the limit or at 1 MB (AWS: Query, Scan).
    pub more: bool,
}

/// What one Scan of an audit read.
#[derive(Clone, Debug, Default)]
pub struct ScannedPage {
    /// The items, in DynamoDB's order.
    pub items: Vec<Item>,
    /// The key behind which the next page begins. `None` after the last page.
    pub next: Option<Key>,
    /// The read units that the page cost. 0 if the endpoint doesn't say.
    pub units: f64,
}

/// The consistency of a read.
#[derive(Clone, Copy)]
pub(crate) enum Consistency {
    /// The read returns every write that succeeded before it.
    Strong,
    /// The read may lack the latest writes, and costs half the units.
    Eventual,
}

impl Store {
    /// Returns a store for the table named `table`.
    #[must_use]
    pub fn new(client: Client, table: impl Into<Arc<str>>, clock: Clock) -> Self {
        Self {
            client,
            table: table.into(),
            clock,
            likes_shards: LikesShards::default(),
            last_movie: LastId::default(),
            known_words: KnownWords::default(),
            units: None,
        }
    }

    /// The same store with these shards of the likes index.
    #[must_use]
    pub fn with_likes_shards(self, likes_shards: LikesShards) -> Self {
        Self { likes_shards, ..self }
    }

    /// The same store. If `asks`, it asks DynamoDB for the units that each call consumes, for the line of the request in the
    /// log. An answer is 60 bytes longer then. On one machine nobody pays for units.
    #[must_use]
    pub fn that_asks_for_units(self, asks: bool) -> Self {
        let units = asks.then_some(ReturnConsumedCapacity::Total);
        Self { units, ..self }
    }

    /// Reads one item, strongly consistent.
    pub async fn get(&self, key: &Key) -> Result<Option<StoredItem>> {
        self.read(key, Consistency::Strong).await
    }

    /// Reads one item, eventually consistent: it costs half the units, and may lack the latest writes.
    pub async fn get_eventually(&self, key: &Key) -> Result<Option<StoredItem>> {
        self.read(key, Consistency::Eventual).await
    }

    async fn read(&self, key: &Key, consistency: Consistency) -> Result<Option<StoredItem>> {
        let mut retry = Retry::of_read("GetItem");
        let get = || {
            let get = self.client.get_item().table_name(&*self.table);
            let get = get.set_key(Some(key.attributes()));
            let get = get.set_return_consumed_capacity(self.units.clone());
            decoded(
                get.consistent_read(matches!(consistency, Consistency::Strong))
                    .send(),
            )
        };
        let answer = retry.call(get).await?.map_err(|e| retry.rejected(&e))?;
        Ok(answer.items.into_iter().next())
    }

    /// Reads the first `limit` items of a range in `direction`: one Query. Strongly consistent on the table; an index can
    /// only be read eventually consistent.
    pub async fn query(&self, range: &KeyRange, direction: Direction, limit: usize) -> Result<QueryOutput> {
        self.query_with(range, direction, limit, Consistency::Strong)
            .await
    }

    /// Reads a range as [`Store::query`] does, with this consistency.
    pub(crate) async fn query_with(
        &self,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
        consistency: Consistency,
    ) -> Result<QueryOutput> {
        // DynamoDB rejects a BETWEEN whose lower bound is above the upper one.
        if range.is_empty() {
            return Ok(QueryOutput::default());
        }
        let is_strong = range.index.name.is_none() && matches!(consistency, Consistency::Strong);
        let build = |request: QueryFluentBuilder| {
            request
                .set_index_name(range.index.name.map(str::to_owned))
                .key_condition_expression("#pk = :pk AND #sk BETWEEN :low AND :high")
                .expression_attribute_names("#pk", range.index.pk)
                .expression_attribute_names("#sk", range.index.sk)
                .expression_attribute_values(":pk", text(&*range.pk))
                .expression_attribute_values(":low", text(&*range.low))
                .expression_attribute_values(":high", text(&*range.high))
                .scan_index_forward(direction == Direction::Ascending)
                .consistent_read(is_strong)
        };
        self.send_query(build, limit).await
    }

    /// Reads the items with the largest sort keys in one partition of an index whose sort key is a number, largest first.
    /// Sort keys outside of `range` are left out. Eventually consistent.
    pub async fn query_largest(
        &self,
        index: Index,
        pk: &str,
        range: impl RangeBounds<u64>,
        limit: usize,
    ) -> Result<QueryOutput> {
        let least = match range.start_bound() {
            Bound::Included(least) => *least,
            Bound::Excluded(below) => below.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let most = match range.end_bound() {
            Bound::Included(most) => Some(*most),
            Bound::Excluded(above) => Some(above.saturating_sub(1)),
            Bound::Unbounded => None,
        };
        let build = |request: QueryFluentBuilder| {
            let request = request
                .set_index_name(index.name.map(str::to_owned))
                .expression_attribute_names("#pk", index.pk)
                .expression_attribute_names("#sk", index.sk)
                .expression_attribute_values(":pk", text(pk))
                .expression_attribute_values(":least", number(least))
                .scan_index_forward(false);
            match most {
                Some(most) => request
                    .key_condition_expression("#pk = :pk AND #sk BETWEEN :least AND :most")
                    .expression_attribute_values(":most", number(most)),
                None => request.key_condition_expression("#pk = :pk AND #sk >= :least"),
            }
        };
        self.send_query(build, limit).await
    }

    async fn send_query(
        &self,
        build: impl Fn(QueryFluentBuilder) -> QueryFluentBuilder,
        limit: usize,
    ) -> Result<QueryOutput> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let mut retry = Retry::of_read("Query");
        let query = || {
            let query = self.client.query().table_name(&*self.table).limit(limit);
            let query = query.set_return_consumed_capacity(self.units.clone());
            decoded(build(query).send())
        };
        let answer = retry.call(query).await?.map_err(|e| retry.rejected(&e))?;
        // At the limit DynamoDB returns a last key even if nothing follows. A caller that must know whether more items follow
        // asks for one more than it needs.
        Ok(QueryOutput {
            more: answer.more,
            items: answer.items,
        })
    }

    /// Reads several ranges in parallel, each as [`Store::query`] does. Fails with the error of the first range that fails, in
    /// their order.
    pub async fn query_all(
        &self,
        ranges: &[KeyRange],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<QueryOutput>> {
        join_all(ranges.iter().map(|range| self.query(range, direction, limit)))
            .await
            .into_iter()
            .collect()
    }

    /// Reads the first `limit` items of the table, in DynamoDB's order, behind the one with the key `after`. One Scan, strongly
    /// consistent. No request scans.
    pub(crate) async fn scan(&self, after: Option<&Key>, limit: usize) -> Result<QueryOutput> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let mut retry = Retry::of_read("Scan");
        let scan = || {
            let scan = self.client.scan().table_name(&*self.table);
            let scan = scan.set_exclusive_start_key(after.map(Key::attributes));
            let scan = scan.set_return_consumed_capacity(self.units.clone());
            decoded(scan.consistent_read(true).limit(limit).send())
        };
        let answer = retry.call(scan).await?.map_err(|e| retry.rejected(&e))?;
        Ok(QueryOutput {
            more: answer.more,
            items: answer.items,
        })
    }

    /// AP-61: reads at most `limit` items behind the one with the key `after`, for an audit. One Scan, strongly consistent. No
    /// request scans.
    pub async fn scan_page(&self, after: Option<&Key>, limit: usize) -> Result<ScannedPage> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let mut retry = Retry::of_read("Scan");
        let scan = || {
            let scan = self.client.scan().table_name(&*self.table).limit(limit);
            scan.set_exclusive_start_key(after.map(Key::attributes))
                .consistent_read(true)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
        };
        let page = retry.call(scan).await?.map_err(|e| retry.rejected(&e))?;
        let units = page.consumed_capacity.and_then(|used| used.capacity_units);
        Ok(ScannedPage {
            next: page.last_evaluated_key.as_ref().and_then(Key::of),
            items: page.items.unwrap_or_default(),
            units: units.unwrap_or_default(),
        })
    }

    /// Updates an item, and returns what `returning` asks for.
    ///
    /// A retry may apply the update twice, because an attempt without a response may have succeeded. So the update must be
    /// idempotent, or its condition must fail the second time and [`Update::identified_by`] must recognize the first
    /// result.
    pub async fn update(
        &self,
        key: &Key,
        update: &Update,
        returning: ReturnValue,
    ) -> Result<Conditional<Item>> {
        let retry = Retry::of_write("UpdateItem");
        self.send_update(retry, key, update, returning).await
    }

    /// Updates an item at most once: for an update that isn't idempotent.
    ///
    /// # Errors
    /// [`Error::Unavailable`] also if it is unknown whether the item was updated.
    pub async fn update_at_most_once(&self, key: &Key, update: &Update) -> Result<Conditional<()>> {
        let retry = Retry::of_write("UpdateItem").at_most_once();
        let updated = self.send_update(retry, key, update, ReturnValue::None).await?;
        Ok(updated.map(drop))
    }

    async fn send_update(
        &self,
        mut retry: Retry,
        key: &Key,
        update: &Update,
        returning: ReturnValue,
    ) -> Result<Conditional<Item>> {
        let send = || {
            self.client
                .update_item()
                .table_name(&*self.table)
                .set_key(Some(key.attributes()))
                .update_expression(update.text())
                .set_condition_expression(update.condition())
                .set_expression_attribute_names(update.names())
                .set_expression_attribute_values(update.values())
                .return_values(returning.clone())
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .set_return_consumed_capacity(self.units.clone())
                .send()
        };
        loop {
            let error = match retry.call(send).await? {
                Ok(output) => return Ok(Ok(output.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            match error {
                UpdateItemError::ConditionalCheckFailedException(e) => {
                    return Ok(match e.item {
                        Some(item) if retry.may_have_succeeded() && update.is_applied_to(&item) => Ok(item),
                        item => Err(ConditionFailed { item }),
                    });
                }
                UpdateItemError::TransactionConflictException(_) => {
                    retry.pause_after_conflict(Priority::Normal).await?;
                }
                error => return Err(retry.rejected(&error)),
            }
        }
    }

    /// Writes an item under this key, or replaces the one that is there. 1 call.
    pub(crate) async fn write(&self, key: &Key, value: &impl Serialize) -> Result<()> {
        let put = self.write_if(key, value, Condition::none()).await?;
        debug_assert!(put.is_ok(), "no condition was sent");
        Ok(())
    }

    /// Writes an item under this key if a condition holds. It may fail as that of [`Store::put`]. 1 call.
    pub(crate) async fn write_if(
        &self,
        key: &Key,
        value: &impl Serialize,
        condition: Condition,
    ) -> Result<Conditional<()>> {
        let mut item: Item = to_item(value)?;
        item.extend(key.attributes());
        self.put(item, condition).await
    }

    /// Puts an item. The condition also fails if an earlier attempt, whose response was lost, put the item; a caller that must
    /// know the difference reads it.
    pub async fn put(&self, item: Item, condition: Condition) -> Result<Conditional<()>> {
        let mut retry = Retry::of_write("PutItem");
        let put = || {
            self.client
                .put_item()
                .table_name(&*self.table)
                .set_item(Some(item.clone()))
                .set_condition_expression(condition.text())
                .set_expression_attribute_names(condition.names())
                .set_expression_attribute_values(condition.values())
                .set_return_consumed_capacity(self.units.clone())
                .send()
        };
        loop {
            match retry.call(put).await? {
                Ok(_) => return Ok(Ok(())),
                Err(PutItemError::ConditionalCheckFailedException(e)) => {
                    return Ok(Err(ConditionFailed { item: e.item }));
                }
                Err(PutItemError::TransactionConflictException(_)) => {
                    retry.pause_after_conflict(Priority::Normal).await?;
                }
                Err(error) => return Err(retry.rejected(&error)),
            }
        }
    }

    /// Deletes an item, if it exists.
    pub async fn delete(&self, key: &Key) -> Result<()> {
        self.send_delete(key, ReturnValue::None).await.map(drop)
    }

    /// Deletes an item, and returns whether it existed. After a lost response it may say that it didn't.
    pub async fn delete_existing(&self, key: &Key) -> Result<bool> {
        let old = self.send_delete(key, ReturnValue::AllOld).await?;
        Ok(old.is_some_and(|old| !old.is_empty()))
    }

    async fn send_delete(&self, key: &Key, returning: ReturnValue) -> Result<Option<Item>> {
        let mut retry = Retry::of_write("DeleteItem");
        let delete = || {
            self.client
                .delete_item()
                .table_name(&*self.table)
                .set_key(Some(key.attributes()))
                .return_values(returning.clone())
                .set_return_consumed_capacity(self.units.clone())
                .send()
        };
        loop {
            match retry.call(delete).await? {
                Ok(output) => return Ok(output.attributes),
                Err(DeleteItemError::TransactionConflictException(_)) => {
                    retry.pause_after_conflict(Priority::Normal).await?;
                }
                Err(error) => return Err(retry.rejected(&error)),
            }
        }
    }
}

/// The error for a request that can't be built.
pub(crate) fn build_error(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("request: {error}"))
}
