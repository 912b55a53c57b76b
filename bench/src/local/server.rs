//! The processes of the servers: how they are started and stopped, and their processor time.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::users;
use crate::runtime::Failure;

/// The time in which a server must have started, an import included.
const START_LIMIT: Duration = Duration::from_secs(600);

/// The time in which a server must have ended.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// The lifetime of the access tokens of Marquee, in seconds: the longest that can be set, so that the tokens of a prepared
/// catalog stay valid.
const TOKEN_SECONDS: &str = "3153600000";

/// The clock ticks of a second in /proc: `USER_HZ`, which is 100 on every architecture that Rust's Linux targets have.
const TICKS: f64 = 100.0;

/// The server that a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The plain server of bench/peer.
    Peer,
    /// The `marquee` command.
    Marquee,
}

/// A server's program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) kind: Kind,
    /// What the tables call it.
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
}

/// A process that serves. It is killed when this is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// The time from the start of the process to its last ready line.
    pub(crate) start: Duration,
    process: Child,
}

impl Program {
    /// Starts the program on a data directory, behind the command `before` if it isn't empty. A new directory is filled with
    /// `catalog`, or with the demonstration catalog for `None`. The log is written to the file `log`.
    ///
    /// # Errors
    /// Returns an error with the end of the log if the program doesn't start.
    pub(crate) async fn start(
        &self,
        data: &Path,
        catalog: Option<&Path>,
        log: &Path,
        before: &[OsString],
    ) -> Result<Server, Failure> {
        let mut words = before
            .iter()
            .chain([self.path.as_os_str().to_owned()].iter())
            .cloned()
            .collect::<Vec<_>>()
            .into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .args(["--port", "0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .kill_on_drop(true);
        if let Some(catalog) = catalog {
            command.arg("--catalog").arg(catalog);
        }
        match self.kind {
            Kind::Marquee => command
                .env("ACCESS_TOKEN_SECONDS", TOKEN_SECONDS)
                .env_remove("RUST_LOG"),
            Kind::Peer => command.arg("--key").arg(users::peer_key()?),
        };
        let begun = Instant::now();
        let mut process = command
            .spawn()
            .map_err(|e| format!("{}: {e}", self.path.display()))?;
        let stdout = process.stdout.take().ok_or("a process without output")?;
        let ready = timeout(START_LIMIT, self.ready(BufReader::new(stdout))).await;
        let start = begun.elapsed();
        match ready.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? {
            Ok(address) => Ok(Server {
                address,
                start,
                process,
            }),
            Err(error) => {
                let log = fs::read_to_string(log)?;
                Err(format!("{}: {error}\n{log}", self.path.display()).into())
            }
        }
    }

    /// Reads the ready lines and returns the address. Marquee prints a second line, about its DynamoDB endpoint.
    async fn ready(&self, stdout: impl tokio::io::AsyncBufRead + Unpin) -> Result<SocketAddr, Failure> {
        let mut lines = stdout.lines();
        let first = lines.next_line().await?.ok_or("it ended at the start")?;
        let address = first
            .strip_prefix("listening on http://")
            .ok_or_else(|| format!("it printed {first:?}"))?
            .parse()?;
        if self.kind == Kind::Marquee {
            lines.next_line().await?.ok_or("it ended at the start")?;
        }
        Ok(address)
    }
}

impl Server {
    /// Returns the id of the process.
    ///
    /// # Errors
    /// Returns an error if it has ended.
    pub(crate) fn pid(&self) -> Result<u32, Failure> {
        self.process.id().ok_or_else(|| "a server has ended".into())
    }

    /// Ends the process by SIGTERM.
    ///
    /// # Errors
    /// Returns an error if it doesn't end, or ends with a failure.
    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        let pid = Pid::from_raw(self.pid()?.try_into()?).ok_or("a process without an id")?;
        kill_process(pid, Signal::TERM)?;
        let status = timeout(STOP_LIMIT, self.process.wait()).await??;
        match status.success() {
            true => Ok(()),
            false => Err(format!("a server ended with {status}").into()),
        }
    }
}

/// Returns the processor time of a process until now, in seconds: that of its code and that of the kernel for it.
///
/// # Errors
/// Returns an error if there is no such process.
pub(crate) fn processor_seconds(pid: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(ticks(&stat).ok_or("/proc/<pid>/stat can't be read")? as f64 / TICKS)
}

/// Returns `utime` and `stime` of a line of `/proc/<pid>/stat` together: its fields 14 and 15 (proc_pid_stat(5)).
fn ticks(stat: &str) -> Option<u64> {
    // The second field, the name of the program, may contain spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_utime_and_stime() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194560 900 0 1 0 250 31 7 9 20 0 5 0 100 1 2\n";
        assert_eq!(ticks(stat), Some(281));
        assert_eq!(ticks("42 (a"), None);
    }
}
