//! Titles of several words that were typed as one: `backtothefuture`.
//!
//! The vocabulary shows where a word can be split in two. For more words there are too many splits. But few titles begin as the
//! typed word does: with `b ac`, `ba ck`, `bac kt`, `back to` and so on, wherever the first word ends. A second try reads the
//! first titles of each of these ranges. A title that is the typed word without its spaces is
//! [evidence](super::evidence) for its words.

use std::{borrow::Cow, ops::RangeInclusive};

use crate::{
    db::{
        encoded_words::EncodedWords,
        index::POSTING_BYTES,
        posting::BYTES_PER_UNIT,
        posting_keys::PostingKind,
        search::{
            ranges::PostingRange,
            second::typed::{Known, Typed},
        },
        words::is_short,
    },
    domain::text::begins_with_run,
};

/// The fewest letters of a word for which titles are read. Most mistyped words have fewer, and their corrections need the units.
/// A title of fewer letters is still found if one of its words is longer than the others together: the vocabulary has it.
const SHORTEST: usize = 12;
/// How many letters the first word of such a title has.
const LETTERS_OF_FIRST: RangeInclusive<usize> = 1..=10;
/// The same in a query of several words, whose corrections need more units.
const LETTERS_OF_FIRST_BESIDE_OTHERS: RangeInclusive<usize> = 2..=7;
/// How many letters of the second word a range has. With more letters, a shorter second word would not be found.
const LETTERS_OF_SECOND: usize = 2;
/// The word that begins the most titles. People leave it out, too.
const ARTICLE: &str = "the";
/// The same as [`LETTERS_OF_SECOND`] behind the article. A word of two letters seldom follows it.
const LETTERS_AFTER_ARTICLE: usize = 3;
/// How many titles of a range half a read unit reads at their largest size, eventually consistent.
const TITLES_PER_HALF: usize = BYTES_PER_UNIT / POSTING_BYTES[PostingKind::Title.index()];
/// The fewest letters of a word that can be words of a movie run together, and the most.
const SPLIT_LETTERS: RangeInclusive<usize> = 5..=100;

/// Titles to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Titles {
    /// Their range.
    pub range: PostingRange,
    /// The half units that reading them may cost.
    pub half_units: usize,
}

impl Titles {
    fn new(first: &str, second: &str) -> Self {
        Self {
            range: PostingRange::of_title_start(first, second),
            half_units: if first == ARTICLE { 2 } else { 1 },
        }
    }

    /// How many are read at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.half_units * TITLES_PER_HALF
    }
}

/// The titles that may be the word that no movie has, without their spaces. None if the query has several such words: they are
/// mistyped ones, and their corrections need the units.
#[must_use]
pub fn titles(typed: &Typed) -> Vec<Titles> {
    let absent: Vec<usize> = typed.numbers(Known::Absent).collect();
    let [number] = absent[..] else {
        return Vec::new();
    };
    let run = typed.words[number].text();
    if run.chars().count() < SHORTEST || begins_with_run(run) {
        return Vec::new();
    }
    let ends: Vec<usize> = run.char_indices().map(|(end, _)| end).collect();
    let without_article = (!run.starts_with(ARTICLE)).then_some((ARTICLE, run));
    let letters_of_first = match typed.words.len() {
        1 => LETTERS_OF_FIRST,
        _ => LETTERS_OF_FIRST_BESIDE_OTHERS,
    };
    let firsts = letters_of_first.filter_map(|letters| ends.get(letters));
    let titles = firsts.map(|end| run.split_at(*end)).chain(without_article);
    let titles = titles.filter_map(|(first, rest)| {
        let letters = match first {
            ARTICLE => LETTERS_AFTER_ARTICLE,
            _ => LETTERS_OF_SECOND,
        };
        let (end, _) = rest.char_indices().nth(letters)?;
        Some(Titles::new(first, &rest[..end]))
    });
    titles.collect()
}

