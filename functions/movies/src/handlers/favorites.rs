//! The operations on the caller's favorites.

use axum::{Json, extract::State};
use marquee_shared::{
    AppState, Result, auth::Caller, db::favorite::FavoriteChange, domain::MovieId, http::openapi::*,
};

use crate::{
    handlers::PathId,
    wire::{FavoriteBody, MovieIdParam},
};

/// Toggle a favorite
///
/// Adds the movie to the caller's favorites, or removes it if it is among them. A retried toggle undoes the first one. If
/// you retry requests, use `PUT` or `DELETE`.
#[utoipa::path(
    post,
    path = "/api/movies/{id}/favorite/",
    tag = "favorites",
    params(MovieIdParam),
    responses(
        (status = 200, description = "The favorite and the movie's favorite count after the request.", body = FavoriteBody),
        Unauthenticated, NotFound, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn toggle_favorite(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<FavoriteBody>> {
    set(&state, &caller, id, FavoriteChange::Toggle).await
}

/// Add a movie to favorites
///
/// Adds the movie to the caller's favorites. Does nothing if it is among them already.
#[utoipa::path(
    put,
    path = "/api/movies/{id}/favorite/",
    tag = "favorites",
    params(MovieIdParam),
    responses(
        (status = 200, description = "The favorite and the movie's favorite count after the request.", body = FavoriteBody),
        Unauthenticated, NotFound, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn add_favorite(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<FavoriteBody>> {
    set(&state, &caller, id, FavoriteChange::Add).await
}

/// Remove a movie from favorites
///
/// Removes the movie from the caller's favorites. Does nothing if it is not among them.
#[utoipa::path(
    delete,
    path = "/api/movies/{id}/favorite/",
    tag = "favorites",
    params(MovieIdParam),
    responses(
        (status = 200, description = "The favorite and the movie's favorite count after the request.", body = FavoriteBody),
        Unauthenticated, NotFound, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn remove_favorite(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<FavoriteBody>> {
    set(&state, &caller, id, FavoriteChange::Remove).await
}

async fn set(
    state: &AppState,
    caller: &Caller,
    id: MovieId,
    change: FavoriteChange,
) -> Result<Json<FavoriteBody>> {
    let favorite = state.store.set_favorite(id, caller.id, change).await?;
    Ok(Json(FavoriteBody::new(id, favorite)))
}
