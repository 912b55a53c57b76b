//! `marquee backup`.

use std::{
    error::Error,
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::Args;

use super::failed;
use crate::{
    backup::{self, BackupError},
    progress::bar,
    server, stderr,
};

/// The arguments of `marquee backup`.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Directory for the copy. It must be empty or not exist.
    directory: PathBuf,
    /// Data directory to copy.
    #[arg(long, value_name = "DIR", default_value = ".marquee")]
    data: PathBuf,
    // The options of tables that have no directory are known only to explain it.
    #[arg(long, hide = true)]
    memory: bool,
    #[arg(long, hide = true)]
    aws: bool,
    #[arg(long, hide = true)]
    dynamodb: Option<String>,
    #[arg(long, hide = true)]
    table: Option<String>,
}

impl Backup {
    pub(super) async fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        const UNFINISHED: u8 = 1;
        const NOTHING_COPIED: u8 = 2;
        let place = match (
            self.memory,
            self.aws || self.dynamodb.is_some() || self.table.is_some(),
        ) {
            (true, _) => Some("a table in memory is in no directory. Serve one with --data."),
            (_, true) => Some(
                "a backup copies a data directory. DynamoDB itself keeps the table of every second of the last 35 days \
                 (docs/deploy.md, \"Restore from a backup\"), and `marquee export` writes the movies of any table to a file.",
            ),
            (false, false) => None,
        };
        if let Some(reason) = place {
            return Ok(failed(&reason, NOTHING_COPIED));
        }
        let is_stopped = Arc::new(AtomicBool::new(false));
        if let Ok(signal) = server::stop_signal() {
            let is_stopped = Arc::clone(&is_stopped);
            tokio::spawn(async move {
                signal.await;
                is_stopped.store(true, Ordering::Relaxed);
            });
        }
        let target = self.directory.clone();
        let copied = tokio::task::spawn_blocking(move || {
            let progress = bar("copying", 0, "pages");
            let copied = backup::run(&self.data, &self.directory, &mut |pages| {
                if let Some([done, all]) = pages {
                    progress.set_length(all);
                    progress.set_position(done);
                }
                match is_stopped.load(Ordering::Relaxed) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            progress.finish_and_clear();
            copied
        });
        match copied.await? {
            Ok(report) => {
                stderr::print(format_args!("{report} to {}", target.display()));
                Ok(ExitCode::SUCCESS)
            }
            Err(error @ BackupError::Unfinished(..)) => Ok(failed(&error, UNFINISHED)),
            Err(error) => Ok(failed(&error, NOTHING_COPIED)),
        }
    }
}
