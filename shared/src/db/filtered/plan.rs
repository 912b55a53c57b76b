//! How much a page reads: the sizes of its Queries, and the read units that no page exceeds.
//!
//! A page of 20 movies may cost 45 units: 25 for lists, and one for each movie. A Query is planned by the largest size of its
//! entries, so long texts don't make it more expensive than planned; entries of ordinary size cost a half of that or less.

use crate::db::{
    carried::Verdict,
    filtered::{
        lead::{Found, Lead},
        lists::{Entry, List, Read},
    },
    index::POSTING_BYTES,
    page::PageLimit,
    posting::BYTES_PER_UNIT,
    posting_keys::PostingKind,
    range::Direction,
};
use crate::domain::id::MAX_ID;

/// The units for the lists of a page.
const LIST_UNITS: usize = 25;
/// What reading the largest movie costs, in units. A page counts one unit for a movie that it shows, and so many for one that
/// it reads only to decide whether it passes.
pub(super) const MOVIE_UNITS: usize = 7;
/// The bytes of each unit that an estimate by the mean size of entries keeps free: the next entries may be larger.
const MARGIN_BYTES: usize = 128;
/// The units of the reads that count.
const COUNT_UNITS: usize = 18;
/// The units of the memberships of all genres together, on a page that doesn't count.
const GENRES_UNITS: usize = 12;
/// The same beside memberships of years.
const BESIDE_UNITS: usize = 4;
/// The units of the entries by date of all genres together, in half units.
const DATED_HALF_UNITS: usize = 10;
/// The most genres beside which as many years are merged as without genres.
const FEW_GENRES: usize = 4;
/// The most years that are merged in the first round, beside a few genres and beside more.
const MERGED_YEARS: [usize; 2] = [16, 11];
/// The entries of a genre that are read, by id and by date.
const GENRE_ENTRIES: usize = 30;
const DATED_ENTRIES: usize = 40;
/// The entries of each year that are read, of one to four years, and of more.
const YEAR_ENTRIES: [usize; 2] = [31, 18];

/// The units of one page, without those of the caller's favorites.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    ceiling: usize,
    spent: usize,
}

impl Budget {
    /// The budget of a page of at most `limit` movies.
    pub(super) fn of_page(limit: PageLimit) -> Self {
        Self {
            ceiling: 2 * (limit.get() + LIST_UNITS),
            spent: 0,
        }
    }

    /// Spends so many half units.
    pub(super) fn spend(&mut self, half_units: usize) {
        self.spent += half_units;
    }

    /// Spends what was read of this lead.
    pub(super) fn spend_lead(&mut self, lead: &Lead) {
        self.spend(lead.reads.iter().map(|read| read.half_units).sum());
    }

    /// The whole units that are left.
    pub(super) fn units_left(&self) -> usize {
        self.ceiling.saturating_sub(self.spent) / 2
    }
}

/// How many entries of a list can be read with so many half units.
pub(super) fn entries(list: &List, half_units: usize, is_strong: bool) -> usize {
    let reads = if is_strong { half_units / 2 } else { half_units };
    reads * BYTES_PER_UNIT / list.largest_bytes()
}

/// The most years that are merged in the first round, beside so many genres.
pub(super) fn merged_years(genres: usize) -> usize {
    MERGED_YEARS[usize::from(genres > FEW_GENRES)]
}

/// The number of leads that are genres, and the units of each of them beside others.
fn genres_beside(leads: &[Vec<List>]) -> (usize, usize) {
    let genres = leads.iter().flatten().filter(|list| list.is_of_genre()).count();
    (genres, (BESIDE_UNITS / genres.max(1)).max(1))
}

