//! Combinations of filters: each lists what a reference in memory lists, in every order and in both directions.

use std::collections::BTreeSet;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use crate::support::{Caller, TestApp, encode, movie};

/// A movie of the reference.
struct Movie {
    id: u64,
    directors: BTreeSet<&'static str>,
    genres: BTreeSet<&'static str>,
    date: String,
}

const DIRECTORS: [&str; 6] = ["Ann Ames", "Bob Ames", "Ann Bob", "Ann", "Zoë Quinn", "宮崎駿"];
const GENRES: [&str; 5] = ["Drama", "Sci-Fi", "Comedy", "War", "Short"];

/// Half of the movies are dramas, one in sixteen is a short; the first director has made a third of them. Dates are in few
/// years, and several movies share a date.
fn movies(count: u64) -> Vec<Movie> {
    let dice = &mut StdRng::seed_from_u64(7);
    (1..=count)
        .map(|id| {
            let mut some = |all: &[&'static str], most: usize| -> BTreeSet<&'static str> {
                let mut chosen = BTreeSet::new();
                for _ in 0..dice.random_range(1..=most) {
                    let one = dice.random_range(0..all.len());
                    chosen.insert(all[one.min(dice.random_range(0..all.len()))]);
                }
                chosen
            };
            let (directors, genres) = (some(&DIRECTORS, 2), some(&GENRES, 3));
            let year = [1925, 1999, 2000, 2001, 2010][dice.random_range(0..5)];
            let date = format!(
                "{year}-{:02}-{:02}",
                dice.random_range(1..=12),
                dice.random_range(1..=2)
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

/// The query string of some filters, and which dates they let pass.
type Range = (&'static str, &'static str, &'static str);

const RANGES: [Range; 9] = [
    ("", "", "~"),
    ("&year=2000", "2000-01-01", "2000-12-31"),
    ("&year=2002", "2002-01-01", "2002-12-31"),
    ("&released_from=2000-06-01", "2000-06-01", "~"),
    ("&released_to=2000-06-01", "", "2000-06-01"),
    (
        "&released_from=2000-01-01&released_to=2001-06-02",
        "2000-01-01",
        "2001-06-02",
    ),
    (
        "&released_from=1999-03-01&released_to=1999-03-02",
        "1999-03-01",
        "1999-03-02",
    ),
    (
        "&released_from=1900-01-01&released_to=2005-01-01",
        "1900-01-01",
        "2005-01-01",
    ),
    ("&year=2001&released_from=2001-05-01", "2001-05-01", "2001-12-31"),
];

/// Walks a list to its end and back. Returns its ids in order.
async fn walk(caller: &Caller, path: &str, limit: usize, count: usize) -> Vec<u64> {
    let mut at = format!("{path}&limit={limit}");
    let (mut forward, mut number) = (Vec::new(), 0);
    let mut page = loop {
        let page = caller.get(&at).send().await.is(200);
        // The count is exact, or unknown where filters are combined.
        let known = &page.body["count"];
        assert!(known.is_null() || *known == count, "{path}: {known} for {count}");
        assert!(page.ids().len() <= limit, "{path}");
        forward.extend(page.ids());
        number += 1;
        assert!(number < 300, "{path} does not end");
        match page.body["next"].as_str() {
            Some(next) => next.clone_into(&mut at),
            None => break page,
        }
    };
    let mut back = vec![page.ids()];
    while let Some(previous) = page.body["previous"].as_str() {
        page = caller.get(previous).send().await.is(200);
        assert!(page.ids().len() <= limit, "{path}");
        back.push(page.ids());
        assert!(back.len() < 300, "{path} does not begin");
    }
    back.reverse();
    assert_eq!(back.concat(), forward, "{path}, backward");
    assert_eq!(page.body["previous"], Value::Null, "{path}");
    forward
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_of_filters_lists_what_the_reference_lists() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let movies = movies(130);
    for one in &movies {
        let join = |all: &BTreeSet<&str>| all.iter().copied().collect::<Vec<_>>().join(", ");
        let body = movie("Movie", &join(&one.directors), &join(&one.genres), &one.date);
        assert_eq!(member.add(&body).await["id"], one.id);
    }
    let directors = [
        None,
        Some("Ann Ames"),
        Some("Ann"),
        Some("宮崎駿"),
        Some("Nobody"),
    ];
    let genres: [&[&str]; 6] = [
        &[],
        &["Drama"],
        &["Short"],
        &["Drama", "Sci-Fi"],
        &["War", "Drama", "Comedy"],
        &["Noir", "Drama"],
    ];
    let mut walked = 0;
    for director in directors {
        for genres in genres {
            for (range, first, last) in RANGES {
                let mut expected: Vec<&Movie> = movies
                    .iter()
                    .filter(|one| {
                        director.is_none_or(|name| one.directors.contains(name))
                            && genres.iter().all(|genre| one.genres.contains(genre))
                            && (first..=last).contains(&one.date.as_str())
                    })
                    .collect();
                let mut filters = range.to_owned();
                if let Some(name) = director {
                    filters += &format!("&director={}", encode(name));
                }
                // Genres in one parameter and in several.
                if walked % 8 < 4 {
                    filters.extend(genres.iter().map(|genre| format!("&genre={}", encode(genre))));
                } else if !genres.is_empty() {
                    filters += &format!("&genre={}", encode(&genres.join(",")));
                }
                for order in ["id", "-id", "release_date", "-release_date"] {
                    expected.sort_by_key(|one| match order {
                        "id" | "-id" => (String::new(), one.id),
                        _ => (one.date.clone(), one.id),
                    });
                    if order.starts_with('-') {
                        expected.reverse();
                    }
                    let ids: Vec<u64> = expected.iter().map(|one| one.id).collect();
                    let path = format!("/api/movies/?ordering={order}{filters}");
                    let limit = [3, 20, 100][walked % 3].max(ids.len() / 12);
                    assert_eq!(walk(&member, &path, limit, ids.len()).await, ids, "{path}");
                    walked += 1;
                }
            }
        }
    }
    assert_eq!(walked, 5 * 6 * 9 * 4);
}

/// Movies are deleted and changed between two pages. Every movie that passes the filters throughout is listed once.
#[tokio::test]
async fn a_filtered_walk_amid_changes_lists_every_movie_that_stays_once() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for (query, order) in [
        ("director=ann&year=2000", "id"),
        ("director=ann&genre=war", "-release_date"),
        ("genre=war&genre=drama", "id"),
        ("genre=war,drama&year=2000", "release_date"),
        ("year=2000", "-id"),
        ("released_from=2000-01-01&genre=drama", "-release_date"),
    ] {
        let mut ids = Vec::new();
        for n in 0..24 {
            let date = format!("2000-{:02}-05", 1 + n % 6);
            ids.push(
                member.add(&movie("Movie", "Ann, Bob", "Drama, War", &date)).await["id"]
                    .as_u64()
                    .unwrap(),
            );
        }
        let mut stay: BTreeSet<u64> = ids.iter().copied().collect();
        let mut listed: Vec<u64> = Vec::new();
        let mut next = Some(format!("/api/movies/?{query}&ordering={order}&limit=4"));
        let mut turn = 0;
        while let Some(path) = next {
            let page = member.get(&path).send().await.is(200);
            listed.extend(page.ids());
            next = page.body["next"].as_str().map(str::to_owned);
            let gone = match page.ids().last() {
                Some(last) if turn % 2 == 0 => *last,
                _ => ids[(turn * 7) % ids.len()],
            };
            let path = format!("/api/movies/{gone}/");
            if stay.remove(&gone) {
                if turn % 3 == 0 {
                    let change = serde_json::json!({"director": "Cid", "genre": "Short", "release_date": "1990-01-01"});
                    member.patch(&path).json(&change).send().await.is(200);
                } else {
                    member.delete(&path).send().await.is(204);
                }
            }
            turn += 1;
            assert!(turn < 60, "{query} does not end");
        }
        let distinct: BTreeSet<u64> = listed.iter().copied().collect();
        assert_eq!(distinct.len(), listed.len(), "{query}: {listed:?}");
        assert!(
            distinct.is_superset(&stay),
            "{query}: {listed:?} lacks some of {stay:?}"
        );
        for id in ids {
            let path = format!("/api/movies/{id}/");
            member.delete(&path).send().await;
        }
    }
}
