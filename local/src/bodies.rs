//! Reads request bodies within a limited amount of memory.
//!
//! A client decides when its body ends, so the memory of all unfinished bodies together is limited. The first few kilobytes
//! of each body are free, so that other clients' uploads never delay a login or an edit. That memory is limited too,
//! because each connection has one body at a time and connections are limited. Everything beyond the first kilobytes comes
//! out of one budget. When the budget is spent, bodies that arrive slowly are refused.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};

/// How long a body may take to arrive, and how long it may pause.
const BODY_WITHIN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(10);

/// The average bytes per second at which a body must arrive while other bodies wait for memory, and the age from which on
/// this rule applies to a body.
const RATE: u128 = 64 * 1024;
const RATE_COUNTS_AFTER: Duration = Duration::from_secs(1);

/// How often a body that pauses is checked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long a body waits for memory.
const MEMORY_WITHIN: Duration = Duration::from_secs(4);

/// How many bytes of each body don't count against the budget.
pub const FREE: usize = 8 * 1024;

/// The memory for request bodies.
#[derive(Clone, Debug)]
pub struct Bodies {
    memory: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// A whole body. Dropping it returns its memory to the budget.
#[derive(Debug)]
pub struct ReadBody {
    /// The body's bytes.
    pub bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Why a body wasn't read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than the limit.
    TooLarge,
    /// It didn't arrive in time, or arrived slowly while others waited for memory.
    TooSlow,
    /// No memory became free for it in time.
    NoMemory,
    /// The connection ended, or the body isn't valid HTTP.
    Broken,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is too large",
            Self::TooSlow => "the body didn't arrive in time",
            Self::NoMemory => "there is no memory for the body",
            Self::Broken => "the body is incomplete or broken",
        })
    }
}

impl std::error::Error for BodyError {}

impl Bodies {
    /// A budget of `budget` bytes for all that request bodies have beyond their first [`FREE`] bytes.
    #[must_use]
    pub fn of(budget: usize) -> Self {
        Self {
            memory: Arc::new(Semaphore::new(budget)),
            waiting: Arc::default(),
        }
    }

    /// Reads a body of at most `limit` bytes. A body whose `Content-Length` is larger isn't read at all.
    ///
    /// # Errors
    /// [`BodyError`] if it is too long, too slow or broken, or when there is no memory for it.
    pub async fn read<B: Body<Data = Bytes>>(&self, body: B, limit: usize) -> Result<ReadBody, BodyError> {
        let mut body = pin!(body);
        let hint = body.size_hint();
        if hint.lower() > limit as u64 {
            return Err(BodyError::TooLarge);
        }
        let expected = hint.exact().and_then(|exact| usize::try_from(exact).ok());
        let mut held = Held {
            of: self,
            read: Vec::new(),
            memory: None,
        };
        let mut begun = Instant::now();
        let mut last = begun;
        loop {
            let Ok(frame) = timeout(LOOK_EVERY, body.frame()).await else {
                if last.elapsed() >= PAUSE || self.is_late(begun, held.read.len()) {
                    return Err(BodyError::TooSlow);
                }
                continue;
            };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|_| BodyError::Broken)?;
            let Ok(data) = frame.into_data() else { continue };
            last = Instant::now();
            if held.read.len() + data.len() > limit {
                return Err(BodyError::TooLarge);
            }
            held.add(&data, expected, limit).await?;
            // The time that it waited for memory doesn't count against its rate.
            begun += last.elapsed();
            last = Instant::now();
            if self.is_late(begun, held.read.len()) {
                return Err(BodyError::TooSlow);
            }
        }
        Ok(ReadBody {
            bytes: held.read.into(),
            _memory: held.memory,
        })
    }

    /// Whether a body that has received `read` bytes since `begun` is too slow.
    fn is_late(&self, begun: Instant, read: usize) -> bool {
        let taken = begun.elapsed();
        if taken >= BODY_WITHIN {
            return true;
        }
        let others_wait = self.waiting.load(Ordering::Relaxed) > 0;
        // A body within the free bytes holds no memory of the budget.
        others_wait
            && read > FREE
            && taken > RATE_COUNTS_AFTER
            && (read as u128) * 1000 < taken.as_millis() * RATE
    }
}

