//! The engine's HTTP server: DynamoDB's protocol on loopback, straight to the database.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use dynoxide::{
    Database,
    auth_material::{self, AuthMaterial},
};
use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::net::TcpListener;

use super::admission::admit;
use super::answer::{Failure, answer};
use super::operations;
use crate::bodies::{Bodies, Unread, Whole};
use crate::connections::{Ceilings, Connections};
use crate::http1::{Application, Arriving, Patience, Peer, Refused, Server, Why};

/// How long a client may take. An idle connection is kept for longer than the 90 s for which SDK clients of Rust keep
/// theirs, so that it is they who close it. A call of the functions waits for a place rather than being refused.
const PATIENCE: Patience = Patience {
    idle: Duration::from_secs(120),
    head: Duration::from_secs(10),
    answer: Duration::from_secs(30),
    room: Duration::from_secs(10),
};

/// The largest body that DynamoDB takes, that of a batch of writes (AWS: "BatchWriteItem").
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What all bodies may take together beyond their first kilobytes: two of the largest.
const BODY_BUDGET: usize = 2 * MAX_BODY;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// Serves HTTP/1 on `listener` until `shutdown` resolves, then lets the requests under way finish.
///
/// The endpoint's connections and bodies are bounded like the API's: whatever another program does with this port, the
/// API keeps its own descriptors and memory.
pub(super) async fn serve(listener: TcpListener, database: Database, shutdown: impl Future<Output = ()>) {
    let endpoint = Endpoint {
        database,
        bodies: Bodies::of(BODY_BUDGET),
    };
    let connections = Connections::new(Ceilings::of_process().engine);
    Server::new(endpoint, connections, PATIENCE)
        .serve(listener, shutdown)
        .await;
}

struct Endpoint {
    database: Database,
    bodies: Bodies,
}

impl Application for Endpoint {
    async fn answer(&self, request: Request<Arriving>, _: Peer) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        self.run(&head, body)
            .await
            .unwrap_or_else(|failure| refused(&failure))
    }

    async fn refuse(&self, request: Refused) -> Response<Full<Bytes>> {
        refused(&match request.why {
            Why::Malformed => Failure::unknown(StatusCode::BAD_REQUEST, "The request isn't valid HTTP/1.1."),
            Why::LineTooLong => Failure::unknown(StatusCode::URI_TOO_LONG, "The request line is too long."),
            Why::HeadTooLarge => Failure::unknown(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The headers are too many or too long.",
            ),
            Why::TooSlow => Failure::unknown(
                StatusCode::REQUEST_TIMEOUT,
                "The request line and headers didn't arrive in time.",
            ),
            Why::NoRoom => no_room(),
        })
    }
}

/// The answer to a request that isn't run. The log has nothing of what the client wrote.
fn refused(failure: &Failure) -> Response<Full<Bytes>> {
    tracing::debug!(
        status = failure.status.as_u16(),
        reason = failure.message,
        "refused"
    );
    failure.answer()
}

/// The failure that has SDKs call again.
fn no_room() -> Failure {
    Failure {
        status: StatusCode::SERVICE_UNAVAILABLE,
        kind: "com.amazon.coral.availability#ServiceUnavailable",
        message: "There are too many requests at the moment.".to_owned(),
    }
}

impl Endpoint {
    async fn run(&self, head: &Parts, body: Arriving) -> Result<Response<Full<Bytes>>, Failure> {
        // On the head alone, before any of the body is read.
        admit(head)?;
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let operation = text(TARGET)
            .and_then(operations::named)
            .ok_or_else(|| Failure::unknown(StatusCode::BAD_REQUEST, "X-Amz-Target names no operation."))?;
        let unsigned = auth_material::validate(AuthMaterial {
            authorization: text(AUTHORIZATION),
            query: head.uri.query().unwrap_or_default(),
            has_date_header: head.headers.contains_key(AMZ_DATE) || head.headers.contains_key(DATE),
        });
        if let Some(refusal) = unsigned {
            return Ok(answer(StatusCode::BAD_REQUEST, refusal));
        }
        let body = self.read(body).await?;
        let body = std::str::from_utf8(&body.bytes)
            .map_err(|_| Failure::unreadable(StatusCode::BAD_REQUEST, "The body isn't UTF-8."))?;
        Ok(match operations::run(&self.database, operation, body) {
            Ok(json) => answer(StatusCode::OK, json),
            Err(error) => {
                let status =
                    StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                if status.is_server_error() {
                    // Its message may quote what is stored.
                    tracing::error!(operation, "the engine failed");
                }
                answer(status, error.to_json())
            }
        })
    }

    /// Reads a whole body, within the limits.
    async fn read(&self, body: Arriving) -> Result<Whole, Failure> {
        let read = self.bodies.read(body, MAX_BODY).await;
        read.map_err(|unread| match unread {
            Unread::TooLarge => {
                Failure::unreadable(StatusCode::PAYLOAD_TOO_LARGE, "The body must be at most 16 MiB.")
            }
            Unread::TooSlow => {
                Failure::unreadable(StatusCode::REQUEST_TIMEOUT, "The body didn't arrive in time.")
            }
            Unread::NoMemory => no_room(),
            Unread::Broken => {
                Failure::unreadable(StatusCode::BAD_REQUEST, "The body is incomplete or broken.")
            }
        })
    }
}
