//! The embedded DynamoDB-compatible engine: a table on this machine. The functions reach it through the same SDK client as on
//! AWS, whose requests are answered within the process ([`Engine::client`]). Other programs reach it over HTTP, with
//! DynamoDB's protocol.
//!
//! The HTTP server is this module's own. The engine also has one, but that one answers requests of any web page that a
//! browser on this machine shows.

mod admission;
mod answer;
mod calls;
mod connector;
mod fault;
mod handles;
mod operations;
mod plain;
mod server;
mod tokens;
mod unsynced;
mod writer;

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use aws_sdk_dynamodb::Client;
use dynoxide::{Database, DynoxideError, TableMetadata};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{oneshot, watch},
    time::{sleep, timeout},
};

pub use self::fault::Fault;
pub(crate) use self::unsynced::Unsynced;
use self::{calls::Calls, fault::FaultLog, handles::Handles};
use crate::private::{self, PrivateError};

/// How long the requests being processed at a shutdown may take to finish.
const GRACE: Duration = Duration::from_secs(5);

/// How long a running sweep may take to finish at a shutdown. An unfinished sweep does no harm.
const SWEEP_GRACE: Duration = Duration::from_secs(1);

/// The interval between two sweeps, which remove expired items. A sweep reads the whole table, and nothing requires it to
/// be prompt.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// The suffixes that SQLite appends to the file's name for its journals.
pub(crate) const JOURNALS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Why a file can't be opened: the engine takes its name as text.
const NOT_UNICODE: &str = "its name isn't Unicode";

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Where the engine keeps its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory, until the process ends.
    Memory,
    /// In a file, which is created with its directory if it doesn't exist. SQLite keeps two more files beside it. Only
    /// their owner can read them.
    File(PathBuf),
}

/// Why the engine couldn't start or didn't stop cleanly. [`start_error`](crate::start_error) has its text.
#[derive(Debug)]
pub enum EngineError {
    /// The table's file can't be kept private.
    Private(PrivateError),
    /// The storage can't be opened.
    Open {
        /// Which storage.
        storage: Storage,
        /// The error of the file system or the engine.
        reason: String,
    },
    /// The thread, its runtime or its socket couldn't be created.
    Start(io::Error),
    /// The server ended unexpectedly.
    Stopped(String),
}

impl EngineError {
    /// Names `path` as the file that can't be opened. A table is created in a file of another name, which the person who reads
    /// the error doesn't know.
    pub(crate) fn of_file(self, path: PathBuf) -> Self {
        match self {
            Self::Open { reason, .. } => Self::Open {
                storage: Storage::File(path),
                reason,
            },
            other => other,
        }
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            Self::Private(_) | Self::Open { .. } | Self::Stopped(_) => None,
        }
    }
}

/// A running engine. Dropping it stops the engine without waiting for its end.
pub struct Engine {
    /// `None` without an endpoint.
    addr: Option<SocketAddr>,
    calls: Arc<Calls>,
    database: Database,
    stop: watch::Sender<()>,
    stopped: oneshot::Receiver<Result<(), String>>,
    thread: JoinHandle<()>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the storage and serves it on a free port of the loopback interface. The engine answers requests once this has
    /// returned.
    ///
    /// # Errors
    /// [`EngineError`] if the storage can't be opened, or when the thread or the socket can't be created.
    pub fn start(storage: &Storage) -> Result<Self, EngineError> {
        Self::new(storage, true)
    }

