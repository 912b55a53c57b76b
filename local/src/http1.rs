//! An HTTP/1 server that a hostile client can't stop: hyper, with limits on connections and times, and with the
//! application's own error responses.
//!
//! hyper answers what it can't parse with an empty `400`, `414` or `431`, and closes a connection whose head arrives too
//! slowly without an answer. Here the [`Application`] writes those responses. While a request is being served, hyper
//! writes nothing of its own but `100 Continue`. So whatever hyper writes at any other time is one of its own responses:
//! it is discarded, and the application's response is written once hyper has ended.

mod exchange;
mod limits;
mod refused;
mod stream;

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header::ORIGIN};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    server::conn::http1::{Builder, Parts},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

pub use self::{
    exchange::RequestBody,
    limits::{MAX_BUFFER, Timeouts},
    refused::{Reason, Refused},
};
use self::{
    exchange::{Exchange, Phase, ResponseBody},
    refused::{origin_behind, partial_head, reason_of_end, serialize},
    stream::Stream,
};
use crate::connections::{Connections, Slot};

/// How long the requests being served at a shutdown may take to finish.
const GRACE: Duration = Duration::from_secs(10);

/// The wait before the next attempt when no connection can be accepted, for example for lack of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// How long and how many bytes are read and discarded after a response before the connection is closed. A client that is
/// still sending its request would lose the response if the connection were closed at once.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 32 * 1024 * 1024;

/// How many connections that got no slot are answered `503` at the same time. Further ones are closed without an answer.
const TURNED_AWAY: usize = 16;

/// How long it may take to write the response to a connection that got no slot or loses its slot.
const LAST_WORD: Duration = Duration::from_millis(200);

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The client's address.
    pub source: SocketAddr,
    /// The server's address, if the system knows it.
    pub local: Option<SocketAddr>,
}

