//! RFC 9457 problem documents, and which one each error becomes.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::cover_key::MAX_COVER_BYTES,
    error::{ClientText, Error, FieldErrors},
    http::body::MAX_BODY_BYTES,
};

/// The media type of a problem document (RFC 9457 §3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem document (RFC 9457), which describes an error. It also has a stable `code`, the id of the request, and the
/// messages for invalid fields.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A URI for the type of the problem. `about:blank` means that the status describes the problem fully (RFC 9457
    /// §4.2.1).
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: &'static str,
    /// The reason phrase of the status.
    #[schema(example = "Bad Request")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 400, minimum = 400, maximum = 599)]
    pub status: u16,
    /// What went wrong, for people.
    #[schema(example = "Some fields are missing or invalid; see `errors`.")]
    pub detail: String,
    /// What went wrong, for programs: a stable word in `snake_case`.
    #[schema(example = "invalid_input")]
    pub code: &'static str,
    /// The id of the request, as in `x-request-id`.
    #[schema(example = "5f1c0f5e-6f2b-4f0e-9d0c-3a1f2b4c5d6e")]
    pub request_id: String,
    /// The messages for each field that is invalid or whose value is already in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, Vec<String>>>, nullable = false)]
    pub errors: Option<serde_json::Value>,
}

impl Problem {
    /// Returns a problem of this status. Its request id is empty: the outermost layer (`layers::finish`) fills it in.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<ClientText>,
        errors: Option<FieldErrors>,
    ) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into().to_string(),
            code,
            request_id: String::new(),
            errors: errors.map(|e| serde_json::json!(e.0)),
        }
    }
}

impl IntoResponse for Problem {
    /// Returns a response that carries the document as an extension and has no body yet. The outermost layer knows the
    /// request's id and writes the body.
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response.extensions_mut().insert(self);
        response
    }
}

impl Error {
    /// Returns the HTTP status of this error.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::Invalid(_) | Self::EmptyBody(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) | Self::InvalidToken(_) | Self::TokenExpired => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Stale | Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge | Self::ImageTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType | Self::UnsupportedEncoding(_) | Self::UnsupportedImage => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the problem document that the client gets.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let errors = match self {
            Self::Invalid(errors) | Self::EmptyBody(errors) | Self::Conflict(errors) => Some(errors.clone()),
            Self::ImageTooLarge | Self::UnsupportedImage => {
                Some(FieldErrors::one("cover_image", self.detail()))
            }
            _ => None,
        };
        Problem::new(self.status(), self.code(), self.detail(), errors)
    }

    fn detail(&self) -> ClientText {
        match self {
            Self::Malformed(text)
            | Self::Unauthenticated(text)
            | Self::InvalidToken(text)
            | Self::Forbidden(text)
            | Self::NotFound(text) => text.clone(),
            Self::Invalid(_) => "Some fields are missing or invalid; see `errors`.".into(),
            Self::EmptyBody(_) => "The body is empty; see `errors` for the fields that it must have.".into(),
            Self::TokenExpired => "The access token has expired; refresh it.".into(),
            Self::MethodNotAllowed => "This path does not support this method; see `Allow`.".into(),
            Self::Conflict(_) => "A value that must be unique is already in use; see `errors`.".into(),
            Self::Stale => {
                "The movie has been edited since the version named in `If-Match`; read it again.".into()
            }
            Self::PreconditionFailed => {
                "A precondition of the request, `If-Match` or `If-None-Match`, does not hold.".into()
            }
            Self::KeyReused => {
                "This `Idempotency-Key` was used for another request; use a new key for each request.".into()
            }
            Self::TooLarge => {
                let limit = MAX_BODY_BYTES / 1024;
                format!("The request body must be at most {limit} KiB.").into()
            }
            Self::ImageTooLarge => {
                let limit = MAX_COVER_BYTES / 1_000_000;
                format!("The image must have at most {limit} MB ({MAX_COVER_BYTES} bytes).").into()
            }
            Self::UnsupportedImage => "The file must be a JPEG, PNG, WebP, GIF or AVIF image.".into(),
            Self::UnsupportedMediaType => {
                "Send application/json, application/x-www-form-urlencoded or multipart/form-data.".into()
            }
            Self::UnsupportedEncoding(encoding) => {
                let what = "The content encoding of the body is not supported";
                format!("{what}: {encoding}. Send the body without Content-Encoding.").into()
            }
            Self::TooManyRequests { retry_after } => {
                format!("Too many attempts; try again in {retry_after} s.").into()
            }
            Self::Unavailable(_) => "The service is temporarily unavailable; try again shortly.".into(),
            Self::Internal(_) => "An internal error occurred. Report it with the request id.".into(),
        }
    }
}

impl IntoResponse for Error {
    /// Returns the problem document with the error's headers. A [`LogText`](crate::error::LogText) is an extension of the
    /// response, which `http/layers.rs` logs.
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated(_) => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"marquee\""),
                );
            }
            Self::InvalidToken(_) | Self::TokenExpired => {
                // RFC 6750 §3.1.
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"marquee\", error=\"invalid_token\""),
                );
            }
            Self::UnsupportedEncoding(_) => {
                // RFC 9110 §15.5.16.
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            }
            Self::TooManyRequests { retry_after } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            }
            Self::Unavailable(cause) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                response.extensions_mut().insert(cause);
            }
            Self::Internal(cause) => {
                response.extensions_mut().insert(cause);
            }
            _ => {}
        }
        response
    }
}
