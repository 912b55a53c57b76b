//! Request and response bodies.

use axum::http::{HeaderMap, header};
use marquee_shared::{
    Error, Result,
    db::{
        categories::Category,
        favorite::FavoriteState,
        movie::{MovieItem, MovieView},
    },
    domain::{CoverImage, Description, Director, Genres, MovieFields, MovieId, ReleaseDate, Title, UserId},
    error::FieldErrors,
    http::{
        body::{Field, Fields, FromFields},
        wire::MovieBody,
    },
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

/// Movies in order.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovieList {
    /// The movies.
    pub results: Vec<MovieBody>,
}

impl From<Vec<MovieView>> for MovieList {
    fn from(views: Vec<MovieView>) -> Self {
        Self {
            results: views.into_iter().map(MovieBody::from).collect(),
        }
    }
}

/// A genre with its newest movies.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Category)]
pub struct CategoryBody {
    /// Its name as it was first written.
    #[schema(example = "Drama")]
    pub genre: String,
    /// How many movies it has, exact.
    #[schema(minimum = 1, example = 1)]
    pub count: u64,
    /// Its newest movies, five at most.
    pub movies: Vec<MovieBody>,
}

impl From<Category> for CategoryBody {
    fn from(category: Category) -> Self {
        Self {
            genre: category.genre.name,
            count: category.genre.n,
            movies: category.movies.into_iter().map(MovieBody::from).collect(),
        }
    }
}

/// A caller's favorite on a movie.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Favorite)]
pub struct FavoriteBody {
    /// The movie.
    pub id: MovieId,
    /// Whether the caller holds it as a favorite now.
    #[schema(example = true)]
    pub favorite: bool,
    /// How many users do, exact.
    #[schema(minimum = 0, example = 1)]
    pub favorite_count: u64,
    /// The same in words.
    #[schema(example = "The movie is among your favorites.")]
    pub message: &'static str,
}

impl FavoriteBody {
    /// The state of a favorite as a body.
    #[must_use]
    pub fn new(id: MovieId, state: FavoriteState) -> Self {
        Self {
            id,
            favorite: state.favorite,
            favorite_count: state.favorite_count,
            message: if state.favorite {
                "The movie is among your favorites."
            } else {
                "The movie is not among your favorites."
            },
        }
    }
}

/// The id in a movie's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "documentation; the handler reads Path")]
pub struct MovieIdParam {
    /// The movie's id. What isn't one names no movie.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1)]
    id: u64,
}

/// The precondition of an edit.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "documentation; IfMatch reads the header")]
pub struct IfMatchParam {
    /// The version the movie must be at: the `ETag` of an earlier answer (RFC 9110 §13.1.1).
    #[param(rename = "if-match", example = "\"1\"")]
    if_match: Option<String>,
}

/// The parameters of the movies' list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documentation; the handler reads Params")]
pub struct MovieListParams {
    /// Only movies of this genre, whatever its case.
    #[param(min_length = 1, example = "Drama")]
    genre: Option<String>,
    /// The order.
    #[param(inline)]
    ordering: Option<OrderingParam>,
}

/// An order of movies.
#[derive(ToSchema)]
#[schema(default = "id")]
#[allow(dead_code, reason = "documentation; the handler reads Params")]
pub enum OrderingParam {
    /// By id.
    #[schema(rename = "id")]
    Id,
    /// By id, the latest first.
    #[schema(rename = "-id")]
    IdDescending,
    /// By release date.
    #[schema(rename = "release_date")]
    ReleaseDate,
    /// By release date, the newest first.
    #[schema(rename = "-release_date")]
    ReleaseDateDescending,
}

/// The parameter of search.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documentation; the handler reads Params")]
pub struct SearchParams {
    /// What to look for.
    #[param(min_length = 1, max_length = 600, pattern = r"\S", example = "the godfather")]
    q: String,
}

/// The `limit` of a list without pages.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documentation; the handler reads Params")]
pub struct LimitParam {
    /// How many movies.
    #[param(minimum = 1, maximum = 100, example = 10)]
    limit: Option<u32>,
}

