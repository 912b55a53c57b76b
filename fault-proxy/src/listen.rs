//! The listening socket, the connections, and the bodies that are cut off.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{
    body::{Body, Frame, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::watch,
};

use crate::endpoint::Endpoint;

/// A socket bound to this address. Several may be bound to one address, so the port stays reserved while none listens.
pub(crate) fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

/// Accepts connections, except while the proxy is down.
pub(crate) async fn listen(
    mut next: TcpSocket,
    address: SocketAddr,
    endpoint: Endpoint,
    is_down: Arc<watch::Sender<bool>>,
) {
    let mut watched = is_down.subscribe();
    loop {
        let listener = next.listen(1024).unwrap();
        next = bind(address);
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { return };
                    tokio::spawn(connection(stream, endpoint.clone(), is_down.subscribe()));
                }
                _ = watched.wait_for(|is_down| *is_down) => break,
            }
        }
        drop(listener);
        watched.wait_for(|is_down| !*is_down).await.unwrap();
    }
}

/// Serves a connection until it ends or the proxy is taken down.
async fn connection(stream: TcpStream, endpoint: Endpoint, mut watched: watch::Receiver<bool>) {
    stream.set_nodelay(true).unwrap();
    let service = service_fn(move |request| {
        let endpoint = endpoint.clone();
        async move { endpoint.answer(request).await }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // A connection that a fault closes ends with an error, as intended.
        _ = serving => {}
        Ok(_) = watched.wait_for(|is_down| *is_down) => {}
    }
}

/// The body of an answer. One that is cut off ends in the middle with an error, which closes the connection.
pub(crate) struct AnswerBody {
    left: Option<Bytes>,
    /// The length in `content-length`.
    length: u64,
    is_cut: bool,
    is_sent: bool,
}

impl AnswerBody {
    pub(crate) fn new(answer: &Value, is_cut: bool) -> Self {
        let mut bytes = serde_json::to_vec(answer).unwrap();
        let length = bytes.len();
        if is_cut {
            bytes.truncate(length / 2);
        }
        Self {
            left: Some(bytes.into()),
            length: length as u64,
            is_cut,
            is_sent: false,
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(bytes) = self.left.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.is_cut {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut self.is_sent, true) {
            // The first half is sent before the error.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Cut)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// Closes the connection.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the fault proxy closed the connection")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
