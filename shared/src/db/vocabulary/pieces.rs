//! The pieces of a word, and its entries in the vocabulary ([`vocabulary`](crate::db::vocabulary)).

use std::ops::Range;

use crate::db::keys::{self, Key};

/// The fewest letters of a word that has entries.
pub const SHORTEST: usize = 3;
/// The most letters of a word that has entries.
pub const LONGEST: usize = 24;

/// One entry of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key of the item, which has the piece.
    pub key: Key,
    /// The letters of the word that aren't in the piece, in order.
    pub rest: String,
}

/// Whether a normalized word has entries: it has 3 to 24 letters, is not only digits, and is all ASCII or all not ASCII.
#[must_use]
pub fn has_entries(word: &str) -> bool {
    let letters = word.chars().count();
    (SHORTEST..=LONGEST).contains(&letters) && !is_number(word) && is_uniform(word)
}

/// Returns the entries of a word, first piece first. Empty if the word [has none](has_entries).
#[must_use]
pub fn entries(word: &str) -> Vec<Entry> {
    if !has_entries(word) {
        return Vec::new();
    }
    let letters: Vec<char> = word.chars().collect();
    let entry = |(place, piece): (usize, Range<usize>)| Entry {
        key: keys::near(letters.len(), place, &text(&letters[piece.clone()])),
        rest: text(&letters[..piece.start]) + &text(&letters[piece.end..]),
    };
    pieces(letters.len()).into_iter().enumerate().map(entry).collect()
}

/// Returns the first entry of a word. An item that has it shows that the word exists: a word's entries are written together.
/// `None` if the word [has none](has_entries).
#[must_use]
pub fn first_entry(word: &str) -> Option<Entry> {
    entries(word).into_iter().next()
}

/// Returns the word that has this rest in the item of this key. `None` if no word has.
#[must_use]
pub fn word_of(key: &Key, rest: &str) -> Option<String> {
    let (letters, place, piece) = keys::near_parts(key)?;
    let at = pieces(letters).into_iter().nth(place)?;
    let border = rest.char_indices().nth(at.start).map_or(rest.len(), |(at, _)| at);
    let (before, after) = rest.split_at(border);
    let word = [before, piece, after].concat();
    let is_right = piece.chars().count() == at.len() && word.chars().count() == letters;
    is_right.then_some(word)
}

/// Where the pieces of a word of this many letters are. Among the cuts into pieces that were compared, these have the
/// smallest sum of squared item sizes in the demonstration catalog.
pub(super) fn pieces(letters: usize) -> Vec<Range<usize>> {
    let third = letters / 3;
    let long = [third, letters - 2 * third, third];
    let sizes: &[usize] = match letters {
        0..SHORTEST => &[],
        3 => &[1],
        4 => &[2, 2],
        5 => &[2, 3],
        6 => &[3, 3],
        7 => &[3, 4],
        8 => &[3, 2, 3],
        10 => &[3, 3, 4],
        11 => &[4, 3, 4],
        _ => &long,
    };
    let mut end = 0;
    let piece = |size: &usize| {
        let start = end;
        end += size;
        start..end
    };
    sizes.iter().map(piece).collect()
}

pub(super) fn text(letters: &[char]) -> String {
    letters.iter().collect()
}

pub(super) fn is_number(word: &str) -> bool {
    word.chars().all(char::is_numeric)
}

pub(super) fn is_uniform(text: &str) -> bool {
    text.is_ascii() || !text.chars().any(|c| c.is_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_put_together_from_each_of_its_entries() {
        let keys: Vec<(String, String)> = entries("godfather")
            .into_iter()
            .map(|entry| (entry.key.pk, entry.rest))
            .collect();
        let expected = [
            ("NEAR#9#0#god", "father"),
            ("NEAR#9#1#fat", "godher"),
            ("NEAR#9#2#her", "godfat"),
        ];
        assert_eq!(
            keys,
            expected.map(|(key, rest)| (key.to_owned(), rest.to_owned()))
        );
        for letters in SHORTEST..=LONGEST {
            for alphabet in ["abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыь"]
            {
                let word: String = alphabet.chars().take(letters).collect();
                let entries = entries(&word);
                assert_eq!(
                    entries.len(),
                    [3, 2, 1][usize::from(letters < 8) + usize::from(letters < 4)]
                );
                assert_eq!(first_entry(&word).as_ref(), entries.first());
                for Entry { key, rest } in entries {
                    assert_eq!(word_of(&key, &rest).as_ref(), Some(&word));
                    assert_eq!(word_of(&key, &rest[..rest.len() - 2]), None);
                }
            }
        }
        assert_eq!(word_of(&keys::cursor_key(), "x"), None);
        assert_eq!(word_of(&keys::near(9, 3, "god"), "father"), None);
        assert_eq!(word_of(&keys::near(9, 0, "go"), "dfather"), None);
    }

    #[test]
    fn only_words_that_can_be_corrected_or_joined_have_entries() {
        for word in ["the", "2nd", "abcdefghijklmnopqrstuvwx", "кот", "기생충"] {
            assert!(has_entries(word) && !entries(word).is_empty(), "{word}");
        }
        for word in ["", "la", "1984", "abcdefghijklmnopqrstuvwxy", "2046年", "기생"] {
            assert!(!has_entries(word) && entries(word).is_empty(), "{word}");
        }
    }
}
