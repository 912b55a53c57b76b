//! Release dates.

use serde::{Deserialize, Serialize, Serializer};
use time::{Date, Month};
use utoipa::ToSchema;

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
        let date = full_date(text.trim()).ok_or("Must be a real date, written YYYY-MM-DD.")?;
        if date.year() < FIRST_YEAR {
            return Err("Must be 1870-01-01 or later.");
        }
        Ok(Self(date))
    }

    /// Returns the year, which has four digits.
    #[must_use]
    pub fn year(self) -> u16 {
        u16::try_from(self.0.year()).unwrap_or_default()
    }

    /// Returns the date as ten ASCII characters. No year has more than four digits, because none can be parsed.
    fn digits(self) -> [u8; 10] {
        let [year, month, day] = [
            self.0.year().unsigned_abs(),
            u8::from(self.0.month()).into(),
            self.0.day().into(),
        ];
        let digit = |number: u32| b"0123456789"[(number % 10) as usize];
        [
            digit(year / 1000),
            digit(year / 100),
            digit(year / 10),
            digit(year),
            b'-',
            digit(month / 10),
            digit(month),
            b'-',
            digit(day / 10),
            digit(day),
        ]
    }
}

/// Returns the date that this text is, if it is a full-date of RFC 3339. Each movie that is read has one, and a parser of
/// formats takes several times as long.
fn full_date(text: &str) -> Option<Date> {
    let bytes: &[u8; 10] = text.as_bytes().try_into().ok()?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *bytes else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u16, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + u16::from(digit - b'0'))
        })
    };
    let month = Month::try_from(u8::try_from(number(&[m0, m1])?).ok()?).ok()?;
    let day = u8::try_from(number(&[d0, d1])?).ok()?;
    Date::from_calendar_date(number(&[y0, y1, y2, y3])?.into(), month, day).ok()
}

impl TryFrom<String> for ReleaseDate {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl Serialize for ReleaseDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Digits and hyphens are always UTF-8.
        serializer.serialize_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl std::fmt::Display for ReleaseDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
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
            "2000-00-01",
            "2000-01-00",
            "2000-01-32",
            "2000/01/01",
            "2000-1a-01",
            // The character after `9` isn't ten.
            "20:0-01-01",
            "2000-0:-01",
            "2000-01-1:",
            "200é-01-01",
            "200é-01-1",
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
