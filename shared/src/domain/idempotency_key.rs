//! The key under which a client may repeat a request.

use crate::digest::sha256_hex;

/// The most characters of a key.
pub const MAX_KEY_CHARS: usize = 255;

/// An idempotency key: 1 to 255 visible ASCII characters. Only its digest is kept, because a client may write anything into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    digest: String,
}

impl IdempotencyKey {
    /// Parses a key. White space is not allowed, also not at the ends.
    ///
    /// # Errors
    /// The message for the client.
    pub fn parse(key: &[u8]) -> Result<Self, &'static str> {
        if (1..=MAX_KEY_CHARS).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic) {
            Ok(Self {
                digest: sha256_hex(key),
            })
        } else {
            Err("Idempotency-Key must be 1 to 255 visible ASCII characters.")
        }
    }

    /// Returns the SHA-256 digest of the key, in hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_1_to_255_visible_ascii_characters() {
        let all: Vec<u8> = (b'!'..=b'~').collect();
        let longest = [b'k'; 255];
        for good in [b"k", &all[..], &longest[..]] {
            assert!(IdempotencyKey::parse(good).is_ok(), "{good:?}");
        }
        let too_long = [b'k'; 256];
        for bad in [
            b"".as_slice(),
            &too_long,
            b" ",
            b"a b",
            b" a",
            b"a\t",
            b"a\x7f",
            "é".as_bytes(),
            b"\xe9",
            b"\x00",
        ] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn keys_that_differ_in_case_only_are_two_keys_and_neither_is_shown() {
        let [lower, upper] = [b"secret", b"SECRET"].map(|key| IdempotencyKey::parse(key).unwrap());
        assert_ne!(lower, upper);
        assert_eq!(lower.digest().len(), 64);
        assert!(!format!("{lower:?}").contains("secret"));
    }
}
