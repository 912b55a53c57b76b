//! The gateway's HTTP server.

use std::{future::Future, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{Gateway, answer::Refusal, host::LocalAddr};
use crate::http1::{Application, Peer, Reason, Refused, RequestBody, Server};

impl Gateway {
    /// Serves HTTP/1 on `listener` until `shutdown` resolves, then waits at most ten seconds for the requests being
    /// processed.
    ///
    /// What isn't valid HTTP is answered with a problem document too.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let (connections, timeouts) = (Arc::clone(&self.connections), self.timeouts);
        Server::new(self, connections, timeouts)
            .serve(listener, shutdown)
            .await;
    }
}

impl Application for Arc<Gateway> {
    async fn answer(&self, mut request: Request<RequestBody>, peer: Peer) -> Response<Full<Bytes>> {
        if let Some(local) = peer.local {
            let local = SocketAddr::new(local.ip().to_canonical(), local.port());
            request.extensions_mut().insert(LocalAddr(local));
        }
        self.handle(request, peer.source).await
    }

    async fn refuse(&self, refused: Refused) -> Response<Full<Bytes>> {
        let refusal = match refused.reason {
            Reason::Malformed => Refusal::Malformed("The request isn't valid HTTP/1.1."),
            Reason::LineTooLong => Refusal::TargetTooLong,
            Reason::HeadTooLarge => Refusal::HeadersTooLarge,
            Reason::TooSlow => Refusal::HeadTimeout,
            Reason::NoRoom => Refusal::NoRoom,
        };
        let id = Uuid::new_v4().to_string();
        Gateway::refuse(self, refusal, &refused.method, &refused.headers, &id).await
    }
}
