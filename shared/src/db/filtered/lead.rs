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
        left.reduce(|one, other| {
            if is_before(&other, &one, direction) {
                other
            } else {
                one
            }
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::keys::id_text, domain::MovieId};

    /// A lead of lists of which these ids were read, each with whether there are more.
    fn lead(reads: &[(&[u64], bool)]) -> Lead {
        let entry = |id: &u64| {
            let verdict = [Verdict::No, Verdict::Yes][usize::from(id % 2 == 1)];
            Entry::with(MovieId::try_from(*id).unwrap(), verdict)
        };
        let read = |(ids, more): &(&[u64], bool)| Read {
            entries: ids.iter().map(entry).collect(),
            more: *more,
            ..Read::default()
        };
        Lead {
            lists: (2000..).zip(reads).map(|(year, _)| List::of_year(year)).collect(),
            reads: reads.iter().map(read).collect(),
        }
    }

    fn ids(found: &Found) -> Vec<u64> {
        found.hits.iter().map(|(_, entry)| entry.id.get()).collect()
    }

    #[test]
    fn a_merge_decides_up_to_the_nearest_place_at_which_a_list_was_left() {
        let up = lead(&[(&[1, 5, 8], true), (&[3, 7, 9], true), (&[2, 11], false)]);
        let found = up.found(By::Id, Direction::Ascending);
        assert_eq!((ids(&found), found.checked), (vec![1, 3, 5, 7], 6));
        assert_eq!(found.end, Some(id_text(8)));
        let down = lead(&[(&[8, 5, 3], true), (&[9, 7, 1], false)]);
        let found = down.found(By::Id, Direction::Descending);
        assert_eq!((ids(&found), found.end), (vec![9, 7, 5, 3], Some(id_text(3))));
        let whole = lead(&[(&[1, 5], false), (&[3], false)]);
        let found = whole.found(By::Id, Direction::Ascending);
        assert_eq!((ids(&found), found.end), (vec![1, 3, 5], None));
    }

    #[test]
    fn the_lead_that_got_furthest_or_to_its_end_leads() {
        let ends = |lasts: &[(u64, bool)], direction| {
            let leads: Vec<Lead> = lasts
                .iter()
                .map(|(last, more)| lead(&[(&[*last], *more)]))
                .collect();
            furthest(&leads, By::Id, direction)
        };
        let (up, down) = (Direction::Ascending, Direction::Descending);
        assert_eq!(ends(&[(4, true), (9, true), (6, true)], up), Some(1));
        assert_eq!(ends(&[(4, true), (9, true), (6, true)], down), Some(0));
        assert_eq!(ends(&[(4, true), (2, false), (6, true)], up), Some(1));
        assert_eq!(ends(&[], up), None);
    }
}
