//! Genres.
//!
//! A genre has a name, which is how it was written, and an identity, which is its words: `sci-fi` and `Sci-Fi` are one genre.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::text;

/// The most genres of one movie.
pub const MAX_GENRES: usize = 9;
/// The most characters of one genre.
pub const MAX_GENRE_CHARS: usize = 40;
/// The most characters of a movie's genres together.
pub const MAX_GENRES_CHARS: usize = 200;
/// The most bytes of a new genre's identity, which is part of keys: 40 letters of three bytes, as in Thai and Hangul. Some
/// compatibility characters decompose into more bytes.
pub const MAX_IDENTITY_BYTES: usize = 120;
/// The most characters of any stored identity. An earlier version limited characters, not bytes.
const MAX_IDENTITY_CHARS: usize = 80;

/// One genre.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genre {
    name: String,
    words: Vec<String>,
}

/// Returns the message for one of several genres, made from the message for a line of text.
fn of_each(message: &str) -> String {
    match message.strip_prefix("Must ") {
        Some(rest) => format!("Each genre must {rest}"),
        None => format!("Each genre: {message}"),
    }
}

impl Genre {
    /// Parses one genre.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let name = text::line(text, MAX_GENRE_CHARS).map_err(|message| of_each(&message))?;
        let genre = Self::from_stored(&name);
        if genre.words.is_empty() {
            return Err("Each genre must have a letter or a digit.".into());
        }
        if genre.identity().len() > MAX_IDENTITY_BYTES {
            return Err(format!(
                "Each genre must be at most {MAX_IDENTITY_BYTES} bytes in lower case and without ligatures."
            ));
        }
        Ok(genre)
    }

    /// Returns a stored genre without checking it: an earlier version may have accepted what [`Genre::parse`] refuses.
    fn from_stored(text: &str) -> Self {
        let name = text.trim().to_owned();
        let words = text::words(&name);
        Self { name, words }
    }

    /// Returns the genre as it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its words, as [`text::words`] does.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Returns its identity: two genres are the same when their identities are equal.
    #[must_use]
    pub fn identity(&self) -> String {
        self.words.join("-")
    }
}

/// Returns the identity of a genre of this name, or `None` when no genre can have this name.
#[must_use]
pub fn identity(name: &str) -> Option<String> {
    let identity = text::words(name).join("-");
    (1..=MAX_IDENTITY_CHARS)
        .contains(&identity.chars().count())
        .then_some(identity)
}

/// A movie's genres, separated by a comma and a space.
// The schema allows 8 characters more than a request may have: the spaces after the commas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 208, example = "Crime, Drama")]
pub struct Genres(String);

impl Genres {
    /// Parses genres separated by commas. A genre that is repeated is kept once.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text::trimmed(text, MAX_GENRES_CHARS, &[])?;
        let mut genres: Vec<Genre> = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let genre = Genre::parse(part)?;
            if genres.iter().all(|g| g.words != genre.words) {
                genres.push(genre);
            }
        }
        match genres.len() {
            0 => Err("This field may not be blank.".into()),
            1..=MAX_GENRES => {
                let names: Vec<&str> = genres.iter().map(Genre::name).collect();
                Ok(Self(names.join(", ")))
            }
            _ => Err(format!("Must be at most {MAX_GENRES} genres.")),
        }
    }

    /// Returns stored genres without checking them: an earlier version may have accepted what [`Genres::parse`] refuses.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns the genres in the order in which they were written. A stored genre without a word has no identity and is left
    /// out.
    pub fn iter(&self) -> impl Iterator<Item = Genre> {
        let all = self.0.split(',').map(Genre::from_stored);
        all.filter(|genre| !genre.words.is_empty())
    }
}

impl std::fmt::Display for Genres {
    /// Writes the genres as they were written, separated by a comma and a space.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn genres_are_split_by_commas_and_counted_once() {
        let genres = Genres::parse(" Sci-Fi,Drama , drama,, SCI FI").unwrap();
        assert_eq!(genres.to_string(), "Sci-Fi, Drama");
        let identities: Vec<_> = genres.iter().map(|genre| genre.identity()).collect();
        assert_eq!(identities, ["sci-fi", "drama"]);
    }

    #[test]
    fn genres_are_read_back_from_what_is_stored() {
        // Within the limit as sent, over it as shown.
        let given: Vec<String> = (1..=9).map(|n| format!("{n}{}", "x".repeat(20))).collect();
        let genres = Genres::parse(&given.join(",")).unwrap();
        let stored = genres.to_string();
        assert!(stored.chars().count() > MAX_GENRES_CHARS);
        assert_eq!(Genres::from_stored(&stored), genres);
    }

    #[test]
    fn limits_hold() {
        assert!(Genres::parse("a,b,c,d,e,f,g,h,i").is_ok());
        assert!(Genres::parse("a,b,c,d,e,f,g,h,i,j").is_err());
        assert!(Genres::parse(&"x".repeat(40)).is_ok());
        assert!(Genres::parse(&"x".repeat(41)).is_err());
        for bad in [
            "",
            " , ,",
            "???",
            "Drama, !!!",
            "Drama, \u{200b}",
            "Drama, a\u{202e}b",
            "a\u{7}b",
            &"\u{fdfa}".repeat(40),
            &"\u{10400}".repeat(40),
        ] {
            assert!(Genres::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn forty_letters_of_every_living_script_are_a_genre() {
        for letter in ["x", "ß", "Ж", "ע", "ق", "ก", "क", "あ", "映", "한", "ﬁ"] {
            assert!(Genres::parse(&letter.repeat(MAX_GENRE_CHARS)).is_ok(), "{letter}");
        }
    }

    #[test]
    fn a_genre_that_is_no_longer_taken_is_still_read() {
        for old in ["\u{10400}".repeat(40), "a\u{202e}b".to_owned()] {
            assert!(Genres::parse(&old).is_err());
            assert_eq!(Genres::from_stored(&old).to_string(), old);
            assert_eq!(Genres::from_stored(&old).iter().count(), 1);
        }
    }
}
