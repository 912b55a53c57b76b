//! The sweep function, which a schedule invokes: an invocation continues until nothing is left or its time is over.

use std::time::{Duration, SystemTime};

use lambda_runtime::{Context, LambdaEvent};
use marquee::{guard::Guard, server::TEMPLATE, template::Template};
use marquee_shared::{
    aws::client,
    clock::Clock,
    db::{
        Key, Store,
        expression::Condition,
        favorite::FavoriteItem,
        item::{Item, number, to_item},
        keys,
        leaving::LEAVING_FOR,
    },
    domain::{MovieId, UserId},
};
use marquee_sweep::Swept;
use serde_json::json;

use crate::support::{
    TestApp,
    audit::{audit, scan},
    movie,
    proxy::{Fault, FaultProxy},
};

/// Longer than any of these tests takes.
const AMPLE_TIME: Duration = Duration::from_secs(60);

/// Writes favorites of a movie directly to the table, for this number of users, who do not exist. They are not counted.
pub(super) async fn put_favorites(store: &Store, movie: u64, users: u64) {
    let movie = MovieId::try_from(movie).unwrap();
    for user in 1..=users {
        let user = UserId::try_from(1_000_000 + user).unwrap();
        let favorite = FavoriteItem::new(movie, user, Clock::default().now());
        put(store, keys::favorite(movie, user), to_item(&favorite).unwrap()).await;
    }
}

/// Writes favorites of a deleted movie, and the item that leaves them to the sweep.
async fn leave_favorites(store: &Store, movie: u64, users: u64) {
    put_favorites(store, movie, users).await;
    put(store, keys::sweep(MovieId::try_from(movie).unwrap()), Item::new()).await;
}

async fn put(store: &Store, key: Key, mut item: Item) {
    item.extend(key.attributes());
    assert!(store.put(item, Condition::none()).await.unwrap().is_ok());
}

/// Returns how many favorites the table has, and how many movies wait for the sweep.
async fn remaining(store: &Store) -> (usize, usize) {
    let items = scan(store).await;
    let of = |kind: &str| {
        let keys = items.iter().map(|item| Key::of(item).unwrap());
        keys.filter(|key| key.pk.starts_with(kind)).count()
    };
    (of("FAVORITES#"), of(keys::SWEEP))
}

/// Returns an invocation whose deadline is in `time`.
fn invocation(time: Duration) -> LambdaEvent<serde_json::Value> {
    let mut context = Context::default();
    let deadline = SystemTime::now() + time;
    let since = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    context.deadline = u64::try_from(since.as_millis()).unwrap();
    LambdaEvent::new(json!({"detail-type": "Scheduled Event"}), context)
}

/// Returns a proxied table and the sweep function's store on it. There is no server, because it would sweep the table
/// too.
async fn table_and_function() -> (FaultProxy, Store) {
    let proxy = FaultProxy::new().await;
    let template = Template::parse(TEMPLATE).unwrap();
    let table = proxy.store().await;
    template.table.create(&table.client, &table.table).await.unwrap();
    let guard = Guard::new(
        "sweep",
        template.roles["sweep"].clone(),
        &table.table,
        &template.table,
    );
    let client = guard.client(&client::local(&proxy.url));
    (proxy, Store::new(client, table.table, table.clock))
}

#[tokio::test]
async fn the_sweep_removes_the_favorites_that_a_deletion_leaves() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let added = owner
        .add(&movie("Alien", "Ridley Scott", "Horror", "1979-05-25"))
        .await;
    let path = format!("/api/movies/{}/", added["id"]);
    owner.put(&format!("{path}favorite/")).send().await.is(200);
    let store = &app.running.state.store;
    put_favorites(store, added["id"].as_u64().unwrap(), 350).await;
    owner.delete(&path).send().await.is(204);
    let (favorites, movies) = remaining(store).await;
    assert!(
        favorites > 0 && movies == 1,
        "{favorites} favorites of {movies} movies"
    );
    let function = &app.running.functions.sweep.state.store;
    marquee_sweep::handle(function, invocation(AMPLE_TIME))
        .await
        .unwrap();
    assert_eq!(remaining(store).await, (0, 0));
    audit(store).await;
}

/// Guarantee 63. The sweep is in time, and a sweep without time changes nothing.
#[tokio::test]
async fn the_sweep_refills_the_genres_of_an_earlier_version() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    for title in ["Alien", "Aliens"] {
        owner
            .add(&movie(title, "Ridley Scott", "Horror, Sci-Fi", "1979-05-25"))
            .await;
    }
    let store = &app.running.state.store;
    store.forget_newest().await.unwrap();
    let function = &app.running.functions.sweep.state.store;
    for (time, genres) in [(Duration::ZERO, 0), (AMPLE_TIME, 2), (AMPLE_TIME, 0)] {
        let expected = Swept {
            movies: 0,
            genres,
            accounts: 0,
            is_done: time > Duration::ZERO,
        };
        assert_eq!(marquee_sweep::sweep(function, time).await.unwrap(), expected);
    }
    audit(store).await;
}

#[tokio::test]
async fn the_sweep_continues_until_no_movie_is_left() {
    let (proxy, function) = table_and_function().await;
    let table = proxy.store().await;
    // More than one Query returns.
    for movie in 1..=120 {
        leave_favorites(&table, movie, 1).await;
    }
    for movies in [120, 0] {
        let expected = Swept {
            movies,
            genres: 0,
            accounts: 0,
            is_done: true,
        };
        let swept = marquee_sweep::sweep(&function, AMPLE_TIME).await.unwrap();
        assert_eq!(swept, expected);
        assert_eq!(remaining(&table).await, (0, 0));
    }
}

