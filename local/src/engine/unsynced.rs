//! A handle for many writes. Its commits don't wait for the disk; [`Unsynced::sync`] does, for all of them.

use std::{
    fs::File,
    io,
    sync::{Mutex, PoisonError},
};

use dynoxide::{DynoxideError, storage::Storage};

use super::{handles::log_of, operations::done, writer::of_disk};

/// A handle of a file that other handles have open. SQLite writes its commits to the log in their order, and reads the log up to
/// the first incomplete commit. So a power failure loses the last commits, and no commit without all that followed it.
pub(crate) struct Unsynced {
    storage: Mutex<Storage>,
    log: File,
}

impl Unsynced {
    /// Opens a handle.
    ///
    /// # Errors
    /// Returns an error if the file or its log can't be opened.
    pub(crate) fn open(path: &str) -> Result<Self, DynoxideError> {
        let storage = Storage::new(path)?;
        storage.conn().execute_batch("PRAGMA synchronous = NORMAL")?;
        // The log exists as long as the file is open.
        let log = File::options().read(true).write(true).open(log_of(path));
        Ok(Self {
            storage: Mutex::new(storage),
            log: log.map_err(of_disk)?,
        })
    }

    /// Runs an operation. Blocks.
    pub(crate) fn run<T>(
        &self,
        operation: impl AsyncFnOnce(&Storage) -> Result<T, DynoxideError>,
    ) -> Result<T, DynoxideError> {
        let storage = self.storage.lock().unwrap_or_else(PoisonError::into_inner);
        done(operation(&storage))
    }

    /// Waits until the disk has every commit. Blocks.
    ///
    /// # Errors
    /// That of the file system. What the disk has is then unknown.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.log.sync_data()
    }
}
