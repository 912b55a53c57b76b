//! The file that movies come from.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use marquee_shared::digest::hex;
use ring::digest;

use super::{error::ImportError, options::Options, rows::Rows};

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
