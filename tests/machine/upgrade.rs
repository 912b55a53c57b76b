//! The program on a table of another version: it upgrades an older one, and refuses a newer one.
#![cfg(unix)]

use std::{path::Path, time::Duration};

use marquee::{
    engine::{Engine, Storage},
    server::table_file,
};
use marquee_shared::{
    aws::client,
    clock::Clock,
    db::{
        Store,
        expression::Condition,
        item::number,
        keys,
        layout::{LAYOUT, Layout},
        likes::LikesShards,
        page::PageLimit,
    },
    domain::UserId,
};
use rand::RngExt as _;

use super::{
    marquee, register, run_to_end, start,
    start::{message_of, serve},
    stderr_of, stop,
};
use crate::support::{audit::audit, layouts::make_first_version, movie};

/// How many movies have a favorite.
const LIKED: u64 = 100;

/// How often the program is killed during an upgrade.
const KILLS: usize = 8;

/// Makes a data directory whose movies have a favorite each.
async fn fill(data: &Path) {
    let (child, [api, dynamodb]) = start(serve(data)).await.unwrap();
    let session = register(&reqwest::Client::new(), &api).await;
    let user = UserId::try_from(session["user"]["id"].as_u64().unwrap()).unwrap();
    let store = store_at(&dynamodb);
    for n in 0..LIKED {
        let title = format!("Number {n} of the Spider-Men");
        let fields = movie(
            &title,
            "Ada Various, J.-P. Others",
            "Action & Adventure, Drama",
            "2001-01-01",
        );
        let fields = serde_json::from_value(fields).unwrap();
        store.create_movie(&fields, user, Some(user)).await.unwrap();
    }
    stop(child).await;
}

fn store_at(endpoint: &str) -> Store {
    Store::new(client::local(endpoint), "marquee", Clock::default())
}

/// Opens the table of a data directory.
fn open(data: &Path) -> (Engine, Store) {
    let engine = Engine::start(&Storage::File(table_file(data))).unwrap();
    let store = Store::new(engine.client(), "marquee", Clock::default());
    (engine, store)
}

/// Guarantees 59 and 72.
#[tokio::test]
async fn an_upgrade_that_is_killed_is_completed_by_the_next_start() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    fill(&data).await;
    let (engine, store) = open(&data);
    make_first_version(&store).await;
    engine.shutdown().await.unwrap();
    for _ in 0..KILLS {
        let mut child = serve(&data).spawn().unwrap();
        let time = rand::rng().random_range(20..400);
        tokio::time::sleep(Duration::from_millis(time)).await;
        child.kill().await.unwrap();
    }
    let (child, [_, dynamodb]) = start(serve(&data)).await.unwrap();
    let store = store_at(&dynamodb);
    assert_eq!(store.layout().await.unwrap(), Layout::Version(LAYOUT));
    let listed = store.most_liked_movies(PageLimit::MAX, None).await.unwrap();
    let ids = listed.iter().map(|view| view.movie.id.get());
    assert!(ids.eq((1..=LIKED).rev()));
    audit(&store).await;
    stop(child).await;
}

/// Guarantee 59.
#[tokio::test]
async fn every_command_refuses_a_table_of_a_later_version() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (child, _) = start(serve(&data)).await.unwrap();
    stop(child).await;
    let (engine, store) = open(&data);
    let mut later = keys::layout().attributes();
    later.insert("version".into(), number(LAYOUT + 1));
    assert!(store.put(later, Condition::exists()).await.unwrap().is_ok());
    engine.shutdown().await.unwrap();

    let expected = format!(
        "the table in {} has layout {}, and this version of marquee knows layouts up to {LAYOUT}. Use the version of marquee \
         that made the table, or name another one with --data.",
        table_file(&data).display(),
        LAYOUT + 1
    );
    let of = |args: &[&str]| {
        let mut command = marquee(args);
        command.arg("--data").arg(&data);
        command
    };
    assert_eq!(message_of(serve(&data)).await, expected);
    assert_eq!(message_of(of(&["promote", "ripley"])).await, expected);
    assert_eq!(message_of(of(&["demote", "ripley"])).await, expected);
    assert_eq!(message_of(of(&["upgrade"])).await, expected);
    let output = run_to_end(of(&["import", "movies.csv"])).await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr_of(&output).trim_end(), format!("marquee: {expected}"));
}

#[tokio::test]
async fn the_command_upgrade_spreads_the_movies_over_shards_while_the_server_runs() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    fill(&data).await;
    let upgrade = async |args: &[&str]| {
        let mut command = marquee(["upgrade", "--data"]);
        command.arg(&data).args(args);
        let output = run_to_end(command).await;
        assert!(output.status.success(), "{}", stderr_of(&output));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    };
    let mut wide = serve(&data);
    wide.env("LIKES_SHARDS", "2").env("LIKES_SHARDS_READ", "4");
    let (child, [_, dynamodb]) = start(wide).await.unwrap();
    let four = store_at(&dynamodb).with_likes_shards(LikesShards::new(4, 4).unwrap());
    assert_eq!(
        upgrade(&[]).await,
        format!("the table has layout {LAYOUT}; moved 0 movies to another shard")
    );
    assert_eq!(
        upgrade(&["--likes-shards", "4"]).await,
        format!("the table has layout {LAYOUT}; moved 50 movies to another shard")
    );
    audit(&four).await;
    let listed = four.most_liked_movies(PageLimit::MAX, None).await.unwrap();
    assert_eq!(listed.len() as u64, LIKED);
    stop(child).await;

    // A server that reads fewer shards moves the movies into them before it serves.
    let (child, [_, dynamodb]) = start(serve(&data)).await.unwrap();
    let two = store_at(&dynamodb);
    audit(&two).await;
    let listed = two.most_liked_movies(PageLimit::MAX, None).await.unwrap();
    assert_eq!(listed.len() as u64, LIKED);
    stop(child).await;

    for number in ["0", "17", "many"] {
        let output = run_to_end(marquee(["upgrade", "--likes-shards", number])).await;
        assert_eq!(output.status.code(), Some(2), "{number}");
        assert!(stderr_of(&output).contains("--likes-shards"), "{number}");
    }
}
