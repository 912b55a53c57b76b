//! Lists by `-id`: the last movies first, whatever a process has seen of the ids.

use std::{fmt::Write as _, time::Duration};

use marquee_shared::{
    db::{
        Store,
        movie::MovieView,
        movie_lists::MovieOrder,
        page::{Counted, PageLimit, Window},
    },
    domain::{MovieFields, MovieId, UserId},
};

use crate::support::{
    audit::audit,
    measure::HOLD,
    movie,
    proxy::{Cost, ProxiedApp},
};

/// How often each page is measured.
const RUNS: usize = 3;

/// The movies by `-id` as a store lists them.
async fn list(store: &Store, limit: PageLimit, user: Option<UserId>) -> Counted<MovieView> {
    let listed = store.list_movies(MovieOrder::IdDescending, &Window::First, limit, user);
    listed.await.unwrap()
}

fn fields() -> MovieFields {
    serde_json::from_value(movie("Another", "Various", "Drama", "2001-01-01")).unwrap()
}

fn ids(listed: &Counted<MovieView>) -> Vec<u64> {
    listed
        .slice
        .items
        .iter()
        .map(|view| view.movie.id.get())
        .collect()
}

/// Imports so many movies.
async fn import(proxied: &ProxiedApp, movies: usize, title: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("movies.csv");
    let mut csv = String::from("title,description,release_date,director,genre\n");
    for n in 0..movies {
        writeln!(csv, "{title} {n},A movie.,2001-01-01,Various,Drama").unwrap();
    }
    std::fs::write(&file, csv).unwrap();
    assert_eq!(proxied.proxy.import(file).await, movies as u64);
}

/// Guarantee 60. Two processes add movies and list them. What one of them has seen of the ids is soon out of date.
#[tokio::test]
async fn the_last_movies_are_first_whatever_a_process_has_seen_of_the_ids() {
    let proxied = ProxiedApp::new().await;
    import(&proxied, 250, "First").await;
    let user = UserId::try_from(proxied.app.member().await.id).unwrap();
    let [one, other] = [proxied.proxy.store().await, proxied.proxy.store().await];
    let add = async |store: &Store, movies: usize| {
        let mut last = 0;
        for _ in 0..movies {
            let fields = fields();
            last = store
                .create_movie(&fields, user, None)
                .await
                .unwrap()
                .movie
                .id
                .get();
        }
        last
    };
    let mut there: Vec<u64> = (1..=250).rev().collect();
    // Into the next bucket, to its first ids, within it, and over a whole bucket.
    for (writer, reader, added) in [
        (&one, &other, 0),
        (&one, &other, 3),
        (&one, &other, 3),
        (&other, &one, 4),
        (&one, &other, 90),
        (&one, &other, 300),
    ] {
        add(writer, added).await;
        let first = there[0];
        there.splice(0..0, (first + 1..=first + added as u64).rev());
        for limit in [PageLimit::of::<1>(), PageLimit::of::<20>(), PageLimit::MAX] {
            for store in [reader, writer] {
                let listed = list(store, limit, Some(user)).await;
                assert_eq!(ids(&listed), there[..limit.get()], "after {added}");
                assert_eq!(listed.count, there.len() as u64);
                assert!(listed.slice.next.is_some());
            }
        }
    }
    // Deletions, of the last movies too, move nothing.
    let gone = there.iter().step_by(2).copied().take(60);
    let gone: Vec<u64> = gone.chain([there[1], there[3]]).collect();
    for id in &gone {
        let id = MovieId::try_from(*id).unwrap();
        one.delete_movie(id, user, |_| Ok(())).await.unwrap();
    }
    there.retain(|id| !gone.contains(id));
    for store in [&one, &other] {
        assert_eq!(ids(&list(store, PageLimit::MAX, Some(user)).await), there[..100]);
    }
    audit(&one).await;
}

/// The table of docs/performance.md, "Growth". This prints it:
/// `cargo test a_page_by_descending_id_takes_two_trips -- --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_by_descending_id_takes_two_trips_with_and_without_gaps() {
    let proxied = ProxiedApp::new().await;
    let user = UserId::try_from(proxied.app.member().await.id).unwrap();
    let proxy = &proxied.proxy;
    import(&proxied, 700, "First").await;
    let mut behind = Vec::new();
    for _ in 0..6 * RUNS {
        let store = proxy.proxied_store();
        list(&store, PageLimit::MAX, Some(user)).await;
        behind.push(store);
    }
    import(&proxied, 300, "Second").await;
    let warm = proxy.proxied_store();
    list(&warm, PageLimit::MAX, Some(user)).await;
    proxy.gather_calls(HOLD);
    println!("| gaps | movies | process | trips | read units |");
    println!("|---|---|---|---|---|");
    for gaps in [0, 20, 100] {
        let deleted = proxy.store().await;
        for id in 1001 - gaps..=1000 {
            // Every movie of the last ids is deleted; those of fewer gaps are gone already.
            let id = MovieId::try_from(id).unwrap();
            let _gone = deleted.delete_movie(id, user, |_| Ok(())).await;
        }
        for limit in [PageLimit::of::<20>(), PageLimit::MAX] {
            for (process, trips) in [("warm", 2), ("new", 3), ("behind", 3)] {
                let mut costs = Vec::new();
                for _ in 0..RUNS {
                    let store = match process {
                        "warm" => warm.clone(),
                        "new" => proxy.proxied_store(),
                        _ => behind.pop().unwrap(),
                    };
                    proxy.take();
                    let listed = list(&store, limit, Some(user)).await;
                    costs.push(Cost::of(proxy.take()));
                    assert_eq!(listed.slice.items.len(), limit.get());
                }
                // A busy machine may separate calls that were sent together.
                let cost = costs.into_iter().min_by_key(|cost| cost.trips).unwrap();
                println!(
                    "| {gaps} | {} | {process} | {} | {} |",
                    limit.get(),
                    cost.trips,
                    cost.reads
                );
                assert!(cost.trips <= trips, "{process}: {cost:?}");
                assert!(limit.get() > 20 || cost.reads <= 35.0, "{process}: {cost:?}");
            }
        }
    }
    proxy.gather_calls(Duration::ZERO);
}
