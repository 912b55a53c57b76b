//! Edits that take two transactions: AP-44.
//!
//! A transaction has at most [100](crate::db::transaction::MAX_ACTIONS) actions. An edit of every text of a large movie would need more: it puts up to 58
//! postings and deletes as many. So it may leave some postings of the *old words* to a second transaction:
//!
//! 1. The first transaction makes the whole edit, except that some postings of old words stay. Everything else must be in it:
//!    the movie, the new postings, the old memberships, the counts. It sets the movie's attribute `unfinished` to the texts
//!    from which the old postings were made.
//! 2. The second transaction deletes the postings that were left, and the attribute.
//!
//! Between the two, a search doesn't believe a posting of a movie that has the attribute: the movie decides
//! (`is_left`). Lists read memberships only, none of which is left. So no request shows the movie for its old texts.
//!
//! Both transactions are part of one request. If a process is killed between them, or the second one fails, the next edit
//! or deletion of the movie [finishes](Store::finish_edit) the edit first. The second transaction depends on the movie's
//! version, and any edit changes the version. So whoever sends it, and however late, it deletes no posting of a later edit.

use std::collections::BTreeSet;

use crate::{
    db::{
        expression::{Condition, Update},
        index,
        item::{from_item, number},
        keys::{self, Key},
        movie::{MovieItem, NO_MOVIE},
        posting_keys::PostingKind,
        posting_list::keys_with_words,
        store::Store,
        transaction::{Outcome, Transaction},
        words::Words,
    },
    domain::{MovieFields, MovieId},
    error::{Error, Result},
    telemetry,
};

/// The keys of the postings that an edit may leave to a second transaction, in the order in which the first one deletes
/// them: those of old words that no new posting replaces. Memberships aren't among them.
pub(crate) fn deferrable(old: &MovieFields, new: &MovieFields, id: MovieId) -> Vec<Key> {
    let new: BTreeSet<Key> = keys_with_words(&Words::of(new), id).into_keys().collect();
    let old = index::postings(old, id).into_iter();
    let words = old.filter(|(_, posting)| !posting.is_membership());
    let mut keys: Vec<Key> = words
        .map(|(key, _)| key)
        .filter(|key| !new.contains(key))
        .collect();
    // A search reads titles first. So titles are the last to be left.
    keys.sort_by_key(|key| PostingKind::of(key).index());
    keys
}

/// The keys of the postings that an unfinished edit of the movie may have left.
#[must_use]
pub fn left_postings(movie: &MovieItem) -> Vec<Key> {
    let before = movie.fields_before_edit();
    before.map_or_else(Vec::new, |before| deferrable(&before, &movie.fields, movie.id))
}

/// Whether the posting with this key may be one that an unfinished edit of the movie left. No such posting is a hit of a
/// search.
pub(crate) fn is_left(movie: &MovieItem, words: &Words, key: &Key) -> bool {
    movie.unfinished.is_some() && !keys_with_words(words, movie.id).contains_key(key)
}

impl Store {
    /// AP-44: finishes the edit of a movie that was interrupted between its two transactions. Returns whether there was one.
    /// Requests need not call this: they finish it before they edit or delete the movie.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such movie.
    pub async fn finish_edit(&self, id: MovieId) -> Result<bool> {
        let movie = self.get(&keys::movie(id)).await?.ok_or(NO_MOVIE)?;
        let movie: MovieItem = from_item(movie)?;
        let is_unfinished = movie.unfinished.is_some();
        // Otherwise another request has edited the movie meanwhile, and finished this edit before.
        self.finish_edit_of(movie).await?;
        Ok(is_unfinished)
    }

    /// AP-44: finishes the edit of a movie that was read, if it isn't finished. Returns the movie as it then is, or `None` if
    /// it was edited or deleted meanwhile.
    pub(crate) async fn finish_edit_of(&self, movie: MovieItem) -> Result<Option<MovieItem>> {
        if movie.unfinished.is_none() {
            return Ok(Some(movie));
        }
        // Which of them the first transaction deleted is no longer known.
        let is_finished = self.delete_left(&movie, &left_postings(&movie)).await?;
        Ok(is_finished.then_some(MovieItem {
            unfinished: None,
            ..movie
        }))
    }

    /// AP-44: the second transaction of an edit that was just made. If the table can't be reached, the edit stays unfinished: the edit
    /// itself was made and must not look failed.
    pub(crate) async fn finish_own_edit(&self, movie: &MovieItem, left: &[Key]) -> Result<()> {
        match self.delete_left(movie, left).await {
            // Otherwise another request has finished it.
            Ok(_) => Ok(()),
            Err(error @ Error::Unavailable(_)) => {
                telemetry::warn(&error, "the postings of a movie's old words can't be deleted yet");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// AP-44: the second transaction of an edit, which deletes these postings. Returns `false` if the movie no longer has the
    /// version of `movie` or isn't unfinished. Then somebody else has finished the edit.
    async fn delete_left(&self, movie: &MovieItem, left: &[Key]) -> Result<bool> {
        let mut transaction = Transaction::with_priority();
        let finished = Update::new("REMOVE #unfinished")
            .when("#version = :version AND attribute_exists(#unfinished)")
            .value(":version", number(movie.version));
        transaction.add(self.on(movie.key()).update(finished)?);
        for key in left {
            transaction.add(self.on(key.clone()).delete(Condition::none())?);
        }
        Ok(matches!(self.transact(&transaction).await?, Outcome::Committed))
    }
}
