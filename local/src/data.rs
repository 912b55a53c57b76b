//! The data directory: the table of the embedded engine, and the secrets that belong to it.
//!
//! Without its secrets a table's sessions are lost, and without its table everything is. So what is missing beside the
//! other is an error, and not made anew. A first start makes both; until it has, a file named `first-start` is there, so
//! that one that is cut off in between can be told from a loss. Secrets that are used with an endpoint elsewhere are alone
//! in their directory.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use marquee_shared::auth::{AuthSecrets, SecretTexts, secrets::SecretsError};

use crate::private::{self, PrivateError};

/// The names of what a data directory holds.
pub const TABLE: &str = "table.sqlite";
/// See [`TABLE`].
pub const SECRETS: &str = "secrets.json";

/// What is there from when a first start begins until it has made everything.
const UNFINISHED: &str = "first-start";

/// A data directory that is private and isn't missing anything.
#[derive(Debug)]
pub struct Data {
    directory: PathBuf,
}

/// Why a data directory can't be used.
#[derive(Debug)]
pub enum DataError {
    /// It can't be kept private.
    Private(PrivateError),
    /// There are secrets, and no table.
    NoTable(PathBuf),
    /// There is a table, and no secrets.
    NoSecrets(PathBuf),
    /// Something in it can't be read or written.
    Io(PathBuf, io::Error),
    /// The secrets can't be read or made.
    Secrets(PathBuf, SecretsError),
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(error) => error.fmt(f),
            Self::NoTable(directory) => {
                let directory = directory.display();
                write!(
                    f,
                    "{directory} holds {SECRETS}, but {TABLE} is missing or empty. To keep the data, restore \
                     {directory}/{TABLE}. To begin anew, delete {directory}/{SECRETS}. If these secrets are for another \
                     DynamoDB endpoint, name it with --dynamodb, or name another directory with --data."
                )
            }
            Self::NoSecrets(directory) => {
                let directory = directory.display();
                write!(
                    f,
                    "{directory} holds {TABLE}, but {SECRETS} is missing. To keep everybody signed in, restore \
                     {directory}/{SECRETS}. To keep the data and sign everybody out, make that file empty: touch \
                     {directory}/{SECRETS}. To begin anew, delete {directory}/{TABLE}, or name another directory with --data."
                )
            }
            Self::Io(path, error) => write!(
                f,
                "{}: {error}. Name another directory with --data.",
                path.display()
            ),
            Self::Secrets(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
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

/// What there is of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Missing,
    Empty,
    Full,
}

impl Data {
    /// The directory of a table of the embedded engine. Both are made if neither the table nor the secrets are there.
    ///
    /// # Errors
    /// [`DataError`] when the directory can't be kept private, or when one of the two is missing.
    pub fn with_table(directory: &Path) -> Result<Self, DataError> {
        private::directory(directory)?;
        let data = Self {
            directory: directory.to_owned(),
        };
        match (data.find(TABLE)?, data.find(SECRETS)?) {
            (Found::Missing | Found::Empty, Found::Full) => Err(DataError::NoTable(data.directory)),
            (Found::Missing | Found::Empty, _) => {
                private::file(&data.path(UNFINISHED))?;
                Ok(data)
            }
            (Found::Full, _) => data.or_no_secrets(),
        }
    }

    /// A directory of secrets alone, for a table at an endpoint elsewhere. They are made if they aren't there.
    ///
    /// # Errors
    /// As [`with_table`](Self::with_table): a table that is there and has lost its secrets gets no others by this.
    pub fn of_secrets(directory: &Path) -> Result<Self, DataError> {
        private::directory(directory)?;
        let data = Self {
            directory: directory.to_owned(),
        };
        match data.find(TABLE)? {
            Found::Full => data.or_no_secrets(),
            Found::Missing | Found::Empty => Ok(data),
        }
    }

    /// Beside a table: refuses the loss of its secrets, which is no first start that was cut off.
    fn or_no_secrets(self) -> Result<Self, DataError> {
        if self.find(SECRETS)? == Found::Missing && !self.path(UNFINISHED).exists() {
            return Err(DataError::NoSecrets(self.directory));
        }
        Ok(self)
    }

    /// The table's file.
    #[must_use]
    pub fn table(&self) -> PathBuf {
        self.path(TABLE)
    }

