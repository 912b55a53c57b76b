//! Every operation of the API against one catalog, with a fault proxy between it and its table.

use std::{collections::BTreeSet, error::Error, path::Path, time::Duration};

use fault_proxy::{Cost, FaultProxy};
use http::Method;
use marquee::{
    engine::Engine,
    server::{self, Catalog, Options, Place, Running},
};
use marquee_shared::{
    clock::Clock,
    config::Config,
    db::{
        cursor::CursorKey,
        keys,
        page::{Position, Window},
    },
    domain::text,
};
use serde_json::{Value, json};

use crate::{
    catalog::{EXACT_MOVIE, EXACT_TITLE, RARE_WORD},
    prepared::{self, PASSWORD, Prepared, boxed},
};

/// Longer than lies between two calls that are sent off together, also on a machine with other work.
const HOLD: Duration = Duration::from_millis(60);

/// How often each operation is measured.
const RUNS: usize = 2;

/// A movie that is added, and what it is changed to: different words in all, so that every posting of it changes.
const ADDED: [&str; 4] = [
    "The Long Measured Goodbye",
    "Ada Counter",
    "Drama, Comedy",
    "2001-02-03",
];
const CHANGED: [&str; 4] = ["A Short Weighed Hello", "Bea Teller", "Horror, War", "2004-05-06"];
/// The added movie's title with one word changed.
const RETITLED: &str = "The Long Measured Hello";

/// What an operation may cost: calls one after another, read units, write units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Budget {
    /// Calls one after another.
    pub(crate) trips: usize,
    /// Read units.
    pub(crate) reads: f64,
    /// Write units.
    pub(crate) writes: f64,
}

/// An operation, as measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// What it is.
    pub(crate) name: &'static str,
    /// What it may cost, where the design says so.
    pub(crate) budget: Option<Budget>,
    /// What it costs.
    pub(crate) cost: Cost,
    /// How many different things its answer holds; `None` where it isn't a collection.
    pub(crate) found: Option<usize>,
}

/// A request in the making.
#[derive(Clone)]
struct Call {
    method: Method,
    path: String,
    signed_in: bool,
    body: Option<Value>,
}

impl Call {
    fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            signed_in: true,
            body: None,
        }
    }

    fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    fn by_nobody(mut self) -> Self {
        self.signed_in = false;
        self
    }

    fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// A server on a copy of a catalog.
struct Bench<'a> {
    prepared: &'a Prepared,
    engine: Engine,
    proxy: FaultProxy,
    running: Running,
    http: reqwest::Client,
    base: String,
    access: String,
    cursors: CursorKey,
    measured: Vec<Measured>,
}

/// Measures every operation against a copy of this catalog.
///
/// # Errors
/// Whatever stops it, in words for a person; also when an operation is refused.
pub(crate) async fn measure(prepared: &Prepared) -> Result<Vec<Measured>, Box<dyn Error>> {
    let directory = tempfile::tempdir_in(prepared::data()?)?;
    let mut bench = Bench::new(prepared, directory.path()).await?;
    bench.reads().await?;
    bench.searches().await?;
    bench.favorites().await?;
    bench.edits().await?;
    bench.sessions().await?;
    let Bench {
        running,
        engine,
        measured,
        ..
    } = bench;
    running.stop().await?;
    engine.shutdown().await?;
    Ok(measured)
}

impl<'a> Bench<'a> {
    async fn new(prepared: &'a Prepared, directory: &Path) -> Result<Self, Box<dyn Error>> {
        let (engine, store) = prepared::open(&prepared.copy_to(directory)?).await?;
        let proxy = FaultProxy::to(&engine.endpoint()).await;
        let running = server::start(Options {
            port: 0,
            place: Place::Endpoint {
                url: proxy.url.clone(),
                data: directory.to_owned(),
            },
            catalog: Catalog::None,
            config: Config::default(),
            clock: Clock::default(),
        })
        .await?;
        let mut bench = Self {
            prepared,
            cursors: store.cursor_key().await.map_err(boxed)?,
            engine,
            proxy,
            base: format!("http://{}", running.address),
            running,
            http: reqwest::Client::builder().no_proxy().build()?,
            access: String::new(),
            measured: Vec::new(),
        };
        let user = bench.send(&bench.registration("measured")).await?;
        bench.access = string(&user, "access")?;
        // A page of favorites, of movies that every catalog has.
        for id in 76..=96 {
            bench
                .send(&Call::new(Method::PUT, format!("/api/movies/{id}/favorite/")))
                .await?;
        }
        // The keys that warm functions hold.
        for path in ["/api/movies/?limit=1", "/api/users/me/favorites/?limit=1"] {
            bench.send(&Call::get(path)).await?;
        }
        bench.proxy.gather_calls(HOLD);
        Ok(bench)
    }

