//! The docs function: the pages for people, the API's own document, its health, the OpenAPI document, and the answer for every
//! path that no other function serves.

mod accept;
mod pages;

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use marquee_shared::{
    Error, Result,
    config::HttpConfig,
    db::{Store, retry::within},
    http::{
        CheckedQuery,
        caching::ForEveryone,
        openapi::{Unavailable, complete},
        with_layers,
    },
};
use serde::Serialize;
use utoipa::ToSchema;

/// The OpenAPI document of the whole API, as checked in. A test compares it with the routers.
pub const OPENAPI_JSON: &str = include_str!("../../../docs/openapi.json");

/// How long the table may take to answer before the API counts as unhealthy. Load balancers usually wait 5 seconds.
const TABLE_ANSWERS_WITHIN: Duration = Duration::from_secs(4);

/// Keeps caches from answering in place of the API.
const NO_STORE: [(HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

/// The state of the handlers.
#[derive(Clone)]
pub struct DocsState {
    store: Arc<LazyStore>,
    /// How long the table may take to answer.
    within: Duration,
}

/// A store that is built when it is first used. Building a client takes longer than the rest of the start, and only the
/// health needs one.
type LazyStore = LazyLock<Store, Box<dyn FnOnce() -> Store + Send>>;

impl DocsState {
    /// Returns the state. `store` builds the store when the health is first asked for.
    pub fn new(store: impl FnOnce() -> Store + Send + 'static, config: &HttpConfig) -> Self {
        Self {
            store: Arc::new(LazyLock::new(Box::new(store))),
            within: TABLE_ANSWERS_WITHIN.min(config.deadline),
        }
    }
}

impl fmt::Debug for DocsState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocsState")
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

marquee_shared::operations! {
    DocsState;
    // The route has a trailing slash like every other. The documented path has none, as usual for a file.
    "/api/openapi.json/" => get: get_openapi;
    "/api/health/" => get: get_health;
}

/// Returns the function's router with the layers of every function. It answers `404` to every path that isn't its own: the
/// gateway's `$default` route leads here.
///
/// # Errors
/// Returns an error if a configured CORS origin is not a valid header value.
pub fn router(state: DocsState, config: &HttpConfig) -> Result<Router, axum::http::Error> {
    let router = operations().with_state(state);
    // The root and the pages aren't operations.
    let router = router.route("/", get(get_root)).merge(pages::router());
    with_layers(router, config)
}

/// Returns this function's part of the OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(documented())
}

/// Get the OpenAPI document
///
/// Returns this document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "docs",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value))
)]
pub(crate) async fn get_openapi(_: CheckedQuery) -> Response {
    let json = HeaderValue::from_static("application/json");
    (
        Extension(ForEveryone),
        [(header::CONTENT_TYPE, json)],
        OPENAPI_JSON,
    )
        .into_response()
}

/// The health of the API.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`. An API that isn't healthy answers `503`.
    #[schema(examples("ok"))]
    status: &'static str,
    /// The version of the API.
    #[schema(examples("0.1.0"))]
    version: &'static str,
}

/// Get the health
///
/// Returns `200` if the database answers, and `503` otherwise.
#[utoipa::path(
    get,
    path = "/api/health/",
    tag = "docs",
    responses((status = 200, description = "The API works.", body = Health), Unavailable)
)]
pub(crate) async fn get_health(State(state): State<DocsState>, _: CheckedQuery) -> Response {
    let answered = within(state.within, state.store.check()).await;
    let health = answered.map(|()| {
        Json(Health {
            status: "ok",
            version: env!("CARGO_PKG_VERSION"),
        })
    });
    // Whatever the table's error is, the API doesn't work.
    let health = health.map_err(|error| match error {
        Error::Unavailable(_) => error,
        other => Error::unavailable(other.log_message()),
    });
    (Extension(ForEveryone), NO_STORE, health).into_response()
}

/// What is at the root for programs: the API's name and version, and where to read on.
#[derive(Clone, Copy, Debug, Serialize)]
struct Root {
    name: &'static str,
    version: &'static str,
    links: Links,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Links {
    /// The reference of the API, for people.
    docs: &'static str,
    openapi: &'static str,
    health: &'static str,
}

/// Returns the explorer to a browser, and a document to any other client.
async fn get_root(headers: HeaderMap) -> Response {
    if accept::prefers_html(&headers) {
        return pages::varying(pages::explorer(&headers));
    }
    let root = Json(Root {
        name: "Marquee",
        version: env!("CARGO_PKG_VERSION"),
        links: Links {
            docs: pages::REFERENCE_AT,
            openapi: "/api/openapi.json",
            health: "/api/health/",
        },
    });
    pages::varying((Extension(ForEveryone), root).into_response())
}
