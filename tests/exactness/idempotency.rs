//! Guarantee 74: a request with an `Idempotency-Key` makes its change once, in races, without answers and after crashes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::RngExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    crash::RunningServer,
    faults::{FOR_EVER, SHORT, alien, bounded, proxied_with},
    races::run_all,
};
use crate::support::{
    Answer, Call, Caller,
    audit::{audit, missing_words},
    movie,
    proxy::{Fault, ProxiedApp},
};

/// The number of requests in a race.
const RACERS: usize = 30;

fn keyed(call: Call, key: &str) -> Call {
    call.header("idempotency-key", key)
}

fn addition(user: &Caller, key: &str) -> Call {
    keyed(user.post("/api/movies/").json(&alien()), key)
}

fn toggle(user: &Caller, movie: u64, key: &str) -> Call {
    keyed(user.post(&format!("/api/movies/{movie}/favorite/")), key)
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.contains_key("idempotency-replayed")
}

/// Asserts that all answers are the same success, and that one of them is the first.
#[track_caller]
fn assert_one_made(answers: &[Answer]) {
    let first = &answers[0];
    assert!(first.status.is_success(), "{}", first.text);
    for answer in answers {
        assert_eq!(answer.status, first.status, "{}", answer.text);
        assert_eq!(answer.text, first.text);
        assert_eq!(answer.header("location"), first.header("location"));
    }
    let made = answers.iter().filter(|answer| !is_replayed(answer)).count();
    assert_eq!(made, 1, "of {} answers", answers.len());
}

/// Whether the movie is a favorite of this user, and its count.
async fn seen(user: &Caller, movie: u64) -> (bool, u64) {
    let shown = user.get(&format!("/api/movies/{movie}/")).send().await.is(200);
    let count = shown.body["favorite_count"].as_u64().unwrap();
    (shown.body["favorite"].as_bool().unwrap(), count)
}

