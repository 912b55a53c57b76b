//! The ranges of postings that hold the matches of a word, and of a title.
//!
//! The matches of `sto` are in four ranges, one of each kind of posting of words:
//!
//! ```text
//! WORD#sto   from 0#sto  to 0#sto\u{10FFFF}     titles that begin with a word that begins with `sto`
//! WORD#sto   from 1#sto  to 1#sto\u{10FFFF}     other words of titles
//! WORD#sto   from 2#sto  to 2#sto\u{10FFFF}     words of directors
//! GENRE#sto  from sto    to sto\u{10FFFF}       words of genres
//! ```
//!
//! A [short](is_short) word must match whole: for `it`, the range of other title words goes from `1#it#` to `1#it.`. The range of
//! genres is that of the word as it is written; the others are those of its [canonical](Term) form. A term that is a year has
//! a fifth range, the memberships of the year.

use crate::db::{
    posting_keys::{self, MAX_TITLE_BYTES, PostingKind},
    range::KeyRange,
    words::{Term, is_short},
};

/// A range of postings of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingRange {
    /// The kind.
    pub kind: PostingKind,
    /// The keys.
    pub keys: KeyRange,
}

impl PostingRange {
    /// The title postings of titles that begin with these canonical words. The last word may be unfinished. `None` without
    /// words.
    #[must_use]
    pub fn of_title(words: &[String]) -> Option<Self> {
        let (first, last) = (words.first()?, words.last()?);
        Some(Self::new(
            PostingKind::Title,
            first,
            &posting_keys::title_prefix(words),
            last,
        ))
    }

    /// The title postings of titles that begin with the word `first` and a word that begins with `second`, however short that is.
    /// Both are canonical.
    #[must_use]
    pub fn of_title_start(first: &str, second: &str) -> Self {
        let prefix = posting_keys::title_prefix(&[first.to_owned(), second.to_owned()]);
        let (low, high) = posting_keys::prefix_bounds(&prefix);
        Self {
            kind: PostingKind::Title,
            keys: KeyRange::between(PostingKind::Title.partition(first), low, high),
        }
    }

    /// The postings of each kind that a term matches, in the order of kinds.
    #[must_use]
    pub fn of_term(term: &Term) -> Vec<Self> {
        let of_word = |kind: PostingKind| {
            let word = match kind {
                PostingKind::Genre => &term.raw,
                _ => &term.canonical,
            };
            Self::new(kind, word, &posting_keys::word_prefix(kind, word), word)
        };
        let of_year = |year| Self {
            kind: PostingKind::Year,
            keys: posting_keys::year_memberships(year),
        };
        let of_words = PostingKind::OF_WORDS.into_iter().map(of_word);
        of_words.chain(term.year.map(of_year)).collect()
    }

    /// The postings in the partition of `first` whose sort keys begin with `prefix`, whose last word is `last`.
    fn new(kind: PostingKind, first: &str, prefix: &str, last: &str) -> Self {
        let (low, high) = if is_short(last) {
            posting_keys::whole_word_bounds(prefix)
        } else {
            posting_keys::prefix_bounds(prefix)
        };
        Self {
            kind,
            keys: KeyRange::between(kind.partition(first), low, high),
        }
    }
}

/// Whether every title in the range of titles of these canonical words begins with them. False for words that don't fit in a key: the
/// range then contains every title that begins with the part of them that fits.
#[must_use]
pub fn title_is_decided_by_key(words: &[String]) -> bool {
    // A short last word must match whole, so the key must also have room for the character after it.
    let room = if words.last().is_some_and(|word| is_short(word)) {
        char::MAX.len_utf8()
    } else {
        0
    };
    posting_keys::joined(words).len() + room <= MAX_TITLE_BYTES
}

/// Whether a term matches the word of every posting in its ranges. False for a word that doesn't fit in a key: the ranges
/// then contain every word that begins with the part of it that fits.
#[must_use]
pub fn term_is_decided_by_key(term: &Term) -> bool {
    posting_keys::word_fits(&term.raw) && posting_keys::word_fits(&term.canonical)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{posting_list::keys_with_words, words::Words},
        domain::{MovieFields, MovieId},
    };

    #[test]
    fn a_terms_ranges_hold_its_postings_and_no_others() {
        let fields = MovieFields::of_words(
            "Fi-ddler Rocky II: 千と千尋の神隠し",
            "Fiona O'Fi, Bo Fi",
            "sci fi, fi, film noir, ii, 한국드라마",
        );
        let words = Words::of(&fields);
        let id = MovieId::try_from(7).unwrap();
        let found = |word: &str| -> Vec<String> {
            let ranges = PostingRange::of_term(&Term::new(word, false));
            let keys = keys_with_words(&words, id).into_keys();
            keys.filter(|key| ranges.iter().any(|range| range.keys.contains(key)))
                .map(|key| key.sk.replace("#0000000000000007", ""))
                .collect()
        };
        assert_eq!(found("fi"), ["fi", "0#fi-ddler-rocky-2-千と千尋の神隠し"]);
        assert_eq!(found("fid"), ["0#fiddler-rocky-2-千と千尋の神隠し"]);
        assert_eq!(found("fil"), ["film-noir"]);
        assert_eq!(found("noi"), ["noir+"]);
        assert_eq!(found("fio"), ["2#fiona-o-fi"]);
        assert_eq!(found("ofi"), ["2#ofi+"]);
        assert_eq!(found("bo"), ["2#bo-fi"]);
        assert_eq!(found("ii"), ["ii", "1#2"]);
        assert_eq!(found("2"), ["1#2"]);
        assert_eq!(found("神隠"), ["1#神隠し"]);
        assert_eq!(found("千尋"), ["1#千尋の神隠し"]);
        assert_eq!(found("千と"), ["1#千と千尋の神隠し"]);
        assert_eq!(found("드라"), ["드라마+"]);
        assert_eq!(found("한국"), ["한국드라마"]);
        assert_eq!(found("1972"), ["0000000000000007"]);
        for none in ["f", "iii", "神", "o", "1973"] {
            assert_eq!(
                found(none),
                if none == "o" {
                    vec!["2#o+".to_owned()]
                } else {
                    vec![]
                },
                "{none}"
            );
        }
    }

    #[test]
    fn a_long_term_of_a_script_without_spaces_finds_the_runs_that_it_may_be_in() {
        let long: String = ('\u{4e00}'..).take(40).collect();
        let fields = MovieFields::of_words(&format!("x {long}"), "y", "z");
        let keys = keys_with_words(&Words::of(&fields), MovieId::try_from(7).unwrap());
        for (from, chars) in [(0, 2), (0, 40), (3, 16), (3, 17), (3, 30), (20, 20), (38, 2)] {
            let part: String = long.chars().skip(from).take(chars).collect();
            let term = Term::new(&part, true);
            let ranges = PostingRange::of_term(&term);
            let found = keys
                .keys()
                .filter(|key| ranges.iter().any(|range| range.keys.contains(key)));
            assert_eq!(found.count(), 1, "{chars} from {from}");
            assert_eq!(term_is_decided_by_key(&term), chars <= 16);
        }
    }
}
