//! The engine's HTTP server: DynamoDB's protocol on loopback, straight to the database.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use dynoxide::{
    Database,
    auth_material::{self, AuthMaterial},
};
use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::admission::admit;
use super::answer::{Failure, answer};
use super::operations;

/// How long the head of a request may take to arrive, and how long an idle connection is kept: longer than the 90 s for
/// which SDK clients of Rust keep theirs, so that it is they who close it.
const HEAD_WITHIN: Duration = Duration::from_secs(120);

/// How long a request's body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The largest body that DynamoDB takes, that of a batch of writes (AWS: "BatchWriteItem").
const MAX_BODY: usize = 16 * 1024 * 1024;

/// How long to wait when no connection can be accepted, as when the process has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// Serves HTTP/1 on `listener` until `shutdown` resolves, then lets the requests under way finish.
pub(super) async fn serve(listener: TcpListener, database: Database, shutdown: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the engine accepts no connection");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        // Answers are written whole; there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let database = database.clone();
        let service = service_fn(move |request| {
            let database = database.clone();
            async move { Ok::<_, Infallible>(respond(&database, request).await) }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(graceful.watch(connection));
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn respond(database: &Database, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    match run(database, &head, body).await {
        Ok(answer) => answer,
        Err(failure) => {
            // Without what the client wrote.
            tracing::debug!(
                status = failure.status.as_u16(),
                reason = failure.message,
                "refused"
            );
            failure.answer()
        }
    }
}

async fn run(database: &Database, head: &Parts, body: Incoming) -> Result<Response<Full<Bytes>>, Failure> {
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
    let body = read(body).await?;
    let body = std::str::from_utf8(&body)
        .map_err(|_| Failure::unreadable(StatusCode::BAD_REQUEST, "The body isn't UTF-8."))?;
    Ok(match operations::run(database, operation, body) {
        Ok(json) => answer(StatusCode::OK, json),
        Err(error) => {
            let status =
                StatusCode::from_u16(error.status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            if status.is_server_error() {
                tracing::error!(operation, %error, "the engine failed");
            }
            answer(status, error.to_json())
        }
    })
}

/// Reads a whole body, within the limits.
async fn read(body: Incoming) -> Result<Bytes, Failure> {
    let collected = timeout(BODY_WITHIN, Limited::new(body, MAX_BODY).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Failure::unreadable(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body must be at most 16 MiB.",
        )),
        Ok(Err(_)) => Err(Failure::unreadable(
            StatusCode::BAD_REQUEST,
            "The body is incomplete or broken.",
        )),
        Err(_) => Err(Failure::unreadable(
            StatusCode::REQUEST_TIMEOUT,
            "The body must arrive within 30 seconds.",
        )),
    }
}
