//! `marquee import`.

use std::{
    collections::HashSet,
    error::Error,
    io::{self, IsTerminal as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use marquee_covers::{CoversFunction, Objects};
use marquee_shared::covers::Covers;

use super::{Missing, OperatorTable, failed, print_line};
use crate::{
    engine::Engine,
    import::{DateOrder, Field, ImportError, Importer, Options, Source},
    private::COVERS,
    server,
    start_error::StartError,
    stderr,
};

const LEFT_OUT: u8 = 1;
const NOTHING_READ: u8 = 2;

/// The arguments of `marquee import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// File to import.
    file: PathBuf,
    /// Column that holds a field under another name; can be given for each field.
    #[arg(long = "column", value_name = "FIELD=NAME", value_parser = column)]
    columns: Vec<(Field, String)>,
    /// Order of day and month in numeric dates whose year is last, such as 12/31/1999.
    #[arg(long, value_enum, value_name = "ORDER")]
    dates: Option<DateOrder>,
    /// Directory with the images of uploaded covers that the file names; each movie gets a copy [default: covers, in the directory
    /// of --data]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["aws", "dynamodb"])]
    covers: Option<PathBuf>,
    #[command(flatten)]
    table: OperatorTable,
}

impl Import {
    /// Imports the file. The help of `marquee import` says what its exit status means.
    pub(super) async fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let place = self.table.place();
        if self.file.as_os_str() == "-" {
            let message = "import: standard input can't be read: a file is read twice. Save what it has to a file first.";
            return Ok(failed(&message, NOTHING_READ));
        }
        if let Some(field) = named_twice(&self.columns) {
            let message = format!("import: --column names a column for {field} twice");
            return Ok(failed(&message, NOTHING_READ));
        }
        let images = match self.table.covers(self.covers.as_deref()) {
            Ok(images) => images,
            Err(message) => return Ok(failed(&message, NOTHING_READ)),
        };
        let options = Options {
            dates: self.dates,
            columns: self.columns,
            images,
        };
        // A table elsewhere has its images elsewhere too, where nothing is stored from here.
        let own = self.table.data().map(|data| data.join(COVERS));
        let opened = match self.table.open(Missing::Create).await {
            Ok(opened) => opened,
            Err(error) => return Ok(failed(&error, NOTHING_READ)),
        };
        let database = opened.engine.as_ref().map(Engine::database).cloned();
        let covers = own.map(|own| CoversFunction::new(opened.store.clone(), Some(Objects::directory(own))));
        let importer = Importer::new(opened.store.clone(), database)
            .with(options)
            .with_covers(covers.map(Covers::new).unwrap_or_default());
        let file = Source::File(self.file);
        // Not dropped by a stop: threads of its own would miss the engine and then the runtime.
        let mut importing = std::pin::pin!(importer.run(&file));
        let report = match server::stop_signal() {
            Ok(stopped) => tokio::select! {
                report = &mut importing => report,
                () = stopped => stop(),
            },
            Err(_) => importing.await,
        };
        opened.close().await?;
        match report {
            Ok(report) => {
                print_line(format_args!("{report}"))?;
                Ok(match report.counts.left_out {
                    0 => ExitCode::SUCCESS,
                    _ => ExitCode::from(LEFT_OUT),
                })
            }
            Err(ImportError::Unreachable(reason)) => {
                Ok(failed(&StartError::Use(place, reason), NOTHING_READ))
            }
            Err(ImportError::Table(reason)) => {
                let stopped = StartError::Use(place, reason);
                let text = format!("{stopped} Then run the import again: it continues where it stopped.");
                Ok(failed(&text, LEFT_OUT))
            }
            Err(error @ ImportError::File(_)) => Ok(failed(&error, NOTHING_READ)),
            Err(error @ ImportError::Stopped(_)) => Ok(failed(&error, LEFT_OUT)),
        }
    }
}

/// Ends the program at Ctrl-C or SIGTERM. What is committed stays, as after `kill -9`.
fn stop() -> ! {
    if io::stderr().is_terminal() {
        // Behind the progress bar.
        stderr::print(format_args!(""));
    }
    stderr::print(format_args!(
        "marquee: import: it was stopped; run it again, with the same file and options, to continue it"
    ));
    std::process::exit(LEFT_OUT.into())
}

/// The first field for which a second column is named.
fn named_twice(columns: &[(Field, String)]) -> Option<Field> {
    let mut seen = HashSet::new();
    let mut fields = columns.iter().map(|(field, _)| *field);
    fields.find(|field| !seen.insert(*field))
}

/// Parses `FIELD=NAME`.
fn column(text: &str) -> Result<(Field, String), String> {
    let (field, name) = text
        .split_once('=')
        .ok_or("write it as FIELD=NAME, such as title=Name")?;
    Ok((field.trim().parse()?, name.trim().to_owned()))
}
