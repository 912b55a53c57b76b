//! The operations on the current user's account. Each asks for the current password again.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use marquee_shared::{
    AppState, Error, Result,
    auth::{
        Caller,
        password::{self, Verdict},
    },
    db::{
        leaving::AccountDeletion,
        names_change::{NamesChange, NewNames},
        password_change::{NewPassword, PasswordChange},
        retry::within,
        user::{UserItem, existing},
    },
    domain::{Email, UserId, Username, password::Secret, username::fold_name},
    error::FieldErrors,
    http::{Form, openapi::*, wire::UserBody},
    telemetry,
};

use crate::wire::{CurrentPasswordBody, NamesBody, PasswordBody};

/// The field with the current password.
pub(crate) const CURRENT_PASSWORD: &str = "current_password";

/// The message about a current password that is wrong.
const NOT_THE_PASSWORD: &str = "This is not the current password.";

/// The message about a new name that is the password.
const NOT_THE_PASSWORD_ITSELF: &str = "Must not be the password.";

/// How long a request waits for a write that it can do without.
const NOTED_WITHIN: Duration = Duration::from_secs(2);

/// Change the password
///
/// Every other session of the caller ends; the current one stays. Wrong current passwords are counted for the caller alone:
/// nine are answered at once, and each later attempt must wait, 1 second at first and 15 minutes at most.
#[utoipa::path(
    put,
    path = "/api/users/me/password/",
    tag = "users",
    request_body = PasswordBody,
    responses(
        (status = 204, description = "The password has been changed."),
        BadRequest, Unauthenticated, TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn change_password(
    State(state): State<AppState>,
    caller: Caller,
    Form(body): Form<PasswordBody>,
) -> Result<StatusCode> {
    let session = caller.session()?;
    let Checked { user, mut errors } = check_password(&state, caller.id, &body.current_password).await?;
    let password = body.new_password.unlike(Some(&user.username), Some(&user.email));
    let password = errors.take("new_password", password);
    errors.check()?;
    let Some(password) = password else {
        return Err(Error::internal("a password without an error is missing"));
    };
    let hash = password::hash(password).await?;
    let new = NewPassword {
        hash: &hash,
        known: Some(user.password_version),
        email: None,
        keep: Some(session),
        also: Vec::new(),
    };
    let (changed, ()) = tokio::join!(
        state.store.set_password(caller.id, &new),
        forget_attempts(&state, caller.id)
    );
    match changed? {
        PasswordChange::Made => {}
        PasswordChange::NoUser => return Err(Error::UNKNOWN_USER),
        // Another request has changed the password meanwhile.
        PasswordChange::Outdated => return Err(Error::invalid(CURRENT_PASSWORD, NOT_THE_PASSWORD)),
        PasswordChange::Refused => return Err(Error::internal("a condition that wasn't sent failed")),
    }
    tracing::info!(event = "password_changed", user = caller.id.get());
    Ok(StatusCode::NO_CONTENT)
}

/// Update the current user
///
/// Changes the username, the email or both, with which the caller signs in from then on. The old names are free at once.
/// Sessions stay. Wrong current passwords are counted for the caller alone, as for a change of the password.
#[utoipa::path(
    patch,
    path = "/api/users/me/",
    tag = "users",
    request_body = NamesBody,
    responses(
        (status = 200, description = "The user after the change.", body = UserBody),
        BadRequest, Unauthenticated, Conflict, TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn update_me(
    State(state): State<AppState>,
    caller: Caller,
    Form(body): Form<NamesBody>,
) -> Result<Json<UserBody>> {
    let NamesBody {
        current_password,
        username,
        email,
    } = body;
    let names = NewNames { username, email };
    let Checked { user, mut errors } = check_password(&state, caller.id, &current_password).await?;
    if errors.0.is_empty() {
        // A password must not be a name of its user.
        let password = fold_name(current_password.composed().expose());
        let is_password = |folded: Option<String>| folded.is_some_and(|name| name == password);
        if is_password(names.username.as_ref().map(Username::folded)) {
            errors.add("username", NOT_THE_PASSWORD_ITSELF);
        }
        if is_password(names.email.as_ref().map(Email::folded)) {
            errors.add("email", NOT_THE_PASSWORD_ITSELF);
        }
    }
    errors.check()?;
    let (changed, ()) = tokio::join!(
        state.store.set_names(user, &names),
        forget_attempts(&state, caller.id)
    );
    let user = match changed? {
        NamesChange::Made(user) => user,
        NamesChange::NoUser => return Err(Error::UNKNOWN_USER),
        // Another request has changed the password meanwhile.
        NamesChange::Outdated => return Err(Error::invalid(CURRENT_PASSWORD, NOT_THE_PASSWORD)),
    };
    tracing::info!(event = "names_changed", user = caller.id.get());
    Ok(Json(UserBody::own(&user)))
}

/// Delete the current user
///
/// The caller's sessions end, and both names are free again at once. All access tokens of the caller are `401` from then on. The
/// caller's favorites go, and the counts of the movies follow within a minute. The caller's movies stay, with `user` null. Wrong
/// current passwords are counted for the caller alone, as for a change of the password.
#[utoipa::path(
    delete,
    path = "/api/users/me/",
    tag = "users",
    request_body = CurrentPasswordBody,
    responses(
        (status = 204, description = "The account has been deleted."),
        BadRequest, Unauthenticated, TooLarge, UnsupportedMediaType, TooManyRequests, Unavailable
    ),
    security(("bearer" = []))
)]
pub(crate) async fn delete_me(
    State(state): State<AppState>,
    caller: Caller,
    Form(body): Form<CurrentPasswordBody>,
) -> Result<StatusCode> {
    let Checked { user, errors } = check_password(&state, caller.id, &body.current_password).await?;
    errors.check()?;
    let (deleted, ()) = tokio::join!(
        state.store.delete_user(caller.id, Some(user.password_version)),
        forget_attempts(&state, caller.id)
    );
    match deleted? {
        AccountDeletion::Made => {}
        AccountDeletion::NoUser => return Err(Error::UNKNOWN_USER),
        // Another request has changed the password meanwhile.
        AccountDeletion::Outdated => return Err(Error::invalid(CURRENT_PASSWORD, NOT_THE_PASSWORD)),
    }
    tracing::info!(event = "account_deleted", user = caller.id.get());
    Ok(StatusCode::NO_CONTENT)
}