/// The engine runs transactions one after another. With `conflict`, the proxy cancels concurrent ones, as DynamoDB does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_concurrent_additions_with_one_key_add_one_movie() {
    for window in [None, Some(Duration::from_millis(10))] {
        let deadline = Duration::from_secs(60);
        let proxied = ProxiedApp::with(|options| options.config.http.deadline = deadline).await;
        let user = proxied.app.member().await;
        proxied.proxy.conflict(window);
        let mut wanted = alien();
        wanted["imdb_id"] = json!("tt0078748");
        wanted["favorite"] = json!(true);
        let racers = (0..RACERS).map(|_| {
            let call = keyed(user.post("/api/movies/").json(&wanted), "race");
            async move { call.send().await }
        });
        let answers = run_all(racers).await;
        proxied.proxy.conflict(None);
        assert_one_made(&answers);
        let id = answers[0].body["id"].as_u64().unwrap();
        assert_eq!(user.get("/api/movies/").send().await.is(200).ids(), [id]);
        assert_eq!(seen(&user, id).await, (true, 1));
        audit(&proxied.proxy.store().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_concurrent_toggles_with_one_key_toggle_once_while_others_toggle_too() {
    for window in [None, Some(Duration::from_millis(5))] {
        let deadline = Duration::from_secs(60);
        let proxied = ProxiedApp::with(|options| options.config.http.deadline = deadline).await;
        let user = proxied.app.member().await;
        let id = user.add(&alien()).await["id"].as_u64().unwrap();
        let mut others = Vec::new();
        for _ in 0..6 {
            others.push(proxied.app.member().await);
        }
        proxied.proxy.conflict(window);
        for (round, on) in [true, false, true].into_iter().enumerate() {
            let racers = (0..RACERS).map(|_| toggle(&user, id, &format!("round {round}").replace(' ', "-")));
            // Each of the others toggles once, under a key of its own that has the same text.
            let others = others
                .iter()
                .map(|other| toggle(other, id, &format!("other-{round}")));
            let calls = racers.chain(others).map(|call| async move { call.send().await });
            let mut answers = run_all(calls.collect::<Vec<_>>().into_iter()).await;
            for other in answers.split_off(RACERS) {
                assert!(!is_replayed(&other), "{}", other.text);
                assert_eq!(other.is(200).body["favorite"], on);
            }
            assert_one_made(&answers);
            assert_eq!(answers[0].body["favorite"], on);
            assert_eq!(seen(&user, id).await, (on, if on { 7 } else { 0 }));
        }
        proxied.proxy.conflict(None);
        audit(&proxied.proxy.store().await).await;
    }
}

/// Requests that differ under one key: one of them is made, and the others are `422`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_thirty_different_requests_with_one_key_is_made() {
    let deadline = Duration::from_secs(60);
    let proxied = ProxiedApp::with(|options| options.config.http.deadline = deadline).await;
    let user = proxied.app.member().await;
    // All read before one is made.
    proxied.proxy.gather_calls(Duration::from_millis(50));
    let racers = (0..RACERS).map(|n| {
        let wanted = movie(&format!("Movie {n}"), "Many Hands", "Shared", "2001-01-01");
        let call = keyed(user.post("/api/movies/").json(&wanted), "race");
        async move { call.send().await }
    });
    let answers = run_all(racers).await;
    proxied.proxy.gather_calls(Duration::ZERO);
    let (made, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|a| a.status == 201);
    assert_eq!(made.len(), 1);
    for other in others {
        other.is_problem(422, "idempotency_key_reused");
    }
    let list = user.get("/api/movies/").send().await.is(200);
    assert_eq!(list.body["results"], json!([made[0].body]));
    audit(&proxied.proxy.store().await).await;
}

/// The faults of a call: before it is made, and after it.
const FAULTS: [Fault; 4] = [
    Fault::CallLost,
    Fault::AnswerLost,
    Fault::AnswerCut,
    Fault::Refused(400, "ProvisionedThroughputExceededException"),
];

/// Asserts that both requests, sent once more with their keys, get the same answers, and that both changes were made once.
async fn assert_made_once(user: &Caller, movie: u64, key: &str, answers: [&Answer; 2], movies: u64) {
    for (call, answer) in [addition(user, key), toggle(user, movie, &format!("{key}-on"))]
        .into_iter()
        .zip(answers)
    {
        let again = call.send().await;
        assert!(is_replayed(&again), "{key}: {}", again.text);
        assert_eq!(
            (again.status, &again.text),
            (answer.status, &answer.text),
            "{key}"
        );
    }
    assert_eq!(user.count("/api/movies/").await, movies, "{key}");
    assert_eq!(seen(user, movie).await, (true, 1), "{key}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_a_key_whose_calls_or_answers_are_lost_is_made_once() {
    let (proxied, user, _) = proxied_with(|_| {}).await;
    let mut movies = 1;
    for operation in ["TransactWriteItems", "BatchGetItem", "UpdateItem", "*"] {
        for fault in FAULTS {
            let id = user.add(&alien()).await["id"].as_u64().unwrap();
            let key = format!("{operation}-{fault:?}").replace(' ', "");
            proxied.proxy.inject(operation, 0..2, fault);
            let added = bounded(addition(&user, &key).send()).await.is(201);
            proxied.proxy.clear_faults();
            proxied.proxy.inject(operation, 0..2, fault);
            let toggled = bounded(toggle(&user, id, &format!("{key}-on")).send())
                .await
                .is(200);
            proxied.proxy.clear_faults();
            assert!(!is_replayed(&added) && !is_replayed(&toggled), "{key}");
            assert_eq!(toggled.body["favorite"], true, "{key}");
            movies += 2;
            assert_made_once(&user, id, &key, [&added, &toggled], movies).await;
        }
    }
    audit(&proxied.proxy.store().await).await;
}

/// The deadline passes without an answer of the table, so the client gets `503`. It sends the request again with its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_a_request_again_after_a_503_gets_the_first_answer() {
    for (operation, fault, is_made) in [
        // Nothing is made.
        ("TransactWriteItems", Fault::CallLost, false),
        (
            "TransactWriteItems",
            Fault::Refused(500, "InternalServerError"),
            false,
        ),
        (
            "TransactWriteItems",
            Fault::Canceled("TransactionConflict"),
            false,
        ),
        ("*", Fault::CallLost, false),
        // Both are made. Where the table can be read, the first answer says so.
        ("TransactWriteItems", Fault::AnswerLost, true),
    ] {
        let (proxied, user, id) = proxied_with(|options| options.config.http.deadline = SHORT).await;
        let context = format!("{operation} {fault:?}");
        proxied.proxy.inject(operation, FOR_EVER, fault);
        let send =
            [addition(&user, "a"), toggle(&user, id, "b")].map(|call| tokio::spawn(bounded(call.send())));
        for call in send {
            let answer = call.await.unwrap();
            assert_eq!(answer.status.is_success(), is_made, "{context}: {}", answer.text);
            if !is_made {
                answer.is_problem(503, "unavailable");
            }
        }
        proxied.proxy.clear_faults();
        let added = addition(&user, "a").send().await.is(201);
        let toggled = toggle(&user, id, "b").send().await.is(200);
        for answer in [&added, &toggled] {
            assert_eq!(is_replayed(answer), is_made, "{context}: {}", answer.text);
        }
        assert_eq!(user.count("/api/movies/").await, 2, "{context}");
        assert_eq!(seen(&user, id).await, (true, 1), "{context}");
        audit(&proxied.proxy.store().await).await;
    }
}

/// The answer to the transaction is lost, and the table cannot be read afterward either: the client gets `503`, although the
/// change was made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_made_unknown_to_anybody_is_not_made_again() {
    let (proxied, user, id) = proxied_with(|options| options.config.http.deadline = SHORT).await;
    let proxy = &proxied.proxy;
    proxy.inject("TransactWriteItems", FOR_EVER, Fault::AnswerLost);
    // The reads before the transaction are answered: of the kept answer and the genres, and of the movie. No later one is.
    proxy.inject("BatchGetItem", 2..usize::MAX, Fault::AnswerLost);
    bounded(addition(&user, "a").send())
        .await
        .is_problem(503, "unavailable");
    proxy.clear_faults();
    proxy.inject("TransactWriteItems", FOR_EVER, Fault::AnswerLost);
    proxy.inject("BatchGetItem", 1..usize::MAX, Fault::AnswerLost);
    bounded(toggle(&user, id, "b").send())
        .await
        .is_problem(503, "unavailable");
    proxy.clear_faults();
    let added = addition(&user, "a").send().await.is(201);
    let toggled = toggle(&user, id, "b").send().await.is(200);
    assert!(is_replayed(&added) && is_replayed(&toggled));
    assert_eq!(toggled.body["favorite_count"], 1);
    assert_eq!(user.count("/api/movies/").await, 2);
    assert_eq!(seen(&user, id).await, (true, 1));
    audit(&proxy.store().await).await;
}

