//! Bulk import from CSV and JSON Lines. Counts are exact at every moment, an interrupted import continues where it stopped,
//! and a row that is bad or in the table already loses no other. `docs/import.md` describes the files.
//!
//! Rows are read in batches, and each batch has several chunks of movies. The words of a batch are added to the vocabulary
//! first, where a word without a movie does no harm. Then its postings are written. They refer to movies that aren't in the
//! table yet, which reads skip. Then one transaction per chunk adds the chunk's movies, changes the counters, and stores in
//! the import's job how many rows are done. So the table has either the whole movie or nothing that a read shows, and an
//! interrupted import continues with the first chunk that wasn't committed.
//!
//! Three stages run at the same time: reading a batch, writing the words and postings of the batch before it, and committing the
//! chunks of the batch before that. At most one batch waits between two stages, so the memory an import needs doesn't
//! depend on the size of the file.
//!
//! A file is read in layers: `source` opens it, `decode` makes it UTF-8, `records` splits it into records, `rows` splits
//! those into the values that `columns` has found, and `movie` makes a movie of them, with `dates`, `genres` and `lists`.
//! `written` is the reverse, for exports. `complaints` says what is wrong, and `rejected` writes the rows that are left out.
//! `read` is the first stage; it leaves out `duplicates` and assigns `ids`. `chunk` groups the movies, `covers` copies images, and
//! `words` are those of their words that are new; `commit` is the other two stages, and `write` the calls to the table. The job is [`marquee_shared::db::import`].

mod chunk;
mod columns;
mod commit;
mod complaints;
mod covers;
mod dates;
mod decode;
mod duplicates;
mod error;
mod genres;
mod ids;
mod lists;
mod movie;
mod options;
mod read;
mod records;
mod rejected;
mod rows;
mod source;
mod words;
mod write;
pub(crate) mod written;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use dynoxide::Database;
use marquee_shared::{
    covers::Covers,
    db::{Store, counter::Counter},
};
use tokio::{runtime::Handle, sync::mpsc};

pub(crate) use self::source::check_kind;
pub use self::{columns::Field, dates::DateOrder, error::ImportError, options::Options, source::Source};
use self::{commit::Commits, covers::Copies, read::Reading, source::Survey, write::Writer};
use crate::{bulk::Bulk, progress::bar};

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many movies this run added.
    pub movies: u64,
    /// What became of the other rows.
    pub counts: Counts,
}

/// How many rows of a file were not added, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many rows this run skipped because their movies were in the table already, or earlier in the file.
    pub there: u64,
    /// How many rows were left out because they were bad, with those of an interrupted run.
    pub left_out: u64,
    /// How many warnings there were about rows that this run did not leave out.
    pub warnings: u64,
    /// The file that has the rows that were left out.
    pub rejected: Option<PathBuf>,
}

impl Report {
    /// The report of an import that added every row of a file with so many movies.
    #[must_use]
    pub fn of_all(movies: u64) -> Self {
        Self {
            movies,
            counts: Counts::default(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            there,
            left_out,
            rejected,
            ..
        } = &self.counts;
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        write!(f, "imported {} movie{}", self.movies, plural(self.movies))?;
        if *there > 0 {
            write!(f, ", skipped {there} already there")?;
        }
        if *left_out > 0 {
            write!(f, ", left out {left_out} bad row{}", plural(*left_out))?;
        }
        match rejected {
            Some(path) => write!(f, ": see {}", path.display()),
            None => Ok(()),
        }
    }
}

/// Imports movies into a table.
pub struct Importer {
    writer: Writer,
    options: Options,
    covers: Covers,
}

impl Importer {
    /// An importer into `store`. With `database`, the embedded engine behind `store`, it writes to the engine directly
    /// instead of through DynamoDB's API.
    #[must_use]
    pub fn new(store: Store, database: Option<Database>) -> Self {
        let bulk = database.map(|database| Bulk::new(database, store.table.clone()));
        Self {
            writer: Writer { store, bulk },
            options: Options::default(),
            covers: Covers::default(),
        }
    }

    /// The same importer for files that are read with these options.
    #[must_use]
    pub fn with(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// The same importer, which stores copies of [images](Options::images) here.
    #[must_use]
    pub fn with_covers(self, covers: Covers) -> Self {
        Self { covers, ..self }
    }

    /// Imports a file if the table has no movies or an import of this file was interrupted. Returns `None` otherwise.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn run_if_empty(&self, source: &Source) -> Result<Option<Report>, ImportError> {
        let survey = source.survey(&self.options)?;
        let store = &self.writer.store;
        let job = store.import_job(&survey.hash).await;
        let wanted = match job.map_err(|e| ImportError::unreachable(&e))? {
            Some(job) => !job.is_done(),
            None => store.read_counters([Counter::Movies]).await? == [0],
        };
        if wanted {
            self.run_surveyed(source, &survey).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// Imports the rows of a file that aren't in the table yet. An import that was interrupted continues; one that was
    /// finished begins again, and skips the rows that are there.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn run(&self, source: &Source) -> Result<Report, ImportError> {
        self.run_surveyed(source, &source.survey(&self.options)?).await
    }

    async fn run_surveyed(&self, source: &Source, survey: &Survey) -> Result<Report, ImportError> {
        let _locked = source.lock()?;
        let writer = self.writer.without_waiting().await?;
        let Writer { store, bulk } = &writer;
        let job = store.import_job(&survey.hash).await;
        let job = match job.map_err(|e| ImportError::unreachable(&e))? {
            Some(job) if job.is_done() => store.restart_import(&survey.hash).await?,
            Some(job) => job,
            None => store.begin_import(&survey.hash, survey.rows).await?,
        };
        let into_empty = job.done == 0 && store.read_counters([Counter::Movies]).await? == [0];
        let genres = store.all_genres().await?.into_iter();
        let copies = Copies {
            from: self.options.images.clone(),
            to: self.covers.clone(),
        };
        let progress = bar("importing", survey.rows, "rows").with_position(job.done);
        let committed = Arc::new(AtomicU64::new(job.done));
        let (batches, read) = mpsc::channel(1);
        let mut commits = Commits {
            writer: &writer,
            hash: &survey.hash,
            committed: job.done,
            shared: Arc::clone(&committed),
            genres: genres.map(|genre| (genre.identity.clone(), genre)).collect(),
            movies: 0,
            skipped: 0,
            progress: progress.clone(),
            copies,
            began: job.began.clone(),
        };
        let reading = Reading {
            source: source.clone(),
            options: self.options.clone(),
            hash: survey.hash.clone(),
            store: store.clone(),
            // The engine appends sorted items to the same pages of its file. A table on AWS is faster when consecutive
            // writes go to different partitions.
            sorted: bulk.is_some(),
            job,
            into_empty,
            committed,
            progress: progress.clone(),
            batches,
            runtime: Handle::current(),
        };
        let reading = tokio::task::spawn_blocking(move || reading.run());
        let written = commits.run(read).await;
        // The reader ends by itself once nobody receives its batches.
        let counts = reading.await.map_err(|e| ImportError::File(e.to_string()))?;
        written?;
        progress.finish_and_clear();
        let mut counts = counts?;
        counts.there += commits.skipped;
        Ok(Report {
            movies: commits.movies,
            counts,
        })
    }
}
