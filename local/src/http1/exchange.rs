//! The state of a connection between the head of a request and the end of its response.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::connections::Slot;

/// How far a connection's request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is no request, or not its whole head.
    Idle,
    /// The head has arrived, and hyper doesn't have the whole response yet.
    Serving,
    /// hyper has the whole response and hasn't written all of it.
    Answered,
}

/// A connection's phase and slot, shared by all parts that serve the connection.
#[derive(Debug)]
pub(super) struct Exchange {
    phase: AtomicU8,
    pub(super) slot: Slot,
}

impl Exchange {
    pub(super) fn new(slot: Slot) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Idle as u8),
            slot,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            phase if phase == Phase::Serving as u8 => Phase::Serving,
            phase if phase == Phase::Answered as u8 => Phase::Answered,
            _ => Phase::Idle,
        }
    }

    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Begins a request whose head has arrived. Returns `false` when the connection is being closed; the request must not be
    /// processed then.
    pub(super) fn begin(&self) -> bool {
        self.set(Phase::Serving);
        self.slot.working()
    }

    /// Notes that hyper has written all it had. Returns whether that was the end of a response.
    pub(super) fn flushed(&self) -> bool {
        let done = self.phase() == Phase::Answered;
        if done {
            self.set(Phase::Idle);
            self.slot.idle();
        }
        done
    }
}

/// The body of a request. While it is incomplete, the connection counts as waiting for its client.
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
    exchange: Arc<Exchange>,
}

impl RequestBody {
    pub(super) fn new(body: Incoming, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let end = match polled {
            Poll::Pending => {
                self.exchange.slot.waiting();
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(frame))) => return Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Err(error))) => Some(Err(io::Error::other(error))),
            Poll::Ready(None) => None,
        };
        // The end of the body can arrive while the connection is being closed for another. The request must not be
        // processed then, because the client is told that it wasn't.
        let closed = !self.exchange.slot.working();
        Poll::Ready(if closed && end.is_none() {
            Some(Err(io::ErrorKind::ConnectionAborted.into()))
        } else {
            end
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response. hyper drops it once it has taken all of it, before it has written all of it.
#[derive(Debug)]
pub(super) struct ResponseBody {
    body: Full<Bytes>,
    exchange: Arc<Exchange>,
}

impl ResponseBody {
    pub(super) fn new(body: Full<Bytes>, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.exchange.set(Phase::Answered);
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
