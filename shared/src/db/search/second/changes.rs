//! The changes that may correct a query, and what each of them costs.

use std::collections::BTreeSet;

use crate::db::{
    search::second::typed::{Known, Split, Typed},
    vocabulary::{allowed_distance, distance},
};

/// The most words that are tried in place of one word.
const MAX_NEAR_WORDS: usize = 10;
/// What it costs to leave out a word. No correction of a single word costs as much.
pub const LEFT_OUT: usize = 5;

/// What an alternative to the query costs. The least is the best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// The number of errors that were made if the alternative was meant. A join and a split count as one, a word that is left
    /// out as [`LEFT_OUT`].
    pub errors: usize,
    /// Decides between alternatives of the same number of errors.
    pub unlikeliness: i32,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            errors: self.errors + other.errors,
            unlikeliness: self.unlikeliness + other.unlikeliness,
        }
    }
}

/// A change of the query: some consecutive words are replaced by others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The number of the first word that is replaced.
    pub at: usize,
    /// How many words are replaced.
    pub count: usize,
    /// The words in place of them.
    pub by: Vec<String>,
    /// What it costs.
    pub cost: Cost,
}

/// The changes of `typed` that the vocabulary allows, as far as it was read. If no movie has some word, only such words are
/// split, left out or joined with others. A word that a movie has may be mistyped in any case.
#[must_use]
pub fn changes(typed: &Typed, vocabulary: &BTreeSet<String>) -> Vec<Change> {
    let mut changes = Vec::new();
    let doubtful = typed.doubtful();
    let has_absent = typed.has_absent();
    let last = typed.words.len().saturating_sub(1);
    for number in typed.numbers(Known::Absent).chain(doubtful) {
        let word = &typed.words[number];
        let mut change = |by: Vec<String>, errors: usize, unlikeliness: i32| {
            changes.push(Change {
                at: number,
                count: 1,
                by,
                cost: Cost { errors, unlikeliness },
            });
        };
        let is_absent = word.known == Known::Absent;
        if word.is_correctable() {
            // The last word of those that a movie has may be unfinished, so it is changed last.
            let doubt = if number == last && !is_absent { 20 } else { 0 };
            for (place, near) in (0..).zip(near_words(word.text(), vocabulary)) {
                change(vec![near.word], near.errors, 5 * place + doubt);
            }
        }
        let splits = word.splits().filter(|_| is_absent || !has_absent);
        let may_be_words = |split: &Split| split.looked_up().is_none_or(|word| vocabulary.contains(word));
        for split in splits.filter(may_be_words) {
            // Most words that are run together are of similar lengths. One letter is seldom a word.
            let (shorter, difference) = split.lengths();
            let unlikeliness = if shorter == 1 { 0 } else { -30 };
            let difference = i32::try_from(difference).unwrap_or(i32::MAX / 2);
            change(vec![split.left, split.right], 1, unlikeliness + 2 * difference);
        }
        if is_absent && !typed.is_short_last(number) {
            change(Vec::new(), LEFT_OUT, 0);
        }
    }
    for join in typed.mistyped_joins() {
        // A part of the join in its place would leave out the others.
        let parts = &typed.words[join.at..join.at + join.count];
        let near = near_words(&join.word, vocabulary).into_iter();
        let near = near.filter(|near| parts.iter().all(|part| part.text() != near.word));
        for (place, near) in (0..).zip(near) {
            changes.push(Change {
                at: join.at,
                count: join.count,
                by: vec![near.word],
                cost: Cost {
                    errors: near.errors + usize::from(!join.is_by_signs),
                    // A word near one of the parts explains the query better.
                    unlikeliness: 40 + 5 * place,
                },
            });
        }
    }
    let joins = typed.useful_joins();
    changes.extend(
        joins
            .filter(|join| vocabulary.contains(&join.word))
            .map(|join| Change {
                at: join.at,
                count: join.count,
                by: vec![join.word.clone()],
                cost: Cost {
                    errors: 1,
                    unlikeliness: -50,
                },
            }),
    );
    changes
}

/// A word of the vocabulary near a word of the query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NearWord {
    errors: usize,
    distance: i32,
    word: String,
}

/// The words within their allowed distance of `typed`, the nearest first.
fn near_words(typed: &str, vocabulary: &BTreeSet<String>) -> Vec<NearWord> {
    let near = |word: &String| {
        let errors = distance(typed, word, allowed_distance(word)).filter(|errors| *errors > 0)?;
        Some(NearWord {
            errors,
            distance: strangeness(typed, word),
            word: word.clone(),
        })
    };
    let mut found: Vec<NearWord> = vocabulary.iter().filter_map(near).collect();
    found.sort_unstable();
    found.truncate(MAX_NEAR_WORDS);
    found
}

/// How unusual it is to type `typed` for `word`, among words of the same number of errors. Letters in another order, a
/// doubled letter and a missing or added plural are usual. A wrong first letter isn't.
fn strangeness(typed: &str, word: &str) -> i32 {
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    let undoubled = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.dedup();
        letters
    };
    let order = if letters(typed) == letters(word) {
        -20
    } else if typed.chars().next() == word.chars().next() {
        0
    } else {
        30
    };
    let doubled = if undoubled(typed) == undoubled(word) {
        -20
    } else {
        0
    };
    let is_plural = |one: &str, other: &str| one.strip_suffix('s') == Some(other);
    let end = if is_plural(typed, word) || is_plural(word, typed) {
        -20
    } else if typed.chars().next_back() == word.chars().next_back() {
        0
    } else {
        5
    };
    order + doubled + end
}
