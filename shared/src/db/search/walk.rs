//! A walk through the postings that a search has read so far: its hits, where it stopped, and the page made of them.

use std::collections::{HashMap, HashSet};

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
    /// The hits, in the direction of reading: those of at most one movie more than the page has room for.
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
        // The page, and one more movie, which shows that there is a next page.
        let enough = limit.get() + 1;
        let mut hits: Vec<PossibleHit> = Vec::new();
        let mut movies = HashSet::new();
        for (number, read) in self.reads.iter().enumerate() {
            for posting in &read.postings {
                let is_sure = match query.decide(&self.driver, read.range, posting) {
                    Verdict::Yes => true,
                    Verdict::No => continue,
                    Verdict::Unknown => false,
                };
                // A movie has one hit. All of its postings that may be the hit are kept, even beside one that is sure: if an edit
                // isn't finished, that one may be of the texts before it, and another one is the hit.
                movies.insert(posting.id);
                hits.push(PossibleHit {
                    position: self.position(read, posting),
                    key: posting.key.clone(),
                    id: posting.id,
                    is_sure,
                });
                if movies.len() == enough {
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
        let costs = Costs::of(hits);
        Progress {
            kind: range.kind,
            walked_postings,
            postings_per_unit: postings_per_unit(there, bytes_there).min(postings_per_unit(read, bytes_read)),
            hits: costs.movies.len(),
            hit_units: costs.units,
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

    /// The hits of the page of `window`, and its neighbors. Keeps only the hits of as many movies as the page has room for and the
    /// rest of the budget can fetch, but at least one hit, so that every page makes progress.
    #[must_use]
    pub fn page(&self, found: Found, window: &Window, limit: PageLimit) -> Slice<PossibleHit> {
        let Found { mut hits, stop } = found;
        let room = affordable(&hits, self.budget.units_left(0), limit.get()).max(1);
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
        reading.into_slice(window, Direction::Ascending)
    }
}

/// The movies of some hits, and what reading them may cost.
#[derive(Default)]
struct Costs {
    /// What each movie may cost, in units.
    movies: HashMap<MovieId, usize>,
    /// What all of them may cost.
    units: usize,
}

impl Costs {
    fn of(hits: &[PossibleHit]) -> Self {
        let mut costs = Self::default();
        hits.iter().for_each(|hit| costs.add(hit));
        costs
    }

    /// Adds a hit. Each movie is read once. If one of its hits is sure, the movie will be shown.
    fn add(&mut self, hit: &PossibleHit) {
        let units = hit.units();
        let of_movie = self.movies.entry(hit.id).or_insert_with(|| {
            self.units += units;
            units
        });
        if units < *of_movie {
            self.units -= *of_movie - units;
            *of_movie = units;
        }
    }
}

/// How many of these hits, from the first on, are of at most `limit` movies that can be read with so many units.
fn affordable(hits: &[PossibleHit], units_left: usize, limit: usize) -> usize {
    let mut costs = Costs::default();
    let mut paid = 0;
    for (count, hit) in (1..).zip(hits) {
        costs.add(hit);
        if costs.movies.len() > limit {
            break;
        }
        // A hit can make those before it cheaper.
        if costs.units <= units_left {
            paid = count;
        }
    }
    paid
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
        assert_eq!(Costs::of(&hits).units, 1 + 7 + 1);
        for (units_left, count) in [(0, 0), (1, 1), (7, 1), (8, 3), (9, 4)] {
            assert_eq!(affordable(&hits, units_left, 3), count, "{units_left} units");
        }
        assert_eq!(affordable(&hits, 9, 2), 3, "for two movies");
        // Of a movie that will be shown, hits that aren't sure cost nothing, on whichever side of the one that is.
        let hits = [hit(1, false), hit(2, true), hit(1, true), hit(2, false)];
        assert_eq!(Costs::of(&hits).units, 2);
        for (units_left, count) in [(0, 0), (1, 0), (2, 4), (7, 4)] {
            assert_eq!(affordable(&hits, units_left, 2), count, "{units_left} units");
        }
        assert_eq!(affordable(&hits, 8, 1), 1, "for one movie");
    }
}
