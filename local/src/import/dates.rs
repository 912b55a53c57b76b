//! Release dates as people write them.

use marquee_shared::domain::ReleaseDate;

/// The order of day and month in a numeric date whose year is last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DateOrder {
    /// Month, day, year, as in the United States.
    Mdy,
    /// Day, month, year, as in most of the world.
    Dmy,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// The message for what is not a date.
const NOT_A_DATE: &str =
    "Must be a date, written YYYY-MM-DD or in another way that has one meaning, such as 31 December 1999.";

/// The message for a date that doesn't exist.
const NOT_REAL: &str = "Must be a date that exists.";

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A number, and how many digits it has.
    Number(u32, usize),
    /// A month that is named, from 1.
    Month(u32),
}

/// Parses a date. Numeric dates whose year is last are read in `order`, and refused without it.
///
/// # Errors
/// The message for the field.
pub(super) fn parse(text: &str, order: Option<DateOrder>) -> Result<ReleaseDate, &'static str> {
    let text = text.trim();
    let date = without_time(text);
    if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) {
        // The basic format of ISO 8601. Read in any other order, its year would be before 1870.
        let (year, rest) = date.split_at(4);
        let (month, day) = rest.split_at(2);
        return real(number(year), number(month), number(day));
    }
    let parts = parts(date).ok_or(NOT_A_DATE)?;
    match *parts.as_slice() {
        [
            Part::Number(year, 4),
            Part::Number(month, 1 | 2),
            Part::Number(day, 1 | 2),
        ]
        | [
            Part::Number(year, 4),
            Part::Month(month),
            Part::Number(day, 1 | 2),
        ]
        | [
            Part::Number(year, 4),
            Part::Number(day, 1 | 2),
            Part::Month(month),
        ]
        | [
            Part::Number(day, 1 | 2),
            Part::Month(month),
            Part::Number(year, 4),
        ]
        | [
            Part::Month(month),
            Part::Number(day, 1 | 2),
            Part::Number(year, 4),
        ] => real(year, month, day),
        [
            Part::Number(first, 1 | 2),
            Part::Number(second, 1 | 2),
            Part::Number(year, 4),
        ] => match order {
            Some(DateOrder::Mdy) => real(year, first, second),
            Some(DateOrder::Dmy) => real(year, second, first),
            None => Err(
                "Must not be a numeric date whose year is last, unless --dates mdy or --dates dmy says in which order \
                 day and month are.",
            ),
        },
        [Part::Number(_, 4)] => Err("Must have a day and a month, not only a year."),
        [Part::Number(_, 4), _] | [_, Part::Number(_, 4)] => Err("Must have a day, a month and a year."),
        [Part::Number(_, 1 | 2) | Part::Month(_), _, Part::Number(_, 2)] => {
            Err("Must have a year of four digits.")
        }
        _ => Err(NOT_A_DATE),
    }
}

/// The text in front of a time of day, as in `1999-12-31T00:00:00Z`.
fn without_time(text: &str) -> &str {
    let is_time = |time: &str| {
        let time = time
            .trim_end_matches("UTC")
            .trim_end_matches(['Z', 'z'])
            .trim_end();
        let half = time.len().checked_sub(2).and_then(|at| time.split_at_checked(at));
        let time = match half {
            Some((time, half)) if half.eq_ignore_ascii_case("AM") || half.eq_ignore_ascii_case("PM") => {
                time.trim_end()
            }
            _ => time,
        };
        let known = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | '+' | '-' | ' ');
        let hour = time.split_once(':').map(|(hour, _)| hour);
        let is_hour = |hour: &str| matches!(hour.len(), 1 | 2) && hour.bytes().all(|b| b.is_ascii_digit());
        hour.is_some_and(is_hour) && time.chars().all(known)
    };
    let splits = text.match_indices(['T', 't', ' ']);
    let mut dates = splits.filter(|(at, mark)| is_time(text.get(at + mark.len()..).unwrap_or_default()));
    dates
        .next()
        .and_then(|(at, _)| text.get(..at))
        .map_or(text, str::trim_end)
}

