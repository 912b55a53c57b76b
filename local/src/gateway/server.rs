//! The gateway's HTTP server.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{Gateway, LocalAddr, Refusal};
use crate::http1::{Application, Arriving, Peer, Refused, Server, Why};

impl Gateway {
    /// Serves HTTP/1 on `listener` until `shutdown` resolves, then lets the requests under way finish, for ten seconds
    /// at most.
    ///
    /// What isn't HTTP at all is answered with a problem document, too.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let (connections, patience) = (Arc::clone(&self.connections), self.patience);
        Server::new(self, connections, patience)
            .serve(listener, shutdown)
            .await;
    }
}

impl Application for Arc<Gateway> {
    async fn answer(&self, mut request: Request<Arriving>, peer: Peer) -> Response<Full<Bytes>> {
        if let Some(local) = peer.local {
            request.extensions_mut().insert(LocalAddr(local));
        }
        self.handle(request, peer.source).await
    }

    async fn refuse(&self, refused: Refused) -> Response<Full<Bytes>> {
        let refusal = match refused.why {
            Why::Malformed => Refusal::Malformed("The request isn't valid HTTP/1.1."),
            Why::LineTooLong => Refusal::TargetTooLong,
            Why::HeadTooLarge => Refusal::HeadersTooLarge,
            Why::TooSlow => Refusal::HeadTimeout,
            Why::NoRoom => Refusal::NoRoom,
        };
        let id = Uuid::new_v4().to_string();
        Gateway::refuse(self, refusal, &refused.method, &refused.headers, &id).await
    }
}
