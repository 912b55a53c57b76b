//! Users: all of them, the caller, and the caller's favorites.

pub mod handlers;

use axum::{Router, routing::get};
use shared::{
    AppState,
    http::{openapi::complete, serve},
};
use utoipa::OpenApi as _;

/// The function's router, ready to run.
///
/// # Errors
/// When a configured CORS origin isn't a header value.
pub fn router(state: AppState) -> Result<Router, axum::http::Error> {
    let config = state.config.clone();
    let router = Router::new()
        .route("/api/users/", get(handlers::list_users))
        .route("/api/users/me/", get(handlers::get_me))
        .route("/api/users/me/favorites/", get(handlers::list_my_favorites));
    serve(router.with_state(state), &config.http)
}

/// Every operation. Not made of the router: at a cold start nobody asks for the description.
#[derive(utoipa::OpenApi)]
#[openapi(paths(handlers::list_users, handlers::get_me, handlers::list_my_favorites))]
struct Documented;

/// The function's part of the API's description.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(Documented::openapi())
}
