//! What a bulk import stores about itself, and how it finds movies that are in the table already.
//!
//! The job item of an import says how much of a file is in the table, so that an import that was interrupted continues
//! there.

use aws_sdk_dynamodb::types::{ReturnValue, TransactWriteItem};
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        expression::{Condition, Update},
        item::{from_item, number, text, to_item},
        keys::{self, BY_DATE, END, Key},
        movie::{MovieItem, movie_ids},
        posting_keys::{self, PostingKind},
        range::{Direction, KeyRange},
        store::Store,
        transaction::Transaction,
    },
    domain::{
        MovieFields,
        text::{canonical, words},
    },
    error::{Error, Result},
};

/// How many keys one Query of [`Store::alike`] reads.
const PAGE: usize = 100;

/// How many movies [`Store::alike`] compares at most. More movies with one title exist in no real catalog.
const MAX_COMPARED: usize = 1_000;

/// An import as stored: `IMPORT#<SHA-256 of the file>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportJob {
    /// The number of rows of the file.
    pub rows: u64,
    /// How many rows are done: imported, skipped, or left out.
    pub done: u64,
    /// How many of the rows that are done were left out because they were bad.
    pub left_out: u64,
    /// Which ids were taken for which rows that aren't done yet, as the import writes it.
    pub spans: String,
    /// When the import began, in RFC 3339. It is the time at which all its movies were added.
    pub began: String,
}

impl ImportJob {
    /// Whether every row is done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.done >= self.rows
    }
}

impl Store {
    /// AP-27: returns the job of the file with this hash, if its import has begun.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the table cannot be read.
    pub async fn import_job(&self, hash: &str) -> Result<Option<ImportJob>> {
        self.get(&keys::import(hash)).await?.map(from_item).transpose()
    }

    /// AP-27: stores the job of a file with this many rows. Returns the stored job, which belongs to another import if two
    /// imports of the same file begin at the same time.
    pub async fn begin_import(&self, hash: &str, rows: u64) -> Result<ImportJob> {
        let job = ImportJob {
            rows,
            done: 0,
            left_out: 0,
            spans: String::new(),
            began: self.clock.now().to_string(),
        };
        let mut item = to_item(&job)?;
        item.extend(keys::import(hash).attributes());
        if self.put(item, Condition::not_exists()).await?.is_ok() {
            return Ok(job);
        }
        self.import_job(hash)
            .await?
            .ok_or_else(|| Error::internal("the job of an import disappeared"))
    }

    /// AP-27: sets a job that is done back to the first row. Returns the stored job, which another import of the same file
    /// may have set back before.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the table cannot be read or written.
    pub async fn restart_import(&self, hash: &str) -> Result<ImportJob> {
        let restart = Update::new("SET #done = :none, #left_out = :none, #spans = :no_spans, #began = :now")
            .when("#done = #rows")
            .value(":none", number(0))
            .value(":no_spans", text(""))
            .value(":now", text(self.clock.now().to_string()));
        let stored = self
            .update(&keys::import(hash), &restart, ReturnValue::AllNew)
            .await?;
        match stored {
            Ok(item) => from_item(item),
            Err(_) => self
                .import_job(hash)
                .await?
                .ok_or_else(|| Error::internal("the job of an import disappeared")),
        }
    }

    /// AP-27: stores which ids were taken for which rows, if the job has `old` so far. An import that was interrupted writes
    /// the same movies under the same ids again. Returns `false` if another import of the same file has stored others.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the table cannot be written.
    pub async fn keep_import_spans(&self, hash: &str, old: &str, new: &str) -> Result<bool> {
        let keep = Update::new("SET #spans = :new")
            .when("#spans = :old")
            .value(":new", text(new))
            .value(":old", text(old))
            // Ids are never taken twice.
            .identified_by("spans", text(new));
        let kept = self.update(&keys::import(hash), &keep, ReturnValue::None).await?;
        Ok(kept.is_ok())
    }

    /// AP-27: the action of a chunk's transaction that moves the job from `committed` rows to `end`, of which `left_out`
    /// were left out. Its condition fails when another import of the same file has moved it.
    ///
    /// # Errors
    /// [`Error::Internal`] if the action cannot be built.
    pub fn advance_import(
        &self,
        hash: &str,
        committed: u64,
        end: u64,
        left_out: u64,
    ) -> Result<TransactWriteItem> {
        let progress = Update::new("SET #done = :end, #left_out = :left_out")
            .when("#done = :committed")
            .value(":end", number(end))
            .value(":left_out", number(left_out))
            .value(":committed", number(committed));
        self.on(keys::import(hash)).update(progress)
    }

    /// AP-27: ends an import that isn't done, by the key of its job: deletes the job. A process that runs the import can then add
    /// no further movie, and an import of the same file begins anew. Postings that were written for the rest of the file stay.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the table cannot be written.
    pub async fn end_import(&self, job: &Key) -> Result<()> {
        let mut transaction = Transaction::default();
        let is_unfinished = Condition::new("#done < #rows");
        transaction.add(self.on(job.clone()).delete(is_unfinished)?);
        // If the condition fails, the import has reached the last row or was ended meanwhile.
        let _outcome = self.transact(&transaction).await?;
        Ok(())
    }

    /// AP-33: the movies whose title and release date could be those of `fields`: all with the same title, or, for a title
    /// without a letter or digit, which has no title posting, all of the same release date. At most a thousand. The caller
    /// compares the texts.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the table cannot be read.
    pub async fn alike(&self, fields: &MovieFields) -> Result<Vec<MovieItem>> {
        let title = words(fields.title.as_str());
        let title: Vec<String> = title.iter().map(|word| canonical(word).to_owned()).collect();
        let mut range = match title.first() {
            Some(first) => {
                let prefix = format!("{}{END}", posting_keys::title_prefix(&title));
                let (low, high) = posting_keys::prefix_bounds(&prefix);
                KeyRange::between(PostingKind::Title.partition(first), low, high)
            }
            None => {
                let (low, high) = posting_keys::prefix_bounds(&format!("{}{END}", fields.release_date));
                KeyRange {
                    low,
                    high,
                    ..KeyRange::partition(BY_DATE, keys::MOVIES_DATED)
                }
            }
        };
        let mut movies = Vec::new();
        for _ in 0..MAX_COMPARED / PAGE {
            let read = self.query(&range, Direction::Ascending, PAGE).await?;
            let ids = movie_ids(&read.items)?;
            let keys: Vec<Key> = ids.into_iter().map(keys::movie).collect();
            for item in self.batch_get(keys).await?.into_values() {
                movies.push(from_item(item)?);
            }
            match read.rest_of(range, Direction::Ascending) {
                Some(rest) => range = rest,
                None => break,
            }
        }
        Ok(movies)
    }
}
