//! Guarantee 39 on one machine: what the server writes when files fail, and what operators' commands print.
#![cfg(unix)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use reqwest::{Client, RequestBuilder, StatusCode, multipart};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::{access_of, mail::mails, marquee, run_to_end, signal, start, start::serve, stderr_of};
use crate::support::{mail::token_in, movie, operations::IMAGE, secrets::assert_no_secrets};

/// A command at the default levels of its log.
fn logging(mut command: Command) -> Command {
    command.env_remove("RUST_LOG");
    command
}

async fn sent(call: RequestBuilder) -> (StatusCode, Value) {
    let answer = call.send().await.unwrap();
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Registers a user whose email and password contain the canary.
async fn register(http: &Client, api: &str) -> Value {
    let user = json!({
        "username": "ripley", "email": "canary@canary.example", "password": "the canary sings no password",
    });
    let (status, session) = sent(http.post(format!("{api}/api/auth/register/")).json(&user)).await;
    assert_eq!(status, 201);
    session
}

/// Ends the server and returns what it has written to standard error.
async fn log_of(child: Child) -> String {
    signal(&child, "TERM").await;
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    stderr_of(&output)
}

fn tokens_of(session: &Value) -> BTreeSet<String> {
    ["access", "refresh"]
        .map(|name| session[name].as_str().unwrap().to_owned())
        .into()
}

/// A file is in the way of the directories of covers and of mails, so neither can be written or read.
#[tokio::test]
async fn nothing_that_a_client_sent_is_in_the_log_when_covers_and_mails_cannot_be_written() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (child, [api, _]) = start(logging(serve(&data))).await.unwrap();
    let http = Client::new();
    let session = register(&http, &api).await;
    let access = access_of(&session);
    let body = movie("Canary", "Director Canary", "Canary Drama", "1979-05-25");
    let url = format!("{api}/api/movies/");
    let (status, added) = sent(http.post(&url).bearer_auth(&access).json(&body)).await;
    assert_eq!(status, 201);
    for directory in ["covers", "mail"] {
        fs::write(data.join(directory), "in the way").unwrap();
    }
    let part = multipart::Part::bytes(IMAGE).file_name("canary.png");
    let form = multipart::Form::new()
        .text("title", "Canary")
        .text("description", "A canary.")
        .text("release_date", "1979-05-25")
        .text("director", "Director Canary")
        .text("genre", "Canary Drama")
        .part("cover_image", part);
    let cover = format!("{url}{}/cover/", added["id"]);
    let image = format!("{api}/api/covers/{}.png/", "0".repeat(32));
    for call in [
        http.put(&cover).bearer_auth(&access).body(IMAGE),
        http.post(&url).bearer_auth(&access).multipart(form),
        http.get(image).header("user-agent", "canary"),
    ] {
        let (status, body) = sent(call).await;
        assert_eq!(status, 503, "{body}");
        assert_no_secrets("an answer", &body.to_string(), &tokens_of(&session));
    }
    let asked = json!({"email": "canary@canary.example"});
    let (status, _) = sent(http.post(format!("{api}/api/auth/password-reset/")).json(&asked)).await;
    assert_eq!(status, 202);
    // The server tries again until the mail is written.
    fs::remove_file(data.join("mail")).unwrap();
    let mail = mails(&data, 1).await.remove(0);
    let mut secrets = tokens_of(&session);
    secrets.insert(token_in(&mail));
    let log = log_of(child).await;
    assert!(log.contains("503"), "{log}");
    assert_no_secrets("the log", &log, &secrets);
}

/// Only `reset-password` prints a token: that is what it is for, and it prints it to standard output alone.
#[tokio::test]
async fn no_command_of_an_operator_prints_a_secret() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path();
    let (child, [api, _]) = start(logging(serve(&directory.join("data")))).await.unwrap();
    let session = register(&Client::new(), &api).await;
    let log = log_of(child).await;
    let mut secrets = tokens_of(&session);
    let keys = fs::read_to_string(directory.join("data").join("secrets.json")).unwrap();
    let keys: BTreeMap<String, String> = serde_json::from_str(&keys).unwrap();
    assert!(keys.contains_key("signing"), "{:?}", keys.keys());
    secrets.extend(keys.into_values());
    assert_no_secrets("the log", &log, &secrets);
    fs::write(directory.join("movies.csv"), "title,genre\nAlien,Horror\n").unwrap();
    for (arguments, status) in [
        (&["audit"][..], 0),
        (&["audit", "--json"], 0),
        (&["backup", "copy"], 0),
        (&["export", "-"], 0),
        (&["import", "movies.csv"], 2),
        (&["promote", "ripley"], 0),
        (&["demote", "ripley"], 0),
        (&["promote", "nobody"], 1),
        (&["reset-password", "nobody"], 1),
        (&["reset-password", "ripley"], 0),
        (&["upgrade"], 0),
        (&["delete-user", "ripley"], 0),
    ] {
        let mut command = logging(marquee(arguments));
        command.args(["--data", "data"]).current_dir(directory);
        let output = run_to_end(command).await;
        let [out, err] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {out}{err}");
        let what = arguments.join(" ");
        if what == "reset-password ripley" {
            secrets.insert(out.trim_end().to_owned());
        } else {
            assert_no_secrets(&what, &out, &secrets);
        }
        assert_no_secrets(&what, &err, &secrets);
        // What a hash of a password begins with.
        assert!(
            ![&out, &err].iter().any(|text| text.contains("$argon2id$")),
            "{what}: {out}{err}"
        );
    }
}
