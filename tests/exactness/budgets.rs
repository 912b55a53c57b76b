//! Budgets: what each request costs in calls one after another, read units and write units. Each is held to its budget in
//! `test-kit/src/budgets.rs`, and must cost the same among a hundred movies and among ten thousand.

use std::{collections::BTreeSet, fmt::Write as _};

use crate::support::{
    audit::audit,
    budgets::{CASES, FILTERED},
    measure::{Catalog, Measured, measure},
    operations::SAMPLES,
    proxy::ProxiedApp,
};

/// How often each request is measured.
const RUNS: usize = 3;

/// The sizes of the two catalogs. The last page by id of the larger one is in one bucket, as that of the smaller one is.
const SIZES: [usize; 2] = [100, 10_020];

/// Searches whose cost depends on how much there is to read, which is little among a hundred movies. They are held to their
/// budget only.
const READS_ON: [&str; 3] = [
    "search, two common words",
    "search, two common words that no movie has together",
    // A pass of the server may run beside it.
    "delete the account, without favorites",
];

/// How many results the answers have, at both sizes.
const RESULTS: [(&str, usize); 30] = [
    ("20 movies by id", 20),
    ("20 movies by id, signed in", 20),
    ("by id, page 2", 20),
    ("by id, a page in the middle", 20),
    ("20 movies by -id", 20),
    ("20 movies by -release_date", 20),
    ("20 movies by -release_date, signed in", 20),
    ("by -release_date, page 2, signed in", 20),
    ("by -release_date, a page in the middle", 20),
    ("5 movies of a genre by id", 5),
    ("5 movies of a genre by date, signed in", 5),
    ("the movie with an imdb_id", 1),
    ("the movie with an imdb_id, signed in", 1),
    ("newest", 5),
    ("newest, signed in", 5),
    ("most liked", 10),
    ("most liked, signed in", 10),
    ("categories", 21),
    ("categories, signed in", 21),
    ("my favorites", 20),
    ("my movies", 20),
    ("20 users", 1),
    ("search, a rare word", 3),
    ("search, a rare word and a common one", 3),
    ("search, an exact title", 1),
    ("search, an absent word", 0),
    ("search, a common word", 20),
    ("search, a common word, signed in", 20),
    ("search, two common words", 20),
    ("search, two common words that no movie has together", 0),
];

/// The IMDb id of the only movie that has one.
const IMDB_ID: &str = "tt0068646";

/// The rows of the catalog, as CSV. A request finds as many movies whatever the catalog's size: the first hundred movies are
/// the newest, so that every list by date is the same; three movies are called Needle; every movie has the words `number`,
/// `genre` and `director`, and every second one has `straw`.
fn rows(movies: usize) -> String {
    let mut csv = String::from("title,description,release_date,director,genre,imdb_id\n");
    for n in 0..movies {
        let title = match n {
            7 | 40 | 73 => "Needle",
            _ => ["Straw", "Heather"][n % 2],
        };
        let year = if n < 100 { 1990 } else { 1890 } + n % 30;
        // No movie is among the five newest of two genres, except for five movies: there is no other way.
        let second = match n {
            0..5 => 16 + n,
            5..100 => n % 21,
            _ => (n + 1) % 21,
        };
        writeln!(
            csv,
            "{title} number {n:05},Movie {n} of a measured catalog.,{year}-{:02}-{:02},\
             Common Director {:03},\"Genre {:02}, Genre {:02}\",{}",
            1 + n % 12,
            1 + n % 28,
            n % 97,
            n % 21,
            second,
            if n == 8 { IMDB_ID } else { "" }
        )
        .unwrap();
    }
    csv
}

