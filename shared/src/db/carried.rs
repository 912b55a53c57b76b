//! What a posting carries of its movie's words, so that the further words of a search are checked without another read.
//!
//! A posting has a largest size, whatever the movie's texts are: otherwise what people write would decide what a search
//! costs. Where the words fit, all are there: `title|director|genre,genre`. Where they don't, the text is
//! `~<shared> <first> <word> <word>…`:
//!
//! * how many characters the posting's word shares with a word of an earlier posting of the movie, by which it is known
//!   whether this one is the movie's first in a walk along a word;
//! * the title's first word, by which most titles are known not to begin with the words of a search; `-` where the title
//!   has no words;
//! * the movie's other words, each once. Of every word there is as much as fits; one that is cut ends in `~`.
//!
//! That decides nearly every search. One that it leaves open is decided by the movie itself.

use std::collections::BTreeSet;

use crate::db::index::{Words, is_short, satisfies};

/// Marks what is cut: the whole, and each word. No normalized text contains it.
const CUT: char = '~';
/// Stands for the first word of a title without words.
const NO_WORD: &str = "-";

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
    /// How many characters the posting's word shares with one of an earlier posting of the movie.
    pub shared: usize,
    /// The title's first word, if it has one, and then all others; nothing where there is no room for any.
    words: Option<(Option<Stump>, Vec<Stump>)>,
}

/// A word, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stump {
    text: String,
    is_cut: bool,
}

impl Stump {
    fn decode(text: &str) -> Self {
        let start = text.strip_suffix(CUT);
        Self {
            text: start.unwrap_or(text).to_owned(),
            is_cut: start.is_some(),
        }
    }

    /// Whether the word satisfies `word` of a search; `None` where it may.
    fn satisfies(&self, word: &str) -> Option<bool> {
        if !self.is_cut {
            return Some(satisfies(&self.text, word));
        }
        match !is_short(word) && self.text.starts_with(word) {
            true => Some(true),
            false if self.may_be(word) => None,
            false => Some(false),
        }
    }

    /// Whether the word may be this one, or begin with it beyond what is there.
    fn may_be(&self, word: &str) -> bool {
        if self.is_cut {
            word.starts_with(&self.text)
        } else {
            self.text == word
        }
    }
}

impl Carried {
    /// Reads what a posting carries.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let Some(part) = text.strip_prefix(CUT) else {
            return Words::decode(text).map(Self::All);
        };
        let mut words = part.split(' ');
        let shared = words.next()?.parse().ok()?;
        let first = words.next();
        let words = first.map(|first| {
            let first = (first != NO_WORD).then(|| Stump::decode(first));
            (first, words.map(Stump::decode).collect())
        });
        Some(Self::Part(Part { shared, words }))
    }
}

impl Part {
    /// Whether some word of the movie satisfies `word` of a search; `None` where one may.
    #[must_use]
    pub fn has(&self, word: &str) -> Option<bool> {
        let (first, others) = self.words.as_ref()?;
        let mut known = Some(false);
        for stump in first.iter().chain(others) {
            match stump.satisfies(word) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => known = None,
            }
        }
        known
    }

    /// Whether `word` may be the title's first.
    #[must_use]
    pub fn title_may_begin_with(&self, word: &str) -> bool {
        match &self.words {
            None => true,
            Some((first, _)) => first.as_ref().is_some_and(|first| first.may_be(word)),
        }
    }
}

/// A movie's words as its postings carry them.
pub struct Encoder<'a> {
    whole: String,
    first: Option<&'a str>,
    /// All but the first, each once.
    others: BTreeSet<&'a str>,
}

impl<'a> Encoder<'a> {
    /// An encoder of these words.
    #[must_use]
    pub fn new(words: &'a Words) -> Self {
        let genres = words.genres.iter().flatten();
        let all = words.title.iter().chain(&words.director).chain(genres);
        let first = words.title.first().map(String::as_str);
        Self {
            whole: words.encode(),
            first,
            others: all
                .map(String::as_str)
                .filter(|word| Some(*word) != first)
                .collect(),
        }
    }

    /// The text of a posting that has room for so many bytes, four at least. `shared` counts what its word shares with one
    /// of an earlier posting.
    #[must_use]
    pub fn encode(&self, room: usize, shared: impl FnOnce() -> usize) -> String {
        if self.whole.len() <= room {
            return self.whole.clone();
        }
        let head = format!("{CUT}{}", shared());
        // As much of every word as fits, the same for each.
        let words = || self.first.into_iter().chain(self.others.iter().copied());
        let none = if self.first.is_none() {
            1 + NO_WORD.len()
        } else {
            0
        };
        let fits = |bytes: &usize| {
            let stumps = words().map(|word| match cut(word, *bytes) {
                Some(start) => 1 + start.len() + CUT.len_utf8(),
                None => 1 + word.len(),
            });
            head.len() + none + stumps.sum::<usize>() <= room
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

/// The first `bytes` bytes of a longer word, without half a character.
fn cut(word: &str, bytes: usize) -> Option<&str> {
    (word.len() > bytes).then(|| &word[..word.floor_char_boundary(bytes)])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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

    /// What is carried, however little, says nothing that isn't so.
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
                    assert!(
                        part.has(word).is_none_or(|has| has == words.contain(word)),
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
        for (word, has) in [
            ("the", Some(true)),
            ("fil", Some(true)),
            ("god", Some(true)),
            ("godf", Some(true)),
            ("godfather", None),
            ("映画", None),
            ("crisis", Some(false)),
            ("love", Some(false)),
            ("films", Some(false)),
            ("th", Some(false)),
            ("gods", Some(false)),
            ("監督", Some(false)),
        ] {
            assert_eq!(part.has(word), has, "{word}");
        }
        assert!(part.title_may_begin_with("the") && !part.title_may_begin_with("film"));
    }
}
