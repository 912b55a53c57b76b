//! Hot keys: the partition keys with the most read and write units at ten thousand requests per second, as a share of the
//! units that one partition serves.
//!
//! Each operation of a mix runs once or a few times against a small catalog, and the fault proxy records which keys it
//! reads and writes ([`access`]). The units are then scaled to the rate of requests and to a large catalog ([`scale`]).

mod access;
mod mix;
mod scale;

use std::{error::Error, fmt::Write as _, fs, path::Path, time::Duration};

use marquee_shared::db::keys;
use rand::{SeedableRng as _, rngs::StdRng};
use reqwest::Method;
use serde_json::Value;

use crate::bench_server::{BenchServer, json_of};
use access::{Access, Space, accesses};
use mix::{Asked, MIX, Movie, Operation, Workload};
use scale::{HotKey, READS, Scale, Size, WRITES, Zipf};

/// The demonstration catalog, from which the recorded movies are taken.
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/movies.csv");

/// The number of movies that have favorites when the recording begins: enough for a page of the most liked movies.
const LIKED: usize = 24;

/// The interval at which a warm process reads the public keys (AP-25).
const KEYS_EVERY: Duration = Duration::from_secs(300);

/// The page whose table of limits names the partition keys that may exceed a partition's rate.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/data-model.md");

/// The text that identifies such a row.
const PASSED: &str = "[passed](performance.md#hot-keys)";

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The rate to which the mix is scaled, in requests per second.
    #[arg(long, default_value_t = 10_000)]
    requests: u32,
    /// The number of movies of the large catalog.
    #[arg(long, default_value_t = 1_000_000)]
    movies: u64,
    /// The number of users.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// The exponent of Zipf's law for the popularity of movies and users.
    #[arg(long, default_value_t = 1.0)]
    zipf: f64,
    /// The number of warm processes. Each reads the public keys every 5 minutes.
    #[arg(long, default_value_t = 1_000)]
    processes: u32,
    /// The number of movies with which the requests are recorded. They are taken from the demonstration catalog at even
    /// distances.
    #[arg(long, default_value_t = 2_000)]
    recorded_movies: usize,
    /// The seed of the random numbers.
    #[arg(long, default_value_t = 4)]
    seed: u64,
}

/// Records the units of each operation by key, scales them, and reports the hottest keys.
///
/// # Errors
/// Returns an error if a partition key exceeds a partition's rate and docs/data-model.md doesn't name it, or if a single
/// item exceeds it.
pub(crate) async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let (recorded, recorded_movies) = record(options).await?;
    let movies = Zipf::new(options.movies, options.zipf);
    let users = Zipf::new(options.users, options.zipf);
    let hottest_where = |is_in_order| {
        let size = Size {
            movies: options.movies,
            recorded_movies,
            is_in_order,
        };
        scaled(options, &recorded, Scale::new(size, &movies, &users))
    };
    let (hottest, scattered) = (hottest_where(true), hottest_where(false));
    let text = report(options, &recorded, &hottest, &scattered)?;
    let model = fs::read_to_string(MODEL)?;
    let unnamed: Vec<&str> = hottest
        .iter()
        .filter(|hot| hot.load.share() > 1.0 && !is_named(&model, hot) || hot.item.share() > 1.0)
        .map(|hot| hot.pk.as_str())
        .collect();
    if unnamed.is_empty() {
        Ok(text)
    } else {
        Err(format!(
            "{text}\nover the rate of a partition, and not named in docs/data-model.md: {}",
            unnamed.join(", ")
        )
        .into())
    }
}

/// Returns the hottest keys at the rate of the options.
fn scaled(options: &Options, recorded: &[(Operation, Vec<Sample>)], mut scale: Scale<'_>) -> Vec<HotKey> {
    for (operation, samples) in recorded {
        let each = f64::from(options.requests) * f64::from(operation.share) / 1000.0 / samples.len() as f64;
        for sample in samples {
            for access in &sample.accesses {
                scale.take(access, sample.asked, each);
            }
        }
    }
    // The recorded process had already read the public keys before the recording.
    let keys = Access {
        space: Space::Table,
        pk: keys::KEYS.into(),
        sk: None,
        reads: 1.0,
        writes: 0.0,
    };
    let processes = f64::from(options.processes) / KEYS_EVERY.as_secs_f64();
    scale.take(&keys, Asked::default(), processes);
    scale.hottest()
}

/// Whether a row of the limits says that keys of this kind may exceed a partition's rate.
fn is_named(model: &str, hot: &HotKey) -> bool {
    let kind = hot.pk.split('#').next().unwrap_or_default();
    let partition = match hot.space {
        Space::Table => format!("| `{kind}"),
        index => format!("| `{}` at `{kind}", index.name()),
    };
    let mut rows = model
        .lines()
        .filter(|line| line.starts_with('|') && line.contains(PASSED));
    rows.any(|row| row.contains(&partition))
}

/// A recorded request.
struct Sample {
    asked: Asked,
    accesses: Vec<Access>,
}

