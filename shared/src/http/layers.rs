//! The layers around every function's router.

use std::any::Any;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, header};
use lambda_http::{RequestExt as _, request::RequestContext};
use tower::{Layer, ServiceBuilder};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, Any as AnyOf, CorsLayer},
    normalize_path::NormalizePathLayer,
};
use tracing::{Instrument, field::Empty};

use crate::{auth::sha256_hex, config::HttpConfig, db::retry::within, error::Error, http::problem::Problem};

/// The header that carries a request's id on every response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header in which CloudFront shows that a request has come through it, where it stands in front.
pub const EDGE_KEY: HeaderName = HeaderName::from_static("x-edge-key");

/// The header in which CloudFront, where it stands in front, says which address the client has. A function of the
/// distribution's writes it into every request, over whatever the client has sent.
pub const VIEWER_ADDRESS: HeaderName = HeaderName::from_static("x-viewer-address");

/// Puts everything around `router` that a client may count on whatever it calls:
///
/// * `x-request-id` on every response, problem documents for every failure, unknown routes and methods included;
/// * CORS as configured;
/// * `403` for what hasn't come through CloudFront, where it stands in front;
/// * an answer within the deadline (`503`), and after a panic (`500`);
/// * the same answer with and without a trailing slash. Routes are registered with it.
///
/// # Errors
/// When a configured CORS origin isn't a header value.
pub fn with_layers(router: Router, config: &HttpConfig) -> Result<Router, http::Error> {
    let router = router
        .fallback(|| async { NO_PATH })
        .method_not_allowed_fallback(|| async { Error::MethodNotAllowed });
    // The slash must be there before routing, so this layer is around the router and not one of its own.
    let router = NormalizePathLayer::append_trailing_slash().layer(router);
    let edge_key = config
        .edge_key
        .as_ref()
        .map(|key| sha256_hex(key.expose().as_bytes()));
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn(finish))
        .layer(cors(config)?)
        .layer(middleware::from_fn_with_state(edge_key, edge))
        .layer(middleware::from_fn_with_state(config.deadline, deadline))
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(middleware::from_fn(same_path));
    // axum's `Service for Router` is what `lambda_http::run` and the local gateway both take; a router with nothing
    // but a fallback keeps that type.
    Ok(Router::new().fallback_service(router).layer(layers))
}

/// CORS for the configured origins, without credentials; covers every header the contract names.
///
/// # Errors
/// When a configured origin isn't a header value.
pub fn cors(config: &HttpConfig) -> Result<CorsLayer, http::Error> {
    let origins = if config.cors_origins.iter().any(|o| o == "*") {
        AllowOrigin::from(AnyOf)
    } else {
        let origins = config.cors_origins.iter().map(|o| HeaderValue::from_str(o));
        AllowOrigin::list(origins.collect::<Result<Vec<_>, _>>()?)
    };
    Ok(CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::IF_MATCH])
        .expose_headers([
            REQUEST_ID,
            header::ALLOW,
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
        ])
        // A day, which browsers cut to their own ceiling (two hours in Chromium).
        .max_age(std::time::Duration::from_secs(86_400)))
}

/// Answers `403` for a request that hasn't come through CloudFront, where it stands in front: its web ACL is what counts
/// the clients then. Digests are compared, since how long that takes tells nothing about the key.
async fn edge(State(key): State<Option<String>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(EDGE_KEY);
    if key.is_some() && key != shown.map(|key| sha256_hex(key.as_bytes())) {
        return Error::Forbidden("The API answers at its own domain only.").into_response();
    }
    next.run(request).await
}

/// Answers `404` for a path that isn't the one the client sent. `lambda_http` reads the path as a browser would: dot
/// segments, a `#`, white space at the end would otherwise lead to another resource, for `DELETE` too.
async fn same_path(request: Request, next: Next) -> Response {
    let sent = request.raw_http_path();
    let read = percent_encoding::percent_decode_str(request.uri().path());
    // Without a gateway event there is no other path to compare with.
    if sent.is_empty() || read.clone().eq(sent.bytes()) || request.uri().path() == sent {
        next.run(request).await
    } else {
        NO_PATH.into_response()
    }
}

/// The error for a path that nothing is at.
const NO_PATH: Error = Error::NotFound("There is nothing at this path.");

/// The outermost layer: names the request, logs it, and writes problem documents.
async fn finish(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    // No path, and no method but a known one: a client may write into either what nobody else may read. The function's
    // operations fill in the rest.
    let method = known_method(request.method());
    let span = tracing::info_span!("request", request_id = %id, method, route = Empty, operation = Empty);
    let mut response = next.run(request).instrument(span.clone()).await;

    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id.clone_from(&id);
        // For HEAD as well: axum takes the body off and keeps its length (RFC 9110 §9.3.2).
        match serde_json::to_vec(&problem) {
            Ok(body) => *response.body_mut() = Body::from(body),
            Err(e) => tracing::error!(error = %e, "problem document"),
        }
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    let _in_span = span.enter();
    tracing::info!(status = response.status().as_u16(), "answered");
    response
}

/// The method, if it is one of HTTP's own (RFC 9110 §9, RFC 5789).
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("another")
}

/// The gateway's id for this request, so that its access log and ours agree; a fresh one when there is no gateway.
fn request_id(request: &Request) -> String {
    match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    }
    .unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

/// Answers `503` when the table hasn't let the handler finish in time: the client gets a problem document it may
/// retry on, and not the gateway's bare timeout after 30 seconds. The store knows the deadline, and gives up a little
/// before it; only what it isn't asked for is cut off.
async fn deadline(State(limit): State<std::time::Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, within(limit, next.run(request))).await {
        Ok(response) => response,
        Err(_) => Error::Unavailable(format!("no answer within {limit:?}")).into_response(),
    }
}

/// A panic is a bug; the client gets a `500` and the process lives. Where it was is in the log already, by
/// [`crate::telemetry`]. Its message isn't: it may quote what the client wrote.
fn after_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    Error::Internal("a panic".into()).into_response()
}
