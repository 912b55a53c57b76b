//! The movie of each IMDb id: no two movies have the same one.
//!
//! Each id that a movie has is an item of its own. It is written under the condition that it doesn't exist, in the
//! transaction that writes the movie, and deleted with it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        expression::Condition,
        item::from_item,
        keys,
        movie::MovieView,
        store::Store,
        transaction::{Outcome, Transaction},
    },
    domain::{ImdbId, MovieId, UserId},
    error::{Error, FieldErrors, Result},
};

/// An IMDb id as stored under `IMDB#<imdb_id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImdbIdItem {
    /// The movie that has the id.
    pub movie: MovieId,
}

/// The change of a movie's IMDb id, in the movie's own transaction.
pub(crate) struct ImdbIdChange {
    movie: MovieId,
    removed: Option<ImdbId>,
    added: Option<ImdbId>,
    /// The index of the action that adds the id.
    action: Option<usize>,
}

impl ImdbIdChange {
    /// The change from one id, or none, to another.
    pub(crate) fn between(movie: MovieId, old: Option<&ImdbId>, new: Option<&ImdbId>) -> Self {
        let is_changed = old != new;
        Self {
            movie,
            removed: old.filter(|_| is_changed).cloned(),
            added: new.filter(|_| is_changed).cloned(),
            action: None,
        }
    }

    /// How many actions the change takes: at most two.
    pub(crate) fn actions(&self) -> usize {
        usize::from(self.removed.is_some()) + usize::from(self.added.is_some())
    }

    /// Adds the change to the movie's transaction.
    pub(crate) fn add_to(&mut self, store: &Store, transaction: &mut Transaction) -> Result<()> {
        if let Some(removed) = &self.removed {
            let removed = store.on(keys::imdb_id(removed));
            // The movie's own condition holds only while the movie has this id.
            transaction.add(removed.delete(Condition::none())?);
        }
        if let Some(added) = &self.added {
            self.action = Some(transaction.add(store.claim_imdb_id(added, self.movie)?));
        }
        Ok(())
    }

    /// Checks that a transaction was not rejected because another movie has the id.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it was.
    pub(crate) fn check(&self, outcome: &Outcome) -> Result<()> {
        match self.action {
            Some(action) if outcome.failed(action) => Err(Error::Conflict(FieldErrors::one(
                "imdb_id",
                "Another movie has this imdb_id.",
            ))),
            _ => Ok(()),
        }
    }
}

impl Store {
    /// The action that gives a movie an IMDb id. Its condition fails if a movie has the id.
    pub fn claim_imdb_id(&self, id: &ImdbId, movie: MovieId) -> Result<TransactWriteItem> {
        let id = self.on(keys::imdb_id(id));
        id.put(&ImdbIdItem { movie }, Condition::not_exists())
    }

    /// AP-31: the movie with this IMDb id, with the caller's favorite. Two calls; 2 units, or 3 with a caller.
    pub async fn get_movie_by_imdb_id(
        &self,
        id: &ImdbId,
        caller: Option<UserId>,
    ) -> Result<Option<MovieView>> {
        let Some(item) = self.get(&keys::imdb_id(id)).await? else {
            return Ok(None);
        };
        let movie = from_item::<ImdbIdItem>(item)?.movie;
        let view = match caller {
            Some(_) => self.get_movies(&[movie], caller).await?.pop(),
            None => self.get_movie(movie, None).await?,
        };
        // Between the two reads the movie may have been given another id.
        Ok(view.filter(|view| view.movie.fields.imdb_id.as_ref() == Some(id)))
    }

    /// AP-31: which of these IMDb ids movies have, for an import. The number of calls grows with the number of ids.
    pub async fn find_imdb_ids(&self, ids: &[ImdbId]) -> Result<HashMap<ImdbId, MovieId>> {
        let mut found = self.batch_get(ids.iter().map(keys::imdb_id).collect()).await?;
        let found = ids.iter().filter_map(|id| {
            let item = found.remove(&keys::imdb_id(id))?;
            Some(from_item::<ImdbIdItem>(item).map(|item| (id.clone(), item.movie)))
        });
        found.collect()
    }
}
