//! Favorites: the relation between a user and a movie, counted exactly.

use serde::{Deserialize, Serialize};

use crate::{
    clock::Instant,
    db::{
        expression::Condition,
        idempotency::{Answered, Keeping, KeptAnswer, KeyedRequest, NewAnswer},
        item::{from_item, number, to_item},
        keys::{self, BY_DATE},
        likes::{self, CountChange, LikesCondition},
        movie::{MovieItem, MovieView, NO_MOVIE, is_version},
        optimistic::{Plan, PlanOutcome, Revision, WriteAttempts},
        page::{PageLimit, Slice, Window},
        range::{Direction, KeyRange},
        store::Store,
        transaction::{CommitCheck, OnConflict, Outcome, Transaction},
        user::existing,
    },
    domain::{MovieId, UserId},
    error::Result,
};

/// A favorite as stored under `FAVORITES#<movie>`, user.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FavoriteItem {
    /// The movie.
    pub movie: MovieId,
    /// The user.
    pub user: UserId,
    /// The user's partition in the index by date.
    pub dated: String,
    /// The sort key in the index by date: when the favorite was added, then the movie.
    pub date: String,
    /// The token of the transaction that added the favorite, by which a request without a response knows whether it did. Only
    /// where a request adds nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
}

impl FavoriteItem {
    /// Returns a favorite that is added at `at`.
    #[must_use]
    pub fn new(movie: MovieId, user: UserId, at: Instant) -> Self {
        Self {
            movie,
            user,
            dated: keys::user_favorites(user),
            date: keys::dated(&at.to_string(), movie),
            transaction: None,
        }
    }
}

/// The change of a favorite that a client requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FavoriteChange {
    /// Add it; does nothing if it exists.
    Add,
    /// Remove it; does nothing if it doesn't exist.
    Remove,
    /// Remove it if it exists, add it otherwise.
    Toggle,
}

impl FavoriteChange {
    /// Returns the change to make, or `None` if the favorite is already as requested.
    fn needed(self, exists: bool) -> Option<CountChange> {
        let after = match self {
            Self::Add => true,
            Self::Remove => false,
            Self::Toggle => !exists,
        };
        CountChange::between(exists, after)
    }
}

/// The state of a favorite after a request, and the movie's favorite count, which may include later changes by other users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FavoriteState {
    /// Whether the favorite exists.
    pub favorite: bool,
    /// The movie's favorite count.
    pub favorite_count: u64,
}

impl FavoriteState {
    fn new(movie: &MovieItem, favorite: bool) -> Self {
        Self {
            favorite,
            favorite_count: movie.favorite_count(),
        }
    }
}

impl Store {
    /// AP-13: adds or removes a favorite, and changes the movie's count, in one transaction.
    ///
    /// Usually two calls: a read, and a transaction whose condition is that the count is the one that was read, so that the
    /// response has the count at that moment. If the count has changed or another transaction is changing it, a transaction
    /// without that condition is sent and the count is read after it. So other users can delay a change but never make it
    /// fail.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such movie.
    pub async fn set_favorite(
        &self,
        id: MovieId,
        user: UserId,
        change: FavoriteChange,
    ) -> Result<FavoriteState> {
        Ok(self.change_favorite(id, user, change, None).await?.answer)
    }

    /// AP-13, AP-46: toggles a favorite in the same way, unless an earlier request with the same key has. Returns the state
    /// after that request. It takes no trip more, unless the count was not known when the favorite was toggled.
    ///
    /// # Errors
    /// [`Error::KeyReused`](crate::Error::KeyReused) if the key was used for another request;
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such movie.
    pub async fn toggle_favorite_once(
        &self,
        id: MovieId,
        user: UserId,
        request: &KeyedRequest,
    ) -> Result<Answered<FavoriteState>> {
        self.change_favorite(id, user, FavoriteChange::Toggle, Some(request))
            .await
    }

