//! The shards of the most liked movies: more of them, fewer of them, and tables of the version that had eight.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_sdk_dynamodb::types::ReturnValue;
use marquee::upgrade::{self, LayoutError, Older};
use marquee_shared::{
    db::{
        Store,
        expression::{Condition, Update},
        favorite::FavoriteChange,
        item::{from_item, number, text},
        keys::{self, Key},
        layout::{Changed, LAYOUT, Layout},
        likes::LikesShards,
        movie::MovieItem,
        page::PageLimit,
    },
    domain::{MovieFields, MovieId, UserId},
};

use super::races::run_all;
use crate::support::{
    self, TestApp,
    audit::{audit, discrepancies, scan},
    layouts::make_first_version,
    proxy::{Fault, FaultProxy, ProxiedApp},
};

/// How many movies a table has here, more than a few for each of 16 shards.
const MOVIES: u64 = 40;

fn shards(written: u64, read: u64) -> LikesShards {
    LikesShards::new(written, read).unwrap()
}

fn movie(id: u64) -> MovieId {
    MovieId::try_from(id).unwrap()
}

fn fields(title: &str) -> MovieFields {
    serde_json::from_value(support::movie(title, "Various", "Drama", "2001-01-01")).unwrap()
}

/// Adds movies and registers users. Returns the ids of the users.
async fn fill(app: &TestApp, users: usize) -> Vec<UserId> {
    let store = &app.running.state.store;
    let mut ids = Vec::new();
    for _ in 0..users {
        ids.push(UserId::try_from(app.member().await.id).unwrap());
    }
    for n in 0..MOVIES {
        let fields = fields(&format!("Number {n}"));
        store.create_movie(&fields, ids[0], None).await.unwrap();
    }
    ids
}

/// The most liked movies, as a function with these shards lists them: the id and the count of each. Fails if a movie is
/// there twice or in the wrong order.
async fn most_liked(store: &Store) -> Vec<(u64, u64)> {
    let views = store.most_liked_movies(PageLimit::MAX, None).await.unwrap();
    let listed = views
        .iter()
        .map(|view| (view.movie.id.get(), view.movie.favorite_count()));
    let listed: Vec<(u64, u64)> = listed.collect();
    let ids: BTreeSet<u64> = listed.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), listed.len(), "a movie is listed twice: {listed:?}");
    let is_ordered = listed.is_sorted_by_key(|(id, count)| std::cmp::Reverse((*count, *id)));
    assert!(is_ordered, "{listed:?}");
    listed
}

/// Checks that the list is that of the movies' own counts.
async fn assert_exact(store: &Store) {
    let movies = scan(store).await.into_iter().filter(|item| {
        let key = Key::of(item).unwrap();
        key.pk.starts_with("MOVIES#")
    });
    let movies = movies.map(|item| from_item::<MovieItem>(item).unwrap());
    let counts = movies.map(|movie| (movie.favorite_count(), movie.id.get()));
    let mut counts: Vec<(u64, u64)> = counts.filter(|(count, _)| *count > 0).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let listed = most_liked(store).await;
    let listed: Vec<(u64, u64)> = listed.into_iter().map(|(id, count)| (count, id)).collect();
    assert_eq!(listed, counts);
}

/// How many movies are in each shard.
async fn by_shard(store: &Store) -> BTreeMap<String, usize> {
    let mut shards = BTreeMap::new();
    for item in scan(store).await {
        if let Some(liked) = item.get("liked") {
            *shards.entry(liked.as_s().unwrap().clone()).or_default() += 1;
        }
    }
    shards
}

/// Lists the most liked movies without pause until `is_over`. Each list has all of `always`. Returns how many lists it read.
async fn keep_reading(store: Store, always: BTreeSet<u64>, is_over: Arc<AtomicBool>) -> usize {
    let mut lists = 0;
    while !is_over.load(Ordering::Relaxed) {
        let listed: BTreeSet<u64> = most_liked(&store).await.into_iter().map(|(id, _)| id).collect();
        let missing: Vec<&u64> = always.difference(&listed).collect();
        assert!(missing.is_empty(), "{missing:?} are missing from a list");
        lists += 1;
    }
    lists
}

