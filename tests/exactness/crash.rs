//! Crashes: the real program is killed while it writes, and started again.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    process::{ExitStatus, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use marquee::{
    engine::{Engine, Storage},
    server::table_file,
};
use marquee_shared::{
    aws::client,
    clock::Clock,
    db::{Store, item::from_item, movie::MovieItem},
};
use rand::RngExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use crate::support::{
    Caller, PASSWORD,
    audit::{audit, missing_words, scan},
    movie,
};

/// Returns a command that serves this data directory.
fn marquee(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_marquee"));
    command
        .args(["--data".as_ref(), data.as_os_str()])
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

/// The running program.
pub(super) struct RunningServer {
    pub(super) child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    pub(super) base: String,
    pub(super) table: Store,
}

impl RunningServer {
    pub(super) async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    /// Starts it with further options.
    pub(super) async fn start_with(data: &Path, options: &[&str]) -> Self {
        let mut child = marquee(data)
            .args(["--catalog", "none", "--port", "0"])
            .args(options)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = |line: Option<String>, prefix: &str| {
            let line = line.unwrap();
            let url = line.strip_prefix(prefix).unwrap_or_else(|| panic!("{line}"));
            let port = url
                .strip_prefix("http://127.0.0.1:")
                .unwrap_or_else(|| panic!("{line}"));
            assert!(port.parse::<u16>().unwrap() > 0);
            url.to_owned()
        };
        let base = line(stdout.next_line().await.unwrap(), "listening on ");
        let endpoint = line(stdout.next_line().await.unwrap(), "dynamodb on ");
        Self {
            child,
            stdout,
            base,
            table: Store::new(client::local(&endpoint), "marquee", Clock::default()),
        }
    }

    fn caller(&self) -> Caller {
        Caller {
            base: self.base.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            id: 0,
            username: String::new(),
            access: None,
            refresh: String::new(),
            reset: String::new(),
        }
    }

    /// Registers a user.
    pub(super) async fn register(&self, name: &str) -> Caller {
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let answer = self
            .caller()
            .post("/api/auth/register/")
            .json(&body)
            .send()
            .await
            .is(201);
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        Caller {
            id: answer.body["user"]["id"].as_u64().unwrap(),
            username: name.to_owned(),
            access: Some(text("access")),
            refresh: text("refresh"),
            ..self.caller()
        }
    }

    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([format!("-{name}"), id]).status().await;
        assert!(sent.unwrap().success());
    }

    /// Waits until the program exits. Returns its status and the remaining lines of its standard output.
    pub(super) async fn wait_for_exit(mut self) -> (ExitStatus, Vec<String>) {
        let mut rest = Vec::new();
        while let Some(line) = self.stdout.next_line().await.unwrap() {
            rest.push(line);
        }
        (self.child.wait().await.unwrap(), rest)
    }
}

