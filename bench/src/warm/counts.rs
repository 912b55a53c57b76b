//! The instructions and allocations of a request in a function's process, counted by valgrind.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Bench, Operation, table::Table};
use crate::runtime::{Failure, Function};

/// The number of requests before the counted ones, and the number of counted requests.
const WARM_UP: u64 = 5;
const COUNTED: u64 = 20;

/// The number of requests in a profile: so many that the start of the process is a small share of it.
const PROFILED: u64 = 500;

/// The library functions that allocate memory.
const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// The counts of a request, or of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Instructions of all threads.
    pub instructions: u64,
    /// Calls of the library functions that allocate memory.
    pub allocations: u64,
}

/// Checks that valgrind is installed.
///
/// # Errors
/// Returns an error that says what to install if it isn't.
pub async fn check_valgrind() -> Result<(), Failure> {
    let version = Command::new("valgrind").arg("--version").output().await;
    match version {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err(
            "valgrind, which counts instructions and allocations, isn't on the path: install the package `valgrind`"
                .into(),
        ),
    }
}

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
        let output = Command::new("vgdb")
            .arg(format!("--pid={pid}"))
            .arg(command)
            .output()
            .await?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("vgdb: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    /// Returns the counts since the last dump or reset, divided by `parts`.
    async fn dump(&mut self, parts: u64) -> Result<Counts, Failure> {
        self.command("dump").await?;
        self.dumps += 1;
        let mut file = self.out.clone();
        file.as_mut_os_string()
            .push(OsStr::new(&format!(".{}", self.dumps)));
        let text = fs::read_to_string(&file)?;
        fs::remove_file(&file)?;
        let all = read(&text).ok_or("callgrind's file has no summary")?;
        Ok(Counts {
            instructions: all.instructions / parts,
            allocations: all.allocations / parts,
        })
    }
}

/// Returns the totals of a callgrind file: its summary, and the calls of functions that allocate.
fn read(text: &str) -> Option<Counts> {
    let summary = text.lines().find_map(|line| line.strip_prefix("summary: "))?;
    let mut allocations = 0;
    let mut callee = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("cfn=") {
            callee = name;
        } else if let Some(calls) = line.strip_prefix("calls=")
            && ALLOCATORS.contains(&callee)
        {
            allocations += calls.split(' ').next()?.parse::<u64>().ok()?;
        }
    }
    Some(Counts {
        instructions: summary.trim().parse().ok()?,
        allocations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_those_of_the_summary_and_allocations_the_calls_of_allocators() {
        let text = "# callgrind format\nevents: Ir\nsummary: 1200\n\nfn=main\n1 5\ncfn=malloc\ncalls=3 0\n1 90\n\
                    cfn=free\ncalls=7 0\n1 40\nfn=grow\ncfn=realloc\ncalls=2 0\n1 30\n";
        let counts = Counts {
            instructions: 1200,
            allocations: 5,
        };
        assert_eq!(read(text), Some(counts));
        assert_eq!(read("events: Ir\n"), None);
    }
}
