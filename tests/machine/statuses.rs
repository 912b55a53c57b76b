//! The exit statuses of every command: `docs/operate.md` lists them, and each is provoked here.
#![cfg(unix)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use fault_proxy::{Fault, FaultProxy};
use marquee::{
    backup::UNFINISHED,
    engine::{Engine, Storage},
};
use marquee_shared::{
    aws::client,
    clock::Clock,
    db::{Key, Store, keys},
};
use tokio::{process::Command, time::sleep};

use super::{full_disk::limited, marquee, run_to_end, signal, start, start::serve, stderr_of, stop};
use crate::{
    docs::{quoted, read, table},
    support::PASSWORD,
};

/// The number of movies, whose export is longer than the limit of a file in [`Case::limited`].
const MOVIES: usize = 40;

/// The longest file of a limited command, in kilobytes: enough for SQLite's index of the journal.
const LIMIT: u32 = 64;

/// The commands that ended, each with its status.
struct Case {
    directory: PathBuf,
    seen: BTreeSet<(String, usize)>,
}

impl Case {
    /// Runs a command, which must end with this status. A failure says why on standard error.
    async fn ends(&mut self, status: usize, arguments: &[&str]) -> Output {
        self.ends_as(status, arguments, marquee(arguments)).await
    }

    /// The same for a command that can write no file longer than [`LIMIT`].
    async fn limited(&mut self, status: usize, arguments: &[&str]) -> Output {
        self.ends_as(status, arguments, limited(LIMIT, arguments)).await
    }

    async fn ends_as(&mut self, status: usize, arguments: &[&str], mut command: Command) -> Output {
        command.current_dir(&self.directory);
        let output = run_to_end(command).await;
        let said = stderr_of(&output);
        assert_eq!(
            output.status.code(),
            i32::try_from(status).ok(),
            "{arguments:?}: {said}"
        );
        if status > 0 {
            let text = [said, String::from_utf8_lossy(&output.stdout).into_owned()].concat();
            assert!(!text.trim().is_empty(), "{arguments:?}");
            assert!(!text.contains("panicked"), "{arguments:?}: {text}");
        }
        self.saw(arguments[0], status);
        output
    }

    /// Notes a status. Without a command, the program serves.
    fn saw(&mut self, first: &str, status: usize) {
        let name = if first.starts_with("--") { "marquee" } else { first };
        self.seen.insert((name.to_owned(), status));
    }
}

/// Writes movies to import, one of which can't be if `has_bad_row` is set.
fn write_movies(path: &Path, has_bad_row: bool) {
    let mut lines = Vec::new();
    for n in 0..MOVIES {
        let (title, text) = (format!("Alien {n}").replacen(" 0", "", 1), "x".repeat(4_000));
        lines.push(format!(
            r#"{{"title": "{title}", "description": "{text}", "release_date": "1979-05-25", "director": "Somebody", "genre": "Drama"}}"#
        ));
    }
    if has_bad_row {
        lines.push(
            r#"{"title": "Undated", "description": "x", "director": "Somebody", "genre": "Drama"}"#
                .to_owned(),
        );
    }
    fs::write(path, lines.join("\n") + "\n").unwrap();
}

