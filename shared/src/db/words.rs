//! The normalized words of a movie, and which of them a word of a search matches.
//!
//! A [term](Term), a word of a search, matches every word that begins with it: `god` matches `god`, `gods` and `godfather`. A
//! word of one or two characters is *short*: it matches only the word that equals it, so `go` doesn't match `godfather`.
//!
//! * **Compounds.** A word with signs inside counts as its parts and as its closed-up form: *Spider-Man* has the words `spider`,
//!   `man` and `spiderman`.
//! * **Numerals.** Words of titles and directors are compared in their [canonical] form: `ii` and `2` are the
//!   same word.
//! * **Scripts without spaces.** A term that begins with two characters of such a script matches every word that contains it:
//!   `神隠し` matches `千と千尋の神隠し`.
//! * **Years.** In a search of two words or more, a term of four digits also matches the year of the release.

use std::borrow::Cow;

use crate::domain::{
    Genre, MovieFields,
    text::{self, Compound, begins_with_run, canonical},
};

/// Separates the names of several directors: a comma, in the widths and forms that it has.
const BETWEEN_NAMES: [char; 3] = [',', '\u{ff0c}', '\u{3001}'];

/// A movie's normalized words, by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// The title's words, in order.
    pub title: Vec<Compound>,
    /// The words of each director's name, in order.
    pub directors: Vec<Vec<Compound>>,
    /// The words of each genre, in order, each followed by its [signs](crate::domain::genre::is_signs), which no word of a
    /// search matches.
    pub genres: Vec<Vec<String>>,
    /// The year of the release. `None` if it isn't known: in texts of earlier layouts, which also don't tell compounds from
    /// words apart, nor names of several directors.
    pub year: Option<u16>,
}

impl Words {
    /// The words of a movie.
    #[must_use]
    pub fn of(fields: &MovieFields) -> Self {
        let genres: Vec<Genre> = fields.genres.iter().collect();
        Self::with_genres(fields, &genres)
    }

    /// The words of a movie whose genres were split before.
    #[must_use]
    pub fn with_genres(fields: &MovieFields, genres: &[Genre]) -> Self {
        Self {
            title: text::compounds(fields.title.as_str()),
            directors: directors(fields.director.as_str()),
            genres: genres.iter().map(|genre| genre.parts().to_vec()).collect(),
            year: Some(fields.release_date.year()),
        }
    }

    /// The words of the title, in order: the parts of its compounds, not canonical.
    pub fn title_words(&self) -> impl Iterator<Item = &str> {
        parts(&self.title)
    }

    /// The words of the directors, in order: the parts of their compounds, not canonical.
    pub fn director_words(&self) -> impl Iterator<Item = &str> {
        self.directors.iter().flat_map(|name| parts(name))
    }

    /// The words of the title and the directors, as they are compared with terms: the parts and the closed-up forms.
    pub fn compared(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let compounds = self.title.iter().chain(self.directors.iter().flatten());
        compounds.flat_map(|compound| {
            let parts = compound.parts.iter().map(|part| Cow::Borrowed(canonical(part)));
            let closed = (compound.parts.len() > 1).then(|| Cow::Owned(compound.whole()));
            parts.chain(closed)
        })
    }
}

/// Whether a title begins with these words of a search. The last of them may be unfinished.
pub(super) fn begin_with(mut title: impl Iterator<Item: AsRef<str>>, words: &[Term]) -> bool {
    let Some((last, whole)) = words.split_last() else {
        return false;
    };
    let mut is_next = |fits: &dyn Fn(&str) -> bool| title.next().is_some_and(|own| fits(own.as_ref()));
    let last = last.canonical.as_str();
    whole.iter().all(|word| is_next(&|own| own == word.canonical))
        && is_next(&|own| own == last || (!is_short(last) && own.starts_with(last)))
}

/// The words of each director's name in a text of names, which commas separate.
#[must_use]
pub fn directors(names: &str) -> Vec<Vec<Compound>> {
    let names = names.split(BETWEEN_NAMES).map(text::compounds);
    names.filter(|name| !name.is_empty()).collect()
}

/// The parts of these compounds, one after another.
fn parts(compounds: &[Compound]) -> impl Iterator<Item = &str> {
    compounds.iter().flat_map(|c| c.parts.iter().map(String::as_str))
}

/// The name of a director as keys contain it: its words in canonical form, joined by `-`. Two directors of the same name are
/// the same. `None` for a text without a word.
#[must_use]
pub fn director_name(name: &[Compound]) -> Option<String> {
    let words: Vec<&str> = parts(name).map(canonical).collect();
    (!words.is_empty()).then(|| words.join("-"))
}

/// A word of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The word as it is normalized, which is compared with words of genres.
    pub raw: String,
    /// Its [canonical] form, which is compared with words of titles and directors.
    pub canonical: String,
    /// The year that it also matches. `None` if it is no year, or the search has no other word.
    pub year: Option<u16>,
}

impl Term {
    /// The term for a normalized word of a search, which has only this one word or several.
    #[must_use]
    pub fn new(word: &str, is_only_word: bool) -> Self {
        let is_year = word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()) && !is_only_word;
        Self {
            raw: word.to_owned(),
            canonical: canonical(word).to_owned(),
            year: word.parse().ok().filter(|_| is_year),
        }
    }

    /// Whether it is a numeral, which is not the same word in a genre as in a title.
    #[must_use]
    pub fn is_numeral(&self) -> bool {
        self.raw != self.canonical
    }

    /// Whether every movie that `other` matches is one that this term matches too, because `other` is longer.
    #[must_use]
    pub fn is_implied_by(&self, other: &Self) -> bool {
        // A year may match the date of the release, which no other word does.
        other.raw != self.raw
            && other.year.is_none()
            && !is_short(&self.raw)
            && !is_short(&self.canonical)
            && matches(&other.raw, &self.raw)
            && matches(&other.canonical, &self.canonical)
    }
}

/// Whether `word` of a search matches the word `own` of a movie.
#[must_use]
pub fn matches(own: &str, word: &str) -> bool {
    if is_short(word) {
        own == word
    } else {
        own.starts_with(word) || (begins_with_run(word) && own.contains(word))
    }
}

/// Whether a word of a search matches only the word that equals it: it has one character, or two that are not of a script
/// without spaces.
#[must_use]
pub fn is_short(word: &str) -> bool {
    word.chars().nth(2).is_none() && !begins_with_run(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(word: &str) -> Term {
        Term::new(word, false)
    }

    #[test]
    fn a_longer_word_implies_its_beginnings() {
        for (word, other, is_implied) in [
            ("god", "godfather", true),
            ("go", "godfather", false),
            ("godfather", "god", false),
            ("god", "god", false),
            ("神隠", "千尋の神隠し", true),
            ("神", "神隠", false),
            ("viii", "viiix", false),
            ("2001", "20011", true),
            ("197", "1972", false),
        ] {
            assert_eq!(
                term(word).is_implied_by(&term(other)),
                is_implied,
                "{word} {other}"
            );
        }
    }

    #[test]
    fn a_director_is_known_by_the_words_of_the_name() {
        let name = |text: &str| director_name(&text::compounds(text));
        for text in ["Jean-Pierre Jeunet", "JEAN PIERRE JEUNET", "jean-pierre  jeunet."] {
            assert_eq!(name(text).as_deref(), Some("jean-pierre-jeunet"));
        }
        assert_eq!(name("Malcolm X").as_deref(), Some("malcolm-10"));
        assert_eq!(name("…"), None);
    }
}
