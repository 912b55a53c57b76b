//! One function per operation.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use marquee_shared::{
    AppState, Error, Result,
    auth::{
        AuthSecrets, RejectInvalidToken, SourceAddress, password, password::Verdict, refresh::RefreshToken,
        token,
    },
    db::{
        attempts::{Attempt, Claim},
        counter::Counter,
        retry::within,
        session::{Rotation, SessionItem},
        user::UserItem,
    },
    domain::{Role, UserId, password::Secret, username::fold_name},
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
    wire::{JwkBody, JwksBody, LoginBody, RefreshBody, RegisterBody, SignedInBody, TokensBody},
};

/// How long the public keys may be kept: a verifier that meets an unknown `kid` should soon find it.
const JWKS_CACHE: &str = "public, max-age=60";

/// How long a sign-in waits for what is only noted of it.
const NOTED_WITHIN: Duration = Duration::from_secs(2);

/// The refusal to sign in, whether it is the name or the password that is wrong.
const NOT_SIGNED_IN: Error = Error::Unauthenticated("The username or password is incorrect.");

/// The refusal of a refresh token, whatever is wrong with it.
const NOT_REFRESHED: Error = Error::Unauthenticated("The refresh token is invalid.");

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
    _: RejectInvalidToken,
    address: SourceAddress,
    Form(body): Form<RegisterBody>,
) -> Result<Response> {
    let store = &state.app.store;
    let (taken_attempt, names_free, secrets) = tokio::join!(
        count_address(&state.app, &address),
        store.check_names_free(&body.username, &body.email),
        state.vault.open(&state.app),
    );
    taken_attempt?;
    names_free?;
    let secrets = secrets?;
    let (password_hash, id) =
        tokio::try_join!(password::hash(body.password), store.take_ids(Counter::UserIds, 1),)?;
    let user = UserItem {
        id: UserId::try_from(id).map_err(|e| Error::Internal(e.to_string()))?,
        username: body.username.as_str().to_owned(),
        email: body.email.as_str().to_owned(),
        role: Role::Member,
        joined: state.app.clock.now().to_string(),
    };
    let token = RefreshToken::first(user.id)?;
    let session = store.begin_session(&token, &new_session(&state.app, user.id, &token))?;
    let attempt = Attempt::new(&body.username.folded(), &address.network());
    let (created, noted) = tokio::join!(
        store.create_user(&user, password_hash, session),
        store.record_registration(&attempt, user.id),
    );
    created?;
    if let Err(error) = noted {
        // The user is registered. Until they sign in from here, this address is like any other.
        tracing::warn!(error = %error.log_message(), "the address of a registration isn't noted");
    }
    tracing::info!(event = "registered", user = user.id.get());
    signed_in(&state.app, &secrets, StatusCode::CREATED, &user, &token)
}

