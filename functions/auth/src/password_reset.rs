//! The operations that reset a forgotten password.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
};
use marquee_shared::{
    AppState, Error, Result,
    auth::{RejectInvalidToken, password, reset::ResetToken},
    db::{
        attempts::{Attempt, Claim},
        password_change::{NewPassword, PasswordChange},
        retry::within,
        user::UserItem,
    },
    domain::username::fold_name,
    error::FieldErrors,
    http::{
        Form,
        extract::SourceAddress,
        openapi::{
            BadRequest, NoMail, TooLarge, TooManyRequests, Unauthenticated, Unavailable, UnsupportedMediaType,
        },
    },
    telemetry,
};

use crate::{
    AuthState,
    handlers::{NOTED_WITHIN, count_address},
    wire::{ResetAskedBody, ResetBody, ResetRequestBody},
};

/// Refuses every request where no mail is configured, whatever its body is.
pub(crate) struct MailIsConfigured;

impl FromRequestParts<AuthState> for MailIsConfigured {
    type Rejection = Error;

    async fn from_request_parts(_: &mut Parts, state: &AuthState) -> Result<Self> {
        match state.app.config.mail_from {
            Some(_) => Ok(Self),
            None => Err(Error::NO_MAIL),
        }
    }
}

/// Ask for a password reset
///
/// Sends a mail with a one-time token to the account with this email, if there is one. The answer and its time are the same
/// for every email. The token is good for 30 minutes (the setting `RESET_TOKEN_SECONDS`). Asking again ends earlier tokens.
///
/// Requests for an email are counted by source address, as logins are and apart from them. The first nine are accepted at
/// once. Each later one must wait, 1 second at first and 15 minutes at most: `429` says how long. All addresses together have
/// 50 requests in 15 minutes. After ten mails in a row, the next one is sent at the earliest five minutes after the last, whose
/// token stays good until then.
#[utoipa::path(
    post,
    path = "/api/auth/password-reset/",
    tag = "auth",
    request_body = ResetRequestBody,
    responses(
        (status = 202, description = "A mail is sent if an account has this email.", body = ResetAskedBody),
        BadRequest, Unauthenticated, NoMail, TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn request_password_reset(
    State(state): State<AuthState>,
    _: RejectInvalidToken,
    _: MailIsConfigured,
    address: SourceAddress,
    Form(body): Form<ResetRequestBody>,
) -> Result<(StatusCode, Json<ResetAskedBody>)> {
    let store = &state.app.store;
    let attempt = Attempt::to_reset(&body.email.folded(), &address.network());
    let (counted, standing) =
        tokio::join!(count_address(&state.app, &address), store.read_attempts(&attempt));
    counted?;
    // Nobody looks whether an account has the email, so the calls are the same for every one.
    let claim = Claim {
        login: None,
        session: None,
    };
    if let Err(error) = store.count_attempt(&attempt, standing?, claim).await {
        if matches!(error, Error::TooManyRequests { .. }) {
            tracing::warn!(event = "password_reset_throttled");
        }
        return Err(error);
    }
    store.ask_for_reset(&body.email).await?;
    tracing::info!(event = "password_reset_asked");
    Ok((StatusCode::ACCEPTED, Json(ResetAskedBody::default())))
}

/// Reset a password
///
/// Sets a new password by the token of a mail, or of the operator's command `marquee reset-password`. Every session of the user
/// ends, and every reset token of the user stops working. Access tokens stay valid until they expire.
#[utoipa::path(
    post,
    path = "/api/auth/password-reset/confirm/",
    tag = "auth",
    request_body = ResetBody,
    responses(
        (status = 204, description = "The user has the new password, and no session."),
        BadRequest, Unauthenticated, TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable,
    )
)]
pub(crate) async fn confirm_password_reset(
    State(state): State<AuthState>,
    _: RejectInvalidToken,
    address: SourceAddress,
    Form(body): Form<ResetBody>,
) -> Result<StatusCode> {
    let store = &state.app.store;
    let token = ResetToken::parse(body.token.expose());
    let (counted, user) = tokio::join!(count_address(&state.app, &address), async {
        match &token {
            Some(token) => store.reset_by(token).await,
            None => Ok(None),
        }
    });
    counted?;
    let (Some(token), Some(user)) = (token, user?) else {
        tracing::warn!(event = "password_reset_refused");
        return Err(no_good());
    };
    let mut errors = FieldErrors::default();
    let password = body.password.unlike(Some(&user.username), Some(&user.email));
    let password = errors.take("password", password);
    errors.check()?;
    let password = password.ok_or_else(|| Error::internal("a password without an error is missing"))?;
    // Only now, because hashing takes time, and whoever has no token must not cause it.
    let hash = password::hash(password).await?;
    let new = NewPassword {
        hash: &hash,
        known: Some(user.password_version),
        email: Some(&user.email),
        keep: None,
        also: vec![store.use_reset_token(&token)?],
    };
    match store.set_password(user.id, &new).await? {
        PasswordChange::Made => {}
        // Another request has used the token or asked for a new one, has changed the password or the email, or has deleted the
        // account.
        PasswordChange::Refused | PasswordChange::Outdated | PasswordChange::NoUser => return Err(no_good()),
    }
    forget_attempts(&state.app, &user, &address).await;
    tracing::info!(event = "password_reset", user = user.id.get());
    Ok(StatusCode::NO_CONTENT)
}

/// The error for a token that is not good, for any reason.
fn no_good() -> Error {
    Error::invalid("token", "This token is wrong, was used or is too old.")
}

/// Forgets the attempts to sign in from this address, as a sign-in does: whoever has forgotten a password has tried several. It may
/// fail, and then the user waits.
async fn forget_attempts(app: &AppState, user: &UserItem, address: &SourceAddress) {
    let network = address.network();
    let names = [fold_name(&user.username), fold_name(&user.email)];
    let [by_username, by_email] = names.map(|name| Attempt::new(&name, &network));
    let forgotten = within(NOTED_WITHIN, async {
        tokio::try_join!(
            app.store.record_sign_in(&by_username, user.id, None),
            app.store.record_sign_in(&by_email, user.id, None),
        )
    });
    if let Err(error) = forgotten.await {
        telemetry::warn(
            &error,
            "the attempts to sign in before a password reset stay counted",
        );
    }
}
