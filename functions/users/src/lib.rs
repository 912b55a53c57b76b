//! Users: all of them, the caller, and the caller's favorites.

pub mod handlers;

use axum::Router;
use shared::{
    AppState,
    http::{openapi::complete, serve},
};
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Every route of this function, with its documentation.
#[must_use]
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(handlers::list_users))
        .routes(routes!(handlers::get_me))
        .routes(routes!(handlers::list_my_favorites))
}

/// The function's router, ready to run.
///
/// # Errors
/// When a configured CORS origin isn't a header value.
pub fn router(state: AppState) -> Result<Router, axum::http::Error> {
    let config = state.config.clone();
    serve(routes().with_state(state).into(), &config.http)
}

/// The function's part of the API's description.
#[must_use]
pub fn openapi() -> OpenApi {
    complete(routes().into_openapi())
}
