//! The error type that every handler and every store call returns, and the two kinds of text that it carries.
//!
//! This file doesn't depend on HTTP types: `http/problem.rs` maps each error to its problem document.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::Serialize;

/// A result whose error is an [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Text for the client: part of a problem document.
///
/// [`LogText`] is the other kind. Neither converts into the other, so text that was written for the log can't be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClientText(Cow<'static, str>);

impl ClientText {
    /// Returns a fixed text. Unlike `from`, this can be called in a constant.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<&'static str> for ClientText {
    fn from(text: &'static str) -> Self {
        Self::new(text)
    }
}

impl From<String> for ClientText {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ClientText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text for the log: the cause of a failure, with the AWS operation and error code if AWS caused it.
///
/// It is never sent to a client, so it has no `Display`. It must not quote a request or a stored value, because the log
/// must not contain them.
#[derive(Clone, Debug)]
pub struct LogText {
    text: Cow<'static, str>,
    aws_operation: Option<&'static str>,
    aws_error_code: Option<String>,
}

impl LogText {
    /// Returns the text for an AWS call that failed with this error code, such as `ThrottlingException`.
    #[must_use]
    pub fn aws_error(code: impl Into<String>) -> Self {
        Self {
            aws_error_code: Some(code.into()),
            ..Self::from("the call failed")
        }
    }

    /// Adds the AWS operation that failed, such as `GetItem`.
    #[must_use]
    pub fn during(self, aws_operation: &'static str) -> Self {
        Self {
            aws_operation: Some(aws_operation),
            ..self
        }
    }

    /// Returns the cause, without the AWS operation and error code.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the AWS operation that failed, if one did.
    #[must_use]
    pub fn aws_operation(&self) -> Option<&'static str> {
        self.aws_operation
    }

    /// Returns the error code in AWS's response, if there was one.
    #[must_use]
    pub fn aws_error_code(&self) -> Option<&str> {
        self.aws_error_code.as_deref()
    }

    /// Returns one line for an operator's terminal: the AWS operation, and the error code or else the cause. An example is
    /// `GetItem: ThrottlingException`.
    #[must_use]
    pub fn line(&self) -> String {
        let cause = self.aws_error_code().unwrap_or(&self.text);
        match self.aws_operation {
            Some(operation) => format!("{operation}: {cause}"),
            None => cause.to_owned(),
        }
    }
}

impl From<&'static str> for LogText {
    fn from(text: &'static str) -> Self {
        Self {
            text: text.into(),
            aws_operation: None,
            aws_error_code: None,
        }
    }
}

impl From<String> for LogText {
    fn from(text: String) -> Self {
        Self {
            text: text.into(),
            ..Self::from("")
        }
    }
}

/// The messages about each invalid field of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(pub BTreeMap<Cow<'static, str>, Vec<ClientText>>);

impl FieldErrors {
    /// Returns one message about one field.
    #[must_use]
    pub fn one(field: &'static str, message: impl Into<ClientText>) -> Self {
        let mut errors = Self::default();
        errors.add(field, message);
        errors
    }

    /// Adds a message about `field`, which is the client's own text if it is an unknown query parameter.
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, message: impl Into<ClientText>) {
        self.0.entry(field.into()).or_default().push(message.into());
    }

    /// Adds the messages of `others`.
    pub fn merge(&mut self, others: Self) {
        for (field, mut messages) in others.0 {
            self.0.entry(field).or_default().append(&mut messages);
        }
    }

    /// Returns the value of `field`, or adds its error and returns `None`. A caller can so parse all fields and then report
    /// all errors at once.
    pub fn take<T, E: fmt::Display>(
        &mut self,
        field: &'static str,
        value: std::result::Result<T, E>,
    ) -> Option<T> {
        value.map_err(|e| self.add(field, e.to_string())).ok()
    }

    /// Returns `Ok` if no message was added.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all messages.
    pub fn check(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self))
        }
    }
}

