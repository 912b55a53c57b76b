//! SHA-256 digests and hexadecimal.

use ring::digest::{SHA256, digest};

/// Returns `bytes` in lowercase hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let halves = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    halves
        .filter_map(|half| char::from_digit(half.into(), 16))
        .collect()
}

/// Returns the bytes that [`hex`] writes as this text. `None` for any text that it doesn't write.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(is_digit) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Returns the SHA-256 digest of `bytes` in lowercase hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// Returns the SHA-256 digest of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

/// Returns the first 128 bits of the SHA-256 digest of `bytes` in lowercase hexadecimal. Nobody can find two texts with the
/// same one in fewer than about 2⁶⁴ attempts.
pub(crate) fn short_sha256_hex(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    hex(digest.as_ref().get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_as_everybody_writes_it() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), empty);
        assert_eq!(short_sha256_hex(b""), empty[..32]);
        assert_eq!(hex(&[0, 1, 0x9a, 0xff]), "00019aff");
    }
}
