//! Faults between the server and its table: lost answers, conflicts, throttles, incomplete batches, and no answer.

use std::{
    fmt::Write as _,
    future::Future,
    time::{Duration, Instant},
};

use marquee::{
    import::{Importer, Report, Source},
    server::Options,
};
use serde_json::{Value, json};

use crate::support::{
    Answer, Call, Caller,
    audit::audit,
    movie,
    operations::{operations, sample_movie},
    proxy::{Fault, ProxiedApp, TABLE_CALLS},
};

/// Every call from now on.
pub(super) const FOR_EVER: std::ops::Range<usize> = 0..usize::MAX;

/// The longest that a request may take on a busy machine, its deadline included. The gateway gives up after 30 seconds.
const BOUND: Duration = Duration::from_secs(20);

/// A deadline for requests that are expected to reach it.
pub(super) const SHORT: Duration = Duration::from_secs(3);

/// A server behind a fault proxy, a user, and the id of a movie of theirs.
async fn proxied_with_movie() -> (ProxiedApp, Caller, u64) {
    proxied_with(|_| {}).await
}

/// The same with other options.
pub(super) async fn proxied_with(change: impl FnOnce(&mut Options)) -> (ProxiedApp, Caller, u64) {
    let proxied = ProxiedApp::with(change).await;
    let user = proxied.app.member().await;
    let user = proxied.app.with_reset_token_of_another(user).await;
    let id = user.add(&alien()).await["id"].as_u64().unwrap();
    // A warm function has read the keys.
    user.get("/api/movies/?limit=1").send().await.is(200);
    (proxied, user, id)
}

/// The movie of the tests, called Alien.
pub(super) fn alien() -> Value {
    sample_movie()
}

/// Sends a request that must be answered within [`BOUND`].
pub(super) async fn bounded(call: impl Future<Output = Answer>) -> Answer {
    let begun = Instant::now();
    let answer = tokio::time::timeout(BOUND, call).await.expect("no answer");
    assert!(begun.elapsed() < BOUND);
    answer
}

/// A sample request.
pub(super) struct SampleRequest {
    /// The operation's id.
    pub(super) name: &'static str,
    /// Whether it changes nothing.
    pub(super) is_read: bool,
    /// The request.
    pub(super) call: Call,
}

/// Every sample request of every operation that needs the table, by this user about this movie, in an order in which each
/// finds what it needs.
pub(super) fn every_request(user: &Caller, id: u64) -> Vec<SampleRequest> {
    let mut requests = Vec::new();
    // The operations that don't read a token answer from memory.
    for operation in operations()
        .iter()
        .filter(|operation| operation.sample.reads_token)
    {
        for (_, call) in operation.requests(user, &json!(id), user) {
            requests.push(SampleRequest {
                name: operation.sample.id,
                is_read: operation.method == "GET",
                call,
            });
        }
    }
    requests
}

/// Guarantee 30. A retry carries the same `ClientRequestToken`, so a change that was committed isn't repeated or undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_favorite_whose_answer_was_lost_is_neither_undone_nor_doubled() {
    let (proxied, user, id) = proxied_with_movie().await;
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

/// Guarantees 30 and 32: the same for every change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_change_is_done_twice_when_its_answer_was_lost() {
    let (proxied, user, id) = proxied_with_movie().await;
    for operation in TABLE_CALLS {
        let (user, id) = match operation {
            "GetItem" => (user.clone(), id),
            _ => {
                let user = proxied.app.member().await;
                let user = proxied.app.with_reset_token_of_another(user).await;
                let id = user.add(&alien()).await["id"].as_u64().unwrap();
                (user, id)
            }
        };
        // The last request deletes the account.
        let anyone = user.signed_out();
        for SampleRequest { name, call, .. } in every_request(&user, id) {
            let before = anyone.count("/api/movies/").await;
            proxied.proxy.inject(operation, 0..3, Fault::AnswerLost);
            let answer = bounded(call.send()).await;
            proxied.proxy.clear_faults();
            assert!(
                answer.status.is_success(),
                "{name} without an answer to {operation}: {}",
                answer.text
            );
            let after = anyone.count("/api/movies/").await;
            let expected = match name {
                "create_movie" => before + 1,
                "delete_movie" => before - 1,
                _ => before,
            };
            assert_eq!(after, expected, "{name} without an answer to {operation}");
        }
        audit(&proxied.app.running.state.store).await;
    }
}

