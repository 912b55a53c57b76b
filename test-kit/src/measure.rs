//! Measures the requests of [`budgets`](crate::budgets) against a catalog.

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use fault_proxy::Cost;
use marquee_shared::{
    db::{
        keys,
        page::{Position, Window},
    },
    domain::text,
};
use serde_json::{Value, json};

use crate::{
    budgets::{Ask, Budget, CASES, Case},
    caller::Caller,
    operations::{IMAGE, Operation, Subject, operations},
    proxy::ProxiedApp,
};

/// How long the proxy waits for further calls before it answers. Longer than the time between two calls that are sent
/// together, also on a busy machine.
pub const HOLD: Duration = Duration::from_millis(60);

/// A cursor's scope for the movies by id, and for the movies by date, latest first. A cursor is sealed for one collection,
/// and the server refuses it elsewhere.
const SCOPES: [&str; 2] = ["movies ordering=id", "movies ordering=-release_date"];

/// A title, a director, genres and a release date.
pub type MovieTexts = [&'static str; 4];

/// A catalog to measure against: what its movies are called.
pub struct Catalog {
    /// How many movies it has.
    pub movies: u64,
    /// What the names in braces stand for, in queries, and the names of single movies. A request with a name that the
    /// catalog lacks isn't measured.
    pub names: Vec<(&'static str, String)>,
    /// The movies that the measured user has as favorites.
    pub favorites: RangeInclusive<u64>,
    /// The movie that is added. Its genres exist already.
    pub added: MovieTexts,
    /// A title with one word of the added movie's changed.
    pub retitled: &'static str,
    /// What the added movie is changed to.
    pub changed: MovieTexts,
}

/// A request, as measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What the tables call it.
    pub name: &'static str,
    /// What it may cost.
    pub budget: Budget,
    /// What it costs.
    pub cost: Cost,
    /// How many results its answer has. `None` where it isn't a collection.
    pub results: Option<usize>,
    /// How many different movies or users its answer has. `None` where it isn't a collection.
    pub found: Option<usize>,
}

impl Catalog {
    /// This text with the names in braces replaced. `None` when the catalog lacks one.
    fn named(&self, text: &str) -> Option<String> {
        let mut named = text.to_owned();
        for (name, value) in &self.names {
            named = named.replace(&format!("{{{name}}}"), value);
        }
        (!named.contains('{')).then_some(named)
    }

    /// How many postings the added movie has: one for each word of its title, of its director, and of each genre, and one for
    /// its year.
    #[must_use]
    pub fn postings(&self) -> u32 {
        let [title, director, genres, _] = self.added;
        let distinct = |text: &str| text::words(text).into_iter().collect::<BTreeSet<_>>().len();
        let of_genres: usize = genres.split(", ").map(distinct).sum();
        u32::try_from(distinct(&format!("{title} {director}")) + of_genres + 1).unwrap()
    }
}

/// Measures every request of the list that the catalog has the names for, `runs` times each.
///
/// The units of the most expensive run count, and the trips of the shortest, since a busy machine may separate calls that were
/// sent together.
pub async fn measure(proxied: &ProxiedApp, catalog: &Catalog, runs: usize) -> Vec<Measured> {
    measure_cases(proxied, catalog, CASES, runs).await
}

/// Measures these requests in the same way.
pub async fn measure_cases(
    proxied: &ProxiedApp,
    catalog: &Catalog,
    cases: impl IntoIterator<Item = &Case>,
    runs: usize,
) -> Vec<Measured> {
    let measuring = Measuring::new(proxied, catalog).await;
    let mut measured = Vec::new();
    for case in cases {
        measured.extend(measuring.measure(case, runs).await);
    }
    proxied.proxy.gather_calls(Duration::ZERO);
    measured
}

/// A server, the user who asks, and what is asked for.
struct Measuring<'a> {
    proxied: &'a ProxiedApp,
    catalog: &'a Catalog,
    operations: Vec<Operation>,
    user: Caller,
}

/// A request that is ready to be sent.
struct Ready {
    subject: Subject,
    /// The query, or the whole URL of a page.
    query: String,
    body: Option<Value>,
    /// The idempotency key, if it has one.
    key: Option<String>,
    /// The caller, if it isn't the measured user in the first session.
    caller: Option<Caller>,
}

