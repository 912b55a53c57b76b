//! The file of rejected rows, beside the file that is imported.
//!
//! It is CSV with the rejected rows as they were, and in front of each its line and what is wrong with it. Corrected, it can
//! be imported itself: the two columns in front are no fields of a movie.
//!
//! A row is in it before the import's job counts the row as done. An import that continues keeps the rows that were done,
//! and rejects the others anew.
//!
//! An earlier file may have corrections that its owner hasn't imported. So it is renamed, to `FILE.rejected.1.csv` or with the
//! next number that is free. If the new file turns out to have all that an earlier one has, the earlier one is deleted.

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
    /// The file that is imported. `None` for a source that is no file.
    source: Option<PathBuf>,
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
        let mut this = Self::new(file, format);
        this.earlier_file = this.path.as_deref().map(set_aside).transpose()?.flatten();
        Ok(this)
    }

    /// The file of rejected rows of an import that continues. Its rows of lines before `line` are kept. If it has others, it is
    /// copied, because its owner may have corrected them.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, copied or written.
    pub(super) fn resume(file: Option<&Path>, format: &Format, line: u64) -> io::Result<Self> {
        let mut this = Self::new(file, format);
        let Some(path) = this.path.as_deref().filter(|path| path.is_file()) else {
            return Ok(this);
        };
        let earlier = free_path(path);
        fs::copy(path, &earlier).map_err(|e| with_path(&earlier, &e))?;
        let unread = |error: csv::Error| with_path(&earlier, &io_error(error));
        let failed = |error: csv::Error| with_path(path, &io_error(error));
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_path(&earlier)
            .map_err(unread)?;
        // The file is replaced as a whole, so that no row is lost if the import is killed meanwhile.
        let replacement = path.with_extension("new");
        let mut writer = writer(create(&replacement, file)?);
        writer.write_record(this.whole_header()).map_err(failed)?;
        let mut last = 0;
        for record in reader.byte_records() {
            let record = record.map_err(unread)?;
            let own = record
                .get(0)
                .and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
            // A row that was not written to its end may have lost digits of its line.
            if let Some(own) = own.filter(|own| (last + 1..line).contains(own)) {
                writer.write_byte_record(&record).map_err(failed)?;
                last = own;
            }
        }
        writer.flush().map_err(|e| with_path(path, &e))?;
        fs::rename(&replacement, path).map_err(|e| with_path(path, &e))?;
        this.writer = Some(writer);
        this.earlier_file = Some(earlier);
        Ok(this)
    }

    /// Deletes each earlier file of which this one has all, also those of imports that were killed. If the one that this
    /// import has set aside is kept, returns where it is.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, written or deleted.
    pub(super) fn finish(&mut self) -> io::Result<Option<PathBuf>> {
        self.flush()?;
        if let Some(path) = self.path() {
            for earlier in numbered(path).take_while(|earlier| earlier.is_file()) {
                if begins_with(path, &earlier)? {
                    fs::remove_file(&earlier).map_err(|e| with_path(&earlier, &e))?;
                }
            }
        }
        Ok(self.earlier_file.take().filter(|earlier| earlier.is_file()))
    }

    fn new(file: Option<&Path>, format: &Format) -> Self {
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
            source: file.map(Path::to_owned),
            path: file.map(path_of),
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
            let mut created = writer(create(path, self.source.as_deref())?);
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

/// Renames a file, if it exists, to one that doesn't, and returns its new path. What is no file, such as a directory, stays.
fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    if !path.is_file() {
        return Ok(None);
    }
    let aside = free_path(path);
    fs::rename(path, &aside).map_err(|e| with_path(path, &e))?;
    Ok(Some(aside))
}

/// The paths of earlier files of rejected rows: `FILE.rejected.1.csv` and so on.
fn numbered(path: &Path) -> impl Iterator<Item = PathBuf> {
    (1_u64..).map(|n| path.with_extension(format!("{n}.csv")))
}

/// The first of these paths at which nothing is.
fn free_path(path: &Path) -> PathBuf {
    let mut free = numbered(path).skip_while(|path| path.symlink_metadata().is_ok());
    free.next().unwrap_or_default()
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

/// Creates the file for rejected rows of `source`, or empties it. Others can read a new file only if everyone can read `source`: its
/// group may be another one than that of `source`.
fn create(path: &Path, source: Option<&Path>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        const EVERYONE_READS: u32 = 0o444;
        if let Some(found) = source.and_then(|source| fs::metadata(source).ok()) {
            let is_public = found.permissions().mode() & EVERYONE_READS == EVERYONE_READS;
            options.mode(if is_public { 0o644 } else { 0o600 });
        }
    }
    #[cfg(not(unix))]
    let _ = source;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Rejects the rows of these lines, and is killed then.
    fn reject(mut rejected: Rejected, lines: &[u64]) -> Rejected {
        for line in lines {
            let cells = StringRecord::from(vec!["a \"b\"\nc"]);
            rejected.add(*line, "because", &cells).unwrap();
        }
        rejected.flush().unwrap();
        rejected
    }

    #[test]
    fn an_import_that_is_killed_again_and_again_leaves_one_file_with_each_row_once() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("movies.csv");
        let source = Some(source.as_path());
        let format = Format::JsonLines;
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let names = || {
            let entries = fs::read_dir(directory.path()).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let mut alone = reject(Rejected::begin(source, &format).unwrap(), &[104, 108, 110, 120]);
        assert_eq!(alone.finish().unwrap(), None);
        let whole = read("movies.csv.rejected.csv");
        fs::remove_file(directory.path().join("movies.csv.rejected.csv")).unwrap();

        drop(reject(
            Rejected::begin(source, &format).unwrap(),
            &[104, 108, 110],
        ));
        drop(reject(Rejected::resume(source, &format, 105).unwrap(), &[108]));
        // Of the row of line 110, the first digits were written.
        let torn = format!("{}11", read("movies.csv.rejected.csv"));
        fs::write(directory.path().join("movies.csv.rejected.csv"), torn).unwrap();
        drop(Rejected::resume(source, &format, 109).unwrap());
        let mut last = reject(Rejected::resume(source, &format, 110).unwrap(), &[110, 120]);
        assert_eq!(names().len(), 4);
        assert_eq!(last.finish().unwrap(), None);
        assert_eq!(read("movies.csv.rejected.csv"), whole);
        assert_eq!(names(), ["movies.csv.rejected.csv".to_owned()].into());
    }

    #[test]
    fn corrections_of_rows_that_are_rejected_anew_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("movies.csv");
        let format = Format::JsonLines;
        drop(reject(Rejected::begin(Some(&source), &format).unwrap(), &[4, 8]));
        let path = path_of(&source);
        let corrected = fs::read_to_string(&path).unwrap().replace('a', "A");
        fs::write(&path, &corrected).unwrap();
        let mut resumed = reject(Rejected::resume(Some(&source), &format, 5).unwrap(), &[8]);
        let kept = resumed.finish().unwrap().unwrap();
        assert_eq!(kept, path.with_extension("1.csv"));
        assert_eq!(fs::read_to_string(kept).unwrap(), corrected);
    }
}
