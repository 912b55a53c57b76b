//! Budgets: what each operation costs in calls one after another, read units and write units, held against the ceilings
//! of the data model, and the same for a hundred movies and for ten thousand.

use std::{fmt::Write as _, future::Future, time::Duration};

use marquee::import::{Importer, Report, Source};
use marquee_shared::domain::text;
use serde_json::{Value, json};

use crate::support::{
    Caller, PASSWORD,
    audit::audit,
    movie,
    proxy::{Cost, ProxiedApp},
};

/// Longer than lies between two calls that are sent off together, also on a machine with other work.
const HOLD: Duration = Duration::from_millis(60);

/// How often each operation is measured.
const RUNS: usize = 3;

/// A hundred movies, and ten thousand: so many that the last page by id, like that of a hundred, is in one bucket.
const SIZES: [usize; 2] = [100, 10_020];

/// What reads on in a word's items: how far there is to read is all that a hundred movies change, so only the ceiling
/// counts.
const READS_ON: [&str; 2] = [
    "search, common words",
    "search, common words that no movie has together",
];

/// What an operation may cost.
struct Budget {
    name: &'static str,
    trips: usize,
    reads: f64,
    writes: f64,
}

const fn budget(name: &'static str, trips: usize, reads: f64, writes: f64) -> Budget {
    Budget {
        name,
        trips,
        reads,
        writes,
    }
}

/// The words of the measured movie before and after its update: what it is searchable by, genres included.
const ADDED: [&str; 2] = ["The Long Measured Goodbye", "Ada Counter"];
const CHANGED: [&str; 2] = ["The Short Measured Hello", "Bea Counter"];

/// The movies of the measured catalog. What is asked of it finds as many movies whatever its size: the first hundred
/// are the newest, so that every list by date is the same; three movies are called Needle; every movie has a word that all
/// have, and one that half of them have.
fn catalog(movies: usize) -> String {
    let mut csv = String::from("title,description,release_date,director,genre\n");
    for n in 0..movies {
        let title = match n {
            7 | 40 | 73 => "Needle",
            _ => ["Straw", "Heather"][n % 2],
        };
        let year = if n < 100 { 1990 } else { 1890 } + n % 30;
        // Of the newest, no movie is among the five newest of two genres, but for five which there is no other way.
        let second = match n {
            0..5 => 16 + n,
            5..100 => n % 21,
            _ => (n + 1) % 21,
        };
        writeln!(
            csv,
            "{title} number {n:05},Movie {n} of a measured catalog.,{year}-{:02}-{:02},\
             Common Director {:03},\"Genre {:02}, Genre {:02}\"",
            1 + n % 12,
            1 + n % 28,
            n % 97,
            n % 21,
            second
        )
        .unwrap();
    }
    csv
}

/// A server with a fault proxy to its table and this many movies.
struct Measured {
    proxied: ProxiedApp,
    user: Caller,
    movies: u64,
    lines: Vec<(&'static str, Cost)>,
}

impl Measured {
    async fn new(movies: usize) -> Self {
        let proxied = ProxiedApp::new().await;
        let store = proxied.proxy.store().await;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("movies.csv");
        std::fs::write(&file, catalog(movies)).unwrap();
        let importer = Importer::new(store.clone(), proxied.proxy.table.database());
        let begun = std::time::Instant::now();
        let report = importer.run(&Source::File(file)).await.unwrap();
        println!("{movies} movies loaded in {:.1} s", begun.elapsed().as_secs_f64());
        let movies = movies as u64;
        assert_eq!(report, Report::of_all(movies));

        let user = proxied.app.member().await;
        // Forty fans, so that the most liked movies are there whatever the catalog's size.
        for id in 1..=40 {
            user.put(&format!("/api/movies/{id}/favorite/"))
                .send()
                .await
                .is(200);
        }
        if movies == 100 {
            audit(&store).await;
        }
        let measured = Self {
            proxied,
            user,
            movies,
            lines: Vec::new(),
        };
        // The keys that a warm function holds.
        measured.user.get("/api/movies/?limit=1").send().await.is(200);
        measured.proxied.proxy.gather_calls(HOLD);
        measured
    }

