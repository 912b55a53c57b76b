//! Contention: many users toggle the favorite of one movie at the same time, with conflicts by DynamoDB's rules.

use std::{
    error::Error,
    fmt::Write as _,
    time::{Duration, Instant},
};

use marquee_shared::domain::{MovieId, UserId};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use test_kit::{audit::discrepancies, proxy::Record};

use crate::bench_server::{BenchServer, User, json_of};

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The number of users who toggle at the same time. Each sends its next request when the last response has arrived.
    /// Several numbers are measured one after another.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,16,32,64", value_parser = clap::value_parser!(u16).range(1..))]
    togglers: Vec<u16>,
    /// The duration of the measurement with each number of togglers.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// The milliseconds for which a transaction is in progress, and other transactions on its items are canceled. AWS
    /// doesn't publish this number. 10 is an assumption based on the usual latency of TransactWriteItems.
    #[arg(long, default_value_t = 10)]
    window: u64,
    /// Other numbers of milliseconds, which are measured with the largest number of togglers.
    #[arg(long, value_delimiter = ',', default_value = "0,5,20")]
    other_windows: Vec<u64>,
}

/// Measures every number of togglers, then audits the whole table.
///
/// # Errors
/// Returns an error if a count is wrong, if two responses contradict each other, or if a request fails with anything but a
/// 503 with Retry-After.
pub(crate) async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let most = options.togglers.iter().max().copied().unwrap_or(1);
    let contested = ContestedMovie::open(most).await?;
    let mut runs = Vec::new();
    for togglers in &options.togglers {
        runs.push((options.window, *togglers));
    }
    for window in &options.other_windows {
        runs.push((*window, most));
    }
    let mut text = preface(options);
    for (window, togglers) in runs {
        let window = Duration::from_millis(window);
        let run = contested
            .measure(togglers, window, Duration::from_secs(options.seconds))
            .await?;
        writeln!(text, "{}", run.row(togglers, window))?;
    }
    text.push_str(OWNERS);
    for togglers in &options.togglers {
        let window = Duration::from_millis(options.window);
        let times = contested.measure_owner(*togglers, window).await?;
        writeln!(text, "{}", times.row(*togglers, window))?;
    }
    let found = discrepancies(&contested.server.store().await).await;
    if !found.is_empty() {
        return Err(format!("the table disagrees with itself:\n{}", found.join("\n")).into());
    }
    contested.server.close().await;
    text.push_str(AFTERWORD);
    Ok(text)
}

fn preface(options: &Options) -> String {
    format!(
        "Users toggle one movie's favorite at once for {} s, each again as soon as the last answer has arrived: half by POST, half by\n\
        PUT and DELETE in turn, over HTTP through the whole server. The embedded engine executes transactions one after another, so a\n\
        proxy between the server and the engine makes the conflicts, by DynamoDB's rules: a transaction is in progress for the window,\n\
        and another one that touches one of its items in that time is canceled with `TransactionConflict`. AWS doesn't publish how\n\
        long a transaction is in progress; 10 ms is an assumption. So an item takes at most 1 s / window transactions per second.\n\
        *Movie busy* is the share of the time in which a transaction that was committed was in progress, including the time of the\n\
        proxy and the engine. Without a window, the engine and the machine are the limit.\n\n\
        | window | users | answers/s | movie busy | p50 | p99 | 503 | transactions per answer | conflicts per answer | \
        failed conditions per answer |\n\
        |---|---|---|---|---|---|---|---|---|---|\n",
        options.seconds
    )
}

/// The number of times that the owner edits the movie before deleting it.
const EDITS: usize = 20;

/// The benchmark's limits for the time of an edit and of a deletion, whatever other users do.
const EDITED_WITHIN: Duration = Duration::from_secs(4);
const DELETED_WITHIN: Duration = Duration::from_secs(6);

const OWNERS: &str = "
The same load, while the movie's owner edits the movie 20 times, half of the edits with a change of the owner's own favorite,
and then deletes it. An edit or a deletion has priority over favorites: after a conflict it waits at most 10 ms, and
at most 25 ms after 32 conflicts. Its condition is on the movie's version, which favorites don't change.