/// A whole movie, as a request gives it.
#[derive(ToSchema)]
#[schema(as = NewMovie)]
#[allow(dead_code, reason = "documentation; FromFields reads the values")]
pub struct NewMovieBody {
    /// The title. Must have a visible character. Title, director and genre together must have at most 30 different words.
    #[schema(min_length = 1, max_length = 200, example = "The Godfather")]
    title: String,
    /// Description; may hold line breaks and tabs.
    #[schema(
        min_length = 1,
        max_length = 5000,
        example = "A family, and the price of its business."
    )]
    description: String,
    /// A real date from 1870-01-01 on.
    #[schema(format = Date, example = "1972-03-24")]
    release_date: String,
    /// Director.
    #[schema(min_length = 1, max_length = 200, example = "Francis Ford Coppola")]
    director: String,
    /// One genre, or several separated by commas: at most 9, each of at most 40 characters, and of 120 bytes in lower case
    /// with ligatures spelled out.
    #[schema(min_length = 1, max_length = 200, example = "Crime, Drama")]
    genre: String,
    /// An https URL, or null for none.
    #[schema(
        format = "uri",
        max_length = 2048,
        pattern = r#"^https://[^\s/?#@"'`<>\\]+([/?#][^\s"'`<>\\]*)?$"#,
        example = "https://example.org/covers/the-godfather.jpg"
    )]
    cover_image: Option<String>,
    /// Adds the movie to the caller's favorites (`true`), or removes it (`false`).
    #[schema(example = true)]
    favorite: Option<bool>,
    /// The user who added it; another user than the caller only for admins.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    user: Option<u64>,
}

/// The fields of a movie to change.
#[derive(ToSchema)]
#[schema(as = MoviePatch)]
#[allow(dead_code, reason = "documentation; FromFields reads the values")]
pub struct MoviePatchBody {
    /// Title.
    #[schema(nullable = false, min_length = 1, max_length = 200, example = "The Godfather")]
    title: Option<String>,
    /// Description.
    #[schema(nullable = false, min_length = 1, max_length = 5000)]
    description: Option<String>,
    /// A real date from 1870-01-01 on.
    #[schema(nullable = false, format = Date, example = "1972-03-24")]
    release_date: Option<String>,
    /// Director.
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    director: Option<String>,
    /// Genres.
    #[schema(nullable = false, min_length = 1, max_length = 200, example = "Crime, Drama")]
    genre: Option<String>,
    /// An https URL, or null for none.
    #[schema(
        format = "uri",
        max_length = 2048,
        pattern = r#"^https://[^\s/?#@"'`<>\\]+([/?#][^\s"'`<>\\]*)?$"#
    )]
    cover_image: Option<String>,
    /// Adds the movie to the caller's favorites (`true`), or removes it (`false`).
    favorite: Option<bool>,
    /// The user who added it; another user than the caller only for admins.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    user: Option<u64>,
}

const FIELDS: &[&str] = &[
    "title",
    "description",
    "release_date",
    "director",
    "genre",
    "cover_image",
    "favorite",
    "user",
];

/// A whole movie, parsed.
#[derive(Clone, Debug)]
pub struct NewMovie {
    /// What it says of itself.
    pub fields: MovieFields,
    /// Whether the cover image was given, if only as null.
    pub names_cover: bool,
    /// The favorite the caller wants.
    pub favorite: Option<bool>,
    /// The user named as its owner.
    pub user: Option<UserId>,
}

impl FromFields for NewMovie {
    const FIELDS: &'static [&'static str] = FIELDS;

    fn from_fields(fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        for name in ["title", "description", "release_date", "director", "genre"] {
            fields.require(name, &mut errors);
        }
        let patch = MoviePatch::read(fields, &mut errors);
        let missing = || Error::Internal("a required field went missing".into());
        errors.check()?;
        let fields = MovieFields {
            title: patch.title.ok_or_else(missing)?,
            description: patch.description.ok_or_else(missing)?,
            release_date: patch.release_date.ok_or_else(missing)?,
            director: patch.director.ok_or_else(missing)?,
            genres: patch.genres.ok_or_else(missing)?,
            cover_image: patch.cover_image.clone().flatten(),
        };
        Ok(Self {
            fields: checked(fields)?,
            names_cover: patch.cover_image.is_some(),
            favorite: patch.favorite,
            user: patch.user,
        })
    }
}

