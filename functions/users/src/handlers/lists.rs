//! The lists of users and of the caller's favorites, and the caller's own record.

use axum::{Json, extract::State};
use marquee_shared::{
    AppState, Result,
    auth::Caller,
    db::{page::Counted, user::existing},
    domain::Role,
    http::{
        Collection, Origin, PageQuery,
        collection::{DEFAULT_LIMIT, PageParams},
        openapi::*,
        query::{CheckedQuery, Params},
        wire::{MovieBody, UserBody},
    },
};

/// List users
///
/// Returns all users, ordered by id. Only admins get the emails.
#[utoipa::path(
    get,
    path = "/api/users/",
    tag = "users",
    params(PageParams),
    responses(
        (status = 200, description = "A page of users.", body = Collection<UserBody>),
        BadRequest, Unauthenticated, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list_users(
    State(state): State<AppState>,
    caller: Caller,
    params: Params,
) -> Result<Collection<UserBody>> {
    let page = PageQuery::read(&state, params, DEFAULT_LIMIT, "users".into()).await?;
    let (asking, Counted { count, slice }) = tokio::try_join!(
        state.store.get_user(caller.id),
        state.store.list_users(&page.window, page.limit)
    )?;
    let is_admin = existing(asking)?.role == Role::Admin;
    let body = if is_admin { UserBody::own } else { UserBody::public };
    let slice = slice.map(|user| body(&user));
    page.collection(&state, Some(count), slice).await
}

/// Get the current user
///
/// Returns the caller, with the email.
#[utoipa::path(
    get,
    path = "/api/users/me/",
    tag = "users",
    responses(
        (status = 200, description = "The current user.", body = UserBody),
        Unauthenticated, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn get_me(
    State(state): State<AppState>,
    caller: Caller,
    _: CheckedQuery,
) -> Result<Json<UserBody>> {
    let user = existing(state.store.get_user(caller.id).await?)?;
    Ok(Json(UserBody::own(&user)))
}

/// List the current user's favorites
///
/// Returns the movies among the caller's favorites. The movie that was added last comes first. On AWS the order comes from an
/// index and can be a moment behind.
#[utoipa::path(
    get,
    path = "/api/users/me/favorites/",
    tag = "users",
    params(PageParams),
    responses(
        (status = 200, description = "A page of movies. `count` is null.", body = Collection<MovieBody>),
        BadRequest, Unauthenticated, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list_my_favorites(
    State(state): State<AppState>,
    caller: Caller,
    origin: Origin,
    params: Params,
) -> Result<Collection<MovieBody>> {
    let scope = format!("favorites {}", caller.id);
    let page = PageQuery::read(&state, params, DEFAULT_LIMIT, scope).await?;
    let store = &state.store;
    let list = store.list_favorites(caller.id, &page.window, page.limit);
    let slice = MovieBody::slice(store.for_caller(Some(caller.id), list).await?, &origin);
    page.collection(&state, None, slice).await
}

/// List the current user's movies
///
/// Returns the movies that belong to the caller. The movie that was added last comes first.
#[utoipa::path(
    get,
    path = "/api/users/me/movies/",
    tag = "users",
    params(PageParams),
    responses(
        (status = 200, description = "A page of movies. `count` is null.", body = Collection<MovieBody>),
        BadRequest, Unauthenticated, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list_my_movies(
    State(state): State<AppState>,
    caller: Caller,
    origin: Origin,
    params: Params,
) -> Result<Collection<MovieBody>> {
    let scope = format!("movies of {}", caller.id);
    let page = PageQuery::read(&state, params, DEFAULT_LIMIT, scope).await?;
    let store = &state.store;
    let list = store.list_movies_of(caller.id, &page.window, page.limit);
    let slice = MovieBody::slice(store.for_caller(Some(caller.id), list).await?, &origin);
    page.collection(&state, None, slice).await
}
