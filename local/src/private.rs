//! Directories and files that only their owner can read, because they contain emails, password hashes and signing keys.
//! Everything below the data directory is created here.
//!
//! Directories have the mode `0700` and files `0600`, whatever the umask. The mode of an existing directory or file is
//! restricted to that. A path that can't be kept private is refused. Other systems than Unix have no such modes; files are
//! created there with the system's defaults.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

/// The name of the table's file in a data directory.
pub const TABLE: &str = "table.sqlite";
/// The name of the secrets' file in a data directory.
pub const SECRETS: &str = "secrets.json";
/// The name of the directory of uploaded covers in a data directory.
pub const COVERS: &str = "covers";
/// The name of the directory of mails in a data directory.
pub const MAIL: &str = "mail";

/// Why a path can't be kept private. [`start_error`](crate::start_error) has its text.
#[derive(Debug)]
pub struct PrivateError {
    pub(crate) path: PathBuf,
    pub(crate) reason: Reason,
}

#[derive(Debug)]
pub(crate) enum Reason {
    Io(io::Error),
    /// It exists and isn't a directory.
    NoDirectory,
    /// It exists and isn't a regular file.
    NoFile,
    /// It belongs to the user with this id.
    Foreign(u32),
    /// Other users can read it, and restricting it could deny them their own files.
    Shared,
    /// Its mode can't be changed, as on file systems without modes.
    Wide,
}

impl std::error::Error for PrivateError {}

impl PrivateError {
    /// The error for a path that can't be read or written.
    pub(crate) fn io(path: &Path, error: io::Error) -> Self {
        Reason::Io(error).at(path)
    }
}

impl Reason {
    fn at(self, path: &Path) -> PrivateError {
        PrivateError {
            path: path.to_owned(),
            reason: self,
        }
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Creates a private directory and its missing parents. Restricts the mode of an existing directory.
///
/// # Errors
/// Returns an error if the directory belongs to another user, can't be created or restricted, or has other content.
pub fn directory(path: &Path) -> Result<(), PrivateError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(Reason::NoDirectory.at(path)),
        Err(error) => return Err(Reason::Io(error).at(path)),
        Ok(()) => {}
    }
    #[cfg(unix)]
    unix::restrict_directory(path).map_err(|reason| reason.at(path))?;
    Ok(())
}

/// Creates an empty private file. Restricts the mode of an existing file and keeps its content.
///
/// # Errors
/// Returns an error if the file belongs to another user, isn't a regular file, or can't be created or restricted.
pub fn file(path: &Path) -> Result<(), PrivateError> {
    match create_new(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => restrict_if_exists(path),
        Err(error) => Err(Reason::Io(error).at(path)),
    }
}

