//! Refills of a genre's list that other changes interrupt or overtake.

use marquee_shared::{
    Error,
    db::{
        genre::GenreItem,
        newest::{Entry, MOST, TRIM_ABOVE},
        transaction::Transaction,
    },
    domain::{MovieId, ReleaseDate},
};

use tokio::task::JoinHandle;

use super::Table;
use crate::support::{
    audit::audit,
    proxy::{Fault, ProxiedApp},
};

/// Begins a refill that has read the memberships and can't write: its only transaction, the third step, has conflicts until the
/// faults are cleared.
async fn waiting_refill(proxied: &ProxiedApp, genre: GenreItem) -> JoinHandle<Result<bool, Error>> {
    let conflict = Fault::Canceled("TransactionConflict");
    proxied.proxy.inject("TransactWriteItems", 0..1_000, conflict);
    proxied.proxy.take();
    let store = proxied.proxy.proxied_store();
    let refill = tokio::spawn(async move { store.refill(&genre).await });
    let has_begun = || {
        let calls = proxied.proxy.take_operations();
        calls.iter().any(|call| call == "TransactWriteItems")
    };
    while !has_begun() {
        tokio::task::yield_now().await;
    }
    refill
}

/// Guarantee 62. Memberships that a refill has read are deleted and moved before it writes.
#[tokio::test]
async fn a_refill_lists_no_movie_that_is_deleted_or_moved_while_it_runs() {
    let proxied = ProxiedApp::new().await;
    let mut table = Table::of(&proxied.app).await;
    // The test's own changes don't pass the proxy.
    table.store = proxied.proxy.store().await;
    for n in 0..MOST {
        table.add("Drama", &format!("{}-01-01", 1900 + n)).await;
    }
    table.run_out().await;
    let genre = table.store.genre("drama").await.unwrap().unwrap();
    let (entries, floor) = genre.newest.listed.clone().unwrap();
    let mut unlisted = table.movies.iter().filter(|(id, movie)| {
        let entry = Entry::of(movie.release_date, **id);
        !floor.covers(&entry) && !entries.0.contains(&entry)
    });
    let [deleted, moved] = [unlisted.next_back(), unlisted.next_back()].map(|movie| *movie.unwrap().0);
    drop(unlisted);

    let refill = waiting_refill(&proxied, genre).await;
    table.delete(deleted).await;
    table.edit(moved, "Drama", "1899-01-01").await;
    let added = table.add("Drama", "2001-01-01").await;
    table.check("while the refill waits").await;
    audit(&table.store).await;
    proxied.proxy.clear_faults();
    assert!(refill.await.unwrap().unwrap(), "the refill was completed");
    assert_eq!(table.empty_lists().await, 0);
    table.check("after the refill").await;
    assert_eq!(table.expected()[0].2[0], added.get());
    audit(&table.store).await;
}

/// Guarantee 62. Another write has read the genre before the refill begins, and cuts the list while the refill reads.
#[tokio::test]
async fn a_late_cut_removes_no_entry_that_a_refill_relies_on() {
    let proxied = ProxiedApp::new().await;
    let mut table = Table::of(&proxied.app).await;
    table.store = proxied.proxy.store().await;
    let mut movies = Vec::new();
    for n in 0..40 {
        movies.push(table.add("Drama", &format!("{}-01-01", 1900 + n)).await);
    }
    table.run_out().await;
    // Edits add entries below the floor.
    let genre = async || proxied.proxy.store().await.genre("drama").await.unwrap().unwrap();
    for (n, id) in movies.iter().enumerate() {
        let listed = genre().await.newest.listed.unwrap().0.0.len();
        if listed < TRIM_ABOVE {
            table.edit(*id, "Drama", &format!("{}-06-01", 1900 + n)).await;
        }
    }
    let seen = genre().await;
    let new = Entry::of(
        ReleaseDate::parse("2001-01-01").unwrap(),
        MovieId::try_from(999).unwrap(),
    );
    let join = table.store.join_genre("drama", "Drama", &[new], Some(&seen));
    let (join, joined) = join.unwrap();
    let [before, after] = [&seen, &joined].map(|genre| genre.newest.listed.clone().unwrap());
    assert_eq!(before.1, after.1, "the cut doesn't raise the floor");
    let removed = before.0.0.difference(&after.0.0).max().unwrap().clone();

    // The refill has begun, and can't read the memberships yet. One of its movies is that of an entry that the cut removes.
    for _ in 0..12 {
        let newest = table.expected()[0].2[0];
        table.delete(MovieId::try_from(newest).unwrap()).await;
    }
    proxied
        .proxy
        .inject("Query", 1..2, Fault::Refused(400, "AccessDeniedException"));
    let refill = proxied.proxy.proxied_store().refill(&genre().await).await;
    assert!(refill.is_err());
    let (_, floor) = genre().await.newest.listed.unwrap();
    assert!(floor.covers(&removed), "{floor:?} {removed}");
    let mut transaction = Transaction::default();
    let join = transaction.add(join);
    let outcome = table.store.transact(&transaction).await.unwrap();
    assert!(outcome.failed(join), "{outcome:?}");
    audit(&table.store).await;
}

/// Guarantee 62. The genre is deleted with its last movie while a refill runs, and added again. Then another refill begins.
#[tokio::test]
async fn a_refill_of_a_genre_that_was_deleted_doesnt_end_that_of_a_genre_with_its_name() {
    let proxied = ProxiedApp::new().await;
    let mut table = Table::of(&proxied.app).await;
    table.store = proxied.proxy.store().await;
    let fill = async |table: &mut Table| {
        for n in 0..MOST {
            table.add("Drama", &format!("{}-01-01", 1900 + n)).await;
        }
        table.run_out().await;
        table.store.genre("drama").await.unwrap().unwrap()
    };
    let genre = fill(&mut table).await;
    let first = waiting_refill(&proxied, genre).await;
    for id in table.movies.keys().copied().collect::<Vec<_>>() {
        table.delete(id).await;
    }
    let genre = fill(&mut table).await;
    // The other refill is interrupted before it has read the memberships.
    proxied
        .proxy
        .inject("Query", 1..2, Fault::Refused(400, "AccessDeniedException"));
    let second = proxied.proxy.proxied_store().refill(&genre).await;
    assert!(second.is_err());
    proxied.proxy.clear_faults();
    assert!(!first.await.unwrap().unwrap(), "its genre was deleted");
    audit(&table.store).await;
    table.check("after the first refill").await;
}
