//! Movies: the item, and one function for each way to read or change one.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        counter::Counter,
        favorite::{FavoriteItem, PASSES_OF_DELETION, SWEEP_OF_DELETION},
        genre::{GenreMoves, genre_by_date},
        index::{self, PostingItem},
        keys::{self, BY_DATE, BY_LIKES, Key, LIKED, LIKES, LIKES_SHARDS},
        page::{Counted, PageLimit, Slice, Window},
        range::{Direction, KeyRange},
        retry::within,
        store::{
            Expression, Item, Outcome, Proof, Store, Transaction, corrupt, from_item, number, pause_before,
            text, to_item,
        },
        user::UserItem,
    },
    domain::{CoverImage, Description, Director, Genres, MovieFields, MovieId, ReleaseDate, Title, UserId},
    error::{Error, Result},
    telemetry,
};

/// One favorite, in a movie's `likes`. Favorites × 10¹⁰ + id orders movies by favorites, and among equals by id; 64 bits
/// hold it for ten billion movies and as many as 1.8 billion favorites of each.
pub const ONE_LIKE: u64 = 10_000_000_000;

/// How often an edit that met another is tried from its first read on; the request's deadline usually comes first.
pub(crate) const EDIT_ATTEMPTS: u32 = 200;

/// How often one try at an edit learns about genres before it starts over from a read.
const GENRE_ATTEMPTS: u32 = 5;

/// A movie as stored: `MOVIES#⌊id/256⌋`, id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovieItem {
    /// Its id.
    pub id: MovieId,
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
    /// The day it was released, `YYYY-MM-DD`.
    pub release_date: String,
    /// Its director.
    pub director: String,
    /// Its genres, separated by `, `.
    pub genre: String,
    /// Its cover image's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cover_image: Option<String>,
    /// The user who added it; none for an imported one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// When it was added (RFC 3339).
    pub created_at: String,
    /// When it was last edited (RFC 3339).
    pub updated_at: String,
    /// How often it has been edited, from 1. Favorites don't move it.
    pub version: u64,
    /// Favorites × 10¹⁰ + id.
    pub likes: u64,
    /// The shard of the likes index; absent until the first favorite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liked: Option<String>,
    /// The partition of the index by date.
    pub dated: String,
    /// The place in it.
    pub date: String,
}

impl MovieItem {
    /// A new movie's item.
    #[must_use]
    pub fn new(id: MovieId, fields: &MovieFields, user: Option<UserId>, now: &str) -> Self {
        let release_date = fields.release_date.to_string();
        Self {
            id,
            title: fields.title.as_str().to_owned(),
            description: fields.description.as_str().to_owned(),
            director: fields.director.as_str().to_owned(),
            genre: fields.genres.to_string(),
            cover_image: fields.cover_image.as_ref().map(|c| c.as_str().to_owned()),
            user,
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
            version: 1,
            likes: id.get(),
            liked: None,
            dated: keys::MOVIES_DATED.to_owned(),
            date: keys::dated(&release_date, id),
            release_date,
        }
    }

    /// How many users hold it as a favorite.
    #[must_use]
    pub fn favorite_count(&self) -> u64 {
        self.likes / ONE_LIKE
    }

    /// What the movie says of itself.
    ///
    /// # Errors
    /// [`Error::Internal`] when the stored text isn't what this service writes.
    pub fn fields(&self) -> Result<MovieFields> {
        let wrong = |what: &str| corrupt(&format!("movie {} with a wrong {what}", self.id));
        Ok(MovieFields {
            title: Title::from_stored(&self.title),
            description: Description::from_stored(&self.description),
            release_date: ReleaseDate::parse(&self.release_date).map_err(|_| wrong("date"))?,
            director: Director::from_stored(&self.director),
            genres: Genres::from_stored(&self.genre).map_err(|_| wrong("genre"))?,
            cover_image: self.cover_image.as_deref().map(CoverImage::from_stored),
        })
    }

    fn key(&self) -> Key {
        keys::movie(self.id)
    }

