//! `marquee audit`: its exit statuses, its report, and that it runs beside the server.

use std::{
    collections::BTreeSet,
    fs,
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use marquee::audit::Kind;
use marquee_shared::{
    aws::client,
    clock::Clock,
    db::{Key, Store, keys},
    domain::MovieId,
};
use serde_json::{Value, json};

use super::{access_of, register, run, start, start::serve, stderr_of, stop};
use crate::{
    docs::{quoted, read, table},
    support::{movie, operations::IMAGE},
};

const MOVIES: &str = r#"{"title": "Alien", "description": "One.", "release_date": "1979-05-25", "director": "Ridley Scott", "genre": "Horror"}
{"title": "Heat", "description": "Two.", "release_date": "1995-12-15", "director": "Michael Mann", "genre": "Crime"}
"#;

fn stdout_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Guarantee 80.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_ends_with_0_if_all_is_right_or_mended_1_if_something_is_left_and_2_if_it_cannot_look() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    fs::write(path.join("movies.jsonl"), MOVIES).unwrap();
    let output = run(path, &["import", "movies.jsonl", "--data", "one"]).await;
    assert!(output.status.success(), "{}", stderr_of(&output));
    let audit = async |arguments: &[&str]| {
        let begin = ["audit", "--data", "one"];
        run(path, &[&begin[..], arguments].concat()).await
    };
    let clean = audit(&[]).await;
    assert_eq!(clean.status.code(), Some(0), "{}", stderr_of(&clean));
    let said = stdout_of(&clean);
    assert!(said.ends_with("found 0 wrong, mended 0\n"), "{said}");

    // While the server runs, with which a tool shares the table.
    let (child, [_, dynamodb]) = start(serve(&path.join("one"))).await.unwrap();
    let store = Store::new(client::local(&dynamodb), "marquee", Clock::default());
    let id = MovieId::try_from(1).unwrap();
    let posting = Key::new("WORD#ali", format!("0#alien#{}", keys::id_text(1)));
    assert!(store.delete_existing(&posting).await.unwrap());
    let found = audit(&[]).await;
    assert_eq!(found.status.code(), Some(1), "{}", stderr_of(&found));
    assert!(
        stdout_of(&found).starts_with("posting_missing: "),
        "{}",
        stdout_of(&found)
    );
    assert!(
        store.get(&posting).await.unwrap().is_none(),
        "without --repair nothing is written"
    );
    let found = audit(&["--json"]).await;
    assert_eq!(found.status.code(), Some(1), "{}", stderr_of(&found));
    let report: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(report["findings"][0]["kind"], "posting_missing");
    assert_eq!(report["findings"][0]["pk"], "WORD#ali");
    assert_eq!(report["report"]["left"], json!({"posting_missing": 1}));

    let mended = audit(&["--repair", "--units-per-second", "2000"]).await;
    assert_eq!(mended.status.code(), Some(0), "{}", stderr_of(&mended));
    assert!(
        stdout_of(&mended).contains("  mended: put WORD#ali, "),
        "{}",
        stdout_of(&mended)
    );
    assert!(store.get(&posting).await.unwrap().is_some());
    let json = audit(&["--json"]).await;
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["findings"], json!([]));

    // What has no right answer is left, and the rest is mended.
    store.delete(&keys::genre("horror")).await.unwrap();
    store.delete(&posting).await.unwrap();
    let found = audit(&["--repair"]).await;
    assert_eq!(found.status.code(), Some(1), "{}", stderr_of(&found));
    assert!(
        stdout_of(&found).contains("genre_missing: "),
        "{}",
        stdout_of(&found)
    );
    assert!(store.get(&posting).await.unwrap().is_some());
    assert!(store.get(&keys::movie(id)).await.unwrap().is_some());
    stop(child).await;

    for arguments in [
        &["audit", "--data", "nowhere"][..],
        // Twice: the first one has created nothing.
        &["audit", "--data", "one", "--table", "other"],
        &["audit", "--data", "one", "--table", "other"],
        &["audit", "--dynamodb", "http://127.0.0.1:9"],
        &["audit", "--units-per-second", "0"],
    ] {
        let failed = run(path, arguments).await;
        assert_eq!(
            failed.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr_of(&failed)
        );
        assert!(!stderr_of(&failed).is_empty(), "{arguments:?}");
    }
    assert!(!path.join("nowhere").exists());
}

