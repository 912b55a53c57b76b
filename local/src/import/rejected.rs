//! The file of rejected rows, beside the file that is imported.
//!
//! It is CSV with the rejected rows as they were, and in front of each its line and what is wrong with it. Corrected, it can
//! be imported itself: the two columns in front are no fields of a movie.
//!
//! A row is in it before the import's job counts the row as done. An import that continues keeps the rows that were done,
//! and rejects the others anew.
//!
//! An earlier file may have corrections that its owner hasn't imported. So it is renamed, to `FILE.rejected.1.csv` or with the
//! next number that is free. If the new file turns out to have all that the earlier one has, the earlier one is deleted.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, BufWriter},
    path::{Path, PathBuf},
};

use csv::StringRecord;

use super::{columns::Field, rows::Format};
use crate::start_error::reason;

/// The columns in front.
const OWN: [&str; 2] = ["rejected_line", "rejected_because"];

/// The file of rejected rows.
pub(super) struct Rejected {
    /// `None` for a source that is no file.
    path: Option<PathBuf>,
    header: Vec<String>,
    /// How many columns in front of a row are those of an earlier file of rejected rows.
    earlier: usize,
    /// Where the file of rejected rows of an earlier import is now.
    earlier_file: Option<PathBuf>,
    writer: Option<csv::Writer<BufWriter<File>>>,
}

/// The path of the file of rejected rows of this file.
pub(super) fn path_of(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".rejected.csv");
    path.into()
}

impl Rejected {
    /// The file of rejected rows of this file, which is written as soon as a row is rejected. An earlier one is set aside.
    ///
    /// # Errors
    /// Returns an error if an earlier one cannot be renamed.
    pub(super) fn begin(file: Option<&Path>, format: &Format) -> io::Result<Self> {
        let mut this = Self::new(file.map(path_of), format);
        this.earlier_file = this.path.as_deref().map(set_aside).transpose()?.flatten();
        Ok(this)
    }

    /// The file of rejected rows of an import that continues. Of an earlier one, which is set aside, the rows of lines before
    /// `line` are kept.
    ///
    /// # Errors
    /// Returns an error if an earlier one cannot be renamed or read, or the new one cannot be written.
    pub(super) fn resume(file: Option<&Path>, format: &Format, line: u64) -> io::Result<Self> {
        let mut this = Self::begin(file, format)?;
        let (Some(path), Some(earlier)) = (&this.path, &this.earlier_file) else {
            return Ok(this);
        };
        let unread = |error: csv::Error| with_path(earlier, &io_error(error));
        let failed = |error: csv::Error| with_path(path, &io_error(error));
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_path(earlier)
            .map_err(unread)?;
        let mut writer = writer(create(path)?);
        writer.write_record(this.whole_header()).map_err(failed)?;
        for record in reader.byte_records() {
            let record = record.map_err(unread)?;
            let own = record
                .get(0)
                .and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
            if own.is_some_and(|own| own < line) {
                writer.write_byte_record(&record).map_err(failed)?;
            }
        }
        writer.flush().map_err(|e| with_path(path, &e))?;
        this.writer = Some(writer);
        Ok(this)
    }

    /// Deletes the earlier file if this one has all of it. Otherwise returns where it is.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, written or deleted.
    pub(super) fn finish(&mut self) -> io::Result<Option<PathBuf>> {
        self.flush()?;
        let Some(earlier) = self.earlier_file.take() else {
            return Ok(None);
        };
        let is_kept = match self.path() {
            Some(path) => !begins_with(path, &earlier)?,
            None => true,
        };
        if is_kept {
            return Ok(Some(earlier));
        }
        fs::remove_file(&earlier).map_err(|e| with_path(&earlier, &e))?;
        Ok(None)
    }

    fn new(path: Option<PathBuf>, format: &Format) -> Self {
        let mut header = match format {
            Format::Csv { header, .. } => header.clone(),
            Format::JsonLines => Field::ALL.iter().map(|field| field.name().to_owned()).collect(),
        };
        let earlier = if header.starts_with(&OWN.map(str::to_owned)) {
            OWN.len()
        } else {
            0
        };
        header.drain(..earlier);
        Self {
            path,
            header,
            earlier,
            earlier_file: None,
            writer: None,
        }
    }

    /// The path of the file, if it was written.
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref().filter(|_| self.writer.is_some())
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(super) fn add(&mut self, line: u64, because: &str, cells: &StringRecord) -> io::Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let failed = |error: csv::Error| with_path(path, &io_error(error));
        if self.writer.is_none() {
            let mut created = writer(create(path)?);
            created.write_record(self.whole_header()).map_err(failed)?;
            self.writer = Some(created);
        }
        let line = line.to_string();
        let row = [line.as_str(), because]
            .into_iter()
            .chain(cells.iter().skip(self.earlier));
        match &mut self.writer {
            Some(writer) => writer.write_record(row).map_err(failed),
            None => Ok(()),
        }
    }

    /// Writes all rows that were added.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match (&mut self.writer, &self.path) {
            (Some(writer), Some(path)) => writer.flush().map_err(|e| with_path(path, &e)),
            _ => Ok(()),
        }
    }

    fn whole_header(&self) -> impl Iterator<Item = &str> {
        OWN.into_iter().chain(self.header.iter().map(String::as_str))
    }
}

/// The error of the system in an error of a CSV reader or writer.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        // A byte record of any number of fields has no other fault.
        _ => io::ErrorKind::InvalidData.into(),
    }
}

/// Renames a file, if it exists, to one that doesn't, and returns its new path.
fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut paths = (1_u32..).map(|n| path.with_extension(format!("{n}.csv")));
    let Some(aside) = paths.find(|path| !path.exists()) else {
        return Ok(None);
    };
    fs::rename(path, &aside).map_err(|e| with_path(path, &e))?;
    Ok(Some(aside))
}

/// Whether a file begins with all that another one has.
fn begins_with(path: &Path, beginning: &Path) -> io::Result<bool> {
    let open = |path: &Path| {
        let file = File::open(path).map_err(|e| with_path(path, &e))?;
        Ok::<_, io::Error>(BufReader::new(file))
    };
    let (mut whole, mut beginning) = (open(path)?, open(beginning)?);
    loop {
        let (text, expected) = (whole.fill_buf()?, beginning.fill_buf()?);
        let count = text.len().min(expected.len());
        if count == 0 {
            return Ok(expected.is_empty());
        }
        if text.get(..count) != expected.get(..count) {
            return Ok(false);
        }
        whole.consume(count);
        beginning.consume(count);
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    options.open(path).map_err(|e| with_path(path, &e))
}

fn writer(file: File) -> csv::Writer<BufWriter<File>> {
    csv::WriterBuilder::new()
        .flexible(true)
        .from_writer(BufWriter::new(file))
}

fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {}", path.display(), reason(error)))
}