    /// Takes on what an edit says.
    fn edited(&self, fields: &MovieFields, user: Option<UserId>, now: &str) -> Self {
        Self {
            created_at: self.created_at.clone(),
            version: self.version + 1,
            likes: self.likes,
            liked: self.liked.clone(),
            ..Self::new(self.id, fields, user, now)
        }
    }

    /// Counts one favorite more or less.
    pub(crate) fn count_like(&mut self, more: bool) {
        if more {
            self.likes += ONE_LIKE;
            self.liked = Some(keys::likes_shard(self.id.get() % LIKES_SHARDS));
        } else {
            self.likes = self.likes.saturating_sub(ONE_LIKE);
        }
    }
}

/// A movie as one caller sees it.
#[derive(Clone, Debug)]
pub struct MovieView {
    /// The movie.
    pub movie: MovieItem,
    /// Whether the caller holds it as a favorite.
    pub favorite: bool,
}

/// The order of the movies' list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MovieOrder {
    /// `id`.
    #[default]
    Id,
    /// `-id`.
    IdDescending,
    /// `release_date`.
    ReleaseDate,
    /// `-release_date`.
    ReleaseDateDescending,
}

impl MovieOrder {
    fn order(self) -> Direction {
        match self {
            Self::Id | Self::ReleaseDate => Direction::Ascending,
            Self::IdDescending | Self::ReleaseDateDescending => Direction::Descending,
        }
    }

    fn is_by_id(self) -> bool {
        matches!(self, Self::Id | Self::IdDescending)
    }
}

/// What an edit makes of a movie.
#[derive(Clone, Debug)]
pub struct Edit {
    /// What the movie will say of itself.
    pub fields: MovieFields,
    /// Whose it will be.
    pub user: Option<UserId>,
    /// Sets (`true`) or takes off (`false`) the caller's favorite.
    pub favorite: Option<bool>,
}

/// What an edit is decided on: the movie as it is, and who asks.
#[derive(Clone, Debug)]
pub struct EditView {
    /// The movie as the caller sees it.
    pub view: MovieView,
    /// The caller.
    pub caller: UserItem,
    /// The user whom the request names as the owner, if it names one and they exist.
    pub named: Option<UserItem>,
}

