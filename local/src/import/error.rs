//! Why an import stopped.

use std::{fmt, io};

/// Why an import stopped. What it had committed stays, and the next run continues there.
#[derive(Debug)]
pub enum ImportError {
    /// The file cannot be read, is in a format that isn't known, or lacks a column.
    File(String),
    /// The table could not be reached, before anything was imported. The text is the log's.
    Unreachable(String),
    /// The table could not be read or written. The text is the log's.
    Table(String),
    /// Another import of the file was faster, the file was changed, or a rule of the table would be broken.
    Stopped(String),
}

impl ImportError {
    /// The error if the job isn't as this import has left it.
    pub(super) fn taken_over() -> Self {
        Self::Stopped(
            "another import of the same file is running, or `marquee audit` has ended this one".into(),
        )
    }

    /// The error of the first call to the table.
    pub(super) fn unreachable(error: &marquee_shared::Error) -> Self {
        Self::Unreachable(error.log_message())
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(text) => write!(f, "import: {text}"),
            Self::Unreachable(text) => write!(f, "import: the table: {text}"),
            Self::Table(text) => write!(
                f,
                "import: the table: {text}; run the import again to continue it"
            ),
            Self::Stopped(text) => write!(f, "import: {text}; run the import again to continue it"),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<marquee_shared::Error> for ImportError {
    fn from(error: marquee_shared::Error) -> Self {
        Self::Table(error.log_message())
    }
}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        Self::File(error.to_string())
    }
}
