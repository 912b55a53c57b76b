//! The postings by which movies are found, as a search reads them: range by range, and by what that costs.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    db::{
        carried::Carried,
        item::{Item, corrupt},
        keys::{self, Key, id_text},
        range::{Direction, KeyRange},
        store::{QueryOutput, Store},
    },
    domain::MovieId,
    error::Result,
};

/// What a read unit reads, in bytes (AWS: DynamoDB read consistency).
pub const UNIT: usize = 4096;

/// A posting that was read.
pub struct Posting {
    /// Its key.
    pub key: Key,
    /// The movie.
    pub id: MovieId,
    /// The movie's words, as far as the posting carries them.
    pub words: Carried,
    /// In bytes.
    size: usize,
}

impl Posting {
    fn read(item: &Item) -> Result<Self> {
        let key = Key::of(item).ok_or_else(|| corrupt("a posting without keys"))?;
        let id = keys::id_at_end(&key.sk).and_then(|id| MovieId::try_from(id).ok());
        let words = item
            .get("text")
            .and_then(|t| t.as_s().ok())
            .and_then(|t| Carried::decode(t));
        match (id, words) {
            (Some(id), Some(words)) => Ok(Self {
                key,
                id,
                words,
                size: size(item),
            }),
            _ => Err(corrupt("a posting that isn't one")),
        }
    }

    /// Its sort key up to the id.
    fn before_id(&self) -> &str {
        let sk = &self.key.sk;
        sk.strip_suffix(&id_text(self.id.get())).unwrap_or(sk)
    }
}

/// What an item of texts weighs when it is read, in bytes.
fn size(item: &Item) -> usize {
    let value = |value: &AttributeValue| value.as_s().map_or(0, String::len);
    item.iter().map(|(name, text)| name.len() + value(text)).sum()
}

/// What was read of one range, in the direction of reading.
pub struct RangeRead {
    /// Its place among the walk's ranges.
    pub range: usize,
    /// The postings.
    pub postings: Vec<Posting>,
    /// Whether it goes on.
    pub more: bool,
}

impl RangeRead {
    /// What the postings weigh.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.postings.iter().map(|posting| posting.size).sum()
    }

    /// What one Query of these postings cost.
    #[must_use]
    pub fn units(&self) -> usize {
        self.bytes().div_ceil(UNIT).max(1)
    }

    /// The largest id read.
    #[must_use]
    pub fn last_id(&self) -> u64 {
        self.postings
            .iter()
            .map(|posting| posting.id.get())
            .max()
            .unwrap_or_default()
    }

    /// How many postings the range has when ids go up to `ids`, by guess from its first ones. The postings of one word stand in the
    /// order of their ids, so the last word's, which go on, are as many more as there are ids beyond its last one.
    fn length(&self, ids: u64) -> u64 {
        let count = |postings: usize| u64::try_from(postings).unwrap_or(u64::MAX);
        let read = count(self.postings.len());
        match self.postings.last() {
            Some(last) if self.more => {
                let of_word = |posting: &&Posting| posting.before_id() == last.before_id();
                // The last posting itself says where the count ends, not how close the postings stand.
                let counted = count(self.postings.iter().rev().take_while(of_word).count() - 1);
                read - counted + counted * ids / last.id.get().max(1)
            }
            _ => read,
        }
    }

    /// What the whole range weighs, in bytes, by the same guess.
    #[must_use]
    pub fn weight(&self, ids: u64) -> u64 {
        let bytes = u64::try_from(self.bytes()).unwrap_or(u64::MAX);
        let postings = u64::try_from(self.postings.len()).unwrap_or(u64::MAX);
        self.length(ids) * (bytes / postings.max(1))
    }
}

impl Store {
    /// Reads the first `limit` postings of a range in `direction`: one Query.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the table doesn't serve.
    pub async fn read_postings(
        &self,
        at: usize,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<RangeRead> {
        let QueryOutput { items, more } = self.query(range, direction, limit).await?;
        Ok(RangeRead {
            range: at,
            postings: items.iter().map(Posting::read).collect::<Result<_>>()?,
            more,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(keys: &[(&str, u64)], more: bool) -> RangeRead {
        let postings = keys.iter().filter_map(|(word, id)| {
            let sk = format!("1#{word}#{}", id_text(*id));
            let item = [("pk", "WORD#lov"), ("sk", &sk), ("text", "love|a b|c")];
            let item = item.map(|(name, text)| (name.to_owned(), AttributeValue::S(text.to_owned())));
            Posting::read(&item.into()).ok()
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
    fn a_ranges_length_is_guessed_from_the_ids_that_its_last_word_has_reached() {
        let ids = 1_000;
        assert_eq!(read(&[], false).length(ids), 0);
        assert_eq!(read(&[("love", 10), ("love", 20)], false).length(ids), 2);
        // Two within 20 ids, by which the third is found: a hundred in a thousand.
        assert_eq!(
            read(&[("love", 4), ("love", 9), ("love", 20)], true).length(ids),
            1 + 100
        );
        // A word that is complete counts as it is, and one that has only begun says nothing.
        assert_eq!(
            read(&[("love", 10), ("love", 900), ("lover", 5)], true).length(ids),
            3
        );
    }
}
