//! API Gateway on one machine. Each HTTP request becomes the event that AWS would send, passes through `lambda_http`'s
//! conversion into the function's router, and the function's answer becomes the HTTP response.
//!
//! So a request is processed here as on AWS, with the same limits and peculiarities. Throttling is not imitated. A request
//! that the gateway refuses by itself gets a problem document with a request id and CORS headers, like any other response.

mod answer;
mod event;
mod head;
mod host;
mod invoke;
mod server;

use std::{
    collections::HashMap, convert::Infallible, fmt, future::ready, net::SocketAddr, sync::Arc, time::Duration,
};

use axum::Router;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response,
    header::{CONNECTION, ORIGIN},
    request::Parts,
};
use http_body_util::Full;
use hyper::body::Body;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use marquee_shared::http::idempotency::IDEMPOTENCY_KEY;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::CorsLayer;
use uuid::Uuid;

use self::{
    answer::{Refusal, response_from},
    event::{SMALL_BODY, request_for},
    head::check_head,
    host::host_of,
    invoke::{Function, MAX_EVENT},
};
pub use self::{
    event::{Arrival, event_for, raw_path},
    host::{Host, InvalidHost},
    invoke::InvokeError,
};
use crate::{
    bodies::{Bodies, ReadBody},
    ceilings::Ceilings,
    connections::Connections,
    http1::Timeouts,
    template::{Match, Routes, Template},
};

/// How many bytes all request bodies may take together beyond their first kilobytes: two of the longest.
///
/// With 512 connections of about 60 KB each, and freed memory that the allocator keeps for a while, unfinished bodies
/// then take less than 100 MB.
const BODY_BUDGET: usize = 16 * 1024 * 1024;

/// A body of more bytes than this is large. The event made of it takes several times its memory for a moment, so few large
/// bodies are processed at the same time.
const LARGE: usize = 256 * 1024;
const LARGE_AT_ONCE: usize = 4;

/// How long a request waits for its turn while as many requests as allowed are processed.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// The gateway: the template's routes, and the function behind each.
#[derive(Clone, Debug)]
pub struct Gateway {
    routes: Routes,
    functions: HashMap<String, Function>,
    cors: CorsLayer,
    connections: Arc<Connections>,
    timeouts: Timeouts,
    bodies: Bodies,
    turns: Arc<Semaphore>,
    large_turns: Arc<Semaphore>,
}

/// The right to have a function process a request. Dropping it passes the turn on.
#[derive(Debug, Default)]
struct Turn {
    _one: Option<OwnedSemaphorePermit>,
    _large: Option<OwnedSemaphorePermit>,
}

/// The template names a function that this program doesn't have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFunction {
    /// The function's name.
    pub name: String,
    /// The function's logical id in the template.
    pub resource: String,
}

impl fmt::Display for MissingFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the template's resource {} is a function named {}, which isn't part of this program",
            self.resource, self.name
        )
    }
}

impl std::error::Error for MissingFunction {}

impl Gateway {
    /// A gateway for the template's routes, with the ceilings of this process. `functions` must have each function of the
    /// template, by [name](crate::template::Function::name). `cors` applies to the responses that the gateway makes by
    /// itself, and should be the functions' own layer ([`marquee_shared::http::layers::cors`]).
    ///
    /// # Errors
    /// [`MissingFunction`] for the first function of the template that isn't in `functions`.
    pub fn new(
        template: &Template,
        mut functions: HashMap<String, Router>,
        cors: CorsLayer,
    ) -> Result<Self, MissingFunction> {
        let mut declared = HashMap::new();
        for function in &template.functions {
            let Some(router) = functions.remove(&function.name) else {
                return Err(MissingFunction {
                    name: function.name.clone(),
                    resource: function.resource.clone(),
                });
            };
            declared.insert(
                function.name.clone(),
                Function {
                    name: function.name.clone(),
                    router,
                    timeout: function.timeout,
                },
            );
        }
        let ceilings = Ceilings::of_process();
        Ok(Self {
            routes: template.routes.clone(),
            functions: declared,
            cors,
            connections: Connections::new(ceilings.api),
            timeouts: Timeouts::default(),
            bodies: Bodies::of(BODY_BUDGET),
            turns: Arc::new(Semaphore::new(ceilings.invocations)),
            large_turns: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
        })
    }

    /// Gives every function this timeout instead of the template's.
    #[must_use]
    pub fn with_function_timeout(mut self, timeout: Duration) -> Self {
        for function in self.functions.values_mut() {
            function.timeout = timeout;
        }
        self
    }

    /// Answers one HTTP request from `source`.
    ///
    /// Never fails: an error becomes a problem document with the request's id. The function finishes even when the client
    /// disconnects.
    pub async fn handle<B>(&self, request: Request<B>, source: SocketAddr) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
    {
        let request_id = Uuid::new_v4().to_string();
        let (parts, body) = request.into_parts();
        // Cleared once the body is read. A request that is refused before leaves bytes of its body on the connection.
        let mut unread = !body.is_end_stream();
        match self.answer(&parts, body, source, &request_id, &mut unread).await {
            Ok(response) => response,
            Err(refusal) => {
                let mut response = self
                    .refuse(refusal, &parts.method, &parts.headers, &request_id)
                    .await;
                if unread {
                    // Another request on this connection could only follow the rest of the body.
                    response
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        }
    }

    /// The response to a request that no function answers: a problem document with CORS headers, as a function would send.
    async fn refuse(
        &self,
        refusal: Refusal,
        method: &Method,
        headers: &HeaderMap,
        request_id: &str,
    ) -> Response<Full<Bytes>> {
        let response = refusal.response(method, request_id);
        tracing::info!(request_id, status = response.status().as_u16(), "refused");
        // The request for the layer is a GET: to OPTIONS the layer would respond by itself, with success.
        let mut request = Request::new(());
        if let Some(origin) = headers.get(ORIGIN) {
            request.headers_mut().insert(ORIGIN, origin.clone());
        }
        let answering = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(response.clone())));
        let Ok(response) = self.cors.layer(answering).oneshot(request).await;
        response
    }

