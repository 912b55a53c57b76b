//! The table: every call to DynamoDB goes through here, with its retries and its errors.

use std::{collections::HashMap, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        put_item::PutItemError, transact_write_items::TransactWriteItemsError, update_item::UpdateItemError,
    },
    types::{
        AttributeValue, DeleteRequest, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
        TransactWriteItem, WriteRequest,
    },
};
use futures_util::future::{join_all, try_join_all};
use rand::RngExt as _;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    clock::Clock,
    db::keys::{Index, Key},
    error::{Error, Result},
};

/// An item as DynamoDB gives it.
pub type Item = HashMap<String, AttributeValue>;

/// The most keys of one BatchGetItem (AWS: BatchGetItem).
pub const BATCH_GET: usize = 100;
/// The most writes of one BatchWriteItem (AWS: BatchWriteItem).
pub const BATCH_WRITE: usize = 25;
/// The most actions of one TransactWriteItems (AWS: TransactWriteItems).
pub const TRANSACTION: usize = 100;

/// How often a transaction that met another one is tried: for some 9 s with the pauses between, so that the client of an
/// item that is far too busy learns that nothing was done, before the request's deadline leaves it open.
const CONFLICT_ATTEMPTS: u32 = 140;
/// The longest pause, in milliseconds, before each further attempt at what met a transaction; the last goes for all after.
///
/// An item takes one transaction at a time, and who asks meanwhile learns nothing but that. So pauses grow at once to
/// what many need who want the same item, lest their attempts alone use it up; and they shrink for who has waited
/// longest, lest that one comes too late. `cargo measure contention` shows what another choice does.
const CONFLICT_PAUSES: [u64; 8] = [20, 200, 800, 800, 400, 400, 200, 100];
/// How often a transaction that was throttled is tried.
const THROTTLE_ATTEMPTS: u32 = 60;
/// How often the unprocessed rest of a batch is asked for again.
const BATCH_ATTEMPTS: u32 = 12;

/// The table.
#[derive(Clone, Debug)]
pub struct Store {
    /// The SDK client.
    pub client: Client,
    /// The table's name.
    pub table: Arc<str>,
    /// The time that expiries and stamps are read from.
    pub clock: Clock,
}

/// One Query: a partition of the table or an index, a range of sort keys, a direction and a limit.
#[derive(Clone, Debug)]
pub struct RangeQuery<'a> {
    /// Where.
    pub index: Index,
    /// The partition key.
    pub pk: &'a str,
    /// The first sort key, inclusive.
    pub low: &'a str,
    /// The last sort key, inclusive.
    pub high: &'a str,
    /// Whether to read from `high` down.
    pub backward: bool,
    /// The most items to read.
    pub limit: usize,
}

/// What a transaction came to.
#[derive(Debug)]
pub enum Outcome {
    /// All of it is done.
    Done,
    /// None of it is done; the conditions of these actions failed, each with the item that failed it.
    Refused(HashMap<usize, Option<Item>>),
    /// None of it is done, for it met another transaction. [`Store::transact`] tries such a one again.
    Met,
}

impl Outcome {
    /// Whether the condition of this action failed.
    #[must_use]
    pub fn failed(&self, action: usize) -> bool {
        matches!(self, Self::Refused(failed) if failed.contains_key(&action))
    }
}

/// A TransactWriteItems in the making. Each action's place in it is handed back, to ask about in [`Outcome`].
#[derive(Clone, Debug)]
pub struct Transaction {
    actions: Vec<TransactWriteItem>,
    token: String,
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            // The same over every retry of this transaction, so that one whose answer was lost is not done twice.
            token: uuid::Uuid::new_v4().to_string(),
        }
    }
}

impl Transaction {
    /// Adds an action.
    pub fn add(&mut self, action: TransactWriteItem) -> usize {
        self.actions.push(action);
        self.actions.len() - 1
    }

    /// Its actions.
    #[must_use]
    pub fn actions(&self) -> &[TransactWriteItem] {
        &self.actions
    }

    /// How many actions it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}

impl Store {
    /// The table `table`, through `client`.
    #[must_use]
    pub fn new(client: Client, table: impl Into<Arc<str>>, clock: Clock) -> Self {
        Self {
            client,
            table: table.into(),
            clock,
        }
    }

