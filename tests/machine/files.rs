//! The data directory: only its owner can read it, whichever command creates it, and every command reports lost files.
#![cfg(unix)]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use marquee::engine::{Engine, Storage};
use reqwest::StatusCode;
use serde_json::json;
use tokio::{process::Command, time::sleep};

use super::{marquee, movies_csv, run_to_end, signal, start, start::serve, stderr_of, stop};
use crate::support::PASSWORD;

fn import(data: &Path, csv: &Path) -> Command {
    let mut command = marquee(["import"]);
    command.arg(csv).arg("--data").arg(data);
    command
}

fn promote(data: &Path) -> Command {
    let mut command = marquee(["promote", "nobody", "--data"]);
    command.arg(data);
    command
}

/// Returns a directory and every path below it, with their permissions.
fn modes(path: &Path) -> Vec<(PathBuf, u32)> {
    let found = fs::symlink_metadata(path).unwrap();
    let mut modes = vec![(path.to_owned(), found.mode() & 0o7777)];
    if found.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            modes.extend(modes_if_present(&entry.unwrap().path()));
        }
    }
    modes
}

/// Like [`modes`], for a path that may disappear, as SQLite's journals do.
fn modes_if_present(path: &Path) -> Vec<(PathBuf, u32)> {
    if path.exists() { modes(path) } else { Vec::new() }
}

#[track_caller]
fn assert_private(data: &Path) {
    let modes = modes(data);
    for (path, mode) in &modes {
        let private = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(*mode, private, "{}: {mode:o}", path.display());
    }
    assert!(modes.len() > 2, "{modes:?}");
}

fn names(data: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn make_world_readable(path: &Path) {
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Guarantee 52.
#[tokio::test]
async fn only_the_owner_can_read_the_data_whichever_command_creates_it() {
    let root = tempfile::tempdir().unwrap();
    let csv = movies_csv(root.path());
    let data = |name: &str| root.path().join(name).join("data");

    let output = run_to_end(import(&data("import"), &csv)).await;
    assert!(output.status.success(), "{}", stderr_of(&output));
    let output = run_to_end(promote(&data("promote"))).await;
    assert!(
        stderr_of(&output).contains("there is no user"),
        "{}",
        stderr_of(&output)
    );
    for name in ["import", "promote", "serve"] {
        if name != "serve" {
            assert_private(&data(name));
            assert_eq!(names(&data(name)), ["secrets.json", "table.sqlite"]);
        }
        // Serving continues with the files that the other commands created.
        let (child, _) = start(serve(&data(name))).await.unwrap();
        assert!(
            names(&data(name)).contains(&"table.sqlite-wal".to_owned()),
            "there is no journal to check"
        );
        assert_private(&data(name));
        stop(child).await;
        assert_private(&data(name));
        assert_eq!(
            fs::metadata(root.path().join(name)).unwrap().mode() & 0o7777,
            0o700
        );
    }

    // With a remote table, the directory has only the secrets.
    let engine = Engine::start(&Storage::Memory).unwrap();
    let mut command = serve(&data("endpoint"));
    command.args(["--dynamodb", &engine.endpoint().unwrap()]);
    let (child, _) = start(command).await.unwrap();
    assert_eq!(names(&data("endpoint")), ["secrets.json"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&data("endpoint")), 0o700);
    assert_eq!(mode(&data("endpoint").join("secrets.json")), 0o600);
    stop(child).await;
}

/// Guarantee 52.
#[tokio::test]
async fn files_that_others_could_read_are_made_private_journals_included() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (mut child, _) = start(serve(&data)).await.unwrap();
    // A killed program leaves its journals.
    signal(&child, "KILL").await;
    child.wait().await.unwrap();
    let left = names(&data);
    assert!(left.iter().any(|name| name.ends_with("-wal")), "{left:?}");
    for (path, _) in modes(&data) {
        make_world_readable(&path);
    }
    let (child, _) = start(serve(&data)).await.unwrap();
    assert_private(&data);
    stop(child).await;
    // A directory that the user created with the usual permissions.
    for name in ["empty", "with a file"] {
        let data = root.path().join(name);
        fs::create_dir(&data).unwrap();
        make_world_readable(&data);
        if name != "empty" {
            movies_csv(&data);
        }
        let output = run_to_end(promote(&data)).await;
        assert!(
            stderr_of(&output).contains("there is no user"),
            "{}",
            stderr_of(&output)
        );
        assert_eq!(fs::metadata(&data).unwrap().mode() & 0o7777, 0o700);
    }
}

/// Guarantee 52.
/// Only the superuser can change the owner of a directory. Other users test only the directory that everybody can write.
#[tokio::test]
async fn a_directory_of_another_user_or_for_everybody_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let csv = movies_csv(root.path());
    let foreign = root.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    let given_away = std::os::unix::fs::chown(&foreign, Some(12_345), None).is_ok();
    let shared = root.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    let refused = if given_away {
        vec![&foreign, &shared]
    } else {
        vec![&shared]
    };
    for data in refused {
        let before = modes(data);
        let engine = Engine::start(&Storage::Memory).unwrap();
        let mut elsewhere = serve(data);
        elsewhere.args(["--dynamodb", &engine.endpoint().unwrap()]);
        for command in [serve(data), elsewhere, import(data, &csv), promote(data)] {
            let output = run_to_end(command).await;
            let text = stderr_of(&output);
            assert!(!output.status.success() && output.stdout.is_empty(), "{text}");
            assert!(
                text.contains(data.to_str().unwrap()) && text.contains("--data"),
                "{text}"
            );
            assert_eq!(text.lines().count(), 1, "{text}");
        }
        assert_eq!(modes(data), before);
    }
}

