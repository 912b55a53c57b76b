//! The pages of a corrected query: they are the pages of that query, and each says what it is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Movies, path};
use crate::api::pages;

async fn sixty_matrices() -> Movies {
    let titles: Vec<String> = (0..60).map(|n| format!("Matrix Part {n}")).collect();
    let mut rows: Vec<(&str, &str, &str, &str)> = titles
        .iter()
        .map(|title| (title.as_str(), "Lana Wachowski", "Sci-Fi", "1999-03-31"))
        .collect();
    rows.push(("Other", "Somebody", "Drama", "2000-01-01"));
    Movies::of(&rows).await
}

#[tokio::test]
async fn every_movie_of_a_corrected_query_is_on_one_page_in_both_directions() {
    let movies = sixty_matrices().await;
    let caller = movies.app.anonymous();
    for (q, corrected, count) in [
        ("matirx", "matrix", 60),
        ("matirx part", "matrix part", 60),
        ("wachowsky matrix", "wachowski matrix", 60),
        ("matrixpart", "matrix part", 60),
        ("ma trix", "matrix", 60),
        ("matrix xyzzyq", "matrix", 60),
        ("matirx 1999", "matrix 1999", 60),
    ] {
        for limit in [7, 20, 100] {
            let path = path(q).replace("limit=100", &format!("limit={limit}"));
            let mut at = path.clone();
            let mut forward: Vec<Vec<u64>> = Vec::new();
            let last = loop {
                let page = caller.get(&at).send().await.is(200);
                assert_eq!(
                    page.body["corrected_query"],
                    corrected,
                    "{q}, page {}",
                    forward.len()
                );
                assert_eq!(page.body["count"], Value::Null);
                assert_eq!(page.body["previous"].is_null(), forward.is_empty(), "{q}");
                assert!(page.ids().len() <= limit);
                forward.push(page.ids());
                assert!(forward.len() < 100, "{q} does not end");
                match page.body["next"].as_str() {
                    Some(next) => next.clone_into(&mut at),
                    None => break page,
                }
            };
            let found = forward.concat();
            let distinct: BTreeSet<u64> = found.iter().copied().collect();
            assert_eq!(
                (found.len(), distinct.len()),
                (count, count),
                "{q}, {limit} a page"
            );
            let mut backward = vec![last.ids()];
            let mut page = last;
            while let Some(previous) = page.body["previous"].as_str() {
                page = caller.get(previous).send().await.is(200);
                assert_eq!(page.body["corrected_query"], corrected, "{q}, backward");
                backward.push(page.ids());
                assert!(backward.len() < 100, "{q} does not begin");
            }
            backward.reverse();
            assert_eq!(backward.concat(), found, "{q}, {limit} a page, backward");
        }
        // The same movies as the corrected query finds, and in the same order for one word.
        let own = pages(&caller, &path(corrected), "next").await.concat();
        let all = pages(&caller, &path(q), "next").await.concat();
        if corrected == "matrix" {
            assert_eq!(all, own, "{q}");
        } else {
            assert_eq!(
                all.iter().collect::<BTreeSet<_>>(),
                own.iter().collect::<BTreeSet<_>>(),
                "{q}"
            );
        }
    }
}

#[tokio::test]
async fn a_link_of_a_corrected_page_stays_corrected_when_the_typed_word_comes_into_the_catalog() {
    let movies = sixty_matrices().await;
    let caller = movies.app.anonymous();
    let first = caller
        .get("/api/movies/search/?q=matirx&limit=5")
        .send()
        .await
        .is(200);
    let next = first.body["next"].as_str().unwrap().to_owned();
    let body = crate::support::movie("Matirx", "Somebody", "Drama", "2000-01-01");
    movies.member.add(&body).await;
    let second = caller.get(&next).send().await.is(200);
    assert_eq!(second.body["corrected_query"], "matrix");
    assert_eq!(second.ids().len(), 5);
    assert!(second.ids().iter().all(|id| !first.ids().contains(id)));
    movies.finds("matirx", &["Matirx"]).await;
}

#[tokio::test]
async fn every_search_says_whether_it_was_corrected() {
    let movies = sixty_matrices().await;
    let caller = movies.app.anonymous();
    for (q, corrected) in [
        ("matrix", Value::Null),
        ("zzzzqqqq", Value::Null),
        ("...", Value::Null),
        ("matrxi", json!("matrix")),
    ] {
        for caller in [&caller, &movies.member] {
            let answer = caller.get(&path(q)).send().await.is(200);
            assert_eq!(answer.body.get("corrected_query"), Some(&corrected), "{q}");
            let names: Vec<&str> = answer
                .body
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(
                names,
                ["corrected_query", "count", "next", "previous", "results"],
                "{q}"
            );
        }
    }
    // A signed-in caller's favorites are shown on corrected pages too.
    movies.member.put("/api/movies/1/favorite/").send().await.is(200);
    let answer = movies.member.get(&path("matrxi")).send().await.is(200);
    let results = answer.body["results"].as_array().unwrap();
    let favorites = results.iter().filter(|movie| movie["favorite"] == true);
    assert_eq!(
        favorites.map(|movie| &movie["id"]).collect::<Vec<_>>(),
        [&json!(1)]
    );
}

/// A cursor of one query is none of another.
#[tokio::test]
async fn a_cursor_of_a_corrected_query_belongs_to_it() {
    let movies = sixty_matrices().await;
    let caller = movies.app.anonymous();
    let first = caller
        .get("/api/movies/search/?q=matirx&limit=5")
        .send()
        .await
        .is(200);
    let next = first.body["next"].as_str().unwrap();
    let cursor = next.split_once("cursor=").unwrap().1.split('&').next().unwrap();
    let broken: String = cursor.chars().rev().collect();
    let path = format!("/api/movies/search/?q=matirx&limit=5&cursor={broken}");
    caller
        .get(&path)
        .send()
        .await
        .is_problem(400, "invalid_input")
        .names(&["cursor"]);
    assert_eq!(
        caller.get(next).send().await.is(200).body["corrected_query"],
        "matrix"
    );
}
