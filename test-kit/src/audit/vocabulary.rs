//! The checks of the vocabulary: each item's form, and that it has the words of every movie.

use std::collections::BTreeMap;

use marquee_shared::db::{
    Key, Store,
    item::{Item, from_item},
    movie::MovieItem,
    vocabulary::{entries, has_rest, rests_of, room, vocabulary_words, word_of},
};

/// The most bytes of an item that an eventually consistent read of half a unit reads, twice over (AWS: DynamoDB pricing).
const MOST_BYTES: usize = 4096;

/// What is wrong with these items, whose keys they lack, a sentence each.
pub(super) fn discrepancies(items: &BTreeMap<Key, Item>) -> Vec<String> {
    let mut found = Vec::new();
    for (key, item) in items {
        let rests = rests_of(item);
        if rests.is_empty() || rests.len() > room(key) || item.len() != 1 {
            found.push(format!(
                "{key:?} has {} words and {} attributes",
                rests.len(),
                item.len()
            ));
        }
        let bytes =
            rests.iter().map(|rest| rest.len() + 1).sum::<usize>() + key.pk.len() + 2 * key.sk.len() + 1;
        if bytes > MOST_BYTES {
            found.push(format!("{key:?} has {bytes} bytes"));
        }
        for rest in rests {
            let word = word_of(key, rest);
            let entries = word.as_deref().map(entries).unwrap_or_default();
            if !entries
                .iter()
                .any(|entry| entry.key == *key && entry.rest == *rest)
            {
                found.push(format!("{key:?} has {rest}, which is no entry of a word"));
                continue;
            }
            // The entries of a word are written together.
            found.extend(missing(items, &word.unwrap_or_default()));
        }
    }
    found
}

/// The entries that a word lacks, although their items have room.
fn missing(items: &BTreeMap<Key, Item>, word: &str) -> Vec<String> {
    let lacks = entries(word).into_iter().filter(|entry| {
        let item = items.get(&entry.key);
        let is_full = item.is_some_and(|item| rests_of(item).len() >= room(&entry.key));
        !is_full && !item.is_some_and(|item| has_rest(item, &entry.rest))
    });
    lacks
        .map(|entry| format!("the word {word} isn't in {:?}", entry.key))
        .collect()
}

/// The words of movies that the vocabulary lacks, a sentence for each entry.
pub async fn missing_words(store: &Store) -> Vec<String> {
    let mut vocabulary = BTreeMap::new();
    let mut words = BTreeMap::new();
    for item in super::scan(store).await {
        let key = Key::of(&item).unwrap();
        match key.pk.split('#').next() {
            Some("NEAR") => {
                vocabulary.insert(key, item);
            }
            Some("MOVIES") => {
                let movie: MovieItem = from_item(item).unwrap();
                words.extend(
                    vocabulary_words(&movie.fields)
                        .into_iter()
                        .map(|word| (word, movie.id)),
                );
            }
            _ => {}
        }
    }
    words
        .iter()
        .flat_map(|(word, id)| {
            missing(&vocabulary, word)
                .into_iter()
                .map(move |text| format!("movie {id}: {text}"))
        })
        .collect()
}
