//! The lists people open first, and search.

use axum::{Json, extract::State};
use marquee_shared::{
    AppState, Error, Result,
    auth::MaybeCaller,
    db::{
        categories::Category,
        page::{Counted, PageLimit, Slice},
        search::SearchQuery,
    },
    error::FieldErrors,
    http::{
        Collection, PageQuery,
        collection::{DEFAULT_LIMIT, PageParams, parse_limit},
        extract::Params,
        openapi::*,
        wire::MovieBody,
    },
};

use crate::wire::{CategoryBody, LimitParam, MovieList, SearchParams};

/// The longest `q`: all that a movie can be found by.
const MAX_Q_CHARS: usize = 600;

/// How many movies of each genre the categories show.
const MOVIES_PER_CATEGORY: PageLimit = PageLimit::of::<5>();

/// Search movies.
///
/// Every word of `q` must begin a word of the title, the director or the genre; a word of one or two characters must
/// be a whole word. Case and accents are ignored. Exact titles come first, then titles that begin with `q`, then the
/// rest: for one word, title matches before director matches before genre matches. A page may be short or empty and
/// still have `next`, when every word is common or texts are very long.
#[utoipa::path(
    get,
    path = "/api/movies/search/",
    operation_id = "search_movies",
    tag = "movies",
    params(SearchParams, PageParams),
    responses(
        (status = 200, description = "A page of movies; `count` is null.", body = Collection<MovieBody>),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub async fn search_movies(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    params: Params,
) -> Result<Json<Collection<MovieBody>>> {
    let mut errors = FieldErrors::default();
    let q = params.get("q").unwrap_or_default().trim().to_owned();
    if q.is_empty() {
        errors.add("q", "This field is required.");
    } else if q.chars().nth(MAX_Q_CHARS).is_some() {
        errors.add("q", format!("Must be at most {MAX_Q_CHARS} characters."));
    }
    let scope = format!("search {q}");
    let page = PageQuery::read_with(&state, params, DEFAULT_LIMIT, scope, errors).await?;
    let slice = match SearchQuery::parse(&q) {
        None => Slice::default(),
        Some(query) => {
            state
                .store
                .search_movies(&query, &page.window, page.limit, caller.map(|c| c.id))
                .await?
        }
    };
    let slice = MovieBody::slice(slice);
    Ok(Json(page.collection(&state, None, slice).await?))
}

/// List categories.
///
/// Genres in alphabetical order, each with its name as first written, how many movies it has, and its five newest. A page
/// of very long texts may come out short, with `next`.
#[utoipa::path(
    get,
    path = "/api/movies/categories/",
    operation_id = "list_categories",
    tag = "movies",
    params(PageParams),
    responses(
        (status = 200, description = "A page of genres; `limit` is 100 unless given.", body = Collection<CategoryBody>),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub async fn list_categories(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    params: Params,
) -> Result<Json<Collection<CategoryBody>>> {
    let page = PageQuery::read(&state, params, PageLimit::MAX, "categories".into()).await?;
    let Counted { count, slice } = state
        .store
        .list_categories(
            &page.window,
            page.limit,
            MOVIES_PER_CATEGORY,
            caller.map(|c| c.id),
        )
        .await?;
    let slice = page.within_answer(slice, Category::position, CategoryBody::from)?;
    Ok(Json(page.collection(&state, Some(count), slice).await?))
}

/// List the most liked movies.
///
/// By how many users hold them as a favorite, then the newest id; only movies with at least one favorite. The order may
/// lag by a moment on AWS, where it comes from an index; the numbers may not.
#[utoipa::path(
    get,
    path = "/api/movies/most-liked/",
    operation_id = "list_most_liked_movies",
    tag = "movies",
    params(LimitParam),
    responses(
        (status = 200, description = "The movies, 10 unless `limit` says otherwise.", body = MovieList),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub async fn list_most_liked_movies(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    params: Params,
) -> Result<Json<MovieList>> {
    let limit = limit(&params, PageLimit::of::<10>())?;
    let views = state.store.most_liked_movies(limit, caller.map(|c| c.id)).await?;
    Ok(Json(views.into()))
}

/// List the newest movies.
///
/// By release date, then the newest id.
#[utoipa::path(
    get,
    path = "/api/movies/newest/",
    operation_id = "list_newest_movies",
    tag = "movies",
    params(LimitParam),
    responses(
        (status = 200, description = "The movies, 5 unless `limit` says otherwise.", body = MovieList),
        BadRequest, Unauthenticated, Unavailable
    ),
    security((), ("bearer" = []))
)]
pub async fn list_newest_movies(
    State(state): State<AppState>,
    MaybeCaller(caller): MaybeCaller,
    params: Params,
) -> Result<Json<MovieList>> {
    let limit = limit(&params, PageLimit::of::<5>())?;
    let views = state.store.newest_movies(limit, caller.map(|c| c.id)).await?;
    Ok(Json(views.into()))
}

fn limit(params: &Params, default: PageLimit) -> Result<PageLimit> {
    parse_limit(params.get("limit"), default).map_err(|message| Error::invalid("limit", message))
}
