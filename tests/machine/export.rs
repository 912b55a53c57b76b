//! `marquee export`: what it writes, and that an import reads it back equal.

use std::{collections::BTreeMap, fs, path::Path};

use marquee_shared::{
    aws::client,
    clock::Clock,
    db::{
        Store, keys,
        range::{Direction, KeyRange},
    },
};
use serde_json::{Value, json};

use super::{access_of, marquee, register, run, signal, start, start::serve, stderr_of, stop};
use crate::support::operations::IMAGE;

/// Movies with every text that an import could take for something else.
const MOVIES: &str = r#"{"title": "A, \"B\"; C", "description": "One.\n\nTwo\r\n\tthree \" four", "release_date": "1979-05-25", "director": "Ridley Scott, ['x']", "genre": ["A;B", "C / D", "Sci-Fi"], "imdb_id": "tt0078748", "cover_image": "https://example.org/a,b.jpg"}
{"title": "N/A", "description": "[\"N/A\"]", "release_date": "1870-01-01", "director": "[\"N/A\"]", "genre": "Children's, C++"}
{"title": "千と千尋の神隠し", "description": "湯屋 😀", "release_date": "2001-07-20", "director": "宮崎 駿", "genre": "Drama"}
"#;

#[tokio::test]
async fn an_import_of_an_export_has_the_same_movies_in_both_formats() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    fs::write(path.join("movies.jsonl"), MOVIES).unwrap();
    let output = run(path, &["import", "movies.jsonl", "--data", "one"]).await;
    assert!(output.status.success(), "{}", stderr_of(&output));
    // While the server runs.
    let (child, _) = start(serve(&path.join("one"))).await.unwrap();
    let first = run(path, &["export", "-", "--data", "one"]).await;
    assert_eq!(first.status.code(), Some(0), "{}", stderr_of(&first));
    assert_eq!(stderr_of(&first), "exported 3 movies\n");
    for (file, data) in [("a.csv", "two"), ("a.jsonl", "three")] {
        let output = run(path, &["export", file, "--data", "one"]).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
        let output = run(path, &["import", file, "--data", data]).await;
        assert!(output.status.success(), "{}", stderr_of(&output));
        let again = run(path, &["export", "-", "--data", data]).await;
        assert_eq!(
            String::from_utf8(again.stdout).unwrap(),
            String::from_utf8(first.stdout.clone()).unwrap(),
            "{file}"
        );
    }
    let csv = run(path, &["export", "-", "--format", "csv", "--data", "one"]).await;
    assert_eq!(csv.stdout, fs::read(path.join("a.csv")).unwrap());
    stop(child).await;
    // The texts are those of the API, in the order of the ids.
    let lines = String::from_utf8(first.stdout).unwrap();
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["title"], "千と千尋の神隠し");
    assert_eq!(last["cover_image"], serde_json::Value::Null);
    assert_eq!(lines.lines().count(), 3);
}

/// Whoever reads a file may take the sign at its beginning for a byte order mark, and this program at the beginning of a record.
#[tokio::test]
async fn a_title_that_begins_with_a_byte_order_mark_is_read_back() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    let movie = |title: &str| {
        let fields = json!({
            "title": title,
            "description": "\u{feff}One.",
            "release_date": "1974-02-06",
            "director": "\u{feff}John Boorman",
            "genre": "Sci-Fi",
        });
        format!("{fields}\n")
    };
    let movies = [movie("\u{feff}Zardoz"), movie("\u{feff}\u{feff}\"Zardoz\"")].concat();
    fs::write(path.join("movies.jsonl"), movies).unwrap();
    for (data, source) in [("one", "movies.jsonl"), ("two", "one.csv")] {
        let output = run(path, &["import", source, "--data", data]).await;
        assert!(output.status.success(), "{}", stderr_of(&output));
        let output = run(path, &["export", &format!("{data}.csv"), "--data", data]).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    }
    let [first, second] = ["one.csv", "two.csv"].map(|file| fs::read_to_string(path.join(file)).unwrap());
    assert_eq!(first, second);
    assert!(
        first.contains("\"\u{feff}Zardoz\"") && first.contains("\"\u{feff}\u{feff}\"\"Zardoz"),
        "{first}"
    );
}

