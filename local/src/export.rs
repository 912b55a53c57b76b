//! Export of every movie, as CSV or JSON Lines. `import` reads the file back with equal texts, dates, genres, IMDb ids and
//! covers (docs/import.md).
//!
//! Movies are read bucket by bucket, some buckets ahead of the one that is written, so the memory that an export needs doesn't
//! depend on the number of movies. An export takes no snapshot: a movie that is edited meanwhile is written as it is when its
//! bucket is read.

mod target;

use std::{
    fmt,
    io::{self, Write},
    path::Path,
};

use clap::ValueEnum;
use futures_util::{StreamExt as _, stream};
use marquee_shared::{
    db::{
        Key, Store,
        counter::Counter,
        item::{StoredItem, from_item},
        movie::MovieItem,
    },
    domain::ImdbId,
};
use serde::Serialize;

pub use self::target::Target;
use crate::{
    import::{Field, written},
    origin,
    progress::bar,
    stderr,
};

/// How many buckets are read at the same time. A bucket has at most 5 MB, and usually 200 KB.
const AHEAD: usize = 4;

/// How many complaints about unreadable items are printed.
const MOST_COMPLAINTS: u64 = 20;

/// A format of exported files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated values, with a header.
    Csv,
    /// JSON Lines: an object on each line.
    Jsonl,
}

impl Format {
    /// The format that the name of a file says.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// What an export did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many movies were written.
    pub movies: u64,
    /// How many items could not be read as a movie.
    pub unreadable: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { movies, unreadable } = self;
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        write!(f, "exported {movies} movie{}", plural(*movies))?;
        match unreadable {
            0 => Ok(()),
            _ => write!(f, ", left out {unreadable} that can't be read"),
        }
    }
}

/// Why an export stopped.
#[derive(Debug)]
pub enum ExportError {
    /// The table can't be read.
    Table(marquee_shared::Error),
    /// The file can't be written.
    Write(io::Error),
}

impl From<marquee_shared::Error> for ExportError {
    fn from(error: marquee_shared::Error) -> Self {
        Self::Table(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// The origin of the URLs of uploaded covers where no other is known: the server's default address.
const DEFAULT_ORIGIN: &str = "http://127.0.0.1:3000";

/// Returns the origin of the URLs of uploaded covers: this `PUBLIC_URL`, or that of the last server of this data directory.
#[must_use]
pub fn origin(public_url: Option<String>, data: Option<&Path>) -> String {
    let noted = || data.and_then(origin::noted);
    public_url
        .or_else(noted)
        .unwrap_or_else(|| DEFAULT_ORIGIN.to_owned())
}

/// Writes every movie to `out`, in the order of the ids, with a progress bar on standard error. The movies that exist from the
/// beginning to the end are each written once. The URLs of uploaded covers begin with `origin`.
///
/// # Errors
/// [`ExportError`]. What was written by then is not complete.
pub async fn run(
    store: &Store,
    format: Format,
    origin: &str,
    out: impl Write,
) -> Result<Report, ExportError> {
    let [movies] = store.read_counters([Counter::Movies]).await?;
    let progress = bar("exporting", movies, "movies");
    let buckets = store.movie_buckets().await?;
    let mut items = stream::iter(0..buckets)
        .map(|bucket| store.movie_items(bucket))
        .buffered(AHEAD);
    let mut writer = Writer::new(format, origin, out)?;
    let mut report = Report::default();
    while let Some(bucket) = items.next().await {
        for item in bucket? {
            match decode(item) {
                Ok(movie) => {
                    writer.write(&movie)?;
                    report.movies += 1;
                }
                Err(complaint) => {
                    report.unreadable += 1;
                    if report.unreadable <= MOST_COMPLAINTS {
                        progress.suspend(|| stderr::print(format_args!("{complaint}")));
                    }
                }
            }
        }
        progress.set_position(report.movies);
    }
    writer.out.flush()?;
    progress.finish_and_clear();
    Ok(report)
}

fn decode(item: StoredItem) -> Result<MovieItem, String> {
    let key = Key::of(&item).unwrap_or_else(|| Key::new("", ""));
    from_item(item).map_err(|_| format!("{}, {}: the item isn't a movie", key.pk, key.sk))
}

/// A movie as a line of JSON Lines, with the names of the API.
#[derive(Serialize)]
struct Line<'a> {
    title: &'a str,
    description: &'a str,
    release_date: &'a str,
    director: &'a str,
    genre: serde_json::Value,
    imdb_id: Option<&'a str>,
    cover_image: Option<String>,
}

/// Writes movies in a format.
struct Writer<'a, W> {
    format: Format,
    origin: &'a str,
    out: W,
    /// A record of CSV.
    text: Vec<u8>,
}

impl<'a, W: Write> Writer<'a, W> {
    fn new(format: Format, origin: &'a str, out: W) -> io::Result<Self> {
        let mut writer = Self {
            format,
            origin,
            out,
            text: Vec::new(),
        };
        if format == Format::Csv {
            writer.write_record(&Field::ALL.map(Field::name))?;
        }
        Ok(writer)
    }

    fn write(&mut self, movie: &MovieItem) -> io::Result<()> {
        let fields = &movie.fields;
        let line = Line {
            title: &written::text(fields.title.as_str()),
            description: &written::text(fields.description.as_str()),
            release_date: &fields.release_date.to_string(),
            director: &written::director(&fields.director),
            genre: written::genre(&fields.genres),
            imdb_id: fields.imdb_id.as_ref().map(ImdbId::as_str),
            cover_image: fields.cover_image.as_ref().map(|cover| cover.url(self.origin)),
        };
        match self.format {
            Format::Jsonl => {
                serde_json::to_writer(&mut self.out, &line)?;
                self.out.write_all(b"\n")
            }
            Format::Csv => {
                let genre = match &line.genre {
                    serde_json::Value::String(text) => text.clone(),
                    list => list.to_string(),
                };
                // In the order of `Field::ALL`.
                self.write_record(&[
                    line.title,
                    line.description,
                    line.release_date,
                    line.director,
                    &genre,
                    line.imdb_id.unwrap_or_default(),
                    line.cover_image.as_deref().unwrap_or_default(),
                ])
            }
        }
    }

    fn write_record(&mut self, fields: &[&str]) -> io::Result<()> {
        // Readers take the sign at the beginning of a record for a byte order mark, unless it is quoted.
        let quotes = match fields.first() {
            Some(first) if first.starts_with('\u{feff}') => csv::QuoteStyle::Always,
            _ => csv::QuoteStyle::Necessary,
        };
        let mut builder = csv::WriterBuilder::new();
        let mut writer = builder
            .quote_style(quotes)
            .from_writer(std::mem::take(&mut self.text));
        writer.write_record(fields)?;
        let mut text = writer.into_inner().map_err(|e| io::Error::other(e.to_string()))?;
        self.out.write_all(&text)?;
        text.clear();
        self.text = text;
        Ok(())
    }
}
