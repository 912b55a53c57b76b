//! Invokes a function with an event, as Lambda does.

use std::{
    fmt, io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::Router;
use lambda_http::{Adapter, Context, LambdaEvent, Service, request::LambdaRequest};
use marquee_shared::http::size::MAX_ANSWER_BYTES;
use serde_json::Value;
use tokio::time::timeout;

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
    /// Runs the function on an event and returns its answer as the JSON that Lambda would receive. `held` is dropped when
    /// the invocation ends.
    pub(super) async fn invoke(
        self,
        event: Value,
        held: impl Send + 'static,
    ) -> Result<Vec<u8>, InvokeError> {
        let limit = self.timeout;
        let context = context(&event, &self.name, limit);
        // Through text, since lambda_http deserializes text only.
        let text = event_text(&event)?;
        // A large body is in memory in several forms. Each is dropped as soon as the next one exists.
        drop(event);
        let payload: LambdaRequest =
            serde_json::from_slice(&text).map_err(|error| InvokeError::Event(error.to_string()))?;
        drop(text);
        let event = LambdaEvent::new(payload, context);
        // A task of its own confines a panic, be it lambda_http's, and lets the function finish after the client has
        // disconnected.
        let invocation = tokio::spawn(async move {
            let _held = held;
            // `call` without `ready`: a router is always ready, and an adapter that lived across an await would make the
            // task's future not `Send`.
            let answering = Adapter::from(self.router).call(event);
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
        // Without the panic's message, which may quote the request.
        let ended = |_| InvokeError::Failed("it panicked or was stopped".to_owned());
        invocation.await.map_err(ended)?
    }
}

/// Writes an event as text. Writing stops as soon as the text is larger than [`MAX_EVENT`].
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

/// The context that Lambda passes with an invocation.
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
