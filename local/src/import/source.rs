//! The file that movies come from.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read},
    path::{Path, PathBuf},
};

use marquee_shared::digest::hex;
use ring::digest;

use super::{error::ImportError, options::Options, rows::Rows};
use crate::start_error::reason;

/// The demonstration catalog, `data/movies.csv` of the repository.
pub(super) const DEMONSTRATION: &[u8] = include_bytes!("../../../data/movies.csv");

/// Where movies come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The 16,975 real movies that are compiled into the program.
    Demonstration,
    /// A file of CSV or JSON Lines.
    File(PathBuf),
}

/// What is known of a file before its import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Survey {
    /// The SHA-256 of the file and of the options, in hexadecimal. It identifies the import, whatever the file's name is.
    pub(super) hash: String,
    /// How many rows the file has, without the header.
    pub(super) rows: u64,
}

/// A file whose errors name it. A directory, for example, can be opened, and its first read fails.
struct NamedFile {
    file: File,
    path: PathBuf,
}

impl Read for NamedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|e| with_path(&self.path, &e))
    }
}

/// The same error, with the path in its text.
fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("{} can't be read: {}", path.display(), reason(error)),
    )
}

/// Checks that a file isn't a pipe or a device. To be called before the file is opened, because the opening of a pipe waits
/// for a writer.
///
/// # Errors
/// Returns an error if the file is neither a regular file nor a directory, or if there is none.
pub(crate) fn check_kind(path: &Path) -> io::Result<()> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(());
    }
    Err(io::Error::other(
        "it is not a regular file, and it is read twice. Save what it has to a file first",
    ))
}

impl Source {
    /// Opens the file at its beginning. An error names the file.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read>> {
        match self {
            Self::Demonstration => Ok(Box::new(DEMONSTRATION)),
            Self::File(path) => {
                let failed = |error: io::Error| with_path(path, &error);
                check_kind(path).map_err(failed)?;
                let file = File::open(path).map_err(failed)?;
                let path = path.clone();
                Ok(Box::new(io::BufReader::new(NamedFile { file, path })))
            }
        }
    }

    /// Keeps other imports of the file from running until the returned file is closed, which the end of the process does too.
    /// Otherwise two imports would write one file of rejected rows. `None` for a source that is no file, and where files
    /// can't be locked.
    ///
    /// # Errors
    /// Returns an error if another import of the file is running.
    pub(super) fn lock(&self) -> Result<Option<File>, ImportError> {
        // On other systems a lock would also keep this process from reading the file once more.
        let Some(file) = self
            .path()
            .filter(|_| cfg!(unix))
            .and_then(|path| File::open(path).ok())
        else {
            return Ok(None);
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(ImportError::File(format!(
                "another import of {} is running; wait until it has ended",
                self.path().unwrap_or(Path::new("")).display()
            ))),
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }

    /// The path of the file, if it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Demonstration => None,
            Self::File(path) => Some(path),
        }
    }

    /// Reads the whole file once.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, or not with these options.
    pub(super) fn survey(&self, options: &Options) -> Result<Survey, ImportError> {
        struct Hashing<'a>(Box<dyn Read>, &'a mut digest::Context);
        impl Read for Hashing<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.read(buffer)?;
                self.1.update(&buffer[..count]);
                Ok(count)
            }
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut reader = Rows::open(Hashing(self.open()?, &mut hash), options)?;
        let mut rows = 0;
        while reader.skip()? {
            rows += 1;
        }
        drop(reader);
        hash.update(options.fingerprint().as_bytes());
        Ok(Survey {
            hash: hex(hash.finish().as_ref()),
            rows,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file_whether_it_cannot_be_opened_or_read() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("nothing.csv")] {
            let read = Source::File(path.clone())
                .open()
                .and_then(|mut file| file.read_to_end(&mut Vec::new()));
            let text = read.unwrap_err().to_string();
            let expected = format!("{} can't be read: ", path.display());
            assert!(
                text.starts_with(&expected) && !text.contains("os error"),
                "{text}"
            );
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_cannot_be_read_twice_is_refused() {
        let error = Source::File("/dev/null".into())
            .survey(&Options::default())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "import: /dev/null can't be read: it is not a regular file, and it is read twice. Save what it has to a file first"
        );
    }
}
