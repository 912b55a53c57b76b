//! Reads a file and makes batches of its rows, on a thread of its own.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use indicatif::ProgressBar;
use marquee_shared::{
    db::{
        self, Key, Store,
        expression::Condition,
        import::ImportJob,
        index::{self, PostingItem},
        keys,
        movie::MovieItem,
    },
    domain::{Genre, MovieFields, MovieId},
};
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    Counts,
    chunk::{Batch, CHUNKS_PER_BATCH, Chunk, NewMovie},
    complaints::{Complaint, Complaints},
    covers,
    duplicates::Duplicates,
    error::ImportError,
    ids::Ids,
    movie,
    options::Options,
    rejected::Rejected,
    rows::{Format, Row, Rows},
    source::Source,
    words::Words,
};
use crate::stderr;

/// How many movies are looked up, and given ids, at a time.
const GROUP: usize = 1024;

/// What the reading side of an import needs to know.
pub(super) struct Reading {
    pub(super) source: Source,
    pub(super) options: Options,
    /// The hash that identifies the import's job.
    pub(super) hash: String,
    pub(super) store: Store,
    /// Whether the postings of a batch are sorted by key.
    pub(super) sorted: bool,
    /// Rows that the job counts as done are skipped.
    pub(super) job: ImportJob,
    /// Whether the import began on a table without movies, and has not been interrupted.
    pub(super) into_empty: bool,
    /// How many rows are committed.
    pub(super) committed: Arc<AtomicU64>,
    pub(super) progress: ProgressBar,
    pub(super) batches: mpsc::Sender<Batch>,
    pub(super) runtime: Handle,
}

/// Why reading stopped before the end of the file.
enum Stop {
    /// Nobody receives the batches any more, because the import has failed.
    Unheard,
    Failed(ImportError),
}