/// What answers the requests.
pub trait Application: Send + Sync + 'static {
    /// Answers a request.
    fn answer(
        &self,
        request: Request<RequestBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;

    /// Answers what didn't become a request. The connection is closed afterwards.
    fn refuse(&self, refused: Refused) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// The server of one listener.
#[derive(Debug)]
pub struct Server<A> {
    application: A,
    connections: Arc<Connections>,
    timeouts: Timeouts,
}

/// How hyper's part in a connection ended.
enum End {
    Hyper(Result<(), hyper::Error>),
    /// The slot is needed for another connection.
    Evicted,
    /// The server stops, and the connection had no request.
    Stopped,
}

impl<A: Application> Server<A> {
    /// A server that holds as many connections as `connections` has slots.
    pub fn new(application: A, connections: Arc<Connections>, timeouts: Timeouts) -> Self {
        Self {
            application,
            connections,
            timeouts,
        }
    }

    /// Serves `listener` until `shutdown` resolves, then waits at most ten seconds for the requests being served.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let server = Arc::new(self);
        let turned_away = Arc::new(Semaphore::new(TURNED_AWAY));
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        let mut failing = false;
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, source)) => {
                        failing = false;
                        let slot = tokio::select! {
                            () = &mut shutdown => break,
                            slot = server.connections.admit(server.timeouts.room) => slot,
                        };
                        if let Some(slot) = slot {
                            tasks.spawn(Arc::clone(&server).connection(stream, source, slot, stopping.clone()));
                        } else if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
                            let server = Arc::clone(&server);
                            tasks.spawn(async move {
                                server.turn_away(stream).await;
                                drop(permit);
                            });
                        }
                    }
                    Err(error) => {
                        // Logged once, not for each attempt until one succeeds.
                        if !std::mem::replace(&mut failing, true) {
                            tracing::warn!(%error, "can't accept connections");
                        }
                        server.connections.evict();
                        sleep(ACCEPT_AGAIN).await;
                    }
                },
                Some(_) = tasks.join_next() => {}
            }
        }
        drop(listener);
        // Fails when there is no connection, so nobody receives.
        let _ = stop.send(true);
        let finished = async { while tasks.join_next().await.is_some() {} };
        if timeout(GRACE, finished).await.is_err() {
            tracing::warn!(connections = tasks.len(), "connections dropped at shutdown");
        }
        tasks.shutdown().await;
    }

    /// Serves one connection to its end.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        source: SocketAddr,
        slot: Slot,
        mut stopping: watch::Receiver<bool>,
    ) {
        // Responses are written whole, so waiting for more data to send gains nothing.
        let _ = stream.set_nodelay(true);
        let peer = Peer {
            source,
            local: stream.local_addr().ok(),
        };
        let exchange = Arc::new(Exchange::new(slot));
        let service = {
            let (server, exchange) = (Arc::clone(&self), Arc::clone(&exchange));
            service_fn(move |request: Request<Incoming>| {
                let (server, exchange) = (Arc::clone(&server), Arc::clone(&exchange));
                // Before the future is polled: from here on the connection isn't idle.
                let begun = exchange.begin();
                async move {
                    let answer = if begun {
                        let request = request.map(|body| RequestBody::new(body, Arc::clone(&exchange)));
                        server.application.answer(request, peer).await
                    } else {
                        let (parts, _) = request.into_parts();
                        let refused = Refused::new(Reason::NoRoom, parts.method, parts.headers);
                        closing(server.application.refuse(refused).await)
                    };
                    // The request has been read or refused, so from here on the client only reads.
                    let _ = exchange.slot.working();
                    Ok::<_, Infallible>(answer.map(|body| ResponseBody::new(body, exchange)))
                }
            })
        };
        let io = TokioIo::new(Stream::new(stream, Arc::clone(&exchange), self.timeouts));
        let mut connection = Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.timeouts.idle)
            .max_buf_size(MAX_BUFFER)
            // A client may close its half of the connection once it has sent its request.
            .half_close(true)
            .serve_connection(io, service);
        let mut stopping_begun = false;
        let end = loop {
            tokio::select! {
                biased;
                () = exchange.slot.closed() => break End::Evicted,
                _ = stopping.wait_for(|stop| *stop), if !stopping_begun => {
                    if exchange.phase() == Phase::Idle {
                        break End::Stopped;
                    }
                    stopping_begun = true;
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
                result = poll_fn(|context| std::pin::Pin::new(&mut connection).poll(context)) => break End::Hyper(result),
            }
        };
        let Parts { io, read_buf, .. } = connection.into_parts();
        let mut stream = io.into_inner();
        let reason = match &end {
            End::Hyper(Ok(())) | End::Stopped => None,
            End::Hyper(Err(error)) => {
                tracing::debug!(%error, %source, "connection ended");
                reason_of_end(error, &stream, &read_buf, exchange.phase())
            }
            End::Evicted => match exchange.phase() {
                Phase::Idle if stream.head(&read_buf).is_empty() => None,
                Phase::Idle | Phase::Serving => Some(Reason::TooSlow),
                Phase::Answered => None,
            },
        };
        if let Some(reason) = reason {
            let (method, mut headers) = partial_head(stream.head(&read_buf));
            let is_too_long = matches!(reason, Reason::LineTooLong | Reason::HeadTooLarge);
            if is_too_long && !headers.contains_key(ORIGIN) {
                let head = stream.head(&read_buf).to_vec();
                let read = timeout(LAST_WORD, origin_behind(&head, &mut stream.tcp)).await;
                headers.extend(read.ok().flatten().map(|origin| (ORIGIN, origin)));
            }
            let answer = self
                .application
                .refuse(Refused::new(reason, method, headers))
                .await;
            let within = if matches!(end, End::Evicted) {
                LAST_WORD
            } else {
                self.timeouts.answer
            };
            let _ = timeout(within, stream.tcp.write_all(&serialize(answer).await)).await;
        }
        if matches!(end, End::Hyper(_)) {
            exchange.slot.idle();
            tokio::select! {
                () = linger(&mut stream) => {}
                () = exchange.slot.closed() => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Answers a connection that got no slot, once it has sent something. A response without a request would confuse the
    /// client.
    async fn turn_away(&self, mut stream: TcpStream) {
        let mut head = Vec::with_capacity(1024);
        let asked = async {
            while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_BUFFER {
                if let 0 = stream.read_buf(&mut head).await? {
                    break;
                }
            }
            std::io::Result::Ok(())
        };
        // Whatever has arrived by then is answered, even half a head.
        let _ = timeout(LAST_WORD, asked).await;
        if head.is_empty() {
            return;
        }
        let (method, headers) = partial_head(&head);
        let refused = Refused::new(Reason::NoRoom, method, headers);
        let answer = serialize(self.application.refuse(refused).await).await;
        let said = async {
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            // Until the client has read the response and closes the connection.
            let mut discarded = [0; 512];
            while let Ok(1..) = stream.read(&mut discarded).await {}
        };
        let _ = timeout(LAST_WORD, said).await;
    }
}

/// Has the connection closed after this response.
fn closing(mut answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let close = http::HeaderValue::from_static("close");
    answer.headers_mut().insert(http::header::CONNECTION, close);
    answer
}

/// Closes the server's half of the connection, then reads and discards until the client closes its half.
async fn linger(stream: &mut Stream) {
    if stream.tcp.shutdown().await.is_err() || stream.ended {
        return;
    }
    let mut discarded = vec![0; 8 * 1024];
    let mut left = LINGER_BYTES;
    let reading = async {
        while let Ok(read @ 1..) = stream.tcp.read(&mut discarded).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(LINGER, reading).await;
}
