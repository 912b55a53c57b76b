//! The socket as hyper uses it.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{
    exchange::{Exchange, Phase},
    limits::{MAX_BUFFER, Timeouts},
};

/// A socket that keeps a copy of the head that arrives, limits how long a head and a response may take, and discards what
/// hyper writes while no request is being served.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) tcp: TcpStream,
    exchange: Arc<Exchange>,
    timeouts: Timeouts,
    /// What has arrived since the last response, up to the length of the longest head.
    head: Vec<u8>,
    head_due: Option<Pin<Box<Sleep>>>,
    answer_due: Option<Pin<Box<Sleep>>>,
    /// The client has closed its half of the connection.
    pub(super) ended: bool,
    /// A head wasn't complete in time.
    pub(super) late: bool,
}

impl Stream {
    pub(super) fn new(tcp: TcpStream, exchange: Arc<Exchange>, timeouts: Timeouts) -> Self {
        Self {
            tcp,
            exchange,
            timeouts,
            head: Vec::new(),
            head_due: None,
            answer_due: None,
            ended: false,
            late: false,
        }
    }

    /// Returns the part of a head that didn't become a request. It is what was read since the last response. When the head
    /// arrived together with the request before it, it is what hyper has left over.
    pub(super) fn head<'a>(&'a self, left_over: &'a [u8]) -> &'a [u8] {
        if self.head.is_empty() {
            left_over
        } else {
            &self.head
        }
    }

    /// Starts the timeout when a write must wait for the client, and ends it when the write makes progress.
    fn after_write(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.answer_due = None;
            return written;
        }
        self.exchange.slot.waiting();
        let timeouts = self.timeouts.answer;
        let due = self.answer_due.get_or_insert_with(|| Box::pin(sleep(timeouts)));
        match due.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(context, buffer);
        let read = &buffer.filled()[before..];
        if matches!(polled, Poll::Ready(Ok(()))) && read.is_empty() && buffer.remaining() > 0 {
            self.ended = true;
        }
        if self.exchange.phase() != Phase::Idle {
            self.head_due = None;
            return polled;
        }
        if !read.is_empty() {
            let keep = read.len().min(MAX_BUFFER - self.head.len().min(MAX_BUFFER));
            self.head.extend_from_slice(&read[..keep]);
            if self.head_due.is_none() {
                self.head_due = Some(Box::pin(sleep(self.timeouts.head)));
            }
        }
        if polled.is_pending()
            && let Some(due) = &mut self.head_due
            && due.as_mut().poll(context).is_ready()
        {
            self.late = true;
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.exchange.phase() == Phase::Idle {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.tcp).poll_write(context, bytes);
        self.after_write(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.exchange.phase() == Phase::Idle {
            return Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()));
        }
        let written = Pin::new(&mut self.tcp).poll_write_vectored(context, parts);
        self.after_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.exchange.flushed() {
            self.head = Vec::new();
            self.head_due = None;
        }
        Pin::new(&mut self.tcp).poll_flush(context)
    }

    /// Does nothing: the application's response may have to be written after hyper has ended.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
