//! The words of its movie that a posting carries, so that a search can check its other words without reading the movie.
//!
//! A posting has a [largest size](crate::db::index::POSTING_BYTES), however long the movie's texts are. Otherwise the cost
//! of a search would depend on the length of texts. If all words fit, the posting carries [all](Words::encode):
//!
//! ```text
//! the kid|charles chaplin|comedy,silent film
//! ```
//!
//! If they don't fit, it carries `~<shared> <first> <word> <word>…`:
//!
//! ```text
//! ~3 the chap~ char~ come~ film kid sile~
//! ```
//!
//! * `shared` is the number of first characters that the posting's word has in common with a word of an earlier posting of
//!   the movie: of the word with the most. It decides whether this posting is the movie's first in a walk along a word.
//! * `first` is the title's first word, or `-` if the title has no words. It rules out most titles that don't begin with the
//!   words of a search.
//! * The movie's other words follow, each once. Every word is cut to the same number of bytes. A word that was cut
//!   ends in `~`.
//!
//! This is nearly always enough to decide whether the movie is a hit. If it isn't, the movie itself decides.

use std::collections::BTreeSet;

use crate::db::words::{Words, is_short, matches};

/// Marks a text that doesn't carry all words, and each word that was cut. No normalized text contains it.
const CUT: char = '~';
/// Replaces the first word of a title without words.
const NO_WORD: &str = "-";

/// The answer to a question about a movie, as far as the words that a posting carries decide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer is yes.
    Yes,
    /// The answer is no.
    No,
    /// The posting carries too little to decide.
    Unknown,
}

impl Verdict {
    /// Returns whether both answers are yes.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }
}

impl From<bool> for Verdict {
    fn from(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}

/// A movie's words, as far as a posting carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// All of them.
    All(Words),
    /// Their beginnings.
    Part(Part),
}

/// The beginnings of a movie's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many characters the posting's word shares with a word of an earlier posting of the movie.
    pub shared: usize,
    /// `None` if the posting has no room for any word.
    words: Option<PartWords>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PartWords {
    /// The title's first word, if the title has words.
    first: Option<WordStart>,
    /// The movie's other words.
    others: Vec<WordStart>,
}

/// A word, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct WordStart {
    text: String,
    is_cut: bool,
}

impl WordStart {
    fn decode(text: &str) -> Self {
        let start = text.strip_suffix(CUT);
        Self {
            text: start.unwrap_or(text).to_owned(),
            is_cut: start.is_some(),
        }
    }

    /// Whether `word` of a search matches the whole word.
    fn matches(&self, word: &str) -> Verdict {
        if !self.is_cut {
            return matches(&self.text, word).into();
        }
        if !is_short(word) && self.text.starts_with(word) {
            Verdict::Yes
        } else if self.may_begin_with(word) {
            Verdict::Unknown
        } else {
            Verdict::No
        }
    }

    /// Whether the whole word may be `word`, or, if it is cut, may begin with it.
    fn may_begin_with(&self, word: &str) -> bool {
        if self.is_cut {
            word.starts_with(&self.text)
        } else {
            self.text == word
        }
    }
}

impl Carried {
    /// Reads the text that a posting carries. `None` for a text that [`Encoder::encode`] doesn't write.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let Some(part) = text.strip_prefix(CUT) else {
            return Words::decode(text).map(Self::All);
        };
        let mut words = part.split(' ');
        let shared = words.next()?.parse().ok()?;
        let first = words.next();
        let words = first.map(|first| PartWords {
            first: (first != NO_WORD).then(|| WordStart::decode(first)),
            others: words.map(WordStart::decode).collect(),
        });
        Some(Self::Part(Part { shared, words }))
    }
}

impl Part {
    /// Whether `word` of a search matches a word of the movie.
    #[must_use]
    pub fn contains(&self, word: &str) -> Verdict {
        let Some(words) = &self.words else {
            return Verdict::Unknown;
        };
        let mut verdict = Verdict::No;
        for start in words.first.iter().chain(&words.others) {
            match start.matches(word) {
                Verdict::Yes => return Verdict::Yes,
                Verdict::No => {}
                Verdict::Unknown => verdict = Verdict::Unknown,
            }
        }
        verdict
    }

    /// Whether the title's first word may be `word`.
    #[must_use]
    pub fn title_may_begin_with(&self, word: &str) -> bool {
        match &self.words {
            None => true,
            Some(words) => words
                .first
                .as_ref()
                .is_some_and(|first| first.may_begin_with(word)),
        }
    }
}

/// Writes the texts that the postings of one movie carry.
pub struct Encoder<'a> {
    /// The text that carries all words.
    whole: String,
    /// The title's first word.
    first: Option<&'a str>,
    /// All other words, each once.
    others: BTreeSet<&'a str>,
}

impl<'a> Encoder<'a> {
    /// Returns an encoder for the postings of the movie with these words.
    #[must_use]
    pub fn new(words: &'a Words) -> Self {
        let first = words.title.first().map(String::as_str);
        Self {
            whole: words.encode(),
            first,
            others: words
                .all()
                .map(String::as_str)
                .filter(|word| Some(*word) != first)
                .collect(),
        }
    }

