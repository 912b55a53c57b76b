//! Bulk import from CSV. Counts are exact at every moment, an interrupted import continues where it stopped, and a bad
//! row is reported and skipped.
//!
//! Rows are read in batches, and each batch has several chunks of movies. The postings of a batch are written first.
//! They refer to movies that aren't in the table yet, which reads skip. Then one transaction per chunk adds the chunk's
//! movies, changes the counters, and stores in the import's job how many rows are done. So the table has either the whole
//! movie or nothing that a read shows, and an interrupted import continues with the first chunk that wasn't committed.
//!
//! Three stages run at the same time: reading a batch, writing the postings of the batch before it, and committing the
//! chunks of the batch before that. At most one batch waits between two stages, so the memory an import needs doesn't
//! depend on the size of the file.
//!
//! `source` is the file, `columns` makes movies of rows, `chunk` groups them, `read` is the first stage, `commit` the
//! other two, and `write` the calls to the table. The job is [`marquee_shared::db::import`].

mod chunk;
mod columns;
mod commit;
mod error;
mod read;
mod source;
mod write;

use std::fmt;

use dynoxide::Database;
use indicatif::{ProgressBar, ProgressStyle};
use marquee_shared::db::{Store, counter::Counter};
use tokio::sync::mpsc;

use self::{
    columns::Columns,
    commit::Commits,
    read::Reading,
    source::{Survey, csv_reader},
    write::Writer,
};
pub use self::{error::ImportError, source::Source};
use crate::bulk::Bulk;

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The import ran to the end of the file.
    Imported {
        /// How many movies this run added.
        movies: u64,
        /// How many rows this run skipped: bad ones, and those whose IMDb id another movie has.
        bad: u64,
    },
    /// The file had been imported before.
    AlreadyDone,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imported { movies, bad: 0 } => write!(f, "imported {movies} movies"),
            Self::Imported { movies, bad } => write!(f, "imported {movies} movies, skipped {bad} bad rows"),
            Self::AlreadyDone => f.write_str("this file had been imported already"),
        }
    }
}

/// Imports movies into a table.
pub struct Importer {
    writer: Writer,
}

impl Importer {
    /// An importer into `store`. With `database`, the embedded engine behind `store`, it writes to the engine directly
    /// instead of through DynamoDB's API.
    #[must_use]
    pub fn new(store: Store, database: Option<Database>) -> Self {
        let bulk = database.map(|database| Bulk::new(database, store.table.clone()));
        Self {
            writer: Writer { store, bulk },
        }
    }

    /// Imports a file if the table has no movies or an import of this file was interrupted. Returns `None` otherwise.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn run_if_empty(&self, source: &Source) -> Result<Option<Report>, ImportError> {
        let survey = source.survey()?;
        let store = &self.writer.store;
        let wanted = match store.import_job(&survey.hash).await? {
            Some(job) => !job.is_done(),
            None => store.read_counters([Counter::Movies]).await? == [0],
        };
        if wanted {
            self.run_surveyed(source, &survey).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// Imports the rows of a file that aren't done yet.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn run(&self, source: &Source) -> Result<Report, ImportError> {
        self.run_surveyed(source, &source.survey()?).await
    }

    async fn run_surveyed(&self, source: &Source, survey: &Survey) -> Result<Report, ImportError> {
        let columns = Columns::of(
            csv_reader(source.open()?)
                .headers()
                .map_err(|e| ImportError::File(e.to_string()))?,
        )?;
        let Writer { store, bulk } = &self.writer;
        let job = match store.import_job(&survey.hash).await? {
            Some(job) if job.is_done() => return Ok(Report::AlreadyDone),
            Some(job) => job,
            None => store.begin_import(&survey.hash, survey.rows).await?,
        };
        let genres = store.all_genres().await?.into_iter().map(|g| g.identity);
        let progress = progress_bar(survey.rows, job.done);
        let (batches, read) = mpsc::channel(1);
        let mut commits = Commits {
            writer: &self.writer,
            hash: &survey.hash,
            committed: job.done,
            genres: genres.collect(),
            movies: 0,
            skipped: 0,
            progress: progress.clone(),
        };
        let reading = Reading {
            source: source.clone(),
            columns,
            store: store.clone(),
            // The engine appends sorted items to the same pages of its file. A table on AWS is faster when consecutive
            // writes go to different partitions.
            sorted: bulk.is_some(),
            job,
            progress: progress.clone(),
            batches,
        };
        let reading = tokio::task::spawn_blocking(move || reading.run());
        let written = commits.run(read).await;
        // The reader ends by itself once nobody receives its batches.
        let bad = reading.await.map_err(|e| ImportError::File(e.to_string()))?;
        written?;
        progress.finish_and_clear();
        Ok(Report::Imported {
            movies: commits.movies,
            bad: bad? + commits.skipped,
        })
    }
}

/// A progress bar on standard error. It draws nothing when standard error isn't a terminal.
fn progress_bar(rows: u64, done: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows).with_position(done);
    // Fails only on a mistake in the template, which is constant.
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} movies, {eta} left") {
        bar.set_style(style);
    }
    bar.with_message("importing")
}
