//! A walk through the postings that a search has read so far: its hits, where it stopped, and the page made of them.

use std::collections::HashSet;

use crate::{
    db::{
        carried::Verdict,
        keys::Key,
        page::{PageLimit, Position, Reading, Slice, Window},
        posting::{Posting, RangeRead},
        range::Direction,
        search::{
            plan::{Budget, MOVIE_UNITS, Progress, postings_per_unit},
            query::{Driver, SearchQuery},
            ranges::PostingRange,
        },
    },
    domain::MovieId,
};

/// A posting that is a hit, or that may be one.
pub struct PossibleHit {
    /// Where the posting is in the walk.
    pub position: Position,
    /// The posting's key.
    pub key: Key,
    /// The movie.
    pub id: MovieId,
    /// Whether the posting is known to be a hit. If not, its movie decides.
    pub is_sure: bool,
}

impl PossibleHit {
    /// What reading the movie may cost, in units. A page's ceiling has one unit for each movie and doesn't count what a
    /// larger movie costs beyond that, but it counts all units of a movie that may be read and not shown.
    fn units(&self) -> usize {
        if self.is_sure { 1 } else { MOVIE_UNITS }
    }
}

/// The place where a walk stopped, because the range there wasn't read to its end.
pub struct Stop {
    /// Which of the reads.
    read: usize,
    /// The position of the last posting that was read there.
    pub position: Position,
}

/// The hits of a walk.
pub struct Found {
    /// The hits, in the direction of reading: at most one more than the page has room for.
    pub hits: Vec<PossibleHit>,
    /// The place where the walk stopped. `None` if the page is full, or if all ranges were read to their ends.
    pub stop: Option<Stop>,
}

/// A walk in progress.
pub struct Walk {
    /// The term that drives it.
    pub driver: Driver,
    /// What was read of each range, in the direction of reading, from the range in which the page begins.
    pub reads: Vec<RangeRead>,
    /// The page's read units.
    pub budget: Budget,
}

impl Walk {
    /// The hits for a page of `limit` movies. It follows the reads in order, up to the first range that wasn't read to its
    /// end: the rest of that range comes before the next ranges in the order of the results.
    #[must_use]
    pub fn find(&self, query: &SearchQuery, limit: PageLimit) -> Found {
        // The page, and one more hit, which shows that there is a next page.
        let enough = limit.get() + 1;
        let mut hits: Vec<PossibleHit> = Vec::new();
        for (number, read) in self.reads.iter().enumerate() {
            for posting in &read.postings {
                let is_sure = match query.decide(&self.driver, read.range, posting) {
                    Verdict::Yes => true,
                    Verdict::No => continue,
                    Verdict::Unknown => false,
                };
                // A movie has one hit. If one of its postings is known to be the hit, the others aren't hits.
                let mut others = hits.iter().filter(|other| other.id == posting.id);
                if is_sure {
                    hits.retain(|other| other.id != posting.id);
                } else if others.any(|other| other.is_sure) {
                    continue;
                }
                hits.push(PossibleHit {
                    position: self.position(read, posting),
                    key: posting.key.clone(),
                    id: posting.id,
                    is_sure,
                });
                if hits.len() == enough {
                    return Found { hits, stop: None };
                }
            }
            if read.more {
                let stop = read.postings.last().map(|last| Stop {
                    read: number,
                    position: self.position(read, last),
                });
                return Found { hits, stop };
            }
        }
        Found { hits, stop: None }
    }

    fn position(&self, read: &RangeRead, posting: &Posting) -> Position {
        Position {
            driver: self.driver.term,
            range: read.range,
            key: posting.key.sk.clone(),
            corrected_query: None,
        }
    }

    /// How far the walk has come with these hits when it stopped in `range`.
    #[must_use]
    pub fn progress(&self, hits: &[PossibleHit], stop: &Stop, range: &PostingRange) -> Progress {
        let size = |reads: &[RangeRead]| {
            let postings: usize = reads.iter().map(|read| read.postings.len()).sum();
            let bytes: usize = reads.iter().map(RangeRead::bytes).sum();
            (postings, bytes)
        };
        let (walked_postings, _) = size(&self.reads[..=stop.read]);
        let (there, bytes_there) = size(&self.reads[stop.read..=stop.read]);
        let (read, bytes_read) = size(&self.reads);
        Progress {
            kind: range.kind,
            walked_postings,
            postings_per_unit: postings_per_unit(there, bytes_there).min(postings_per_unit(read, bytes_read)),
            hits: hits.len(),
            hit_units: units(hits),
            first_hit_units: hits.first().map_or(MOVIE_UNITS, PossibleHit::units),
        }
    }

    /// Adds what a further round read where the walk stopped.
    pub fn extend(&mut self, stop: &Stop, further: RangeRead) {
        self.budget.spend([&further]);
        let read = &mut self.reads[stop.read];
        read.postings.extend(further.postings);
        read.more = further.more;
    }

    /// The hits of the page of `window`, and its neighbors. Keeps only as many hits as the rest of the budget can fetch, but at
    /// least one, so that every page makes progress.
    #[must_use]
    pub fn into_page(self, found: Found, window: &Window, limit: PageLimit) -> (Driver, Slice<PossibleHit>) {
        let Found { mut hits, stop } = found;
        let room = affordable(&hits, self.budget.units_left(0)).clamp(1, limit.get());
        let is_cut = hits.len() > room;
        hits.truncate(room);
        // A page that was cut ends at its last hit. Any other ends where the walk stopped.
        let more = is_cut || stop.is_some();
        let end = stop.filter(|_| !is_cut).map(|stop| stop.position);
        let reading = Reading {
            first: hits.first().map(|hit| hit.position.clone()),
            last: end.or_else(|| hits.last().map(|hit| hit.position.clone())),
            items: hits,
            more,
        };
        (self.driver, reading.into_slice(window, Direction::Ascending))
    }
}

/// What reading the movies of these hits may cost, in units. Each movie is read once.
fn units(hits: &[PossibleHit]) -> usize {
    let mut seen = HashSet::new();
    let movies = hits.iter().filter(|hit| seen.insert(hit.id));
    movies.map(PossibleHit::units).sum()
}

/// How many of these hits, from the first on, can be read with so many units.
fn affordable(hits: &[PossibleHit], units_left: usize) -> usize {
    let mut seen = HashSet::new();
    let mut spent_units = 0;
    let paid = hits.iter().take_while(|hit| {
        if seen.insert(hit.id) {
            spent_units += hit.units();
        }
        spent_units <= units_left
    });
    paid.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(id: u64, is_sure: bool) -> PossibleHit {
        let sk = format!("1#love#{id:016}");
        PossibleHit {
            position: Position::at(sk.clone()),
            key: Key::new("WORD#lov", sk),
            id: MovieId::try_from(id).unwrap(),
            is_sure,
        }
    }

    #[test]
    fn a_movie_is_paid_for_once_and_seven_units_are_kept_for_one_that_is_not_sure() {
        let hits = [hit(1, true), hit(2, false), hit(2, false), hit(3, true)];
        assert_eq!(units(&hits), 1 + 7 + 1);
        for (units_left, count) in [(0, 0), (1, 1), (7, 1), (8, 3), (9, 4)] {
            assert_eq!(affordable(&hits, units_left), count, "{units_left} units");
        }
    }
}