/// A change that has a conflict is made without knowing the count. If the count cannot be read in time either, no count is shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_count_cannot_be_read_is_503_and_is_made() {
    let (proxied, user, id) = proxied_with(|options| options.config.http.deadline = SHORT).await;
    let other = proxied.app.member().await;
    let (proxy, path) = (&proxied.proxy, format!("/api/movies/{id}/"));
    let favorite = format!("{path}favorite/");
    other.put(&favorite).send().await.is(200);
    for (is_on, call) in [
        (true, user.put(&favorite)),
        (false, user.delete(&favorite)),
        (true, user.post(&favorite)),
        (false, user.patch(&path).json(&json!({"favorite": false}))),
        (true, user.put(&favorite)),
    ] {
        proxy.inject("TransactWriteItems", 0..1, Fault::Canceled("TransactionConflict"));
        // Only the count is read by a GetItem.
        proxy.inject("GetItem", FOR_EVER, Fault::AnswerLost);
        bounded(call.send()).await.is_problem(503, "unavailable");
        proxy.clear_faults();
        assert_eq!(seen(&user, id).await, (is_on, 1 + u64::from(is_on)));
    }
    // With a key, the same request gets the count.
    proxy.inject("TransactWriteItems", 0..1, Fault::Canceled("TransactionConflict"));
    proxy.inject("GetItem", FOR_EVER, Fault::AnswerLost);
    bounded(toggle(&user, id, "a").send())
        .await
        .is_problem(503, "unavailable");
    proxy.clear_faults();
    let again = toggle(&user, id, "a").send().await.is(200);
    assert!(is_replayed(&again));
    assert_eq!(
        (&again.body["favorite"], &again.body["favorite_count"]),
        (&json!(false), &json!(1))
    );
    audit(&proxy.store().await).await;
}

