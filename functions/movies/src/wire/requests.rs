//! The bodies of requests: a new movie, a whole one, and the changes of one.

use std::collections::BTreeSet;

use bytes::Bytes;
use marquee_shared::{
    Error, Result,
    db::vocabulary::text_words,
    domain::{
        CoverImage, Description, Director, Genres, ImdbId, MovieFields, NamedCover, ReleaseDate, Title,
        UserId,
    },
    error::FieldErrors,
    http::body::{Field, Fields, FromFields},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type},
};

/// The fields of a movie in a request. A new movie must have the first [`REQUIRED`].
const FIELDS: &[&str] = &[
    "title",
    "description",
    "release_date",
    "director",
    GENRE,
    "imdb_id",
    COVER,
    "favorite",
    "user",
];

/// The field that a multipart form may have as a file.
pub(crate) const COVER: &str = "cover_image";

/// The field that a form may have more than once.
const GENRE: &str = "genre";

/// Returns the schema of the genres in a request.
fn genre_schema() -> Schema {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "One genre, or at most 9 separated by commas. Each must be at most 40 characters, and at most 120 bytes in lower \
             case without ligatures.",
        ))
        .min_length(Some(1))
        .max_length(Some(200))
        .examples(["Crime, Drama"])
        .build();
    let list = ArrayBuilder::new()
        .description(Some(
            "The genres one by one, which means the same as commas between them. A form repeats the field instead.",
        ))
        .items(Object::with_type(Type::String))
        .min_items(Some(1))
        .build();
    OneOfBuilder::new().item(text).item(list).build().into()
}

/// How many of [`FIELDS`] a new movie must have.
const REQUIRED: usize = 5;

/// What a request makes of a movie's cover.
#[derive(Clone, Debug)]
pub(crate) enum CoverChange {
    /// The movie gets none.
    Remove,
    /// The movie gets the cover with this URL.
    Named(NamedCover),
    /// The movie gets this image.
    Image(Bytes),
}

/// The fields of a movie to change. Fields that are left out keep their values.
#[derive(Clone, Debug, ToSchema)]
#[schema(example = json!({"title": "The Godfather Part II", "release_date": "1974-12-20"}))]
pub(crate) struct MoviePatch {
    /// The title. Title, director and genre together must have at most 30 different words.
    #[schema(nullable = false)]
    title: Option<Title>,
    /// The description.
    #[schema(nullable = false)]
    description: Option<Description>,
    /// The date of the release.
    #[schema(nullable = false)]
    release_date: Option<ReleaseDate>,
    /// The director, or several directors.
    #[schema(nullable = false)]
    director: Option<Director>,
    /// One genre, or at most 9 separated by commas. Each must be at most 40 characters, and at most 120 bytes in lower case
    /// without ligatures.
    #[schema(schema_with = genre_schema)]
    genre: Option<Genres>,
    /// The id at IMDb, or null to have none. No other movie may have it.
    #[schema(value_type = Option<ImdbId>)]
    imdb_id: Option<Option<ImdbId>>,
    /// The URL of the cover image, or null to have none. The URL of the movie's uploaded cover keeps it. In a multipart form also
    /// an image: a JPEG, PNG, WebP, GIF or AVIF of at most 4 MB (4,000,000 bytes) and 50 megapixels.
    #[schema(value_type = Option<CoverImage>)]
    cover_image: Option<CoverChange>,
    /// Adds the movie to the caller's favorites (`true`) or removes it (`false`).
    pub(crate) favorite: Option<bool>,
    /// The id of the user to whom the movie belongs. Only an admin may name another user than the caller.
    pub(crate) user: Option<UserId>,
}

impl FromFields for MoviePatch {
    const FIELDS: &'static [&'static str] = FIELDS;
    const REPEATED: &'static [&'static str] = &[GENRE];
    const FILES: &'static [&'static str] = &[COVER];

    fn from_fields(fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let patch = Self::read(fields, &mut errors);
        errors.check()?;
        Ok(patch)
    }
}

impl MoviePatch {
    fn read(mut fields: Fields, errors: &mut FieldErrors) -> Self {
        let mut image = None;
        match fields.take_file() {
            Some(file) if file.field == COVER => image = Some(CoverChange::Image(file.content)),
            Some(file) => errors.add(file.field, "Must be text, not a file."),
            None => {}
        }
        Self {
            title: text(&mut fields, "title", errors, Title::parse),
            description: text(&mut fields, "description", errors, Description::parse),
            release_date: text(&mut fields, "release_date", errors, ReleaseDate::parse),
            director: text(&mut fields, "director", errors, Director::parse),
            genre: genre(&mut fields, errors),
            imdb_id: nullable(&mut fields, "imdb_id", errors, ImdbId::parse),
            cover_image: image.or_else(|| {
                let named = nullable(&mut fields, COVER, errors, NamedCover::parse)?;
                Some(named.map_or(CoverChange::Remove, CoverChange::Named))
            }),
            favorite: optional(fields.boolean("favorite"), "favorite", errors),
            user: optional(fields.positive("user"), "user", errors)
                .and_then(|id| errors.take("user", UserId::try_from(id))),
        }
    }

    /// Returns `movie` with these changes, but with its own cover.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the result has too many different words.
    pub(crate) fn apply(&self, movie: &MovieFields) -> Result<MovieFields> {
        self.over(Some(movie))
    }