impl Store {
    /// AP-01, AP-14: a movie, with the caller's favorite in the same batch. One call; 1 unit, 2 signed in.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn get_movie(&self, id: MovieId, caller: Option<UserId>) -> Result<Option<MovieView>> {
        let Some(caller) = caller else {
            let movie = self.get(&keys::movie(id)).await?;
            let movie = movie.map(from_item::<MovieItem>).transpose()?;
            return Ok(movie.map(|movie| MovieView {
                movie,
                favorite: false,
            }));
        };
        Ok(self.hydrate(&[id], Some(caller)).await?.pop())
    }

    /// AP-14: movies by id, in the order asked for, with the caller's favorites in the same batch. Ids of nothing are left
    /// out: an index may name a movie for a moment after it has gone. An id that is there twice gives one movie.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn hydrate(&self, ids: &[MovieId], caller: Option<UserId>) -> Result<Vec<MovieView>> {
        let mut wanted: Vec<Key> = ids.iter().map(|id| keys::movie(*id)).collect();
        if let Some(caller) = caller {
            wanted.extend(ids.iter().map(|id| keys::favorite(*id, caller)));
        }
        let mut found = self.batch_get(wanted).await?;
        ids.iter()
            .filter_map(|id| {
                let item = found.remove(&keys::movie(*id))?;
                let favorite = caller.is_some_and(|caller| found.contains_key(&keys::favorite(*id, caller)));
                Some(from_item(item).map(|movie| MovieView { movie, favorite }))
            })
            .collect()
    }

    /// AP-14: movies that were read already, with the caller's favorites.
    async fn with_favorites(&self, movies: Vec<MovieItem>, caller: Option<UserId>) -> Result<Vec<MovieView>> {
        let favorites = match caller {
            None => HashMap::new(),
            Some(caller) => {
                let favorites = movies.iter().map(|m| keys::favorite(m.id, caller));
                self.batch_get(favorites.collect()).await?
            }
        };
        Ok(movies
            .into_iter()
            .map(|movie| MovieView {
                favorite: caller.is_some_and(|c| favorites.contains_key(&keys::favorite(movie.id, c))),
                movie,
            })
            .collect())
    }

    /// AP-02, AP-03: a page of all movies, and how many there are.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn list_movies(
        &self,
        order: MovieOrder,
        window: &Window,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Counted<MovieView>> {
        if order.is_by_id() {
            let counters = [Counter::Movies, Counter::MovieIds];
            let Counted { count, slice } = self
                .walk_buckets(keys::movie_bucket, counters, order.order(), window, limit)
                .await?;
            let (movies, place) = slice.try_map(from_item)?.split();
            let views = self.with_favorites(movies, caller).await?;
            return Ok(Counted {
                count,
                slice: place.with_items(views),
            });
        }
        let range = KeyRange::partition(BY_DATE, keys::MOVIES_DATED);
        let ([count], slice) = tokio::try_join!(
            self.read_counters([Counter::Movies]),
            self.walk(range, order.order(), window, limit)
        )?;
        let slice = self.hydrate_slice(slice, caller).await?;
        Ok(Counted { count, slice })
    }

    /// AP-04, AP-05: a page of a genre's movies, and how many it has.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn list_movies_of_genre(
        &self,
        identity: &str,
        order: MovieOrder,
        window: &Window,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Counted<MovieView>> {
        let range = if order.is_by_id() {
            index::members(identity)
        } else {
            genre_by_date(identity)
        };
        let (count, slice) = tokio::try_join!(
            self.count_genre(identity),
            self.walk(range, order.order(), window, limit)
        )?;
        let slice = self.hydrate_slice(slice, caller).await?;
        Ok(Counted { count, slice })
    }

    /// Reads the movies that a page's keys name.
    pub(crate) async fn hydrate_slice(
        &self,
        slice: Slice<Item>,
        caller: Option<UserId>,
    ) -> Result<Slice<MovieView>> {
        let (items, place) = slice.split();
        let views = self.hydrate(&movie_ids(&items)?, caller).await?;
        Ok(place.with_items(views))
    }

    /// AP-08: the newest movies by release date, then by id.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn newest_movies(&self, limit: PageLimit, caller: Option<UserId>) -> Result<Vec<MovieView>> {
        let range = KeyRange::partition(BY_DATE, keys::MOVIES_DATED);
        let slice = self
            .walk(range, Direction::Descending, &Window::First, limit)
            .await?;
        let mut views = self.hydrate_slice(slice, caller).await?.items;
        newest_first(&mut views);
        Ok(views)
    }

    /// AP-07: the movies with the most favorites, then by id; only those with any. Every shard's first movies side by
    /// side, merged.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table doesn't serve.
    pub async fn most_liked_movies(
        &self,
        limit: PageLimit,
        caller: Option<UserId>,
    ) -> Result<Vec<MovieView>> {
        let shards = (0..LIKES_SHARDS).map(|shard| self.most_liked_of_shard(shard, limit));
        let mut items: Vec<(u64, MovieId)> = futures_util::future::try_join_all(shards)
            .await?
            .into_iter()
            .flatten()
            .collect();
        items.sort_unstable_by(|a, b| b.cmp(a));
        items.truncate(limit.get());
        let ids: Vec<MovieId> = items.into_iter().map(|(_, id)| id).collect();
        let mut views = self.hydrate(&ids, caller).await?;
        // The index may lag behind the numbers that are shown: those decide.
        views.retain(|view| view.movie.favorite_count() > 0);
        views.sort_by_key(|view| std::cmp::Reverse(view.movie.likes));
        Ok(views)
    }

    async fn most_liked_of_shard(&self, shard: u64, limit: PageLimit) -> Result<Vec<(u64, MovieId)>> {
        let ask = |request: QueryFluentBuilder| {
            request
                .index_name(BY_LIKES)
                .key_condition_expression("#liked = :shard AND #likes >= :one")
                .expression_attribute_names("#liked", LIKED)
                .expression_attribute_names("#likes", LIKES)
                .expression_attribute_values(":shard", text(keys::likes_shard(shard)))
                .expression_attribute_values(":one", number(ONE_LIKE))
                .scan_index_forward(false)
                .limit(i32::try_from(limit.get()).unwrap_or(i32::MAX))
        };
        let output = self.ask(ask).await?;
        let items = output.items.iter();
        items
            .map(|item| {
                let likes = item.get(LIKES).and_then(|n| n.as_n().ok()?.parse().ok());
                likes
                    .zip(movie_id(item))
                    .ok_or_else(|| corrupt("a likes item without its keys"))
            })
            .collect()
    }

    /// AP-10: adds a movie, its postings and counts in one transaction, and the favorite of `favorite_of` if it is given.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it can't be done in time.
    pub async fn create_movie(
        &self,
        fields: &MovieFields,
        user: UserId,
        favorite_of: Option<UserId>,
    ) -> Result<MovieView> {
        let id = self.take_ids(Counter::MovieIds, 1).await?;
        let id = Some(id)
            .filter(|id| *id < ONE_LIKE)
            .and_then(|id| MovieId::try_from(id).ok());
        let id = id.ok_or_else(|| corrupt("more movies than ids"))?;
        let now = self.clock.now();
        let mut movie = MovieItem::new(id, fields, Some(user), &now.to_string());
        if favorite_of.is_some() {
            movie.count_like(true);
        }
        let items = index::postings(fields, id);
        let mut genres = GenreMoves::between(None, Some(&fields.genres));
        for attempt in 0..EDIT_ATTEMPTS {
            pause_before(attempt.saturating_sub(1)).await;
            let mut transaction = Transaction::default();
            // The id is this request's own.
            transaction.prove_by(Proof::Has(movie.key(), Item::new()));
            transaction.add(self.on(movie.key()).put(&movie, unused())?);
            transaction.add(self.count(Counter::Movies, 1)?);
            for (key, item) in &items {
                transaction.add(self.on(key.clone()).put(item, Expression::none())?);
            }
            if let Some(user) = favorite_of {
                let favorite = FavoriteItem::new(id, user, now);
                transaction.add(self.on(keys::favorite(id, user)).put(&favorite, unused())?);
            }
            genres.add_to(self, &mut transaction)?;
            match self.transact(&transaction).await? {
                Outcome::Committed => {
                    return Ok(MovieView {
                        movie,
                        favorite: favorite_of.is_some(),
                    });
                }
                refused => {
                    if !genres.learn(&refused) {
                        return Err(corrupt("a movie under an unused id"));
                    }
                }
            }
        }
        Err(Error::Unavailable(
            "the creation conflicted with others on every attempt".into(),
        ))
    }

    /// AP-11: edits a movie. `decide` says what becomes of it, from what it is at that moment; when another edit comes
    /// in between it is asked again. Items change only where their keys or words do.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the movie, whatever `decide` says, [`Error::Unavailable`] when it can't be done in
    /// time.
    pub async fn edit_movie(
        &self,
        id: MovieId,
        caller: UserId,
        named: Option<UserId>,
        decide: impl Fn(&EditView) -> Result<Edit>,
    ) -> Result<MovieView> {
        for attempt in 0..EDIT_ATTEMPTS {
            pause_before(attempt).await;
            let seen = self.read_for_edit(id, caller, named).await?;
            let edit = decide(&seen)?;
            if let Some(view) = self.try_edit(&seen.view, &edit, caller).await? {
                return Ok(view);
            }
        }
        Err(Error::Unavailable(
            "the edit conflicted with others on every attempt".into(),
        ))
    }

    /// Reads what an edit is decided on, in one batch.
    async fn read_for_edit(&self, id: MovieId, caller: UserId, named: Option<UserId>) -> Result<EditView> {
        let mut wanted = vec![keys::movie(id), keys::favorite(id, caller), keys::user(caller)];
        wanted.extend(named.map(keys::user));
        let mut found = self.batch_get(wanted).await?;
        let named = named
            .and_then(|user| found.get(&keys::user(user)).cloned())
            .map(from_item)
            .transpose()?;
        let movie = found.remove(&keys::movie(id)).ok_or_else(no_movie)?;
        let caller_item = found.remove(&keys::user(caller)).ok_or(Error::UNKNOWN_USER)?;
        Ok(EditView {
            view: MovieView {
                movie: from_item(movie)?,
                favorite: found.contains_key(&keys::favorite(id, caller)),
            },
            caller: from_item(caller_item)?,
            named,
        })
    }

    /// One try at an edit; `None` when the movie was edited in between, or the caller's favorite moved.
    ///
    /// Others' favorites are no reason to fail: they only move the count, and this moves it further. An edit that moves it
    /// tries first under the condition that it is as it was seen, so that the count in the answer is that of its moment;
    /// without that condition it reads the count afterwards.
    async fn try_edit(&self, seen: &MovieView, edit: &Edit, caller: UserId) -> Result<Option<MovieView>> {
        let old = &seen.movie;
        let now = self.clock.now();
        let mut new = old.edited(&edit.fields, edit.user, &now.to_string());
        let favorite = edit.favorite.unwrap_or(seen.favorite);
        let moved = (favorite != seen.favorite).then_some(favorite);
        if let Some(on) = moved {
            new.count_like(on);
        }
        let old_fields = old.fields()?;
        let changes = changed_items(
            index::postings(&old_fields, old.id),
            index::postings(&edit.fields, old.id),
        );
        let mut genres = GenreMoves::between(Some(&old_fields.genres), Some(&edit.fields.genres));
        let mut is_counted = moved.is_some();
        let mut had_conflict = false;
        // One more, for the count.
        for attempt in 0..=GENRE_ATTEMPTS {
            pause_before(attempt.saturating_sub(1)).await;
            let mut transaction = Transaction::first();
            let (update, made) = replacing(old, &new, moved, is_counted)?;
            transaction.prove_by(Proof::Has(old.key(), made));
            let movie = transaction.add(self.on(old.key()).update(update)?);
            for (key, item) in &changes {
                let on = self.on(key.clone());
                transaction.add(match item {
                    Some(item) => on.put(item, Expression::none())?,
                    None => on.delete(Expression::none())?,
                });
            }
            let mut favorite_action = None;
            if let Some(favorite) = moved {
                let on = self.on(keys::favorite(old.id, caller));
                favorite_action = Some(transaction.add(if favorite {
                    on.put(&FavoriteItem::new(old.id, caller, now), unused())?
                } else {
                    on.delete(Expression::none().when("attribute_exists(#pk)"))?
                }));
            }
            genres.add_to(self, &mut transaction)?;
            let outcome = if is_counted {
                self.transact_once(&transaction).await?
            } else {
                self.transact_after(std::mem::take(&mut had_conflict), &transaction)
                    .await?
            };
            match outcome {
                Outcome::Committed => {
                    if moved.is_some() && !is_counted {
                        new = self.with_likes_of_now(new).await?;
                    }
                    return Ok(Some(MovieView { movie: new, favorite }));
                }
                Outcome::Conflict => (is_counted, had_conflict) = (false, true),
                refused => {
                    let learned = genres.learn(&refused);
                    let only_count = is_counted && is_version(refused.found(movie), old.version);
                    if only_count {
                        is_counted = false;
                    }
                    let may_go_on = learned || only_count;
                    let by_favorite = favorite_action.is_some_and(|action| refused.failed(action));
                    if !may_go_on || by_favorite || (refused.failed(movie) && !only_count) {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }

    /// The movie as it is known, with the likes that the table has now. A change has just been made of it: where the table
    /// doesn't tell any more, that is no reason to say it wasn't, and the likes stay those that are known.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has been deleted since.
    pub(crate) async fn with_likes_of_now(&self, known: MovieItem) -> Result<MovieItem> {
        match self.get(&known.key()).await {
            Ok(item) => {
                let now: MovieItem = from_item(item.ok_or_else(no_movie)?)?;
                Ok(MovieItem {
                    likes: now.likes,
                    liked: now.liked,
                    ..known
                })
            }
            Err(error @ Error::Unavailable(_)) => {
                telemetry::warn(&error, "a count can't be read after a change");
                Ok(known)
            }
            Err(error) => Err(error),
        }
    }

    /// AP-12: deletes a movie with its postings and counts in one transaction, then its favorites. `decide` may refuse.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the movie, whatever `decide` says, [`Error::Unavailable`] when it can't be done in
    /// time.
    pub async fn delete_movie(
        &self,
        id: MovieId,
        caller: UserId,
        decide: impl Fn(&EditView) -> Result<()>,
    ) -> Result<()> {
        for attempt in 0..EDIT_ATTEMPTS {
            pause_before(attempt).await;
            let seen = self.read_for_edit(id, caller, None).await?;
            decide(&seen)?;
            if let Some(has_favorites) = self.try_delete(&seen.view.movie).await? {
                // The movie is gone, and with it all that shows its favorites. Should this fail or be cut off, the `SWEEP`
                // item remembers.
                let sweep = self.sweep_favorites_of(id, PASSES_OF_DELETION);
                if has_favorites && let Err(error) = within(SWEEP_OF_DELETION, sweep).await {
                    telemetry::warn(&error, "favorites left to sweep");
                }
                return Ok(());
            }
        }
        Err(Error::Unavailable(
            "the deletion conflicted with edits on every attempt".into(),
        ))
    }

    /// One try at a deletion: whether there may be favorites to sweep, or `None` when the movie was edited in between.
    ///
    /// A movie without favorites is deleted under the condition that it has none, and leaves nothing. Any other is deleted
    /// whatever its count is by then, with an item that tells the sweep. Once it is gone no favorite is added, since that
    /// would move its count; so the sweep finds all there are.
    async fn try_delete(&self, movie: &MovieItem) -> Result<Option<bool>> {
        let fields = movie.fields()?;
        let mut genres = GenreMoves::between(Some(&fields.genres), None);
        let mut has_favorites = movie.favorite_count() > 0;
        // One more, for a first favorite.
        for attempt in 0..=GENRE_ATTEMPTS {
            pause_before(attempt.saturating_sub(1)).await;
            let mut transaction = Transaction::first();
            transaction.prove_by(Proof::Gone(movie.key()));
            let mut unchanged = Expression::none()
                .when("#version = :version")
                .value(":version", number(movie.version));
            if !has_favorites {
                unchanged = unchanged
                    .when("#likes = :likes")
                    .value(":likes", number(movie.likes));
            }
            let deletion = transaction.add(self.on(movie.key()).delete(unchanged)?);
            transaction.add(self.count(Counter::Movies, -1)?);
            for key in index::postings(&fields, movie.id).into_keys() {
                transaction.add(self.on(key).delete(Expression::none())?);
            }
            if has_favorites {
                let empty: BTreeMap<String, String> = BTreeMap::new();
                transaction.add(self.on(keys::sweep(movie.id)).put(&empty, Expression::none())?);
            }
            genres.add_to(self, &mut transaction)?;
            match self.transact(&transaction).await? {
                Outcome::Committed => return Ok(Some(has_favorites)),
                refused => {
                    let learned = genres.learn(&refused);
                    if refused.failed(deletion) {
                        if has_favorites || !is_version(refused.found(deletion), movie.version) {
                            return Ok(None);
                        }
                        has_favorites = true;
                    } else if !learned {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Whether a movie that failed a condition is of this version still.
fn is_version(found: Option<&Item>, version: u64) -> bool {
    found.is_some_and(|item| item.get("version") == Some(&number(version)))
}

/// The update that makes `old` into `new`, if nobody edited it since, and what it leaves on the item. One that adds a
/// favorite (`Some(true)`) or takes one off moves the likes by that; `counted`, only if they are as they were seen.
fn replacing(
    old: &MovieItem,
    new: &MovieItem,
    favorite: Option<bool>,
    counted: bool,
) -> Result<(Expression, Item)> {
    // Each attribute by name; likes belong to favorites, which may move them meanwhile.
    const EDITED: [&str; 10] = [
        "title",
        "description",
        "release_date",
        "director",
        "genre",
        "cover_image",
        "user",
        "updated_at",
        "version",
        "date",
    ];
    const VALUES: [&str; 10] = [
        ":title",
        ":description",
        ":release_date",
        ":director",
        ":genre",
        ":cover_image",
        ":user",
        ":updated_at",
        ":version",
        ":date",
    ];
    let (before, mut after) = (to_item(old)?, to_item(new)?);
    let (mut set, mut remove, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let mut made = Item::new();
    for (name, value_name) in EDITED.into_iter().zip(VALUES) {
        let value = after.remove(name);
        made.extend(value.clone().map(|value| (name.to_owned(), value)));
        match value {
            Some(value) if before.get(name) != Some(&value) => {
                set.push(format!("#{name} = {value_name}"));
                values.push((value_name, value));
            }
            None if before.contains_key(name) => remove.push(format!("#{name}")),
            _ => {}
        }
    }
    let mut add = "";
    if let Some(on) = favorite {
        add = " ADD #likes :step";
        let sign = if on { "" } else { "-" };
        values.push((":step", number(format_args!("{sign}{ONE_LIKE}"))));
        if let Some(shard) = new.liked.as_ref().filter(|_| on) {
            set.push("#liked = :liked".into());
            values.push((":liked", text(shard)));
        }
    }
    let mut update = format!("SET {}", set.join(", "));
    if !remove.is_empty() {
        update.push_str(&format!(" REMOVE {}", remove.join(", ")));
    }
    update.push_str(add);
    let mut expression = Expression::update(update)
        .when("#version = :seen_version")
        .value(":seen_version", number(old.version));
    if counted {
        expression = expression
            .when("#likes = :seen_likes")
            .value(":seen_likes", number(old.likes));
    }
    let expression = values
        .into_iter()
        .fold(expression, |e, (name, value)| e.value(name, value));
    Ok((expression, made))
}

/// The items to write, and (`None`) to delete, to get from the old items to the new.
fn changed_items(
    mut old: BTreeMap<Key, PostingItem>,
    new: BTreeMap<Key, PostingItem>,
) -> BTreeMap<Key, Option<PostingItem>> {
    let mut changes = BTreeMap::new();
    for (key, item) in new {
        if old.remove(&key).as_ref() != Some(&item) {
            changes.insert(key, Some(item));
        }
    }
    changes.extend(old.into_keys().map(|key| (key, None)));
    changes
}

/// Sorts by release date, newest first, and among equals by id, latest first.
pub fn newest_first(views: &mut [MovieView]) {
    views.sort_by(|a, b| b.movie.date.cmp(&a.movie.date));
}

/// The error for a movie that isn't there.
#[must_use]
pub fn no_movie() -> Error {
    Error::not_found("There is no movie with this id.")
}

/// The condition that nothing has this key yet.
fn unused() -> Expression {
    Expression::none().when("attribute_not_exists(#pk)")
}

/// The ids of the movies that items name.
pub(crate) fn movie_ids(items: &[Item]) -> Result<Vec<MovieId>> {
    items
        .iter()
        .map(|item| movie_id(item).ok_or_else(|| corrupt("an item without a movie's id")))
        .collect()
}

/// The id of the movie that an item names: at the end of its sort key, or for a favorite in its partition key.
fn movie_id(item: &Item) -> Option<MovieId> {
    let key = Key::of(item)?;
    let id = match key.pk.strip_prefix("FAVORITES#") {
        Some(id) => id.parse().ok()?,
        None => keys::id_at_end(&key.sk)?,
    };
    MovieId::try_from(id).ok()
}
