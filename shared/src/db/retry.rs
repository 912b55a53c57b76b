//! Trying again: what a failed call to the table means, when it is repeated, and for how long.
//!
//! A request has one deadline. Every call it makes is repeated until then, as long as its failure is one that may pass:
//! no connection, no answer, an answer that is cut off, a throttle, a `5xx`, a transaction in the way. So a table that is
//! out of reach for some seconds costs time and no errors. The SDK's own retries are off
//! ([`client`](crate::db::client)), so that nothing multiplies.

use std::{future::Future, time::Duration};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::DispatchFailure};
use rand::RngExt as _;
use tokio::time::Instant;

use crate::error::{Error, LogText, Result};

/// How long a call that belongs to no request is tried: an import's, an operator's, the sweep's.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one attempt may take. A connection that has gone silent costs a request seconds, then, and not its deadline.
/// Shorter would do harm: a table that is merely slow would be sent the same calls over and over, on top of those it has.
const ATTEMPT: Duration = Duration::from_secs(3);

/// The longest pause, in milliseconds, after a first failure. It doubles with each further one.
const FIRST_PAUSE: u64 = 25;
/// The longest pause, in milliseconds, after however many failures.
const LAST_PAUSE: u64 = 800;

/// The longest pause, in milliseconds, before each further attempt at what met a transaction; the last goes for all after.
///
/// An item takes one transaction at a time, and who asks meanwhile learns nothing but that. So pauses grow at once to
/// what many need who want the same item, lest their attempts alone use it up; and they shrink for who has waited
/// longest, lest that one comes too late. `cargo measure contention` shows what another choice does.
const CONFLICT_PAUSES: [u64; 8] = [20, 200, 800, 800, 400, 400, 200, 100];
/// The same for what goes first ([`Turn::First`]): so short that it finds the moment between two of the others' attempts.
const FIRST_TURN_PAUSES: [u64; 2] = [10, 25];
/// How many of the first of those pauses there are.
const FIRST_TURN_QUICK: usize = 32;

/// Until when a request may make calls.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    /// The end of reads.
    reads: Instant,
    /// The end of writes: earlier, so that there is time to read what became of a write whose answers were lost.
    writes: Instant,
}

impl Deadline {
    fn after(time: Duration) -> Self {
        let now = Instant::now();
        Self {
            reads: now + (time - time / 40),
            writes: now + (time - time * 3 / 20),
        }
    }
}

tokio::task_local! {
    /// The deadline of the request that this task works on.
    static DEADLINE: Deadline;
}

/// Gives `work` this much time: the calls to the table within it are repeated until shortly before its end, so that what
/// gave up is answered by who called it. Writes end at 85 % of it, reads at 97.5 %. Within another, the earlier end counts.
///
/// It doesn't cut `work` off, and doesn't reach into tasks that `work` spawns.
pub async fn within<F: Future>(time: Duration, work: F) -> F::Output {
    let own = Deadline::after(time);
    let deadline = DEADLINE.try_with(|outer| Deadline {
        reads: outer.reads.min(own.reads),
        writes: outer.writes.min(own.writes),
    });
    DEADLINE.scope(deadline.unwrap_or(own), work).await
}

/// Whose turn it is when a transaction meets others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Turn {
    /// One of many that want the same item.
    #[default]
    Among,
    /// Rare and waited for, such as an owner's edit: it goes before the many.
    First,
}

impl Turn {
    /// The longest pause, in milliseconds, after so many meetings before the last.
    fn window(self, met: usize) -> u64 {
        match self {
            Self::Among => CONFLICT_PAUSES[met.min(CONFLICT_PAUSES.len() - 1)],
            Self::First => FIRST_TURN_PAUSES[usize::from(met >= FIRST_TURN_QUICK)],
        }
    }
}

/// The attempts at one call, or at several that are one to their caller.
#[derive(Debug)]
pub(crate) struct Tries {
    operation: &'static str,
    until: Instant,
    /// How many attempts have failed.
    failures: usize,
    /// How many attempts have met a transaction.
    met: usize,
    in_doubt: bool,
    /// Whether a call that may have been done is given up rather than repeated.
    is_once: bool,
}

impl Tries {
    /// Attempts at a read.
    pub(crate) fn to_read(operation: &'static str) -> Self {
        Self::until(operation, |deadline| deadline.reads)
    }

    /// Attempts at a write.
    pub(crate) fn to_write(operation: &'static str) -> Self {
        Self::until(operation, |deadline| deadline.writes)
    }

    fn until(operation: &'static str, end: impl Fn(&Deadline) -> Instant) -> Self {
        Self {
            operation,
            until: DEADLINE
                .try_with(end)
                .unwrap_or_else(|_| Instant::now() + PATIENCE),
            failures: 0,
            met: 0,
            in_doubt: false,
            is_once: false,
        }
    }

    /// The same for a call that changes more each time it is done: it is repeated only while it can't have been done.
    pub(crate) fn once(self) -> Self {
        Self {
            is_once: true,
            ..self
        }
    }