/// The sizes of the reads that count: for each lead, of each of its lists.
pub(super) fn count_sizes(leads: &[Vec<List>]) -> Vec<usize> {
    let (genres, beside) = genres_beside(leads);
    let size = |lead: &Vec<List>| {
        let Some(list) = lead.first() else { return 0 };
        let units = match lead.len() {
            _ if list.is_of_genre() && genres < leads.len() => beside,
            _ if list.is_of_genre() => (COUNT_UNITS / genres).max(1),
            1 => COUNT_UNITS - genres * beside,
            years => return of_years(years),
        };
        entries(list, 2 * units, true)
    };
    leads.iter().map(size).collect()
}

/// The sizes of the reads of a page that doesn't count: for each lead, of each of its lists.
pub(super) fn page_sizes(leads: &[Vec<List>], limit: PageLimit) -> Vec<usize> {
    let (genres, beside) = genres_beside(leads);
    // One entry more than a page shows that there is a next page.
    let page = limit.get() + 1;
    let size = |lead: &Vec<List>| {
        let Some(list) = lead.first() else { return 0 };
        if list.is_by_date() {
            let most = entries(list, (DATED_HALF_UNITS / leads.len()).max(1), false);
            return most.min(if list.is_of_genre() {
                page.max(DATED_ENTRIES)
            } else {
                page
            });
        }
        match lead.len() {
            _ if list.is_of_genre() && genres < leads.len() => entries(list, 2 * beside, true),
            _ if list.is_of_genre() => {
                let units = (GENRES_UNITS / genres).max(1);
                entries(list, 2 * units, true).min(page.max(GENRE_ENTRIES))
            }
            1 => page.max(YEAR_ENTRIES[0]),
            years => of_years(years),
        }
    };
    leads.iter().map(size).collect()
}

/// How many entries of each of so many years are read.
fn of_years(years: usize) -> usize {
    YEAR_ENTRIES[usize::from(years > 4)]
}

/// How many entries of each year are read to find the next movies of a range of many years: one unit of the largest.
pub(super) const LOCATED_ENTRIES: usize = YEAR_ENTRIES[1];
/// The size of an ordinary membership of a year, in bytes, with some margin.
const ORDINARY_BYTES: usize = 128;

/// How many entries more are read of the years that are in the range in part, all together, when so many units are left. A unit
/// is kept for each movie of the page if the entries are of ordinary size, and those of one movie whatever they are.
pub(super) fn partial_entries(units_left: usize, limit: PageLimit, is_strong: bool) -> usize {
    let reads = if is_strong { 1 } else { 2 };
    let of = |units: usize, bytes: usize| reads * units * BYTES_PER_UNIT / bytes;
    let ordinary = of(units_left.saturating_sub(limit.get()), ORDINARY_BYTES);
    let largest = POSTING_BYTES[PostingKind::Year.index()];
    ordinary.min(of(units_left.saturating_sub(MOVIE_UNITS + 2), largest))
}

/// How many entries a lead of one list probably has beyond those that were read, if ids go up to `last_id` and its movies are
/// spread evenly over them.
pub(super) fn expected_rest(lead: &Lead, direction: Direction, last_id: u64) -> usize {
    let Some((read, last)) = lead
        .reads
        .first()
        .and_then(|read| Some((read, read.entries.last()?)))
    else {
        return 0;
    };
    let last = last.id.get().min(last_id);
    let (passed, rest) = match direction {
        Direction::Ascending => (last, last_id - last),
        Direction::Descending => (last_id - last, last),
    };
    let expected = u128::from(rest) * (read.entries.len() as u128) / u128::from(passed.max(1));
    usize::try_from(expected).unwrap_or(usize::MAX)
}

/// The id that reading a lead on, so many entries, probably reaches.
pub(super) fn reach(lead: &Lead, sizes: &[usize], direction: Direction) -> u64 {
    let ends = lead.reads.first().and_then(|read| {
        let (first, last) = (read.entries.first()?.id.get(), read.entries.last()?.id.get());
        Some((first, last, read.entries.len() as u64))
    });
    let Some((first, last, entries)) = ends else {
        return 0;
    };
    let further = sizes.iter().sum::<usize>() as u64;
    let ids = first.abs_diff(last).saturating_mul(further) / entries.max(1);
    match direction {
        Direction::Ascending => last.saturating_add(ids),
        Direction::Descending => last.saturating_sub(ids),
    }
}

