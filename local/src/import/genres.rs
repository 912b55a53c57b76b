//! Genres as files write them.

use marquee_shared::domain::Genres;

use super::lists;

/// The message for a list that can't be read.
const NOT_A_LIST: &str =
    "Must be genres separated by commas, or a JSON or Python list of names or of objects with a name.";

/// Parses genres that are separated by `,`, `|`, `;` or ` / `, or are a list in the notation of JSON or Python. The names in
/// a list are separated by commas only.
///
/// # Errors
/// The message for the field.
pub(super) fn parse(text: &str) -> Result<Genres, String> {
    if lists::is_list(text) {
        let names = lists::names(text).ok_or(NOT_A_LIST)?;
        return Genres::parse(&names.join(","));
    }
    // A list that was cut, or one in a notation that isn't known.
    if text.contains(['[', ']', '{', '}']) {
        return Err(NOT_A_LIST.into());
    }
    let parts = text.split(" / ").flat_map(|part| part.split(['|', ';']));
    Genres::parse(&parts.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genres_are_separated_in_every_usual_way() {
        for (text, expected) in [
            ("Drama", "Drama"),
            ("Drama, Comedy", "Drama, Comedy"),
            ("Drama,Comedy", "Drama, Comedy"),
            ("Drama|Comedy", "Drama, Comedy"),
            ("Drama; Comedy;", "Drama, Comedy"),
            ("Drama / Comedy", "Drama, Comedy"),
            ("Action/Adventure, Children's", "Action/Adventure, Children's"),
            ("Action & Adventure, Sci-Fi", "Action & Adventure, Sci-Fi"),
            (r#"[{"id": 28, "name": "Action"}]"#, "Action"),
            ("['Drama', 'Comedy']", "Drama, Comedy"),
            (r#"["Drama / Comedy", "A;B", "C|D"]"#, "Drama / Comedy, A;B, C|D"),
            (r#"["Drama, Comedy"]"#, "Drama, Comedy"),
        ] {
            assert_eq!(
                parse(text).map(|g| g.to_string()).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_list_of_genres_is_refused() {
        for text in [
            "[]",
            "[Drama]",
            "['Drama'",
            "[{'id': 28}]",
            "{Drama,Comedy}",
            "Drama]",
            "",
            " | ; / ",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }
}
