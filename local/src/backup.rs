//! Copies a data directory while the server runs (`marquee backup`).
//!
//! The table is copied by SQLite within one read transaction, so the copy is the table of one moment, whatever is written meanwhile.
//! The images of covers are files beside it. Those that are there are copied before the table, and those that came since after it:
//! so every image that the copied table names is there. An image that was deleted before the table was copied is removed from the
//! copy.
//!
//! Until everything is on the disk, the copy has a file named `unfinished-backup`, with which no command opens it.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, backup};

use crate::private::{self, COVERS, MAIL, PrivateError, SECRETS, TABLE};

/// The name of the file that a copy has until it is complete.
pub const UNFINISHED: &str = "unfinished-backup";

/// How long to wait for a process that locks the whole table, such as one that is opening it.
const LOCK_WITHIN: Duration = Duration::from_secs(30);

/// How often a table that is locked is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The bytes of the table.
    pub table: u64,
    /// The images of covers, with their thumbnails.
    pub images: usize,
    /// The mails.
    pub mails: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, images, mails } = self;
        let megabytes = *table as f64 / 1e6;
        write!(
            f,
            "copied the table ({megabytes:.1} MB), {images} images of covers and {mails} mails"
        )
    }
}

/// Why there is no backup.
#[derive(Debug)]
pub enum BackupError {
    /// The data directory has no table, or the table has no secrets.
    NoData(PathBuf),
    /// The directory for the copy has content.
    NotEmpty(PathBuf),
    /// The directory for the copy is within the data directory, or around it.
    Overlap(PathBuf),
    /// The directory for the copy can't be kept private.
    Private(PrivateError),
    /// A file can't be read or written.
    File(PathBuf, io::Error),
    /// The table can't be copied.
    Table(PathBuf, rusqlite::Error),
}

impl BackupError {
    /// Whether the copy was begun. Then its directory has the unfinished copy.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        matches!(self, Self::File(..) | Self::Table(..))
    }
}

impl std::error::Error for BackupError {}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData(data) => {
                let data = data.display();
                write!(
                    f,
                    "{data} has no {TABLE} with its {SECRETS}. Name the directory of a table with --data."
                )
            }
            Self::NotEmpty(target) => {
                let target = target.display();
                write!(
                    f,
                    "{target} isn't empty. Name a directory that is empty or doesn't exist."
                )
            }
            Self::Overlap(target) => {
                let target = target.display();
                write!(
                    f,
                    "{target} is inside the data directory or around it. Name a directory elsewhere."
                )
            }
            Self::Private(error) => error.fmt(f),
            Self::File(path, error) => {
                let reason = crate::start_error::reason(error);
                write!(
                    f,
                    "{} can't be copied: {reason}. The copy is unfinished; delete it.",
                    path.display()
                )
            }
            Self::Table(path, error) => {
                let path = path.display();
                write!(
                    f,
                    "the table's file {path} can't be copied: {error}. The copy is unfinished; delete it."
                )
            }
        }
    }
}

impl From<PrivateError> for BackupError {
    fn from(error: PrivateError) -> Self {
        Self::Private(error)
    }
}

fn of(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    |error| BackupError::File(path, error)
}

/// Copies the directory `data` to `target`, which must be empty or not exist. Blocks until the copy is on the disk.
///
/// # Errors
/// [`BackupError`].
pub fn run(data: &Path, target: &Path) -> Result<Report, BackupError> {
    let is_full = |name: &str| fs::metadata(data.join(name)).is_ok_and(|found| found.len() > 0);
    if !is_full(TABLE) || !is_full(SECRETS) {
        return Err(BackupError::NoData(data.to_owned()));
    }
    let is_empty = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(BackupError::File(target.to_owned(), error)),
    };
    if !is_empty {
        return Err(BackupError::NotEmpty(target.to_owned()));
    }
    check_apart(data, target)?;
    private::directory(target)?;
    let marker = target.join(UNFINISHED);
    private::write_new(&marker, "")?;
    sync(target)?;

    let mut images = copy_new(data, target, COVERS)?;
    let before = names(&data.join(COVERS))?;
    let table = copy_table(&data.join(TABLE), &target.join(TABLE))?;
    // Deleted before the table was copied, so the table doesn't name them.
    for name in images.difference(&before) {
        let file = target.join(COVERS).join(name);
        fs::remove_file(&file).map_err(of(&file))?;
    }
    images.retain(|name| before.contains(name));
    images.extend(copy_new(data, target, COVERS)?);
    copy_file(&data.join(SECRETS), &target.join(SECRETS))?;
    let mails = copy_new(data, target, MAIL)?;
    for directory in [COVERS, MAIL] {
        if target.join(directory).exists() {
            sync(&target.join(directory))?;
        }
    }
    sync(target)?;
    fs::remove_file(&marker).map_err(of(&marker))?;
    sync(target)?;
    Ok(Report {
        table,
        images: images.len(),
        mails: mails.len(),
    })
}

