//! The words of an import's movies that the vocabulary may lack.

use std::collections::BTreeSet;

use marquee_shared::db::{known_words::KnownWords, vocabulary::words_to_add, words};

/// How many words are remembered in each of two generations. A million real movies have 220,000 words. If a file has more,
/// some are added again, which changes nothing.
const KNOWN: usize = 1 << 19;

/// The words of the movies that were read.
pub(super) struct Words {
    /// The words of earlier batches, and of this one.
    known: KnownWords,
    /// The words of this batch that no earlier one had.
    new: BTreeSet<String>,
}

impl Words {
    pub(super) fn new() -> Self {
        Self {
            known: KnownWords::with_generations_of(KNOWN),
            new: BTreeSet::new(),
        }
    }

    /// Adds the words of a movie to the batch.
    pub(super) fn add(&mut self, words: &words::Words) {
        for word in words_to_add(words) {
            if !self.known.has(&word) {
                self.known.add([word.as_str()]);
                self.new.insert(word);
            }
        }
    }

    /// Takes the words of the batch that no earlier batch had.
    pub(super) fn take(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::{movie, options::Options};

    fn of_movie(title: &str) -> words::Words {
        let values = [title, "x", "2000-01-01", "Puzo", "Crime"].map(|value| Some(value.to_owned()));
        let [title, description, release_date, director, genre] = values;
        let values = [title, description, release_date, director, genre, None, None];
        let fields = movie::parse(&values, false, &Options::default()).fields;
        words::Words::of(&fields.unwrap())
    }

    #[test]
    fn a_word_is_new_once() {
        let mut words = Words::new();
        words.add(&of_movie("The Godfather"));
        words.add(&of_movie("The Matrix"));
        let first: Vec<String> = words.take().into_iter().collect();
        assert_eq!(first, ["crime", "godfather", "matrix", "puzo", "the"]);
        words.add(&of_movie("The Godfather Returns"));
        assert_eq!(words.take(), BTreeSet::from(["returns".to_owned()]));
    }
}
