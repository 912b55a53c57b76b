//! Bulk import from CSV: exact counts at every moment, resumable, and a bad row loses no other.
//!
//! Movies are taken in chunks, and chunks in batches. A batch's search and genre rows are written first: they lead to movies
//! that aren't there yet, and reads pass over those. Then one transaction for each chunk adds the movies themselves, moves
//! the counts, and notes how far the file has been read; so a movie is there with everything that belongs to it or not at
//! all, and an import that was cut off goes on at the chunk it was in.
//!
//! While one batch is committed, the rows of the next are written, and the one after that is read from the file. Between
//! each of these and the next at most one batch waits, so that what is in memory doesn't grow with the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use aws_sdk_dynamodb::types::{PutRequest, TransactWriteItem, WriteRequest};
use dynoxide::Database;
use futures_util::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use marquee_shared::{
    auth::hex,
    db::{
        Key, Store,
        batch::BATCH_WRITE,
        counter::Counter,
        expression::{Condition, Update},
        index::{self, PostingItem},
        item::{Item, from_item, number, to_item},
        keys,
        movie::MovieItem,
        transaction::{Outcome, TRANSACTION, Transaction},
    },
    domain::{CoverImage, Description, Director, Genres, MovieFields, MovieId, ReleaseDate, Title},
};
use ring::digest;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::bulk::Bulk;

/// The demonstration catalog, as it is in the repository.
const DEMONSTRATION: &[u8] = include_bytes!("../../data/movies.csv");

/// How many chunks a batch has.
const CHUNKS_AT_ONCE: usize = 32;

/// How many batches of rows are under way side by side through the wire.
const BATCHES_SIDE_BY_SIDE: usize = 8;

/// Actions of a chunk's transaction that are neither a movie nor a genre: two counts, and the note of progress.
const OTHER_ACTIONS: usize = 3;

/// Where movies come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The 16,975 real movies that come with the program.
    Demonstration,
    /// A CSV file.
    File(PathBuf),
}

impl Source {
    fn open(&self) -> io::Result<Box<dyn Read>> {
        match self {
            Self::Demonstration => Ok(Box::new(DEMONSTRATION)),
            Self::File(path) => {
                let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
                Ok(Box::new(io::BufReader::new(File::open(path).map_err(named)?)))
            }
        }
    }

    /// What the file is known by, whatever it is called, and how many rows it has.
    fn survey(&self) -> io::Result<(String, u64)> {
        struct Hashing<'a>(Box<dyn Read>, &'a mut digest::Context);
        impl Read for Hashing<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.read(buffer)?;
                self.1.update(&buffer[..count]);
                Ok(count)
            }
        }
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut reader = reader(Hashing(self.open()?, &mut hash));
        let mut row = csv::ByteRecord::new();
        let mut rows = 0;
        while reader.read_byte_record(&mut row)? {
            rows += 1;
        }
        drop(reader);
        Ok((hex(hash.finish().as_ref()), rows))
    }
}

fn reader<R: Read>(source: R) -> csv::Reader<R> {
    // A row with too few or too many fields is a bad row, not the end of the file.
    csv::ReaderBuilder::new().flexible(true).from_reader(source)
}

/// What an import came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// This many movies were added, and this many rows were bad.
    Imported {
        /// Movies added by this run.
        movies: u64,
        /// Bad rows met by this run.
        bad: u64,
    },
    /// The file had been imported before.
    AlreadyDone,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imported { movies, bad: 0 } => write!(f, "imported {movies} movies"),
            Self::Imported { movies, bad } => write!(f, "imported {movies} movies, left out {bad} bad rows"),
            Self::AlreadyDone => f.write_str("this file had been imported already"),
        }
    }
}

/// Why an import stopped. What had been committed stays, and the next run goes on from there.
#[derive(Debug)]
pub enum ImportError {
    /// The file can't be read, or isn't such a file.
    File(String),
    /// The table didn't take it.
    Table(String),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(text) => write!(f, "import: {text}"),
            Self::Table(text) => write!(f, "import: the table: {text}; run it again to go on"),
        }
    }
}

impl std::error::Error for ImportError {}

