//! The alternatives to a query: the corrected queries that its changes make, the cheapest first.
//!
//! For example, `the godfahter starwars` has the changes
//!
//! ```text
//! godfahter → godfather   1 error
//! godfahter → (left out)  5
//! starwars  → star wars   1
//! starwars  → (left out)  5
//! ```
//!
//! and so the alternatives `the godfather star wars` (2), `the star wars` (6), `the godfather` (6) and `the` (10).

use std::collections::BTreeMap;

use crate::db::search::second::{
    changes::{Change, Cost, LEFT_OUT},
    typed::{Known, Typed, TypedWord},
};

/// The most alternatives that are made of changes.
const MAX_ALTERNATIVES: usize = 64;

/// A corrected query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// Its words.
    pub words: Vec<String>,
    /// What it costs.
    pub cost: Cost,
}

/// Corrected queries, each once, with the least cost at which it was proposed.
#[derive(Debug, Default)]
pub struct Alternatives(BTreeMap<Vec<String>, Cost>);

impl Alternatives {
    /// The alternatives that `changes` make. If no movie has some words, each alternative changes all of these, and maybe others.
    /// If a movie has every word, each alternative has one change.
    #[must_use]
    pub fn of_changes(typed: &Typed, changes: &[Change]) -> Self {
        let mut alternatives = Self::default();
        if !typed.has_absent() {
            for change in changes {
                alternatives.propose(typed, changed(typed, &[change]), change.cost);
            }
            return alternatives;
        }
        for Partial { cost, changes } in cheapest(typed, changes) {
            alternatives.propose(typed, changed(typed, &changes), cost);
        }
        // However many cheaper alternatives there are, the words that some movie has are searched by themselves.
        let is_left_out = |change: &&Change| change.by.is_empty();
        let left_out: Vec<&Change> = changes.iter().filter(is_left_out).collect();
        if left_out.len() == typed.numbers(Known::Absent).count() {
            let cost = Cost {
                errors: LEFT_OUT * left_out.len(),
                unlikeliness: 0,
            };
            alternatives.propose(typed, changed(typed, &left_out), cost);
        }
        alternatives
    }

    /// Adds a corrected query, unless it has no words or is the query itself.
    pub fn propose(&mut self, typed: &Typed, words: Vec<String>, cost: Cost) {
        let is_typed = words.iter().eq(typed.words.iter().map(TypedWord::text));
        if words.is_empty() || is_typed {
            return;
        }
        let known = self.0.entry(words).or_insert(cost);
        *known = cost.min(*known);
    }

    /// The corrected queries, the cheapest first.
    #[must_use]
    pub fn sorted(self) -> Vec<Alternative> {
        let alternatives = self.0.into_iter();
        let mut sorted: Vec<Alternative> = alternatives
            .map(|(words, cost)| Alternative { words, cost })
            .collect();
        // The sort is stable, and a map is in the order of the words.
        sorted.sort_by_key(|alternative| alternative.cost);
        sorted
    }
}

/// Changes of the first words of a query.
#[derive(Clone)]
struct Partial<'a> {
    cost: Cost,
    changes: Vec<&'a Change>,
}

/// The cheapest ways to change every word that no movie has.
///
/// `ways[n]` has the cheapest ways to deal with the first n words. Costs are added, so each of the cheapest ways to deal with
/// more words begins with one of them.
fn cheapest<'a>(typed: &Typed, changes: &'a [Change]) -> Vec<Partial<'a>> {
    let count = typed.words.len();
    let mut ways: Vec<Vec<Partial<'_>>> = vec![Vec::new(); count + 1];
    ways[0].push(Partial {
        cost: Cost::default(),
        changes: Vec::new(),
    });
    for (number, word) in typed.words.iter().enumerate() {
        let mut here = std::mem::take(&mut ways[number]);
        here.sort_by_key(|partial| partial.cost);
        here.truncate(MAX_ALTERNATIVES);
        for change in changes.iter().filter(|change| change.at == number) {
            ways[number + change.count].extend(here.iter().map(|partial| {
                let mut partial = partial.clone();
                partial.cost = partial.cost + change.cost;
                partial.changes.push(change);
                partial
            }));
        }
        if word.known != Known::Absent {
            ways[number + 1].extend(here);
        }
    }
    let mut all = ways.pop().unwrap_or_default();
    all.sort_by_key(|partial| partial.cost);
    all.truncate(MAX_ALTERNATIVES);
    all
}

