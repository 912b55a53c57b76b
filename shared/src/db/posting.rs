//! Postings as a search reads them: what one Query of a range found, what it cost, and how long the range probably is.
//!
//! For example, the word `love` begins the words of about every hundredth movie of 1,000. A Query of the range
//! `1#love…` in `WORD#lov`, with a limit of 3, reads
//!
//! ```text
//! 1#love#0000000000000004
//! 1#love#0000000000000009
//! 1#love#0000000000000020
//! ```
//!
//! The three postings have less than 4 KB, so the Query costs one unit. Postings of one word are sorted by id. Two of them
//! have an id below 20, so [`RangeRead::weight`] estimates 2 × 1,000 / 20 = 100 in all.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    db::{
        carried::Carried,
        item::{StoredItem, corrupt},
        keys::{self, Key, WORD_SEPARATOR, id_text},
        posting_keys::PostingKind,
        range::{Direction, KeyRange},
        store::{QueryOutput, Store},
    },
    domain::MovieId,
    error::Result,
};

/// How many bytes a strongly consistent read unit reads (AWS: DynamoDB read consistency).
pub const BYTES_PER_UNIT: usize = 4096;

/// Of a hundred directors of the demonstration catalog, how many have a second name that begins with this letter, from `a` to
/// `z`, or an earlier one.
const SECOND_NAMES: [u64; 26] = [
    5, 12, 19, 25, 26, 30, 35, 42, 42, 45, 50, 56, 65, 67, 68, 72, 73, 79, 88, 92, 92, 93, 98, 98, 99, 100,
];

/// A posting that was read.
#[derive(Clone)]
pub struct Posting {
    /// Its key.
    pub key: Key,
    /// The movie.
    pub id: MovieId,
    /// The movie's words, as far as the posting carries them.
    pub words: Carried,
    /// Its size, in bytes.
    bytes: usize,
}

impl Posting {
    fn read(item: StoredItem) -> Result<Self> {
        let bytes = bytes(&item);
        let (mut pk, mut sk, mut text) = (None, None, None);
        for (name, value) in item.into_attributes() {
            let place = match &*name {
                keys::PK => &mut pk,
                keys::SK => &mut sk,
                "text" => &mut text,
                _ => continue,
            };
            if let AttributeValue::S(value) = value {
                *place = Some(value);
            }
        }
        let (Some(pk), Some(sk)) = (pk, sk) else {
            return Err(corrupt("a posting without keys"));
        };
        let id = keys::id_at_end(&sk).and_then(|id| MovieId::try_from(id).ok());
        match (id, text.and_then(Carried::decode)) {
            (Some(id), Some(words)) => Ok(Self {
                key: Key { pk, sk },
                id,
                words,
                bytes,
            }),
            _ => Err(corrupt("a posting that isn't one")),
        }
    }

    /// Another posting of the same movie, which carries the same words.
    #[must_use]
    pub fn at(&self, key: Key) -> Self {
        Self { key, ..self.clone() }
    }

    /// The sort key up to the id: the same for all postings of one word.
    fn before_id(&self) -> &str {
        let sk = &self.key.sk;
        sk.strip_suffix(&id_text(self.id.get())).unwrap_or(sk)
    }

    /// The sort key of a director's membership up to the second name, and that name with what follows it.
    fn second_name(&self) -> Option<(&str, &str)> {
        let name = self.before_id().split_once(WORD_SEPARATOR);
        name.filter(|_| PostingKind::of(&self.key) == PostingKind::Director)
    }
}

/// The size of an item of texts, in bytes: names and values (AWS: DynamoDB item sizes).
pub(crate) fn bytes(item: &StoredItem) -> usize {
    let value = |value: &AttributeValue| value.as_s().map_or(0, String::len);
    item.iter().map(|(name, text)| name.len() + value(text)).sum()
}

/// What was read of one range, in the direction of reading.
#[derive(Clone)]
pub struct RangeRead {
    /// The number of the range among the walk's ranges.
    pub range: u8,
    /// The postings.
    pub postings: Vec<Posting>,
    /// Whether the range may have more postings.
    pub more: bool,
}

impl RangeRead {
    /// What a Query of the range with this number found.
    pub(crate) fn of(number: u8, output: QueryOutput) -> Result<Self> {
        let QueryOutput { items, more } = output;
        Ok(Self {
            range: number,
            postings: items.into_iter().map(Posting::read).collect::<Result<_>>()?,
            more,
        })
    }