| window | users | edit, p50 | longest edit | deletion |
|---|---|---|---|---|
";

const AFTERWORD: &str = "
The benchmark fails if

- the count shown at the end of a run isn't the number of favorites;
- a favorite isn't as its user's last answer said; after a 503, either state is right;
- an answer was neither 200, with the state that was asked for and a possible count, nor 503 with `Retry-After`;
- an edit took more than 4 s, or the deletion more than 6 s;
- the tests' audit of the whole table finds anything wrong.
";

/// A server, and the users who toggle the favorite of one movie. The first of them is its owner.
struct ContestedMovie {
    server: BenchServer,
    users: Vec<User>,
}

impl ContestedMovie {
    async fn open(users: u16) -> Result<Self, Box<dyn Error>> {
        let server = BenchServer::open().await?;
        server.record_bodies();
        let mut contested = Self {
            server,
            users: Vec::new(),
        };
        // One more user than those who toggle: the owner.
        for n in 0..=users {
            let user = contested.server.register(&format!("user{n}")).await?;
            contested.users.push(user);
        }
        Ok(contested)
    }

    async fn add_movie(&self) -> Result<MovieId, Box<dyn Error>> {
        let body = json!({
            "title": "Solaris",
            "description": "An ocean that answers.",
            "release_date": "1972-03-20",
            "director": "Andrei Tarkovsky",
            "genre": "Sci-Fi, Drama",
        });
        let owner = self.users.first().ok_or("no users")?;
        let request = self.server.request(Method::POST, "/api/movies/", Some(owner));
        let answer = json_of(request.json(&body)).await?;
        Ok(serde_json::from_value(answer["id"].clone())?)
    }

    /// Lets this many users toggle the favorite of a new movie for `time`, then checks the table against the responses.
    async fn measure(&self, togglers: u16, window: Duration, time: Duration) -> Result<Run, Box<dyn Error>> {
        let movie = self.add_movie().await?;
        self.server.conflict((!window.is_zero()).then_some(window));
        self.server.take();
        let began = Instant::now();
        let until = began + time;
        let togglers: Vec<_> = (self.users.iter().take(togglers.into()).enumerate())
            .map(|(n, user)| {
                let toggler = Toggler {
                    http: self.server.http.clone(),
                    url: format!("{}/api/movies/{movie}/favorite/", self.server.base),
                    user: user.clone(),
                    by_toggling: n % 2 == 0,
                    most: u64::from(togglers),
                    state: Some(false),
                };
                tokio::spawn(toggler.toggle(until))
            })
            .collect();
        let mut answers = Vec::new();
        let mut states = Vec::new();
        for toggler in togglers {
            let (user, state, own) = toggler.await??;
            states.push((user, state));
            answers.extend(own);
        }
        let took = began.elapsed();
        self.server.conflict(None);
        self.check(movie, &states).await?;
        Ok(Run::of(&answers, took, &self.server.take()))
    }

    /// Lets this many users toggle the favorite of a new movie while its owner edits it and then deletes it.
    async fn measure_owner(&self, togglers: u16, window: Duration) -> Result<OwnerTimes, Box<dyn Error>> {
        let movie = self.add_movie().await?;
        let (path, owner) = (format!("/api/movies/{movie}/"), self.users.first());
        self.server.conflict((!window.is_zero()).then_some(window));
        let togglers_running: Vec<_> = (self.users.iter().skip(1).take(togglers.into()).cloned())
            .map(|user| {
                let (http, url) = (
                    self.server.http.clone(),
                    format!("{}{path}favorite/", self.server.base),
                );
                tokio::spawn(toggle_until_gone(http, url, user))
            })
            .collect();
        let mut edits = Vec::new();
        for n in 0..EDITS {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let change = match n % 4 {
                1 => json!({"favorite": true}),
                3 => json!({"favorite": false, "title": "Solaris"}),
                _ => json!({"title": format!("Solaris {n}")}),
            };
            let edit = self.server.request(Method::PATCH, &path, owner).json(&change);
            let began = Instant::now();
            json_of(edit).await?;
            edits.push(began.elapsed());
        }
        let began = Instant::now();
        json_of(self.server.request(Method::DELETE, &path, owner)).await?;
        let deletion = began.elapsed();
        for toggler in togglers_running {
            toggler.await??;
        }
        self.server.conflict(None);
        self.server.take();
        edits.sort_unstable();
        if edits.last().is_some_and(|longest| *longest > EDITED_WITHIN) || deletion > DELETED_WITHIN {
            return Err(format!(
                "the owner waited too long among {togglers} togglers: edits {edits:?}, deletion {deletion:?}"
            )
            .into());
        }
        Ok(OwnerTimes { edits, deletion })
    }