    async fn change_favorite(
        &self,
        id: MovieId,
        user: UserId,
        change: FavoriteChange,
        request: Option<&KeyedRequest>,
    ) -> Result<Answered<FavoriteState>> {
        let mut attempts = WriteAttempts::of("set_favorite");
        loop {
            attempts.next().await?;
            let (view, kept) = match request {
                None => (self.get_movie(id, Some(user)).await?, None),
                Some(request) => self.read_for_toggle(id, user, request).await?,
            };
            if let (Some(kept), Some(request)) = (kept, request) {
                return self.kept_favorite(&kept, request).await;
            }
            let MovieView { movie, favorite } = view.ok_or(NO_MOVIE)?;
            let Some(change) = change.needed(favorite) else {
                return Ok(Answered::first(FavoriteState::new(&movie, favorite)));
            };
            let keeping = Keeping::new(request, self.clock.now());
            let mut plan = FavoritePlan::new(&movie, user, change, keeping);
            match (self.commit(&mut plan).await?, request) {
                (PlanOutcome::Outdated, _) => continue,
                (PlanOutcome::Replayed, Some(request)) => {
                    return self.kept_favorite(&plan.keeping.into_kept()?, request).await;
                }
                (PlanOutcome::Committed | PlanOutcome::Replayed, _) => {}
            }
            let likes = plan.likes;
            let mut changed = movie;
            changed.count_favorite(change, self.likes_shards);
            if likes == LikesCondition::Any {
                changed = self.with_current_likes(changed).await?;
            }
            let mut state = FavoriteState::new(&changed, change.is_favorite());
            if let (LikesCondition::Any, Some(request)) = (likes, request) {
                state.favorite_count = self.keep_count(request, state.favorite_count).await?;
            }
            return Ok(Answered::first(state));
        }
    }

    /// Reads a movie, the caller's favorite and the kept answer of a request, in one batch.
    async fn read_for_toggle(
        &self,
        id: MovieId,
        user: UserId,
        request: &KeyedRequest,
    ) -> Result<(Option<MovieView>, Option<KeptAnswer>)> {
        let (movie, favorite) = (keys::movie(id), keys::favorite(id, user));
        let caller = keys::user(user);
        let wanted = vec![
            movie.clone(),
            favorite.clone(),
            caller.clone(),
            request.key().clone(),
        ];
        let mut found = self.batch_get(wanted).await?;
        existing(found.remove(&caller))?;
        let kept = request.answer_in(found.remove(request.key()), self.clock.now())?;
        let favorite = found.contains_key(&favorite);
        let movie = found.remove(&movie).map(from_item::<MovieItem>).transpose()?;
        Ok((movie.map(|movie| MovieView { movie, favorite }), kept))
    }

    /// The kept answer of a toggle. If the toggle was made without knowing the count, and its request ended before it kept one,
    /// the count is read and kept now.
    async fn kept_favorite(
        &self,
        kept: &KeptAnswer,
        request: &KeyedRequest,
    ) -> Result<Answered<FavoriteState>> {
        let favorite_count = match kept.count {
            Some(count) => count,
            None => {
                let movie = self.get(&keys::movie(kept.movie)).await?.ok_or(NO_MOVIE)?;
                let count = from_item::<MovieItem>(movie)?.favorite_count();
                self.keep_count(request, count).await?
            }
        };
        Ok(Answered::replayed(FavoriteState {
            favorite: kept.favorite,
            favorite_count,
        }))
    }

    /// AP-11: does the same for a movie that was read for an edit, if nobody has edited it since. Returns the movie after the
    /// change, or `None` if it must be read again.
    pub(crate) async fn set_favorite_of(
        &self,
        seen: MovieView,
        user: UserId,
        favorite: bool,
    ) -> Result<Option<MovieView>> {
        let MovieView { mut movie, .. } = seen;
        if let Some(change) = CountChange::between(seen.favorite, favorite) {
            let mut plan = FavoritePlan {
                version: Some(movie.version),
                ..FavoritePlan::new(&movie, user, change, Keeping::new(None, self.clock.now()))
            };
            if self.commit(&mut plan).await? == PlanOutcome::Outdated {
                return Ok(None);
            }
            let likes = plan.likes;
            movie.count_favorite(change, self.likes_shards);
            if likes == LikesCondition::Any {
                movie = self.with_current_likes(movie).await?;
            }
        }
        Ok(Some(MovieView { movie, favorite }))
    }

    /// AP-15: returns a page of a user's favorite movies, the latest favorite first.
    pub async fn list_favorites(
        &self,
        user: UserId,
        window: &Window,
        limit: PageLimit,
    ) -> Result<Slice<MovieView>> {
        let range = KeyRange::partition(BY_DATE, keys::user_favorites(user));
        let slice = self.walk(range, Direction::Descending, window, limit).await?;
        let mut slice = self.get_movies_of_page(slice, Some(user)).await?;
        // For a moment after a favorite was removed, the index may still contain it.
        slice.items.retain(|view| view.favorite);
        Ok(slice)
    }
}

/// A change of one favorite, and of its movie's count.
struct FavoritePlan<'a> {
    movie: &'a MovieItem,
    user: UserId,
    change: CountChange,
    likes: LikesCondition,
    on_conflict: OnConflict,
    /// The version that the movie must have. `None` for any.
    version: Option<u64>,
    /// The index of the action on the favorite.
    favorite_action: usize,
    keeping: Keeping<'a>,
    /// The index of the action on the movie.
    movie_action: usize,
}

