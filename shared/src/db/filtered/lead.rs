//! A lead: one list, or several lists by id that are merged, such as those of the years of a range.
//!
//! A lead that was read in part decides the results up to the place that it reached. Of several leads, each of which has
//! every result, the one that got furthest decides most. So no page needs to know how long the lists are.

use crate::db::{
    carried::Verdict,
    filtered::lists::{By, Entry, List, Read},
    range::Direction,
};

/// A lead, and what was read of it.
#[derive(Debug)]
pub(super) struct Lead {
    /// Its lists. All are in the same order, and no movie is in two of them.
    pub(super) lists: Vec<List>,
    /// What was read of each list, in the direction of reading.
    pub(super) reads: Vec<Read>,
}

/// The results of a lead, as far as it decides them.
#[derive(Debug)]
pub(super) struct Found {
    /// The entries of movies that pass or may pass, in the direction of reading, with their places.
    pub(super) hits: Vec<(String, Entry)>,
    /// How many entries were checked.
    pub(super) checked: usize,
    /// The place up to which they are all. `None` if the lead was read to its end.
    pub(super) end: Option<String>,
}

/// Whether `one` comes before `other` in `direction`.
pub(super) fn is_before(one: &str, other: &str, direction: Direction) -> bool {
    match direction {
        Direction::Ascending => one < other,
        Direction::Descending => one > other,
    }
}

impl Lead {
    /// The place up to which the lead decides: the nearest one at which a list was left. `None` if every list was read to
    /// its end.
    pub(super) fn reached(&self, by: By, direction: Direction) -> Option<String> {
        let left = self.reads.iter().filter(|read| read.more);
        let left = left.filter_map(|read| read.entries.last()?.place(by));
        left.reduce(|one, other| if is_before(&other, &one, direction) { other } else { one })
    }

    /// Whether every list was read to its end.
    pub(super) fn is_whole(&self) -> bool {
        self.reads.iter().all(|read| !read.more)
    }

    /// The results, as far as the lead decides them.
    pub(super) fn found(&self, by: By, direction: Direction) -> Found {
        let end = self.reached(by, direction);
        let entries = self.reads.iter().flat_map(|read| &read.entries);
        let places = entries.filter_map(|entry| Some((entry.place(by)?, entry)));
        let decided = |place: &String| end.as_ref().is_none_or(|end| !is_before(end, place, direction));
        let mut checked = 0;
        let mut hits: Vec<(String, Entry)> = places
            .filter(|(place, _)| decided(place))
            .inspect(|_| checked += 1)
            .filter(|(_, entry)| entry.verdict != Verdict::No)
            .map(|(place, entry)| (place, entry.clone()))
            .collect();
        sort(&mut hits, direction);
        Found { hits, checked, end }
    }
}

/// Sorts by place, in `direction`.
pub(super) fn sort<T>(hits: &mut [(String, T)], direction: Direction) {
    hits.sort_by(|(one, _), (other, _)| match direction {
        Direction::Ascending => one.cmp(other),
        Direction::Descending => other.cmp(one),
    });
}

/// The number of the lead that got furthest. `None` if there is no lead.
pub(super) fn furthest(leads: &[Lead], by: By, direction: Direction) -> Option<usize> {
    let reached = leads.iter().map(|lead| lead.reached(by, direction)).enumerate();
    let best = reached.reduce(|best, other| match (&best.1, &other.1) {
        (None, _) => best,
        (_, None) => other,
        (Some(one), Some(two)) if is_before(one, two, direction) => other,
        _ => best,
    });
    best.map(|(number, _)| number)
}
