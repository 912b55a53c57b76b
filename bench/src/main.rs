//! What Marquee costs and how fast it is: `cargo measure <benchmark>`. Each prints a part of docs/performance.md, and with
//! `--write` puts it there.

mod cold_start;
mod contention;
mod growth;
mod heat;
mod import;
mod report;
mod search;
mod warm;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

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
    /// Trips, calls and units of every operation, from a hundred films to a million.
    Growth(growth::Options),
    /// From a process's start to its first poll and its first answer, beside a bare function.
    ColdStart(cold_start::Options),
    /// Time, allocations and instructions that a warm function adds to its table's.
    Warm(warm::Options),
    /// Many togglers of one film, and conflicts as optimistic transactions meet them.
    Contention(contention::Options),
    /// The hottest partition keys at ten thousand requests a second.
    Heat(heat::Options),
    /// First pages of searches all of whose words are common.
    Search(search::Options),
    /// Films a second through the wire and by the engine's bulk path, and memory.
    Import(import::Options),
}

impl Benchmark {
    async fn run(&self) -> Result<(&'static str, String), Box<dyn Error>> {
        Ok(match self {
            Self::Growth(options) => ("growth", growth::run(options).await?),
            Self::ColdStart(options) => ("cold-start", cold_start::run(options).await?),
            Self::Warm(options) => ("warm", warm::run(options).await?),
            Self::Contention(options) => ("contention", contention::run(options).await?),
            Self::Heat(options) => ("heat", heat::run(options).await?),
            Self::Search(options) => ("search", search::run(options).await?),
            Self::Import(options) => ("import", import::run(options).await?),
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match measure(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let (name, text) = cli.benchmark.run().await?;
    println!("{text}");
    if cli.write {
        report::write(name, &text)?;
    }
    Ok(())
}
