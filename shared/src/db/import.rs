//! The job item of a bulk import: how much of a file is in the table, so that an import that was interrupted continues
//! there.

use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use crate::{
    db::{
        counter::Counter,
        expression::{Condition, Update},
        item::{from_item, number, to_item},
        keys,
        store::Store,
    },
    error::{Error, Result},
};

/// An import as stored: `IMPORT#<SHA-256 of the file>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportJob {
    /// The id of the file's first row. Each row has an id. The id of a bad row stays unused.
    pub base: u64,
    /// The number of rows of the file.
    pub rows: u64,
    /// How many rows are done: imported, or reported as bad.
    pub done: u64,
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
    pub async fn import_job(&self, hash: &str) -> Result<Option<ImportJob>> {
        self.get(&keys::import(hash)).await?.map(from_item).transpose()
    }

    /// AP-27: stores the job of a file with this many rows and reserves an id for each row. Returns the stored job, which
    /// belongs to another import if two imports of the same file begin at the same time.
    pub async fn begin_import(&self, hash: &str, rows: u64) -> Result<ImportJob> {
        let base = match rows {
            0 => 0,
            _ => self.take_ids(Counter::MovieIds, rows).await?,
        };
        let job = ImportJob {
            base,
            rows,
            done: 0,
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

    /// AP-27: the action of a chunk's transaction that moves the job from `committed` rows to `end`. Its condition fails
    /// when another import of the same file has moved it.
    pub fn advance_import(&self, hash: &str, committed: u64, end: u64) -> Result<TransactWriteItem> {
        let progress = Update::new("SET #done = :end")
            .when("#done = :committed")
            .value(":end", number(end))
            .value(":committed", number(committed));
        self.on(keys::import(hash)).update(progress)
    }
}
