//! The ranges of postings that hold the matches of a word, and of a title.
//!
//! The matches of `sto` are in four ranges, one of each kind of posting:
//!
//! ```text
//! WORD#sto   from 0#sto  to 0#sto\u{10FFFF}     titles that begin with a word that begins with `sto`
//! WORD#sto   from 1#sto  to 1#sto\u{10FFFF}     other words of titles
//! WORD#sto   from 2#sto  to 2#sto\u{10FFFF}     words of directors
//! GENRE#sto  from sto    to sto\u{10FFFF}       words of genres
//! ```
//!
//! A [short](is_short) word must match whole: for `it`, the range of other title words goes from `1#it#` to `1#it.`.

use crate::db::{
    posting_keys::{self, MAX_TITLE_BYTES, PostingKind},
    range::KeyRange,
    words::is_short,
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
    /// The title postings of titles that begin with these words. The last word may be unfinished. `None` without words.
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

    /// The postings of each kind of the words that `word` matches.
    #[must_use]
    pub fn of_word(word: &str) -> [Self; PostingKind::ALL.len()] {
        PostingKind::ALL.map(|kind| Self::new(kind, word, &posting_keys::word_prefix(kind, word), word))
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

/// Whether every title in the range of titles of these words begins with them. False for words that don't fit in a key: the
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

/// Whether `word` matches the word of every posting in its ranges. False for a word that doesn't fit in a key: the ranges
/// then contain every word that begins with the part of it that fits.
#[must_use]
pub fn word_is_decided_by_key(word: &str) -> bool {
    posting_keys::word_fits(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{index::keys_with_words, words::Words},
        domain::MovieId,
    };

    #[test]
    fn a_words_ranges_hold_its_postings_and_no_others() {
        let split = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let words = Words {
            title: split("fi fiddler"),
            director: split("fiona"),
            genres: vec![split("sci fi"), split("fi"), split("film noir")],
        };
        let id = MovieId::try_from(7).unwrap();
        let found = |word: &str| -> Vec<String> {
            let ranges = PostingRange::of_word(word);
            let keys = keys_with_words(&words, id).into_keys();
            keys.filter(|key| ranges.iter().any(|range| range.keys.contains(key)))
                .map(|key| key.sk.replace("#0000000000000007", ""))
                .collect()
        };
        assert_eq!(found("fi"), ["fi", "0#fi-fiddler"]);
        assert_eq!(found("fid"), ["1#fiddler"]);
        assert_eq!(found("fil"), ["film-noir"]);
        assert_eq!(found("noi"), ["noir+"]);
        assert_eq!(found("fio"), ["2#fiona"]);
        assert_eq!(found("f"), Vec::<String>::new());
    }
}
