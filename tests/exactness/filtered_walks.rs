//! Filtered lists of thousands of movies: what all pages list together, and what each page costs.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use marquee::import::{Importer, Report, Source};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::support::{
    encode,
    proxy::{Cost, ProxiedApp},
};

/// Longer than the time between two calls that are sent at the same moment, also on a busy machine.
const HOLD: Duration = Duration::from_millis(60);

struct Movie {
    id: u64,
    directors: Vec<&'static str>,
    genres: Vec<&'static str>,
    date: String,
}

/// Most movies are dramas, every fortieth is a western; one director has made a fifth of them, another one two. A third was
/// released in one year.
fn movies(count: u64) -> Vec<Movie> {
    let dice = &mut StdRng::seed_from_u64(70);
    (1..=count)
        .map(|id| {
            let mut directors = vec!["Cid Common", "Ann Other", "Bob Other", "Dan Other", "Eve Other"];
            directors.swap(0, dice.random_range(0..5));
            directors.truncate(1);
            if id % 1_400 == 700 {
                directors.push("Rare Bird");
            }
            let mut genres = Vec::new();
            if dice.random_range(0..10) > 0 {
                genres.push("Drama");
            }
            if id % 3 == 0 {
                genres.push("Comedy");
            }
            if id % 40 == 7 || genres.is_empty() {
                genres.push("Western");
            }
            let year = match dice.random_range(0..3) {
                0 => 1999,
                _ => dice.random_range(1930..=2015),
            };
            let date = format!(
                "{year}-{:02}-{:02}",
                dice.random_range(1..=12),
                dice.random_range(1..=28)
            );
            Movie {
                id,
                directors,
                genres,
                date,
            }
        })
        .collect()
}

async fn server(movies: &[Movie]) -> ProxiedApp {
    let proxied = ProxiedApp::new().await;
    let mut csv = String::from("title,description,release_date,director,genre,imdb_id\n");
    for movie in movies {
        let (directors, genres) = (movie.directors.join(", "), movie.genres.join(", "));
        writeln!(
            csv,
            "Movie,A movie.,{},\"{directors}\",\"{genres}\",tt{:07}",
            movie.date, movie.id
        )
        .unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("movies.csv");
    std::fs::write(&file, csv).unwrap();
    let importer = Importer::new(proxied.proxy.store().await, proxied.proxy.table.database());
    let report = importer.run(&Source::File(file)).await.unwrap();
    assert_eq!(report, Report::of_all(movies.len() as u64));
    // The keys that a warm function holds.
    proxied
        .app
        .anonymous()
        .get("/api/movies/?limit=1")
        .send()
        .await
        .is(200);
    proxied
}

type Filter = (
    &'static [&'static str],
    Option<&'static str>,
    &'static str,
    &'static str,
);

