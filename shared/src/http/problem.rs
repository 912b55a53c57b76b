//! RFC 9457 problem documents.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::FieldErrors;

/// The media type of a problem document (RFC 9457 §3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// What a client gets instead of a success: RFC 9457, with a stable `code`, the request's id, and for invalid fields
/// what is wrong with each.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A URI for the kind of problem; `about:blank` says that the status is the kind (RFC 9457 §4.2.1).
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: &'static str,
    /// The status's own phrase.
    #[schema(example = "Bad Request")]
    pub title: &'static str,
    /// The HTTP status.
    #[schema(example = 400, minimum = 400, maximum = 599)]
    pub status: u16,
    /// What went wrong this time, for a person.
    #[schema(example = "Some fields are missing or invalid; see `errors`.")]
    pub detail: String,
    /// What went wrong, for a program: a stable `snake_case` word.
    #[schema(example = "invalid_input")]
    pub code: &'static str,
    /// The request's id, as in `x-request-id`.
    #[schema(example = "5f1c0f5e-6f2b-4f0e-9d0c-3a1f2b4c5d6e")]
    pub request_id: String,
    /// For invalid or taken fields: each field's messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, Vec<String>>>, nullable = false)]
    pub errors: Option<serde_json::Value>,
}

impl Problem {
    /// A problem of this status; [`crate::http::layers`] fills in the request's id.
    #[must_use]
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
        errors: Option<FieldErrors>,
    ) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            request_id: String::new(),
            errors: errors.map(|e| serde_json::json!(e.0)),
        }
    }
}

impl IntoResponse for Problem {
    /// The response carries the document as an extension, not yet as a body: the outermost layer knows the request's
    /// id and writes it.
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
