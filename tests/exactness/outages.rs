//! Outages of the table. An outage of a few seconds delays requests and fails none. During a longer one, requests are
//! answered `503` within the deadline. No change is made twice.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use marquee_shared::db::Store;
use serde_json::{Value, json};

use super::faults::{FOR_EVER, SHORT, alien, bounded, every_request, proxied_with};
use crate::support::{
    Answer, Call, Caller, PASSWORD,
    audit::audit,
    proxy::{Fault, FaultProxy, ProxiedApp},
};

/// The duration of an outage that requests survive.
const OUTAGE: Duration = Duration::from_secs(3);

/// The gateway's time limit. A request that takes longer hangs.
const HANGS_AFTER: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_health_is_503_within_five_seconds_while_the_table_is_away_and_200_afterwards() {
    let proxied = ProxiedApp::new().await;
    let caller = proxied.app.anonymous();
    for outage in Outage::ALL {
        outage.begin(&proxied.proxy);
        let begun = Instant::now();
        let health = caller.get("/api/health/").send().await;
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{outage:?}: {:?}",
            begun.elapsed()
        );
        assert_eq!(health.header("cache-control"), "no-store", "{outage:?}");
        health.is_problem(503, "unavailable");
        outage.end(&proxied.proxy);
        caller.get("/api/health/").send().await.is(200);
    }
    // A table that doesn't exist doesn't answer either.
    proxied
        .proxy
        .inject("*", FOR_EVER, Fault::Refused(400, "ResourceNotFoundException"));
    let health = caller.get("/api/health/").send().await;
    assert_eq!(health.header("cache-control"), "no-store");
    health.is_problem(503, "unavailable");
    proxied.proxy.clear_faults();
}

const RESET: &str = "/api/auth/password-reset/";
const NEW_PASSWORD: &str = "another long passphrase";

/// A kind of outage.
#[derive(Clone, Copy, Debug)]
enum Outage {
    /// Every call to the table has this fault.
    Fault(Fault),
    /// Connections are closed, and new ones are refused.
    Down,
}

impl Outage {
    const ALL: [Self; 7] = [
        Self::Fault(Fault::AnswerLost),
        Self::Fault(Fault::AnswerCut),
        Self::Fault(Fault::CallLost),
        Self::Fault(Fault::NoAnswer),
        Self::Fault(Fault::Refused(500, "InternalServerError")),
        Self::Fault(Fault::Refused(400, "ProvisionedThroughputExceededException")),
        Self::Down,
    ];

    fn begin(self, proxy: &FaultProxy) {
        match self {
            Self::Fault(fault) => proxy.inject("*", FOR_EVER, fault),
            Self::Down => proxy.take_down(true),
        }
    }

    fn end(self, proxy: &FaultProxy) {
        match self {
            Self::Fault(_) => proxy.clear_faults(),
            Self::Down => proxy.take_down(false),
        }
    }
}

/// The state of a movie after a change.
#[derive(Clone, Copy, Debug)]
struct ExpectedMovie {
    title: &'static str,
    edits: u64,
    favorite: bool,
}

/// The name of a request and its expected result.
#[derive(Clone, Copy, Debug)]
struct Change {
    name: &'static str,
    /// The expected status.
    status: u16,
    /// The movie that the request changes, and its state afterward. The state is `None` if the movie is deleted.
    movie: Option<(u64, Option<ExpectedMovie>)>,
}

/// Makes a request of the user that changes the movie at this path.
type MakeCall = fn(&Caller, &str) -> Call;

/// A user with the movies and sessions for every kind of change. Each change has its own movie or session, so that all
/// changes can be made at the same time.
struct Fixture {
    proxied: ProxiedApp,
    user: Caller,
    movies: u64,
    users: u64,
    refresh: String,
    logout: String,
    /// The password reset token of another user.
    reset: String,
}

impl Fixture {
    async fn new(deadline: Duration) -> Self {
        let (proxied, user, _) = proxied_with(|options| options.config.http.deadline = deadline).await;
        // The changes have no new word, which would be a transaction of its own.
        let mut aliens = alien();
        aliens["title"] = json!("Aliens");
        let id = user.add(&aliens).await["id"].clone();
        user.delete(&format!("/api/movies/{id}/")).send().await.is(204);
        // Another user, because all of its sessions end.
        let forgetful = proxied.app.member().await;
        let reset = proxied.app.with_reset_token(forgetful).await.reset;
        let mut tokens = Vec::new();
        for _ in 0..2 {
            let answer = user.login().await.is(200);
            tokens.push(answer.body["refresh"].as_str().unwrap().to_owned());
        }
        Self {
            movies: user.count("/api/movies/").await,
            users: user.count("/api/users/").await,
            logout: tokens.pop().unwrap(),
            refresh: tokens.pop().unwrap(),
            reset,
            proxied,
            user,
        }
    }

