//! The catalog: movies, search, favorites, and the lists people open first.

pub mod handlers;
pub mod wire;

use axum::Router;
use handlers::{favorites::*, lists::*, movies::*};
use marquee_shared::{
    AppState,
    http::{openapi::complete, with_layers},
};

marquee_shared::operations! {
    AppState;
    "/api/movies/" => get: list_movies, post: create_movie;
    "/api/movies/{id}/" => get: get_movie, put: replace_movie, patch: update_movie, delete: delete_movie;
    "/api/movies/{id}/favorite/" => post: toggle_favorite, put: add_favorite, delete: remove_favorite;
    "/api/movies/search/" => get: search_movies;
    "/api/movies/categories/" => get: list_categories;
    "/api/movies/most-liked/" => get: list_most_liked_movies;
    "/api/movies/newest/" => get: list_newest_movies;
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