    /// Reads one item, strongly consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn get(&self, key: &Key) -> Result<Option<Item>> {
        self.read(key, true).await
    }

    /// Reads one item, eventually consistent: for half the units, as it was a moment ago.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn peek(&self, key: &Key) -> Result<Option<Item>> {
        self.read(key, false).await
    }

    async fn read(&self, key: &Key, consistent: bool) -> Result<Option<Item>> {
        let output = self
            .client
            .get_item()
            .table_name(&*self.table)
            .set_key(Some(key.attributes()))
            .consistent_read(consistent)
            .send()
            .await
            .map_err(|e| service_error("GetItem", &e))?;
        Ok(output.item)
    }

    /// Reads many items, strongly consistent, in batches of 100 side by side; what DynamoDB leaves unprocessed is asked
    /// for again. Keys of nothing are missing from the answer.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve all of it.
    pub async fn batch_get(&self, mut keys: Vec<Key>) -> Result<HashMap<Key, Item>> {
        // DynamoDB refuses a batch that names a key twice.
        keys.sort_unstable();
        keys.dedup();
        let batches = keys.chunks(BATCH_GET).map(|batch| self.get_batch(batch));
        let mut found = HashMap::with_capacity(keys.len());
        for items in try_join_all(batches).await? {
            for item in items {
                let key = Key::of(&item).ok_or_else(|| corrupt("an item without keys"))?;
                found.insert(key, item);
            }
        }
        Ok(found)
    }

    async fn get_batch(&self, keys: &[Key]) -> Result<Vec<Item>> {
        let mut wanted: Vec<Item> = keys.iter().map(Key::attributes).collect();
        let mut items = Vec::with_capacity(wanted.len());
        for attempt in 0..BATCH_ATTEMPTS {
            pause_before(attempt).await;
            let request = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true)
                .build()
                .map_err(|e| Error::Internal(format!("BatchGetItem: {e}")))?;
            let mut output = self
                .client
                .batch_get_item()
                .request_items(&*self.table, request)
                .send()
                .await
                .map_err(|e| service_error("BatchGetItem", &e))?;
            items.extend(
                output
                    .responses
                    .as_mut()
                    .and_then(|tables| tables.remove(&*self.table))
                    .unwrap_or_default(),
            );
            let rest = output
                .unprocessed_keys
                .as_mut()
                .and_then(|tables| tables.remove(&*self.table));
            match rest {
                Some(rest) if !rest.keys.is_empty() => wanted = rest.keys,
                _ => return Ok(items),
            }
        }
        Err(Error::Unavailable("BatchGetItem left keys unread".into()))
    }

    /// Writes and deletes many rows without conditions, 25 a batch; what DynamoDB leaves unprocessed is sent again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't take all of it.
    pub async fn batch_write(&self, mut requests: Vec<WriteRequest>) -> Result<()> {
        let mut attempt = 0;
        while !requests.is_empty() {
            pause_before(attempt).await;
            let rest = requests.split_off(requests.len().min(BATCH_WRITE));
            let mut output = self
                .client
                .batch_write_item()
                .request_items(&*self.table, requests)
                .send()
                .await
                .map_err(|e| service_error("BatchWriteItem", &e))?;
            let left = output
                .unprocessed_items
                .as_mut()
                .and_then(|tables| tables.remove(&*self.table))
                .unwrap_or_default();
            attempt = if left.is_empty() { 0 } else { attempt + 1 };
            if attempt == BATCH_ATTEMPTS {
                return Err(Error::Unavailable("BatchWriteItem left items unwritten".into()));
            }
            requests = left;
            requests.extend(rest);
        }
        Ok(())
    }

    /// Deletes many rows.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't take all of it.
    pub async fn batch_delete(&self, keys: &[Key]) -> Result<()> {
        let requests = keys.iter().map(|key| {
            let delete = DeleteRequest::builder()
                .set_key(Some(key.attributes()))
                .build()
                .map_err(|e| Error::Internal(format!("BatchWriteItem: {e}")))?;
            Ok(WriteRequest::builder().delete_request(delete).build())
        });
        self.batch_write(requests.collect::<Result<_>>()?).await
    }

    /// Reads a range of one partition, and says whether it goes on past the limit. Strongly consistent on the table; an
    /// index can't be.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn query(&self, query: &RangeQuery<'_>) -> Result<(Vec<Item>, bool)> {
        // DynamoDB refuses a BETWEEN whose ends are the wrong way round; such a range is empty.
        if query.low > query.high {
            return Ok((Vec::new(), false));
        }
        let limit = i32::try_from(query.limit).unwrap_or(i32::MAX);
        let output = self
            .client
            .query()
            .table_name(&*self.table)
            .set_index_name(query.index.name.map(str::to_owned))
            .key_condition_expression("#pk = :pk AND #sk BETWEEN :low AND :high")
            .expression_attribute_names("#pk", query.index.pk)
            .expression_attribute_names("#sk", query.index.sk)
            .expression_attribute_values(":pk", text(query.pk))
            .expression_attribute_values(":low", text(query.low))
            .expression_attribute_values(":high", text(query.high))
            .scan_index_forward(!query.backward)
            .consistent_read(query.index.name.is_none())
            .limit(limit)
            .send()
            .await
            .map_err(|e| service_error("Query", &e))?;
        // DynamoDB also stops, with a last key, at the limit itself when nothing follows; one more item would tell, and
        // callers that need to know ask for one more.
        let more = output.last_evaluated_key.is_some();
        Ok((output.items.unwrap_or_default(), more))
    }

    /// Runs several ranges side by side.
    ///
    /// # Errors
    /// The first range's that fails.
    pub async fn query_all(&self, queries: &[RangeQuery<'_>]) -> Result<Vec<(Vec<Item>, bool)>> {
        join_all(queries.iter().map(|q| self.query(q)))
            .await
            .into_iter()
            .collect()
    }

    /// Runs a transaction. One that met another, or was throttled, is tried again after jittered pauses.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it can't be done in time; [`Error::Internal`] when DynamoDB finds it wrong.
    pub async fn transact(&self, transaction: &Transaction) -> Result<Outcome> {
        self.transact_after(0, transaction).await
    }

    /// Runs a transaction as [`Store::transact`] does, for a request that has met others this many times already.
    ///
    /// # Errors
    /// As [`Store::transact`].
    pub(crate) async fn transact_after(&self, conflicts: u32, transaction: &Transaction) -> Result<Outcome> {
        for met in conflicts..CONFLICT_ATTEMPTS {
            pause_after_conflicts(met).await;
            match self.transact_once(transaction).await? {
                Outcome::Met => {}
                outcome => return Ok(outcome),
            }
        }
        Err(Error::Unavailable("a transaction met others every time".into()))
    }

    /// Runs a transaction that is of no use once it has met another. One that was throttled, or whose own earlier attempt
    /// may still be under way, is tried again with growing, jittered pauses.
    ///
    /// # Errors
    /// As [`Store::transact`].
    pub(crate) async fn transact_once(&self, transaction: &Transaction) -> Result<Outcome> {
        if transaction.len() > TRANSACTION {
            return Err(Error::Internal(format!(
                "a transaction of {} actions",
                transaction.len()
            )));
        }
        for attempt in 0..THROTTLE_ATTEMPTS {
            pause_before(attempt).await;
            let result = self
                .client
                .transact_write_items()
                .set_transact_items(Some(transaction.actions.clone()))
                .client_request_token(&transaction.token)
                .send()
                .await;
            let Err(error) = result else {
                return Ok(Outcome::Done);
            };
            match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(canceled)) => {
                    let reasons = canceled.cancellation_reasons();
                    let failed: HashMap<usize, Option<Item>> = reasons
                        .iter()
                        .enumerate()
                        .filter(|(_, r)| r.code() == Some("ConditionalCheckFailed"))
                        .map(|(at, r)| (at, r.item().cloned()))
                        .collect();
                    if !failed.is_empty() {
                        return Ok(Outcome::Refused(failed));
                    }
                    if reasons.iter().any(|r| r.code() == Some("TransactionConflict")) {
                        return Ok(Outcome::Met);
                    }
                    if !reasons.iter().any(|r| r.code().is_some_and(is_passing)) {
                        let codes: Vec<_> = reasons.iter().filter_map(|r| r.code()).collect();
                        return Err(Error::Internal(format!("TransactWriteItems: {codes:?}")));
                    }
                }
                Some(TransactWriteItemsError::TransactionInProgressException(_)) => {}
                _ => return Err(service_error("TransactWriteItems", &error)),
            }
        }
        Err(Error::Unavailable(
            "a transaction was throttled every time".into(),
        ))
    }

    /// Runs an UpdateItem that one or more transactions may be in the way of. `Ok(Err(item))` says that its condition
    /// failed, with the item that failed it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn update(
        &self,
        key: &Key,
        expression: &Expression,
        returning: ReturnValue,
    ) -> Result<std::result::Result<Item, Option<Item>>> {
        for met in 0..CONFLICT_ATTEMPTS {
            pause_after_conflicts(met).await;
            let result = self
                .client
                .update_item()
                .table_name(&*self.table)
                .set_key(Some(key.attributes()))
                .update_expression(&expression.update)
                .set_condition_expression(expression.condition.clone())
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .return_values(returning.clone())
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            let error = match result {
                Ok(output) => return Ok(Ok(output.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(e) if e.is_conditional_check_failed_exception() => {
                    let item = match e {
                        UpdateItemError::ConditionalCheckFailedException(e) => e.item().cloned(),
                        _ => None,
                    };
                    return Ok(Err(item));
                }
                Some(e) if e.is_transaction_conflict_exception() => {}
                _ => return Err(service_error("UpdateItem", &error)),
            }
        }
        Err(Error::Unavailable("an update met transactions every time".into()))
    }

    /// Puts an item, under a condition that may be empty. `false` says that the condition failed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn put(&self, item: Item, condition: Option<&str>) -> Result<bool> {
        let result = self
            .client
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item))
            .set_condition_expression(condition.map(str::to_owned))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(e)
                if e.as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(e) => Err(service_error("PutItem", &e)),
        }
    }

    /// Deletes an item, if it is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn delete(&self, key: &Key) -> Result<()> {
        self.client
            .delete_item()
            .table_name(&*self.table)
            .set_key(Some(key.attributes()))
            .send()
            .await
            .map_err(|e| service_error("DeleteItem", &e))?;
        Ok(())
    }

    /// Starts an action of a transaction on `key`.
    #[must_use]
    pub fn on(&self, key: Key) -> Action<'_> {
        Action { store: self, key }
    }
}