/// Runs every operation of the mix against a server. Returns the accesses of each, and the number of movies.
async fn record(options: &Options) -> Result<(Vec<(Operation, Vec<Sample>)>, u64), Box<dyn Error>> {
    let server = BenchServer::open().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("movies.csv");
    let movies = sample_of_catalog(&file, options.recorded_movies)?;
    let count = server.import(file).await;
    let mut workload = Workload {
        user: server.register("viewer").await?,
        server: &server,
        movies,
        own: Vec::new(),
        random: StdRng::seed_from_u64(options.seed),
    };
    like_some(&workload).await?;
    for _ in 0..own_movies() {
        workload.add_own().await?;
    }
    server.record_bodies();
    let mut recorded = Vec::new();
    for operation in MIX {
        let mut samples = Vec::new();
        for _ in 0..operation.samples {
            let (request, asked) = workload.prepare(&operation).await?;
            server.take();
            let answer = json_of(request).await;
            answer.map_err(|e| format!("{}: {e}", operation.name))?;
            let records = server.take();
            let accesses: Result<Vec<_>, _> = records.iter().map(accesses).collect();
            samples.push(Sample {
                asked,
                accesses: accesses?.concat(),
            });
        }
        recorded.push((operation, samples));
    }
    server.close().await;
    Ok((recorded, count))
}

/// Returns the number of movies that the user owns: as many as the mix deletes, and one to edit.
fn own_movies() -> usize {
    let deleted = MIX.iter().filter(|operation| operation.name == "delete");
    1 + deleted.map(|operation| operation.samples).sum::<usize>()
}

/// Writes movies of the demonstration catalog to `file`, in its order and at even distances, and returns them.
fn sample_of_catalog(file: &Path, count: usize) -> Result<Vec<Movie>, Box<dyn Error>> {
    let mut reader = csv::Reader::from_path(CATALOG)?;
    let mut writer = csv::Writer::from_path(file)?;
    let headers = reader.headers()?.clone();
    writer.write_record(&headers)?;
    let column = |name: &str| headers.iter().position(|header| header == name);
    let (title, director, genre) = column("title")
        .zip(column("director"))
        .zip(column("genre"))
        .map(|((title, director), genre)| (title, director, genre))
        .ok_or("the demonstration catalog lacks a column")?;
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    let step = rows.len().div_ceil(count.max(1));
    let mut movies = Vec::new();
    for row in rows.iter().step_by(step) {
        writer.write_record(row)?;
        let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
        movies.push(Movie {
            id: movies.len() as u64 + 1,
            title: text(title),
            director: text(director),
            genre: text(genre),
        });
    }
    writer.flush()?;
    Ok(movies)
}

/// Adds the last movies to the user's favorites, and lets the functions read the public keys.
async fn like_some(workload: &Workload<'_>) -> Result<(), Box<dyn Error>> {
    for movie in workload.movies.iter().rev().take(LIKED) {
        let path = format!("/api/movies/{}/favorite/", movie.id);
        json_of(workload.server.request(Method::PUT, &path, Some(&workload.user))).await?;
    }
    for path in ["/api/movies/", "/api/users/", "/api/users/me/favorites/?limit=5"] {
        let page: Value = json_of(workload.server.request(Method::GET, path, Some(&workload.user))).await?;
        if page["results"].as_array().is_none_or(Vec::is_empty) {
            return Err(format!("{path} is empty").into());
        }
    }
    Ok(())
}

fn report(
    options: &Options,
    recorded: &[(Operation, Vec<Sample>)],
    hottest: &[HotKey],
    scattered: &[HotKey],
) -> Result<String, Box<dyn Error>> {
    let mut text = format!(
        "A partition provides {READS:.0} read units and {WRITES:.0} write units per second. Each operation of the mix below runs through the whole\n\
        server over {} real movies, and a proxy records which keys it reads and writes, and how many units each takes. That is\n\
        scaled to {} requests per second among {} movies and {} users. Their popularity follows Zipf's law with exponent\n\
        {} and doesn't depend on their ids. The movies that lists show have the latest ids, as in a catalog to which movies are added\n\
        when they are released. There are {} warm processes.\n\n\
        The hottest partition key of each kind:\n\n\
        | where | partition key | reads/s | of the ceiling | writes/s | of the ceiling | hottest item, reads/s and writes/s \
        |\n|---|---|---|---|---|---|---|\n",
        options.recorded_movies,
        options.requests,
        options.movies,
        options.users,
        options.zipf,
        options.processes
    );
    for hot in hottest {
        let item = match hot.item.share() {
            0.0 => String::new(),
            _ => format!("{:.0}, {:.0}", hot.item.reads, hot.item.writes),
        };
        writeln!(
            text,
            "| {} | `{}` | {:.0} | {:.0} % | {:.0} | {:.0} % | {item} |",
            hot.space.name(),
            hot.pk,
            hot.load.reads,
            100.0 * hot.load.reads / READS,
            hot.load.writes,
            100.0 * hot.load.writes / WRITES,
        )?;
    }
    if let Some(movies) = scattered.iter().find(|hot| hot.pk.starts_with("MOVIES#")) {
        writeln!(
            text,
            "\nIf the movies that lists show had ids anywhere in the catalog, the hottest partition key of movies would be\n\
            `{}`, with {:.0} reads per second.",
            movies.pk, movies.load.reads
        )?;
    }
    text.push_str(AFTERWORD);
    text.push_str("\n| operation | per 1,000 requests | read units | write units |\n|---|---|---|---|\n");
    for (operation, samples) in recorded {
        let sum = |units: fn(&Access) -> f64| {
            let accesses = samples.iter().flat_map(|sample| &sample.accesses);
            accesses.map(units).sum::<f64>() / samples.len() as f64
        };
        writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} |",
            operation.name,
            operation.share,
            sum(|access| access.reads),
            sum(|access| access.writes),
        )?;
    }
    Ok(text)
}

const AFTERWORD: &str = "
The benchmark fails if a partition key is over a ceiling and the limits of [the data model](../data-model.md#limits) don't
name it, or if a single item is over a ceiling.

The mix, and the average units of each operation:
";