    /// Sends a request and gives its answer, which must be one of success.
    async fn send(&self, call: &Call) -> Result<Value, Box<dyn Error>> {
        let url = if call.path.starts_with("http") {
            call.path.clone()
        } else {
            format!("{}{}", self.base, call.path)
        };
        let mut request = self.http.request(call.method.clone(), url);
        if call.signed_in {
            request = request.bearer_auth(&self.access);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            return Err(format!("{} {}: {status}: {text}", call.method, call.path).into());
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Measures a request for each run; of several runs the units of the dearest count, and the trips of the shortest, since
    /// a busy machine may pull apart what was sent off together.
    async fn add(
        &mut self,
        name: &'static str,
        budget: Option<Budget>,
        calls: &[Call],
    ) -> Result<(), Box<dyn Error>> {
        self.add_after(name, budget, &[], calls).await
    }

    /// Likewise, each after another request that isn't measured.
    async fn add_after(
        &mut self,
        name: &'static str,
        budget: Option<Budget>,
        before: &[Call],
        calls: &[Call],
    ) -> Result<(), Box<dyn Error>> {
        let mut costs = Vec::with_capacity(RUNS);
        let mut found = None;
        for run in 0..RUNS {
            if let Some(before) = before.get(run % before.len().max(1)) {
                self.send(before).await?;
            }
            self.proxy.take();
            let answer = self.send(&calls[run % calls.len()]).await?;
            costs.push(Cost::of(self.proxy.take()));
            found = count(&answer);
        }
        let worst = costs.into_iter().reduce(|one, other| Cost {
            trips: one.trips.min(other.trips),
            reads: one.reads.max(other.reads),
            writes: one.writes.max(other.writes),
            calls: other.calls,
        });
        self.measured.extend(worst.map(|cost| Measured {
            name,
            budget,
            cost,
            found,
        }));
        Ok(())
    }

    /// Measures a path, for nobody and for a user.
    async fn get_both(
        &mut self,
        names: [&'static str; 2],
        budgets: [Option<Budget>; 2],
        path: &str,
    ) -> Result<(), Box<dyn Error>> {
        let call = Call::get(path);
        self.add(names[0], budgets[0], &[call.clone().by_nobody()])
            .await?;
        self.add(names[1], budgets[1], &[call]).await
    }

    /// The page after the first.
    async fn second(&self, path: &str) -> Result<String, Box<dyn Error>> {
        string(&self.send(&Call::get(path).by_nobody()).await?, "next")
    }

    /// A page that begins after this sort key. The scope is that of the product's cursors, which refuses another.
    fn page_after(&self, scope: &str, path: &str, key: String) -> Result<String, Box<dyn Error>> {
        let position = Position::at(key);
        let cursor = self
            .cursors
            .seal(scope, &Window::After(position))
            .map_err(boxed)?;
        Ok(format!("{path}cursor={cursor}"))
    }

    async fn reads(&mut self) -> Result<(), Box<dyn Error>> {
        let list = [reads(2, 15.0), reads(2, 35.0)];
        self.get_both(
            ["get a movie", "get a movie, signed in"],
            [reads(1, 1.0), None],
            "/api/movies/9/",
        )
        .await?;
        let by_id = "/api/movies/";
        self.get_both(["20 movies by id", "20 movies by id, signed in"], list, by_id)
            .await?;
        let second = self.second(by_id).await?;
        self.get_both(["by id, page 2", "by id, page 2, signed in"], list, &second)
            .await?;
        let middle = keys::id_text(self.prepared.movies / 2);
        let middle = self.page_after("movies Id None", "/api/movies/?", middle)?;
        self.get_both(
            [
                "by id, a page in the middle",
                "by id, a page in the middle, signed in",
            ],
            list,
            &middle,
        )
        .await?;
        self.get_both(
            ["20 movies by -id", "20 movies by -id, signed in"],
            list,
            "/api/movies/?ordering=-id",
        )
        .await?;
        self.get_both(
            [
                "20 movies by release_date",
                "20 movies by release_date, signed in",
            ],
            list,
            "/api/movies/?ordering=release_date",
        )
        .await?;
        let by_date = "/api/movies/?ordering=-release_date";
        self.get_both(
            [
                "20 movies by -release_date",
                "20 movies by -release_date, signed in",
            ],
            list,
            by_date,
        )
        .await?;
        let second = self.second(by_date).await?;
        self.get_both(
            ["by -release_date, page 2", "by -release_date, page 2, signed in"],
            list,
            &second,
        )
        .await?;
        let middle = format!("1998-06-15#{}", keys::id_text(1));
        let middle = self.page_after(
            "movies ReleaseDateDescending None",
            "/api/movies/?ordering=-release_date&",
            middle,
        )?;
        self.get_both(
            [
                "by -release_date, a page in the middle",
                "by -release_date, a page in the middle, signed in",
            ],
            list,
            &middle,
        )
        .await?;
        self.get_both(
            ["a genre's movies by id", "a genre's movies by id, signed in"],
            [None; 2],
            "/api/movies/?genre=drama",
        )
        .await?;
        self.get_both(
            [
                "a genre's movies by -release_date",
                "a genre's movies by -release_date, signed in",
            ],
            [None; 2],
            "/api/movies/?genre=drama&ordering=-release_date",
        )
        .await?;
        self.get_both(
            ["newest", "newest, signed in"],
            [reads(2, 6.0), None],
            "/api/movies/newest/",
        )
        .await?;
        self.get_both(
            ["most liked", "most liked, signed in"],
            [reads(2, 16.0), None],
            "/api/movies/most-liked/",
        )
        .await?;
        self.get_both(
            ["categories", "categories, signed in"],
            [reads(3, 130.0), None],
            "/api/movies/categories/",
        )
        .await?;
        self.add("my favorites", None, &[Call::get("/api/users/me/favorites/")])
            .await?;
        self.add("me", None, &[Call::get("/api/users/me/")]).await?;
        self.add("20 users", None, &[Call::get("/api/users/")]).await
    }

    async fn searches(&mut self) -> Result<(), Box<dyn Error>> {
        let rare = RARE_WORD.to_lowercase();
        let exact = EXACT_TITLE.to_lowercase().replace(' ', "+");
        let common = "the";
        let few = reads(3, 40.0);
        let many = reads(4, 40.0);
        for (name, budget, words) in [
            ("search, a rare word", few, rare.as_str()),
            (
                "search, a rare word and a common one",
                few,
                &format!("{rare}+the"),
            ),
            // Each of its words is common.
            ("search, an exact title", many, &exact),
            ("search, an absent word", few, "xylographically"),
            (
                "search, an absent word and a common one",
                few,
                "the+xylographically",
            ),
            ("search, the commonest word of titles", few, common),
            ("search, the commonest genre", few, "drama"),
            ("search, an unfinished word", few, "lov"),
            ("search, one letter", few, "a"),
            ("search, another letter", few, "i"),
            ("search, a letter that no movie has", few, "ж"),
            ("search, two common words of titles", many, "the+of"),
            ("search, a common word and a common genre", many, "the+drama"),
            ("search, two common genres", many, "drama+comedy"),
            ("search, three common words", many, "the+drama+romance"),
            ("search, a letter and a genre", many, "a+drama"),
            (
                "search, three genres that few movies combine",
                many,
                "western+musical+horror",
            ),
        ] {
            let path = format!("/api/movies/search/?q={words}");
            self.add(name, budget, &[Call::get(path).by_nobody()]).await?;
        }
        let path = format!("/api/movies/search/?q={common}");
        self.add(
            "search, the commonest word of titles, signed in",
            None,
            &[Call::get(&path)],
        )
        .await?;
        let second = self.second(&path).await?;
        self.add(
            "search, the commonest word of titles, page 2",
            few,
            &[Call::get(second).by_nobody()],
        )
        .await
    }

    async fn favorites(&mut self) -> Result<(), Box<dyn Error>> {
        let budget = Some(Budget {
            trips: 2,
            reads: 2.0,
            writes: 8.0,
        });
        for (movie, names) in [
            (
                EXACT_MOVIE,
                ["add a movie's first favorite", "remove a movie's only favorite"],
            ),
            (
                self.prepared.most_liked,
                [
                    "add a favorite, the most liked movie",
                    "remove a favorite, the most liked movie",
                ],
            ),
        ] {
            let path = format!("/api/movies/{movie}/favorite/");
            let on = [Call::new(Method::PUT, &path)];
            let off = [Call::new(Method::DELETE, &path)];
            self.add_after(names[0], budget, &off, &on).await?;
            self.add_after(names[1], budget, &on, &off).await?;
        }
        let toggle = format!("/api/movies/{}/favorite/", self.prepared.most_liked);
        self.add("favorite, toggled", budget, &[Call::new(Method::POST, toggle)])
            .await
    }

    async fn edits(&mut self) -> Result<(), Box<dyn Error>> {
        let create = Call::new(Method::POST, "/api/movies/").with(movie(ADDED));
        self.add("create", edit(&[ADDED]), std::slice::from_ref(&create))
            .await?;
        let mut paths = Vec::new();
        for _ in 0..4 * RUNS {
            let id = self.send(&create).await?["id"].clone();
            paths.push(format!("/api/movies/{id}/"));
        }
        let each = |at: usize, method: Method, body: Value| -> Vec<Call> {
            paths[at * RUNS..(at + 1) * RUNS]
                .iter()
                .map(|path| Call::new(method.clone(), path).with(body.clone()))
                .collect()
        };
        let described = each(0, Method::PATCH, json!({"description": "Another."}));
        self.add("update the description", edit(&[ADDED]), &described)
            .await?;
        let retitled = each(1, Method::PATCH, json!({"title": RETITLED}));
        self.add("update the title", edit(&[ADDED]), &retitled).await?;
        let changed = each(2, Method::PUT, movie(CHANGED));
        self.add("update every word and genre", edit(&[CHANGED]), &changed)
            .await?;
        let deleted: Vec<Call> = paths[3 * RUNS..]
            .iter()
            .map(|path| Call::new(Method::DELETE, path))
            .collect();
        self.add("delete", None, &deleted).await
    }

    fn registration(&self, name: &str) -> Call {
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        Call::new(Method::POST, "/api/auth/register/")
            .by_nobody()
            .with(body)
    }

    async fn sessions(&mut self) -> Result<(), Box<dyn Error>> {
        let budget = |trips, reads, writes| Some(Budget { trips, reads, writes });
        let registrations: Vec<Call> = (0..RUNS)
            .map(|n| self.registration(&format!("measured{n}")))
            .collect();
        self.add("register", budget(3, 4.0, 12.0), &registrations).await?;
        let login = Call::new(Method::POST, "/api/auth/login/")
            .by_nobody()
            .with(json!({"username": "measured", "password": PASSWORD}));
        self.add("login", budget(3, 3.0, 4.0), std::slice::from_ref(&login))
            .await?;
        let mut sessions = Vec::new();
        for _ in 0..2 * RUNS {
            sessions.push(self.send(&login).await?["refresh"].clone());
        }
        let each = |path: &str, at: usize| -> Vec<Call> {
            sessions[at * RUNS..(at + 1) * RUNS]
                .iter()
                .map(|token| {
                    Call::new(Method::POST, path)
                        .by_nobody()
                        .with(json!({"refresh": token}))
                })
                .collect()
        };
        let (refresh, logout) = (each("/api/auth/refresh/", 0), each("/api/auth/logout/", 1));
        self.add("refresh", budget(2, 3.0, 4.0), &refresh).await?;
        self.add("logout", None, &logout).await
    }
}

/// A budget of reads.
fn reads(trips: usize, reads: f64) -> Option<Budget> {
    Some(Budget {
        trips,
        reads,
        writes: 0.0,
    })
}

/// What adding or changing a movie may cost: twice eight and its different words.
fn edit(movies: &[[&str; 4]]) -> Option<Budget> {
    let words: BTreeSet<String> = movies
        .iter()
        .flat_map(|[title, director, genre, _]| text::words(&format!("{title} {director} {genre}")))
        .collect();
    #[allow(clippy::cast_precision_loss)]
    let writes = 2.0 * (8.0 + words.len() as f64);
    Some(Budget {
        trips: 3,
        reads: 6.0,
        writes,
    })
}

fn movie([title, director, genre, release_date]: [&str; 4]) -> Value {
    json!({
        "title": title,
        "description": "Measured.",
        "release_date": release_date,
        "director": director,
        "genre": genre,
    })
}

/// How many different things a collection holds: the movies of categories, or what it is made of.
fn count(answer: &Value) -> Option<usize> {
    let results = answer["results"].as_array()?;
    let ids: BTreeSet<u64> = results
        .iter()
        .flat_map(|one| match one["movies"].as_array() {
            Some(movies) => movies.iter().collect(),
            None => vec![one],
        })
        .filter_map(|one| one["id"].as_u64())
        .collect();
    Some(ids.len())
}

fn string(answer: &Value, name: &str) -> Result<String, Box<dyn Error>> {
    let text = answer[name].as_str().map(str::to_owned);
    text.ok_or_else(|| format!("an answer without {name}: {answer}").into())
}
