//! The CSV file that movies come from.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use marquee_shared::digest::hex;
use ring::digest;

/// The demonstration catalog, `data/movies.csv` of the repository.
pub(super) const DEMONSTRATION: &[u8] = include_bytes!("../../../data/movies.csv");

/// Where movies come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The 16,975 real movies that are compiled into the program.
    Demonstration,
    /// A CSV file.
    File(PathBuf),
}

/// What is known of a file before its import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Survey {
    /// The file's SHA-256 in hexadecimal. It identifies the file's import, whatever the file's name is.
    pub(super) hash: String,
    /// How many rows the file has, without the header.
    pub(super) rows: u64,
}

impl Source {
    /// Opens the file at its beginning. An error names the file.
    pub(super) fn open(&self) -> io::Result<Box<dyn Read>> {
        match self {
            Self::Demonstration => Ok(Box::new(DEMONSTRATION)),
            Self::File(path) => {
                let with_path = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
                Ok(Box::new(io::BufReader::new(File::open(path).map_err(with_path)?)))
            }
        }
    }

    /// Reads the whole file once.
    pub(super) fn survey(&self) -> io::Result<Survey> {
        struct Hashing<'a>(Box<dyn Read>, &'a mut digest::Context);
        impl Read for Hashing<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.read(buffer)?;
                self.1.update(&buffer[..count]);
                Ok(count)
            }
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut reader = csv_reader(Hashing(self.open()?, &mut hash));
        let mut row = csv::ByteRecord::new();
        let mut rows = 0;
        while reader.read_byte_record(&mut row)? {
            rows += 1;
        }
        drop(reader);
        Ok(Survey {
            hash: hex(hash.finish().as_ref()),
            rows,
        })
    }
}

/// Reads CSV with a header. A row with too few or too many fields is returned as it is, so that it can be reported as a
/// bad row; it doesn't end the file.
pub(super) fn csv_reader<R: Read>(source: R) -> csv::Reader<R> {
    csv::ReaderBuilder::new().flexible(true).from_reader(source)
}
