//! The data directory: the table of the embedded engine, and the secrets that belong to it.
//!
//! A table without its secrets has lost all sessions, and secrets without their table have lost everything. So when only
//! one of the two exists, that is an error, and the other isn't created. The first start creates both, the table first.
//! Until it has done so, the directory has a file named `first-start`, which distinguishes an interrupted first start from a
//! loss. A process locks this file while it creates the others, so two first starts at once have the same table and secrets.
//! For a table at a DynamoDB endpoint, the directory has only the secrets.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use marquee_shared::auth::{AuthSecrets, SecretTexts, secrets::SecretsError};
use tokio::time::{Instant, sleep};

use crate::{
    backup,
    engine::JOURNALS,
    private::{self, PrivateError, SECRETS, TABLE},
};

/// The name of the file that exists from the beginning of a first start to its end.
const UNFINISHED: &str = "first-start";

/// How long to wait for the first start of another process, which takes less than a second, and how often to look.
const TURN_WITHIN: Duration = Duration::from_secs(30);
const TURN_PAUSE: Duration = Duration::from_millis(10);

/// A data directory that is private, and complete after [`Data::secrets`].
#[derive(Debug)]
pub struct Data {
    directory: PathBuf,
}

/// Why a data directory can't be used. [`start_error`](crate::start_error) has its text.
#[derive(Debug)]
pub enum DataError {
    /// It can't be kept private.
    Private(PrivateError),
    /// It is a copy that was interrupted.
    UnfinishedBackup(PathBuf),
    /// There are secrets and no table.
    NoTable(PathBuf),
    /// There is a table and no secrets.
    NoSecrets(PathBuf),
    /// Something in it can't be read or written.
    Io(PathBuf, io::Error),
    /// The secrets can't be read or made.
    Secrets(PathBuf, SecretsError),
}

impl std::error::Error for DataError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Secrets(_, error) => Some(error),
            Self::Private(_) | Self::UnfinishedBackup(_) | Self::NoTable(_) | Self::NoSecrets(_) => None,
        }
    }
}

impl From<PrivateError> for DataError {
    fn from(error: PrivateError) -> Self {
        Self::Private(error)
    }
}

/// The right to create the files of a directory. Dropping it, also by the end of the process, passes the turn on.
#[derive(Debug)]
pub struct Turn {
    _lock: Option<File>,
}

/// Whether a file exists and has content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileState {
    Missing,
    Empty,
    Full,
}

impl Data {
    /// Opens the directory of the embedded engine's table. Creates it if it doesn't exist, and begins a first start if it has
    /// neither a table nor secrets.
    ///
    /// # Errors
    /// [`DataError`] if the directory can't be kept private, or when it lacks either the table or the secrets.
    pub fn with_table(directory: &Path) -> Result<Self, DataError> {
        let data = Self::at(directory)?;
        // In this order: another process may be creating the secrets, and the table exists before them.
        let secrets = data.find(SECRETS)?;
        match (data.find(TABLE)?, secrets) {
            (FileState::Full, _) => data.check_secrets()?,
            (FileState::Missing | FileState::Empty, FileState::Full) => {
                return Err(DataError::NoTable(data.directory));
            }
            (FileState::Missing | FileState::Empty, _) => private::file(&data.path(UNFINISHED))?,
        }
        Ok(data)
    }

    /// Opens a directory for the secrets only, for a table at a DynamoDB endpoint.
    ///
    /// # Errors
    /// As [`with_table`](Self::with_table). A table that has lost its secrets is an error here too.
    pub fn secrets_only(directory: &Path) -> Result<Self, DataError> {
        let data = Self::at(directory)?;
        if data.find(TABLE)? == FileState::Full {
            data.check_secrets()?;
        } else if data.find(SECRETS)? != FileState::Full {
            private::file(&data.path(UNFINISHED))?;
        }
        Ok(data)
    }