    /// Adds a movie, and adds it to the user's favorites if `favorite` is true. Returns its id.
    async fn movie(&mut self, favorite: bool) -> u64 {
        let mut movie = alien();
        movie["favorite"] = json!(favorite);
        self.movies += 1;
        self.user.add(&movie).await["id"].as_u64().unwrap()
    }

    /// Returns the changes of movies that take one transaction each.
    async fn changes(&mut self) -> Vec<(Change, Call)> {
        let was = ExpectedMovie {
            title: "Alien",
            edits: 0,
            favorite: false,
        };
        let liked = ExpectedMovie {
            favorite: true,
            ..was
        };
        let edited = ExpectedMovie {
            title: "Aliens",
            edits: 1,
            ..was
        };
        let title = json!({"title": "Aliens"});
        let with_favorite = json!({"title": "Aliens", "favorite": true});
        let without_favorite = json!({"title": "Aliens", "favorite": false});
        let mut whole = alien();
        whole["title"] = json!("Aliens");
        let kinds: [(_, _, MakeCall, Value, _); 12] = [
            (
                "toggle on",
                false,
                |u, m| u.post(&format!("{m}favorite/")),
                Value::Null,
                Some(liked),
            ),
            (
                "toggle off",
                true,
                |u, m| u.post(&format!("{m}favorite/")),
                Value::Null,
                Some(was),
            ),
            (
                "toggle on with a key",
                false,
                |u, m| u.post(&format!("{m}favorite/")).header("idempotency-key", m),
                Value::Null,
                Some(liked),
            ),
            (
                "toggle off with a key",
                true,
                |u, m| u.post(&format!("{m}favorite/")).header("idempotency-key", m),
                Value::Null,
                Some(was),
            ),
            (
                "add a favorite",
                false,
                |u, m| u.put(&format!("{m}favorite/")),
                Value::Null,
                Some(liked),
            ),
            (
                "remove a favorite",
                true,
                |u, m| u.delete(&format!("{m}favorite/")),
                Value::Null,
                Some(was),
            ),
            ("edit", false, |u, m| u.patch(m), title, Some(edited)),
            (
                "edit and favorite",
                false,
                |u, m| u.patch(m),
                with_favorite,
                Some(ExpectedMovie {
                    favorite: true,
                    ..edited
                }),
            ),
            (
                "edit and no favorite",
                true,
                |u, m| u.patch(m),
                without_favorite,
                Some(edited),
            ),
            ("replace", false, |u, m| u.put(m), whole, Some(edited)),
            ("delete", false, |u, m| u.delete(m), Value::Null, None),
            ("delete a favorite", true, |u, m| u.delete(m), Value::Null, None),
        ];
        let mut changes = Vec::new();
        for (name, favorite, call, body, expected) in kinds {
            let id = self.movie(favorite).await;
            let mut call = call(&self.user, &format!("/api/movies/{id}/"));
            if !body.is_null() {
                call = call.json(&body);
            }
            let status = if expected.is_some() { 200 } else { 204 };
            self.movies -= u64::from(expected.is_none());
            let movie = Some((id, expected));
            changes.push((Change { name, status, movie }, call));
        }
        changes
    }

    /// Returns the other changes: those that reserve an id first, and those of sessions.
    fn other_changes(&mut self) -> Vec<(Change, Call)> {
        let user = &self.user;
        let mut liked = alien();
        liked["favorite"] = json!(true);
        let register = json!({"username": "newcomer", "email": "newcomer@example.com", "password": PASSWORD});
        let ask = json!({"email": "newcomer@example.com"});
        let reset = json!({"token": self.reset, "password": NEW_PASSWORD});
        let others = [
            ("create", user.post("/api/movies/").json(&alien()), 201),
            ("create a favorite", user.post("/api/movies/").json(&liked), 201),
            (
                "create with a key",
                user.post("/api/movies/")
                    .json(&liked)
                    .header("idempotency-key", "key"),
                201,
            ),
            ("register", user.post("/api/auth/register/").json(&register), 201),
            ("login", user.login_call(), 200),
            ("refresh", user.with_token("refresh", &self.refresh), 200),
            ("logout", user.with_token("logout", &self.logout), 204),
            ("ask for a reset", user.post(RESET).json(&ask), 202),
            ("reset", user.post(&format!("{RESET}confirm/")).json(&reset), 204),
        ];
        self.movies += 3;
        self.users += 1;
        let movie = None;
        let change = |(name, call, status)| (Change { name, status, movie }, call);
        others.map(change).into()
    }

