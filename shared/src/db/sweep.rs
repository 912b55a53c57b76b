//! The sweep: removes the favorites of deleted movies.
//!
//! A movie may have more favorites than one transaction can delete. So the transaction that deletes the movie writes a
//! `SWEEP` item for it. Its favorites are deleted afterwards in *passes*: a pass is one Query and the deletes of what it
//! returned. The `SWEEP` item is deleted last, so a sweep that is interrupted at any point continues the next time.

use std::time::Duration;

use crate::{
    db::{
        keys::{self, Key},
        movie::movie_id,
        range::{Direction, KeyRange},
        retry::within,
        store::Store,
    },
    domain::MovieId,
    error::{Error, Result},
    telemetry,
};

/// The most favorites that one pass deletes.
const PASS: usize = 100;
/// How many passes the deletion of a movie makes itself. The scheduled sweep does the rest.
const PASSES_OF_DELETE: usize = 3;
/// The time limit of these passes, so that a deletion is answered even if the table can't be reached after it.
const TIME_OF_DELETE: Duration = Duration::from_secs(2);
/// The most passes that the scheduled sweep makes for one movie before it continues with the next one.
const PASSES_OF_SWEEP: usize = 100;

impl Store {
    /// AP-16: removes the favorites of a movie that was just deleted, as many as the time allows. Doesn't fail: if
    /// favorites are left, the `SWEEP` item is left too.
    pub(crate) async fn sweep_after_delete(&self, movie: MovieId) {
        let sweep = self.sweep_favorites_of(movie, PASSES_OF_DELETE);
        if let Err(error) = within(TIME_OF_DELETE, sweep).await {
            telemetry::warn(&error, "favorites of a deleted movie are left to the sweep");
        }
    }

    /// AP-16: removes the favorites of deleted movies, a hundred at most. Returns the number of movies it looked at; 0 if nothing
    /// is left.
    ///
    /// # Errors
    /// The first error, after it has looked at the other movies, so that no movie keeps them from their sweep. If the table
    /// doesn't answer in time, the sweep ends at once.
    pub async fn sweep_favorites(&self) -> Result<usize> {
        let range = KeyRange::ids(keys::SWEEP);
        let items = self.query(&range, Direction::Ascending, PASS).await?.items;
        let mut first_error = None;
        for item in &items {
            let sweep = async { self.sweep_favorites_of(movie_id(item)?, PASSES_OF_SWEEP).await };
            match sweep.await {
                Ok(()) => {}
                Err(error @ Error::Unavailable(_)) => return Err(error),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(items.len()), Err)
    }

    /// AP-16: removes the favorites of a deleted movie, and then its `SWEEP` item.
    async fn sweep_favorites_of(&self, movie: MovieId, passes: usize) -> Result<()> {
        let range = KeyRange::ids(keys::favorites(movie));
        for _ in 0..passes {
            let read = self.query(&range, Direction::Ascending, PASS).await?;
            let favorites: Vec<Key> = read.items.iter().filter_map(Key::of).collect();
            self.batch_delete(&favorites).await?;
            if favorites.len() < PASS {
                return self.delete(&keys::sweep(movie)).await;
            }
        }
        Ok(())
    }
}
