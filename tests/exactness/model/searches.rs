//! Comparisons of the server's searches with the reference. What a query that matches finds is compared exactly. Of a query
//! that matches nothing is checked what is documented: whether it is corrected, to what, and that the corrected query finds
//! what the reference finds for it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{comparison::Comparison, expected::Count, reference::*, requests::*, vocabulary::Text};
use crate::support::{
    encode,
    typing::{TypingError, errors_allowed},
};

/// A word that no movie has, and that is near none.
const ABSENT: &str = "qzvwkqzvw";

impl Comparison {
    /// Compares a search on one page with the reference.
    pub(super) async fn search_once(&self, words: &[String]) {
        let q = text_of(words);
        let path = format!("/api/movies/search/?q={}&limit=100", encode(&q.written));
        let answer = self.app.anonymous().get(&path).send().await.is(200);
        assert_eq!(
            (&answer.body["count"], &answer.body["next"]),
            (&Value::Null, &Value::Null)
        );
        self.check_answer(&q, &answer.body);
    }

    /// Compares a search with the reference page by page, forward and backward, and on one page. The order is always
    /// the same. Returns the corrected query.
    pub(super) async fn search(&self, q: &Text, limit: usize) -> Option<String> {
        let path = format!("/api/movies/search/?q={}", encode(&q.written));
        let nobody = self.app.anonymous();
        let (forward, back) = self
            .both_ways(&nobody, &format!("{path}&limit={limit}"), Count::Unknown, limit)
            .await;
        assert_eq!(forward, back, "{q:?}, backward");
        let whole = nobody.get(&format!("{path}&limit=100")).send().await.is(200);
        assert_eq!(whole.body["results"], json!(forward), "{q:?}");
        self.check_answer(q, &whole.body)
    }

    /// Checks the first page of a search, on which all results are. Returns the corrected query.
    fn check_answer(&self, query: &Text, body: &Value) -> Option<String> {
        let words = &query.words;
        let corrected = body.get("corrected_query").unwrap();
        let results = body["results"].as_array().unwrap();
        let matching = self
            .movies
            .values()
            .filter(|movie| movie.rank(words).is_some())
            .count();
        if corrected.is_null() {
            self.check_found(words, results);
            return None;
        }
        let corrected = corrected.as_str().unwrap();
        assert_eq!(
            matching, 0,
            "{words:?} is corrected to {corrected}, although it finds something"
        );
        assert!(
            !results.is_empty(),
            "{words:?} is corrected to {corrected}, which finds nothing"
        );
        let new: Vec<String> = corrected.split(' ').map(str::to_owned).collect();
        assert!(
            self.can_become(query, words, &new),
            "{words:?} is corrected to {corrected}, which the catalog does not explain"
        );
        self.check_found(&new, results);
        Some(corrected.to_owned())
    }

    /// Asserts that a search of these words found exactly the expected movies, rank by rank.
    fn check_found(&self, words: &[String], results: &[Value]) {
        let found: Vec<u64> = results
            .iter()
            .map(|movie| movie["id"].as_u64().unwrap())
            .collect();
        assert_eq!(results, self.bodies(&found, 0), "{words:?}");
        let rank = |id: &u64| self.movies[id].rank(words);
        let expected: BTreeSet<u64> = self
            .movies
            .keys()
            .copied()
            .filter(|id| rank(id).is_some())
            .collect();
        let distinct: BTreeSet<u64> = found.iter().copied().collect();
        assert_eq!(distinct, expected, "{words:?} finds {found:?}");
        assert_eq!(
            distinct.len(),
            found.len(),
            "{words:?} finds a movie twice: {found:?}"
        );
        let mut last = 0;
        for (least, most) in found.iter().filter_map(rank) {
            last = last.max(least);
            assert!(last <= most, "{words:?}: wrong order of {found:?}");
        }
    }

    /// Whether a query may be corrected so: each word stays as it is, becomes a word of the catalog that is near, is left out
    /// because no movie has it, or is joined with the next ones or split. Words that signs join may make a word that is near, as
    /// in `spider-mna`.
    fn can_become(&self, query: &Text, words: &[String], new: &[String]) -> bool {
        let Some((word, rest)) = words.split_first() else {
            return new.is_empty();
        };
        let is_absent = || {
            !self
                .movies
                .values()
                .any(|movie| movie.has(word, query.words.len() > 1))
        };
        if is_absent() && self.can_become(query, rest, new) {
            return true;
        }
        let Some((next, new_rest)) = new.split_first() else {
            return false;
        };
        let is_known = |word: &String| self.movies.values().any(|movie| movie.all_words().contains(word));
        if (next == word || (is_near(word, next) && is_known(next))) && self.can_become(query, rest, new_rest)
        {
            return true;
        }
        let joins = (2..=words.len()).any(|n| {
            let (parts, rest) = words.split_at(n);
            let word = parts.concat();
            let is_joined_by_signs = query.compounds.iter().any(|own| own == parts);
            let is_meant = word == *next || (is_joined_by_signs && is_near(&word, next) && is_known(next));
            is_meant && self.can_become(query, rest, new_rest)
        });
        joins
            || new_rest.split_first().is_some_and(|(second, others)| {
                format!("{next}{second}") == *word && self.can_become(query, rest, others)
            })
    }