/// A table that is served at the endpoint with this URL. Its secrets are in the directory `data`.
async fn table_at_an_endpoint(data: &Path) -> (Engine, String) {
    let engine = Engine::start(&Storage::Memory).unwrap();
    let url = engine.endpoint().unwrap();
    let mut create = serve(data);
    create.args(["--dynamodb", &url]);
    let (child, _) = start(create).await.unwrap();
    stop(child).await;
    (engine, url)
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_exit_status_of_the_runbook_can_be_seen_and_no_other_is_listed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let mut case = Case {
        directory: path.to_owned(),
        seen: BTreeSet::new(),
    };
    fs::write(path.join("file"), "no directory").unwrap();
    write_movies(&path.join("movies.jsonl"), false);
    write_movies(&path.join("bad.jsonl"), true);

    case.ends(0, &["import", "movies.jsonl", "--data", "data"]).await;
    case.ends(1, &["import", "bad.jsonl", "--data", "data"]).await;
    case.ends(2, &["import", "none.jsonl", "--data", "data"]).await;
    // Nothing can be read from a table that can't be opened.
    case.ends(2, &["import", "movies.jsonl", "--data", "file"]).await;

    // These write while nothing else has the table open.
    case.ends(0, &["backup", "copy", "--data", "data"]).await;
    case.limited(1, &["backup", "half", "--data", "data"]).await;
    assert!(path.join("half").join(UNFINISHED).exists());
    for elsewhere in [
        &["--aws"][..],
        &["--memory"],
        &["--dynamodb", "http://127.0.0.1:9"],
        &["--data", "nowhere"],
        &["--data", "file"],
    ] {
        let arguments = [&["backup", "other"][..], elsewhere].concat();
        case.ends(2, &arguments).await;
    }
    case.ends(2, &["backup", "file", "--data", "data"]).await;
    assert!(!path.join("other").exists());

    let (child, [api, dynamodb]) = start(serve(&path.join("data"))).await.unwrap();
    let body = serde_json::json!({"username": "ripley", "email": "ripley@example.com", "password": PASSWORD});
    let register = reqwest::Client::new().post(format!("{api}/api/auth/register/"));
    assert_eq!(register.json(&body).send().await.unwrap().status(), 201);
    for command in ["promote", "demote", "reset-password", "delete-user"] {
        case.ends(0, &[command, "ripley", "--data", "data"]).await;
        case.ends(1, &[command, "nobody", "--data", "data"]).await;
        case.ends(1, &[command, "ripley", "--data", "file"]).await;
        case.ends(2, &[command]).await;
    }
    // The account is gone with its name.
    case.ends(1, &["promote", "ripley", "--data", "data"]).await;
    case.ends(0, &["upgrade", "--data", "data"]).await;
    case.ends(1, &["upgrade", "--data", "file"]).await;
    case.ends(2, &["upgrade", "--likes-shards", "0"]).await;

    case.ends(0, &["export", "movies.csv", "--data", "data"]).await;
    let complete = fs::read(path.join("movies.csv")).unwrap();
    let before = names(path);
    // A full disk leaves the file as it was, and nothing beside it.
    case.limited(1, &["export", "movies.csv", "--data", "data"]).await;
    assert_eq!(fs::read(path.join("movies.csv")).unwrap(), complete);
    assert_eq!(names(path), before);
    case.ends(2, &["export", "movies.txt", "--data", "data"]).await;
    case.ends(2, &["export", "movies.csv", "--data", "nowhere"]).await;
    assert_eq!(names(path), before);

    case.ends(0, &["audit", "--data", "data"]).await;
    let store = Store::new(client::local(&dynamodb), "marquee", Clock::default());
    let posting = Key::new("WORD#ali", format!("0#alien#{}", keys::id_text(1)));
    assert!(store.delete_existing(&posting).await.unwrap());
    case.ends(1, &["audit", "--data", "data"]).await;
    case.ends(2, &["audit", "--data", "nowhere"]).await;

    stop(child).await;
    case.saw("--data", 0);
    case.ends(1, &["--port", "0", "--catalog", "none", "--data", "file"])
        .await;
    case.ends(2, &["--port", "many"]).await;

    let help = case.ends(0, &["--help"]).await;
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.split("\nCommands:\n").nth(1).unwrap();
    let commands = commands.lines().take_while(|line| !line.is_empty());
    // A line of the list begins with two spaces and the name. Further lines of a text are indented more.
    let names = commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let mut commands: BTreeSet<&str> = names.filter(|name| !name.is_empty() && *name != "help").collect();
    commands.insert("marquee");
    let runbook = read("docs/operate.md");
    let mut listed = BTreeSet::new();
    for row in table(&runbook, "## Exit statuses") {
        for command in quoted(row[0]) {
            assert!(
                commands.remove(command),
                "{command} is no command, or is listed twice"
            );
            let statuses = (0..).zip(&row[1..]).filter(|(_, meaning)| !meaning.is_empty());
            listed.extend(statuses.map(|(status, _)| (command.to_owned(), status)));
        }
    }
    assert_eq!(
        commands,
        BTreeSet::new(),
        "docs/operate.md lists no status of these"
    );
    assert_eq!(case.seen, listed, "left: seen; right: listed in docs/operate.md");
}

