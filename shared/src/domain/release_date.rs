//! Release dates.

use serde::{Deserialize, Serialize, Serializer};
use time::{Date, format_description::FormatItem, macros::format_description};
use utoipa::ToSchema;

const FORMAT: &[FormatItem<'_>] = format_description!("[year repr:full range:standard]-[month]-[day]");

/// The earliest year of release. No movie is older.
pub const FIRST_YEAR: i32 = 1870;

/// A date that exists, `YYYY-MM-DD`, not before 1870-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, format = Date, example = "1972-03-24")]
pub struct ReleaseDate(Date);

impl ReleaseDate {
    /// Parses `YYYY-MM-DD` (the full-date of RFC 3339). White space at the ends is allowed.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        // The format alone would accept a sign before the year.
        let date = Some(text)
            .filter(|t| t.len() == 10 && t.starts_with(|c: char| c.is_ascii_digit()))
            .and_then(|t| Date::parse(t, FORMAT).ok())
            .ok_or("Must be a real date, written YYYY-MM-DD.")?;
        if date.year() < FIRST_YEAR {
            return Err("Must be 1870-01-01 or later.");
        }
        Ok(Self(date))
    }
}

impl TryFrom<String> for ReleaseDate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl Serialize for ReleaseDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for ReleaseDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:04}-{:02}-{:02}",
            self.0.year(),
            u8::from(self.0.month()),
            self.0.day()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_date_is_a_real_day_from_1870_on() {
        for good in ["1870-01-01", "2000-02-29", "9999-12-31", " 1972-03-24 "] {
            let date = ReleaseDate::parse(good).map(|d| d.to_string());
            assert_eq!(date.as_deref(), Ok(good.trim()));
        }
        for bad in [
            "",
            "1869-12-31",
            "2001-02-29",
            "1900-02-29",
            "2000-13-01",
            "2000-1-1",
            "20000101",
            "+2000-01-1",
            "-2000-01-1",
            "2000-01-01T00:00:00Z",
            "12000-01-01",
            "２000-01-01",
            "1972-03-24x",
        ] {
            assert!(ReleaseDate::parse(bad).is_err(), "{bad}");
        }
    }
}