impl<'a> FavoritePlan<'a> {
    fn new(movie: &'a MovieItem, user: UserId, change: CountChange, keeping: Keeping<'a>) -> Self {
        Self {
            movie,
            user,
            change,
            likes: LikesCondition::Unchanged,
            on_conflict: OnConflict::Return,
            version: None,
            favorite_action: 0,
            keeping,
            movie_action: 0,
        }
    }
}

impl Plan for FavoritePlan<'_> {
    fn transaction(&mut self, store: &Store) -> Result<Transaction> {
        let mut transaction = match self.version {
            // It is an edit, and edits have priority.
            Some(_) => Transaction::with_priority(),
            None => Transaction::default(),
        };
        let id = self.movie.id;
        let key = keys::favorite(id, self.user);
        let favorite = store.on(key.clone());
        let (favorite, check) = match self.change {
            CountChange::Add => {
                let item = FavoriteItem {
                    transaction: Some(transaction.token().to_owned()),
                    ..FavoriteItem::new(id, self.user, store.clock.now())
                };
                let added = favorite.put(&item, Condition::not_exists())?;
                (added, CommitCheck::Has(key, to_item(&item)?))
            }
            CountChange::Remove => (favorite.delete(Condition::exists())?, CommitCheck::Gone(key)),
        };
        let count = self.change.update(id, store.likes_shards);
        let mut count = count.only_if(self.likes.condition(self.movie.likes));
        if let Some(version) = self.version {
            count = count
                .when("#version = :seen_version")
                .value(":seen_version", number(version));
        }
        self.favorite_action = transaction.add(favorite);
        self.movie_action = transaction.add(store.on(keys::movie(id)).update(count)?);
        transaction.check_commit(check);
        transaction.on_conflict(self.on_conflict);
        let count = likes::favorite_count(self.change.apply(self.movie.likes));
        let answer = NewAnswer {
            movie: id,
            favorite: self.change.is_favorite(),
            created_at: None,
            count: (self.likes == LikesCondition::Unchanged).then_some(count),
            cover: None,
        };
        self.keeping.add_to(store, &mut transaction, &answer)?;
        Ok(transaction)
    }

    fn revise(&mut self, outcome: &Outcome) -> Result<Revision> {
        if self.keeping.is_made(outcome)? {
            return Ok(Revision::Replay);
        }
        if outcome.failed(self.favorite_action) {
            return Ok(Revision::Reread);
        }
        if let Some(version) = self.version
            && outcome.failed(self.movie_action)
            && !is_version(outcome.item(self.movie_action), version)
        {
            return Ok(Revision::Reread);
        }
        if self.likes == LikesCondition::Any {
            // Without the condition on the count, the only other condition is that the movie exists.
            return Err(NO_MOVIE);
        }
        self.likes = LikesCondition::Any;
        self.on_conflict = match outcome {
            Outcome::Conflict => OnConflict::PauseThenRetry,
            Outcome::Committed | Outcome::ConditionFailed(_) => OnConflict::Retry,
        };
        Ok(Revision::Retry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aws::client,
        clock::Clock,
        db::item::{Item, text},
        domain::{IdempotencyKey, MovieFields},
    };

    /// Without it, two requests of one millisecond would write the same items, and each would take the other's for its own.
    #[test]
    fn the_items_of_a_change_have_the_token_of_its_transaction() {
        let store = Store::new(client::local("http://127.0.0.1:1"), "t", Clock::default());
        let id = |id| MovieId::try_from(id).unwrap();
        let user = UserId::try_from(1_u64).unwrap();
        let fields = MovieFields::of_words("Alien", "Ridley Scott", "Horror");
        let movie = MovieItem::new(id(7_u64), &fields, None, "2026-01-01T00:00:00.000Z");
        let key = IdempotencyKey::parse(b"k").unwrap();
        let request = KeyedRequest::of_toggle(user, &key, movie.id).unwrap();
        let now = store.clock.now();
        let written = || {
            let keeping = Keeping::new(Some(&request), now);
            let mut plan = FavoritePlan::new(&movie, user, CountChange::Add, keeping);
            let transaction = plan.transaction(&store).unwrap();
            let token = transaction.token().to_owned();
            let puts = transaction
                .into_actions()
                .into_iter()
                .filter_map(|action| action.put);
            let puts: Vec<Item> = puts.map(|put| put.item).collect();
            assert_eq!(puts.len(), 2);
            for item in &puts {
                assert_eq!(item["transaction"], text(&token));
            }
            token
        };
        assert_ne!(written(), written());
    }
}
