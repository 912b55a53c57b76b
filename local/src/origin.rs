//! The origin at which clients reach the API of a data directory: `PUBLIC_URL`, or the address at which the server listens. The server
//! notes it in a file, so that an export writes the URLs of uploaded covers as the API shows them.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use url::Url;

use crate::private::{self, PrivateError};

/// The name of the file in a data directory.
const ORIGIN: &str = "origin";

/// Notes the origin. A reader finds the one before or this one.
///
/// # Errors
/// Returns an error if the file can't be written.
pub(crate) fn note(data: &Path, origin: &str) -> Result<(), PrivateError> {
    let (file, new) = (path(data), data.join(format!("{ORIGIN}.new")));
    let failed = |error| PrivateError::io(&file, error);
    match fs::remove_file(&new) {
        // An earlier start that was killed may have left it.
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    if noted(data).as_deref() == Some(origin) {
        return Ok(());
    }
    private::write_new(&new, format!("{origin}\n"))?;
    fs::rename(&new, &file).map_err(failed)
}

/// Returns the origin of the last server of this directory. `None` if there was none.
pub(crate) fn noted(data: &Path) -> Option<String> {
    let text = fs::read_to_string(path(data)).ok()?;
    let origin = text.trim();
    let is_one =
        Url::parse(origin).is_ok_and(|url| url.has_host() && url.origin().ascii_serialization() == origin);
    is_one.then(|| origin.to_owned())
}

fn path(data: &Path) -> PathBuf {
    data.join(ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee 85.
    #[test]
    fn the_last_origin_is_read_back_and_nothing_else_is_one() {
        let data = tempfile::tempdir().unwrap();
        assert_eq!(noted(data.path()), None);
        for origin in [
            "http://127.0.0.1:4000",
            "https://movies.example",
            "http://[::1]:3000",
        ] {
            note(data.path(), origin).unwrap();
            note(data.path(), origin).unwrap();
            assert_eq!(noted(data.path()).as_deref(), Some(origin));
        }
        for other in [
            "",
            "x",
            "http://a/b",
            "https://",
            "http://127.0.0.1:4000\nhttp://a",
        ] {
            fs::write(path(data.path()), other).unwrap();
            assert_eq!(noted(data.path()), None, "{other}");
        }
    }
}
