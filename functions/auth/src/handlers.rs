//! One function per operation.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use shared::{
    AppState, Error, Result,
    auth::{NoBadToken, SourceAddress, password, password::Verdict, refresh::RefreshToken, token},
    db::{
        meta::Counter,
        session::{Rotation, SessionItem},
        user::UserItem,
    },
    domain::{Role, UserId, username::fold_name},
    http::{
        Form,
        openapi::{
            BadRequest, Conflict, TooLarge, TooManyRequests, Unauthenticated, Unavailable,
            UnsupportedMediaType,
        },
        wire::UserBody,
    },
};

use crate::{
    AuthState,
    wire::{LoginBody, RefreshBody, RegisterBody, SignedInBody, TokensBody},
};

/// The refusal to sign in, whether it is the name or the password that is wrong.
const NOT_SIGNED_IN: Error = Error::Unauthenticated("No user has this name and this password.");

/// The refusal of a refresh token, whatever is wrong with it.
const NOT_REFRESHED: Error = Error::Unauthenticated("The refresh token isn't valid.");

/// Register a user and sign them in
///
/// The username and the email must each be unique, regardless of case, and neither may be another user's other name.
#[utoipa::path(
    post,
    path = "/api/auth/register/",
    tag = "auth",
    request_body(
        description = "Who wants to register.",
        content(
            (RegisterBody = "application/json"),
            (RegisterBody = "application/x-www-form-urlencoded"),
            (RegisterBody = "multipart/form-data"),
        )
    ),
    responses(
        (status = 201, description = "The user and the tokens of their first session.", body = SignedInBody),
        BadRequest, Unauthenticated, Conflict, TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn register_user(
    State(state): State<AuthState>,
    _: NoBadToken,
    address: SourceAddress,
    Form(body): Form<RegisterBody>,
) -> Result<Response> {
    let store = &state.app.store;
    let (taken_attempt, names_free) = tokio::join!(
        count_address(&state.app, &address),
        store.check_names_free(&body.username, &body.email),
    );
    taken_attempt?;
    names_free?;
    let (password_hash, id) =
        tokio::try_join!(password::hash(body.password), store.take_ids(Counter::UserIds, 1),)?;
    let user = UserItem {
        id: UserId::try_from(id).map_err(|e| Error::Internal(e.to_string()))?,
        username: body.username.as_str().to_owned(),
        email: body.email.as_str().to_owned(),
        role: Role::Member,
        joined: state.app.clock.now().to_string(),
    };
    let token = RefreshToken::first()?;
    let session = store.begin_session(&token, &new_session(&state.app, user.id, &token))?;
    store.create_user(&user, password_hash, session).await?;
    tracing::info!(event = "registered", user = user.id.get());
    signed_in(&state, StatusCode::CREATED, &user, &token)
}

/// Sign in
///
/// An unknown name and a wrong password get the same answer. After 15 wrong passwords for one account each further try
/// has to wait, at first for a second and at most for 15 minutes: `429` says how long. Sessions that live go on.
#[utoipa::path(
    post,
    path = "/api/auth/login/",
    tag = "auth",
    request_body(
        description = "Who wants to sign in.",
        content(
            (LoginBody = "application/json"),
            (LoginBody = "application/x-www-form-urlencoded"),
            (LoginBody = "multipart/form-data"),
        )
    ),
    responses(
        (status = 200, description = "The user and the tokens of a new session.", body = SignedInBody),
        BadRequest, Unauthenticated, TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn log_in(
    State(state): State<AuthState>,
    _: NoBadToken,
    address: SourceAddress,
    Form(body): Form<LoginBody>,
) -> Result<Response> {
    let store = &state.app.store;
    let name = fold_name(&body.username);
    let (taken_attempt, login) = tokio::join!(count_address(&state.app, &address), store.find_login(&name),);
    taken_attempt?;
    let login = login?;
    let known = login.as_ref().map(|login| login.user.get());
    let account = login.as_ref().map_or(&name, |login| &login.account);
    if let Err(error) = store.count_attempt(account).await {
        if matches!(error, Error::TooManyRequests { .. }) {
            tracing::warn!(event = "login_throttled", user = known);
        }
        return Err(error);
    }

    let hash = login.as_ref().map(|login| login.password_hash.clone());
    let verdict = password::verify(hash, body.password).await?;
    let (Some(login), Verdict::Right | Verdict::RightButWeak(_)) = (&login, &verdict) else {
        tracing::warn!(event = "login_failed", user = known);
        return Err(NOT_SIGNED_IN);
    };
    let upgrade = async {
        match &verdict {
            Verdict::RightButWeak(hash) => store.upgrade_hash(login, hash).await,
            _ => Ok(()),
        }
    };
    let token = RefreshToken::first()?;
    let session = new_session(&state.app, login.user, &token);
    let (user, ..) = tokio::try_join!(
        store.get_user(login.user),
        store.put_session(&token, &session),
        store.forget_attempts(account),
        upgrade,
    )?;
    let user = user.ok_or_else(|| Error::Internal("a name of no user".into()))?;
    tracing::info!(event = "logged_in", user = user.id.get());
    signed_in(&state, StatusCode::OK, &user, &token)
}

/// Refresh a session
///
/// Answers a new access token and the next refresh token; the one that was sent has done its work. If the answer is
/// lost, the same token may be sent again within 10 seconds and gets the same successor. A token that is older still ends
/// the session: somebody else has a copy of it.
#[utoipa::path(
    post,
    path = "/api/auth/refresh/",
    tag = "auth",
    request_body(
        description = "The session's refresh token.",
        content(
            (RefreshBody = "application/json"),
            (RefreshBody = "application/x-www-form-urlencoded"),
            (RefreshBody = "multipart/form-data"),
        )
    ),
    responses(
        (status = 200, description = "The session's new tokens.", body = TokensBody),
        BadRequest, Unauthenticated, TooLarge, UnsupportedMediaType, Unavailable,
    )
)]
pub(crate) async fn refresh_session(
    State(state): State<AuthState>,
    _: NoBadToken,
    Form(body): Form<RefreshBody>,
) -> Result<Response> {
    let store = &state.app.store;
    let key = state.secrets.refresh_key();
    let token = RefreshToken::parse(&key, body.refresh.expose()).ok_or(NOT_REFRESHED)?;
    let next = token.next(&key);
    match store.rotate_session(&token, &next).await? {
        Rotation::Rotated(user) => Ok(secret(StatusCode::OK, tokens(&state, user, &next)?)),
        Rotation::Gone => Err(NOT_REFRESHED),
        Rotation::Replayed(user) => {
            store.end_session(&token).await?;
            tracing::warn!(event = "refresh_replayed", user = user.get());
            Err(NOT_REFRESHED)
        }
    }
}

