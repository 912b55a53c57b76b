//! The catalogue: films, search, favorites, and the lists people open first.

pub mod handlers;
pub mod wire;

use axum::{
    Router,
    routing::{get, post},
};
use handlers::{favorites, films, lists};
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
        .route("/api/movies/", get(films::list_movies).post(films::create_movie))
        .route(
            "/api/movies/{id}/",
            get(films::get_movie)
                .put(films::replace_movie)
                .patch(films::update_movie)
                .delete(films::delete_movie),
        )
        .route(
            "/api/movies/{id}/favorite/",
            post(favorites::toggle_favorite)
                .put(favorites::add_favorite)
                .delete(favorites::remove_favorite),
        )
        .route("/api/movies/search/", get(lists::search_movies))
        .route("/api/movies/categories/", get(lists::list_categories))
        .route("/api/movies/most-liked/", get(lists::list_most_liked_movies))
        .route("/api/movies/newest/", get(lists::list_newest_movies));
    serve(router.with_state(state), &config.http)
}

/// Every operation that is documented, which is every one there is. Not made of the router, nor the router of this: at a
/// cold start nobody asks for the description.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    films::list_movies,
    films::create_movie,
    films::get_movie,
    films::replace_movie,
    films::update_movie,
    films::delete_movie,
    favorites::toggle_favorite,
    favorites::add_favorite,
    favorites::remove_favorite,
    lists::search_movies,
    lists::list_categories,
    lists::list_most_liked_movies,
    lists::list_newest_movies,
))]
struct Documented;

/// The function's part of the API's description.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(Documented::openapi())
}
