//! The vocabulary: the words of the catalog, stored so that a mistyped word finds the words that it may stand for.
//!
//! # Pieces
//!
//! A word is cut into *pieces*: two if it has four to seven letters, three if it is longer. A letter is a character of the
//! normalized word. Each piece is an *entry* of the word. An entry is an element of a set: the item's key has the number of
//! letters, the place of the piece and the piece, and the set `w` has the rest of the word. `godfather` has nine letters:
//!
//! ```text
//! NEAR#9#0#god   father
//! NEAR#9#1#fat   godher
//! NEAR#9#2#her   godfat
//! ```
//!
//! A word has `d` errors if `d` insertions, deletions, substitutions and swaps of neighbors make it what was typed
//! ([`distance`]). One error changes one piece, unless it is a swap of the letters on both sides of a border. So a word with
//! at most as many errors as [`allowed`](allowed_distance), one less than it has pieces, has a piece that is as it was typed,
//! or is so after such a swap is undone. [`near_keys`] returns the keys of these pieces: 5 for a typed word of four letters,
//! and at most 25. It is complete: each word within its allowed distance of what was typed has an entry under one of them.
//! The tests prove it for every length and every place of the errors.
//!
//! A word of three letters has one entry, under its first letter. No error is allowed in it. The entry shows that the word
//! exists.
//!
//! # Items
//!
//! An item has a largest size of 4 KB, so that half a unit always reads it. All words of an item have as many letters outside
//! of the piece. So [`room`] is a number of words. A word whose item is full lacks this entry, and is found by its others.
//!
//! Entries are never deleted. A word that no movie has any more leads to a search that finds nothing.

mod near;
mod pieces;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;

pub use self::{
    near::{NearRank, allowed_distance, distance, near_keys, ranked_near_keys},
    pieces::{Entry, LONGEST, SHORTEST, entries, first_entry, has_entries, word_of},
};
use crate::{
    db::{
        attributes::Attributes,
        keys::{self, Key},
        words::Words,
    },
    domain::{
        Director, Genre, Genres, MovieFields, Title,
        genre::is_signs,
        text::{self, Compound},
    },
};

/// The attribute of a vocabulary item: a set of the rests of words.
pub const RESTS: &str = "w";

/// The most bytes of an item's set. An item has at most 51 bytes beside it: the names and values of its keys and the name of
/// the set.
const MAX_SET_BYTES: usize = 3_900;
/// The most bytes of a letter of a word that isn't ASCII (UTF-8).
const MAX_LETTER_BYTES: usize = 4;

/// Returns the words of a movie that belong in the vocabulary.
#[must_use]
pub fn vocabulary_words(movie: &MovieFields) -> BTreeSet<String> {
    words_to_add(&Words::of(movie))
}

/// Returns those of a movie's words that belong in the vocabulary.
#[must_use]
pub fn words_to_add(words: &Words) -> BTreeSet<String> {
    let compounds = words.title.iter().chain(words.directors.iter().flatten());
    let of_genres = words.genres.iter().flatten().filter(|word| !is_signs(word));
    belonging(compounds, of_genres)
}

/// Returns the words of these texts that belong in the vocabulary: the parts and closed-up forms of titles and directors, as
/// they are compared, and the words of genres.
#[must_use]
pub fn text_words(
    title: Option<&Title>,
    director: Option<&Director>,
    genres: Option<&Genres>,
) -> BTreeSet<String> {
    let texts = [title.map(Title::as_str), director.map(Director::as_str)];
    let compounds: Vec<Compound> = texts.into_iter().flatten().flat_map(text::compounds).collect();
    let genres: Vec<Genre> = genres.into_iter().flat_map(Genres::iter).collect();
    belonging(&compounds, genres.iter().flat_map(Genre::words))
}

fn belonging<'a>(
    compounds: impl IntoIterator<Item = &'a Compound>,
    of_genres: impl IntoIterator<Item = &'a String>,
) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut add = |word: &str| {
        if has_entries(word) {
            words.insert(word.to_owned());
        }
    };
    for compound in compounds {
        for part in &compound.parts {
            add(text::canonical(part));
        }
        if compound.parts.len() > 1 {
            add(&compound.whole());
        }
    }
    for word in of_genres {
        add(word);
    }
    words
}

/// Returns the entries of these words, by item: for each key the rests.
#[must_use]
pub fn entries_by_key<'a>(words: impl IntoIterator<Item = &'a String>) -> BTreeMap<Key, BTreeSet<String>> {
    let mut items: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for entry in words.into_iter().flat_map(|word| entries(word)) {
        items.entry(entry.key).or_default().insert(entry.rest);
    }
    items
}

