//! The words that a process has seen in the vocabulary.

use std::{
    collections::HashSet,
    fmt,
    hash::{BuildHasher as _, RandomState},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

/// The most words of a generation in a process that serves requests. Two generations take 0.6 MB. A hash table of more words
/// would have twice the size.
const GENERATION: usize = 28_672;

/// Words that the vocabulary is known to have. Clones share them. This knowledge can't become wrong, because entries are
/// never deleted.
///
/// It keeps the hash of each word, of 64 bits with random keys. That two words have the same hash is possible but never
/// happens: among 65,536 words with a probability of 10⁻¹⁰. The second of them would not be added to the vocabulary.
///
/// There are two generations. If the newer one is full, the older one is forgotten, and the newer one becomes the older one.
/// A word that is asked for moves to the newer one. So the words that are used are kept.
#[derive(Clone)]
pub struct KnownWords(Arc<Shared>);

struct Shared {
    hashes: RandomState,
    generation: usize,
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    newer: HashSet<u64>,
    older: HashSet<u64>,
}

impl Default for KnownWords {
    fn default() -> Self {
        Self::with_generations_of(GENERATION)
    }
}

impl KnownWords {
    /// No words yet. Each of the two generations has room for this many.
    #[must_use]
    pub fn with_generations_of(words: usize) -> Self {
        Self(Arc::new(Shared {
            hashes: RandomState::new(),
            generation: words,
            generations: Mutex::default(),
        }))
    }

    /// Whether the vocabulary is known to have this word.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        let hash = self.0.hashes.hash_one(word);
        self.with(|known| {
            let is_known = known.newer.contains(&hash) || known.older.contains(&hash);
            if is_known {
                known.add(hash, self.0.generation);
            }
            is_known
        })
    }

    /// Remembers words that were read in the vocabulary or written to it.
    pub fn add<'a>(&self, words: impl IntoIterator<Item = &'a str>) {
        self.with(|known| {
            for word in words {
                known.add(self.0.hashes.hash_one(word), self.0.generation);
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Generations) -> T) -> T {
        act(&mut self.0.generations.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generations {
    fn add(&mut self, hash: u64, room: usize) {
        if self.newer.len() >= room && !self.newer.contains(&hash) {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(hash);
    }
}

impl fmt::Debug for KnownWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownWords").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_they_know() {
        let known = KnownWords::default();
        known.clone().add(["godfather", "kid"]);
        assert!(known.has("godfather") && known.has("kid") && !known.has("godfathers"));
        assert_eq!(format!("{known:?}"), "KnownWords { .. }");
    }

    #[test]
    fn words_that_are_not_used_are_forgotten_first() {
        let known = KnownWords::with_generations_of(10);
        let words: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        for word in &words {
            known.add([word.as_str()]);
            assert!(known.has(word) && known.has("0"), "{word}");
        }
        let kept = words.iter().filter(|word| known.has(word)).count();
        assert!((10..=20).contains(&kept), "{kept}");
        assert!(!known.has("1") && known.has("99"));
    }
}