impl From<ImportError> for Stop {
    fn from(error: ImportError) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<marquee_shared::Error> for Stop {
    fn from(error: marquee_shared::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Reading {
    /// Reads to the end of the file, or until nobody receives the batches any more. Complaints are printed to standard
    /// error. Returns what became of the rows. Blocks.
    pub(super) fn run(self) -> Result<Counts, ImportError> {
        let rows = Rows::open(self.source.open()?, &self.options)?;
        let mut run = Run {
            ids: Ids::stored(&self.job.spans)?,
            duplicates: Duplicates::new(self.job.rows, self.into_empty),
            complaints: Complaints::default(),
            rejected: None,
            group: Vec::new(),
            chunk: Chunk::default(),
            chunks: Vec::new(),
            postings: Vec::new(),
            words: Words::new(),
            row: 0,
            left_out: self.job.left_out,
            counts: Counts::default(),
            reading: self,
        };
        match run.read(rows) {
            Err(Stop::Failed(error)) => return Err(error),
            Ok(()) | Err(Stop::Unheard) => {}
        }
        for line in run.complaints.summary() {
            run.print(&line);
        }
        run.finish_rejected();
        run.counts.left_out = run.left_out;
        run.counts.rejected = run.rejected.as_ref().and_then(Rejected::path).map(Into::into);
        Ok(run.counts)
    }

    /// A movie with the actions that add it under an id that no movie has.
    fn new_movie(
        &self,
        id: MovieId,
        fields: MovieFields,
        genres: Vec<Genre>,
    ) -> Result<NewMovie, ImportError> {
        let began = &self.job.began;
        let movie = match covers::image_of(&fields) {
            None => MovieItem::new(id, &fields, None, began),
            // The movie gets the copy of an image when that is stored.
            Some(_) => {
                let without = MovieFields {
                    cover_image: None,
                    ..fields.clone()
                };
                MovieItem::new(id, &without, None, began)
            }
        };
        let action = self.store.on(keys::movie(id));
        let imdb_id = fields.imdb_id.as_ref();
        let claim = imdb_id.map(|imdb_id| self.store.claim_imdb_id(imdb_id, id));
        Ok(NewMovie {
            id,
            put: action.put(&movie, Condition::not_exists())?,
            claim: claim.transpose()?,
            adopt: None,
            genres,
            fields,
        })
    }
}

/// A row that was read as a movie.
struct Read {
    row: u64,
    /// How many rows before it were left out.
    left_out: u64,
    fields: MovieFields,
}

/// The state of reading.
struct Run {
    reading: Reading,
    ids: Ids,
    duplicates: Duplicates,
    complaints: Complaints,
    /// `None` until the first row that isn't done, and if the file of rejected rows cannot be written.
    rejected: Option<Rejected>,
    /// Movies that aren't in a chunk yet.
    group: Vec<Read>,
    chunk: Chunk,
    chunks: Vec<Chunk>,
    postings: Vec<(Key, PostingItem)>,
    words: Words,
    /// How many rows were read.
    row: u64,
    /// How many rows were left out, with those of an interrupted run.
    left_out: u64,
    counts: Counts,
}

impl Run {
    fn read(&mut self, mut rows: Rows<Box<dyn io::Read>>) -> Result<(), Stop> {
        while self.row < self.reading.job.done && rows.skip()? {
            self.row += 1;
        }
        let mut first = true;
        while let Some(row) = rows.next()? {
            if first {
                self.open_rejected(&rows.format, row.line);
                first = false;
            }
            self.row(&row, &rows.format)?;
            self.row += 1;
            if self.group.len() == GROUP {
                self.flush()?;
            }
        }
        self.flush()?;
        // The last chunk is sent even when it has no movies: committing it stores that the whole file is done. If the file was
        // changed meanwhile, an import of the file as it was then begins at the first row again.
        let surveyed = self.reading.job.rows;
        self.end_chunk(surveyed, self.left_out);
        self.send()?;
        if self.row != surveyed {
            let changed = "the file was changed while it was imported";
            return Err(ImportError::Stopped(changed.into()).into());
        }
        Ok(())
    }

    /// Reads a row into the group, or rejects it.
    fn row(&mut self, row: &Row, format: &Format) -> Result<(), Stop> {
        let imdb_id_is_id = matches!(format, Format::Csv { columns, .. } if columns.imdb_id_is_id);
        let (fields, complaints) = match &row.values {
            Ok(values) => {
                let parsed = movie::parse(values, imdb_id_is_id, &self.reading.options);
                (parsed.fields, parsed.complaints)
            }
            Err(fault) => (None, vec![Complaint::of_row(fault.kind(), fault.detail())]),
        };
        for complaint in &complaints {
            self.complain(row.line, complaint);
        }
        let Some(fields) = fields else {
            self.left_out += 1;
            let because: Vec<String> = complaints.iter().map(Complaint::text).collect();
            if let Some(rejected) = &mut self.rejected {
                let written = rejected.add(row.line, &because.join(" "), &row.cells);
                self.check_rejected(written);
            }
            return Ok(());
        };
        if !row.is_complete {
            let cut = "The file ends without a line end. If it was cut off, this row is not complete.";
            self.complain(row.line, &Complaint::of_row(cut, None).note());
            self.counts.warnings += 1;
        }
        self.counts.warnings += complaints.len() as u64;
        self.group.push(Read {
            row: self.row,
            left_out: self.left_out,
            fields,
        });
        Ok(())
    }

    /// Puts the movies of the group that aren't in the table yet into chunks.
    fn flush(&mut self) -> Result<(), Stop> {
        let mut group = std::mem::take(&mut self.group);
        let Reading {
            store,
            hash,
            committed,
            runtime,
            ..
        } = &self.reading;
        let committed = committed.load(Ordering::SeqCst);
        let rows: Vec<(u64, &MovieFields)> = group.iter().map(|read| (read.row, &read.fields)).collect();
        let there = runtime.block_on(self.duplicates.find(store, &rows, committed))?;
        let read = group.len();
        let mut there = there.into_iter();
        group.retain(|_| !there.next().unwrap_or_default());
        self.counts.there += (read - group.len()) as u64;
        let rows: Vec<u64> = group.iter().map(|read| read.row).collect();
        let ids = runtime.block_on(self.ids.assign(store, hash, &rows, committed))?;
        for (
            Read {
                row,
                left_out,
                fields,
            },
            id,
        ) in group.into_iter().zip(ids)
        {
            let genres: Vec<Genre> = fields.genres.iter().collect();
            if !self.chunk.has_room_for(&fields, &genres) {
                self.end_chunk(row, left_out);
                if self.chunks.len() == CHUNKS_PER_BATCH {
                    self.send()?;
                }
            }
            let words = db::words::Words::with_genres(&fields, &genres);
            self.postings
                .extend(index::postings_with_words(&words, fields.release_date, id));
            self.words.add(&words);
            self.chunk.add(self.reading.new_movie(id, fields, genres)?);
        }
        // Without new movies the job advances all the same.
        if self.chunks.is_empty() && self.chunk.movies.is_empty() && read > 0 {
            self.end_chunk(self.row, self.left_out);
            self.send()?;
        }
        Ok(())
    }

    /// Ends the chunk in front of the row `end`. Of the rows before it, `left_out` were left out.
    fn end_chunk(&mut self, end: u64, left_out: u64) {
        // A file that is longer now than in the survey is done at the end of what the survey saw.
        self.chunk.end = end.min(self.reading.job.rows);
        self.chunk.left_out = left_out;
        self.chunks.push(std::mem::take(&mut self.chunk));
    }

    /// Sends the chunks as a batch.
    fn send(&mut self) -> Result<(), Stop> {
        if let Some(rejected) = &mut self.rejected {
            let written = rejected.flush();
            self.check_rejected(written);
        }
        let mut postings = std::mem::take(&mut self.postings);
        if self.reading.sorted {
            postings.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        }
        let items = postings.into_iter().map(|(key, posting)| posting.into_item(key));
        let batch = Batch {
            words: self.words.take(),
            postings: items.collect(),
            chunks: std::mem::take(&mut self.chunks),
        };
        self.reading
            .batches
            .blocking_send(batch)
            .map_err(|_| Stop::Unheard)
    }

    /// Opens the file of rejected rows. `line` is that of the first row that isn't done.
    fn open_rejected(&mut self, format: &Format, line: u64) {
        let file = self.reading.source.path();
        let opened = match self.reading.job.done {
            0 => Rejected::begin(file, format),
            _ => Rejected::resume(file, format, line),
        };
        match opened {
            Ok(rejected) => self.rejected = Some(rejected),
            Err(error) => self.check_rejected(Err(error)),
        }
    }

    /// Says where the file of rejected rows of an earlier import is, if it is kept.
    fn finish_rejected(&mut self) {
        match self.rejected.as_mut().map_or(Ok(None), Rejected::finish) {
            Ok(Some(earlier)) => self.print(&format!(
                "the rejected rows of an earlier import are in {} now",
                earlier.display()
            )),
            Ok(None) => {}
            Err(error) => self.check_rejected(Err(error)),
        }
    }

    /// Without a file of rejected rows, an import continues: the rows are still in the file that is imported.
    fn check_rejected(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.rejected = None;
            self.print(&format!("warning: rejected rows cannot be written: {error}"));
        }
    }

    fn complain(&mut self, line: u64, complaint: &Complaint) {
        if let Some(text) = self.complaints.add(line, complaint) {
            self.print(&text);
        }
    }

    fn print(&self, text: &str) {
        self.reading
            .progress
            .suspend(|| stderr::print(format_args!("{text}")));
    }
}
