//! Where an export is written.

use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Write},
    path::PathBuf,
};

/// How many bytes are collected for one write.
const BUFFER: usize = 256 * 1024;

/// Where an export is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// A target that is open. A regular file gets its name when it is complete. Until then it is beside that name, as
/// `FILE.partial.PROCESS`, which dropping this removes.
pub struct Output {
    writer: Option<BufWriter<Box<dyn Write + Send>>>,
    partial: Option<Partial>,
}

struct Partial {
    file: File,
    path: PathBuf,
    complete: PathBuf,
}

impl Target {
    /// Whether this is standard output, a pipe or a device: nothing is there to remove if the export is stopped, and writing
    /// may wait for a reader.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        match self {
            Self::Stdout => true,
            Self::File(path) => fs::metadata(path).is_ok_and(|found| !found.is_file()),
        }
    }

    /// Opens the target for writing. A file that exists is kept until the new one is complete.
    ///
    /// # Errors
    /// Returns an error if the file can't be created, or if there is a directory with its name.
    pub fn open(&self) -> io::Result<Output> {
        let path = match self {
            Self::Stdout => return Ok(Output::of(io::stdout(), None)),
            // A link stays one, and what it names is replaced.
            Self::File(path) => fs::canonicalize(path).unwrap_or_else(|_| path.clone()),
        };
        let found = match fs::metadata(&path) {
            Ok(found) if found.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            // A pipe or a device isn't replaced.
            Ok(found) if !found.is_file() => {
                return Ok(Output::of(File::options().write(true).open(&path)?, None));
            }
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".partial.{}", std::process::id()));
        let partial = path.with_file_name(name);
        // An earlier process with the same id may have left one behind.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::options().write(true).create_new(true).open(&partial)?;
        let partial = Partial {
            file: file.try_clone()?,
            path: partial,
            complete: path,
        };
        let output = Output::of(file, Some(partial));
        if let (Some(found), Some(partial)) = (found, &output.partial) {
            partial.file.set_permissions(found.permissions())?;
        }
        Ok(output)
    }
}

impl Output {
    fn of(out: impl Write + Send + 'static, partial: Option<Partial>) -> Self {
        Self {
            writer: Some(BufWriter::with_capacity(BUFFER, Box::new(out))),
            partial,
        }
    }

    /// Writes what is collected, and gives a file its name once it is on the disk.
    ///
    /// # Errors
    /// Returns an error if the file can't be written. A file with its name is then as it was.
    pub fn complete(mut self) -> io::Result<()> {
        self.flush()?;
        if let Some(partial) = &self.partial {
            partial.file.sync_all()?;
            fs::rename(&partial.path, &partial.complete)?;
        }
        self.partial = None;
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.as_mut().map_or(Ok(0), |writer| writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Without writing what is collected: after an error it would fail again.
            drop(writer.into_parts());
        }
        if let Some(partial) = &self.partial {
            // Its name says what it is if it can't be removed.
            let _ = fs::remove_file(&partial.path);
        }
    }
}
