//! All words of a movie as one text, in which a search looks for its terms.
//!
//! A search reads about a hundred postings, each with such a text. Decoding a text takes some twenty allocations, so the terms are
//! compared with the words in the text itself.

use std::{borrow::Cow, fmt::Write as _};

use crate::{
    db::words::{Term, Words, begin_with, matches},
    domain::text::{Compound, canonical, closed_up},
};

/// Separates the title, the directors, the genres and the year.
const FIELD: char = '|';
/// Separates the names of directors, and genres.
const NAME: char = ',';
/// Separates the words of a title or a name.
const WORD: char = ' ';
/// Joins the parts of a compound.
const SIGN: char = '-';

/// All words of a movie: `spider-man ii|sam raimi,jo-ann doe|action,sci fi|2004`. The text of an earlier layout lacks the year.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedWords {
    text: String,
    /// Where the title ends in the text.
    title_end: usize,
    /// Where the directors end.
    directors_end: usize,
    /// Where the genres end.
    genres_end: usize,
    /// The year of the release. `None` in the text of an earlier layout.
    pub year: Option<u16>,
}

impl EncodedWords {
    /// The text of these words.
    #[must_use]
    pub fn of(words: &Words) -> Self {
        let mut text = String::new();
        push_compounds(&mut text, &words.title);
        let title_end = text.len();
        text.push(FIELD);
        for (n, name) in words.directors.iter().enumerate() {
            if n > 0 {
                text.push(NAME);
            }
            push_compounds(&mut text, name);
        }
        let directors_end = text.len();
        text.push(FIELD);
        for (n, genre) in words.genres.iter().enumerate() {
            if n > 0 {
                text.push(NAME);
            }
            push_joined(&mut text, genre, WORD);
        }
        let genres_end = text.len();
        if let Some(year) = words.year {
            // Writing to a string does not fail.
            let _ = write!(text, "{FIELD}{year}");
        }
        Self {
            text,
            title_end,
            directors_end,
            genres_end,
            year: words.year,
        }
    }

    /// Reads a text that [`EncodedWords::of`] has made. `None` for any other text.
    #[must_use]
    pub fn read(text: String) -> Option<Self> {
        let mut ends = text.match_indices(FIELD).map(|(end, _)| end);
        let (title_end, directors_end) = (ends.next()?, ends.next()?);
        let (genres_end, year) = match ends.next() {
            Some(end) => (end, Some(text[end + 1..].parse().ok()?)),
            None => (text.len(), None),
        };
        Some(Self {
            text,
            title_end,
            directors_end,
            genres_end,
            year,
        })
    }

