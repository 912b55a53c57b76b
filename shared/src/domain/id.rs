//! Ids: positive integers of at most 53 bits, which every JSON parser keeps exact (RFC 8259 §6).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The largest id: 2⁵³ − 1.
pub const MAX_ID: u64 = (1 << 53) - 1;

/// The error for a number that is not an id.
#[derive(Debug, PartialEq, Eq)]
pub struct NotAnId;

impl std::fmt::Display for NotAnId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Must be a positive integer below 2^53.")
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
        )]
        #[serde(try_from = "u64")]
        #[schema(value_type = u64, minimum = 1, maximum = 9_007_199_254_740_991_u64, example = 1)]
        pub struct $name(u64);

        impl $name {
            /// Returns the number.
            #[must_use]
            pub fn get(self) -> u64 {
                self.0
            }

            /// Parses an id in a path: decimal digits without a sign or a leading zero, so that each movie has one URL.
            /// Returns `None` for any other text.
            #[must_use]
            pub fn from_path(text: &str) -> Option<Self> {
                let canonical = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
                text.parse::<u64>()
                    .ok()
                    .filter(|_| canonical)
                    .and_then(|id| Self::try_from(id).ok())
            }
        }

        impl TryFrom<u64> for $name {
            type Error = NotAnId;

            fn try_from(id: u64) -> Result<Self, NotAnId> {
                if (1..=MAX_ID).contains(&id) {
                    Ok(Self(id))
                } else {
                    Err(NotAnId)
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A movie's id.
    MovieId
);
id!(
    /// A user's id.
    UserId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_id_is_a_positive_integer_of_53_bits() {
        assert_eq!(MovieId::from_path("42").map(MovieId::get), Some(42));
        assert_eq!(
            MovieId::from_path("9007199254740991").map(MovieId::get),
            Some(MAX_ID)
        );
        for bad in [
            "",
            "0",
            "-1",
            "+1",
            "01",
            "1.0",
            "x",
            "9007199254740992",
            "123456789012345678901234567890",
            "١",
        ] {
            assert_eq!(MovieId::from_path(bad), None, "{bad}");
        }
    }
}