/// Restricts the mode of a file if the file exists.
///
/// # Errors
/// As [`file()`].
pub fn restrict_if_exists(path: &Path) -> Result<(), PrivateError> {
    #[cfg(unix)]
    match unix::restrict_file(path) {
        Err(Reason::Io(error)) if error.kind() == ErrorKind::NotFound => {}
        restricted => restricted.map_err(|reason| reason.at(path))?,
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Writes a new private file. Returns once the file is on the disk.
///
/// # Errors
/// Returns an error if the file exists or can't be written.
pub fn write_new(path: &Path, content: impl AsRef<[u8]>) -> Result<(), PrivateError> {
    let written = create_new(path).and_then(|mut file| {
        file.write_all(content.as_ref())?;
        file.sync_all()
    });
    written.map_err(|error| Reason::Io(error).at(path))
}

fn create_new(path: &Path) -> io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
mod unix {
    use std::{
        fs::{self, Metadata, Permissions},
        os::unix::fs::{MetadataExt as _, PermissionsExt as _},
        path::Path,
    };

    use super::{Reason, SECRETS, TABLE};

    /// The mode bits of all users but the owner.
    const OTHERS: u32 = 0o077;

    /// The sticky bit: users can't delete each other's files. A directory with it is shared on purpose, as `/tmp` is.
    const STICKY: u32 = 0o1000;

    pub(super) fn restrict_directory(path: &Path) -> Result<(), Reason> {
        let link = fs::symlink_metadata(path)?;
        // Links of the superuser belong to the system, for example /var -> /private/var.
        if link.is_symlink() && link.uid() != 0 {
            check_owner(&link)?;
        }
        let found = fs::metadata(path)?;
        if !found.is_dir() {
            return Err(Reason::NoDirectory);
        }
        check_owner(&found)?;
        if found.mode() & OTHERS == 0 {
            return Ok(());
        }
        if found.mode() & STICKY != 0 || has_other_directories(path)? {
            return Err(Reason::Shared);
        }
        restrict(path, &found, 0o700)
    }

    pub(super) fn restrict_file(path: &Path) -> Result<(), Reason> {
        // Doesn't follow a link: SQLite would create its journals beside the link's target.
        let found = fs::symlink_metadata(path)?;
        if !found.is_file() {
            return Err(Reason::NoFile);
        }
        check_owner(&found)?;
        if found.mode() & OTHERS == 0 {
            return Ok(());
        }
        restrict(path, &found, 0o600)
    }

    fn check_owner(found: &Metadata) -> Result<(), Reason> {
        if found.uid() == rustix::process::geteuid().as_raw() {
            Ok(())
        } else {
            Err(Reason::Foreign(found.uid()))
        }
    }

    /// Whether a directory has subdirectories and no file of this program. It may be a home directory or one of the system's,
    /// which a mistake in `--data` must not close to other users.
    fn has_other_directories(path: &Path) -> Result<bool, Reason> {
        let mut holds_directories = false;
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if [TABLE, SECRETS].iter().any(|name| entry.file_name() == *name) {
                return Ok(false);
            }
            holds_directories |= entry.file_type()?.is_dir();
        }
        Ok(holds_directories)
    }

    fn restrict(path: &Path, found: &Metadata, mode: u32) -> Result<(), Reason> {
        fs::set_permissions(path, Permissions::from_mode(found.mode() & mode))?;
        // Some file systems have no modes and report no error when one is set.
        if fs::metadata(path)?.mode() & OTHERS == 0 {
            Ok(())
        } else {
            Err(Reason::Wide)
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    };

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn widen(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// A directory that other users can read, inside one of this test's own.
    fn wide() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        fs::create_dir(&path).unwrap();
        widen(&path, 0o755);
        (root, path)
    }

    #[test]
    fn a_new_path_is_private_and_so_are_its_parents() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a").join("b");
        directory(&path).unwrap();
        file(&path.join("empty")).unwrap();
        write_new(&path.join("text"), "text").unwrap();
        assert!(write_new(&path.join("text"), "other").is_err());
        assert_eq!([mode(&root.path().join("a")), mode(&path)], [0o700; 2]);
        assert_eq!([mode(&path.join("empty")), mode(&path.join("text"))], [0o600; 2]);
        assert_eq!(fs::read_to_string(path.join("text")).unwrap(), "text");
    }

    #[test]
    fn an_existing_file_or_directory_is_restricted_and_keeps_its_content() {
        let (_root, path) = wide();
        let kept = path.join("kept");
        fs::write(&kept, "text").unwrap();
        widen(&kept, 0o666);
        directory(&path).unwrap();
        file(&kept).unwrap();
        assert_eq!([mode(&path), mode(&kept)], [0o700, 0o600]);
        assert_eq!(fs::read_to_string(&kept).unwrap(), "text");
        // A missing file isn't created.
        restrict_if_exists(&path.join("none")).unwrap();
        assert!(!path.join("none").exists());
    }

    #[test]
    fn a_directory_with_others_in_it_is_only_restricted_when_it_is_this_programs_own() {
        let (_root, path) = wide();
        fs::create_dir(path.join("documents")).unwrap();
        let error = directory(&path).unwrap_err().to_string();
        assert!(
            error.starts_with(path.to_str().unwrap()) && error.contains("--data"),
            "{error}"
        );
        assert_eq!(mode(&path), 0o755);
        fs::write(path.join(TABLE), "").unwrap();
        directory(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn a_directory_that_is_meant_to_be_shared_is_refused() {
        let (_root, path) = wide();
        widen(&path, 0o1777);
        let error = directory(&path).unwrap_err().to_string();
        assert!(error.contains("can be read by other users"), "{error}");
        assert_eq!(mode(&path), 0o1777);
    }

    #[test]
    fn links_are_followed_to_directories_and_not_to_files() {
        let (root, path) = wide();
        let link = root.path().join("link");
        symlink(&path, &link).unwrap();
        directory(&link).unwrap();
        assert_eq!(mode(&path), 0o700);

        fs::write(path.join("real"), "").unwrap();
        symlink(path.join("real"), path.join("file")).unwrap();
        assert!(
            file(&path.join("file"))
                .unwrap_err()
                .to_string()
                .contains("not a regular file")
        );
        symlink(path.join("nowhere"), path.join("dangling")).unwrap();
        assert!(file(&path.join("dangling")).is_err());
        assert!(directory(&path.join("dangling")).is_err());
        assert!(!path.join("nowhere").exists());
        assert!(
            directory(&path.join("real"))
                .unwrap_err()
                .to_string()
                .contains("not a directory")
        );
    }

    /// Only the superuser can change a file's owner. For other users the test does nothing.
    #[test]
    fn what_belongs_to_another_user_is_refused_and_left_as_it_is() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (_root, path) = wide();
        let table = path.join("table");
        fs::write(&table, "").unwrap();
        for path in [&table, &path] {
            std::os::unix::fs::chown(path, Some(12_345), None).unwrap();
        }
        for error in [directory(&path).unwrap_err(), file(&table).unwrap_err()] {
            let error = error.to_string();
            assert!(error.contains("12345") && error.contains("--data"), "{error}");
        }
        assert_eq!(mode(&path), 0o755);
    }
}
