//! Movies: the item, and the reads of movies by id.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    db::{
        item::{self, Item, StoredItem, corrupt, from_item, number},
        keys::{self, Key},
        likes::{self, CountChange, LikesShards},
        page::Slice,
        store::Store,
        user::existing,
    },
    domain::{
        CoverImage, Description, Director, Genres, ImdbId, MovieFields, MovieId, ReleaseDate, Title, UserId,
    },
    error::{Error, Result},
};

/// The error for a movie that doesn't exist.
pub const NO_MOVIE: Error = Error::not_found("There is no movie with this id.");

/// A movie as stored under `MOVIES#⌊id/256⌋`, id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Attributes")]
pub struct MovieItem {
    /// The movie's id.
    pub id: MovieId,
    /// The fields that a client sets. Each is an attribute of the item.
    #[serde(flatten)]
    pub fields: MovieFields,
    /// The owner. `None` for an imported movie without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// When the movie was added (RFC 3339).
    pub created_at: String,
    /// When the movie was last edited (RFC 3339).
    pub updated_at: String,
    /// 1 for a new movie; each edit adds 1. Favorites don't change it.
    pub version: u64,
    /// Favorites × 10¹⁰ + id ([`likes`]).
    pub likes: u64,
    /// The shard of the likes index. `None` until the first favorite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liked: Option<String>,
    /// The partition key in the index by date.
    pub dated: String,
    /// The sort key in the index by date.
    pub date: String,
    /// The texts before the last edit, as long as the edit [isn't finished](crate::db::unfinished).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<TextsBefore>,
}

/// The texts and the date from which a movie's postings were made before an edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextsBefore {
    title: Title,
    director: Director,
    genre: Genres,
    release_date: ReleaseDate,
}

impl TextsBefore {
    /// Those of a movie with these fields.
    #[must_use]
    pub fn of(fields: &MovieFields) -> Self {
        Self {
            title: fields.title.clone(),
            director: fields.director.clone(),
            genre: fields.genres.clone(),
            release_date: fields.release_date,
        }
    }
}

/// The attributes of a [`MovieItem`], in one struct. Through `#[serde(flatten)]`, serde copies the name of each attribute and
/// all attributes into a buffer, which is ten allocations more for each movie that is read.
#[derive(Deserialize)]
struct Attributes {
    id: MovieId,
    title: Title,
    description: Description,
    release_date: ReleaseDate,
    director: Director,
    genre: Genres,
    imdb_id: Option<ImdbId>,
    cover_image: Option<CoverImage>,
    user: Option<UserId>,
    created_at: String,
    updated_at: String,
    version: u64,
    likes: u64,
    liked: Option<String>,
    dated: String,
    date: String,
    unfinished: Option<TextsBefore>,
}

impl From<Attributes> for MovieItem {
    fn from(attributes: Attributes) -> Self {
        Self {
            id: attributes.id,
            fields: MovieFields {
                title: attributes.title,
                description: attributes.description,
                release_date: attributes.release_date,
                director: attributes.director,
                genres: attributes.genre,
                imdb_id: attributes.imdb_id,
                cover_image: attributes.cover_image,
            },
            user: attributes.user,
            created_at: attributes.created_at,
            updated_at: attributes.updated_at,
            version: attributes.version,
            likes: attributes.likes,
            liked: attributes.liked,
            dated: attributes.dated,
            date: attributes.date,
            unfinished: attributes.unfinished,
        }
    }
}

impl MovieItem {
    /// The item of a new movie.
    #[must_use]
    pub fn new(id: MovieId, fields: &MovieFields, user: Option<UserId>, now: &str) -> Self {
        Self {
            id,
            fields: fields.clone(),
            user,
            created_at: now.to_owned(),
            updated_at: now.to_owned(),
            version: 1,
            likes: id.get(),
            liked: None,
            dated: keys::MOVIES_DATED.to_owned(),
            date: keys::dated(&fields.release_date.to_string(), id),
            unfinished: None,
        }
    }