impl From<marquee_shared::Error> for ImportError {
    fn from(error: marquee_shared::Error) -> Self {
        Self::Table(error.log_message())
    }
}

impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        Self::File(error.to_string())
    }
}

/// An import as stored: `IMPORT#<hash of the file>`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    /// The id of the file's first row; a bad row leaves a gap.
    base: u64,
    /// How many rows the file has.
    rows: u64,
    /// How many of them have been dealt with.
    done: u64,
    /// When it began, which is when all its movies were added.
    began: String,
}

/// Imports movies into a table.
pub struct Importer {
    store: Store,
    bulk: Option<Bulk>,
}

/// Movies that are added by one transaction.
#[derive(Default)]
struct Chunk {
    /// The action that adds each.
    movies: Vec<TransactWriteItem>,
    genres: BTreeMap<String, (String, u64)>,
    /// The row after the last one dealt with.
    end: u64,
}

impl Chunk {
    /// Whether one more movie fits, whatever its genres.
    fn takes(&self, fields: &MovieFields) -> bool {
        let new = fields
            .genres
            .iter()
            .filter(|g| !self.genres.contains_key(&g.identity()));
        self.movies.len() + 1 + self.genres.len() + new.count() + OTHER_ACTIONS <= TRANSACTION
    }

    fn add(&mut self, fields: &MovieFields, action: TransactWriteItem) {
        for genre in fields.genres.iter() {
            let entry = self.genres.entry(genre.identity());
            entry.or_insert_with(|| (genre.name().to_owned(), 0)).1 += 1;
        }
        self.movies.push(action);
    }
}

impl Importer {
    /// An importer into `store`. With `database`, the embedded engine behind it, movies and their rows go there directly;
    /// without, through the wire.
    #[must_use]
    pub fn new(store: Store, database: Option<Database>) -> Self {
        let bulk = database.map(|database| Bulk::new(database, store.table.clone()));
        Self { store, bulk }
    }

    /// Imports into a table without movies, or goes on with this file's own import; `None` when there is nothing to do.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn run_if_empty(&self, source: &Source) -> Result<Option<Report>, ImportError> {
        let (hash, rows) = source.survey()?;
        let wanted = match self.job(&hash).await? {
            Some(job) => job.done < job.rows,
            None => self.store.read_counters([Counter::Movies]).await? == [0],
        };
        if wanted {
            self.run_surveyed(source, &hash, rows).await.map(Some)
        } else {
            Ok(None)
        }
    }

    async fn job(&self, hash: &str) -> Result<Option<Job>, ImportError> {
        let item = self.store.get(&keys::import(hash)).await?;
        Ok(item.map(from_item).transpose()?)
    }

    /// Imports a file, or what is left of it.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn run(&self, source: &Source) -> Result<Report, ImportError> {
        let (hash, rows) = source.survey()?;
        self.run_surveyed(source, &hash, rows).await
    }

    async fn run_surveyed(&self, source: &Source, hash: &str, rows: u64) -> Result<Report, ImportError> {
        let columns = Columns::of(
            reader(source.open()?)
                .headers()
                .map_err(|e| ImportError::File(e.to_string()))?,
        )?;
        let job = match self.job(hash).await? {
            Some(job) if job.done >= job.rows => return Ok(Report::AlreadyDone),
            Some(job) => job,
            None => self.begin(hash, rows).await?,
        };
        let genres = self.known_genres().await?;
        let progress = progress(rows, job.done);
        let (batches, read) = mpsc::channel(1);
        let mut commits = Commits {
            importer: self,
            key: keys::import(hash),
            committed: job.done,
            genres,
            movies: 0,
            progress: progress.clone(),
        };
        let reading = Reading {
            source: source.clone(),
            columns,
            store: self.store.clone(),
            // One after another, rows are added to the same pages of the engine's file; a table on AWS would rather have
            // them spread over its partitions.
            sorted: self.bulk.is_some(),
            job,
            progress: progress.clone(),
            batches,
        };
        let reading = tokio::task::spawn_blocking(move || reading.run());
        let written = commits.take(read).await;
        // A reader whose batches nobody takes any more ends by itself.
        let bad = reading.await.map_err(|e| ImportError::File(e.to_string()))?;
        written?;
        progress.finish_and_clear();
        Ok(Report::Imported {
            movies: commits.movies,
            bad: bad?,
        })
    }

    /// AP-27: notes that this import has begun, with ids for all its rows.
    async fn begin(&self, hash: &str, rows: u64) -> Result<Job, ImportError> {
        let base = if rows == 0 {
            0
        } else {
            self.store.take_ids(Counter::MovieIds, rows).await?
        };
        let job = Job {
            base,
            rows,
            done: 0,
            began: self.store.clock.now().to_string(),
        };
        let mut item = to_item(&job)?;
        item.extend(keys::import(hash).attributes());
        if self.store.put(item, Condition::not_exists()).await?.is_ok() {
            return Ok(job);
        }
        self.job(hash)
            .await?
            .ok_or_else(|| ImportError::Table("another import began and went".into()))
    }

    async fn known_genres(&self) -> Result<BTreeSet<String>, ImportError> {
        Ok(self
            .store
            .all_genres()
            .await?
            .into_iter()
            .map(|g| g.identity)
            .collect())
    }

    /// Writes rows that need no condition.
    async fn write_rows(&self, rows: Vec<Item>) -> Result<(), ImportError> {
        if let Some(bulk) = &self.bulk {
            return Ok(bulk.put(rows).await?);
        }
        let mut requests = Vec::with_capacity(rows.len());
        for item in rows {
            let put = PutRequest::builder()
                .set_item(Some(item))
                .build()
                .map_err(|e| ImportError::Table(e.to_string()))?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let batches: Vec<Vec<WriteRequest>> = requests.chunks(BATCH_WRITE).map(<[_]>::to_vec).collect();
        futures_util::stream::iter(batches)
            .map(|batch| self.store.batch_write(batch))
            .buffer_unordered(BATCHES_SIDE_BY_SIDE)
            .try_collect::<()>()
            .await?;
        Ok(())
    }

    async fn transact(&self, transaction: &Transaction) -> Result<Outcome, ImportError> {
        Ok(match &self.bulk {
            Some(bulk) => bulk.transact(transaction).await?,
            None => self.store.transact(transaction).await?,
        })
    }
}

