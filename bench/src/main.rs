//! What Marquee costs and how fast it is: `cargo measure <benchmark>`. Each benchmark prints a section of docs/performance.md,
//! and `--write` writes it there.
#![allow(unreachable_pub, reason = "a program: no item is visible outside of it")]

mod bench_server;
mod catalog;
mod cold_start;
mod contention;
mod growth;
mod hot_keys;
mod import;
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

/// The allocator of the local server, whose import is measured in this process.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "bench", bin_name = "cargo measure")]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
    /// Write the result into docs/performance.md.
    #[arg(long, global = true)]
    write: bool,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Trips, calls and units of every request of the list of budgets, among a hundred to a million movies.
    Growth(growth::Options),
    /// First pages of searches with only common words: how full they are and what they cost.
    Search(search::Options),
    /// Time from the start of a process to its first poll and to its first answer, compared with a bare function.
    ColdStart(cold_start::Options),
    /// Time, allocations and instructions of a warm function, without its table's.
    Warm(warm::Options),
    /// Many users who toggle one favorite at once, with transactions that conflict as in DynamoDB.
    Contention(contention::Options),
    /// The partition keys with the most units at ten thousand requests a second.
    HotKeys(hot_keys::Options),
    /// The size of each function.
    Sizes(sizes::Options),
    /// Movies a second and memory of the import, over HTTP and by the engine's bulk path.
    Import(import::Options),
    /// All of these, one after another.
    All,
}

/// The order of the sections of the page.
const ALL: [&str; 8] = [
    "growth",
    "search",
    "import",
    "cold-start",
    "sizes",
    "warm",
    "contention",
    "hot-keys",
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
    // After one that fails, the others are still measured.
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
        Benchmark::HotKeys(options) => ("hot-keys", hot_keys::run(&options).await?),
        Benchmark::Sizes(options) => ("sizes", sizes::run(&options).await?),
        Benchmark::Import(options) => ("import", import::run(&options).await?),
        Benchmark::All => return Err("`all` is not one benchmark".into()),
    };
    println!("{text}");
    if write {
        report::write(name, &text)?;
    }
    Ok(())
}
