//! A movie's texts, and the rules for all its fields together.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{cover::CoverImage, genre::Genres, imdb_id::ImdbId, release_date::ReleaseDate, text};

/// The most characters of a title, and of a director.
pub const MAX_TITLE_CHARS: usize = 200;
/// The most characters of a description.
pub const MAX_DESCRIPTION_CHARS: usize = 5000;
/// The most different words of title, director and genre together. An edit writes one posting for each new word, and a
/// transaction has at most 100 actions (AWS: TransactWriteItems).
pub const MAX_WORDS: usize = 30;

macro_rules! text {
    ($(#[$attribute:meta])* $name:ident, $parse:expr) => {
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        $(#[$attribute])*
        pub struct $name(String);

        impl $name {
            /// Parses the text and removes white space at its ends.
            ///
            /// # Errors
            /// The message for the field.
            pub fn parse(text: &str) -> Result<Self, String> {
                $parse(text).map(Self)
            }

            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

text!(
    /// A movie's title: 1 to 200 characters in one line, at least one of them visible.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "The Godfather")]
    Title, |text| text::line(text, MAX_TITLE_CHARS)
);
text!(
    /// A movie's director or directors: 1 to 200 characters in one line, at least one of them visible.
    #[schema(value_type = String, min_length = 1, max_length = 200, example = "Francis Ford Coppola")]
    Director, |text| text::line(text, MAX_TITLE_CHARS)
);
text!(
    /// A movie's description: 1 to 5,000 characters. Line breaks and tabs are allowed.
    #[schema(
        value_type = String, min_length = 1, max_length = 5000, example = "A family, and the price of its business."
    )]
    Description, |text| text::trimmed(text, MAX_DESCRIPTION_CHARS, &['\n', '\r', '\t'])
);

/// The fields of a movie that a client sets.
// A request is parsed field by field. Only stored movies are deserialized, without the checks of `parse`: an earlier version
// may have accepted what it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MovieFields {
    /// The title.
    pub title: Title,
    /// The description.
    pub description: Description,
    /// The date of the release.
    pub release_date: ReleaseDate,
    /// The director, or several directors.
    pub director: Director,
    /// The genres, separated by a comma and a space.
    #[serde(rename = "genre")]
    pub genres: Genres,
    /// The id at IMDb, or null if there is none. No two movies have the same id.
    #[serde(default)]
    #[schema(required)]
    pub imdb_id: Option<ImdbId>,
    /// The URL of the cover image, or null if there is none.
    #[serde(default)]
    #[schema(required, value_type = Option<String>, format = "uri", example = "https://example.org/covers/the-godfather.jpg")]
    pub cover_image: Option<CoverImage>,
}

/// The error for a movie whose title, director and genre have more than [`MAX_WORDS`] different words.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyWords {
    /// The number of different words of the movie.
    pub words: usize,
}

impl std::fmt::Display for TooManyWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Title, director and genre may have at most {MAX_WORDS} different words together, because each is searchable; \
             these have {}.",
            self.words
        )
    }
}

impl MovieFields {
    /// Checks the rule for the fields together: title, director and genre have at most [`MAX_WORDS`] different words.
    ///
    /// # Errors
    /// [`TooManyWords`] if they have more.
    pub fn check(self) -> Result<Self, TooManyWords> {
        let of_genres: usize = self.genres.iter().map(|genre| genre.words().count()).sum();
        let texts = [self.title.as_str(), self.director.as_str()];
        // Few movies have so many words that they must be compared.
        let most = texts.into_iter().map(text::most_words).sum::<Option<usize>>();
        if most.is_some_and(|most| most + of_genres <= MAX_WORDS) {
            return Ok(self);
        }
        let mut words = text::words(self.title.as_str());
        words.extend(text::words(self.director.as_str()));
        for genre in self.genres.iter() {
            words.extend(genre.words().cloned());
        }
        if words.len() > MAX_WORDS {
            words.sort_unstable();
            words.dedup();
        }
        match words.len() {
            0..=MAX_WORDS => Ok(self),
            words => Err(TooManyWords { words }),
        }
    }

    /// A movie for unit tests about words: what they don't vary is fixed.
    #[cfg(test)]
    pub(crate) fn of_words(title: &str, director: &str, genre: &str) -> Self {
        Self {
            title: Title::parse(title).unwrap(),
            description: Description::parse("x").unwrap(),
            release_date: ReleaseDate::parse("1972-03-24").unwrap(),
            director: Director::parse(director).unwrap(),
            genres: Genres::parse(genre).unwrap(),
            imdb_id: None,
            cover_image: None,
        }
    }
}
