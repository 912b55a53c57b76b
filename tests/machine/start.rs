//! What a person reads when the program can't start: each message names its object and the way out. The messages are in
//! `local/src/start_error.rs`, whose own tests read the ones that can't be provoked here: a locked file and a system without
//! root certificates.
#![cfg(unix)]

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    net::TcpListener,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::Path,
};

use reqwest::StatusCode;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

use super::{access_of, marquee, register, run_to_end, start, stderr_of, stop};

/// A command that serves a table in memory, without a catalog, on any port.
const IN_MEMORY: [&str; 5] = ["--memory", "--catalog", "none", "--port", "0"];

/// Runs a program that can't start. Returns what it wrote to standard error after checking that this is one sentence or
/// more on one line, without the looks of a program's internals.
pub(super) async fn message_of(command: Command) -> String {
    message_with(command, 1).await
}

/// The same for a program that ends with this status.
async fn message_with(command: Command, status: i32) -> String {
    let output = run_to_end(command).await;
    let text = stderr_of(&output);
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(output.stdout.is_empty(), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    for internal in ["os error", "Error {", "Err(", "Some(", "Internal", "{:?}", "::"] {
        // An IPv6 address has two colons too.
        assert!(
            !text.contains(internal) || text.contains("::1"),
            "{internal}: {text}"
        );
    }
    let text = text.trim_end().strip_prefix("marquee: ").unwrap().to_owned();
    assert!(!text.is_empty());
    text
}

/// Returns a command that serves this directory on any port, without the demonstration catalog.
pub(super) fn serve(data: &Path) -> Command {
    let mut command = marquee(["--port", "0", "--catalog", "none", "--data"]);
    command.arg(data);
    command
}

/// A message names all of these.
#[track_caller]
pub(super) fn assert_names(text: &str, names: &[&str]) {
    for name in names {
        assert!(text.contains(name), "{name} is missing: {text}");
    }
}

#[tokio::test]
async fn a_setting_that_cannot_work_is_named_with_its_value() {
    for (variable, value) in [
        ("CORS_ORIGINS", "https://b.example/"),
        ("ACCESS_TOKEN_SECONDS", "-1"),
        ("SESSION_SECONDS", "0"),
        ("REQUEST_DEADLINE_SECONDS", "0"),
        ("REFRESH_GRACE_SECONDS", "61"),
        ("ADDRESS_LIMIT_PER_MINUTE", "many"),
        ("TOKEN_ISSUER", ""),
        ("RUST_LOG", "a=b=c"),
        ("RUST_LOG", "warning"),
    ] {
        let mut command = marquee(IN_MEMORY);
        command.env(variable, value);
        let text = message_of(command).await;
        assert!(text.starts_with(&format!("{variable} must be ")), "{text}");
        assert!(text.ends_with(&format!(", not {value:?}")), "{text}");
    }
    for variable in ["TOKEN_ISSUER", "RUST_LOG"] {
        let mut command = marquee(IN_MEMORY);
        command.env(variable, OsStr::from_bytes(b"\xff"));
        assert_eq!(
            message_of(command).await,
            format!(
                "{variable} must be valid Unicode (its value isn't shown here, because it may be a secret)"
            )
        );
    }
}

#[tokio::test]
async fn a_command_that_cannot_begin_ends_with_the_status_of_nothing_done() {
    for (arguments, status) in [
        (&["import", "movies.csv"][..], 2),
        (&["export", "movies.jsonl"], 2),
        (&["backup", "copy"], 2),
        (&["audit"], 2),
        (&["upgrade"], 1),
        (&["promote", "ripley"], 1),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = marquee(arguments);
        command.current_dir(directory.path()).env("RUST_LOG", "inof");
        let text = message_with(command, status).await;
        assert_names(&text, &["RUST_LOG must be a level", "\"inof\""]);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "{arguments:?}");
    }
}

