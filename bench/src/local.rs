//! The server on one machine, compared with a plain server of the same API and with another build of itself.

mod catalogs;
mod connection;
mod guard;
mod load;
mod requests;
mod same;
pub(crate) mod server;
mod table;
mod users;

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use self::{
    catalogs::{Movies, Stored, stored},
    load::load,
    requests::Operation,
    server::{Kind, Program, Server},
    table::{Figures, Measured, Row, Start, median},
};
use crate::{growth::grouped, prepared, programs, runtime::Failure};

/// The numbers of connections.
const CONNECTIONS: [usize; 2] = [1, 16];

/// The operations that are measured among many movies.
const GROWTH: [Operation; 2] = [Operation::Get, Operation::Search];

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Another build of `marquee`, which is measured in turn with this one.
    #[arg(long, value_name = "PATH")]
    before: Option<PathBuf>,
    /// Measure this build of `marquee` instead of building it.
    #[arg(long, value_name = "PATH", conflicts_with = "check")]
    marquee: Option<PathBuf>,
    /// Measure this build of the peer instead of building it.
    #[arg(long, value_name = "PATH", conflicts_with = "check")]
    peer: Option<PathBuf>,
    /// How often each server is measured for each operation and number of connections.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The time of one measurement, in seconds.
    #[arg(long, default_value_t = 1.0, value_parser = seconds)]
    seconds: f64,
    /// The number of movies of the large catalog.
    #[arg(long, default_value_t = 170_000, value_name = "MOVIES")]
    large: u64,
    /// Only count instructions at small sizes with builds for development, and fail if a ratio is higher than in
    /// bench/local.json.
    #[arg(long, conflicts_with_all = ["before", "rounds", "seconds", "large", "write"])]
    check: bool,
    /// Write the ratios of instructions into bench/local.json.
    #[arg(long, conflicts_with_all = ["before", "rounds", "seconds", "large", "write", "check"])]
    renew: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: Result<f64, _> = text.parse();
    seconds
        .ok()
        .filter(|seconds| (0.1..=60.0).contains(seconds))
        .ok_or_else(|| "must be from 0.1 to 60".to_owned())
}

/// Measures every operation and the start, with each server in turn.
///
/// # Errors
/// Returns an error if a server fails, refuses a request, or answers differently from the others.
pub(crate) async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let measured = match options.check || options.renew {
        true => guard::run(options.renew).await,
        false => measure(options).await,
    };
    measured.map_err(|error| -> Box<dyn Error> { error })
}

async fn measure(options: &Options) -> Result<String, Failure> {
    let programs = programs_of(options).await?;
    let (small, large) = (Movies::Demonstration, Movies::Generated(options.large));
    let mut catalogs = Vec::new();
    for program in &programs {
        catalogs.push([
            stored(program, small, true).await?,
            stored(program, large, false).await?,
        ]);
    }
    let mut starts = Vec::new();
    for (at, movies) in [small, large].into_iter().enumerate() {
        let catalogs = catalogs.iter().map(|both| &both[at]).collect::<Vec<_>>();
        starts.push(started(options, &programs, &catalogs, movies.count()?).await?);
    }
    let small_catalogs: Vec<&Stored> = catalogs.iter().map(|both| &both[0]).collect();
    let rows = served(
        options,
        &programs,
        &small_catalogs,
        small.count()?,
        &Operation::ALL,
    )
    .await?;
    let large_catalogs: Vec<&Stored> = catalogs.iter().map(|both| &both[1]).collect();
    let growth = served(options, &programs, &large_catalogs, large.count()?, &GROWTH).await?;
    let names = programs.iter().map(|program| program.name).collect();
    let measured = Measured {
        names,
        small: small.count()?,
        large: large.count()?,
        rows,
        growth,
        starts,
        rounds: options.rounds,
        seconds: options.seconds,
    };
    Ok(measured.text())
}

