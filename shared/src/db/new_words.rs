//! Words that are new in the [vocabulary](crate::db::vocabulary): finding and adding them.
//!
//! The words of a movie are added before the movie. So the vocabulary has every word of every movie, wherever a process is
//! killed. A request that is refused later leaves words that no movie has. They do no harm.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::{
    db::{
        expression::Update,
        item::{Item, number},
        keys::Key,
        optimistic::WriteAttempts,
        store::Store,
        transaction::{MAX_ACTIONS, OnConflict, Outcome, Transaction},
        vocabulary::{
            Entry, entries, entries_by_key, first_entry, has_rest, missing_rests, rests_value, room,
        },
    },
    error::Result,
};

/// The most keys that a request reads to learn which words of a new movie are new, together with its genres. Each costs half
/// a read unit.
pub(crate) const READ_FOR_NEW: usize = 12;
/// The most keys that a request reads to learn which words of an edit are new.
pub(crate) const READ_FOR_EDIT: usize = 6;

/// The most words of an edit that are added after the edit is allowed. An edit of more words can have so many postings that it
/// takes two transactions, and has no trip to wait in.
const MOST_TO_WAIT: usize = 18;

/// The most transactions of one call that run at the same time. The words of a movie fit in this many.
const AT_ONCE: usize = 4;

impl Store {
    /// AP-40: which of these words may be missing in the vocabulary: those that this process doesn't know, except those that
    /// it finds there. It reads at most `most` items, in one round trip if that is at most 100. The words that would take the
    /// most entries are looked up first; those that are left over are returned without being looked up.
    ///
    /// Eventually consistent: a word that was just added can be among the words returned.
    pub async fn new_words(&self, words: &BTreeSet<String>, most: usize) -> Result<BTreeSet<String>> {
        let mut new: BTreeSet<&String> = words.iter().filter(|word| !self.known_words.has(word)).collect();
        let mut costliest: Vec<&String> = new.iter().copied().collect();
        costliest.sort_by_key(|word| Reverse(word.chars().count()));
        let mut asked: BTreeMap<Key, Vec<(&String, String)>> = BTreeMap::new();
        for word in costliest {
            if let Some(Entry { key, rest }) = first_entry(word)
                && (asked.len() < most || asked.contains_key(&key))
            {
                asked.entry(key).or_default().push((word, rest));
            }
        }
        let found = self.batch_get_eventually(asked.keys().cloned().collect()).await?;
        for (key, item) in &found {
            for (word, rest) in asked.get(key).into_iter().flatten() {
                if has_rest(item, rest) {
                    new.remove(word);
                    self.known_words.add([word.as_str()]);
                }
            }
        }
        Ok(new.into_iter().cloned().collect())
    }

    /// Prepares an edit, before it is known whether it is allowed: looks up its words with AP-40, or adds them with AP-41 if
    /// they are more than [`MOST_TO_WAIT`]. Afterwards this process knows those that the vocabulary has.
    pub(crate) async fn prepare_words(&self, words: &BTreeSet<String>, most: usize) -> Result<()> {
        if words.len() > MOST_TO_WAIT {
            return self.add_words(words).await;
        }
        self.new_words(words, most).await.map(drop)
    }

    /// AP-41: adds those of these words to the vocabulary that this process doesn't know. All entries of a word are in one
    /// transaction, except those whose item is full, which are left out. So a word is there or not, and its first entry shows
    /// which. To add a word that is there changes nothing.
    pub async fn add_words(&self, words: &BTreeSet<String>) -> Result<()> {
        let new = words.iter().filter(|word| !self.known_words.has(word));
        let mut chunks: Vec<(BTreeSet<String>, BTreeSet<Key>)> = Vec::new();
        for word in new {
            let of_word = entries(word).into_iter().map(|entry| entry.key);
            let of_word: BTreeSet<Key> = of_word.collect();
            match chunks.last_mut() {
                Some((words, keys)) if keys.len() + of_word.len() <= MAX_ACTIONS => {
                    words.insert(word.clone());
                    keys.extend(of_word);
                }
                _ => chunks.push((BTreeSet::from([word.clone()]), of_word)),
            }
        }
        let chunks = chunks.into_iter().map(|(words, _)| self.add_chunk(words));
        stream::iter(chunks).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Adds words whose entries fit one transaction.
    async fn add_chunk(&self, mut words: BTreeSet<String>) -> Result<()> {
        let mut attempts = WriteAttempts::of("add_words");
        let mut items = with_room(&words);
        while !items.is_empty() {
            attempts.next().await?;
            let mut transaction = Transaction::default();
            transaction.on_conflict(OnConflict::Return);
            for (key, rests) in &items {
                transaction.add(self.on(key.clone()).update(addition(key, rests))?);
            }
            match self.transact(&transaction).await? {
                Outcome::Committed => break,
                // Another request may have added the same words.
                Outcome::Conflict => {
                    words = self.new_words(&words, usize::MAX).await?;
                    items = with_room(&words);
                }
                outcome @ Outcome::ConditionFailed(_) => {
                    let of_action = items.into_iter().enumerate();
                    items = of_action
                        .filter_map(|(action, (key, rests))| {
                            if !outcome.failed(action) {
                                return Some((key, rests));
                            }
                            let rests = missing_rests(&key, Some(outcome.item(action)?), &rests);
                            (!rests.is_empty()).then_some((key, rests))
                        })
                        .collect();
                }
            }
        }
        self.known_words.add(words.iter().map(String::as_str));
        Ok(())
    }
}

/// The entries of these words, by item, as many as have room in an empty one.
#[must_use]
pub fn with_room(words: &BTreeSet<String>) -> BTreeMap<Key, BTreeSet<String>> {
    let mut items = entries_by_key(words);
    for (key, rests) in &mut items {
        let none = None::<&Item>;
        *rests = missing_rests(key, none, rests);
    }
    items
}

/// Adds these rests to an item. Its condition fails if the item may have no room for them. Executed twice, it has the same
/// result.
#[must_use]
pub fn addition(key: &Key, rests: &BTreeSet<String>) -> Update {
    let most = room(key).saturating_sub(rests.len());
    Update::new("ADD #w :rests")
        .when("(attribute_not_exists(#w) OR size(#w) <= :most)")
        .value(":most", number(most as u64))
        .value(":rests", rests_value(rests.iter().cloned()))
}
