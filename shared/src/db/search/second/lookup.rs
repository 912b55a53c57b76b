//! Which items of the vocabulary a second try reads: those that may have a word near a word of the query, or the word that
//! some of them make if they are joined or split.

use crate::db::{
    keys::Key,
    search::second::typed::{Known, Split, Typed},
    vocabulary::{NearRank, first_entry, ranked_near_keys},
};

/// The most items that are read. They cost half a unit each. Any two errors in a word of the catalog are within reach of so many:
/// with 32, the splits of a long word left no room for the items of two insertions.
pub const MAX_ITEMS: usize = 36;

/// How many of them are read at most before items near words that movies have, or near the words that neighbors make, if no movie
/// has some word. Such items are seldom useful, and every unit that they cost is missing when the corrected queries are searched.
const MAX_ITEMS_LESS_LIKELY: usize = 24;

/// Why an item is read, the likeliest reasons first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// It may have a word near one that no movie has, with the usual errors.
    NearAbsent,
    /// It may have a word that several words of the query make.
    Join,
    /// It may have a part of a word that no movie has.
    Split,
    /// It may have a word near the one that signs join.
    NearJoin(NearRank),
    /// It may have a word near one that no movie has, with other errors.
    FarFromAbsent(NearRank),
    /// It may have a word near one that wasn't read.
    NearUnread(NearRank),
    /// It may have a part of a word that wasn't read.
    SplitOfUnread,
    /// It may have a part of a word that a movie has.
    SplitOfPresent,
    /// It may have a word near the one that neighbors make.
    NearNeighbors(NearRank),
    /// It may have a word near one that a movie has: the n-th in the order of doubt.
    NearPresent(usize, NearRank),
}

/// The keys of the items that a second try reads: at most [`MAX_ITEMS`].
#[must_use]
pub fn keys(typed: &Typed) -> Vec<Key> {
    let mut wanted: Vec<(Reason, Key)> = Vec::new();
    let near = |number: usize| ranked_near_keys(typed.words[number].text()).into_iter();
    for join in typed.mistyped_joins() {
        let keys = ranked_near_keys(&join.word).into_iter();
        let reason = match join.is_by_signs {
            true => Reason::NearJoin,
            false => Reason::NearNeighbors,
        };
        wanted.extend(keys.map(|(rank, key)| (reason(rank), key)));
    }
    let splits = |number: usize| {
        let splits: Vec<Split> = typed.words[number].splits().collect();
        splits
            .into_iter()
            .filter_map(|split| split.looked_up().and_then(key_of))
    };
    for number in typed.numbers(Known::Absent) {
        wanted.extend(near(number).map(|(rank, key)| match rank {
            NearRank::Usual => (Reason::NearAbsent, key),
            rank => (Reason::FarFromAbsent(rank), key),
        }));
        wanted.extend(splits(number).map(|key| (Reason::Split, key)));
    }
    for number in typed.numbers(Known::Unread) {
        wanted.extend(near(number).map(|(rank, key)| (Reason::NearUnread(rank), key)));
        wanted.extend(splits(number).map(|key| (Reason::SplitOfUnread, key)));
    }
    let joins = typed.useful_joins().filter_map(|join| key_of(&join.word));
    wanted.extend(joins.map(|key| (Reason::Join, key)));
    for (place, number) in typed.doubtful().into_iter().enumerate() {
        wanted.extend(near(number).map(|(rank, key)| (Reason::NearPresent(place, rank), key)));
        if !typed.has_absent() {
            wanted.extend(splits(number).map(|key| (Reason::SplitOfPresent, key)));
        }
    }
    // The sort is stable: keys of one reason stay in the order of the words.
    wanted.sort_by_key(|(reason, _)| *reason);
    let mut keys: Vec<Key> = Vec::new();
    for (reason, key) in wanted {
        let is_less_likely =
            typed.has_absent() && matches!(reason, Reason::NearNeighbors(_) | Reason::NearPresent(..));
        if is_less_likely && keys.len() >= MAX_ITEMS_LESS_LIKELY {
            break;
        }
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.truncate(MAX_ITEMS);
    keys
}

/// The key of the item that shows whether the vocabulary has this word.
fn key_of(word: &str) -> Option<Key> {
    first_entry(word).map(|entry| entry.key)
}
