//! Evidence: movies that the search has read show what the wrong words of a query mean.
//!
//! A search for `kurosowa seven` has read the movies with `seven`. One of them is *Seven Samurai* by Akira Kurosawa: it has
//! `seven`, and a word near `kurosowa`. So `kurosawa seven` is an alternative that finds something, and it cost nothing to find
//! it. This also finds a mistyped word that is another word of the catalog: `stir wars` is `star wars` if a movie with `wars` was
//! read. And it finds words that were run together, however many they are ([`runs`]).

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use crate::{
    db::{
        encoded_words::EncodedWords,
        search::second::{
            alternatives::Alternatives,
            changes::{Cost, LEFT_OUT},
            runs,
            typed::{Known, Typed},
        },
        vocabulary::{allowed_distance, distance},
    },
    domain::MovieId,
};

/// The most pairs of words whose distance is computed. It bounds the time, not the result: ordinary queries need some hundreds.
const MAX_COMPARISONS: usize = 20_000;
/// Evidence is likelier than another alternative of the same number of errors, because some movie has its words.
const LIKELIER: i32 = -40;

/// Proposes the alternatives for which the movies are evidence: those that have each word of the query, or a word near it, or
/// lack only words that no movie has.
pub fn propose<'a>(
    typed: &Typed,
    movies: impl IntoIterator<Item = (MovieId, &'a EncodedWords)>,
    alternatives: &mut Alternatives,
) {
    let mut seen = HashSet::new();
    let mut near = NearWords::default();
    for (id, words) in movies {
        if seen.insert(id)
            && let Some((corrected, errors)) = corrected_by(typed, words, &mut near)
        {
            let cost = Cost {
                errors,
                unlikeliness: LIKELIER,
            };
            alternatives.propose(typed, corrected, cost);
        }
    }
}

/// The query with each word that the movie lacks replaced by the movie's nearest one, and the errors that it then has. `None`
/// if the movie is no evidence.
fn corrected_by(typed: &Typed, words: &EncodedWords, near: &mut NearWords) -> Option<(Vec<String>, usize)> {
    let mut corrected = Vec::new();
    let (mut errors, mut changes, mut together) = (0, 0, 0);
    for (number, word) in typed.words.iter().enumerate() {
        if words.contains(&word.term) {
            corrected.push(word.text().to_owned());
            continue;
        }
        changes += 1;
        if word.known == Known::Absent
            && let Some(run) = runs::words_in(word.text(), words)
        {
            together += 1;
            errors += 1;
            corrected.extend(run);
            continue;
        }
        let nearest = word
            .is_correctable()
            .then(|| near.nearest(word.text(), words))
            .flatten();
        if let Some((word, distance)) = nearest {
            errors += distance;
            corrected.push(word);
        } else if word.known == Known::Absent && !typed.is_short_last(number) {
            errors += LEFT_OUT;
        } else {
            return None;
        }
    }
    // A movie that has no word of the query as it was typed is evidence only if it has a word near each of several, or words
    // that were run together.
    let is_evidence =
        changes < typed.words.len() || together > 0 || (typed.words.len() > 1 && errors < LEFT_OUT);
    is_evidence.then_some((corrected, errors))
}

/// Finds the nearest words. Remembers the distances, because movies have words in common.
#[derive(Default)]
struct NearWords {
    known: HashMap<(String, String), Option<usize>>,
}

impl NearWords {
    /// The movie's word that is nearest to `typed`, if one is near, and its distance. The first of them if several are.
    fn nearest(&mut self, typed: &str, words: &EncodedWords) -> Option<(String, usize)> {
        let mut nearest: Option<(String, usize)> = None;
        let genres = words.genre_words().map(Cow::Borrowed);
        for own in words.compared().chain(genres) {
            let is_nearer = |distance: &usize| nearest.as_ref().is_none_or(|(_, least)| distance < least);
            if let Some(distance) = self.distance(typed, &own).filter(is_nearer) {
                nearest = Some((own.into_owned(), distance));
            }
        }
        nearest
    }

    fn distance(&mut self, typed: &str, own: &str) -> Option<usize> {
        let most = allowed_distance(own);
        if most == 0 || typed.chars().count().abs_diff(own.chars().count()) > most {
            return None;
        }
        let pair = (typed.to_owned(), own.to_owned());
        if let Some(known) = self.known.get(&pair) {
            return *known;
        }
        if self.known.len() == MAX_COMPARISONS {
            return None;
        }
        let distance = distance(typed, own, most);
        self.known.insert(pair, distance);
        distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{search::query::SearchQuery, words::Words},
        domain::MovieFields,
    };

