//! The program on one machine: its start, its files, its mails, a full disk, its engine's endpoint, the addresses that it contacts, and
//! its ceilings on connections and memory.

mod audit;
mod backup;
mod browsers;
mod ceilings;
mod export;
mod files;
mod full_disk;
mod loopback;
mod mail;
mod secrets;
mod start;
mod statuses;
mod upgrade;

use std::{
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::support::PASSWORD;

/// The time limit of a command that ends by itself.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// Returns a command of the program with a umask under which everybody could read and write its files.
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

/// Runs the program in this directory until it ends by itself.
async fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = marquee(arguments);
    command.current_dir(directory);
    run_to_end(command).await
}

/// Registers the user `ripley` and returns the answer.
async fn register(http: &reqwest::Client, api: &str) -> Value {
    let user = json!({"username": "ripley", "email": "ripley@example.com", "password": PASSWORD});
    let sent = http.post(format!("{api}/api/auth/register/")).json(&user).send();
    let answer = sent.await.unwrap();
    assert_eq!(answer.status(), reqwest::StatusCode::CREATED);
    answer.json().await.unwrap()
}

/// The access token of such an answer.
fn access_of(session: &Value) -> String {
    session["access"].as_str().unwrap().to_owned()
}

/// Starts the program and waits until it is ready. Returns the URLs of the API and of the engine. If the program ends before,
/// the error is what it wrote to standard error.
async fn start(command: Command) -> Result<(Child, [String; 2]), String> {
    let (child, ready) = ready(command).await?;
    let url = |line: &String, begins: &str| line.strip_prefix(begins).unwrap().to_owned();
    let urls = [url(&ready[0], "listening on "), url(&ready[1], "dynamodb on ")];
    Ok((child, urls))
}

/// Starts the program and waits for its two ready lines. If it ends before, the error is what it wrote to standard error.
async fn ready(mut command: Command) -> Result<(Child, Vec<String>), String> {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ready = Vec::new();
    while ready.len() < 2 {
        match lines.next_line().await.unwrap() {
            Some(line) => ready.push(line),
            None => return Err(stderr_of(&child.wait_with_output().await.unwrap())),
        }
    }
    // Reads until the program ends, because it fails to write into a closed pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, ready))
}

/// Runs a program until it ends by itself.
async fn run_to_end(mut command: Command) -> Output {
    let output = timeout(ENDS_WITHIN, command.output()).await;
    output.expect("the program did not end").unwrap()
}

/// Returns what a program wrote to standard error.
fn stderr_of(output: &Output) -> String {
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

/// Stops the program with SIGTERM, as Ctrl-C does with SIGINT.
async fn stop(mut child: Child) {
    signal(&child, "TERM").await;
    assert!(child.wait().await.unwrap().success());
}

/// Writes a CSV file with two movies and returns its path.
fn movies_csv(directory: &Path) -> PathBuf {
    let path = directory.join("movies.csv");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "title,description,release_date,director,genre").unwrap();
    for title in ["Alien", "Aliens"] {
        writeln!(file, "{title},In space.,1979-05-25,Ridley Scott,Horror").unwrap();
    }
    path
}
