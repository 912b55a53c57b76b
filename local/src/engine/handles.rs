//! The handles of the table: connections of SQLite to one file, or the only connection to a table in memory.
//!
//! A handle runs one operation at a time. So a file has several: readers, which run side by side (SQLite: "Write-Ahead
//! Logging"), one writer with a thread of its own, and the general handle for everything else, which may take long.
//!
//! A read runs on the thread that asks for it, because passing it to another thread and back takes as long as the read. A
//! write waits for the disk, so it never runs on a thread that serves requests. A table in memory has one handle, and its
//! calls run where they are made.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError},
    thread::available_parallelism,
};

use dynoxide::{Database, DynoxideError, storage::Storage};

use super::{
    plain::{Read, Reader, Snapshot},
    tokens::Answers,
    writer::{Writer, Writing},
};

/// How many readers a file has at least. One more than there are threads that run requests is enough: the other thread is
/// the endpoint's.
const MIN_READERS: usize = 2;

/// How many KiB of the file a reader keeps in memory. SQLite's default is 2,000.
const READER_CACHE_KIB: i64 = 16_000;

/// The handles of one table. They can be closed while calls still arrive, which fail then.
pub(super) struct Handles(RwLock<Option<Arc<Open>>>);

/// Handles that aren't closed.
pub(super) struct Open {
    /// The general handle.
    pub(super) database: Database,
    /// The answers of transactions, for those that are sent again.
    pub(super) answers: Arc<Answers>,
    /// The other handles of a file.
    file: Option<FileHandles>,
}

/// The readers of a file. A read takes one that is free.
type Readers = Arc<[Mutex<Reader>]>;

struct FileHandles {
    path: String,
    readers: Arc<Mutex<Readers>>,
    writer: Writer,
}

impl FileHandles {
    /// Runs a read with a reader that is free.
    fn with_reader<T>(
        &self,
        read: impl FnOnce(&mut Reader) -> Result<T, DynoxideError>,
    ) -> Result<T, DynoxideError> {
        caught(|| {
            let readers = Arc::clone(&self.readers.lock().unwrap_or_else(PoisonError::into_inner));
            let mut reader = free(&readers);
            read(&mut reader)
        })
    }
}

impl Handles {
    /// The handle of a new table in memory.
    pub(super) fn memory() -> Result<Self, DynoxideError> {
        let database = Database::memory()?;
        Ok(Self::of(database, None))
    }

    /// Opens the handles of a file, which is created if it doesn't exist.
    pub(super) fn file(path: &str) -> Result<Self, DynoxideError> {
        // The first one creates the tables of the file's own format, or brings them up to date.
        let database = Database::new(path)?;
        let file = FileHandles {
            readers: Arc::new(Mutex::new(readers(path)?)),
            writer: Writer::start(Writing::open(path)?)?,
            path: path.to_owned(),
        };
        Ok(Self::of(database, Some(file)))
    }

    fn of(database: Database, file: Option<FileHandles>) -> Self {
        let answers = Arc::default();
        let open = Open {
            database,
            answers,
            file,
        };
        Self(RwLock::new(Some(Arc::new(open))))
    }

    /// Returns the handles, unless they have been closed.
    pub(super) fn open(&self) -> Result<Arc<Open>, DynoxideError> {
        let open = self.0.read().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(closed)
    }

    /// Refuses further calls and closes the handles. The last of the calls that still run closes them, if there are any.
    pub(super) fn close(&self) {
        let open = self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        drop(open);
    }
}

impl Open {
    /// Runs an operation that only reads and that is short enough for a thread which runs requests. It sees each write that
    /// was answered before, and none that isn't on the disk.
    ///
    /// `read` is for a reader, `general` for the general handle of a table in memory.
    pub(super) async fn read<R, T>(
        &self,
        request: R,
        read: impl FnOnce(&Storage, R) -> Result<T, DynoxideError>,
        general: impl FnOnce(&Database, R) -> Result<T, DynoxideError>,
    ) -> Result<T, DynoxideError> {
        let Some(file) = &self.file else {
            return caught(|| general(&self.database, request));
        };
        let result = file.with_reader(|reader| {
            // One snapshot for all statements of the operation. It ends with this block, also in a panic.
            let snapshot = Snapshot::begin(&reader.storage)?;
            let result = read(&reader.storage, request);
            drop(snapshot);
            result
        });
        file.writer.until_what_is_visible_is_durable().await;
        result
    }