/// Returns the programs: the peer, the build before if there is one, and this build, which is always the last.
async fn programs_of(options: &Options) -> Result<Vec<Program>, Failure> {
    let program = |kind, name, path: PathBuf| {
        let path = path
            .canonicalize()
            .map_err(|e| format!("{}: {e}", path.display()))?;
        Ok::<_, Failure>(Program { kind, name, path })
    };
    let (marquee, peer) = match (&options.marquee, &options.peer) {
        (Some(marquee), Some(peer)) => (marquee.clone(), peer.clone()),
        (marquee, peer) => {
            let built = programs::servers(["marquee", "peer"], true).await;
            let [built, built_peer] = built.map_err(|e| e.to_string())?;
            (
                marquee.clone().unwrap_or(built),
                peer.clone().unwrap_or(built_peer),
            )
        }
    };
    let mut programs = vec![program(Kind::Peer, "peer", peer)?];
    if let Some(before) = &options.before {
        programs.push(program(Kind::Marquee, "before", before.clone())?);
    }
    programs.push(program(Kind::Marquee, "marquee", marquee)?);
    Ok(programs)
}

/// Starts each program in turn, once more than there are rounds, and returns the median of the later times in seconds. After
/// the first start, the system has the files in memory.
async fn started(
    options: &Options,
    programs: &[Program],
    catalogs: &[&Stored],
    movies: u64,
) -> Result<Start, Failure> {
    let directory = tempfile::tempdir()?;
    let mut times = vec![Vec::new(); programs.len()];
    for round in 0..=options.rounds {
        for ((program, catalog), times) in programs.iter().zip(catalogs).zip(&mut times) {
            let log = directory.path().join("log");
            let server = program.start(&catalog.data, None, &log, &[]).await?;
            if round > 0 {
                times.push(server.start.as_secs_f64());
            }
            server.stop().await?;
        }
    }
    eprintln!("starts with {} movies measured", grouped(movies));
    Ok(Start {
        movies,
        seconds: times.into_iter().map(median).collect(),
    })
}

/// Measures these operations with each program in turn, each on a copy of its catalog.
async fn served(
    options: &Options,
    programs: &[Program],
    catalogs: &[&Stored],
    movies: u64,
    operations: &[Operation],
) -> Result<Vec<Row>, Failure> {
    let directory = tempfile::tempdir_in(prepared::data().map_err(|e| e.to_string())?)?;
    let (mut copies, mut servers) = (Vec::new(), Vec::new());
    for (program, catalog) in programs.iter().zip(catalogs) {
        let copy = catalog.copy()?;
        let log = directory.path().join(program.name);
        servers.push(program.start(copy.path(), None, &log, &[]).await?);
        copies.push(copy);
    }
    if let Some((reference, others)) = servers.split_first() {
        for other in others {
            same::check(reference, other, movies).await?;
        }
    }
    let mut rows = Vec::new();
    for operation in operations {
        let mut row = Row::new(operation.name(), programs.len());
        for (at, connections) in CONNECTIONS.into_iter().enumerate() {
            let tokens = catalogs.iter().map(|catalog| catalog.tokens.as_slice());
            let targets: Vec<(&Server, &[String])> = servers.iter().zip(tokens).collect();
            row.loads[at] = turns(options, &targets, movies, *operation, connections).await?;
        }
        eprintln!("{} among {} movies measured", operation.name(), grouped(movies));
        rows.push(row);
    }
    for server in servers {
        server.stop().await?;
    }
    Ok(rows)
}

/// Measures one operation with each server in turn. Returns the figures of each server.
async fn turns(
    options: &Options,
    servers: &[(&Server, &[String])],
    movies: u64,
    operation: Operation,
    connections: usize,
) -> Result<Vec<Figures>, Failure> {
    let mut all = Vec::new();
    for (server, tokens) in servers {
        let requests = operation.requests(server, movies, tokens, connections).await?;
        all.push((*server, Arc::new(requests), 0, Vec::new()));
    }
    for _ in 0..options.rounds {
        for (server, requests, done, loads) in &mut all {
            let time = Duration::from_secs_f64(options.seconds);
            let (load, next) = load(server, requests.clone(), *done, time).await?;
            *done = next;
            loads.push(load);
        }
    }
    Ok(all.iter().map(|(_, _, _, loads)| Figures::of(loads)).collect())
}
