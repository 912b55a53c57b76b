//! `marquee export`: what it writes, and that an import reads it back equal.

use std::{fs, path::Path, process::Output};

use super::{marquee, run_to_end, start, start::serve, stderr_of, stop};

/// Movies with every text that an import could take for something else.
const MOVIES: &str = r#"{"title": "A, \"B\"; C", "description": "One.\n\nTwo\r\n\tthree \" four", "release_date": "1979-05-25", "director": "Ridley Scott, ['x']", "genre": ["A;B", "C / D", "Sci-Fi"], "imdb_id": "tt0078748", "cover_image": "https://example.org/a,b.jpg"}
{"title": "N/A", "description": "[\"N/A\"]", "release_date": "1870-01-01", "director": "[\"N/A\"]", "genre": "Children's, C++"}
{"title": "千と千尋の神隠し", "description": "湯屋 😀", "release_date": "2001-07-20", "director": "宮崎 駿", "genre": "Drama"}
"#;

async fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = marquee(arguments);
    command.current_dir(directory);
    run_to_end(command).await
}

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
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["folder", "movies.jsonl", "one"]);
}
