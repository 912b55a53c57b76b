//! Genres: their names as first written, and the number of movies of each.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        counter::{self, Counter},
        expression::{Condition, Update},
        item::{from_item, number},
        keys::{self, BY_DATE, TABLE},
        page::{Counted, PageLimit, Window},
        range::{Direction, KeyRange},
        store::Store,
        transaction::{Outcome, Transaction},
    },
    domain::{Genre, Genres},
    error::Result,
};

/// A genre as stored under `GENRES`, `<genre>#`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GenreItem {
    /// The normalized name: two names with the same identity are one genre.
    pub identity: String,
    /// The name as it was first written.
    pub name: String,
    /// The number of its movies. The item is deleted with the last one.
    pub n: u64,
}

/// The changes of genre counts that a change of a movie needs, in the movie's own transaction.
///
/// No read determines whether a genre is new or loses its last movie. The transaction assumes the common case, under a
/// condition: the genre exists and has other movies. If the condition fails, [`GenreChanges::revise`] corrects the
/// assumption and the transaction is sent again.
pub struct GenreChanges {
    added: Vec<Added>,
    removed: Vec<Removed>,
}

/// A genre that gets the movie.
struct Added {
    identity: String,
    name: String,
    /// Whether the genre is assumed not to exist.
    is_new: bool,
    action: usize,
}

/// A genre that loses the movie.
struct Removed {
    identity: String,
    /// Whether the movie is assumed to be the genre's last one.
    is_last: bool,
    action: usize,
}

impl GenreChanges {
    /// The changes for a new movie.
    #[must_use]
    pub fn of_new(genres: &Genres) -> Self {
        Self::between(&[], &genres.iter().collect::<Vec<_>>())
    }

    /// The changes for a movie that is deleted.
    #[must_use]
    pub fn of_deleted(genres: &Genres) -> Self {
        Self::between(&genres.iter().collect::<Vec<_>>(), &[])
    }

    /// The changes for a movie whose genres are edited.
    #[must_use]
    pub fn of_edited(old: &Genres, new: &Genres) -> Self {
        Self::between(&old.iter().collect::<Vec<_>>(), &new.iter().collect::<Vec<_>>())
    }

    fn between(old: &[Genre], new: &[Genre]) -> Self {
        let has = |genres: &[Genre], identity: &str| genres.iter().any(|g| g.identity() == identity);
        let added = new.iter().filter(|genre| !has(old, &genre.identity()));
        let removed = old.iter().filter(|genre| !has(new, &genre.identity()));
        Self {
            added: added
                .map(|genre| Added {
                    identity: genre.identity(),
                    name: genre.name().to_owned(),
                    is_new: false,
                    action: 0,
                })
                .collect(),
            removed: removed
                .map(|genre| Removed {
                    identity: genre.identity(),
                    is_last: false,
                    action: 0,
                })
                .collect(),
        }
    }

    /// Adds the changes to the movie's transaction.
    pub fn add_to(&mut self, store: &Store, transaction: &mut Transaction) -> Result<()> {
        let mut genres = 0_i64;
        for added in &mut self.added {
            genres += i64::from(added.is_new);
            let action = store.join_genre(&added.identity, &added.name, 1, added.is_new)?;
            added.action = transaction.add(action);
        }
        for removed in &mut self.removed {
            let genre = store.on(keys::genre(&removed.identity));
            let one = number(1);
            removed.action = transaction.add(if removed.is_last {
                genres -= 1;
                genre.delete(Condition::new("#n = :one").value(":one", one))?
            } else {
                let subtract = Update::new("ADD #n :less").value(":less", number(-1));
                genre.update(subtract.when("#n > :one").value(":one", one))?
            });
        }
        if genres != 0 {
            transaction.add(store.count(Counter::Genres, genres)?);
        }
        Ok(())
    }

    /// Corrects the assumptions that failed in a transaction. Returns whether there were any.
    pub fn revise(&mut self, outcome: &Outcome) -> bool {
        let mut is_revised = false;
        for added in self.added.iter_mut().filter(|a| outcome.failed(a.action)) {
            added.is_new = !added.is_new;
            is_revised = true;
        }
        for removed in self.removed.iter_mut().filter(|r| outcome.failed(r.action)) {
            removed.is_last = !removed.is_last;
            is_revised = true;
        }
        is_revised
    }
}

impl Store {
    /// The action that adds `movies` movies to a genre: to an existing one, or with `is_new` to one that it creates. Its
    /// condition fails if `is_new` is wrong.
    pub fn join_genre(
        &self,
        identity: &str,
        name: &str,
        movies: u64,
        is_new: bool,
    ) -> Result<TransactWriteItem> {
        let on = self.on(keys::genre(identity));
        if is_new {
            let genre = GenreItem {
                identity: identity.to_owned(),
                name: name.to_owned(),
                n: movies,
            };
            return on.put(&genre, Condition::not_exists());
        }
        let add = Update::new("ADD #n :movies").value(":movies", number(movies));
        on.update(add.only_if(Condition::exists()))
    }

    /// AP-28: every genre. The number of Queries grows with the number of genres, so only an import calls this, never a
    /// request.
    pub async fn all_genres(&self) -> Result<Vec<GenreItem>> {
        let mut genres = Vec::new();
        let mut window = Window::First;
        loop {
            let slice = self.list_genres(&window, PageLimit::MAX).await?.slice;
            genres.extend(slice.items);
            match slice.next {
                Some(next) => window = next,
                None => return Ok(genres),
            }
        }
    }

    /// AP-06: a page of genres in alphabetical order, and the number of genres.
    pub(crate) async fn list_genres(&self, window: &Window, limit: PageLimit) -> Result<Counted<GenreItem>> {
        let range = KeyRange::partition(TABLE, keys::GENRES);
        let ([count], slice) = tokio::try_join!(
            self.read_counters([Counter::Genres]),
            self.walk(range, Direction::Ascending, window, limit)
        )?;
        Counted { count, slice }.try_map(from_item)
    }

    /// AP-06: the number of a genre's movies. 0 for a genre that doesn't exist.
    pub async fn count_genre(&self, identity: &str) -> Result<u64> {
        counter::value(self.get(&keys::genre(identity)).await?.as_ref())
    }
}

/// A genre's movies by release date: a partition of the index by date.
#[must_use]
pub fn genre_by_date(identity: &str) -> KeyRange {
    KeyRange::partition(BY_DATE, keys::genre_dated(identity))
}
