//! Counts of a process under valgrind's tool callgrind: its instructions, and its calls of functions that allocate memory.

use std::{ffi::OsStr, fs, path::Path};

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::runtime::Failure;

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

/// Sends callgrind a command and waits until callgrind has run it.
///
/// # Errors
/// Returns an error if there is no such process.
pub async fn vgdb(pid: u32, command: &str) -> Result<(), Failure> {
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

/// Returns the text of callgrind's `n`th dump and removes its file. `out` is callgrind's output file.
///
/// # Errors
/// Returns an error if there is no such dump.
pub fn dumped(out: &Path, n: usize) -> Result<String, Failure> {
    let mut file = out.to_owned();
    file.as_mut_os_string().push(OsStr::new(&format!(".{n}")));
    let text = fs::read_to_string(&file)?;
    fs::remove_file(&file)?;
    Ok(text)
}

/// Returns the totals of a callgrind file: its summary, and the calls of functions that allocate.
pub fn read(text: &str) -> Option<Counts> {
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
