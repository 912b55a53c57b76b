//! Writes batches: the words first, then the postings, then each chunk in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use indicatif::ProgressBar;
use marquee_shared::db::{
    counter::Counter,
    genre::GenreItem,
    index,
    transaction::{Outcome, Transaction},
};
use tokio::sync::mpsc;

use super::{
    chunk::{Batch, Chunk, NewMovie},
    covers::Copies,
    error::ImportError,
    write::Writer,
};
use crate::stderr;

/// How many times a chunk is tried. The second attempt succeeds unless the chunk's genres are changed again meanwhile.
const ATTEMPTS: usize = 100;

/// The writing side of an import.
pub(super) struct Commits<'a> {
    pub(super) writer: &'a Writer,
    /// The hash that identifies the import's job.
    pub(super) hash: &'a str,
    /// How many rows the job counts as done.
    pub(super) committed: u64,
    /// The same, for the reading side.
    pub(super) shared: Arc<AtomicU64>,
    /// The genres that the table has, by identity, as far as the import knows.
    pub(super) genres: BTreeMap<String, GenreItem>,
    /// How many movies this run has added.
    pub(super) movies: u64,
    /// How many rows this run has skipped because another movie was given their IMDb id after the rows were looked up.
    pub(super) skipped: u64,
    pub(super) progress: ProgressBar,
    /// Copies the images of uploaded covers.
    pub(super) copies: Copies,
    /// When the import began.
    pub(super) began: String,
}

/// The actions of a chunk's transaction whose conditions may fail, each by its index.
#[derive(Default)]
struct Actions {
    /// The movies, whose ids are the import's own, and the job. They fail if another import of the file has added them.
    own: Vec<usize>,
    /// The genres, each as it is after the action.
    genres: Vec<(GenreItem, usize)>,
    /// The IMDb ids, by the place of the movie in the chunk.
    claims: Vec<(usize, usize)>,
    /// The images. They fail if the sweep has deleted one.
    images: Vec<usize>,
}

impl Commits<'_> {
    /// Writes the words and the postings of each batch, then commits its chunks while the postings of the next batch are written.
    pub(super) async fn run(&mut self, mut batches: mpsc::Receiver<Batch>) -> Result<(), ImportError> {
        let writer = self.writer;
        let (write, mut written) = mpsc::channel(1);
        let writing = async move {
            while let Some(batch) = batches.recv().await {
                writer.add_words(&batch.words).await?;
                writer.put_all(batch.postings).await?;
                // Nobody receives when a commit has failed, which ends the import.
                if write.send(batch.chunks).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let committing = async {
            while let Some(chunks) = written.recv().await {
                self.commit_all(chunks).await?;
            }
            Ok(())
        };
        tokio::try_join!(writing, committing).map(|_| ())
    }

    async fn commit_all(&mut self, chunks: Vec<Chunk>) -> Result<(), ImportError> {
        for mut chunk in chunks {
            let store = &self.writer.store;
            for warning in self.copies.make(store, &self.began, &mut chunk).await? {
                self.progress.suspend(|| stderr::print(format_args!("{warning}")));
            }
            self.movies += self.commit(chunk).await?;
            self.progress.set_position(self.committed);
        }
        self.writer.sync().await
    }

    /// Commits a chunk, and returns how many movies were added. If the condition on a genre fails, the genre was changed
    /// meanwhile, and is read again. If the condition on an IMDb id fails, another movie has it, and the row is skipped. The
    /// transaction is then built again.
    async fn commit(&mut self, mut chunk: Chunk) -> Result<u64, ImportError> {
        for _ in 0..ATTEMPTS {
            let (transaction, actions) = self.transaction(&chunk)?;
            let outcome = self.writer.transact(transaction).await?;
            if let Outcome::Committed = outcome {
                let genres = actions.genres.into_iter();
                self.genres
                    .extend(genres.map(|(genre, _)| (genre.identity.clone(), genre)));
                self.committed = chunk.end.max(self.committed);
                self.shared.store(self.committed, Ordering::SeqCst);
                return Ok(chunk.movies.len() as u64);
            }
            // The job first: if another import of this file has added these movies, their ids are those of the chunk.
            if actions.own.iter().any(|action| outcome.failed(*action)) {
                return Err(ImportError::taken_over());
            }
            if actions.images.iter().any(|action| outcome.failed(*action)) {
                return Err(ImportError::Stopped(
                    "an image was swept because its movie was added too late".into(),
                ));
            }
            let mut is_revised = false;
            let genres = actions.genres.iter();
            for (genre, _) in genres.filter(|(_, action)| outcome.failed(*action)) {
                is_revised = true;
                match self.writer.store.genre(&genre.identity).await? {
                    Some(read) => self.genres.insert(read.identity.clone(), read),
                    None => self.genres.remove(&genre.identity),
                };
            }
            let claims = actions.claims.iter();
            let claimed: BTreeSet<usize> = claims
                .filter(|(_, action)| outcome.failed(*action))
                .map(|(place, _)| *place)
                .collect();
            if !claimed.is_empty() {
                is_revised = true;
                self.skip(chunk.take(&claimed)).await?;
            }
            if !is_revised {
                return Err(ImportError::Stopped(
                    "a chunk was rejected by a condition that can't fail".into(),
                ));
            }
        }
        Err(ImportError::Stopped(
            "the genres or IMDb ids of a chunk were changed too often meanwhile".into(),
        ))
    }

    /// Skips movies whose IMDb id another movie has, and deletes their postings, which were written before.
    async fn skip(&mut self, movies: Vec<NewMovie>) -> Result<(), ImportError> {
        self.skipped += movies.len() as u64;
        let mut postings = Vec::new();
        for movie in &movies {
            postings.extend(index::postings(&movie.fields, movie.id).into_keys());
        }
        Ok(self.writer.store.batch_delete(&postings).await?)
    }

    /// The transaction of a chunk: its movies, its genres, the counters, and the job.
    fn transaction(&self, chunk: &Chunk) -> Result<(Transaction, Actions), ImportError> {
        let store = &self.writer.store;
        let mut transaction = Transaction::default();
        let mut actions = Actions::default();
        for (place, movie) in chunk.movies.iter().enumerate() {
            actions.own.push(transaction.add(movie.put.clone()));
            if let Some(claim) = &movie.claim {
                actions.claims.push((place, transaction.add(claim.clone())));
            }
            if let Some(adopt) = &movie.adopt {
                actions.images.push(transaction.add(adopt.clone()));
            }
        }
        let mut new_genres = 0;
        for (identity, genre) in &chunk.genres {
            let known = self.genres.get(identity);
            new_genres += i64::from(known.is_none());
            let (action, joined) = store.join_genre(identity, &genre.name, &genre.entries, known)?;
            actions.genres.push((joined, transaction.add(action)));
        }
        let movies = i64::try_from(chunk.movies.len()).unwrap_or(i64::MAX);
        if movies > 0 {
            transaction.add(store.count(Counter::Movies, movies)?);
        }
        if new_genres > 0 {
            transaction.add(store.count(Counter::Genres, new_genres)?);
        }
        let end = chunk.end.max(self.committed);
        actions.own.push(transaction.add(store.advance_import(
            self.hash,
            self.committed,
            end,
            chunk.left_out,
        )?));
        Ok((transaction, actions))
    }
}
