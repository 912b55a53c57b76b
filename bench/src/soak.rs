//! Soak: memory, descriptors and files of the server on one machine under steady use, over half an hour.

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use marquee::server::table_file;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::sleep_until};

use crate::{
    local::server::{Kind, Program, Server},
    prepared,
    programs::{self, number_in, precise},
    runtime::Failure,
};

/// How many users work at the same time.
const USERS: usize = 4;

/// How often the server is looked at.
const LOOKS: u32 = 30;

/// How many rounds of a user have one login.
const LOGIN_EVERY: u64 = 20;

/// The password of the users.
const PASSWORD: &str = "a quiet hull at night";

/// The benchmark's limit: the most memory in the last third, as a multiple of the most in the second third.
const FLAT_MEMORY: f64 = 1.1;

/// The benchmark's limit: how many descriptors more the server may have at the end than after a third of the time.
const FLAT_DESCRIPTORS: u64 = 4;

/// The benchmark's limit: the most bytes of the table's file in the last third, as a multiple of the most in the second third.
const FLAT_FILE: f64 = 1.1;

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// For how many minutes.
    #[arg(long, value_name = "N", default_value_t = 30.0, value_parser = minutes)]
    minutes: f64,
    /// This build of the server instead of one that is built now.
    #[arg(long, value_name = "PATH")]
    marquee: Option<PathBuf>,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: Result<f64, _> = text.parse();
    minutes
        .ok()
        .filter(|minutes| (0.5..=1_440.0).contains(minutes))
        .ok_or_else(|| "must be from 0.5 to 1440".to_owned())
}

/// What the server has at a moment.
#[derive(Clone, Copy, Debug)]
struct Look {
    seconds: f64,
    requests: u64,
    /// Memory that is not in a file, in kilobytes.
    memory: u64,
    descriptors: u64,
    threads: u64,
    /// The bytes of the table's file, and of its journal.
    file: u64,
    journal: u64,
}

/// Uses a server for the given time, and looks at it at even distances.
///
/// # Errors
/// Returns an error if the server refuses a request, or if its memory, its descriptors or its file grow.
pub(crate) async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let path = programs::marquee(options.marquee.as_deref()).await?;
    let measured = measure(path, Duration::from_secs_f64(options.minutes * 60.0)).await;
    let looks = measured.map_err(|error| -> Box<dyn Error> { error })?;
    let text = report(&looks);
    let wrong = judged(&looks);
    match wrong.is_empty() {
        true => Ok(text),
        false => Err(format!("{text}\n{}", wrong.join("\n")).into()),
    }
}

async fn measure(path: PathBuf, time: Duration) -> Result<Vec<Look>, Failure> {
    let root = tempfile::tempdir_in(prepared::data().map_err(|e| e.to_string())?)?;
    let data = root.path().join("data");
    let program = Program {
        kind: Kind::Marquee,
        name: "marquee",
        path,
    };
    let server = program.start(&data, None, &root.path().join("log"), &[]).await?;
    let begun = Instant::now();
    let requests = Arc::new(AtomicU64::new(0));
    let mut users = JoinSet::new();
    for number in 0..USERS {
        let user = User::register(&server, number, Arc::clone(&requests)).await?;
        users.spawn(user.work(begun + time));
    }
    let mut looks = Vec::new();
    for at in 1..=LOOKS {
        let due = begun + time.mul_f64(f64::from(at) / f64::from(LOOKS));
        tokio::select! {
            () = sleep_until(due.into()) => {}
            // A user ends before the time only with a failure.
            Some(ended) = users.join_next(), if at < LOOKS => ended??,
        }
        looks.push(Look::at(&server, &data, begun, requests.load(Ordering::Relaxed))?);
    }
    while let Some(ended) = users.join_next().await {
        ended??;
    }
    server.stop().await?;
    Ok(looks)
}

/// A user who does in rounds what users do. A round leaves nothing behind, so what grows is the server's own.
struct User {
    http: Client,
    base: String,
    name: String,
    access: String,
    requests: Arc<AtomicU64>,
}

impl User {
    async fn register(server: &Server, number: usize, requests: Arc<AtomicU64>) -> Result<Self, Failure> {
        let mut user = Self {
            http: Client::new(),
            base: format!("http://{}", server.address),
            name: format!("soaker{number}"),
            access: String::new(),
            requests,
        };
        let body = json!({
            "username": user.name,
            "email": format!("{}@example.com", user.name),
            "password": PASSWORD,
        });
        let session = user
            .ask(user.post("/api/auth/register/").json(&body), StatusCode::CREATED)
            .await?;
        user.access = text(&session, "access")?;
        Ok(user)
    }

    async fn work(mut self, end: Instant) -> Result<(), Failure> {
        let mut round = 0;
        while Instant::now() < end {
            round += 1;
            self.round(round).await?;
        }
        Ok(())
    }

