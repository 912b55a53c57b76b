//! The newest movies of a genre, which the genre's own item lists.
//!
//! The item has an *entry* for each movie that it lists, and a *floor*. Three rules hold at every moment, because the
//! transaction that changes a movie also changes the items of its genres:
//!
//! 1. Each entry is the entry of a movie of the genre, by its present release date.
//! 2. Every movie of the genre whose entry is at the floor or above it has its entry in the item, unless a refill is in
//!    progress ([`refill`](crate::db::refill)).
//! 3. There are at most [`MOST`] entries, so the item is smaller than 1 KB.
//!
//! Entries below the floor are allowed and harmless. So a write that adds an entry need not know the floor, and two writes
//! of one genre conflict only if they are about the same movie.

use std::{collections::BTreeSet, fmt};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap as _,
};

use crate::{
    db::{
        expression::{Condition, Update},
        item::{corrupt, number, text},
    },
    domain::{MovieId, ReleaseDate},
    error::Result,
};

/// How many entries a trim keeps: five for the categories, and some more that can be deleted before a refill is needed.
pub const KEPT: usize = 12;
/// A write that would leave more entries than this trims them.
pub const TRIM_ABOVE: usize = 20;
/// The most entries of an item. Between [`TRIM_ABOVE`] and this is the room for writes that run at the same time, and for
/// edits, which don't read the item.
pub const MOST: usize = 26;

/// The floor that is below every entry.
const LOWEST: &str = "0";
/// The digits of an id in an entry. Ids of movies are below 10¹⁰.
const ID_DIGITS: usize = 10;

/// A movie in the list of a genre: the digits of its release date, and its id with leading zeros. So the order of entries is
/// the order of the list, oldest first. It is also the name of an attribute in the map `newest`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Entry(String);

impl Entry {
    /// The entry of a movie with this release date.
    #[must_use]
    pub fn of(date: ReleaseDate, id: MovieId) -> Self {
        Self::of_date(&date.to_string(), id)
    }

    /// The same, of a date as it is stored.
    pub(crate) fn of_date(date: &str, id: MovieId) -> Self {
        let digits = date.split('-').collect::<String>();
        Self(format!("{digits}{:0ID_DIGITS$}", id.get()))
    }

    /// The movie's id.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) if this is no entry.
    pub fn movie(&self) -> Result<MovieId> {
        let digits = self
            .0
            .len()
            .checked_sub(ID_DIGITS)
            .and_then(|at| self.0.get(at..));
        digits
            .and_then(|digits| digits.parse::<u64>().ok())
            .and_then(|id| MovieId::try_from(id).ok())
            .ok_or_else(|| corrupt("an entry of a genre without a movie's id"))
    }

    /// The path of the entry in an expression.
    fn path(&self) -> String {
        format!("#newest.#{}", self.0)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A lower bound of entries: every movie of the genre with an entry at it or above it is listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Floor(String);

impl Floor {
    /// The floor below every entry: all movies are listed.
    #[must_use]
    pub fn lowest() -> Self {
        Self(LOWEST.to_owned())
    }

    /// The floor at this entry.
    #[must_use]
    pub fn at(entry: &Entry) -> Self {
        Self(entry.0.clone())
    }

    /// Whether a movie with this entry must be listed.
    #[must_use]
    pub fn covers(&self, entry: &Entry) -> bool {
        self.0 <= entry.0
    }
}

/// The entries of a genre's item, stored as a map from each entry to `true`. Expressions can change the elements of a map one
/// by one, each by its own path, and add some while they remove others. They can't do so with a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(pub BTreeSet<Entry>);

impl Serialize for Entries {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for entry in &self.0 {
            map.serialize_entry(entry, &true)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of entries")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Entries, A::Error> {
                let mut entries = BTreeSet::new();
                while let Some((entry, _)) = map.next_entry::<Entry, IgnoredAny>()? {
                    entries.insert(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// The newest movies of a genre, as its item has them. The default is that of an item that an earlier version wrote, which
/// lists nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newest {
    /// The entries and the floor. `None` in an item of an earlier version.
    pub listed: Option<(Entries, Floor)>,
    /// The number of refills that have begun and ended. It is odd while one is in progress.
    pub fill: u64,
}

impl Newest {
    /// The newest movies of a genre without movies.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            listed: Some((Entries::default(), Floor::lowest())),
            fill: 0,
        }
    }

    /// The ids of the `wanted` newest of a genre's `movies` movies, newest first. `None` if the item doesn't list them.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) if an entry is malformed.
    pub fn latest(&self, wanted: usize, movies: u64) -> Result<Option<Vec<MovieId>>> {
        let Some((Entries(entries), floor)) = &self.listed else {
            return Ok(None);
        };
        // As many entries as movies are all of them, whatever the floor is.
        let has_all = entries.len() as u64 == movies;
        let covered = entries.iter().rev().take(wanted).filter(|e| floor.covers(e));
        let has_enough = self.fill.is_multiple_of(2) && covered.count() == wanted;
        if !has_all && !has_enough {
            return Ok(None);
        }
        let latest = entries.iter().rev().take(wanted).map(Entry::movie);
        latest.collect::<Result<_>>().map(Some)
    }
}

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
    /// The highest entry of a movie that isn't listed because it is below the floor, if the change doesn't raise the floor.
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
        let mut floor = floor.unwrap_or(own).max(own);
        let held: BTreeSet<&Entry> = entries.iter().filter(|e| !removed.contains(e)).collect();
        let inside = added.iter().filter(|e| floor.covers(e));
        let mut kept: BTreeSet<&Entry> = held.iter().copied().chain(inside).collect();
        let cut;
        if kept.len() > TRIM_ABOVE {
            while kept.len() > KEPT {
                kept.pop_first();
            }
            if let Some(lowest) = kept.first() {
                cut = Floor::at(lowest);
                floor = floor.max(&cut);
            }
        }
        let is_kept = |entry: &Entry| kept.contains(entry);
        let enter = added.iter().filter(|e| is_kept(e) && !held.contains(e));
        change.enter = enter.cloned().collect();
        change.trimmed = held.iter().filter(|e| !is_kept(e)).copied().cloned().collect();
        if floor > own {
            change.raised = Some(floor.clone());
        } else {
            change.outside = added.iter().filter(|e| !is_kept(e)).max().cloned();
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
            Condition::new("size(#newest) <= :room")
                .value(":room", number(room))
                .value(":in", AttributeValue::Bool(true))
        };
        for guard in self.trimmed.iter().take(self.guards) {
            condition = condition.and(Condition::new(format!("attribute_exists({})", guard.path())));
        }
        if let Some(Floor(raised)) = &self.raised {
            let not_lower = Condition::new("#floor <= :floor").value(":floor", text(raised));
            condition = condition.and(not_lower);
        }
        if let Some(Entry(outside)) = &self.outside {
            let above = Condition::new("#floor > :outside").value(":outside", text(outside));
            condition = condition.and(above);
        }
        condition
    }
}

#[cfg(test)]
mod tests;
