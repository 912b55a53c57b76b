//! Imports that are run again, and tables that have movies already.

use std::fmt::Write as _;

use marquee::import::{Importer, Report, Source};
use marquee_shared::db::counter::Counter;

use crate::support::{audit::audit, movie, proxy::ProxiedApp};

fn csv(movies: u64) -> String {
    let mut csv = String::from("title,description,release_date,director,genre\n");
    for n in 0..movies {
        let (month, day) = (n / 28 % 12 + 1, n % 28 + 1);
        writeln!(csv, "Movie {n},No. {n}.,2001-{month:02}-{day:02},Somebody,Drama").unwrap();
    }
    csv
}

/// A list by id reads on where ids are missing, so the newest movie must not be behind a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_there_or_bad_use_no_ids() {
    let proxied = ProxiedApp::new().await;
    let store = proxied.proxy.store().await;
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("movies.csv");
    let source = Source::File(file.clone());
    let importer = Importer::new(store.clone(), proxied.proxy.table.database());
    std::fs::write(&file, csv(3_000)).unwrap();
    assert_eq!(importer.run(&source).await.unwrap(), Report::of_all(3_000));
    for _ in 0..2 {
        let again = importer.run(&source).await.unwrap();
        assert_eq!(
            (again.movies, again.counts.there, again.counts.left_out),
            (0, 3_000, 0)
        );
    }
    let bad = "Bad,x,soon,Somebody,Drama\n".repeat(3_000);
    std::fs::write(&file, csv(3_000) + &bad + "New,x,2002-01-01,Somebody,Drama\n").unwrap();
    let report = importer.run(&source).await.unwrap();
    assert_eq!(
        (report.movies, report.counts.there, report.counts.left_out),
        (1, 3_000, 3_000)
    );
    let counters = store.read_counters([Counter::MovieIds, Counter::Movies, Counter::Genres]);
    assert_eq!(counters.await.unwrap(), [3_001, 3_001, 1]);
    audit(&store).await;
    let last = proxied
        .app
        .anonymous()
        .get("/api/movies/?ordering=-id&limit=2")
        .send()
        .await;
    assert_eq!(last.is(200).ids(), [3_001, 3_000]);
}

/// Movies that people added are found as well as imported ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_movie_that_somebody_added_is_there_and_one_that_somebody_deleted_is_not() {
    let proxied = ProxiedApp::new().await;
    let owner = proxied.app.admin().await;
    let added = owner
        .add(&movie("Movie 1", "Somebody", "War", "2001-01-02"))
        .await;
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("movies.csv");
    std::fs::write(&file, csv(3)).unwrap();
    let importer = Importer::new(proxied.proxy.store().await, proxied.proxy.table.database());
    let source = Source::File(file);
    let report = importer.run(&source).await.unwrap();
    assert_eq!((report.movies, report.counts.there), (2, 1));
    let path = format!("/api/movies/{}/", added["id"]);
    owner.delete(&path).send().await.is(204);
    let report = importer.run(&source).await.unwrap();
    assert_eq!((report.movies, report.counts.there), (1, 2));
    audit(&proxied.proxy.store().await).await;
}

/// An import reads a file twice: its job is for what it read first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changes_while_it_is_imported_is_reported_and_loses_no_row_later() {
    for rows in [8, 12] {
        let proxied = ProxiedApp::new().await;
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("movies.csv");
        std::fs::write(&file, csv(10)).unwrap();
        let store = proxied.proxy.store().await;
        let importer = Importer::new(store.clone(), proxied.proxy.table.database());
        let source = Source::File(file.clone());
        // The first call to the table follows the first reading.
        proxied.proxy.take_down(true);
        let changing = async {
            std::fs::write(&file, csv(rows).replace("Movie", "Other")).unwrap();
            proxied.proxy.take_down(false);
        };
        let (imported, ()) = tokio::join!(importer.run(&source), changing);
        let error = imported.unwrap_err().to_string();
        assert!(error.contains("was changed while it was imported"), "{error}");
        std::fs::write(&file, csv(10)).unwrap();
        for expected in [10, 0] {
            assert_eq!(importer.run(&source).await.unwrap().movies, expected);
        }
        audit(&store).await;
    }
}
