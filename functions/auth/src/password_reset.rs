//! The operations that reset a forgotten password.

use axum::{Json, extract::State, http::StatusCode};
use marquee_shared::{
    Error, Result,
    auth::RejectInvalidToken,
    db::attempts::{Attempt, Claim},
    http::{
        Form,
        extract::SourceAddress,
        openapi::{
            BadRequest, NoMail, TooLarge, TooManyRequests, Unauthenticated, Unavailable, UnsupportedMediaType,
        },
    },
};

use crate::{
    AuthState,
    handlers::count_address,
    wire::{ResetAskedBody, ResetRequestBody},
};

/// Ask for a password reset
///
/// Sends a mail with a one-time token to the account with this email, if there is one. The answer and its time are the same
/// for every email. The token is good for 30 minutes (the setting `RESET_TOKEN_SECONDS`). Asking again ends earlier tokens.
///
/// Requests for an email are counted by source address, as logins are and apart from them. The first nine are accepted at
/// once. Each later one must wait, 1 second at first and 15 minutes at most: `429` says how long. All addresses together have
/// 50 requests in 15 minutes.
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
    address: SourceAddress,
    Form(body): Form<ResetRequestBody>,
) -> Result<(StatusCode, Json<ResetAskedBody>)> {
    if state.app.config.mail_from.is_none() {
        return Err(Error::NO_MAIL);
    }
    let store = &state.app.store;
    let attempt = Attempt::to_reset(&body.email.folded(), &address.network());
    let (counted, standing) =
        tokio::join!(count_address(&state.app, &address), store.read_attempts(&attempt),);
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
