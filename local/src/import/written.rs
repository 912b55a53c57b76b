//! The values of a movie in the forms in which an import reads them back equal.
//!
//! Nearly every value is written as it is. But an import reads some texts as something else: `N/A` as no value, and
//! `["Drama"]` as a list. Such a text is written as a JSON list of one text, which an import of any version reads for a genre
//! and a director, and this one also for a title and a description ([`literal`]).

use std::borrow::Cow;

use marquee_shared::domain::{Director, Genres};
use serde_json::Value;

use super::{
    genres, lists,
    movie::{NO_VALUE, joined},
};

/// Returns the text that a list stands for in a title or a description. `None` for any other text, also a list: only a list of
/// one text that would otherwise be read as no value, or as such a list, is one.
pub(super) fn literal(text: &str) -> Option<String> {
    if !text.starts_with('[') || !lists::is_list(text) {
        return None;
    }
    let mut names = lists::names(text)?;
    let name = names.pop().filter(|_| names.is_empty())?;
    needs_list(&name).then_some(name)
}

/// Whether a title or a description isn't read as it is.
fn needs_list(text: &str) -> bool {
    NO_VALUE.contains(&text) || literal(text).is_some()
}

/// A title or a description.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    match needs_list(text) {
        false => text.into(),
        true => list([text]).to_string().into(),
    }
}

/// A director.
pub(crate) fn director(director: &Director) -> Cow<'_, str> {
    let text = director.as_str();
    match NO_VALUE.contains(&text) || joined(text) != text {
        false => text.into(),
        true => list([text]).to_string().into(),
    }
}

/// The genres: the text of the API, or a list of names where that text would be split in another way.
pub(crate) fn genre(genres: &Genres) -> Value {
    let text = genres.to_string();
    let is_read_back = !NO_VALUE.contains(&&*text) && genres::parse(&text).as_ref() == Ok(genres);
    match is_read_back {
        true => text.into(),
        false => list(text.split(',').map(str::trim)),
    }
}

fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    texts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use marquee_shared::domain::{Description, MovieFields, ReleaseDate, Title};
    use proptest::prelude::*;

    use super::{
        super::{movie, options::Options},
        *,
    };

    /// The movie that an import reads from what is written of these texts.
    fn read_back(fields: &MovieFields) -> Option<MovieFields> {
        let genre = genre(&fields.genres);
        let values = [
            Some(text(fields.title.as_str()).into_owned()),
            Some(text(fields.description.as_str()).into_owned()),
            Some(fields.release_date.to_string()),
            Some(director(&fields.director).into_owned()),
            // As a CSV file has it, and as JSON Lines are read.
            Some(genre.as_str().map_or_else(|| genre.to_string(), str::to_owned)),
            None,
            None,
        ];
        movie::parse(&values, false, &Options::default()).fields
    }

    fn movie(title: &str, description: &str, director: &str, genres: &str) -> Option<MovieFields> {
        Some(MovieFields {
            title: Title::parse(title).ok()?,
            description: Description::parse(description).ok()?,
            release_date: ReleaseDate::parse("1999-03-31").ok()?,
            director: Director::parse(director).ok()?,
            genres: Genres::parse(genres).ok()?,
            imdb_id: None,
            cover_image: None,
        })
    }

    #[test]
    fn texts_that_an_import_takes_for_something_else_are_read_back_equal() {
        let long = (1..=9)
            .map(|n| format!("{n}{}", "x".repeat(20)))
            .collect::<Vec<_>>();
        let long = long.join(",");
        for text in [
            "Alien",
            "N/A",
            r"\N",
            "(no genres listed)",
            r#"["N/A"]"#,
            r#"["[\"N/A\"]"]"#,
            "['N/A']",
            r#"["Alien"]"#,
            "['a', 'b']",
            "{'name': 'a'}",
            "('a',)",
            "[]",
            "A / B|C; D",
            "\"quoted\"",
        ] {
            for genre in ["Drama", "A;B, C|D", "A / B", "N/A", "(Rock 'n' Roll)", &long] {
                let fields = movie(text, text, text, genre).unwrap();
                assert_eq!(read_back(&fields).as_ref(), Some(&fields), "{text} {genre}");
            }
        }
    }

    #[test]
    fn a_list_in_a_title_stays_as_it_is_unless_it_stands_for_a_text() {
        for text in [r#"["Alien"]"#, "['N/A', 'N/A']", "[]", "N/A", "{'N/A'}"] {
            assert_eq!(literal(text), None, "{text}");
        }
        assert_eq!(literal(r#"["N/A"]"#).as_deref(), Some("N/A"));
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_equal(
            title in r#"([\[\]{}()'",;|/\\ aN]|N/A|\\N){1,12}"#,
            description in r#"([\[\]{}()'",;|/\\ aN]|N/A|\\N|\n|\t){1,12}"#,
            genre in r#"([(),;|/' a-d]|N/A){1,12}"#,
        ) {
            if let Some(fields) = movie(&title, &description, &title, &genre) {
                prop_assert_eq!(read_back(&fields), Some(fields));
            }
        }
    }
}
