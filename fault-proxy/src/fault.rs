//! What can happen to a call, and to which calls it happens.

use std::{ops::Range, time::Instant};

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
