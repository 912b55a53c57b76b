//! Who is calling: access and refresh tokens, the keys behind them, password hashing, and the [`Caller`] extractor.

pub mod caller;
pub mod crypto;
pub mod keys;
pub mod password;
pub mod refresh;
pub mod secrets;
pub mod token;

pub use caller::{Caller, MaybeCaller, RejectInvalidToken, SourceAddress};
pub use secrets::{AuthSecrets, PublicKey, SecretTexts};

use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
};

use crate::error::{Error, Result};

/// The error for an access token whose user isn't in the table.
pub const UNKNOWN_USER: Error = Error::Unauthenticated("The access token's user doesn't exist.");

/// Bytes from the system's random source.
///
/// # Errors
/// [`Error::Internal`] when the system has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Internal("no randomness".into()))?;
    Ok(bytes)
}

/// Bytes in lowercase hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of `bytes` in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_as_everybody_writes_it() {
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
