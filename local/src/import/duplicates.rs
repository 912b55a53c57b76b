//! Which rows are in the table already, or earlier in the file.
//!
//! Two movies are the same if their IMDb ids are equal or, where either has none, if title, release date and director are.
//!
//! Looking a row up costs one Query and the reading of the movies with its title, so a row of an import into an empty table
//! is looked up only if an earlier row may be the same. A Bloom filter remembers the earlier rows: it is small however long
//! the file is, and never forgets one. Rows that aren't committed yet can't be found in the table, and are remembered as
//! they are. There are few of them, because an import reads only some batches ahead.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use futures_util::{StreamExt as _, TryStreamExt as _};
use marquee_shared::{
    db::Store,
    domain::{ImdbId, MovieFields},
};

use super::error::ImportError;

/// How many rows are looked up at the same time.
const AT_ONCE: usize = 16;

/// How many bits a Bloom filter has for each row: one row in 500 is looked up in vain.
const BITS_PER_ROW: u64 = 16;
/// The bits of the smallest filter.
const MIN_BITS: u64 = 1 << 16;
/// The bits of the largest filter, 16 MiB. With more than 8 million rows more rows are looked up.
const MAX_BITS: u64 = 1 << 27;
/// How many bits a text sets.
const PROBES: u64 = 4;

/// What identifies a movie.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    imdb_id: Option<ImdbId>,
    /// Title, release date and director.
    texts: String,
}

impl Identity {
    fn of(fields: &MovieFields) -> Self {
        // None of the three has a line break.
        let (title, director) = (fields.title.as_str(), fields.director.as_str());
        Self {
            imdb_id: fields.imdb_id.clone(),
            texts: format!("{title}\n{}\n{director}", fields.release_date),
        }
    }

    /// Whether both identify the same movie.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.imdb_id, &other.imdb_id) {
            (Some(one), Some(other)) => one == other,
            _ => self.texts == other.texts,
        }
    }

    /// What equal movies have in common: one of these texts.
    fn keys(&self) -> impl Iterator<Item = &str> {
        [
            Some(self.texts.as_str()),
            self.imdb_id.as_ref().map(ImdbId::as_str),
        ]
        .into_iter()
        .flatten()
    }
}

/// A set that can say of a text that it may be in it, although it isn't.
struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    fn for_rows(rows: u64) -> Self {
        let bits = rows.saturating_mul(BITS_PER_ROW).clamp(MIN_BITS, MAX_BITS);
        let words = usize::try_from(bits.next_power_of_two() / 64).unwrap_or(1);
        Self {
            words: vec![0; words],
        }
    }

    /// The bits of a text (Kirsch and Mitzenmacher, "Less Hashing, Same Performance").
    fn bits(&self, text: &str) -> impl Iterator<Item = (usize, u64)> + use<> {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        let (one, other) = (hash >> 32, (hash & 0xffff_ffff) | 1);
        let words = self.words.len();
        (0..PROBES).map(move |n| {
            let bit = one.wrapping_add(n.wrapping_mul(other));
            let word = usize::try_from(bit / 64).unwrap_or_default() % words;
            (word, 1 << (bit % 64))
        })
    }

    fn may_have(&self, text: &str) -> bool {
        self.bits(text)
            .all(|(word, bit)| self.words.get(word).is_some_and(|own| own & bit != 0))
    }

    fn add(&mut self, text: &str) {
        for (word, bit) in self.bits(text) {
            if let Some(own) = self.words.get_mut(word) {
                *own |= bit;
            }
        }
    }
}

/// The rows of an import that may be the same as later ones.
pub(super) struct Duplicates {
    /// The rows so far, if nothing else is in the table. `None` if every row is looked up.
    earlier: Option<Bloom>,
    /// The rows that may not be in the table yet, by what they have in common with the same movies.
    uncommitted: HashMap<String, Vec<(u64, Identity)>>,
    /// The keys of `uncommitted`, by row.
    order: VecDeque<(u64, String)>,
}