/// Checks that neither directory is within the other.
fn check_apart(data: &Path, target: &Path) -> Result<(), BackupError> {
    let data = data.canonicalize().map_err(of(data))?;
    // A directory that doesn't exist yet is where its closest existing parent is.
    let absolute = std::path::absolute(target).map_err(of(target))?;
    let existing = absolute.ancestors().find_map(|path| {
        let rest = absolute.strip_prefix(path).ok()?;
        Some(path.canonicalize().ok()?.join(rest))
    });
    let whole = existing.unwrap_or(absolute);
    if whole.starts_with(&data) || data.starts_with(&whole) {
        return Err(BackupError::Overlap(target.to_owned()));
    }
    Ok(())
}

/// Copies the table as it is at one moment. Returns its size in bytes.
fn copy_table(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let of_table = |error| BackupError::Table(from.to_owned(), error);
    private::write_new(to, "")?;
    // Writable, because a reader of a table that nobody has open must create its index of the journal.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(of_table)?;
    source.busy_timeout(LOCK_WITHIN).map_err(of_table)?;
    let mut copy = Connection::open_with_flags(to, flags).map_err(of_table)?;
    {
        let copying = backup::Backup::new(&source, &mut copy).map_err(of_table)?;
        // All pages in one step, which is one read transaction.
        let deadline = std::time::Instant::now() + LOCK_WITHIN;
        loop {
            match copying.step(-1).map_err(of_table)? {
                backup::StepResult::Done => break,
                backup::StepResult::More => {}
                _ if std::time::Instant::now() > deadline => {
                    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                    return Err(of_table(rusqlite::Error::SqliteFailure(busy, None)));
                }
                _ => std::thread::sleep(LOCK_PAUSE),
            }
        }
    }
    let failed = |(_, error)| of_table(error);
    copy.close().map_err(failed)?;
    source.close().map_err(|(_, error)| of_table(error))?;
    let file = File::open(to).map_err(of(to))?;
    file.sync_all().map_err(of(to))?;
    Ok(file.metadata().map_err(of(to))?.len())
}

/// Copies the files of a directory that the copy doesn't have yet. Returns their names. A file that is deleted meanwhile is left out.
fn copy_new(data: &Path, target: &Path, directory: &str) -> Result<BTreeSet<OsString>, BackupError> {
    let (from, to) = (data.join(directory), target.join(directory));
    let mut copied = BTreeSet::new();
    let found = names(&from)?;
    if found.is_empty() {
        return Ok(copied);
    }
    private::directory(&to)?;
    for name in found {
        let copy = to.join(&name);
        if copy.exists() {
            continue;
        }
        match copy_file(&from.join(&name), &copy) {
            Ok(()) => {
                copied.insert(name);
            }
            Err(BackupError::File(_, error)) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(copied)
}

/// Returns the names of the files of a directory. None if it doesn't exist.
fn names(directory: &Path) -> Result<BTreeSet<OsString>, BackupError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(of(directory))?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(of(directory))?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            names.insert(entry.file_name());
        }
    }
    Ok(names)
}

fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let content = fs::read(from).map_err(of(from))?;
    Ok(private::write_new(to, content)?)
}

/// Waits until the names in a directory are on the disk.
fn sync(directory: &Path) -> Result<(), BackupError> {
    // Other systems than Unix can't open a directory.
    #[cfg(unix)]
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(of(directory))?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}