    /// Returns what becomes of the cover. `None` leaves it as it is.
    pub(crate) fn cover(&self) -> Option<&CoverChange> {
        self.cover_image.as_ref()
    }

    /// Returns the words of its texts that belong in the vocabulary.
    pub(crate) fn vocabulary_words(&self) -> BTreeSet<String> {
        text_words(self.title.as_ref(), self.director.as_ref(), self.genre.as_ref())
    }

    /// Returns the fields of the patch, and from `old` those that the patch lacks.
    fn over(&self, old: Option<&MovieFields>) -> Result<MovieFields> {
        let fields = MovieFields {
            title: newer(self.title.as_ref(), old.map(|old| &old.title))?,
            description: newer(self.description.as_ref(), old.map(|old| &old.description))?,
            release_date: newer(self.release_date.as_ref(), old.map(|old| &old.release_date))?,
            director: newer(self.director.as_ref(), old.map(|old| &old.director))?,
            genres: newer(self.genre.as_ref(), old.map(|old| &old.genres))?,
            imdb_id: newer(
                self.imdb_id.as_ref(),
                Some(&old.and_then(|old| old.imdb_id.clone())),
            )?,
            cover_image: old.and_then(|old| old.cover_image.clone()),
        };
        fields.check().map_err(|e| Error::invalid("title", e.to_string()))
    }
}

/// Returns the value of a patch, or else the old one.
fn newer<T: Clone>(new: Option<&T>, old: Option<&T>) -> Result<T> {
    let missing = || Error::Internal("a movie without a required field".into());
    new.or(old).cloned().ok_or_else(missing)
}

/// A whole movie: a [`MoviePatch`] with every required field.
#[derive(Clone, Debug)]
pub(crate) struct NewMovie {
    /// The fields of the movie, without a cover.
    pub(crate) fields: MovieFields,
    /// Whether the request has an id at IMDb or null for it.
    pub(crate) has_imdb_id_field: bool,
    /// What becomes of the cover. `None` leaves it as it is.
    pub(crate) cover: Option<CoverChange>,
    /// Whether to add the movie to the caller's favorites or to remove it.
    pub(crate) favorite: Option<bool>,
    /// The user named as the owner.
    pub(crate) user: Option<UserId>,
}

impl PartialSchema for NewMovie {
    fn schema() -> RefOr<Schema> {
        let mut schema = MoviePatch::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.description = Some("A whole movie.".into());
            object.required = FIELDS
                .iter()
                .take(REQUIRED)
                .map(|name| (*name).to_owned())
                .collect();
            object.example = None;
        }
        schema
    }
}

impl ToSchema for NewMovie {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        MoviePatch::schemas(schemas);
    }
}

impl FromFields for NewMovie {
    const FIELDS: &'static [&'static str] = FIELDS;
    const REPEATED: &'static [&'static str] = &[GENRE];
    const FILES: &'static [&'static str] = &[COVER];

    fn from_fields(fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        // One that is a file isn't missing. `read` says what is wrong with it.
        let is_file = |name: &str| fields.file().is_some_and(|file| file.field == name);
        for name in FIELDS.iter().take(REQUIRED).filter(|name| !is_file(name)) {
            fields.require(name, &mut errors);
        }
        let patch = MoviePatch::read(fields, &mut errors);
        errors.check()?;
        Ok(Self {
            fields: patch.over(None)?,
            has_imdb_id_field: patch.imdb_id.is_some(),
            cover: patch.cover_image,
            favorite: patch.favorite,
            user: patch.user,
        })
    }
}

/// Reads a text field. It may be left out, but must not be null.
fn text<T, E: std::fmt::Display>(
    fields: &mut Fields,
    name: &'static str,
    errors: &mut FieldErrors,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<T> {
    parsed(fields.string(name), name, errors, parse)
}

/// Reads the genres: text, or a list of texts that means the same as commas between them.
fn genre(fields: &mut Fields, errors: &mut FieldErrors) -> Option<Genres> {
    parsed(fields.list(GENRE), GENRE, errors, Genres::parse)
}

/// Parses a text field. It may be left out, but must not be null.
fn parsed<T, E: std::fmt::Display>(
    field: Field<String>,
    name: &'static str,
    errors: &mut FieldErrors,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<T> {
    let text = field.not_null(name, errors)?;
    errors.take(name, parse(&text))
}

/// Reads a field that may be left out or null. Both mean the same.
fn optional<T>(field: Field<T>, name: &'static str, errors: &mut FieldErrors) -> Option<T> {
    match field {
        Field::Missing | Field::Null => None,
        Field::Value(value) => Some(value),
        Field::Wrong(message) => {
            errors.add(name, message);
            None
        }
    }
}

/// Reads a text field that may be left out (`None`) or null (`Some(None)`).
fn nullable<T, E: std::fmt::Display>(
    fields: &mut Fields,
    name: &'static str,
    errors: &mut FieldErrors,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<Option<T>> {
    match fields.string(name) {
        Field::Missing => None,
        Field::Null => Some(None),
        // A form has no null: an empty value stands for it, or the word that browsers write.
        Field::Value(text) if fields.from_text() && matches!(text.trim(), "" | "null") => Some(None),
        Field::Value(text) => Some(errors.take(name, parse(&text))),
        Field::Wrong(message) => {
            errors.add(name, message);
            None
        }
    }
}
