//! A caller's favorites.

use axum::{Json, extract::State};
use shared::{AppState, Result, auth::Caller, db::favorite::Wish, domain::MovieId, http::openapi::*};

use crate::{
    handlers::FilmId,
    wire::{FavoriteBody, MovieIdParam},
};

/// Toggle a favorite.
///
/// Marks the film as the caller's favorite, or takes the mark off. A client that may have to retry uses `PUT` or
/// `DELETE` instead, which can be repeated.
#[utoipa::path(
    post,
    path = "/api/movies/{id}/favorite/",
    operation_id = "toggle_favorite",
    tag = "favorites",
    params(MovieIdParam),
    responses(
        (status = 200, description = "The mark as it is now.", body = FavoriteBody),
        Unauthenticated, NotFound, Unavailable
    ),
    security(("bearer" = []))
)]
pub async fn toggle_favorite(
    State(state): State<AppState>,
    caller: Caller,
    FilmId(id): FilmId,
) -> Result<Json<FavoriteBody>> {
    set(&state, &caller, id, Wish::Toggle).await
}

/// Mark a favorite.
///
/// Marks the film as the caller's favorite; once it is, does nothing more.
#[utoipa::path(
    put,
    path = "/api/movies/{id}/favorite/",
    operation_id = "add_favorite",
    tag = "favorites",
    params(MovieIdParam),
    responses(
        (status = 200, description = "The mark as it is now.", body = FavoriteBody),
        Unauthenticated, NotFound, Unavailable
    ),
    security(("bearer" = []))
)]
pub async fn add_favorite(
    State(state): State<AppState>,
    caller: Caller,
    FilmId(id): FilmId,
) -> Result<Json<FavoriteBody>> {
    set(&state, &caller, id, Wish::On).await
}

/// Take a favorite off.
///
/// Takes the caller's mark off the film; once it is off, does nothing more.
#[utoipa::path(
    delete,
    path = "/api/movies/{id}/favorite/",
    operation_id = "remove_favorite",
    tag = "favorites",
    params(MovieIdParam),
    responses(
        (status = 200, description = "The mark as it is now.", body = FavoriteBody),
        Unauthenticated, NotFound, Unavailable
    ),
    security(("bearer" = []))
)]
pub async fn remove_favorite(
    State(state): State<AppState>,
    caller: Caller,
    FilmId(id): FilmId,
) -> Result<Json<FavoriteBody>> {
    set(&state, &caller, id, Wish::Off).await
}

async fn set(state: &AppState, caller: &Caller, id: MovieId, wish: Wish) -> Result<Json<FavoriteBody>> {
    let favorite = state.store.set_favorite(id, caller.id, wish).await?;
    Ok(Json(FavoriteBody::new(id, favorite)))
}
