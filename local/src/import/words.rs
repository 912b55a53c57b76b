//! The words of an import's movies that the vocabulary may lack.

use std::collections::BTreeSet;

use marquee_shared::{
    db::{known_words::KnownWords, vocabulary::vocabulary_words},
    domain::MovieFields,
};

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
    pub(super) fn add(&mut self, fields: &MovieFields) {
        for word in vocabulary_words(fields) {
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

    fn fields(title: &str) -> MovieFields {
        let values = [title, "x", "2000-01-01", "Puzo", "Crime"].map(|value| Some(value.to_owned()));
        let [title, description, release_date, director, genre] = values;
        let values = [title, description, release_date, director, genre, None, None];
        movie::parse(&values, false, &Options::default()).fields.unwrap()
    }

    #[test]
    fn a_word_is_new_once() {
        let mut words = Words::new();
        words.add(&fields("The Godfather"));
        words.add(&fields("The Matrix"));
        let first: Vec<String> = words.take().into_iter().collect();
        assert_eq!(first, ["crime", "godfather", "matrix", "puzo", "the"]);
        words.add(&fields("The Godfather Returns"));
        assert_eq!(words.take(), BTreeSet::from(["returns".to_owned()]));
    }
}
