//! Every message about a start that failed. Each names its object and the way out.

use std::{
    error::Error,
    fmt, io,
    io::ErrorKind,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use aws_sdk_dynamodb::error::ErrorMetadata;
use marquee_shared::{config::ConfigError, db::layout::LAYOUT};

use crate::{
    create_table::TableError,
    data::DataError,
    engine::{EngineError, Fault, Storage},
    private::{PrivateError, Reason, SECRETS, TABLE},
    upgrade::LayoutError,
};

/// What to do about a data directory that can't be used.
const ANOTHER_DIRECTORY: &str = "Name another directory with --data.";

/// What to do about a full disk.
const FREE_SPACE: &str = "Free some space, or name a directory on another disk with --data.";

/// Why the program can't start. Its text is for the person who started it.
#[derive(Debug)]
pub enum StartError {
    /// A setting of the environment or an option has a value that can't work.
    Setting(ConfigError),
    /// The API's address can't be opened.
    Listen(SocketAddr, io::Error),
    /// The data directory can't be used.
    Data(DataError),
    /// The embedded engine can't start.
    Engine(EngineError),
    /// The table can't be created or used.
    Table(TablePlace, TableError),
    /// The table is of another version of this program.
    Layout(TablePlace, LayoutError),
    /// A command needs the table of a data directory that has none.
    NoTable(PathBuf),
    /// A command can't read or write the table. The text is the log's.
    Use(TablePlace, String),
    /// The AWS SDK can't be set up.
    Aws(String),
    /// The file of `--catalog` can't be read.
    Catalog(PathBuf, io::Error),
    /// The catalog can't be imported.
    Import {
        /// The file, or `None` for the demonstration catalog.
        file: Option<PathBuf>,
        /// The data directory, or `None` if the table is elsewhere.
        data: Option<PathBuf>,
        /// The importer's text.
        reason: String,
    },
    /// The handlers of Ctrl-C and SIGTERM can't be installed.
    Signals(io::Error),
    /// A bug of this program.
    Internal(String),
}

/// Where the table is that can't be created or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TablePlace {
    /// In memory.
    Memory,
    /// In this directory.
    Data(PathBuf),
    /// At the DynamoDB endpoint with this URL.
    Endpoint(String),
    /// On AWS, with this name.
    Aws(String),
}

impl Error for StartError {}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Setting(error)
    }
}

impl From<DataError> for StartError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

impl From<EngineError> for StartError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting(error) => write!(f, "{error}"),
            Self::Listen(address, error) => write_listen(f, *address, error),
            Self::Data(error) => error.fmt(f),
            Self::Engine(error) => error.fmt(f),
            Self::Table(place, error) => write_table(f, place, error),
            Self::Layout(place, error) => write_layout(f, place, error),
            Self::NoTable(data) => write!(
                f,
                "{} has no {TABLE}. Name the directory of a table with --data.",
                data.display()
            ),
            Self::Use(place, reason) => write_use(f, place, reason),
            Self::Aws(reason) => write!(f, "the AWS SDK can't be set up: {reason}"),
            Self::Catalog(path, error) => write!(
                f,
                "the catalog {} can't be read: {}. Name another file with --catalog, or import nothing with --catalog none.",
                path.display(),
                reason(error)
            ),
            Self::Import { file, data, reason } => write_import(f, file.as_deref(), data.as_deref(), reason),
            Self::Signals(error) => write!(
                f,
                "the handlers of Ctrl-C and SIGTERM can't be installed: {}",
                reason(error)
            ),
            Self::Internal(text) => write!(f, "{text}. This is a bug of marquee."),
        }
    }
}

