//! The lists that can lead, and their entries.
//!
//! A list by id is a partition of memberships. Each carries the movie's words and its release date:
//!
//! ```text
//! GENRE#sci  sci-fi#0000000000000007          blade runner|ridley scott|sci fi,film noir|1982    1982-06-25#…7#film-noir
//! WORD#rid   2#ridley-scott#0000000000000007  blade runner|ridley scott|sci fi,film noir|1982    1982-06-25
//! YEAR#1982  0000000000000007                 blade runner|ridley scott|sci fi,film noir|1982    1982-06-25
//! ```
//!
//! A list by date is a partition of the index `by-date`. Its entries have keys only. That of a genre ends with the movie's
//! other genres:
//!
//! ```text
//! MOVIES        1982-06-25#0000000000000007
//! GENRE#sci-fi  1982-06-25#0000000000000007#film-noir
//! ```

use crate::{
    db::{
        carried::Carried,
        filtered::filters::{Filters, Said},
        genre::genre_by_date,
        index::{self, POSTING_BYTES},
        item::{Attributes as _, StoredItem, corrupt},
        keys::{self, BY_DATE, END, Key, id_text},
        movie::{MovieItem, movie_id},
        posting,
        posting_keys::{self, MANY_GENRES, PostingKind},
        range::{Direction, KeyRange},
        store::{Consistency, Store},
        verdict::Verdict,
    },
    domain::{MovieId, id::MAX_ID},
    error::Result,
};

/// The order of a list, which is that of the collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Id,
    Date,
}

impl By {
    /// A place before every other in `direction`.
    pub(super) fn start(self, direction: Direction) -> String {
        let id = id_text(match direction {
            Direction::Ascending => 0,
            Direction::Descending => MAX_ID + 1,
        });
        match (self, direction) {
            (Self::Id, _) => id,
            (Self::Date, Direction::Ascending) => format!("0000-00-00{END}{id}"),
            (Self::Date, Direction::Descending) => format!("9999-12-31{END}{id}"),
        }
    }
}

/// What a list's movies have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    Genre(String),
    Director(String),
    Year,
    Everything,
}

/// A list of movies by id or by date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    of: Of,
    by: By,
    range: KeyRange,
}

/// An entry of a list.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The movie.
    pub(super) id: MovieId,
    /// Its place by date: `<date>#<id>`. `None` if the entry doesn't have it.
    date: Option<String>,
    /// Whether the movie passes the filters, as far as the entry decides it.
    pub(super) verdict: Verdict,
}

impl Entry {
    /// The entry of a movie that passes.
    pub(super) fn of(movie: &MovieItem) -> Self {
        Self {
            id: movie.id,
            date: Some(movie.date.clone()),
            verdict: Verdict::Yes,
        }
    }

    /// An entry of a list by id.
    #[cfg(test)]
    pub(super) fn with(id: MovieId, verdict: Verdict) -> Self {
        Self {
            id,
            date: None,
            verdict,
        }
    }

    /// The movie's place in a collection of this order. `None` if the entry doesn't have it.
    pub(super) fn place(&self, by: By) -> Option<String> {
        match by {
            By::Id => Some(id_text(self.id.get())),
            By::Date => self.date.clone(),
        }
    }
}

/// What was read of a list, in the direction of reading.
#[derive(Clone, Debug, Default)]
pub(super) struct Read {
    /// The entries.
    pub(super) entries: Vec<Entry>,
    /// Whether the list may have more.
    pub(super) more: bool,
    /// The size of the entries, in bytes.
    pub(super) bytes: usize,
    /// What reading them cost, in half units.
    pub(super) half_units: usize,
}

impl List {
    /// A genre's movies by id.
    pub(super) fn of_genre(identity: &str) -> Self {
        Self {
            of: Of::Genre(identity.to_owned()),
            by: By::Id,
            range: index::members(identity),
        }
    }

    /// A director's movies by id.
    pub(super) fn of_director(name: &str) -> Self {
        Self {
            of: Of::Director(name.to_owned()),
            by: By::Id,
            range: index::directed_by(name),
        }
    }

    /// The movies of a year by id.
    pub(super) fn of_year(year: u16) -> Self {
        Self {
            of: Of::Year,
            by: By::Id,
            range: index::released_in(year),
        }
    }

    /// A genre's movies by date, within the range of dates of the filters.
    pub(super) fn of_genre_by_date(identity: &str, filters: &Filters) -> Self {
        Self {
            of: Of::Genre(identity.to_owned()),
            by: By::Date,
            range: within(genre_by_date(identity), filters),
        }
    }

    /// All movies by date, within the range of dates of the filters.
    pub(super) fn by_date(filters: &Filters) -> Self {
        Self {
            of: Of::Everything,
            by: By::Date,
            range: within(KeyRange::partition(BY_DATE, keys::MOVIES_DATED), filters),
        }
    }

