//! The `marquee` command.

use std::process::ExitCode;

use clap::Parser as _;
use marquee::{cli::Cli, server, stderr};
use marquee_shared::telemetry;
use mimalloc::MiMalloc;

/// The embedded engine allocates memory so often, above all in an import, that the allocator matters
/// (docs/performance.md, "Import").
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    server::survive_the_largest_file();
    if let Err(error) = telemetry::init_command(cli.log_level()) {
        stderr::print(format_args!("marquee: {error}"));
        return cli.not_begun();
    }
    match cli.run().await {
        Ok(status) => status,
        Err(error) => {
            stderr::print(format_args!("marquee: {error}"));
            ExitCode::FAILURE
        }
    }
}
