//! Lists of the longest movies, and of ids with a large gap.

use marquee_shared::db::counter::Counter;
use serde_json::json;

use super::{member_with, numbered_movie, reversed};
use crate::api::{last_page, pages};
use crate::support::{TestApp, movie};

/// A Query of DynamoDB returns at most 1 MB. A page of the API may end there too, if its `next` continues at that place.
#[tokio::test]
async fn pages_of_the_longest_movies_omit_none() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let mut long = movie("Long", "Somebody", "Drama", "2000-01-01");
    long["description"] = json!("🎬".repeat(5000));
    for _ in 0..60 {
        member.add(&long).await;
    }
    let all: Vec<u64> = (1..=60).collect();
    for (path, expected) in [
        ("/api/movies/?limit=100", all.clone()),
        ("/api/movies/?limit=100&ordering=-id", reversed(all.clone())),
        ("/api/movies/?limit=100&ordering=release_date", all.clone()),
        ("/api/movies/?limit=100&genre=drama", all.clone()),
        ("/api/movies/search/?limit=100&q=long", all.clone()),
    ] {
        let forward = pages(&member, path, "next").await;
        assert_eq!(forward.concat(), expected, "{path}");
        let last = last_page(&member, path).await;
        let mut backward = pages(&member, &last, "previous").await;
        backward.reverse();
        assert_eq!(backward.concat(), expected, "{path}, backward");
    }
    let newest = member.get("/api/movies/newest/?limit=100").send().await.is(200);
    assert_eq!(newest.ids(), reversed(all));
}

/// The gap has more ids than one request reads.
#[tokio::test]
async fn a_gap_of_thousands_of_ids_is_crossed_in_both_directions() {
    let app = TestApp::new().await;
    let member = member_with(&app, 3).await;
    let ids = &app.running.state.store;
    ids.take_ids(Counter::MovieIds, 6000).await.unwrap();
    for n in 4..=6 {
        member.add(&numbered_movie(n)).await;
    }
    let all = vec![1, 2, 3, 6004, 6005, 6006];
    for (path, expected) in [
        ("/api/movies/?limit=2", all.clone()),
        ("/api/movies/?limit=2&ordering=-id", reversed(all)),
    ] {
        assert_eq!(pages(&member, path, "next").await.concat(), expected, "{path}");
        let last = last_page(&member, path).await;
        // `pages` returns the last page first.
        let mut backward = pages(&member, &last, "previous").await;
        backward.reverse();
        assert_eq!(backward.concat(), expected, "{path}, backward");
        // An empty page is inside the gap. From there the list continues in both directions.
        let mut at = path.to_owned();
        loop {
            let page = member.get(&at).send().await.is(200);
            let (first, next) = (page.ids(), page.body["next"].clone());
            if first.is_empty() {
                let back = pages(&member, page.body["previous"].as_str().unwrap(), "previous").await;
                let mut back: Vec<u64> = back.into_iter().rev().flatten().collect();
                back.extend(pages(&member, next.as_str().unwrap(), "next").await.concat());
                assert_eq!(back, expected, "{at}");
            }
            match next.as_str() {
                Some(url) => url.clone_into(&mut at),
                None => break,
            }
        }
    }
}

/// The size of a posting is bounded, so one Query reads a whole page of a genre. The text is the worst case: its ligature
/// normalizes to eighteen characters of two bytes.
#[tokio::test]
async fn one_page_holds_a_genre_whose_movies_have_the_longest_texts() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let long = "\u{fdfa}".repeat(200);
    let long = movie(&long, &long, "Drama", "2000-01-01");
    for _ in 0..90 {
        member.add(&long).await;
    }
    let path = "/api/movies/?limit=100&genre=drama";
    let forward = pages(&member, path, "next").await;
    assert_eq!(forward, [(1..=90).collect::<Vec<_>>()]);
}