/// What is read from a file at a time: chunks, and the rows by which their movies are found.
struct Batch {
    chunks: Vec<Chunk>,
    rows: Vec<Item>,
}

/// A file being read, on a thread of its own.
struct Reading {
    source: Source,
    columns: Columns,
    store: Store,
    /// Whether rows are to be in the order of their keys.
    sorted: bool,
    job: Job,
    progress: ProgressBar,
    batches: mpsc::Sender<Batch>,
}

impl Reading {
    /// Reads to the end, and gives how many rows were bad.
    fn run(&self) -> Result<u64, ImportError> {
        let mut reader = reader(self.source.open()?);
        let (mut chunks, mut rows) = (Vec::new(), Vec::new());
        let mut chunk = Chunk::default();
        let mut bad = 0;
        for (row, record) in (0..).zip(reader.records()) {
            if row < self.job.done {
                continue;
            }
            let fields = record.map_err(|e| e.to_string()).and_then(|record| {
                let line = record.position().map_or(0, csv::Position::line);
                self.columns
                    .fields(&record)
                    .map_err(|e| format!("line {line}: {e}"))
            });
            match fields {
                Ok(fields) => {
                    if !chunk.takes(&fields) {
                        chunks.push(std::mem::take(&mut chunk));
                        if chunks.len() == CHUNKS_AT_ONCE
                            && !self.hand_on(std::mem::take(&mut chunks), std::mem::take(&mut rows))?
                        {
                            return Ok(bad);
                        }
                    }
                    self.add(row, &fields, &mut chunk, &mut rows)?;
                }
                Err(text) => {
                    bad += 1;
                    self.progress.suspend(|| eprintln!("{text}"));
                }
            }
            chunk.end = row + 1;
        }
        // Also when it holds nothing: it notes that the file has been read to its end.
        chunks.push(chunk);
        self.hand_on(chunks, rows)?;
        Ok(bad)
    }