    /// Checks that the movie's count is the number of its favorites, and that each favorite is as in its user's last
    /// response.
    async fn check(&self, movie: MovieId, states: &[(UserId, Option<bool>)]) -> Result<(), Box<dyn Error>> {
        let mut favorites = 0;
        for (user, state) in states {
            let view = self.server.store().await.get_movie(movie, Some(*user)).await;
            let favorite = view
                .map_err(|e| e.log_message())?
                .ok_or("the movie is gone")?
                .favorite;
            if state.is_some_and(|state| state != favorite) {
                let text =
                    format!("user {user}'s last answer said {state:?}, and the favorite is {favorite}");
                return Err(text.into());
            }
            favorites += u64::from(favorite);
        }
        let shown = self
            .server
            .request(Method::GET, &format!("/api/movies/{movie}/"), None);
        let shown = json_of(shown).await?;
        if shown["favorite_count"] != favorites {
            return Err(format!(
                "the movie shows {} of {favorites} favorites",
                shown["favorite_count"]
            )
            .into());
        }
        Ok(())
    }
}

/// A user who toggles the favorite of a movie.
struct Toggler {
    http: Client,
    url: String,
    user: User,
    /// Whether the user sends POST. Otherwise the user alternates between PUT and DELETE.
    by_toggling: bool,
    /// The most favorites that the movie can have.
    most: u64,
    /// Whether the favorite exists. `None` if that is unknown.
    state: Option<bool>,
}

/// Toggles a movie until it is deleted.
async fn toggle_until_gone(http: Client, url: String, user: User) -> Result<(), String> {
    loop {
        let request = http.post(&url).bearer_auth(&user.access);
        let response = request.send().await.map_err(|e| e.to_string())?;
        match response.status() {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => {}
            StatusCode::NOT_FOUND => return Ok(()),
            status => return Err(format!("a toggle was answered {status}")),
        }
    }
}

/// The times of the owner's edits, shortest first, and of the deletion.
struct OwnerTimes {
    edits: Vec<Duration>,
    deletion: Duration,
}

impl OwnerTimes {
    fn row(&self, togglers: u16, window: Duration) -> String {
        let middle = self.edits.get(self.edits.len() / 2).copied().unwrap_or_default();
        let longest = self.edits.last().copied().unwrap_or_default();
        format!(
            "| {} ms | {togglers} | {} ms | {} ms | {} ms |",
            window.as_millis(),
            middle.as_millis(),
            longest.as_millis(),
            self.deletion.as_millis(),
        )
    }
}

/// A response: its time, and whether its status was 200.
struct Answer {
    took: Duration,
    done: bool,
}

impl Toggler {
    /// Toggles until this time. Returns the user, whether the favorite exists at the end, and the responses.
    async fn toggle(mut self, until: Instant) -> Result<(UserId, Option<bool>, Vec<Answer>), String> {
        let mut answers = Vec::new();
        while Instant::now() < until {
            let answer = self.once().await?;
            answers.push(answer);
        }
        Ok((self.user.id, self.state, answers))
    }