/// What the movies of [`rows`] are called.
fn catalog(movies: u64) -> Catalog {
    let names = [
        ("movie", "9"),
        ("imdb_id", IMDB_ID),
        ("unliked", "99"),
        ("most_liked", "1"),
        ("small_genre", "genre+07"),
        ("rare", "needle"),
        ("rare_and_year", "needle+1997"),
        ("everywhere", "number"),
        ("common", "straw"),
        ("title", "needle+number+00040"),
        ("two", "genre+director"),
        ("apart", "straw+heather"),
        ("director", "common+director+007"),
        ("year", "1995"),
        ("ten_years", "released_from=1990-01-01&released_to=1999-12-31"),
        ("date", "1995-01-01"),
        ("one_genre", "genre+07"),
        ("both_genres", "genre+07,genre+08"),
    ];
    Catalog {
        movies,
        names: names.map(|(name, value)| (name, value.to_owned())).into(),
        // Enough for a page of favorites and of the most liked movies.
        favorites: 1..=40,
        added: [
            "The Long Measured Goodbye",
            "Ada Counter",
            "Genre 01, Genre 02",
            "2001-02-03",
        ],
        retitled: "The Short Measured Goodbye",
        changed: [
            "The Short Measured Hello",
            "Bea Counter",
            "Genre 03, Genre 04",
            "2004-05-06",
        ],
    }
}

/// Measures every request among this many movies.
async fn measured(movies: usize) -> Vec<Measured> {
    let proxied = ProxiedApp::new().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("movies.csv");
    std::fs::write(&file, rows(movies)).unwrap();
    let begun = std::time::Instant::now();
    let imported = proxied.proxy.import(file).await;
    println!("{movies} movies loaded in {:.1} s", begun.elapsed().as_secs_f64());
    assert_eq!(imported, movies as u64);
    let measured = measure(&proxied, &catalog(imported), RUNS).await;
    if movies == SIZES[0] {
        audit(&proxied.proxy.store().await).await;
    }
    measured
}

/// Guarantee 36.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_operation_is_over_its_budget_and_none_costs_more_among_10000_movies_than_among_100() {
    let few = measured(SIZES[0]).await;
    let many = measured(SIZES[1]).await;
    let mut wrong = Vec::new();
    println!("| request | round trips | read units | write units | at 10,000 | budget |");
    println!("|---|---|---|---|---|---|");
    for (few, many) in few.iter().zip(&many) {
        let (name, budget) = (few.name, few.budget);
        let allowed = format!("{}, {}, {}", budget.trips, budget.reads, budget.writes);
        let (one, other) = (&few.cost, &many.cost);
        println!(
            "| {name} | {} | {} | {} | {}, {}, {} | {allowed} |",
            one.trips, one.reads, one.writes, other.trips, other.reads, other.writes
        );
        for measured in [few, many] {
            if budget.is_exceeded_by(&measured.cost) {
                wrong.push(format!(
                    "{name} is over its budget of {allowed}: {:?}",
                    measured.cost
                ));
            }
            let expected = RESULTS.iter().find(|(of, _)| *of == name);
            if expected.is_some_and(|(_, results)| measured.results != Some(*results)) {
                wrong.push(format!("{name} has {:?} results", measured.results));
            }
        }
        if READS_ON.contains(&name) || name.starts_with(FILTERED) {
            continue;
        }
        if one.trips != other.trips || differ(one.reads, other.reads) || differ(one.writes, other.writes) {
            wrong.push(format!(
                "{name} is {one:?} among 100 movies, {other:?} among 10,000"
            ));
        }
    }
    let measured: BTreeSet<&str> = few.iter().map(|measured| measured.name).collect();
    for name in RESULTS.iter().map(|(name, _)| *name).chain(READS_ON) {
        assert!(measured.contains(name), "{name} isn't measured");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_operation_has_a_budget() {
    let listed: BTreeSet<&str> = SAMPLES.iter().map(|sample| sample.id).collect();
    let budgeted: BTreeSet<&str> = CASES.iter().map(|case| case.operation).collect();
    assert_eq!(
        listed, budgeted,
        "operations in test-kit/src/operations.rs, against those in test-kit/src/budgets.rs"
    );
}

/// Whether one is more than a tenth above the other.
fn differ(one: f64, other: f64) -> bool {
    one.max(other) > 1.1 * one.min(other)
}
