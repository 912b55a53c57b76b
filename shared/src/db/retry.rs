//! Retries of calls to DynamoDB: after which failures, after which pauses, and until when.
//!
//! A request has a time limit. Writes are retried until 85 % of it, reads until 97.5 %, so that the outcome of a write can
//! still be read and an error returned. A call is retried if its failure may be temporary: no connection, no response, a
//! response that is cut off, a throttle, a `5xx`, a transaction conflict. So if the table can't be reached for some seconds, a
//! request takes longer but doesn't fail. The SDK's own retries are off ([`client`](crate::aws::client)), because two layers of
//! retries would multiply.
//!
//! Every pause has *full jitter*: it is a random time up to a limit (AWS Architecture Blog, "Exponential Backoff And
//! Jitter").

use std::{future::Future, time::Duration};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use rand::RngExt as _;
use tokio::time::Instant;

use crate::{
    db::{
        consumed::Consumed,
        failure::{Failure, NO_CODE, is_temporary, is_throttle},
    },
    error::{Error, LogText, Result},
    telemetry::request::{self, Deed},
};

/// How long a call that is outside of every deadline is retried, such as one of an import or of an operator's command.
const TIME_WITHOUT_DEADLINE: Duration = Duration::from_secs(20);

/// The time limit of one attempt. With it, a silent connection costs a request some seconds and not its whole time. A
/// shorter limit would do harm: a slow table would receive calls again that it is still working on.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// The longest pause after the first failure, in milliseconds. It doubles with each further failure.
const FIRST_PAUSE: u64 = 25;
/// The longest pause after any number of failures, in milliseconds.
const LAST_PAUSE: u64 = 800;

/// The longest pause after each conflict of a transaction, in milliseconds. The last one applies to all further conflicts.
///
/// DynamoDB cancels a transaction on an item that another transaction is changing. The first pauses grow, so that the
/// retries of many transactions don't overload the item. The later ones shrink, so that the transaction that has waited
/// longest is committed before its deadline. `cargo measure contention` measures other choices.
const CONFLICT_PAUSES: [u64; 8] = [20, 200, 800, 800, 400, 400, 200, 100];
/// The longest pauses for [`Priority::High`], in milliseconds. They are so short that an attempt falls between the attempts
/// of other transactions.
const HIGH_PRIORITY_PAUSES: [u64; 2] = [10, 25];
/// The number of conflicts after each of which the shorter one of [`HIGH_PRIORITY_PAUSES`] applies. After each further
/// conflict the longer one applies.
const HIGH_PRIORITY_SHORT_CONFLICTS: usize = 32;

/// The time after which a request makes no further calls.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    /// The end of reads.
    reads: Instant,
    /// The end of writes. It is earlier, so that there is time to read whether a write without a response succeeded.
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
    /// The deadline of the request that this task handles.
    static DEADLINE: Deadline;
}

/// Runs `work` with a deadline: its calls to the table are retried until shortly before `time` is over, so that `work`
/// itself can still return the error. Writes end at 85 % of `time`, reads at 97.5 %. Inside another deadline, the earlier
/// end applies.
///
/// The deadline doesn't cancel `work`, and doesn't apply to tasks that `work` spawns.
pub async fn within<F: Future>(time: Duration, work: F) -> F::Output {
    let own = Deadline::after(time);
    let deadline = DEADLINE.try_with(|outer| Deadline {
        reads: outer.reads.min(own.reads),
        writes: outer.writes.min(own.writes),
    });
    DEADLINE.scope(deadline.unwrap_or(own), work).await
}

/// How soon a transaction is retried after a conflict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Priority {
    /// It is one of many on the same item.
    #[default]
    Normal,
    /// It is rare, such as an owner's edit, and is retried sooner than the others.
    High,
}

impl Priority {
    /// The longest pause after a conflict, in milliseconds. `conflicts` is the number of conflicts before that one.
    fn longest_pause(self, conflicts: usize) -> u64 {
        match self {
            Self::Normal => CONFLICT_PAUSES[conflicts.min(CONFLICT_PAUSES.len() - 1)],
            Self::High => HIGH_PRIORITY_PAUSES[usize::from(conflicts >= HIGH_PRIORITY_SHORT_CONFLICTS)],
        }
    }
}