    /// The size of the postings, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.postings.iter().map(|posting| posting.bytes).sum()
    }

    /// The read units that one Query of these postings costs. A Query that finds nothing costs one.
    #[must_use]
    pub fn units(&self) -> usize {
        self.bytes().div_ceil(BYTES_PER_UNIT).max(1)
    }

    /// The largest id of a movie that was found, or zero if none was.
    #[must_use]
    pub fn largest_id(&self) -> u64 {
        let ids = self.postings.iter().map(|posting| posting.id.get());
        ids.max().unwrap_or(0)
    }

    /// Estimates how many postings the whole range has if ids go up to `largest_id`.
    ///
    /// A range holds one word after another, and the postings of each word in the order of ids. All postings of the words
    /// before the last one were read. For the last word, the estimate assumes that its postings are spread evenly over the
    /// ids up to `largest_id`. Those of a year are assumed to go on as densely as those that were read.
    ///
    /// The memberships of directors with one first name are ordered by the second name. How many there are is also estimated from
    /// the letter that was reached.
    fn estimated_postings(&self, largest_id: u64) -> u64 {
        let read = count(self.postings.len());
        match self.postings.last() {
            Some(last) if self.more => {
                let of_last_word = |posting: &&Posting| posting.before_id() == last.before_id();
                let of_last_word = self.postings.iter().rev().take_while(of_last_word);
                // The last posting only sets the id below which the others are counted.
                let counted = count(of_last_word.count() - 1);
                let last_id = last.id.get();
                if PostingKind::of(&last.key) == PostingKind::Year {
                    // Movies that were added one after another are often of the same year.
                    let first_id = self.postings.first().map_or(0, |first| first.id.get());
                    read + counted * largest_id.saturating_sub(last_id) / (last_id - first_id).max(1)
                } else {
                    let by_id = read - counted + counted * largest_id / last_id.max(1);
                    by_id.max(self.estimated_directors(last))
                }
            }
            _ => read,
        }
    }

    /// Estimates how many postings the whole range has if the rest of it are directors with the first name of `last`. Zero if
    /// that is no director.
    fn estimated_directors(&self, last: &Posting) -> u64 {
        let Some((first, second)) = last.second_name() else {
            return 0;
        };
        let has_first = |posting: &&Posting| posting.second_name().is_some_and(|(other, _)| other == first);
        let counted = count(self.postings.iter().rev().take_while(has_first).count());
        let letter = second.bytes().next().and_then(|b| b.checked_sub(b'a'));
        let share = letter.and_then(|n| SECOND_NAMES.get(usize::from(n)));
        count(self.postings.len()) - counted + counted * 100 / share.copied().unwrap_or(100).max(1)
    }

    /// Estimates the size of the whole range, in bytes, if ids go up to `largest_id`.
    #[must_use]
    pub fn weight(&self, largest_id: u64) -> u64 {
        let mean = count(self.bytes()) / count(self.postings.len()).max(1);
        self.estimated_postings(largest_id) * mean
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Store {
    /// Reads the first `limit` postings of a range in `direction`: one Query. `number` is the range's number among the
    /// walk's ranges.
    pub async fn read_postings(
        &self,
        number: u8,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<RangeRead> {
        RangeRead::of(number, self.query(range, direction, limit).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::item::{Item, text};

    fn read(keys: &[(&str, u64)], more: bool) -> RangeRead {
        let postings = keys.iter().filter_map(|(word, id)| {
            let sk = format!("1#{word}#{}", id_text(*id));
            let item = [("pk", "WORD#lov"), ("sk", &sk), ("text", "love|a b|c")];
            let item = item.map(|(name, value)| (name.to_owned(), text(value)));
            Posting::read(Item::from(item).into()).ok()
        });
        RangeRead {
            range: 1,
            postings: postings.collect(),
            more,
        }
    }

    #[test]
    fn a_posting_weighs_its_names_and_texts() {
        let read = read(&[("love", 7), ("lover", 7)], false);
        assert_eq!(read.bytes(), 2 * (8 + 8 + 7 + 16 + 10) + 1);
        assert_eq!(read.units(), 1);
        let postings = vec![("love", 7); 84];
        assert_eq!(
            (
                super::tests::read(&postings[..83], false).units(),
                super::tests::read(&postings, false).units()
            ),
            (1, 2)
        );
    }

    #[test]
    fn a_ranges_length_is_estimated_from_the_ids_that_its_last_word_has_reached() {
        let ids = 1_000;
        assert_eq!(read(&[], false).estimated_postings(ids), 0);
        assert_eq!(
            read(&[("love", 10), ("love", 20)], false).estimated_postings(ids),
            2
        );
        // Two below id 20, which the third one has: a hundred below id 1,000.
        assert_eq!(
            read(&[("love", 4), ("love", 9), ("love", 20)], true).estimated_postings(ids),
            1 + 100
        );
        // A word that was read to its end counts as it is. One posting of the next word doesn't allow an estimate.
        assert_eq!(
            read(&[("love", 10), ("love", 900), ("lover", 5)], true).estimated_postings(ids),
            3
        );
    }

    #[test]
    fn the_number_of_directors_of_one_first_name_is_estimated_from_the_letter_that_was_reached() {
        let directors = |names: &[&str], more: bool| {
            let postings = names.iter().filter_map(|name| {
                let sk = format!("2#{name}#{}", id_text(7));
                let item = [("pk", "WORD#joh"), ("sk", &sk), ("text", "love|a b|c|1999")];
                let item = item.map(|(name, value)| (name.to_owned(), text(value)));
                Posting::read(Item::from(item).into()).ok()
            });
            let read = RangeRead {
                range: 3,
                postings: postings.collect(),
                more,
            };
            read.estimated_postings(1_000)
        };
        let read = ["johann-zorn", "john+", "john-badham", "john-carpenter"];
        let two_of_c = 2 * 100 / SECOND_NAMES[2];
        assert_eq!(directors(&read, true), 2 + two_of_c);
        assert_eq!(directors(&read, false), 4);
        // No letter from `a` to `z`.
        assert_eq!(directors(&["john-3", "john-é"], true), 2);
    }

    #[test]
    fn a_years_length_is_estimated_from_the_density_of_its_ids() {
        let year = |ids: &[u64]| {
            let postings = ids.iter().filter_map(|id| {
                let item = [
                    ("pk", "YEAR#1999"),
                    ("sk", &id_text(*id)),
                    ("text", "love|a b|c|1999"),
                ];
                let item = item.map(|(name, value)| (name.to_owned(), text(value)));
                Posting::read(Item::from(item).into()).ok()
            });
            let read = RangeRead {
                range: 5,
                postings: postings.collect(),
                more: true,
            };
            read.estimated_postings(1_000)
        };
        assert_eq!(year(&[900, 902, 904]), 3 + 48);
        assert_eq!(year(&[900]), 1);
        assert_eq!(year(&[]), 0);
    }
}
