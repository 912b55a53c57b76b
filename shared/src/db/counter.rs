//! Counters: how many movies, users and genres there are, and the last id of each kind.

use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};

use crate::{
    db::{
        expression::Update,
        item::{Attributes, corrupt, number},
        keys,
        store::Store,
    },
    error::Result,
};

/// A counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// The number of movies.
    Movies,
    /// The last movie id. It isn't the same item as the number of movies, so that taking an id never conflicts with a
    /// transaction that counts.
    MovieIds,
    /// The number of users.
    Users,
    /// The last user id.
    UserIds,
    /// The number of genres.
    Genres,
}

impl Counter {
    /// The counter's key: `META`, its name.
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

/// The value of a counter's item. A counter that was never changed has no item, and is 0.
pub fn value(item: Option<&impl Attributes>) -> Result<u64> {
    item.map_or(Ok(0), |item| {
        item.number("n")
            .ok_or_else(|| corrupt("a counter without a number"))
    })
}

impl Store {
    /// AP-29: reads several counters in one call.
    pub async fn read_counters<const N: usize>(&self, counters: [Counter; N]) -> Result<[u64; N]> {
        let items = self.batch_get(counters.iter().map(|c| c.key()).collect()).await?;
        let mut values = [0; N];
        for (slot, counter) in values.iter_mut().zip(counters) {
            *slot = value(items.get(&counter.key()))?;
        }
        Ok(values)
    }

    /// AP-32: succeeds if the table answers. 1 call, half a unit.
    pub async fn check(&self) -> Result<()> {
        self.get_eventually(&Counter::Movies.key()).await.map(|_| ())
    }

    /// AP-10, AP-17: takes `count` ids in a row, and returns the first one. No id is taken twice. An id that isn't used leaves
    /// a gap. So does an attempt whose response was lost: the retry takes other ids.
    pub async fn take_ids(&self, counter: Counter, count: u64) -> Result<u64> {
        let add = Update::new("ADD #n :count").value(":count", number(count));
        let item = self
            .update(&counter.key(), &add, ReturnValue::UpdatedNew)
            .await?
            .map_err(|_| corrupt("a counter with a condition"))?;
        let last = value(Some(&item))?;
        if counter == Counter::MovieIds {
            self.last_movie.set(last);
        }
        let before = last.checked_sub(count);
        Ok(before.ok_or_else(|| corrupt("a counter below what was added"))? + 1)
    }

    /// The action that adds `step` to a counter, for a transaction.
    pub fn count(&self, counter: Counter, step: i64) -> Result<TransactWriteItem> {
        self.on(counter.key())
            .update(Update::new("ADD #n :step").value(":step", number(step)))
    }
}
