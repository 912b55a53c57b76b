//! Pages: orders, filters, limits, and the ends of a list.

use serde_json::{Value, json};

use super::{chunks, member_with, reversed};
use crate::api::{last_page, pages};
use crate::support::TestApp;

fn by_date(mut ids: Vec<u64>) -> Vec<u64> {
    ids.sort_by_key(|n| (2000 - n / 3, *n));
    ids
}

#[tokio::test]
async fn an_empty_collection_is_one_empty_page() {
    let app = TestApp::new().await;
    let nobody = app.anonymous();
    for (path, count) in [
        ("/api/movies/", json!(0)),
        ("/api/movies/?ordering=-id", json!(0)),
        ("/api/movies/?ordering=release_date", json!(0)),
        ("/api/movies/?genre=Drama", json!(0)),
        ("/api/movies/categories/", json!(0)),
    ] {
        let mut body = nobody.get(path).send().await.is(200).body;
        if path.contains("search") {
            let corrected = body
                .as_object_mut()
                .and_then(|body| body.remove("corrected_query"));
            assert_eq!(corrected, Some(Value::Null), "{path}");
        }
        assert_eq!(
            body,
            json!({"count": count, "next": null, "previous": null, "results": []}),
            "{path}"
        );
    }
    assert_eq!(
        nobody
            .get("/api/movies/search/?q=movie")
            .send()
            .await
            .is(200)
            .body,
        json!({"corrected_query": null, "count": null, "next": null, "previous": null, "results": []})
    );
    for path in ["/api/movies/most-liked/", "/api/movies/newest/"] {
        assert_eq!(
            nobody.get(path).send().await.is(200).body,
            json!({"results": []}),
            "{path}"
        );
    }
}

/// Guarantee 45.
#[tokio::test]
async fn every_order_and_filter_lists_every_movie_once_in_both_directions() {
    let app = TestApp::new().await;
    let member = member_with(&app, 25).await;
    let all: Vec<u64> = (1..=25).collect();
    let dramas: Vec<u64> = all.iter().copied().filter(|n| n % 3 < 2).collect();
    for (query, expected) in [
        ("", all.clone()),
        ("ordering=id", all.clone()),
        ("ordering=-id", reversed(all.clone())),
        ("ordering=release_date", by_date(all.clone())),
        ("ordering=-release_date", reversed(by_date(all))),
        ("genre=Drama", dramas.clone()),
        ("genre=%20dRAMA%20&ordering=id", dramas.clone()),
        ("genre=drama&ordering=-id", reversed(dramas.clone())),
        ("genre=drama&ordering=release_date", by_date(dramas.clone())),
        ("genre=drama&ordering=-release_date", reversed(by_date(dramas))),
    ] {
        let path = format!("/api/movies/?{query}");
        let whole = member.get(&format!("{path}&limit=100")).send().await.is(200);
        assert_eq!(whole.ids(), expected, "{query}");
        assert_eq!(whole.body["count"], expected.len(), "{query}");
        let default = member.get(&path).send().await.is(200);
        assert_eq!(default.ids(), expected[..expected.len().min(20)], "{query}");
        for limit in [6, expected.len()] {
            let forward = pages(&member, &format!("{path}&limit={limit}"), "next").await;
            assert_eq!(forward, chunks(&expected, limit), "{query}, {limit} a page");
            let last = last_page(&member, &format!("{path}&limit={limit}")).await;
            let mut backward = pages(&member, &last, "previous").await;
            backward.reverse();
            assert_eq!(backward, forward, "{query}, {limit} a page, backward");
        }
    }
}

