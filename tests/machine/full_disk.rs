//! A disk that takes no more: what a person reads at the start and in the log, and that the next start continues.
#![cfg(unix)]

use std::process::Stdio;

use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{
    run_to_end, start,
    start::{assert_names, serve},
    stderr_of, stop,
};
use crate::support::PASSWORD;

/// Returns a command whose process can write no file longer than this. A longer write fails as on a full disk, except for
/// the reason that the system gives.
pub(super) fn limited(kilobytes: u32, args: &[&str]) -> Command {
    // By default SIGXFSZ ends a program that writes more; this one handles it. The unit of the limit is 512 bytes.
    let script = format!("ulimit -f {}; exec \"$@\"", kilobytes * 2);
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_marquee")])
        .args(args)
        .env("RUST_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_disk_that_takes_no_more_at_the_start_is_named() {
    let root = tempfile::tempdir().unwrap();
    // The first is too small for the table, the second for the catalog.
    for kilobytes in [16, 512] {
        let data = root.path().join(kilobytes.to_string());
        let data = data.to_str().unwrap();
        let command = limited(kilobytes, &["--port", "0", "--data", data]);
        let output = run_to_end(command).await;
        let text = stderr_of(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let message = text.lines().find(|line| line.starts_with("marquee: ")).unwrap();
        let names = [
            &format!("the table's file {data}/table.sqlite can't be "),
            "--data",
        ];
        assert_names(message, &names);
    }
}

#[tokio::test]
async fn a_disk_that_takes_no_more_is_named_in_the_log_of_the_running_server() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (child, _) = start(serve(&data)).await.unwrap();
    stop(child).await;
    let data = data.to_str().unwrap();
    let command = limited(300, &["--port", "0", "--catalog", "none", "--data", data]);
    let (mut child, [api, _]) = start(command).await.unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let http = reqwest::Client::new();
    let mut failed = 0;
    for n in 0..200 {
        let name = format!("user{n}");
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let sent = http.post(format!("{api}/api/auth/register/")).json(&body).send();
        if sent.await.unwrap().status() == StatusCode::SERVICE_UNAVAILABLE {
            failed += 1;
            break;
        }
    }
    assert_eq!(failed, 1, "no write failed");
    let line = log.next_line().await.unwrap().unwrap();
    assert_names(
        &line,
        &[
            "ERROR",
            "the table's file can't be",
            &format!("{data}/table.sqlite"),
        ],
    );
    // Reads continue.
    let movies = http.get(format!("{api}/api/movies/")).send().await.unwrap();
    assert_eq!(movies.status(), StatusCode::OK);
    stop(child).await;
}

/// A user who may not mount a file system gets no namespace in which that is allowed either, on some systems. The test ends
/// there.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_first_start_on_a_full_disk_leaves_a_usable_directory() {
    const SCRIPT: &str = "mount -t tmpfs -o size=$1k,mode=700 tmpfs \"$2\" || exit 77
        \"$3\" promote nobody --data \"$2/data\"
        mount -o remount,size=8m \"$2\" || exit 77
        exec \"$3\" promote nobody --data \"$2/data\"";
    let root = tempfile::tempdir().unwrap();
    let mut failed = 0;
    // The smallest has no space for a table, and the largest has enough.
    for kilobytes in (64..=224).step_by(8) {
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"])
            .arg(kilobytes.to_string())
            .arg(root.path())
            .arg(env!("CARGO_BIN_EXE_marquee"));
        command.env("RUST_LOG", "off");
        let output = run_to_end(command).await;
        if output.status.code() == Some(77) || stderr_of(&output).starts_with("unshare: ") {
            return;
        }
        let text = stderr_of(&output);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{kilobytes} KiB: {text}");
        if !lines[0].ends_with("there is no user nobody") {
            failed += 1;
            let table = root.path().join("data").join("table.sqlite");
            assert!(
                lines[0].contains(table.to_str().unwrap()),
                "{kilobytes} KiB: {text}"
            );
        }
        assert_eq!(
            lines[1], "marquee: there is no user nobody",
            "{kilobytes} KiB: {text}"
        );
    }
    assert!((1..21).contains(&failed), "{failed} first starts failed");
}
