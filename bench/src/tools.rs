//! Operators' commands on a large catalog: import, audit, export, and an import of the export, with time and memory.

use std::{
    collections::hash_map::DefaultHasher,
    error::Error,
    fmt::Write as _,
    fs,
    hash::{Hash as _, Hasher as _},
    io::{BufRead as _, BufReader, BufWriter},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::process::Command;

use crate::{catalog::Generator, prepared, programs};

/// The benchmark's limit: the most memory of an audit, in megabytes.
const MOST_OF_AUDIT: u64 = 300;

/// The benchmark's limit: the most memory of an export, in megabytes.
const MOST_OF_EXPORT: u64 = 100;

/// How often the memory of a command is looked at. Its peak is kept by the kernel, so no peak is missed before the last look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The number of movies.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..))]
    movies: u64,
    /// This build of the program instead of one that is built now.
    #[arg(long, value_name = "PATH")]
    marquee: Option<PathBuf>,
}

/// What a command took.
struct Run {
    name: &'static str,
    seconds: f64,
    /// The peak memory of its process, in megabytes.
    memory: u64,
    /// What it leaves: the bytes of a file or of a directory.
    left: u64,
}

/// Runs the commands, one after another.
///
/// # Errors
/// Returns an error if a command fails, if the audit finds something, if the second export isn't equal to the first, or if an
/// audit or an export takes too much memory.
pub(crate) async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let program = programs::marquee(options.marquee.as_deref()).await?;
    let root = tempfile::tempdir_in(prepared::data()?)?;
    let [csv, one, two, data, again] =
        ["movies.csv", "one.jsonl", "two.jsonl", "data", "again"].map(|name| root.path().join(name));
    Generator::new()?.write(options.movies, BufWriter::new(fs::File::create(&csv)?))?;
    let on = |command: &str, data: &Path| {
        let mut process = Command::new(&program);
        process.arg(command).arg("--data").arg(data);
        process
    };
    let mut runs = Vec::new();
    let mut import = on("import", &data);
    runs.push(measured("import", import.arg(&csv), &data).await?);
    runs.push(measured("audit", &mut on("audit", &data), &data).await?);
    let mut export = on("export", &data);
    runs.push(measured("export", export.arg(&one), &one).await?);
    let mut import = on("import", &again);
    runs.push(measured("import of the export", import.arg(&one), &again).await?);
    let mut export = on("export", &again);
    runs.push(measured("export of that", export.arg(&two), &two).await?);
    let [first, second] = [movies_of(&one)?, movies_of(&two)?];
    let text = report(options.movies, &runs);
    let mut wrong = judged(&runs);
    if first.len() as u64 != options.movies || first != second {
        wrong.push(format!(
            "{} movies were exported, and {} after they were imported again, not the same",
            first.len(),
            second.len()
        ));
    }
    match wrong.is_empty() {
        true => Ok(text),
        false => Err(format!("{text}\n{}", wrong.join("\n")).into()),
    }
}

/// Runs a command to its end.
async fn measured(name: &'static str, command: &mut Command, leaves: &Path) -> Result<Run, Box<dyn Error>> {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let status = child.id().map(|id| format!("/proc/{id}/status"));
    let mut memory = 0;
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended?,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let text = status.as_ref().and_then(|status| fs::read_to_string(status).ok());
        let peak = text.and_then(|text| programs::number_in(&text, "VmHWM:"));
        memory = peak.unwrap_or_default().max(memory);
    };
    if !ended.success() {
        return Err(format!("{name} ended with {ended}").into());
    }
    Ok(Run {
        name,
        seconds: begun.elapsed().as_secs_f64(),
        memory: memory / 1024,
        left: bytes_of(leaves)?,
    })
}

/// The bytes of a file, or of the files of a directory.
fn bytes_of(path: &Path) -> Result<u64, Box<dyn Error>> {
    if path.is_file() {
        return Ok(fs::metadata(path)?.len());
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        bytes += bytes_of(&entry?.path())?;
    }
    Ok(bytes)
}

/// A digest of each movie's fields that an import reads, sorted.
fn movies_of(file: &Path) -> Result<Vec<u64>, Box<dyn Error>> {
    let mut movies = Vec::new();
    for line in BufReader::new(fs::File::open(file)?).lines() {
        let movie: Value = serde_json::from_str(&line?)?;
        let fields = [
            "title",
            "description",
            "release_date",
            "director",
            "genre",
            "imdb_id",
            "cover_image",
        ];
        let mut digest = DefaultHasher::new();
        fields.map(|field| movie[field].to_string()).hash(&mut digest);
        movies.push(digest.finish());
    }
    movies.sort_unstable();
    Ok(movies)
}

fn report(movies: u64, runs: &[Run]) -> String {
    let mut text = format!(
        "The commands of an operator on a catalog of {movies} movies, one after another, each in a process of its own. The second \
         export has the same movies as the first.\n\n\
         | command | seconds | movies per second | peak memory | leaves |\n\
         |---|---|---|---|---|\n"
    );
    for run in runs {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {} MB | {:.0} MB |",
            run.name,
            run.seconds,
            programs::precise(movies) / run.seconds,
            run.memory,
            programs::precise(run.left) / 1e6,
        );
    }
    text
}

fn judged(runs: &[Run]) -> Vec<String> {
    let mut wrong = Vec::new();
    for run in runs {
        let most = match run.name {
            "audit" => MOST_OF_AUDIT,
            "export" => MOST_OF_EXPORT,
            _ => continue,
        };
        if run.memory > most {
            let Run { name, memory, .. } = run;
            wrong.push(format!("{name} took {memory} MB, more than {most} MB"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn movies_are_compared_by_their_fields_whatever_their_order_and_ids() {
        let digests = |lines: &str| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            write!(file, "{lines}").unwrap();
            movies_of(file.path()).unwrap()
        };
        let one = "{\"id\": 1, \"title\": \"Alien\"}\n{\"id\": 2, \"title\": \"Heat\"}\n";
        let two = "{\"id\": 1, \"title\": \"Heat\"}\n{\"id\": 2, \"title\": \"Alien\"}\n";
        let three = "{\"id\": 1, \"title\": \"Heat\"}\n{\"id\": 2, \"title\": \"Heat\"}\n";
        assert_eq!(digests(one), digests(two));
        assert_ne!(digests(two), digests(three));
    }

    #[test]
    fn too_much_memory_is_reported() {
        let run = |name, memory| Run {
            name,
            seconds: 1.0,
            memory,
            left: 1,
        };
        assert_eq!(
            judged(&[run("import", 9_000), run("audit", 300)]),
            Vec::<String>::new()
        );
        assert_eq!(judged(&[run("audit", 301), run("export", 101)]).len(), 2);
    }
}