/// The retries of one call, or of several calls that are one operation for their caller.
#[derive(Debug)]
pub(crate) struct Retry {
    operation: &'static str,
    deadline: Instant,
    /// What a call that consumes these units does.
    consumes: fn(f64) -> Deed,
    /// How many attempts have failed since the last progress.
    failures: usize,
    /// How many attempts had a transaction conflict.
    conflicts: usize,
    may_have_succeeded: bool,
    /// Whether to give up as soon as an attempt may have succeeded.
    is_at_most_once: bool,
}

impl Retry {
    /// The retries of a read.
    pub(crate) fn of_read(operation: &'static str) -> Self {
        Self::until(operation, Deed::Read, |deadline| deadline.reads)
    }

    /// The retries of a write.
    pub(crate) fn of_write(operation: &'static str) -> Self {
        Self::until(operation, Deed::Write, |deadline| deadline.writes)
    }

    fn until(operation: &'static str, consumes: fn(f64) -> Deed, end: impl Fn(&Deadline) -> Instant) -> Self {
        Self {
            operation,
            consumes,
            deadline: DEADLINE
                .try_with(end)
                .unwrap_or_else(|_| Instant::now() + TIME_WITHOUT_DEADLINE),
            failures: 0,
            conflicts: 0,
            may_have_succeeded: false,
            is_at_most_once: false,
        }
    }

    /// Limits the call to at most one success: it is retried only while no attempt can have succeeded. For a call that
    /// isn't idempotent.
    pub(crate) fn at_most_once(self) -> Self {
        Self {
            is_at_most_once: true,
            ..self
        }
    }

    /// Whether an attempt may have succeeded although no response said so.
    pub(crate) fn may_have_succeeded(&self) -> bool {
        self.may_have_succeeded
    }