fn write_listen(f: &mut fmt::Formatter<'_>, address: SocketAddr, error: &io::Error) -> fmt::Result {
    let (host, port) = (address.ip(), address.port());
    match error.kind() {
        ErrorKind::AddrInUse => write!(
            f,
            "port {port} of {host} is in use by another program. End that program, or choose another port with --port \
             (--port 0 picks a free one)."
        ),
        ErrorKind::PermissionDenied => write!(
            f,
            "port {port} of {host} can't be opened: permission denied. Most systems reserve the ports below 1024. Choose \
             another port with --port."
        ),
        ErrorKind::AddrNotAvailable => write!(
            f,
            "{host} is not an address of this machine. Choose one that is with --host."
        ),
        _ => write!(
            f,
            "port {port} of {host} can't be opened: {}. Choose another port with --port, or another address with --host.",
            reason(error)
        ),
    }
}

fn write_table(f: &mut fmt::Formatter<'_>, place: &TablePlace, error: &TableError) -> fmt::Result {
    let source = match error {
        TableError::Request { source, .. } => &**source,
        TableError::Different { .. } | TableError::NotActive { .. } => {
            return write!(f, "{error}. Name another table with --table.");
        }
    };
    match place {
        TablePlace::Memory | TablePlace::Aws(_) => write_use(f, place, &cause(source).to_string()),
        TablePlace::Data(directory) => {
            write_file_fault(f, &directory.join(TABLE), &cause(source).to_string())
        }
        TablePlace::Endpoint(url) => match cause(source) {
            Cause::Connection(reason) => write!(
                f,
                "there is no connection to DynamoDB at {url}: {reason}. Start it, or name another endpoint with --dynamodb."
            ),
            cause => write!(
                f,
                "DynamoDB at {url} can't be used: {cause}. Check its region and credentials, or name another endpoint with \
                 --dynamodb."
            ),
        },
    }
}

/// Writes why a table of another version can't be used.
fn write_layout(f: &mut fmt::Formatter<'_>, place: &TablePlace, error: &LayoutError) -> fmt::Result {
    let (table, option) = match place {
        TablePlace::Memory => ("the table in memory".to_owned(), "--data"),
        TablePlace::Data(directory) => {
            let file = directory.join(TABLE);
            (format!("the table in {}", file.display()), "--data")
        }
        TablePlace::Endpoint(url) => (format!("the table at {url}"), "--table or --dynamodb"),
        TablePlace::Aws(table) => (format!("the table {table} on AWS"), "--table"),
    };
    match error {
        LayoutError::Newer { version } => write!(
            f,
            "{table} has layout {version}, and this version of marquee knows layouts up to {LAYOUT}. Use the version of marquee \
             that made the table, or name another one with {option}."
        ),
        LayoutError::Older => write!(
            f,
            "{table} has the layout of an earlier version of marquee. Deploy this version, then run marquee upgrade with the \
             same options (docs/deploy.md, \"Upgrade and rollback\")."
        ),
        LayoutError::Use(error) => write_use(f, place, &error.log_message()),
    }
}

/// Writes why a command can't use a table.
fn write_use(f: &mut fmt::Formatter<'_>, place: &TablePlace, reason: &str) -> fmt::Result {
    match place {
        TablePlace::Memory => write!(f, "the table in memory can't be used: {reason}."),
        TablePlace::Data(directory) => write_file_fault(f, &directory.join(TABLE), reason),
        TablePlace::Endpoint(url) => write!(
            f,
            "DynamoDB at {url} can't be used: {reason}. Check that it runs and has the table of --table, or name another \
             endpoint with --dynamodb."
        ),
        TablePlace::Aws(table) => write!(
            f,
            "the table {table} on AWS can't be used: {reason}. Check AWS_PROFILE and AWS_REGION, or name another table with \
             --table."
        ),
    }
}

