//! A parsed search: its words, the ranges that it walks, and which postings in them are hits.

use crate::{
    db::{
        carried::{Carried, Part, Verdict},
        index::keys_with_words,
        keys::Key,
        page::PageLimit,
        posting::Posting,
        posting_keys::PostingKind,
        search::{
            plan::{DRIVER_CANDIDATES, FIRST_POSTINGS},
            ranges::{PostingRange, title_is_decided_by_key, word_is_decided_by_key},
        },
        words::{Words, is_short, matches},
    },
    domain::{MovieId, movie::MAX_WORDS, text},
};

/// The number of the range of titles among a walk's ranges.
pub const TITLE_RANGE: u8 = 0;

/// A parsed `q`.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// The words, in order: `the`, `god`, `godfather` of *The god: Godfather*.
    words: Vec<String>,
    /// The words that a movie must have, each once, the longest first: `godfather`, `the`. `god` isn't one of them, because
    /// every movie that has `godfather` also matches `god`.
    terms: Vec<String>,
    /// The range of titles that begin with all of the words.
    titles: PostingRange,
}

/// A term that drives a walk: the walk reads the postings of this term and checks them for the others.
#[derive(Clone, Debug)]
pub struct Driver {
    /// The term's number among the terms.
    pub term: u8,
    /// The range of titles that begin with all of the query's words: range [`TITLE_RANGE`] of the walk.
    titles: PostingRange,
    /// The ranges of the term, by kind: range 1 of the walk and on.
    of_term: Vec<PostingRange>,
}

impl Driver {
    /// The walk's ranges, in the order of the results, each with its number.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = (u8, &PostingRange)> {
        let titles = std::iter::once((TITLE_RANGE, &self.titles));
        titles.chain(self.ranges_of_term())
    }

    /// The walk's ranges except the first one, which all drivers share.
    pub fn ranges_of_term(&self) -> impl DoubleEndedIterator<Item = (u8, &PostingRange)> {
        // At most four, one of each kind.
        (1..=PostingKind::ALL.len() as u8).zip(&self.of_term)
    }

    /// The walk's range with this number.
    #[must_use]
    pub fn range(&self, number: u8) -> Option<&PostingRange> {
        let mut ranges = self.ranges();
        ranges.find_map(|(other, range)| (other == number).then_some(range))
    }
}

impl SearchQuery {
    /// Parses the words of `q`. `None` if no movie can match: `q` has no letter or digit, or more words than a movie.
    #[must_use]
    pub fn parse(q: &str) -> Option<Self> {
        let words = text::words(q);
        let titles = PostingRange::of_title(&words)?;
        let mut terms: Vec<String> = Vec::new();
        for word in &words {
            let is_implied_by = |other: &String| other != word && !is_short(word) && matches(other, word);
            if !words.iter().any(is_implied_by) && !terms.contains(word) {
                terms.push(word.clone());
            }
        }
        // Each term matches a word of its own in the movie.
        if terms.len() > MAX_WORDS {
            return None;
        }
        // Longer words are rarer. The sort is stable, so every page has the same terms in the same order.
        terms.sort_by_key(|term| std::cmp::Reverse(term.chars().count()));
        Some(Self { words, terms, titles })
    }

    /// The range of titles that begin with all of the words.
    #[must_use]
    pub fn titles(&self) -> &PostingRange {
        &self.titles
    }

    /// The walk that the term with this number drives. `None` if there is no such term.
    #[must_use]
    pub fn driver(&self, term: u8) -> Option<Driver> {
        let word = self.terms.get(usize::from(term))?;
        // The titles that begin with a single word are those of the first range.
        let skip = usize::from(self.words.len() == 1);
        Some(Driver {
            term,
            titles: self.titles.clone(),
            of_term: PostingRange::of_word(word).into_iter().skip(skip).collect(),
        })
    }

    /// The terms that the first round tries as drivers.
    #[must_use]
    pub fn candidates(&self) -> Vec<Driver> {
        (0..DRIVER_CANDIDATES)
            .map_while(|term| self.driver(term))
            .collect()
    }

    /// How many postings the first round reads of a range, for a page of `limit` movies.
    #[must_use]
    pub fn first_postings(&self, kind: PostingKind, limit: PageLimit) -> usize {
        let postings = FIRST_POSTINGS[kind.index()];
        // Nearly every posting of a single term is a hit.
        if self.terms.len() == 1 {
            postings.max(limit.get() + 1)
        } else {
            postings
        }
    }