    /// Returns every kind of read.
    fn reads(&self, movie: u64) -> impl Iterator<Item = (Change, Call)> {
        let requests = every_request(&self.user, movie).into_iter();
        let reads = requests.filter(|request| request.is_read);
        reads.map(|request| {
            let (name, status, movie) = (request.name, 200, None);
            (Change { name, status, movie }, request.call)
        })
    }

    /// Asserts that every change was answered and was made once.
    async fn check(&self, what: &str, answers: &[(Change, Answer, Duration)]) {
        let (user, store) = (&self.user, self.proxied.proxy.store().await);
        for (Change { name, status, movie }, answer, took) in answers {
            let context = format!("{name} in {what} after {took:?}: {}", answer.text);
            assert_eq!(answer.status.as_u16(), *status, "{context}");
            let Some((id, expected)) = movie else { continue };
            let shown = user.get(&format!("/api/movies/{id}/")).send().await;
            let Some(expected) = expected else {
                shown.is(404);
                continue;
            };
            assert_eq!(shown.body["title"], expected.title, "{context}");
            assert_eq!(shown.body["favorite"], expected.favorite, "{context}");
            assert_eq!(
                shown.body["favorite_count"],
                u64::from(expected.favorite),
                "{context}"
            );
            assert_eq!(shown.body["version"], expected.edits + 1, "{context}");
            for field in ["favorite", "favorite_count"] {
                assert_eq!(answer.body[field], shown.body[field], "{context}");
            }
        }
        assert_eq!(user.count("/api/movies/").await, self.movies, "{what}");
        assert_eq!(user.count("/api/users/").await, self.users, "{what}");
        for (change, answer, _) in answers {
            match change.name {
                "refresh" | "login" | "register" => {
                    let token = answer.body["refresh"].as_str().unwrap();
                    user.with_token("refresh", token).send().await.is(200);
                }
                "reset" => {
                    // It was made, and the token was used up.
                    let body = json!({"token": self.reset, "password": NEW_PASSWORD});
                    let again = user.post(&format!("{RESET}confirm/")).json(&body);
                    again.send().await.is(400).names(&["token"]);
                }
                "logout" => {
                    user.with_token("refresh", &self.logout).send().await.is(401);
                }
                _ => {}
            }
        }
        sweep_all(&store).await;
        audit(&store).await;
    }
}

/// Sends all requests at the same time.
async fn send_all(changes: Vec<(Change, Call)>) -> Vec<(Change, Answer, Duration)> {
    let sent = changes.into_iter().map(|(change, call)| {
        tokio::spawn(async move {
            let begun = Instant::now();
            let answer = tokio::time::timeout(HANGS_AFTER, call.send()).await;
            (change, answer.expect(change.name), begun.elapsed())
        })
    });
    let sent: Vec<_> = sent.collect();
    let mut answers = Vec::new();
    for task in sent {
        answers.push(task.await.unwrap());
    }
    answers
}

/// Runs the test for every outage, each with its own server. A few run at a time, because the requests of all of them
/// would keep two cores busy for longer than the outage.
async fn for_every_outage<F: Future<Output = ()> + Send + 'static>(test: fn(Outage) -> F) {
    for outages in Outage::ALL.chunks(3) {
        let outages: Vec<_> = outages.iter().map(|outage| tokio::spawn(test(*outage))).collect();
        for outage in outages {
            outage.await.unwrap();
        }
    }
}

pub(super) async fn sweep_all(store: &Store) {
    while store.sweep_favorites().await.unwrap() > 0 {}
}

/// Guarantees 30, 32, 33 and 35. Requests and outages run concurrently, so that the suite waits only a few times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_and_every_change_made_once_despite_an_outage_of_3_seconds() {
    for_every_outage(survive).await;
}

