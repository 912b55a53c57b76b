//! Where a connection is between one request's head and the end of its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::connections::Place;

/// What has come of a connection's request so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// There is none, or not the whole of its head.
    Idle,
    /// Its head is here, and not all of the answer.
    Serving,
    /// hyper has the whole of the answer, and hasn't written all of it.
    Answered,
}

/// A connection's phase and place, shared by everything that moves it along.
#[derive(Debug)]
pub(super) struct Exchange {
    phase: AtomicU8,
    pub(super) place: Place,
}

impl Exchange {
    pub(super) fn new(place: Place) -> Self {
        Self {
            phase: AtomicU8::new(Phase::Idle as u8),
            place,
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

    /// A head is here. Returns `false` when the connection is being closed and nothing should be begun.
    pub(super) fn begin(&self) -> bool {
        self.set(Phase::Serving);
        self.place.working()
    }

    /// hyper has written all it had. Returns whether that was the rest of an answer.
    pub(super) fn flushed(&self) -> bool {
        let done = self.phase() == Phase::Answered;
        if done {
            self.set(Phase::Idle);
            self.place.idle();
        }
        done
    }
}

/// A request's body, on its way in. Until all of it is here, its client is waited for.
#[derive(Debug)]
pub struct Arriving {
    body: Incoming,
    exchange: Arc<Exchange>,
}

impl Arriving {
    pub(super) fn new(body: Incoming, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let end = match polled {
            Poll::Pending => {
                self.exchange.place.waiting();
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(frame))) => return Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Err(error))) => Some(Err(io::Error::other(error))),
            Poll::Ready(None) => None,
        };
        // The last of the body can come while the connection is being closed for another. Nothing is begun then, since
        // the client would be told that it wasn't.
        let closed = !self.exchange.place.working();
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

/// An answer's body, on its way out. hyper drops it when it has taken all of it, and before it writes the last of it.
#[derive(Debug)]
pub(super) struct Leaving {
    body: Full<Bytes>,
    exchange: Arc<Exchange>,
}

impl Leaving {
    pub(super) fn new(body: Full<Bytes>, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.exchange.set(Phase::Answered);
    }
}

impl Body for Leaving {
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
