//! Favorites: a user's favorite on a movie, counted exactly.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Instant,
    db::{
        keys::{self, BY_DATE, Key, LIKES_SHARDS},
        movie::{EDIT_ATTEMPTS, MovieItem, MovieView, ONE_LIKE, no_movie},
        page::{PageLimit, Slice, Window},
        range::{Direction, KeyRange},
        store::{
            Expression, Outcome, Proof, Store, Transaction, corrupt, number, pause_before, text, to_item,
        },
    },
    domain::{MovieId, UserId},
    error::{Error, Result},
};

/// How many favorites of a deleted movie one pass removes.
const SWEEP_PAGE: usize = 100;
/// How many passes a deletion makes itself. What is left is the sweep's.
pub(crate) const PASSES_OF_DELETION: usize = 3;
/// How long it takes for them at most, so that it is answered while the table is out of reach.
pub(crate) const SWEEP_OF_DELETION: Duration = Duration::from_secs(2);
/// How many passes the sweep makes for one movie.
const PASSES_OF_SWEEP: usize = 100;

/// A favorite as stored: `FAVORITES#<movie>`, user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FavoriteItem {
    /// The movie.
    pub movie: MovieId,
    /// The user.
    pub user: UserId,
    /// The user's partition of the index by date.
    pub dated: String,
    /// When it was made, then the movie.
    pub date: String,
}

impl FavoriteItem {
    /// A favorite made at `at`.
    #[must_use]
    pub fn new(movie: MovieId, user: UserId, at: Instant) -> Self {
        Self {
            movie,
            user,
            dated: keys::user_favorites(user),
            date: keys::dated(&at.to_string(), movie),
        }
    }
}

/// The change of a favorite that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FavoriteChange {
    /// Add it; a favorite that exists stays.
    Add,
    /// Remove it; a favorite that doesn't exist stays away.
    Remove,
    /// Remove it if it exists, add it otherwise.
    Toggle,
}

/// A favorite and the movie's count, as of one moment after the request began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FavoriteState {
    /// Whether the favorite is there.
    pub favorite: bool,
    /// How many favorites the movie has.
    pub favorite_count: u64,
}

impl Store {
    /// AP-13: adds or removes a favorite, and changes the movie's count, in one transaction.
    ///
    /// Two calls when nobody else is at it: a read, and a transaction that counts on what was read, so that the number
    /// in the answer is the number at that moment. When the count was moved in between, or is being moved, the favorite is
    /// moved without that condition and the count read afterwards: others can then only delay it.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the movie, [`Error::Unavailable`] when it can't be done in time.
    pub async fn set_favorite(
        &self,
        id: MovieId,
        user: UserId,
        change: FavoriteChange,
    ) -> Result<FavoriteState> {
        for attempt in 0..EDIT_ATTEMPTS {
            pause_before(attempt).await;
            let seen = self.get_movie(id, Some(user)).await?.ok_or_else(no_movie)?;
            let on = match change {
                FavoriteChange::Add => true,
                FavoriteChange::Remove => false,
                FavoriteChange::Toggle => !seen.favorite,
            };
            if on == seen.favorite {
                return Ok(state(&seen));
            }
            let (transaction, favorite) = self.move_favorite(&seen.movie, user, on, true)?;
            let mut movie = seen.movie.clone();
            movie.count_like(on);
            let had_conflict = match self.transact_once(&transaction).await? {
                Outcome::Committed => return Ok(state(&MovieView { movie, favorite: on })),
                refused if refused.failed(favorite) => continue,
                Outcome::ConditionFailed(_) => false,
                Outcome::Conflict => true,
            };
            let (transaction, favorite) = self.move_favorite(&seen.movie, user, on, false)?;
            match self.transact_after(had_conflict, &transaction).await? {
                Outcome::Committed => {
                    let movie = self.with_likes_of_now(movie).await?;
                    return Ok(state(&MovieView { movie, favorite: on }));
                }
                refused if refused.failed(favorite) => {}
                _ => return Err(no_movie()),
            }
        }
        Err(Error::Unavailable(
            "the transaction conflicted on every attempt".into(),
        ))
    }

