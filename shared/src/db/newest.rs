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
//! Entries below the floor are allowed and harmless. So a write that adds an entry need not know the floor, and a write rarely
//! makes the condition of another one fail.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{IgnoredAny, MapAccess, Visitor},
    ser::SerializeMap as _,
};

use crate::{
    db::{item::corrupt, page::PageLimit},
    domain::{MovieId, ReleaseDate},
    error::Result,
};

/// How many of a genre's newest movies the categories show.
pub const SHOWN: PageLimit = PageLimit::of::<5>();
/// How many entries a trim keeps: [`SHOWN`], and some more that can be deleted before a refill is needed.
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
    #[must_use]
    pub fn of_date(date: &str, id: MovieId) -> Self {
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
    pub(crate) fn path(&self) -> String {
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

    /// The floor as it is stored.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
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
    /// Odd while a refill is in progress. Each refill begins with another number, and ends with the next even one. 0 before
    /// the first.
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn entry(date: &str, id: u64) -> Entry {
        Entry::of(ReleaseDate::parse(date).unwrap(), MovieId::try_from(id).unwrap())
    }

    /// Entries of consecutive years from 1900 on, one for each number.
    pub(crate) fn years(numbers: std::ops::Range<u64>) -> Vec<Entry> {
        numbers
            .map(|n| entry(&format!("{}-01-01", 1900 + n), n + 1))
            .collect()
    }

    /// A list of these entries with this floor.
    pub(crate) fn listed(entries: &[Entry], floor: Floor) -> Newest {
        Newest {
            listed: Some((Entries(entries.iter().cloned().collect()), floor)),
            fill: 0,
        }
    }

    #[test]
    fn entries_are_ordered_by_date_and_then_by_id() {
        let ordered = [
            entry("1870-01-01", 9_999_999_999),
            entry("1999-12-31", 2),
            entry("1999-12-31", 10),
            entry("2000-01-01", 1),
            entry("9999-12-31", 1),
        ];
        assert!(ordered.is_sorted());
        assert_eq!(ordered[2].to_string(), "199912310000000010");
        assert_eq!(ordered[0].movie().unwrap().get(), 9_999_999_999);
        assert_eq!(
            Entry::of_date("1999-12-31", MovieId::try_from(10).unwrap()),
            ordered[2]
        );
        assert!(ordered.iter().all(|entry| Floor::lowest().covers(entry)));
        for malformed in ["", "123456789", "1999123100000000x0"] {
            assert!(Entry(malformed.to_owned()).movie().is_err(), "{malformed}");
        }
    }

    #[test]
    fn the_latest_movies_are_known_if_enough_are_above_the_floor_or_all_are_listed() {
        let seven = years(0..7);
        let ids = |newest: &Newest, movies| {
            let latest = newest.latest(5, movies).unwrap();
            latest.map(|ids| ids.iter().map(|id| id.get()).collect::<Vec<_>>())
        };
        let latest = Some(vec![7, 6, 5, 4, 3]);
        // Of many movies, the fifth newest must be above the floor.
        assert_eq!(ids(&listed(&seven, Floor::at(&seven[2])), 99), latest);
        assert_eq!(ids(&listed(&seven, Floor::at(&seven[3])), 99), None);
        // As many entries as movies are all movies.
        assert_eq!(ids(&listed(&seven, Floor::at(&seven[6])), 7), latest);
        assert_eq!(
            ids(&listed(&seven[..2], Floor::at(&seven[6])), 2),
            Some(vec![2, 1])
        );
        assert_eq!(ids(&listed(&seven[..2], Floor::lowest()), 3), None);
        // While a refill is in progress, only the number counts.
        let refilling = Newest {
            fill: 1,
            ..listed(&seven, Floor::lowest())
        };
        assert_eq!((ids(&refilling, 99), ids(&refilling, 7)), (None, latest));
        // An item of an earlier version.
        assert_eq!(ids(&Newest::default(), 7), None);
    }
}
