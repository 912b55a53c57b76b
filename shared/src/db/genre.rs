//! Genres: their names as first written, the number of movies of each, and the newest of them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        counter::{self, Counter},
        expression::Condition,
        item::{from_item, number},
        keys::{self, BY_DATE, TABLE},
        newest::{Entries, Entry, Floor, Newest},
        newest_change::{Known, NewestChange},
        page::{Counted, PageLimit, Window},
        range::{Direction, KeyRange},
        store::Store,
        transaction::{Outcome, Transaction},
    },
    domain::{MovieFields, MovieId},
    error::Result,
};

/// A genre as stored under `GENRES`, `<genre>#`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Attributes", into = "Attributes")]
pub struct GenreItem {
    /// The normalized name: two names with the same identity are one genre.
    pub identity: String,
    /// The name as it was first written.
    pub name: String,
    /// The number of its movies. The item is deleted with the last one.
    pub n: u64,
    /// Its newest movies.
    pub newest: Newest,
}

/// The attributes of a genre's item.
#[derive(Serialize, Deserialize)]
struct Attributes {
    identity: String,
    name: String,
    n: u64,
    newest: Option<Entries>,
    floor: Option<Floor>,
    fill: Option<u64>,
}

impl From<Attributes> for GenreItem {
    fn from(attributes: Attributes) -> Self {
        Self {
            identity: attributes.identity,
            name: attributes.name,
            n: attributes.n,
            newest: Newest {
                listed: attributes.newest.zip(attributes.floor),
                fill: attributes.fill.unwrap_or_default(),
            },
        }
    }
}

impl From<GenreItem> for Attributes {
    fn from(genre: GenreItem) -> Self {
        let Newest { listed, fill } = genre.newest;
        let (newest, floor) = listed.unzip();
        Self {
            identity: genre.identity,
            name: genre.name,
            n: genre.n,
            newest,
            floor,
            fill: (fill > 0).then_some(fill),
        }
    }
}

/// The changes of genre items that a change of a movie needs, in the movie's own transaction: of their counts, and of their
/// newest movies.
///
/// Each change makes an assumption about the item, and its condition fails if the assumption is wrong. Then
/// [`GenreChanges::revise`] replaces the assumption by the item as it was, and the transaction is sent again. Without a read
/// the assumption is the common case: the genre exists, has other movies, and has room for an entry.
pub struct GenreChanges(Vec<Change>);

/// A movie joins a genre, leaves it, or changes its entry there.
pub struct MembershipChange {
    /// The genre's identity.
    pub identity: String,
    /// The genre's name, for a genre that may be new.
    pub name: String,
    /// The movie's entry before the change, if the movie was of the genre.
    pub old: Option<Entry>,
    /// The movie's entry after the change, if the movie will be of the genre.
    pub new: Option<Entry>,
}

/// A change of one genre's item.
struct Change {
    of: MembershipChange,
    assumed: Assumed,
    /// The index of the action on the genre.
    action: usize,
}

/// What is assumed of a genre's item.
enum Assumed {
    /// It doesn't exist.
    Absent,
    /// It exists, has room, and if the movie leaves the genre, it has other movies.
    Ordinary,
    /// It is this one.
    Item(GenreItem),
}

impl Assumed {
    fn of(item: Option<GenreItem>) -> Self {
        item.map_or(Self::Absent, Self::Item)
    }
}

impl From<MembershipChange> for Change {
    fn from(of: MembershipChange) -> Self {
        Self {
            of,
            assumed: Assumed::Ordinary,
            action: 0,
        }
    }
}

impl GenreChanges {
    /// These changes, of different genres.
    #[must_use]
    pub fn of_memberships(changes: impl IntoIterator<Item = MembershipChange>) -> Self {
        Self(changes.into_iter().map(Change::from).collect())
    }

    /// The changes for a new movie, with what was read of its genres: `Store::genres_of_new`.
    #[must_use]
    pub fn of_new(movie: &MovieFields, id: MovieId, mut read: HashMap<String, GenreItem>) -> Self {
        let mut changes = Self::between(id, None, Some(movie));
        for change in &mut changes.0 {
            change.assumed = Assumed::of(read.remove(&change.of.identity));
        }
        changes
    }

    /// The changes for a movie that is deleted.
    #[must_use]
    pub fn of_deleted(movie: &MovieFields, id: MovieId) -> Self {
        Self::between(id, Some(movie), None)
    }

    /// The changes for a movie that is edited: those of the genres that it gets or loses, and those of all its genres if its
    /// release date changes.
    #[must_use]
    pub fn of_edited(old: &MovieFields, new: &MovieFields, id: MovieId) -> Self {
        Self::between(id, Some(old), Some(new))
    }

    fn between(id: MovieId, old: Option<&MovieFields>, new: Option<&MovieFields>) -> Self {
        let mut changes: BTreeMap<String, MembershipChange> = BTreeMap::new();
        for (movie, is_new) in [(old, false), (new, true)] {
            for (movie, genre) in movie.iter().flat_map(|m| m.genres.iter().map(move |g| (m, g))) {
                let change =
                    changes
                        .entry(genre.identity())
                        .or_insert_with_key(|identity| MembershipChange {
                            identity: identity.clone(),
                            name: genre.name().to_owned(),
                            old: None,
                            new: None,
                        });
                let entry = if is_new { &mut change.new } else { &mut change.old };
                *entry = Some(Entry::of(movie.release_date, id));
            }
        }
        Self::of_memberships(changes.into_values().filter(|c| c.old != c.new))
    }

    /// The most actions that the changes take: one for each genre, and one for the number of genres.
    #[must_use]
    pub fn most_actions(&self) -> usize {
        self.0.len() + usize::from(!self.0.is_empty())
    }

