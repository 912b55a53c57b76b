//! The `marquee` command.

use std::process::ExitCode;

use clap::Parser as _;
use marquee::cli::Cli;
use shared::telemetry;

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
