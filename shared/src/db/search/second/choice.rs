//! Which alternatives are searched, how far, and which of them is the answer.
//!
//! Often the first try has read enough to decide about an alternative. If it has read a term of the alternative to its end, it
//! has read every movie that matches. An alternative that no such movie matches is dropped, and one that a movie matches needs
//! no further read. Of the others, the titles that begin with the alternative and the ranges of one of its terms are read, as
//! far as the units allow. Of the best alternative the ranges of a second term are read too.

use std::cmp::Reverse;

use crate::db::{
    index::POSTING_BYTES,
    page::PageLimit,
    posting::BYTES_PER_UNIT,
    search::{
        plan::Budget,
        query::{Driver, SearchQuery},
        ranges::PostingRange,
        reads::Reads,
        second::{alternatives::Alternative, typed::Split},
        walk::Walk,
    },
    vocabulary::has_entries,
};

/// The most alternatives that are searched without knowing that they find something.
const MAX_SEARCHED: usize = 8;
/// The fewest letters of a word that is likely to be rare enough to drive a search. Shorter ones are often common.
const SHORTEST_RARE: usize = 4;
/// The most alternatives that are considered.
const MAX_CONSIDERED: usize = 100;
/// The hits that are counted when alternatives are compared. The page's size makes no difference.
const COUNTED_HITS: PageLimit = PageLimit::of::<20>();

/// An alternative that is searched.
pub struct Candidate {
    /// Its words as a query.
    pub query: SearchQuery,
    /// The driver of its walk.
    pub driver: Driver,
    /// The errors that it corrects.
    pub errors: usize,
}

impl Candidate {
    /// The same with another driver: the longest of the other words. `None` if there is only one word beside years.
    fn by_another_word(&self) -> Option<Self> {
        let mut drivers = self.query.drivers();
        let driver = drivers.find(|driver| {
            let term = self.query.term(driver);
            driver.term != self.driver.term && term.is_some_and(|term| term.year.is_none())
        })?;
        Some(Self {
            query: self.query.clone(),
            driver,
            errors: self.errors,
        })
    }
}

/// An alternative that finds something.
pub struct Found {
    /// Its words as a query.
    pub query: SearchQuery,
    /// Its walk.
    pub walk: Walk,
    /// The errors that it corrects.
    pub errors: usize,
}

/// What is searched.
#[derive(Default)]
pub struct Plan {
    /// The alternatives, the best first. Behind them the best again, if it is also searched by another of its words.
    pub candidates: Vec<Candidate>,
    /// The ranges to read for them, each with the number of postings.
    pub ranges: Vec<(PostingRange, usize)>,
}

impl Plan {
    /// The plan to search alternatives to `query` with at most this many read units.
    #[must_use]
    pub fn new(alternatives: &[Alternative], query: &SearchQuery, reads: &Reads, units: usize) -> Self {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut ranges: Vec<PostingRange> = Vec::new();
        let mut ranges_of_first = 0;
        let mut is_first_decided = false;
        let mut searched = 0;
        // No alternative is searched that has more errors than one that certainly finds something.
        let mut most_errors = usize::MAX;
        for alternative in alternatives.iter().take(MAX_CONSIDERED) {
            let errors = alternative.cost.errors;
            if errors > most_errors {
                break;
            }
            let Some(corrected) = SearchQuery::of_words(&alternative.words) else {
                continue;
            };
            let decided = decided_driver(&corrected, reads);
            let is_decided = decided.is_some();
            let Some(driver) = decided.or_else(|| driver_to_read(&corrected, query)) else {
                continue;
            };
            if is_decided && !reads.may_find(&corrected, &driver) {
                continue;
            }
            if !is_decided && searched == MAX_SEARCHED {
                continue;
            }
            let unread = unread(&corrected, &driver, reads, &ranges);
            if ranges.len() + unread.len() > units {
                // The next ones may need fewer reads, or none.
                continue;
            }
            if is_decided {
                most_errors = errors;
            } else {
                searched += 1;
            }
            if candidates.is_empty() {
                ranges_of_first = unread.len();
                is_first_decided = is_decided;
            }
            ranges.extend(unread);
            candidates.push(Candidate {
                query: corrected,
                driver,
                errors,
            });
        }
        // A word of the best alternative may be so common that its first postings don't show the movie, and another one rare.
        let undecided = candidates
            .first()
            .filter(|_| !is_first_decided && ranges_of_first > 0);
        if let Some(other) = undecided.and_then(Candidate::by_another_word) {
            let unread = unread(&other.query, &other.driver, reads, &ranges);
            if ranges.len() + unread.len() <= units {
                ranges.extend(unread);
                candidates.push(other);
            }
        }
        // One unit for each range. What is left is shared by the ranges of the best alternative.
        let further = (units - ranges.len()).checked_div(ranges_of_first).unwrap_or(0);
        let with_postings = ranges.into_iter().enumerate().map(|(number, range)| {
            let units = if number < ranges_of_first { 1 + further } else { 1 };
            let postings = units * BYTES_PER_UNIT / POSTING_BYTES[range.kind.index()];
            (range, postings)
        });
        Self {
            ranges: with_postings.collect(),
            candidates,
        }
    }