    /// Opens the storage, for calls of this process only: no port is opened.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn without_endpoint(storage: &Storage) -> Result<Self, EngineError> {
        Self::new(storage, false)
    }

    pub(crate) fn new(storage: &Storage, has_endpoint: bool) -> Result<Self, EngineError> {
        let faults = FaultLog::new(match storage {
            Storage::Memory => "in memory".to_owned(),
            Storage::File(path) => path.display().to_string(),
        });
        let handles = open(storage)?;
        let unusable = |error: DynoxideError| EngineError::Open {
            storage: storage.clone(),
            reason: error.to_string(),
        };
        let database = handles.open().map_err(unusable)?.database.clone();
        let calls = Arc::new(Calls::new(handles, faults));
        let (stop, stopping) = watch::channel(());
        let (report, stopped) = oneshot::channel();
        let (announce, announced) = mpsc::channel();
        let (served, swept) = (Arc::clone(&calls), database.clone());
        let thread = std::thread::Builder::new()
            .name("dynamodb".to_owned())
            .spawn(move || {
                let result = run(&served, &swept, has_endpoint, &announce, &stopping);
                // The last operations have ended, or are being abandoned. Closes the storage before the result is sent.
                drop(swept);
                served.handles.close();
                // Fails when the engine was dropped, so nobody receives.
                let _ = report.send(result);
            })
            .map_err(EngineError::Start)?;
        let addr = announced
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("its thread ended early")))
            .map_err(EngineError::Start)?;
        Ok(Self {
            addr,
            calls,
            database,
            stop,
            stopped,
            thread,
        })
    }

    /// The URL for other programs, such as the `aws` command, for example `http://127.0.0.1:49152`. `None` without an
    /// endpoint.
    pub fn endpoint(&self) -> Option<String> {
        self.addr.map(|addr| format!("http://{addr}"))
    }

    /// A client whose calls are answered within this process.
    pub fn client(&self) -> Client {
        connector::client(Arc::clone(&self.calls))
    }

    /// The database behind the endpoint, for bulk writes. Its calls block and must be made on a thread that may block.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns how a table was defined. `DescribeTable` returns this too, but first counts every item.
    ///
    /// # Errors
    /// The engine's error if the file can't be read.
    pub async fn definition(&self, table: &str) -> Result<Option<TableMetadata>, DynoxideError> {
        let table = table.to_owned();
        let handles = self.calls.handles.open()?;
        handles
            .general(move |database| database.get_table_metadata(&table))
            .await
    }

    /// The fault of the storage that a call of a client has met last.
    pub fn fault(&self) -> Option<Fault> {
        self.calls.fault()
    }

    /// Stops accepting requests, waits a few seconds for the ones being processed, and closes the storage.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] if a request didn't finish in time or the server had failed. Even then no acknowledged
    /// write is lost.
    pub async fn shutdown(self) -> Result<(), EngineError> {
        let Self {
            database,
            stop,
            stopped,
            thread,
            ..
        } = self;
        drop(database);
        drop(stop);
        // The thread limits its own time. This second limit is for a request that never yields.
        let report = timeout(2 * GRACE + SWEEP_GRACE, stopped)
            .await
            .map_err(|_| EngineError::Stopped("its thread doesn't end".to_owned()))?;
        // The thread has sent its report as the last thing it does, or has panicked, so this doesn't wait.
        let joined = thread.join();
        match (report, joined) {
            (Ok(result), Ok(())) => result.map_err(EngineError::Stopped),
            _ => Err(EngineError::Stopped("its thread panicked".to_owned())),
        }
    }
}

/// Opens the storage and creates it if it doesn't exist.
fn open(storage: &Storage) -> Result<Handles, EngineError> {
    let result = match storage {
        Storage::Memory => Handles::memory().map_err(|error| error.to_string()),
        Storage::File(path) => match path.to_str() {
            Some(name) => {
                make_private(path, name).map_err(EngineError::Private)?;
                Handles::file(name).map_err(|error| error.to_string())
            }
            None => Err(NOT_UNICODE.to_owned()),
        },
    };
    let storage = storage.clone();
    result.map_err(|reason| EngineError::Open { storage, reason })
}

/// Writes what the log of a closed file still has into the file, so that it can be moved without its log. Closing a file does
/// this too, but doesn't report a failure, for example on a full disk.
///
/// # Errors
/// [`EngineError::Open`] if the log can't be written into the file.
pub(crate) fn complete(path: &Path) -> Result<(), EngineError> {
    let written = match path.to_str() {
        Some(name) => handles::write_log_into(name).map_err(|error| error.to_string()),
        None => Err(NOT_UNICODE.to_owned()),
    };
    written.map_err(|reason| EngineError::Open {
        storage: Storage::File(path.to_owned()),
        reason,
    })
}

/// Creates the file before SQLite does. SQLite would create a file that everybody can read, and it gives its journals the
/// mode of the file.
fn make_private(path: &Path, name: &str) -> Result<(), PrivateError> {
    if let Some(directory) = path.parent() {
        private::directory(directory)?;
    }
    private::file(path)?;
    JOURNALS
        .iter()
        .try_for_each(|suffix| private::restrict_if_exists(Path::new(&format!("{name}{suffix}"))))
}

/// Serves and sweeps until `stopping` resolves. This is what the engine's thread runs.
fn run(
    calls: &Arc<Calls>,
    swept: &Database,
    has_endpoint: bool,
    announce: &mpsc::Sender<io::Result<Option<SocketAddr>>>,
    stopping: &watch::Receiver<()>,
) -> Result<(), String> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = announce.send(Err(error));
            return Ok(());
        }
    };
    let result = runtime.block_on(async {
        let listener = match has_endpoint.then(listen).transpose() {
            Ok(listener) => {
                let _ = announce.send(Ok(listener.as_ref().map(|(_, addr)| *addr)));
                listener
            }
            Err(error) => {
                let _ = announce.send(Err(error));
                return Ok(());
            }
        };
        let serving = async {
            match listener {
                Some((listener, _)) => {
                    server::serve(listener, Arc::clone(calls), stopped(stopping.clone())).await;
                }
                None => stopped(stopping.clone()).await,
            }
        };
        tokio::select! {
            () = serving => Ok(()),
            () = async { stopped(stopping.clone()).await; sleep(GRACE).await } => {
                Err("a request didn't finish in time".to_owned())
            }
            () = sweep_periodically(swept) => Ok(()),
        }
    });
    runtime.shutdown_timeout(SWEEP_GRACE);
    result
}

/// A listener on a free loopback port.
fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let listener = socket.listen(BACKLOG)?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

/// Resolves when the sender has been dropped, which stops the engine.
async fn stopped(mut stopping: watch::Receiver<()>) {
    while stopping.changed().await.is_ok() {}
}

