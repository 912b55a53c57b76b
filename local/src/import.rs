//! Bulk import from CSV: exact counts at every moment, resumable, and a bad row loses no other.
//!
//! Films are taken in chunks. A chunk's search and genre rows are written first: they lead to films that aren't there
//! yet, and reads pass over those. Then one transaction adds the films themselves, moves the counts, and notes how far
//! the file has been read; so a film is there with everything that belongs to it or not at all, and an import that was
//! cut off goes on at the chunk it was in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use dynoxide::{Database, ImportOptions};
use futures_util::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use ring::digest;
use serde::{Deserialize, Serialize};
use shared::{
    auth::hex,
    db::{
        Key, Store,
        index::{self, IndexItem},
        keys,
        meta::Counter,
        movie::MovieItem,
        store::{
            BATCH_WRITE, Expression, Item, Outcome, TRANSACTION, Transaction, from_item, number, to_item,
        },
    },
    domain::{CoverImage, Description, Director, Film, Genres, MovieId, ReleaseDate, Title},
};

/// The demonstration catalogue, as it is in the repository.
const DEMONSTRATION: &[u8] = include_bytes!("../../data/movies.csv");

/// How many chunks' search and genre rows are written before the chunks are committed.
const CHUNKS_AT_ONCE: usize = 16;

/// How many batches of rows are under way side by side through the wire.
const BATCHES_SIDE_BY_SIDE: usize = 8;

/// Actions of a chunk's transaction that are neither a film nor a genre: two counts, and the note of progress.
const OTHER_ACTIONS: usize = 3;

/// Where films come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The 16,975 real films that come with the program.
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
    /// This many films were added, and this many rows were bad.
    Imported {
        /// Films added by this run.
        films: u64,
        /// Bad rows met by this run.
        bad: u64,
    },
    /// The file had been imported before.
    AlreadyDone,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Imported { films, bad: 0 } => write!(f, "imported {films} films"),
            Self::Imported { films, bad } => write!(f, "imported {films} films, left out {bad} bad rows"),
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

impl From<shared::Error> for ImportError {
    fn from(error: shared::Error) -> Self {
        Self::Table(error.in_words())
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
    /// When it began, which is when all its films were added.
    began: String,
}

/// Imports films into a table.
pub struct Importer {
    store: Store,
    database: Option<Database>,
}

/// Films that are added by one transaction.
#[derive(Default)]
struct Chunk {
    films: Vec<(MovieId, Film)>,
    genres: BTreeMap<String, (String, u64)>,
    /// The row after the last one dealt with.
    end: u64,
}

impl Chunk {
    /// Whether one more film fits, whatever its genres.
    fn takes(&self, film: &Film) -> bool {
        let new = film
            .genres
            .iter()
            .filter(|g| !self.genres.contains_key(&g.identity()));
        self.films.len() + 1 + self.genres.len() + new.count() + OTHER_ACTIONS <= TRANSACTION
    }

    fn add(&mut self, id: MovieId, film: Film) {
        for genre in film.genres.iter() {
            let entry = self.genres.entry(genre.identity());
            entry.or_insert_with(|| (genre.name().to_owned(), 0)).1 += 1;
        }
        self.films.push((id, film));
    }
}

impl Importer {
    /// An importer into `store`. With `database`, the embedded engine behind it, rows without conditions go there
    /// directly; without, through the wire.
    #[must_use]
    pub fn new(store: Store, database: Option<Database>) -> Self {
        Self { store, database }
    }