/// Each of these users toggles favorites on all movies, in an order of their own, through one of these stores.
async fn toggle(stores: &[Store], users: &[UserId], rounds: u64) {
    let tasks = users.iter().enumerate().map(|(n, user)| {
        let (store, user, n) = (stores[n % stores.len()].clone(), *user, n as u64);
        async move {
            for step in 0..rounds * MOVIES {
                let id = movie(1 + (step * 7 + n * 11) % MOVIES);
                store
                    .set_favorite(id, user, FavoriteChange::Toggle)
                    .await
                    .unwrap();
            }
        }
    });
    run_all(tasks).await;
}

/// Guarantee 58. The widening of docs/deploy.md, while users toggle favorites and read the list all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_liked_are_exact_while_some_functions_write_2_shards_and_some_write_4() {
    let app = TestApp::new().await;
    let users = fill(&app, 6).await;
    let narrow = app.running.state.store.clone();
    // Half of the movies are the favorites of a user who doesn't toggle. They must be in every list.
    let (settled, toggling) = users.split_first().unwrap();
    let mut always: BTreeSet<u64> = (1..=MOVIES / 2).collect();
    for id in &always {
        narrow
            .set_favorite(movie(*id), *settled, FavoriteChange::Add)
            .await
            .unwrap();
    }
    assert_eq!(by_shard(&narrow).await.len(), 2);

    // First every reader reads four shards, then some writers write them and some don't yet.
    let [not_yet, wide] = [shards(2, 4), shards(4, 4)].map(|shards| narrow.clone().with_likes_shards(shards));
    for id in [38, 39] {
        let first = wide.set_favorite(movie(id), *settled, FavoriteChange::Add);
        assert_eq!(first.await.unwrap().favorite_count, 1);
        always.insert(id);
    }
    let is_over = Arc::new(AtomicBool::default());
    let readers = [&not_yet, &wide].map(|store| {
        let reading = keep_reading(store.clone(), always.clone(), Arc::clone(&is_over));
        tokio::spawn(reading)
    });
    let both = [not_yet.clone(), wide.clone()];
    toggle(&both, toggling, 3).await;
    // A favorite that comes with a new movie gives it a shard too.
    let fields = fields("The last");
    let added = wide
        .create_movie(&fields, *settled, Some(*settled))
        .await
        .unwrap();
    assert_eq!(added.movie.liked, Some(keys::liked(added.movie.id, 4)));
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 3);
    }
    assert_eq!(by_shard(&wide).await.len(), 4);
    for store in [&not_yet, &wide] {
        assert_exact(store).await;
        audit(store).await;
    }
    // A function that reads two shards would miss movies, which is why readers come first. The audit says so.
    assert!(most_liked(&narrow).await.len() < most_liked(&wide).await.len());
    assert!(
        discrepancies(&narrow)
            .await
            .iter()
            .all(|text| text.contains("is in the shard"))
    );

    // Then the movies that have a shard are spread too, while favorites go on.
    let spreading = async { wide.spread_likes(4).await.unwrap() };
    let (moved, ()) = tokio::join!(spreading, toggle(&both, toggling, 1));
    assert!(moved >= MOVIES / 8, "{moved}");
    assert_eq!(wide.spread_likes(4).await.unwrap(), 0);
    for id in 1..=MOVIES {
        let item = wide.get(&keys::movie(movie(id))).await.unwrap().unwrap();
        let shard = item.get("liked").map(|liked| liked.as_s().unwrap().clone());
        assert!(
            shard.is_none_or(|shard| shard == keys::liked(movie(id), 4)),
            "{id}"
        );
    }
    assert_exact(&wide).await;
    audit(&wide).await;

    // And back: writers first, then the movies, then the readers.
    let spreading = async { not_yet.spread_likes(2).await.unwrap() };
    let one = [not_yet.clone()];
    let (moved, ()) = tokio::join!(spreading, toggle(&one, toggling, 1));
    assert!(moved >= MOVIES / 8, "{moved}");
    assert_eq!(by_shard(&narrow).await.len(), 2);
    assert_exact(&narrow).await;
    audit(&narrow).await;
}