    /// Whether an attempt may have been done though its answer didn't say so.
    pub(crate) fn in_doubt(&self) -> bool {
        self.in_doubt
    }

    /// Makes a call, and repeats it while it fails in a way that may pass. `Ok(Err(_))` is what the table refuses it with;
    /// a transaction in its way is such a refusal, since how long to wait for those is the caller's to say.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the time is up; [`Error::Internal`] when the call can't be made.
    pub(crate) async fn call<T, E, F>(&mut self, send: impl Fn() -> F) -> Result<std::result::Result<T, E>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.gives_up("no time was left"));
            }
            // In a box, since an SDK call's future is large and deeply nested, and every function's contains this one.
            let failure = match tokio::time::timeout(ATTEMPT.min(left), Box::pin(send())).await {
                Ok(Ok(output)) => return Ok(Ok(output)),
                Ok(Err(SdkError::ServiceError(e))) => {
                    let answered = e.raw().status().as_u16();
                    match Failure::of_code(e.err().code(), answered) {
                        Some(failure) => failure,
                        None => return Ok(Err(e.into_err())),
                    }
                }
                Ok(Err(SdkError::DispatchFailure(e))) if !may_pass(&e) => {
                    return Err(self.gives_up("no connection can be made"));
                }
                Ok(Err(SdkError::DispatchFailure(_))) => Failure::open("no connection"),
                Ok(Err(SdkError::ResponseError(_))) => Failure::open("an answer that can't be read"),
                Ok(Err(SdkError::TimeoutError(_))) | Err(_) => Failure::open("no answer in time"),
                Ok(Err(_)) => {
                    let cause = LogText::from("the request can't be built");
                    return Err(Error::Internal(cause.during(self.operation)));
                }
            };
            self.in_doubt |= failure.leaves_open;
            if self.is_once && self.in_doubt {
                return Err(self.gives_up(failure.why));
            }
            self.again(failure.why).await?;
        }
    }

    /// Waits before another attempt after one that failed: full jitter over a window that doubles (AWS Architecture Blog,
    /// "Exponential Backoff And Jitter").
    ///
    /// # Errors
    /// [`Error::Unavailable`] with `why`, when the time would be up by then.
    pub(crate) async fn again(&mut self, why: impl Into<LogText>) -> Result<()> {
        let window = (FIRST_PAUSE << self.failures.min(8)).min(LAST_PAUSE);
        self.failures += 1;
        self.pause(window, why).await
    }

    /// Waits before asking for what a batch left, where it did some: as after a first failure.
    ///
    /// # Errors
    /// As [`Tries::again`].
    pub(crate) async fn go_on(&mut self, why: impl Into<LogText>) -> Result<()> {
        self.failures = 0;
        self.again(why).await
    }

    /// Waits before another attempt after one that met a transaction: full jitter over windows by `turn`.
    ///
    /// # Errors
    /// As [`Tries::again`].
    pub(crate) async fn meet(&mut self, turn: Turn) -> Result<()> {
        let window = turn.window(self.met);
        self.met += 1;
        self.pause(window, "it met transactions every time").await
    }

    async fn pause(&self, milliseconds: u64, why: impl Into<LogText>) -> Result<()> {
        let pause = jittered(milliseconds);
        if Instant::now() + pause >= self.until {
            return Err(self.gives_up(why));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn gives_up(&self, why: impl Into<LogText>) -> Error {
        Error::Unavailable(why.into().during(self.operation))
    }

    /// What an error is that no further attempt mends. Only its code goes to the log: its message may quote keys, and
    /// those may hold an email.
    pub(crate) fn refusal(&self, error: &impl ProvideErrorMetadata) -> Error {
        let code = error.code().unwrap_or(NO_CODE);
        Error::Internal(LogText::aws_error(code).during(self.operation))
    }
}

/// What the log has in place of an error code, if AWS answered without one.
const NO_CODE: &str = "none";

/// A failure that may pass.
struct Failure {
    why: LogText,
    /// Whether the call may have been done.
    leaves_open: bool,
}

impl Failure {
    fn open(why: impl Into<LogText>) -> Self {
        Self {
            why: why.into(),
            leaves_open: true,
        }
    }

    /// The failure of an answer with this error code and status; `None` for one that stays.
    fn of_code(code: Option<&str>, status: u16) -> Option<Self> {
        let code = code.unwrap_or(NO_CODE);
        let why = LogText::aws_error(code);
        if is_throttle(code) {
            let leaves_open = false;
            return Some(Self { why, leaves_open });
        }
        // Whether a call that failed within DynamoDB was done is open (AWS: "Error handling with DynamoDB").
        let is_open = status >= 500
            || status == 408
            || matches!(
                code,
                "TransactionInProgressException"
                    | "InternalServerError"
                    | "InternalServerErrorException"
                    | "ServiceUnavailable"
                    | "ServiceUnavailableException"
                    | "RequestTimeout"
                    | "RequestTimeoutException"
            );
        is_open.then(|| Self::open(why))
    }
}

/// Whether this code, of an error or of a transaction's cancellation, says that the call wasn't done and may be soon.
pub(crate) fn is_throttle(code: &str) -> bool {
    matches!(
        code,
        "ThrottlingError"
            | "ThrottlingException"
            | "ProvisionedThroughputExceeded"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ReplicatedWriteConflictException"
    )
}

/// Whether a connection that failed may be made, or kept, another time. It can't where there are no credentials.
fn may_pass(failure: &DispatchFailure) -> bool {
    failure.is_io() || failure.is_timeout() || failure.as_other().is_some()
}

/// Waits before attempt `attempt` at what is read and decided anew each time (none before the first): full jitter over a
/// window that doubles from 20 to 250 ms.
pub(crate) async fn pause_before(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(jittered((10_u64 << attempt.min(5)).min(250))).await;
    }
}