/// The words of the query after these changes, which are in the order of the words.
fn changed(typed: &Typed, changes: &[&Change]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut at = 0;
    let kept = |from: usize, to: usize| typed.words[from..to].iter().map(|word| word.text().to_owned());
    for change in changes {
        words.extend(kept(at, change.at));
        words.extend(change.by.iter().cloned());
        at = change.at + change.count;
    }
    words.extend(kept(at, typed.words.len()));
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::db::search::{query::SearchQuery, second::changes::changes};
    use crate::db::words::Term;

    /// The query `q`. Words in brackets are those that no movie has.
    fn typed(q: &str) -> Typed {
        let is_absent = |term: &Term| q.contains(&format!("({})", term.raw));
        let query = SearchQuery::parse(&q.replace(['(', ')'], "")).unwrap();
        Typed::new(&query, |term| match is_absent(term) {
            true => (Known::Absent, Some(0)),
            false => (Known::Present, Some(1)),
        })
    }

    /// The alternatives to `q`, each with its errors, if the vocabulary has these words.
    fn alternatives(q: &str, vocabulary: &str) -> Vec<String> {
        let typed = typed(q);
        let vocabulary: BTreeSet<String> = vocabulary.split(' ').map(str::to_owned).collect();
        let alternatives = Alternatives::of_changes(&typed, &changes(&typed, &vocabulary));
        let show = |one: &Alternative| format!("{} {}", one.words.join(" "), one.cost.errors);
        alternatives.sorted().iter().map(show).collect()
    }

    #[test]
    fn each_alternative_changes_every_word_that_no_movie_has() {
        assert_eq!(
            alternatives("the (godfahter) (starwars)", "godfather star"),
            [
                "the godfather star wars 2",
                "the star wars 6",
                "the godfather 6",
                "the 10"
            ]
        );
        assert_eq!(
            alternatives("(kurosowa) seven", "kurosawa"),
            ["kurosawa seven 1", "seven 5"]
        );
        // A word alone isn't left out.
        assert_eq!(alternatives("(xylographically)", "godfather"), [""; 0]);
    }

    #[test]
    fn words_are_joined_and_split() {
        assert_eq!(alternatives("(starwars)", "star wars"), ["star wars 1"]);
        // The vocabulary has no numerals.
        assert_eq!(alternatives("(iiithe)", "the"), ["iii the 1"]);
        assert_eq!(alternatives("god father", "godfather"), ["godfather 1"]);
        assert_eq!(
            alternatives("the (spidr) man", "spidrman spider")[..2],
            ["the spidrman 1", "the spider man 1"]
        );
        // A joined word may be mistyped too. One of its parts in its place would leave out the other.
        assert_eq!(
            alternatives("the god (fathr)", "godfather")[..2],
            ["the godfather 2", "the god 5"]
        );
        assert_eq!(alternatives("matrix (xx) two", "matrix"), ["matrix two 5"]);
        // No join of words that movies have explains why a third one is missing.
        assert_eq!(alternatives("god father (xyz)", "godfather"), ["god father 5"]);
        assert_eq!(alternatives("m a s h", "mash mas"), ["mash 1"]);
    }

    #[test]
    fn words_that_movies_have_are_changed_one_at_a_time() {
        assert_eq!(
            alternatives("stir wars", "star stirs ward wars"),
            ["stirs wars 1", "star wars 1", "stir ward 1"]
        );
    }

    #[test]
    fn the_nearest_words_are_first_and_the_usual_errors_before_others() {
        for (typed, vocabulary, first) in [
            // The order of letters.
            ("(freind)", "fiend friend", "friend 1"),
            // A doubled letter.
            ("(litle)", "title little", "little 1"),
            // The first letter is seldom wrong.
            ("(natrix)", "matrix natrox", "natrox 1"),
            // A plural.
            ("(aliens)", "alien alient", "alien 1"),
            // Fewer errors.
            ("(terminatr)", "terminated terminator", "terminator 1"),
        ] {
            assert_eq!(alternatives(typed, vocabulary)[0], first, "{typed}");
        }
    }

    #[test]
    fn a_word_of_four_letters_has_one_error_and_a_word_of_eight_two() {
        for (typed, word, is_near) in [
            ("(rck)", "rock", true),
            ("(rk)", "rock", false),
            ("(roks)", "rock", false),
            ("(seevn)", "seven", true),
            ("(sevenn)", "seven", true),
            ("(sveenn)", "seven", false),
            ("(godfahtre)", "godfather", true),
            ("(dogfahtre)", "godfather", false),
            ("(teh)", "the", false),
            ("(1984)", "1985", false),
            ("(москвва)", "москва", true),
        ] {
            assert_eq!(!alternatives(typed, word).is_empty(), is_near, "{typed} {word}");
        }
    }

    #[test]
    fn a_short_last_word_is_neither_corrected_nor_left_out() {
        assert_eq!(alternatives("matrix (r)", "matrixr"), ["matrixr 1"]);
        assert_eq!(alternatives("matrix (r)", "matrix"), [""; 0]);
        assert_eq!(alternatives("(r) matrix", "matrix"), ["matrix 5"]);
    }

    #[test]
    fn many_absent_words_have_few_alternatives_and_the_rest_of_the_query_is_one() {
        let absent: Vec<String> = (0..7).map(|n| format!("(abcdefg{n}x)")).collect();
        let near: Vec<String> = (0..70).map(|n| format!("abcdefg{}{}", n / 10, n % 10)).collect();
        let found = alternatives(&format!("the {}", absent.join(" ")), &near.join(" "));
        assert_eq!(found.len(), MAX_ALTERNATIVES + 1);
        assert_eq!(found.last().unwrap(), "the 35");
    }
}
