//! The file of rejected rows, beside the file that is imported.
//!
//! It is CSV with the rejected rows as they were, and in front of each its line and what is wrong with it. Corrected, it can
//! be imported itself: the two columns in front are no fields of a movie.
//!
//! A row is in it before the import's job counts the row as done. An import that continues keeps the rows that were done,
//! and rejects the others anew.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use csv::StringRecord;

use super::{columns::Field, rows::Format};

/// The columns in front.
const OWN: [&str; 2] = ["rejected_line", "rejected_because"];

/// The file of rejected rows.
pub(super) struct Rejected {
    /// `None` for a source that is no file.
    path: Option<PathBuf>,
    header: Vec<String>,
    /// How many columns in front of a row are those of an earlier file of rejected rows.
    earlier: usize,
    writer: Option<csv::Writer<BufWriter<File>>>,
}

/// The path of the file of rejected rows of this file.
pub(super) fn path_of(file: &Path) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(".rejected.csv");
    path.into()
}

impl Rejected {
    /// The file of rejected rows of this file, which is written as soon as a row is rejected. An earlier one is deleted.
    ///
    /// # Errors
    /// Returns an error if an earlier one cannot be deleted.
    pub(super) fn begin(file: Option<&Path>, format: &Format) -> io::Result<Self> {
        let path = file.map(path_of);
        if let Some(path) = &path {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(with_path(path, &error)),
                _ => {}
            }
        }
        Ok(Self::new(path, format))
    }

    /// The file of rejected rows of an import that continues. Of an earlier one, the rows of lines before `line` are kept.
    ///
    /// # Errors
    /// Returns an error if an earlier one cannot be read or written.
    pub(super) fn resume(file: Option<&Path>, format: &Format, line: u64) -> io::Result<Self> {
        let mut this = Self::new(file.map(path_of), format);
        let Some(path) = this.path.clone().filter(|path| path.exists()) else {
            return Ok(this);
        };
        let kept = path.with_extension("csv.tmp");
        let failed = |error: csv::Error| with_path(&path, &io::Error::from(error));
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_path(&path)
            .map_err(failed)?;
        let mut writer = writer(create(&kept)?);
        writer.write_record(this.whole_header()).map_err(failed)?;
        for record in reader.byte_records() {
            let record = record.map_err(failed)?;
            let own = record
                .get(0)
                .and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
            if own.is_some_and(|own| own < line) {
                writer.write_byte_record(&record).map_err(failed)?;
            }
        }
        writer.flush().map_err(|e| with_path(&kept, &e))?;
        drop(reader);
        fs::rename(&kept, &path).map_err(|e| with_path(&path, &e))?;
        this.writer = Some(writer);
        Ok(this)
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
        let failed = |error: csv::Error| with_path(path, &io::Error::from(error));
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
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