#[tokio::test]
async fn previous_and_next_are_null_only_at_the_ends() {
    let app = TestApp::new().await;
    let member = member_with(&app, 6).await;
    for query in [
        "",
        "ordering=-id",
        "ordering=release_date",
        "genre=drama",
        "genre=drama&ordering=-release_date",
    ] {
        let path = format!("/api/movies/?limit=2&{query}");
        let first = member.get(&path).send().await.is(200).body;
        assert_eq!(first["previous"], Value::Null, "{query}");
        let second = member
            .get(first["next"].as_str().unwrap())
            .send()
            .await
            .is(200)
            .body;
        let again = member
            .get(second["previous"].as_str().unwrap())
            .send()
            .await
            .is(200)
            .body;
        assert_eq!(again["results"], first["results"], "{query}");
        assert_eq!(again["previous"], Value::Null, "{query}");
        let same = member
            .get(again["next"].as_str().unwrap())
            .send()
            .await
            .is(200)
            .body;
        assert_eq!(same["results"], second["results"], "{query}");
    }
    // The URL of a page keeps the parameters of the request.
    let first = member
        .get("/api/movies?limit=1&genre=DR%41MA&ordering=id")
        .send()
        .await
        .body;
    let next = first["next"].as_str().unwrap();
    assert!(next.starts_with(&format!("{}/api/movies/?", app.base)), "{next}");
    for part in ["limit=1", "genre=DRAMA", "ordering=id", "cursor="] {
        assert_eq!(next.matches(part).count(), 1, "{next}");
    }
    let found = member
        .get("/api/movies/search?limit=1&q=movie%20%23")
        .send()
        .await;
    let link = found.body["next"].as_str().unwrap();
    assert!(
        link.contains("/api/movies/search/?limit=1&q=movie+%23&cursor="),
        "{link}"
    );
    // The limit may change between pages.
    let rest = member
        .get(&next.replace("limit=1", "limit=100"))
        .send()
        .await
        .is(200);
    assert_eq!(rest.ids(), [3, 4, 6]);
}

#[tokio::test]
async fn a_limit_is_a_number_from_1_to_100() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for path in [
        "/api/movies/?",
        "/api/movies/?genre=drama&",
        "/api/movies/?ordering=-release_date&",
        "/api/movies/search/?q=movie&",
        "/api/movies/categories/?",
        "/api/movies/most-liked/?",
        "/api/movies/newest/?",
        "/api/users/?",
        "/api/users/me/favorites/?",
    ] {
        for limit in ["1", "100"] {
            member.get(&format!("{path}limit={limit}")).send().await.is(200);
        }
        for limit in [
            "0",
            "101",
            "-1",
            "",
            "1.5",
            "ten",
            "%2B5",
            "1e1",
            "99999999999999999999",
            "0x10",
            "٥",
            "5%00",
        ] {
            let answer = member.get(&format!("{path}limit={limit}")).send().await;
            answer.is_problem(400, "invalid_input").names(&["limit"]);
        }
    }
}

#[tokio::test]
async fn an_unknown_ordering_is_400_and_an_unknown_genre_is_empty() {
    let app = TestApp::new().await;
    let member = member_with(&app, 3).await;
    for ordering in [
        "",
        "title",
        "-",
        "ID",
        "id,release_date",
        "--id",
        "favorite_count",
    ] {
        let answer = member
            .get(&format!("/api/movies/?ordering={ordering}"))
            .send()
            .await;
        answer.is_problem(400, "invalid_input").names(&["ordering"]);
    }
    // The last one is longer than a genre or a key may be.
    let long = "a".repeat(1100);
    for genre in ["Dram", "Dramas", "War", "%3F", "Drama%2CComedy", &long] {
        let body = member
            .get(&format!("/api/movies/?genre={genre}"))
            .send()
            .await
            .is(200)
            .body;
        assert_eq!(
            body,
            json!({"count": 0, "next": null, "previous": null, "results": []}),
            "{genre}"
        );
    }
    // All invalid parameters are named in one answer.
    for (query, names) in [
        (
            "movies/?ordering=x&limit=0&genre=",
            &["genre", "limit", "ordering"][..],
        ),
        ("movies/?limit=0&cursor=x", &["cursor", "limit"]),
        ("movies/search/?limit=0", &["limit", "q"]),
        ("users/?limit=0&cursor=x", &["cursor", "limit"]),
    ] {
        let answer = member.get(&format!("/api/{query}")).send().await;
        answer.is_problem(400, "invalid_input").names(names);
    }
}