/// Guarantee 58. While movies are moved, a list contains none of them twice, and each has its own count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_read_while_movies_are_moved_shows_each_once() {
    let app = TestApp::new().await;
    let users = fill(&app, 2).await;
    let store = app.running.state.store.clone().with_likes_shards(shards(2, 16));
    for id in 1..=MOVIES {
        store
            .set_favorite(movie(id), users[0], FavoriteChange::Add)
            .await
            .unwrap();
    }
    let is_over = Arc::new(AtomicBool::default());
    let reading = keep_reading(store.clone(), BTreeSet::new(), Arc::clone(&is_over));
    let reader = tokio::spawn(reading);
    for shards in [16, 3, 7, 1, 2] {
        assert!(store.spread_likes(shards).await.unwrap() > 0, "{shards}");
        assert_exact(&store).await;
        audit(&store).await;
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(reader.await.unwrap() > 3);
}

/// Guarantee 58. Two movies are swapped between the shards after one shard was read and before the other one is.
#[tokio::test]
async fn a_movie_that_is_found_in_two_shards_takes_the_place_of_no_other() {
    let ProxiedApp { app, proxy } = ProxiedApp::new().await;
    let users = fill(&app, 1).await;
    let store = proxy.store().await;
    for id in 1..=4 {
        let added = store.set_favorite(movie(id), users[0], FavoriteChange::Add);
        added.await.unwrap();
    }
    proxy.take();
    proxy.inject("Query", 1..usize::MAX, Fault::CallLost);
    let proxied = proxy.proxied_store();
    let reading = tokio::spawn(async move { proxied.most_liked_movies(PageLimit::of::<2>(), None).await });
    let mut is_read = false;
    while !is_read {
        is_read = proxy.take().iter().any(|call| call.reads > 0.0);
        tokio::task::yield_now().await;
    }
    // The first movie of each shard.
    for (id, shard) in [(3, 0), (4, 1)] {
        let swap = Update::new("SET #liked = :to").value(":to", text(keys::likes_shard(shard)));
        let key = keys::movie(movie(id));
        let swapped = store.update(&key, &swap, ReturnValue::None).await;
        assert!(swapped.unwrap().is_ok());
    }
    proxy.clear_faults();
    assert_eq!(reading.await.unwrap().unwrap().len(), 2);
    app.close().await;
}

/// A table of the first version, with favorites on the first so many movies.
async fn first_version(liked: u64) -> FaultProxy {
    let ProxiedApp { app, proxy } = ProxiedApp::new().await;
    let users = fill(&app, 3).await;
    let store = proxy.store().await;
    for id in 1..=liked {
        for user in users.iter().take(1 + id as usize % 3) {
            store
                .set_favorite(movie(id), *user, FavoriteChange::Add)
                .await
                .unwrap();
        }
    }
    // It has no favorites any more, but it has a shard.
    store
        .set_favorite(movie(3), users[0], FavoriteChange::Remove)
        .await
        .unwrap();
    app.close().await;
    make_first_version(&store).await;
    proxy
}

/// Starts a server on the table behind a proxy.
async fn start_on(proxy: &FaultProxy) -> TestApp {
    let (url, table) = (proxy.url.clone(), proxy.table.name());
    let data = tempfile::tempdir().unwrap();
    let app = TestApp::with(|options| {
        options.config.table = table;
        options.place = marquee::server::Place::Endpoint {
            url,
            data: data.path().to_owned(),
        };
    });
    app.await
}

/// Guarantee 59.
#[tokio::test]
async fn a_table_of_the_first_version_is_upgraded_at_the_start() {
    let proxy = first_version(MOVIES).await;
    let store = proxy.store().await;
    assert!(!discrepancies(&store).await.is_empty());
    let before = most_liked(&store).await.len();
    let app = start_on(&proxy).await;
    assert_eq!(store.layout().await.unwrap(), Layout::Version(LAYOUT));
    assert_exact(&store).await;
    assert!(most_liked(&store).await.len() > before);
    let listed = app
        .anonymous()
        .get("/api/movies/most-liked/?limit=100")
        .send()
        .await
        .is(200);
    assert_eq!(listed.ids().len() as u64, MOVIES - 1);
    audit(&store).await;
    app.close().await;

    // A table of this version is left as it is.
    proxy.take();
    let app = start_on(&proxy).await;
    let written = proxy
        .take()
        .into_iter()
        .filter(|record| ["UpdateItem", "PutItem"].contains(&record.operation.as_str()));
    assert_eq!(written.count(), 0);
    app.close().await;
}

