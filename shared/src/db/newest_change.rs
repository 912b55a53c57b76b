//! Changes of the list of newest movies in a genre's item: what a write adds, removes and trims, and under which condition.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::db::{
    expression::{Condition, Update},
    item::{number, text},
    newest::{Entries, Entry, Floor, KEPT, MOST, Newest, TRIM_ABOVE},
};

/// What is known about a genre's item when a write of it is planned. The conditions of the write fail if it is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Known<'a> {
    /// Nothing. The write assumes that the item has room.
    Nothing,
    /// The item had these newest movies.
    Newest(&'a Newest),
}

/// A change of the entries of a genre's item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewestChange {
    /// The entries that are written.
    enter: Vec<Entry>,
    /// The entries that are removed because their movies are deleted or edited.
    leave: Vec<Entry>,
    /// The entries that are removed because there are too many.
    trimmed: Vec<Entry>,
    /// The floor, if the change raises it.
    raised: Option<Floor>,
    /// The highest entry that isn't written, or is trimmed, because it is below the floor, if the change doesn't raise the
    /// floor. The floor may be lower by then, so this is a condition.
    outside: Option<Entry>,
    /// How many of the trimmed entries must still be there, because there is no room otherwise.
    guards: usize,
    /// Whether the item is one of an earlier version, and lists nothing.
    is_unlisted: bool,
    /// The number of the refill that the change ends, if it ends one.
    ends: Option<u64>,
}

impl NewestChange {
    /// Plans to add and to remove entries. `floor` is a floor to which the list must be cut if its own is lower.
    #[must_use]
    pub fn plan(known: Known<'_>, added: &[Entry], removed: &[Entry], floor: Option<&Floor>) -> Self {
        let mut change = Self {
            leave: removed.to_vec(),
            ..Self::default()
        };
        let newest = match known {
            Known::Nothing => {
                change.enter = added.to_vec();
                return change;
            }
            Known::Newest(newest) => newest,
        };
        let Some((Entries(entries), own)) = &newest.listed else {
            return Self {
                is_unlisted: true,
                ..Self::default()
            };
        };
        let mut floor = floor.unwrap_or(own).max(own).clone();
        let held: BTreeSet<&Entry> = entries.iter().filter(|e| !removed.contains(e)).collect();
        let inside = added.iter().filter(|e| floor.covers(e));
        let mut kept: BTreeSet<&Entry> = held.iter().copied().chain(inside).collect();
        if kept.len() > TRIM_ABOVE {
            while kept.len() > KEPT {
                kept.pop_first();
            }
            if let Some(lowest) = kept.first() {
                floor = floor.max(Floor::at(lowest));
            }
        }
        let is_kept = |entry: &Entry| kept.contains(entry);
        let enter = added.iter().filter(|e| is_kept(e) && !held.contains(e));
        change.enter = enter.cloned().collect();
        change.trimmed = held.iter().filter(|e| !is_kept(e)).copied().cloned().collect();
        if floor > *own {
            change.raised = Some(floor);
        } else {
            change.outside = added.iter().chain(held).filter(|e| !is_kept(e)).max().cloned();
        }
        let over = (entries.len() + change.enter.len()).saturating_sub(MOST);
        change.guards = over.min(change.trimmed.len());
        change
    }

    /// The same change, which also ends the refill with this number.
    #[must_use]
    pub(crate) fn ending(self, fill: u64) -> Self {
        Self {
            ends: Some(fill),
            ..self
        }
    }

    /// The newest movies after the change.
    #[must_use]
    pub fn apply(&self, newest: &Newest) -> Newest {
        let mut after = newest.clone();
        if let Some((Entries(entries), floor)) = &mut after.listed {
            for entry in self.leave.iter().chain(&self.trimmed) {
                entries.remove(entry);
            }
            entries.extend(self.enter.iter().cloned());
            if let Some(raised) = &self.raised {
                *floor = raised.clone();
            }
        }
        after
    }

    /// The entries that are written.
    pub(crate) fn entering(&self) -> &[Entry] {
        &self.enter
    }

