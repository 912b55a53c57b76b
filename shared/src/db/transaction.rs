//! Transactions: all-or-nothing writes of several items. A retried transaction is committed once.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use serde::Serialize;

use crate::{
    db::{
        expression::{Condition, ConditionFailed, Update, has_all},
        failure::is_throttle,
        item::{Item, StoredItem, to_item},
        keys::Key,
        retry::{Priority, Retry, note_failure},
        store::{Store, build_error},
    },
    error::{Error, LogText, Result},
};

/// The most actions in one TransactWriteItems (AWS: TransactWriteItems).
pub const MAX_ACTIONS: usize = 100;

/// The outcome of a transaction.
#[derive(Debug)]
pub enum Outcome {
    /// Every action was written.
    Committed,
    /// Nothing was written: the conditions of these actions failed.
    ConditionFailed(HashMap<usize, ConditionFailed>),
    /// Nothing was written: another transaction was changing one of the items. [`Store::transact`] returns this only for a
    /// transaction with [`OnConflict::Return`].
    Conflict,
}

impl Outcome {
    /// Whether the condition of this action failed.
    #[must_use]
    pub fn failed(&self, action: usize) -> bool {
        matches!(self, Self::ConditionFailed(failed) if failed.contains_key(&action))
    }

    /// The item that failed the condition of this action.
    #[must_use]
    pub fn item(&self, action: usize) -> Option<&Item> {
        match self {
            Self::ConditionFailed(failed) => failed.get(&action)?.item.as_ref(),
            _ => None,
        }
    }
}

/// A read that determines whether a transaction was committed. It is made once, after the last attempt, if an attempt had
/// no response and the transaction may have been committed.
#[derive(Clone, Debug)]
pub enum CommitCheck {
    /// The transaction was committed if the item of this key has these attributes. No other request writes them.
    Has(Key, Item),
    /// The transaction was committed if no item has this key. If another request deleted the item, the result is the same.
    Gone(Key),
}

impl CommitCheck {
    fn key(&self) -> &Key {
        match self {
            Self::Has(key, _) | Self::Gone(key) => key,
        }
    }

    /// Whether the transaction was committed, by the item that was read.
    fn is_committed(&self, item: Option<&StoredItem>) -> bool {
        match self {
            Self::Has(_, attributes) => item.is_some_and(|item| has_all(item, attributes)),
            Self::Gone(_) => item.is_none(),
        }
    }
}

/// What [`Store::transact`] does after a conflict with another transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It pauses and retries until the deadline.
    #[default]
    Retry,
    /// As [`OnConflict::Retry`], and it also pauses before the first attempt, because the same request has just had a
    /// conflict.
    PauseThenRetry,
    /// It returns [`Outcome::Conflict`], unless an attempt may have been committed.
    Return,
}

/// The actions of a TransactWriteItems, and how to run it.
#[derive(Clone, Debug)]
pub struct Transaction {
    actions: Vec<TransactWriteItem>,
    token: String,
    priority: Priority,
    on_conflict: OnConflict,
    commit_check: Option<CommitCheck>,
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            // All retries send the same token, so that a transaction whose response was lost is not committed twice.
            // DynamoDB keeps the token for ten minutes, longer than any request or import retries.
            token: uuid::Uuid::new_v4().to_string(),
            priority: Priority::Normal,
            on_conflict: OnConflict::Retry,
            commit_check: None,
        }
    }
}

impl Transaction {
    /// Returns an empty transaction that is retried sooner than others after a conflict: for a rare transaction on heavily
    /// contended items.
    #[must_use]
    pub fn with_priority() -> Self {
        Self {
            priority: Priority::High,
            ..Self::default()
        }
    }

    /// Adds an action. Returns its index, by which [`Outcome`] refers to it.
    pub fn add(&mut self, action: TransactWriteItem) -> usize {
        self.actions.push(action);
        self.actions.len() - 1
    }

    /// Sets the read that determines whether the transaction was committed, if no response says so.
    pub fn check_commit(&mut self, check: CommitCheck) {
        self.commit_check = Some(check);
    }

    /// Sets what [`Store::transact`] does after a conflict.
    pub fn on_conflict(&mut self, on_conflict: OnConflict) {
        self.on_conflict = on_conflict;
    }

    /// The token that all its attempts send. No other transaction has it.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Its actions, in the order in which they were added.
    #[must_use]
    pub fn into_actions(self) -> Vec<TransactWriteItem> {
        self.actions
    }

    /// The number of actions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    /// Whether there are no actions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}

impl Store {
    /// Runs a transaction. After a throttle, a missing response, or a conflict (see [`OnConflict`]), it pauses and sends
    /// the transaction again with the same token, until the request's deadline. If by then no response says whether the
    /// transaction was committed, it reads the item of the [`CommitCheck`].
    ///
    /// # Errors
    /// [`Error::Unavailable`] also if it is still unknown whether the transaction was committed; [`Error::Internal`] also
    /// if DynamoDB rejects the transaction as invalid.
    pub async fn transact(&self, transaction: &Transaction) -> Result<Outcome> {
        let mut retry = Retry::of_write("TransactWriteItems");
        let mut outcome = match transaction.on_conflict {
            OnConflict::PauseThenRetry => Ok(Outcome::Conflict),
            OnConflict::Retry | OnConflict::Return => self.attempt(&mut retry, transaction).await,
        };
        while let Ok(Outcome::Conflict) = outcome {
            // A transaction that may have been committed must not be replaced by another one.
            if transaction.on_conflict == OnConflict::Return && !retry.may_have_succeeded() {
                break;
            }
            outcome = match retry.pause_after_conflict(transaction.priority).await {
                Ok(()) => self.attempt(&mut retry, transaction).await,
                Err(error) => Err(error),
            };
        }
        self.resolve(&retry, transaction, outcome).await
    }

