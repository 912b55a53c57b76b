//! Ranges of sort keys: what one Query reads.

use crate::db::keys::{self, BY_DATE, Index, Key, TABLE, id_text};

/// Sorts before every sort key: none begins with a control character or a space.
const BEFORE_ALL: &str = "!";
/// Sorts after every sort key, and after every key that continues the text it is appended to: the last code point.
pub const AFTER_ALL: char = '\u{10FFFF}';
/// Sorts before every id, which is digits only: the first digit.
const BEFORE_IDS: &str = "0";
/// Sorts after [`keys::END`], and before every digit.
const AFTER_END: char = '$';
/// Sorts after every id: the character after the last digit.
const AFTER_IDS: &str = ":";

/// A range of sort keys in one partition of the table or of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The table or an index.
    pub index: Index,
    /// The partition key.
    pub pk: String,
    /// The first sort key, inclusive.
    pub low: String,
    /// The last sort key, inclusive.
    pub high: String,
}

impl KeyRange {
    /// A whole partition.
    #[must_use]
    pub fn partition(index: Index, pk: impl Into<String>) -> Self {
        Self {
            index,
            pk: pk.into(),
            low: BEFORE_ALL.into(),
            high: AFTER_ALL.into(),
        }
    }

    /// A whole partition of the table whose sort keys are ids.
    #[must_use]
    pub fn ids(pk: impl Into<String>) -> Self {
        Self::between(pk, BEFORE_IDS, AFTER_IDS)
    }

    /// The sort keys of a partition of the table from `low` to `high`, both inclusive.
    #[must_use]
    pub fn between(pk: impl Into<String>, low: impl Into<String>, high: impl Into<String>) -> Self {
        Self {
            index: TABLE,
            pk: pk.into(),
            low: low.into(),
            high: high.into(),
        }
    }

    /// The rest of the range from `key`, inclusive, in `direction`.
    #[must_use]
    pub fn starting_at(self, key: String, direction: Direction) -> Self {
        match direction {
            Direction::Ascending => Self { low: key, ..self },
            Direction::Descending => Self { high: key, ..self },
        }
    }

    /// The rest of the range from the id `id`, inclusive, in `direction`.
    #[must_use]
    pub fn starting_at_id(self, id: u64, direction: Direction) -> Self {
        self.starting_at(id_text(id), direction)
    }

    /// The rest of the range after `key`, in `direction`.
    #[must_use]
    pub fn beyond(self, key: &str, direction: Direction) -> Self {
        let mut next = direction.next_key(key);
        // Other texts may follow the id before.
        if direction == Direction::Descending && self.index == BY_DATE {
            next.push(AFTER_END);
        }
        self.starting_at(next, direction)
    }

    /// Whether no sort key can be in the range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.low > self.high
    }

    /// Whether an item with this primary key is in the range, which must be one of the table.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.pk == key.pk && self.low <= key.sk && key.sk <= self.high
    }
}

/// The direction of a collection's order, or of reading a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From low sort keys to high ones.
    Ascending,
    /// From high sort keys to low ones.
    Descending,
}

impl Direction {
    /// The opposite direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }

    /// The sort key next to `key` in this direction.
    #[must_use]
    pub fn next_key(self, key: &str) -> String {
        match self {
            Self::Ascending => keys::after(key),
            Self::Descending => keys::before(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_range_excludes_what_was_read() {
        let range = KeyRange::ids("MOVIES#0");
        let key = id_text(7);
        let up = range.clone().beyond(&key, Direction::Ascending);
        assert_eq!((up.low, up.high), (id_text(8), ":".to_owned()));
        let down = range.beyond(&key, Direction::Descending);
        assert_eq!((down.low, down.high), ("0".to_owned(), id_text(6)));
    }

    #[test]
    fn the_rest_of_an_index_by_date_has_what_follows_an_id() {
        let range = KeyRange::partition(BY_DATE, "GENRE#drama");
        let key = |id: u64| format!("1999-03-31#{}", id_text(id));
        let up = range.clone().beyond(&key(7), Direction::Ascending);
        let down = range.beyond(&key(7), Direction::Descending);
        for others in ["", "#", "#action,sci-fi", "#~", "#한국"] {
            let [six, seven, eight] = [6, 7, 8].map(|id| format!("{}{others}", key(id)));
            assert!(seven < up.low && up.low <= eight, "{others}");
            assert!(six <= down.high && down.high < seven, "{others}");
        }
    }

    #[test]
    fn a_range_contains_its_bounds_and_no_key_of_another_partition() {
        let range = KeyRange::between("p", "b", "d");
        for (pk, sk, is_in) in [
            ("p", "b", true),
            ("p", "d", true),
            ("p", "a", false),
            ("q", "c", false),
        ] {
            assert_eq!(range.contains(&Key::new(pk, sk)), is_in, "{pk} {sk}");
        }
        assert!(!range.is_empty() && KeyRange::between("p", "d", "b").is_empty());
    }
}
