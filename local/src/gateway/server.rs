//! The gateway's HTTP server.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Gateway, LocalAddr};

/// How long the head of a request may take to arrive; also how long an idle connection is kept.
const HEAD_WITHIN: Duration = Duration::from_secs(60);

/// How long requests that are under way at a shutdown may take to finish.
const GRACE: Duration = Duration::from_secs(10);

/// How long to wait when no connection can be accepted, as when the process has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

impl Gateway {
    /// Serves HTTP/1 on `listener` until `shutdown` resolves, then lets the requests under way finish, for ten seconds
    /// at most.
    ///
    /// What isn't HTTP at all is answered by the HTTP library, with a bare `400`, `414` or `431`.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, source)) => {
                        connections.spawn(Arc::clone(&self).connection(stream, source, graceful.watcher()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "no connection accepted");
                        sleep(ACCEPT_AGAIN).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        if timeout(GRACE, graceful.shutdown()).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "connections dropped at the shutdown"
            );
        }
        connections.shutdown().await;
    }

    /// Serves one connection to its end.
    async fn connection(self: Arc<Self>, stream: TcpStream, source: SocketAddr, watcher: Watcher) {
        // Answers are written whole; there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().ok().map(LocalAddr);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let gateway = Arc::clone(&self);
            if let Some(local) = local {
                request.extensions_mut().insert(local);
            }
            async move { Ok::<_, Infallible>(gateway.handle(request, source).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            // A client may close its half as soon as it has sent its request.
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, %source, "connection ended");
        }
    }
}