    /// Searches for a movie that exists as somebody types who looks for it.
    pub(super) async fn search_for(&self, n: usize, typed: &Typed, limit: usize) {
        let Some(movie) = self.movies.get(&self.movie_id(n)) else {
            return;
        };
        let correctable: Vec<String> = movie
            .all_words()
            .into_iter()
            .filter(|word| is_correctable(word))
            .collect();
        let title = &movie.text.title;
        match typed {
            Typed::WithErrors(word, errors) => {
                let Some(word) = chosen(&correctable, *word) else {
                    return;
                };
                if let Some(typed) = mistyped(word, errors) {
                    self.must_find(&[typed], limit, &format!("{word} with typing errors"))
                        .await;
                }
            }
            Typed::RunTogether(at) => {
                let pairs: Vec<&[String]> = title
                    .words
                    .windows(2)
                    .filter(|pair| can_be_run_together(pair))
                    .collect();
                if let Some(pair) = chosen(&pairs, *at) {
                    self.must_find(&[pair.concat()], limit, &format!("{pair:?} run together"))
                        .await;
                }
            }
            Typed::Split(word, place) => {
                let Some(word) = chosen(&correctable, *word).filter(|word| has_no_marks(word)) else {
                    return;
                };
                let places: Vec<usize> = word.char_indices().skip(1).map(|(place, _)| place).collect();
                if let Some(place) = chosen(&places, *place) {
                    let (start, end) = word.split_at(*place);
                    let words = [start.to_owned(), end.to_owned()];
                    // The last one may be the beginning of another word.
                    let is_unfinished = end.chars().count() < 3
                        && self
                            .movies
                            .values()
                            .any(|movie| movie.has(start, true) && movie.has_beginning(end));
                    if is_unfinished {
                        self.search(&text_of(&words), limit).await;
                    } else {
                        self.must_find(&words, limit, &format!("{word} split")).await;
                    }
                }
            }
            Typed::WithAbsent(place) => {
                let mut words = title.words.clone();
                words.insert(place % (words.len() + 1), ABSENT.to_owned());
                let corrected = self.search(&text_of(&words), limit).await;
                let expected = Some(title.words.join(" ")).filter(|words| !words.is_empty());
                assert_eq!(corrected, expected, "{words:?}");
            }
            Typed::Unfinished => {
                let plain = title.plain.replace('.', "-");
                for (end, letter) in plain.char_indices() {
                    let start = &plain[..end + letter.len_utf8()];
                    if start.trim().is_empty() {
                        continue;
                    }
                    let text = Text::of(&[(start.to_owned(), start.to_owned())]);
                    let corrected = self.search(&text, 100).await;
                    assert_eq!(corrected, None, "{start:?} on the way to {:?}", title.plain);
                }
            }
        }
    }

    /// Asserts that a search finds something, as it stands or corrected.
    async fn must_find(&self, words: &[String], limit: usize, what: &str) {
        let corrected = self.search(&text_of(words), limit).await;
        let matches = self.movies.values().any(|movie| movie.rank(words).is_some());
        assert!(corrected.is_some() || matches, "{words:?} finds nothing: {what}");
    }
}

fn text_of(words: &[String]) -> Text {
    let words = words.join(" ");
    Text::of(&[(words.clone(), words)])
}

/// Returns the element to which a random number maps.
fn chosen<T>(all: &[T], n: usize) -> Option<&T> {
    (!all.is_empty()).then(|| &all[n % all.len()])
}

/// Returns the word with these errors, unless it has more than a word of its length may have, or fewer than three letters.
fn mistyped(word: &str, errors: &[(TypingError, usize)]) -> Option<String> {
    let letters: Vec<char> = word.chars().collect();
    if !has_no_marks(word) {
        return None;
    }
    let mut typed = word.to_owned();
    for (error, place) in errors.iter().take(errors_allowed(word)) {
        let own = letters[place % letters.len()];
        let letter = |letter: char| if word.is_ascii() { letter } else { own };
        let error = match *error {
            TypingError::Insertion(new) => TypingError::Insertion(letter(new)),
            TypingError::Substitution(new) => TypingError::Substitution(letter(new)),
            other => other,
        };
        let places = typed.chars().count() + 1;
        typed = error.at(&typed, place % places).unwrap_or(typed);
    }
    let is_long_enough = typed.chars().count() > 2 && typed.chars().any(|c| !c.is_ascii_digit());
    (is_long_enough && is_near(&typed, word)).then_some(typed)
}

/// Whether each letter of a word is one by itself, whatever stands beside it: no mark is part of it.
fn has_no_marks(word: &str) -> bool {
    let is_letter = |c: char| {
        c.is_ascii()
            || matches!(c, 'α'..='ω' | 'а'..='я' | '一'..='鿿' | 'ァ'..='ー' | 'ぁ'..='ゔ' | '가'..='힣')
    };
    word.chars().all(is_letter)
}

/// Whether two words without the space between them can be told apart: they are five letters or more, and the longer one has
/// three, not only digits, of the same kind as the other.
fn can_be_run_together(pair: &[String]) -> bool {
    let length = |word: &String| word.chars().count();
    let longer = pair.iter().max_by_key(|word| length(word));
    let is_in_vocabulary = longer
        .is_some_and(|word| (3..=24).contains(&length(word)) && !word.bytes().all(|c| c.is_ascii_digit()));
    let all = pair.concat();
    is_in_vocabulary
        && length(&all) >= 5
        && (all.is_ascii() || all.chars().all(|c| !c.is_ascii()))
        && has_no_marks(&all)
}