    async fn once(&mut self) -> Result<Answer, String> {
        // After a 503 it is unknown whether the favorite exists, so the next PUT or DELETE may change nothing.
        let wanted = !self.state.unwrap_or(false);
        let (method, expected) = match (self.by_toggling, wanted) {
            (true, _) => (Method::POST, self.state.map(|state| !state)),
            (false, true) => (Method::PUT, Some(true)),
            (false, false) => (Method::DELETE, Some(false)),
        };
        let request = self
            .http
            .request(method, &self.url)
            .bearer_auth(&self.user.access);
        let began = Instant::now();
        let response = request.send().await.map_err(|e| e.to_string())?;
        let status = response.status();
        let retry = response.headers().get("retry-after").cloned();
        let text = response.text().await.map_err(|e| e.to_string())?;
        let took = began.elapsed();
        match status {
            StatusCode::OK => {
                self.state = Some(self.state_in(&text, expected)?);
                Ok(Answer { took, done: true })
            }
            StatusCode::SERVICE_UNAVAILABLE
                if retry.is_some_and(|r| r.to_str().is_ok_and(|r| r.parse::<u32>().is_ok())) =>
            {
                self.state = None;
                Ok(Answer { took, done: false })
            }
            _ => Err(format!("{status}: {text}")),
        }
    }

    /// Returns whether the favorite exists according to a response.
    ///
    /// # Errors
    /// Returns an error if the response contradicts what is known.
    fn state_in(&self, text: &str, expected: Option<bool>) -> Result<bool, String> {
        let body: Value = serde_json::from_str(text).map_err(|e| format!("{e}: {text}"))?;
        let favorite = body["favorite"].as_bool().ok_or("no state")?;
        let count = body["favorite_count"].as_u64().ok_or("no count")?;
        let own = u64::from(favorite);
        if expected.is_some_and(|expected| expected != favorite) {
            return Err(format!("asked for {expected:?}, and answered {text}"));
        }
        if count < own || count > self.most - 1 + own {
            return Err(format!("of {} users: {text}", self.most));
        }
        Ok(favorite)
    }
}

/// The result of a run.
struct Run {
    took: Duration,
    /// The total time for which committed transactions were in progress.
    busy: Duration,
    /// The time of each response, shortest first.
    times: Vec<Duration>,
    done: usize,
    transactions: usize,
    conflicts: usize,
    failed_conditions: usize,
}

impl Run {
    fn of(answers: &[Answer], took: Duration, records: &[Record]) -> Self {
        let transactions: Vec<(&Record, Vec<&str>)> = records
            .iter()
            .filter(|record| record.operation == "TransactWriteItems")
            .map(|record| (record, reasons(record)))
            .collect();
        let with_reason = |code: &str| {
            let met = transactions.iter().filter(|(_, reasons)| reasons.contains(&code));
            met.count()
        };
        let done = transactions.iter().filter(|(_, reasons)| reasons.is_empty());
        let mut times: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
        times.sort_unstable();
        Self {
            took,
            busy: done.map(|(record, _)| record.end - record.start).sum(),
            times,
            done: answers.iter().filter(|answer| answer.done).count(),
            transactions: transactions.len(),
            conflicts: with_reason("TransactionConflict"),
            failed_conditions: with_reason("ConditionalCheckFailed"),
        }
    }

    /// Returns the time within which this share of the responses arrived, in milliseconds.
    fn percentile(&self, share: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.times
            .get(at)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }

    fn row(&self, togglers: u16, window: Duration) -> String {
        let answers = self.times.len() as f64;
        let rate = self.done as f64 / self.took.as_secs_f64();
        let (window, busy) = if window.is_zero() {
            ("none".into(), String::new())
        } else {
            let busy = 100.0 * self.busy.as_secs_f64() / self.took.as_secs_f64();
            (format!("{} ms", window.as_millis()), format!("{busy:.0} %"))
        };
        format!(
            "| {window} | {togglers} | {rate:.1} | {busy} | {:.0} ms | {:.0} ms | {:.1} % | {:.1} | {:.1} | {:.1} |",
            self.percentile(0.5),
            self.percentile(0.99),
            100.0 * (answers - self.done as f64) / answers,
            self.transactions as f64 / answers,
            self.conflicts as f64 / answers,
            self.failed_conditions as f64 / answers,
        )
    }
}

/// Returns why a transaction was canceled. Empty if it was committed.
fn reasons(record: &Record) -> Vec<&str> {
    let answer = record.exchange.as_ref().map(|exchange| &exchange.answer);
    let reasons = answer.and_then(|answer| answer["CancellationReasons"].as_array());
    let codes = reasons
        .into_iter()
        .flatten()
        .filter_map(|reason| reason["Code"].as_str());
    codes.collect()
}