/// Every way a request can fail. Each variant's documentation names the HTTP status.
#[derive(Debug)]
pub enum Error {
    /// `400`: the request can't be read. Its JSON is broken, for example.
    Malformed(ClientText),
    /// `400`: fields or query parameters are missing or invalid.
    Invalid(FieldErrors),
    /// `400`: the body is empty, so these required fields are missing.
    EmptyBody(FieldErrors),
    /// `401`: there are no credentials, or they are wrong.
    Unauthenticated(ClientText),
    /// `401`: the access token is invalid, or its user doesn't exist.
    InvalidToken(ClientText),
    /// `401`: the access token has expired.
    TokenExpired,
    /// `403`: the caller is known but not allowed to do this.
    Forbidden(ClientText),
    /// `404`: the resource doesn't exist.
    NotFound(ClientText),
    /// `405`: the path exists, but not for this method. The router has set `Allow`.
    MethodNotAllowed,
    /// `409`: a value that must be unique is in use.
    Conflict(FieldErrors),
    /// `412`: the movie has been edited since the version in `If-Match`.
    Stale,
    /// `422`: the idempotency key was used for another request.
    KeyReused,
    /// `412`: another precondition doesn't hold: `If-Match` of a read, or `If-None-Match` of a change.
    PreconditionFailed,
    /// `413`: the body is larger than the limit.
    TooLarge,
    /// `413`: the image is larger than the limit.
    ImageTooLarge,
    /// `415`: the file isn't an image of a type that is accepted.
    UnsupportedImage,
    /// `415`: no endpoint accepts a body of this media type.
    UnsupportedMediaType,
    /// `415`: the body has this `Content-Encoding`.
    UnsupportedEncoding(ClientText),
    /// `429`: there were too many attempts.
    TooManyRequests {
        /// Whole seconds until the next attempt is allowed.
        retry_after: u64,
    },
    /// `503`: the table couldn't serve the request in time.
    Unavailable(LogText),
    /// `500`: a bug.
    Internal(LogText),
}

impl Error {
    /// The error for an access token whose user doesn't exist.
    pub const UNKNOWN_USER: Self = Self::invalid_token("The access token's user doesn't exist.");

    /// The error of an endpoint that needs mail, where none is configured.
    pub const NO_MAIL: Self =
        Self::not_found("This server sends no mail. Its operator can reset your password.");

    /// Returns [`Error::Malformed`] with this detail.
    #[must_use]
    pub fn malformed(detail: impl Into<ClientText>) -> Self {
        Self::Malformed(detail.into())
    }

    /// Returns [`Error::Invalid`] with one message about one field or query parameter.
    #[must_use]
    pub fn invalid(field: &'static str, message: impl Into<ClientText>) -> Self {
        Self::Invalid(FieldErrors::one(field, message))
    }

    /// Returns [`Error::Unauthenticated`] with this detail.
    #[must_use]
    pub const fn unauthenticated(detail: &'static str) -> Self {
        Self::Unauthenticated(ClientText::new(detail))
    }

    /// Returns [`Error::InvalidToken`] with this detail.
    #[must_use]
    pub const fn invalid_token(detail: &'static str) -> Self {
        Self::InvalidToken(ClientText::new(detail))
    }

    /// Returns [`Error::Forbidden`] with this detail.
    #[must_use]
    pub const fn forbidden(detail: &'static str) -> Self {
        Self::Forbidden(ClientText::new(detail))
    }

    /// Returns [`Error::NotFound`] with this detail.
    #[must_use]
    pub const fn not_found(detail: &'static str) -> Self {
        Self::NotFound(ClientText::new(detail))
    }

    /// Returns [`Error::Unavailable`] with this cause.
    #[must_use]
    pub fn unavailable(cause: impl Into<LogText>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// Returns [`Error::Internal`] with this cause.
    #[must_use]
    pub fn internal(cause: impl Into<LogText>) -> Self {
        Self::Internal(cause.into())
    }

    /// Returns the error's stable name in `snake_case`: `code` in a problem document and in the log.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_request",
            Self::Invalid(_) | Self::EmptyBody(_) => "invalid_input",
            Self::Unauthenticated(_) | Self::InvalidToken(_) => "unauthenticated",
            Self::TokenExpired => "token_expired",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict(_) => "conflict",
            Self::Stale => "stale_precondition",
            Self::KeyReused => "idempotency_key_reused",
            Self::PreconditionFailed => "precondition_failed",
            Self::TooLarge => "body_too_large",
            Self::ImageTooLarge => "image_too_large",
            Self::UnsupportedImage => "unsupported_image",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::UnsupportedEncoding(_) => "unsupported_content_encoding",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal_error",
        }
    }

    /// Returns the cause for the log. For an error with a text for the client, it is the error's [code](Self::code).
    #[must_use]
    pub fn log_text(&self) -> LogText {
        match self {
            Self::Unavailable(cause) | Self::Internal(cause) => cause.clone(),
            other => other.code().into(),
        }
    }

    /// Returns [`LogText::line`] of the cause.
    #[must_use]
    pub fn log_message(&self) -> String {
        self.log_text().line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_the_operator_names_the_operation_and_the_code() {
        let error = Error::unavailable(LogText::aws_error("ThrottlingException").during("GetItem"));
        assert_eq!(error.log_message(), "GetItem: ThrottlingException");
        let error = Error::unavailable(LogText::from("no answer in time").during("GetItem"));
        assert_eq!(error.log_message(), "GetItem: no answer in time");
        assert_eq!(Error::internal("no randomness").log_message(), "no randomness");
    }

    #[test]
    fn the_text_for_a_client_is_not_logged() {
        let error = Error::malformed("The form can't be read.");
        assert_eq!(error.log_message(), "malformed_request");
    }
}