/// Guarantee 59. An upgrade that is cut off at any call, as by `kill -9`, is done again from the beginning.
#[tokio::test]
async fn an_upgrade_that_is_cut_off_anywhere_is_completed_by_the_next_start() {
    let proxy = first_version(MOVIES).await;
    let store = proxy.store().await;
    let cut = proxy.proxied_store();
    for calls in [0, 1, 3, 7, 0] {
        proxy.inject(
            "UpdateItem",
            calls..usize::MAX,
            Fault::Refused(400, "ValidationException"),
        );
        assert!(upgrade::check(&cut, Older::Upgrade).await.is_err(), "{calls}");
        assert_eq!(store.layout().await.unwrap(), Layout::Version(1));
        proxy.clear_faults();
    }
    proxy.inject(
        "PutItem",
        0..usize::MAX,
        Fault::Refused(400, "ValidationException"),
    );
    assert!(upgrade::check(&cut, Older::Upgrade).await.is_err());
    assert_eq!(store.layout().await.unwrap(), Layout::Version(1));
    proxy.clear_faults();
    assert_exact(&store).await;
    // Lost answers change nothing either.
    make_first_version(&store).await;
    proxy.inject("UpdateItem", 2..5, Fault::AnswerLost);
    proxy.inject("PutItem", 0..1, Fault::AnswerLost);
    let app = start_on(&proxy).await;
    assert_eq!(store.layout().await.unwrap(), Layout::Version(LAYOUT));
    assert_exact(&store).await;
    audit(&store).await;
    app.close().await;
}

/// Guarantee 59. On AWS, functions of the earlier version may still write, so a command doesn't upgrade unasked.
#[tokio::test]
async fn a_command_on_aws_refuses_a_table_that_must_be_upgraded_first() {
    // A table without movies needs no change.
    let ProxiedApp { app, proxy } = ProxiedApp::new().await;
    let store = proxy.store().await;
    let user = UserId::try_from(app.member().await.id).unwrap();
    let only = store.create_movie(&fields("Number"), user, None).await.unwrap();
    store.delete_movie(only.movie.id, user, |_| Ok(())).await.unwrap();
    app.close().await;
    make_first_version(&store).await;
    let unchanged = upgrade::check(&store, Older::Refuse).await.unwrap();
    assert_eq!(unchanged, Changed::default());
    assert_eq!(store.layout().await.unwrap(), Layout::Version(LAYOUT));

    let proxy = first_version(MOVIES).await;
    let store = proxy.store().await;
    let refused = upgrade::check(&store, Older::Refuse).await;
    assert!(matches!(refused, Err(LayoutError::Older)), "{refused:?}");
    assert_eq!(store.layout().await.unwrap(), Layout::Version(1));
    // The command that upgrades it, for functions that write four shards.
    let report = upgrade::run(&store, Some(4)).await.unwrap();
    assert!(report.0.moved > MOVIES / 3, "{report}");
    assert_eq!(by_shard(&store).await.len(), 4);
    let unchanged = upgrade::check(&store, Older::Refuse).await.unwrap();
    assert_eq!(unchanged, Changed::default());
    audit(&store.clone().with_likes_shards(shards(4, 4))).await;
    // Without a number, it moves nothing in a table of this version.
    assert_eq!(upgrade::run(&store, None).await.unwrap().0.moved, 0);
    assert_eq!(by_shard(&store).await.len(), 4);
}

/// Guarantee 59.
#[tokio::test]
async fn a_table_of_a_later_version_is_refused_and_left_alone() {
    let ProxiedApp { app, proxy } = ProxiedApp::new().await;
    let store = proxy.store().await;
    assert_eq!(store.layout().await.unwrap(), Layout::Version(LAYOUT));
    let mut later = keys::layout().attributes();
    later.insert("version".into(), number(LAYOUT + 1));
    assert!(store.put(later, Condition::exists()).await.unwrap().is_ok());
    for result in [
        upgrade::check(&store, Older::Upgrade).await.map(drop),
        upgrade::check(&store, Older::Refuse).await.map(drop),
        upgrade::prepare(&store).await.map(drop),
        upgrade::run(&store, Some(4)).await.map(drop),
    ] {
        assert!(matches!(result, Err(LayoutError::Newer { version }) if version == LAYOUT + 1));
    }
    store.record_layout().await.unwrap();
    assert_eq!(store.layout().await.unwrap(), Layout::Version(LAYOUT + 1));
    app.close().await;
}
