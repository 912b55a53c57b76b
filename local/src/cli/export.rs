//! `marquee export`.

use std::{error::Error, io::ErrorKind, path::PathBuf, process::ExitCode};

use clap::Args;
use marquee_shared::config::Config;

use super::{Missing, OperatorTable, failed};
use crate::{
    export::{self, ExportError, Format, Target},
    server,
    start_error::{StartError, reason},
    stderr,
};

/// The arguments of `marquee export`.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// File to write, such as movies.csv or movies.jsonl; `-` for standard output.
    file: PathBuf,
    /// Format of the file [default: by its name; JSON Lines on standard output]
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    table: OperatorTable,
}

impl Export {
    pub(super) async fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        const LEFT_OUT: u8 = 1;
        const NOTHING_WRITTEN: u8 = 2;
        let target = match self.file.as_os_str() == "-" {
            true => Target::Stdout,
            false => Target::File(self.file.clone()),
        };
        let by_name = match target {
            Target::Stdout => Some(Format::Jsonl),
            Target::File(_) => Format::of(&self.file),
        };
        let file = self.file.display();
        let Some(format) = self.format.or(by_name) else {
            let text = format!(
                "the name {file} says no format. Name a file that ends in .csv or .jsonl, or say --format csv or --format jsonl."
            );
            return Ok(failed(&text, NOTHING_WRITTEN));
        };
        let place = self.table.place();
        let origin = export::origin(Config::from_env()?.http.public_url, self.table.data());
        let opened = match self.table.open(Missing::Refuse).await {
            Ok(opened) => opened,
            Err(error) => return Ok(failed(&error, NOTHING_WRITTEN)),
        };
        let unwritable = |error: &std::io::Error| {
            format!("{file} can't be written: {}. Name another file.", reason(error))
        };
        // Before there is a file that a signal would leave behind. Without one, the signal ends the program itself, also while
        // it waits for a reader.
        let signal = (!target.is_stream()).then(server::stop_signal);
        let mut output = match target.open() {
            Ok(output) => output,
            Err(error) => {
                opened.close().await?;
                return Ok(failed(&unwritable(&error), NOTHING_WRITTEN));
            }
        };
        let stopped = async {
            match signal {
                Some(Ok(signal)) => signal.await,
                Some(Err(_)) | None => std::future::pending().await,
            }
        };
        let exported = tokio::select! {
            exported = export::run(&opened.store, format, &origin, &mut output) => Some(exported),
            () = stopped => None,
        };
        let exported = match exported {
            Some(Ok(report)) => output
                .complete()
                .map(|()| Some(report))
                .map_err(ExportError::Write),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        };
        opened.close().await?;
        match exported {
            Ok(Some(report)) => {
                stderr::print(format_args!("{report}"));
                Ok(match report.unreadable {
                    0 => ExitCode::SUCCESS,
                    _ => ExitCode::from(LEFT_OUT),
                })
            }
            Ok(None) => Ok(failed(
                &format!("the export was stopped; {file} is as it was before"),
                LEFT_OUT,
            )),
            // The reader has what it wanted, as after `| head`.
            Err(ExportError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => {
                Ok(ExitCode::from(LEFT_OUT))
            }
            Err(ExportError::Write(error)) => Ok(failed(&unwritable(&error), LEFT_OUT)),
            Err(ExportError::Table(error)) => {
                Ok(failed(&StartError::Use(place, error.log_message()), LEFT_OUT))
            }
        }
    }
}
