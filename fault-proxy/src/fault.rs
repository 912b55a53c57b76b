//! What can happen to a call, and to which calls it happens.

use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

/// What happens to a call.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// A transaction is canceled for this reason, which its first action gives. It isn't forwarded.
    Canceled(&'static str),
    /// The call is answered with this status and error code. It isn't forwarded.
    Refused(u16, &'static str),
    /// The call is forwarded, and the connection is closed instead of an answer.
    AnswerLost,
    /// The call is forwarded, and the connection is closed in the middle of the answer.
    AnswerCut,
    /// The connection is closed. The call isn't forwarded.
    CallLost,
    /// The first half of a batch is forwarded, one item at least. The answer names the rest as unprocessed.
    HalfDone,
    /// The answer names all of a batch as unprocessed. It isn't forwarded.
    NothingDone,
    /// There is no answer, ever. The call isn't forwarded.
    NoAnswer,
    /// The call is forwarded after this time.
    Delayed(Duration),
}

impl Fault {
    /// Whether a call of this operation can have this fault.
    #[must_use]
    pub fn applies_to(self, operation: &str) -> bool {
        match self {
            Self::Canceled(_) | Self::Refused(_, "TransactionInProgressException") => {
                operation == "TransactWriteItems"
            }
            Self::Refused(_, "TransactionConflictException") => {
                matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem")
            }
            Self::HalfDone | Self::NothingDone => matches!(operation, "BatchGetItem" | "BatchWriteItem"),
            _ => true,
        }
    }
}

/// Faults that happen at random.
pub(crate) struct Random {
    dice: StdRng,
    share: f64,
    faults: Vec<Fault>,
    /// How often each fault has happened, by its name.
    pub(crate) happened: BTreeMap<String, usize>,
}

impl Random {
    pub(crate) fn new(seed: u64, share: f64, faults: &[Fault]) -> Self {
        Self {
            dice: StdRng::seed_from_u64(seed),
            share,
            faults: faults.to_vec(),
            happened: BTreeMap::new(),
        }
    }

    /// The fault that happens to the next call, which is of this operation.
    pub(crate) fn of_call(&mut self, operation: &str) -> Option<Fault> {
        let happens = self.dice.random_bool(self.share);
        let possible: Vec<Fault> = self
            .faults
            .iter()
            .copied()
            .filter(|fault| fault.applies_to(operation))
            .collect();
        let fault = possible.choose(&mut self.dice).copied().filter(|_| happens)?;
        *self.happened.entry(format!("{fault:?}")).or_default() += 1;
        Some(fault)
    }
}

/// A fault, and the calls that it happens to.
pub(crate) struct Rule {
    operation: &'static str,
    /// Which of the matching calls, counted from 0.
    which: Range<usize>,
    /// How many matching calls there have been.
    matched: usize,
    /// When the rule ends, whatever `which` says.
    until: Option<Instant>,
    fault: Fault,
}

impl Rule {
    pub(crate) fn new(
        operation: &'static str,
        which: Range<usize>,
        until: Option<Instant>,
        fault: Fault,
    ) -> Self {
        Self {
            operation,
            which,
            matched: 0,
            until,
            fault,
        }
    }

    /// Counts a call, if it matches, and returns the fault if it happens to this call.
    fn apply(&mut self, operation: &str, start: Instant) -> Option<Fault> {
        if self.operation != operation && self.operation != "*" {
            return None;
        }
        let is_over = self.until.is_some_and(|until| until <= start);
        let happens = self.which.contains(&self.matched) && !is_over;
        self.matched += 1;
        happens.then_some(self.fault)
    }
}

/// The fault that happens to a call: that of the first rule that has one. Every rule counts the call.
pub(crate) fn of_call(rules: &mut [Rule], operation: &str, start: Instant) -> Option<Fault> {
    rules
        .iter_mut()
        .map(|rule| rule.apply(operation, start))
        .fold(None, Option::or)
}