/// The fields of a movie to change, parsed. What is `None` stays as it is.
#[derive(Clone, Debug)]
pub struct MoviePatch {
    title: Option<Title>,
    description: Option<Description>,
    release_date: Option<ReleaseDate>,
    director: Option<Director>,
    genres: Option<Genres>,
    cover_image: Option<Option<CoverImage>>,
    /// The favorite the caller wants.
    pub favorite: Option<bool>,
    /// The user named as its owner.
    pub user: Option<UserId>,
}

impl FromFields for MoviePatch {
    const FIELDS: &'static [&'static str] = FIELDS;

    fn from_fields(fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let patch = Self::read(fields, &mut errors);
        errors.check()?;
        Ok(patch)
    }
}

impl MoviePatch {
    fn read(mut fields: Fields, errors: &mut FieldErrors) -> Self {
        if let Some(name) = fields.file() {
            errors.add(name, "File uploads are not supported; send an https URL.");
        }
        Self {
            title: text(&mut fields, "title", errors, Title::parse),
            description: text(&mut fields, "description", errors, Description::parse),
            release_date: text(&mut fields, "release_date", errors, ReleaseDate::parse),
            director: text(&mut fields, "director", errors, Director::parse),
            genres: text(&mut fields, "genre", errors, Genres::parse),
            cover_image: cover(&mut fields, errors),
            favorite: optional(fields.boolean("favorite"), "favorite", errors),
            user: optional(fields.positive("user"), "user", errors)
                .and_then(|id| errors.take("user", UserId::try_from(id))),
        }
    }

    /// The movie with these changes.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it would hold too many different words.
    pub fn apply(&self, fields: MovieFields) -> Result<MovieFields> {
        checked(MovieFields {
            title: self.title.clone().unwrap_or(fields.title),
            description: self.description.clone().unwrap_or(fields.description),
            release_date: self.release_date.unwrap_or(fields.release_date),
            director: self.director.clone().unwrap_or(fields.director),
            genres: self.genres.clone().unwrap_or(fields.genres),
            cover_image: self.cover_image.clone().unwrap_or(fields.cover_image),
        })
    }
}

fn checked(fields: MovieFields) -> Result<MovieFields> {
    fields.check().map_err(|e| Error::invalid("title", e.to_string()))
}

/// A text field that may be left out, and not be null.
fn text<T, E: std::fmt::Display>(
    fields: &mut Fields,
    name: &'static str,
    errors: &mut FieldErrors,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Option<T> {
    match fields.string(name) {
        Field::Missing => None,
        Field::Value(text) => errors.take(name, parse(&text)),
        Field::Null => {
            errors.add(name, "This field may not be null.");
            None
        }
        Field::Wrong(message) => {
            errors.add(name, message);
            None
        }
    }
}

/// A field that may be left out or be null, which is the same.
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

/// The cover: left out, none (null, or blank in a form), or an image.
fn cover(fields: &mut Fields, errors: &mut FieldErrors) -> Option<Option<CoverImage>> {
    const NAME: &str = "cover_image";
    match fields.string(NAME) {
        Field::Missing => None,
        Field::Null => Some(None),
        // A form says null by nothing, or as a browser writes it.
        Field::Value(text) if fields.from_text() && matches!(text.trim(), "" | "null") => Some(None),
        Field::Value(text) => Some(errors.take(NAME, CoverImage::parse(&text))),
        Field::Wrong(message) => {
            errors.add(NAME, message);
            None
        }
    }
}

/// A request's `If-Match` (RFC 9110 §13.1.1).
#[derive(Debug)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// Reads the header; without it, every version matches.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Self {
        let values: Vec<String> = headers
            .get_all(header::IF_MATCH)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .map(|tag| String::from_utf8_lossy(tag).trim().to_owned())
            .collect();
        Self((!values.is_empty()).then_some(values))
    }

    /// Whether the movie is at a version that the header names.
    ///
    /// # Errors
    /// [`Error::Stale`] when it isn't.
    pub fn check(&self, movie: &MovieItem) -> Result<()> {
        let own = format!("\"{}\"", movie.version);
        match &self.0 {
            Some(tags) if !tags.iter().any(|tag| tag == "*" || *tag == own) => Err(Error::Stale),
            _ => Ok(()),
        }
    }
}
