//! Cold start: the time from the start of a process to its first poll of the Runtime API, and to its first response that
//! needed the table. Each function is compared with a bare function that was built with the same profile.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, path::Path, time::Duration};

use marquee_mail::StreamEvent;
use marquee_shared::{auth::SecretTexts, config::Config, db::keys};
use serde_json::{Value, json};
use test_kit::{TestApp, table::TestTable};

use crate::{
    programs::{self, BARE, Programs, precise},
    runtime::{Function, event_of},
    tls::Terminator,
};

/// The benchmark's limit: the most time of a function, as a multiple of the time of a bare function.
const FIRST_POLL: f64 = 1.5;
const FIRST_ANSWER: f64 = 1.2;

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The number of starts of each function for its first poll, and for its first response over each transport.
    #[arg(long, default_value_t = 100)]
    starts: usize,
    /// Start only these functions and the bare ones.
    #[arg(long, value_name = "FUNCTION", value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    programs: programs::Choice,
}

/// The event up to which a start is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Aim {
    /// The first poll, in the environment with which the function is deployed. The function gets no event.
    Poll,
    /// The first response, with the table over plain HTTP.
    Http,
    /// The first response, with the table over TLS.
    Tls,
}

/// A function and its first event.
struct Subject {
    name: &'static str,
    event: Value,
    /// Whether the response needs the table.
    reads: bool,
}

/// The measurements of a start.
struct Start {
    /// The time until the event.
    time: Duration,
    /// The peak resident memory, in KiB.
    rss: u64,
}

/// Measures starts of every function.
///
/// # Errors
/// Returns an error if a function fails, or exceeds the limit.
pub async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let programs = Programs::of(&options.programs, &options.only, true).await?;
    let app = TestApp::builder().table(TestTable::in_memory()).start().await;
    let token = fill(&app.base).await?;
    let table = app.running.dynamodb.clone().ok_or("the engine has no endpoint")?;
    let terminator = Terminator::to(table.trim_start_matches("http://")).await?;
    let secrets = SecretTexts::generate()?.to_json();
    let environment = |name: &str, aim| {
        let mut all = vec![("TABLE_NAME", Config::default().table)];
        if name == "mail" {
            all.push(("MAIL_FROM", "movies@example.com".into()));
            all.push(("PUBLIC_URL", "https://movies.example".into()));
        }
        // A bare function trusts the certificate authorities of the system, as programs do by default.
        let trusted = if BARE.contains(&name) {
            &terminator.system
        } else {
            &terminator.amazon
        };
        let (endpoint, trusted) = match aim {
            Aim::Poll => {
                all.push(("SIGNING_SECRET", "signing".into()));
                all.push(("REFRESH_SECRET", "refresh".into()));
                return all;
            }
            Aim::Http => (table.clone(), None),
            Aim::Tls => (terminator.url.clone(), Some(trusted)),
        };
        all.push(("AUTH_SECRETS", secrets.clone()));
        all.push(("DYNAMODB_ENDPOINT", endpoint));
        all.extend(trusted.map(|file| ("SSL_CERT_FILE", file.path().display().to_string())));
        all
    };

    let mut subjects = subjects(&token);
    subjects.retain(|subject| programs.names().any(|name| name == subject.name));
    let mut starts: BTreeMap<(&str, Aim), Vec<Start>> = BTreeMap::new();
    // Each round starts every function, so that other load on the machine affects all functions equally. The first round
    // only warms the caches.
    for round in 0..=options.starts {
        for subject in &subjects {
            for aim in [Aim::Poll, Aim::Http, Aim::Tls] {
                let program = programs.path(subject.name)?;
                let event = (aim != Aim::Poll).then_some(&subject.event);
                let start = start(&program, &environment(subject.name, aim), event)
                    .await
                    .map_err(|e| format!("{}: {e}", subject.name))?;
                if round > 0 {
                    starts.entry((subject.name, aim)).or_default().push(start);
                }
            }
        }
    }
    app.close().await;
    report(&subjects, &starts, &programs, options.starts)
}

/// Returns the functions, each with its first event: a request that reads the table once, if the function has one.
fn subjects(token: &str) -> Vec<Subject> {
    let bearer = format!("Bearer {token}");
    let subject = |name, event, reads| Subject { name, event, reads };
    let get = |path| event_of("GET", path, &[]);
    // A record of a mail that was sent before.
    let sent_mail = StreamEvent::of([keys::mail(0, 0, "")]);
    vec![
        subject("hello", get("/"), false),
        subject("hello-table", get("/"), true),
        subject("docs", get("/api/openapi.json"), false),
        subject("movies", get("/api/movies/1/"), true),
        subject(
            "users",
            event_of("GET", "/api/users/me/", &[("authorization", &bearer)]),
            true,
        ),
        subject("auth", get("/.well-known/jwks.json"), true),
        subject("mail", serde_json::to_value(sent_mail).unwrap_or_default(), true),
        subject("sweep", json!({}), true),
    ]
}

