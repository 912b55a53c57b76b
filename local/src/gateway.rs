//! API Gateway on one machine: each HTTP request becomes the event that AWS would send, goes through `lambda_http`'s
//! own conversion into the function's router, and the function's answer becomes the HTTP response.
//!
//! So what a client sees here has taken the same way as on AWS, quirks and limits included. Not imitated is throttling.
//! What the gateway refuses by itself is a problem document with a request id and CORS headers, as any other answer.

mod answer;
mod event;
mod server;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body_util::Full;
use hyper::body::Body;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent, Service};
use marquee_shared::http::size::MAX_ANSWER_BYTES;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::CorsLayer;
use uuid::Uuid;

use crate::bodies::{Bodies, Whole};
use crate::connections::{Ceilings, Connections};
use crate::http1::Patience;
use crate::template::{Match, Routes, Template};
use answer::{Refusal, response_from};
pub use event::{Arrival, Host, InvalidHost, event_for, raw_path};

/// The most that a request line and the values of the headers may have together ("Quotas for HTTP APIs", total combined
/// size of request line and header values).
const MAX_HEAD: usize = 10_240;

/// The largest event a function can be invoked with, and so the longest body ("Lambda quotas", synchronous request).
/// The gateway itself takes 10 MB ("Quotas for HTTP APIs", payload size), but no more than this can be handed on.
const MAX_EVENT: usize = 6 * 1024 * 1024;

/// The longest URL the `http` crate takes. `lambda_http` panics on a longer one. It writes the scheme and the host, and
/// encodes the path again, which makes three characters of one at most; all of them are within [`MAX_HEAD`].
const MAX_URL: usize = u16::MAX as usize - 1;
const _: () = assert!(3 * MAX_HEAD + "https://?".len() < MAX_URL);

/// What all request bodies may take together beyond their first kilobytes.
const BODY_BUDGET: usize = 16 * 1024 * 1024;

/// A body above this is large: an event made from it takes several times its memory for a moment, so few of them are
/// worked on at the same time.
const LARGE: usize = 256 * 1024;
const LARGE_AT_ONCE: usize = 4;

/// How long a request waits for its turn when as many as there may be are being worked on.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// The gateway: the template's routes, and the function behind each.
#[derive(Clone, Debug)]
pub struct Gateway {
    routes: Routes,
    functions: HashMap<String, Function>,
    cors: CorsLayer,
    connections: Arc<Connections>,
    patience: Patience,
    bodies: Bodies,
    turns: Arc<Semaphore>,
    large_turns: Arc<Semaphore>,
}

/// Leave to have a function work on a request, until this is dropped.
#[derive(Debug, Default)]
struct Turn {
    _one: Option<OwnedSemaphorePermit>,
    _large: Option<OwnedSemaphorePermit>,
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
    /// The function's answer, written as JSON, is longer than Lambda takes. On AWS the invocation fails for that
    /// (`Function.ResponseSizeTooLarge`), and the client gets the gateway's `500`.
    AnswerTooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
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
            Self::AnswerTooLarge { bytes } => {
                write!(
                    f,
                    "the function's answer has {bytes} bytes, and Lambda takes {MAX_ANSWER_BYTES}"
                )
            }
            Self::Timeout => f.write_str("the function didn't answer in time"),
        }
    }
}

impl std::error::Error for InvokeError {}

/// The server's own address on a connection, for requests that name no host. An extension of the request.
#[derive(Clone, Copy, Debug)]
struct LocalAddr(SocketAddr);

