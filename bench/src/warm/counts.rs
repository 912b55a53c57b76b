//! What a function's process does and allocates for a request, as valgrind counts it.
//!
//! A process is run twice, for few requests and for many. The difference is that of the requests between, so that what a
//! start takes, and the first request of all, count for nothing.

use std::{
    fs::{self, File},
    path::Path,
    process::Stdio,
};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::{Bench, Operation, table::Table};
use crate::runtime::{Failure, Function};

/// How many requests the two runs are.
const FEW: u64 = 5;
const MANY: u64 = 25;

/// How many requests a profile is of: so many that the start hardly shows.
const PROFILED: u64 = 500;

/// What one request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Instructions, all threads together.
    pub instructions: u64,
    /// Blocks of memory that were asked for.
    pub allocations: u64,
    /// Bytes that were asked for.
    pub bytes: u64,
}

/// One of valgrind's tools, which ends its log with totals.
#[derive(Clone, Copy)]
enum Tool {
    Callgrind,
    Dhat,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::Callgrind => "callgrind",
            Self::Dhat => "dhat",
        }
    }

    /// The totals in the log.
    fn totals(self, log: &str) -> Option<Vec<u64>> {
        let (mark, at): (_, &[usize]) = match self {
            // ==1== Collected : 123456
            Self::Callgrind => ("Collected : ", &[0]),
            // ==1== Total:     1,234,567 bytes in 12,345 blocks
            Self::Dhat => ("Total: ", &[0, 3]),
        };
        let line = log.lines().find_map(|line| line.split_once(mark))?.1;
        let words: Vec<String> = line.split_whitespace().map(|word| word.replace(',', "")).collect();
        at.iter().map(|&at| words.get(at)?.parse().ok()).collect()
    }
}

/// Whether valgrind is here.
///
/// # Errors
/// When it isn't, with what to do about it.
pub async fn check_valgrind() -> Result<(), Failure> {
    let version = Command::new("valgrind").arg("--version").output().await;
    match version {
        Ok(output) if output.status.success() => Ok(()),
        _ => Err("valgrind, which counts instructions and allocations, isn't on the path: install the package of \
                  this name"
            .into()),
    }
}

/// Counts what a request for this operation takes.
///
/// # Errors
/// When the function doesn't answer as it should, or valgrind doesn't count.
pub async fn count(bench: &Bench, operation: &Operation) -> Result<Counts, Failure> {
    let instructions = of_a_request(bench, operation, Tool::Callgrind).await?;
    let memory = of_a_request(bench, operation, Tool::Dhat).await?;
    match (&instructions[..], &memory[..]) {
        (&[instructions], &[bytes, allocations]) => Ok(Counts {
            instructions,
            allocations,
            bytes,
        }),
        _ => Err("valgrind counted something else".into()),
    }
}

/// Writes callgrind's profile of this operation into the directory.
///
/// # Errors
/// As for [`count`].
pub async fn profile(bench: &Bench, operation: &Operation, directory: &Path) -> Result<(), Failure> {
    let out = directory.join(operation.name.replace([' ', ','], "-"));
    of_a_run(bench, operation, Tool::Callgrind, PROFILED, Some(&out)).await?;
    Ok(())
}

async fn of_a_request(bench: &Bench, operation: &Operation, tool: Tool) -> Result<Vec<u64>, Failure> {
    let few = of_a_run(bench, operation, tool, FEW, None).await?;
    let many = of_a_run(bench, operation, tool, MANY, None).await?;
    let requests = MANY - FEW;
    let pairs = few.into_iter().zip(many);
    Ok(pairs
        .map(|(few, many)| many.saturating_sub(few) / requests)
        .collect())
}

/// What the whole of a process counts that answers this many requests. The tool's own file goes to `out`, if it is wanted.
async fn of_a_run(
    bench: &Bench,
    operation: &Operation,
    tool: Tool,
    requests: u64,
    out: Option<&Path>,
) -> Result<Vec<u64>, Failure> {
    let table = Table::replaying(bench.recording(operation)?.clone()).await?;
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("log");
    let unwanted = directory.path().join("out");
    let mut command = Command::new("valgrind");
    command
        .arg(format!("--tool={}", tool.name()))
        .arg(option("log-file", &log))
        .arg(option(
            &format!("{}-out-file", tool.name()),
            out.unwrap_or(&unwanted),
        ))
        .arg(bench.program(operation)?)
        .stderr(Stdio::from(File::create(directory.path().join("stderr"))?));
    let mut function = Function::spawn(&mut command, &bench.environment(&table)).await?;
    for _ in 0..requests {
        let answer = function.invoke(&operation.event).await?;
        operation.check(&answer.body)?;
    }
    function.end().await?;
    table.check()?;
    let log = fs::read_to_string(log)?;
    tool.totals(&log)
        .ok_or_else(|| format!("no totals in valgrind's log: {log}").into())
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_totals_are_those_at_the_end_of_the_log() {
        let callgrind = "==7== Callgrind, a call-graph generator\n==7== Events    : Ir\n==7== Collected : 12345678\n";
        assert_eq!(Tool::Callgrind.totals(callgrind), Some(vec![12_345_678]));
        let dhat = "==7== DHAT\n==7== Total:     1,234,567 bytes in 12,345 blocks\n\
                    ==7== At t-gmax: 1,000 bytes in 10 blocks\n";
        assert_eq!(Tool::Dhat.totals(dhat), Some(vec![1_234_567, 12_345]));
        assert_eq!(Tool::Dhat.totals(callgrind), None);
        assert_eq!(Tool::Callgrind.totals("==7== Collected : nothing\n"), None);
    }
}