    /// Adds the changes to the movie's transaction.
    pub fn add_to(&mut self, store: &Store, transaction: &mut Transaction) -> Result<()> {
        let mut genres = 0_i64;
        for change in &mut self.0 {
            let (action, step) = change.action(store)?;
            genres += step;
            change.action = transaction.add(action);
        }
        if genres != 0 {
            transaction.add(store.count(Counter::Genres, genres)?);
        }
        Ok(())
    }

    /// Corrects the assumptions that failed in a transaction. Returns whether there were any.
    pub fn revise(&mut self, outcome: &Outcome) -> Result<bool> {
        let mut is_revised = false;
        for change in self.0.iter_mut().filter(|c| outcome.failed(c.action)) {
            let item = outcome.item(change.action).cloned();
            change.assumed = Assumed::of(item.map(from_item).transpose()?);
            is_revised = true;
        }
        Ok(is_revised)
    }
}

impl Change {
    /// The action, and the change of the number of genres that it makes.
    fn action(&self, store: &Store) -> Result<(TransactWriteItem, i64)> {
        let MembershipChange {
            identity,
            name,
            old,
            new,
        } = &self.of;
        let on = store.on(keys::genre(identity));
        let movies = i64::from(new.is_some()) - i64::from(old.is_some());
        let (old, new) = (old.as_slice(), new.as_slice());
        match &self.assumed {
            Assumed::Absent if movies > 0 => {
                let genre = GenreItem::with(identity, name, new);
                return Ok((on.put(&genre, Condition::not_exists())?, 1));
            }
            Assumed::Item(item) if movies < 0 && item.n == 1 => {
                let one = Condition::new("#n = :one").value(":one", number(1));
                return Ok((on.delete(one)?, -1));
            }
            _ => {}
        }
        let known = match &self.assumed {
            Assumed::Item(item) => Known::Newest(&item.newest),
            Assumed::Absent | Assumed::Ordinary => Known::Nothing,
        };
        let mut update = NewestChange::plan(known, new, old, None).update(movies);
        if movies < 0 {
            update = update.when("#n > :one").value(":one", number(1));
        }
        Ok((on.update(update)?, 0))
    }
}

impl GenreItem {
    /// A new genre with movies that have these entries.
    fn with(identity: &str, name: &str, entries: &[Entry]) -> Self {
        let none = Newest::empty();
        Self {
            identity: identity.to_owned(),
            name: name.to_owned(),
            n: entries.len() as u64,
            newest: NewestChange::plan(Known::Newest(&none), entries, &[], None).apply(&none),
        }
    }
}

impl Store {
    /// The action that adds movies with these entries to a genre, and the genre after it. `known` is the genre as it was read;
    /// `None` if it doesn't exist. The action's condition fails if the item is one with which the action would be wrong.
    pub fn join_genre(
        &self,
        identity: &str,
        name: &str,
        entries: &[Entry],
        known: Option<&GenreItem>,
    ) -> Result<(TransactWriteItem, GenreItem)> {
        let on = self.on(keys::genre(identity));
        let Some(known) = known else {
            let genre = GenreItem::with(identity, name, entries);
            return Ok((on.put(&genre, Condition::not_exists())?, genre));
        };
        let change = NewestChange::plan(Known::Newest(&known.newest), entries, &[], None);
        let joined = GenreItem {
            n: known.n + entries.len() as u64,
            newest: change.apply(&known.newest),
            ..known.clone()
        };
        let movies = i64::try_from(entries.len()).unwrap_or(i64::MAX);
        Ok((on.update(change.update(movies))?, joined))
    }

    /// AP-37: the genres of a movie that is to be added, by identity. They are read eventually consistent, because the
    /// conditions of the transaction find what the read missed.
    pub(crate) async fn genres_of_new(&self, movie: &MovieFields) -> Result<HashMap<String, GenreItem>> {
        let genres = movie.genres.iter().map(|g| keys::genre(&g.identity()));
        let found = self.batch_get_eventually(genres.collect()).await?;
        let genres = found.into_values().map(from_item::<GenreItem>);
        genres.map(|g| g.map(|g| (g.identity.clone(), g))).collect()
    }

    /// AP-27: a genre, for an import.
    pub async fn genre(&self, identity: &str) -> Result<Option<GenreItem>> {
        self.get(&keys::genre(identity)).await?.map(from_item).transpose()
    }

    /// AP-28: every genre. The number of Queries grows with the number of genres, so only an import calls this, never a
    /// request.
    pub async fn all_genres(&self) -> Result<Vec<GenreItem>> {
        let mut genres = Vec::new();
        let mut window = Window::First;
        loop {
            let slice = self.list_genres(&window, PageLimit::MAX).await?.slice;
            genres.extend(slice.items);
            match slice.next {
                Some(next) => window = next,
                None => return Ok(genres),
            }
        }
    }

    /// AP-06: a page of genres in alphabetical order, and the number of genres.
    pub(crate) async fn list_genres(&self, window: &Window, limit: PageLimit) -> Result<Counted<GenreItem>> {
        let range = KeyRange::partition(TABLE, keys::GENRES);
        let ([count], slice) = tokio::try_join!(
            self.read_counters([Counter::Genres]),
            self.walk(range, Direction::Ascending, window, limit)
        )?;
        Counted { count, slice }.try_map(from_item)
    }

    /// AP-06: the number of a genre's movies. 0 for a genre that doesn't exist.
    pub async fn count_genre(&self, identity: &str) -> Result<u64> {
        counter::value(self.get(&keys::genre(identity)).await?.as_ref())
    }
}

/// A genre's movies by release date: a partition of the index by date.
#[must_use]
pub fn genre_by_date(identity: &str) -> KeyRange {
    KeyRange::partition(BY_DATE, keys::genre_dated(identity))
}
