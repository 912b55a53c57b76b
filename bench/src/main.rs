//! What Marquee costs and how fast it is: `cargo measure <benchmark>`. Each prints a part of docs/performance.md, and with
//! `--write` puts it there.
#![allow(unreachable_pub, reason = "a program: nothing here is reached from outside")]

// The tests' own auditor, so that "exact" means the same here.
#[allow(dead_code, unreachable_pub, clippy::unwrap_used)]
#[path = "../../tests/support/audit.rs"]
mod audit;
mod bench_server;
mod catalog;
mod cold_start;
mod contention;
mod growth;
mod heat;
mod import;
mod operations;
mod prepared;
mod programs;
mod report;
mod runtime;
mod search;
mod sizes;
mod tls;
mod warm;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

/// As in the local server, whose import is measured in this process.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "bench", bin_name = "cargo measure")]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
    /// Put the result into docs/performance.md.
    #[arg(long, global = true)]
    write: bool,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Trips, calls and units of every operation, from a hundred movies to a million.
    Growth(growth::Options),
    /// First pages of searches all of whose words are common.
    Search(search::Options),
    /// From a process's start to its first poll and its first answer, beside a bare function.
    ColdStart(cold_start::Options),
    /// Time, allocations and instructions that a warm function adds to its table's.
    Warm(warm::Options),
    /// Many togglers of one movie, and conflicts as optimiztic transactions meet them.
    Contention(contention::Options),
    /// The hottest partition keys at ten thousand requests a second.
    Heat(heat::Options),
    /// How large each function is.
    Sizes(sizes::Options),
    /// Movies a second through the proxy and by the engine's bulk path, and memory.
    Import(import::Options),
    /// Every one of these, one after another.
    All,
}

/// The order of the page.
const ALL: [&str; 8] = [
    "growth",
    "search",
    "import",
    "cold-start",
    "sizes",
    "warm",
    "contention",
    "heat",
];

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { benchmark, write } = Cli::parse();
    let all = match benchmark {
        Benchmark::All => ALL
            .map(|name| Cli::parse_from(["cargo measure", name]).benchmark)
            .into(),
        one => vec![one],
    };
    let mut code = ExitCode::SUCCESS;
    // Where one fails, the others are measured still.
    for benchmark in all {
        if let Err(error) = measure(benchmark, write).await {
            eprintln!("{error}");
            code = ExitCode::FAILURE;
        }
    }
    code
}

async fn measure(benchmark: Benchmark, write: bool) -> Result<(), Box<dyn Error>> {
    let (name, text) = match benchmark {
        Benchmark::Growth(options) => ("growth", growth::run(&options).await?),
        Benchmark::Search(options) => ("search", search::run(&options).await?),
        Benchmark::ColdStart(options) => ("cold-start", cold_start::run(&options).await?),
        Benchmark::Warm(options) => ("warm", warm::run(&options).await?),
        Benchmark::Contention(options) => ("contention", contention::run(&options).await?),
        Benchmark::Heat(options) => ("heat", heat::run(&options).await?),
        Benchmark::Sizes(options) => ("sizes", sizes::run(&options).await?),
        Benchmark::Import(options) => ("import", import::run(&options).await?),
        Benchmark::All => return Err("only one at a time".into()),
    };
    println!("{text}");
    if write {
        report::write(name, &text)?;
    }
    Ok(())
}
