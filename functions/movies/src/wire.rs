//! Request and response bodies, and the parameters that the OpenAPI document describes. Bodies of requests are in `requests`.

mod requests;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use marquee_shared::{
    db::{categories::Category, favorite::FavoriteState, movie::MovieView},
    domain::{MovieId, ReleaseDate},
    http::{
        Collection, Origin,
        collection::{link, linked},
        wire::MovieBody,
    },
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

pub(crate) use self::requests::{COVER, CoverChange, MoviePatch, NewMovie};

/// A list of movies without pages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MovieList {
    /// The movies, in the order of the list.
    results: Vec<MovieBody>,
}

impl MovieList {
    /// Returns the list of these movies.
    pub(crate) fn new(views: Vec<MovieView>, origin: &Origin) -> Self {
        let bodies = views.into_iter().map(|view| MovieBody::new(view, origin));
        Self {
            results: bodies.collect(),
        }
    }
}

/// A page of the results of a search.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchPage)]
pub(crate) struct SearchBody {
    /// Always null: the results of a search are not counted.
    #[schema(required, minimum = 0)]
    count: Option<u64>,
    /// The URL of the next page, or null on the last one.
    #[schema(required, format = "uri")]
    next: Option<String>,
    /// The URL of the previous page, or null on the first one.
    #[schema(required, format = "uri")]
    previous: Option<String>,
    /// The query that was answered instead of `q`, which no movie matches. Null if `q` itself was answered.
    #[schema(required, example = "star wars")]
    corrected_query: Option<String>,
    /// The results on this page.
    results: Vec<MovieBody>,
}

impl SearchBody {
    /// Returns the body for a page of movies, which answers `corrected_query` if there is one.
    pub(crate) fn new(page: Collection<MovieBody>, corrected_query: Option<String>) -> Self {
        let Collection {
            count,
            next,
            previous,
            results,
        } = page;
        Self {
            count,
            next,
            previous,
            corrected_query,
            results,
        }
    }
}

impl IntoResponse for SearchBody {
    fn into_response(self) -> Response {
        let link = link(self.next.as_deref(), self.previous.as_deref());
        linked(link, Json(self))
    }
}

/// A genre with its newest movies.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Category)]
pub(crate) struct CategoryBody {
    /// The genre, as it was first written.
    #[schema(example = "Drama")]
    genre: String,
    /// The exact number of movies of the genre.
    #[schema(minimum = 1, example = 1)]
    count: u64,
    /// The newest movies of the genre, at most five.
    movies: Vec<MovieBody>,
}

impl CategoryBody {
    /// Returns the body for a genre.
    pub(crate) fn new(category: Category, origin: &Origin) -> Self {
        let movies = category.movies.into_iter();
        Self {
            genre: category.genre.name,
            count: category.genre.n,
            movies: movies.map(|view| MovieBody::new(view, origin)).collect(),
        }
    }
}

/// Whether a movie is among the caller's favorites.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Favorite)]
pub(crate) struct FavoriteBody {
    /// The id of the movie.
    id: MovieId,
    /// Whether the movie is among the caller's favorites now.
    #[schema(example = true)]
    favorite: bool,
    /// The exact number of users who have the movie among their favorites.
    #[schema(minimum = 0, example = 1)]
    favorite_count: u64,
    /// The value of `favorite` as a sentence.
    #[schema(example = "The movie is among your favorites.")]
    message: &'static str,
}

impl FavoriteBody {
    /// Returns the body for the state of a favorite.
    pub(crate) fn new(id: MovieId, state: FavoriteState) -> Self {
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

/// The parameter of a movie's path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described; PathId reads the path")]
pub(crate) struct MovieIdParam {
    /// The id of the movie. Text that is not an id is `404`.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1)]
    id: u64,
}

/// The precondition of a change.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described; Preconditions reads the header")]
pub(crate) struct IfMatchParam {
    /// The `ETag` of an earlier answer, a list of several, or `*`. The movie is changed only if nobody has edited it since (RFC
    /// 9110 §13.1.1). Changes of favorites do not count.
    #[param(
        rename = "if-match",
        nullable = false,
        example = "\"1.1-0e5751c026e543b2e8ab2eb06099daa1\""
    )]
    if_match: Option<String>,
}

/// A genre by which a list is filtered, or several separated by commas.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, pattern = r"[^,\s]")]
#[expect(dead_code, reason = "only described; the handler reads Params")]
pub(crate) struct GenreFilter(String);

/// The parameters of the list of movies.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; the handler reads Params")]
pub(crate) struct MovieListParams {
    /// Returns only movies of this genre, or of all of these: the parameter may be repeated, and a value may be several genres
    /// separated by commas. Case and accents do not matter.
    #[param(inline, example = json!(["Drama"]))]
    genre: Option<Vec<GenreFilter>>,
    /// Returns only movies of this director, who may be one of several. It must be the whole name. Case and accents do
    /// not matter, and signs count as spaces: `j j abrams` is `J.J. Abrams`. Of several names separated by commas the movie must
    /// have all.
    #[param(min_length = 1, pattern = r"\S", example = "Jean-Pierre Jeunet")]
    director: Option<String>,
    /// Returns only movies that were released in this year.
    #[param(minimum = 1870, maximum = 9999, example = 1999)]
    year: Option<u16>,
    /// Returns only movies that were released on this date or later.
    #[param(value_type = Option<ReleaseDate>, nullable = false, example = "1990-01-01")]
    released_from: Option<ReleaseDate>,
    /// Returns only movies that were released on this date or earlier.
    #[param(value_type = Option<ReleaseDate>, nullable = false, example = "1999-12-31")]
    released_to: Option<ReleaseDate>,
    /// Returns only the movie with this id at IMDb.
    #[param(pattern = "^tt[0-9]{7,10}$", example = "tt0068646")]
    imdb_id: Option<String>,
    /// The order of the movies: by id or by release date. A minus sign reverses it.
    #[param(inline)]
    ordering: Option<OrderingParam>,
}

/// An order of movies.
#[derive(ToSchema)]
#[schema(default = "id")]
#[expect(dead_code, reason = "only described; the handler reads Params")]
pub(crate) enum OrderingParam {
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

/// The parameter of the search.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; the handler reads Params")]
pub(crate) struct SearchParams {
    /// The words to search for.
    #[param(min_length = 1, max_length = 600, pattern = r"\S", example = "the godfather")]
    q: String,
}

/// The parameters of the list of categories.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; PageQuery reads the values")]
pub(crate) struct CategoryParams {
    /// The most results on a page.
    #[param(minimum = 1, maximum = 100, default = 100, example = 20)]
    limit: Option<u32>,
    /// The start of the page: the `cursor` of a `next` or `previous` URL.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// The parameter of the list of the most liked movies.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; the handler reads Params")]
pub(crate) struct MostLikedParams {
    /// The most movies to return.
    #[param(minimum = 1, maximum = 100, default = 10, example = 10)]
    limit: Option<u32>,
}

/// The parameter of the list of the newest movies.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; the handler reads Params")]
pub(crate) struct NewestParams {
    /// The most movies to return.
    #[param(minimum = 1, maximum = 100, default = 5, example = 5)]
    limit: Option<u32>,
}
