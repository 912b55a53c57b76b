//! The movies function: movies, favorites, search and lists.

pub mod covers_function;
mod filters;
mod handlers;
mod wire;

use axum::Router;
// `#[utoipa::path]` generates an item beside each handler, which `operations!` needs too. So the handlers are imported by `*`.
use handlers::{covers::*, favorites::*, lists::*, movies::*};
use marquee_shared::{
    AppState,
    http::{openapi::complete, with_layers},
};

marquee_shared::operations! {
    AppState;
    "/api/movies/" => get: list_movies, post: create_movie;
    "/api/movies/{id}/" => get: get_movie, put: replace_movie, patch: update_movie, delete: delete_movie;
    "/api/movies/{id}/favorite/" => post: toggle_favorite, put: add_favorite, delete: remove_favorite;
    "/api/movies/{id}/cover/" => put: set_cover, delete: delete_cover;
    "/api/movies/search/" => get: search_movies;
    "/api/movies/categories/" => get: list_categories;
    "/api/movies/most-liked/" => get: list_most_liked_movies;
    "/api/movies/newest/" => get: list_newest_movies;
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