/// What reading this movie may cost, in units.
fn movie_units(entry: &Entry) -> usize {
    if entry.verdict == Verdict::Yes {
        1
    } else {
        MOVIE_UNITS
    }
}

/// How many of these hits, from the first on, a page shows: as many as the units that are left can read, but at least one, so
/// that every page makes progress.
pub(super) fn affordable(hits: &[(String, Entry)], limit: PageLimit, units_left: usize) -> usize {
    let mut spent = 0;
    let paid = hits.iter().take(limit.get()).take_while(|(_, entry)| {
        spent += movie_units(entry);
        spent <= units_left
    });
    paid.count().max(1)
}

/// How many entries a second read of a whole list takes, to count it: a unit is kept for each movie of the page.
pub(super) fn rest_to_count(budget: &Budget, lead: &Lead, limit: PageLimit) -> usize {
    let Some((list, read)) = lead.lists.first().zip(lead.reads.first()) else {
        return 0;
    };
    let units = budget.units_left().saturating_sub(limit.get());
    let safe = entries(list, 2 * budget.units_left().saturating_sub(MOVIE_UNITS), true);
    (units * per_unit(read)).min(safe)
}

/// How many entries of the size of those that were read one strongly consistent unit reads.
fn per_unit(read: &Read) -> usize {
    (BYTES_PER_UNIT - MARGIN_BYTES) * read.entries.len() / read.bytes.max(1)
}

/// How many entries the second round reads of each list of a lead: enough to fill the page at the rate so far, and no more
/// than the units allow. Movies that are expected among the entries need units too.
pub(super) fn further(
    budget: &Budget,
    found: &Found,
    lead: &Lead,
    limit: PageLimit,
    direction: Direction,
) -> Vec<usize> {
    let Some((list, read)) = lead.lists.first().zip(lead.reads.first()) else {
        return Vec::new();
    };
    let checked = found.checked.max(1);
    let hits = found.hits.len().max(1);
    let missing = (limit.get() + 1).saturating_sub(found.hits.len());
    let reserved: usize = found.hits.iter().map(|(_, entry)| movie_units(entry)).sum();
    let left = budget.units_left().saturating_sub(reserved);
    // Half as many units are needed by date.
    let per_unit = (per_unit(read) * if list.is_by_date() { 2 } else { 1 }).max(1);
    let shared = left * checked / (checked + per_unit * hits);
    // Units that a full page doesn't need.
    let units = shared.max(left.saturating_sub(missing));
    let enough = 2 * missing * checked / hits + per_unit;
    // One movie must stay affordable, whatever the entries are.
    let kept = if found.hits.is_empty() { MOVIE_UNITS } else { 1 };
    let most = budget.units_left().saturating_sub(kept);
    if lead.lists.len() == 1 {
        let safe = entries(list, 2 * most, !list.is_by_date());
        return vec![(units * per_unit).min(enough).min(safe)];
    }
    further_of_merge(lead, direction, units.min(most), enough)
}

/// How many entries a further read takes of each list of a merge: up to the id up to which `enough` entries are expected, by
/// the density of ids in what was read of each list, but for at most so many units.
fn further_of_merge(lead: &Lead, direction: Direction, units: usize, enough: usize) -> Vec<usize> {
    let parts = lead.lists.iter().zip(&lead.reads).map(Part::of);
    let parts: Vec<Option<Part>> = parts.collect();
    let lasts = parts.iter().flatten().map(|part| part.last);
    let nearest = match direction {
        Direction::Ascending => lasts.min(),
        Direction::Descending => lasts.max(),
    };
    let mut planned = vec![0; parts.len()];
    let Some(nearest) = nearest else { return planned };
    let mut ids = FIRST_STEP;
    loop {
        let wanted = |part: &Option<Part>| part.as_ref().map_or(0, |part| part.entries_within(nearest, ids));
        let sizes: Vec<usize> = parts.iter().map(wanted).collect();
        let units_of = |(size, part): (&usize, &Option<Part>)| {
            part.as_ref()
                .map_or(0, |part| size.div_ceil(part.per_unit.max(1)))
        };
        if sizes.iter().zip(&parts).map(units_of).sum::<usize>() > units {
            return planned;
        }
        let is_enough = sizes.iter().sum::<usize>() > enough || ids > MAX_ID;
        planned = sizes;
        if is_enough {
            return planned;
        }
        ids += ids / 2;
    }
}

