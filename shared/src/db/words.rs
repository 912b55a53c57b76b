//! The normalized words of a movie, and which of them a word of a search matches.
//!
//! A word of a search matches every word that begins with it: `god` matches `god`, `gods` and `godfather`. A word of one
//! or two characters is *short*: it matches only the word that equals it, so `go` doesn't match `godfather`.

use crate::domain::{MovieFields, text};

/// A movie's normalized words, by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The title's words, in order.
    pub title: Vec<String>,
    /// The director's words, in order.
    pub director: Vec<String>,
    /// The words of each genre, in order, each followed by its [signs](crate::domain::genre::is_signs), which no word of a
    /// search matches.
    pub genres: Vec<Vec<String>>,
}

impl Words {
    /// The words of a movie.
    #[must_use]
    pub fn of(fields: &MovieFields) -> Self {
        Self {
            title: text::words(fields.title.as_str()),
            director: text::words(fields.director.as_str()),
            genres: fields.genres.iter().map(|g| g.parts().to_vec()).collect(),
        }
    }

    /// All words as one text: `the kid|charles chaplin|comedy,film noir`.
    #[must_use]
    pub fn encode(&self) -> String {
        let genres: Vec<String> = self.genres.iter().map(|g| g.join(" ")).collect();
        format!(
            "{}|{}|{}",
            self.title.join(" "),
            self.director.join(" "),
            genres.join(",")
        )
    }

    /// Reads the text that [`Words::encode`] writes. `None` for any other text.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let split = |words: &str| {
            words
                .split(' ')
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let mut fields = text.splitn(3, '|');
        Some(Self {
            title: split(fields.next()?),
            director: split(fields.next()?),
            genres: fields.next()?.split(',').map(split).collect(),
        })
    }

    /// Every word, field after field. A word that is used twice comes twice.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        let genres = self.genres.iter().flatten();
        self.title.iter().chain(&self.director).chain(genres)
    }

    /// Whether `word` of a search matches a word of the movie.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        self.all().any(|own| matches(own, word))
    }

    /// Whether the title begins with these words of a search. The last of them may be unfinished.
    #[must_use]
    pub fn title_begins_with(&self, words: &[String]) -> bool {
        let Some((last, whole)) = words.split_last() else {
            return false;
        };
        self.title.starts_with(whole) && self.title.get(whole.len()).is_some_and(|own| matches(own, last))
    }
}

/// Whether `word` of a search matches the word `own` of a movie.
#[must_use]
pub fn matches(own: &str, word: &str) -> bool {
    if is_short(word) {
        own == word
    } else {
        own.starts_with(word)
    }
}

/// Whether a word of a search matches only the word that equals it: it has one or two characters.
#[must_use]
pub fn is_short(word: &str) -> bool {
    word.chars().nth(2).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_their_encoding() {
        for (title, director, genre) in [("The Kid", "A B", "Sci-Fi, Drama"), ("…", "?", "x, C++")] {
            let words = Words::of(&MovieFields::of_words(title, director, genre));
            assert_eq!(Words::decode(&words.encode()).unwrap(), words);
        }
    }
}