/// Returns the rests that a vocabulary item has.
#[must_use]
pub fn rests_of(item: &impl Attributes) -> &[String] {
    let rests = item.attribute(RESTS).and_then(|rests| rests.as_ss().ok());
    rests.map_or(&[], Vec::as_slice)
}

/// Whether the vocabulary has a word, by the item of its [first entry](first_entry).
#[must_use]
pub fn has_rest(item: &impl Attributes, rest: &str) -> bool {
    rests_of(item).iter().any(|own| own == rest)
}

/// Returns the words of a vocabulary item.
pub fn words_of<'a>(key: &'a Key, item: &'a impl Attributes) -> impl Iterator<Item = String> + 'a {
    rests_of(item).iter().filter_map(|rest| word_of(key, rest))
}

/// Returns the most words that the item of this key may have. 0 for the key of another item.
#[must_use]
pub fn room(key: &Key) -> usize {
    let Some((letters, _, piece)) = keys::near_parts(key) else {
        return 0;
    };
    let rest = letters.saturating_sub(piece.chars().count());
    let bytes = if piece.is_ascii() { 1 } else { MAX_LETTER_BYTES };
    // An element of a set counts one byte more here than DynamoDB documents.
    MAX_SET_BYTES / (rest * bytes + 1)
}

/// Returns those of `rests` that `item`, which has this key, lacks and has room for, in their order. `None` stands for no
/// item.
#[must_use]
pub fn missing_rests(
    key: &Key,
    item: Option<&impl Attributes>,
    rests: &BTreeSet<String>,
) -> BTreeSet<String> {
    let own = item.map_or(&[][..], |item| rests_of(item));
    let room = room(key).saturating_sub(own.len());
    let own: BTreeSet<&String> = own.iter().collect();
    let missing = rests.iter().filter(|rest| !own.contains(rest));
    missing.take(room).cloned().collect()
}

/// Returns the value of the attribute [`RESTS`] with these rests.
#[must_use]
pub fn rests_value(rests: impl IntoIterator<Item = String>) -> AttributeValue {
    AttributeValue::Ss(rests.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::item::Item;

    #[test]
    fn a_movies_words_are_parts_closed_up_forms_and_genres() {
        let movie = MovieFields::of_words(
            "The X-Men & Spider-Man, the 1st XIII",
            "J. J. Abrams, Flannery O'Connor",
            "Crime, C++, Sci-Fi",
        );
        let words = vocabulary_words(&movie);
        let expected = [
            "1st",
            "abrams",
            "and",
            "connor",
            "crime",
            "flannery",
            "man",
            "men",
            "oconnor",
            "sci",
            "spider",
            "spiderman",
            "the",
            "xmen",
        ];
        assert_eq!(words, expected.map(str::to_owned).into());
        assert_eq!(text_words(None, None, Some(&movie.genres)).len(), 2);
        let of_texts = text_words(Some(&movie.title), Some(&movie.director), Some(&movie.genres));
        assert_eq!(of_texts, words);
    }

    /// Guarantee 68.
    #[test]
    fn a_full_item_has_at_most_4096_bytes() {
        for letters in SHORTEST..=LONGEST {
            for letter in ['x', '\u{20000}'] {
                for Entry { key, rest } in entries(&letter.to_string().repeat(letters)) {
                    let keys = keys::PK.len() + key.pk.len() + keys::SK.len() + key.sk.len();
                    let bytes = keys + RESTS.len() + room(&key) * (rest.len() + 1);
                    assert!(bytes <= 4_096, "{key:?}: {bytes}");
                    // Not much smaller either.
                    assert!(bytes > 3_800, "{key:?}: {bytes}");
                }
            }
        }
        assert_eq!(room(&keys::cursor_key()), 0);
    }

    #[test]
    fn an_item_takes_the_rests_that_it_lacks_until_it_is_full() {
        let key = keys::near(12, 0, "\u{20000}\u{20000}\u{20000}\u{20000}");
        let rests = |from: u32, to: u32| (from..to).map(|n| format!("{n:0>8}"));
        let room = room(&key) as u32;
        let item = |rests: Vec<String>| Item::from([(RESTS.to_owned(), rests_value(rests))]);
        let wanted: BTreeSet<String> = rests(0, 3).collect();
        assert_eq!(missing_rests(&key, None::<&Item>, &wanted), wanted);
        let almost_full = item(rests(1, room).collect());
        assert_eq!(
            missing_rests(&key, Some(&almost_full), &wanted),
            rests(0, 1).collect()
        );
        let full = item(rests(1, room + 1).collect());
        assert_eq!(missing_rests(&key, Some(&full), &wanted), BTreeSet::new());
    }
}
