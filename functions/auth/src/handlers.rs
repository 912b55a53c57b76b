//! One function per operation.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use marquee_shared::{
    AppState, Error, Result,
    auth::{AuthSecrets, RejectInvalidToken, password, password::Verdict, refresh::RefreshToken, token},
    db::{
        attempts::{Attempt, Claim},
        counter::Counter,
        retry::within,
        session::{Rotation, SessionItem},
        user::{PasswordVersion, UserItem},
    },
    domain::{Role, SessionId, UserId, password::Secret, username::fold_name},
    http::{
        CheckedQuery, Form,
        caching::ForEveryone,
        extract::{SourceAddress, UserAgent},
        openapi::{
            BadRequest, Conflict, TooLarge, TooManyRequests, Unauthenticated, Unavailable,
            UnsupportedMediaType,
        },
        wire::UserBody,
    },
    telemetry,
};

use crate::{
    AuthState,
    wire::{JwkBody, JwksBody, LoginBody, RefreshBody, RegisterBody, SignedInBody, TokensBody},
};

/// How long the public keys may be cached. It is short, so that a verifier finds a new `kid` soon.
const JWKS_CACHE: &str = "public, max-age=60";

/// How long a sign-in waits for writes that it can do without.
pub(crate) const NOTED_WITHIN: Duration = Duration::from_secs(2);

/// The answer to a failed sign-in. It doesn't say whether the username or the password is wrong.
const NOT_SIGNED_IN: Error = Error::unauthenticated("The username or password is incorrect.");

/// The answer to a refresh token that is not valid, for any reason.
const NOT_REFRESHED: Error = Error::unauthenticated("The refresh token is invalid.");

/// Register a user
///
/// Creates a user and signs them in. The username and the email must each be unique, compared without case. A username may
/// not be another user's email, or the reverse.
#[utoipa::path(
    post,
    path = "/api/auth/register/",
    tag = "auth",
    request_body = RegisterBody,
    responses(
        (status = 201, description = "The user, and the tokens of their first session.", body = SignedInBody),
        BadRequest, Unauthenticated, Conflict, TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn register_user(
    State(state): State<AuthState>,
    _: RejectInvalidToken,
    address: SourceAddress,
    UserAgent(user_agent): UserAgent,
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
        lists_all_sessions: true,
        id: UserId::try_from(id).map_err(|e| Error::internal(e.to_string()))?,
        username: body.username.as_str().to_owned(),
        email: body.email.as_str().to_owned(),
        role: Role::Member,
        joined: state.app.clock.now().to_string(),
        password_version: PasswordVersion::default(),
    };
    let token = RefreshToken::first(user.id)?;
    let seconds = state.app.config.tokens.session_seconds;
    let session = SessionItem::new(&user, &token, state.app.clock.now(), seconds).from_client(user_agent);
    let session = store.begin_session(&token, &session)?;
    let attempt = Attempt::new(&body.username.folded(), &address.network());
    let (created, noted) = tokio::join!(
        store.create_user(&user, password_hash, session),
        store.record_registration(&attempt, user.id),
    );
    created?;
    if let Err(error) = noted {
        // The user is registered. The address counts as unknown until they sign in from it.
        telemetry::warn(&error, "the address of a registration was not recorded");
    }
    tracing::info!(event = "registered", user = user.id.get());
    signed_in(&state.app, &secrets, StatusCode::CREATED, &user, &token)
}

