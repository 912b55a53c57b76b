//! Copies a data directory while the server runs (`marquee backup`).
//!
//! The table is copied by SQLite within one read transaction, so the copy is the table of one moment, whatever is written meanwhile.
//! The images of covers are files beside it. Those that are there are copied before the table, and those that came since after it:
//! so every image that the copied table names is there. An image that was deleted before the table was copied is removed from the
//! copy. The copied table is then checked, because SQLite copies pages without looking into them.
//!
//! Until everything is on the disk, the copy has a file named `unfinished-backup`, with which no command opens it.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fmt,
    fs::{self, File},
    io::{self, ErrorKind},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, backup};

use crate::{
    data::DataError,
    engine::Fault,
    private::{self, COVERS, MAIL, PrivateError, Reason, SECRETS, TABLE},
    start_error::reason,
};

/// The name of the file that a copy has until it is complete.
pub const UNFINISHED: &str = "unfinished-backup";

/// How long to wait for a process that locks the whole table, such as one that is opening it.
const LOCK_WITHIN: Duration = Duration::from_secs(30);

/// How often a table that is locked is tried again, and how often a check looks whether the backup is to be stopped.
const PAUSE: Duration = Duration::from_millis(50);

/// How many pages of the table are copied between two looks at whether the backup is to be stopped.
const PAGES: i32 = 1_000;

/// Is called while a backup is made, and stops it by [`ControlFlow::Break`]. While the table is copied, it gets how many of the
/// table's pages are copied, and how many there are.
pub type Watch<'a> = dyn FnMut(Option<[u64; 2]>) -> ControlFlow<()> + 'a;

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
            "copied the table ({megabytes:.1} MB); images of covers: {images}; mails: {mails}"
        )
    }
}

/// Why there is no backup.
#[derive(Debug)]
pub enum BackupError {
    /// The data directory has no table, or the table has no secrets.
    NoData(PathBuf),
    /// The data directory is itself a copy that isn't complete.
    OfUnfinished(PathBuf),
    /// The directory for the copy has content.
    NotEmpty(PathBuf),
    /// The directory for the copy is within the data directory, or around it.
    Overlap(PathBuf),
    /// A path of the copy can't be written, or not be kept private.
    Private(PrivateError),
    /// A file or a directory can't be read.
    Unreadable(PathBuf, io::Error),
    /// The table's file can't be copied to the other one.
    Table([PathBuf; 2], rusqlite::Error),
    /// The table's file was copied, and is damaged.
    Damaged(PathBuf),
    /// The backup was stopped.
    Stopped,
    /// The copy in this directory was begun, and this is why it isn't complete.
    Unfinished(PathBuf, Box<Self>),
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
            Self::OfUnfinished(data) => DataError::UnfinishedBackup(data.clone()).fmt(f),
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
            Self::Private(error) => {
                let path = error.path.display();
                let why = match &error.reason {
                    Reason::Io(error) => reason(error),
                    Reason::NoDirectory => "it is not a directory".to_owned(),
                    Reason::NoFile => "it is not a regular file".to_owned(),
                    Reason::Foreign(user) => format!("it belongs to another user (id {user})"),
                    Reason::Shared => "other users can read it".to_owned(),
                    Reason::Wide => "other users can read it, and its mode can't be changed".to_owned(),
                };
                write!(
                    f,
                    "the copy can't be written to {path}: {why}. Name another directory."
                )
            }
            Self::Unreadable(path, error) => {
                write!(f, "{} can't be read: {}.", path.display(), reason(error))
            }
            Self::Table([from, to], error) => {
                let error = error.to_string();
                let why = Fault::of(&error).map_or(error, |fault| fault.to_string());
                let (from, to) = (from.display(), to.display());
                write!(f, "the table's file {from} can't be copied to {to}: {why}.")
            }
            Self::Damaged(from) => {
                let from = from.display();
                write!(
                    f,
                    "the table's file {from} is damaged. Keep the earlier backups: one of them can replace it. `marquee export` \
                     may still save its movies."
                )
            }
            Self::Stopped => f.write_str("the backup was stopped."),
            Self::Unfinished(target, error) => {
                write!(
                    f,
                    "{error} The copy in {} is unfinished; delete it.",
                    target.display()
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

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    |error| BackupError::Unreadable(path, error)
}

fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    |error| {
        BackupError::Private(PrivateError {
            path,
            reason: Reason::Io(error),
        })
    }
}

/// Copies the directory `data` to `target`, which must be empty or not exist. Blocks until the copy is on the disk.
///
/// # Errors
/// [`BackupError`]. It is [`BackupError::Unfinished`] once the copy was begun.
pub fn run(data: &Path, target: &Path, watch: &mut Watch<'_>) -> Result<Report, BackupError> {
    for file in [TABLE, SECRETS].map(|name| data.join(name)) {
        match fs::metadata(&file) {
            Ok(found) if found.len() > 0 => {}
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(unreadable(&file)(error));
            }
            Ok(_) | Err(_) => return Err(BackupError::NoData(data.to_owned())),
        }
    }
    if data.join(UNFINISHED).exists() {
        return Err(BackupError::OfUnfinished(data.to_owned()));
    }
    let is_empty = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Err(unwritable(target)(error)),
        Err(error) => return Err(unreadable(target)(error)),
    };
    if !is_empty {
        return Err(BackupError::NotEmpty(target.to_owned()));
    }
    check_apart(data, target)?;
    private::directory(target)?;
    // The path may have passed through a directory that didn't exist.
    check_apart(data, target)?;
    let marker = target.join(UNFINISHED);
    private::write_new(&marker, "")?;
    let copied = sync(target).and_then(|()| copy(data, target, watch));
    let complete = copied.and_then(|report| {
        sync(target)?;
        fs::remove_file(&marker).map_err(unwritable(&marker))?;
        sync(target)?;
        Ok(report)
    });
    complete.map_err(|error| BackupError::Unfinished(target.to_owned(), Box::new(error)))
}

