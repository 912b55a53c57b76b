//! Outages: a table that is out of reach for seconds costs a request time, and no error; one that stays out of reach costs
//! it a `503` within the deadline; and a change is never made twice.

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

/// How long the outages last that a request outlives.
const OUTAGE: Duration = Duration::from_secs(3);

/// The gateway gives up after this time.
const HANGS_AFTER: Duration = Duration::from_secs(30);

/// How the table is out of reach.
#[derive(Clone, Copy, Debug)]
enum Outage {
    /// Every call meets this.
    Fault(Fault),
    /// Connections are cut, and new ones refused.
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

/// What a movie has become of a change.
#[derive(Clone, Copy, Debug)]
struct Became {
    title: &'static str,
    edits: u64,
    favorite: bool,
}

/// A request, and what is to come of it.
#[derive(Clone, Copy, Debug)]
struct Change {
    name: &'static str,
    /// What it is answered with.
    status: u16,
    /// The movie that it is made to, and what that becomes; nothing, of one that is deleted.
    movie: Option<(u64, Option<Became>)>,
}

/// How a change of one movie is asked for.
type Ask = fn(&Caller, &str) -> Call;

/// Every kind of change that a user may make, each with a movie or a session of its own, so that all can be made at once.
struct Stage {
    proxied: ProxiedApp,
    user: Caller,
    movies: u64,
    users: u64,
    refresh: String,
    logout: String,
}

impl Stage {
    async fn new(deadline: Duration) -> Self {
        let (proxied, user, _) = proxied_with(|options| options.config.http.deadline = deadline).await;
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
            proxied,
            user,
        }
    }

    /// A movie of the user's, and whether it is among their favorites.
    async fn movie(&mut self, favorite: bool) -> u64 {
        let mut movie = alien();
        movie["favorite"] = json!(favorite);
        self.movies += 1;
        self.user.add(&movie).await["id"].as_u64().unwrap()
    }

