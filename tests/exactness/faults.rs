//! Faults between the product and its table: answers that are lost, conflicts, throttles, unfinished batches, silence.

use std::{
    fmt::Write as _,
    future::Future,
    time::{Duration, Instant},
};

use marquee::{
    import::{Importer, Report, Source},
    server::Options,
};
use marquee_shared::{
    clock::Clock,
    db::{Store, client},
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Call, Caller, PASSWORD,
    audit::audit,
    movie,
    proxy::{Fault, ProxiedApp, TABLE_CALLS},
};

/// No more calls than these are made before everything is over.
pub(super) const FOR_EVER: std::ops::Range<usize> = 0..usize::MAX;

/// The longest that a request may take, deadline and all, on a busy machine. The gateway gives up after 30 seconds.
const BOUND: Duration = Duration::from_secs(20);

/// A deadline of requests that are to come to it.
pub(super) const SHORT: Duration = Duration::from_secs(3);

/// A server with a fault proxy to its table, a user and a movie of theirs.
async fn stage() -> (ProxiedApp, Caller, u64) {
    stage_with(|_| {}).await
}

/// The same with other options.
pub(super) async fn stage_with(change: impl FnOnce(&mut Options)) -> (ProxiedApp, Caller, u64) {
    let proxied = ProxiedApp::with(change).await;
    let user = proxied.app.member().await;
    let id = user.add(&alien()).await["id"].as_u64().unwrap();
    // A warm function holds the keys.
    user.get("/api/movies/?limit=1").send().await.is(200);
    (proxied, user, id)
}

pub(super) fn alien() -> Value {
    movie("Alien", "Ridley Scott", "Horror, Sci-Fi", "1979-05-25")
}

/// Sends a request that mustn't hang.
pub(super) async fn bounded(call: impl Future<Output = Answer>) -> Answer {
    let begun = Instant::now();
    let answer = tokio::time::timeout(BOUND, call).await.expect("no answer");
    assert!(begun.elapsed() < BOUND);
    answer
}

/// A request of every kind that this user may make on this movie, in an order in which each finds what it needs.
pub(super) fn every_request(user: &Caller, id: u64) -> Vec<(&'static str, Call)> {
    let favorite = format!("/api/movies/{id}/favorite/");
    let movie = format!("/api/movies/{id}/");
    let login = json!({"username": user.username, "password": PASSWORD});
    let register = json!({"username": "newcomer", "email": "newcomer@example.com", "password": PASSWORD});
    vec![
        ("get", user.get(&movie)),
        ("list", user.get("/api/movies/")),
        ("list by -id", user.get("/api/movies/?ordering=-id")),
        ("list by date", user.get("/api/movies/?ordering=release_date")),
        ("list a genre", user.get("/api/movies/?genre=horror")),
        ("search", user.get("/api/movies/search/?q=alien")),
        ("categories", user.get("/api/movies/categories/")),
        ("most liked", user.get("/api/movies/most-liked/")),
        ("newest", user.get("/api/movies/newest/")),
        ("my favorites", user.get("/api/users/me/favorites/")),
        ("me", user.get("/api/users/me/")),
        ("users", user.get("/api/users/")),
        ("create", user.post("/api/movies/").json(&alien())),
        ("toggle", user.post(&favorite)),
        ("remove a favorite", user.delete(&favorite)),
        ("add a favorite", user.put(&favorite)),
        (
            "update",
            user.patch(&movie)
                .json(&json!({"title": "Aliens", "favorite": false})),
        ),
        ("replace", user.put(&movie).json(&alien())),
        ("register", user.post("/api/auth/register/").json(&register)),
        ("login", user.post("/api/auth/login/").json(&login)),
        (
            "refresh",
            user.post("/api/auth/refresh/")
                .json(&json!({"refresh": user.refresh})),
        ),
        (
            "logout",
            user.post("/api/auth/logout/")
                .json(&json!({"refresh": user.refresh})),
        ),
        ("delete", user.delete(&movie)),
    ]
}

