//! The movies of each user: an item for each movie with an owner, by which `GET /api/users/me/movies/` finds it.
//!
//! The item is written and deleted in the transaction that changes the movie's owner.

use std::collections::BTreeMap;

use crate::{
    db::{
        expression::{Condition, Update},
        item::number,
        keys,
        movie::MovieView,
        page::{PageLimit, Slice, Window},
        range::{Direction, KeyRange},
        store::Store,
        transaction::Transaction,
    },
    domain::{MovieId, UserId},
    error::Result,
};

/// The change of a movie's owner, in the movie's own transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnerChange {
    movie: MovieId,
    before: Option<UserId>,
    after: Option<UserId>,
}

impl OwnerChange {
    /// The change from one owner, or none, to another.
    pub(crate) fn between(movie: MovieId, before: Option<UserId>, after: Option<UserId>) -> Self {
        let is_changed = before != after;
        Self {
            movie,
            before: before.filter(|_| is_changed),
            after: after.filter(|_| is_changed),
        }
    }

    /// How many actions the change takes: at most two.
    pub(crate) fn actions(self) -> usize {
        usize::from(self.before.is_some()) + usize::from(self.after.is_some())
    }

    /// Adds the change to the movie's transaction, whose condition on the movie holds only while the movie has this owner, or
    /// none because the owner's account was deleted.
    pub(crate) fn add_to(self, store: &Store, transaction: &mut Transaction) -> Result<()> {
        if let Some(before) = self.before {
            let owned = store.on(keys::owned_movie(before, self.movie));
            transaction.add(owned.delete(Condition::none())?);
        }
        if let Some(after) = self.after {
            let nothing: BTreeMap<String, String> = BTreeMap::new();
            let owned = store.on(keys::owned_movie(after, self.movie));
            transaction.add(owned.put(&nothing, Condition::none())?);
        }
        Ok(())
    }
}

/// The update of a movie by which it has no owner any more, if this user is its owner. Its version stays: no field that a client
/// edits has changed.
pub(crate) fn disown(user: UserId) -> Update {
    Update::new("REMOVE #user")
        .when("#user = :user")
        .value(":user", number(user))
}

impl Store {
    /// AP-51: a page of the movies that belong to a user, the one with the highest id first.
    pub async fn list_movies_of(
        &self,
        user: UserId,
        window: &Window,
        limit: PageLimit,
    ) -> Result<Slice<MovieView>> {
        let range = KeyRange::ids(keys::owned_movies(user));
        let slice = self.walk(range, Direction::Descending, window, limit).await?;
        let mut slice = self.get_movies_of_page(slice, Some(user)).await?;
        // Between the two reads a movie may have been given to another user.
        slice.items.retain(|view| view.movie.user == Some(user));
        Ok(slice)
    }
}