    /// The transaction that moves a favorite, and its action on the favorite. `counted` makes it count on the likes seen.
    fn move_favorite(
        &self,
        movie: &MovieItem,
        user: UserId,
        on: bool,
        counted: bool,
    ) -> Result<(Transaction, usize)> {
        let mut transaction = Transaction::default();
        let key = keys::favorite(movie.id, user);
        let favorite = self.on(key.clone());
        let (favorite, proof) = if on {
            let item = FavoriteItem::new(movie.id, user, self.clock.now());
            let unused = Expression::none().when("attribute_not_exists(#pk)");
            // Its time is this request's own.
            (favorite.put(&item, unused)?, Proof::Has(key, to_item(&item)?))
        } else {
            let used = Expression::none().when("attribute_exists(#pk)");
            (favorite.delete(used)?, Proof::Gone(key))
        };
        let favorite = transaction.add(favorite);
        transaction.prove_by(proof);
        let mut like = if on {
            Expression::update("SET #liked = :shard ADD #likes :step")
                .value(":shard", text(keys::likes_shard(movie.id.get() % LIKES_SHARDS)))
                .value(":step", number(ONE_LIKE))
        } else {
            Expression::update("ADD #likes :step").value(":step", number(format_args!("-{ONE_LIKE}")))
        };
        like = if counted {
            like.when("#likes = :seen").value(":seen", number(movie.likes))
        } else {
            like.when("attribute_exists(#pk)")
        };
        transaction.add(self.on(keys::movie(movie.id)).update(like)?);
        Ok((transaction, favorite))
    }

    /// AP-15: a page of a user's favorite movies, latest favorite first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn list_favorites(
        &self,
        user: UserId,
        window: &Window,
        limit: PageLimit,
    ) -> Result<Slice<MovieView>> {
        let range = KeyRange::partition(BY_DATE, keys::user_favorites(user));
        let slice = self.walk(range, Direction::Descending, window, limit).await?;
        let mut slice = self.hydrate_slice(slice, Some(user)).await?;
        // The index may name a favorite for a moment after it was removed.
        slice.items.retain(|view| view.favorite);
        Ok(slice)
    }

    /// AP-16: removes the favorites of a deleted movie, and then the item that asks for it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub(crate) async fn sweep_favorites_of(&self, movie: MovieId, passes: usize) -> Result<()> {
        let range = KeyRange::ids(keys::favorites(movie));
        for _ in 0..passes {
            let read = self.query(&range, Direction::Ascending, SWEEP_PAGE).await?;
            let favorites: Vec<Key> = read.items.iter().filter_map(Key::of).collect();
            self.batch_delete(&favorites).await?;
            if favorites.len() < SWEEP_PAGE {
                return self.delete(&keys::sweep(movie)).await;
            }
        }
        Ok(())
    }

    /// AP-16: goes on with the favorites of movies whose deletion was cut off. Returns how many movies it looked at.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn sweep_favorites(&self) -> Result<usize> {
        let range = KeyRange::ids(keys::SWEEP);
        let items = self.query(&range, Direction::Ascending, SWEEP_PAGE).await?.items;
        for item in &items {
            let movie = Key::of(item)
                .and_then(|key| keys::id_at_end(&key.sk))
                .and_then(|id| MovieId::try_from(id).ok())
                .ok_or_else(|| corrupt("a sweep item without a movie's id"))?;
            self.sweep_favorites_of(movie, PASSES_OF_SWEEP).await?;
        }
        Ok(items.len())
    }
}

fn state(view: &MovieView) -> FavoriteState {
    FavoriteState {
        favorite: view.favorite,
        favorite_count: view.movie.favorite_count(),
    }
}
