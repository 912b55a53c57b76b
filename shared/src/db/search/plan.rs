//! How much a search reads: the sizes of its rounds, and the read units that no page exceeds.
//!
//! A page of up to 20 movies may cost 40 units: 20 for postings, and one for each movie. The first round reads
//! [`FIRST_POSTINGS`] of each range. [`further_postings`] decides how many postings each further round reads.
//!
//! For example, the first round of a page of 20 cost 13 units and found 8 movies among 120 postings. One unit reads 45 such
//! postings. 27 units are left, and 8 of them are for the movies that were found. The other 12 movies need 12 of the
//! remaining 19, so 7 units can be spent on postings: 7 × 45 = 315. The 12 movies, and one more, are expected among (12 +
//! 1) × 120 / 8 = 195 postings. The round reads a third more than that: 260.

use crate::db::{
    index::POSTING_BYTES,
    page::PageLimit,
    posting::{BYTES_PER_UNIT, RangeRead},
    posting_keys::PostingKind,
};

/// The most terms that the first round tries as drivers.
pub const DRIVER_CANDIDATES: u8 = 3;
/// The postings of each kind that the first round reads of a range. They cost one read unit at ordinary size, and at most
/// two units at the [largest](POSTING_BYTES). The number doesn't depend on the page's size, so the driver and the order of
/// the results don't depend on it either.
pub const FIRST_POSTINGS: [usize; PostingKind::ALL.len()] = [27, 36, 30, 20, 30];
/// The rounds that may follow the first one.
pub const FURTHER_ROUNDS: [Round; 2] = [Round::Second, Round::Last];
/// The most units that the postings of a page of up to this many movies may cost. On a larger page they may cost one unit
/// for each movie.
const POSTING_UNITS: usize = 20;
/// The bytes of each unit that an estimate by the mean size of postings keeps free: the next postings may be larger.
const MARGIN_BYTES: usize = 128;
/// What reading the largest movie costs, in units. Its texts, at their limits in characters of four bytes, and a cover
/// image's URL of 2,048 bytes are 25 KB.
pub const MOVIE_UNITS: usize = 7;

/// The read units of one page, without those of the caller's favorites.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    ceiling_units: usize,
    spent_units: usize,
}

impl Budget {
    /// The budget of a page of at most `limit` movies: one unit for each, and as much for postings, but at least
    /// `POSTING_UNITS`.
    #[must_use]
    pub fn of_page(limit: PageLimit) -> Self {
        let limit = limit.get();
        Self {
            ceiling_units: limit + limit.max(POSTING_UNITS),
            spent_units: 0,
        }
    }

    /// Spends the units of these reads.
    pub fn spend<'a>(&mut self, reads: impl IntoIterator<Item = &'a RangeRead>) {
        self.spent_units += reads.into_iter().map(RangeRead::units).sum::<usize>();
    }

    /// Spends units that are no postings'.
    pub fn spend_units(&mut self, units: usize) {
        self.spent_units += units;
    }

    /// The units that are spent.
    #[must_use]
    pub fn spent_units(&self) -> usize {
        self.spent_units
    }

    /// The units that are left when `reserved_units` are kept for movies.
    #[must_use]
    pub fn units_left(&self, reserved_units: usize) -> usize {
        self.ceiling_units
            .saturating_sub(self.spent_units + reserved_units)
    }
}

/// A round of Queries that continues the walk where the round before it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Another round may follow.
    Second,
    /// No round follows.
    Last,
}

/// How far a walk has come when a round is over and the page isn't full.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The kind of the postings in the range where the walk stopped.
    pub kind: PostingKind,
    /// How many postings were walked, up to there.
    pub walked_postings: usize,
    /// How many postings of the same size one unit reads.
    pub postings_per_unit: usize,
    /// How many hits were found.
    pub hits: usize,
    /// What reading their movies may cost.
    pub hit_units: usize,
    /// What reading the movie of the first hit may cost; without a hit, what reading any movie may cost.
    pub first_hit_units: usize,
}

