//! `marquee backup`.

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Args;

use super::failed;
use crate::backup;

/// The arguments of `marquee backup`.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Directory for the copy. It must be empty or not exist.
    directory: PathBuf,
    /// Data directory to copy.
    #[arg(long, value_name = "DIR", default_value = ".marquee")]
    data: PathBuf,
}

impl Backup {
    pub(super) async fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        const UNFINISHED: u8 = 1;
        const NOTHING_COPIED: u8 = 2;
        let target = self.directory.clone();
        let copied = tokio::task::spawn_blocking(move || backup::run(&self.data, &self.directory)).await?;
        match copied {
            Ok(report) => {
                eprintln!("{report} to {}", target.display());
                Ok(ExitCode::SUCCESS)
            }
            Err(error) if error.is_begun() => Ok(failed(&error, UNFINISHED)),
            Err(error) => Ok(failed(&error, NOTHING_COPIED)),
        }
    }
}