/// Guarantee 80.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_beside_requests_finds_nothing_and_changes_nothing_that_they_did() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (child, [api, _]) = start(serve(&data)).await.unwrap();
    let client = reqwest::Client::new();
    let token = access_of(&register(&client, &api).await);
    let ends = Arc::new(AtomicBool::new(false));
    let movies = Arc::new(AtomicUsize::new(0));
    let requests = {
        let (ends, movies) = (Arc::clone(&ends), Arc::clone(&movies));
        let (client, token) = (client.clone(), token.clone());
        tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                let made = movies.load(Ordering::Relaxed);
                let title = format!("Number {made}");
                let body = movie(
                    &title,
                    "Ada Various",
                    &format!("Genre {}", made % 3),
                    "2001-01-01",
                );
                let add = client
                    .post(format!("{api}/api/movies/"))
                    .bearer_auth(&token)
                    .json(&body);
                let added: Value = add.send().await.unwrap().json().await.unwrap();
                let url = format!("{api}/api/movies/{}/", added["id"]);
                let toggle = client.post(format!("{url}favorite/")).bearer_auth(&token).send();
                assert_eq!(toggle.await.unwrap().status(), 200);
                let edit = client
                    .patch(&url)
                    .bearer_auth(&token)
                    .json(&json!({"title": format!("Other {made}")}));
                assert_eq!(edit.send().await.unwrap().status(), 200);
                if made % 2 == 0 {
                    let delete = client.delete(&url).bearer_auth(&token).send();
                    assert_eq!(delete.await.unwrap().status(), 204);
                }
                movies.store(made + 1, Ordering::Relaxed);
            }
        })
    };
    let mut audits = 0;
    while audits < 3 || (movies.load(Ordering::Relaxed) < 6 && !requests.is_finished()) {
        audits += 1;
        let output = run(root.path(), &["audit", "--repair", "--data", "data"]).await;
        let said = stdout_of(&output);
        assert_eq!(output.status.code(), Some(0), "{said}{}", stderr_of(&output));
        assert!(said.contains("found 0 wrong, mended 0"), "{said}");
    }
    ends.store(true, Ordering::Relaxed);
    requests.await.unwrap();
    stop(child).await;
}

/// Guarantee 84.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_audit_of_one_machine_compares_the_files_of_covers() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    fs::write(path.join("movies.jsonl"), MOVIES).unwrap();
    let output = run(path, &["import", "movies.jsonl", "--data", "one"]).await;
    assert!(output.status.success(), "{}", stderr_of(&output));
    let (child, [api, dynamodb]) = start(serve(&path.join("one"))).await.unwrap();
    let client = reqwest::Client::new();
    let token = access_of(&register(&client, &api).await);
    // Imported movies have no owner.
    let output = run(path, &["promote", "ripley", "--data", "one"]).await;
    assert!(output.status.success(), "{}", stderr_of(&output));
    let put = client
        .put(format!("{api}/api/movies/1/cover/"))
        .bearer_auth(&token)
        .body(IMAGE);
    let movie: Value = put.send().await.unwrap().json().await.unwrap();
    let url = movie["cover_image"].as_str().unwrap();
    let name = url.rsplit('/').next().unwrap();
    let covers = path.join("one/covers");
    let audit = async |arguments: &[&str]| {
        let output = run(path, &[&["audit", "--json"][..], arguments].concat()).await;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code().unwrap(), report, stderr_of(&output))
    };
    let (status, report, _) = audit(&["--data", "one"]).await;
    assert_eq!((status, &report["report"]["objects"]), (0, &json!(2)), "{report}");

    // A file that is new may be an upload that is under way.
    let orphan = covers.join("0123456789abcdef0123456789abcdef.png");
    fs::write(&orphan, IMAGE).unwrap();
    assert_eq!(audit(&["--data", "one", "--repair"]).await.0, 0);
    let hour = Duration::from_secs(3600);
    let file = fs::File::options().write(true).open(&orphan).unwrap();
    file.set_modified(SystemTime::now() - hour).unwrap();
    let (status, report, _) = audit(&["--data", "one"]).await;
    assert_eq!(status, 1, "{report}");
    assert_eq!(report["report"]["left"], json!({"cover_orphan": 1}));
    let (status, report, _) = audit(&["--data", "one", "--repair"]).await;
    assert_eq!((status, &report["report"]["objects"]), (0, &json!(3)), "{report}");
    assert_eq!(report["report"]["mended"], json!({"cover_orphan": 1}));
    assert!(orphan.exists());
    assert_eq!(audit(&["--data", "one"]).await.0, 0);

    let image = fs::read(covers.join(name)).unwrap();
    fs::remove_file(covers.join(name)).unwrap();
    let (status, report, _) = audit(&["--data", "one", "--repair"]).await;
    assert_eq!(status, 1, "{report}");
    assert_eq!(report["report"]["left"], json!({"cover_missing": 1}));
    assert!(report["findings"][0]["text"].as_str().unwrap().contains(name));
    // Of a table elsewhere, nobody knows where its images are.
    let (status, report, _) = audit(&["--dynamodb", &dynamodb]).await;
    assert_eq!(
        (status, &report["report"]["objects"]),
        (0, &Value::Null),
        "{report}"
    );
    let text = run(path, &["audit", "--dynamodb", &dynamodb]).await;
    let said = stdout_of(&text);
    assert!(said.ends_with("; covers were not compared\n"), "{said}");
    let (status, report, _) = audit(&["--dynamodb", &dynamodb, "--covers", "one/covers"]).await;
    assert_eq!(status, 1, "{report}");
    assert_eq!(report["report"]["left"], json!({"cover_missing": 1}));
    fs::write(covers.join(name), image).unwrap();
    assert_eq!(audit(&["--data", "one"]).await.0, 0);
    let (status, _, said) = audit(&["--data", "one", "--covers", "nowhere"]).await;
    assert_eq!(status, 2);
    assert!(said.contains("--covers"), "{said}");
    stop(child).await;
}

#[test]
fn every_kind_of_disagreement_is_documented() {
    let page = read("docs/audit.md");
    let rows = table(&page, "## Kinds");
    let listed: Vec<&str> = rows.iter().flat_map(|row| quoted(row[0])).collect();
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(listed, kinds);
    let different: BTreeSet<&str> = kinds.iter().copied().collect();
    assert_eq!(different.len(), kinds.len());
}