/// A toggle that has a conflict is made without knowing the count, which is then read and kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_count_of_a_toggle_amid_others_is_answered_alike_even_if_it_was_kept_by_another_attempt() {
    let (proxied, user, id) = proxied_with(|options| options.config.http.deadline = SHORT).await;
    let other = proxied.app.member().await;
    let proxy = &proxied.proxy;
    let conflict = || proxy.inject("TransactWriteItems", 0..1, Fault::Canceled("TransactionConflict"));
    conflict();
    proxy.take();
    let on = toggle(&user, id, "a").send().await.is(200);
    let calls: Vec<_> = proxy.take().into_iter().map(|call| call.operation).collect();
    assert_eq!(
        calls,
        [
            "BatchGetItem",
            "TransactWriteItems",
            "TransactWriteItems",
            "GetItem",
            "UpdateItem"
        ]
    );
    proxy.clear_faults();
    assert_eq!(on.body["favorite_count"], 1);
    let favorite = format!("/api/movies/{id}/favorite/");
    other.put(&favorite).send().await.is(200);
    let again = toggle(&user, id, "a").send().await.is(200);
    assert!(is_replayed(&again));
    assert_eq!(again.text, on.text);

    // The count cannot be kept, so no answer is given that a replay might contradict.
    for fault in [Fault::CallLost, Fault::Refused(500, "InternalServerError")] {
        let key = format!("{fault:?}").replace(['(', ')', '"', ' '], "-");
        let before = seen(&user, id).await;
        conflict();
        proxy.inject("UpdateItem", FOR_EVER, fault);
        bounded(toggle(&user, id, &key).send())
            .await
            .is_problem(503, "unavailable");
        proxy.clear_faults();
        // Two replays read different counts, and both wait with keeping theirs.
        proxy.inject("UpdateItem", 0..6, Fault::Refused(500, "InternalServerError"));
        proxy.take();
        let early = tokio::spawn(toggle(&user, id, &key).send());
        while !proxy.take().iter().any(|call| call.operation == "UpdateItem") {
            tokio::task::yield_now().await;
        }
        other.delete(&favorite).send().await.is(200);
        let late = bounded(toggle(&user, id, &key).send()).await.is(200);
        proxy.clear_faults();
        other.put(&favorite).send().await.is(200);
        let last = toggle(&user, id, &key).send().await.is(200);
        for answer in [&early.await.unwrap(), &late, &last] {
            assert!(is_replayed(answer), "{}", answer.text);
            assert_eq!(answer.text, last.text);
        }
        assert_eq!(last.body["favorite"], !before.0);
        assert_eq!(seen(&user, id).await.0, !before.0);
    }
    // The answer to the keeping is lost.
    conflict();
    proxy.inject("UpdateItem", 0..2, Fault::AnswerLost);
    let kept = bounded(toggle(&user, id, "c").send()).await.is(200);
    proxy.clear_faults();
    other.delete(&favorite).send().await.is(200);
    assert_eq!(toggle(&user, id, "c").send().await.text, kept.text);
    audit(&proxy.store().await).await;
}

/// A request that a client sends until it is answered.
#[derive(Clone)]
struct Sent {
    key: String,
    path: String,
    body: Option<Value>,
    /// The text of its answer.
    answer: Option<Value>,
}

