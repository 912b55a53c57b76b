//! Transactions: what must agree changes together or not at all, once, however often it has to be sent.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem},
};
use serde::Serialize;

use crate::{
    db::{
        keys::Key,
        retry::{Tries, Turn, is_throttle},
        store::{Expression, Item, Store, build_error, to_item},
    },
    error::{Error, LogText, Result},
};

/// The most actions of one TransactWriteItems (AWS: TransactWriteItems).
pub const TRANSACTION: usize = 100;

/// How a transaction ended.
#[derive(Debug)]
pub enum Outcome {
    /// Every action was written.
    Committed,
    /// Nothing was written: the conditions of these actions failed, each with the item that failed it.
    ConditionFailed(HashMap<usize, Option<Item>>),
    /// Nothing was written: another transaction was changing one of the items. [`Store::transact`] retries it.
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
    pub fn found(&self, action: usize) -> Option<&Item> {
        match self {
            Self::ConditionFailed(failed) => failed.get(&action)?.as_ref(),
            _ => None,
        }
    }
}

/// What tells that a transaction has been done, where none of its answers arrived: it is looked for once, at the end.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The item of this key has these attributes, which no other request would have given it.
    Has(Key, Item),
    /// There is no item of this key any more. Somebody else may have deleted it as well, to the same effect.
    Gone(Key),
}

impl Proof {
    fn key(&self) -> &Key {
        match self {
            Self::Has(key, _) | Self::Gone(key) => key,
        }
    }

    fn is_kept_by(&self, item: Option<&Item>) -> bool {
        match self {
            Self::Has(_, attributes) => item.is_some_and(|item| {
                attributes
                    .iter()
                    .all(|(name, value)| item.get(name) == Some(value))
            }),
            Self::Gone(_) => item.is_none(),
        }
    }
}

/// A TransactWriteItems in the making. Each action's place in it is handed back, to ask about in [`Outcome`].
#[derive(Clone, Debug)]
pub struct Transaction {
    actions: Vec<TransactWriteItem>,
    token: String,
    turn: Turn,
    proof: Option<Proof>,
}

impl Default for Transaction {
    fn default() -> Self {
        Self {
            actions: Vec::new(),
            // The same over every retry of this transaction, so that one whose answer was lost is not done twice. DynamoDB
            // knows it for ten minutes, longer than any request or import tries.
            token: uuid::Uuid::new_v4().to_string(),
            turn: Turn::Among,
            proof: None,
        }
    }
}

impl Transaction {
    /// A transaction that goes before others which want the same items: one that is rare, and that many of the others
    /// must not keep from its end.
    #[must_use]
    pub fn first() -> Self {
        Self {
            turn: Turn::First,
            ..Self::default()
        }
    }

    /// Adds an action.
    pub fn add(&mut self, action: TransactWriteItem) -> usize {
        self.actions.push(action);
        self.actions.len() - 1
    }

    /// Says what tells that it has been done.
    pub fn prove_by(&mut self, proof: Proof) {
        self.proof = Some(proof);
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
    /// Runs a transaction. One that met another, that was throttled, or whose answer didn't arrive is tried again, with the
    /// same token, after jittered pauses until the request's deadline. Where no answer tells by then whether it was done,
    /// its [`Proof`] does.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it can't be done in time, or nothing tells whether it was; [`Error::Internal`] when
    /// DynamoDB finds it wrong.
    pub async fn transact(&self, transaction: &Transaction) -> Result<Outcome> {
        self.transact_after(false, transaction).await
    }

    /// Runs a transaction as [`Store::transact`] does, for a request that may have met another one already.
    ///
    /// # Errors
    /// As [`Store::transact`].
    pub(crate) async fn transact_after(
        &self,
        had_conflict: bool,
        transaction: &Transaction,
    ) -> Result<Outcome> {
        let mut tries = Tries::to_write("TransactWriteItems");
        let mut outcome = Ok(Outcome::Conflict);
        if !had_conflict {
            outcome = self.attempt(&mut tries, transaction).await;
        }
        while let Ok(Outcome::Conflict) = outcome {
            outcome = match tries.meet(transaction.turn).await {
                Ok(()) => self.attempt(&mut tries, transaction).await,
                Err(error) => Err(error),
            };
        }
        self.settle(&tries, transaction, outcome).await
    }

    /// Runs a transaction that is of no use once it has met another; for the rest as [`Store::transact`] does.
    ///
    /// # Errors
    /// As [`Store::transact`].
    pub(crate) async fn transact_once(&self, transaction: &Transaction) -> Result<Outcome> {
        let mut tries = Tries::to_write("TransactWriteItems");
        let mut outcome = self.attempt(&mut tries, transaction).await;
        // What may have been done already isn't given up for another one.
        while let (Ok(Outcome::Conflict), true) = (&outcome, tries.in_doubt()) {
            outcome = match tries.meet(transaction.turn).await {
                Ok(()) => self.attempt(&mut tries, transaction).await,
                Err(error) => Err(error),
            };
        }
        self.settle(&tries, transaction, outcome).await
    }

    /// Sends a transaction until an answer tells what became of it.
    async fn attempt(&self, tries: &mut Tries, transaction: &Transaction) -> Result<Outcome> {
        if transaction.len() > TRANSACTION {
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
                .send()
        };
        loop {
            let Err(error) = tries.call(transact).await? else {
                return Ok(Outcome::Committed);
            };
            let TransactWriteItemsError::TransactionCanceledException(canceled) = &error else {
                return Err(tries.refusal(&error));
            };
            let reasons = canceled.cancellation_reasons();
            let failed: HashMap<usize, Option<Item>> = reasons
                .iter()
                .enumerate()
                .filter(|(_, r)| r.code() == Some("ConditionalCheckFailed"))
                .map(|(at, r)| (at, r.item().cloned()))
                .collect();
            if !failed.is_empty() {
                return Ok(Outcome::ConditionFailed(failed));
            }
            let codes = || reasons.iter().filter_map(|reason| reason.code());
            if codes().any(|code| code == "TransactionConflict") {
                return Ok(Outcome::Conflict);
            }
            match codes().find(|code| is_throttle(code)) {
                Some(code) => tries.again(LogText::aws_error(code)).await?,
                None => {
                    let codes = codes().collect::<Vec<_>>().join(", ");
                    let cause = LogText::aws_error(codes).during("TransactWriteItems");
                    return Err(Error::Internal(cause));
                }
            }
        }
    }

    /// Finds out by reading whether a transaction was done, where one of its attempts may have been and no answer said so.
    async fn settle(
        &self,
        tries: &Tries,
        transaction: &Transaction,
        outcome: Result<Outcome>,
    ) -> Result<Outcome> {
        let is_open = match &outcome {
            Err(Error::Unavailable(_)) => true,
            // A condition that fails may have failed for what an earlier attempt did, if the token was forgotten.
            Ok(Outcome::ConditionFailed(_)) => matches!(transaction.proof, Some(Proof::Has(..))),
            _ => false,
        };
        let Some(proof) = transaction.proof.as_ref().filter(|_| is_open && tries.in_doubt()) else {
            return outcome;
        };
        // A batch of one: the roles of functions allow batches of every key that tells.
        match self.batch_get(vec![proof.key().clone()]).await {
            Ok(found) if proof.is_kept_by(found.get(proof.key())) => {
                tracing::warn!("a transaction is found done, without an answer");
                Ok(Outcome::Committed)
            }
            _ => outcome,
        }
    }

    /// Starts an action of a transaction on `key`.
    #[must_use]
    pub fn on(&self, key: Key) -> Action<'_> {
        Action { store: self, key }
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
