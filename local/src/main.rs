//! The `marquee` command.

use std::process::ExitCode;

use clap::Parser as _;
use marquee::cli::Cli;
use marquee_shared::telemetry;
use mimalloc::MiMalloc;

/// The embedded engine, and an import above all, asks for memory so often that this one is felt (docs/performance.md,
/// "Import").
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::of_command(cli.log_level());
    match cli.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("marquee: {error}");
            ExitCode::FAILURE
        }
    }
}
