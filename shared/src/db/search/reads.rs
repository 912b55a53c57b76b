//! What a search has read of its ranges, and the walks along it.

use std::collections::{BTreeSet, HashMap};

use crate::{
    db::{
        carried::Carried,
        keys::Key,
        posting::{Posting, RangeRead},
        posting_list::keys_with_words,
        search::{
            plan::Budget,
            query::{Driver, SearchQuery, TITLE_RANGE},
            ranges::PostingRange,
            walk::Walk,
        },
        verdict::Verdict,
    },
    domain::MovieId,
};

/// The postings that a search has read, by range: of each range its first ones, or all.
#[derive(Default)]
pub struct Reads(Vec<(PostingRange, RangeRead)>);

/// Movies that may have postings which an [unfinished](crate::db::unfinished) edit or deletion has left, each with the keys of those
/// that aren't left. A movie that doesn't exist has none.
pub type Unfinished = HashMap<MovieId, BTreeSet<Key>>;

impl Reads {
    /// Adds what was read of a range, from its start on.
    pub fn add(&mut self, range: PostingRange, read: RangeRead) {
        self.0.push((range, read));
    }

    /// Adds what a walk has read of its ranges, from their starts on.
    pub fn add_walk(&mut self, walk: Walk) {
        let ranges = walk.driver.ranges().map(|(_, range)| range.clone());
        ranges
            .zip(walk.reads)
            .for_each(|(range, read)| self.add(range, read));
    }

    /// Removes the postings of these movies that are left, as if they had not been read.
    pub fn remove_left(&mut self, unfinished: &Unfinished) {
        let is_left = |posting: &Posting| {
            let keys = unfinished.get(&posting.id);
            keys.is_some_and(|keys| !keys.contains(&posting.key))
        };
        for (_, read) in &mut self.0 {
            read.postings.retain(|posting| !is_left(posting));
        }
    }

    /// What was read of this range. `None` if it wasn't read.
    #[must_use]
    pub fn of(&self, range: &PostingRange) -> Option<&RangeRead> {
        let mut reads = self.0.iter();
        reads.find_map(|(own, read)| (own == range).then_some(read))
    }

    /// Every posting that was read. One that is in two of the ranges comes twice.
    pub fn postings(&self) -> impl Iterator<Item = &Posting> {
        self.0.iter().flat_map(|(_, read)| &read.postings)
    }

    /// Whether every posting of the driver's term was read. Then every movie that its query matches is among them.
    #[must_use]
    pub fn has_all_of(&self, driver: &Driver) -> bool {
        let is_whole = |range| self.of(range).is_some_and(|read| !read.more);
        driver.ranges_with_term().all(is_whole)
    }

    /// Whether a movie whose posting was read in the driver's ranges may match `query`.
    #[must_use]
    pub fn may_find(&self, query: &SearchQuery, driver: &Driver) -> bool {
        self.possible_matches(query, driver).next().is_some()
    }

    fn possible_matches<'a>(
        &'a self,
        query: &'a SearchQuery,
        driver: &'a Driver,
    ) -> impl Iterator<Item = &'a Posting> {
        let reads = driver.ranges_with_term().filter_map(|range| self.of(range));
        let postings = reads.flat_map(|read| &read.postings);
        postings.filter(|posting| query.has_terms(&posting.words) != Verdict::No)
    }

    /// The range of titles that begin with `query`, made from the postings of the driver's term. `None` if not all of these
    /// were read, or if one doesn't carry all words of its movie.
    #[must_use]
    pub fn titles_with_term(&self, query: &SearchQuery, driver: &Driver) -> Option<RangeRead> {
        if !self.has_all_of(driver) {
            return None;
        }
        let mut titles: Vec<Posting> = Vec::new();
        for posting in self.possible_matches(query, driver) {
            let Carried::All(words) = &posting.words else {
                return None;
            };
            let keys = keys_with_words(&words.decode(), posting.id).into_keys();
            for key in keys.filter(|key| query.titles().keys.contains(key)) {
                if titles.iter().all(|title| title.key != key) {
                    titles.push(posting.at(key));
                }
            }
        }
        titles.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Some(RangeRead {
            range: TITLE_RANGE,
            postings: titles,
            more: false,
        })
    }

    /// The walk of `query` along what was read. `None` if one of its ranges wasn't read.
    #[must_use]
    pub fn walk(&self, query: &SearchQuery, driver: Driver, budget: Budget) -> Option<Walk> {
        let mut reads = Vec::new();
        for (number, range) in driver.ranges() {
            let made = || {
                self.titles_with_term(query, &driver)
                    .filter(|_| number == TITLE_RANGE)
            };
            let read = self.of(range).cloned().or_else(made)?;
            reads.push(RangeRead {
                range: number,
                ..read
            });
        }
        Some(Walk {
            driver,
            reads,
            budget,
        })
    }
}