impl Sent {
    /// Sends it. Returns `None` if it wasn't answered.
    async fn send(&self, user: &Caller) -> Option<Value> {
        let mut call = user.call(Method::POST, &self.path);
        if let Some(body) = &self.body {
            call = call.json(body);
        }
        let response = keyed(call, &self.key).0.send().await.ok()?;
        let status = response.status();
        let text = response.text().await.ok()?;
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).ok()
    }
}

/// A user who adds movies and toggles each of them, one request after another.
struct Client {
    user: Caller,
    sent: Vec<Sent>,
}

impl Client {
    /// The next request: an addition, then toggles of the movie that was added.
    fn next(&self) -> Sent {
        let n = self.sent.len();
        let key = format!("{}-{n}", self.user.username);
        let added = self.sent.iter().rfind(|sent| sent.body.is_some());
        let (path, body) = match added.and_then(|added| added.answer.as_ref()) {
            Some(added) if !n.is_multiple_of(4) => (format!("/api/movies/{}/favorite/", added["id"]), None),
            _ => {
                let title = format!("{} {n}", self.user.username);
                let wanted = movie(&title, "A. Writer", "Thriller", "2001-01-01");
                ("/api/movies/".to_owned(), Some(wanted))
            }
        };
        let answer = None;
        Sent {
            key,
            path,
            body,
            answer,
        }
    }

    /// Sends requests until one isn't answered.
    async fn write(mut self, answered: Arc<AtomicUsize>) -> Self {
        loop {
            let mut sent = self.next();
            sent.answer = sent.send(&self.user).await;
            let is_answered = sent.answer.is_some();
            self.sent.push(sent);
            if !is_answered {
                return self;
            }
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends every request again, and asserts that each has the answer that it had.
    async fn send_all_again(&mut self, server: &RunningServer) {
        self.user.base.clone_from(&server.base);
        for sent in &mut self.sent {
            let again = sent.send(&self.user).await.unwrap();
            assert_eq!(
                *sent.answer.get_or_insert_with(|| again.clone()),
                again,
                "{}",
                sent.key
            );
        }
    }

    /// Asserts that each movie was added once, and that each toggle was made once.
    async fn check(&self) {
        let mut ids = Vec::new();
        let mut is_on = false;
        for sent in &self.sent {
            let answer = sent.answer.as_ref().unwrap();
            if sent.body.is_some() {
                ids.push(answer["id"].as_u64().unwrap());
                is_on = false;
                continue;
            }
            is_on = !is_on;
            assert_eq!(
                (&answer["favorite"], &answer["favorite_count"]),
                (&json!(is_on), &json!(u64::from(is_on))),
                "{}",
                sent.key
            );
        }
        let found = format!("/api/movies/search/?q={}&limit=100", self.user.username);
        let mut found = self.user.get(&found).send().await.is(200).ids();
        found.sort_unstable();
        assert_eq!(found, ids);
        assert_eq!(
            seen(&self.user, *ids.last().unwrap()).await,
            (is_on, u64::from(is_on))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_repeats_its_requests_after_kill_9_makes_each_once() {
    let data = tempfile::tempdir().unwrap();
    let mut server = RunningServer::start(data.path()).await;
    let mut clients = Vec::new();
    for name in ["ripley", "dallas", "lambert", "parker"] {
        let user = server.register(name).await;
        clients.push(Client {
            user,
            sent: Vec::new(),
        });
    }
    for _ in 0..3 {
        let answered = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = clients
            .into_iter()
            .map(|client| tokio::spawn(client.write(Arc::clone(&answered))))
            .collect();
        let enough = rand::rng().random_range(20..60);
        while answered.load(Ordering::Relaxed) < enough {
            tokio::task::yield_now().await;
        }
        server.child.start_kill().unwrap();
        server.wait_for_exit().await;
        clients = Vec::new();
        for task in tasks {
            clients.push(task.await.unwrap());
        }
        server = RunningServer::start(data.path()).await;
        audit(&server.table).await;
        for client in &mut clients {
            client.send_all_again(&server).await;
            client.check().await;
        }
        audit(&server.table).await;
        assert_eq!(missing_words(&server.table).await, [""; 0]);
    }
}
