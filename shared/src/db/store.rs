//! The table: every call to DynamoDB goes through here, with its retries and its errors.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_dynamodb::{
    Client,
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError, query::builders::QueryFluentBuilder,
        update_item::UpdateItemError,
    },
    types::{
        AttributeValue, DeleteRequest, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
        WriteRequest,
    },
};
use futures_util::future::{join_all, try_join_all};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use crate::db::retry::pause_before;
pub use crate::db::transaction::{Action, Outcome, Proof, TRANSACTION, Transaction};
use crate::{
    clock::Clock,
    db::{
        keys::{self, Key},
        range::{Direction, KeyRange},
        retry::{Tries, Turn},
    },
    error::{Error, Result},
};

/// An item as DynamoDB gives it.
pub type Item = HashMap<String, AttributeValue>;

/// The most keys of one BatchGetItem (AWS: BatchGetItem).
pub const BATCH_GET: usize = 100;
/// The most writes of one BatchWriteItem (AWS: BatchWriteItem).
pub const BATCH_WRITE: usize = 25;

/// The table.
#[derive(Clone, Debug)]
pub struct Store {
    /// The SDK client. It makes each call once, as one of [`client`](crate::db::client) does: the store repeats it.
    pub client: Client,
    /// The table's name.
    pub table: Arc<str>,
    /// The time that expiries and stamps are read from.
    pub clock: Clock,
}

/// What one Query read.
#[derive(Clone, Debug, Default)]
pub struct QueryOutput {
    /// The items, in the direction of reading.
    pub items: Vec<Item>,
    /// Whether the range may have more items: DynamoDB stopped at the limit or at 1 MB (AWS: Query).
    pub more: bool,
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
        let mut tries = Tries::to_read("GetItem");
        let get = || {
            self.client
                .get_item()
                .table_name(&*self.table)
                .set_key(Some(key.attributes()))
                .consistent_read(consistent)
                .send()
        };
        let output = tries.call(get).await?.map_err(|e| tries.refusal(&e))?;
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
        let mut tries = Tries::to_read("BatchGetItem");
        loop {
            let asked = wanted.len();
            let request = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true)
                .build()
                .map_err(build_error)?;
            let get = || {
                self.client
                    .batch_get_item()
                    .request_items(&*self.table, request.clone())
                    .send()
            };
            let mut output = tries.call(get).await?.map_err(|e| tries.refusal(&e))?;
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
            if wanted.len() < asked {
                tries.go_on("it left keys unread").await?;
            } else {
                tries.again("it left all keys unread").await?;
            }
        }
    }

    /// Writes and deletes many items without conditions, 25 a batch; what DynamoDB leaves unprocessed is sent again.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't take all of it.
    pub async fn batch_write(&self, mut requests: Vec<WriteRequest>) -> Result<()> {
        let mut tries = Tries::to_write("BatchWriteItem");
        while !requests.is_empty() {
            let rest = requests.split_off(requests.len().min(BATCH_WRITE));
            let write = || {
                self.client
                    .batch_write_item()
                    .request_items(&*self.table, requests.clone())
                    .send()
            };
            let mut output = tries.call(write).await?.map_err(|e| tries.refusal(&e))?;
            let left = output
                .unprocessed_items
                .as_mut()
                .and_then(|tables| tables.remove(&*self.table))
                .unwrap_or_default();
            match left.len() {
                0 => {}
                some if some < requests.len() => tries.go_on("it left items unwritten").await?,
                _ => tries.again("it left all items unwritten").await?,
            }
            requests = left;
            requests.extend(rest);
        }
        Ok(())
    }

    /// Deletes many items.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't take all of it.
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

    /// Reads the first `limit` items of a range in `direction`: one Query. Strongly consistent on the table; an index
    /// can only be read eventually consistent.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn query(&self, range: &KeyRange, direction: Direction, limit: usize) -> Result<QueryOutput> {
        // DynamoDB refuses a BETWEEN whose lower bound is above the upper one.
        if range.is_empty() {
            return Ok(QueryOutput::default());
        }
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let ask = |request: QueryFluentBuilder| {
            request
                .set_index_name(range.index.name.map(str::to_owned))
                .key_condition_expression("#pk = :pk AND #sk BETWEEN :low AND :high")
                .expression_attribute_names("#pk", range.index.pk)
                .expression_attribute_names("#sk", range.index.sk)
                .expression_attribute_values(":pk", text(&*range.pk))
                .expression_attribute_values(":low", text(&*range.low))
                .expression_attribute_values(":high", text(&*range.high))
                .scan_index_forward(direction == Direction::Ascending)
                .consistent_read(range.index.name.is_none())
                .limit(limit)
        };
        self.ask(ask).await
    }

    /// Runs the Query that `ask` makes of an empty one on this table.
    pub(crate) async fn ask(
        &self,
        ask: impl Fn(QueryFluentBuilder) -> QueryFluentBuilder,
    ) -> Result<QueryOutput> {
        let mut tries = Tries::to_read("Query");
        let query = || ask(self.client.query().table_name(&*self.table)).send();
        let output = tries.call(query).await?.map_err(|e| tries.refusal(&e))?;
        // At the limit DynamoDB returns a last key even when nothing follows. A caller that must know whether more
        // items follow asks for one more than it needs.
        Ok(QueryOutput {
            more: output.last_evaluated_key.is_some(),
            items: output.items.unwrap_or_default(),
        })
    }

    /// Reads several ranges side by side, each as [`Store::query`] does.
    ///
    /// # Errors
    /// The error of the first range that fails.
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

    /// Runs an UpdateItem that one or more transactions may be in the way of. `Ok(Err(item))` says that its condition
    /// failed, with the item that failed it.
    ///
    /// An attempt whose answer was lost may have been done. One that is done twice must do no harm, then; or its condition
    /// must fail the second time, and [`Expression::leaves`] say by what it is known as this one's own.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn update(
        &self,
        key: &Key,
        expression: &Expression,
        returning: ReturnValue,
    ) -> Result<std::result::Result<Item, Option<Item>>> {
        self.try_update(Tries::to_write("UpdateItem"), key, expression, returning)
            .await
    }

    /// The same for an update that changes more each time it is done. One that may have been done is not repeated.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve, or when it is unknown whether the update was done.
    pub async fn update_once(&self, key: &Key, expression: &Expression) -> Result<bool> {
        let tries = Tries::to_write("UpdateItem").once();
        let updated = self.try_update(tries, key, expression, ReturnValue::None).await?;
        Ok(updated.is_ok())
    }

    async fn try_update(
        &self,
        mut tries: Tries,
        key: &Key,
        expression: &Expression,
        returning: ReturnValue,
    ) -> Result<std::result::Result<Item, Option<Item>>> {
        let update = || {
            self.client
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
        };
        loop {
            let error = match tries.call(update).await? {
                Ok(output) => return Ok(Ok(output.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            match error {
                UpdateItemError::ConditionalCheckFailedException(e) => {
                    return Ok(match e.item {
                        Some(item) if tries.in_doubt() && expression.has_made(&item) => Ok(item),
                        item => Err(item),
                    });
                }
                UpdateItemError::TransactionConflictException(_) => tries.meet(Turn::Among).await?,
                error => return Err(tries.refusal(&error)),
            }
        }
    }

    /// Puts an item, under a condition that may be empty. `false` says that the condition failed, which it also does when an
    /// earlier attempt, whose answer was lost, put the item; who must know reads it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn put(&self, item: Item, condition: Option<&str>) -> Result<bool> {
        let mut tries = Tries::to_write("PutItem");
        let put = || {
            self.client
                .put_item()
                .table_name(&*self.table)
                .set_item(Some(item.clone()))
                .set_condition_expression(condition.map(str::to_owned))
                .send()
        };
        loop {
            match tries.call(put).await? {
                Ok(_) => return Ok(true),
                Err(PutItemError::ConditionalCheckFailedException(_)) => return Ok(false),
                Err(PutItemError::TransactionConflictException(_)) => tries.meet(Turn::Among).await?,
                Err(error) => return Err(tries.refusal(&error)),
            }
        }
    }

    /// Deletes an item, if it is there.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn delete(&self, key: &Key) -> Result<()> {
        let mut tries = Tries::to_write("DeleteItem");
        let delete = || {
            self.client
                .delete_item()
                .table_name(&*self.table)
                .set_key(Some(key.attributes()))
                .send()
        };
        loop {
            match tries.call(delete).await? {
                Ok(_) => return Ok(()),
                Err(DeleteItemError::TransactionConflictException(_)) => tries.meet(Turn::Among).await?,
                Err(error) => return Err(tries.refusal(&error)),
            }
        }
    }
}