#[tokio::test]
async fn every_command_reports_a_lost_table_or_lost_secrets() {
    let root = tempfile::tempdir().unwrap();
    let csv = movies_csv(root.path());
    let data = root.path().join("data");
    let (child, _) = start(serve(&data)).await.unwrap();
    stop(child).await;
    for lost in ["table.sqlite", "secrets.json"] {
        let (path, aside) = (data.join(lost), root.path().join("aside"));
        fs::rename(&path, &aside).unwrap();
        let before = names(&data);
        for command in [serve(&data), import(&data, &csv), promote(&data)] {
            let output = run_to_end(command).await;
            let text = stderr_of(&output);
            assert!(!output.status.success() && output.stdout.is_empty(), "{text}");
            let named = text.contains(&format!("{lost} is missing"));
            assert!(
                named && text.contains(path.to_str().unwrap()) && text.contains("--data"),
                "{text}"
            );
        }
        assert_eq!(names(&data), before, "a file was created");
        // Once the file is restored, the program starts as before.
        fs::rename(&aside, &path).unwrap();
        let (child, _) = start(serve(&data)).await.unwrap();
        stop(child).await;
    }

    // The remedies that the messages suggest.
    fs::write(data.join("secrets.json"), "").unwrap();
    let (child, _) = start(serve(&data)).await.unwrap();
    stop(child).await;
    assert_private(&data);
    fs::remove_file(data.join("secrets.json")).unwrap();
    fs::remove_file(data.join("table.sqlite")).unwrap();
    let (child, _) = start(serve(&data)).await.unwrap();
    stop(child).await;
    fs::remove_file(data.join("table.sqlite")).unwrap();
    let engine = Engine::start(&Storage::Memory).unwrap();
    let mut command = serve(&data);
    command.args(["--dynamodb", &engine.endpoint().unwrap()]);
    let (child, _) = start(command).await.unwrap();
    stop(child).await;
    assert_eq!(names(&data), ["origin", "secrets.json"]);
}