fn write_import(
    f: &mut fmt::Formatter<'_>,
    file: Option<&Path>,
    data: Option<&Path>,
    reason: &str,
) -> fmt::Result {
    if let (Some(data), Some(_)) = (data, Fault::of(reason)) {
        return write_file_fault(f, &data.join(TABLE), reason);
    }
    let reason = reason.strip_prefix("import: ").unwrap_or(reason);
    match file {
        Some(path) => write!(
            f,
            "the catalog {} can't be imported: {reason}. Name another file with --catalog, or import nothing with --catalog \
             none.",
            path.display()
        ),
        None => write!(
            f,
            "the demonstration catalog can't be imported: {reason}. Start without it with --catalog none."
        ),
    }
}

/// Writes what is wrong with the table's file, by the text of the engine's error.
fn write_file_fault(f: &mut fmt::Formatter<'_>, path: &Path, text: &str) -> fmt::Result {
    let path = path.display();
    match Fault::of(text) {
        Some(fault @ Fault::Full) => {
            write!(
                f,
                "the table's file {path} can't be written: {fault}. {FREE_SPACE}"
            )
        }
        Some(fault @ Fault::Damaged) => write!(
            f,
            "the table's file {path} can't be read: {fault}. Restore it from a copy, or name another directory with --data."
        ),
        Some(fault @ Fault::Locked) => write!(
            f,
            "the table's file {path} is in use: {fault}. End that program, or name another directory with --data."
        ),
        // SQLite also says this when the disk is so full that it can't map its index.
        Some(fault @ Fault::Unreadable) => write!(
            f,
            "the table's file {path} can't be used: {fault}. Check that its owner may read and write it and that its disk has \
             free space, or name another directory with --data."
        ),
        Some(fault) => write!(
            f,
            "the table's file {path} can't be used: {fault}. {ANOTHER_DIRECTORY}"
        ),
        None if text.contains("ResourceNotFoundException") => write!(
            f,
            "the table's file {path} has no table of this name. Name another table with --table."
        ),
        None => write!(
            f,
            "the table's file {path} can't be opened: {text}. {ANOTHER_DIRECTORY}"
        ),
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(error) => error.fmt(f),
            Self::Open {
                storage: Storage::Memory,
                reason,
            } => write!(f, "the table in memory can't be created: {reason}"),
            Self::Open {
                storage: Storage::File(path),
                reason,
            } => write_file_fault(f, path, reason),
            Self::Start(error) => write!(f, "the embedded engine can't start: {}", reason(error)),
            Self::Stopped(reason) => write!(f, "the embedded engine didn't stop cleanly: {reason}"),
        }
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private(error) => error.fmt(f),
            Self::UnfinishedBackup(directory) => write!(
                f,
                "{} is a copy that `marquee backup` hasn't finished. Delete it and make another one, or name another directory with \
                 --data.",
                directory.display()
            ),
            Self::NoTable(directory) => {
                let directory = directory.display();
                write!(
                    f,
                    "{directory} holds {SECRETS}, but {TABLE} is missing or empty. To keep the data, restore \
                     {directory}/{TABLE}. To start over, delete {directory}/{SECRETS}. If these secrets are for another \
                     DynamoDB endpoint, name it with --dynamodb, or name another directory with --data."
                )
            }
            Self::NoSecrets(directory) => {
                let directory = directory.display();
                write!(
                    f,
                    "{directory} holds {TABLE}, but {SECRETS} is missing. To keep all users signed in, restore \
                     {directory}/{SECRETS}. To keep the data and sign all users out, create that file empty: touch \
                     {directory}/{SECRETS}. To start over, delete {directory}/{TABLE}, or name another directory with --data."
                )
            }
            Self::Io(path, error) => write_path(f, path, error),
            Self::Secrets(path, error) => write!(
                f,
                "the secrets' file {path} can't be used: it {reason}. To keep all users signed in, restore it. To sign all \
                 users out, empty it. {ANOTHER_DIRECTORY}",
                path = path.display(),
                reason = error.reason()
            ),
        }
    }
}

