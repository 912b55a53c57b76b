//! Deleting a movie: AP-12.

use std::collections::BTreeMap;

use crate::{
    db::{
        counter::Counter,
        edit_movie::EditView,
        expression::Condition,
        genre::GenreChanges,
        imdb_id::ImdbIdChange,
        index,
        item::number,
        keys,
        movie::{MovieItem, is_version},
        optimistic::{Plan, PlanOutcome, Revision, WriteAttempts},
        owned::OwnerChange,
        store::Store,
        transaction::{CommitCheck, Outcome, Transaction},
    },
    domain::{MovieId, UserId},
    error::Result,
};

impl Store {
    /// AP-12: deletes a movie with its postings and counts in one transaction, then its favorites. `decide` may refuse.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such movie, before `decide` is asked; any error of
    /// `decide`.
    pub async fn delete_movie(
        &self,
        id: MovieId,
        caller: UserId,
        decide: impl Fn(&EditView) -> Result<()>,
    ) -> Result<()> {
        let mut attempts = WriteAttempts::of("delete_movie");
        loop {
            attempts.next().await?;
            let seen = self.read_for_edit(id, caller, None).await?;
            decide(&seen)?;
            let Some(movie) = self.finish_edit_of(seen.view.movie).await? else {
                continue;
            };
            self.doubt_cover_of(&movie, None).await?;
            let mut plan = DeletePlan::new(&movie);
            if self.commit(&mut plan).await? == PlanOutcome::Committed {
                // The movie no longer exists, and its favorites are shown nowhere. So the deletion has succeeded, even if
                // some of them are left to the sweep.
                if plan.has_favorites {
                    self.sweep_after_delete(id).await;
                }
                return Ok(());
            }
        }
    }
}

/// The deletion of a movie with all its items but its favorites.
///
/// A movie without favorites is deleted under the condition that it has none, and nothing is left. Any other movie is deleted
/// whatever its count is by then, and a `SWEEP` item is written. No favorite is added to a movie that is gone, because that
/// would change its count. So the sweep finds all favorites there are.
struct DeletePlan<'a> {
    movie: &'a MovieItem,
    genres: GenreChanges,
    imdb_id: ImdbIdChange,
    has_favorites: bool,
    /// The index of the action on the movie.
    movie_action: usize,
}

impl<'a> DeletePlan<'a> {
    fn new(movie: &'a MovieItem) -> Self {
        Self {
            movie,
            genres: GenreChanges::of_deleted(&movie.fields, movie.id),
            imdb_id: ImdbIdChange::between(movie.id, movie.fields.imdb_id.as_ref(), None),
            has_favorites: movie.favorite_count() > 0,
            movie_action: 0,
        }
    }

    /// The condition that the movie was not edited, and still has no favorites if it had none.
    fn unchanged(&self) -> Condition {
        let version = Condition::new("#version = :version").value(":version", number(self.movie.version));
        if self.has_favorites {
            return version;
        }
        version.and(Condition::new("#likes = :likes").value(":likes", number(self.movie.likes)))
    }
}

impl Plan for DeletePlan<'_> {
    fn transaction(&mut self, store: &Store) -> Result<Transaction> {
        let mut transaction = Transaction::with_priority();
        transaction.check_commit(CommitCheck::Gone(self.movie.key()));
        let movie = store.on(self.movie.key()).delete(self.unchanged())?;
        self.movie_action = transaction.add(movie);
        transaction.add(store.count(Counter::Movies, -1)?);
        for key in index::postings(&self.movie.fields, self.movie.id).into_keys() {
            transaction.add(store.on(key).delete(Condition::none())?);
        }
        if self.has_favorites {
            let empty: BTreeMap<String, String> = BTreeMap::new();
            let sweep = store.on(keys::sweep(self.movie.id));
            transaction.add(sweep.put(&empty, Condition::none())?);
        }
        self.genres.add_to(store, &mut transaction)?;
        self.imdb_id.add_to(store, &mut transaction)?;
        OwnerChange::between(self.movie.id, self.movie.user, None).add_to(store, &mut transaction)?;
        Ok(transaction)
    }

    fn revise(&mut self, outcome: &Outcome) -> Result<Revision> {
        let is_revised = self.genres.revise(outcome)?;
        if !outcome.failed(self.movie_action) {
            return Ok(if is_revised {
                Revision::Retry
            } else {
                Revision::Reread
            });
        }
        if self.has_favorites || !is_version(outcome.item(self.movie_action), self.movie.version) {
            return Ok(Revision::Reread);
        }
        // Only its first favorite was added.
        self.has_favorites = true;
        Ok(Revision::Retry)
    }
}