const FILTERS: [Filter; 14] = [
    (&[], Some("Cid Common"), "", ""),
    (&[], Some("Rare Bird"), "", ""),
    (&["Western"], Some("Cid Common"), "", ""),
    (&["Drama"], Some("Cid Common"), "1999-01-01", "1999-12-31"),
    (&["Drama", "Western"], None, "", ""),
    (&["Drama", "Comedy"], None, "", ""),
    (&["Drama", "Comedy", "Western"], None, "", ""),
    (&[], None, "1999-01-01", "1999-12-31"),
    (&["Western"], None, "1999-01-01", "1999-12-31"),
    (&["Drama"], None, "1999-06-01", "1999-06-30"),
    (&[], None, "1950-01-01", "1954-12-31"),
    (&[], None, "1940-01-01", "2000-12-31"),
    (&["Comedy"], None, "2010-01-01", ""),
    (&["Western"], Some("Ann Other"), "1990-01-01", "2005-01-01"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_among_thousands_of_movies_list_each_once_and_every_page_within_its_ceiling() {
    let movies = movies(2_800);
    let proxied = server(&movies).await;
    let caller = proxied.app.anonymous();
    let mut most = (0.0, String::new());
    for (genres, director, from, to) in FILTERS {
        let mut filters = String::new();
        for genre in genres {
            write!(filters, "&genre={genre}").unwrap();
        }
        for (name, value) in [
            ("director", director.unwrap_or_default()),
            ("released_from", from),
            ("released_to", to),
        ] {
            if !value.is_empty() {
                write!(filters, "&{name}={}", encode(value)).unwrap();
            }
        }
        let passes = |movie: &&Movie| {
            genres.iter().all(|genre| movie.genres.contains(genre))
                && director.is_none_or(|name| movie.directors.contains(&name))
                && (from..=if to.is_empty() { "~" } else { to }).contains(&movie.date.as_str())
        };
        let mut expected: Vec<&Movie> = movies.iter().filter(passes).collect();
        for order in ["id", "-id", "release_date", "-release_date"] {
            expected.sort_by_key(|movie| match order {
                "id" | "-id" => (String::new(), movie.id),
                _ => (movie.date.clone(), movie.id),
            });
            if order.starts_with('-') {
                expected.reverse();
            }
            let ids: Vec<u64> = expected.iter().map(|movie| movie.id).collect();
            let start = format!("/api/movies/?ordering={order}{filters}");
            let limit = if ids.len() > 300 { 50 } else { 20 };
            let mut forward = Vec::new();
            let mut backward: Vec<Vec<u64>> = Vec::new();
            let mut at = format!("{start}&limit={limit}");
            for link in ["next", "previous"] {
                let mut pages = 0;
                loop {
                    proxied.proxy.take();
                    let page = caller.get(&at).send().await.is(200);
                    let cost = Cost::of(proxied.proxy.take());
                    // A page of 50 movies reads 30 more than one of 20.
                    let reads = cost.reads - (limit - 20) as f64;
                    assert!(reads <= 45.0, "{at}: {cost:?}");
                    if reads > most.0 {
                        most = (reads, at.clone());
                    }
                    let known = &page.body["count"];
                    assert!(
                        known.is_null() || *known == ids.len(),
                        "{start}: {known} for {}",
                        ids.len()
                    );
                    if link == "next" {
                        forward.extend(page.ids());
                    } else {
                        backward.push(page.ids());
                    }
                    pages += 1;
                    assert!(pages < 400, "{start} does not end");
                    match page.body[link].as_str() {
                        Some(url) => url.clone_into(&mut at),
                        None => break,
                    }
                }
            }
            assert_eq!(forward, ids, "{start}");
            backward.reverse();
            assert_eq!(backward.concat(), ids, "{start}, backward");
        }
    }
    println!("{} units at most, for {}", most.0, most.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_page_takes_at_most_three_trips() {
    let proxied = server(&movies(1_400)).await;
    let caller = proxied.app.member().await;
    proxied.proxy.gather_calls(HOLD);
    for filters in [
        "director=cid+common",
        "director=rare+bird&ordering=-release_date",
        "director=cid+common&genre=drama&year=1999&ordering=release_date",
        "genre=drama&genre=western",
        "genre=drama,comedy&ordering=-release_date",
        "year=1999",
        "year=1999&ordering=-release_date",
        "genre=western&year=1999&ordering=-id",
        "released_from=1950-01-01&released_to=1954-12-31",
        "released_from=2010-01-01",
        "released_to=1940-01-01&genre=drama",
        "imdb_id=tt0000007&genre=western",
    ] {
        let mut trips = usize::MAX;
        for _ in 0..3 {
            proxied.proxy.take();
            caller
                .get(&format!("/api/movies/?{filters}"))
                .send()
                .await
                .is(200);
            trips = trips.min(Cost::of(proxied.proxy.take()).trips);
        }
        assert!(trips <= 3, "{filters}: {trips}");
    }
}

/// The counts of lists that have one, and of small results, are exact also among thousands of movies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_of_one_genre_and_of_few_results_are_exact() {
    let movies = movies(1_400);
    let proxied = server(&movies).await;
    let caller = proxied.app.anonymous();
    let count = |keep: &dyn Fn(&Movie) -> bool| movies.iter().filter(|movie| keep(movie)).count();
    for (filters, expected) in [
        ("genre=drama", count(&|movie| movie.genres.contains(&"Drama"))),
        (
            "genre=western&ordering=release_date",
            count(&|movie| movie.genres.contains(&"Western")),
        ),
        ("director=rare+bird", 1),
        ("director=rare+bird&genre=drama,comedy,western&year=1929", 0),
        ("imdb_id=tt0000007", 1),
        ("year=1929", 0),
    ] {
        let answer = caller
            .get(&format!("/api/movies/?limit=1&{filters}"))
            .send()
            .await
            .is(200);
        assert_eq!(answer.body["count"], expected, "{filters}");
    }
    let distinct: BTreeSet<u64> = movies.iter().map(|movie| movie.id).collect();
    assert_eq!(caller.count("/api/movies/").await, distinct.len() as u64);
}