    /// Sends a transaction until a response has its outcome.
    async fn attempt(&self, retry: &mut Retry, transaction: &Transaction) -> Result<Outcome> {
        if transaction.len() > MAX_ACTIONS {
            return Err(Error::internal(format!(
                "a transaction of {} actions",
                transaction.len()
            )));
        }
        let transact = || {
            self.client
                .transact_write_items()
                .set_transact_items(Some(transaction.actions.clone()))
                .client_request_token(&transaction.token)
                .set_return_consumed_capacity(self.units.clone())
                .send()
        };
        loop {
            let Err(error) = retry.call(transact).await? else {
                return Ok(Outcome::Committed);
            };
            let TransactWriteItemsError::TransactionCanceledException(canceled) = &error else {
                return Err(retry.rejected(&error));
            };
            let reasons = canceled.cancellation_reasons();
            let failed: HashMap<usize, ConditionFailed> = reasons
                .iter()
                .enumerate()
                .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
                .map(|(action, reason)| {
                    let item = reason.item().cloned();
                    (action, ConditionFailed { item })
                })
                .collect();
            if !failed.is_empty() {
                return Ok(Outcome::ConditionFailed(failed));
            }
            let codes = || reasons.iter().filter_map(|reason| reason.code());
            if let Some(conflict) = codes().find(|code| *code == "TransactionConflict") {
                note_failure(Some(conflict));
                return Ok(Outcome::Conflict);
            }
            let throttle = codes().find(|code| is_throttle(code));
            note_failure(throttle);
            match throttle {
                Some(code) => retry.pause_after_failure(LogText::aws_error(code)).await?,
                None => {
                    let codes = codes().collect::<Vec<_>>().join(", ");
                    let cause = LogText::aws_error(codes).during("TransactWriteItems");
                    return Err(Error::Internal(cause));
                }
            }
        }
    }

    /// Reads the [`CommitCheck`] if an attempt may have been committed and no response said so.
    async fn resolve(
        &self,
        retry: &Retry,
        transaction: &Transaction,
        outcome: Result<Outcome>,
    ) -> Result<Outcome> {
        let is_unknown = match &outcome {
            Err(Error::Unavailable(_)) => true,
            // If DynamoDB has forgotten the token, a condition may have failed because an earlier attempt was committed.
            // `Gone` is left out: if another request deleted the item, the condition fails and the item is gone, but this
            // transaction was not committed.
            Ok(Outcome::ConditionFailed(_)) => {
                matches!(transaction.commit_check, Some(CommitCheck::Has(..)))
            }
            _ => false,
        };
        let check = transaction.commit_check.as_ref();
        let Some(check) = check.filter(|_| is_unknown && retry.may_have_succeeded()) else {
            return outcome;
        };
        // A batch of one, because the functions' roles allow batches on all of these keys.
        match self.batch_get(vec![check.key().clone()]).await {
            Ok(found) if check.is_committed(found.get(check.key())) => {
                tracing::warn!("a transaction without a response was committed");
                Ok(Outcome::Committed)
            }
            _ => outcome,
        }
    }

    /// Starts an action on the item with this key.
    #[must_use]
    pub fn on(&self, key: Key) -> Action<'_> {
        Action { store: self, key }
    }
}

/// An action of a transaction on the item with one key. Its methods return [`Error::Internal`] if the action can't be
/// built.
pub struct Action<'a> {
    store: &'a Store,
    key: Key,
}

impl Action<'_> {
    /// Puts `item` under the key.
    pub fn put(self, item: &impl Serialize, condition: Condition) -> Result<TransactWriteItem> {
        let mut attributes = to_item(item)?;
        attributes.extend(self.key.attributes());
        let put = aws_sdk_dynamodb::types::Put::builder()
            .table_name(&*self.store.table)
            .set_item(Some(attributes))
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .set_condition_expression(condition.into_text())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(build_error)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Updates the item.
    pub fn update(self, update: Update) -> Result<TransactWriteItem> {
        let (names, values) = (update.names(), update.values());
        let (update, condition) = update.into_texts();
        let update = aws_sdk_dynamodb::types::Update::builder()
            .table_name(&*self.store.table)
            .set_key(Some(self.key.attributes()))
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
            .update_expression(update)
            .set_condition_expression(condition)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(build_error)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Deletes the item.
    pub fn delete(self, condition: Condition) -> Result<TransactWriteItem> {
        let delete = aws_sdk_dynamodb::types::Delete::builder()
            .table_name(&*self.store.table)
            .set_key(Some(self.key.attributes()))
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .set_condition_expression(condition.into_text())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(build_error)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Checks the item and leaves it as it is.
    pub fn check(self, condition: Condition) -> Result<TransactWriteItem> {
        let check = aws_sdk_dynamodb::types::ConditionCheck::builder()
            .table_name(&*self.store.table)
            .set_key(Some(self.key.attributes()))
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .set_condition_expression(condition.into_text())
            .build()
            .map_err(build_error)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }
}