/// Sends a request. Returns `None` if there was no complete answer.
pub(super) async fn send(caller: &Caller, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
    let mut call = caller.call(method, path);
    if let Some(body) = &body {
        call = call.json(body);
    }
    let response = call.0.send().await.ok()?;
    let status = response.status();
    let text = response.text().await.ok()?;
    assert!(status.is_success(), "{status}: {text}");
    Some(serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// A movie as a writer expects it.
#[derive(Clone, Debug, Default, PartialEq)]
struct ExpectedMovie {
    title: String,
    favorite: bool,
    deleted: bool,
}

/// A user who sends one write after another and records which were acknowledged.
struct Writer {
    user: Caller,
    movies: BTreeMap<u64, ExpectedMovie>,
    /// The write that was sent and not answered: the movie and its new state.
    unacknowledged: Option<(u64, ExpectedMovie)>,
    added: usize,
}

impl Writer {
    async fn new(server: &RunningServer, name: &str) -> Self {
        Self {
            user: server.register(name).await,
            movies: BTreeMap::new(),
            unacknowledged: None,
            added: 0,
        }
    }

    /// Writes until a request is not answered. Adds the acknowledged writes to `acknowledged`.
    async fn write(mut self, acknowledged: Arc<AtomicUsize>) -> Self {
        for step in 0.. {
            let known = self.movies.iter().rfind(|(_, movie)| !movie.deleted);
            let Some((id, known)) = known
                .map(|(id, movie)| (*id, movie.clone()))
                .filter(|_| step % 5 > 0)
            else {
                // Its last word is new.
                let title = format!("{0} {1} {0}{1}", self.user.username, self.added);
                self.added += 1;
                let movie = movie(&title, "A. Writer", "Thriller, Suspense", "2001-01-01");
                let Some(added) = send(&self.user, Method::POST, "/api/movies/", Some(movie)).await else {
                    return self;
                };
                let id = added["id"].as_u64().unwrap();
                let known = ExpectedMovie {
                    title,
                    ..ExpectedMovie::default()
                };
                self.movies.insert(id, known);
                acknowledged.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let (method, body, path) = (Method::PATCH, None, format!("/api/movies/{id}/"));
            let (method, body, path, will_be) = match step % 5 {
                1 | 3 => {
                    let favorite = !known.favorite;
                    let path = format!("{path}favorite/");
                    (Method::POST, body, path, ExpectedMovie { favorite, ..known })
                }
                2 => {
                    let title = format!("{} again", known.title);
                    (
                        method,
                        Some(json!({"title": title})),
                        path,
                        ExpectedMovie { title, ..known },
                    )
                }
                _ if step % 3 > 0 => (
                    Method::DELETE,
                    body,
                    path,
                    ExpectedMovie {
                        deleted: true,
                        ..known
                    },
                ),
                _ => continue,
            };
            self.unacknowledged = Some((id, will_be.clone()));
            if send(&self.user, method, &path, body).await.is_none() {
                return self;
            }
            self.unacknowledged = None;
            self.movies.insert(id, will_be);
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    /// Asserts that every acknowledged write is stored, and an unacknowledged one completely or not at all.
    async fn check(&mut self, server: &RunningServer) {
        self.user.base.clone_from(&server.base);
        for (id, known) in &mut self.movies {
            let answer = self.user.get(&format!("/api/movies/{id}/")).send().await;
            let is = match answer.status.as_u16() {
                404 => ExpectedMovie {
                    deleted: true,
                    ..known.clone()
                },
                _ => ExpectedMovie {
                    title: answer.body["title"].as_str().unwrap().to_owned(),
                    favorite: answer.body["favorite"].as_bool().unwrap(),
                    deleted: false,
                },
            };
            let may_be = self
                .unacknowledged
                .as_ref()
                .filter(|(unacknowledged, _)| unacknowledged == id)
                .map(|(_, will_be)| will_be);
            assert!(
                is == *known || Some(&is) == may_be,
                "movie {id} is {is:?}; expected {known:?} or {may_be:?}"
            );
            *known = is;
        }
        self.unacknowledged = None;
    }
}

/// Guarantees 32, 43 and 68. The process is killed three times while four users write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_the_process_is_killed() {
    let data = tempfile::tempdir().unwrap();
    let mut server = RunningServer::start(data.path()).await;
    let mut writers = Vec::new();
    for name in ["ripley", "dallas", "lambert", "parker"] {
        writers.push(Writer::new(&server, name).await);
    }
    for _ in 0..3 {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = writers
            .into_iter()
            .map(|writer| tokio::spawn(writer.write(Arc::clone(&acknowledged))))
            .collect();
        let enough = rand::rng().random_range(60..160);
        while acknowledged.load(Ordering::Relaxed) < enough {
            tokio::task::yield_now().await;
        }
        server.child.start_kill().unwrap();
        let (status, _) = server.wait_for_exit().await;
        assert!(!status.success());
        writers = Vec::new();
        for task in tasks {
            writers.push(task.await.unwrap());
        }

        server = RunningServer::start(data.path()).await;
        audit(&server.table).await;
        assert_eq!(missing_words(&server.table).await, [""; 0]);
        for writer in &mut writers {
            writer.check(&server).await;
        }
        let known: BTreeSet<u64> = writers
            .iter()
            .flat_map(|writer| &writer.movies)
            .filter(|(_, movie)| !movie.deleted)
            .map(|(id, _)| *id)
            .collect();
        let there = movies(&server.table).await;
        assert!(known.iter().all(|id| there.contains_key(id)));
        // An unacknowledged movie may be stored too, one for each writer and kill.
        assert!(
            there.len() <= known.len() + 12,
            "{} of {}",
            known.len(),
            there.len()
        );
    }
    // The sessions continue too.
    for writer in &writers {
        let body = json!({"refresh": writer.user.refresh});
        writer
            .user
            .post("/api/auth/refresh/")
            .json(&body)
            .send()
            .await
            .is(200);
    }
    server.signal("TERM").await;
    assert!(server.wait_for_exit().await.0.success());
}

/// Returns the titles of all movies, by id.
async fn movies(table: &Store) -> BTreeMap<u64, String> {
    let items = scan(table).await.into_iter();
    let movies = items.filter(|item| item["pk"].as_s().unwrap().starts_with("MOVIES#"));
    movies
        .map(|item| from_item::<MovieItem>(item).unwrap())
        .map(|movie| (movie.id.get(), movie.fields.title.as_str().to_owned()))
        .collect()
}

#[tokio::test]
async fn sigterm_and_ctrl_c_stop_the_program_cleanly_and_it_prints_only_two_lines() {
    let data = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT"] {
        let server = RunningServer::start(data.path()).await;
        let user = server.register(&format!("user-{}", signal.to_lowercase())).await;
        user.add(&movie(signal, "A. Writer", "Drama", "2001-01-01")).await;
        server.signal(signal).await;
        let (status, rest) = server.wait_for_exit().await;
        assert_eq!(status.code(), Some(0));
        assert_eq!(rest, [""; 0]);
    }
    let server = RunningServer::start(data.path()).await;
    assert_eq!(
        movies(&server.table).await.into_values().collect::<Vec<_>>(),
        ["TERM", "INT"]
    );
    audit(&server.table).await;
}

/// Returns a CSV catalog with this number of rows, the titles of its valid rows, and the lines of its invalid rows.
fn catalog(rows: usize) -> (String, Vec<String>, Vec<usize>) {
    let mut csv = String::from("title,description,release_date,director,genre\n");
    let (mut titles, mut bad) = (Vec::new(), Vec::new());
    let mut line = 1;
    for n in 0..rows {
        line += 1;
        // Its last word is new.
        let title = format!("Movie {n:05}x");
        if n % 50 == 49 {
            bad.push(line);
            csv.push_str(match n / 50 % 4 {
                0 => ",No title.,2001-01-01,Somebody,Drama\n",
                1 => "Wrong date,No such day.,2001-02-30,Somebody,Drama\n",
                2 => "Too few fields,Only these\n",
                _ => "No genre,It has none.,2001-01-01,Somebody,\" , \"\n",
            });
            continue;
        }
        // Some rows have two lines. With many genres the import commits small chunks, so it can be killed between them.
        let description = if n % 7 == 0 {
            line += 1;
            "Two\nlines."
        } else {
            "One line."
        };
        let genres = (0..4)
            .map(|k| format!("Genre {}", (n * 4 + k) % 90))
            .collect::<Vec<_>>();
        writeln!(
            csv,
            "{title},\"{description}\",2001-01-01,Director {},\"{}\"",
            n % 31,
            genres.join(", ")
        )
        .unwrap();
        titles.push(title);
    }
    (csv, titles, bad)
}

/// Runs an import; kills it when its file of rejected rows has so many lines. Gives the lines of the rows in that file, in
/// its order, and what the import printed on standard output.
async fn import(data: &Path, file: &Path, kill_at: Option<usize>) -> (Vec<usize>, Output) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_marquee"));
    command
        .arg("import")
        .arg(file)
        .args(["--data".as_ref(), data.as_os_str()]);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let rejected = file.with_extension("csv.rejected.csv");
    let lines = || -> Vec<usize> {
        let text = std::fs::read_to_string(&rejected).unwrap_or_default();
        let lines = text
            .lines()
            .skip(1)
            .filter_map(|row| row.split(',').next()?.parse().ok());
        lines.collect()
    };
    let mut child = command.spawn().unwrap();
    if let Some(at) = kill_at {
        while lines().len() < at && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // Fails if it has ended, which the caller sees by its status.
        let _ = child.start_kill();
    }
    let output = child.wait_with_output().await.unwrap();
    (lines(), output)
}

/// Guarantees 43 and 72.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_continues_and_imports_or_reports_every_row_once() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("movies.csv");
    let (csv, titles, bad) = catalog(10_000);
    std::fs::write(&file, csv).unwrap();
    // An import reads five batches ahead of what it has committed, of 600 movies each here: so the first has committed some
    // by then, and the second more.
    let mut before = 0;
    for at in [90, 180] {
        let (_, output) = import(data.path(), &file, Some(at)).await;
        assert_eq!(output.status.code(), None, "it was done before it was killed");
        let there = stored(data.path()).await.len();
        assert!(there > before && there < titles.len(), "{there}");
        before = there;
    }
    let text = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let ending = format!(
        ", left out {} bad rows: see {}.rejected.csv\n",
        bad.len(),
        file.display()
    );
    let (rejected, output) = import(data.path(), &file, None).await;
    assert_eq!(output.status.code(), Some(1));
    let added = format!("imported {} movies{ending}", titles.len() - before);
    assert_eq!(text(&output), added);
    assert_eq!(rejected, bad);
    let there: Vec<String> = stored(data.path()).await.into_values().collect();
    let known: BTreeSet<_> = there.iter().collect();
    let lost: Vec<_> = titles.iter().filter(|title| !known.contains(title)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(there == titles, "a movie is there twice, or the order differs");
    let engine = Engine::start(&Storage::File(table_file(data.path()))).unwrap();
    audit(&Store::new(engine.client(), "marquee", Clock::default())).await;
    engine.shutdown().await.unwrap();

    let (rejected, output) = import(data.path(), &file, None).await;
    assert_eq!(output.status.code(), Some(1));
    let skipped = format!(
        "imported 0 movies, skipped {} already there{ending}",
        titles.len()
    );
    assert_eq!(text(&output), skipped);
    assert_eq!(rejected, bad);
    assert_eq!(stored(data.path()).await.len(), titles.len());
}

/// Returns the movies in a data directory that no process serves. The vocabulary has their words.
async fn stored(data: &Path) -> BTreeMap<u64, String> {
    let engine = Engine::start(&Storage::File(table_file(data))).unwrap();
    let table = Store::new(engine.client(), "marquee", Clock::default());
    let movies = movies(&table).await;
    assert_eq!(missing_words(&table).await, [""; 0]);
    engine.shutdown().await.unwrap();
    movies
}