/// Removes expired items at intervals for as long as it is polled. Each sweep runs on a thread of its own, and requests are
/// processed between its pages.
async fn sweep_periodically(database: &Database) {
    loop {
        sleep(SWEEP_EVERY).await;
        let database = database.clone();
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(Ok(items)) => tracing::debug!(items, "expired items removed"),
            Ok(Err(error)) => tracing::warn!(%error, "can't remove expired items"),
            Err(error) => tracing::warn!(%error, "the sweep of expired items panicked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpStream,
        time::Instant,
    };

    use super::*;

    /// The head of a request as DynamoDB's tools send it, up to its last headers.
    fn head(operation: &str) -> String {
        format!(
            "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\nx-amz-target: DynamoDB_20120810.{operation}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential=a/20200101/local/dynamodb/aws4_request, \
             SignedHeaders=host, Signature=a\r\nx-amz-date: 20200101T000000Z\r\n\
             content-type: application/x-amz-json-1.0\r\n"
        )
    }

    /// Sends one request and returns the whole response.
    fn call(addr: SocketAddr, operation: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(addr).unwrap();
        write!(
            stream,
            "{}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            head(operation),
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn addr(engine: &Engine) -> SocketAddr {
        engine.addr.unwrap()
    }

    const CREATE: &str = r#"{"TableName":"movies","BillingMode":"PAY_PER_REQUEST",
        "AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],
        "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}"#;

    #[tokio::test]
    async fn it_answers_as_soon_as_it_has_started_and_no_more_once_stopped() {
        let engine = Engine::start(&Storage::Memory).unwrap();
        let addr = addr(&engine);
        assert_eq!(
            engine.endpoint(),
            Some(format!("http://127.0.0.1:{}", addr.port()))
        );
        assert!(call(addr, "ListTables", "{}").ends_with(r#"{"TableNames":[]}"#));
        engine.shutdown().await.unwrap();
        assert!(TcpStream::connect(addr).is_err());
    }

    #[tokio::test]
    async fn two_engines_share_nothing() {
        let (one, two) = (
            Engine::start(&Storage::Memory).unwrap(),
            Engine::start(&Storage::Memory).unwrap(),
        );
        assert!(call(addr(&one), "CreateTable", CREATE).starts_with("HTTP/1.1 200"));
        assert!(call(addr(&one), "ListTables", "{}").contains("movies"));
        assert!(!call(addr(&two), "ListTables", "{}").contains("movies"));
    }

    #[tokio::test]
    async fn a_file_keeps_what_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let storage = Storage::File(directory.path().join("new").join("table.db"));
        let engine = Engine::start(&storage).unwrap();
        assert!(call(addr(&engine), "CreateTable", CREATE).starts_with("HTTP/1.1 200"));
        engine.shutdown().await.unwrap();
        let engine = Engine::start(&storage).unwrap();
        assert!(call(addr(&engine), "ListTables", "{}").contains("movies"));
        assert_eq!(engine.database().table_count().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_completed_file_can_be_moved_without_its_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let engine = Engine::without_endpoint(&Storage::File(path("open"))).unwrap();
        let create: dynoxide::actions::create_table::CreateTableRequest =
            serde_json::from_str(CREATE).unwrap();
        engine.database().create_table(create).unwrap();
        // As after a close that couldn't write the log into the file.
        std::fs::copy(path("open"), path("left")).unwrap();
        std::fs::copy(path("open-wal"), path("left-wal")).unwrap();
        std::fs::copy(path("left"), path("moved before")).unwrap();
        complete(&path("left")).unwrap();
        std::fs::rename(path("left"), path("moved")).unwrap();
        for (name, tables) in [("moved before", 0), ("moved", 1)] {
            let moved = Engine::without_endpoint(&Storage::File(path(name))).unwrap();
            assert_eq!(moved.database().table_count().unwrap(), tables, "{name}");
        }
        engine.shutdown().await.unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table.sqlite");
        std::fs::create_dir(&path).unwrap();
        let error = Engine::start(&Storage::File(path.clone())).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }

    #[tokio::test]
    async fn a_client_that_stalls_does_not_delay_the_shutdown_forever() {
        let engine = Engine::start(&Storage::Memory).unwrap();
        let mut stalled = TcpStream::connect(addr(&engine)).unwrap();
        write!(stalled, "{}content-length: 10\r\n\r\n{{", head("ListTables")).unwrap();
        // By now the engine has received the request; otherwise it would close the connection as idle.
        assert!(call(addr(&engine), "ListTables", "{}").starts_with("HTTP/1.1 200"));
        let begun = Instant::now();
        let error = engine.shutdown().await.unwrap_err();
        assert!(matches!(error, EngineError::Stopped(_)), "{error}");
        assert!(begun.elapsed() < GRACE + SWEEP_GRACE + Duration::from_secs(1));
    }

    #[tokio::test]
    async fn dropping_it_stops_it() {
        let engine = Engine::start(&Storage::Memory).unwrap();
        let addr = addr(&engine);
        drop(engine);
        let begun = Instant::now();
        while TcpStream::connect(addr).is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(5), "it still listens");
            sleep(Duration::from_millis(5)).await;
        }
    }
}