#[tokio::test]
async fn an_option_that_cannot_work_is_named_with_its_value() {
    let mut command = marquee(["--port", "0", "--catalog", "none", "--dynamodb", "localhost:8000"]);
    command.args(["--data", "unused"]);
    assert_eq!(
        message_of(command).await,
        "--dynamodb must be an http or https URL without a query, such as http://127.0.0.1:8000, not \"localhost:8000\""
    );
    let mut command = marquee(IN_MEMORY);
    command.args(["--table", "my movies"]);
    assert_names(&message_of(command).await, &["--table must be ", "\"my movies\""]);
    for host in ["nowhere", "example.com", "1.2.3", "127.0.0.1:80", ""] {
        let mut command = marquee(IN_MEMORY);
        command.args(["--host", host]);
        let output = run_to_end(command).await;
        assert_eq!(output.status.code(), Some(2), "{host}");
        let text = stderr_of(&output);
        assert_names(&text, &["--host <ADDR>", "must be an IP address of this machine"]);
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let mut command = marquee(["--port", &port, "--data"]);
    command.arg(&data);
    assert_eq!(
        message_of(command).await,
        format!(
            "port {port} of 127.0.0.1 is in use by another program. End that program, or choose another port with --port \
             (--port 0 picks a free one)."
        )
    );
    assert!(!data.exists());
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    let mut command = marquee(IN_MEMORY);
    // An address that no machine has (RFC 5737).
    command.args(["--host", "192.0.2.1"]);
    let output = run_to_end(command).await;
    let text = stderr_of(&output);
    assert_names(
        &text,
        &["marquee: 192.0.2.1 is not an address of this machine. Choose one that is with --host."],
    );
}

/// The superuser may open every port, so nothing is refused to that user, and the test ends.
#[tokio::test]
async fn a_port_that_needs_privileges_is_named() {
    if TcpListener::bind("127.0.0.1:81").is_ok() {
        return;
    }
    let command = marquee(["--memory", "--catalog", "none", "--port", "81"]);
    assert_names(
        &message_of(command).await,
        &["port 81 of 127.0.0.1", "permission denied", "--port"],
    );
}

#[tokio::test]
async fn a_data_path_that_cannot_be_a_directory_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    let name = file.to_str().unwrap();
    let text = message_of(serve(&file)).await;
    assert_eq!(
        text,
        format!("{name} is not a directory. Name another one with --data.")
    );
    let below = file.join("data");
    let text = message_of(serve(&below)).await;
    assert_names(
        &text,
        &[
            below.to_str().unwrap(),
            "a part of the path is not a directory",
            "--data",
        ],
    );
    // A missing parent is created.
    let deep = root.path().join("a").join("b").join("data");
    let (child, _) = start(serve(&deep)).await.unwrap();
    stop(child).await;
    // A table's path that is a directory.
    let data = root.path().join("table is a directory");
    fs::create_dir_all(data.join("table.sqlite")).unwrap();
    let text = message_of(serve(&data)).await;
    assert_names(&text, &[data.to_str().unwrap(), "table.sqlite", "--data"]);
}

/// `/proc` refuses new directories, also those of the superuser. Another user gets another directory's refusal.
#[tokio::test]
async fn a_directory_that_may_not_be_written_is_named() {
    let root = tempfile::tempdir().unwrap();
    let closed = root.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
    let below = closed.join("data");
    if fs::create_dir(&below).is_err() {
        let text = message_of(serve(&below)).await;
        let path = below.to_str().unwrap();
        assert_eq!(
            text,
            format!("{path} can't be used: permission denied. Name another directory with --data.")
        );
    }
    if cfg!(target_os = "linux") {
        let text = message_of(serve(Path::new("/proc/data"))).await;
        assert_names(&text, &["/proc/data", "--data"]);
    }
}

