//! Searches: whether people find the movie that they look for, how full the first pages of searches for common words are,
//! and what both cost.

mod common;
mod kinds;
mod known_items;
mod meter;
mod movies;
mod named;
mod scripts;
mod slips;

use std::{error::Error, fmt::Write as _, path::PathBuf};

use marquee::engine::{Engine, Storage};

use self::{
    known_items::{BOTH, FIRST, QUERIES, Queries, SECOND, SEED},
    meter::Service,
    movies::{Movie, Row},
};
use crate::{
    crowd::{self, Place},
    growth::grouped,
    prepared,
};

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The CSV file with the movies that are looked for. The default is the demonstration catalog.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/movies.csv"))]
    catalog: PathBuf,
    /// The numbers of movies among which they are looked for. Fewer than the file has are some of its movies; more are its
    /// movies among generated ones, which are imported once and kept in target/bench.
    #[arg(long, value_name = "MOVIES,…", value_delimiter = ',', default_values_t = [16_975, 1_000_000])]
    sizes: Vec<u64>,
    /// The most searches of each kind.
    #[arg(long, default_value_t = QUERIES, value_parser = clap::value_parser!(u16).range(1..))]
    queries: u16,
    /// Chooses the movies that are looked for, and the errors.
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Prints this many failures of each kind.
    #[arg(long, default_value_t = 0)]
    failures: usize,
}

/// Searches for known items, for what the search must find first, for everything that is typed on the way to a title, and for
/// pairs and triples of the catalog's most common words.
///
/// # Errors
/// Returns an error if a search is over its budget or misses movies, if too few movies are found, or if a catalog can't be
/// read or made.
pub async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let rows = movies::read(&options.catalog)?;
    let mut text = heading(options);
    let mut wrong = Vec::new();
    for size in &options.sizes {
        let is_smallest = options.sizes.first() == Some(size);
        wrong.extend(measure(options, &rows, *size, is_smallest, &mut text).await?);
    }
    if wrong.is_empty() {
        Ok(text)
    } else {
        Err(format!("{text}\n{}", wrong.join("\n")).into())
    }
}

fn heading(options: &Options) -> String {
    format!(
        "## Known items\n\n\
        Queries by which people look for a movie that they have in mind, in many ways of typing. Each kind has up to {} movies of the\n\
        demonstration catalog, chosen by chance from a fixed seed. A movie is *found* if it is among the first five of the first\n\
        page. *Before* is the search of the commit before it corrected anything, with the same queries. *Corrected* is the share of\n\
        answers that have a `corrected_query`. A second try is what a search does when nothing matches; its units are those beyond\n\
        the first try. `--failures 3` prints queries that fail.\n\n\
        The benchmark fails if a search without a second try takes more than {} round trips or {} read units, one with a second try\n\
        more than {} round trips or {} read units, or the second try alone more than {} and {}. Among the demonstration catalog it\n\
        fails if the mean of the first {} kinds is below 0.97, or if a kind that worked before finds fewer movies or takes a read unit\n\
        more. A larger catalog has the demonstration catalog's movies among generated ones, whose words follow its laws; there, titles\n\
        and names repeat, so five places are fewer.\n",
        options.queries,
        FIRST.trips,
        FIRST.units,
        BOTH.trips,
        BOTH.units,
        SECOND.trips,
        SECOND.units,
        kinds::DECIDING,
    )
}

/// Measures at one size, and returns what is wrong. What doesn't depend on the size is measured at the smallest one.
async fn measure(
    options: &Options,
    rows: &[Row],
    size: u64,
    is_smallest: bool,
    text: &mut String,
) -> Result<Vec<String>, Box<dyn Error>> {
    let places = crowd::places(rows.len(), size);
    let movies: Vec<Movie> = places
        .iter()
        .filter_map(|place| Some(Movie::new(place.number, rows.get(place.row)?.clone())))
        .collect();
    let service = service(rows, &places, size).await?;
    // The first page that has a next one creates the key of cursors, once for the table.
    service.search("the").await?;
    let queries = Queries {
        movies: &movies,
        among: size,
        seed: options.seed,
        count: options.queries,
        failures: options.failures,
    };
    let _ = writeln!(text);
    let mut wrong = queries.measure(&service, text).await?;
    // The rest is about the movies of the catalog only.
    if is_smallest && movies.len() as u64 == size {
        wrong.extend(named::measure(&service, &movies, text).await?);
        wrong.extend(named::prefixes(&service, &movies, options.seed, options.queries, text).await?);
        common::measure(&service, &movies, options.queries, text).await?;
        wrong.extend(scripts::measure(&service, options.seed, text).await?);
    }
    service.close().await?;
    eprintln!("{} movies measured", grouped(size));
    Ok(wrong)
}

/// Returns a service over a catalog of this size. A catalog with generated movies is in a file, which is made once.
async fn service(rows: &[Row], places: &[Place], size: u64) -> Result<Service, Box<dyn Error>> {
    let rows: Vec<[&str; 5]> = rows.iter().map(Row::fields).collect();
    if size > rows.len() as u64 {
        let file = prepared::crowd(&rows, places, size).await?;
        return Service::new(prepared::open(&Storage::File(file)).await?.0).await;
    }
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("movies.csv");
    crowd::write(&rows, places, size, std::fs::File::create(&file)?)?;
    let engine: Engine = prepared::open(&Storage::Memory).await?.0;
    let service = Service::new(engine).await?;
    service.import(file).await?;
    Ok(service)
}
