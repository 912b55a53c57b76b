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
    MovieFields,
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
        Self {
            title: text::compounds(fields.title.as_str()),
            directors: directors(fields.director.as_str()),
            genres: fields.genres.iter().map(|g| g.parts().to_vec()).collect(),
            year: Some(fields.release_date.year()),
        }
    }

    /// All words as one text: `spider-man ii|sam raimi,jo-ann doe|action,sci fi|2004`. Without the year, the text of an earlier
    /// layout.
    #[must_use]
    pub fn encode(&self) -> String {
        let compounds = |compounds: &[Compound]| {
            let all: Vec<String> = compounds
                .iter()
                .map(|compound| compound.parts.join("-"))
                .collect();
            all.join(" ")
        };
        let directors: Vec<String> = self.directors.iter().map(|name| compounds(name)).collect();
        let genres: Vec<String> = self.genres.iter().map(|g| g.join(" ")).collect();
        let mut text = format!(
            "{}|{}|{}",
            compounds(&self.title),
            directors.join(","),
            genres.join(",")
        );
        if let Some(year) = self.year {
            text.push_str(&format!("|{year}"));
        }
        text
    }

    /// Reads the text that [`Words::encode`] writes. `None` for any other text.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        fn split(words: &str, by: char) -> impl Iterator<Item = &str> {
            words.split(by).filter(|word| !word.is_empty())
        }
        let compounds = |words: &str| -> Vec<Compound> {
            let compounds = split(words, ' ').map(|compound| Compound {
                parts: split(compound, '-').map(str::to_owned).collect(),
            });
            compounds.filter(|compound| !compound.parts.is_empty()).collect()
        };
        let mut fields = text.splitn(4, '|');
        Some(Self {
            title: compounds(fields.next()?),
            directors: split(fields.next()?, ',').map(compounds).collect(),
            genres: split(fields.next()?, ',')
                .map(|genre| split(genre, ' ').map(str::to_owned).collect())
                .collect(),
            year: fields.next().map(str::parse).transpose().ok()?,
        })
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

    /// Whether `term` matches a word of the movie, or its year.
    #[must_use]
    pub fn contains(&self, term: &Term) -> bool {
        (term.year.is_some() && term.year == self.year)
            || self.compared().any(|own| matches(&own, &term.canonical))
            || self.genres.iter().flatten().any(|own| matches(own, &term.raw))
    }

    /// Whether the title, with or without the signs inside its words, begins with these words of a search. The last of them may
    /// be unfinished.
    #[must_use]
    pub fn title_begins_with(&self, words: &[Term]) -> bool {
        begin_with(self.title_words().map(canonical), words)
            || (self.has_signs_in_title() && begin_with(self.title.iter().map(Compound::whole), words))
    }

    /// Whether a word of the title has signs inside, so that the title has a closed-up form.
    #[must_use]
    pub fn has_signs_in_title(&self) -> bool {
        self.title.iter().any(|compound| compound.parts.len() > 1)
    }

    /// How many times `term` matches a word: each part, closed-up form and word of a genre counts.
    #[must_use]
    pub fn count(&self, term: &Term) -> usize {
        let compared = self.compared().filter(|own| matches(own, &term.canonical));
        let genres = self.genres.iter().flatten();
        compared.count() + genres.filter(|own| matches(own, &term.raw)).count()
    }
}

/// Whether a title begins with these words of a search. The last of them may be unfinished.
fn begin_with(mut title: impl Iterator<Item: AsRef<str>>, words: &[Term]) -> bool {
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

    fn words(title: &str, director: &str, genre: &str) -> Words {
        Words::of(&MovieFields::of_words(title, director, genre))
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
            let words = words(title, director, genre);
            assert_eq!(words.encode(), text);
            assert_eq!(Words::decode(text), Some(words));
        }
    }

    #[test]
    fn a_text_of_an_earlier_layout_has_no_year() {
        let text = "spider man|sam raimi jo ann doe|action";
        let words = Words::decode(text).unwrap();
        assert_eq!((words.year, words.encode().as_str()), (None, text));
        assert!(words.title_words().eq(["spider", "man"]));
        assert_eq!(words.director_words().count(), 5);
        for broken in ["", "a|b", "a|b|c|year", "a|b|c|99999"] {
            assert_eq!(Words::decode(broken), None, "{broken}");
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
        let unknown = Words { year: None, ..words };
        assert!(!unknown.contains(&term("1972")));
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
