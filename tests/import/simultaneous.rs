//! Imports at the same time into one table, by processes of their own.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use super::{import, movies, printed};

/// A file with this many rows. Every tenth row is bad, and every seventh is there already.
fn file(rows: u64) -> String {
    let mut csv = String::from("title,description,release_date,director,genre,imdb_id\n");
    for n in 0..rows {
        let date = if n % 10 == 9 { "soon" } else { "2001-01-01" };
        let title = if n % 7 == 6 { n / 2 * 2 - 6 } else { n };
        let imdb_id = if title % 3 == 0 {
            format!("tt{title:07}")
        } else {
            String::new()
        };
        writeln!(
            csv,
            "Movie {title},x,{date},d{},\"Drama, G{}\",{imdb_id}",
            n % 2,
            n % 5
        )
        .unwrap();
    }
    csv
}

/// The movies of the table in a directory. Audits the table.
async fn titles(directory: &Path) -> Vec<String> {
    let movies = movies(directory).await.into_iter();
    let mut texts: Vec<String> = movies
        .map(|movie| {
            format!(
                "{} {}",
                movie.fields.title.as_str(),
                movie.fields.director.as_str()
            )
        })
        .collect();
    texts.sort();
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_of_a_file_that_is_being_imported_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("movies.csv"), file(10)).unwrap();
    // As an import that is running does.
    let locked = fs::File::open(path.join("movies.csv")).unwrap();
    locked.lock().unwrap();
    let refused = import(path, &["movies.csv"]).await;
    assert_eq!(refused.status.code(), Some(2));
    let text = printed(&refused);
    assert!(text.contains("another import of movies.csv is running"), "{text}");
    drop(locked);
    let text = printed(&import(path, &["movies.csv"]).await);
    assert!(text.contains("left out 1 bad row"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_imports_of_one_file_import_every_row_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("movies.csv"), file(6_000)).unwrap();
    let outputs = tokio::join!(import(path, &["movies.csv"]), import(path, &["movies.csv"]));
    // The second one is refused, or begins after the end of the first one.
    let texts = [printed(&outputs.0), printed(&outputs.1)];
    let is_done = |text: &String| text.contains("left out 600 bad rows");
    assert!(texts.iter().any(is_done), "{texts:?}");
    let is_known = |text: &String| is_done(text) || text.contains("another import of movies.csv is running");
    assert!(texts.iter().all(is_known), "{texts:?}");
    let rejected = fs::read_to_string(path.join("movies.csv.rejected.csv")).unwrap();
    assert_eq!(rejected.lines().count(), 601);
    let found = titles(path).await;
    let different: BTreeSet<&String> = found.iter().collect();
    assert_eq!(found.len(), different.len());
    let alone = tempfile::tempdir().unwrap();
    fs::write(alone.path().join("movies.csv"), file(6_000)).unwrap();
    import(alone.path(), &["movies.csv"]).await;
    assert_eq!(found, titles(alone.path()).await);
}

/// Two files with the same content are one import: the table's job decides, because the files have locks of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_imports_of_copies_of_a_file_leave_every_movie_once_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for name in ["one.csv", "other.csv"] {
        fs::write(path.join(name), file(6_000)).unwrap();
    }
    let outputs = tokio::join!(import(path, &["one.csv"]), import(path, &["other.csv"]));
    let texts = [printed(&outputs.0), printed(&outputs.1)];
    import(path, &["one.csv"]).await;
    let found = titles(path).await;
    let alone = tempfile::tempdir().unwrap();
    fs::write(alone.path().join("movies.csv"), file(6_000)).unwrap();
    import(alone.path(), &["movies.csv"]).await;
    assert_eq!(found, titles(alone.path()).await, "{texts:?}");
}
