//! Heat: which partition keys are hottest when ten thousand requests a second come, and how near that is to what a
//! partition gives.

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
use mix::{Asked, Asking, MIX, Movie, Operation};
use scale::{Hot, READS, Scale, Size, WRITES, Zipf};

/// The demonstration catalog, which the recorded movies are from.
const CATALOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/movies.csv");

/// How many movies have favorites when the recording begins: enough for a page of the most liked.
const LIKED: usize = 24;

/// How often a warm process reads the public keys (AP-25).
const KEYS_EVERY: Duration = Duration::from_secs(300);

/// The page whose limits say which partition keys may pass the ceilings.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/data-model.md");

/// What says so in a row of that page's table.
const PASSED: &str = "[passed](performance.md#heat)";

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Requests a second that the mix is scaled to.
    #[arg(long, default_value_t = 10_000)]
    requests: u32,
    /// Movies of the large catalog.
    #[arg(long, default_value_t = 1_000_000)]
    movies: u64,
    /// Users.
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// The exponent of Zipf's law, by which movies and users are popular.
    #[arg(long, default_value_t = 1.0)]
    zipf: f64,
    /// Warm processes, each of which reads the public keys every 5 minutes.
    #[arg(long, default_value_t = 1_000)]
    processes: u32,
    /// Movies of the demonstration catalog, taken evenly over it, that requests are recorded with.
    #[arg(long, default_value_t = 2_000)]
    recorded_movies: usize,
    /// The seed of everything that is drawn.
    #[arg(long, default_value_t = 4)]
    seed: u64,
}

/// Records what each operation takes from which key, scales it, and reports the hottest.
///
/// # Errors
/// When a partition key passes a ceiling that docs/data-model.md doesn't name.
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
        .filter(|hot| hot.heat.share() > 1.0 && !is_named(&model, hot) || hot.item.share() > 1.0)
        .map(|hot| hot.pk.as_str())
        .collect();
    if unnamed.is_empty() {
        Ok(text)
    } else {
        Err(format!(
            "{text}\nhotter than docs/data-model.md says: {}",
            unnamed.join(", ")
        )
        .into())
    }
}

/// The hottest keys, at the rate that is asked for.
fn scaled(options: &Options, recorded: &[(Operation, Vec<Sample>)], mut scale: Scale<'_>) -> Vec<Hot> {
    for (operation, samples) in recorded {
        let each = f64::from(options.requests) * f64::from(operation.share) / 1000.0 / samples.len() as f64;
        for sample in samples {
            for access in &sample.accesses {
                scale.take(access, sample.asked, each);
            }
        }
    }
    // The recorded process had its keys before.
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

/// Whether a row of the limits says that keys of this kind pass their ceiling.
fn is_named(model: &str, hot: &Hot) -> bool {
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

/// One request as it was recorded.
struct Sample {
    asked: Asked,
    accesses: Vec<Access>,
}

/// Runs every operation of the mix against a real server, and gives what each took; and how many movies there were.
async fn record(options: &Options) -> Result<(Vec<(Operation, Vec<Sample>)>, u64), Box<dyn Error>> {
    let bench_server = BenchServer::open().await?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("movies.csv");
    let movies = sample_of_catalog(&file, options.recorded_movies)?;
    bench_server.import(file).await?;
    let count = movies.len() as u64;
    let mut asking = Asking {
        user: bench_server.register("viewer").await?,
        bench_server: &bench_server,
        movies,
        own: Vec::new(),
        random: StdRng::seed_from_u64(options.seed),
    };
    like_some(&asking).await?;
    for _ in 0..own_movies() {
        asking.add_own().await?;
    }
    bench_server.proxy.record_bodies();
    let mut recorded = Vec::new();
    for operation in MIX {
        let mut samples = Vec::new();
        for _ in 0..operation.samples {
            let (request, asked) = asking.prepare(&operation).await?;
            bench_server.proxy.take();
            let answer = json_of(request).await;
            answer.map_err(|e| format!("{}: {e}", operation.name))?;
            let records = bench_server.proxy.take();
            let accesses: Result<Vec<_>, _> = records.iter().map(accesses).collect();
            samples.push(Sample {
                asked,
                accesses: accesses?.concat(),
            });
        }
        recorded.push((operation, samples));
    }
    bench_server.close().await?;
    Ok((recorded, count))
}

/// As many movies of the user's own as the mix deletes, and one to change.
fn own_movies() -> usize {
    let deleted = MIX.iter().filter(|operation| operation.name == "delete");
    1 + deleted.map(|operation| operation.samples).sum::<usize>()
}

/// Movies taken evenly from the demonstration catalog, in its order, written to `file`.
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
        .ok_or("the catalog lacks a column")?;
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

/// Gives the last movies a favorite, and the warm process its keys.
async fn like_some(asking: &Asking<'_>) -> Result<(), Box<dyn Error>> {
    for movie in asking.movies.iter().rev().take(LIKED) {
        let path = format!("/api/movies/{}/favorite/", movie.id);
        json_of(
            asking
                .bench_server
                .request(Method::PUT, &path, Some(&asking.user)),
        )
        .await?;
    }
    for path in ["/api/movies/", "/api/users/", "/api/users/me/favorites/?limit=5"] {
        let page: Value = json_of(asking.bench_server.request(Method::GET, path, Some(&asking.user))).await?;
        if page["results"].as_array().is_none_or(Vec::is_empty) {
            return Err(format!("{path} is empty").into());
        }
    }
    Ok(())
}

fn report(
    options: &Options,
    recorded: &[(Operation, Vec<Sample>)],
    hottest: &[Hot],
    scattered: &[Hot],
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
            hot.heat.reads,
            100.0 * hot.heat.reads / READS,
            hot.heat.writes,
            100.0 * hot.heat.writes / WRITES,
        )?;
    }
    if let Some(movies) = scattered.iter().find(|hot| hot.pk.starts_with("MOVIES#")) {
        writeln!(
            text,
            "\nIf the movies that lists show had ids anywhere in the catalog, the hottest partition key of movies would be\n\
            `{}`, with {:.0} reads per second.",
            movies.pk, movies.heat.reads
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