#[tokio::test]
async fn an_export_that_cannot_be_made_says_why_and_leaves_no_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    fs::create_dir(path.join("folder")).unwrap();
    fs::write(path.join("movies.jsonl"), MOVIES).unwrap();
    assert!(
        run(path, &["import", "movies.jsonl", "--data", "one"])
            .await
            .status
            .success()
    );
    for (file, data, says) in [
        ("a.txt", "one", "--format"),
        ("a.csv", "nowhere", "--data"),
        ("folder", "one", "--format"),
        ("none/a.csv", "one", "can't be written"),
    ] {
        let output = run(path, &["export", file, "--data", data]).await;
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(stderr_of(&output).contains(says), "{}", stderr_of(&output));
    }
    // Twice: the first one has created nothing.
    for _ in 0..2 {
        let output = run(path, &["export", "a.csv", "--data", "one", "--table", "other"]).await;
        assert_eq!(output.status.code(), Some(2), "{}", stderr_of(&output));
    }
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["folder", "movies.jsonl", "one"]);
}

/// A client of a server on this machine.
struct Client {
    api: String,
    http: reqwest::Client,
    token: String,
}

impl Client {
    async fn new(api: &str) -> Self {
        let http = reqwest::Client::new();
        let token = access_of(&register(&http, api).await);
        Self {
            api: api.to_owned(),
            http,
            token,
        }
    }

    /// Uploads the cover of a movie and returns its URL.
    async fn upload(&self, id: u64) -> String {
        let url = format!("{}/api/movies/{id}/cover/", self.api);
        let put = self.http.put(url).bearer_auth(&self.token).body(IMAGE);
        let movie: Value = put.send().await.unwrap().json().await.unwrap();
        movie["cover_image"].as_str().unwrap().to_owned()
    }
}

/// `timeout 5 marquee export -` must end although nobody reads.
#[cfg(unix)]
#[tokio::test]
async fn an_export_that_waits_for_its_reader_ends_with_sigterm() {
    use std::{os::unix::process::ExitStatusExt as _, process::Stdio, time::Duration};

    use tokio::{io::AsyncReadExt as _, time::timeout};

    const SIGTERM: i32 = 15;
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    // More than a pipe holds.
    let movies = (0..100).map(|n| {
        let movie = json!({
            "title": format!("Movie {n}"), "description": "x".repeat(5_000), "release_date": "1999-12-31",
            "director": "d", "genre": "Drama",
        });
        format!("{movie}\n")
    });
    fs::write(path.join("movies.jsonl"), movies.collect::<String>()).unwrap();
    let output = run(path, &["import", "movies.jsonl", "--data", "data"]).await;
    assert!(output.status.success(), "{}", stderr_of(&output));
    let mut command = marquee(["export", "-", "--data"]);
    command.arg(path.join("data")).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The export has begun, and the rest of it doesn't fit the pipe.
    let mut begun = [0; 1];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut begun)
        .await
        .unwrap();
    signal(&child, "TERM").await;
    let status = timeout(Duration::from_secs(60), child.wait()).await;
    assert_eq!(status.unwrap().unwrap().signal(), Some(SIGTERM));
}

/// The covers of the movies that an export writes to standard output.
async fn covers(directory: &Path, data: &str) -> Vec<Value> {
    let output = run(directory, &["export", "-", "--data", data]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|movie| movie["cover_image"].clone()).collect()
}

