//! The guard of `.ci/run`: instructions of a request, compared with those of the peer, and of a start, compared with that among
//! fewer movies. Valgrind counts them, so the load of the machine doesn't matter. Builds for development are compared, because
//! the leg has them.

use std::{collections::BTreeMap, ffi::OsString, fs, path::PathBuf};

use tempfile::TempDir;

use super::{
    catalogs::{Movies, Stored, stored},
    connection::Connection,
    requests::{Operation, SEARCHES},
    same,
    server::{Kind, Program, Server},
};
use crate::{
    callgrind::{check_valgrind, dumped, read, vgdb},
    programs,
    runtime::Failure,
};

/// The file of the expected ratios.
const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/local.json");

/// By how much a ratio may exceed the expected one, as a factor.
const TOLERANCE: f64 = 1.2;

/// The numbers of movies.
const SMALL: Movies = Movies::Generated(100);
const LARGE: Movies = Movies::Generated(3_000);

/// The number of requests before the counted ones.
const WARM_UP: usize = 3;

/// The number of counted requests. Searches differ much from each other, so each of them is counted.
const COUNTED: u64 = 8;
const COUNTED_SEARCHES: u64 = SEARCHES.len() as u64;

/// The name of the ratio of the starts.
const START: &str = "start among 3,000 movies and among 100";

/// Compares the ratios with the expected ones, or writes them if `renew` is set.
///
/// # Errors
/// Returns an error if a ratio is too high, or if a server or valgrind fails.
pub(crate) async fn run(renew: bool) -> Result<String, Failure> {
    check_valgrind().await?;
    let built = programs::servers(["marquee", "peer"], false).await;
    let [marquee, peer] = built.map_err(|e| e.to_string())?;
    let [marquee, peer] = [
        (Kind::Marquee, "debug marquee", marquee),
        (Kind::Peer, "debug peer", peer),
    ]
    .map(|(kind, name, path)| Program { kind, name, path });
    let mut own = Counted::start(&marquee, &stored(&marquee, LARGE, true).await?).await?;
    let few = Counted::start(&marquee, &stored(&marquee, SMALL, false).await?).await?;
    let mut other = Counted::start(&peer, &stored(&peer, LARGE, true).await?).await?;
    let mut ratios = BTreeMap::from([(START.to_owned(), own.start as f64 / few.start as f64)]);
    few.server.stop().await?;
    let movies = LARGE.count()?;
    same::check(&other.server, &own.server, movies).await?;
    for operation in Operation::ALL {
        let [one, two] = [
            own.count(operation, movies).await?,
            other.count(operation, movies).await?,
        ];
        eprintln!("{}: {one} instructions, the peer {two}", operation.name());
        ratios.insert(operation.name().to_owned(), one as f64 / two as f64);
    }
    own.server.stop().await?;
    other.server.stop().await?;
    if renew {
        for ratio in ratios.values_mut() {
            *ratio = (*ratio * 100.0).round() / 100.0;
        }
        fs::write(EXPECTED, serde_json::to_string_pretty(&ratios)? + "\n")?;
        return Ok(format!("{} ratios written", ratios.len()));
    }
    compare(&ratios, &serde_json::from_str(&fs::read_to_string(EXPECTED)?)?)
}

/// Returns a table of the ratios.
///
/// # Errors
/// Returns the table and the ratios that are too high.
fn compare(ratios: &BTreeMap<String, f64>, expected: &BTreeMap<String, f64>) -> Result<String, Failure> {
    let mut text = String::from("| instructions | ratio | expected |\n|---|---|---|\n");
    let mut high = Vec::new();
    for (name, ratio) in ratios {
        let expected = expected
            .get(name)
            .ok_or_else(|| format!("{EXPECTED} lacks {name}"))?;
        text += &format!("| {name} | {ratio:.2} | {expected:.2} |\n");
        if *ratio > TOLERANCE * expected {
            high.push(format!(
                "{name}: {ratio:.2} times as many instructions, not {expected:.2} times"
            ));
        }
    }
    if high.is_empty() {
        return Ok(text);
    }
    Err(format!(
        "{text}\n{}\nIf the new ratios are right, write them: cargo run --bin bench -- local --renew",
        high.join("\n")
    )
    .into())
}

/// A server under callgrind.
struct Counted {
    server: Server,
    /// The instructions of the start.
    start: u64,
    out: PathBuf,
    dumps: usize,
    tokens: Vec<String>,
    _directories: [TempDir; 2],
}

impl Counted {
    async fn start(program: &Program, catalog: &Stored) -> Result<Self, Failure> {
        let (data, directory) = (catalog.copy()?, tempfile::tempdir()?);
        let out = directory.path().join("out");
        let before: Vec<OsString> = vec![
            "valgrind".into(),
            "--tool=callgrind".into(),
            format!("--callgrind-out-file={}", out.display()).into(),
        ];
        let log = directory.path().join("log");
        let server = program.start(data.path(), None, &log, &before).await?;
        let mut counted = Self {
            server,
            start: 0,
            out,
            dumps: 0,
            tokens: catalog.tokens.clone(),
            _directories: [data, directory],
        };
        counted.start = counted.dump().await?;
        Ok(counted)
    }

    /// Returns the instructions of a request of this operation: the mean of several requests of one connection.
    async fn count(&mut self, operation: Operation, movies: u64) -> Result<u64, Failure> {
        let requests = operation
            .requests(&self.server, movies, &self.tokens, 1)
            .await?
            .concat();
        let mut connection = Connection::open(self.server.address).await?;
        let mut requests = requests.iter().cycle();
        for request in requests.by_ref().take(WARM_UP) {
            connection.ask(request).await?;
        }
        let counted = match operation {
            Operation::Search => COUNTED_SEARCHES,
            _ => COUNTED,
        };
        vgdb(self.server.pid()?, "zero").await?;
        for request in requests.take(counted.try_into()?) {
            connection.ask(request).await?;
        }
        Ok(self.dump().await? / counted)
    }

    /// Returns the instructions since the last dump or reset.
    async fn dump(&mut self) -> Result<u64, Failure> {
        vgdb(self.server.pid()?, "dump").await?;
        self.dumps += 1;
        let counts = read(&dumped(&self.out, self.dumps)?);
        Ok(counts.ok_or("callgrind's file has no summary")?.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_may_be_lower_and_at_most_a_fifth_higher() {
        let one = |ratio: f64| BTreeMap::from([("get".to_owned(), ratio)]);
        for ratio in [0.1, 3.0, 3.59] {
            assert!(compare(&one(ratio), &one(3.0)).is_ok(), "{ratio}");
        }
        let message = compare(&one(3.61), &one(3.0)).unwrap_err().to_string();
        assert!(
            message.contains("get: 3.61 times as many instructions, not 3.00 times"),
            "{message}"
        );
        assert!(compare(&one(3.0), &BTreeMap::new()).is_err());
    }

    #[test]
    fn every_ratio_is_in_the_file() {
        let text = fs::read_to_string(EXPECTED).unwrap();
        let expected: BTreeMap<String, f64> = serde_json::from_str(&text).unwrap();
        let mut names: Vec<&str> = Operation::ALL.map(Operation::name).into();
        names.push(START);
        names.sort_unstable();
        assert_eq!(expected.keys().map(String::as_str).collect::<Vec<_>>(), names);
    }
}
