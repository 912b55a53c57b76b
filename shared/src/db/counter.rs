//! Counters: how many there are, and the last id given out.

use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};

use crate::{
    db::{
        keys,
        store::{Expression, Item, Store, corrupt, number},
    },
    error::Result,
};

/// A counter's name, which is its sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// How many movies there are.
    Movies,
    /// The last movie id given out. Apart from the count, so that giving out an id never meets a transaction that counts.
    MovieIds,
    /// How many users there are.
    Users,
    /// The last user id given out.
    UserIds,
    /// How many genres there are.
    Genres,
}

impl Counter {
    /// The counter's key.
    #[must_use]
    pub fn key(self) -> keys::Key {
        keys::counter(match self {
            Self::Movies => "MOVIES",
            Self::MovieIds => "MOVIE_IDS",
            Self::Users => "USERS",
            Self::UserIds => "USER_IDS",
            Self::Genres => "GENRES",
        })
    }
}

/// The value of a counter's item; a counter that was never moved has none and is 0.
///
/// # Errors
/// [`crate::Error::Internal`] when the item isn't a counter.
pub fn value(item: Option<&Item>) -> Result<u64> {
    item.map_or(Ok(0), |item| {
        item.get("n")
            .and_then(|n| n.as_n().ok())
            .and_then(|n| n.parse().ok())
            .ok_or_else(|| corrupt("a counter without a number"))
    })
}

impl Store {
    /// AP-29: reads counters together.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn read_counters<const N: usize>(&self, counters: [Counter; N]) -> Result<[u64; N]> {
        let items = self.batch_get(counters.iter().map(|c| c.key()).collect()).await?;
        let mut values = [0; N];
        for (slot, counter) in values.iter_mut().zip(counters) {
            *slot = value(items.get(&counter.key()))?;
        }
        Ok(values)
    }

    /// AP-10, AP-17: takes `count` ids and gives the first. A taken id that isn't used leaves a gap, and no id is given
    /// twice.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn take_ids(&self, counter: Counter, count: u64) -> Result<u64> {
        let add = Expression::update("ADD #n :count").value(":count", number(count));
        let item = self
            .update(&counter.key(), &add, ReturnValue::UpdatedNew)
            .await?
            .map_err(|_| corrupt("a counter with a condition"))?;
        Ok(value(Some(&item))?.saturating_sub(count) + 1)
    }

    /// The action that moves a counter by `step` within a transaction.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when it can't be built.
    pub fn count(&self, counter: Counter, step: i64) -> Result<TransactWriteItem> {
        self.on(counter.key())
            .update(Expression::update("ADD #n :step").value(":step", number(step)))
    }
}
