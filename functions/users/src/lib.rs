//! The users function: all users, the current user with their password and sessions, and the current user's favorites.

mod handlers;
mod wire;

use axum::Router;
use handlers::{account::*, lists::*, sessions::*};
use marquee_shared::{
    AppState,
    http::{openapi::complete, with_layers},
};

marquee_shared::operations! {
    AppState;
    "/api/users/" => get: list_users;
    "/api/users/me/" => get: get_me, patch: update_me, delete: delete_me;
    "/api/users/me/password/" => put: change_password;
    "/api/users/me/sessions/" => get: list_sessions, delete: end_other_sessions;
    "/api/users/me/sessions/{session}/" => delete: end_session;
    "/api/users/me/favorites/" => get: list_my_favorites;
    "/api/users/me/movies/" => get: list_my_movies;
}

/// Returns the function's router with the layers of every function.
///
/// # Errors
/// Returns an error if a configured CORS origin is not a valid header value.
pub fn router(state: AppState) -> Result<Router, axum::http::Error> {
    let config = state.config.clone();
    with_layers(operations().of_callers(state), &config.http)
}

/// Returns this function's part of the OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(documented())
}
