//! Guarantee 77: mails on one machine, and the command that needs none.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, Instant},
};

use marquee::mail::Mailbox;
use reqwest::StatusCode;
use serde_json::json;
use tokio::time::sleep;

use super::{marquee, run_to_end, signal, start, start::serve, stderr_of, stop};
use crate::support::{PASSWORD, mail::token_in};

const NEW: &str = "another long passphrase";

/// The longest that a mail takes on a busy machine.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

async fn send(api: &str, path: &str, body: serde_json::Value) -> StatusCode {
    let url = format!("{api}/api/auth/{path}/");
    let sent = reqwest::Client::new().post(url).json(&body).send().await;
    sent.unwrap().status()
}

async fn register(api: &str) {
    let body = json!({"username": "ripley", "email": "ripley@example.com", "password": PASSWORD});
    assert_eq!(send(api, "register", body).await, 201);
}

async fn ask(api: &str) {
    let body = json!({"email": "ripley@example.com"});
    assert_eq!(send(api, "password-reset", body).await, 202);
}

async fn confirm(api: &str, token: &str) -> StatusCode {
    let body = json!({"token": token, "password": NEW});
    send(api, "password-reset/confirm", body).await
}

/// Waits until the data directory has so many mails, and returns them.
pub(super) async fn mails(data: &Path, count: usize) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let messages = Mailbox::directory(data).messages().unwrap();
        if messages.len() >= count {
            return messages
                .into_iter()
                .map(|message| String::from_utf8(message).unwrap())
                .collect();
        }
        assert!(
            begun.elapsed() < ARRIVES_WITHIN,
            "{} of {count} mails",
            messages.len()
        );
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_mail_is_a_private_file_that_is_complete_when_it_is_there() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (child, [api, _]) = start(serve(&data)).await.unwrap();
    register(&api).await;
    assert!(
        !data.join("mail").exists(),
        "the directory is made with the first mail"
    );
    ask(&api).await;
    let mail = mails(&data, 1).await.remove(0);
    let token = token_in(&mail);
    assert!(
        mail.contains(&format!("{api}/reset-password#token={token}")),
        "{mail}"
    );
    assert!(mail.ends_with("--\r\n"), "{mail}");
    assert_eq!(fs::metadata(data.join("mail")).unwrap().mode() & 0o7777, 0o700);
    for file in fs::read_dir(data.join("mail")).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
        assert_eq!(file.path().extension().unwrap(), "eml");
    }
    assert_eq!(confirm(&api, &token).await, 204);
    stop(child).await;
    // Another start sends nothing again.
    let (child, [api, _]) = start(serve(&data)).await.unwrap();
    ask(&api).await;
    assert_eq!(mails(&data, 2).await.len(), 2);
    stop(child).await;
}

/// The mail is asked for while it can't be written, and the process is killed. The next one sends it.
#[tokio::test]
async fn a_mail_that_could_not_be_written_is_sent_after_a_kill() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (mut child, [api, _]) = start(serve(&data)).await.unwrap();
    register(&api).await;
    fs::write(data.join("mail"), "in the way").unwrap();
    ask(&api).await;
    signal(&child, "KILL").await;
    child.wait().await.unwrap();
    fs::remove_file(data.join("mail")).unwrap();
    let (child, [api, _]) = start(serve(&data)).await.unwrap();
    let token = token_in(&mails(&data, 1).await[0]);
    assert_eq!(confirm(&api, &token).await, 204);
    stop(child).await;
}

#[tokio::test]
async fn a_mail_that_cannot_be_written_is_tried_again() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (child, [api, _]) = start(serve(&data)).await.unwrap();
    register(&api).await;
    fs::write(data.join("mail"), "in the way").unwrap();
    ask(&api).await;
    sleep(Duration::from_millis(300)).await;
    fs::remove_file(data.join("mail")).unwrap();
    let token = token_in(&mails(&data, 1).await[0]);
    assert_eq!(confirm(&api, &token).await, 204);
    stop(child).await;
}

#[tokio::test]
async fn in_memory_no_mail_is_written_to_disk() {
    let root = tempfile::tempdir().unwrap();
    let mut command = marquee(["--memory", "--catalog", "none", "--port", "0"]);
    command.current_dir(root.path());
    let (child, [api, _]) = start(command).await.unwrap();
    register(&api).await;
    ask(&api).await;
    stop(child).await;
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn reset_password_prints_a_token_that_works_once() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (child, [api, _]) = start(serve(&data)).await.unwrap();
    register(&api).await;
    let reset = async |name: &str| {
        let mut command = marquee(["reset-password", name, "--data"]);
        command.arg(&data);
        run_to_end(command).await
    };
    let mut tokens = Vec::new();
    for name in ["ripley", " Ripley@Example.com"] {
        let output = reset(name).await;
        assert!(output.status.success(), "{}", stderr_of(&output));
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert_eq!(printed.trim_end().len(), 43, "{printed}");
        tokens.push(printed.trim_end().to_owned());
    }
    // The second has ended the first.
    for (token, status) in [(&tokens[0], 400), (&tokens[1], 204), (&tokens[1], 400)] {
        assert_eq!(confirm(&api, token).await, status);
    }
    let body = json!({"username": "ripley", "password": NEW});
    assert_eq!(send(&api, "login", body).await, 200);
    let output = reset("nobody").await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr_of(&output).trim_end(), "marquee: there is no user nobody");
    assert!(output.stdout.is_empty());
    stop(child).await;
}