    /// The number of users whose favorite the movie is.
    #[must_use]
    pub fn favorite_count(&self) -> u64 {
        likes::favorite_count(self.likes)
    }

    /// The movie's key.
    pub(crate) fn key(&self) -> Key {
        keys::movie(self.id)
    }

    /// The movie after an edit.
    pub(crate) fn edited(&self, fields: &MovieFields, user: Option<UserId>, now: &str) -> Self {
        Self {
            created_at: self.created_at.clone(),
            version: self.version + 1,
            likes: self.likes,
            liked: self.liked.clone(),
            ..Self::new(self.id, fields, user, now)
        }
    }

    /// The fields before an edit that isn't finished, as far as postings are made of them. `None` if the last edit is finished.
    pub(crate) fn fields_before_edit(&self) -> Option<MovieFields> {
        self.unfinished.as_ref().map(|before| MovieFields {
            title: before.title.clone(),
            director: before.director.clone(),
            genres: before.genre.clone(),
            release_date: before.release_date,
            ..self.fields.clone()
        })
    }

    /// Counts one favorite more or less. The first one gives the movie its shard.
    pub(crate) fn count_favorite(&mut self, change: CountChange, shards: LikesShards) {
        self.likes = change.apply(self.likes);
        if change.is_favorite() {
            self.liked.get_or_insert_with(|| shards.of(self.id));
        }
    }
}

/// Whether the item that failed a condition is a movie that still has this version.
pub(crate) fn is_version(item: Option<&Item>, version: u64) -> bool {
    item.is_some_and(|item| item.get("version") == Some(&number(version)))
}

/// A movie as one caller sees it.
#[derive(Clone, Debug)]
pub struct MovieView {
    /// The movie.
    pub movie: MovieItem,
    /// Whether it is a favorite of the caller.
    pub favorite: bool,
}

impl Store {
    /// AP-01, AP-14: a movie, with the caller's favorite and the caller in the same batch. One call; 1 unit, or 3 with a caller.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] if the caller's account was deleted.
    pub async fn get_movie(&self, id: MovieId, caller: Option<UserId>) -> Result<Option<MovieView>> {
        let Some(caller) = caller else {
            let movie = self.get(&keys::movie(id)).await?;
            let movie = movie.map(from_item::<MovieItem>).transpose()?;
            return Ok(movie.map(|movie| MovieView {
                movie,
                favorite: false,
            }));
        };
        let (movie, favorite, user) = (keys::movie(id), keys::favorite(id, caller), keys::user(caller));
        let wanted = vec![movie.clone(), favorite.clone(), user.clone()];
        let mut found = self.batch_get(wanted).await?;
        existing(found.remove(&user))?;
        let favorite = found.contains_key(&favorite);
        let movie = found.remove(&movie).map(from_item::<MovieItem>).transpose()?;
        Ok(movie.map(|movie| MovieView { movie, favorite }))
    }

