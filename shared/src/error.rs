//! The one error type, and the one place that maps it to HTTP.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::http::problem::Problem;

/// A result whose error is an [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with each field of a request, in the words a client shows to a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(pub BTreeMap<&'static str, Vec<String>>);

impl FieldErrors {
    /// One message about one field.
    #[must_use]
    pub fn one(field: &'static str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    /// Adds a message about `field`.
    pub fn add(&mut self, field: &'static str, message: impl Into<String>) {
        self.0.entry(field).or_default().push(message.into());
    }

    /// Takes a field's value, or notes what is wrong with it and gives `None`, so that all fields are reported at once.
    pub fn take<T, E: std::fmt::Display>(
        &mut self,
        field: &'static str,
        value: std::result::Result<T, E>,
    ) -> Option<T> {
        value.map_err(|e| self.add(field, e.to_string())).ok()
    }

    /// `Ok` when nothing was noted, otherwise [`Error::Invalid`].
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that was noted.
    pub fn check(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self))
        }
    }
}

/// Everything a request can come to other than success.
///
/// A variant's text is meant for the client. [`Error::Unavailable`] and [`Error::Internal`] hold inside text: it goes
/// to the log and never into a response, which is why neither is printed by [`IntoResponse`].
#[derive(Debug)]
pub enum Error {
    /// `400`: the request can't be read: broken JSON, a bad cursor.
    Malformed(String),
    /// `400`: fields or query parameters are missing or not valid.
    Invalid(FieldErrors),
    /// `401`: no credentials, or none that are valid. The text says which.
    Unauthenticated(&'static str),
    /// `401`: the access token has expired.
    TokenExpired,
    /// `403`: known, but not allowed.
    Forbidden(&'static str),
    /// `404`: nothing is here.
    NotFound(&'static str),
    /// `405`: the path exists, for other methods. The router has set `Allow`.
    MethodNotAllowed,
    /// `409`: a value that must be unique is taken.
    Conflict(FieldErrors),
    /// `412`: the movie has changed since the version in `If-Match`.
    Stale,
    /// `413`: the body is over the limit.
    TooLarge,
    /// `415`: the body is of a type no endpoint takes.
    UnsupportedMediaType,
    /// `429`: too many attempts; again after this many seconds.
    TooManyRequests {
        /// Whole seconds until the next attempt is taken.
        retry_after: u64,
    },
    /// `503`: the table didn't serve in time. The text is for the log.
    Unavailable(String),
    /// `500`: a bug. The text is for the log.
    Internal(String),
}

impl Error {
    /// A `400` about one field or query parameter.
    #[must_use]
    pub fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid(FieldErrors::one(field, message))
    }

    /// The status this error is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) | Self::TokenExpired => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The error in words for the operator: inside text and all.
    #[must_use]
    pub fn log_message(&self) -> String {
        match self {
            Self::Unavailable(inside) | Self::Internal(inside) => inside.clone(),
            other => other.problem().detail,
        }
    }

    /// The problem document a client sees.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (code, detail): (&'static str, String) = match self {
            Self::Malformed(text) => ("malformed_request", text.clone()),
            Self::Invalid(_) => (
                "invalid_input",
                "Some fields are missing or invalid; see `errors`.".into(),
            ),
            Self::Unauthenticated(text) => ("unauthenticated", (*text).into()),
            Self::TokenExpired => (
                "token_expired",
                "The access token has expired; refresh it.".into(),
            ),
            Self::Forbidden(text) => ("forbidden", (*text).into()),
            Self::NotFound(text) => ("not_found", (*text).into()),
            Self::MethodNotAllowed => (
                "method_not_allowed",
                "This path does not support this method; see `Allow`.".into(),
            ),
            Self::Conflict(_) => (
                "conflict",
                "A value that must be unique is already in use; see `errors`.".into(),
            ),
            Self::Stale => (
                "stale_precondition",
                "The movie has changed since the version named in `If-Match`; read it again.".into(),
            ),
            Self::TooLarge => (
                "body_too_large",
                format!(
                    "The request body must be at most {} KiB.",
                    crate::http::body::MAX_BODY_BYTES / 1024
                ),
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                "Send application/json, application/x-www-form-urlencoded or multipart/form-data.".into(),
            ),
            Self::TooManyRequests { retry_after } => (
                "too_many_requests",
                format!("Too many attempts; try again in {retry_after} s."),
            ),
            Self::Unavailable(_) => (
                "unavailable",
                "The service is temporarily unavailable; try again shortly.".into(),
            ),
            Self::Internal(_) => (
                "internal_error",
                "An internal error occurred. Report it with the request id.".into(),
            ),
        };
        let errors = match self {
            Self::Invalid(errors) | Self::Conflict(errors) => Some(errors.clone()),
            _ => None,
        };
        Problem::new(self.status(), code, detail, errors)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match &self {
            Self::Unavailable(inside) => tracing::warn!(error = %inside, "unavailable"),
            Self::Internal(inside) => tracing::error!(error = %inside, "internal error"),
            _ => {}
        }
        let mut response = self.problem().into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated(_) => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"marquee\""),
                );
            }
            Self::TokenExpired => {
                // RFC 6750 §3.1.
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"marquee\", error=\"invalid_token\""),
                );
            }
            Self::TooManyRequests { retry_after } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            }
            Self::Unavailable(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
