//! The limits of a connection: how much is read ahead, and how long a client may take.

use std::time::Duration;

/// The most bytes that are read ahead from a connection, and so the longest head that is parsed at all.
pub const MAX_BUFFER: usize = 16 * 1024;

/// How long a client may take, and how long a new connection may wait.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the end of one request to the first byte of the next.
    pub idle: Duration,
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// For each write of a response to be accepted.
    pub answer: Duration,
    /// How long a new connection waits for a slot while every connection's request is being processed. Connections that
    /// arrive later wait as well.
    pub room: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            room: Duration::ZERO,
        }
    }
}
