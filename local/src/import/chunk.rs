//! The units in which movies are written: a chunk is one transaction, a batch is what is read from the file at a time.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::TransactWriteItem;
use marquee_shared::{
    db::{item::Item, newest::Entry, transaction::MAX_ACTIONS},
    domain::{Genre, ImdbId, MovieFields, MovieId},
};

use super::covers;

/// How many chunks a batch has.
pub(super) const CHUNKS_PER_BATCH: usize = 32;

/// How many actions of a chunk's transaction belong to no movie and no genre: two counters, and the job.
const OTHER_ACTIONS: usize = 3;

/// A movie to add.
pub(super) struct NewMovie {
    pub(super) id: MovieId,
    pub(super) fields: MovieFields,
    /// Its genres.
    pub(super) genres: Vec<Genre>,
    /// The action that adds the movie.
    pub(super) put: TransactWriteItem,
    /// The action that gives it its IMDb id, if it has one.
    pub(super) claim: Option<TransactWriteItem>,
    /// The action that gives it the copy of an image, if it names one. `None` until the copy is stored.
    pub(super) adopt: Option<TransactWriteItem>,
}

impl NewMovie {
    /// How many actions it has in the transaction.
    fn actions(&self) -> usize {
        actions_of(&self.fields)
    }
}

/// How many actions a movie with these fields has in the transaction.
fn actions_of(fields: &MovieFields) -> usize {
    1 + usize::from(fields.imdb_id.is_some()) + usize::from(covers::image_of(fields).is_some())
}

/// A genre of some of a chunk's movies.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChunkGenre {
    /// The genre's name.
    pub(super) name: String,
    /// The entries of these movies.
    pub(super) entries: Vec<Entry>,
}

/// Movies that one transaction adds.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) movies: Vec<NewMovie>,
    /// The IMDb ids of these movies. Each is different, because a transaction has at most one action on an item.
    imdb_ids: BTreeSet<ImdbId>,
    /// How many actions the movies have in the transaction.
    actions: usize,
    /// The genres of these movies, by identity.
    pub(super) genres: BTreeMap<String, ChunkGenre>,
    /// How many rows of the file are done once the chunk is committed.
    pub(super) end: u64,
    /// How many of these rows were left out.
    pub(super) left_out: u64,
}

/// Chunks, with the words and the postings of their movies.
pub(super) struct Batch {
    pub(super) chunks: Vec<Chunk>,
    /// The words that no earlier batch had.
    pub(super) words: BTreeSet<String>,
    pub(super) postings: Vec<Item>,
}

impl Chunk {
    /// Whether the transaction can also add a movie with these fields and genres.
    pub(super) fn has_room_for(&self, fields: &MovieFields, genres: &[Genre]) -> bool {
        if fields
            .imdb_id
            .as_ref()
            .is_some_and(|id| self.imdb_ids.contains(id))
        {
            return false;
        }
        let actions = self.actions + actions_of(fields);
        let new = genres.iter().filter(|g| !self.genres.contains_key(&g.identity()));
        actions + self.genres.len() + new.count() + OTHER_ACTIONS <= MAX_ACTIONS
    }

    /// Adds a movie.
    pub(super) fn add(&mut self, movie: NewMovie) {
        for genre in &movie.genres {
            let of_chunk = self.genres.entry(genre.identity()).or_insert_with(|| ChunkGenre {
                name: genre.name().to_owned(),
                entries: Vec::new(),
            });
            of_chunk
                .entries
                .push(Entry::of(movie.fields.release_date, movie.id));
        }
        self.imdb_ids.extend(movie.fields.imdb_id.clone());
        self.actions += movie.actions();
        self.movies.push(movie);
    }

