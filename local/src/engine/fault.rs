//! What is wrong with the table's file, by the engine's error, and the log of it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often the same fault is logged at most. Every request fails while the disk is full.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// What is wrong with the table's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// There is no space left.
    Full,
    /// The content isn't a table, or is damaged.
    Damaged,
    /// Another program holds a lock.
    Locked,
    /// The file or its file system is read-only.
    ReadOnly,
    /// The system failed to read or write it.
    Unreadable,
}

impl Fault {
    /// Returns the fault that the text of the engine's error is about. The texts are SQLite's (SQLite: "Result and Error
    /// Codes"), except the one about a file that isn't a database, which is the engine's.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let known = [
            ("disk is full", Self::Full),
            ("malformed", Self::Damaged),
            ("not a database", Self::Damaged),
            ("not a valid SQLite database", Self::Damaged),
            ("is locked", Self::Locked),
            ("readonly", Self::ReadOnly),
            ("disk I/O error", Self::Unreadable),
            ("unable to open database file", Self::Unreadable),
        ];
        let found = known.into_iter().find(|(part, _)| text.contains(part));
        found.map(|(_, fault)| fault)
    }
}

impl Fault {
    /// A text of SQLite that [`of`](Self::of) takes for this fault.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Full => "database or disk is full",
            Self::Damaged => "database disk image is malformed",
            Self::Locked => "database is locked",
            Self::ReadOnly => "attempt to write a readonly database",
            Self::Unreadable => "disk I/O error",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the disk is full",
            Self::Damaged => "it is damaged or not a table of this program",
            Self::Locked => "another program has locked it",
            Self::ReadOnly => "it is read-only",
            Self::Unreadable => "the system can't read or write it",
        })
    }
}

/// The log of faults while the engine runs.
#[derive(Debug)]
pub(super) struct FaultLog {
    /// What the log calls the table's file.
    file: String,
    logged: Mutex<HashMap<Option<Fault>, Instant>>,
}

impl FaultLog {
    pub(super) fn new(file: String) -> Self {
        Self {
            file,
            logged: Mutex::default(),
        }
    }

    /// Logs an error of the engine's storage, unless the same fault was logged a few seconds ago. The engine's own text isn't
    /// logged, because it may quote stored data.
    pub(super) fn log(&self, operation: &'static str, text: &str) {
        let (fault, file) = (Fault::of(text), self.file.as_str());
        if !self.is_due(fault, Instant::now()) {
            return;
        }
        match fault {
            Some(Fault::Full) => tracing::error!(
                operation,
                file,
                "the table's file can't be written: the disk is full; requests that write are answered 503 until there is \
                 free space"
            ),
            Some(fault) => tracing::error!(operation, file, "the table's file can't be used: {fault}"),
            None => tracing::error!(operation, file, "the engine failed"),
        }
    }

    /// The fault that was logged last.
    pub(super) fn last(&self) -> Option<Fault> {
        let logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let last = logged.iter().max_by_key(|(_, at)| **at);
        last.and_then(|(fault, _)| *fault)
    }

    /// Whether a fault may be logged now.
    fn is_due(&self, fault: Option<Fault>, now: Instant) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = logged
            .get(&fault)
            .is_none_or(|last| now.saturating_duration_since(*last) >= LOG_EVERY);
        if is_due {
            logged.insert(fault, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlites_texts_name_the_fault() {
        for (text, fault) in [
            ("Internal error: database or disk is full", Some(Fault::Full)),
            (
                "Internal error: database disk image is malformed",
                Some(Fault::Damaged),
            ),
            ("Internal error: file is not a database", Some(Fault::Damaged)),
            ("Internal error: database is locked", Some(Fault::Locked)),
            (
                "Internal error: database table is locked: items",
                Some(Fault::Locked),
            ),
            (
                "Internal error: attempt to write a readonly database",
                Some(Fault::ReadOnly),
            ),
            ("Internal error: disk I/O error", Some(Fault::Unreadable)),
            ("Internal error: no such table: x", None),
        ] {
            assert_eq!(Fault::of(text), fault, "{text}");
            assert_eq!(fault.and_then(|fault| Fault::of(fault.text())), fault, "{text}");
        }
    }

    #[test]
    fn the_same_fault_is_logged_once_in_ten_seconds() {
        let log = FaultLog::new("table.sqlite".to_owned());
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert!(log.is_due(Some(Fault::Full), begun));
        assert!(!log.is_due(Some(Fault::Full), after(9)));
        assert!(log.is_due(Some(Fault::Damaged), after(9)));
        assert!(log.is_due(None, after(9)));
        assert!(log.is_due(Some(Fault::Full), after(10)));
        assert!(!log.is_due(Some(Fault::Full), after(19)));
    }
}
