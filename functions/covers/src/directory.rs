//! Covers as files of a directory, on one machine.

use std::{
    fmt,
    fs::{DirBuilder, File},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use marquee_shared::{Error, Result};
use object_store::{ObjectStore, local::LocalFileSystem};

use crate::objects::{failed, put};

/// Longer than a file is being written.
const WRITTEN_WITHIN: Duration = Duration::from_secs(600);

/// A directory, which the first cover creates.
#[derive(Clone)]
pub(crate) struct Directory(pub(crate) PathBuf);

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.display())
    }
}

impl Directory {
    /// Returns the store of its files. `None` if the directory doesn't exist, so that nothing is in it.
    pub(crate) fn store(&self) -> Result<Option<Arc<dyn ObjectStore>>> {
        match LocalFileSystem::new_with_prefix(&self.0) {
            Ok(files) => Ok(Some(Arc::new(files))),
            Err(_) if !self.0.exists() => Ok(None),
            Err(error) => Err(failed("open", &error)),
        }
    }

    /// Stores an object as a file that only the owner of the process can read. Returns once it is on the disk.
    pub(crate) async fn put(&self, name: &str, object: Bytes) -> Result<()> {
        let kept = |error: std::io::Error| {
            Error::unavailable(format!("a cover's file can't be kept: {}", error.kind()))
        };
        create(&self.0).map_err(kept)?;
        let store = self
            .store()?
            .ok_or_else(|| Error::unavailable("the directory of covers is gone"))?;
        put(store.as_ref(), name, object).await?;
        let (file, directory) = (self.0.join(name), self.0.clone());
        let keeping = tokio::task::spawn_blocking(move || keep(&file, &directory)).await;
        let keeping = keeping.map_err(|_| Error::internal("storing a cover caused a panic"))?;
        keeping.map_err(kept)
    }

    /// Deletes the files that a process which was killed has left half written: `object_store` writes `NAME#1`, and then renames
    /// it.
    pub(crate) async fn delete_leftovers(&self) -> Result<()> {
        let directory = self.0.clone();
        let deleting = tokio::task::spawn_blocking(move || delete_leftovers(&directory)).await;
        let deleting = deleting.map_err(|_| Error::internal("deleting leftovers caused a panic"))?;
        deleting.map_err(|error| {
            Error::unavailable(format!("the directory of covers can't be read: {}", error.kind()))
        })
    }
}

/// Deletes the half written files of a directory that nobody can be writing any more.
fn delete_leftovers(directory: &Path) -> std::io::Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
        if entry.file_name().to_string_lossy().contains('#') && age > WRITTEN_WITHIN {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Creates a directory that only the owner of the process can read.
fn create(directory: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Lets only the owner read a file, and returns once it and its name are on the disk.
fn keep(file: &Path, directory: &Path) -> std::io::Result<()> {
    let file = File::open(file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        File::open(directory)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = directory;
    file.sync_all()
}