impl Duplicates {
    /// For an import of this many rows. `into_empty` says that the table has no movies.
    pub(super) fn new(rows: u64, into_empty: bool) -> Self {
        Self {
            earlier: into_empty.then(|| Bloom::for_rows(rows)),
            uncommitted: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Returns for each of these rows whether it is in the table or earlier in the file. Rows before `committed` are in the
    /// table.
    ///
    /// # Errors
    /// Returns an error if the table cannot be read.
    pub(super) async fn find(
        &mut self,
        store: &Store,
        rows: &[(u64, &MovieFields)],
        committed: u64,
    ) -> Result<Vec<bool>, ImportError> {
        while self.order.front().is_some_and(|(row, _)| *row < committed) {
            let Some((_, key)) = self.order.pop_front() else {
                break;
            };
            if let Entry::Occupied(mut rows) = self.uncommitted.entry(key) {
                rows.get_mut().retain(|(row, _)| *row >= committed);
                if rows.get().is_empty() {
                    rows.remove();
                }
            }
        }
        let mut same = vec![false; rows.len()];
        let mut wanted = Vec::new();
        for (same, (row, fields)) in same.iter_mut().zip(rows) {
            let identity = Identity::of(fields);
            let mut near = identity
                .keys()
                .filter_map(|key| self.uncommitted.get(key))
                .flatten();
            *same = near.any(|(_, other)| identity.is_same(other));
            if *same {
                continue;
            }
            let may_be_there = |bloom: &Bloom| identity.keys().any(|key| bloom.may_have(key));
            if self.earlier.as_ref().is_none_or(may_be_there) {
                wanted.push((same, *fields, identity.clone()));
            }
            for key in identity.keys() {
                if let Some(earlier) = &mut self.earlier {
                    earlier.add(key);
                }
                self.order.push_back((*row, key.to_owned()));
                let others = self.uncommitted.entry(key.to_owned()).or_default();
                others.push((*row, identity.clone()));
            }
        }
        let imdb_ids: Vec<ImdbId> = wanted
            .iter()
            .filter_map(|(.., own)| own.imdb_id.clone())
            .collect();
        let given = store.find_imdb_ids(&imdb_ids).await?;
        wanted.retain_mut(|(same, _, own)| {
            **same = own.imdb_id.as_ref().is_some_and(|id| given.contains_key(id));
            !**same
        });
        futures_util::stream::iter(wanted)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |(same, fields, identity)| async move {
                *same = is_there(store, fields, &identity).await?;
                Ok::<_, ImportError>(())
            })
            .await?;
        Ok(same)
    }
}

/// Whether the table has the movie under another IMDb id than its own, or under none.
async fn is_there(store: &Store, fields: &MovieFields, identity: &Identity) -> Result<bool, ImportError> {
    let alike = store.alike(fields).await?;
    Ok(alike
        .iter()
        .any(|movie| identity.is_same(&Identity::of(&movie.fields))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bloom_filter_forgets_nothing_and_seldom_remembers_what_never_was() {
        let mut bloom = Bloom::for_rows(10_000);
        for n in 0..10_000 {
            bloom.add(&format!("movie {n}"));
        }
        assert!((0..10_000).all(|n| bloom.may_have(&format!("movie {n}"))));
        let wrong = (10_000..110_000)
            .filter(|n| bloom.may_have(&format!("movie {n}")))
            .count();
        assert!(wrong < 400, "{wrong} of 100,000");
        assert_eq!(Bloom::for_rows(u64::MAX).words.len() * 64, 1 << 27);
    }

    #[test]
    fn movies_are_the_same_by_their_imdb_id_or_by_their_texts_where_one_has_none() {
        let identity = |imdb_id: Option<&str>, texts: &str| Identity {
            imdb_id: imdb_id.and_then(|id| ImdbId::parse(id).ok()),
            texts: texts.to_owned(),
        };
        for (one, other, same) in [
            (identity(None, "a"), identity(None, "a"), true),
            (identity(None, "a"), identity(None, "b"), false),
            (identity(Some("tt0000001"), "a"), identity(None, "a"), true),
            (identity(Some("tt0000001"), "a"), identity(None, "b"), false),
            (
                identity(Some("tt0000001"), "a"),
                identity(Some("tt0000001"), "b"),
                true,
            ),
            (
                identity(Some("tt0000001"), "a"),
                identity(Some("tt0000002"), "a"),
                false,
            ),
        ] {
            assert_eq!(
                (one.is_same(&other), other.is_same(&one)),
                (same, same),
                "{one:?} {other:?}"
            );
        }
    }
}
