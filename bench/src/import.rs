//! Import: movies per second and memory, by the engine's bulk path and over HTTP.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    io::BufWriter,
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use dynoxide::Database;

use marquee::{
    engine::Storage,
    import::{Importer, Report, Source},
    server::table_file,
};
use marquee_shared::{
    aws::client,
    clock::Clock,
    config::Config,
    db::{Store, counter::Counter},
};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::{
    catalog::Generator,
    prepared::{self, boxed},
};

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The numbers of movies of the files, smallest first.
    #[arg(
        long,
        value_name = "MOVIES,…",
        value_delimiter = ',',
        default_values_t = [20_000, 200_000]
    )]
    sizes: Vec<u64>,
    /// Imports this file in this process and prints the measurements. The benchmark starts one process for each run, so
    /// that the memory of a run is that of its process.
    #[arg(long, hide = true)]
    file: Option<PathBuf>,
    /// Imports the file into the table at this endpoint instead of a new table.
    #[arg(long, requires = "file", hide = true)]
    endpoint: Option<String>,
}

/// How the import writes to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By calls to the embedded engine, into a file. Each commit is synced to the disk.
    Bulk,
    /// BatchWriteItem over HTTP, as on AWS, to an engine in another process. The engine doesn't wait for the disk. If it
    /// did, it would wait for each item of each BatchWriteItem, and only the disk would be measured.
    Http,
}

/// The measurements of an import.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Run {
    movies: u64,
    seconds: f64,
    /// The peak memory of the process before the import and at the end, in kilobytes.
    idle: u64,
    peak: u64,
}

/// The benchmark's limit: the least rate of the bulk path of a release build into a file, in movies per second.
const LEAST: f64 = 3_000.0;

/// The benchmark's limit: the most memory of an import of a long file, as a multiple of that of a short file.
const FLAT: f64 = 1.25;

/// The text above the table, and the table's head.
const HEADING: &str = "\
The bulk path writes into a file through the embedded engine's own calls, and each batch waits for the disk. Over HTTP, the
import sends BatchWriteItem, as on AWS, to an engine in another process that doesn't wait for the disk. Each import runs in a
process of its own, whose memory is shown.

| path | movies | seconds | movies per second | peak memory | memory before the import |
|---|---|---|---|---|---|
";

/// Measures imports of every size in both ways.
///
/// # Errors
/// Returns an error if an import fails or a count is wrong, if memory grows with the file, or if a release build is too
/// slow.
pub(crate) async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    if let Some(csv) = &options.file {
        let run = match &options.endpoint {
            Some(url) => import_to(csv, url).await?,
            None => import_into_a_file(csv).await?,
        };
        return Ok(serde_json::to_string(&run)?);
    }
    let directory = tempfile::tempdir_in(prepared::data()?)?;
    let generator = Generator::new()?;
    let mut text = HEADING.to_owned();
    let mut wrong = Vec::new();
    for way in [Way::Bulk, Way::Http] {
        let mut runs = Vec::new();
        for movies in &options.sizes {
            let csv = directory.path().join("movies.csv");
            generator.write(*movies, BufWriter::new(fs::File::create(&csv)?))?;
            let run = measured(&csv, way).await?;
            let _ = writeln!(
                text,
                "| {} | {} | {:.1} | {:.0} | {:.0} MB | {:.0} MB |",
                match way {
                    Way::Bulk => "bulk",
                    Way::Http => "HTTP",
                },
                run.movies,
                run.seconds,
                run.movies_a_second(),
                megabytes(run.peak),
                megabytes(run.idle),
            );
            runs.push(run);
        }
        wrong.extend(judged(way, &runs));
    }
    if wrong.is_empty() {
        Ok(text)
    } else {
        Err(format!("{text}\n{}", wrong.join("\n")).into())
    }
}

/// Returns the failures of the imports in one way, which are given smallest first.
fn judged(way: Way, runs: &[Run]) -> Vec<String> {
    let mut wrong = Vec::new();
    if let (Some(short), Some(long)) = (runs.first(), runs.last())
        && megabytes(long.peak) > FLAT * megabytes(short.peak)
    {
        wrong.push(format!(
            "{way:?}: memory grows with the file: {short:?}, {long:?}"
        ));
    }
    if way == Way::Bulk && !cfg!(debug_assertions) {
        let slow = runs.iter().filter(|run| run.movies_a_second() < LEAST);
        wrong.extend(slow.map(|run| format!("{way:?}: fewer than {LEAST} movies a second: {run:?}")));
    }
    wrong
}

impl Run {
    fn movies_a_second(&self) -> f64 {
        self.movies as f64 / self.seconds
    }
}

fn megabytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}

/// Imports a file in a process of its own.
async fn measured(csv: &Path, way: Way) -> Result<Run, Box<dyn Error>> {
    if way == Way::Bulk {
        return in_a_process(csv, None).await;
    }
    let directory = tempfile::tempdir_in(prepared::data()?)?;
    let (engine, _) = prepared::open(&Storage::File(table_file(directory.path()))).await?;
    engine.database().enable_bulk_loading()?;
    let run = in_a_process(csv, engine.endpoint().as_deref()).await;
    engine.shutdown().await?;
    run
}

async fn in_a_process(csv: &Path, endpoint: Option<&str>) -> Result<Run, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("import").arg("--file").arg(csv);
    if let Some(endpoint) = endpoint {
        command.args(["--endpoint", endpoint]);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let output = command.spawn()?.wait_with_output().await?;
    if !output.status.success() {
        return Err(format!("an import ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Imports in this process by the engine's own calls, into a file.
async fn import_into_a_file(csv: &Path) -> Result<Run, Box<dyn Error>> {
    // The file is on the disk of the repository, because the system's temporary directory may be in memory.
    let directory = tempfile::tempdir_in(prepared::data()?)?;
    let (engine, store) = prepared::open(&Storage::File(table_file(directory.path()))).await?;
    let run = import(csv, store, Some(engine.database().clone())).await?;
    engine.shutdown().await?;
    Ok(run)
}

/// Imports in this process over HTTP, to an endpoint.
async fn import_to(csv: &Path, endpoint: &str) -> Result<Run, Box<dyn Error>> {
    let table = Config::default().table;
    let store = Store::new(client::local(endpoint), table, Clock::default());
    import(csv, store, None).await
}

async fn import(csv: &Path, store: Store, database: Option<Database>) -> Result<Run, Box<dyn Error>> {
    let importer = Importer::new(store.clone(), database);
    let idle = most_memory()?;
    let begun = Instant::now();
    let report = importer.run(&Source::File(csv.to_owned())).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let movies = report.movies;
    if report != Report::of_all(movies) {
        return Err(format!("not every row was imported: {report}").into());
    }
    let [counted] = store.read_counters([Counter::Movies]).await.map_err(boxed)?;
    if counted != movies {
        return Err(format!("{movies} movies were imported, {counted} counted").into());
    }
    Ok(Run {
        movies,
        seconds,
        idle,
        peak: most_memory()?,
    })
}

/// Returns the peak memory of this process until now, in kilobytes.
fn most_memory() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix("kB"));
    Ok(kilobytes
        .ok_or("/proc/self/status has no VmHWM")?
        .trim()
        .parse()?)
}