    /// The secrets, which are made if they aren't there. Of a table, this is asked for as soon as it is there: it ends the
    /// first start.
    ///
    /// # Errors
    /// [`DataError`] when they can't be read or written, or aren't what this program writes.
    pub fn secrets(&self) -> Result<AuthSecrets, DataError> {
        let path = self.path(SECRETS);
        let of_path = |error| DataError::Io(path.clone(), error);
        match self.find(SECRETS)? {
            Found::Full => private::narrow_if_there(&path)?,
            Found::Missing => {
                let new = self.new_secrets()?;
                // Fails where another process was first, whose secrets are then read. That one may have removed the new
                // file as a leftover.
                match fs::hard_link(&new, &path) {
                    Err(error) if self.find(SECRETS)? != Found::Full => return Err(of_path(error)),
                    _ => {}
                }
            }
            Found::Empty => {
                fs::rename(self.new_secrets()?, &path).map_err(of_path)?;
                tracing::warn!(
                    path = %path.display(),
                    "it was empty and has new secrets now; everybody has to sign in again"
                );
            }
        }
        self.remove_leftovers()?;
        remove_if_there(self.path(UNFINISHED))?;
        self.sync()?;
        let json = fs::read_to_string(&path).map_err(of_path)?;
        SecretTexts::from_json(&json)
            .and_then(|texts| AuthSecrets::derive(&texts))
            .map_err(|error| DataError::Secrets(path, error))
    }

    /// Writes new secrets to a file of this process's own.
    fn new_secrets(&self) -> Result<PathBuf, DataError> {
        let path = self.path(&format!("{SECRETS}.{}", std::process::id()));
        // One that an earlier process of this number left behind.
        remove_if_there(path.clone())?;
        let texts = SecretTexts::generate().map_err(|error| DataError::Secrets(path.clone(), error))?;
        private::write_new(&path, &texts.to_json())?;
        Ok(path)
    }

    /// Removes the files of new secrets: this process's own, and those of processes that were killed meanwhile.
    fn remove_leftovers(&self) -> Result<(), DataError> {
        let of_directory = |error| DataError::Io(self.directory.clone(), error);
        for entry in fs::read_dir(&self.directory).map_err(of_directory)? {
            let entry = entry.map_err(of_directory)?;
            let name = entry.file_name();
            let process = name
                .to_str()
                .and_then(|name| name.strip_prefix(SECRETS)?.strip_prefix('.'));
            if process.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())) {
                remove_if_there(entry.path())?;
            }
        }
        Ok(())
    }

    /// Waits until the names of the files are on the disk.
    fn sync(&self) -> Result<(), DataError> {
        // Elsewhere than on Unix a directory can't be opened.
        #[cfg(unix)]
        fs::File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| DataError::Io(self.directory.clone(), error))?;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn find(&self, name: &str) -> Result<Found, DataError> {
        let path = self.path(name);
        match fs::metadata(&path) {
            Ok(found) if found.len() == 0 => Ok(Found::Empty),
            Ok(_) => Ok(Found::Full),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Missing),
            Err(error) => Err(DataError::Io(path, error)),
        }
    }
}

fn remove_if_there(path: PathBuf) -> Result<(), DataError> {
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(DataError::Io(path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A directory with these files, and what each holds.
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
    fn a_first_start_that_is_cut_off_anywhere_is_gone_on_with() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        Data::with_table(path).unwrap();
        assert_eq!(names(path), [UNFINISHED]);
        // Cut off before the table was there, while it was made, and before the secrets were.
        Data::with_table(path).unwrap();
        fs::write(path.join(TABLE), "").unwrap();
        Data::with_table(path).unwrap();
        fs::write(path.join(TABLE), "a table").unwrap();
        Data::of_secrets(path).unwrap();
        let data = Data::with_table(path).unwrap();
        data.secrets().unwrap();
        assert_eq!(names(path), [SECRETS, TABLE]);
        // Or before the favorite was taken away.
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
            Data::of_secrets(path).unwrap_err(),
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
        Data::of_secrets(path).unwrap().secrets().unwrap();
        let made = texts(path);
        assert_eq!(names(path), [SECRETS]);
        Data::of_secrets(path).unwrap().secrets().unwrap();
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