/// A user whose password was checked.
pub(crate) struct Checked {
    /// The user, as read for the check.
    pub(crate) user: UserItem,
    /// The error if the password is wrong. Other errors can be reported with it.
    pub(crate) errors: FieldErrors,
}

/// Counts an attempt of a signed-in user, and checks the password that they sent again.
///
/// # Errors
/// [`Error::TooManyRequests`] if the attempt must wait; [`Error::InvalidToken`] if the user doesn't exist.
pub(crate) async fn check_password(state: &AppState, id: UserId, typed: &Secret) -> Result<Checked> {
    let store = &state.store;
    let (user, counted) = tokio::join!(store.get_user(id), store.count_own_attempt(id));
    let user = existing(user?)?;
    if let Err(error) = counted {
        if matches!(error, Error::TooManyRequests { .. }) {
            tracing::warn!(event = "password_throttled", user = id.get());
        }
        return Err(error);
    }
    let (user, login) = existing(store.login_of(user).await?)?;
    let mut errors = FieldErrors::default();
    if password::verify(Some(login.password_hash), typed.clone()).await? == Verdict::Wrong {
        tracing::warn!(event = "password_check_failed", user = id.get());
        errors.add(CURRENT_PASSWORD, NOT_THE_PASSWORD);
    }
    Ok(Checked { user, errors })
}

/// Resets the count of attempts after the right password. If that fails, the request still succeeds.
async fn forget_attempts(state: &AppState, id: UserId) {
    if let Err(error) = within(NOTED_WITHIN, state.store.forget_own_attempts(id)).await {
        telemetry::warn(&error, "the attempts at a password stay counted");
    }
}