    /// The words.
    #[must_use]
    pub fn decode(&self) -> Words {
        let compounds = |text| -> Vec<Compound> {
            let compounds = compounds(text).map(|compound| Compound {
                parts: split(compound, SIGN).map(str::to_owned).collect(),
            });
            compounds.collect()
        };
        Words {
            title: compounds(self.title()),
            directors: split(self.directors(), NAME).map(compounds).collect(),
            genres: self
                .genres()
                .map(|genre| genre.map(str::to_owned).collect())
                .collect(),
            year: self.year,
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn title(&self) -> &str {
        &self.text[..self.title_end]
    }

    fn directors(&self) -> &str {
        &self.text[self.title_end + 1..self.directors_end]
    }

    /// The words of each genre, each followed by its signs.
    pub fn genres(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        split(&self.text[self.directors_end + 1..self.genres_end], NAME).map(|genre| split(genre, WORD))
    }

    /// The canonical words of each director's name, in order.
    pub fn director_names(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        split(self.directors(), NAME)
            .map(|name| compounds(name).flat_map(|compound| split(compound, SIGN).map(canonical)))
    }

    /// The words of the title and the directors as they are written: the parts of their compounds, not canonical.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.compounds().flat_map(|compound| split(compound, SIGN))
    }

    /// The words of the title and the directors, as they are compared with terms: the parts and the closed-up forms.
    pub fn compared(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.compounds().flat_map(|compound| {
            let parts = split(compound, SIGN).map(|part| Cow::Borrowed(canonical(part)));
            parts.chain(compound.contains(SIGN).then(|| whole(compound)))
        })
    }

    /// The words of all genres.
    pub fn genre_words(&self) -> impl Iterator<Item = &str> {
        self.genres().flatten()
    }

    /// Whether `term` matches a word of the movie, or its year.
    #[must_use]
    pub fn contains(&self, term: &Term) -> bool {
        (term.year.is_some() && term.year == self.year) || self.matching(term).next().is_some()
    }

    /// Whether `term` matches exactly one word: each part, closed-up form and word of a genre counts.
    #[must_use]
    pub fn has_once(&self, term: &Term) -> bool {
        self.matching(term).take(2).count() == 1
    }

    fn matching<'a>(&'a self, term: &'a Term) -> impl Iterator<Item = ()> + 'a {
        let compared = self.compared().filter(|own| matches(own, &term.canonical));
        let genres = self.genre_words().filter(|own| matches(own, &term.raw));
        compared.map(drop).chain(genres.map(|_| ()))
    }

    /// Whether the title, with or without the signs inside its words, begins with these words of a search. The last of them may
    /// be unfinished.
    #[must_use]
    pub fn title_begins_with(&self, words: &[Term]) -> bool {
        let written = compounds(self.title()).flat_map(|compound| split(compound, SIGN));
        begin_with(written.map(canonical), words)
            || (self.has_signs_in_title() && begin_with(compounds(self.title()).map(whole), words))
    }

    /// Whether a word of the title has signs inside, so that the title has a closed-up form.
    #[must_use]
    pub fn has_signs_in_title(&self) -> bool {
        self.title().contains(SIGN)
    }

    /// The compounds of the title and the directors.
    fn compounds(&self) -> impl Iterator<Item = &str> {
        let of_directors = split(self.directors(), NAME).flat_map(compounds);
        compounds(self.title()).chain(of_directors)
    }
}

impl From<EncodedWords> for String {
    fn from(words: EncodedWords) -> Self {
        words.text
    }
}

fn push_compounds(text: &mut String, compounds: &[Compound]) {
    for (n, compound) in compounds.iter().enumerate() {
        if n > 0 {
            text.push(WORD);
        }
        push_joined(text, &compound.parts, SIGN);
    }
}

fn push_joined(text: &mut String, words: &[String], by: char) {
    for (n, word) in words.iter().enumerate() {
        if n > 0 {
            text.push(by);
        }
        text.push_str(word);
    }
}

fn split(text: &str, by: char) -> impl Iterator<Item = &str> {
    text.split(by).filter(|word| !word.is_empty())
}

fn compounds(text: &str) -> impl Iterator<Item = &str> {
    split(text, WORD)
}

/// The word that a whole compound is compared by: its closed-up form or its only part, and for a numeral the digits.
fn whole(compound: &str) -> Cow<'_, str> {
    if !compound.contains(SIGN) {
        return Cow::Borrowed(canonical(compound));
    }
    let closed = closed_up(compound.replace(SIGN, ""));
    match canonical(&closed) {
        digits if digits != closed => Cow::Owned(digits.to_owned()),
        _ => Cow::Owned(closed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::words::director_name,
        domain::{MovieFields, text},
    };

    fn words(title: &str, director: &str, genre: &str) -> EncodedWords {
        EncodedWords::of(&Words::of(&MovieFields::of_words(title, director, genre)))
    }

    fn term(word: &str) -> Term {
        Term::new(word, false)
    }

    #[test]
    fn words_survive_their_encoding() {
        for (title, director, genre, text) in [
            ("The Kid", "A B", "Sci-Fi, Drama", "the kid|a b|sci fi,drama|1972"),
            ("…", "?", "x, C++", "||x,c ^^|1972"),
            (
                "Spider-Man II",
                "Sam Raimi, Jo-Ann Doe,, -",
                "Action & x",
                "spider-man ii|sam raimi,jo-ann doe|action and x|1972",
            ),
            (
                "스타·워즈",
                "王，李、J. J. Lee",
                "x",
                "스타-워즈|王,李,j-j lee|x|1972",
            ),
        ] {
            let words = Words::of(&MovieFields::of_words(title, director, genre));
            let encoded = EncodedWords::of(&words);
            assert_eq!(encoded.as_str(), text);
            assert_eq!(encoded.decode(), words);
            assert_eq!(EncodedWords::read(text.to_owned()), Some(encoded));
        }
    }

    #[test]
    fn a_text_of_an_earlier_layout_has_no_year() {
        let text = "spider man|sam raimi jo ann doe|action";
        let encoded = EncodedWords::read(text.to_owned()).unwrap();
        let words = encoded.decode();
        assert_eq!(EncodedWords::of(&words), encoded);
        assert_eq!((words.year, encoded.year), (None, None));
        assert!(words.title_words().eq(["spider", "man"]));
        assert_eq!(words.director_words().count(), 5);
        for broken in ["", "a|b", "a|b|c|year", "a|b|c|99999"] {
            assert_eq!(EncodedWords::read(broken.to_owned()), None, "{broken}");
        }
    }

    #[test]
    fn a_movie_has_its_parts_its_closed_up_forms_its_numerals_and_its_runs() {
        let words = words(
            "X-Men II: 千と千尋の神隠し",
            "Pat O'Connor, J. J. 한국영화",
            "Ultra HD, ii, 한국드라마",
        );
        for found in [
            "x",
            "10",
            "men",
            "xmen",
            "xme",
            "ii",
            "2",
            "千と",
            "神隠し",
            "隠し",
            "connor",
            "oconnor",
            "o",
            "jj",
            "j",
            "국영",
            "영화",
            "한국",
            "ultra",
            "hd",
            "드라마",
            "국드",
        ] {
            assert!(words.contains(&term(found)), "{found}");
        }
        for absent in [
            "1", "me", "xm", "3", "隠", "神し", "oc", "화", "iii", "1972x", "ltra", "ons",
        ] {
            assert!(!words.contains(&term(absent)), "{absent}");
        }
        // A numeral of a genre is a word as it is written.
        let genre = self::words("x", "y", "VIII, 9");
        assert!(genre.contains(&term("viii")) && !genre.contains(&term("8")));
        assert!(genre.contains(&term("9")) && !genre.contains(&term("ix")));
    }

    #[test]
    fn a_year_is_matched_beside_other_words() {
        let words = words("1917", "y", "z");
        for (word, is_only, has) in [
            ("1972", false, true),
            ("1972", true, false),
            ("1917", true, true),
            ("1917", false, true),
            ("197", false, false),
            ("19720", false, false),
            ("1973", false, false),
        ] {
            assert_eq!(words.contains(&Term::new(word, is_only)), has, "{word}");
        }
        let unknown = Words {
            year: None,
            ..words.decode()
        };
        assert!(!EncodedWords::of(&unknown).contains(&term("1972")));
    }

    #[test]
    fn a_title_begins_as_written_with_spaces_or_closed_up() {
        let words = words("Spider-Man II: E.T.", "x", "y");
        let begins = |q: &str| {
            let q: Vec<Term> = text::words(q).iter().map(|word| term(word)).collect();
            words.title_begins_with(&q)
        };
        for q in [
            "spi",
            "spider",
            "spiderm",
            "spiderman 2",
            "spiderman ii et",
            "spider man ii",
            "Spider-Man 2 e t",
            "spider man ii e",
        ] {
            assert!(begins(q), "{q}");
        }
        for q in [
            "",
            "sp",
            "man",
            "spiderman et",
            "spider man et",
            "spid man",
            "spider man 2 et",
            "spiderman 2 e",
        ] {
            assert!(!begins(q), "{q}");
        }
        let run = self::words("千と千尋の神隠し", "x", "y");
        assert!(run.title_begins_with(&[term("千と")]) && !run.title_begins_with(&[term("神隠し")]));
    }

    #[test]
    fn the_words_in_the_text_are_those_that_are_decoded() {
        for (title, director, genre) in [
            (
                "The X-Men II: V.I. Ⅷ",
                "J. J. O'Connor, Malcolm X",
                "Sci-Fi, C++, ii",
            ),
            ("스타·워즈 \u{1100}-\u{1161}", "王，李", "한국드라마"),
            ("…", "?", "x"),
        ] {
            let encoded = words(title, director, genre);
            let decoded = encoded.decode();
            assert!(encoded.compared().eq(decoded.compared()), "{title}");
            let written = decoded.title_words().chain(decoded.director_words());
            assert!(encoded.written().eq(written), "{title}");
            assert!(
                encoded.genre_words().eq(decoded.genres.iter().flatten()),
                "{title}"
            );
            let names = encoded
                .director_names()
                .map(|name| name.collect::<Vec<_>>().join("-"));
            let of_decoded = decoded.directors.iter().filter_map(|name| director_name(name));
            assert!(names.eq(of_decoded), "{title}");
        }
    }

    #[test]
    fn a_word_is_there_once_if_neither_another_one_nor_a_closed_up_form_matches() {
        let words = words("The Kid II: X-Men", "Kid Theo, Ory", "Drama, ii");
        for (word, is_once) in [
            ("kid", false),
            ("the", false),
            ("theo", true),
            ("men", true),
            ("xme", true),
            ("drama", true),
            // In the genre and in the title.
            ("ii", false),
            ("2", true),
            ("love", false),
        ] {
            assert_eq!(words.has_once(&term(word)), is_once, "{word}");
        }
    }
}