/// Guarantee 30. The SDK's retry carries the same token, so what was done isn't done again, nor undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_favorite_whose_answer_was_lost_is_neither_undone_nor_doubled() {
    let (proxied, user, id) = stage().await;
    let path = format!("/api/movies/{id}/favorite/");
    for lost in 1..=3 {
        for on in [true, false] {
            proxied
                .proxy
                .inject("TransactWriteItems", 0..lost, Fault::AnswerLost);
            proxied.proxy.take();
            let answer = user.post(&path).send().await.is(200);
            proxied.proxy.clear_faults();
            assert_eq!(answer.body["favorite"], json!(on));
            assert_eq!(answer.body["favorite_count"], json!(u64::from(on)));
            let tries = proxied
                .proxy
                .take()
                .into_iter()
                .filter(|c| c.operation == "TransactWriteItems");
            assert_eq!(tries.count(), lost + 1);
            let is = user.get(&format!("/api/movies/{id}/")).send().await.is(200);
            assert_eq!(is.body["favorite_count"], json!(u64::from(on)));
            audit(&proxied.app.running.state.store).await;
        }
    }
}

/// Guarantees 30 and 32: what holds for a favorite holds for every change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_done_twice_when_its_answer_was_lost() {
    let (proxied, user, id) = stage().await;
    for operation in TABLE_CALLS {
        let (user, id) = match operation {
            "GetItem" => (user.clone(), id),
            _ => {
                let user = proxied.app.member().await;
                let id = user.add(&alien()).await["id"].as_u64().unwrap();
                (user, id)
            }
        };
        for (name, call) in every_request(&user, id) {
            let call = match name {
                // Each round needs a name of its own.
                "register" => user.post("/api/auth/register/").json(&json!({
                    "username": format!("new-{operation}"),
                    "email": format!("new-{operation}@example.com"),
                    "password": PASSWORD,
                })),
                _ => call,
            };
            let before = user.get("/api/movies/?limit=1").send().await.body["count"]
                .as_u64()
                .unwrap();
            proxied.proxy.inject(operation, 0..3, Fault::AnswerLost);
            let answer = bounded(call.send()).await;
            proxied.proxy.clear_faults();
            assert!(
                answer.status.is_success(),
                "{name} without an answer to {operation}: {}",
                answer.text
            );
            let after = user.get("/api/movies/?limit=1").send().await.body["count"]
                .as_u64()
                .unwrap();
            let expected = match name {
                "create" => before + 1,
                "delete" => before - 1,
                _ => before,
            };
            assert_eq!(after, expected, "{name} without an answer to {operation}");
        }
        audit(&proxied.app.running.state.store).await;
    }
}

/// Guarantee 33: a conflict is tried again until it is done, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_cancels_a_transaction_for_a_while_it_is_done_once_in_the_end() {
    let (proxied, user, id) = stage().await;
    let reasons = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ];
    for (n, reason) in reasons.into_iter().enumerate() {
        proxied
            .proxy
            .inject("TransactWriteItems", 0..6, Fault::Canceled(reason));
        let answer = user
            .post(&format!("/api/movies/{id}/favorite/"))
            .send()
            .await
            .is(200);
        assert_eq!(answer.body["favorite"], json!(n % 2 == 0), "{reason}");
        assert_eq!(answer.body["favorite_count"], json!((n + 1) % 2), "{reason}");
        proxied.proxy.clear_faults();
    }
    for (name, call) in every_request(&user, id) {
        proxied
            .proxy
            .inject("TransactWriteItems", 0..4, Fault::Canceled("TransactionConflict"));
        proxied.proxy.inject(
            "UpdateItem",
            0..4,
            Fault::Refused(400, "TransactionConflictException"),
        );
        let answer = bounded(call.send()).await;
        assert!(answer.status.is_success(), "{name}: {}", answer.text);
        proxied.proxy.clear_faults();
    }
    assert_eq!(user.get("/api/movies/").send().await.body["count"], json!(1));
    audit(&proxied.app.running.state.store).await;
}

