//! The operations on the current user's sessions.

use axum::{
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
};
use marquee_shared::{
    AppState, Error, Result,
    auth::Caller,
    db::page::Counted,
    domain::SessionId,
    http::{
        CheckedQuery, Collection, PageQuery,
        collection::{DEFAULT_LIMIT, PageParams},
        openapi::*,
        query::Params,
    },
};

use crate::wire::{SessionBody, SessionIdParam};

/// The error for a session that isn't a living one of the caller.
const NO_SESSION: Error = Error::not_found("You have no session with this id.");

/// List the current user's sessions
///
/// Returns the caller's sessions that have not ended, the one that began last first. `current` is the session of the access
/// token.
#[utoipa::path(
    get,
    path = "/api/users/me/sessions/",
    tag = "users",
    params(PageParams),
    responses(
        (status = 200, description = "A page of sessions.", body = Collection<SessionBody>),
        BadRequest, Unauthenticated, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn list_sessions(
    State(state): State<AppState>,
    caller: Caller,
    params: Params,
) -> Result<Collection<SessionBody>> {
    let current = caller.session()?;
    let scope = format!("sessions {}", caller.id);
    let page = PageQuery::read(&state, params, DEFAULT_LIMIT, scope).await?;
    let Counted { count, slice } = state
        .store
        .list_sessions(caller.id, &page.window, page.limit)
        .await?;
    let slice = slice.map(|session| SessionBody::new(session, current));
    page.collection(&state, Some(count), slice).await
}

/// End a session
///
/// Ends one of the caller's sessions, which may be the current one. Its refresh tokens stop working at once; its access tokens
/// stay valid until they expire, after 15 minutes at most (the setting `ACCESS_TOKEN_SECONDS`).
#[utoipa::path(
    delete,
    path = "/api/users/me/sessions/{session}/",
    tag = "users",
    params(SessionIdParam),
    responses(
        (status = 204, description = "The session has ended."),
        Unauthenticated, NotFound, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn end_session(
    State(state): State<AppState>,
    caller: Caller,
    PathSession(id): PathSession,
    _: CheckedQuery,
) -> Result<StatusCode> {
    if !state.store.end_session_of(caller.id, id).await? {
        return Err(NO_SESSION);
    }
    tracing::info!(event = "session_ended", user = caller.id.get());
    Ok(StatusCode::NO_CONTENT)
}

/// End all other sessions
///
/// Ends every session of the caller but the one of the access token. Their refresh tokens stop working at once; their access
/// tokens stay valid until they expire.
#[utoipa::path(
    delete,
    path = "/api/users/me/sessions/",
    tag = "users",
    responses(
        (status = 204, description = "The other sessions have ended."),
        Unauthenticated, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn end_other_sessions(
    State(state): State<AppState>,
    caller: Caller,
    _: CheckedQuery,
) -> Result<StatusCode> {
    let current = caller.session()?;
    state.store.end_other_sessions(caller.id, current).await?;
    tracing::info!(event = "other_sessions_ended", user = caller.id.get());
    Ok(StatusCode::NO_CONTENT)
}

/// The id of a session in a path. Text that is not an id is `404`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathSession(SessionId);

impl<S: Send + Sync> FromRequestParts<S> for PathSession {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| NO_SESSION)?;
        SessionId::parse(&text).map(Self).ok_or(NO_SESSION)
    }
}