/// Writes the item of an account that was deleted so many seconds ago, and a favorite that is left of it, on a movie that does not
/// exist.
async fn leave_account(store: &Store, user: u64, seconds: i64) {
    let user = UserId::try_from(user).unwrap();
    let left = store.clock.now().plus_seconds(-seconds);
    put(
        store,
        keys::leaving(user),
        Item::from([("left".to_owned(), number(left.0))]),
    )
    .await;
    let movie = MovieId::try_from(1).unwrap();
    let favorite = FavoriteItem::new(movie, user, left);
    put(store, keys::favorite(movie, user), to_item(&favorite).unwrap()).await;
}

/// Returns how many favorites the table has, and how many accounts are looked after.
async fn left_of_accounts(store: &Store) -> [usize; 2] {
    let items = scan(store).await;
    ["FAVORITES#", keys::LEAVING].map(|kind| {
        let keys = items.iter().map(|item| Key::of(item).unwrap());
        keys.filter(|key| key.pk.starts_with(kind)).count()
    })
}

/// Guarantee 76.
#[tokio::test]
async fn one_sweep_looks_after_more_deleted_accounts_than_a_query_reads() {
    let (proxy, function) = table_and_function().await;
    let table = proxy.store().await;
    for user in 1..=120 {
        leave_account(&table, user, LEAVING_FOR + 1).await;
    }
    for user in 121..=230 {
        leave_account(&table, user, 1).await;
    }
    // The hourly sweep looks after accounts too.
    let swept = marquee_sweep::sweep(&function, AMPLE_TIME).await.unwrap();
    assert_eq!((swept.accounts, swept.is_done), (110, true));
    assert_eq!(left_of_accounts(&table).await, [0, 110]);
    leave_account(&table, 231, LEAVING_FOR + 1).await;
    let swept = marquee_sweep::sweep_accounts(&function, AMPLE_TIME)
        .await
        .unwrap();
    assert_eq!((swept.accounts, swept.is_done), (110, true));
    assert_eq!(left_of_accounts(&table).await, [0, 110]);
}

/// Guarantee 76: the invocation fails, so that an alarm says so, but only after it has looked after the others.
#[tokio::test]
async fn an_unreadable_item_keeps_no_other_account_and_no_other_movie_from_the_sweep() {
    let (proxy, function) = table_and_function().await;
    let table = proxy.store().await;
    for user in [2, 4] {
        leave_account(&table, user, LEAVING_FOR + 1).await;
    }
    // The account of the second one is known, but not when it was deleted.
    leave_account(&table, 3, 1).await;
    put(&table, keys::leaving(UserId::try_from(3).unwrap()), Item::new()).await;
    let malformed = [Key::new(keys::LEAVING, "1x"), Key::new(keys::SWEEP, "1x")];
    for key in &malformed {
        put(&table, key.clone(), Item::new()).await;
    }
    marquee_sweep::sweep_accounts(&function, AMPLE_TIME)
        .await
        .unwrap_err();
    assert_eq!(left_of_accounts(&table).await, [0, 2]);
    leave_favorites(&table, 7, 2).await;
    marquee_sweep::sweep(&function, AMPLE_TIME).await.unwrap_err();
    assert_eq!(remaining(&table).await, (0, 1));
    for key in malformed {
        table.delete(&key).await.unwrap();
    }
}

#[tokio::test]
async fn an_invocation_without_time_left_succeeds_and_leaves_the_rest_to_the_next() {
    let (proxy, function) = table_and_function().await;
    let table = proxy.store().await;
    leave_favorites(&table, 1, 3).await;
    for time in [Duration::ZERO, Duration::from_secs(1)] {
        marquee_sweep::handle(&function, invocation(time)).await.unwrap();
        assert_eq!(remaining(&table).await, (3, 1));
    }
    let swept = marquee_sweep::sweep(&function, Duration::ZERO).await.unwrap();
    assert!(!swept.is_done);
    marquee_sweep::handle(&function, invocation(AMPLE_TIME))
        .await
        .unwrap();
    assert_eq!(remaining(&table).await, (0, 0));
}

#[tokio::test]
async fn an_invocation_fails_if_the_table_fails() {
    let (proxy, function) = table_and_function().await;
    for operation in ["Query", "BatchWriteItem", "DeleteItem"] {
        // Whichever of the invocation's calls failed, the others may have removed them.
        leave_favorites(&proxy.store().await, 1, 1).await;
        let fault = Fault::Refused(400, "AccessDeniedException");
        proxy.inject(operation, 0..1, fault);
        let failed = marquee_sweep::handle(&function, invocation(AMPLE_TIME))
            .await
            .unwrap_err();
        assert_eq!(
            failed.error_message,
            format!("{operation}: AccessDeniedException")
        );
        proxy.clear_faults();
    }
    marquee_sweep::handle(&function, invocation(AMPLE_TIME))
        .await
        .unwrap();
    assert_eq!(remaining(&proxy.store().await).await, (0, 0));
}

#[tokio::test]
async fn the_sweep_refills_genres_although_it_cant_remove_favorites() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    owner
        .add(&movie("Alien", "Ridley Scott", "Horror, Sci-Fi", "1979-05-25"))
        .await;
    let store = &app.running.state.store;
    let malformed = Key::new(keys::SWEEP, "1x");
    put(store, malformed.clone(), Item::new()).await;
    store.forget_newest().await.unwrap();
    let function = &app.running.functions.sweep.state.store;
    marquee_sweep::handle(function, invocation(AMPLE_TIME))
        .await
        .unwrap_err();
    store.delete(&malformed).await.unwrap();
    audit(store).await;
}