impl<'a> Measuring<'a> {
    async fn new(proxied: &'a ProxiedApp, catalog: &'a Catalog) -> Self {
        let user = proxied.app.member().await;
        for id in catalog.favorites.clone() {
            let path = format!("/api/movies/{id}/favorite/");
            user.put(&path).send().await.is(200);
        }
        // A warm function has read the public keys.
        for path in ["/api/movies/?limit=1", "/api/users/me/favorites/?limit=1"] {
            user.get(path).send().await.is(200);
        }
        // It has also seen the words of the movies that are measured.
        let added = user.add(&body(catalog.added)).await;
        let path = format!("/api/movies/{}/", added["id"]);
        let retitled = json!({"title": catalog.retitled});
        user.patch(&path).json(&retitled).send().await.is(200);
        user.put(&path).json(&body(catalog.changed)).send().await.is(200);
        user.delete(&path).send().await.is(204);
        proxied.proxy.gather_calls(HOLD);
        Self {
            proxied,
            catalog,
            operations: operations(),
            user,
        }
    }

    fn operation(&self, id: &str) -> &Operation {
        let found = self.operations.iter().find(|operation| operation.id == id);
        found.unwrap_or_else(|| panic!("{id} is measured, and is no operation"))
    }

    /// Sends a request and returns the body of its answer, which must be the one of success.
    async fn send(&self, id: &str, signed_in: bool, ready: &Ready) -> Value {
        let operation = self.operation(id);
        let (caller, kind) = if signed_in {
            (ready.caller.as_ref().unwrap_or(&self.user).clone(), 2)
        } else {
            (self.user.signed_out(), 0)
        };
        let call = if ready.query.starts_with("http") {
            caller.get(&ready.query)
        } else {
            operation.call(&caller, &ready.subject, &ready.query, ready.body.clone())
        };
        let call = match &ready.key {
            Some(key) => call.header("idempotency-key", key),
            None => call,
        };
        let answer = call.send().await;
        assert_eq!(
            answer.status, operation.sample.expected[kind],
            "{id}{}: {}",
            ready.query, answer.text
        );
        answer.body
    }

    /// Measures a request. `None` when the catalog lacks a name.
    async fn measure(&self, case: &Case, runs: usize) -> Option<Measured> {
        let mut costs = Vec::with_capacity(runs);
        let mut body = Value::Null;
        for _ in 0..runs {
            let ready = self.prepare(case).await?;
            self.proxied.proxy.take();
            body = self.send(case.operation, case.signed_in, &ready).await;
            costs.push(Cost::of(self.proxied.proxy.take()));
        }
        let cost = costs.into_iter().reduce(|one, other| Cost {
            trips: one.trips.min(other.trips),
            reads: one.reads.max(other.reads),
            writes: one.writes.max(other.writes),
            calls: other.calls,
        })?;
        let results = body["results"].as_array();
        Some(Measured {
            name: case.name,
            budget: case.budget.for_postings(self.catalog.postings()),
            cost,
            results: results.map(Vec::len),
            found: results.map(|results| distinct(results)),
        })
    }