/// The ids in which the first step of a merge's second round looks.
const FIRST_STEP: u64 = 64;

/// A list of a merge that wasn't read to its end.
struct Part {
    /// The last id that was read.
    last: u64,
    /// The number of entries that were read, and of ids among which they were.
    entries: u64,
    ids: u64,
    /// How many entries of the largest size one unit reads.
    per_unit: usize,
}

impl Part {
    fn of((list, read): (&List, &Read)) -> Option<Self> {
        let (first, last) = (read.entries.first()?.id.get(), read.entries.last()?.id.get());
        read.more.then_some(Self {
            last,
            entries: read.entries.len() as u64,
            ids: first.abs_diff(last) + 1,
            per_unit: entries(list, 2, true),
        })
    }

    /// How many entries this list is expected to have within so many ids of the one that the merge reached.
    fn entries_within(&self, nearest: u64, ids: u64) -> usize {
        match ids.checked_sub(nearest.abs_diff(self.last)) {
            // Reading it would be of no use.
            None | Some(0) => 0,
            Some(ids) => {
                let expected = u128::from(ids) * u128::from(self.entries) / u128::from(self.ids);
                usize::try_from(expected).unwrap_or(usize::MAX / 64).min(100_000) + 2
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{
            filtered::{
                filters::Filters,
                lists::{By, Read},
                paging::{leads_by_date, leads_by_id},
            },
            keys::id_text,
        },
        domain::{MovieId, ReleaseDate},
    };

    /// Filters by so many genres and years, and by a director or not.
    fn filters(genres: usize, years: u16, director: bool) -> Filters {
        let mut filters = Filters::default();
        for genre in 0..genres {
            filters.add_genres(&format!("genre {genre}"));
        }
        if director {
            filters.add_directors("Somebody");
        }
        if years > 0 {
            filters.add_from(ReleaseDate::parse("1990-01-01").unwrap());
            filters.add_to(ReleaseDate::parse(&format!("{}-12-31", 1989 + years)).unwrap());
        }
        filters
    }

    /// What these reads cost if every entry has the largest size, in half units.
    fn most(leads: &[Vec<List>], sizes: &[usize]) -> usize {
        let of = |(lead, size): (&Vec<List>, &usize)| -> usize {
            let units = |list: &List| {
                let units = (size * list.largest_bytes()).div_ceil(BYTES_PER_UNIT);
                if list.is_by_date() { units } else { 2 * units }
            };
            lead.iter().map(units).sum()
        };
        leads.iter().zip(sizes).map(of).sum()
    }

    #[test]
    fn the_first_round_is_within_the_units_for_lists_whatever_the_filters_and_the_texts_are() {
        for limit in [PageLimit::of::<1>(), PageLimit::of::<20>(), PageLimit::MAX] {
            for (genres, years, director) in (0..=9)
                .flat_map(|genres| (0..=20).map(move |years| (genres, years)))
                .flat_map(|(genres, years)| [(genres, years, false), (genres, years, true)])
            {
                let filters = filters(genres, years, director);
                let (by_id, by_date) = (leads_by_id(&filters), leads_by_date(&filters));
                let (counting, page) = (count_sizes(&by_id), page_sizes(&by_id, limit));
                let dated = page_sizes(&by_date, limit);
                let name = format!("{genres} genres, {years} years, {director}");
                // Three reads of one entry look ahead where no years are merged.
                let is_merged = usize::from(years) <= merged_years(genres);
                let ahead = if is_merged || director { 0 } else { 3 };
                let beside = ahead + most(&by_date, &dated);
                assert!(
                    most(&by_id, &counting) + beside <= 2 * LIST_UNITS,
                    "{name}: counting"
                );
                assert!(most(&by_id, &page) + ahead <= 2 * LIST_UNITS, "{name}: page");
                let sizes = counting.iter().chain(&page).chain(&dated);
                assert!(sizes.copied().min().is_some_and(|size| size >= 2), "{name}");
            }
        }
    }

    fn entry(id: u64, verdict: Verdict) -> (String, Entry) {
        let entry = Entry::with(MovieId::try_from(id).unwrap(), verdict);
        (id_text(id), entry)
    }

    #[test]
    fn a_movie_that_is_sure_costs_one_unit_and_any_other_seven() {
        let hits = [
            entry(1, Verdict::Yes),
            entry(2, Verdict::Unknown),
            entry(3, Verdict::Yes),
            entry(4, Verdict::Yes),
        ];
        for (units, count) in [(0, 1), (1, 1), (7, 1), (8, 2), (9, 3), (99, 3)] {
            assert_eq!(affordable(&hits, PageLimit::of::<3>(), units), count, "{units}");
        }
        assert_eq!(affordable(&[], PageLimit::of::<3>(), 9), 1);
    }

    /// A merge of years, each read from id 1 to its last id, with entries of 100 bytes.
    fn merge(lasts: &[(u64, bool)]) -> Lead {
        let lists = (2000..).zip(lasts).map(|(year, _)| List::of_year(year));
        let read = |(last, more): &(u64, bool)| Read {
            entries: [1, *last].map(|id| entry(id, Verdict::Yes).1).into(),
            more: *more,
            bytes: 200,
            half_units: 2,
        };
        Lead {
            lists: lists.collect(),
            reads: lasts.iter().map(read).collect(),
        }
    }

    #[test]
    fn a_merge_is_read_on_where_it_stopped_and_not_where_it_is_far_ahead() {
        let lead = merge(&[(10, true), (12, true), (100_000, true), (3, false)]);
        let further = |units, enough| further_of_merge(&lead, Direction::Ascending, units, enough);
        let sizes = further(5, 10);
        assert!(sizes[0] > 2 && sizes[1] > 2, "{sizes:?}");
        assert_eq!(sizes[2..], [0, 0]);
        assert_eq!(further(0, 10), [0; 4]);
        assert_eq!(lead.reached(By::Id, Direction::Ascending), Some(id_text(10)));
    }

    #[test]
    fn a_second_round_leaves_the_units_of_a_movie() {
        let list = List::of_director("somebody");
        let one = merge(&[(900, true)]);
        let lead = Lead {
            lists: vec![list],
            ..one
        };
        for spent in 0..45 {
            let mut budget = Budget::of_page(PageLimit::of::<20>());
            budget.spend(2 * spent);
            let found = Found {
                hits: Vec::new(),
                checked: 2,
                end: Some(id_text(900)),
            };
            let sizes = further(
                &budget,
                &found,
                &lead,
                PageLimit::of::<20>(),
                Direction::Ascending,
            );
            let units = (sizes[0] * lead.lists[0].largest_bytes()).div_ceil(BYTES_PER_UNIT);
            assert!(
                units == 0 || spent + units + MOVIE_UNITS <= 45,
                "{spent}: {sizes:?}"
            );
            let counted = rest_to_count(&budget, &lead, PageLimit::of::<20>());
            let units = (counted * lead.lists[0].largest_bytes()).div_ceil(BYTES_PER_UNIT);
            assert!(
                units == 0 || spent + units + MOVIE_UNITS <= 45,
                "{spent}: {counted}"
            );
        }
    }
}