/// The table's endpoint answers only one of the calls that write postings, so the signal comes in the middle of the import.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_that_is_stopped_by_a_signal_says_so_and_an_audit_can_end_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let (engine, url) = table_at_an_endpoint(&path.join("data")).await;
    let run = async |arguments: &[&str], status: i32| {
        let mut command = marquee([arguments, &["--dynamodb", &url]].concat());
        command.current_dir(path);
        let output = run_to_end(command).await;
        let said = [stderr_of(&output), String::from_utf8(output.stdout).unwrap()].concat();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        said
    };
    write_movies(&path.join("movies.jsonl"), false);
    let proxy = FaultProxy::to(&url).await;
    proxy.inject("BatchWriteItem", 1..usize::MAX, Fault::NoAnswer);
    let mut command = marquee(["import", "movies.jsonl", "--dynamodb", &proxy.url]);
    let child = command.current_dir(path).spawn().unwrap();
    while !proxy.take_operations().contains(&"BatchWriteItem".to_owned()) {
        sleep(Duration::from_millis(5)).await;
    }
    signal(&child, "TERM").await;
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr_of(&output),
        "marquee: import: it was stopped; run it again, with the same file and options, to continue it\n"
    );
    // The file was corrected, so nobody can continue the import.
    write_movies(&path.join("movies.jsonl"), true);
    let said = run(&["import", "movies.jsonl"], 1).await;
    assert!(said.contains("left out 1 bad row"), "{said}");
    let said = run(&["audit", "--repair"], 1).await;
    assert!(
        said.contains("mended 0; ") && said.contains("--end-imports"),
        "{said}"
    );
    let said = run(&["audit", "--repair", "--end-imports"], 0).await;
    assert!(said.contains("; ended 1 unfinished import"), "{said}");
    assert!(!said.contains("mended 0"), "{said}");
    run(&["audit"], 0).await;
    run(&["audit", "--end-imports"], 2).await;
    engine.shutdown().await.unwrap();
}

/// The table's endpoint never answers the export's queries, so the signal comes in the middle of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_is_stopped_by_a_signal_leaves_no_half_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    write_movies(&path.join("movies.jsonl"), false);
    let (engine, url) = table_at_an_endpoint(&path.join("data")).await;
    let mut import = marquee(["import", "movies.jsonl", "--dynamodb", &url]);
    let output = run_to_end({
        import.current_dir(path);
        import
    })
    .await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    fs::write(path.join("old.csv"), "kept").unwrap();
    let before = names(path);
    for (file, name) in [("old.csv", "TERM"), ("new.csv", "INT")] {
        let proxy = FaultProxy::to(&url).await;
        proxy.inject("Query", 0..usize::MAX, Fault::NoAnswer);
        let mut command = marquee(["export", file, "--dynamodb", &proxy.url]);
        let child = command.current_dir(path).spawn().unwrap();
        while !names(path)
            .iter()
            .any(|name| name.starts_with(&format!("{file}.partial.")))
        {
            sleep(Duration::from_millis(5)).await;
        }
        signal(&child, name).await;
        let output = child.wait_with_output().await.unwrap();
        let said = stderr_of(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("was stopped"), "{said}");
        assert_eq!(names(path), before, "{name}");
    }
    assert_eq!(fs::read_to_string(path.join("old.csv")).unwrap(), "kept");

    // With --aws, the region, the credentials and the endpoint are those of the AWS environment.
    let mut command = marquee(["export", "-", "--aws"]);
    command
        .env("AWS_ENDPOINT_URL_DYNAMODB", &url)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "made-up")
        .env("AWS_SECRET_ACCESS_KEY", "made-up")
        .env("HOME", path)
        .current_dir(path);
    let output = run_to_end(command).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    let lines = String::from_utf8(output.stdout).unwrap().lines().count();
    assert_eq!(lines, MOVIES);
    engine.shutdown().await.unwrap();
}
