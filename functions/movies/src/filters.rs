//! The filters of the list of movies, as query parameters.

use marquee_shared::{
    db::filtered::Filters,
    domain::{ImdbId, ReleaseDate},
    error::FieldErrors,
    http::query::ParamValues,
};

/// Reads the filters, and adds the errors of their values.
pub(crate) fn read(params: &ParamValues, errors: &mut FieldErrors) -> Filters {
    let mut filters = Filters::default();
    for genres in params.all("genre") {
        // One that isn't blank doesn't make up for one that is.
        if genres.split(',').all(|genre| genre.trim().is_empty()) {
            if !errors.0.contains_key("genre") {
                errors.add("genre", BLANK);
            }
        } else {
            filters.add_genres(genres);
        }
    }
    match params.get("director") {
        Some(director) if director.trim().is_empty() => errors.add("director", BLANK),
        Some(director) => filters.add_directors(director),
        None => {}
    }
    let mut take = |name: &'static str, parse: fn(&str) -> Result<Dates, &'static str>| {
        let dates = errors.take(name, params.get(name).map(parse).transpose());
        dates.flatten().unwrap_or_default()
    };
    let ranges = [
        take("year", year),
        take("released_from", |text| {
            Ok((Some(ReleaseDate::parse(text)?), None))
        }),
        take("released_to", |text| Ok((None, Some(ReleaseDate::parse(text)?)))),
    ];
    for (from, to) in ranges {
        if let Some(from) = from {
            filters.add_from(from);
        }
        if let Some(to) = to {
            filters.add_to(to);
        }
    }
    if let Some(id) = params.get("imdb_id")
        && let Some(id) = errors.take("imdb_id", ImdbId::parse(id))
    {
        filters.add_imdb_id(id);
    }
    filters
}

const BLANK: &str = "This field may not be blank.";

/// A first and a last release date.
type Dates = (Option<ReleaseDate>, Option<ReleaseDate>);

/// Parses a year, and returns its first and its last day.
fn year(text: &str) -> Result<Dates, &'static str> {
    let text = text.trim();
    // A date accepts no other year than one of four digits, from 1870 on.
    let day = |day: &str| ReleaseDate::parse(&format!("{text}{day}"));
    match (day("-01-01"), day("-12-31")) {
        (Ok(first), Ok(last)) => Ok((Some(first), Some(last))),
        _ => Err("Must be a year from 1870 to 9999."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_has_four_digits_and_is_1870_or_later() {
        for good in ["1870", "1999", " 2024 ", "9999"] {
            let (first, last) = year(good).unwrap();
            let days = [first.unwrap().to_string(), last.unwrap().to_string()];
            assert_eq!(
                days,
                ["-01-01", "-12-31"].map(|day| format!("{}{day}", good.trim()))
            );
        }
        for bad in [
            "",
            "1869",
            "0",
            "99",
            "19999",
            "+1999",
            "-1999",
            "1999-",
            "1999.0",
            "１９９９",
            "MCM",
        ] {
            assert!(year(bad).is_err(), "{bad}");
        }
    }
}