/// The part of a body that has arrived.
struct Held<'a> {
    of: &'a Bodies,
    read: Vec<u8>,
    memory: Option<OwnedSemaphorePermit>,
}

impl Held<'_> {
    /// Adds bytes to the body. All of its bytes are at most `limit`.
    async fn add(&mut self, data: &[u8], expected: Option<usize>, limit: usize) -> Result<(), BodyError> {
        let needed = self.read.len() + data.len();
        let capacity = self.read.capacity();
        if needed > capacity {
            // The whole length, if it is known: a body that holds a part and waits for the rest would keep others
            // waiting. Otherwise the capacity doubles each time.
            let grown = match expected {
                Some(expected) if needed > FREE => expected.max(needed),
                Some(expected) => expected.min(FREE).max(needed),
                None => (2 * capacity).max(FREE).min(limit).max(needed),
            };
            self.take(grown.saturating_sub(FREE.max(capacity))).await?;
            self.read.reserve_exact(grown - self.read.len());
        }
        self.read.extend_from_slice(data);
        Ok(())
    }

    /// Takes bytes out of the budget. Waits when the budget is spent.
    async fn take(&mut self, bytes: usize) -> Result<(), BodyError> {
        if bytes == 0 {
            return Ok(());
        }
        let bytes = u32::try_from(bytes).map_err(|_| BodyError::TooLarge)?;
        let memory = &self.of.memory;
        let taken = match Arc::clone(memory).try_acquire_many_owned(bytes) {
            Ok(taken) => taken,
            Err(_) => {
                let _waiting = Waiting::new(&self.of.waiting);
                let deadline = Instant::now() + MEMORY_WITHIN;
                match timeout_at(deadline, Arc::clone(memory).acquire_many_owned(bytes)).await {
                    Ok(Ok(taken)) => taken,
                    // The body is dropped, and its memory is free for the bodies that wait.
                    Ok(Err(_)) | Err(_) => return Err(BodyError::NoMemory),
                }
            }
        };
        match &mut self.memory {
            Some(memory) => memory.merge(taken),
            None => self.memory = Some(taken),
        }
        Ok(())
    }
}