    fn at(directory: &Path) -> Result<Self, DataError> {
        if directory.join(backup::UNFINISHED).exists() {
            return Err(DataError::UnfinishedBackup(directory.to_owned()));
        }
        private::directory(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Fails when a table's secrets are missing, unless a first start was interrupted. Empty secrets are to be created.
    fn check_secrets(&self) -> Result<(), DataError> {
        // In this order: another process may be in its first start, and the secrets exist before its end.
        let is_unfinished = self.path(UNFINISHED).exists();
        match self.find(SECRETS)? {
            FileState::Missing if !is_unfinished => Err(DataError::NoSecrets(self.directory.clone())),
            FileState::Empty => Ok(private::file(&self.path(UNFINISHED))?),
            FileState::Missing | FileState::Full => Ok(()),
        }
    }

    /// Waits until no other process creates files of this directory. A complete directory is waited for by nobody.
    ///
    /// # Errors
    /// [`DataError::Io`] if the file `first-start` can't be locked, or if another process doesn't end its first start.
    pub async fn turn(&self) -> Result<Turn, DataError> {
        let path = self.path(UNFINISHED);
        let of_path = |error| DataError::Io(path.clone(), error);
        let file = match File::options().write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Turn { _lock: None }),
            opened => opened.map_err(of_path)?,
        };
        let deadline = Instant::now() + TURN_WITHIN;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Turn { _lock: Some(file) }),
                Err(TryLockError::Error(error)) => return Err(of_path(error)),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                    return Err(of_path(io::Error::other("another process has locked it")));
                }
                Err(TryLockError::WouldBlock) => sleep(TURN_PAUSE).await,
            }
        }
    }

    /// The table's file.
    #[must_use]
    pub fn table(&self) -> PathBuf {
        self.path(TABLE)
    }

    /// Returns the file in which this process must create the table first, if the directory has no table. Its name has this
    /// process's id. Creating a table takes several commits of the engine, and a process that is killed between two of them
    /// must not leave a table behind. Needs the [turn](Self::turn).
    ///
    /// # Errors
    /// [`DataError::Io`] if the directory can't be read, or a file of an interrupted first start can't be removed.
    pub fn new_table(&self) -> Result<Option<PathBuf>, DataError> {
        if self.find(TABLE)? == FileState::Full {
            return Ok(None);
        }
        self.remove_leftovers()?;
        Ok(Some(self.path(&format!("{TABLE}.{}", std::process::id()))))
    }

    /// Makes a file of [`new_table`](Self::new_table) the table's file, unless the directory has a table meanwhile. Then the
    /// table is that one.
    ///
    /// # Errors
    /// [`DataError::Io`] if the file can't be moved.
    pub fn adopt_table(&self, new: &Path) -> Result<(), DataError> {
        if self.find(TABLE)? == FileState::Full {
            return remove_if_there(new.to_owned());
        }
        // SQLite would read those of a deleted table into the new one.
        for suffix in JOURNALS {
            remove_if_there(self.path(&format!("{TABLE}{suffix}")))?;
        }
        fs::rename(new, self.table()).map_err(|error| DataError::Io(self.table(), error))
    }

    /// Returns the secrets, and creates them if they don't exist. This ends a first start, so the table must exist before.
    /// Needs the [turn](Self::turn).
    ///
    /// # Errors
    /// [`DataError`] if the secrets can't be read or written, or aren't in the form that this program writes.
    pub fn secrets(&self) -> Result<AuthSecrets, DataError> {
        let path = self.path(SECRETS);
        let of_path = |error| DataError::Io(path.clone(), error);
        let found = self.find(SECRETS)?;
        if found == FileState::Full {
            private::restrict_if_exists(&path)?;
        } else {
            fs::rename(self.new_secrets()?, &path).map_err(of_path)?;
        }
        if found == FileState::Empty {
            tracing::warn!(
                path = %path.display(),
                "the file was empty and has new secrets now; every user must sign in again"
            );
        }
        if self.path(UNFINISHED).exists() {
            self.remove_leftovers()?;
            // The names of the new files are on the disk before that of `first-start` is removed.
            self.sync()?;
            remove_if_there(self.path(UNFINISHED))?;
        }
        let json = fs::read_to_string(&path).map_err(of_path)?;
        SecretTexts::from_json(&json)
            .and_then(|texts| AuthSecrets::derive(&texts))
            .map_err(|error| DataError::Secrets(path, error))
    }

    /// Writes new secrets to a file whose name has this process's id.
    fn new_secrets(&self) -> Result<PathBuf, DataError> {
        let path = self.path(&format!("{SECRETS}.{}", std::process::id()));
        // An earlier process with the same id may have left one behind.
        remove_if_there(path.clone())?;
        let texts = SecretTexts::generate().map_err(|error| DataError::Secrets(path.clone(), error))?;
        private::write_new(&path, texts.to_json())?;
        Ok(path)
    }

    /// Removes the files of new secrets and new tables that processes which were killed have left behind.
    fn remove_leftovers(&self) -> Result<(), DataError> {
        let of_directory = |error| DataError::Io(self.directory.clone(), error);
        for entry in fs::read_dir(&self.directory).map_err(of_directory)? {
            let entry = entry.map_err(of_directory)?;
            let name = entry.file_name();
            if name.to_str().is_some_and(is_leftover) {
                remove_if_there(entry.path())?;
            }
        }
        Ok(())
    }

    /// Waits until the directory's entries are on the disk.
    fn sync(&self) -> Result<(), DataError> {
        // Other systems than Unix can't open a directory.
        #[cfg(unix)]
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| DataError::Io(self.directory.clone(), error))?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn find(&self, name: &str) -> Result<FileState, DataError> {
        let path = self.path(name);
        match fs::metadata(&path) {
            Ok(found) if found.len() == 0 => Ok(FileState::Empty),
            Ok(_) => Ok(FileState::Full),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(FileState::Missing),
            Err(error) => Err(DataError::Io(path, error)),
        }
    }
}

/// Whether a file has the name of new secrets, of a new table, or of a journal of one.
fn is_leftover(name: &str) -> bool {
    let journal = JOURNALS.iter().find_map(|suffix| name.strip_suffix(suffix));
    let process = [SECRETS, TABLE]
        .iter()
        .find_map(|file| journal.unwrap_or(name).strip_prefix(file)?.strip_prefix('.'));
    process.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
}

fn remove_if_there(path: PathBuf) -> Result<(), DataError> {
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(DataError::Io(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
