//! Reads a file and makes batches of its rows, on a thread of its own.

use indicatif::ProgressBar;
use marquee_shared::{
    db::{
        Key, Store,
        expression::Condition,
        import::ImportJob,
        index::{self, PostingItem},
        item::to_item,
        keys,
        movie::MovieItem,
    },
    domain::{MovieFields, MovieId},
};
use tokio::sync::mpsc;

use super::{
    chunk::{Batch, CHUNKS_PER_BATCH, Chunk, NewMovie},
    columns::Columns,
    error::ImportError,
    source::{Source, csv_reader},
};

/// The reading side of an import.
pub(super) struct Reading {
    pub(super) source: Source,
    pub(super) columns: Columns,
    pub(super) store: Store,
    /// Whether the postings of a batch are sorted by key.
    pub(super) sorted: bool,
    /// Rows that the job counts as done are skipped.
    pub(super) job: ImportJob,
    pub(super) progress: ProgressBar,
    pub(super) batches: mpsc::Sender<Batch>,
}

impl Reading {
    /// Reads to the end of the file, or until nobody receives the batches any more. Each bad row is printed to standard
    /// error with its line. Returns how many rows were bad. Blocks.
    pub(super) fn run(&self) -> Result<u64, ImportError> {
        let mut reader = csv_reader(self.source.open()?);
        let (mut chunks, mut postings) = (Vec::new(), Vec::new());
        let mut chunk = Chunk::default();
        let mut bad = 0;
        for (row, record) in (0..).zip(reader.records()) {
            if row < self.job.done {
                continue;
            }
            let fields = record.map_err(|e| e.to_string()).and_then(|record| {
                let line = record.position().map_or(0, csv::Position::line);
                let fields = self.columns.fields(&record);
                fields
                    .map(|fields| (line, fields))
                    .map_err(|e| format!("line {line}: {e}"))
            });
            match fields {
                Ok((line, fields)) => {
                    if !chunk.has_room_for(&fields) {
                        chunks.push(std::mem::take(&mut chunk));
                        if chunks.len() == CHUNKS_PER_BATCH
                            && !self.send(std::mem::take(&mut chunks), std::mem::take(&mut postings))?
                        {
                            return Ok(bad);
                        }
                    }
                    let id = MovieId::try_from(self.job.base + row)
                        .map_err(|e| ImportError::Table(e.to_string()))?;
                    postings.extend(index::postings(&fields, id));
                    chunk.add(self.new_movie(line, id, fields)?);
                }
                Err(text) => {
                    bad += 1;
                    self.progress.suspend(|| eprintln!("{text}"));
                }
            }
            chunk.end = row + 1;
        }
        // The last chunk is sent even when it has no movies: committing it stores that the whole file is done.
        chunks.push(chunk);
        self.send(chunks, postings)?;
        Ok(bad)
    }

    /// A movie with the actions that add it under an id that no movie has.
    fn new_movie(&self, line: u64, id: MovieId, fields: MovieFields) -> Result<NewMovie, ImportError> {
        let movie = MovieItem::new(id, &fields, None, &self.job.began);
        let action = self.store.on(keys::movie(id));
        let imdb_id = fields.imdb_id.as_ref();
        Ok(NewMovie {
            line,
            id,
            put: action.put(&movie, Condition::not_exists())?,
            claim: imdb_id
                .map(|imdb_id| self.store.claim_imdb_id(imdb_id, id))
                .transpose()?,
            fields,
        })
    }

    /// Sends a batch. Returns `false` when nobody receives it, because the import has failed.
    fn send(&self, chunks: Vec<Chunk>, mut postings: Vec<(Key, PostingItem)>) -> Result<bool, ImportError> {
        if self.sorted {
            postings.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        }
        let items = postings.into_iter().map(|(key, posting)| {
            let mut item = to_item(&posting)?;
            item.extend(key.attributes());
            Ok(item)
        });
        let postings = items.collect::<Result<_, marquee_shared::Error>>()?;
        Ok(self.batches.blocking_send(Batch { chunks, postings }).is_ok())
    }
}