#[tokio::test]
async fn a_damaged_table_is_named_whichever_part_is_damaged() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (child, _) = start(serve(&data)).await.unwrap();
    stop(child).await;
    let table = data.join("table.sqlite");
    let whole = fs::read(&table).unwrap();
    let text = whole.iter().map(|_| b'x').collect::<Vec<u8>>();
    let mut pages_lost = whole.clone();
    for byte in pages_lost.iter_mut().skip(100) {
        *byte = 0xff;
    }
    for damaged in [text, pages_lost] {
        fs::write(&table, damaged).unwrap();
        let text = message_of(serve(&data)).await;
        assert_eq!(
            text,
            format!(
                "the table's file {} can't be read: it is damaged or not a table of this program. Restore it from a copy, or \
                 name another directory with --data.",
                table.display()
            )
        );
    }
    fs::write(&table, whole).unwrap();
    let secrets = data.join("secrets.json");
    fs::write(&secrets, "{\"signing\": \"confidential").unwrap();
    let text = message_of(serve(&data)).await;
    assert_names(
        &text,
        &[secrets.to_str().unwrap(), "restore it", "empty it", "--data"],
    );
    assert!(!text.contains("confidential"), "{text}");
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_named_by_every_command() {
    let root = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let mut command = serve(&root.path().join("data"));
    command.args(["--dynamodb", &url]);
    assert_eq!(
        message_of(command).await,
        format!(
            "there is no connection to DynamoDB at {url}: connection refused. Start it, or name another endpoint with \
             --dynamodb."
        )
    );
    let file = root.path().join("movies.csv");
    std::fs::write(&file, "title,description,release_date,director,genre\n").unwrap();
    for (name, of, status) in [
        ("promote", Path::new("nobody"), 1),
        ("demote", Path::new("nobody"), 1),
        // Nothing was imported.
        ("import", &file, 2),
    ] {
        let mut command = marquee([name]);
        command.arg(of).args(["--dynamodb", &url]);
        assert_names(
            &message_with(command, status).await,
            &[&format!("DynamoDB at {url} can't be used"), "--dynamodb"],
        );
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_imported_is_named() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("movies.csv");
    for (file, words) in [
        (missing.as_path(), "there is no such file or directory"),
        (root.path(), "it is a directory"),
    ] {
        let mut command = marquee(["import"]);
        command.arg(file).arg("--data").arg(root.path().join("data"));
        let text = message_with(command, 2).await;
        let expected = format!("import: {} can't be read: {words}", file.display());
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_dynamodb_is_named() {
    let root = tempfile::tempdir().unwrap();
    let (child, [api, _]) = start(marquee(IN_MEMORY)).await.unwrap();
    let mut command = serve(&root.path().join("data"));
    command.args(["--dynamodb", &api]);
    let text = message_of(command).await;
    assert_names(
        &text,
        &[&format!("DynamoDB at {api} can't be used: "), "--dynamodb"],
    );
    stop(child).await;
}

#[tokio::test]
async fn an_endpoint_elsewhere_without_credentials_is_named() {
    let root = tempfile::tempdir().unwrap();
    let mut command = serve(&root.path().join("data"));
    // No name ends in `.invalid` (RFC 2606), so nothing is sent to another machine.
    let url = "http://dynamodb.invalid:8000";
    command
        .args(["--dynamodb", url])
        .env("HOME", root.path())
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"] {
        command.env_remove(name);
    }
    assert_eq!(
        message_of(command).await,
        format!(
            "DynamoDB at {url} can't be used: no AWS credentials were found for it. Check its region and credentials, or name \
             another endpoint with --dynamodb."
        )
    );
}

#[tokio::test]
async fn a_catalog_that_cannot_be_read_is_named_before_anything_is_created() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let missing = root.path().join("missing.csv");
    // Its opening would wait for a writer.
    let pipe = root.path().join("pipe.csv");
    let made = Command::new("mkfifo").arg(&pipe).status().await;
    assert!(made.unwrap().success());
    for (path, reason) in [
        (missing.as_path(), "there is no such file or directory"),
        (root.path(), "it is a directory"),
        (
            pipe.as_path(),
            "it is not a regular file, and it is read twice. Save what it has to a file first",
        ),
    ] {
        let mut command = marquee(["--port", "0", "--catalog"]);
        command.arg(path).arg("--data").arg(&data);
        assert_eq!(
            message_of(command).await,
            format!(
                "the catalog {} can't be read: {reason}. Name another file with --catalog, or import nothing with --catalog \
                 none.",
                path.display()
            )
        );
        assert!(!data.exists());
    }
    let strange = root.path().join("strange.csv");
    fs::write(&strange, "a,b\n1,2\n").unwrap();
    let mut command = marquee(["--port", "0", "--memory", "--catalog"]);
    command.arg(&strange);
    assert_names(
        &message_of(command).await,
        &[strange.to_str().unwrap(), "--catalog"],
    );
}

#[tokio::test]
async fn the_server_listens_on_the_address_of_host_and_names_the_one_to_open() {
    for (host, opened, warns) in [
        ("127.0.0.1", "http://127.0.0.1:", false),
        ("localhost", "http://127.0.0.1:", false),
        ("127.0.0.2", "http://127.0.0.2:", false),
        ("0.0.0.0", "http://127.0.0.1:", true),
        ("::1", "http://[::1]:", false),
        ("[::1]", "http://[::1]:", false),
        ("::", "http://[::1]:", true),
    ] {
        // Not every machine has IPv6, and only Linux has all of 127.0.0.0/8.
        let bare = host.trim_matches(['[', ']']);
        if TcpListener::bind((bare, 0)).is_err() {
            continue;
        }
        let mut command = marquee(IN_MEMORY);
        command.args(["--host", host]);
        let (mut child, [api, dynamodb]) = start(command).await.unwrap();
        assert!(api.starts_with(opened), "{host}: {api}");
        assert!(dynamodb.starts_with("http://127.0.0.1:"), "{host}: {dynamodb}");
        let movies = reqwest::get(format!("{api}/api/movies/")).await.unwrap();
        assert_eq!(movies.status(), StatusCode::OK, "{host}");
        if host == "::" {
            // Also over IPv4, from which the client's address is counted as such.
            let port = api.rsplit_once(':').unwrap().1;
            let movies = reqwest::get(format!("http://127.0.0.1:{port}/api/movies/"))
                .await
                .unwrap();
            assert_eq!(movies.status(), StatusCode::OK, "{host}");
        }
        let stderr = child.stderr.take().unwrap();
        stop(child).await;
        let mut lines = BufReader::new(stderr).lines();
        let mut warnings = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            warnings.push(line);
        }
        assert_eq!(warnings.len(), usize::from(warns), "{host}: {warnings:?}");
        assert!(
            warnings.iter().all(|line| line.contains("warning: --host")),
            "{warnings:?}"
        );
    }
}

#[tokio::test]
async fn promote_makes_a_user_an_admin_and_demote_a_member_again() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (child, [api, _]) = start(serve(&data)).await.unwrap();
    let http = reqwest::Client::new();
    let access = access_of(&register(&http, &api).await);
    // Twice: a user who has the role already keeps it. The last admin may be demoted.
    for (verb, role, says) in [
        ("promote", "admin", "ripley is an admin"),
        ("promote", "admin", "ripley is an admin"),
        ("demote", "member", "ripley is a member"),
        ("demote", "member", "ripley is a member"),
    ] {
        let mut command = marquee([verb, "ripley", "--data"]);
        command.arg(&data);
        let output = run_to_end(command).await;
        assert!(output.status.success(), "{}", stderr_of(&output));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), says);
        let me = http
            .get(format!("{api}/api/users/me/"))
            .bearer_auth(&access)
            .send();
        let me: serde_json::Value = me.await.unwrap().json().await.unwrap();
        assert_eq!(me["role"], role);
    }
    for verb in ["promote", "demote"] {
        let mut command = marquee([verb, "nobody", "--data"]);
        command.arg(&data);
        assert_eq!(message_of(command).await, "there is no user nobody");
    }
    stop(child).await;
}