    /// Measures an operation some times.
    async fn measure<F: Future<Output = ()>>(
        &mut self,
        name: &'static str,
        run: impl Fn(Caller, usize) -> F,
    ) {
        let mut costs = Vec::new();
        for n in 0..RUNS {
            self.proxied.proxy.take();
            run(self.user.clone(), n).await;
            costs.push(Cost::of(self.proxied.proxy.take()));
        }
        self.lines.extend(worst(costs).map(|cost| (name, cost)));
    }

    async fn get(&mut self, name: &'static str, path: &str, signed_in: bool, results: Option<usize>) {
        let path = path.to_owned();
        let anonymous = self.proxied.app.anonymous();
        self.measure(name, |user, _| {
            let call = if signed_in { user } else { anonymous.clone() }.get(&path);
            async move {
                let answer = call.send().await.is(200);
                if let Some(results) = results {
                    assert_eq!(
                        answer.body["results"].as_array().unwrap().len(),
                        results,
                        "{}",
                        answer.text
                    );
                }
            }
        })
        .await;
    }

    /// Every operation of the table of budgets, and the others.
    async fn all(mut self) -> Vec<(&'static str, Cost)> {
        let page = Some(20);
        self.get("get a movie", "/api/movies/9/", false, None).await;
        self.get("get a movie, signed in", "/api/movies/9/", true, None)
            .await;
        self.get("list a page of 20", "/api/movies/", false, page).await;
        self.get("list a page of 20, signed in", "/api/movies/", true, page)
            .await;
        self.get("list by -id", "/api/movies/?ordering=-id", false, page)
            .await;
        let by_date = "/api/movies/?ordering=-release_date";
        self.get("list by date", by_date, false, page).await;
        self.get("list by date, signed in", by_date, true, page).await;
        let second = self.user.get(by_date).send().await.body["next"]
            .as_str()
            .unwrap()
            .to_owned();
        self.get("list by date, page 2, signed in", &second, true, page)
            .await;
        let few = Some(5);
        self.get(
            "list a genre, 5",
            "/api/movies/?genre=genre+07&limit=5",
            false,
            few,
        )
        .await;
        let by_date = "/api/movies/?genre=genre+07&ordering=release_date&limit=5";
        self.get("list a genre by date, 5, signed in", by_date, true, few)
            .await;
        self.get("newest", "/api/movies/newest/", false, few).await;
        self.get("newest, signed in", "/api/movies/newest/", true, few)
            .await;
        self.get("most liked, 10", "/api/movies/most-liked/", false, Some(10))
            .await;
        self.get(
            "most liked, 10, signed in",
            "/api/movies/most-liked/",
            true,
            Some(10),
        )
        .await;
        self.get(
            "categories, 21 genres × 5",
            "/api/movies/categories/",
            false,
            Some(21),
        )
        .await;
        self.get("categories, signed in", "/api/movies/categories/", true, Some(21))
            .await;
        let search = |q: &str| format!("/api/movies/search/?q={q}");
        self.get("search, a rare word", &search("needle"), false, Some(3))
            .await;
        self.get(
            "search, a rare word and a common one",
            &search("needle+number"),
            false,
            Some(3),
        )
        .await;
        self.get(
            "search, an exact title",
            &search("needle+number+00040"),
            false,
            Some(1),
        )
        .await;
        self.get("search, a common word", &search("straw"), false, page)
            .await;
        self.get("search, a common word, signed in", &search("straw"), true, page)
            .await;
        self.get("search, common words", &search("genre+director"), false, page)
            .await;
        self.get(
            "search, common words that no movie has together",
            &search("straw+heather"),
            false,
            Some(0),
        )
        .await;
        self.get(
            "search, common words, signed in",
            &search("genre+director"),
            true,
            page,
        )
        .await;
        self.get("my favorites", "/api/users/me/favorites/", true, page)
            .await;
        self.get("me", "/api/users/me/", true, None).await;
        self.get("users", "/api/users/", true, Some(1)).await;

        let favorite = "/api/movies/99/favorite/";
        for (name, first, second) in [
            ("add a favorite", "DELETE", "PUT"),
            ("remove a favorite", "PUT", "DELETE"),
        ] {
            self.one_of_two(name, favorite, first, second).await;
        }

        let new = |n: usize| {
            let mut new = movie(ADDED[0], ADDED[1], "Genre 01, Genre 02", "2001-02-03");
            new["description"] = json!(format!("Measured {n}."));
            new
        };
        self.measure("create", |user, n| {
            let movie = new(n);
            async move {
                user.add(&movie).await;
            }
        })
        .await;
        let mut added: Vec<Value> = Vec::new();
        for n in 0..4 * RUNS {
            added.push(self.user.add(&new(n)).await["id"].clone());
        }
        let path = |n: usize| format!("/api/movies/{}/", added[n]);
        self.measure("update the description", |user, n| {
            let call = user.patch(&path(n)).json(&json!({"description": "Another."}));
            async move {
                call.send().await.is(200);
            }
        })
        .await;
        self.measure("update every word and genre", |user, n| {
            let changed = movie(CHANGED[0], CHANGED[1], "Genre 03, Genre 04", "2004-05-06");
            let call = user.put(&path(RUNS + n)).json(&changed);
            async move {
                call.send().await.is(200);
            }
        })
        .await;
        self.measure("update the title", |user, n| {
            let call = user
                .patch(&path(3 * RUNS + n))
                .json(&json!({"title": "The Short Measured Goodbye"}));
            async move {
                call.send().await.is(200);
            }
        })
        .await;
        self.measure("delete", |user, n| {
            let call = user.delete(&path(2 * RUNS + n));
            async move {
                call.send().await.is(204);
            }
        })
        .await;

        let movies = self.movies;
        let name = move |n: usize| format!("measured{movies}x{n}");
        self.measure("register", |user, n| {
            let name = name(n);
            let body =
                json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
            let call = Caller { access: None, ..user }
                .post("/api/auth/register/")
                .json(&body);
            async move {
                call.send().await.is(201);
            }
        })
        .await;
        self.measure("login", |user, n| {
            let body = json!({"username": name(n), "password": PASSWORD});
            let call = Caller { access: None, ..user }
                .post("/api/auth/login/")
                .json(&body);
            async move {
                call.send().await.is(200);
            }
        })
        .await;
        let mut sessions = Vec::new();
        for _ in 0..2 * RUNS {
            let body = json!({"username": self.user.username, "password": PASSWORD});
            let answer = self
                .user
                .post("/api/auth/login/")
                .json(&body)
                .send()
                .await
                .is(200);
            sessions.push(answer.body["refresh"].clone());
        }
        for (at, (name, path)) in [("refresh", "/api/auth/refresh/"), ("logout", "/api/auth/logout/")]
            .into_iter()
            .enumerate()
        {
            self.measure(name, |user, n| {
                let call = user.post(path).json(&json!({"refresh": sessions[at * RUNS + n]}));
                async move {
                    assert!(call.send().await.status.is_success());
                }
            })
            .await;
        }
        self.lines
    }

