//! Optimistic writes: read, decide, and write under the condition that what was read has not changed; otherwise start again.
//!
//! Two things can fail such a write. If the items that were read have changed, they must be read and decided on again: the
//! caller's loop does that, with [`Attempts`]. If only an assumption was wrong that costs no read, such as that a genre
//! exists, the failed condition itself says so, and [`Store::commit`] sends a revised transaction.

use crate::{
    db::{
        retry::jittered,
        store::Store,
        transaction::{Outcome, Transaction},
    },
    error::{Error, Result},
};

/// How often a write is attempted. The request's deadline usually comes first.
pub(crate) const MAX_ATTEMPTS: u32 = 200;

/// How often a transaction is revised after a read: once for each genre that may appear or vanish meanwhile, at the usual
/// number of genres, and once for a count of favorites.
const MAX_REVISIONS: u32 = 5;

/// The attempts at one write, with pauses between them.
pub(crate) struct Attempts {
    operation: &'static str,
    made: u32,
}

impl Attempts {
    /// The attempts at this operation.
    pub(crate) fn at(operation: &'static str) -> Self {
        Self { operation, made: 0 }
    }

    /// Pauses before every attempt but the first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] after [`MAX_ATTEMPTS`].
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
    /// The transaction under the present assumptions.
    fn transaction(&mut self, store: &Store) -> Result<Transaction>;

    /// Corrects the assumptions after a transaction that was not committed.
    ///
    /// # Errors
    /// Whatever the outcome means for the caller if another attempt can't help.
    fn revise(&mut self, outcome: &Outcome) -> Result<Revision>;
}

/// What to do after a transaction that was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revision {
    /// Send the revised transaction.
    Retry,
    /// Read again: what the plan was made from has changed.
    Reread,
}

/// How a plan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    /// Its transaction was committed.
    Committed,
    /// Nothing was written, and the plan must be made anew from another read.
    Outdated,
}

impl Store {
    /// Sends a plan's transaction, and revised ones until one is committed. After [`MAX_REVISIONS`] the plan counts as outdated.
    pub(crate) async fn commit(&self, plan: &mut impl Plan) -> Result<Commit> {
        self.commit_within(MAX_REVISIONS, plan).await
    }

    /// The same for a plan that no read precedes: it is revised until the deadline, or [`MAX_ATTEMPTS`] times.
    pub(crate) async fn commit_without_read(
        &self,
        operation: &'static str,
        plan: &mut impl Plan,
    ) -> Result<()> {
        match self.commit_within(MAX_ATTEMPTS - 1, plan).await? {
            Commit::Committed => Ok(()),
            Commit::Outdated => Err(conflicted(operation, MAX_ATTEMPTS)),
        }
    }

    async fn commit_within(&self, revisions: u32, plan: &mut impl Plan) -> Result<Commit> {
        for revision in 0..=revisions {
            // The first revision needs no pause: what it corrects is known, not a matter of time.
            pause_before(revision.saturating_sub(1)).await;
            let transaction = plan.transaction(self)?;
            let outcome = self.transact(&transaction).await?;
            if let Outcome::Committed = outcome {
                return Ok(Commit::Committed);
            }
            if plan.revise(&outcome)? == Revision::Reread {
                return Ok(Commit::Outdated);
            }
        }
        Ok(Commit::Outdated)
    }
}

/// Pauses before attempt `attempt`, counted from 0, and not before the first. The longest pause doubles from 20 to 250 ms.
async fn pause_before(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(jittered((10_u64 << attempt.min(5)).min(250))).await;
    }
}

fn conflicted(operation: &str, attempts: u32) -> Error {
    Error::unavailable(format!("{operation}: conflicted {attempts} times"))
}