    fn add(
        &self,
        row: u64,
        fields: &MovieFields,
        chunk: &mut Chunk,
        rows: &mut Vec<(Key, PostingItem)>,
    ) -> Result<(), ImportError> {
        let id = MovieId::try_from(self.job.base + row).map_err(|e| ImportError::Table(e.to_string()))?;
        let movie = MovieItem::new(id, fields, None, &self.job.began);
        chunk.add(
            fields,
            self.store
                .on(keys::movie(id))
                .put(&movie, Condition::not_exists())?,
        );
        rows.extend(index::postings(fields, id));
        Ok(())
    }

    /// Gives a batch away; `false` when nobody takes it, since the import has failed.
    fn hand_on(&self, chunks: Vec<Chunk>, mut rows: Vec<(Key, PostingItem)>) -> Result<bool, ImportError> {
        if self.sorted {
            rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        }
        let items = rows.into_iter().map(|(key, row)| {
            let mut item = to_item(&row)?;
            item.extend(key.attributes());
            Ok(item)
        });
        let rows = items.collect::<Result<_, marquee_shared::Error>>()?;
        Ok(self.batches.blocking_send(Batch { chunks, rows }).is_ok())
    }
}

/// What writes the batches of a file.
struct Commits<'a> {
    importer: &'a Importer,
    key: Key,
    /// How many rows the table knows to be dealt with.
    committed: u64,
    /// The genres that the table has.
    genres: BTreeSet<String>,
    movies: u64,
    progress: ProgressBar,
}