    /// Whether a posting, found in the range with this number, is a hit: whether its movie has all terms, and no earlier
    /// posting of the movie is in the walk. Decides from what the posting carries.
    #[must_use]
    pub fn decide(&self, driver: &Driver, range: u8, posting: &Posting) -> Verdict {
        let part = match &posting.words {
            Carried::All(words) => {
                return self.is_hit(driver, range, &posting.key, posting.id, words).into();
            }
            Carried::Part(part) => part,
        };
        if title_is_decided_by_key(&self.words) {
            if range == TITLE_RANGE {
                return Verdict::Yes;
            }
            // This posting is also in the range of titles, and was a hit there.
            if self.titles.keys.contains(&posting.key) {
                return Verdict::No;
            }
        }
        let has_terms = (0_u8..).zip(&self.terms).map(|(number, term)| {
            if number == driver.term {
                is_first_posting(range, term, part)
            } else {
                part.contains(term)
            }
        });
        let verdict = has_terms.fold(Verdict::Yes, Verdict::and);
        // A title that begins with the whole of `q` makes the movie a hit in the range of titles and in no other. Where `q` is a
        // single word, the posting of such a title is one of the driver's, and `shared` counts it.
        let title_may_begin_with_q = match self.words.as_slice() {
            _ if range == TITLE_RANGE => true,
            [first, _, ..] => part.title_may_begin_with(first),
            _ => false,
        };
        if title_may_begin_with_q {
            verdict.and(Verdict::Unknown)
        } else {
            verdict
        }
    }

    /// Whether the posting with this key, found in the range with this number, is a hit, decided from all words of its movie.
    #[must_use]
    pub fn is_hit(&self, driver: &Driver, range: u8, key: &Key, id: MovieId, words: &Words) -> bool {
        if !self.terms.iter().all(|term| words.contains(term)) {
            return false;
        }
        // Keys hold only the beginning of a very long title, so the range of titles can hold one that doesn't begin with `q`.
        let title_begins_with_q = words.title_begins_with(&self.words);
        if range == TITLE_RANGE || title_begins_with_q {
            return range == TITLE_RANGE && title_begins_with_q;
        }
        let place = |key: &Key| {
            let mut ranges = driver.ranges_of_term();
            ranges.find_map(|(number, range)| range.keys.contains(key).then_some(number))
        };
        let postings = keys_with_words(words, id).into_keys();
        let in_walk = postings.filter_map(|key| Some((place(&key)?, key)));
        in_walk.min().is_some_and(|(_, first)| first == *key)
    }
}

/// Whether a posting in the range with this number has the driver's term and is the movie's first that has it, as far as
/// its key and `part` decide.
fn is_first_posting(range: u8, term: &str, part: &Part) -> Verdict {
    if range == TITLE_RANGE || !word_is_decided_by_key(term) {
        return part.contains(term).and(Verdict::Unknown);
    }
    // The key decides that the posting has the term. `shared` decides whether an earlier posting has a word that begins
    // with the term.
    if part.shared < term.chars().count() {
        Verdict::Yes
    } else if is_short(term) {
        // That word may be longer than the term, which must match whole.
        Verdict::Unknown
    } else {
        Verdict::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_longer_one_implies_are_not_looked_for() {
        let terms = |q: &str| SearchQuery::parse(q).unwrap().terms;
        assert_eq!(terms("the godfather"), ["godfather", "the"]);
        assert_eq!(terms("god godfather god"), ["godfather"]);
        // A short word must match whole, which a longer one doesn't imply.
        assert_eq!(terms("go godfather"), ["godfather", "go"]);
    }

    #[test]
    fn what_no_movie_can_have_finds_nothing() {
        assert!(SearchQuery::parse("…?!").is_none());
        let many: Vec<String> = (10..41).map(|n| format!("w{n}")).collect();
        assert!(SearchQuery::parse(&many.join(" ")).is_none());
        assert!(SearchQuery::parse(&many[1..].join(" ")).is_some());
    }

    #[test]
    fn each_range_has_its_kind_of_postings() {
        for (q, kinds) in [("the", &[0, 1, 2, 3][..]), ("the kid", &[0, 0, 1, 2, 3])] {
            let driver = SearchQuery::parse(q).unwrap().driver(0).unwrap();
            let found: Vec<usize> = driver.ranges().map(|(_, range)| range.kind.index()).collect();
            assert_eq!(found, kinds, "{q}");
        }
    }

    #[test]
    fn a_single_words_titles_are_walked_once() {
        let ranges = |q: &str| SearchQuery::parse(q).unwrap().driver(0).unwrap().ranges().count();
        assert_eq!(ranges("the"), PostingKind::ALL.len());
        assert_eq!(ranges("the kid"), 1 + PostingKind::ALL.len());
    }

    #[test]
    fn the_first_round_of_the_example_in_the_head_of_the_module_reads_these_ranges() {
        let query = SearchQuery::parse("Love Story").unwrap();
        assert_eq!(query.terms, ["story", "love"]);
        let show = |range: &PostingRange| format!("{} {}", range.keys.pk, range.keys.low);
        assert_eq!(show(query.titles()), "WORD#lov 0#love-story");
        let of_terms = query.candidates().into_iter().map(|driver| {
            let ranges = driver.ranges_of_term().map(|(_, range)| show(range));
            ranges.collect::<Vec<_>>().join(", ")
        });
        let of_terms: Vec<String> = of_terms.collect();
        assert_eq!(
            of_terms,
            [
                "WORD#sto 0#story, WORD#sto 1#story, WORD#sto 2#story, GENRE#sto story",
                "WORD#lov 0#love, WORD#lov 1#love, WORD#lov 2#love, GENRE#lov love",
            ]
        );
    }
}
