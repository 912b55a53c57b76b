//! The catalogue: films, search, favorites, and the lists people open first.

pub mod handlers;
pub mod wire;

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
        .routes(routes!(
            handlers::films::list_movies,
            handlers::films::create_movie
        ))
        .routes(routes!(
            handlers::films::get_movie,
            handlers::films::replace_movie,
            handlers::films::update_movie,
            handlers::films::delete_movie
        ))
        .routes(routes!(
            handlers::favorites::toggle_favorite,
            handlers::favorites::add_favorite,
            handlers::favorites::remove_favorite
        ))
        .routes(routes!(handlers::lists::search_movies))
        .routes(routes!(handlers::lists::list_categories))
        .routes(routes!(handlers::lists::list_most_liked_movies))
        .routes(routes!(handlers::lists::list_newest_movies))
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
