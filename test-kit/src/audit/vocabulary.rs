//! The checks of the vocabulary.

use std::collections::{BTreeMap, BTreeSet};

use marquee_shared::db::{
    Key,
    item::Item,
    keys,
    vocabulary::{self, Entry, RESTS},
};

use super::Items;

/// The most bytes of an item that half a read unit reads (AWS: DynamoDB read consistency).
const MOST: usize = 4096;

impl Items {
    /// Checks that each item of the vocabulary holds entries of words and is small enough, and that each word of a movie has
    /// its entries, unless an item is full. A word that no movie has any more is no disagreement.
    pub(super) fn vocabulary(&mut self) {
        let mut found = Vec::new();
        let mut there: BTreeMap<&Key, BTreeSet<&str>> = BTreeMap::new();
        for (key, item) in &self.words {
            there.insert(key, vocabulary::rests_of(item).iter().map(String::as_str).collect());
            found.extend(wrong_item(key, item));
        }
        let words: BTreeSet<String> = self
            .movies
            .values()
            .flat_map(|movie| vocabulary::vocabulary_words(&movie.fields))
            .collect();
        for word in &words {
            for Entry { key, rest } in vocabulary::entries(word) {
                let rests = there.get(&key);
                let is_there = rests.is_some_and(|rests| rests.contains(rest.as_str()));
                let is_full = rests.is_some_and(|rests| rests.len() >= vocabulary::room(&key));
                if !is_there && !is_full {
                    found.push(format!("the word {word} of a movie lacks its entry in {key:?}"));
                }
            }
        }
        self.found.extend(found);
    }
}

/// What is wrong with an item of the vocabulary.
fn wrong_item(key: &Key, item: &Item) -> Vec<String> {
    let mut found = Vec::new();
    let rests = vocabulary::rests_of(item);
    if rests.is_empty() || item.len() != 1 {
        found.push(format!("{key:?} is not an item of the vocabulary: {item:?}"));
    }
    let names = [keys::PK, keys::SK, RESTS];
    let names: usize = names.iter().map(|name| name.len()).sum();
    let texts: usize = rests.iter().map(|rest| rest.len() + 1).sum();
    let bytes = names + key.pk.len() + key.sk.len() + texts;
    if bytes > MOST {
        found.push(format!("{key:?} has {bytes} bytes, more than {MOST}"));
    }
    for rest in rests {
        let entry = Entry {
            key: key.clone(),
            rest: rest.clone(),
        };
        let word = vocabulary::word_of(key, rest);
        if !word.is_some_and(|word| vocabulary::entries(&word).contains(&entry)) {
            found.push(format!("{rest} in {key:?} is the entry of no word"));
        }
    }
    found
}
