//! The API: one handler for each operation.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, Query, Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION},
        request::Parts,
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    auth::Verifier,
    database::{Database, Error},
    movies::{self, Category, Favorite, Movie, NewMovie, Start},
};

/// The page sizes if `limit` isn't given.
const PAGE: i64 = 20;
const NEWEST: i64 = 5;
const MOST_LIKED: i64 = 10;

/// The largest page.
const MOST: i64 = 100;

/// The id that no user has.
const ANONYMOUS: i64 = 0;

#[derive(Clone)]
struct Api {
    database: Database,
    verifier: Arc<Verifier>,
}

/// A page of a collection.
#[derive(Serialize)]
struct Collection<T> {
    count: Option<i64>,
    next: Option<String>,
    previous: Option<String>,
    results: Vec<T>,
}

/// A list without pages.
#[derive(Serialize)]
struct List {
    results: Vec<Movie>,
}

#[derive(Deserialize)]
struct Page {
    limit: Option<i64>,
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Words {
    q: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// Every way a request can fail.
enum Failure {
    Invalid(BTreeMap<&'static str, String>),
    Unauthenticated,
    NotFound,
    Internal(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Internal(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, errors) = match self {
            Self::Invalid(errors) => (StatusCode::BAD_REQUEST, errors),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, BTreeMap::new()),
            Self::NotFound => (StatusCode::NOT_FOUND, BTreeMap::new()),
            Self::Internal(error) => {
                tracing::error!(%error, "internal");
                (StatusCode::INTERNAL_SERVER_ERROR, BTreeMap::new())
            }
        };
        let body = json!({"title": status.canonical_reason(), "status": status.as_u16(), "errors": errors});
        (
            status,
            [(CONTENT_TYPE, "application/problem+json")],
            body.to_string(),
        )
            .into_response()
    }
}

/// The id of the caller, or [`ANONYMOUS`] without a token.
struct Caller(i64);

impl FromRequestParts<Api> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            return Ok(Self(ANONYMOUS));
        };
        let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let user = token.and_then(|token| api.verifier.user(token));
        user.map(Self).ok_or(Failure::Unauthenticated)
    }
}

impl Caller {
    fn signed_in(self) -> Result<i64, Failure> {
        Some(self.0)
            .filter(|id| *id != ANONYMOUS)
            .ok_or(Failure::Unauthenticated)
    }
}

/// Returns the server's routes.
pub fn router(database: Database, verifier: Verifier) -> Router {
    Router::new()
        .route("/api/movies/", get(list_movies).post(create_movie))
        .route("/api/movies/search/", get(search_movies))
        .route("/api/movies/categories/", get(list_categories))
        .route("/api/movies/newest/", get(list_newest))
        .route("/api/movies/most-liked/", get(list_most_liked))
        .route("/api/movies/{id}/", get(get_movie))
        .route("/api/movies/{id}/favorite/", post(toggle_favorite))
        .layer(middleware::from_fn(log))
        .with_state(Api {
            database,
            verifier: Arc::new(verifier),
        })
}

async fn log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    tracing::info!(%method, path, status = response.status().as_u16(), "answered");
    response
}

async fn get_movie(
    State(api): State<Api>,
    Caller(user): Caller,
    Path(id): Path<i64>,
) -> Result<Json<Movie>, Failure> {
    let movie = api
        .database
        .read(move |connection| movies::get(connection, user, id));
    movie.await?.map(Json).ok_or(Failure::NotFound)
}