async fn survive(outage: Outage) {
    // Twice the default, because this machine may be busy.
    let mut fixture = Fixture::new(Duration::from_secs(20)).await;
    let movie = fixture.movie(false).await;
    let mut calls = fixture.changes().await;
    calls.extend(fixture.other_changes());
    calls.extend(fixture.reads(movie));
    outage.begin(&fixture.proxied.proxy);
    let answers = tokio::spawn(send_all(calls));
    tokio::time::sleep(OUTAGE).await;
    outage.end(&fixture.proxied.proxy);
    fixture
        .check(&format!("{outage:?}"), &answers.await.unwrap())
        .await;
}

/// Guarantees 33 and 35.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_that_lasts_is_503_with_retry_after_within_the_deadline() {
    for_every_outage(fail_within_deadline).await;
}

async fn fail_within_deadline(outage: Outage) {
    let mut fixture = Fixture::new(SHORT).await;
    let movie = fixture.movie(false).await;
    let mut calls = fixture.changes().await;
    calls.extend(fixture.other_changes());
    calls.extend(fixture.reads(movie));
    outage.begin(&fixture.proxied.proxy);
    let answers = send_all(calls).await;
    outage.end(&fixture.proxied.proxy);
    for (change, answer, took) in answers {
        let context = format!("{} in {outage:?}: {}", change.name, answer.text);
        assert_eq!(answer.status.as_u16(), 503, "{context}");
        assert_eq!(answer.body["code"], "unavailable", "{context}");
        assert!(
            answer.header("retry-after").parse::<u32>().unwrap() > 0,
            "{context}"
        );
        // This machine may be busy.
        assert!(took < SHORT * 2, "{took:?}: {context}");
    }
    let movie = fixture.user.get(&format!("/api/movies/{movie}/"));
    movie.send().await.is(200);
    audit(&fixture.proxied.proxy.store().await).await;
}

/// Guarantee 30. No answer to a transaction arrives before the deadline. Reading the table shows whether it was
/// committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_change_without_an_answer_is_found_by_reading_and_answered_as_made() {
    let mut fixture = Fixture::new(SHORT).await;
    let mut calls = fixture.changes().await;
    let others = fixture.other_changes().into_iter();
    calls.extend(others.filter(|(change, _)| change.status == 201));
    fixture
        .proxied
        .proxy
        .inject("TransactWriteItems", FOR_EVER, Fault::AnswerLost);
    let answers = send_all(calls).await;
    fixture.proxied.proxy.clear_faults();
    fixture.check("lost answers", &answers).await;
}

/// Guarantee 30: reading does not find a change that was not committed, so the answer is `503`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_not_committed_is_503_and_leaves_nothing_behind() {
    let mut fixture = Fixture::new(SHORT).await;
    let mut before = Vec::new();
    let mut calls = fixture.changes().await;
    for (change, _) in &calls {
        let (id, _) = change.movie.unwrap();
        let shown = fixture.user.get(&format!("/api/movies/{id}/")).send().await;
        before.push((id, shown.text));
    }
    let count = fixture.user.count("/api/movies/").await;
    let others = fixture.other_changes().into_iter();
    calls.extend(others.filter(|(change, _)| change.status == 201));
    fixture
        .proxied
        .proxy
        .inject("TransactWriteItems", FOR_EVER, Fault::CallLost);
    for (change, answer, _) in send_all(calls).await {
        assert_eq!(answer.status.as_u16(), 503, "{}: {}", change.name, answer.text);
    }
    fixture.proxied.proxy.clear_faults();
    for (id, text) in before {
        let shown = fixture.user.get(&format!("/api/movies/{id}/")).send().await;
        assert_eq!(shown.text, text);
    }
    assert_eq!(fixture.user.count("/api/movies/").await, count);
    audit(&fixture.proxied.proxy.store().await).await;
}

/// Guarantee 10: if the table does not answer a refresh, the client gets `503` early enough to send it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_is_answered_503_can_be_sent_again_within_the_grace_period() {
    let fixture = Fixture::new(Duration::from_secs(60)).await;
    let proxy = &fixture.proxied.proxy;
    proxy.inject("UpdateItem", FOR_EVER, Fault::AnswerLost);
    let begun = Instant::now();
    let refresh = fixture.user.with_token("refresh", &fixture.refresh);
    bounded(refresh.send()).await.is_problem(503, "unavailable");
    let took = begun.elapsed();
    proxy.clear_faults();
    assert!(took < Duration::from_secs(9), "{took:?}");
    let again = fixture.user.with_token("refresh", &fixture.refresh);
    let next = again.send().await.is(200).body["refresh"].clone();
    let next = fixture.user.with_token("refresh", next.as_str().unwrap());
    next.send().await.is(200);
    audit(&proxy.store().await).await;
}
