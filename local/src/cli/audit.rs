//! `marquee audit`.

use std::{
    error::Error,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use marquee_covers::Objects;
use marquee_shared::{
    config::Config,
    db::{Store, counter::Counter},
};
use serde_json::json;

use super::{Missing, Opened, OperatorTable, failed};
use crate::{
    audit::{self, AuditError, Finding, Options, Report},
    progress::bar,
    server,
    start_error::{StartError, reason},
    upgrade::{self, Older},
};

const LEFT: u8 = 1;
const NOT_LOOKED: u8 = 2;

/// How many items a movie has, about, for the progress bar.
const ITEMS_OF_A_MOVIE: u64 = 14;

/// The arguments of `marquee audit`.
#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Mend what has one right answer.
    #[arg(long)]
    repair: bool,
    /// End imports that were interrupted, so that what they left is mended; one that is run again begins anew.
    #[arg(long, requires = "repair")]
    end_imports: bool,
    /// Print the report as one JSON document.
    #[arg(long)]
    json: bool,
    /// Read units to use each second [default: as many as the table takes]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    units_per_second: Option<u32>,
    /// Directory of the images of uploaded covers [default: covers, in the directory of --data; none with --dynamodb or --aws]
    #[arg(long, value_name = "DIR")]
    covers: Option<PathBuf>,
    #[command(flatten)]
    table: OperatorTable,
}

impl Audit {
    pub(super) async fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let place = self.table.place();
        let likes_shards = match Config::from_env() {
            Ok(config) => config.likes_shards,
            Err(error) => return Ok(failed(&error, NOT_LOOKED)),
        };
        let covers = match self.table.covers(self.covers.as_deref()) {
            Ok(covers) => covers,
            Err(message) => return Ok(failed(&message, NOT_LOOKED)),
        };
        let (json, options) = (
            self.json,
            Options {
                repair: self.repair,
                end_imports: self.end_imports,
                units_per_second: self.units_per_second,
                pause: Duration::from_secs(1),
                covers: covers.map(Objects::directory),
            },
        );
        let Opened { store, engine } = match self.table.open_unchecked(Missing::Refuse).await {
            Ok(opened) => opened,
            Err(error) => return Ok(failed(&error, NOT_LOOKED)),
        };
        let store = store.with_likes_shards(likes_shards);
        let audited = match server::stop_signal() {
            Ok(stopped) => tokio::select! {
                audited = audit(&store, options, json) => Some(audited),
                () = stopped => None,
            },
            Err(_) => Some(audit(&store, options, json).await),
        };
        Opened { store, engine }.close().await?;
        Ok(match audited {
            None => failed(&"the audit was stopped", NOT_LOOKED),
            Some(Ok(report)) if report.is_clean() => ExitCode::SUCCESS,
            Some(Ok(_)) => ExitCode::from(LEFT),
            Some(Err(Failed::Layout(error))) => failed(&StartError::Layout(place, error), NOT_LOOKED),
            Some(Err(Failed::Audit(AuditError::Table(error)))) => {
                failed(&StartError::Use(place, error.log_message()), NOT_LOOKED)
            }
            Some(Err(Failed::Audit(AuditError::Covers(error)))) => failed(
                &format!(
                    "{}. Name the images' directory with --covers.",
                    error.log_message()
                ),
                NOT_LOOKED,
            ),
            // The reader of standard output has what it wanted, as after `| head`.
            Some(Err(Failed::Audit(AuditError::Scratch(error))))
                if error.kind() == io::ErrorKind::BrokenPipe =>
            {
                ExitCode::from(NOT_LOOKED)
            }
            Some(Err(Failed::Audit(AuditError::Scratch(error)))) => failed(
                &format!(
                    "the audit can't write to standard output or to its temporary file: {}. Name a directory with room for the file in \
                     TMPDIR.",
                    reason(&error)
                ),
                NOT_LOOKED,
            ),
        })
    }
}

/// Why an audit could not be made.
enum Failed {
    Layout(upgrade::LayoutError),
    Audit(AuditError),
}

/// Audits a table and prints the findings as they are made.
async fn audit(store: &Store, options: Options, json: bool) -> Result<Report, Failed> {
    // A table that must be upgraded first is left as it is.
    upgrade::check(store, Older::Refuse)
        .await
        .map_err(Failed::Layout)?;
    // Only for the progress bar: a counter that can't be read is a finding.
    let [movies] = store.read_counters([Counter::Movies]).await.unwrap_or_default();
    let progress = bar("reading", movies.saturating_mul(ITEMS_OF_A_MOVIE), "items");
    let mut is_first = true;
    let mut print = |finding: Finding| {
        let mut out = io::stdout().lock();
        if json {
            let before = if std::mem::take(&mut is_first) {
                "{\"findings\":[\n"
            } else {
                ",\n"
            };
            let finding = json!({
                "kind": finding.kind.name(),
                "pk": finding.key.pk,
                "sk": finding.key.sk,
                "text": finding.text,
                "mended": finding.mended,
            });
            return write!(out, "{before}{finding}");
        }
        writeln!(out, "{}: {}", finding.kind, finding.text)?;
        match finding.mended {
            Some(step) => writeln!(out, "  mended: {step}"),
            None => Ok(()),
        }
    };
    let report = audit::run(store, options, &|items| progress.set_position(items), &mut print).await;
    progress.finish_and_clear();
    let report = report.map_err(Failed::Audit)?;
    let end = |out: &mut io::StdoutLock<'_>| match json {
        true => {
            let before = if is_first { "{\"findings\":[" } else { "\n" };
            writeln!(out, "{before}],\"report\":{}}}", as_json(&report))
        }
        false => writeln!(out, "{report}"),
    };
    end(&mut io::stdout().lock()).map_err(|error| Failed::Audit(error.into()))?;
    Ok(report)
}

fn as_json(report: &Report) -> serde_json::Value {
    let kinds = |kinds: &std::collections::BTreeMap<audit::Kind, u64>| {
        let kinds = kinds
            .iter()
            .map(|(kind, count)| (kind.name().to_owned(), json!(count)));
        serde_json::Value::Object(kinds.collect())
    };
    json!({
        "items": report.items,
        "objects": report.objects,
        "read_units": report.units,
        "left": kinds(&report.left),
        "mended": kinds(&report.mended),
        "busy": report.busy,
        "import_unfinished": !report.unfinished_imports.is_empty(),
        "imports_ended": report.ended_imports,
    })
}
