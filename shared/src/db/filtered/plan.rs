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
    page::PageLimit,
    posting::BYTES_PER_UNIT,
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
/// The units of the read that counts the movies of a year or of a director.
const COUNT_UNITS: usize = 18;
/// The same for a year beside genres.
const COUNT_BESIDE_UNITS: usize = 14;
/// The units of the memberships of all genres together, beside a year.
const BESIDE_UNITS: usize = 4;
/// The units of the memberships of all genres together, on a page that doesn't count.
const GENRES_UNITS: usize = 12;
/// The same by date, in half units.
const DATED_HALF_UNITS: usize = 10;
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

/// The sizes of the reads that count: for each lead, of each of its lists.
pub(super) fn count_sizes(leads: &[Vec<List>]) -> Vec<usize> {
    let is_primary = |lead: &[List]| lead.iter().any(|list| !list.is_of_genre());
    let beside = leads.iter().any(|lead| is_primary(lead));
    let genres = leads.iter().filter(|lead| !is_primary(lead)).count();
    let size = |lead: &Vec<List>| {
        let Some(list) = lead.first() else { return 0 };
        let units = match lead.len() {
            _ if !is_primary(lead) && beside => (BESIDE_UNITS / genres).max(1),
            _ if !is_primary(lead) => (COUNT_UNITS / genres).max(1),
            1 if genres == 0 => COUNT_UNITS,
            1 => COUNT_BESIDE_UNITS,
            years => return of_years(years),
        };
        entries(list, 2 * units, true)
    };
    leads.iter().map(size).collect()
}

/// The sizes of the reads of a page that doesn't count: for each lead, of each of its lists.
pub(super) fn page_sizes(leads: &[Vec<List>], limit: PageLimit) -> Vec<usize> {
    let genres = leads.iter().flatten().filter(|list| list.is_of_genre()).count();
    let size = |lead: &Vec<List>| {
        let Some(list) = lead.first() else { return 0 };
        if list.is_by_date() {
            let most = entries(list, (DATED_HALF_UNITS / leads.len()).max(1), false);
            return most.min(if list.is_of_genre() { 40.max(limit.get() + 1) } else { limit.get() + 1 });
        }
        if list.is_of_genre() {
            let most = entries(list, 2 * (GENRES_UNITS / genres).max(1), true);
            return most.min(30.max(limit.get() + 1));
        }
        match lead.len() {
            1 => YEAR_ENTRIES[0].max(limit.get() + 1),
            years => of_years(years),
        }
    };
    leads.iter().map(size).collect()
}

/// How many entries of each of so many years are read.
fn of_years(years: usize) -> usize {
    YEAR_ENTRIES[usize::from(years > 4)]
}

/// How many entries of each year are read to find the next movies of a range of many years.
pub(super) fn located_entries() -> usize {
    YEAR_ENTRIES[1]
}

/// What reading this movie may cost, in units.
fn movie_units(entry: &Entry) -> usize {
    if entry.verdict == Verdict::Yes { 1 } else { MOVIE_UNITS }
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
            part.as_ref().map_or(0, |part| size.div_ceil(part.per_unit.max(1)))
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
