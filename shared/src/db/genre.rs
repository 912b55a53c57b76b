//! Genres: their names as first written, and how many movies each has.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        counter::{self, Counter},
        keys::{self, BY_DATE, TABLE},
        movie::{MovieView, movie_ids, newest_first},
        page::{Counted, PageLimit, Position, Window},
        range::{Direction, KeyRange},
        store::{Expression, Outcome, Store, Transaction, from_item, number},
    },
    domain::{Genre, Genres, MovieId, UserId},
    error::Result,
};

/// A genre as stored: `GENRES`, `<genre>#`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GenreItem {
    /// What makes it the same genre as another.
    pub identity: String,
    /// Its name as it was first written.
    pub name: String,
    /// How many movies it has. The item goes with the last.
    pub n: u64,
}

/// What a change of a movie means for genre counts, within the movie's own transaction.
///
/// Whether a genre is new, or loses its last movie, isn't read beforehand: the common case is assumed under a
/// condition, and where the condition fails the same transaction is made anew with what was learned.
pub struct GenreMoves {
    joins: Vec<Join>,
    leaves: Vec<Leave>,
}

struct Join {
    identity: String,
    name: String,
    is_new: bool,
    action: usize,
}

struct Leave {
    identity: String,
    is_last: bool,
    action: usize,
}

impl GenreMoves {
    /// The moves from the genres a movie had to those it will have.
    #[must_use]
    pub fn between(old: Option<&Genres>, new: Option<&Genres>) -> Self {
        let identities = |genres: Option<&Genres>| -> Vec<String> {
            genres
                .map(|g| g.iter().map(Genre::identity).collect())
                .unwrap_or_default()
        };
        let (had, has) = (identities(old), identities(new));
        Self {
            joins: new
                .into_iter()
                .flat_map(Genres::iter)
                .filter(|g| !had.contains(&g.identity()))
                .map(|g| Join {
                    identity: g.identity(),
                    name: g.name().to_owned(),
                    is_new: false,
                    action: 0,
                })
                .collect(),
            leaves: had
                .into_iter()
                .filter(|identity| !has.contains(identity))
                .map(|identity| Leave {
                    identity,
                    is_last: false,
                    action: 0,
                })
                .collect(),
        }
    }

    /// Adds the moves to the movie's transaction.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when an action can't be built.
    pub fn add_to(&mut self, store: &Store, transaction: &mut Transaction) -> Result<()> {
        let mut genres = 0_i64;
        for join in &mut self.joins {
            genres += i64::from(join.is_new);
            join.action = transaction.add(store.join_genre(&join.identity, &join.name, 1, join.is_new)?);
        }
        for leave in &mut self.leaves {
            let on = store.on(keys::genre(&leave.identity));
            let one = number(1);
            leave.action = transaction.add(if leave.is_last {
                genres -= 1;
                on.delete(Expression::none().when("#n = :one").value(":one", one))?
            } else {
                let take = Expression::update("ADD #n :less").value(":less", number(-1));
                on.update(take.when("#n > :one").value(":one", one))?
            });
        }
        if genres != 0 {
            transaction.add(store.count(Counter::Genres, genres)?);
        }
        Ok(())
    }

    /// Learns from a refused transaction which assumptions were wrong; `false` when none was.
    pub fn learn(&mut self, outcome: &Outcome) -> bool {
        let mut learned = false;
        for join in self.joins.iter_mut().filter(|j| outcome.failed(j.action)) {
            join.is_new = !join.is_new;
            learned = true;
        }
        for leave in self.leaves.iter_mut().filter(|l| outcome.failed(l.action)) {
            leave.is_last = !leave.is_last;
            learned = true;
        }
        learned
    }
}

/// How many Queries one request runs side by side at most.
const SIDE_BY_SIDE: usize = 32;

/// A genre with its newest movies.
#[derive(Clone, Debug)]
pub struct Category {
    /// The genre.
    pub genre: GenreItem,
    /// Its newest movies, newest first.
    pub movies: Vec<MovieView>,
}

impl Category {
    /// Its place among the genres.
    #[must_use]
    pub fn position(&self) -> Position {
        Position::at(keys::genre(&self.genre.identity).sk)
    }
}

impl Store {
    /// The action by which movies join a genre that is there, or make it.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when it can't be built.
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
            return on.put(&genre, Expression::none().when("attribute_not_exists(#pk)"));
        }
        let add = Expression::update("ADD #n :movies").value(":movies", number(movies));
        on.update(add.when("attribute_exists(#pk)"))
    }

    /// AP-28: every genre, for an import that is to know them beforehand. As many Queries as it takes; no request does
    /// this.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
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

    /// AP-06: genres in alphabetical order, and how many there are.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    async fn list_genres(&self, window: &Window, limit: PageLimit) -> Result<Counted<GenreItem>> {
        let range = KeyRange::partition(TABLE, keys::GENRES);
        let ([count], slice) = tokio::try_join!(
            self.read_counters([Counter::Genres]),
            self.walk(range, Direction::Ascending, window, limit)
        )?;
        Counted { count, slice }.try_map(from_item)
    }

    /// AP-06: how many movies a genre has.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn count_genre(&self, identity: &str) -> Result<u64> {
        counter::value(self.get(&keys::genre(identity)).await?.as_ref())
    }

    /// AP-05, AP-06: genres in alphabetical order, each with its newest movies, and how many genres there are. Three
    /// rounds: the genres, one Query each side by side, and their movies in batches side by side.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn list_categories(
        &self,
        window: &Window,
        limit: PageLimit,
        movies: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Counted<Category>> {
        let Counted { count, slice } = self.list_genres(window, limit).await?;
        let (genres, place) = slice.split();
        let ranges: Vec<KeyRange> = genres
            .iter()
            .map(|genre| genre_by_date(&genre.identity))
            .collect();
        let members = ranges.into_iter().map(|range| async move {
            let newest = self
                .walk(range, Direction::Descending, &Window::First, movies)
                .await?;
            movie_ids(&newest.items)
        });
        // Wide enough for a page of 21 genres in one round, bounded for one of 100.
        let members: Vec<Vec<MovieId>> = futures_util::stream::iter(members)
            .buffered(SIDE_BY_SIDE)
            .try_collect()
            .await?;
        let views = self.hydrate(&members.concat(), caller).await?;
        let views: HashMap<MovieId, MovieView> = views.into_iter().map(|v| (v.movie.id, v)).collect();
        let categories = genres.into_iter().zip(members).map(|(genre, ids)| {
            let mut movies: Vec<MovieView> = ids.iter().filter_map(|id| views.get(id).cloned()).collect();
            newest_first(&mut movies);
            Category { genre, movies }
        });
        Ok(Counted {
            count,
            slice: place.with_items(categories.collect()),
        })
    }
}

/// A genre's movies by release date, in the index.
#[must_use]
pub fn genre_by_date(identity: &str) -> KeyRange {
    KeyRange::partition(BY_DATE, keys::genre_dated(identity))
}
