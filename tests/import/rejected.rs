//! What becomes of a file of rejected rows that somebody has corrected, when its source is imported again.

use std::{fs, path::Path};

use super::import;

const BAD: &str = "title,description,release_date,director,genre\nAlien,x,soon,Ridley Scott,Horror\n";

/// The names of the files, without that of the table.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "data").collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrections_that_are_not_imported_yet_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    let run = async || {
        let output = import(path, &["movies.csv"]).await;
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    fs::write(path.join("movies.csv"), BAD).unwrap();
    assert_eq!(run().await.0, Some(1));
    let written = read("movies.csv.rejected.csv");
    // Nothing of it was changed, so nothing is kept.
    assert_eq!(run().await.0, Some(1));
    assert_eq!(names(path), ["movies.csv", "movies.csv.rejected.csv"]);
    // Corrected by hand.
    let corrected = written.replace(",soon,", ",1979-05-25,");
    fs::write(path.join("movies.csv.rejected.csv"), &corrected).unwrap();
    let (status, said) = run().await;
    assert_eq!(status, Some(1));
    assert!(said.contains("movies.csv.rejected.1.csv"), "{said}");
    assert_eq!(read("movies.csv.rejected.csv"), written);
    assert_eq!(read("movies.csv.rejected.1.csv"), corrected);
    // The next one has another name, also if the source has no bad row any more.
    fs::write(path.join("movies.csv"), BAD.replace("soon", "1979-05-25")).unwrap();
    assert_eq!(run().await.0, Some(0));
    assert_eq!(read("movies.csv.rejected.1.csv"), corrected);
    assert_eq!(read("movies.csv.rejected.2.csv"), written);
    assert_eq!(names(path).len(), 3);
    let output = import(path, &["movies.csv.rejected.1.csv"]).await;
    assert_eq!(output.stdout, b"imported 0 movies, skipped 1 already there\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_has_only_more_rows_replaces_the_earlier_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(path.join("movies.csv"), BAD).unwrap();
    import(path, &["movies.csv"]).await;
    fs::write(
        path.join("movies.csv"),
        format!("{BAD}Ran,x,soon,Akira Kurosawa,War\n"),
    )
    .unwrap();
    import(path, &["movies.csv"]).await;
    assert_eq!(names(path), ["movies.csv", "movies.csv.rejected.csv"]);
    let rejected = fs::read_to_string(path.join("movies.csv.rejected.csv")).unwrap();
    assert_eq!(rejected.lines().count(), 3);
}

/// Rows of a file that some users can't read are in no file that they can read. The group of the new file may be another one.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_rejected_rows_is_no_more_readable_than_its_source() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};
    for (source, rejected) in [
        (0o600, 0o600),
        (0o640, 0o600),
        (0o604, 0o600),
        (0o444, 0o644),
        (0o664, 0o644),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        fs::write(path.join("movies.csv"), BAD).unwrap();
        fs::set_permissions(path.join("movies.csv"), Permissions::from_mode(source)).unwrap();
        assert_eq!(import(path, &["movies.csv"]).await.status.code(), Some(1));
        let found = fs::metadata(path.join("movies.csv.rejected.csv")).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, rejected, "{source:o}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_in_the_place_of_the_file_stays_and_the_import_continues() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    fs::write(
        path.join("movies.csv"),
        format!("{BAD}Ran,x,1985-06-01,Akira Kurosawa,War\n"),
    )
    .unwrap();
    fs::create_dir(path.join("movies.csv.rejected.csv")).unwrap();
    let output = import(path, &["movies.csv"]).await;
    assert_eq!(output.stdout, b"imported 1 movie, left out 1 bad row\n");
    let said = String::from_utf8(output.stderr).unwrap();
    let warning = "warning: rejected rows cannot be written: movies.csv.rejected.csv: it is a directory\n";
    assert!(said.ends_with(warning), "{said}");
    assert_eq!(names(path), ["movies.csv", "movies.csv.rejected.csv"]);
}
