//! API Gateway on one machine: each HTTP request becomes the event that AWS would send, goes through `lambda_http`'s
//! own conversion into the function's router, and the function's answer becomes the HTTP response.
//!
//! So what a client sees here has taken the same way as on AWS, quirks included. Not imitated are the gateway's limit
//! of 10 KB on the request line and headers, Lambda's limit of 6 MB on answers, and throttling.

mod answer;
mod event;
mod server;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use bytes::Bytes;
use http::header::{EXPECT, HOST};
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent, Service};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::timeout;
use uuid::Uuid;

use crate::template::{Match, Routes, Template};
use answer::{Refusal, response_from};
pub use event::{Arrival, Host, InvalidHost, event_for, raw_path};

/// The largest body the gateway takes ("Quotas for HTTP APIs", payload size).
const MAX_BODY: usize = 10 * 1024 * 1024;

/// The largest event a function can be invoked with ("Lambda quotas", synchronous request); encoding makes it the
/// tighter limit for bodies that aren't text.
const MAX_EVENT: usize = 6 * 1024 * 1024;

/// The longest URL the `http` crate takes. `lambda_http` panics on a longer one.
const MAX_URL: usize = u16::MAX as usize - 1;

/// How long a body may take to arrive, and how long to go on reading one that is refused, so that a client that is
/// still sending gets to see the answer.
const BODY_WITHIN: Duration = Duration::from_secs(30);
const DISCARD_WITHIN: Duration = Duration::from_secs(2);

/// The gateway: the template's routes, and the function behind each.
#[derive(Clone, Debug)]
pub struct Gateway {
    routes: Routes,
    functions: HashMap<String, Function>,
}

/// A function as the gateway invokes it.
#[derive(Clone, Debug)]
struct Function {
    router: Router,
    timeout: Duration,
}

/// The template names a function that isn't there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFunction {
    /// The function's name.
    pub name: String,
    /// Its logical id in the template.
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

/// Why invoking a function with an event gave no answer.
#[derive(Debug)]
pub enum InvokeError {
    /// The event isn't one of payload format 2.0.
    Event(String),
    /// The event is larger than Lambda takes.
    EventTooLarge,
    /// No route takes the event's method and path.
    NoRoute,
    /// The function panicked, or its answer can't be written as JSON; both end an invocation on AWS as well.
    Failed(String),
    /// The function didn't answer within its timeout.
    Timeout,
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(reason) => write!(f, "not an event of payload format 2.0: {reason}"),
            Self::EventTooLarge => f.write_str("the event is larger than a function takes"),
            Self::NoRoute => f.write_str("no route takes the event's method and path"),
            Self::Failed(reason) => write!(f, "the function failed: {reason}"),
            Self::Timeout => f.write_str("the function didn't answer in time"),
        }
    }
}

impl std::error::Error for InvokeError {}

/// The server's own address on a connection, for requests that name no host. An extension of the request.
#[derive(Clone, Copy, Debug)]
struct LocalAddr(SocketAddr);

impl Gateway {
    /// A gateway for the template's routes. Each function of the template must be among `functions`, by
    /// [name](crate::template::Function::name).
    ///
    /// # Errors
    ///
    /// [`MissingFunction`] for the first that isn't.
    pub fn new(template: &Template, mut functions: HashMap<String, Router>) -> Result<Self, MissingFunction> {
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
                    router,
                    timeout: function.timeout,
                },
            );
        }
        Ok(Self {
            routes: template.routes.clone(),
            functions: declared,
        })
    }

    /// Answers one HTTP request from `source`.
    ///
    /// Never fails: what goes wrong on the way becomes a problem document with the request's id. Whatever the function
    /// has begun it finishes, even when the client goes away.
    pub async fn handle<B>(&self, request: Request<B>, source: SocketAddr) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
    {
        let request_id = Uuid::new_v4().to_string();
        let (parts, body) = request.into_parts();
        match self.answer(&parts, body, source, &request_id).await {
            Ok(response) => response,
            Err(refusal) => refusal.response(&parts.method, &request_id),
        }
    }

    async fn answer<B>(
        &self,
        parts: &Parts,
        body: B,
        source: SocketAddr,
        request_id: &str,
    ) -> Result<Response<Full<Bytes>>, Refusal>
    where
        B: Body<Data = Bytes>,
    {
        let time = OffsetDateTime::now_utc();
        // First, since a connection can only be used again once the body is read.
        let body = read_body(body, parts.headers.contains_key(EXPECT)).await?;
        if !parts.uri.path().starts_with('/') {
            return Err(Refusal::Malformed("The request target must be a path."));
        }
        let host = host_of(parts)?;
        let path = raw_path(&parts.uri);
        // lambda_http encodes the path again, which makes three characters of one at most.
        let scheme_and_marks = "https://?".len();
        let query = parts.uri.query().unwrap_or_default();
        if scheme_and_marks + host.authority().len() + 3 * path.len() + query.len() > MAX_URL {
            return Err(Refusal::TargetTooLong);
        }
        let found = self
            .routes
            .resolve(&parts.method, &path)
            .ok_or(Refusal::NotFound)?;
        let event = event_for(
            &Arrival {
                method: &parts.method,
                uri: &parts.uri,
                version: parts.version,
                headers: &parts.headers,
                body: &body,
                host: &host,
                source: source.ip(),
                request_id,
                time,
            },
            &found,
        );
        self.run(&found, &event)
            .await
            .and_then(|answer| response_from(answer, &parts.method).map_err(InvokeError::Failed))
            .map_err(|error| refusal_for(&error, &found, request_id))
    }

    /// Invokes the function that an event of payload format 2.0 is for, by its method and `rawPath`, and returns the
    /// function's answer as Lambda would return it to the gateway.
    ///
    /// # Errors
    ///
    /// [`InvokeError`] when the event is none, when no route takes it, or when the function gives no answer.
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
        self.run(&found, event).await
    }

    /// Runs the function of a route on an event.
    async fn run(&self, found: &Match<'_>, event: &Value) -> Result<Value, InvokeError> {
        let name = &found.route.function;
        let Some(Function {
            router,
            timeout: limit,
        }) = self.functions.get(name).cloned()
        else {
            return Err(InvokeError::Failed(format!("there is no function {name}")));
        };
        let text = event.to_string();
        if text.len() > MAX_EVENT {
            return Err(InvokeError::EventTooLarge);
        }
        // Through text, since lambda_http's deserialisation works on text alone.
        let payload: LambdaRequest =
            serde_json::from_str(&text).map_err(|error| InvokeError::Event(error.to_string()))?;
        let event = LambdaEvent::new(payload, context(event, name, limit));
        // In a task of its own: a panic, be it lambda_http's, ends the task alone, and the function isn't cut short
        // when the client has gone.
        let invocation = tokio::spawn(async move {
            // The call alone, without asking whether the router is ready: it always is, and an adapter that lived
            // across the wait would keep the task from moving between threads.
            let answering = Adapter::from(router).call(event);
            let answer = timeout(limit, answering)
                .await
                .map_err(|_| InvokeError::Timeout)?;
            let Ok(answer) = answer;
            serde_json::to_value(answer).map_err(|error| InvokeError::Failed(error.to_string()))
        });
        invocation
            .await
            .map_err(|error| InvokeError::Failed(error.to_string()))?
    }
}