fn copy(data: &Path, target: &Path, watch: &mut Watch<'_>) -> Result<Report, BackupError> {
    let mut images = copy_new(data, target, COVERS, watch)?;
    let before = names(data, COVERS)?;
    let table = copy_table(&data.join(TABLE), &target.join(TABLE), watch)?;
    // Deleted before the table was copied, so the table doesn't name them.
    for name in images.difference(&before) {
        let file = target.join(COVERS).join(name);
        fs::remove_file(&file).map_err(unwritable(&file))?;
    }
    images.retain(|name| before.contains(name));
    images.extend(copy_new(data, target, COVERS, watch)?);
    copy_file(&data.join(SECRETS), &target.join(SECRETS))?;
    let mails = copy_new(data, target, MAIL, watch)?;
    for directory in [COVERS, MAIL] {
        if target.join(directory).exists() {
            sync(&target.join(directory))?;
        }
    }
    Ok(Report {
        table,
        images: images.len(),
        mails: mails.len(),
    })
}

/// Checks that neither directory is within the other.
fn check_apart(data: &Path, target: &Path) -> Result<(), BackupError> {
    let data = data.canonicalize().map_err(unreadable(data))?;
    // A directory that doesn't exist yet is where its closest existing parent is.
    let absolute = std::path::absolute(target).map_err(unreadable(target))?;
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
fn copy_table(from: &Path, to: &Path, watch: &mut Watch<'_>) -> Result<u64, BackupError> {
    let of_table = |error| BackupError::Table([from.to_owned(), to.to_owned()], error);
    private::write_new(to, "")?;
    // Writable, because a reader of a table that nobody has open must create its index of the journal.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(from, flags).map_err(of_table)?;
    source.busy_timeout(LOCK_WITHIN).map_err(of_table)?;
    // A transaction holds this moment of the table while its pages are copied. Without one, each write of another process
    // would make SQLite begin again (SQLite: "Online Backup API").
    source.execute_batch("BEGIN").map_err(of_table)?;
    source
        .query_row("SELECT count(*) FROM sqlite_schema", (), |_| Ok(()))
        .map_err(of_table)?;
    let mut copy = Connection::open_with_flags(to, flags).map_err(of_table)?;
    {
        let copying = backup::Backup::new(&source, &mut copy).map_err(of_table)?;
        let deadline = Instant::now() + LOCK_WITHIN;
        loop {
            match copying.step(PAGES).map_err(of_table)? {
                backup::StepResult::Done => break,
                backup::StepResult::More => {}
                _ if Instant::now() > deadline => {
                    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
                    let text = Some("database is locked".to_owned());
                    return Err(of_table(rusqlite::Error::SqliteFailure(busy, text)));
                }
                _ => thread::sleep(PAUSE),
            }
            let backup::Progress { remaining, pagecount } = copying.progress();
            let pages = [pagecount - remaining, pagecount].map(|pages| pages.try_into().unwrap_or_default());
            look(watch, Some(pages))?;
        }
    }
    if !is_sound(&mut copy, watch, of_table)? {
        return Err(BackupError::Damaged(from.to_owned()));
    }
    copy.close().map_err(|(_, error)| of_table(error))?;
    source.close().map_err(|(_, error)| of_table(error))?;
    let file = File::open(to).map_err(unreadable(to))?;
    file.sync_all().map_err(unwritable(to))?;
    Ok(file.metadata().map_err(unreadable(to))?.len())
}

/// Whether the pages of a table are those of a sound one (SQLite: "PRAGMA quick_check").
fn is_sound(
    table: &mut Connection,
    watch: &mut Watch<'_>,
    of_table: impl Fn(rusqlite::Error) -> BackupError,
) -> Result<bool, BackupError> {
    let running = table.get_interrupt_handle();
    let (report, reported) = mpsc::channel();
    let checked = thread::scope(|scope| {
        scope.spawn(move || {
            let found = table.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0));
            // The receiver is there until it has this.
            let _ = report.send(found);
        });
        loop {
            match reported.recv_timeout(PAUSE) {
                Ok(found) => break Some(found),
                Err(RecvTimeoutError::Timeout) if watch(None).is_break() => running.interrupt(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        }
    });
    look(watch, None)?;
    match checked {
        Some(Ok(found)) => Ok(found == "ok"),
        Some(Err(error)) if Fault::of(&error.to_string()) == Some(Fault::Damaged) => Ok(false),
        Some(Err(error)) => Err(of_table(error)),
        // The check panicked, which the scope passes on.
        None => Ok(false),
    }
}

/// Fails if the backup is to be stopped.
fn look(watch: &mut Watch<'_>, pages: Option<[u64; 2]>) -> Result<(), BackupError> {
    match watch(pages) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(BackupError::Stopped),
    }
}