    /// AP-14: movies by id, in the given order, with the caller's favorites in the same batch. Ids without a movie are left
    /// out, because an index may name a movie for a moment after it was deleted. An id that is given twice returns one movie.
    pub async fn get_movies(&self, ids: &[MovieId], caller: Option<UserId>) -> Result<Vec<MovieView>> {
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

    /// AP-14: the movies that a page's items name, with the caller's favorites.
    pub(crate) async fn get_movies_of_page(
        &self,
        slice: Slice<StoredItem>,
        caller: Option<UserId>,
    ) -> Result<Slice<MovieView>> {
        let (items, place) = slice.split();
        let views = self.get_movies(&movie_ids(&items)?, caller).await?;
        Ok(place.with_items(views))
    }

    /// AP-14: the caller's favorites among movies that were read already.
    pub(crate) async fn with_favorites(
        &self,
        movies: Vec<MovieItem>,
        caller: Option<UserId>,
    ) -> Result<Vec<MovieView>> {
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

    /// A movie that was just changed, with the likes that are stored now.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the movie has been deleted since; [`Error::Unavailable`] if the table can't be read in time. Then the
    /// change was made, and no count is known that could be shown.
    pub(crate) async fn with_current_likes(&self, changed: MovieItem) -> Result<MovieItem> {
        let current = self.get(&changed.key()).await?.ok_or(NO_MOVIE)?;
        let current: MovieItem = from_item(current)?;
        Ok(MovieItem {
            likes: current.likes,
            liked: current.liked,
            ..changed
        })
    }
}

/// The ids of the movies that items are about.
pub(crate) fn movie_ids(items: &[StoredItem]) -> Result<Vec<MovieId>> {
    items.iter().map(movie_id).collect()
}

/// The id of the movie that an item is about.
pub(crate) fn movie_id(item: &impl item::Attributes) -> Result<MovieId> {
    Key::of(item)
        .as_ref()
        .and_then(keys::movie_of)
        .ok_or_else(|| corrupt("an item without a movie's id"))
}

/// Sorts by release date, newest first; equal dates by id, largest first.
pub(crate) fn newest_first(views: &mut [MovieView]) {
    views.sort_by(|a, b| b.movie.date.cmp(&a.movie.date));
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::db::item::to_item;

    /// A movie with this cover image, and with an IMDb id if it has one.
    fn item(cover_image: Option<CoverImage>) -> MovieItem {
        let fields = MovieFields {
            title: Title::parse("Alien").unwrap(),
            description: Description::parse("In space\nno one can hear you.").unwrap(),
            release_date: ReleaseDate::parse("1979-05-25").unwrap(),
            director: Director::parse("Ridley Scott").unwrap(),
            genres: Genres::parse("Sci-Fi,Horror").unwrap(),
            imdb_id: ImdbId::parse("tt0078748").ok().filter(|_| cover_image.is_some()),
            cover_image,
        };
        let (id, user) = (MovieId::try_from(7).unwrap(), UserId::try_from(2).ok());
        MovieItem::new(id, &fields, user, "2026-11-22T21:34:01.250Z")
    }

    #[test]
    fn each_field_is_an_attribute_and_a_missing_value_is_none() {
        let stored = to_item(&item(None)).unwrap();
        let text = |name: &str| stored[name].as_s().unwrap().as_str();
        assert_eq!(text("title"), "Alien");
        assert_eq!(text("release_date"), "1979-05-25");
        assert_eq!(text("genre"), "Sci-Fi, Horror");
        for absent in ["imdb_id", "cover_image", "fields"] {
            assert!(!stored.contains_key(absent), "{absent}");
        }
    }

    #[test]
    fn a_movie_is_read_as_it_was_stored() {
        for cover in [None, CoverImage::parse("https://example.org/a.jpg").ok()] {
            let movie = item(cover);
            let stored = to_item(&movie).unwrap();
            assert_eq!(from_item::<MovieItem>(stored).unwrap(), movie);
        }
    }

    #[test]
    fn a_movie_whose_edit_is_not_finished_is_read_with_its_texts_before() {
        let mut movie = item(None);
        let before = MovieFields::of_words("Aliens", "James Cameron", "War, Sci-Fi");
        movie.unfinished = Some(TextsBefore::of(&before));
        let stored = to_item(&movie).unwrap();
        let texts = stored["unfinished"].as_m().unwrap();
        assert_eq!(texts["genre"], AttributeValue::S("War, Sci-Fi".into()));
        assert_eq!(texts.len(), 4);
        let read: MovieItem = from_item(stored).unwrap();
        assert_eq!(read, movie);
        let again = read.fields_before_edit().unwrap();
        assert_eq!(TextsBefore::of(&again), TextsBefore::of(&before));
        assert_eq!(again.description, movie.fields.description);
    }

    #[test]
    fn texts_that_are_no_longer_accepted_are_still_read() {
        let mut stored = to_item(&item(None)).unwrap();
        let long = "x".repeat(300);
        stored.insert("title".into(), AttributeValue::S(long.clone()));
        let movie: MovieItem = from_item(stored).unwrap();
        assert_eq!(movie.fields.title.as_str(), long);
    }
}
