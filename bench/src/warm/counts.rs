//! The instructions and allocations of a request in a function's process, counted by valgrind.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::process::Command;

use super::{Bench, Operation, table::Table};
use crate::{
    callgrind::{Counts, dumped, read, vgdb},
    runtime::{Failure, Function},
};

/// The number of requests before the counted ones, and the number of counted requests.
const WARM_UP: u64 = 5;
const COUNTED: u64 = 20;

/// The number of requests in a profile: so many that the start of the process is a small share of it.
const PROFILED: u64 = 500;

/// The prefix of the name of the counts from the start of a process to its first poll. The name of the function follows.
pub const START: &str = "start of ";

/// Counts the start of a function, and a request of each of these operations, in one process.
///
/// # Errors
/// Returns an error if an answer is wrong, or valgrind fails.
pub async fn count(
    bench: &Bench<'_>,
    operations: &[&Operation],
) -> Result<BTreeMap<String, Counts>, Failure> {
    let mut counts = BTreeMap::new();
    let Some(first) = operations.first() else {
        return Ok(counts);
    };
    let mut process = Counted::start(bench, first, None).await?;
    process.function.first_poll().await?;
    counts.insert(format!("{START}{}", first.function), process.dump(1).await?);
    for operation in operations {
        process.ask(bench, operation, WARM_UP).await?;
        process.command("zero").await?;
        process.ask(bench, operation, COUNTED).await?;
        counts.insert(operation.name.to_owned(), process.dump(COUNTED).await?);
    }
    process.function.stop().await?;
    Ok(counts)
}

/// Writes callgrind's profile of this operation into the directory.
///
/// # Errors
/// As for [`count`].
pub async fn profile(bench: &Bench<'_>, operation: &Operation, directory: &Path) -> Result<(), Failure> {
    let out = directory.join(operation.name.replace([' ', ','], "-"));
    let mut process = Counted::start(bench, operation, Some(&out)).await?;
    process.ask(bench, operation, PROFILED).await?;
    process.command("dump").await?;
    process.function.stop().await
}

/// The process of a function under callgrind.
struct Counted {
    function: Function,
    table: Table,
    out: PathBuf,
    dumps: usize,
    _directory: TempDir,
}

impl Counted {
    /// Starts the function of this operation. Callgrind writes to `out`, or to a temporary file for `None`.
    async fn start(bench: &Bench<'_>, operation: &Operation, out: Option<&Path>) -> Result<Self, Failure> {
        let table = Table::replaying().await?;
        let directory = tempfile::tempdir()?;
        let out = out.map_or_else(|| directory.path().join("out"), Path::to_owned);
        let mut command = Command::new("valgrind");
        command
            // Every file contains full names, so that it can be read without the others.
            .args(["--tool=callgrind", "--compress-strings=no", "--compress-pos=no"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(bench.program(operation)?)
            .stderr(Stdio::from(File::create(directory.path().join("log"))?));
        let function = Function::spawn(&mut command, &bench.environment(&table)).await?;
        Ok(Self {
            function,
            table,
            out,
            dumps: 0,
            _directory: directory,
        })
    }

    /// Sends this many requests.
    async fn ask(&mut self, bench: &Bench<'_>, operation: &Operation, requests: u64) -> Result<(), Failure> {
        self.table.replay(bench.recording(operation)?);
        for _ in 0..requests {
            let answer = self.function.invoke(&operation.event).await?;
            operation.check(&answer.body)?;
        }
        self.table.check()
    }

    /// Sends callgrind a command and waits until callgrind has run it. It runs commands while the function waits for an
    /// event.
    async fn command(&self, command: &str) -> Result<(), Failure> {
        let pid = self.function.pid().ok_or("the function has ended")?;
        vgdb(pid, command).await
    }

    /// Returns the counts since the last dump or reset, divided by `parts`.
    async fn dump(&mut self, parts: u64) -> Result<Counts, Failure> {
        self.command("dump").await?;
        self.dumps += 1;
        let text = dumped(&self.out, self.dumps)?;
        let all = read(&text).ok_or("callgrind's file has no summary")?;
        Ok(Counts {
            instructions: all.instructions / parts,
            allocations: all.allocations / parts,
        })
    }
}
