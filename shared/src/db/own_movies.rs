//! Writing the items of movies with owners in a table of an earlier layout: the rest of AP-45.
//!
//! The whole table is scanned, page after page. One transaction puts the items of several movies, under the condition that each
//! still has its owner and the owners exist; if that fails, each movie is read again. A movie whose owner doesn't exist any more
//! gets no item, and loses its owner: the account was deleted by this version before the upgrade. Putting an item twice changes
//! nothing, so a run that was interrupted is made again. No request scans.

use std::collections::BTreeSet;

use crate::{
    db::{
        expression::Condition,
        item::{StoredItem, from_item, number},
        keys::{self, Key},
        movie::MovieItem,
        optimistic::WriteAttempts,
        owned::{OwnerChange, disown},
        rewrite::Progress,
        store::Store,
        transaction::{Outcome, Transaction},
    },
    domain::{MovieId, UserId},
    error::Result,
};

/// How many items one Scan reads.
const PAGE: usize = 1_000;

/// How many movies one transaction writes. Each takes two actions, and one more for its owner.
const TOGETHER: usize = 25;

impl Store {
    /// AP-45: puts the item of each movie with an owner. Returns how many movies that were.
    ///
    /// The number of calls grows with the table, so only an operator's command and the start of the local server call this.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) also if a movie is changed too often meanwhile.
    pub async fn own_movies(&self, progress: Progress<'_>) -> Result<u64> {
        let mut written = 0;
        let mut start = None;
        loop {
            let page = self.scan(start.as_ref(), PAGE).await?;
            let owned = page.items.iter().filter_map(|item| owner_of(item).transpose());
            let owned: Vec<(MovieId, UserId)> = owned.collect::<Result<_>>()?;
            for some in owned.chunks(TOGETHER) {
                let mut transaction = Transaction::default();
                // An item may have one action in a transaction.
                let owners: BTreeSet<UserId> = some.iter().map(|(_, user)| *user).collect();
                for user in owners {
                    transaction.add(self.on(keys::user(user)).check(Condition::exists())?);
                }
                for (movie, user) in some {
                    self.add_owned(*movie, *user, &mut transaction)?;
                }
                if !matches!(self.transact(&transaction).await?, Outcome::Committed) {
                    for (movie, _) in some {
                        self.own_movie(*movie).await?;
                    }
                }
                written += some.len() as u64;
                progress(written);
            }
            start = page.items.last().filter(|_| page.more).and_then(Key::of);
            if start.is_none() {
                return Ok(written);
            }
        }
    }

    /// Puts the item of a movie, as the movie is by now.
    async fn own_movie(&self, id: MovieId) -> Result<()> {
        let mut attempts = WriteAttempts::of("own_movies");
        loop {
            attempts.next().await?;
            let movie = self.get(&keys::movie(id)).await?;
            let Some(movie) = movie.map(from_item::<MovieItem>).transpose()? else {
                return Ok(());
            };
            let Some(user) = movie.user else {
                return Ok(());
            };
            let mut transaction = Transaction::default();
            if self.get_user(user).await?.is_some() {
                self.add_owned(id, user, &mut transaction)?;
            } else {
                transaction.add(self.on(keys::movie(id)).update(disown(user))?);
            }
            if let Outcome::Committed = self.transact(&transaction).await? {
                return Ok(());
            }
        }
    }

    /// The actions for a movie that has this owner.
    fn add_owned(&self, movie: MovieId, user: UserId, transaction: &mut Transaction) -> Result<()> {
        let unchanged = Condition::new("#user = :user").value(":user", number(user));
        transaction.add(self.on(keys::movie(movie)).check(unchanged)?);
        OwnerChange::between(movie, None, Some(user)).add_to(self, transaction)
    }
}

/// A movie with an owner, if the item is one.
fn owner_of(item: &StoredItem) -> Result<Option<(MovieId, UserId)>> {
    if keys::class_of(item) != "MOVIES" {
        return Ok(None);
    }
    let movie: MovieItem = from_item(item.clone())?;
    Ok(movie.user.map(|user| (movie.id, user)))
}
