//! An HTTP/1 server that a hostile client can't stop: hyper, with bounds on connections and times, and without hyper's
//! bare answers.
//!
//! hyper answers what it can't parse by itself, with an empty `400`, `414` or `431`, and ends a head that comes too
//! slowly without any answer. Here the [`Application`] writes those answers too. They are told from its other ones by
//! when they come: hyper writes nothing of its own while a request is under way but `100 Continue`, so whatever it
//! writes outside of one is taken off, and the application's answer is written once hyper has ended.

mod exchange;
mod refused;
mod stream;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, Parts};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connections::{Connections, Place};
pub use exchange::Arriving;
use exchange::{Exchange, Leaving, Phase};
pub use refused::{Refused, Why};
use refused::{glimpse, why_ended, written};
use stream::Stream;

/// The most that is read ahead of a connection, and so the longest head that is parsed at all.
pub const MAX_BUFFER: usize = 16 * 1024;

/// How long requests that are under way at a shutdown may take to finish.
const GRACE: Duration = Duration::from_secs(10);

/// How long to wait when no connection can be accepted, as when the process has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(20);

/// A client that is still sending when it is answered loses the answer if the connection is closed at once, so that
/// much and that long is read on, and thrown away.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 32 * 1024 * 1024;

/// How many connections that found no place are answered `503` side by side; the others are just closed.
const TURNED_AWAY: usize = 16;

/// How long an answer to one that is turned away or closed for another may take to write.
const LAST_WORD: Duration = Duration::from_millis(200);

/// How long a client may take, and how long it may have to wait.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From one request's end to the next one's first byte.
    pub idle: Duration,
    /// From a head's first byte to its last.
    pub head: Duration,
    /// To take any part of an answer.
    pub answer: Duration,
    /// How long the server keeps a newcomer waiting when every connection's request is being worked on; the ones behind
    /// it wait as well.
    pub room: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            room: Duration::ZERO,
        }
    }
}

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// The client's address.
    pub source: SocketAddr,
    /// Our own, when the system tells.
    pub local: Option<SocketAddr>,
}