/// An update expression with its condition and values. Attribute names are written `#name` and stand for themselves.
#[derive(Clone, Debug, Default)]
pub struct Expression {
    pub(crate) update: String,
    pub(crate) condition: Option<String>,
    values: Vec<(&'static str, AttributeValue)>,
    leaves: Vec<(&'static str, AttributeValue)>,
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

    /// Says that an item on which this update was done has this attribute, and no other does. When its condition fails after
    /// an attempt without an answer, it was that attempt which was done.
    #[must_use]
    pub fn leaves(mut self, attribute: &'static str, value: AttributeValue) -> Self {
        self.leaves.push((attribute, value));
        self
    }

    fn has_made(&self, item: &Item) -> bool {
        let mut leaves = self.leaves.iter();
        !self.leaves.is_empty() && leaves.all(|(name, value)| item.get(*name) == Some(value))
    }

    /// The attribute names that the expressions mention: every `#word` stands for `word`, which keeps DynamoDB's
    /// reserved words out of the way.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
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

    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        let values: HashMap<String, AttributeValue> = self
            .values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        (!values.is_empty()).then_some(values)
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
/// [`Error::Internal`] when it can't be encoded, which is a bug. It quotes no value.
pub fn to_item<T: Serialize>(entity: &T) -> Result<Item> {
    serde_dynamo::to_item(entity)
        .map_err(|_| Error::internal(format!("a {} can't be encoded", std::any::type_name::<T>())))
}

/// Decodes an item as an entity.
///
/// # Errors
/// [`Error::Internal`] when the item isn't what this service writes. It names the entity and the class of the item's key.
/// It quotes no value, which may be an email or a password's hash.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T> {
    let class = keys::class_of(&item);
    serde_dynamo::from_item(item).map_err(|_| {
        let entity = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
        corrupt(&format!("an item of {class} that isn't a {entity}"))
    })
}

/// The error for an item that isn't what this service writes.
#[must_use]
pub fn corrupt(what: &str) -> Error {
    Error::internal(format!("the table holds {what}"))
}

pub(crate) fn build_error(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("request: {error}"))
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