    /// Takes out the movies at these places.
    pub(super) fn take(&mut self, places: &BTreeSet<usize>) -> Vec<NewMovie> {
        let old = std::mem::take(self);
        self.end = old.end;
        self.left_out = old.left_out;
        let mut taken = Vec::new();
        for (place, movie) in old.movies.into_iter().enumerate() {
            if places.contains(&place) {
                taken.push(movie);
            } else {
                self.add(movie);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use marquee_shared::domain::{CoverImage, CoverKey, ImageFormat};

    use super::*;
    use crate::import::{movie, options::Options};

    fn fields(title: &str, genre: &str) -> MovieFields {
        let values = [title, "x", "2000-01-01", "y", genre].map(|value| Some(value.to_owned()));
        let [title, description, release_date, director, genre] = values;
        let values = [title, description, release_date, director, genre, None, None];
        movie::parse(&values, false, &Options::default()).fields.unwrap()
    }

    fn new_movie(fields: MovieFields) -> NewMovie {
        let action = || TransactWriteItem::builder().build();
        NewMovie {
            id: MovieId::try_from(1).unwrap(),
            claim: fields.imdb_id.as_ref().map(|_| action()),
            adopt: None,
            genres: fields.genres.iter().collect(),
            fields,
            put: action(),
        }
    }

    #[test]
    fn a_chunk_fits_one_transaction() {
        let image = CoverKey::random(ImageFormat::Png).unwrap();
        for (has_imdb_id, has_image) in [(false, false), (true, false), (true, true)] {
            let mut chunk = Chunk::default();
            for n in 0.. {
                let mut fields = fields(&format!("t{n}"), &format!("a{n},b{n}"));
                fields.imdb_id = has_imdb_id.then(|| ImdbId::parse(&format!("tt{n:07}")).unwrap());
                fields.cover_image = has_image.then(|| CoverImage::uploaded(&image));
                let movie = new_movie(fields);
                if !chunk.has_room_for(&movie.fields, &movie.genres) {
                    break;
                }
                chunk.add(movie);
            }
            let claims = chunk.movies.iter().filter(|movie| movie.claim.is_some()).count();
            let images = chunk.movies.len() * usize::from(has_image);
            let actions = chunk.movies.len() + claims + images + chunk.genres.len() + OTHER_ACTIONS;
            assert!(actions <= MAX_ACTIONS && actions > MAX_ACTIONS - 5, "{actions}");
        }
    }

    #[test]
    fn a_chunk_has_an_imdb_id_once() {
        let mut fields = fields("t", "a");
        fields.imdb_id = Some(ImdbId::parse("tt0068646").unwrap());
        let mut chunk = Chunk::default();
        chunk.add(new_movie(fields.clone()));
        let genres: Vec<Genre> = fields.genres.iter().collect();
        assert!(!chunk.has_room_for(&fields, &genres));
        fields.imdb_id = Some(ImdbId::parse("tt0071562").unwrap());
        assert!(chunk.has_room_for(&fields, &genres));
    }

    #[test]
    fn a_movie_that_is_taken_out_leaves_nothing_in_the_chunk() {
        let mut chunk = Chunk {
            end: 7,
            ..Chunk::default()
        };
        for (n, genre) in ["a,b", "a", "c"].into_iter().enumerate() {
            let mut fields = fields(&format!("t{n}"), genre);
            fields.imdb_id = Some(ImdbId::parse(&format!("tt{n:07}")).unwrap());
            chunk.add(new_movie(fields));
        }
        let taken = chunk.take(&BTreeSet::from([0, 2]));
        let titles: Vec<&str> = taken.iter().map(|movie| movie.fields.title.as_str()).collect();
        assert_eq!(titles, ["t0", "t2"]);
        let entries = vec![Entry::of(chunk.movies[0].fields.release_date, chunk.movies[0].id)];
        let name = "a".to_owned();
        assert_eq!(
            chunk.genres,
            BTreeMap::from([("a".to_owned(), ChunkGenre { name, entries })])
        );
        assert_eq!(
            (chunk.movies.len(), chunk.imdb_ids.len(), chunk.actions, chunk.end),
            (1, 1, 2, 7)
        );
    }

    #[test]
    fn genres_are_counted_by_identity() {
        let mut chunk = Chunk::default();
        for genre in ["Drama", "drama"] {
            let fields = fields("t", genre);
            chunk.add(new_movie(fields));
        }
        let drama = &chunk.genres["drama"];
        assert_eq!((drama.name.as_str(), drama.entries.len()), ("Drama", 2));
        assert_eq!(Genre::parse("DRAMA").unwrap().identity(), "drama");
    }
}
