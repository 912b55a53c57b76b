//! The units in which movies are written: a chunk is one transaction, a batch is what is read from the file at a time.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use marquee_shared::{
    db::store::{Item, TRANSACTION},
    domain::MovieFields,
};

/// How many chunks a batch has.
pub(super) const CHUNKS_PER_BATCH: usize = 32;

/// How many actions of a chunk's transaction are neither a movie nor a genre: two counters, and the job.
const OTHER_ACTIONS: usize = 3;

/// Movies that one transaction adds.
#[derive(Default)]
pub(super) struct Chunk {
    /// The action that adds each movie.
    pub(super) movies: Vec<TransactWriteItem>,
    /// The genres of these movies, by identity: the name, and how many of the movies have the genre.
    pub(super) genres: BTreeMap<String, (String, u64)>,
    /// How many rows of the file are done once the chunk is committed.
    pub(super) end: u64,
    /// How many of these rows were left out.
    pub(super) left_out: u64,
}

/// Chunks, and the postings of their movies.
pub(super) struct Batch {
    pub(super) chunks: Vec<Chunk>,
    pub(super) postings: Vec<Item>,
}

impl Chunk {
    /// Whether the transaction has room for one more movie with these genres.
    pub(super) fn has_room_for(&self, fields: &MovieFields) -> bool {
        let new = fields
            .genres
            .iter()
            .filter(|g| !self.genres.contains_key(&g.identity()));
        self.movies.len() + 1 + self.genres.len() + new.count() + OTHER_ACTIONS <= TRANSACTION
    }

    /// Adds a movie. `action` is the action that adds it to the table.
    pub(super) fn add(&mut self, fields: &MovieFields, action: TransactWriteItem) {
        for genre in fields.genres.iter() {
            let entry = self.genres.entry(genre.identity());
            entry.or_insert_with(|| (genre.name().to_owned(), 0)).1 += 1;
        }
        self.movies.push(action);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use marquee_shared::domain::Genre;

    use super::*;
    use crate::import::{movie, options::Options};

    fn fields(title: &str, genre: &str) -> MovieFields {
        let values = [title, "x", "2000-01-01", "y", genre].map(|value| Some(value.to_owned()));
        let [title, description, release_date, director, genre] = values;
        let values = [title, description, release_date, director, genre, None, None];
        movie::parse(&values, false, &Options::default()).fields.unwrap()
    }

    #[test]
    fn a_chunk_fits_one_transaction() {
        let mut chunk = Chunk::default();
        for n in 0.. {
            let fields = fields(&format!("t{n}"), &format!("a{n},b{n}"));
            if !chunk.has_room_for(&fields) {
                break;
            }
            chunk.add(&fields, TransactWriteItem::builder().build());
        }
        let actions = chunk.movies.len() + chunk.genres.len() + OTHER_ACTIONS;
        assert!(actions <= TRANSACTION && chunk.movies.len() > 30, "{actions}");
    }

    #[test]
    fn genres_are_counted_by_identity() {
        let mut chunk = Chunk::default();
        for genre in ["Drama", "drama"] {
            let fields = fields("t", genre);
            chunk.add(&fields, TransactWriteItem::builder().build());
        }
        assert_eq!(chunk.genres["drama"], ("Drama".to_owned(), 2));
        assert_eq!(Genre::parse("DRAMA").unwrap().identity(), "drama");
    }
}