/// Splits a date into its numbers and its month. A weekday in front is left out. `None` if there is anything else.
fn parts(text: &str) -> Option<Vec<Part>> {
    let is_separator = |c: char| matches!(c, '-' | '/' | '.' | ',') || c.is_whitespace();
    let mut parts = Vec::new();
    let mut has_weekday = false;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if is_separator(first) {
            // A sign in front, or a separator that separates nothing.
            if parts.is_empty() && !has_weekday {
                return None;
            }
            rest = rest.trim_start_matches(is_separator);
            continue;
        }
        let is_digit = first.is_ascii_digit();
        let same = |c: char| c.is_ascii_digit() == is_digit && (is_digit || c.is_alphabetic());
        let end = rest.find(|c| !same(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        if is_digit {
            parts.push(Part::Number(run.parse().ok()?, run.len()));
            // 1st, 2nd, 3rd, 4th
            for ordinal in ["st", "nd", "rd", "th"] {
                let follows = rest.get(..2).filter(|own| own.eq_ignore_ascii_case(ordinal));
                if let Some(after) = follows.and_then(|_| rest.get(2..)) {
                    rest = after;
                    break;
                }
            }
            if rest.starts_with(|c: char| c.is_alphabetic()) {
                return None;
            }
        } else if run.is_empty() {
            return None;
        } else if let Some(month) = named(run, &MONTHS) {
            parts.push(Part::Month(month));
        } else if parts.is_empty() && !has_weekday && named(run, &WEEKDAYS).is_some() {
            has_weekday = true;
        } else {
            return None;
        }
    }
    Some(parts)
}

/// The place of a name among `names`, from 1. It may be abbreviated to three letters or more.
fn named(run: &str, names: &[&str]) -> Option<u32> {
    let run = run.to_lowercase();
    let found = names
        .iter()
        .position(|name| run.len() >= 3 && name.starts_with(&run))?;
    u32::try_from(found + 1).ok()
}

fn number(digits: &str) -> u32 {
    digits.parse().unwrap_or_default()
}

fn real(year: u32, month: u32, day: u32) -> Result<ReleaseDate, &'static str> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(NOT_REAL);
    }
    ReleaseDate::parse(&format!("{year:04}-{month:02}-{day:02}")).map_err(|message| {
        if message.contains("1870") {
            message
        } else {
            NOT_REAL
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, order: Option<DateOrder>) -> Result<String, &'static str> {
        parse(text, order).map(|date| date.to_string())
    }

    #[test]
    fn a_date_that_can_be_read_in_one_way_is_read() {
        for (text, date) in [
            ("1999-12-31", "1999-12-31"),
            (" 1999/12/31 ", "1999-12-31"),
            ("1999.12.31", "1999-12-31"),
            ("1999-1-5", "1999-01-05"),
            ("19991231", "1999-12-31"),
            ("1999-12-31T00:00:00Z", "1999-12-31"),
            ("1999-12-31T23:59:59.999+02:00", "1999-12-31"),
            ("1999-12-31 00:00", "1999-12-31"),
            ("1999-12-31 00:00:00 UTC", "1999-12-31"),
            ("1999-12-31 12:00:00 AM", "1999-12-31"),
            ("31 December 1999 1:05pm", "1999-12-31"),
            ("31 December 1999", "1999-12-31"),
            ("31 Dec 1999", "1999-12-31"),
            ("31-Dec-1999", "1999-12-31"),
            ("1. May 1999", "1999-05-01"),
            ("September 25, 2021", "2021-09-25"),
            ("SEPT. 25th, 2021", "2021-09-25"),
            ("Sep 1 2021", "2021-09-01"),
            ("October 3rd 2021", "2021-10-03"),
            ("Tuesday, 1 August 1995", "1995-08-01"),
            ("Tue, 01 Aug 1995 00:00:00", "1995-08-01"),
            ("1999 1 5 0:00", "1999-01-05"),
            ("1999 December 31", "1999-12-31"),
            ("2000-Feb-29", "2000-02-29"),
            ("1999-31-Dec", "1999-12-31"),
        ] {
            for order in [None, Some(DateOrder::Mdy), Some(DateOrder::Dmy)] {
                assert_eq!(read(text, order), Ok(date.to_owned()), "{text}");
            }
        }
    }

    #[test]
    fn a_numeric_date_with_the_year_last_needs_its_order() {
        for text in [
            "12/10/1999",
            "12.10.1999",
            "12-10-1999",
            "12 10 1999",
            "12/10/1999 00:00",
        ] {
            assert!(
                read(text, None).is_err_and(|m| m.contains("--dates dmy")),
                "{text}"
            );
            assert_eq!(read(text, Some(DateOrder::Mdy)), Ok("1999-12-10".into()));
            assert_eq!(read(text, Some(DateOrder::Dmy)), Ok("1999-10-12".into()));
        }
        // Even where the numbers would say.
        assert!(read("31/12/1999", None).is_err_and(|m| m.contains("--dates")));
        assert_eq!(read("31/12/1999", Some(DateOrder::Mdy)), Err(NOT_REAL));
    }

    #[test]
    fn what_is_wrong_with_a_date_is_said() {
        for (text, part) in [
            ("1999", "year"),
            ("December 1999", "a day"),
            ("1999-12", "a day"),
            ("31/12/99", "four digits"),
            ("31 Dec 99", "four digits"),
            ("1999-02-30", "exists"),
            ("1999-31-12", "exists"),
            ("1999-13-01", "exists"),
            ("31 February 1999", "exists"),
            ("1869-12-31", "1870"),
            ("18691231", "1870"),
            ("", "YYYY-MM-DD"),
            ("soon", "YYYY-MM-DD"),
            ("36525", "YYYY-MM-DD"),
            ("-1999-12-31", "YYYY-MM-DD"),
            ("12345-01-01", "YYYY-MM-DD"),
            ("31 Ma 1999", "YYYY-MM-DD"),
            ("31 Décembre 1999", "YYYY-MM-DD"),
            ("1999-12-31 or so", "YYYY-MM-DD"),
            ("1999-12-31x", "YYYY-MM-DD"),
            ("１９９９-12-31", "YYYY-MM-DD"),
            ("99999999999999999999-01-01", "YYYY-MM-DD"),
        ] {
            assert!(
                read(text, None).is_err_and(|m| m.contains(part)),
                "{text}: {:?}",
                read(text, None)
            );
        }
    }
}
