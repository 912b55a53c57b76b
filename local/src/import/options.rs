//! What an operator says about a file.

use std::path::PathBuf;

use super::{columns::Field, dates::DateOrder};

/// What an operator says about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The order of day and month in numeric dates whose year is last.
    pub dates: Option<DateOrder>,
    /// The columns that hold fields under names of their own.
    pub columns: Vec<(Field, String)>,
    /// The directory with the images of uploaded covers. A movie whose cover is the URL of one of them gets a copy of it, if the
    /// importer stores images.
    pub images: Option<PathBuf>,
}

impl Options {
    /// The options as text: different for options that read a file in different ways, and empty without options. The images are
    /// left out: an import that continues may find them elsewhere.
    pub(super) fn fingerprint(&self) -> String {
        let mut text = String::new();
        if let Some(order) = self.dates {
            text += &format!("dates={order:?}\n");
        }
        for (field, name) in &self.columns {
            text += &format!("{field}={name}\n");
        }
        text
    }
}