    /// The corrected queries, each with its errors, for which this movie is evidence. No movie has the words in `absent`.
    fn evidence(q: &str, absent: &[&str], [title, director, genre]: [&str; 3]) -> Vec<String> {
        let query = SearchQuery::parse(q).unwrap();
        let typed = Typed::new(&query, |term| match absent.contains(&term.raw.as_str()) {
            true => (Known::Absent, Some(0)),
            false => (Known::Present, Some(1)),
        });
        let words = EncodedWords::of(&Words::of(&MovieFields::of_words(title, director, genre)));
        let id = MovieId::try_from(7).unwrap();
        let mut alternatives = Alternatives::default();
        propose(&typed, [(id, &words)], &mut alternatives);
        let sorted = alternatives.sorted().into_iter();
        sorted
            .map(|one| format!("{} {}", one.words.join(" "), one.cost.errors))
            .collect()
    }

    const SAMURAI: [&str; 3] = ["Seven Samurai", "Akira Kurosawa", "Drama"];

    #[test]
    fn a_movie_that_has_the_other_words_shows_what_a_wrong_word_means() {
        for (q, absent, found) in [
            ("kurosowa seven", &["kurosowa"][..], &["kurosawa seven 1"][..]),
            // It is another word of the catalog.
            ("sever samurai", &[], &["seven samurai 1"]),
            ("sever samuray", &["samuray"], &["seven samurai 2"]),
            // No movie has it, and nothing is near.
            ("seven xylographs samurai", &["xylographs"], &["seven samurai 5"]),
            // Some movie has it, but not this one.
            ("seven brides", &[], &[]),
            // The movie has it: nothing is wrong.
            ("seven samurai", &[], &[]),
        ] {
            assert_eq!(evidence(q, absent, SAMURAI), found, "{q}");
        }
    }

    #[test]
    fn a_movie_with_no_word_of_the_query_is_little_evidence() {
        assert_eq!(evidence("sevem", &["sevem"], SAMURAI), [""; 0]);
        assert_eq!(evidence("sevem xyz", &["sevem", "xyz"], SAMURAI), [""; 0]);
        assert_eq!(
            evidence("sevem zamurai", &["sevem", "zamurai"], SAMURAI),
            ["seven samurai 2"]
        );
    }

    #[test]
    fn words_that_were_run_together_are_words_of_the_movie() {
        const KNIGHT: [&str; 3] = ["The Dark Knight", "Christopher Nolan", "Action"];
        for (q, found) in [
            ("thedarkknight", &["the dark knight 1"][..]),
            ("nolan thedarkknight", &["nolan the dark knight 1"]),
            ("thedarkknight xyz7", &["the dark knight 6"]),
            ("thedarkknightrises", &[]),
        ] {
            let absent: Vec<&str> = q.split(' ').filter(|word| *word != "nolan").collect();
            assert_eq!(evidence(q, &absent, KNIGHT), found, "{q}");
        }
        // Some movie has the word.
        assert_eq!(evidence("thedarkknight", &[], KNIGHT), [""; 0]);
    }

    #[test]
    fn a_short_last_word_is_not_left_out() {
        assert_eq!(evidence("sevem samurai x", &["sevem", "x"], SAMURAI), [""; 0]);
        assert_eq!(
            evidence("x sevem samurai", &["sevem", "x"], SAMURAI),
            ["seven samurai 6"]
        );
    }

    #[test]
    fn a_closed_up_word_is_a_word_of_its_movie() {
        let movie = ["Spider-Man 2", "Sam Raimi", "Action"];
        assert_eq!(
            evidence("spidermann raimi", &["spidermann"], movie),
            ["spiderman raimi 1"]
        );
    }

    #[test]
    fn the_distances_that_are_computed_are_bounded() {
        let mut near = NearWords::default();
        for n in 0..MAX_COMPARISONS {
            near.distance(&format!("{n:06}x"), "aaaaaa");
        }
        assert_eq!(near.distance("kurosowa", "kurosawa"), None);
        assert_eq!(near.distance("0000000x", "aaaaaa"), None);
    }
}