    /// Changes of movies that are one transaction each.
    async fn changes(&mut self) -> Vec<(Change, Call)> {
        let was = Became {
            title: "Alien",
            edits: 0,
            favorite: false,
        };
        let liked = Became {
            favorite: true,
            ..was
        };
        let edited = Became {
            title: "Aliens",
            edits: 1,
            ..was
        };
        let title = json!({"title": "Aliens"});
        let with_favorite = json!({"title": "Aliens", "favorite": true});
        let without_favorite = json!({"title": "Aliens", "favorite": false});
        let mut whole = alien();
        whole["title"] = json!("Aliens");
        let kinds: [(_, _, Ask, Value, _); 10] = [
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
                Some(Became {
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
        for (name, favorite, call, body, became) in kinds {
            let id = self.movie(favorite).await;
            let mut call = call(&self.user, &format!("/api/movies/{id}/"));
            if !body.is_null() {
                call = call.json(&body);
            }
            let status = if became.is_some() { 200 } else { 204 };
            self.movies -= u64::from(became.is_none());
            let movie = Some((id, became));
            changes.push((Change { name, status, movie }, call));
        }
        changes
    }

    /// What is more than one transaction: what takes an id first, and what is about sessions.
    fn others(&mut self) -> Vec<(Change, Call)> {
        let user = &self.user;
        let mut liked = alien();
        liked["favorite"] = json!(true);
        let register = json!({"username": "newcomer", "email": "newcomer@example.com", "password": PASSWORD});
        let others = [
            ("create", user.post("/api/movies/").json(&alien()), 201),
            ("create a favorite", user.post("/api/movies/").json(&liked), 201),
            ("register", user.post("/api/auth/register/").json(&register), 201),
            ("login", user.login_call(), 200),
            ("refresh", user.with_token("refresh", &self.refresh), 200),
            ("logout", user.with_token("logout", &self.logout), 204),
        ];
        self.movies += 2;
        self.users += 1;
        let movie = None;
        let change = |(name, call, status)| (Change { name, status, movie }, call);
        others.map(change).into()
    }

    /// Every kind of read.
    fn reads(&self, movie: u64) -> impl Iterator<Item = (Change, Call)> {
        let requests = every_request(&self.user, movie).into_iter();
        let reads = requests.filter(|request| request.is_read);
        reads.map(|request| {
            let (name, status, movie) = (request.name, 200, None);
            (Change { name, status, movie }, request.call)
        })
    }

    /// Whether every change was answered, and has been made once.
    async fn check(&self, what: &str, answers: &[(Change, Answer, Duration)]) {
        let (user, store) = (&self.user, self.proxied.proxy.store().await);
        for (Change { name, status, movie }, answer, took) in answers {
            let context = format!("{name} in {what} after {took:?}: {}", answer.text);
            assert_eq!(answer.status.as_u16(), *status, "{context}");
            let Some((id, became)) = movie else { continue };
            let shown = user.get(&format!("/api/movies/{id}/")).send().await;
            let Some(became) = became else {
                shown.is(404);
                continue;
            };
            assert_eq!(shown.body["title"], became.title, "{context}");
            assert_eq!(shown.body["favorite"], became.favorite, "{context}");
            assert_eq!(
                shown.body["favorite_count"],
                u64::from(became.favorite),
                "{context}"
            );
            let version = format!("\"{}\"", became.edits + 1);
            assert_eq!(shown.header("etag"), version, "{context}");
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

/// Sends all of these at once.
async fn all(changes: Vec<(Change, Call)>) -> Vec<(Change, Answer, Duration)> {
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

/// Lets every outage happen to a server of its own; a few at a time, since the requests of all of them together would keep
/// two cores busy for longer than the outage.
async fn side_by_side<F: Future<Output = ()> + Send + 'static>(test: fn(Outage) -> F) {
    for outages in Outage::ALL.chunks(3) {
        let outages: Vec<_> = outages.iter().map(|outage| tokio::spawn(test(*outage))).collect();
        for outage in outages {
            outage.await.unwrap();
        }
    }
}

async fn sweep_all(store: &Store) {
    while store.sweep_favorites().await.unwrap() > 0 {}
}

/// Guarantees 30, 32, 33 and 35. All requests at once and outages side by side, so that the suite waits but a few times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_keeps_the_table_away_for_3_seconds_every_change_is_made_once_and_everything_answered() {
    side_by_side(outlive).await;
}

async fn outlive(outage: Outage) {
    // Twice the default, for this machine may be busy.
    let mut stage = Stage::new(Duration::from_secs(20)).await;
    let movie = stage.movie(false).await;
    let mut calls = stage.changes().await;
    calls.extend(stage.others());
    calls.extend(stage.reads(movie));
    outage.begin(&stage.proxied.proxy);
    let answers = tokio::spawn(all(calls));
    tokio::time::sleep(OUTAGE).await;
    outage.end(&stage.proxied.proxy);
    stage.check(&format!("{outage:?}"), &answers.await.unwrap()).await;
}

/// Guarantees 33 and 35.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_stays_away_is_503_with_retry_after_within_the_deadline() {
    side_by_side(give_up).await;
}

async fn give_up(outage: Outage) {
    let mut stage = Stage::new(SHORT).await;
    let movie = stage.movie(false).await;
    let mut calls = stage.changes().await;
    calls.extend(stage.others());
    calls.extend(stage.reads(movie));
    outage.begin(&stage.proxied.proxy);
    let answers = all(calls).await;
    outage.end(&stage.proxied.proxy);
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
    let movie = stage.user.get(&format!("/api/movies/{movie}/"));
    movie.send().await.is(200);
    audit(&stage.proxied.proxy.store().await).await;
}

/// Guarantee 30. No answer to a transaction arrives before the deadline, and the table tells what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_without_an_answer_is_found_by_reading_and_answered_as_done() {
    let mut stage = Stage::new(SHORT).await;
    let mut calls = stage.changes().await;
    let others = stage.others().into_iter();
    calls.extend(others.filter(|(change, _)| change.status == 201));
    stage
        .proxied
        .proxy
        .inject("TransactWriteItems", FOR_EVER, Fault::AnswerLost);
    let answers = all(calls).await;
    stage.proxied.proxy.clear_faults();
    stage.check("lost answers", &answers).await;
}

/// Guarantee 30: what wasn't done isn't found, either, and leaves nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_done_is_not_found_by_reading_and_leaves_nothing_behind() {
    let mut stage = Stage::new(SHORT).await;
    let mut before = Vec::new();
    let mut calls = stage.changes().await;
    for (change, _) in &calls {
        let (id, _) = change.movie.unwrap();
        let shown = stage.user.get(&format!("/api/movies/{id}/")).send().await;
        before.push((id, shown.text));
    }
    let count = stage.user.count("/api/movies/").await;
    let others = stage.others().into_iter();
    calls.extend(others.filter(|(change, _)| change.status == 201));
    stage
        .proxied
        .proxy
        .inject("TransactWriteItems", FOR_EVER, Fault::CallLost);
    for (change, answer, _) in all(calls).await {
        assert_eq!(answer.status.as_u16(), 503, "{}: {}", change.name, answer.text);
    }
    stage.proxied.proxy.clear_faults();
    for (id, text) in before {
        let shown = stage.user.get(&format!("/api/movies/{id}/")).send().await;
        assert_eq!(shown.text, text);
    }
    assert_eq!(stage.user.count("/api/movies/").await, count);
    audit(&stage.proxied.proxy.store().await).await;
}

/// Guarantee 10: a refresh that was done and not answered is answered `503` early enough to be sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_is_answered_503_can_be_sent_again_within_the_grace() {
    let stage = Stage::new(Duration::from_secs(60)).await;
    let proxy = &stage.proxied.proxy;
    proxy.inject("UpdateItem", FOR_EVER, Fault::AnswerLost);
    let begun = Instant::now();
    let refresh = stage.user.with_token("refresh", &stage.refresh);
    bounded(refresh.send()).await.is_problem(503, "unavailable");
    let took = begun.elapsed();
    proxy.clear_faults();
    assert!(took < Duration::from_secs(9), "{took:?}");
    let again = stage.user.with_token("refresh", &stage.refresh);
    let next = again.send().await.is(200).body["refresh"].clone();
    let next = stage.user.with_token("refresh", next.as_str().unwrap());
    next.send().await.is(200);
    audit(&proxy.store().await).await;
}
