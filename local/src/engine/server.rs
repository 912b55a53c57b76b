//! The engine's HTTP server: DynamoDB's protocol on loopback.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use dynoxide::auth_material::{self, AuthMaterial};
use http::{
    HeaderName, Request, Response, StatusCode,
    header::{AUTHORIZATION, DATE},
    request::Parts,
};
use http_body_util::Full;
use tokio::net::TcpListener;

use super::{
    admission::admit,
    answer::{Failure, answer},
    calls::{Calls, MAX_BODY, operation_of, too_large},
};
use crate::{
    bodies::{Bodies, BodyError, ReadBody},
    ceilings::Ceilings,
    connections::Connections,
    http1::{Application, Peer, Reason, Refused, RequestBody, Server, Timeouts},
};

/// How long a client may take. An idle connection stays open longer than the 90 s after which Rust's SDK closes it, so that
/// the client closes it first. A call of a function waits for a slot instead of being refused.
const TIMEOUTS: Timeouts = Timeouts {
    idle: Duration::from_secs(120),
    head: Duration::from_secs(10),
    answer: Duration::from_secs(30),
    room: Duration::from_secs(10),
};

/// How many bytes all bodies may take together beyond their first kilobytes: as many as two of the largest.
const BODY_BUDGET: usize = 2 * MAX_BODY;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// Serves HTTP/1 on `listener` until `shutdown` resolves, then waits for the requests being processed.
///
/// The endpoint's connections and bodies are limited like the API's. So whatever another program does with this port, the
/// API has its own descriptors and memory.
pub(super) async fn serve(listener: TcpListener, calls: Arc<Calls>, shutdown: impl Future<Output = ()>) {
    let endpoint = Endpoint {
        calls,
        bodies: Bodies::of(BODY_BUDGET),
    };
    let connections = Connections::new(Ceilings::of_process().engine);
    Server::new(endpoint, connections, TIMEOUTS)
        .serve(listener, shutdown)
        .await;
}

struct Endpoint {
    calls: Arc<Calls>,
    bodies: Bodies,
}

impl Application for Endpoint {
    async fn answer(&self, request: Request<RequestBody>, _: Peer) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let answer = self.run(&head, body).await;
        answer
            .map(|answer| answer.map(Full::new))
            .unwrap_or_else(|failure| refused(&failure))
    }

    async fn refuse(&self, request: Refused) -> Response<Full<Bytes>> {
        refused(&match request.reason {
            Reason::Malformed => {
                Failure::unknown(StatusCode::BAD_REQUEST, "The request isn't valid HTTP/1.1.")
            }
            Reason::LineTooLong => {
                Failure::unknown(StatusCode::URI_TOO_LONG, "The request line is too long.")
            }
            Reason::HeadTooLarge => Failure::unknown(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The headers are too many or too long.",
            ),
            Reason::TooSlow => Failure::unknown(
                StatusCode::REQUEST_TIMEOUT,
                "The request line and headers didn't arrive in time.",
            ),
            Reason::NoRoom => no_room(),
        })
    }
}

/// The response to a request that isn't executed. The log has nothing that the client sent.
fn refused(failure: &Failure) -> Response<Full<Bytes>> {
    tracing::debug!(
        status = failure.status.as_u16(),
        reason = failure.message,
        "refused"
    );
    failure.answer().map(Full::new)
}

/// The failure after which SDKs retry.
fn no_room() -> Failure {
    Failure {
        status: StatusCode::SERVICE_UNAVAILABLE,
        kind: "com.amazon.coral.availability#ServiceUnavailable",
        message: "There are too many requests at the moment.".to_owned(),
    }
}

impl Endpoint {
    async fn run(&self, head: &Parts, body: RequestBody) -> Result<Response<Bytes>, Failure> {
        // Decided by the head, before the body is read.
        admit(head)?;
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let operation = operation_of(text(TARGET))?;
        let unsigned = auth_material::validate(AuthMaterial {
            authorization: text(AUTHORIZATION),
            query: head.uri.query().unwrap_or_default(),
            has_date_header: head.headers.contains_key(AMZ_DATE) || head.headers.contains_key(DATE),
        });
        if let Some(refusal) = unsigned {
            return Ok(answer(StatusCode::BAD_REQUEST, refusal));
        }
        let body = self.read(body).await?;
        self.calls.run(operation, &body.bytes).await
    }

    /// Reads a whole body, within the limits.
    async fn read(&self, body: RequestBody) -> Result<ReadBody, Failure> {
        let read = self.bodies.read(body, MAX_BODY).await;
        read.map_err(|unread| match unread {
            BodyError::TooLarge => too_large(),
            BodyError::TooSlow => {
                Failure::unreadable(StatusCode::REQUEST_TIMEOUT, "The body didn't arrive in time.")
            }
            BodyError::NoMemory => no_room(),
            BodyError::Broken => {
                Failure::unreadable(StatusCode::BAD_REQUEST, "The body is incomplete or broken.")
            }
        })
    }
}