/// Sign out
///
/// Ends the session: its refresh tokens work no more. An access token that was handed out lives until it expires. Ending
/// a session that has ended already is no error.
#[utoipa::path(
    post,
    path = "/api/auth/logout/",
    tag = "auth",
    request_body(
        description = "Any refresh token of the session.",
        content(
            (RefreshBody = "application/json"),
            (RefreshBody = "application/x-www-form-urlencoded"),
            (RefreshBody = "multipart/form-data"),
        )
    ),
    responses(
        (status = 204, description = "The session has ended."),
        BadRequest, Unauthenticated, TooLarge, UnsupportedMediaType, Unavailable,
    )
)]
pub(crate) async fn log_out(
    State(state): State<AuthState>,
    _: NoBadToken,
    Form(body): Form<RefreshBody>,
) -> Result<StatusCode> {
    let key = state.secrets.refresh_key();
    let token = RefreshToken::parse(&key, body.refresh.expose()).ok_or(NOT_REFRESHED)?;
    state.app.store.end_session(&token).await?;
    tracing::info!(event = "logged_out");
    Ok(StatusCode::NO_CONTENT)
}

/// Counts this attempt against its address's limit, where there is one.
async fn count_address(app: &AppState, SourceAddress(address): &SourceAddress) -> Result<()> {
    match (address, app.config.throttle.address_per_minute) {
        (None, _) | (_, 0) => Ok(()),
        (Some(address), limit) => {
            let counted = app.store.count_address(address, limit).await;
            if matches!(counted, Err(Error::TooManyRequests { .. })) {
                tracing::warn!(event = "address_throttled");
            }
            counted
        }
    }
}

fn new_session(app: &AppState, user: UserId, token: &RefreshToken) -> SessionItem {
    SessionItem::new(user, token, app.clock.now(), app.config.tokens.session_seconds)
}

fn signed_in(
    state: &AuthState,
    status: StatusCode,
    user: &UserItem,
    token: &RefreshToken,
) -> Result<Response> {
    let body = SignedInBody {
        user: UserBody::own(user),
        tokens: tokens(state, user.id, token)?,
    };
    Ok(secret(status, body))
}

fn tokens(state: &AuthState, user: UserId, refresh: &RefreshToken) -> Result<TokensBody> {
    let config = &state.app.config.tokens;
    let access = token::issue(&state.secrets, config, user, state.app.clock.now())?;
    let refresh = refresh.to_text(&state.secrets.refresh_key());
    Ok(TokensBody {
        access: access.expose().to_owned(),
        refresh: refresh.expose().to_owned(),
        token_type: "Bearer",
        expires_in: config.access_seconds,
    })
}

/// An answer with tokens in it, which nobody on the way may keep (RFC 6749 §5.1).
fn secret(status: StatusCode, body: impl serde::Serialize) -> Response {
    let no_store = AppendHeaders([(header::CACHE_CONTROL, "no-store")]);
    (status, no_store, Json(body)).into_response()
}