    /// Imports into a table without films, or goes on with this file's own import; `None` when there is nothing to do.
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
        let mut reader = reader(source.open()?);
        let columns = Columns::of(reader.headers().map_err(|e| ImportError::File(e.to_string()))?)?;
        let job = match self.job(hash).await? {
            Some(job) if job.done >= job.rows => return Ok(Report::AlreadyDone),
            Some(job) => job,
            None => self.begin(hash, rows).await?,
        };
        let mut genres = self.known_genres().await?;
        let progress = progress(rows, job.done);
        let mut run = Run {
            importer: self,
            key: keys::import(hash),
            began: job.began.clone(),
            committed: job.done,
            films: 0,
            chunks: Vec::new(),
            progress: progress.clone(),
        };
        let mut chunk = Chunk::default();
        let mut bad = 0;
        for (row, record) in (0..).zip(reader.records()) {
            if row < job.done {
                continue;
            }
            let film = record.map_err(|e| e.to_string()).and_then(|record| {
                let line = record.position().map_or(0, csv::Position::line);
                columns.film(&record).map_err(|e| format!("line {line}: {e}"))
            });
            match film {
                Ok(film) => {
                    let id =
                        MovieId::try_from(job.base + row).map_err(|e| ImportError::Table(e.to_string()))?;
                    if !chunk.takes(&film) {
                        run.push(std::mem::take(&mut chunk), &mut genres).await?;
                    }
                    chunk.add(id, film);
                }
                Err(text) => {
                    bad += 1;
                    progress.suspend(|| eprintln!("{text}"));
                }
            }
            chunk.end = row + 1;
        }
        // Also when it holds nothing: it notes that the file has been read to its end.
        run.push(chunk, &mut genres).await?;
        run.flush(&mut genres).await?;
        progress.finish_and_clear();
        Ok(Report::Imported {
            films: run.films,
            bad,
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
        if self.store.put(item, Some("attribute_not_exists(pk)")).await? {
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
    async fn write_rows(&self, rows: Vec<(Key, IndexItem)>) -> Result<(), ImportError> {
        let items = rows.into_iter().map(|(key, row)| {
            let mut item = to_item(&row)?;
            item.extend(key.attributes());
            Ok(item)
        });
        let items: Vec<Item> = items.collect::<Result<_, shared::Error>>()?;
        if let Some(database) = self.database.clone() {
            let table = self.store.table.to_string();
            let items = items
                .into_iter()
                .map(engine_item)
                .collect::<Result<Vec<_>, _>>()?;
            let imported = tokio::task::spawn_blocking(move || {
                database.import_items(&table, items, ImportOptions::default())
            });
            return match imported.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(ImportError::Table(error.to_string())),
                Err(error) => Err(ImportError::Table(error.to_string())),
            };
        }
        let mut requests = Vec::with_capacity(items.len());
        for item in items {
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
}

/// An import under way.
struct Run<'a> {
    importer: &'a Importer,
    key: Key,
    began: String,
    /// How many rows the table knows to be dealt with.
    committed: u64,
    films: u64,
    chunks: Vec<Chunk>,
    progress: ProgressBar,
}

impl Run<'_> {
    /// Takes a chunk, and commits once enough have come together.
    async fn push(&mut self, chunk: Chunk, genres: &mut BTreeSet<String>) -> Result<(), ImportError> {
        self.chunks.push(chunk);
        if self.chunks.len() >= CHUNKS_AT_ONCE {
            self.flush(genres).await?;
        }
        Ok(())
    }

    /// Writes the rows of all chunks that came together, then commits each.
    async fn flush(&mut self, genres: &mut BTreeSet<String>) -> Result<(), ImportError> {
        let chunks = std::mem::take(&mut self.chunks);
        let films = chunks.iter().flat_map(|chunk| &chunk.films);
        let rows = films.flat_map(|(id, film)| index::rows(film, *id)).collect();
        self.importer.write_rows(rows).await?;
        for chunk in chunks {
            self.commit(&chunk, genres).await?;
            self.films += chunk.films.len() as u64;
            self.progress.set_position(self.committed);
        }
        Ok(())
    }

    /// AP-27: adds a chunk's films, with the counts and the note of progress, in one transaction.
    async fn commit(&mut self, chunk: &Chunk, genres: &mut BTreeSet<String>) -> Result<(), ImportError> {
        // Twice is enough unless somebody adds and deletes these very genres meanwhile.
        for _ in 0..100 {
            let (transaction, genre_actions) = self.transaction(chunk, genres)?;
            let refused = match self.importer.store.transact(&transaction).await? {
                Outcome::Done => {
                    genres.extend(chunk.genres.keys().cloned());
                    self.committed = chunk.end;
                    return Ok(());
                }
                refused => refused,
            };
            let mut learned = false;
            for (identity, _) in genre_actions.iter().filter(|(_, action)| refused.failed(*action)) {
                learned = true;
                if !genres.remove(identity) {
                    genres.insert(identity.clone());
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

    fn transaction(
        &self,
        chunk: &Chunk,
        genres: &BTreeSet<String>,
    ) -> Result<(Transaction, Vec<(String, usize)>), ImportError> {
        let store = &self.importer.store;
        let mut transaction = Transaction::default();
        let unused = || Expression::none().when("attribute_not_exists(#pk)");
        for (id, film) in &chunk.films {
            let movie = MovieItem::new(*id, film, None, &self.began);
            transaction.add(store.on(keys::movie(*id)).put(&movie, unused())?);
        }
        let mut genre_actions = Vec::new();
        let mut new_genres = 0;
        for (identity, (name, films)) in &chunk.genres {
            let is_new = !genres.contains(identity);
            new_genres += i64::from(is_new);
            let action = store.join_genre(identity, name, *films, is_new)?;
            genre_actions.push((identity.clone(), transaction.add(action)));
        }
        let films = i64::try_from(chunk.films.len()).unwrap_or(i64::MAX);
        if films > 0 {
            transaction.add(store.count(Counter::Movies, films)?);
        }
        if new_genres > 0 {
            transaction.add(store.count(Counter::Genres, new_genres)?);
        }
        let note = Expression::update("SET #done = :end")
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

    /// The film of a row, or everything that is wrong with it.
    fn film(&self, row: &csv::StringRecord) -> Result<Film, String> {
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
        let film = Film {
            title,
            description,
            release_date,
            director,
            genres,
            cover_image,
        };
        film.check().map_err(|e| e.to_string())
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

/// An item in the engine's own types. Rows without conditions have text attributes only.
fn engine_item(item: Item) -> Result<dynoxide::Item, ImportError> {
    item.into_iter()
        .map(|(name, value)| match value {
            AttributeValue::S(text) => Ok((name, dynoxide::AttributeValue::S(text))),
            _ => Err(ImportError::Table(format!("{name} isn't text"))),
        })
        .collect()
}

/// A progress bar on standard error, which draws nothing when that isn't a terminal.
fn progress(rows: u64, done: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows).with_position(done);
    // A template without a mistake, which is all that can be wrong here.
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} films, {eta} left") {
        bar.set_style(style);
    }
    bar.with_message("importing")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use shared::domain::Genre;

    fn columns() -> Columns {
        let headers = ["title", "description", "release_date", "director", "genre"];
        Columns::of(&csv::StringRecord::from(headers.to_vec())).unwrap()
    }

    #[test]
    fn everything_wrong_with_a_row_is_said_at_once() {
        let row = csv::StringRecord::from(vec!["", "x", "1869-01-01", "y", "z"]);
        let text = columns().film(&row).unwrap_err();
        assert!(
            text.contains("title: ") && text.contains("release_date: "),
            "{text}"
        );
    }

    #[test]
    fn every_film_of_the_demonstration_catalogue_is_a_film() {
        let mut reader = reader(DEMONSTRATION);
        let columns = Columns::of(reader.headers().unwrap()).unwrap();
        let films: Vec<Film> = reader
            .records()
            .map(|row| columns.film(&row.unwrap()).unwrap())
            .collect();
        assert_eq!(films.len(), 16_975);
        let dramas = films
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
            let film = columns().film(&csv::StringRecord::from(row(n))).unwrap();
            if !chunk.takes(&film) {
                break;
            }
            chunk.add(MovieId::try_from(n as u64 + 1).unwrap(), film);
        }
        let actions = chunk.films.len() + chunk.genres.len() + OTHER_ACTIONS;
        assert!(actions <= TRANSACTION && chunk.films.len() > 30, "{actions}");
    }

    #[test]
    fn genres_are_counted_by_identity() {
        let mut chunk = Chunk::default();
        for (n, genre) in ["Drama", "drama"].into_iter().enumerate() {
            let row = csv::StringRecord::from(vec!["t", "x", "2000-01-01", "y", genre]);
            chunk.add(
                MovieId::try_from(n as u64 + 1).unwrap(),
                columns().film(&row).unwrap(),
            );
        }
        assert_eq!(chunk.genres["drama"], ("Drama".to_owned(), 2));
        assert_eq!(Genre::parse("DRAMA").unwrap().identity(), "drama");
    }
}