#[tokio::test]
async fn a_new_table_has_nothing_of_a_deleted_one() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let body = json!({"username": "ripley", "email": "ripley@example.com", "password": PASSWORD});
    for round in 0..2 {
        let (mut child, [api, _]) = start(serve(&data)).await.unwrap();
        let register = reqwest::Client::new().post(format!("{api}/api/auth/register/"));
        let answer = register.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "round {round}");
        // A killed program leaves its journals, and a person who wants to start over may delete only these two.
        signal(&child, "KILL").await;
        child.wait().await.unwrap();
        fs::remove_file(data.join("table.sqlite")).unwrap();
        fs::remove_file(data.join("secrets.json")).unwrap();
        assert!(
            names(&data).contains(&"table.sqlite-wal".to_owned()),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn first_starts_at_once_have_one_table() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..8 {
        let data = root.path().join(round.to_string());
        if round % 2 == 1 {
            // An empty file is no table. An interrupted first start of an earlier version has left one.
            fs::create_dir(&data).unwrap();
            fs::write(data.join("table.sqlite"), "").unwrap();
        }
        let commands = (0..6).map(|_| run_to_end(promote(&data)));
        for output in futures_util::future::join_all(commands).await {
            assert_eq!(
                stderr_of(&output),
                "marquee: there is no user nobody\n",
                "round {round}"
            );
        }
        assert_private(&data);
        assert_eq!(names(&data), ["secrets.json", "table.sqlite"]);
    }
}

#[tokio::test]
async fn a_first_start_killed_at_any_moment_leaves_a_usable_directory() {
    let root = tempfile::tempdir().unwrap();
    let mut unfinished = 0;
    for round in 0..24_u64 {
        let data = root.path().join(round.to_string());
        let mut child = serve(&data).spawn().unwrap();
        // The critical moments come soon after the directory is created.
        while !data.exists() {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(round * 5)).await;
        signal(&child, "KILL").await;
        child.wait().await.unwrap();
        unfinished += usize::from(!data.join("secrets.json").exists());
        let (child, _) = start(serve(&data))
            .await
            .unwrap_or_else(|stderr| panic!("killed in round {round}: {stderr}"));
        stop(child).await;
        assert_private(&data);
        assert_eq!(names(&data), ["origin", "secrets.json", "table.sqlite"]);
    }
    assert!(unfinished > 0, "every start was complete before it was killed");
}

/// At moments that are spread over the import of the first start.
#[tokio::test]
async fn a_server_that_is_stopped_in_its_first_import_ends_without_an_error() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..6_u64 {
        let data = root.path().join(round.to_string());
        let mut command = marquee(["--port", "0", "--data"]);
        let child = command.arg(&data).spawn().unwrap();
        while !data.join("secrets.json").exists() {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(100 + round * 150)).await;
        signal(&child, "TERM").await;
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "round {round}: {:?}", output.status);
        assert_eq!(stderr_of(&output), "", "round {round}");
    }
}

/// `head` closes its end of a pipe when it has seen enough.
#[tokio::test]
async fn an_import_goes_on_if_nobody_reads_what_it_says() {
    let root = tempfile::tempdir().unwrap();
    let csv = root.path().join("movies.csv");
    let row = "Alien,In space.,1979-05-25,Ridley Scott,Horror\n";
    let bad = ",In space.,1979-05-25,Ridley Scott,Horror\n".repeat(20);
    fs::write(
        &csv,
        format!("title,description,release_date,director,genre\n{bad}{row}"),
    )
    .unwrap();
    let data = root.path().join("data");
    let mut child = import(&data, &csv).spawn().unwrap();
    drop(child.stderr.take());
    drop(child.stdout.take());
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
    let (child, [api, _]) = start(serve(&data)).await.unwrap();
    let movies = reqwest::get(format!("{api}/api/movies/")).await.unwrap();
    let movies: serde_json::Value = movies.json().await.unwrap();
    assert_eq!(movies["count"], 1);
    stop(child).await;
}
