//! Measures what Marquee costs and how fast it is: `cargo measure <benchmark>` prints the tables of one benchmark, and with
//! `--write` writes them to its page in docs/performance/. docs/performance.md says which targets are reached.
#![expect(unreachable_pub, reason = "a program: no item is visible outside of it")]

mod bench_server;
mod callgrind;
mod catalog;
mod cold_start;
mod contention;
mod crowd;
mod growth;
mod hot_keys;
mod import;
mod local;
mod prepared;
mod programs;
mod report;
mod runtime;
mod search;
mod sizes;
mod soak;
mod tls;
mod tools;
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
    /// Write the result to the page of the benchmark in docs/performance/.
    #[arg(long, global = true)]
    write: bool,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Round trips, calls and units of every operation, from a hundred movies to a million.
    Growth(growth::Options),
    /// Whether searches find the movie that people mean, and what they cost.
    Search(search::Options),
    /// The time from a process's start to its first poll and to its first response, compared with a bare function.
    ColdStart(cold_start::Options),
    /// Time, allocations and instructions of a request in a warm function, without the time of the table.
    Warm(warm::Options),
    /// Many users who toggle the favorite of one movie at the same time, with conflicts by DynamoDB's rules.
    Contention(contention::Options),
    /// The hottest partition keys at ten thousand requests per second.
    HotKeys(hot_keys::Options),
    /// The size of each function.
    Sizes(sizes::Options),
    /// Movies per second and memory of an import, by the engine's bulk path and over HTTP.
    Import(import::Options),
    /// The server on one machine: requests per second, processor time and start, compared with a plain server and with another
    /// build.
    Local(local::Options),
    /// Memory, descriptors and files of the server on one machine under steady use. Not a part of `all`.
    Soak(soak::Options),
    /// The commands of an operator on a large catalog: time and memory of import, audit and export. Not a part of `all`.
    Tools(tools::Options),
    /// All benchmarks but `soak` and `tools`, one after another.
    All,
}

/// Every benchmark of `all`, in the order of docs/performance.md.
const ALL: [&str; 9] = [
    "growth",
    "search",
    "import",
    "cold-start",
    "sizes",
    "warm",
    "contention",
    "hot-keys",
    "local",
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
    // After a failure, the other benchmarks still run.
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
        Benchmark::Local(options) => ("local", local::run(&options).await?),
        Benchmark::Soak(options) => ("soak", soak::run(&options).await?),
        Benchmark::Tools(options) => ("tools", tools::run(&options).await?),
        Benchmark::All => return Err("`all` is not one benchmark".into()),
    };
    println!("{text}");
    if write {
        report::write(name, &text)?;
    }
    Ok(())
}
