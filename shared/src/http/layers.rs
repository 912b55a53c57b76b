//! The layers around every function's router.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::{RequestExt as _, request::RequestContext};
use tower::{Layer, ServiceBuilder};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, Any as AnyOf, CorsLayer},
    normalize_path::NormalizePathLayer,
};
use tracing::{Instrument, field::Empty};

use crate::{
    config::HttpConfig,
    db::retry::within,
    digest::sha256_hex,
    error::{Error, LogText},
    http::{
        caching::{self, cached},
        compression::{compression, encoded, keep_large},
        idempotency::{IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED},
        problem::Problem,
    },
    telemetry::request::observed,
};

/// The header that carries a request's id on every response.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header with CloudFront's secret key. It proves that the request came through CloudFront.
pub const EDGE_KEY: HeaderName = HeaderName::from_static("x-edge-key");

/// Wraps `router` in the layers that every function shares:
///
/// * `x-request-id` on every response, and a problem document for every failure, including unknown routes and methods;
/// * gzip for bodies of 1 KiB and more;
/// * CORS as configured;
/// * `Cache-Control`, `Vary`, the tag of every JSON answer to a `GET`, and `304`;
/// * `403` for a request that bypasses CloudFront, if CloudFront is deployed;
/// * a response within the deadline (`503`) and after a panic (`500`);
/// * the same response with and without a trailing slash. Routes are registered with it.
///
/// # Errors
/// Returns an error if a configured CORS origin isn't a valid header value.
pub fn with_layers(router: Router, config: &HttpConfig) -> Result<Router, http::Error> {
    let router = router
        .fallback(|| async { NO_PATH })
        .method_not_allowed_fallback(|| async { Error::MethodNotAllowed });
    // Routing must see the slash, so this layer is around the router, not one of its layers.
    let router = NormalizePathLayer::append_trailing_slash().layer(router);
    let edge_key = config
        .edge_key
        .as_ref()
        .map(|key| sha256_hex(key.expose().as_bytes()));
    let layers = ServiceBuilder::new()
        .layer(middleware::from_fn(encoded))
        .layer(compression())
        .layer(middleware::from_fn(finish))
        .layer(cors(config)?)
        .layer(middleware::from_fn_with_state(
            caching::public(config.public_max_age),
            cached,
        ))
        .layer(middleware::from_fn_with_state(edge_key, check_edge_key))
        .layer(middleware::from_fn_with_state(config.deadline, deadline))
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(middleware::from_fn(same_path));
    // `lambda_http::run` and the local gateway both accept axum's `Router`. A router with only a fallback keeps that type.
    Ok(Router::new().fallback_service(router).layer(layers))
}

/// Returns the CORS layer for the configured origins, without credentials. It allows and exposes every header that the API
/// documents.
///
/// # Errors
/// Returns an error if a configured origin isn't a valid header value.
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
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_ENCODING,
            header::CONTENT_TYPE,
            IDEMPOTENCY_KEY,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
        ])
        .expose_headers([
            REQUEST_ID,
            header::ALLOW,
            header::ETAG,
            IDEMPOTENCY_REPLAYED,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
        ])
        // One day. Browsers apply their own limit below it (two hours in Chromium).
        .max_age(Duration::from_secs(86_400)))
}

/// Rejects a request that bypasses CloudFront with `403`, if CloudFront is deployed: only CloudFront's web ACL limits the
/// rate of a client. The layer compares digests, because the duration of a comparison could reveal a part of the key.
async fn check_edge_key(State(key): State<Option<String>>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(EDGE_KEY);
    if key.is_some() && key != sent.map(|key| sha256_hex(key.as_bytes())) {
        return Error::forbidden("The API answers at its own domain only.").into_response();
    }
    next.run(request).await
}

/// Rejects a request with `404` if the path that the router sees isn't the one that the client sent. `lambda_http` parses
/// the path as a browser does, so dot segments, `#` or trailing spaces could route a request, even a `DELETE`, to another
/// resource.
async fn same_path(request: Request, next: Next) -> Response {
    let sent = request.raw_http_path();
    let parsed = percent_encoding::percent_decode_str(request.uri().path());
    // Without a gateway event there is no other path to compare with.
    if sent.is_empty() || parsed.clone().eq(sent.bytes()) || request.uri().path() == sent {
        next.run(request).await
    } else {
        NO_PATH.into_response()
    }
}

/// The error for a path without a resource.
const NO_PATH: Error = Error::not_found("There is nothing at this path.");

/// The layer that gives the request its id, writes problem documents, and logs. Only compression is around it.
async fn finish(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    // A client may put a secret into a path or a method, so the log never contains the path, and contains only standard
    // methods. `Operations::with_state` records the route and the operation.
    let method = known_method(request.method());
    let span = tracing::info_span!("request", request_id = %id, method, route = Empty, operation = Empty);
    let work = next.run(request).instrument(span.clone());
    let (response, answered) = observed(work).await;
    let (response, code) = span.in_scope(|| finished(response, &id));
    // Not within the span: the line has the span's fields itself.
    answered.log(&id, method, response.status().as_u16(), code);
    keep_large(response).await
}

/// Writes the problem document of a response, if it has one, and logs the cause of a failure. Returns the document's code too.
fn finished(mut response: Response, id: &str) -> (Response, Option<&'static str>) {
    let problem = response.extensions_mut().remove::<Problem>();
    let code = problem.as_ref().map(|problem| problem.code);
    if let Some(cause) = response.extensions_mut().remove::<LogText>() {
        log_failure(response.status(), code, &cause);
    }
    if let Some(mut problem) = problem {
        id.clone_into(&mut problem.request_id);
        match serde_json::to_vec(&problem) {
            Ok(body) => {
                response
                    .headers_mut()
                    .insert(header::CONTENT_LENGTH, body.len().into());
                *response.body_mut() = Body::from(body);
            }
            Err(e) => tracing::error!(error = %e, "a problem document can't be serialized"),
        }
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    (response, code)
}

/// Logs the cause of a `5xx`: a bug as an error, an outage of the table as a warning.
fn log_failure(status: StatusCode, code: Option<&str>, cause: &LogText) {
    let (error, aws_operation, aws_error_code) =
        (cause.text(), cause.aws_operation(), cause.aws_error_code());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::warn!(code, error, aws_operation, aws_error_code, "unavailable");
    } else {
        tracing::error!(code, error, aws_operation, aws_error_code, "internal error");
    }
}

/// Returns the method if it is a standard one (RFC 9110 §9, RFC 5789), and otherwise `another`.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("another")
}

/// Returns the gateway's id for this request, so that its access log and ours agree, or a new id without a gateway.
fn request_id(request: &Request) -> String {
    match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    }
    .unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

/// Responds with `503` if the handler hasn't finished within the deadline. The client gets a problem document that allows a
/// retry, instead of the gateway's bare timeout after 30 seconds.
///
/// The store knows the deadline and gives up shortly before it, so only work outside the store is cut off here.
async fn deadline(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, within(limit, next.run(request))).await {
        Ok(response) => response,
        Err(_) => Error::unavailable(format!("no answer within {limit:?}")).into_response(),
    }
}

/// Responds with `500` after a panic, and the process continues. The panic hook of [`crate::telemetry`] has logged where it
/// happened. Nothing logs its message, which may quote the request.
fn after_panic(_: Box<dyn Any + Send + 'static>) -> Response {
    Error::internal("a panic").into_response()
}