/// How many postings of this size one unit reads.
#[must_use]
pub fn postings_per_unit(postings: usize, bytes: usize) -> usize {
    (BYTES_PER_UNIT - MARGIN_BYTES) * postings / bytes.max(1)
}

/// How many postings `round` reads of the range where the walk stopped. Zero ends the page there.
#[must_use]
pub fn further_postings(limit: PageLimit, budget: &Budget, progress: &Progress, round: Round) -> usize {
    let walked = progress.walked_postings;
    // Along a range of titles postings get longer, since the exact titles come first.
    let postings_per_unit = match progress.kind {
        PostingKind::Title => progress.postings_per_unit * 4 / 5,
        _ => progress.postings_per_unit,
    };
    let postings_per_unit = postings_per_unit.max(1);
    let missing = limit.get().saturating_sub(progress.hits);
    let units_left = budget.units_left(progress.hit_units);
    // Each further unit of postings is expected to find as many hits in proportion as the postings walked so far, and the
    // movie of each hit costs a unit. Without hits so far, one is assumed.
    let hits = progress.hits.max(1);
    let affordable_units = units_left * walked / (walked + postings_per_unit * hits);
    let wanted = (missing + 1) * walked / hits;
    let (affordable_units, wanted) = match round {
        // Half of the affordable units, so that another round is possible, and a third more postings than wanted, so that
        // it is rarely needed.
        Round::Second => (affordable_units / 2, wanted + wanted / 3),
        Round::Last => (affordable_units, 2 * wanted),
    };
    // Units that a full page doesn't need can be spent in any round.
    let units = affordable_units.max(units_left.saturating_sub(missing));
    let planned = (units * postings_per_unit).min(wanted);
    // If all of them were of the largest size, one movie must still be affordable.
    let bytes_left = budget.units_left(progress.first_hit_units) * BYTES_PER_UNIT;
    planned.min(bytes_left / POSTING_BYTES[progress.kind.index()])
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::{
        db::{
            item::{Item, to_item},
            keys,
            movie::{MovieItem, TextsBefore},
        },
        domain::{
            self, CoverImage, Description, Director, Genres, ImdbId, MovieFields, MovieId, ReleaseDate,
            Title, UserId,
        },
    };

    #[test]
    fn each_round_reads_what_the_budget_and_the_hits_so_far_allow() {
        struct Case {
            name: &'static str,
            kind: PostingKind,
            spent_units: usize,
            walked: usize,
            hits: usize,
            second: usize,
            last: usize,
        }
        let case = |name, kind, spent_units, walked, hits, second, last| Case {
            name,
            kind,
            spent_units,
            walked,
            hits,
            second,
            last,
        };
        use PostingKind::{Genre, Title, TitleWord};
        for case in [
            case("the example in the module docs", TitleWord, 13, 120, 8, 260, 315),
            case("a page that is nearly full", TitleWord, 13, 120, 19, 16, 24),
            case(
                "few hits: as far as a full page leaves",
                TitleWord,
                9,
                40,
                2,
                495,
                495,
            ),
            case(
                "no hits: the largest postings leave room for one movie",
                TitleWord,
                9,
                40,
                0,
                481,
                481,
            ),
            case("postings of titles get longer", Title, 13, 28, 4, 158, 238),
            case("postings of genres are larger", Genre, 9, 24, 0, 241, 241),
            case("all units are spent", TitleWord, 40, 400, 0, 0, 0),
            case(
                "only the units of one movie are left",
                TitleWord,
                33,
                400,
                0,
                0,
                0,
            ),
            case("nothing was walked", TitleWord, 13, 0, 0, 0, 0),
        ] {
            let limit = PageLimit::of::<20>();
            let budget = Budget {
                spent_units: case.spent_units,
                ..Budget::of_page(limit)
            };
            let progress = Progress {
                kind: case.kind,
                walked_postings: case.walked,
                postings_per_unit: 45,
                hits: case.hits,
                hit_units: case.hits,
                first_hit_units: if case.hits == 0 { MOVIE_UNITS } else { 1 },
            };
            let postings = |round| further_postings(limit, &budget, &progress, round);
            assert_eq!(
                (postings(Round::Second), postings(Round::Last)),
                (case.second, case.last),
                "{}",
                case.name
            );
        }
    }

    #[test]
    fn no_round_can_exceed_the_ceiling_even_with_the_largest_postings() {
        for limit in [PageLimit::of::<1>(), PageLimit::of::<20>(), PageLimit::MAX] {
            for kind in PostingKind::ALL {
                for spent_units in 0..Budget::of_page(limit).ceiling_units {
                    let budget = Budget {
                        spent_units,
                        ..Budget::of_page(limit)
                    };
                    let progress = Progress {
                        kind,
                        walked_postings: 300,
                        postings_per_unit: 45,
                        hits: 1,
                        hit_units: MOVIE_UNITS,
                        first_hit_units: MOVIE_UNITS,
                    };
                    let postings = further_postings(limit, &budget, &progress, Round::Last);
                    let units = (postings * POSTING_BYTES[kind.index()]).div_ceil(BYTES_PER_UNIT);
                    assert!(
                        units == 0 || spent_units + units + MOVIE_UNITS <= budget.ceiling_units,
                        "{kind:?}: {postings} postings after {spent_units} units"
                    );
                }
            }
        }
    }

    #[test]
    fn the_first_round_reads_two_units_of_the_largest_postings() {
        for (postings, bytes) in FIRST_POSTINGS.into_iter().zip(POSTING_BYTES) {
            assert!(
                postings * bytes <= 2 * BYTES_PER_UNIT,
                "{postings} postings of {bytes} bytes"
            );
        }
        // The titles, and each kind of each candidate; and a movie that has to be read to decide whether it is a hit.
        const {
            let ranges = 1 + DRIVER_CANDIDATES as usize * PostingKind::ALL.len();
            assert!(2 * ranges + MOVIE_UNITS <= 2 * POSTING_UNITS);
        };
    }

    /// The size of attributes, in bytes (AWS: DynamoDB item sizes). A number has one byte for every two digits and one more, which
    /// is less than its digits. A map has three bytes, and one for each of its attributes.
    fn size(attributes: &Item) -> usize {
        let of_value = |value: &AttributeValue| match value {
            AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
            AttributeValue::M(map) => 3 + map.len() + size(map),
            _ => 1,
        };
        let attributes = attributes.iter();
        attributes.map(|(name, value)| name.len() + of_value(value)).sum()
    }

    #[test]
    fn no_movie_costs_more_than_is_set_aside_for_one() {
        let wide = |chars: usize| "😀".repeat(chars);
        let genres = (0..5).map(|n| format!("{n}{}", wide(38))).collect::<Vec<_>>();
        let fields = MovieFields {
            title: Title::parse(&wide(200)).unwrap(),
            description: Description::parse(&wide(5000)).unwrap(),
            release_date: ReleaseDate::parse("9999-12-31").unwrap(),
            director: Director::parse(&wide(200)).unwrap(),
            genres: Genres::parse(&genres.join(",")).unwrap(),
            imdb_id: Some(ImdbId::parse("tt1234567890").unwrap()),
            cover_image: Some(CoverImage::parse(&format!("https://a/{}", "b".repeat(2038))).unwrap()),
        };
        let id = MovieId::try_from(domain::id::MAX_ID).unwrap();
        let owner = UserId::try_from(domain::id::MAX_ID).unwrap();
        let mut item = MovieItem::new(id, &fields, Some(owner), "2026-11-22T21:34:01.250000000Z");
        (item.version, item.likes, item.liked) = (u64::MAX, u64::MAX, Some("LIKES#7".to_owned()));
        // An edit that isn't finished has left the texts before it.
        item.unfinished = Some(TextsBefore::of(&fields));
        let key = keys::movie(id);
        let mut attributes = to_item(&item).unwrap();
        attributes.extend(key.attributes());
        let bytes = size(&attributes);
        assert!(bytes.div_ceil(BYTES_PER_UNIT) == MOVIE_UNITS, "{bytes}");
    }
}
