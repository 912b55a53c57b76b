//! What a posting carries of its movie's words, so that the further words of a search are checked without another read.
//!
//! A posting has a largest size, whatever the movie's texts are: otherwise what people write would decide what a search
//! costs. Where the words fit, all are there: `title|director|genre,genre`. Where they don't, the different ones are, as many
//! characters of each as fit: `~` and the words, of which those that are cut end in `~`. That rules most movies out that
//! lack a word; one that it can't rule out is decided by the movie itself.

use std::collections::BTreeSet;

use crate::db::index::{Words, is_short, satisfies};

/// Marks what is cut: the whole, and each word. No normalized text contains it.
const CUT: char = '~';

/// A movie's words, as far as a posting carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// All of them.
    All(Words),
    /// The different ones, cut; none at all where there is no room for any.
    Part(Vec<Stump>),
}

/// A word, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stump {
    text: String,
    is_cut: bool,
}

impl Stump {
    /// Whether the word may satisfy `word` of a search.
    fn may_satisfy(&self, word: &str) -> bool {
        if self.is_cut {
            word.starts_with(&self.text) || (!is_short(word) && self.text.starts_with(word))
        } else {
            satisfies(&self.text, word)
        }
    }
}

impl Carried {
    /// Reads what a posting carries.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let Some(stumps) = text.strip_prefix(CUT) else {
            return Words::decode(text).map(Self::All);
        };
        let stumps = stumps.split(' ').filter(|stump| !stump.is_empty());
        let stumps = stumps.map(|stump| match stump.strip_suffix(CUT) {
            Some(text) => (text, true),
            None => (stump, false),
        });
        let stumps = stumps.map(|(text, is_cut)| Stump {
            text: text.to_owned(),
            is_cut,
        });
        Some(Self::Part(stumps.collect()))
    }

    /// Whether some word of the movie may satisfy `word` of a search.
    #[must_use]
    pub fn may_have(&self, word: &str) -> bool {
        match self {
            Self::All(words) => words.have(word),
            Self::Part(stumps) => stumps.is_empty() || stumps.iter().any(|stump| stump.may_satisfy(word)),
        }
    }
}

/// A movie's words as its postings carry them.
pub struct Encoder<'a> {
    whole: String,
    /// Each once.
    words: BTreeSet<&'a str>,
}

impl<'a> Encoder<'a> {
    /// An encoder of these words.
    #[must_use]
    pub fn new(words: &'a Words) -> Self {
        let genres = words.genres.iter().flatten();
        Self {
            whole: words.encode(),
            words: words
                .title
                .iter()
                .chain(&words.director)
                .chain(genres)
                .map(String::as_str)
                .collect(),
        }
    }

    /// The text of a posting that has room for so many bytes; at least one byte.
    #[must_use]
    pub fn encode(&self, room: usize) -> String {
        if self.whole.len() <= room {
            return self.whole.clone();
        }
        // As much of every word as fits, the same for each.
        let fits = |bytes: &usize| {
            let stumps = self.words.iter().map(|word| match cut(word, *bytes) {
                Some(start) => start.len() + CUT.len_utf8(),
                None => word.len(),
            });
            CUT.len_utf8() + stumps.sum::<usize>() + self.words.len().saturating_sub(1) <= room
        };
        let Some(bytes) = (1..=room).rev().find(fits) else {
            return CUT.to_string();
        };
        let stumps = self.words.iter().map(|word| match cut(word, bytes) {
            Some(start) => format!("{start}{CUT}"),
            None => (*word).to_owned(),
        });
        format!("{CUT}{}", stumps.collect::<Vec<_>>().join(" "))
    }
}

/// The first `bytes` bytes of a longer word, without half a character.
fn cut(word: &str, bytes: usize) -> Option<&str> {
    (word.len() > bytes).then(|| &word[..word.floor_char_boundary(bytes)])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn words() -> Words {
        let split = |text: &str| text.split(' ').map(str::to_owned).collect();
        Words {
            title: split("the godfather the"),
            director: split("ford 映画監督"),
            genres: vec![split("crime"), split("film noir")],
        }
    }

    #[test]
    fn words_that_fit_are_carried_whole() {
        let words = words();
        let whole = words.encode();
        let text = Encoder::new(&words).encode(whole.len());
        assert_eq!(text, whole);
        assert_eq!(Carried::decode(&text), Some(Carried::All(words)));
    }

    #[test]
    fn words_that_do_not_fit_are_cut_alike_and_fit() {
        let words = words();
        let encoder = Encoder::new(&words);
        assert_eq!(encoder.encode(36), "~crim~ film ford godf~ noir the 映~");
        for room in 1..words.encode().len() {
            let text = encoder.encode(room);
            assert!(text.len() <= room && text.starts_with(CUT), "{room}: {text}");
        }
    }

    /// What is carried, however little, never denies a word that the movie has.
    #[test]
    fn no_word_is_ruled_out_that_the_movie_has() {
        let words = words();
        let encoder = Encoder::new(&words);
        for room in 1..=words.encode().len() {
            let carried = Carried::decode(&encoder.encode(room)).unwrap();
            for word in [
                "the",
                "go",
                "god",
                "godfather",
                "f",
                "fil",
                "film",
                "映画",
                "映画監",
                "noir",
                "x",
            ] {
                assert!(carried.may_have(word) || !words.have(word), "{word} at {room}");
            }
        }
    }

    #[test]
    fn most_words_that_the_movie_lacks_are_ruled_out() {
        let carried = Carried::decode("~crim~ film ford godf~ noir the 映~").unwrap();
        for word in ["love", "crisis", "god", "films", "th", "gods", "監督"] {
            assert_eq!(carried.may_have(word), word == "god", "{word}");
        }
        assert!(carried.may_have("godfrey"));
    }
}