/// An update expression with its condition and values. Attribute names are written `#name` and stand for themselves.
#[derive(Clone, Debug, Default)]
pub struct Expression {
    update: String,
    condition: Option<String>,
    values: Vec<(&'static str, AttributeValue)>,
}

impl Expression {
    /// An update.
    pub fn update(update: impl Into<String>) -> Self {
        Self {
            update: update.into(),
            ..Self::default()
        }
    }

    /// No update: a condition alone, for a put, a delete or a check.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Only under this condition; with an earlier one, under both.
    #[must_use]
    pub fn when(mut self, condition: &str) -> Self {
        self.condition = Some(match self.condition {
            None => condition.to_owned(),
            Some(earlier) => format!("{earlier} AND {condition}"),
        });
        self
    }

    /// The value of `:name`.
    #[must_use]
    pub fn value(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.values.push((name, value));
        self
    }

    /// The attribute names that the expressions mention: every `#word` stands for `word`, which keeps DynamoDB's
    /// reserved words out of the way.
    fn names(&self) -> Option<HashMap<String, String>> {
        let texts = [Some(self.update.as_str()), self.condition.as_deref()];
        let names: HashMap<String, String> = texts
            .into_iter()
            .flatten()
            .flat_map(|text| text.split('#').skip(1))
            .map(|rest| {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                (format!("#{}", &rest[..end]), rest[..end].to_owned())
            })
            .collect();
        (!names.is_empty()).then_some(names)
    }

    fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        let values: HashMap<String, AttributeValue> = self
            .values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        (!values.is_empty()).then_some(values)
    }
}

/// An action of a transaction, on one key.
pub struct Action<'a> {
    store: &'a Store,
    key: Key,
}

impl Action<'_> {
    /// Writes `item` with this key.
    ///
    /// # Errors
    /// [`Error::Internal`] when the item can't be encoded.
    pub fn put(self, item: &impl Serialize, condition: Expression) -> Result<TransactWriteItem> {
        let mut attributes = to_item(item)?;
        attributes.extend(self.key.attributes());
        let put = aws_sdk_dynamodb::types::Put::builder()
            .table_name(&*self.store.table)
            .set_item(Some(attributes))
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .set_condition_expression(condition.condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(build_error)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Updates the item of this key.
    ///
    /// # Errors
    /// [`Error::Internal`] when the update can't be built.
    pub fn update(self, expression: Expression) -> Result<TransactWriteItem> {
        let update = aws_sdk_dynamodb::types::Update::builder()
            .table_name(&*self.store.table)
            .set_key(Some(self.key.attributes()))
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .update_expression(expression.update)
            .set_condition_expression(expression.condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(build_error)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Deletes the item of this key.
    ///
    /// # Errors
    /// [`Error::Internal`] when the delete can't be built.
    pub fn delete(self, condition: Expression) -> Result<TransactWriteItem> {
        let delete = aws_sdk_dynamodb::types::Delete::builder()
            .table_name(&*self.store.table)
            .set_key(Some(self.key.attributes()))
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .set_condition_expression(condition.condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(build_error)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

/// A string attribute.
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
pub fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Encodes an entity as an item.
///
/// # Errors
/// [`Error::Internal`] when it can't be encoded, which is a bug.
pub fn to_item(entity: &impl Serialize) -> Result<Item> {
    serde_dynamo::to_item(entity).map_err(|e| Error::Internal(format!("encode: {e}")))
}

/// Decodes an item as an entity.
///
/// # Errors
/// [`Error::Internal`] when the item isn't what this service writes.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T> {
    serde_dynamo::from_item(item).map_err(|e| Error::Internal(format!("decode: {e}")))
}

/// The error for an item that isn't what this service writes.
#[must_use]
pub fn corrupt(what: &str) -> Error {
    Error::Internal(format!("the table holds {what}"))
}

fn build_error(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("request: {error}"))
}

/// Waits before attempt `attempt` (none before the first): full jitter over a window that doubles from 10 to 250 ms
/// (AWS Architecture Blog, "Exponential Backoff And Jitter").
pub async fn pause_before(attempt: u32) {
    if attempt > 0 {
        pause_within((10_u64 << attempt.min(5)).min(250)).await;
    }
}

/// Waits after meeting transactions this many times (none before the first): full jitter over [`CONFLICT_PAUSES`].
async fn pause_after_conflicts(met: u32) {
    if let Some(last) = (met as usize).checked_sub(1) {
        pause_within(CONFLICT_PAUSES[last.min(CONFLICT_PAUSES.len() - 1)]).await;
    }
}

async fn pause_within(milliseconds: u64) {
    let pause = rand::rng().random_range(1..=milliseconds);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}

/// Whether a request with this error code may succeed when it is tried again.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "TransactionConflict"
            | "TransactionConflictException"
            | "TransactionInProgressException"
            | "ThrottlingError"
            | "ThrottlingException"
            | "ProvisionedThroughputExceeded"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ReplicatedWriteConflictException"
            | "InternalServerError"
            | "InternalServerErrorException"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "RequestTimeout"
            | "RequestTimeoutException"
    )
}

/// What an SDK error is to a client, after the SDK's own retries. Only its code goes to the log: its message may quote
/// keys, and those may hold an email.
pub fn service_error<E: ProvideErrorMetadata, R>(operation: &str, error: &SdkError<E, R>) -> Error {
    match error {
        SdkError::ServiceError(e) => {
            let code = e.err().code().unwrap_or("an error without a code");
            let text = format!("{operation}: {code}");
            if is_passing(code) {
                Error::Unavailable(text)
            } else {
                Error::Internal(text)
            }
        }
        SdkError::TimeoutError(_) => Error::Unavailable(format!("{operation}: no answer in time")),
        SdkError::DispatchFailure(_) => Error::Unavailable(format!("{operation}: no connection")),
        SdkError::ResponseError(_) => {
            Error::Unavailable(format!("{operation}: an answer that can't be read"))
        }
        _ => Error::Internal(format!("{operation}: a request that can't be built")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_hashed_word_of_an_expression_stands_for_itself() {
        let names = Expression::update("SET #a = :a, #long_name = if_not_exists(#b, :b)")
            .when("attribute_exists(#pk)")
            .names()
            .unwrap();
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        let expected = ["a", "b", "long_name", "pk"].map(|n| (format!("#{n}"), n.to_owned()));
        assert_eq!(names, expected);
    }
}