/// The fewest words of the movie that are `run` without spaces, at least two. The last one may be unfinished. `None` if there are
/// none.
#[must_use]
pub fn words_in(run: &str, movie: &EncodedWords) -> Option<Vec<String>> {
    if !SPLIT_LETTERS.contains(&run.chars().count()) {
        return None;
    }
    let own: Vec<Cow<'_, str>> = movie
        .written()
        .map(Cow::Borrowed)
        .chain(movie.compared())
        .collect();
    // For each place, how many words end there at least, and where the last of these begins.
    let mut ways: Vec<Option<(usize, usize)>> = vec![None; run.len() + 1];
    ways[0] = Some((0, 0));
    for start in 0..run.len() {
        let Some((count, _)) = ways[start] else {
            continue;
        };
        let rest = &run[start..];
        for word in &own {
            let end = if rest.starts_with(&**word) {
                start + word.len()
            } else if word.starts_with(rest) && !is_short(rest) {
                run.len()
            } else {
                continue;
            };
            if ways[end].is_none_or(|(least, _)| count + 1 < least) {
                ways[end] = Some((count + 1, start));
            }
        }
    }
    let mut words = Vec::new();
    let mut end = run.len();
    while end > 0 {
        let (_, start) = ways[end]?;
        words.push(run[start..end].to_owned());
        end = start;
    }
    words.reverse();
    (words.len() > 1).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{posting_list::keys_with_words, search::query::SearchQuery, words::Words},
        domain::{MovieFields, MovieId},
    };

    fn words(title: &str, director: &str) -> Words {
        Words::of(&MovieFields::of_words(title, director, "Drama"))
    }

    /// What is read for `q`. No movie has its words.
    fn read_for(q: &str) -> Vec<Titles> {
        let query = SearchQuery::parse(q).unwrap();
        titles(&Typed::new(&query, |_| (Known::Absent, Some(0))))
    }

    #[test]
    fn a_title_without_its_spaces_is_in_a_range_that_is_read() {
        for (title, typed) in [
            ("Back to the Future", "backtothefuture"),
            ("The Dark Knight", "thedarkknight"),
            ("The Lord of the Rings", "lordoftherings"),
            ("Once Upon a Time in the West", "onceuponatimeinthewest"),
            ("2 Fast 2 Furious", "2fast2furious"),
            ("Spider-Man: No Way Home", "spidermannowayhome"),
            (
                "Eternal Sunshine of the Spotless Mind",
                "eternalsunshineofthespotlessmind",
            ),
            (
                "Le Fabuleux Destin d'Amélie Poulain",
                "lefabuleuxdestindameliepoulain",
            ),
            (
                "Иван Васильевич меняет профессию",
                "иванвасильевичменяетпрофессию",
            ),
        ] {
            let words = words(title, "A B");
            let keys = keys_with_words(&words, MovieId::try_from(7).unwrap());
            let read = read_for(typed);
            let is_read = |titles: &Titles| keys.keys().any(|key| titles.range.keys.contains(key));
            assert!(read.iter().any(is_read), "{title}");
            let units: usize = read.iter().map(|titles| titles.half_units).sum();
            assert!(units <= 12, "{typed}: {units} half units");
            let parts = words_in(typed, &EncodedWords::of(&words)).expect(title);
            assert_eq!(parts.concat(), typed);
        }
    }

    #[test]
    fn nothing_is_read_for_short_words_scripts_without_spaces_and_several_words() {
        for q in [
            "iamlegend",
            "alien",
            "千と千尋の神隠しの物語",
            "backtothefuture thedarkknight",
        ] {
            assert!(read_for(q).is_empty(), "{q}");
        }
    }

    #[test]
    fn the_fewest_words_that_make_the_typed_one_are_found() {
        let found = |run: &str, title: &str, director: &str| {
            let movie = EncodedWords::of(&words(title, director));
            words_in(run, &movie).map(|words| words.join(" "))
        };
        for (run, title, director, parts) in [
            (
                "backtothefuture",
                "Back to the Future",
                "x",
                Some("back to the future"),
            ),
            ("aback", "A Back Aback B", "x", None),
            ("abackb", "A Back Aback B", "x", Some("aback b")),
            (
                "pulpfictiontarantino",
                "Pulp Fiction",
                "Quentin Tarantino",
                Some("pulp fiction tarantino"),
            ),
            ("rockyiii", "Rocky III", "x", Some("rocky iii")),
            ("rocky3", "Rocky III", "x", Some("rocky 3")),
            // An unfinished last word, unless it is short.
            ("backtothefut", "Back to the Future", "x", Some("back to the fut")),
            ("backtothefu", "Back to the Future", "x", None),
            ("backtothepast", "Back to the Future", "x", None),
            ("future", "Back to the Future", "x", None),
            ("aaaaaaaa", "A", "x", Some("a a a a a a a a")),
        ] {
            assert_eq!(found(run, title, director).as_deref(), parts, "{run}");
        }
        assert_eq!(found(&"a".repeat(101), "A", "x"), None);
    }
}
