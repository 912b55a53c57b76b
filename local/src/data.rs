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
            Self::Private(_) | Self::NoTable(_) | Self::NoSecrets(_) => None,
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
        private::write_new(&path, &texts.to_json())?;
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
mod tests {
    use super::*;

    /// A directory with these files and their contents.
    fn with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn texts(directory: &Path) -> String {
        fs::read_to_string(directory.join(SECRETS)).unwrap()
    }

    #[test]
    fn a_new_table_never_replaces_one_that_another_process_has_created() {
        let directory = with(&[("first-start", "")]);
        let data = Data::with_table(directory.path()).unwrap();
        let new = data.new_table().unwrap().unwrap();
        fs::write(&new, "ours").unwrap();
        fs::write(data.table(), "theirs").unwrap();
        data.adopt_table(&new).unwrap();
        assert_eq!(fs::read_to_string(data.table()).unwrap(), "theirs");
        assert_eq!(data.new_table().unwrap(), None);

        // An empty file is no table, and what belonged to an earlier table isn't kept.
        fs::write(data.table(), "").unwrap();
        fs::write(directory.path().join("table.sqlite-wal"), "theirs").unwrap();
        let new = data.new_table().unwrap().unwrap();
        fs::write(&new, "ours").unwrap();
        data.adopt_table(&new).unwrap();
        assert_eq!(fs::read_to_string(data.table()).unwrap(), "ours");
        assert_eq!(names(directory.path()), [UNFINISHED, TABLE]);
    }

    #[tokio::test]
    async fn one_process_at_a_time_creates_the_files() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let [one, other] = [(); 2].map(|()| Data::with_table(path).unwrap());
        let turn = one.turn().await.unwrap();
        let mut waiting = Box::pin(other.turn());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let new = one.new_table().unwrap().unwrap();
        fs::write(&new, "a table").unwrap();
        one.adopt_table(&new).unwrap();
        one.secrets().unwrap();
        // Nothing is created in a complete directory.
        Data::with_table(path).unwrap().turn().await.unwrap();
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(turn);
        let _turn = waiting.await.unwrap();
        assert_eq!(other.new_table().unwrap(), None);

        // Empty secrets are replaced, by one process at a time as well.
        fs::write(path.join(SECRETS), "").unwrap();
        let [one, other] = [(); 2].map(|()| Data::with_table(path).unwrap());
        let _turn = one.turn().await.unwrap();
        assert!(futures_util::poll!(Box::pin(other.turn())).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_start_that_does_not_end_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let data = Data::with_table(directory.path()).unwrap();
        let _turn = data.turn().await.unwrap();
        let text = data.turn().await.unwrap_err().to_string();
        assert!(
            text.contains("first-start") && text.contains("another process") && text.contains("--data"),
            "{text}"
        );
    }

    #[test]
    fn a_new_table_has_the_space_of_those_that_were_not_finished() {
        let left = [
            ("table.sqlite.4294967295", "a"),
            ("table.sqlite.4294967295-wal", "b"),
        ];
        let directory = with(&left);
        let new = Data::with_table(directory.path()).unwrap().new_table().unwrap();
        assert_eq!(new.unwrap().parent(), Some(directory.path()));
        assert_eq!(names(directory.path()), [UNFINISHED]);
    }

    #[test]
    fn files_that_a_killed_first_start_left_behind_are_recognized() {
        for name in [
            "secrets.json.7",
            "table.sqlite.7",
            "table.sqlite.7-wal",
            "table.sqlite.7-shm",
        ] {
            assert!(is_leftover(name), "{name}");
        }
        for name in [
            "secrets.json",
            "table.sqlite",
            "table.sqlite-wal",
            "table.sqlite.",
            "table.sqlite.7x",
            "x.7",
        ] {
            assert!(!is_leftover(name), "{name}");
        }
    }