    /// The alternative to answer with its walk: the best of those that find something. The fewest errors are best; then a title
    /// that is the alternative, then one that begins with it; then the most hits.
    #[must_use]
    pub fn best(self, reads: &Reads, budget: Budget) -> Option<Found> {
        let found = self.candidates.into_iter().filter_map(|candidate| {
            let Candidate {
                query,
                driver,
                errors,
            } = candidate;
            let walk = reads.walk(&query, driver, budget)?;
            let hits = walk.find(&query, COUNTED_HITS).hits;
            let first = hits.first()?;
            let title = if query.is_whole_title(&first.key) {
                0
            } else if query.titles().keys.contains(&first.key) {
                1
            } else {
                2
            };
            // Where only cut texts match, the movies may not.
            let is_sure = hits.iter().any(|hit| hit.is_sure);
            let rank = (!is_sure, errors, title, Reverse(hits.len()));
            Some((rank, Found { query, walk, errors }))
        });
        let best = found.min_by(|(one, _), (other, _)| one.cmp(other));
        best.map(|(_, found)| found)
    }
}

/// The first of these alternatives that finds something in what was read, if a term of it was read to its end.
#[must_use]
pub fn first_decided(alternatives: &[Alternative], reads: &Reads, budget: Budget) -> Option<Found> {
    alternatives.iter().take(MAX_CONSIDERED).find_map(|alternative| {
        let query = SearchQuery::of_words(&alternative.words)?;
        let driver = decided_driver(&query, reads)?;
        let walk = reads.walk(&query, driver, budget)?;
        let is_found = walk.find(&query, COUNTED_HITS).hits.iter().any(|hit| hit.is_sure);
        let errors = alternative.cost.errors;
        is_found.then_some(Found { query, walk, errors })
    })
}

/// The driver whose term was read to its end, if there is one.
fn decided_driver(query: &SearchQuery, reads: &Reads) -> Option<Driver> {
    query.drivers().find(|driver| reads.has_all_of(driver))
}

/// The driver to read: the longest term that `query` lacks, because others were read already; or else the longest. If two terms
/// are new and are the two parts of a word, it is the part that wasn't looked up: if no movie has it, that shows too. A part of
/// fewer than four letters that is shorter than the other one, such as `the`, is often common, so the longer part is read then.
fn driver_to_read(corrected: &SearchQuery, query: &SearchQuery) -> Option<Driver> {
    let text = |driver: &Driver| corrected.term(driver).map(|term| term.raw.as_str());
    let is_new =
        |driver: &Driver| text(driver).is_some_and(|word| query.terms().iter().all(|own| own.raw != word));
    let mut new: Vec<Driver> = corrected.drivers().filter(is_new).collect();
    if let [Some(one), Some(other)] = new.iter().map(text).collect::<Vec<_>>()[..]
        && let Some(split) = Split::of(one, other, query.words().iter().map(|word| word.raw.as_str()))
        && has_entries(split.shorter())
        && (split.lengths().0 >= SHORTEST_RARE || split.lengths().1 == 0)
    {
        new.retain(|driver| text(driver) == Some(split.shorter()));
    }
    new.into_iter().next().or_else(|| corrected.driver(0))
}

/// The ranges of the walk that were not read and are not `planned`.
fn unread(
    query: &SearchQuery,
    driver: &Driver,
    reads: &Reads,
    planned: &[PostingRange],
) -> Vec<PostingRange> {
    let titles_are_known = reads.titles_with_term(query, driver).is_some();
    let is_known = |range: &PostingRange| {
        planned.contains(range) || reads.of(range).is_some() || (titles_are_known && range == query.titles())
    };
    let ranges = driver.ranges().map(|(_, range)| range);
    ranges.filter(|range| !is_known(range)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_split_word_the_part_is_read_that_was_not_looked_up_unless_it_is_short() {
        let read = |typed: &str, corrected: &[&str]| {
            let words: Vec<String> = corrected.iter().map(|word| (*word).to_owned()).collect();
            let corrected = SearchQuery::of_words(&words).unwrap();
            let driver = driver_to_read(&corrected, &SearchQuery::parse(typed).unwrap()).unwrap();
            corrected.term(&driver).unwrap().raw.clone()
        };
        for (typed, corrected, word) in [
            ("starwars", &["star", "wars"][..], "wars"),
            ("americanpsycho", &["american", "psycho"], "psycho"),
            ("psychoamerican 2000", &["psycho", "american", "2000"], "psycho"),
            ("theblackpearl", &["the", "blackpearl"], "blackpearl"),
            ("area51", &["area", "51"], "area"),
            ("hergod", &["her", "god"], "god"),
            // No word was split.
            ("kurosowa seven", &["kurosawa", "seven"], "kurosawa"),
            ("seven samurai", &["samurai", "seven"], "samurai"),
        ] {
            assert_eq!(read(typed, corrected), word, "{typed}");
        }
    }
}