/// Adds a user and a movie, and returns the user's access token.
async fn fill(base: &str) -> Result<String, Box<dyn Error>> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let user =
        json!({"username": "ripley", "email": "ripley@example.com", "password": "a long enough passphrase"});
    let user = http.post(format!("{base}/api/auth/register/")).json(&user);
    let user: Value = user.send().await?.error_for_status()?.json().await?;
    let token = user["access"].as_str().ok_or("no access token")?.to_owned();
    let movie = json!({
        "title": "Alien",
        "description": "In space no one can hear you scream.",
        "release_date": "1979-05-25",
        "director": "Ridley Scott",
        "genre": "Horror, Science Fiction",
    });
    let movie = http.post(format!("{base}/api/movies/")).json(&movie);
    movie.bearer_auth(&token).send().await?.error_for_status()?;
    Ok(token)
}

async fn start(
    program: &Path,
    environment: &[(&str, String)],
    event: Option<&Value>,
) -> Result<Start, Box<dyn Error + Send + Sync>> {
    let mut function = Function::start(program, environment).await?;
    let mut time = function.first_poll().await?;
    if let Some(event) = event {
        let answer = function.invoke(event).await?;
        // The sweep answers `null`, and mail answers which records failed.
        let status = &answer.body["statusCode"];
        let is_done = answer.body.is_null() || answer.body["batchItemFailures"] == json!([]);
        if !is_done && status != 200 {
            return Err(format!("{:#}", answer.body).into());
        }
        time = function.since_start(answer.came);
    }
    let rss = function.peak_rss()?;
    function.stop().await?;
    Ok(Start { time, rss })
}

fn median<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Returns the medians of the starts of a function.
struct Medians {
    poll: Duration,
    http: Duration,
    tls: Duration,
    rss: u64,
}

impl Medians {
    fn of(name: &str, starts: &BTreeMap<(&str, Aim), Vec<Start>>) -> Option<Self> {
        let of = |aim| starts.get(&(name, aim));
        let time = |aim| median(of(aim)?.iter().map(|start| start.time));
        Some(Self {
            poll: time(Aim::Poll)?,
            http: time(Aim::Http)?,
            tls: time(Aim::Tls)?,
            rss: median(of(Aim::Tls)?.iter().map(|start| start.rss))?,
        })
    }
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn report(
    subjects: &[Subject],
    starts: &BTreeMap<(&str, Aim), Vec<Start>>,
    programs: &Programs,
    count: usize,
) -> Result<String, Box<dyn Error>> {
    let of = |name| Medians::of(name, starts).ok_or("nothing was measured");
    let (hello, table) = (of("hello")?, of("hello-table")?);
    let mut text = format!(
        "Medians of {count} starts of each function. `hello` answers a text; `hello-table` makes one GetItem first. The table is the\n\
         embedded engine, over plain HTTP and behind a TLS terminator. Memory is the peak resident memory at the first answer over \
         TLS.\n\n\
         | function | start → first poll | × `hello` | → first answer, HTTP | × `hello-table` | → first answer, TLS | \
         × `hello-table` | memory, MiB | zipped, MB |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let mut broken = Vec::new();
    for Subject { name, reads, .. } in subjects {
        let own = of(name)?;
        let poll = ratio(own.poll, hello.poll);
        // A response that doesn't need the table isn't compared: the bare function's response needs it.
        let [http, tls] =
            [(own.http, table.http), (own.tls, table.tls)].map(|(own, bare)| reads.then(|| ratio(own, bare)));
        let shown = |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let sizes = programs.sizes(name)?;
        writeln!(
            text,
            "| `{name}` | {} | {poll:.2} | {} | {} | {} | {} | {:.1} | {:.2} |",
            ms(own.poll),
            ms(own.http),
            shown(http),
            ms(own.tls),
            shown(tls),
            precise(own.rss) / 1024.0,
            precise(sizes.zipped) / 1e6,
        )?;
        if BARE.contains(name) {
            continue;
        }
        if poll > FIRST_POLL {
            broken.push(format!("{name}: first poll after {poll:.2} × hello"));
        }
        if let Some(tls) = tls.filter(|tls| *tls > FIRST_ANSWER) {
            broken.push(format!("{name}: first answer after {tls:.2} × hello-table"));
        }
    }
    if broken.is_empty() {
        Ok(text)
    } else {
        println!("{text}");
        Err(broken.join("\n").into())
    }
}