    async fn round(&mut self, round: u64) -> Result<(), Failure> {
        let title = format!("The {}th Quiet Hull", round % 1_000);
        let body = json!({
            "title": title,
            "description": "Nobody speaks.",
            "release_date": "2001-02-03",
            "director": self.name,
            "genre": "Drama, Mystery",
        });
        let movie = self
            .ask(self.post("/api/movies/").json(&body), StatusCode::CREATED)
            .await?;
        let id = movie["id"].as_u64().ok_or("a movie without an id")?;
        let one = format!("/api/movies/{id}/");
        let favorite = format!("{one}favorite/");
        self.ask(self.post(&favorite), StatusCode::OK).await?;
        let body = json!({"title": format!("{title} Again")});
        self.ask(self.call(Method::PATCH, &one).json(&body), StatusCode::OK)
            .await?;
        // A movie of the demonstration catalog, whose favorite is taken back.
        let other = format!("/api/movies/{}/favorite/", 1 + round % 16_000);
        for method in [Method::PUT, Method::DELETE] {
            self.ask(self.call(method, &other), StatusCode::OK).await?;
        }
        for path in [
            one.as_str(),
            "/api/movies/?limit=20",
            "/api/movies/?genre=Drama&ordering=-release_date",
            "/api/movies/search/?q=quiet+hull",
            "/api/movies/search/?q=the+godfathr",
            "/api/movies/categories/",
            "/api/movies/newest/",
            "/api/movies/most-liked/",
            "/api/users/me/favorites/",
        ] {
            self.ask(self.call(Method::GET, path), StatusCode::OK).await?;
        }
        self.ask(self.call(Method::DELETE, &one), StatusCode::NO_CONTENT)
            .await?;
        if round.is_multiple_of(LOGIN_EVERY) {
            let body = json!({"username": self.name, "password": PASSWORD});
            let session = self
                .ask(self.post("/api/auth/login/").json(&body), StatusCode::OK)
                .await?;
            let body = json!({"refresh": text(&session, "refresh")?});
            self.ask(self.post("/api/auth/logout/").json(&body), StatusCode::NO_CONTENT)
                .await?;
        }
        Ok(())
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.call(Method::POST, path)
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let call = self.http.request(method, format!("{}{path}", self.base));
        match self.access.is_empty() {
            true => call,
            false => call.bearer_auth(&self.access),
        }
    }

    /// Sends a request, whose answer must have this status. Returns its JSON, or null if it has no body.
    async fn ask(&self, call: RequestBuilder, expected: StatusCode) -> Result<Value, Failure> {
        let answer = call.send().await?;
        let (status, url) = (answer.status(), answer.url().clone());
        let body = answer.bytes().await?;
        if status != expected {
            return Err(format!("{url}: {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        match body.is_empty() {
            true => Ok(Value::Null),
            false => Ok(serde_json::from_slice(&body)?),
        }
    }
}

fn text(value: &Value, field: &str) -> Result<String, Failure> {
    let text = value[field].as_str();
    Ok(text
        .ok_or_else(|| format!("an answer without {field}"))?
        .to_owned())
}

impl Look {
    fn at(server: &Server, data: &Path, begun: Instant, requests: u64) -> Result<Self, Failure> {
        let pid = server.pid()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let size = |path: &Path| fs::metadata(path).map_or(0, |found| found.len());
        let table = table_file(data);
        let mut journal = table.clone().into_os_string();
        journal.push("-wal");
        Ok(Self {
            seconds: begun.elapsed().as_secs_f64(),
            requests,
            memory: number_in(&status, "RssAnon:").ok_or("no RssAnon")?,
            threads: number_in(&status, "Threads:").ok_or("no Threads")?,
            descriptors: u64::try_from(fs::read_dir(format!("/proc/{pid}/fd"))?.count())?,
            file: size(&table),
            journal: size(Path::new(&journal)),
        })
    }
}

fn report(looks: &[Look]) -> String {
    let last = looks.last();
    let mut text = format!(
        "{USERS} users for {:.0} minutes, {} requests. A round of a user adds a movie, changes it, searches and lists, and deletes \
         it, so that the catalog stays as it is. Every {LOGIN_EVERY}th has a login and a logout.\n\n\
         | minute | requests | memory | descriptors | threads | table | journal |\n\
         |---|---|---|---|---|---|---|\n",
        last.map_or(0.0, |look| look.seconds / 60.0),
        last.map_or(0, |look| look.requests),
    );
    for look in looks {
        let megabytes = |bytes: u64| precise(bytes) / 1e6;
        let _ = writeln!(
            text,
            "| {:.1} | {} | {:.0} MB | {} | {} | {:.1} MB | {:.1} MB |",
            look.seconds / 60.0,
            look.requests,
            megabytes(look.memory * 1024),
            look.descriptors,
            look.threads,
            megabytes(look.file),
            megabytes(look.journal),
        );
    }
    text
}

/// Returns what grew from the second third of the time to the last. In the first third, caches are filled and the file gets the
/// pages that later rounds use again.
fn judged(looks: &[Look]) -> Vec<String> {
    let third = looks.len() / 3;
    let most = |looks: &[Look], of: fn(&Look) -> u64| looks.iter().map(of).max().unwrap_or_default();
    let (before, after) = (&looks[third..2 * third], &looks[2 * third..]);
    let mut wrong = Vec::new();
    let mut check = |name: &str, of: fn(&Look) -> u64, most_allowed: fn(u64) -> f64| {
        let (before, after) = (most(before, of), most(after, of));
        if precise(after) > most_allowed(before) {
            wrong.push(format!("{name} grew from {before} to {after}"));
        }
    };
    check(
        "the memory in kilobytes",
        |look| look.memory,
        |before| FLAT_MEMORY * precise(before),
    );
    check(
        "the number of descriptors",
        |look| look.descriptors,
        |before| precise(before + FLAT_DESCRIPTORS),
    );
    check(
        "the table's file in bytes",
        |look| look.file,
        |before| FLAT_FILE * precise(before),
    );
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_in_the_last_third_is_reported_and_what_grows_before_is_not() {
        let look = |memory, descriptors, file| Look {
            seconds: 1.0,
            requests: 1,
            memory,
            descriptors,
            threads: 3,
            file,
            journal: 0,
        };
        let steady = [look(10, 10, 10), look(100, 30, 1_000), look(105, 33, 1_050)];
        assert_eq!(judged(&steady), Vec::<String>::new());
        let growing = [look(100, 30, 1_000), look(100, 30, 1_000), look(120, 40, 1_200)];
        assert_eq!(judged(&growing).len(), 3);
    }
}
