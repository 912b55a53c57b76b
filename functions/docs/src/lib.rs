//! The API's description, and the problem document for every path that is nobody's.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use marquee_shared::{
    config::HttpConfig,
    http::{openapi::complete, with_layers},
};

/// The whole API's description, as checked in; a test holds it to the routers.
pub const OPENAPI_JSON: &str = include_str!("../../../docs/openapi.json");

marquee_shared::operations! {
    ();
    // Registered with a trailing slash, like every route; documented as the file it is.
    "/api/openapi.json/" => get: get_openapi;
}

/// The function's router, ready to run. What it has no route for is `404`, so the gateway's `$default` ends here.
///
/// # Errors
/// When a configured CORS origin isn't a header value.
pub fn router(config: &HttpConfig) -> Result<Router, axum::http::Error> {
    with_layers(operations().with_state(()), config)
}

/// The function's part of the API's description.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(documented())
}

/// Describe the API.
///
/// This API as an OpenAPI 3.1 document.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "get_openapi",
    tag = "docs",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value))
)]
pub async fn get_openapi() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], OPENAPI_JSON).into_response()
}
