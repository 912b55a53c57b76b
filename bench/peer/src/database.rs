//! The database: a SQLite file with a write-ahead log, one connection that writes, and several that read.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot};

use crate::catalog;

/// Every error of the server.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the database consists of. Genres are compared without case.
const SCHEMA: &str = "
    CREATE TABLE movies (
        id INTEGER PRIMARY KEY,
        title TEXT NOT NULL,
        description TEXT NOT NULL,
        release_date TEXT NOT NULL,
        director TEXT NOT NULL,
        genre TEXT NOT NULL,
        imdb_id TEXT UNIQUE,
        cover_image TEXT,
        user_id INTEGER,
        favorite_count INTEGER NOT NULL DEFAULT 0,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    );
    CREATE INDEX movies_by_date ON movies (release_date DESC, id DESC);
    CREATE INDEX movies_by_favorites ON movies (favorite_count DESC, id DESC) WHERE favorite_count > 0;
    CREATE TABLE genres (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE COLLATE NOCASE
    );
    CREATE TABLE movie_genres (
        genre_id INTEGER NOT NULL REFERENCES genres (id),
        release_date TEXT NOT NULL,
        movie_id INTEGER NOT NULL REFERENCES movies (id),
        PRIMARY KEY (genre_id, release_date DESC, movie_id DESC)
    ) WITHOUT ROWID;
    CREATE TABLE favorites (
        user_id INTEGER NOT NULL,
        movie_id INTEGER NOT NULL REFERENCES movies (id),
        created_at TEXT NOT NULL,
        PRIMARY KEY (user_id, movie_id)
    ) WITHOUT ROWID;
    CREATE VIRTUAL TABLE movies_by_word USING fts5 (
        title, director, genre,
        content = 'movies', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2', prefix = '3 4'
    );
";

/// The most prepared statements that a connection keeps: more than the server has.
const STATEMENTS: usize = 64;

/// The database.
#[derive(Clone)]
pub struct Database {
    readers: Arc<Readers>,
    writer: mpsc::Sender<Change>,
}

/// The connections that read, and a permit for each.
struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

/// A change that the writing connection makes.
type Change = Box<dyn FnOnce(&mut Connection) + Send>;

impl Database {
    /// Opens the database in a directory. Creates it if it is missing, and loads a new one with `catalog`.
    ///
    /// # Errors
    /// Returns an error if the database can't be opened or the catalog can't be loaded.
    pub fn open(directory: &Path, catalog: Option<&Path>) -> Result<Self, Error> {
        fs::create_dir_all(directory)?;
        let file = directory.join("peer.sqlite");
        let is_new = !file.exists();
        let mut writer = connect(&file)?;
        if is_new {
            let transaction = writer.transaction()?;
            transaction.execute_batch(SCHEMA)?;
            if let Some(catalog) = catalog {
                catalog::load(&transaction, catalog)?;
            }
            transaction.commit()?;
            writer.execute_batch("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
        let readers = thread::available_parallelism()?.get().max(4);
        let idle: Vec<Connection> = (0..readers).map(|_| connect(&file)).collect::<Result<_, _>>()?;
        let (sender, changes) = mpsc::channel::<Change>();
        thread::spawn(move || {
            for change in changes {
                change(&mut writer);
            }
        });
        Ok(Self {
            readers: Arc::new(Readers {
                permits: Arc::new(Semaphore::new(readers)),
                idle: Mutex::new(idle),
            }),
            writer: sender,
        })
    }

    /// Reads in a thread that may wait.
    ///
    /// # Errors
    /// Returns the error of `read`.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let readers = self.readers.clone();
        let permit = self.readers.permits.clone().acquire_owned().await?;
        tokio::task::spawn_blocking(move || {
            // Kept here, because the read continues if the request is dropped.
            let _permit = permit;
            let idle = || readers.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = idle().pop().ok_or("no reader is idle")?;
            let result = read(&connection);
            idle().push(connection);
            result
        })
        .await?
    }

    /// Makes a change in a transaction, which is rolled back after an error.
    ///
    /// # Errors
    /// Returns the error of `change`, or that of the commit.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, result) = oneshot::channel();
        let change: Change = Box::new(move |connection| {
            let result = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(Error::from)
                .and_then(|transaction| {
                    let made = change(&transaction)?;
                    transaction.commit()?;
                    Ok(made)
                });
            // The client may have gone.
            let _ = sender.send(result);
        });
        self.writer.send(change).map_err(|_| "the writer has ended")?;
        result.await?
    }
}

/// Opens a connection. Each commit waits until the log is on the disk.
fn connect(file: &PathBuf) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}