    #[test]
    fn new_secrets_that_a_killed_process_left_behind_are_removed() {
        let directory = with(&[
            ("secrets.json.4294967295", "{}"),
            ("secrets.json.old", "kept"),
            ("first-start", ""),
        ]);
        Data::with_table(directory.path()).unwrap().secrets().unwrap();
        assert_eq!(names(directory.path()), ["secrets.json", "secrets.json.old"]);
    }

    #[test]
    fn a_first_start_that_is_interrupted_anywhere_continues() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        Data::with_table(path).unwrap();
        assert_eq!(names(path), [UNFINISHED]);
        // Interrupted before the table existed, while it was created, and before the secrets existed.
        Data::with_table(path).unwrap();
        fs::write(path.join(TABLE), "").unwrap();
        Data::with_table(path).unwrap();
        fs::write(path.join(TABLE), "a table").unwrap();
        Data::secrets_only(path).unwrap();
        let data = Data::with_table(path).unwrap();
        data.secrets().unwrap();
        assert_eq!(names(path), [SECRETS, TABLE]);
        // Interrupted before the file `first-start` was removed.
        let made = texts(path);
        fs::write(path.join(UNFINISHED), "").unwrap();
        Data::with_table(path).unwrap().secrets().unwrap();
        assert_eq!(names(path), [SECRETS, TABLE]);
        assert_eq!(texts(path), made);
    }

    #[test]
    fn two_first_starts_at_once_have_the_same_secrets() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (one, other) = (Data::with_table(path).unwrap(), Data::with_table(path).unwrap());
        fs::write(path.join(TABLE), "a table").unwrap();
        one.secrets().unwrap();
        let made = texts(path);
        other.secrets().unwrap();
        assert_eq!(texts(path), made);
    }

    #[test]
    fn a_table_without_its_secrets_is_refused_wherever_the_table_is_to_be() {
        let directory = with(&[(TABLE, "a table")]);
        let path = directory.path();
        for error in [
            Data::with_table(path).unwrap_err(),
            Data::secrets_only(path).unwrap_err(),
        ] {
            assert!(matches!(error, DataError::NoSecrets(_)));
            let text = error.to_string();
            assert!(text.contains("touch") && text.contains("--data"), "{text}");
        }
        assert_eq!(names(path), [TABLE]);
    }

    #[test]
    fn secrets_without_their_table_are_refused_unless_the_table_is_elsewhere() {
        for files in [&[(SECRETS, "{}")][..], &[(SECRETS, "{}"), (TABLE, "")]] {
            let directory = with(files);
            let error = Data::with_table(directory.path()).unwrap_err();
            assert!(matches!(error, DataError::NoTable(_)));
            let text = error.to_string();
            assert!(text.contains("restore") && text.contains("--dynamodb"), "{text}");
            assert_eq!(names(directory.path()).len(), files.len());
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        Data::secrets_only(path).unwrap().secrets().unwrap();
        let made = texts(path);
        assert_eq!(names(path), [SECRETS]);
        Data::secrets_only(path).unwrap().secrets().unwrap();
        assert_eq!(texts(path), made);
        assert!(matches!(
            Data::with_table(path).unwrap_err(),
            DataError::NoTable(_)
        ));
    }

    #[test]
    fn an_empty_file_in_place_of_lost_secrets_asks_for_new_ones() {
        let directory = with(&[(TABLE, "a table"), (SECRETS, "")]);
        let path = directory.path();
        Data::with_table(path).unwrap().secrets().unwrap();
        let made = texts(path);
        SecretTexts::from_json(&made).unwrap();
        Data::with_table(path).unwrap().secrets().unwrap();
        assert_eq!(texts(path), made);
    }

    #[test]
    fn secrets_that_are_broken_are_named_and_not_shown() {
        let directory = with(&[(TABLE, "a table"), (SECRETS, "{\"signing\": \"confidential\"")]);
        let data = Data::with_table(directory.path()).unwrap();
        let text = data.secrets().unwrap_err().to_string();
        assert!(text.contains(SECRETS) && !text.contains("confidential"), "{text}");
    }
}