impl Commits<'_> {
    /// Writes every batch's rows, and commits it once they are written, while those of the next are.
    async fn take(&mut self, mut batches: mpsc::Receiver<Batch>) -> Result<(), ImportError> {
        let importer = self.importer;
        let (write, mut written) = mpsc::channel(1);
        let writing = async move {
            while let Some(batch) = batches.recv().await {
                importer.write_rows(batch.rows).await?;
                // Nobody takes it when a commit has failed, which is the import's end.
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

    /// AP-27: adds a chunk's movies, with the counts and the note of progress, in one transaction.
    async fn commit(&mut self, chunk: &Chunk) -> Result<(), ImportError> {
        // Twice is enough unless somebody adds and deletes these very genres meanwhile.
        for _ in 0..100 {
            let (transaction, genre_actions) = self.transaction(chunk)?;
            let refused = match self.importer.transact(&transaction).await? {
                Outcome::Committed => {
                    self.genres.extend(chunk.genres.keys().cloned());
                    self.committed = chunk.end;
                    return Ok(());
                }
                refused => refused,
            };
            let mut learned = false;
            for (identity, _) in genre_actions.iter().filter(|(_, action)| refused.failed(*action)) {
                learned = true;
                if !self.genres.remove(identity) {
                    self.genres.insert(identity.clone());
                }
            }
            if !learned {
                return Err(ImportError::Table(
                    "another import of the same file is under way".into(),
                ));
            }
        }
        Err(ImportError::Table("its genres come and go".into()))
    }

    fn transaction(&self, chunk: &Chunk) -> Result<(Transaction, Vec<(String, usize)>), ImportError> {
        let store = &self.importer.store;
        let mut transaction = Transaction::default();
        for fields in &chunk.movies {
            transaction.add(fields.clone());
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
        let note = Update::new("SET #done = :end")
            .when("#done = :committed")
            .value(":end", number(chunk.end.max(self.committed)))
            .value(":committed", number(self.committed));
        transaction.add(store.on(self.key.clone()).update(note)?);
        Ok((transaction, genre_actions))
    }
}

/// Where a file has its columns.
struct Columns {
    title: usize,
    description: usize,
    release_date: usize,
    director: usize,
    genre: usize,
    cover_image: Option<usize>,
    all: usize,
}

impl Columns {
    fn of(headers: &csv::StringRecord) -> Result<Self, ImportError> {
        let find = |name: &str| headers.iter().position(|header| header.trim() == name);
        let need = |name: &str| {
            find(name).ok_or_else(|| ImportError::File(format!("the file has no column {name}")))
        };
        Ok(Self {
            title: need("title")?,
            description: need("description")?,
            release_date: need("release_date")?,
            director: need("director")?,
            genre: need("genre")?,
            cover_image: find("cover_image"),
            all: headers.len(),
        })
    }

    /// The movie of a row, or everything that is wrong with it.
    fn fields(&self, row: &csv::StringRecord) -> Result<MovieFields, String> {
        if row.len() != self.all {
            return Err(format!("{} fields instead of {}", row.len(), self.all));
        }
        let mut wrong = Vec::new();
        let title = field(row, self.title, "title", Title::parse, &mut wrong);
        let description = field(
            row,
            self.description,
            "description",
            Description::parse,
            &mut wrong,
        );
        let release_date = field(
            row,
            self.release_date,
            "release_date",
            ReleaseDate::parse,
            &mut wrong,
        );
        let director = field(row, self.director, "director", Director::parse, &mut wrong);
        let genres = field(row, self.genre, "genre", Genres::parse, &mut wrong);
        let cover_image = self
            .cover_image
            .filter(|at| row.get(*at).is_some_and(|text| !text.trim().is_empty()))
            .and_then(|at| field(row, at, "cover_image", CoverImage::parse, &mut wrong));
        let (Some(title), Some(description), Some(release_date), Some(director), Some(genres)) =
            (title, description, release_date, director, genres)
        else {
            return Err(wrong.join("; "));
        };
        if !wrong.is_empty() {
            return Err(wrong.join("; "));
        }
        let fields = MovieFields {
            title,
            description,
            release_date,
            director,
            genres,
            cover_image,
        };
        fields.check().map_err(|e| e.to_string())
    }
}

fn field<T, E: fmt::Display>(
    row: &csv::StringRecord,
    at: usize,
    name: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    wrong: &mut Vec<String>,
) -> Option<T> {
    parse(row.get(at).unwrap_or_default())
        .map_err(|e| wrong.push(format!("{name}: {e}")))
        .ok()
}

/// A progress bar on standard error, which draws nothing when that isn't a terminal.
fn progress(rows: u64, done: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows).with_position(done);
    // A template without a mistake, which is all that can be wrong here.
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} movies, {eta} left") {
        bar.set_style(style);
    }
    bar.with_message("importing")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use marquee_shared::domain::Genre;

    fn columns() -> Columns {
        let headers = ["title", "description", "release_date", "director", "genre"];
        Columns::of(&csv::StringRecord::from(headers.to_vec())).unwrap()
    }

    #[test]
    fn everything_wrong_with_a_row_is_said_at_once() {
        let row = csv::StringRecord::from(vec!["", "x", "1869-01-01", "y", "z"]);
        let text = columns().fields(&row).unwrap_err();
        assert!(
            text.contains("title: ") && text.contains("release_date: "),
            "{text}"
        );
    }

    #[test]
    fn every_movie_of_the_demonstration_catalog_is_a_movie() {
        let mut reader = reader(DEMONSTRATION);
        let columns = Columns::of(reader.headers().unwrap()).unwrap();
        let movies: Vec<MovieFields> = reader
            .records()
            .map(|row| columns.fields(&row.unwrap()).unwrap())
            .collect();
        assert_eq!(movies.len(), 16_975);
        let dramas = movies
            .iter()
            .filter(|f| f.genres.iter().any(|g| g.identity() == "drama"));
        assert_eq!(dramas.count(), 8_917);
    }

    #[test]
    fn a_chunk_fits_one_transaction() {
        let row = |n: usize| {
            vec![
                format!("t{n}"),
                "x".into(),
                "2000-01-01".into(),
                "y".into(),
                format!("a{n},b{n}"),
            ]
        };
        let mut chunk = Chunk::default();
        for n in 0.. {
            let fields = columns().fields(&csv::StringRecord::from(row(n))).unwrap();
            if !chunk.takes(&fields) {
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
            let row = csv::StringRecord::from(vec!["t", "x", "2000-01-01", "y", genre]);
            let fields = columns().fields(&row).unwrap();
            chunk.add(&fields, TransactWriteItem::builder().build());
        }
        assert_eq!(chunk.genres["drama"], ("Drama".to_owned(), 2));
        assert_eq!(Genre::parse("DRAMA").unwrap().identity(), "drama");
    }
}
