//! Movies.

use std::collections::BTreeSet;

use crate::domain::{CoverImage, Genres, ReleaseDate, text};

/// The most characters of a title, and of a director.
pub const MAX_TITLE_CHARS: usize = 200;
/// The most characters of a description.
pub const MAX_DESCRIPTION_CHARS: usize = 5000;
/// The most different words of title, director and genre together: an edit writes or deletes an item for each old and
/// each new word, and one transaction takes 100 actions (AWS: TransactWriteItems).
pub const MAX_WORDS: usize = 30;

macro_rules! line {
    ($(#[$doc:meta])* $name:ident, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Reads the text; white space at its ends is taken off.
            ///
            /// # Errors
            /// The message for the field.
            pub fn parse(text: &str) -> Result<Self, String> {
                $parse(text).map(Self)
            }

            /// The text as it is stored. What an earlier version took is kept, whatever [`Self::parse`] refuses since.
            #[must_use]
            pub fn from_stored(text: &str) -> Self {
                Self(text.to_owned())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

line!(
    /// A movie's title: 1–200 characters.
    Title, |text| text::line(text, MAX_TITLE_CHARS)
);
line!(
    /// A movie's director, or directors: 1–200 characters.
    Director, |text| text::line(text, MAX_TITLE_CHARS)
);
line!(
    /// A movie's description: 1–5,000 characters, line breaks and tabs among them.
    Description, |text| text::trimmed(text, MAX_DESCRIPTION_CHARS, &['\n', '\r', '\t'])
);

/// What a movie says of itself, valid as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MovieFields {
    /// The title.
    pub title: Title,
    /// The description.
    pub description: Description,
    /// The day it was released.
    pub release_date: ReleaseDate,
    /// The director.
    pub director: Director,
    /// The genres.
    pub genres: Genres,
    /// The cover image.
    pub cover_image: Option<CoverImage>,
}

/// A movie whose title, director and genre hold more than [`MAX_WORDS`] different words.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManyWords {
    /// How many it has.
    pub words: usize,
}

impl std::fmt::Display for TooManyWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Title, director and genre together must have at most {MAX_WORDS} different words, each of which is \
             searchable; these have {}.",
            self.words
        )
    }
}

impl MovieFields {
    /// Checks what no single field can: how many different words it is searchable by.
    ///
    /// # Errors
    /// [`TooManyWords`].
    pub fn check(self) -> Result<Self, TooManyWords> {
        let mut words: BTreeSet<String> = text::words(self.title.as_str()).into_iter().collect();
        words.extend(text::words(self.director.as_str()));
        words.extend(self.genres.iter().flat_map(|g| g.words().iter().cloned()));
        if words.len() > MAX_WORDS {
            return Err(TooManyWords { words: words.len() });
        }
        Ok(self)
    }
}
