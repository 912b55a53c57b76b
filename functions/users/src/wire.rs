//! Request and response bodies.

use marquee_shared::{
    Error, Result,
    clock::Instant,
    db::session_list::Session,
    domain::{Email, Password, SessionId, Username, password::Secret},
    error::FieldErrors,
    http::body::{Fields, FromFields},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::handlers::account::CURRENT_PASSWORD;

/// A new password, with the current one.
#[derive(Debug, ToSchema)]
#[schema(as = NewPassword, example = json!({
    "current_password": "in space no one can hear", "new_password": "you are my lucky star",
}))]
pub(crate) struct PasswordBody {
    /// The current password.
    #[schema(value_type = String, format = Password, min_length = 1)]
    pub(crate) current_password: Secret,
    /// The new password: 8 to 128 characters of any kind, counted in composed form (Unicode NFC). White space and case are kept.
    /// Must not be a common password, the username or the email.
    pub(crate) new_password: Password,
}

impl FromFields for PasswordBody {
    const FIELDS: &'static [&'static str] = &[CURRENT_PASSWORD, "new_password"];

    fn from_fields(mut fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let current_password = current_password(&mut fields, &mut errors);
        let new_password = fields
            .required("new_password", &mut errors)
            .and_then(|text| errors.take("new_password", Password::parse(text)));
        let (Some(current_password), Some(new_password)) = (current_password, new_password) else {
            return Err(Error::Invalid(errors));
        };
        Ok(Self {
            current_password,
            new_password,
        })
    }
}

/// New names, with the current password.
#[derive(Debug, ToSchema)]
#[schema(as = UserPatch, example = json!({
    "username": "ellen", "email": "ellen@example.com", "current_password": "in space no one can hear",
}))]
pub(crate) struct NamesBody {
    /// The current password.
    #[schema(value_type = String, format = Password, min_length = 1)]
    pub(crate) current_password: Secret,
    /// The new username, if it changes. Must be unique, compared without case.
    #[schema(nullable = false)]
    pub(crate) username: Option<Username>,
    /// The new email, if it changes. Must be unique, compared without case.
    #[schema(nullable = false)]
    pub(crate) email: Option<Email>,
}

impl FromFields for NamesBody {
    const FIELDS: &'static [&'static str] = &["username", "email", CURRENT_PASSWORD];

    fn from_fields(mut fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        let username = fields
            .string("username")
            .not_null("username", &mut errors)
            .and_then(|text| errors.take("username", Username::parse(&text)));
        let email = fields
            .string("email")
            .not_null("email", &mut errors)
            .and_then(|text| errors.take("email", Email::parse(&text)));
        let current_password = current_password(&mut fields, &mut errors);
        errors.check()?;
        let current_password =
            current_password.ok_or_else(|| Error::internal("a missing field without an error"))?;
        Ok(Self {
            current_password,
            username,
            email,
        })
    }
}

/// The current password.
#[derive(Debug, ToSchema)]
#[schema(as = CurrentPassword, example = json!({"current_password": "in space no one can hear"}))]
pub(crate) struct CurrentPasswordBody {
    /// The current password.
    #[schema(value_type = String, format = Password, min_length = 1)]
    pub(crate) current_password: Secret,
}

impl FromFields for CurrentPasswordBody {
    const FIELDS: &'static [&'static str] = &[CURRENT_PASSWORD];

    fn from_fields(mut fields: Fields) -> Result<Self> {
        let mut errors = FieldErrors::default();
        match current_password(&mut fields, &mut errors) {
            Some(current_password) => Ok(Self { current_password }),
            None => Err(Error::Invalid(errors)),
        }
    }
}

/// Reads the field with the current password.
fn current_password(fields: &mut Fields, errors: &mut FieldErrors) -> Option<Secret> {
    let typed = fields.required(CURRENT_PASSWORD, errors)?;
    if typed.is_empty() {
        errors.add(CURRENT_PASSWORD, "This field may not be blank.");
        return None;
    }
    Some(Secret::new(typed))
}

/// The session in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "only described; PathSession reads the value")]
pub(crate) struct SessionIdParam {
    /// The id of the session.
    #[param(
        min_length = 32,
        max_length = 32,
        pattern = "^[0-9a-f]{32}$",
        example = "0001abff0405060708090a0b0c0d0e0f"
    )]
    session: String,
}

/// A session of the current user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    /// The id. The access tokens of the session have it as `sid`.
    #[schema(value_type = String, min_length = 32, max_length = 32, example = "0001abff0405060708090a0b0c0d0e0f")]
    pub(crate) id: SessionId,
    /// When the user signed in.
    #[schema(format = DateTime, example = "2026-11-22T21:34:01.250Z")]
    pub(crate) created_at: String,
    /// When the session was last refreshed, or began.
    #[schema(format = DateTime, example = "2026-11-22T21:34:01.250Z")]
    pub(crate) last_used_at: String,
    /// When the session ends, however it is used.
    #[schema(format = DateTime, example = "2026-12-22T21:34:01.250Z")]
    pub(crate) expires_at: String,
    /// The `User-Agent` of the client that signed in, at most 200 characters of it; null if it sent none.
    #[schema(
        required,
        max_length = 200,
        example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    )]
    pub(crate) user_agent: Option<String>,
    /// Whether it is the session of the access token.
    pub(crate) current: bool,
}

impl SessionBody {
    /// Returns a session as its user sees it in the session `current`.
    pub(crate) fn new(session: Session, current: SessionId) -> Self {
        let Session { id, item } = session;
        Self {
            id,
            created_at: Instant(item.created).to_string(),
            last_used_at: Instant(item.rotated).to_string(),
            expires_at: Instant(item.expires).to_string(),
            user_agent: item.user_agent,
            current: id == current,
        }
    }
}