/// Copies the files of a directory that the copy doesn't have yet. Returns their names. A file that is deleted meanwhile is left out.
fn copy_new(
    data: &Path,
    target: &Path,
    directory: &str,
    watch: &mut Watch<'_>,
) -> Result<BTreeSet<OsString>, BackupError> {
    let (from, to) = (data.join(directory), target.join(directory));
    let mut copied = BTreeSet::new();
    let found = names(data, directory)?;
    if found.is_empty() {
        return Ok(copied);
    }
    private::directory(&to)?;
    for name in found {
        look(watch, None)?;
        let copy = to.join(&name);
        if copy.exists() {
            continue;
        }
        match copy_file(&from.join(&name), &copy) {
            Ok(()) => {
                copied.insert(name);
            }
            Err(BackupError::Unreadable(_, error)) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(copied)
}

/// Returns the names of the complete files of a directory of covers or mails. None if it doesn't exist.
fn names(data: &Path, directory: &str) -> Result<BTreeSet<OsString>, BackupError> {
    let directory = data.join(directory);
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(unreadable(&directory))?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(unreadable(&directory))?;
        let name = entry.file_name();
        if entry.file_type().is_ok_and(|kind| kind.is_file()) && !is_being_written(&name) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// Whether a file with this name gets another name once it is complete: `NAME#1` is an image, `NAME.unfinished` a mail.
fn is_being_written(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.contains('#') || name.ends_with(".unfinished")
}

fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let content = fs::read(from).map_err(unreadable(from))?;
    Ok(private::write_new(to, content)?)
}

/// Waits until the names in a directory are on the disk.
fn sync(directory: &Path) -> Result<(), BackupError> {
    // Other systems than Unix can't open a directory.
    #[cfg(unix)]
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(unwritable(directory))?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}
