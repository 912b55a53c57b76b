//! `marquee backup`: the copy is complete and consistent while the server writes, it can be served, and an unfinished one can't.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use marquee::backup::UNFINISHED;
use reqwest::Client;
use serde_json::Value;

use tokio::time::sleep;

use super::{
    access_of, full_disk::limited, marquee, register, run, run_to_end, signal, start, start::serve,
    stderr_of, stop,
};
use crate::support::{movie, operations::IMAGE};

/// More mails than are copied before a signal arrives: each is written to the disk.
const MAILS: usize = 3_000;

/// Guarantee 83: the restore drill of `docs/operate.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_made_while_the_server_writes_is_served_with_everything_that_was_acknowledged_before()
{
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let (child, [api, _]) = start(serve(&path.join("data"))).await.unwrap();
    let http = Client::new();
    let access = access_of(&register(&http, &api).await);
    let added = Arc::new(AtomicU64::new(0));
    let writing = {
        let (http, api, access, added) = (http.clone(), api.clone(), access.clone(), Arc::clone(&added));
        tokio::spawn(async move {
            loop {
                let n = added.load(Ordering::SeqCst) + 1;
                let body = movie(&format!("Movie {n}"), "Somebody", "Drama", "1999-12-31");
                let call = http
                    .post(format!("{api}/api/movies/"))
                    .bearer_auth(&access)
                    .json(&body);
                let answer = call.send().await.unwrap();
                assert_eq!(answer.status(), 201);
                let path = format!("{api}/api/movies/{n}/cover/");
                let call = http.put(path).bearer_auth(&access).body(IMAGE);
                assert_eq!(call.send().await.unwrap().status(), 200);
                added.store(n, Ordering::SeqCst);
            }
        })
    };
    while added.load(Ordering::SeqCst) < 5 {
        tokio::task::yield_now().await;
    }
    let before = added.load(Ordering::SeqCst);
    let output = run(path, &["backup", "copy", "--data", "data"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    let after = added.load(Ordering::SeqCst) + 1;
    writing.abort();
    stop(child).await;

    for (name, mode) in [
        ("copy", 0o700),
        ("copy/covers", 0o700),
        ("copy/table.sqlite", 0o600),
        ("copy/secrets.json", 0o600),
    ] {
        let found = fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{name}");
    }
    assert!(!path.join("copy").join(UNFINISHED).exists());
    let output = run(path, &["audit", "--data", "copy"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));

    // Restored: the copy is served, and whoever was signed in still is.
    let (child, [api, _]) = start(serve(&path.join("copy"))).await.unwrap();
    let me = http
        .get(format!("{api}/api/users/me/"))
        .bearer_auth(&access)
        .send()
        .await
        .unwrap();
    assert_eq!(me.status(), 200);
    let list = http
        .get(format!("{api}/api/movies/?limit=100"))
        .send()
        .await
        .unwrap();
    let list: Value = list.json().await.unwrap();
    let count = list["count"].as_u64().unwrap();
    assert!((before..=after).contains(&count), "{before} to {after}: {count}");
    let mut covers = 0;
    for movie in list["results"].as_array().unwrap() {
        for field in ["cover_image", "cover_thumbnail"] {
            if let Some(url) = movie[field].as_str() {
                let name = url.rsplit('/').next().unwrap();
                let image = http.get(format!("{api}/api/covers/{name}")).send().await.unwrap();
                assert_eq!(image.status(), 200, "{name}");
                covers += 1;
            }
        }
    }
    assert!(covers >= 2 * before, "{covers}");
    stop(child).await;
}

/// Guarantee 83.
#[tokio::test]
async fn a_copy_that_cannot_be_made_says_why_and_an_unfinished_one_is_not_served() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let (child, _) = start(serve(&path.join("data"))).await.unwrap();
    stop(child).await;
    fs::create_dir(path.join("full")).unwrap();
    fs::write(path.join("full/file"), "x").unwrap();
    fs::write(path.join("file"), "x").unwrap();
    for (arguments, part) in [
        (["backup", "copy", "--data", "none"], "has no table.sqlite"),
        (["backup", "full", "--data", "data"], "isn't empty"),
        (["backup", "data", "--data", "data"], "isn't empty"),
        (
            ["backup", "data/copy", "--data", "data"],
            "inside the data directory",
        ),
        (
            ["backup", "data/../data/a/b", "--data", "data"],
            "inside the data directory",
        ),
    ] {
        let output = run(path, &arguments).await;
        let text = stderr_of(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(
            text.starts_with("marquee: ") && text.contains(part),
            "{arguments:?}: {text}"
        );
    }
    // What is in no directory can't be copied, and the message says what to do instead.
    for (flag, part) in [
        ("--memory", "--data"),
        ("--aws", "last 35 days"),
        ("--dynamodb=http://localhost:8000", "marquee export"),
    ] {
        let output = run(path, &["backup", "copy", flag]).await;
        assert_eq!(output.status.code(), Some(2), "{flag}");
        let text = stderr_of(&output);
        assert!(text.contains(part), "{flag}: {text}");
    }
    // A file is in the way of the copy.
    let output = run(path, &["backup", "file", "--data", "data"]).await;
    let text = stderr_of(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("file: ") && text.contains("another directory"),
        "{text}"
    );
    // A path through a directory that doesn't exist leads into the data.
    let output = run(path, &["backup", "none/../data/copy", "--data", "data"]).await;
    let text = stderr_of(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(!path.join("data/copy/table.sqlite").exists() && !path.join("copy").exists());

    // Killed in the middle: the copy has its mark, and no command opens it.
    let output = run(path, &["backup", "copy", "--data", "data"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    fs::write(path.join("copy").join(UNFINISHED), "").unwrap();
    for arguments in [
        &["--data", "copy", "--port", "0", "--catalog", "none"][..],
        &["export", "-", "--data", "copy"],
        &["audit", "--data", "copy"],
        &["promote", "ripley", "--data", "copy"],
        &["backup", "second", "--data", "copy"],
    ] {
        let output = run(path, arguments).await;
        assert!(!output.status.success(), "{arguments:?}");
        let text = stderr_of(&output);
        assert!(text.contains("marquee backup"), "{arguments:?}: {text}");
    }
    assert!(!path.join("second").exists());
}

/// Guarantee 83. The damage is where opening a table doesn't look.
#[tokio::test]
async fn a_backup_of_a_damaged_table_says_so_and_is_not_complete() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let (child, [api, _]) = start(serve(&path.join("data"))).await.unwrap();
    let access = access_of(&register(&Client::new(), &api).await);
    for n in 0..100 {
        let body = movie(&format!("Movie {n}"), "Somebody", "Drama", "1999-12-31");
        let call = Client::new()
            .post(format!("{api}/api/movies/"))
            .bearer_auth(&access);
        assert_eq!(call.json(&body).send().await.unwrap().status(), 201);
    }
    stop(child).await;
    let table = path.join("data/table.sqlite");
    let sound = fs::read(&table).unwrap();
    // A page of the middle, whose content is another one's.
    let page = usize::from(u16::from_be_bytes([sound[16], sound[17]]));
    let pages = sound.len() / page;
    assert!(pages > 20, "{pages}");
    let mut damaged = sound.clone();
    let (from, to) = (pages / 3 * page, pages / 2 * page);
    damaged.copy_within(from..from + page, to);
    fs::write(&table, &damaged).unwrap();
    let output = run(path, &["backup", "copy", "--data", "data"]).await;
    let text = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("data/table.sqlite is damaged.")
            && text.contains("The copy in copy is unfinished; delete it."),
        "{text}"
    );
    assert!(path.join("copy").join(UNFINISHED).exists());
    fs::write(&table, &sound).unwrap();
    let output = run(path, &["backup", "other", "--data", "data"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
}

/// Guarantee 83.
#[tokio::test]
async fn a_backup_that_is_stopped_or_has_no_room_says_so_and_leaves_its_mark() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let (child, _) = start(serve(&path.join("data"))).await.unwrap();
    stop(child).await;
    // The index of SQLite's journal fits, and the copy of the table doesn't.
    let mut command = limited(34, &["backup", "full", "--data", "data"]);
    command.current_dir(path);
    let output = run_to_end(command).await;
    let text = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("full/table.sqlite: ") && text.contains("The copy in full is unfinished"),
        "{text}"
    );
    // So many files that they aren't copied before the signal.
    let mails = path.join("data/mail");
    fs::create_dir_all(&mails).unwrap();
    for n in 0..MAILS {
        fs::write(mails.join(format!("{n:05}.eml")), "x").unwrap();
    }
    let mut command = marquee(["backup", "stopped", "--data", "data"]);
    let backup = command.current_dir(path).spawn().unwrap();
    let first = path.join("stopped/mail/00000.eml");
    while !first.exists() {
        sleep(Duration::from_millis(1)).await;
    }
    signal(&backup, "TERM").await;
    let output = backup.wait_with_output().await.unwrap();
    let text = stderr_of(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(
        text,
        "marquee: the backup was stopped. The copy in stopped is unfinished; delete it.\n"
    );
    assert!(fs::read_dir(path.join("stopped/mail")).unwrap().count() < MAILS);
    for copy in ["full", "stopped"] {
        assert!(path.join(copy).join(UNFINISHED).exists(), "{copy}");
    }
}

/// Guarantee 83.
#[tokio::test]
async fn a_backup_that_is_killed_at_any_moment_leaves_nothing_that_is_served() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let (child, [api, _]) = start(serve(&path.join("data"))).await.unwrap();
    let http = Client::new();
    let access = access_of(&register(&http, &api).await);
    for n in 0..20 {
        let body = movie(&format!("Movie {n}"), "Somebody", "Drama", "1999-12-31");
        let call = http
            .post(format!("{api}/api/movies/"))
            .bearer_auth(&access)
            .json(&body);
        assert_eq!(call.send().await.unwrap().status(), 201);
    }
    let mut unfinished = 0;
    for n in 0..12 {
        let copy = format!("copy-{n}");
        let mut command = marquee(["backup", &copy, "--data", "data"]);
        let mut backup = command.current_dir(path).spawn().unwrap();
        while !path.join(&copy).join(UNFINISHED).exists() && !path.join(&copy).join("secrets.json").exists() {
            tokio::task::yield_now().await;
        }
        for _ in 0..n * 20 {
            tokio::task::yield_now().await;
        }
        backup.kill().await.unwrap();
        backup.wait().await.unwrap();
        let output = run(path, &["export", "-", "--data", &copy]).await;
        if path.join(&copy).join(UNFINISHED).exists() {
            assert!(!output.status.success());
            unfinished += 1;
        } else {
            let lines = String::from_utf8(output.stdout).unwrap().lines().count();
            assert_eq!(lines, 20);
        }
    }
    assert!(unfinished > 0);
    stop(child).await;
}
