//! Optimistic writes: read, decide, and write under the condition that what was read has not changed; otherwise start again.
//!
//! Such a write can fail for two reasons. If an item that was read has changed, the caller's loop reads and decides again,
//! with [`WriteAttempts`]. If only an assumption was wrong, such as that a genre exists, the failed condition says which
//! one. Then [`Store::commit`] sends a revised transaction without another read.

use crate::{
    db::{
        retry::jittered,
        store::Store,
        transaction::{Outcome, Transaction},
    },
    error::{Error, Result},
};

/// The most attempts at a write. The request's deadline usually comes first.
pub(crate) const MAX_ATTEMPTS: u32 = 200;

/// The most revisions after one read: one for each genre that may appear or disappear (four are usual), and one for the
/// favorite count.
const MAX_REVISIONS: u32 = 5;

/// Counts the attempts at one write, and pauses between them.
pub(crate) struct WriteAttempts {
    operation: &'static str,
    made: u32,
}

impl WriteAttempts {
    /// Returns a count of the attempts at this operation, none of them made yet.
    pub(crate) fn of(operation: &'static str) -> Self {
        Self { operation, made: 0 }
    }

    /// Pauses before every attempt but the first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] after [`MAX_ATTEMPTS`] attempts.
    pub(crate) async fn next(&mut self) -> Result<()> {
        if self.made == MAX_ATTEMPTS {
            return Err(conflicted(self.operation, self.made));
        }
        pause_before(self.made).await;
        self.made += 1;
        Ok(())
    }
}

/// A write of several items in one transaction, under assumptions.
pub(crate) trait Plan {
    /// Returns the transaction under the current assumptions.
    fn transaction(&mut self, store: &Store) -> Result<Transaction>;

    /// Corrects the assumptions after a transaction that was not committed.
    ///
    /// # Errors
    /// The error for the caller, if no other attempt can be committed.
    fn revise(&mut self, outcome: &Outcome) -> Result<Revision>;
}

/// What to do after a transaction that was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revision {
    /// Send the revised transaction.
    Retry,
    /// Read again: an item on which the plan is based has changed.
    Reread,
    /// Send nothing: another request with the same idempotency key has made the change.
    Replay,
}

/// The outcome of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlanOutcome {
    /// Its transaction was committed.
    Committed,
    /// Nothing was written. The caller must read again and make another plan.
    Outdated,
    /// Nothing was written. Another request with the same idempotency key has made the change.
    Replayed,
}

impl Store {
    /// Sends a plan's transaction, then revised ones, until one is committed. After [`MAX_REVISIONS`] the plan is outdated.
    pub(crate) async fn commit(&self, plan: &mut impl Plan) -> Result<PlanOutcome> {
        self.commit_within(MAX_REVISIONS, plan).await
    }

    /// Does the same for a plan that isn't based on a read. It is revised until the deadline, or until [`MAX_ATTEMPTS`]
    /// transactions were sent, and is never outdated.
    pub(crate) async fn commit_without_read(
        &self,
        operation: &'static str,
        plan: &mut impl Plan,
    ) -> Result<PlanOutcome> {
        match self.commit_within(MAX_ATTEMPTS - 1, plan).await? {
            PlanOutcome::Outdated => Err(conflicted(operation, MAX_ATTEMPTS)),
            outcome => Ok(outcome),
        }
    }

    async fn commit_within(&self, revisions: u32, plan: &mut impl Plan) -> Result<PlanOutcome> {
        for revision in 0..=revisions {
            // The first revision needs no pause: the failed condition says what to correct.
            pause_before(revision.saturating_sub(1)).await;
            let transaction = plan.transaction(self)?;
            let outcome = self.transact(&transaction).await?;
            if let Outcome::Committed = outcome {
                return Ok(PlanOutcome::Committed);
            }
            match plan.revise(&outcome)? {
                Revision::Retry => {}
                Revision::Reread => return Ok(PlanOutcome::Outdated),
                Revision::Replay => return Ok(PlanOutcome::Replayed),
            }
        }
        Ok(PlanOutcome::Outdated)
    }
}

/// Pauses before attempt `attempt`, counted from 0. There is no pause before the first. The longest pause doubles from 20
/// to 250 ms.
async fn pause_before(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(jittered((10_u64 << attempt.min(5)).min(250))).await;
    }
}

fn conflicted(operation: &str, attempts: u32) -> Error {
    Error::unavailable(format!("{operation}: conflicted {attempts} times"))
}