/// The images of a data directory, by their names.
fn images(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(data.join("covers")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

fn name_of(url: &Value) -> String {
    let url = url.as_str().unwrap();
    url.rsplit('/').next().unwrap().to_owned()
}

/// Guarantee 85.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_writes_the_urls_of_uploaded_covers_as_the_api_and_an_import_copies_the_images() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path();
    fs::write(path.join("movies.jsonl"), MOVIES).unwrap();
    let output = run(path, &["import", "movies.jsonl", "--data", "one"]).await;
    assert!(output.status.success(), "{}", stderr_of(&output));
    let (child, [api, _]) = start(serve(&path.join("one"))).await.unwrap();
    let client = Client::new(&api).await;
    // Imported movies have no owner.
    let output = run(path, &["promote", "ripley", "--data", "one"]).await;
    assert!(output.status.success(), "{}", stderr_of(&output));
    let (second, third) = (client.upload(2).await, client.upload(3).await);
    let external = "https://example.org/a,b.jpg";
    let wanted = [json!(external), json!(second), json!(third)];
    assert!(second.starts_with(&format!("{api}/api/covers/")), "{second}");
    assert_eq!(covers(path, "one").await, wanted);
    let exported = run(path, &["export", "a.csv", "--data", "one"]).await;
    assert_eq!(exported.status.code(), Some(0), "{}", stderr_of(&exported));

    // The same directory: the images are there for a while after their movies were deleted.
    for id in [2, 3] {
        let delete = client.http.delete(format!("{api}/api/movies/{id}/"));
        let answer = delete.bearer_auth(&client.token).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }
    let before = images(&path.join("one"));
    assert_eq!(before.len(), 4);
    let output = run(path, &["import", "a.csv", "--data", "one"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    assert_eq!(stderr_of(&output), "");
    let again = covers(path, "one").await;
    assert_eq!(again.len(), 3);
    assert!(again[1] != wanted[1] && again[2] != wanted[2], "{again:?}");
    assert_eq!(images(&path.join("one")).len(), 8);
    let served = reqwest::get(again[1].as_str().unwrap()).await.unwrap();
    assert_eq!(served.status(), 200);
    assert_eq!(
        served.bytes().await.unwrap().to_vec(),
        before[&name_of(&wanted[1])]
    );
    stop(child).await;
    // Nobody serves it now: its last address counts.
    assert_eq!(covers(path, "one").await, again);
    let output = marquee(["export", "-", "--data", "one"])
        .current_dir(path)
        .env("PUBLIC_URL", "https://movies.example")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("https://movies.example/api/covers/"), "{text}");

    // Another directory, with the images of the first one. One of them isn't an image any more.
    let broken = name_of(&wanted[2]);
    fs::write(path.join("one/covers").join(&broken), "x").unwrap();
    let import = ["import", "a.csv", "--data", "two", "--covers", "one/covers"];
    let output = run(path, &import).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    assert!(
        stderr_of(&output).starts_with("warning: left out the cover of \"千と千尋の神隠し\": "),
        "{}",
        stderr_of(&output)
    );
    let copied = covers(path, "two").await;
    assert_eq!((&copied[0], &copied[2]), (&json!(external), &Value::Null));
    let stored = images(&path.join("two"));
    assert_eq!(stored.len(), 2, "an image and its thumbnail");
    assert_eq!(stored[&name_of(&copied[1])], before[&name_of(&wanted[1])]);
    assert_ne!(name_of(&copied[1]), name_of(&wanted[1]));
    let (child, [_, dynamodb]) = start(serve(&path.join("two"))).await.unwrap();
    let store = Store::new(client::local(&dynamodb), "marquee", Clock::default());
    let doubtful = KeyRange::partition(keys::TABLE, keys::COVERS);
    let doubtful = store.query(&doubtful, Direction::Ascending, 10).await.unwrap();
    assert_eq!(
        doubtful.items.len(),
        0,
        "the sweep would delete the image of a movie"
    );
    stop(child).await;

    // Without the images, a URL that no table can keep is left out.
    let output = run(path, &["import", "a.csv", "--data", "three"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr_of(&output));
    assert!(stderr_of(&output).contains("warning: left out cover_image: "));
    assert_eq!(
        covers(path, "three").await,
        [json!(external), Value::Null, Value::Null]
    );
    for data in ["one", "two", "three"] {
        let output = run(path, &["audit", "--data", data]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{data}: {said}");
    }
    for arguments in [
        &["import", "a.csv", "--data", "two", "--covers", "nowhere"][..],
        &["import", "a.csv", "--aws", "--covers", "one/covers"],
    ] {
        let output = run(path, arguments).await;
        assert_eq!(output.status.code(), Some(2), "{}", stderr_of(&output));
        assert!(stderr_of(&output).contains("--covers"), "{}", stderr_of(&output));
    }
}