async fn list_movies(
    State(api): State<Api>,
    Caller(user): Caller,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Result<Json<Collection<Movie>>, Failure> {
    let limit = limited(page.limit, PAGE)?;
    let start = match page.cursor.as_deref() {
        None => Start::After(0),
        Some(cursor) => parsed(cursor)?,
    };
    let read = api.database.read(move |connection| {
        let found = movies::list(connection, user, start, limit)?;
        Ok((movies::count(connection)?, found))
    });
    let (count, mut results) = read.await?;
    let more = cut(&mut results, limit);
    let (has_previous, has_next) = match start {
        Start::After(id) => (id != 0, more),
        Start::Before(_) => {
            results.reverse();
            (more, true)
        }
    };
    let link = |cursor: String| link(&headers, &format!("/api/movies/?limit={limit}&cursor={cursor}"));
    let next = results
        .last()
        .filter(|_| has_next)
        .map(|last| link(format!("a{}", last.id)));
    let previous = results.first().filter(|_| has_previous);
    let previous = previous.map(|first| link(format!("b{}", first.id)));
    Ok(Json(Collection {
        count: Some(count),
        next,
        previous,
        results,
    }))
}

async fn search_movies(
    State(api): State<Api>,
    Caller(user): Caller,
    Query(words): Query<Words>,
    headers: HeaderMap,
) -> Result<Json<Collection<Movie>>, Failure> {
    let limit = limited(words.limit, PAGE)?;
    let q = words.q.filter(|q| !q.trim().is_empty());
    let q = q.ok_or_else(|| invalid("q", "Must not be blank."))?;
    let skip = words.cursor.map_or(Ok(0), |cursor| cursor.parse::<i64>());
    let skip = skip.map_err(|_| invalid("cursor", "Must be the cursor of a link."))?;
    let encoded = q.split_whitespace().collect::<Vec<_>>().join("+");
    let read = api
        .database
        .read(move |connection| movies::search(connection, user, &q, skip, limit));
    let mut results = read.await?;
    let page = |skip: i64| {
        let path = format!("/api/movies/search/?q={encoded}&limit={limit}&cursor={skip}");
        link(&headers, &path)
    };
    let next = cut(&mut results, limit).then(|| page(skip + limit));
    Ok(Json(Collection {
        count: None,
        next,
        previous: (skip > 0).then(|| page((skip - limit).max(0))),
        results,
    }))
}

async fn list_categories(
    State(api): State<Api>,
    Caller(user): Caller,
) -> Result<Json<Collection<Category>>, Failure> {
    let results = api
        .database
        .read(move |connection| movies::categories(connection, user));
    let results = results.await?;
    Ok(Json(Collection {
        count: i64::try_from(results.len()).ok(),
        next: None,
        previous: None,
        results,
    }))
}

async fn list_newest(
    State(api): State<Api>,
    Caller(user): Caller,
    Query(page): Query<Page>,
) -> Result<Json<List>, Failure> {
    first_of(&api, user, limited(page.limit, NEWEST)?, movies::newest).await
}

async fn list_most_liked(
    State(api): State<Api>,
    Caller(user): Caller,
    Query(page): Query<Page>,
) -> Result<Json<List>, Failure> {
    first_of(&api, user, limited(page.limit, MOST_LIKED)?, movies::most_liked).await
}

/// Returns the first movies that a statement orders.
async fn first_of(
    api: &Api,
    user: i64,
    limit: i64,
    statement: fn(&Connection, i64, i64) -> Result<Vec<Movie>, Error>,
) -> Result<Json<List>, Failure> {
    let results = api
        .database
        .read(move |connection| statement(connection, user, limit));
    Ok(Json(List {
        results: results.await?,
    }))
}

async fn create_movie(
    State(api): State<Api>,
    caller: Caller,
    Json(movie): Json<NewMovie>,
) -> Result<Response, Failure> {
    let user = caller.signed_in()?;
    let movie = movie.checked().map_err(Failure::Invalid)?;
    let added = api.database.write(move |transaction| {
        let id = movies::add(transaction, &movie, Some(user))?;
        movies::get(transaction, user, id)?.ok_or_else(|| "the new movie is missing".into())
    });
    let movie = added.await?;
    let location = [(LOCATION, format!("/api/movies/{}/", movie.id))];
    Ok((StatusCode::CREATED, location, Json(movie)).into_response())
}

async fn toggle_favorite(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<i64>,
) -> Result<Json<Favorite>, Failure> {
    let user = caller.signed_in()?;
    let toggled = api
        .database
        .write(move |transaction| movies::toggle(transaction, user, id));
    toggled.await?.map(Json).ok_or(Failure::NotFound)
}

/// Returns the page size of a request.
fn limited(limit: Option<i64>, default: i64) -> Result<i64, Failure> {
    let limit = limit.unwrap_or(default);
    let valid = Some(limit).filter(|limit| (1..=MOST).contains(limit));
    valid.ok_or_else(|| invalid("limit", "Must be 1 to 100."))
}

/// Parses the cursor of a list: `a7` for what is after 7, `b7` for what is before it.
fn parsed(cursor: &str) -> Result<Start, Failure> {
    let (after, before) = (cursor.strip_prefix('a'), cursor.strip_prefix('b'));
    let start = match (after, before) {
        (Some(id), _) => id.parse().ok().map(Start::After),
        (_, Some(id)) => id.parse().ok().map(Start::Before),
        _ => None,
    };
    start.ok_or_else(|| invalid("cursor", "Must be the cursor of a link."))
}

/// Removes what is more than a page. Returns whether there was more.
fn cut(results: &mut Vec<Movie>, limit: i64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = results.len() > limit;
    results.truncate(limit);
    more
}

fn link(headers: &HeaderMap, path: &str) -> String {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or("localhost");
    format!("http://{host}{path}")
}

fn invalid(field: &'static str, message: &str) -> Failure {
    Failure::Invalid([(field, message.to_owned())].into())
}