impl fmt::Display for PrivateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.reason {
            Reason::Io(error) => write_path(f, &self.path, error),
            Reason::NoDirectory => write!(f, "{path} is not a directory. Name another one with --data."),
            Reason::NoFile => write!(
                f,
                "{path} is not a regular file. Move it away, or name another directory with --data."
            ),
            Reason::Foreign(user) => write!(
                f,
                "{path} belongs to another user (id {user}), who could read its files. Name another directory with --data, \
                 or become its owner with chown."
            ),
            Reason::Shared => write!(
                f,
                "{path} can be read by other users, and it has other content. Name a directory for the data only with \
                 --data, or make this one private with chmod 700."
            ),
            Reason::Wide => write!(
                f,
                "{path} can be read by other users, and its mode can't be changed. Name a directory on another file system \
                 with --data."
            ),
        }
    }
}

/// Writes why a path of the data directory can't be created, read or written.
fn write_path(f: &mut fmt::Formatter<'_>, path: &Path, error: &io::Error) -> fmt::Result {
    let way_out = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FREE_SPACE,
        _ => ANOTHER_DIRECTORY,
    };
    write!(
        f,
        "{} can't be used: {}. {way_out}",
        path.display(),
        reason(error)
    )
}

/// Returns the reason of an error of the system in words, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let words = match error.kind() {
        ErrorKind::PermissionDenied => "permission denied",
        ErrorKind::NotFound => "there is no such file or directory",
        ErrorKind::NotADirectory => "a part of the path is not a directory",
        ErrorKind::IsADirectory => "it is a directory",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::QuotaExceeded => "the disk quota is used up",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::ConnectionRefused => "connection refused",
        _ => {
            let text = error.to_string();
            let words = text.split(" (os error").next().unwrap_or_default();
            let mut letters = words.chars();
            return letters
                .next()
                .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect());
        }
    };
    words.to_owned()
}

/// The cause of a failed call of DynamoDB.
pub(crate) enum Cause {
    /// No connection.
    Connection(String),
    /// DynamoDB's own error.
    Answer { code: String, message: String },
    /// Anything else, for example that there are no credentials.
    Other(String),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(reason) | Self::Other(reason) => f.write_str(reason),
            Self::Answer { code, message } if message.is_empty() => f.write_str(code),
            Self::Answer { code, message } => write!(f, "{code}: {}", message.trim_end_matches('.')),
        }
    }
}

/// Returns the innermost cause of an error of the SDK. Its own texts say only "dispatch failure" or "service error".
pub(crate) fn cause(error: &(dyn Error + 'static)) -> Cause {
    let mut at = error;
    loop {
        if let Some(error) = at.downcast_ref::<io::Error>()
            && error.get_ref().is_none()
        {
            return Cause::Connection(reason(error));
        }
        if let Some(answer) = at.downcast_ref::<ErrorMetadata>() {
            return Cause::Answer {
                code: answer.code().unwrap_or("an error without a code").to_owned(),
                message: answer.message().unwrap_or_default().to_owned(),
            };
        }
        match at.source() {
            Some(source) => at = source,
            None => break,
        }
    }
    let text = at.to_string();
    if text.contains("credential") {
        // The SDK's text has a line for each place where it looked.
        return Cause::Other("no AWS credentials were found for it".to_owned());
    }
    let text = text.lines().next().unwrap_or_default();
    let text = text.trim_end_matches('.').to_owned();
    if ["timed out", "timeout", "dns", "lookup"]
        .iter()
        .any(|word| text.contains(word))
    {
        Cause::Connection(text)
    } else {
        Cause::Other(text)
    }
}

/// The warning of a server that other machines can reach.
#[must_use]
pub fn warning_of(host: IpAddr) -> Option<String> {
    (!host.to_canonical().is_loopback()).then(|| {
        format!(
            "warning: --host {host} lets other machines reach the API, over HTTP without encryption. Without --host, only \
             this machine reaches it."
        )
    })
}

#[cfg(test)]
mod tests;