    /// Makes what the request needs, and the request.
    async fn prepare(&self, case: &Case) -> Option<Ready> {
        let mut ready = Ready {
            subject: Subject::of(&Value::Null, &self.user),
            query: String::new(),
            body: None,
            key: None,
            caller: None,
        };
        match case.ask {
            Ask::First(query) => ready.query = self.catalog.named(query)?,
            Ask::Second(query) => {
                ready.query = self.catalog.named(query)?;
                let first = self.send(case.operation, false, &ready).await;
                let next = first["next"].as_str();
                ready.query = next
                    .unwrap_or_else(|| panic!("{}: one page", case.name))
                    .to_owned();
            }
            Ask::MiddleById(query) => {
                let key = keys::id_text(self.catalog.movies / 2);
                ready.query = self.page_after(SCOPES[0], query, key).await;
            }
            Ask::MiddleByDate(query) => {
                let key = format!("1998-06-15#{}", keys::id_text(1));
                ready.query = self.page_after(SCOPES[1], query, key).await;
            }
            Ask::Movie(name) => ready.subject.movie = self.catalog.named(&format!("{{{name}}}"))?,
            Ask::Favorite(name, undo) => {
                ready.subject.movie = self.catalog.named(&format!("{{{name}}}"))?;
                if let Some(undo) = undo {
                    self.send(undo, true, &ready).await;
                }
            }
            Ask::Addition => ready.body = Some(body(self.catalog.added)),
            Ask::AdditionWithImdbId => ready.body = Some(self.added_with_imdb_id()),
            Ask::AdditionWithKey | Ask::AdditionReplayed => {
                ready.body = Some(body(self.catalog.added));
                ready.key = Some(unused_key());
            }
            Ask::ToggleWithKey(name) | Ask::ToggleReplayed(name) => {
                ready.subject.movie = self.catalog.named(&format!("{{{name}}}"))?;
                ready.key = Some(unused_key());
            }
            Ask::AdditionWithNewWord => {
                let mut added = body(self.catalog.added);
                added["title"] = json!(self.title_with_new_word());
                ready.body = Some(added);
            }
            Ask::ImdbId => {
                ready.subject.movie = self.add_with_imdb_id().await;
                ready.body = Some(json!({"imdb_id": unused_imdb_id()}));
            }
            Ask::Description => {
                ready.subject.movie = self.add().await;
                ready.body = Some(json!({"description": "Another."}));
            }
            Ask::Title => {
                ready.subject.movie = self.add().await;
                ready.body = Some(json!({"title": self.catalog.retitled}));
            }
            Ask::NewWord => {
                ready.subject.movie = self.add().await;
                ready.body = Some(json!({"title": self.title_with_new_word()}));
            }
            Ask::Everything => {
                ready.subject.movie = self.add().await;
                ready.body = Some(body(self.catalog.changed));
            }
            Ask::AnotherCover | Ask::CoverDeletion => {
                ready.subject.movie = self.add().await;
                let path = format!("/api/movies/{}/cover/", ready.subject.movie);
                self.user.put(&path).body("image/png", IMAGE).send().await.is(200);
            }
            Ask::Cover | Ask::Deletion => ready.subject.movie = self.add().await,
            Ask::DeletionWithImdbId => ready.subject.movie = self.add_with_imdb_id().await,
            Ask::ResetToken => {
                let first = self.user.in_new_session().await;
                first.delete("/api/users/me/sessions/").send().await.is(204);
                self.user.in_new_session().await;
                let store = self.proxied.proxy.store().await;
                let token = store.make_reset_token_of(&self.user.username, 1800).await;
                let token = token.unwrap().unwrap().to_text();
                token.expose().clone_into(&mut ready.subject.reset);
                ready.body = self.operation(case.operation).sample.body(&ready.subject);
            }
            Ask::Sample => {
                let caller = self.user.in_new_session().await;
                ready.subject.refresh.clone_from(&caller.refresh);
                ready.caller = Some(caller);
                ready.body = self.operation(case.operation).sample.body(&ready.subject);
            }
            Ask::NewUser => {
                ready.caller = Some(self.proxied.app.member().await);
                ready.body = self.operation(case.operation).sample.body(&ready.subject);
            }
            Ask::OneOtherSession => {
                let first = self.user.in_new_session().await;
                first.delete("/api/users/me/sessions/").send().await.is(204);
                ready.caller = Some(self.user.in_new_session().await);
                ready.body = self.operation(case.operation).sample.body(&ready.subject);
            }
        }
        if matches!(case.ask, Ask::AdditionReplayed | Ask::ToggleReplayed(_)) {
            self.send(case.operation, true, &ready).await;
        }
        Some(ready)
    }

    /// The title of the measured movie with a last word of eight letters that no movie has.
    fn title_with_new_word(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let (title, _) = self.catalog.added[0].rsplit_once(' ').unwrap();
        let letter = |digit: char| char::from(b'j' + digit as u8 - b'0');
        let digits = format!("{:08}", NEXT.fetch_add(1, Ordering::Relaxed));
        format!("{title} {}", digits.chars().map(letter).collect::<String>())
    }

    /// Adds the measured movie and returns its id.
    async fn add(&self) -> String {
        self.user.add(&body(self.catalog.added)).await["id"].to_string()
    }

    /// The body of the measured movie with an `imdb_id` that no movie has.
    fn added_with_imdb_id(&self) -> Value {
        let mut added = body(self.catalog.added);
        added["imdb_id"] = json!(unused_imdb_id());
        added
    }

    /// Adds the measured movie with an `imdb_id` and returns its id.
    async fn add_with_imdb_id(&self) -> String {
        self.user.add(&self.added_with_imdb_id()).await["id"].to_string()
    }

    /// The query of the page that begins after this sort key.
    async fn page_after(&self, scope: &str, query: &str, key: String) -> String {
        let position = Position::at(key);
        let sealing = self.proxied.proxy.store().await.cursor_key().await.unwrap();
        let cursor = sealing.seal(scope, &Window::After(position)).unwrap();
        let separator = if query.is_empty() { '?' } else { '&' };
        format!("{query}{separator}cursor={cursor}")
    }
}

/// An `imdb_id` that no movie has. Those of the catalogs have fewer digits.
fn unused_imdb_id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("tt{:010}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An idempotency key that no request has had.
fn unused_key() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("measured-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn body([title, director, genre, release_date]: MovieTexts) -> Value {
    json!({
        "title": title,
        "description": "Measured.",
        "release_date": release_date,
        "director": director,
        "genre": genre,
    })
}

/// How many different movies or users these results are, or the movies of these categories.
fn distinct(results: &[Value]) -> usize {
    let ids: BTreeSet<u64> = results
        .iter()
        .flat_map(|one| match one["movies"].as_array() {
            Some(movies) => movies.iter().collect(),
            None => vec![one],
        })
        .filter_map(|one| one["id"].as_u64())
        .collect();
    ids.len()
}
