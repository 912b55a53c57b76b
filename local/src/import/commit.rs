//! Writes batches: the postings first, then each chunk in one transaction.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use indicatif::ProgressBar;
use marquee_shared::db::{
    counter::Counter,
    store::{Outcome, Transaction},
};
use tokio::sync::mpsc;

use super::{
    chunk::{Batch, Chunk},
    error::ImportError,
    write::Writer,
};

/// How many times a chunk is tried. The second attempt succeeds unless the chunk's genres are added or deleted again
/// meanwhile.
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
    /// The identities of the genres that the table has.
    pub(super) genres: BTreeSet<String>,
    /// How many movies this run has added.
    pub(super) movies: u64,
    pub(super) progress: ProgressBar,
}

impl Commits<'_> {
    /// Writes the postings of each batch, then commits its chunks while the postings of the next batch are written.
    pub(super) async fn run(&mut self, mut batches: mpsc::Receiver<Batch>) -> Result<(), ImportError> {
        let writer = self.writer;
        let (write, mut written) = mpsc::channel(1);
        let writing = async move {
            while let Some(batch) = batches.recv().await {
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
        for chunk in chunks {
            self.commit(&chunk).await?;
            self.movies += chunk.movies.len() as u64;
            self.progress.set_position(self.committed);
        }
        Ok(())
    }

    /// Commits a chunk. When the condition on a genre fails, the genre was added or deleted meanwhile, and the
    /// transaction is built again.
    async fn commit(&mut self, chunk: &Chunk) -> Result<(), ImportError> {
        for _ in 0..ATTEMPTS {
            let (transaction, genre_actions) = self.transaction(chunk)?;
            let outcome = self.writer.transact(&transaction).await?;
            if let Outcome::Committed = outcome {
                self.genres.extend(chunk.genres.keys().cloned());
                self.committed = chunk.end.max(self.committed);
                self.shared.store(self.committed, Ordering::SeqCst);
                return Ok(());
            }
            let mut genres_changed = false;
            for (identity, _) in genre_actions.iter().filter(|(_, action)| outcome.failed(*action)) {
                genres_changed = true;
                if !self.genres.remove(identity) {
                    self.genres.insert(identity.clone());
                }
            }
            if !genres_changed {
                return Err(ImportError::Table(
                    "another import of the same file is running".into(),
                ));
            }
        }
        Err(ImportError::Table(
            "the genres of a chunk were changed too often meanwhile".into(),
        ))
    }

    /// The transaction of a chunk: its movies, its genres, the counters, and the job. Also returns which action each
    /// genre has.
    fn transaction(&self, chunk: &Chunk) -> Result<(Transaction, Vec<(String, usize)>), ImportError> {
        let store = &self.writer.store;
        let mut transaction = Transaction::default();
        for movie in &chunk.movies {
            transaction.add(movie.clone());
        }
        let mut genre_actions = Vec::new();
        let mut new_genres = 0;
        for (identity, (name, movies)) in &chunk.genres {
            let is_new = !self.genres.contains(identity);
            new_genres += i64::from(is_new);
            let action = store.join_genre(identity, name, *movies, is_new)?;
            genre_actions.push((identity.clone(), transaction.add(action)));
        }
        let movies = i64::try_from(chunk.movies.len()).unwrap_or(i64::MAX);
        if movies > 0 {
            transaction.add(store.count(Counter::Movies, movies)?);
        }
        if new_genres > 0 {
            transaction.add(store.count(Counter::Genres, new_genres)?);
        }
        let end = chunk.end.max(self.committed);
        transaction.add(store.advance_import(self.hash, self.committed, end, chunk.left_out)?);
        Ok((transaction, genre_actions))
    }
}