/// Guarantee 33: a canceled transaction is retried until it commits, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_cancels_a_transaction_for_a_while_it_is_done_once_in_the_end() {
    let (proxied, user, id) = proxied_with_movie().await;
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
    for SampleRequest { name, call, .. } in every_request(&user, id) {
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
    assert_eq!(user.signed_out().count("/api/movies/").await, 1);
    audit(&proxied.app.running.state.store).await;
}

/// Guarantee 33: a call that was throttled or failed is retried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_refuses_for_a_moment_is_asked_again() {
    for (status, code) in [
        (400, "ProvisionedThroughputExceededException"),
        (400, "ThrottlingException"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ] {
        let (proxied, user, id) = proxied_with_movie().await;
        for SampleRequest { name, call, .. } in every_request(&user, id) {
            proxied.proxy.inject("*", 0..1, Fault::Refused(status, code));
            let answer = bounded(call.send()).await;
            assert!(answer.status.is_success(), "{name} with {code}: {}", answer.text);
            proxied.proxy.clear_faults();
        }
        audit(&proxied.app.running.state.store).await;
    }
}

/// Guarantee 33: a change whose transaction is canceled every time isn't made, and the answer says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_always_canceled_is_503_and_leaves_nothing_behind() {
    for (reason, status) in [
        ("TransactionConflict", 503),
        ("ThrottlingError", 503),
        ("ProvisionedThroughputExceeded", 503),
        // A reason that no retry can change is a bug. The answer doesn't name it.
        ("ValidationError", 500),
        ("ItemCollectionSizeLimitExceeded", 500),
    ] {
        let (proxied, user, id) = proxied_with(|options| options.config.http.deadline = SHORT).await;
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
    let (proxied, user, _) = proxied_with_movie().await;
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
    // The favorites of a deleted movie are deleted in batches too.
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

    // The deadline ends the retries.
    proxied.proxy.inject("BatchGetItem", FOR_EVER, Fault::NothingDone);
    bounded(user.get(lists[1]).send())
        .await
        .is_problem(503, "unavailable");
}

/// Guarantee 32: the sweep finishes a deletion that ended between the movie and its favorites.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_is_cut_off_shows_no_movie_and_leaves_its_favorites_to_the_sweep() {
    let (proxied, user, id) = proxied_with_movie().await;
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

/// Half of a batch is written, answers are lost, and a transaction is canceled, while several chunks are written at once. Ids whose
/// answer was lost are taken again, so there is a gap before the first movie.
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
    // The first 1,024 ids.
    proxy.inject("UpdateItem", 0..1, Fault::AnswerLost);
    proxy.inject("BatchWriteItem", 3..9, Fault::HalfDone);
    proxy.inject("BatchWriteItem", 12..14, Fault::AnswerLost);
    proxy.inject("TransactWriteItems", 1..2, Fault::AnswerLost);
    proxy.inject("TransactWriteItems", 5..8, Fault::Canceled("TransactionConflict"));
    let source = Source::File(file);
    let importer = Importer::new(proxy.proxied_store(), None);
    let report = importer.run(&source).await.unwrap();
    assert_eq!(report, Report::of_all(2_000));
    let again = importer.run(&source).await.unwrap();
    assert_eq!(
        (again.movies, again.counts.there, again.counts.left_out),
        (0, 2_000, 0)
    );
    proxy.clear_faults();
    audit(&proxy.store().await).await;
    let drama = proxied.app.anonymous().get("/api/movies/?genre=drama&limit=1");
    assert_eq!(drama.send().await.is(200).body["count"], 2_000);
    for (ordering, first) in [("id", 1_025), ("-id", 3_024)] {
        let path = format!("/api/movies/?ordering={ordering}&limit=1");
        let page = proxied.app.anonymous().get(&path).send().await.is(200);
        assert_eq!((page.ids(), &page.body["count"]), (vec![first], &2_000.into()));
    }
}
