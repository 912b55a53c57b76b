//! Search, and the lists of categories, most liked and newest movies.

use axum::{Json, extract::State};
use marquee_shared::{
    AppState, Result,
    auth::MaybeCaller,
    db::{
        categories::Category,
        newest,
        page::{Counted, PageLimit},
        search::{SearchPage, SearchQuery},
    },
    http::{
        Collection, Origin, PageQuery,
        collection::{DEFAULT_LIMIT, PageParams, parse_limit},
        openapi::*,
        query::Params,
        wire::MovieBody,
    },
};
use serde_json::value::RawValue;

use crate::wire::{
    CategoryBody, CategoryParams, MostLikedParams, MovieList, NewestParams, SearchBody, SearchParams,
};

/// The most characters of `q`. The title, the director and the genres of a movie fit.
const MAX_Q_CHARS: usize = 600;

/// Search movies
///
/// Returns the movies that match every word of `q`. A word matches when a word of the title, the director or the genre
/// begins with it; a word of one or two characters must be a whole word. Case and accents are ignored. Marks that are part of
/// a letter in its script are not: `パパ` does not match `ハハ`.
///
/// A word with signs inside is found as written, with spaces and closed up: `schindlers list`, `spiderman`, `la confidential`. `&`
/// is the word `and`. A Roman numeral from II to XX is its number: `rocky 2`. Numbers are found with and without the signs in
/// them: `20000 leagues`, `310 to yuma`, `8 1/2`. In a query of two words or more, a word of four
/// digits also matches the year of the release: `matrix 1999`. In scripts without spaces, and in Hangul, two characters or more
/// are found anywhere inside a word: `神隠し`.
///
/// Movies whose title equals `q` come first, then those whose title begins with `q`, then all others. If `q` is one word,
/// the others are ordered by what matches: title, director, genre.
///
/// If no movie matches, `q` is corrected: words with typing errors (one error in a word of 4 to 7 letters, two in a longer
/// word), words run together (`starwars`, `backtothefuture`), words split (`god father`), and words that no movie has.
/// `corrected_query` is the query that was answered instead. A query that matches a movie is never corrected. The words of a
/// movie that was just added can take a moment to be found by corrections.
///
/// A page can have fewer results than `limit`, or none, and still have `next`. This happens when every word of `q` is common
/// or when the movies have very long texts.
#[utoipa::path(
    get,
    path = "/api/movies/search/",
    tag = "movies",
    params(SearchParams, PageParams),
    responses(
        (status = 200, description = "A page of movies. `count` is null.", body = SearchBody),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub(crate) async fn search_movies(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    origin: Origin,
    params: Params,
) -> Result<SearchBody> {
    let (params, mut errors) = params.open();
    let q = params.get("q").unwrap_or_default().trim().to_owned();
    if q.is_empty() {
        errors.add("q", "This field is required.");
    } else if q.chars().nth(MAX_Q_CHARS).is_some() {
        errors.add("q", format!("Must be at most {MAX_Q_CHARS} characters."));
    }
    let scope = format!("search {q}");
    let caller = caller.map(|caller| caller.id);
    let page = PageQuery::read_with(&state, params, DEFAULT_LIMIT, scope, errors).await?;
    let found = match SearchQuery::parse(&q) {
        None => {
            let nothing = async { Ok(SearchPage::default()) };
            state.store.for_caller(caller, nothing).await?
        }
        Some(query) => {
            let store = &state.store;
            let search = store.search_movies(&query, &page.window, page.limit, caller);
            store.for_caller(caller, Box::pin(search)).await?
        }
    };
    let slice = MovieBody::slice(found.slice, &origin);
    let page = page.collection(&state, None, slice).await?;
    Ok(SearchBody::new(page, found.corrected_query))
}

/// List categories
///
/// Returns the genres in alphabetical order. Each has its exact number of movies and its five newest movies. A page can have
/// fewer results than `limit` and still have `next`, when the movies have very long texts.
#[utoipa::path(
    get,
    path = "/api/movies/categories/",
    tag = "movies",
    params(CategoryParams),
    responses(
        (status = 200, description = "A page of genres.", body = Collection<CategoryBody>),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub(crate) async fn list_categories(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    origin: Origin,
    params: Params,
) -> Result<Collection<Box<RawValue>>> {
    let page = PageQuery::read(&state, params, PageLimit::MAX, "categories".into()).await?;
    let (store, caller) = (&state.store, caller.map(|caller| caller.id));
    let list = store.list_categories(&page.window, page.limit, newest::SHOWN, caller);
    let Counted { count, slice } = store.for_caller(caller, Box::pin(list)).await?;
    let slice = page.within_answer(slice, Category::position, |category| {
        CategoryBody::new(category, &origin)
    })?;
    page.collection(&state, Some(count), slice).await
}

/// List the most liked movies
///
/// Returns the movies with the highest `favorite_count`, the highest first. Movies with the same count are ordered by id, the
/// latest first. A movie that is nobody's favorite is not in the list. The counts are exact and current. On AWS the order
/// comes from an index and can be a moment behind.
#[utoipa::path(
    get,
    path = "/api/movies/most-liked/",
    tag = "movies",
    params(MostLikedParams),
    responses(
        (status = 200, description = "The movies.", body = MovieList),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub(crate) async fn list_most_liked_movies(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    origin: Origin,
    params: Params,
) -> Result<Json<MovieList>> {
    let limit = limit(params, PageLimit::of::<10>())?;
    let (store, caller) = (&state.store, caller.map(|caller| caller.id));
    let list = store.most_liked_movies(limit, caller);
    let views = store.for_caller(caller, list).await?;
    Ok(Json(MovieList::new(views, &origin)))
}

/// List the newest movies
///
/// Returns the movies with the latest release dates, the latest first. Movies of one date are ordered by id, the latest first.
#[utoipa::path(
    get,
    path = "/api/movies/newest/",
    tag = "movies",
    params(NewestParams),
    responses(
        (status = 200, description = "The movies.", body = MovieList),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub(crate) async fn list_newest_movies(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    origin: Origin,
    params: Params,
) -> Result<Json<MovieList>> {
    let limit = limit(params, PageLimit::of::<5>())?;
    let (store, caller) = (&state.store, caller.map(|caller| caller.id));
    let list = store.newest_movies(limit, caller);
    let views = store.for_caller(caller, list).await?;
    Ok(Json(MovieList::new(views, &origin)))
}

/// Returns the parameter `limit` of an operation that has no other.
fn limit(params: Params, default: PageLimit) -> Result<PageLimit> {
    let (params, mut errors) = params.open();
    let limit = errors.take("limit", parse_limit(params.get("limit"), default));
    errors.check()?;
    Ok(limit.unwrap_or(default))
}
