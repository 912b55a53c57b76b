//! The operations on the caller's favorites.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use marquee_shared::{
    AppState, Result,
    auth::Caller,
    db::{
        favorite::FavoriteChange,
        idempotency::{Answered, KeyedRequest},
    },
    domain::MovieId,
    http::{
        CheckedQuery,
        idempotency::{IdempotencyKeyParam, MaybeKey, mark_replayed},
        openapi::*,
    },
};

use crate::{
    handlers::PathId,
    wire::{FavoriteBody, MovieIdParam},
};

/// Toggle a favorite
///
/// Adds the movie to the caller's favorites, or removes it if it is among them. A toggle that is sent twice undoes the first
/// one, unless it has an `Idempotency-Key`. `PUT` and `DELETE` can be sent twice without a key.
#[utoipa::path(
    post,
    path = "/api/movies/{id}/favorite/",
    tag = "favorites",
    params(MovieIdParam, IdempotencyKeyParam),
    responses(
        (status = 200, description = "The favorite and the movie's favorite count after the request.", body = FavoriteBody, headers(
            ("idempotency-replayed" = bool, description = "True if an earlier request with the key toggled the favorite.")
        )),
        Unauthenticated, NotFound, KeyReused, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn toggle_favorite(
    State(state): State<AppState>,
    caller: Caller,
    PathId(id): PathId,
    MaybeKey(key): MaybeKey,
    _: CheckedQuery,
) -> Result<Response> {
    let store = &state.store;
    let toggled = match key {
        Some(key) => {
            let request = KeyedRequest::of_toggle(caller.id, &key, id)?;
            store.toggle_favorite_once(id, caller.id, &request).await?
        }
        None => {
            let toggled = store.set_favorite(id, caller.id, FavoriteChange::Toggle);
            Answered::first(toggled.await?)
        }
    };
    let response = Json(FavoriteBody::new(id, toggled.answer)).into_response();
    Ok(mark_replayed(response, toggled.is_replayed))
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
    _: CheckedQuery,
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
    _: CheckedQuery,
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
