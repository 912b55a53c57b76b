//! Files that people import: one case for each source and each fault, each with what is in the table afterwards and what
//! was printed; and properties of all files.

mod cases;
mod covers;
mod documentation;
mod properties;
mod rejected;
mod resumption;
mod simultaneous;
mod words;

use std::{
    path::Path,
    process::{Output, Stdio},
};

use marquee::{
    engine::{Engine, Storage},
    server::table_file,
};
use marquee_shared::{
    clock::Clock,
    db::{Store, item::from_item, movie::MovieItem},
};
use tokio::process::Command;

use crate::support::audit::{audit, scan};

/// Runs `marquee import` in this directory, in which the table is, too.
async fn import(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_marquee"));
    command
        .current_dir(directory)
        .arg("import")
        .args(arguments)
        .args(["--data", "data"])
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command.output().await.unwrap()
}

/// What a program printed on standard error, and then on standard output.
fn printed(output: &Output) -> String {
    let text = [&output.stderr, &output.stdout].map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    text.concat()
}

/// The movies of the table in a directory that no program serves, in the order of their ids. Audits the table.
async fn movies(directory: &Path) -> Vec<MovieItem> {
    let engine = Engine::start(&Storage::File(table_file(&directory.join("data")))).unwrap();
    let store = Store::new(engine.client(), "marquee", Clock::default());
    audit(&store).await;
    let items = scan(&store).await.into_iter();
    let movies = items.filter(|item| item["pk"].as_s().unwrap().starts_with("MOVIES#"));
    let mut movies: Vec<MovieItem> = movies.map(|item| from_item(item).unwrap()).collect();
    movies.sort_by_key(|movie| movie.id);
    engine.shutdown().await.unwrap();
    movies
}

#[tokio::test]
async fn a_second_column_for_a_field_is_refused_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["movies.csv", "--column", "title=name", "--column", " title=title"];
    let output = import(directory.path(), &arguments).await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        printed(&output),
        "marquee: import: --column names a column for title twice\n"
    );
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_is_no_text_is_named_as_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    for (content, expected) in [
        (
            &b"\x1f\x8b\x08\x00title,director\n"[..],
            "the file is compressed. Unpack it first",
        ),
        (
            b"\x28\xb5\x2f\xfd\x04\n",
            "the file is compressed. Unpack it first",
        ),
        (
            b"PK\x03\x04title,description,release_date,director,genre\n",
            "the file is a zip archive or a workbook. Unpack it, or export it as CSV first",
        ),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "the file is a workbook. Export it as CSV first",
        ),
        (
            b"\x89PNG\r\n\x1a\n",
            "the file is no text. Name a file in CSV or JSON Lines",
        ),
        (
            b"\xffa\x00,b\n",
            "the file is no text. Name a file in CSV or JSON Lines",
        ),
    ] {
        std::fs::write(directory.path().join("movies.csv"), content).unwrap();
        let output = import(directory.path(), &["movies.csv"]).await;
        assert_eq!(output.status.code(), Some(2), "{content:?}");
        assert_eq!(printed(&output), format!("marquee: import: {expected}\n"));
    }
    let output = import(directory.path(), &["-"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        printed(&output),
        "marquee: import: standard input can't be read: a file is read twice. Save what it has to a file first.\n"
    );
}
