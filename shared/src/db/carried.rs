//! The words of its movie that a posting carries, so that a search can check its other words without reading the movie.
//!
//! A posting has a [largest size](crate::db::index::POSTING_BYTES), however long the movie's texts are. Otherwise the cost
//! of a search would depend on the length of texts. If all words fit, the posting carries [all](EncodedWords):
//!
//! ```text
//! the kid|charles chaplin|comedy,silent film|1921
//! ```
//!
//! If they don't fit, it carries `~<shared>,<year> <first> <word> <word>…`:
//!
//! ```text
//! ~3,1921 the chap~ char~ come~ film kid sile~
//! ```
//!
//! * `shared` is the number of first characters that the posting's word has in common with a word of an earlier posting of
//!   the movie: of the word with the most. It decides whether this posting is the movie's first in a walk along a word.
//! * `year` is the year of the release. Texts of earlier layouts lack it, and the comma before it.
//! * `first` is the title's first word, or `-` if the title has no words. It rules out most titles that don't begin with the
//!   words of a search. `-` after the word says that a sign joins it to the next one, so the title also begins with another
//!   word, the closed-up one.
//! * The movie's other words follow, each once, as they are [compared](Words::compared). Every word is cut to the same number of
//!   bytes. A word that was cut ends in `~`.
//!
//! This is nearly always enough to decide whether the movie is a hit. If it isn't, the movie itself decides.

use std::{borrow::Cow, collections::BTreeSet};

use crate::{
    db::{
        encoded_words::EncodedWords,
        verdict::Verdict,
        words::{Term, Words, is_short, matches},
    },
    domain::text::{begins_with_run, canonical},
};

/// Marks a text that doesn't carry all words, and each word that was cut. No normalized text contains it.
const CUT: char = '~';
/// Separates the year from what is before it.
const YEAR: char = ',';
/// Replaces the first word of a title without words.
const NO_WORD: &str = "-";
/// Follows the first word of a title if a sign joins it to the next one.
const JOINED: char = '-';

/// A movie's words, as far as a posting carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// All of them.
    All(EncodedWords),
    /// Their beginnings.
    Part(Part),
}

