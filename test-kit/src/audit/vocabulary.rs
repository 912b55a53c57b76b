//! The checks of the vocabulary: each item's form, and that it has the words of every movie.

use std::collections::{BTreeMap, BTreeSet};

use marquee_shared::db::{
    Key, Store,
    item::{Item, from_item},
    keys,
    movie::MovieItem,
    vocabulary::{Entry, RESTS, entries, first_entry, rests_of, room, vocabulary_words, word_of},
};

use super::Items;

/// The most bytes of an item that half a read unit reads (AWS: DynamoDB read consistency).
const MOST_BYTES: usize = 4096;

impl Items {
    /// Checks the items of the vocabulary, and that it has the words of every movie.
    pub(super) fn words(&mut self) {
        let mut found: Vec<String> = self
            .vocabulary
            .iter()
            .flat_map(|(key, item)| wrong_item(key, item))
            .collect();
        let vocabulary = Vocabulary::of(&self.vocabulary);
        // A word whose first entry is there counts as known, so it must have the others.
        let mut words: BTreeSet<String> = vocabulary.known_words().collect();
        for movie in self.movies.values() {
            words.extend(vocabulary_words(&movie.fields));
        }
        found.extend(words.iter().flat_map(|word| vocabulary.missing(word)));
        self.found.extend(found);
    }
}

/// What is wrong with an item of the vocabulary, without its keys.
fn wrong_item(key: &Key, item: &Item) -> Vec<String> {
    let mut found = Vec::new();
    let rests = rests_of(item);
    if rests.is_empty() || rests.len() > room(key) || item.len() != 1 {
        found.push(format!(
            "{key:?} has {} words and {} attributes",
            rests.len(),
            item.len()
        ));
    }
    let names = [keys::PK, keys::SK, RESTS].map(str::len);
    let texts = rests.iter().map(|rest| rest.len() + 1);
    let bytes = names.iter().sum::<usize>() + key.pk.len() + key.sk.len() + texts.sum::<usize>();
    if bytes > MOST_BYTES {
        found.push(format!("{key:?} has {bytes} bytes"));
    }
    for rest in rests {
        let word = word_of(key, rest).unwrap_or_default();
        let is_entry = |entry: &Entry| entry.key == *key && entry.rest == *rest;
        if !entries(&word).iter().any(is_entry) {
            found.push(format!("{key:?} has {rest}, which is no entry of a word"));
        }
    }
    found
}

/// The rests of each item of the vocabulary.
struct Vocabulary<'a>(BTreeMap<&'a Key, BTreeSet<&'a str>>);

impl<'a> Vocabulary<'a> {
    fn of(items: &'a BTreeMap<Key, Item>) -> Self {
        let items = items.iter().map(|(key, item)| {
            let rests = rests_of(item).iter().map(String::as_str);
            (key, rests.collect())
        });
        Self(items.collect())
    }

    /// The words whose first entries are there.
    fn known_words(&self) -> impl Iterator<Item = String> {
        let entries = self
            .0
            .iter()
            .flat_map(|(key, rests)| rests.iter().map(move |rest| (*key, *rest)));
        entries.filter_map(|(key, rest)| {
            let word = word_of(key, rest)?;
            let is_first = first_entry(&word).is_some_and(|first| first.key == *key);
            is_first.then_some(word)
        })
    }

    /// The entries that a word lacks, although their items have room, a sentence for each.
    fn missing(&self, word: &str) -> Vec<String> {
        let lacks = entries(word).into_iter().filter(|entry| {
            let rests = self.0.get(&entry.key);
            let is_full = rests.is_some_and(|rests| rests.len() >= room(&entry.key));
            !is_full && !rests.is_some_and(|rests| rests.contains(entry.rest.as_str()))
        });
        lacks
            .map(|entry| format!("the word {word} isn't in {:?}", entry.key))
            .collect()
    }
}

/// The entries of words of movies that the vocabulary lacks, a sentence for each. Nothing else is checked, so an import may be
/// unfinished.
pub async fn missing_words(store: &Store) -> Vec<String> {
    let mut items = BTreeMap::new();
    let mut words = BTreeSet::new();
    for item in super::scan(store).await {
        let key = Key::of(&item).unwrap();
        match key.pk.split('#').next() {
            Some("NEAR") => {
                items.insert(key, item);
            }
            Some("MOVIES") => {
                let movie: MovieItem = from_item(item).unwrap();
                words.extend(vocabulary_words(&movie.fields));
            }
            _ => {}
        }
    }
    let vocabulary = Vocabulary::of(&items);
    words.iter().flat_map(|word| vocabulary.missing(word)).collect()
}
