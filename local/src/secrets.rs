//! The signing key on one machine: made on the first start, and kept in a file that only its owner can read.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use shared::auth::{AuthSecrets, SecretTexts, secrets::SecretsError};

/// The file's name within the data directory.
const FILE: &str = "secrets.json";

/// Reads the secrets of a data directory, making them on the first start.
///
/// # Errors
/// When the file can't be read or written, or isn't what this program writes.
pub fn load_or_create(data: &Path) -> io::Result<AuthSecrets> {
    create_private_dir(data)?;
    let path = data.join(FILE);
    match fs::read_to_string(&path) {
        Ok(json) => derive(&json).map_err(|error| {
            let text = format!("{}: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, text)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let texts = SecretTexts::generate().map_err(io::Error::other)?;
            write_private(&path, &texts.to_json())?;
            AuthSecrets::derive(&texts).map_err(io::Error::other)
        }
        Err(error) => Err(error),
    }
}

fn derive(json: &str) -> Result<AuthSecrets, SecretsError> {
    AuthSecrets::derive(&SecretTexts::from_json(json)?)
}

/// Makes the data directory, which only its owner can look into: the table beside the keys holds emails and password
/// hashes. One that exists is left as it is.
fn create_private_dir(data: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data)
}

/// Writes a new file that only its owner can read, whole or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    // One that an earlier start left behind may have another mode.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(unfinished, path)
}