/// Guarantee 33: a throttle or an error of the table that passes is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_refuses_for_a_moment_is_asked_again() {
    for (status, code) in [
        (400, "ProvisionedThroughputExceededException"),
        (400, "ThrottlingException"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ] {
        let (proxied, user, id) = stage().await;
        for (name, call) in every_request(&user, id) {
            proxied.proxy.inject("*", 0..1, Fault::Refused(status, code));
            let answer = bounded(call.send()).await;
            assert!(answer.status.is_success(), "{name} with {code}: {}", answer.text);
            proxied.proxy.clear_faults();
        }
        audit(&proxied.app.running.state.store).await;
    }
}

/// Guarantee 33: canceled for ever, a change isn't done, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_always_canceled_is_503_and_leaves_nothing_behind() {
    for (reason, status) in [
        ("TransactionConflict", 503),
        ("ThrottlingError", 503),
        ("ProvisionedThroughputExceeded", 503),
        // What no retry can mend is a bug, and says no more than that.
        ("ValidationError", 500),
        ("ItemCollectionSizeLimitExceeded", 500),
    ] {
        let (proxied, user, id) = stage_with(|options| options.config.http.deadline = SHORT).await;
        proxied
            .proxy
            .inject("TransactWriteItems", FOR_EVER, Fault::Canceled(reason));
        let favorite = user.put(&format!("/api/movies/{id}/favorite/")).0;
        let create = user.post("/api/movies/").json(&alien()).0;
        let change = user
            .patch(&format!("/api/movies/{id}/"))
            .json(&json!({"title": "Aliens"}))
            .0;
        let calls = [favorite, create, change].map(|call| tokio::spawn(call.timeout(BOUND).send()));
        for call in calls {
            let answer = call.await.unwrap().unwrap();
            assert_eq!(answer.status().as_u16(), status, "{reason}");
            assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
            let text = answer.text().await.unwrap();
            assert!(!text.contains(reason) && !text.contains("Transact"), "{text}");
        }
        proxied.proxy.clear_faults();
        let list = user.get("/api/movies/").send().await.is(200);
        assert_eq!(list.ids(), [id]);
        assert_eq!(list.body["results"][0]["title"], json!("Alien"));
        assert_eq!(list.body["results"][0]["favorite_count"], json!(0));
        audit(&proxied.app.running.state.store).await;
    }
}

/// Guarantee 34.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_batch_leaves_unprocessed_is_asked_for_again_until_nothing_is_left() {
    let (proxied, user, _) = stage().await;
    let mut fans = vec![user.clone()];
    for _ in 0..4 {
        fans.push(proxied.app.member().await);
    }
    let mut ids = Vec::new();
    for n in 0..30 {
        let id = user
            .add(&movie(&format!("Movie {n}"), "Somebody", "War", "2001-01-01"))
            .await["id"]
            .clone();
        if n < 3 {
            for fan in &fans {
                fan.put(&format!("/api/movies/{id}/favorite/"))
                    .send()
                    .await
                    .is(200);
            }
        }
        ids.push(id.as_u64().unwrap());
    }
    let lists = [
        "/api/movies/?limit=100",
        "/api/movies/?genre=war&limit=100",
        "/api/movies/?ordering=-release_date&limit=100",
        "/api/movies/categories/",
        "/api/movies/most-liked/",
        "/api/movies/search/?q=movie&limit=100",
        "/api/users/me/favorites/",
    ];
    let mut whole = Vec::new();
    for path in lists {
        whole.push(user.get(path).send().await.is(200).body);
    }
    proxied.proxy.inject("BatchGetItem", FOR_EVER, Fault::HalfDone);
    for (path, whole) in lists.iter().zip(&whole) {
        assert_eq!(
            bounded(user.get(path).send()).await.is(200).body,
            *whole,
            "{path}"
        );
    }
    proxied.proxy.clear_faults();
    proxied.proxy.inject("BatchGetItem", 0..3, Fault::NothingDone);
    assert_eq!(bounded(user.get(lists[0]).send()).await.is(200).body, whole[0]);
    proxied.proxy.clear_faults();
    // A deleted movie's favorites go in a batch as well.
    proxied.proxy.inject("BatchWriteItem", FOR_EVER, Fault::HalfDone);
    for id in &ids[..2] {
        bounded(user.delete(&format!("/api/movies/{id}/")).send())
            .await
            .is(204);
    }
    proxied.proxy.clear_faults();
    proxied.proxy.inject("BatchWriteItem", 0..2, Fault::NothingDone);
    bounded(user.delete(&format!("/api/movies/{}/", ids[2])).send())
        .await
        .is(204);
    proxied.proxy.clear_faults();
    let store = &proxied.app.running.state.store;
    assert_eq!(store.sweep_favorites().await.unwrap(), 0, "favorites are left");
    audit(store).await;

    // For ever is too long.
    proxied.proxy.inject("BatchGetItem", FOR_EVER, Fault::NothingDone);
    bounded(user.get(lists[1]).send())
        .await
        .is_problem(503, "unavailable");
}