/// Sign in
///
/// Starts a session. An unknown username and a wrong password get the same answer.
///
/// Attempts for a username are counted by source address. The first nine are answered at once. Each later one must wait, 1
/// second at first and 15 minutes at most: `429` says how long. All addresses together have 50 attempts in 15 minutes,
/// without those where the user has signed in during the last 30 days. Attempts with `refresh` are counted by that token's
/// session instead. The correct password resets the count; until it has been checked, an attempt counts as a wrong one, so of
/// more than nine at once some must wait. Existing sessions are not affected, except that a user has at most
/// 80: one more ends the one that was not used for longest.
#[utoipa::path(
    post,
    path = "/api/auth/login/",
    tag = "auth",
    request_body = LoginBody,
    responses(
        (status = 200, description = "The user, and the tokens of a new session.", body = SignedInBody),
        BadRequest, Unauthenticated, TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn log_in(
    State(state): State<AuthState>,
    _: RejectInvalidToken,
    address: SourceAddress,
    UserAgent(user_agent): UserAgent,
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
    // A token of another user proves nothing about this one.
    let session = holder
        .filter(|(user, _)| Some(user.get()) == known)
        .map(|(_, session)| session);
    let claim = Claim {
        login: login.as_ref(),
        session,
    };
    if let Err(error) = store.count_attempt(&attempt, standing, claim).await {
        if matches!(error, Error::TooManyRequests { .. }) {
            tracing::warn!(event = "login_throttled", user = known);
        }
        return Err(error);
    }

    let hash = login.as_ref().map(|login| login.password_hash.clone());
    let verdict = password::verify(hash, body.password).await?;
    let (Some(login), Verdict::Right | Verdict::RightButOutdated(_)) = (&login, &verdict) else {
        tracing::warn!(event = "login_failed", user = known);
        return Err(NOT_SIGNED_IN);
    };
    // If either of these fails, the sign-in still succeeds.
    let bookkeeping = async {
        let upgrade = async {
            match &verdict {
                Verdict::RightButOutdated(hash) => store.upgrade_hash(login, hash).await,
                _ => Ok(()),
            }
        };
        let signed_in = store.record_sign_in(&attempt, login.user, session);
        let noted = within(NOTED_WITHIN, async { tokio::try_join!(signed_in, upgrade) });
        if let Err(error) = noted.await {
            telemetry::warn(&error, "a sign-in was not recorded");
        }
        Ok(())
    };
    let token = RefreshToken::first(login.user)?;
    let surplus = async {
        let ended = store.end_surplus_sessions(login.user, token.session());
        if let Err(error) = within(NOTED_WITHIN, ended).await {
            telemetry::warn(&error, "surplus sessions are left to the next sign-in");
        }
        Ok(())
    };
    // If the password has been changed since the login was read, the session has ended before it began.
    let new = SessionItem::of_password(
        login.user,
        login.password_version,
        &token,
        state.app.clock.now(),
        state.app.config.tokens.session_seconds,
    );
    let new = new.from_client(user_agent);
    let (user, ..) = tokio::try_join!(
        store.get_user(login.user),
        store.put_session(&token, &new),
        bookkeeping,
        surplus,
    )?;
    // The account was deleted after its login was read. The deletion ends the session too.
    let user = user.ok_or(NOT_SIGNED_IN)?;
    tracing::info!(event = "logged_in", user = user.id.get());
    signed_in(&state.app, &secrets, StatusCode::OK, &user, &token)
}

/// Refresh a session
///
/// Returns a new access token and the next refresh token. Each refresh token works once. If the answer is lost, the same
/// token can be sent again within 10 seconds (the setting `REFRESH_GRACE_SECONDS`); the answer has the same next refresh
/// token. After that time, a used token ends the session, because somebody else may have copied it.
#[utoipa::path(
    post,
    path = "/api/auth/refresh/",
    tag = "auth",
    request_body = RefreshBody,
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
            Ok(Json(tokens(&state.app, &secrets, user, &next)?).into_response())
        }
        Rotation::Gone => Err(NOT_REFRESHED),
        Rotation::Replayed(user) => {
            store.end_session(&token.of(user)).await?;
            tracing::warn!(event = "refresh_replayed", user = user.get());
            Err(NOT_REFRESHED)
        }
    }
}

/// Sign out
///
/// Ends the session of a refresh token, which may be any token of that session. Its refresh tokens stop working; its access
/// tokens stay valid until they expire. Ending a session that has already ended is not an error.
#[utoipa::path(
    post,
    path = "/api/auth/logout/",
    tag = "auth",
    request_body = RefreshBody,
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
    tracing::info!(event = "logged_out", user = token.user().map(UserId::get));
    Ok(StatusCode::NO_CONTENT)
}

/// List the public keys
///
/// Returns the public keys that verify access tokens, as a JWK Set (RFC 7517 §5). After a rotation the previous key stays in
/// the set for some weeks. The `kid` in an access token's header names its key.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "auth",
    responses(
        (status = 200, description = "The keys.", body = JwksBody),
        Unavailable,
    )
)]
pub(crate) async fn get_jwks(State(state): State<AuthState>, _: CheckedQuery) -> Result<Response> {
    // Publishes the key first, so that the first caller of a new deployment doesn't get an empty set.
    state.vault.open(&state.app).await?;
    let keys = state.app.keys.public_keys(&state.app.store).await?;
    let body = JwksBody {
        keys: keys.into_iter().map(JwkBody::from).collect(),
    };
    let cached = AppendHeaders([(header::CACHE_CONTROL, JWKS_CACHE)]);
    Ok((Extension(ForEveryone), cached, Json(body)).into_response())
}

/// Counts this attempt against the limit of its source address, when there is one.
pub(crate) async fn count_address(app: &AppState, address: &SourceAddress) -> Result<()> {
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

/// Returns the user and the session of the refresh token sent with a login. The session may have ended: the token only proves
/// that its holder was signed in once. Returns `None` for text that is not a refresh token of ours. Costs 1 read unit for a
/// token that doesn't name its user, otherwise none.
async fn token_holder(
    app: &AppState,
    secrets: &AuthSecrets,
    refresh: Option<&Secret>,
) -> Result<Option<(UserId, SessionId)>> {
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
    Ok((status, Json(body)).into_response())
}

fn tokens(app: &AppState, secrets: &AuthSecrets, user: UserId, refresh: &RefreshToken) -> Result<TokensBody> {
    let config = &app.config.tokens;
    let access = token::issue(secrets, config, user, refresh.session(), app.clock.now())?;
    let refresh = refresh.to_text(secrets.refresh_key());
    Ok(TokensBody {
        access: access.expose().to_owned(),
        refresh: refresh.expose().to_owned(),
        token_type: "Bearer",
        expires_in: config.access_seconds,
    })
}