/// Sign in
///
/// An unknown username and a wrong password get the same answer. For each name, an address has nine attempts without a
/// wait. Each further attempt must wait, for 1 second at first and for 15 minutes at most: `429` says how long. All
/// addresses together have 50 attempts in 15 minutes for a name; an address where the user has signed in within 30 days
/// is not counted among them. With `refresh`, any refresh token that the user was ever given, attempts are counted for
/// that token's session alone. The right password resets the count. Existing sessions are not affected.
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
    _: RejectInvalidToken,
    address: SourceAddress,
    Form(body): Form<LoginBody>,
) -> Result<Response> {
    let store = &state.app.store;
    let name = fold_name(&body.username);
    let attempt = Attempt::new(&name, &address.network());
    let (taken_attempt, login, standing, opened) = tokio::join!(
        count_address(&state.app, &address),
        store.find_login(&name),
        store.read_attempts(&attempt),
        async {
            let secrets = state.vault.open(&state.app).await?;
            let holder = token_holder(&state.app, &secrets, body.refresh.as_ref()).await?;
            Ok::<_, Error>((secrets, holder))
        },
    );
    taken_attempt?;
    let (login, standing, (secrets, holder)) = (login?, standing?, opened?);
    let known = login.as_ref().map(|login| login.user.get());
    // A token of somebody else's account says nothing.
    let session = holder
        .filter(|(user, _)| Some(user.get()) == known)
        .map(|(_, session)| session);
    let claim = Claim {
        login: login.as_ref(),
        session: session.as_deref(),
    };
    if let Err(error) = store.count_attempt(&attempt, standing, claim).await {
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
    // Neither is worth refusing the right password for.
    let bookkeeping = async {
        let upgrade = async {
            match &verdict {
                Verdict::RightButWeak(hash) => store.upgrade_hash(login, hash).await,
                _ => Ok(()),
            }
        };
        let signed_in = store.record_sign_in(&attempt, login.user, session.as_deref());
        let noted = within(NOTED_WITHIN, async { tokio::try_join!(signed_in, upgrade) });
        if let Err(error) = noted.await {
            tracing::warn!(error = %error.log_message(), "a sign-in isn't noted");
        }
        Ok(())
    };
    let token = RefreshToken::first(login.user)?;
    let new = new_session(&state.app, login.user, &token);
    let (user, ..) = tokio::try_join!(
        store.get_user(login.user),
        store.put_session(&token, &new),
        bookkeeping,
    )?;
    let user = user.ok_or_else(|| Error::Internal("a name of no user".into()))?;
    tracing::info!(event = "logged_in", user = user.id.get());
    signed_in(&state.app, &secrets, StatusCode::OK, &user, &token)
}

/// Refresh a session
///
/// Returns a new access token and the next refresh token. Each refresh token works once. If the answer is lost, the same
/// token may be sent again within 10 seconds (`REFRESH_GRACE_SECONDS`) and gets the same next refresh token. An older token
/// ends the session, since somebody else may have a copy of it.
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
    _: RejectInvalidToken,
    Form(body): Form<RefreshBody>,
) -> Result<Response> {
    let store = &state.app.store;
    let secrets = state.vault.open(&state.app).await?;
    let key = secrets.refresh_key();
    let token = RefreshToken::parse(key, body.refresh.expose()).ok_or(NOT_REFRESHED)?;
    let next = token.next(key);
    match store
        .rotate_session(&token, &next, &state.app.config.tokens)
        .await?
    {
        Rotation::Rotated(user) => {
            let next = next.of(user);
            Ok(secret(StatusCode::OK, tokens(&state.app, &secrets, user, &next)?))
        }
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
/// Ends the session: its refresh tokens stop working. Access tokens that were issued stay valid until they expire. Ending a
/// session that has already ended is not an error.
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
    _: RejectInvalidToken,
    Form(body): Form<RefreshBody>,
) -> Result<StatusCode> {
    let secrets = state.vault.open(&state.app).await?;
    let token = RefreshToken::parse(secrets.refresh_key(), body.refresh.expose()).ok_or(NOT_REFRESHED)?;
    state.app.store.end_session(&token).await?;
    tracing::info!(event = "logged_out");
    Ok(StatusCode::NO_CONTENT)
}

/// List the public keys
///
/// The keys that access tokens are verified with, as a JWK Set (RFC 7517 §5): one, and after a rotation the one before it
/// as well, for some weeks. A token's `kid` says which is its own.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "auth",
    responses(
        (status = 200, description = "A JWK Set.", body = JwksBody),
        Unavailable,
    )
)]
pub(crate) async fn get_jwks(State(state): State<AuthState>) -> Result<Response> {
    // The first caller of a new deployment finds a key, not an empty set.
    state.vault.open(&state.app).await?;
    let keys = state.app.keys.public_keys(&state.app.store).await?;
    let body = JwksBody {
        keys: keys.into_iter().map(JwkBody::from).collect(),
    };
    let cached = AppendHeaders([(header::CACHE_CONTROL, JWKS_CACHE)]);
    Ok((cached, Json(body)).into_response())
}

/// Counts this attempt against its address's limit, where there is one.
async fn count_address(app: &AppState, address: &SourceAddress) -> Result<()> {
    let limit = app.config.throttle.address_per_minute;
    if limit == 0 || address.0.is_none() {
        return Ok(());
    }
    let counted = app.store.count_address(&address.network(), limit).await;
    if matches!(counted, Err(Error::TooManyRequests { .. })) {
        tracing::warn!(event = "address_throttled");
    }
    counted
}

/// Whose the refresh token is that came with a login, and of which session; whatever has become of that, since all it
/// shows is that its holder was signed in once. `None` for a text that we didn't make. 1 read unit for a token that doesn't
/// say whose it is, otherwise none.
async fn token_holder(
    app: &AppState,
    secrets: &AuthSecrets,
    refresh: Option<&Secret>,
) -> Result<Option<(UserId, String)>> {
    let token = refresh.and_then(|text| RefreshToken::parse(secrets.refresh_key(), text.expose()));
    let Some(token) = token else {
        return Ok(None);
    };
    let user = match token.user() {
        Some(user) => Some(user),
        None => app.store.session_user(&token).await?,
    };
    Ok(user.map(|user| (user, token.session())))
}

fn new_session(app: &AppState, user: UserId, token: &RefreshToken) -> SessionItem {
    SessionItem::new(user, token, app.clock.now(), app.config.tokens.session_seconds)
}

fn signed_in(
    app: &AppState,
    secrets: &AuthSecrets,
    status: StatusCode,
    user: &UserItem,
    token: &RefreshToken,
) -> Result<Response> {
    let body = SignedInBody {
        user: UserBody::own(user),
        tokens: tokens(app, secrets, user.id, token)?,
    };
    Ok(secret(status, body))
}

fn tokens(app: &AppState, secrets: &AuthSecrets, user: UserId, refresh: &RefreshToken) -> Result<TokensBody> {
    let config = &app.config.tokens;
    let access = token::issue(secrets, config, user, app.clock.now())?;
    let refresh = refresh.to_text(secrets.refresh_key());
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
