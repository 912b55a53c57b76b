//! What is special about one machine: its files, its engine's endpoint, and the addresses it speaks to.

mod browsers;
mod files;
mod loopback;

use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long a command may take that isn't there to stay.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// The program, under a umask that would let everybody read and write.
fn marquee<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "umask 000; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_marquee"),
        ])
        .args(args)
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts the program and waits for its two ready lines. What it prints instead, if it ends, is the error.
async fn serving(mut command: Command) -> Result<(Child, [String; 2]), String> {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ready = Vec::new();
    while ready.len() < 2 {
        match lines.next_line().await.unwrap() {
            Some(line) => ready.push(line),
            None => return Err(said(&child.wait_with_output().await.unwrap())),
        }
    }
    let url = |line: &String, begins: &str| line.strip_prefix(begins).unwrap().to_owned();
    let urls = [url(&ready[0], "listening on "), url(&ready[1], "dynamodb on ")];
    // Held until the program ends, for it may not write into a closed pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, urls))
}

/// Runs a program to its end, which must come by itself.
async fn ended(mut command: Command) -> Output {
    let output = timeout(ENDS_WITHIN, command.output()).await;
    output.expect("it goes on, where it had to end").unwrap()
}

/// What a program wrote to standard error.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &id])
        .status()
        .await;
    assert!(sent.unwrap().success());
}

/// Ends the program as Ctrl-C does.
async fn stop(mut child: Child) {
    signal(&child, "TERM").await;
    assert!(child.wait().await.unwrap().success());
}

/// A file with two movies to import.
fn movies_csv(directory: &Path) -> PathBuf {
    let path = directory.join("movies.csv");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "title,description,release_date,director,genre").unwrap();
    for title in ["Alien", "Aliens"] {
        writeln!(file, "{title},In space.,1979-05-25,Ridley Scott,Horror").unwrap();
    }
    path
}
