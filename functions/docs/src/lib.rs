//! The docs function: the OpenAPI document, and the answer for every path that no other function serves.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use marquee_shared::{
    config::HttpConfig,
    http::{CheckedQuery, openapi::complete, with_layers},
};

/// The OpenAPI document of the whole API, as checked in. A test compares it with the routers.
pub const OPENAPI_JSON: &str = include_str!("../../../docs/openapi.json");

marquee_shared::operations! {
    ();
    // The route has a trailing slash like every other. The documented path has none, as usual for a file.
    "/api/openapi.json/" => get: get_openapi;
}

/// Returns the function's router with the layers of every function. It answers `404` to every other path: the gateway's
/// `$default` route leads here.
///
/// # Errors
/// When a configured CORS origin is not a valid header value.
pub fn router(config: &HttpConfig) -> Result<Router, axum::http::Error> {
    with_layers(operations().with_state(()), config)
}

/// Returns this function's part of the OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(documented())
}

/// Get the OpenAPI document
///
/// Returns this document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "docs",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value))
)]
pub(crate) async fn get_openapi(_: CheckedQuery) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], OPENAPI_JSON).into_response()
}
