//! What holds of every file.

use std::sync::atomic::{AtomicU64, Ordering};

use marquee::{
    engine::{Engine, Storage},
    import::{ImportError, Importer, Report, Source},
    server::TEMPLATE,
    template::Template,
};
use marquee_shared::{
    clock::Clock,
    db::{Store, item::from_item, movie::MovieItem},
    domain::MovieFields,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use tokio::runtime::Runtime;

use crate::support::audit::scan;

/// The values of a movie, in the order of the header.
type Movie = [String; 5];

const HEADER: [&str; 5] = ["title", "description", "release_date", "director", "genre"];

/// Characters that CSV, spreadsheets or this import could mistake for something else.
const PIECES: [&str; 24] = [
    "a", "B", "7", " ", ",", ";", "|", "\"", "\"\"", "'", "`", "/", "\\", "#", "=", "-", "é", "映", "😀",
    "[", "}", "sep=", "N/A", "\u{200d}",
];

/// The same, for a text of several lines.
const BREAKS: [&str; 5] = ["\n", "\r\n", "\r", "\t", "\n\n"];

fn text(pieces: Vec<&'static str>) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..16).prop_map(|pieces| pieces.concat())
}

fn movie() -> impl Strategy<Value = Movie> {
    let lines = PIECES.iter().chain(&BREAKS).copied().collect();
    let genres = prop::sample::subsequence(
        vec!["Drama", "Sci-Fi", "Action/Adventure", "Children's", "科幻"],
        1..4,
    );
    (
        text(PIECES.to_vec()),
        text(lines),
        (1870..2100, 1..=12, 1..=28),
        text(PIECES.to_vec()),
        genres,
    )
        .prop_map(|(title, description, (year, month, day), director, genres)| {
            [
                format!("t{title}").trim_end().to_owned(),
                format!("x{description}").trim_end().to_owned(),
                format!("{year:04}-{month:02}-{day:02}"),
                format!("d{director}").trim_end().to_owned(),
                genres.join(", "),
            ]
        })
}

/// Movies of which no two are the same.
fn movies() -> impl Strategy<Value = Vec<Movie>> {
    prop::collection::vec(movie(), 0..12).prop_map(|mut movies| {
        for (n, movie) in movies.iter_mut().enumerate() {
            movie[0] = format!("{n} {}", movie[0]);
        }
        movies
    })
}

/// How a program writes CSV.
#[derive(Clone, Copy, Debug)]
struct Style {
    quotes: csv::QuoteStyle,
    delimiter: u8,
    end: csv::Terminator,
    encoding: Encoding,
    separator_line: bool,
    /// Quotes only the line end that the file has, as Python's `csv` does before 3.13.
    is_old_python: bool,
}

#[derive(Clone, Copy, Debug)]
enum Encoding {
    Utf8,
    Utf8Marked,
    Utf16,
}

/// The styles of Python's `csv` (`QUOTE_MINIMAL`, `QUOTE_ALL`, `QUOTE_NONNUMERIC`, any line terminator) and of spreadsheets.
fn style() -> impl Strategy<Value = Style> {
    use csv::{QuoteStyle, Terminator};
    let quotes = vec![QuoteStyle::Necessary, QuoteStyle::Always, QuoteStyle::NonNumeric];
    let ends = vec![Terminator::CRLF, Terminator::Any(b'\n'), Terminator::Any(b'\r')];
    let encodings = vec![Encoding::Utf8, Encoding::Utf8Marked, Encoding::Utf16];
    (
        prop::sample::select(quotes),
        prop::sample::select(vec![b',', b';', b'\t']),
        prop::sample::select(ends),
        prop::sample::select(encodings),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(quotes, delimiter, end, encoding, separator_line, is_old_python)| Style {
                quotes,
                delimiter,
                end,
                encoding,
                separator_line,
                is_old_python,
            },
        )
}

/// The file, and where each of its rows ends.
fn write(movies: &[Movie], style: Style) -> (Vec<u8>, Vec<usize>) {
    let end = match style.end {
        csv::Terminator::Any(b'\r') => "\r",
        csv::Terminator::CRLF => "\r\n",
        _ => "\n",
    };
    let mut text = Vec::new();
    if style.separator_line {
        text = format!("sep={}{end}", char::from(style.delimiter)).into_bytes();
    }
    let mut ends = Vec::new();
    for row in std::iter::once(HEADER.map(str::to_owned)).chain(movies.iter().cloned()) {
        if style.is_old_python {
            let special = |c: char| c == '"' || c == char::from(style.delimiter) || end.contains(c);
            let quoted = |field: &String| match field.contains(special) {
                true => format!("\"{}\"", field.replace('"', "\"\"")),
                false => field.clone(),
            };
            let fields: Vec<String> = row.iter().map(quoted).collect();
            text.extend(fields.join(&char::from(style.delimiter).to_string()).into_bytes());
            text.extend(end.bytes());
            ends.push(text.len());
            continue;
        }
        let mut writer = csv::WriterBuilder::new()
            .quote_style(style.quotes)
            .delimiter(style.delimiter)
            .terminator(style.end)
            .from_writer(Vec::new());
        writer.write_record(&row).unwrap();
        text.extend(writer.into_inner().unwrap());
        ends.push(text.len());
    }
    let utf16 = |text: &[u8]| -> Vec<u8> {
        let text = String::from_utf8(text.to_vec()).unwrap();
        let units = [0xfeff].into_iter().chain(text.encode_utf16());
        units.flat_map(u16::to_le_bytes).collect()
    };
    match style.encoding {
        Encoding::Utf8 => (text, ends),
        Encoding::Utf8Marked => {
            let marked = ["\u{feff}".as_bytes(), &text].concat();
            (marked, ends.into_iter().map(|end| end + 3).collect())
        }
        Encoding::Utf16 => {
            let ends = ends.into_iter().map(|end| utf16(&text[..end]).len()).collect();
            (utf16(&text), ends)
        }
    }
}

/// Tables in memory, one for each import.
struct Tables {
    runtime: Runtime,
    engine: Engine,
    next: AtomicU64,
}

impl Tables {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let engine = runtime.block_on(async { Engine::start(&Storage::Memory).unwrap() });
        Self {
            runtime,
            engine,
            next: AtomicU64::new(0),
        }
    }

    /// Imports a file into a table of its own, and returns the movies that are in it then.
    fn import(&self, file: &[u8]) -> (Result<Report, ImportError>, Vec<Movie>) {
        let name = format!("table-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("movies.csv");
        std::fs::write(&path, file).unwrap();
        self.runtime.block_on(async {
            let client = self.engine.client();
            let template = Template::parse(TEMPLATE).unwrap();
            template.table.create(&client, &name).await.unwrap();
            let store = Store::new(client, name, Clock::default());
            let importer = Importer::new(store.clone(), Some(self.engine.database().clone()));
            let report = importer.run(&Source::File(path)).await;
            let items = scan(&store).await.into_iter();
            let movies = items.filter(|item| item["pk"].as_s().unwrap().starts_with("MOVIES#"));
            let mut movies: Vec<MovieItem> = movies.map(|item| from_item(item).unwrap()).collect();
            movies.sort_by_key(|movie| movie.id);
            let values = |movie: MovieItem| {
                let MovieFields {
                    title,
                    description,
                    release_date,
                    director,
                    genres,
                    ..
                } = movie.fields;
                [
                    title.as_str().to_owned(),
                    description.as_str().to_owned(),
                    release_date.to_string(),
                    director.as_str().to_owned(),
                    genres.to_string(),
                ]
            };
            (report, movies.into_iter().map(values).collect())
        })
    }
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

#[test]
fn whatever_python_or_a_spreadsheet_writes_is_imported_exactly() {
    let tables = Tables::new();
    let checked = runner(96).run(&(movies(), style()), |(movies, style)| {
        let (file, _) = write(&movies, style);
        let (report, imported) = tables.import(&file);
        prop_assert_eq!(report.unwrap(), Report::of_all(movies.len() as u64));
        prop_assert_eq!(imported, movies);
        Ok(())
    });
    checked.unwrap();
}

/// What an import of the first `cut` bytes must do.
fn check_cut(
    tables: &Tables,
    movies: &[Movie],
    file: &[u8],
    ends: &[usize],
    cut: usize,
) -> Result<(), TestCaseError> {
    let whole = ends.iter().filter(|end| **end <= cut).count();
    let (report, imported) = tables.import(&file[..cut]);
    let Some(whole) = whole.checked_sub(1) else {
        // Within the header. A header that lacks only its line end is whole.
        prop_assert!(report.is_err() || imported.is_empty());
        return Ok(());
    };
    let report = report.unwrap();
    prop_assert_eq!(&imported[..whole], &movies[..whole], "{:?}", report);
    // The row that was cut is whole, or there with a warning, or left out.
    if !ends.contains(&cut) {
        let said = report.counts.left_out + report.counts.warnings > 0;
        let is_whole = imported.get(whole) == movies.get(whole);
        let is_blank = imported.len() == whole && cut - ends[whole] < 4;
        prop_assert!(said || is_whole || is_blank, "{} {:?}", cut, report);
    }
    prop_assert!(imported.len() <= whole + 1);
    Ok(())
}

#[test]
fn a_file_that_is_cut_off_anywhere_loses_only_what_follows_and_says_so() {
    let tables = Tables::new();
    let strategy = (movies(), style(), any::<prop::sample::Index>());
    let checked = runner(160).run(&strategy, |(movies, style, cut)| {
        let (file, ends) = write(&movies, style);
        check_cut(&tables, &movies, &file, &ends, cut.index(file.len() + 1))
    });
    checked.unwrap();
}

#[test]
fn a_file_that_is_cut_off_at_any_byte_loses_only_what_follows_and_says_so() {
    let tables = Tables::new();
    let movies: Vec<Movie> = [
        [
            "Amélie",
            "A \"waitress\",\nin two lines.",
            "2001-04-25",
            "Jean-Pierre Jeunet",
            "Comedy, Romance",
        ],
        ["千と千尋", "x", "2001-07-20", "宮崎駿", "Animation"],
        ["Alien", "\"Quoted\"", "1979-05-25", "Ridley Scott", "Horror"],
    ]
    .map(|movie| movie.map(str::to_owned))
    .to_vec();
    let style = Style {
        quotes: csv::QuoteStyle::Necessary,
        delimiter: b',',
        end: csv::Terminator::CRLF,
        encoding: Encoding::Utf8,
        separator_line: false,
        is_old_python: false,
    };
    let (file, ends) = write(&movies, style);
    for cut in 0..=file.len() {
        check_cut(&tables, &movies, &file, &ends, cut).unwrap();
    }
}