    /// The update that makes this change, and counts `movies` movies more.
    #[must_use]
    pub fn update(&self, movies: i64) -> Update {
        let paths = |entries: &[Entry]| entries.iter().map(Entry::path).collect::<Vec<_>>();
        let mut set: Vec<String> = paths(&self.enter)
            .iter()
            .map(|path| format!("{path} = :in"))
            .collect();
        set.extend(self.raised.as_ref().map(|_| "#floor = :floor".to_owned()));
        set.extend(self.ends.map(|_| "#fill = :ended".to_owned()));
        let remove = [paths(&self.leave), paths(&self.trimmed)].concat();
        let mut expression = String::new();
        for (verb, parts) in [("SET", set), ("REMOVE", remove)] {
            if !parts.is_empty() {
                expression.push_str(&format!("{verb} {} ", parts.join(", ")));
            }
        }
        expression.push_str("ADD #n :movies");
        let update = Update::new(expression).value(":movies", number(movies));
        let update = update.only_if(self.condition());
        match self.ends {
            Some(fill) => update
                .when("#fill = :fill")
                .value(":fill", number(fill))
                .value(":ended", number(fill + 1)),
            None => update,
        }
    }

    /// The condition under which the change keeps the rules.
    fn condition(&self) -> Condition {
        if self.is_unlisted {
            return Condition::exists().and(Condition::new("attribute_not_exists(#newest)"));
        }
        let mut condition = if self.enter.is_empty() {
            Condition::new("attribute_exists(#newest)")
        } else {
            let room = (MOST + self.guards).saturating_sub(self.enter.len());
            // The size alone would be an error, not a failed condition, in some implementations if there is no list.
            Condition::new("attribute_exists(#newest) AND size(#newest) <= :room")
                .value(":room", number(room))
                .value(":in", AttributeValue::Bool(true))
        };
        for guard in self.trimmed.iter().take(self.guards) {
            condition = condition.and(Condition::new(format!("attribute_exists({})", guard.path())));
        }
        if let Some(raised) = &self.raised {
            let not_lower = Condition::new("#floor <= :floor").value(":floor", text(raised.as_str()));
            condition = condition.and(not_lower);
        }
        if let Some(outside) = &self.outside {
            let above = Condition::new("#floor > :outside").value(":outside", text(outside.to_string()));
            condition = condition.and(above);
        }
        condition
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::newest::tests::{entry, listed, years};

    fn add(newest: &Newest, entry: &Entry) -> NewestChange {
        NewestChange::plan(Known::Newest(newest), std::slice::from_ref(entry), &[], None)
    }

    #[test]
    fn a_list_that_grows_too_long_is_cut_to_the_newest() {
        let all = years(0..TRIM_ABOVE as u64 + 1);
        let (last, others) = all.split_last().unwrap();
        let full = listed(others, Floor::lowest());
        let change = add(&full, last);
        let kept = &all[all.len() - KEPT..];
        assert_eq!(change.apply(&full), listed(kept, Floor::at(&kept[0])));
        assert_eq!(change.guards, 0, "there is room in any case");
        let text = change.update(1).text().to_owned();
        assert!(text.starts_with("SET #newest.#192001010000000021 = :in, #floor = :floor REMOVE #newest.#"));
        assert!(text.ends_with("ADD #n :movies"), "{text}");

        // One entry less is no reason to cut.
        let shorter = listed(&others[1..], Floor::lowest());
        assert_eq!(add(&shorter, last).trimmed, []);
        // An older movie than those that are kept isn't listed.
        let old = entry("1899-01-01", 99);
        let change = add(&full, &old);
        assert_eq!((&change.enter[..], &change.outside), (&[][..], &None));
        let kept = &others[others.len() - KEPT..];
        assert_eq!(change.apply(&full), listed(kept, Floor::at(&kept[0])));
    }

    #[test]
    fn a_movie_below_the_floor_stays_outside_under_the_condition_that_it_is_below() {
        let entries = years(5..15);
        let newest = listed(&entries, Floor::at(&entries[0]));
        let below = entry("1900-06-01", 77);
        let change = add(&newest, &below);
        assert_eq!(change.apply(&newest), newest);
        let condition = change.update(1).condition().unwrap();
        assert_eq!(condition, "attribute_exists(#newest) AND #floor > :outside");
        // At the floor it is listed.
        let at_floor = Floor::at(&entries[0]);
        assert!(at_floor.covers(&entries[0]) && !at_floor.covers(&below));
        let condition = add(&newest, &entry("1920-01-01", 3)).update(1).condition();
        assert_eq!(
            condition.unwrap(),
            "attribute_exists(#newest) AND size(#newest) <= :room"
        );
    }

    #[test]
    fn a_cut_below_the_floor_removes_entries_under_the_condition_that_they_are_below() {
        let all = years(0..TRIM_ABOVE as u64 + 1);
        let (last, others) = all.split_last().unwrap();
        let floor = Floor::at(&others[others.len() - 3]);
        let newest = listed(others, floor.clone());
        let change = add(&newest, last);
        let kept = &all[all.len() - KEPT..];
        assert_eq!(change.apply(&newest), listed(kept, floor));
        let highest_removed = &all[all.len() - KEPT - 1];
        assert_eq!(change.outside.as_ref(), Some(highest_removed));
        assert!(
            change
                .update(1)
                .condition()
                .unwrap()
                .ends_with("#floor > :outside")
        );
    }

    #[test]
    fn a_full_list_takes_an_entry_only_for_one_that_is_still_there() {
        let all = years(0..MOST as u64 + 1);
        let (last, others) = all.split_last().unwrap();
        let change = add(&listed(others, Floor::lowest()), last);
        let condition = change.update(1).condition().unwrap();
        assert_eq!(
            condition,
            "attribute_exists(#newest) AND size(#newest) <= :room AND attribute_exists(#newest.#190001010000000001) AND #floor <= :floor"
        );
        assert_eq!(change.update(1).values().unwrap()[":room"], number(MOST));
    }

    /// The engine of the tests accepts longer expressions.
    #[test]
    fn no_expression_is_longer_than_dynamodb_accepts() {
        // AWS: "Constraints in Amazon DynamoDB", expression parameters.
        const MOST_BYTES: usize = 4096;
        const MOST_OPERATORS: usize = 300;
        // An import adds almost a hundred movies in one transaction.
        for (held, added) in [(MOST, 95), (MOST, 1), (0, TRIM_ABOVE), (TRIM_ABOVE, 95)] {
            let all = years(0..(held + added) as u64);
            let (held, added) = all.split_at(held);
            let newest = listed(held, Floor::lowest());
            let known = Known::Newest(&newest);
            let change = NewestChange::plan(known, added, &held[..held.len().min(1)], None);
            let update = change.ending(u64::MAX - 1).update(added.len() as i64);
            let condition = update.condition().unwrap();
            assert!(update.text().len() <= MOST_BYTES, "{}", update.text());
            assert!(condition.len() <= MOST_BYTES, "{condition}");
            let operators = [",", "=", " AND ", "("].map(|sign| update.text().matches(sign).count());
            assert!(operators.iter().sum::<usize>() <= MOST_OPERATORS);
        }
    }

    #[test]
    fn a_moved_movie_changes_only_its_own_entries() {
        let [old, new] = [entry("2001-01-01", 7), entry("2002-01-01", 7)].map(|entry| vec![entry]);
        let change = NewestChange::plan(Known::Nothing, &new, &old, None);
        let update = change.update(0);
        assert_eq!(
            update.text(),
            "SET #newest.#200201010000000007 = :in REMOVE #newest.#200101010000000007 ADD #n :movies"
        );
        assert_eq!(
            update.condition().unwrap(),
            "attribute_exists(#newest) AND size(#newest) <= :room"
        );
        assert_eq!(update.values().unwrap()[":room"], number(MOST - 1));
        // In an item of an earlier version there is nothing to change. The condition says that it still is one.
        let change = NewestChange::plan(Known::Newest(&Newest::default()), &new, &old, None);
        assert_eq!(change.update(0).text(), "ADD #n :movies");
        let condition = change.update(0).condition().unwrap();
        assert_eq!(
            condition,
            "attribute_exists(#pk) AND attribute_not_exists(#newest)"
        );
    }

    #[test]
    fn a_refill_cuts_the_list_to_the_floor_above_which_it_read_every_movie() {
        let entries = years(0..10);
        let newest = Newest {
            fill: 3,
            ..listed(&entries[8..], Floor::lowest())
        };
        let floor = Floor::at(&entries[4]);
        let read = &entries[4..9];
        let change = NewestChange::plan(Known::Newest(&newest), read, &[], Some(&floor)).ending(3);
        assert_eq!(change.entering(), &entries[4..8], "those that are missing");
        let after = change.apply(&newest);
        assert_eq!(after.listed, listed(&entries[4..], floor).listed);
        let update = change.update(0);
        assert!(update.text().contains("#floor = :floor, #fill = :ended"));
        assert!(
            update
                .condition()
                .unwrap()
                .ends_with("#floor <= :floor AND #fill = :fill")
        );
        let values = update.values().unwrap();
        assert_eq!((&values[":fill"], &values[":ended"]), (&number(3), &number(4)));
    }
}