/// The beginnings of a movie's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many characters the posting's word shares with a word of an earlier posting of the movie.
    pub shared: usize,
    /// The year of the release. `None` if the text is of an earlier layout.
    pub year: Option<u16>,
    /// `None` if the posting has no room for any word.
    words: Option<PartWords>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct PartWords {
    /// The title's first word, if the title has words.
    first: Option<WordStart>,
    /// Whether a sign joins it to the next word.
    is_joined: bool,
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
        if !is_short(word) && matches(&self.text, word) {
            Verdict::Yes
        } else if self.may_begin_with(word) || begins_with_run(word) {
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
    pub fn decode(text: String) -> Option<Self> {
        let Some(part) = text.strip_prefix(CUT) else {
            return EncodedWords::read(text).map(Self::All);
        };
        let mut words = part.split(' ');
        let head = words.next()?;
        let (shared, year) = match head.split_once(YEAR) {
            Some((shared, year)) => (shared, Some(year.parse().ok()?)),
            None => (head, None),
        };
        let shared = shared.parse().ok()?;
        let words = words.next().map(|first| {
            let joined = first.strip_suffix(JOINED);
            PartWords {
                first: (first != NO_WORD).then(|| WordStart::decode(joined.unwrap_or(first))),
                is_joined: first != NO_WORD && joined.is_some(),
                others: words.map(WordStart::decode).collect(),
            }
        });
        Some(Self::Part(Part { shared, year, words }))
    }
}

impl Carried {
    /// Whether `term` matches a word of the movie, or its year.
    #[must_use]
    pub fn contains(&self, term: &Term) -> Verdict {
        match self {
            // The text of an earlier layout doesn't have the year.
            Self::All(words) if words.year.is_none() && term.year.is_some() => {
                Verdict::from(words.contains(term)).or(Verdict::Unknown)
            }
            Self::All(words) => words.contains(term).into(),
            Self::Part(part) => part.contains(term),
        }
    }

    /// Whether a word of the movie, as it is written or as it is compared, or the year begins with this text, as far as the
    /// words are carried.
    #[must_use]
    pub fn may_begin_a_word(&self, start: &str) -> bool {
        let (year, is_in_words) = match self {
            Self::All(words) => {
                let mut written = words.written().chain(words.genre_words());
                let is_in_words = written.any(|word| word.starts_with(start))
                    || words.compared().any(|word| word.starts_with(start));
                (words.year, is_in_words)
            }
            Self::Part(part) => {
                let words = part
                    .words
                    .iter()
                    .flat_map(|words| words.first.iter().chain(&words.others));
                let mut words = words.map(|word| word.text.as_str());
                (part.year, words.any(|word| word.starts_with(start)))
            }
        };
        is_in_words || year.is_some_and(|year| year.to_string().starts_with(start))
    }
}

impl Part {
    /// Whether `term` matches a word of the movie, or its year.
    #[must_use]
    pub fn contains(&self, term: &Term) -> Verdict {
        if term.year.is_some() && term.year == self.year {
            return Verdict::Yes;
        }
        let Some(words) = &self.words else {
            return Verdict::Unknown;
        };
        // An earlier layout has neither years nor canonical words.
        let is_undecided = self.year.is_none() && (term.year.is_some() || term.is_numeral());
        let mut verdict = if is_undecided {
            Verdict::Unknown
        } else {
            Verdict::No
        };
        for start in words.first.iter().chain(&words.others) {
            let of_start = if term.is_numeral() {
                // The words of genres, which are not canonical, are among the others.
                match (start.matches(&term.raw), start.matches(&term.canonical)) {
                    (Verdict::No, Verdict::No) => Verdict::No,
                    _ => Verdict::Unknown,
                }
            } else {
                start.matches(&term.raw)
            };
            match of_start {
                Verdict::Yes => return Verdict::Yes,
                Verdict::No => {}
                Verdict::Unknown => verdict = Verdict::Unknown,
            }
        }
        verdict
    }

    /// Whether the title's first word, as written or closed up, may be `word`, which is canonical.
    #[must_use]
    pub fn title_may_begin_with(&self, word: &str) -> bool {
        match &self.words {
            None => true,
            Some(words) => {
                let first = words.first.as_ref();
                words.is_joined || first.is_some_and(|first| first.may_begin_with(word))
            }
        }
    }
}

/// Writes the texts that the postings of one movie carry.
pub struct Encoder<'a> {
    /// The text that carries all words.
    whole: String,
    /// The title's first word, and whether a sign joins it to the next one.
    first: Option<(&'a str, bool)>,
    /// All other words as they are compared, each once.
    others: BTreeSet<Cow<'a, str>>,
    /// The year of the release.
    year: Option<u16>,
}

impl<'a> Encoder<'a> {
    /// Returns an encoder for the postings of the movie with these words.
    #[must_use]
    pub fn new(words: &'a Words) -> Self {
        let first = words.title.first().and_then(|compound| {
            let first = compound.parts.first()?;
            Some((canonical(first), compound.parts.len() > 1))
        });
        let genres = words.genres.iter().flatten();
        let all = words
            .compared()
            .chain(genres.map(|word| Cow::Borrowed(word.as_str())));
        Self {
            whole: EncodedWords::of(words).into(),
            first,
            others: all
                .filter(|word| first.is_none_or(|(first, _)| first != word))
                .collect(),
            year: words.year,
        }
    }

    /// The text of a posting that has room for `room` bytes, which must be at least nine. `shared` counts the characters
    /// that the posting's word shares with a word of an earlier posting; it is called only where words are cut.
    #[must_use]
    pub fn encode(&self, room: usize, shared: impl FnOnce() -> usize) -> String {
        if self.whole.len() <= room {
            return self.whole.clone();
        }
        let mut head = format!("{CUT}{}", shared());
        if let Some(year) = self.year {
            head.push(YEAR);
            head.push_str(&year.to_string());
        }
        // Keep the same number of bytes of every word, as many as fit.
        let words = || {
            let first = self.first.map(|(first, _)| first);
            first.into_iter().chain(self.others.iter().map(AsRef::as_ref))
        };
        let beside = match self.first {
            None => 1 + NO_WORD.len(),
            Some((_, is_joined)) => usize::from(is_joined),
        };
        let fits = |bytes: &usize| {
            let starts = words().map(|word| match cut(word, *bytes) {
                Some(start) => 1 + start.len() + CUT.len_utf8(),
                None => 1 + word.len(),
            });
            head.len() + beside + starts.sum::<usize>() <= room
        };
        let Some(bytes) = (1..=room).rev().find(fits) else {
            return head;
        };
        let mut text = head;
        if self.first.is_none() {
            text.push(' ');
            text.push_str(NO_WORD);
        }
        for (n, word) in words().enumerate() {
            text.push(' ');
            let start = cut(word, bytes);
            text.push_str(start.unwrap_or(word));
            if start.is_some() {
                text.push(CUT);
            }
            if n == 0 && self.first.is_some_and(|(_, is_joined)| is_joined) {
                text.push(JOINED);
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
    use crate::{domain::MovieFields, domain::text};

    fn words(title: &str) -> Words {
        let title = if title.is_empty() { "…" } else { title };
        Words::of(&MovieFields::of_words(title, "Ford 映画監督", "Crime, Film Noir"))
    }

    fn part(text: &str) -> Part {
        let part = match Carried::decode(text.to_owned()).unwrap() {
            Carried::Part(part) => Some(part),
            Carried::All(_) => None,
        };
        part.unwrap()
    }

    fn term(word: &str) -> Term {
        Term::new(word, false)
    }

    #[test]
    fn words_that_fit_are_carried_whole() {
        let words = words("the god-father the");
        let whole = EncodedWords::of(&words);
        let text = Encoder::new(&words).encode(whole.as_str().len(), || 9);
        assert_eq!(text, whole.as_str());
        assert_eq!(Carried::decode(text), Some(Carried::All(whole)));
    }

    #[test]
    fn the_example_in_the_head_of_this_file_is_so() {
        let mut fields = MovieFields::of_words("The Kid", "Charles Chaplin", "Comedy, Silent Film");
        fields.release_date = crate::domain::ReleaseDate::parse("1921-01-21").unwrap();
        let words = Words::of(&fields);
        let encode = |room| Encoder::new(&words).encode(room, || 3);
        assert_eq!(encode(47), "the kid|charles chaplin|comedy,silent film|1921");
        assert_eq!(encode(46), "~3,1921 the chap~ char~ come~ film kid sile~");
    }

    #[test]
    fn words_that_do_not_fit_are_cut_alike_and_fit() {
        let some = words("the godfather the");
        let encode = |room| Encoder::new(&some).encode(room, || 12);
        assert_eq!(encode(44), "~12,1972 the crim~ film ford godf~ noir 映~");
        assert_eq!(encode(10), "~12,1972");
        let none = words("");
        assert_eq!(
            Encoder::new(&none).encode(36, || 0),
            "~0,1972 - crime film ford noir 映~"
        );
        let joined = words("x-men viii");
        assert_eq!(
            Encoder::new(&joined).encode(48, || 1),
            "~1,1972 10- 8 crime film ford men noir xmen 映~"
        );
        for words in [&some, &none, &joined] {
            for room in 9..EncodedWords::of(words).as_str().len() {
                let text = Encoder::new(words).encode(room, || 12);
                assert!(
                    text.len() <= room && text.starts_with("~12,1972"),
                    "{room}: {text}"
                );
            }
        }
    }

    #[test]
    fn what_is_carried_is_so_or_is_left_open() {
        let searched = "the go god godfather f fil film 映画 映画監 画監 監督 noir x crisis men xmen xm 10 8 viii ii 1972 1973 1973x".split(' ');
        for words in [
            words("the godfather the"),
            words(""),
            words("x-men viii"),
            words("1973 x"),
        ] {
            let encoder = Encoder::new(&words);
            let whole = EncodedWords::of(&words);
            for room in 9..whole.as_str().len() {
                let part = part(&encoder.encode(room, || 0));
                for word in searched.clone() {
                    let verdict = part.contains(&term(word));
                    assert!(
                        verdict == Verdict::Unknown || verdict == whole.contains(&term(word)).into(),
                        "{word} at {room}"
                    );
                    let begins =
                        |first: Option<String>| first.is_some_and(|first| first == text::canonical(word));
                    let plain = words
                        .title_words()
                        .next()
                        .map(|first| text::canonical(first).to_owned());
                    let closed = words.title.first().map(text::Compound::whole);
                    assert!(
                        part.title_may_begin_with(text::canonical(word))
                            || !(begins(plain) || begins(closed)),
                        "{word} at {room}"
                    );
                }
            }
        }
    }

    #[test]
    fn little_is_left_open() {
        let part = part("~3,1972 the crim~ film ford godf~ noir 映~");
        assert_eq!((part.shared, part.year), (3, Some(1972)));
        for (words, verdict) in [
            ("the fil god godf 1972", Verdict::Yes),
            ("godfather 映画 監督", Verdict::Unknown),
            ("crisis love films th gods 督 1973 ii", Verdict::No),
        ] {
            for word in words.split(' ') {
                assert_eq!(part.contains(&term(word)), verdict, "{word}");
            }
        }
        assert!(part.title_may_begin_with("the") && !part.title_may_begin_with("film"));
    }

    #[test]
    fn a_text_of_an_earlier_layout_leaves_years_and_numerals_open() {
        let part = part("~3 the crim~ film godf~ ii");
        assert_eq!((part.shared, part.year), (3, None));
        for (word, verdict) in [
            ("film", Verdict::Yes),
            ("ii", Verdict::Unknown),
            ("iii", Verdict::Unknown),
            ("1972", Verdict::Unknown),
            ("love", Verdict::No),
        ] {
            assert_eq!(part.contains(&term(word)), verdict, "{word}");
        }
    }
}