/// The context Lambda gives an invocation.
fn context(event: &Value, function: &str, limit: Duration) -> Context {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let deadline = SystemTime::now() + limit;
    let mut context = Context::default();
    context.request_id = text("/requestContext/requestId").unwrap_or_default();
    context.deadline = deadline
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis().try_into().unwrap_or(u64::MAX));
    context.invoked_function_arn = format!("arn:aws:lambda:local:123456789012:function:{function}");
    context.xray_trace_id = text("/headers/x-amzn-trace-id");
    context
}

/// What the client gets when an invocation gave no answer. The reason goes to the log.
fn refusal_for(error: &InvokeError, found: &Match<'_>, request_id: &str) -> Refusal {
    match error {
        InvokeError::EventTooLarge => return Refusal::BodyTooLarge,
        InvokeError::NoRoute => return Refusal::NotFound,
        InvokeError::Event(_) | InvokeError::Failed(_) | InvokeError::Timeout => {}
    }
    tracing::error!(request_id, function = found.route.function, %error, "no answer");
    match error {
        InvokeError::Timeout => Refusal::FunctionTimeout,
        _ => Refusal::FunctionFailed,
    }
}

/// The host a request is addressed to: in its target, else in its `Host` header, which only HTTP/1.0 may leave out (RFC
/// 9112 §3.2); else the address it came to.
fn host_of(parts: &Parts) -> Result<Host, Refusal> {
    const BAD_HOST: Refusal =
        Refusal::Malformed("The Host header must be one host name or address with an optional port.");
    let mut given = parts.headers.get_all(HOST).iter();
    let first = given.next();
    if given.next().is_some() {
        return Err(BAD_HOST);
    }
    let text = match (parts.uri.authority(), first) {
        (Some(authority), _) => authority.as_str().to_owned(),
        (None, Some(value)) => value.to_str().map_err(|_| BAD_HOST)?.trim().to_owned(),
        (None, None) => String::new(),
    };
    if !text.is_empty() {
        return Host::parse(&text).map_err(|_| BAD_HOST);
    }
    let own = parts
        .extensions
        .get()
        .map_or_else(|| "localhost".to_owned(), |LocalAddr(addr)| addr.to_string());
    Host::parse(&own).map_err(|_| BAD_HOST)
}

/// Reads a whole body, within the gateway's limits.
async fn read_body<B: Body<Data = Bytes>>(body: B, client_waits: bool) -> Result<Bytes, Refusal> {
    let mut body = pin!(body);
    let too_large = body.size_hint().lower() > MAX_BODY as u64;
    if too_large && client_waits {
        // The client waits for leave to send the body (RFC 9110 §10.1.1), and reading would give it.
        return Err(Refusal::BodyTooLarge);
    }
    let mut read = Vec::new();
    let collect = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::Malformed("The request body is incomplete or broken."))?;
            let Ok(data) = frame.into_data() else { continue };
            if too_large || read.len() + data.len() > MAX_BODY {
                return Err(Refusal::BodyTooLarge);
            }
            read.extend_from_slice(&data);
        }
        Ok(())
    };
    match timeout(BODY_WITHIN, collect).await {
        Ok(Ok(())) => Ok(read.into()),
        Ok(Err(Refusal::BodyTooLarge)) => {
            let _ = timeout(DISCARD_WITHIN, discard(body)).await;
            Err(Refusal::BodyTooLarge)
        }
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => Err(Refusal::BodyTimeout),
    }
}

/// Reads on, as much again as a body may hold, and keeps nothing.
async fn discard<B: Body<Data = Bytes>>(mut body: std::pin::Pin<&mut B>) {
    let mut left = MAX_BODY;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        if left == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
