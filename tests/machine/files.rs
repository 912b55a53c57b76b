//! What is kept on this machine is readable by its owner only, whichever command makes it; and what is lost is missed.
#![cfg(unix)]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use marquee::engine::{Engine, Storage};
use tokio::{process::Command, time::sleep};

use super::{ended, marquee, movies_csv, said, serving, signal, stop};

/// The program on this directory, serving on any port and importing nothing.
fn serve(data: &Path) -> Command {
    let mut command = marquee(["--port", "0", "--catalog", "none", "--data"]);
    command.arg(data);
    command
}

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

/// Every path below a directory and itself, with its permissions.
fn modes(path: &Path) -> Vec<(PathBuf, u32)> {
    let found = fs::symlink_metadata(path).unwrap();
    let mut modes = vec![(path.to_owned(), found.mode() & 0o7777)];
    if found.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            modes.extend(modes_of(&entry.unwrap().path()));
        }
    }
    modes
}

/// As [`modes`], of a path that may go away meanwhile, as SQLite's journals do.
fn modes_of(path: &Path) -> Vec<(PathBuf, u32)> {
    if path.exists() { modes(path) } else { Vec::new() }
}

#[track_caller]
fn are_private(data: &Path) {
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

fn widen(path: &Path) {
    let mode = if path.is_dir() { 0o777 } else { 0o666 };
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Guarantee 52.
#[tokio::test]
async fn only_the_owner_can_read_the_data_whichever_command_creates_it() {
    let root = tempfile::tempdir().unwrap();
    let csv = movies_csv(root.path());
    let data = |name: &str| root.path().join(name).join("data");

    let output = ended(import(&data("import"), &csv)).await;
    assert!(output.status.success(), "{}", said(&output));
    let output = ended(promote(&data("promote"))).await;
    assert!(said(&output).contains("there is no user"), "{}", said(&output));
    for name in ["import", "promote", "serve"] {
        if name != "serve" {
            are_private(&data(name));
            assert_eq!(names(&data(name)), ["secrets.json", "table.sqlite"]);
        }
        // After the others it goes on with what they made.
        let (child, _) = serving(serve(&data(name))).await.unwrap();
        assert!(
            names(&data(name)).contains(&"table.sqlite-wal".to_owned()),
            "no journal to look at"
        );
        are_private(&data(name));
        stop(child).await;
        are_private(&data(name));
        assert_eq!(
            fs::metadata(root.path().join(name)).unwrap().mode() & 0o7777,
            0o700
        );
    }

    // With the table elsewhere, the secrets.
    let engine = Engine::start(Storage::Memory).unwrap();
    let mut command = serve(&data("endpoint"));
    command.args(["--dynamodb", &engine.endpoint()]);
    let (child, _) = serving(command).await.unwrap();
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
    let (mut child, _) = serving(serve(&data)).await.unwrap();
    // Killed, so that it leaves its journals.
    signal(&child, "KILL").await;
    child.wait().await.unwrap();
    let left = names(&data);
    assert!(left.iter().any(|name| name.ends_with("-wal")), "{left:?}");
    for (path, _) in modes(&data) {
        widen(&path);
    }
    let (child, _) = serving(serve(&data)).await.unwrap();
    are_private(&data);
    stop(child).await;
    // A directory that somebody made for this, which is open as usual.
    for name in ["empty", "with a file"] {
        let data = root.path().join(name);
        fs::create_dir(&data).unwrap();
        widen(&data);
        if name != "empty" {
            movies_csv(&data);
        }
        let output = ended(promote(&data)).await;
        assert!(said(&output).contains("there is no user"), "{}", said(&output));
        assert_eq!(fs::metadata(&data).unwrap().mode() & 0o7777, 0o700);
    }
}

/// Guarantee 52.
/// Only the superuser can give a directory away; for others there is nothing to look at but that of the system.
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
        let engine = Engine::start(Storage::Memory).unwrap();
        let mut elsewhere = serve(data);
        elsewhere.args(["--dynamodb", &engine.endpoint()]);
        for command in [serve(data), elsewhere, import(data, &csv), promote(data)] {
            let output = ended(command).await;
            let text = said(&output);
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
    let (child, _) = serving(serve(&data)).await.unwrap();
    stop(child).await;
    for lost in ["table.sqlite", "secrets.json"] {
        let (path, aside) = (data.join(lost), root.path().join("aside"));
        fs::rename(&path, &aside).unwrap();
        let before = names(&data);
        for command in [serve(&data), import(&data, &csv), promote(&data)] {
            let output = ended(command).await;
            let text = said(&output);
            assert!(!output.status.success() && output.stdout.is_empty(), "{text}");
            let named = text.contains(&format!("{lost} is missing"));
            assert!(
                named && text.contains(path.to_str().unwrap()) && text.contains("--data"),
                "{text}"
            );
        }
        assert_eq!(names(&data), before, "something was made anew");
        // Given back, all is as it was.
        fs::rename(&aside, &path).unwrap();
        let (child, _) = serving(serve(&data)).await.unwrap();
        stop(child).await;
    }

    // Each way on that the messages name.
    fs::write(data.join("secrets.json"), "").unwrap();
    let (child, _) = serving(serve(&data)).await.unwrap();
    stop(child).await;
    are_private(&data);
    fs::remove_file(data.join("secrets.json")).unwrap();
    fs::remove_file(data.join("table.sqlite")).unwrap();
    let (child, _) = serving(serve(&data)).await.unwrap();
    stop(child).await;
    fs::remove_file(data.join("table.sqlite")).unwrap();
    let engine = Engine::start(Storage::Memory).unwrap();
    let mut command = serve(&data);
    command.args(["--dynamodb", &engine.endpoint()]);
    let (child, _) = serving(command).await.unwrap();
    stop(child).await;
    assert_eq!(names(&data), ["secrets.json"]);
}

#[tokio::test]
async fn a_first_start_killed_at_any_moment_leaves_a_usable_directory() {
    let root = tempfile::tempdir().unwrap();
    let mut unfinished = 0;
    for round in 0..24_u64 {
        let data = root.path().join(round.to_string());
        let mut child = serve(&data).spawn().unwrap();
        // The moments that matter come soon after the directory does.
        while !data.exists() {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(round)).await;
        signal(&child, "KILL").await;
        child.wait().await.unwrap();
        unfinished += usize::from(!data.join("secrets.json").exists());
        let (child, _) = serving(serve(&data))
            .await
            .unwrap_or_else(|said| panic!("killed after {round} ms: {said}"));
        stop(child).await;
        are_private(&data);
        assert_eq!(names(&data), ["secrets.json", "table.sqlite"]);
    }
    assert!(unfinished > 0, "every start was done before it was killed");
}
