//! The last id that a process has seen, as a hint.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The last id that this process has seen in the table. It may be out of date, so it decides only what is read first:
/// whoever uses it reads the counter of ids too, and compares.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastId(Arc<AtomicU64>);

impl LastId {
    /// The last id, or `None` if the process has seen none.
    pub(crate) fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|id| *id > 0)
    }

    /// Remembers the id that the counter has. An older one replaces a newer one: the table may have been made anew.
    pub(crate) fn set(&self, id: u64) {
        self.0.store(id, Ordering::Relaxed);
    }
}
