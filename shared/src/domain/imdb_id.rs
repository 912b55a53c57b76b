//! Ids of the Internet Movie Database.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The fewest and the most digits of an id. IMDb writes at least 7, with leading zeros, and has given out ids of 8.
const DIGITS: std::ops::RangeInclusive<usize> = 7..=10;

/// A title's id at IMDb: `tt` and 7 to 10 digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, pattern = "^tt[0-9]{7,10}$", example = "tt0068646")]
pub struct ImdbId(String);

impl ImdbId {
    /// Parses an id. White space at the ends is allowed.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        text.strip_prefix("tt")
            .filter(|digits| DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
            .map(|_| Self(text.to_owned()))
            .ok_or("Must be tt and 7 to 10 digits.")
    }

    /// Returns the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ImdbId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_imdb_id_is_tt_and_7_to_10_digits() {
        for good in ["tt0068646", "tt12345678", "tt1234567890", " tt0068646\n"] {
            let id = ImdbId::parse(good).map(|id| id.0);
            assert_eq!(id.as_deref(), Ok(good.trim()));
        }
        for bad in [
            "",
            "tt",
            "tt006864",
            "tt12345678901",
            "0068646",
            "TT0068646",
            "nm0000338",
            "tt006864x",
            "tt 0068646",
            "tt-068646",
            "tt００68646",
            "ttt0068646",
            "https://www.imdb.com/title/tt0068646/",
        ] {
            assert!(ImdbId::parse(bad).is_err(), "{bad}");
        }
    }
}
