//! Random bytes.

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::error::{Error, Result};

/// Returns bytes from the system's random source.
///
/// # Errors
/// [`Error::Internal`] if the system has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::internal("the system has no randomness"))?;
    Ok(bytes)
}