    /// The largest size of an entry, in bytes.
    pub(super) fn largest_bytes(&self) -> usize {
        match (&self.of, self.by) {
            (Of::Genre(_), By::Id) => POSTING_BYTES[PostingKind::Genre.index()],
            (Of::Director(_), By::Id) => POSTING_BYTES[PostingKind::Director.index()],
            (_, By::Id) => POSTING_BYTES[PostingKind::Year.index()],
            (Of::Genre(_), By::Date) => DATED_GENRE_BYTES,
            (_, By::Date) => DATED_BYTES,
        }
    }

    /// Whether it is in the order of dates.
    pub(super) fn is_by_date(&self) -> bool {
        self.by == By::Date
    }

    /// Whether it is a genre's.
    pub(super) fn is_of_genre(&self) -> bool {
        matches!(self.of, Of::Genre(_))
    }

    /// The key of a movie's entry in a list by id.
    pub(super) fn key(&self, id: MovieId) -> Key {
        Key::new(&self.range.pk, format!("{}{}", self.prefix(), id_text(id.get())))
    }

    /// What the sort keys of a list by id have before the id.
    fn prefix(&self) -> &str {
        let low = &self.range.low;
        low.rfind(END).map_or("", |at| &low[..=at])
    }

    /// The rest of the list after a place, in `direction`.
    fn rest(&self, place: &str, direction: Direction) -> KeyRange {
        let range = self.range.clone();
        match self.by {
            By::Id => range.beyond(&format!("{}{place}", self.prefix()), direction),
            By::Date => range.beyond(place, direction),
        }
    }

    /// The entry that an item of the list is.
    pub(super) fn entry(&self, item: &StoredItem, filters: &Filters) -> Result<Entry> {
        let stored = item.text(BY_DATE.sk);
        let id = movie_id(item)?;
        let mut parts = stored.into_iter().flat_map(|date| date.splitn(3, END));
        let date = parts.next();
        let others = parts.nth(1).filter(|others| *others != MANY_GENRES);
        let words = match item
            .text("text")
            .and_then(|text| Carried::decode(text.to_owned()))
        {
            // Without a year it is a text of an earlier layout, which doesn't say where one name ends.
            Some(Carried::All(words)) if words.year.is_some() => Some(words),
            _ => None,
        };
        let said = Said {
            date,
            words,
            genre: match &self.of {
                Of::Genre(identity) => Some(identity),
                _ => None,
            },
            genres: others.map(|others| others.split(',').collect()),
            director: match &self.of {
                // A posting of a director's word without a date was written by an earlier version, for that word only.
                Of::Director(name) if date.is_some() && posting_keys::word_fits(name) => Some(name),
                _ => None,
            },
        };
        Ok(Entry {
            id,
            verdict: filters.decide(&said),
            date: date.map(|date| keys::dated(date, id)),
        })
    }
}

/// Sorts after [`END`], and before every digit: after all entries of a date.
const AFTER_END: char = '$';

/// The largest size of a genre's entry by date, in bytes: its four keys and their names.
const DATED_GENRE_BYTES: usize = 400;
/// The largest size of another entry by date, in bytes.
const DATED_BYTES: usize = 100;

/// A list by date, within the range of dates of the filters.
fn within(mut range: KeyRange, filters: &Filters) -> KeyRange {
    let (from, to) = filters.dates();
    if let Some(from) = from {
        range.low = from.to_string();
    }
    if let Some(to) = to {
        range.high = format!("{to}{AFTER_END}");
    }
    range
}

impl Store {
    /// Reads a list's first `limit` entries after a place, or from its beginning, in `direction`: one Query.
    pub(super) async fn read_list(
        &self,
        list: &List,
        from: Option<&str>,
        direction: Direction,
        limit: usize,
        filters: &Filters,
        consistency: Consistency,
    ) -> Result<Read> {
        let range = from.map_or_else(|| list.range.clone(), |place| list.rest(place, direction));
        if range.is_empty() {
            return Ok(Read::default());
        }
        let output = self.query_with(&range, direction, limit, consistency).await?;
        let bytes = output.items.iter().map(posting::bytes).sum::<usize>();
        let units = bytes.div_ceil(posting::BYTES_PER_UNIT).max(1);
        let is_half = list.is_by_date() || matches!(consistency, Consistency::Eventual);
        let entries = output.items.iter().map(|item| list.entry(item, filters));
        Ok(Read {
            entries: entries.collect::<Result<_>>()?,
            more: output.more,
            bytes,
            half_units: if is_half { units } else { 2 * units },
        })
    }

    /// The year of the first or the last movie by date, at the end to which `direction` leads. `None` if there is no movie.
    pub(super) async fn last_year(&self, direction: Direction) -> Result<Option<u16>> {
        let all = KeyRange::partition(BY_DATE, keys::MOVIES_DATED);
        let output = self.query(&all, direction.reversed(), 1).await?;
        let Some(item) = output.items.first() else {
            return Ok(None);
        };
        let date = item
            .text(BY_DATE.sk)
            .and_then(|date| date.split('-').next()?.parse().ok());
        date.map(Some).ok_or_else(|| corrupt("a movie without a date"))
    }
}