fn jittered(milliseconds: u64) -> Duration {
    Duration::from_millis(rand::rng().random_range(1..=milliseconds))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        future::ready,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use aws_sdk_dynamodb::operation::get_item::GetItemError;

    use super::*;

    #[test]
    fn throttles_and_errors_of_the_table_pass_and_refusals_stay() {
        let leaves_open = |code, status| Failure::of_code(Some(code), status).map(|f| f.leaves_open);
        assert_eq!(leaves_open("ThrottlingException", 400), Some(false));
        assert_eq!(
            leaves_open("ProvisionedThroughputExceededException", 400),
            Some(false)
        );
        assert_eq!(leaves_open("InternalServerError", 500), Some(true));
        assert_eq!(leaves_open("SomethingNew", 502), Some(true));
        assert_eq!(leaves_open("TransactionInProgressException", 400), Some(true));
        for stays in [
            "ValidationException",
            "ConditionalCheckFailedException",
            "TransactionCanceledException",
            "TransactionConflictException",
            "AccessDeniedException",
        ] {
            assert_eq!(leaves_open(stays, 400), None, "{stays}");
        }
    }

    #[tokio::test]
    async fn writes_end_before_reads_and_both_before_the_time_is_up_and_within_another_the_earlier_end_counts()
     {
        let assert_left = |writes: u64, reads: u64| {
            let tries = [Tries::to_write("Put"), Tries::to_read("Get")];
            for (tries, expected) in tries.into_iter().zip([writes, reads]) {
                let left = tries.until.saturating_duration_since(Instant::now());
                let expected = Duration::from_millis(expected);
                assert!(left <= expected, "{left:?} of {expected:?}");
                assert!(
                    left + Duration::from_secs(10) > expected,
                    "{left:?} of {expected:?}"
                );
            }
        };
        assert_left(20_000, 20_000);
        within(Duration::from_secs(1000), async {
            assert_left(850_000, 975_000);
            within(Duration::from_secs(200), async { assert_left(170_000, 195_000) }).await;
            within(Duration::from_secs(6000), async { assert_left(850_000, 975_000) }).await;
        })
        .await;
    }

    #[tokio::test]
    async fn a_call_that_is_made_once_is_not_repeated_when_it_may_have_been_done() {
        async fn attempts(mut tries: Tries) -> usize {
            let made = AtomicUsize::new(0);
            let call = || {
                made.fetch_add(1, Ordering::Relaxed);
                ready(Err::<(), _>(SdkError::<GetItemError, _>::timeout_error(
                    "no answer",
                )))
            };
            assert!(tries.call(call).await.is_err());
            made.into_inner()
        }
        within(Duration::from_millis(600), async {
            assert_eq!(attempts(Tries::to_write("Update").once()).await, 1);
            assert!(attempts(Tries::to_write("Update")).await > 1);
        })
        .await;
    }

    #[tokio::test]
    async fn without_time_no_call_is_made_and_the_last_failure_is_the_reason() {
        within(Duration::ZERO, async {
            let mut tries = Tries::to_write("Put");
            let again = tries.again("it failed").await;
            assert!(matches!(again, Err(Error::Unavailable(why)) if why.line() == "Put: it failed"));
            let again = tries.meet(Turn::First).await;
            assert!(matches!(again, Err(Error::Unavailable(_))));
            assert!(!tries.in_doubt());
        })
        .await;
    }

    #[test]
    fn what_goes_first_waits_a_fraction_of_what_one_of_many_does() {
        let waits = |turn: Turn| -> u64 { (0..20).map(|met| turn.window(met)).sum() };
        assert!(waits(Turn::First) * 5 < waits(Turn::Among));
        assert_eq!(
            [0, 31, 32, 1000].map(|met| Turn::First.window(met)),
            [10, 10, 25, 25]
        );
        assert_eq!(
            [0, 2, 7, 1000].map(|met| Turn::Among.window(met)),
            [20, 800, 100, 100]
        );
    }
}