/// Guarantee 32: a deletion that is cut off between the movie and its favorites is finished by the sweep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_is_cut_off_shows_no_movie_and_leaves_its_favorites_to_the_sweep() {
    let (proxied, user, id) = stage().await;
    let path = format!("/api/movies/{id}/");
    user.put(&format!("{path}favorite/")).send().await.is(200);
    proxied.proxy.inject(
        "BatchWriteItem",
        FOR_EVER,
        Fault::Refused(500, "InternalServerError"),
    );
    let answer = bounded(user.delete(&path).send()).await;
    assert!(matches!(answer.status.as_u16(), 204 | 503), "{}", answer.text);
    proxied.proxy.clear_faults();
    user.get(&path).send().await.is(404);
    let mine = user.get("/api/users/me/favorites/").send().await.is(200);
    assert_eq!(mine.ids(), [0; 0]);
    let store = &proxied.app.running.state.store;
    audit(store).await;
    assert_eq!(store.sweep_favorites().await.unwrap(), 1);
    assert_eq!(store.sweep_favorites().await.unwrap(), 0);
    audit(store).await;
}

/// Batches that are done by half, and answers that never come, while items are written and chunks committed side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_through_the_fault_proxy_that_loses_answers_adds_every_movie_once() {
    let proxied = ProxiedApp::new().await;
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("movies.csv");
    let mut csv = String::from("title,description,release_date,director,genre\n");
    for n in 0..2_000 {
        let year = 1950 + n % 60;
        writeln!(csv, "Movie {n:04},No. {n},{year}-01-01,Somebody {},Drama", n % 7).unwrap();
    }
    std::fs::write(&file, csv).unwrap();
    let proxy = &proxied.proxy;
    proxy.inject("BatchWriteItem", 3..9, Fault::HalfDone);
    proxy.inject("BatchWriteItem", 12..14, Fault::AnswerLost);
    proxy.inject("TransactWriteItems", 1..2, Fault::AnswerLost);
    proxy.inject("TransactWriteItems", 5..8, Fault::Canceled("TransactionConflict"));
    let store = Store::new(client::local(&proxy.url), proxy.table.name(), Clock::default());
    let source = Source::File(file);
    let importer = Importer::new(store, None);
    let report = importer.run(&source).await.unwrap();
    assert_eq!(report, Report::of_all(2_000));
    let again = importer.run(&source).await.unwrap();
    assert_eq!((again.movies, again.counts.there, again.counts.left_out), (0, 2_000, 0));
    proxy.clear_faults();
    audit(&proxy.store().await).await;
    let drama = proxied.app.anonymous().get("/api/movies/?genre=drama&limit=1");
    assert_eq!(drama.send().await.is(200).body["count"], 2_000);
}