    /// Measures the second of two calls that undo each other.
    async fn one_of_two(&mut self, name: &'static str, path: &str, first: &str, second: &str) {
        let proxy = &self.proxied.proxy;
        let mut costs = Vec::new();
        for _ in 0..RUNS {
            self.user.call(first.parse().unwrap(), path).send().await.is(200);
            proxy.take();
            self.user.call(second.parse().unwrap(), path).send().await.is(200);
            costs.push(Cost::of(proxy.take()));
        }
        self.lines.extend(worst(costs).map(|cost| (name, cost)));
    }
}

/// What runs of one operation come to: the units of the dearest, and the trips of the shortest, since a busy machine may
/// pull apart what was sent off together.
fn worst(costs: Vec<Cost>) -> Option<Cost> {
    costs.into_iter().reduce(|one, other| Cost {
        trips: one.trips.min(other.trips),
        reads: one.reads.max(other.reads),
        writes: one.writes.max(other.writes),
        calls: other.calls,
    })
}

/// The different words by which the measured movie is found, before or after its update.
fn words([title, director]: [&str; 2], genres: &str) -> usize {
    let mut all = text::words(&format!("{title} {director} {genres}"));
    all.sort_unstable();
    all.dedup();
    all.len()
}

/// Guarantee 36.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_operation_is_over_its_budget_and_none_costs_more_among_10000_movies_than_among_100() {
    let few = Measured::new(SIZES[0]).await.all().await;
    let many = Measured::new(SIZES[1]).await.all().await;
    let added = words(ADDED, "Genre 01, Genre 02");
    let changed = words(CHANGED, "Genre 03, Genre 04");
    #[allow(clippy::cast_precision_loss)]
    let edit = |words: usize| 2.0 * (8.0 + words as f64);
    let budgets = [
        budget("get a movie", 1, 1.0, 0.0),
        budget("list a page of 20", 2, 15.0, 0.0),
        budget("list a page of 20, signed in", 2, 35.0, 0.0),
        budget("list by -id", 2, 15.0, 0.0),
        // A page's 15 and 35 units are the order by id, which is a Query of the movies themselves. An order that comes from an
        // index of keys costs a unit for each movie, and one more for each of the caller's favorites.
        budget("list by date", 2, 22.0, 0.0),
        budget("list by date, signed in", 2, 42.0, 0.0),
        budget("newest", 2, 6.0, 0.0),
        budget("most liked, 10", 2, 16.0, 0.0),
        budget("categories, 21 genres × 5", 3, 130.0, 0.0),
        budget("search, a rare word", 3, 40.0, 0.0),
        budget("search, a rare word and a common one", 3, 40.0, 0.0),
        budget("search, an exact title", 3, 40.0, 0.0),
        budget("search, a common word", 3, 40.0, 0.0),
        budget("search, common words", 4, 40.0, 0.0),
        budget("search, common words that no movie has together", 4, 40.0, 0.0),
        budget("add a favorite", 2, 2.0, 8.0),
        budget("remove a favorite", 2, 2.0, 8.0),
        budget("create", 3, 6.0, edit(added)),
        budget("update the description", 3, 6.0, edit(added)),
        budget("update the title", 3, 6.0, edit(added)),
        // The end of one movie's items and the beginning of another's: both budgets together.
        budget("update every word and genre", 3, 6.0, edit(added) + edit(changed)),
        budget("register", 3, 4.0, 12.0),
        budget("login", 3, 3.0, 4.0),
        budget("refresh", 2, 3.0, 4.0),
    ];
    let mut wrong = Vec::new();
    println!("| request | round trips | read units | write units | at 10,000 | budget |");
    println!("|---|---|---|---|---|---|");
    for ((name, few), (_, many)) in few.iter().zip(&many) {
        let budget = budgets.iter().find(|budget| budget.name == *name);
        let allowed = budget.map_or(String::new(), |b| {
            format!("{}, {}, {}", b.trips, b.reads, b.writes)
        });
        println!(
            "| {name} | {} | {} | {} | {}, {}, {} | {allowed} |",
            few.trips, few.reads, few.writes, many.trips, many.reads, many.writes
        );
        for cost in [few, many] {
            if budget.is_some_and(|b| cost.trips > b.trips || cost.reads > b.reads || cost.writes > b.writes)
            {
                wrong.push(format!("{name} is over its budget of {allowed}: {cost:?}"));
            }
        }
        if READS_ON.contains(name) {
            continue;
        }
        if few.trips != many.trips || differ(few.reads, many.reads) || differ(few.writes, many.writes) {
            wrong.push(format!(
                "{name} is {few:?} among 100 movies, {many:?} among 10,000"
            ));
        }
    }
    for budget in &budgets {
        assert!(
            few.iter().any(|(name, _)| *name == budget.name),
            "{} isn't measured",
            budget.name
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether one is more than a tenth above the other.
fn differ(one: f64, other: f64) -> bool {
    one.max(other) > 1.1 * one.min(other)
}
