//! Ids of sessions.

use serde::{Deserialize, Serialize};

use crate::digest::{from_hex, hex};

/// The length of a session's id in bytes.
pub const BYTES: usize = 16;

/// A session's id: 128 random bits, written as 32 hexadecimal digits in lower case. It is no secret: nobody can do anything
/// with it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId([u8; BYTES]);

impl SessionId {
    /// Returns the id with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// Parses an id. Returns `None` for any text that no id is written as.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }

    /// Returns the bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for SessionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a session's id")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_no_other_text_is_one() {
        let id = SessionId::new([0, 1, 0xab, 0xff, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(id.to_string(), "0001abff0405060708090a0b0c0d0e0f");
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        for bad in [
            "",
            "0001abff0405060708090a0b0c0d0e0",
            "0001abff0405060708090a0b0c0d0e0f0",
            "0001ABFF0405060708090a0b0c0d0e0f",
            "+001abff0405060708090a0b0c0d0e0f",
            "0001abff0405060708090a0b0c0d0eé",
        ] {
            assert_eq!(SessionId::parse(bad), None, "{bad}");
        }
    }
}