/// Counts a body as waiting for memory until this is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{StreamExt as _, stream};
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use tokio::time::{advance, sleep};

    use super::*;

    type Part = Result<Frame<Bytes>, Infallible>;

    fn part(length: usize) -> Part {
        Ok(Frame::data(vec![b'x'; length].into()))
    }

    /// A body of one part that is never finished.
    fn unfinished(length: usize) -> impl Body<Data = Bytes, Error = Infallible> {
        StreamBody::new(stream::iter([part(length)]).chain(stream::pending()))
    }

    /// A body that yields a part of this length at each interval.
    fn dripping(length: usize, every: Duration) -> impl Body<Data = Bytes, Error = Infallible> {
        let parts = stream::repeat(()).then(move |()| async move {
            sleep(every).await;
            part(length)
        });
        StreamBody::new(parts.boxed())
    }

    async fn refused(
        bodies: &Bodies,
        body: impl Body<Data = Bytes, Error = Infallible>,
    ) -> (BodyError, Duration) {
        let begun = Instant::now();
        let refusal = bodies.read(body, 1 << 20).await.unwrap_err();
        (refusal, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_whole_and_its_memory_comes_back() {
        let bodies = Bodies::of(100_000);
        for length in [0, 1, FREE, FREE + 1, 100_000] {
            let whole = bodies
                .read(Full::new(vec![1; length].into()), 100_000)
                .await
                .unwrap();
            assert_eq!(whole.bytes.len(), length);
            assert_eq!(
                bodies.memory.available_permits(),
                100_000 - length.saturating_sub(FREE)
            );
        }
        assert_eq!(bodies.memory.available_permits(), 100_000);
        // In parts and of unknown length: the capacity is at most twice the length.
        let parts = StreamBody::new(stream::iter((0..40).map(|_| part(1000))));
        let whole = bodies.read(parts, 100_000).await.unwrap();
        assert_eq!(whole.bytes.len(), 40_000);
        assert!(bodies.memory.available_permits() >= 100_000 - 80_000 + FREE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_unknown_length_takes_no_more_than_the_limit() {
        let bodies = Bodies::of(100_000 - FREE);
        let parts = StreamBody::new(stream::iter((0..100).map(|_| part(1000))));
        let whole = bodies.read(parts, 100_000).await.unwrap();
        assert_eq!(whole.bytes.len(), 100_000);
        assert_eq!(bodies.memory.available_permits(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_says_it_is_too_long_is_not_read_and_another_only_to_the_limit() {
        let bodies = Bodies::of(1 << 22);
        let full = Full::new(Bytes::from(vec![1; (1 << 20) + 1]));
        assert_eq!(
            refused(&bodies, full).await,
            (BodyError::TooLarge, Duration::ZERO)
        );
        let parts = StreamBody::new(stream::iter((0..17).map(|_| part(1 << 16))).chain(stream::pending()));
        assert_eq!(
            refused(&bodies, parts).await,
            (BodyError::TooLarge, Duration::ZERO)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_pause_for_a_while_and_take_a_while() {
        let bodies = Bodies::of(1 << 20);
        let (refusal, after) = refused(&bodies, unfinished(100)).await;
        assert_eq!((refusal, after), (BodyError::TooSlow, PAUSE));
        let (refusal, after) = refused(&bodies, dripping(1, Duration::from_secs(3))).await;
        assert_eq!((refusal, after.as_secs()), (BodyError::TooSlow, 30));
        assert_eq!(bodies.memory.available_permits(), 1 << 20);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_bodies_give_way_to_those_that_wait_and_small_bodies_do_not_wait() {
        let bodies = Bodies::of(100_000);
        let slow = {
            let bodies = bodies.clone();
            tokio::spawn(async move { refused(&bodies, unfinished(90_000)).await })
        };
        let dripping = {
            let bodies = bodies.clone();
            tokio::spawn(async move { refused(&bodies, dripping(10_000, Duration::from_millis(400))).await })
        };
        advance(Duration::from_millis(450)).await;
        tokio::task::yield_now().await;
        let begun = Instant::now();
        let small = bodies
            .read(Full::new(vec![1; FREE].into()), 1 << 20)
            .await
            .unwrap();
        assert_eq!((small.bytes.len(), begun.elapsed()), (FREE, Duration::ZERO));
        let large = bodies
            .read(Full::new(vec![1; 90_000].into()), 1 << 20)
            .await
            .unwrap();
        assert_eq!(large.bytes.len(), 90_000);
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        assert_eq!(slow.await.unwrap().0, BodyError::TooSlow);
        // It arrives at 25 KB per second, while the large body holds the rest of the budget.
        assert!(matches!(
            dripping.await.unwrap().0,
            BodyError::TooSlow | BodyError::NoMemory
        ));
        drop(large);
        assert_eq!(bodies.memory.available_permits(), 100_000);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_arrive_quickly_wait_for_each_other_and_all_are_read() {
        let bodies = Bodies::of(1 << 20);
        let reading = (0..40).map(|_| {
            let bodies = bodies.clone();
            tokio::spawn(async move {
                let body = StreamBody::new(stream::iter((0..4).map(|_| part(64 << 10))));
                let whole = bodies.read(Sized(body, 256 << 10), 1 << 20).await?;
                sleep(Duration::from_millis(300)).await;
                Ok::<_, BodyError>(whole.bytes.len())
            })
        });
        for read in futures_util::future::join_all(reading).await {
            assert_eq!(read.unwrap(), Ok(256 << 10));
        }
    }

    /// A body with a known length.
    struct Sized<B>(B, u64);

    impl<B: Body<Data = Bytes> + Unpin> Body for Sized<B> {
        type Data = Bytes;
        type Error = B::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, B::Error>>> {
            std::pin::Pin::new(&mut self.0).poll_frame(context)
        }

        fn size_hint(&self) -> hyper::body::SizeHint {
            hyper::body::SizeHint::with_exact(self.1)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_gets_no_memory_is_refused_in_time() {
        let bodies = Bodies::of(100_000);
        let _finished = bodies
            .read(Full::new(vec![1; 100_000].into()), 1 << 20)
            .await
            .unwrap();
        let (refusal, after) = refused(&bodies, Full::new(vec![1; 50_000].into())).await;
        assert_eq!((refusal, after), (BodyError::NoMemory, MEMORY_WITHIN));
        assert_eq!(bodies.waiting.load(Ordering::Relaxed), 0);
    }
}
