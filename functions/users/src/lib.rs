//! Users: all of them, the caller, and the caller's favorites.

pub mod handlers;

use axum::Router;
use handlers::*;
use marquee_shared::{
    AppState,
    http::{openapi::complete, with_layers},
};

marquee_shared::operations! {
    AppState;
    "/api/users/" => get: list_users;
    "/api/users/me/" => get: get_me;
    "/api/users/me/favorites/" => get: list_my_favorites;
}

/// The function's router, ready to run.
///
/// # Errors
/// When a configured CORS origin isn't a header value.
pub fn router(state: AppState) -> Result<Router, axum::http::Error> {
    let config = state.config.clone();
    with_layers(operations().with_state(state), &config.http)
}

/// The function's part of the API's description.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(documented())
}