    async fn answer<B>(
        &self,
        parts: &Parts,
        body: B,
        source: SocketAddr,
        request_id: &str,
        unread: &mut bool,
    ) -> Result<Response<Full<Bytes>>, Refusal>
    where
        B: Body<Data = Bytes>,
    {
        let time = OffsetDateTime::now_utc();
        check_head(parts)?;
        if !parts.uri.path().starts_with('/') {
            return Err(Refusal::Malformed("The request target must be a path."));
        }
        // API Gateway joins the two by a comma, so that a function sees one key.
        let has_two_keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter().nth(1).is_some();
        if parts.method == Method::POST && has_two_keys {
            return Err(Refusal::Malformed("Idempotency-Key must be sent once."));
        }
        let host = host_of(parts)?;
        let found = self
            .routes
            .resolve(&parts.method, &raw_path(&parts.uri))
            .ok_or(Refusal::NotFound)?;
        // Base64 makes four bytes of three.
        let limit = if event::has_text(&parts.headers) {
            MAX_EVENT
        } else {
            MAX_EVENT / 4 * 3
        };
        let body = self.bodies.read(body, limit).await?;
        *unread = false;
        let turn = self.turn(&body).await?;
        let arrival = Arrival {
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
            body: &body.bytes,
            host: &host,
            source: source.ip(),
            request_id,
            time,
        };
        let event = match body.bytes.len() {
            0..=SMALL_BODY => Ok(request_for(&arrival, &found)),
            // Its length as text decides whether Lambda would accept it.
            _ => invoke::read(event_for(&arrival, &found)),
        };
        let event = event.map_err(|error| refusal_for(&error, &found, request_id))?;
        self.run(&found, event, turn)
            .await
            .and_then(|answer| response_from(answer, &parts.method).map_err(InvokeError::Failed))
            .map_err(|error| refusal_for(&error, &found, request_id))
    }

    /// Waits until a function may process a request with this body.
    async fn turn(&self, body: &ReadBody) -> Result<Turn, Refusal> {
        let wait = async {
            let large = match body.bytes.len() {
                0..=LARGE => None,
                _ => Some(Arc::clone(&self.large_turns).acquire_owned().await?),
            };
            Ok::<_, tokio::sync::AcquireError>(Turn {
                _one: Some(Arc::clone(&self.turns).acquire_owned().await?),
                _large: large,
            })
        };
        match timeout(TURN_WITHIN, wait).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Refusal::NoRoom),
        }
    }

    /// Invokes the function that an event of payload format 2.0 is for, by its method and `rawPath`. Returns the
    /// function's answer as Lambda would return it to the gateway.
    ///
    /// # Errors
    /// [`InvokeError`] if the event isn't valid, when no route matches it, or when the function doesn't answer.
    pub async fn invoke(&self, event: &Value) -> Result<Value, InvokeError> {
        let text = |pointer: &str| {
            let value = event.pointer(pointer).and_then(Value::as_str);
            value.ok_or_else(|| InvokeError::Event(format!("it has no {pointer}")))
        };
        let method: Method = text("/requestContext/http/method")?
            .parse()
            .map_err(|_| InvokeError::Event("its method isn't one".to_owned()))?;
        let found = self
            .routes
            .resolve(&method, text("/rawPath")?)
            .ok_or(InvokeError::NoRoute)?;
        let answer = self
            .run(&found, invoke::read(event.clone())?, Turn::default())
            .await?;
        serde_json::to_value(&answer).map_err(|error| InvokeError::Failed(error.to_string()))
    }

    /// Invokes the function of a route with an event.
    async fn run(
        &self,
        found: &Match<'_>,
        event: ApiGatewayV2httpRequest,
        turn: Turn,
    ) -> Result<ApiGatewayV2httpResponse, InvokeError> {
        let name = &found.route.function;
        match self.functions.get(name).cloned() {
            Some(function) => function.invoke(event, turn).await,
            None => Err(InvokeError::Failed(format!("there is no function {name}"))),
        }
    }
}

/// The refusal that the client gets when an invocation returned no answer. The log has the reason.
fn refusal_for(error: &InvokeError, found: &Match<'_>, request_id: &str) -> Refusal {
    match error {
        InvokeError::EventTooLarge => return Refusal::BodyTooLarge,
        InvokeError::NoRoute => return Refusal::NotFound,
        InvokeError::Event(_)
        | InvokeError::Failed(_)
        | InvokeError::AnswerTooLarge { .. }
        | InvokeError::Timeout => {}
    }
    tracing::error!(request_id, function = found.route.function, %error, "no answer");
    match error {
        InvokeError::Timeout => Refusal::FunctionTimeout,
        _ => Refusal::FunctionFailed,
    }
}

#[cfg(test)]
mod tests;