    /// The text of a posting that has room for `room` bytes, which must be at least four. `shared` counts the characters
    /// that the posting's word shares with a word of an earlier posting; it is called only where words are cut.
    #[must_use]
    pub fn encode(&self, room: usize, shared: impl FnOnce() -> usize) -> String {
        if self.whole.len() <= room {
            return self.whole.clone();
        }
        let head = format!("{CUT}{}", shared());
        // Keep the same number of bytes of every word, as many as fit.
        let words = || self.first.into_iter().chain(self.others.iter().copied());
        let none = if self.first.is_none() {
            1 + NO_WORD.len()
        } else {
            0
        };
        let fits = |bytes: &usize| {
            let starts = words().map(|word| match cut(word, *bytes) {
                Some(start) => 1 + start.len() + CUT.len_utf8(),
                None => 1 + word.len(),
            });
            head.len() + none + starts.sum::<usize>() <= room
        };
        let Some(bytes) = (1..=room).rev().find(fits) else {
            return head;
        };
        let mut text = head;
        if self.first.is_none() {
            text.push(' ');
            text.push_str(NO_WORD);
        }
        for word in words() {
            text.push(' ');
            let start = cut(word, bytes);
            text.push_str(start.unwrap_or(word));
            if start.is_some() {
                text.push(CUT);
            }
        }
        text
    }
}

/// The first `bytes` bytes of a word that is longer, up to the last whole character; `None` for a word that isn't.
fn cut(word: &str, bytes: usize) -> Option<&str> {
    (word.len() > bytes).then(|| &word[..word.floor_char_boundary(bytes)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(title: &str) -> Words {
        let split = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Words {
            title: split(title),
            director: split("ford 映画監督"),
            genres: vec![split("crime"), split("film noir")],
        }
    }

    fn part(text: &str) -> Part {
        let part = match Carried::decode(text).unwrap() {
            Carried::Part(part) => Some(part),
            Carried::All(_) => None,
        };
        part.unwrap()
    }

    #[test]
    fn words_that_fit_are_carried_whole() {
        let words = words("the godfather the");
        let whole = words.encode();
        let text = Encoder::new(&words).encode(whole.len(), || 9);
        assert_eq!(text, whole);
        assert_eq!(Carried::decode(&text), Some(Carried::All(words)));
    }

    #[test]
    fn the_example_in_the_head_of_this_file_is_so() {
        let split = |text: &str| text.split(' ').map(str::to_owned).collect();
        let words = Words {
            title: split("the kid"),
            director: split("charles chaplin"),
            genres: vec![split("comedy"), split("silent film")],
        };
        let encode = |room| Encoder::new(&words).encode(room, || 3);
        assert_eq!(encode(42), "the kid|charles chaplin|comedy,silent film");
        assert_eq!(encode(41), "~3 the chap~ char~ come~ film kid sile~");
    }

    #[test]
    fn words_that_do_not_fit_are_cut_alike_and_fit() {
        let some = words("the godfather the");
        let encode = |room| Encoder::new(&some).encode(room, || 12);
        assert_eq!(encode(39), "~12 the crim~ film ford godf~ noir 映~");
        assert_eq!(encode(10), "~12");
        let none = words("");
        assert_eq!(
            Encoder::new(&none).encode(31, || 0),
            "~0 - crime film ford noir 映~"
        );
        for words in [&some, &none] {
            for room in 4..words.encode().len() {
                let text = Encoder::new(words).encode(room, || 12);
                assert!(text.len() <= room && text.starts_with("~12"), "{room}: {text}");
            }
        }
    }

    #[test]
    fn what_is_carried_is_so_or_is_left_open() {
        let searched = [
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
            "crisis",
        ];
        for words in [words("the godfather the"), words("")] {
            let encoder = Encoder::new(&words);
            for room in 4..words.encode().len() {
                let part = part(&encoder.encode(room, || 0));
                for word in searched {
                    let verdict = part.contains(word);
                    assert!(
                        verdict == Verdict::Unknown || verdict == words.contains(word).into(),
                        "{word} at {room}"
                    );
                    let begins = words.title.first().is_some_and(|first| first == word);
                    assert!(part.title_may_begin_with(word) || !begins, "{word} at {room}");
                }
            }
        }
    }

    #[test]
    fn little_is_left_open() {
        let part = part("~3 the crim~ film ford godf~ noir 映~");
        assert_eq!(part.shared, 3);
        for (word, verdict) in [
            ("the", Verdict::Yes),
            ("fil", Verdict::Yes),
            ("god", Verdict::Yes),
            ("godf", Verdict::Yes),
            ("godfather", Verdict::Unknown),
            ("映画", Verdict::Unknown),
            ("crisis", Verdict::No),
            ("love", Verdict::No),
            ("films", Verdict::No),
            ("th", Verdict::No),
            ("gods", Verdict::No),
            ("監督", Verdict::No),
        ] {
            assert_eq!(part.contains(word), verdict, "{word}");
        }
        assert!(part.title_may_begin_with("the") && !part.title_may_begin_with("film"));
    }
}