/// What answers the requests.
pub trait Application: Send + Sync + 'static {
    /// Answers a request.
    fn answer(
        &self,
        request: Request<Arriving>,
        peer: Peer,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;

    /// Answers what never became a request. The connection is closed afterwards.
    fn refuse(&self, refused: Refused) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// The server of one listener.
#[derive(Debug)]
pub struct Server<A> {
    application: A,
    connections: Arc<Connections>,
    patience: Patience,
}

/// How hyper's part in a connection ended.
enum End {
    Hyper(Result<(), hyper::Error>),
    /// The place is needed for another.
    Evicted,
    /// The server stops, and no request was under way.
    Stopped,
}

impl<A: Application> Server<A> {
    /// A server that holds as many connections as there are places.
    pub fn new(application: A, connections: Arc<Connections>, patience: Patience) -> Self {
        Self {
            application,
            connections,
            patience,
        }
    }

    /// Serves `listener` until `shutdown` resolves, then lets the requests under way finish, for ten seconds at most.
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
                        let place = tokio::select! {
                            () = &mut shutdown => break,
                            place = server.connections.admit(server.patience.room) => place,
                        };
                        if let Some(place) = place {
                            tasks.spawn(Arc::clone(&server).connection(stream, source, place, stopping.clone()));
                        } else if let Ok(permit) = Arc::clone(&turned_away).try_acquire_owned() {
                            let server = Arc::clone(&server);
                            tasks.spawn(async move {
                                server.turn_away(stream).await;
                                drop(permit);
                            });
                        }
                    }
                    Err(error) => {
                        // Once, and not for every try until it goes well again.
                        if !std::mem::replace(&mut failing, true) {
                            tracing::warn!(%error, "no connection accepted");
                        }
                        server.connections.make_room();
                        sleep(ACCEPT_AGAIN).await;
                    }
                },
                Some(_) = tasks.join_next() => {}
            }
        }
        drop(listener);
        // Nobody listens when there is no connection.
        let _ = stop.send(true);
        let finished = async { while tasks.join_next().await.is_some() {} };
        if timeout(GRACE, finished).await.is_err() {
            tracing::warn!(connections = tasks.len(), "connections dropped at the shutdown");
        }
        tasks.shutdown().await;
    }

    /// Serves one connection to its end.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        source: SocketAddr,
        place: Place,
        mut stopping: watch::Receiver<bool>,
    ) {
        // Answers are written whole; there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        let peer = Peer {
            source,
            local: stream.local_addr().ok(),
        };
        let exchange = Arc::new(Exchange::new(place));
        let service = {
            let (server, exchange) = (Arc::clone(&self), Arc::clone(&exchange));
            service_fn(move |request: Request<Incoming>| {
                let (server, exchange) = (Arc::clone(&server), Arc::clone(&exchange));
                // At once, and not when the future is polled: the connection isn't idle from here on.
                let begun = exchange.begin();
                async move {
                    let answer = if begun {
                        let request = request.map(|body| Arriving::new(body, Arc::clone(&exchange)));
                        server.application.answer(request, peer).await
                    } else {
                        let (parts, _) = request.into_parts();
                        let refused = Refused::new(Why::NoRoom, parts.method, parts.headers);
                        closing(server.application.refuse(refused).await)
                    };
                    // The whole request is there or given up, so from here on the client only reads.
                    let _ = exchange.place.working();
                    Ok::<_, Infallible>(answer.map(|body| Leaving::new(body, exchange)))
                }
            })
        };
        let io = TokioIo::new(Stream::new(stream, Arc::clone(&exchange), self.patience));
        let mut connection = Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience.idle)
            .max_buf_size(MAX_BUFFER)
            // A client may close its half as soon as it has sent its request.
            .half_close(true)
            .serve_connection(io, service);
        let mut told = false;
        let end = loop {
            tokio::select! {
                biased;
                () = exchange.place.closed() => break End::Evicted,
                _ = stopping.wait_for(|stop| *stop), if !told => {
                    if exchange.phase() == Phase::Idle {
                        break End::Stopped;
                    }
                    told = true;
                    std::pin::Pin::new(&mut connection).graceful_shutdown();
                }
                result = poll_fn(|context| std::pin::Pin::new(&mut connection).poll(context)) => break End::Hyper(result),
            }
        };
        let Parts { io, read_buf, .. } = connection.into_parts();
        let mut stream = io.into_inner();
        let why = match &end {
            End::Hyper(Ok(())) | End::Stopped => None,
            End::Hyper(Err(error)) => {
                tracing::debug!(%error, %source, "connection ended");
                why_ended(error, &stream, &read_buf, exchange.phase())
            }
            End::Evicted => match exchange.phase() {
                Phase::Idle if stream.head(&read_buf).is_empty() => None,
                Phase::Idle | Phase::Serving => Some(Why::TooSlow),
                Phase::Answered => None,
            },
        };
        if let Some(why) = why {
            let (method, headers) = glimpse(stream.head(&read_buf));
            let answer = self.application.refuse(Refused::new(why, method, headers)).await;
            let within = if matches!(end, End::Evicted) {
                LAST_WORD
            } else {
                self.patience.answer
            };
            let _ = timeout(within, stream.tcp.write_all(&written(answer).await)).await;
        }
        if matches!(end, End::Hyper(_)) {
            exchange.place.idle();
            tokio::select! {
                () = linger(&mut stream) => {}
                () = exchange.place.closed() => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Answers one that found no place, once it has asked for something: a client would not know what an answer without
    /// a request is for.
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
        // What came counts, be it the whole of it or not.
        let _ = timeout(LAST_WORD, asked).await;
        if head.is_empty() {
            return;
        }
        let (method, headers) = glimpse(&head);
        let refused = Refused::new(Why::NoRoom, method, headers);
        let answer = written(self.application.refuse(refused).await).await;
        let said = async {
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            // Until it has read that.
            let mut thrown_away = [0; 512];
            while let Ok(1..) = stream.read(&mut thrown_away).await {}
        };
        let _ = timeout(LAST_WORD, said).await;
    }
}

/// Ends the connection after this answer.
fn closing(mut answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let close = http::HeaderValue::from_static("close");
    answer.headers_mut().insert(http::header::CONNECTION, close);
    answer
}

/// Closes our half, and reads on until the client has closed its own.
async fn linger(stream: &mut Stream) {
    if stream.tcp.shutdown().await.is_err() || stream.ended {
        return;
    }
    let mut thrown_away = vec![0; 8 * 1024];
    let mut left = LINGER_BYTES;
    let reading = async {
        while let Ok(read @ 1..) = stream.tcp.read(&mut thrown_away).await {
            left = left.saturating_sub(read);
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(LINGER, reading).await;
}