impl Gateway {
    /// A gateway for the template's routes, with the ceilings of this process. Each function of the template must be among `functions`, by
    /// [name](crate::template::Function::name). `cors` goes around what the gateway answers by itself; it should be the
    /// functions' own ([`marquee_shared::http::layers::cors`]).
    ///
    /// # Errors
    ///
    /// [`MissingFunction`] for the first that isn't.
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
            patience: Patience::default(),
            bodies: Bodies::of(BODY_BUDGET),
            turns: Arc::new(Semaphore::new(ceilings.invocations)),
            large_turns: Arc::new(Semaphore::new(LARGE_AT_ONCE)),
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
        // Set before the body is read, and again after: what is refused in between leaves some of it unread.
        let mut unread = !body.is_end_stream();
        match self.answer(&parts, body, source, &request_id, &mut unread).await {
            Ok(response) => response,
            Err(refusal) => {
                let mut response = self
                    .refuse(refusal, &parts.method, &parts.headers, &request_id)
                    .await;
                if unread {
                    // The rest of the body is in the way of another request.
                    response
                        .headers_mut()
                        .insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
        }
    }

    /// The answer to what no function answers: a problem document, with CORS headers as a function's own.
    async fn refuse(
        &self,
        refusal: Refusal,
        method: &Method,
        headers: &HeaderMap,
        request_id: &str,
    ) -> Response<Full<Bytes>> {
        let response = refusal.response(method, request_id);
        tracing::info!(request_id, status = response.status().as_u16(), "refused");
        // For any but OPTIONS the layer adds its headers; OPTIONS it answers by itself, with success.
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
        let event = event_for(
            &Arrival {
                method: &parts.method,
                uri: &parts.uri,
                version: parts.version,
                headers: &parts.headers,
                body: &body.bytes,
                host: &host,
                source: source.ip(),
                request_id,
                time,
            },
            &found,
        );
        self.run(&found, event, turn)
            .await
            .and_then(|answer| response_from(&answer, &parts.method).map_err(InvokeError::Failed))
            .map_err(|error| refusal_for(&error, &found, request_id))
    }

    /// Waits until a function may work on a request with this body.
    async fn turn(&self, body: &Whole) -> Result<Turn, Refusal> {
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
        let answer = self.run(&found, event.clone(), Turn::default()).await?;
        serde_json::from_slice(&answer).map_err(|error| InvokeError::Failed(error.to_string()))
    }

    /// Runs the function of a route on an event, and returns its answer as it would be sent to Lambda.
    async fn run(&self, found: &Match<'_>, event: Value, turn: Turn) -> Result<Vec<u8>, InvokeError> {
        let name = &found.route.function;
        let Some(Function {
            router,
            timeout: limit,
        }) = self.functions.get(name).cloned()
        else {
            return Err(InvokeError::Failed(format!("there is no function {name}")));
        };
        let context = context(&event, name, limit);
        // Through text, since lambda_http's deserialization works on text alone.
        let text = event_text(&event)?;
        // Each form of a large body goes before the next but one is made.
        drop(event);
        let payload: LambdaRequest =
            serde_json::from_slice(&text).map_err(|error| InvokeError::Event(error.to_string()))?;
        drop(text);
        let event = LambdaEvent::new(payload, context);
        // In a task of its own: a panic, be it lambda_http's, ends the task alone, and the function isn't cut short
        // when the client has gone.
        let invocation = tokio::spawn(async move {
            let _turn = turn;
            // The call alone, without asking whether the router is ready: it always is, and an adapter that lived
            // across the wait would keep the task from moving between threads.
            let answering = Adapter::from(router).call(event);
            let answer = timeout(limit, answering)
                .await
                .map_err(|_| InvokeError::Timeout)?;
            let Ok(answer) = answer;
            let answer =
                serde_json::to_vec(&answer).map_err(|error| InvokeError::Failed(error.to_string()))?;
            match answer.len() {
                0..=MAX_ANSWER_BYTES => Ok(answer),
                bytes => Err(InvokeError::AnswerTooLarge { bytes }),
            }
        });
        // The panic's own words may quote the request.
        let ended = |_| InvokeError::Failed("it panicked or was stopped".to_owned());
        invocation.await.map_err(ended)?
    }
}

/// An event as text, unless it is longer than Lambda takes; then no more of it is written.
fn event_text(event: &Value) -> Result<Vec<u8>, InvokeError> {
    struct Bounded(Vec<u8>);

    impl io::Write for Bounded {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > MAX_EVENT {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut text = Bounded(Vec::new());
    match serde_json::to_writer(&mut text, event) {
        Ok(()) => Ok(text.0),
        Err(error) if error.is_io() => Err(InvokeError::EventTooLarge),
        Err(error) => Err(InvokeError::Event(error.to_string())),
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

/// Holds a head against what API Gateway takes.
fn check_head(parts: &Parts) -> Result<(), Refusal> {
    let target = parts
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len())
        + parts
            .uri
            .authority()
            .map_or(0, |host| host.as_str().len() + "http://".len());
    let line = parts.method.as_str().len() + target + "  HTTP/1.1".len();
    let values: usize = parts.headers.values().map(HeaderValue::len).sum();
    if line > MAX_HEAD {
        Err(Refusal::TargetTooLong)
    } else if line + values > MAX_HEAD {
        Err(Refusal::HeadersTooLarge)
    } else {
        Ok(())
    }
}

/// The host a request is addressed to: in its target, else in its `Host` header. HTTP/1.1 must have that header, even
/// beside a host in the target (RFC 9112 §3.2). HTTP/1.0 may have neither; then it is the address that it came to.
fn host_of(parts: &Parts) -> Result<Host, Refusal> {
    const BAD_HOST: Refusal =
        Refusal::Malformed("The Host header must be one host name or address with an optional port.");
    let mut given = parts.headers.get_all(HOST).iter();
    let first = given.next();
    if given.next().is_some() || (first.is_none() && parts.version >= Version::HTTP_11) {
        return Err(BAD_HOST);
    }
    let first = match first {
        Some(value) => Some(value.to_str().map_err(|_| BAD_HOST)?.trim()),
        None => None,
    };
    if let Some(text) = parts.uri.authority().map(http::uri::Authority::as_str).or(first) {
        return Host::parse(text).map_err(|_| BAD_HOST);
    }
    let own = parts
        .extensions
        .get()
        .map_or_else(|| "localhost".to_owned(), |LocalAddr(addr)| addr.to_string());
    Host::parse(&own).map_err(|_| BAD_HOST)
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