    /// Runs a read without the engine, if the read is plain and the table is in a file. It sees what [`read`](Self::read) sees.
    pub(super) async fn read_plainly(&self, read: Read, body: &str) -> Result<Option<String>, DynoxideError> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let result = file.with_reader(|reader| read(reader, body));
        file.writer.until_what_is_visible_is_durable().await;
        result
    }

    /// Runs an operation that writes items. It finishes even if the caller stops waiting.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Database) -> Result<T, DynoxideError> + Send + 'static,
    ) -> Result<T, DynoxideError> {
        match &self.file {
            None => caught(|| write(&self.database)),
            Some(file) => file.writer.run(move |writing| write(writing.database()?)).await,
        }
    }

    /// Runs an operation that changes the definition of a table. Each handle has read the definitions, so the others are
    /// opened again.
    pub(super) async fn define<T: Send + 'static>(
        &self,
        define: impl FnOnce(&Database) -> Result<T, DynoxideError> + Send + 'static,
    ) -> Result<T, DynoxideError> {
        let Some(file) = &self.file else {
            return self.general(define).await;
        };
        let (general, path, current) = (
            self.database.clone(),
            file.path.clone(),
            Arc::clone(&file.readers),
        );
        // On the writer's thread, so that no write comes between the change and the new handles, and so that they are opened
        // even if the caller stops waiting.
        let work = move |writing: &mut Writing| {
            let answer = define(&general)?;
            *writing = Writing::open(&path)?;
            *current.lock().unwrap_or_else(PoisonError::into_inner) = readers(&path)?;
            Ok(answer)
        };
        file.writer.run(work).await
    }

    /// Runs any other operation, on a thread that may block.
    pub(super) async fn general<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, DynoxideError> + Send + 'static,
    ) -> Result<T, DynoxideError> {
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || caught(|| work(&database)))
            .await
            .unwrap_or_else(|_| Err(closed()))
    }
}

/// Returns a reader that is free, or waits for one.
fn free(readers: &[Mutex<Reader>]) -> MutexGuard<'_, Reader> {
    let now = readers.iter().find_map(|reader| match reader.try_lock() {
        Ok(reader) => Some(reader),
        // A panic has ended the snapshot, and the reader holds nothing else.
        Err(TryLockError::Poisoned(reader)) => Some(reader.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    });
    // There are as many readers as threads that read, so another one is free in a moment.
    now.unwrap_or_else(|| readers[0].lock().unwrap_or_else(PoisonError::into_inner))
}

/// Opens the readers of a file.
fn readers(path: &str) -> Result<Readers, DynoxideError> {
    let threads = available_parallelism().map_or(1, usize::from);
    let reader = || {
        let storage = Storage::new(path)?;
        storage.conn().execute_batch(&format!(
            "PRAGMA query_only = ON; PRAGMA cache_size = -{READER_CACHE_KIB}"
        ))?;
        Ok(Mutex::new(Reader::new(storage)))
    };
    (0..MIN_READERS.max(threads + 1)).map(|_| reader()).collect()
}

/// Writes the log of a file that no handle has open into the file (SQLite: "PRAGMA wal_checkpoint").
pub(super) fn write_log_into(path: &str) -> Result<(), DynoxideError> {
    let storage = Storage::new(path)?;
    let checkpoint = storage
        .conn()
        .prepare("PRAGMA wal_checkpoint(TRUNCATE)")?
        .query_row([], |row| row.get(0));
    match checkpoint? {
        false => Ok(()),
        true => Err(DynoxideError::InternalServerError(
            "database is locked".to_owned(),
        )),
    }
}

/// Runs `work` and makes an error of a panic, so that the caller gets an answer. The panic's message was written to the log
/// by the panic hook.
fn caught<T>(work: impl FnOnce() -> Result<T, DynoxideError>) -> Result<T, DynoxideError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked()))
}

/// The error of a call in which the engine panicked.
pub(super) fn panicked() -> DynoxideError {
    DynoxideError::InternalServerError("the engine panicked".to_owned())
}

/// The error of a call after the engine has stopped.
pub(super) fn closed() -> DynoxideError {
    DynoxideError::InternalServerError("the engine has stopped".to_owned())
}

/// The name of SQLite's log of a file (SQLite: "Temporary Files Used By SQLite").
pub(super) fn log_of(path: &str) -> PathBuf {
    format!("{path}-wal").into()
}

#[cfg(test)]
mod tests;
