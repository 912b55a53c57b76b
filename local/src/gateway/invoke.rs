//! Invokes a function with an event, as Lambda does.

use std::{
    fmt, io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::Router;
use lambda_http::{
    Context, IntoResponse as _, Request, RequestExt as _, Service as _,
    aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    request::LambdaRequest,
};
use marquee_shared::http::size::MAX_ANSWER_BYTES;
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    answer::{answer_of, length_of_body},
    event::SMALL_BODY,
};

/// The largest event in bytes that a function is invoked with, which also limits the body ("Lambda quotas", synchronous
/// request). API Gateway itself accepts 10 MB ("Quotas for HTTP APIs", payload size), but can't pass on more than this.
pub(super) const MAX_EVENT: usize = 6 * 1024 * 1024;

/// A function as the gateway invokes it.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) router: Router,
    pub(super) timeout: Duration,
}

/// Why the invocation of a function returned no answer.
#[derive(Debug)]
pub enum InvokeError {
    /// The event isn't one of payload format 2.0.
    Event(String),
    /// The event is larger than Lambda accepts.
    EventTooLarge,
    /// No route matches the event's method and path.
    NoRoute,
    /// The function panicked, or its answer can't be written as JSON. On AWS, too, either ends the invocation.
    Failed(String),
    /// The function's answer, written as JSON, is larger than Lambda accepts. On AWS the invocation fails
    /// (`Function.ResponseSizeTooLarge`), and the client gets the gateway's `500`.
    AnswerTooLarge {
        /// The answer's length in bytes.
        bytes: usize,
    },
    /// The function didn't answer within its timeout.
    Timeout,
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(reason) => write!(f, "not an event of payload format 2.0: {reason}"),
            Self::EventTooLarge => write!(f, "the event is larger than {MAX_EVENT} bytes"),
            Self::NoRoute => f.write_str("no route matches the event's method and path"),
            Self::Failed(reason) => write!(f, "the function failed: {reason}"),
            Self::AnswerTooLarge { bytes } => {
                write!(
                    f,
                    "the function's answer has {bytes} bytes, and Lambda accepts {MAX_ANSWER_BYTES}"
                )
            }
            Self::Timeout => f.write_str("the function didn't answer within its timeout"),
        }
    }
}

impl std::error::Error for InvokeError {}

impl Function {
    /// Runs the function on an event and returns its answer. `held` is dropped when the invocation ends.
    pub(super) async fn invoke(
        mut self,
        payload: ApiGatewayV2httpRequest,
        held: impl Send + 'static,
    ) -> Result<ApiGatewayV2httpResponse, InvokeError> {
        let limit = self.timeout;
        let context = context(&payload, &self.name, limit);
        // A task of its own confines a panic, be it lambda_http's, and lets the function finish after the client has
        // disconnected.
        let invocation = tokio::spawn(async move {
            let _held = held;
            // What `lambda_http::Adapter` does, without the JSON in which it returns the answer.
            let request = Request::from(LambdaRequest::ApiGatewayV2(payload)).with_lambda_context(context);
            // `call` without `ready`: a router is always ready.
            let answering = async {
                let Ok(response) = self.router.call(request).await;
                response.into_response().await
            };
            let response = timeout(limit, answering)
                .await
                .map_err(|_| InvokeError::Timeout)?;
            checked(answer_of(response))
        });
        // Without the panic's message, which may quote the request.
        let ended = |_| InvokeError::Failed("it panicked or was stopped".to_owned());
        invocation.await.map_err(ended)?
    }
}

/// Checks that an answer, written as text, isn't larger than Lambda accepts.
fn checked(answer: ApiGatewayV2httpResponse) -> Result<ApiGatewayV2httpResponse, InvokeError> {
    // The text of a small body is far from the limit, and the functions' headers are short.
    if length_of_body(&answer) <= SMALL_BODY {
        return Ok(answer);
    }
    match length_of(&answer, usize::MAX) {
        Ok(0..=MAX_ANSWER_BYTES) => Ok(answer),
        Ok(bytes) => Err(InvokeError::AnswerTooLarge { bytes }),
        Err(error) => Err(InvokeError::Failed(error.to_string())),
    }
}

/// Returns what `lambda_http` reads from an event's text, which must not be larger than [`MAX_EVENT`].
pub(super) fn read(event: Value) -> Result<ApiGatewayV2httpRequest, InvokeError> {
    check_length(&event)?;
    // Without the text. This takes over the body.
    serde_json::from_value(event).map_err(|error| InvokeError::Event(error.to_string()))
}

/// Checks that an event, written as text, isn't larger than [`MAX_EVENT`].
fn check_length(event: &Value) -> Result<(), InvokeError> {
    match length_of(event, MAX_EVENT) {
        Ok(_) => Ok(()),
        Err(error) if error.is_io() => Err(InvokeError::EventTooLarge),
        Err(error) => Err(InvokeError::Event(error.to_string())),
    }
}

/// Returns the length in bytes of a value written as JSON.
///
/// # Errors
/// An I/O error if it is longer than `max`, and any other error if it can't be written.
fn length_of(value: &impl Serialize, max: usize) -> serde_json::Result<usize> {
    struct Counted {
        bytes: usize,
        max: usize,
    }

    impl io::Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.bytes += bytes.len();
            if self.bytes > self.max {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut counted = Counted { bytes: 0, max };
    serde_json::to_writer(&mut counted, value)?;
    Ok(counted.bytes)
}

/// The context that Lambda passes with an invocation.
fn context(event: &ApiGatewayV2httpRequest, function: &str, limit: Duration) -> Context {
    let deadline = SystemTime::now() + limit;
    let mut context = Context::default();
    context.request_id = event.request_context.request_id.clone().unwrap_or_default();
    context.deadline = deadline
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis().try_into().unwrap_or(u64::MAX));
    context.invoked_function_arn = format!("arn:aws:lambda:local:123456789012:function:{function}");
    let trace_id = event.headers.get("x-amzn-trace-id");
    context.xray_trace_id = trace_id.and_then(|id| id.to_str().ok()).map(str::to_owned);
    context
}