    /// Makes a call, and retries it while its failure may be temporary. `Ok(Err(_))` is an error that isn't retried here.
    /// One of them is a transaction conflict, whose pause the caller chooses.
    ///
    /// # Errors
    /// [`Error::Internal`] if the request can't be built.
    pub(crate) async fn call<T, E, F>(&mut self, send: impl Fn() -> F) -> Result<std::result::Result<T, E>>
    where
        T: Consumed,
        E: ProvideErrorMetadata,
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    {
        loop {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.unavailable("no time was left"));
            }
            request::add(Deed::Call);
            // Boxed, because the future of an SDK call is large and deeply nested, and the future of every function contains
            // this one.
            let failure = match tokio::time::timeout(ATTEMPT_TIMEOUT.min(left), Box::pin(send())).await {
                Ok(Ok(output)) => {
                    request::add((self.consumes)(output.units()));
                    return Ok(Ok(output));
                }
                Ok(Err(SdkError::ServiceError(e))) => {
                    let status = e.raw().status().as_u16();
                    note_failure(e.err().code());
                    match Failure::from_code(e.err().code(), status) {
                        Some(failure) => failure,
                        None => return Ok(Err(e.into_err())),
                    }
                }
                Ok(Err(SdkError::DispatchFailure(e))) if !is_temporary(&e) => {
                    return Err(self.unavailable("no connection can be made"));
                }
                Ok(Err(SdkError::DispatchFailure(_))) => Failure::unknown("no connection"),
                Ok(Err(SdkError::ResponseError(_))) => Failure::unknown("the response can't be read"),
                Ok(Err(SdkError::TimeoutError(_))) | Err(_) => Failure::unknown("no response in time"),
                Ok(Err(_)) => {
                    let cause = LogText::from("the request can't be built");
                    return Err(Error::Internal(cause.during(self.operation)));
                }
            };
            self.may_have_succeeded |= failure.may_have_succeeded;
            if self.is_at_most_once && self.may_have_succeeded {
                return Err(self.unavailable(failure.reason));
            }
            self.pause_after_failure(failure.reason).await?;
        }
    }

    /// Pauses after a failed attempt. The longest pause doubles with each failure. The error contains `reason` if the
    /// deadline would pass during the pause.
    pub(crate) async fn pause_after_failure(&mut self, reason: impl Into<LogText>) -> Result<()> {
        let longest = (FIRST_PAUSE << self.failures.min(8)).min(LAST_PAUSE);
        self.failures += 1;
        self.pause(longest, reason).await
    }

    /// Pauses after an attempt that did a part of its work. The pause is that after a first failure.
    pub(crate) async fn pause_after_progress(&mut self, reason: impl Into<LogText>) -> Result<()> {
        self.failures = 0;
        self.pause_after_failure(reason).await
    }

    /// Pauses after an attempt that had a transaction conflict.
    pub(crate) async fn pause_after_conflict(&mut self, priority: Priority) -> Result<()> {
        let longest = priority.longest_pause(self.conflicts);
        self.conflicts += 1;
        let reason = format!("transaction conflicted {} times", self.conflicts);
        self.pause(longest, reason).await
    }

    async fn pause(&self, longest_ms: u64, reason: impl Into<LogText>) -> Result<()> {
        let pause = jittered(longest_ms);
        if Instant::now() + pause >= self.deadline {
            return Err(self.unavailable(reason));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn unavailable(&self, reason: impl Into<LogText>) -> Error {
        Error::Unavailable(reason.into().during(self.operation))
    }

    /// The error for a call that DynamoDB rejected. It contains only the error's code: the message may quote keys, and a key
    /// may be an email.
    pub(crate) fn rejected(&self, error: &impl ProvideErrorMetadata) -> Error {
        let code = error.code().unwrap_or(NO_CODE);
        Error::Internal(LogText::aws_error(code).during(self.operation))
    }
}

/// Adds a failure with this error code, or cancellation of a transaction for this reason, to what the request did.
pub(crate) fn note_failure(code: Option<&str>) {
    match code {
        Some("TransactionConflictException" | "TransactionConflict") => request::add(Deed::Conflict),
        Some(code) if is_throttle(code) => request::add(Deed::Throttle),
        _ => {}
    }
}

/// A random time from 1 ms to `longest_ms`.
pub(crate) fn jittered(longest_ms: u64) -> Duration {
    Duration::from_millis(rand::rng().random_range(1..=longest_ms))
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};

    use super::*;

    #[tokio::test]
    async fn writes_end_before_reads_and_both_before_the_time_is_over_and_the_earlier_of_two_deadlines_applies()
     {
        let assert_left = |writes: u64, reads: u64| {
            let retries = [Retry::of_write("Put"), Retry::of_read("Get")];
            for (retry, expected) in retries.into_iter().zip([writes, reads]) {
                let left = retry.deadline.saturating_duration_since(Instant::now());
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
    async fn a_call_made_at_most_once_is_not_retried_if_it_may_have_succeeded() {
        async fn attempts(mut retry: Retry) -> usize {
            let made = AtomicUsize::new(0);
            let call = || {
                made.fetch_add(1, Ordering::Relaxed);
                ready(Err::<PutItemOutput, _>(
                    SdkError::<PutItemError, _>::timeout_error("no answer"),
                ))
            };
            assert!(retry.call(call).await.is_err());
            made.into_inner()
        }
        within(Duration::from_millis(600), async {
            assert_eq!(attempts(Retry::of_write("Update").at_most_once()).await, 1);
            assert!(attempts(Retry::of_write("Update")).await > 1);
        })
        .await;
    }

    #[tokio::test]
    async fn without_time_nothing_is_retried_and_the_error_says_why() {
        within(Duration::ZERO, async {
            let mut retry = Retry::of_write("Put");
            let again = retry.pause_after_failure("it failed").await;
            assert!(matches!(again, Err(Error::Unavailable(cause)) if cause.line() == "Put: it failed"));
            let again = retry.pause_after_conflict(Priority::High).await;
            assert!(matches!(again, Err(Error::Unavailable(_))));
            assert!(!retry.may_have_succeeded());
        })
        .await;
    }

    #[test]
    fn a_transaction_of_high_priority_waits_a_fraction_of_what_others_do() {
        let waits = |priority: Priority| -> u64 { (0..20).map(|n| priority.longest_pause(n)).sum() };
        assert!(waits(Priority::High) * 5 < waits(Priority::Normal));
        assert_eq!(
            [0, 31, 32, 1000].map(|n| Priority::High.longest_pause(n)),
            [10, 10, 25, 25]
        );
        assert_eq!(
            [0, 2, 7, 1000].map(|n| Priority::Normal.longest_pause(n)),
            [20, 800, 100, 100]
        );
    }
}
