//! Collections: orders, filters, counts, pages in both directions; categories, most liked, newest.

use std::io::Write as _;

use futures_util::future::join_all;
use marquee::server::Catalog;
use marquee_shared::db::counter::Counter;
use serde_json::{Value, json};

use super::{but, last_page, pages, texts};
use crate::support::{Caller, TestApp, encode, movie};

/// A movie that differs from others in what lists are ordered by.
fn numbered(n: u64) -> Value {
    // Dates fall while ids rise, and three movies share each.
    let date = format!("{}-05-05", 2000 - n / 3);
    let genre = ["Drama", "Sci-Fi, drama", "Comedy"][usize::try_from(n % 3).unwrap()];
    movie(&format!("Movie {n}"), "Somebody", genre, &date)
}

/// A member who has added movies of the numbers 1 to `count`, which are their ids too.
async fn member_with(app: &TestApp, count: u64) -> Caller {
    let member = app.member().await;
    for n in 1..=count {
        assert_eq!(member.add(&numbered(n)).await["id"], n);
    }
    member
}

fn by_date(mut ids: Vec<u64>) -> Vec<u64> {
    ids.sort_by_key(|n| (2000 - n / 3, *n));
    ids
}

fn reversed(mut ids: Vec<u64>) -> Vec<u64> {
    ids.reverse();
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
        ("/api/movies/search/?q=movie", json!(null)),
        ("/api/movies/categories/", json!(0)),
    ] {
        let body = nobody.get(path).send().await.is(200).body;
        assert_eq!(
            body,
            json!({"count": count, "next": null, "previous": null, "results": []}),
            "{path}"
        );
    }
    for path in ["/api/movies/most-liked/", "/api/movies/newest/"] {
        assert_eq!(
            nobody.get(path).send().await.is(200).body,
            json!({"results": []}),
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_order_and_filter_is_walked_both_ways_with_every_movie_once() {
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

fn chunks(ids: &[u64], size: usize) -> Vec<Vec<u64>> {
    ids.chunks(size).map(<[u64]>::to_vec).collect()
}

#[tokio::test]
async fn previous_and_next_are_null_at_the_ends_alone() {
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
    // A page's URL keeps what was asked for.
    let first = member
        .get("/api/movies?limit=1&genre=DRAMA&other=%26")
        .send()
        .await
        .body;
    let next = first["next"].as_str().unwrap();
    assert!(next.starts_with(&format!("{}/api/movies/?", app.base)), "{next}");
    for part in ["limit=1", "genre=DRAMA", "other=%26", "cursor="] {
        assert_eq!(next.matches(part).count(), 1, "{next}");
    }
    // The page may grow on the way.
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
    // The last is longer than any genre, and than a key may be.
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
    // Everything that is wrong with a query is said at once.
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

/// The cursor of a first page.
async fn cursor(caller: &Caller, path: &str) -> String {
    let body = caller.get(&format!("{path}limit=1")).send().await.is(200).body;
    body["next"]
        .as_str()
        .unwrap()
        .split_once("cursor=")
        .unwrap()
        .1
        .to_owned()
}

/// Guarantee 26.
#[tokio::test]
async fn a_cursor_is_good_for_its_own_collection_alone() {
    let app = TestApp::new().await;
    let one = member_with(&app, 6).await;
    let two = app.member().await;
    for caller in [&one, &two] {
        for id in [1, 2, 3] {
            caller
                .put(&format!("/api/movies/{id}/favorite/"))
                .send()
                .await
                .is(200);
        }
    }
    let collections = [
        "/api/movies/?",
        "/api/movies/?ordering=-id&",
        "/api/movies/?ordering=release_date&",
        "/api/movies/?genre=drama&",
        "/api/movies/?genre=comedy&",
        "/api/movies/search/?q=movie&",
        "/api/movies/search/?q=somebody&",
        "/api/movies/categories/?",
        "/api/users/?",
        "/api/users/me/favorites/?",
    ];
    let mut cursors = Vec::new();
    for path in collections {
        cursors.push(cursor(&one, path).await);
    }
    for (own, path) in collections.iter().enumerate() {
        for (of, cursor) in cursors.iter().enumerate() {
            let answer = one.get(&format!("{path}cursor={cursor}")).send().await;
            if own == of {
                assert!(!answer.is(200).body["results"].as_array().unwrap().is_empty());
            } else {
                answer.is_problem(400, "invalid_input").names(&["cursor"]);
            }
        }
    }
    let favorites = cursors.last().unwrap();
    let answer = two
        .get(&format!("/api/users/me/favorites/?cursor={favorites}"))
        .send()
        .await;
    answer.is_problem(400, "invalid_input").names(&["cursor"]);
}

/// Guarantee 26.
#[tokio::test]
async fn a_cursor_with_anything_changed_is_400() {
    let app = TestApp::new().await;
    let member = member_with(&app, 2).await;
    let whole = cursor(&member, "/api/movies/?").await;
    assert!(
        whole
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
        "{whole}"
    );
    let mut changed: Vec<String> = (0..whole.len())
        .map(|at| {
            let other = if &whole[at..=at] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &whole[..at], &whole[at + 1..])
        })
        .collect();
    changed.extend([
        "".into(),
        "x".into(),
        whole[1..].into(),
        whole[..whole.len() - 1].into(),
    ]);
    changed.extend([
        format!("{whole}A"),
        format!("{whole}="),
        "A".repeat(8_000),
        "%00".into(),
        "é".into(),
    ]);
    for cursor in changed {
        let answer = member.get(&format!("/api/movies/?cursor={cursor}")).send().await;
        answer.is_problem(400, "invalid_input").names(&["cursor"]);
    }
    // And one whose movie has gone since goes on from where it was.
    member.delete("/api/movies/1/").send().await.is(204);
    let rest = member
        .get(&format!("/api/movies/?cursor={whole}"))
        .send()
        .await
        .is(200);
    assert_eq!(rest.ids(), [2]);
}

/// A table with movies 1 to `count` without an owner.
async fn imported(count: u64) -> TestApp {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "imdb_id,title,description,release_date,director,genre").unwrap();
    for n in 1..=count {
        writeln!(
            file,
            "tt{n},Movie {n},A movie.,{}-01-01,Somebody,Drama",
            1900 + n % 100
        )
        .unwrap();
    }
    file.flush().unwrap();
    let path = file.path().to_owned();
    let app = TestApp::with(|options| options.catalog = Catalog::File(path)).await;
    assert_eq!(
        app.anonymous().get("/api/movies/").send().await.body["count"],
        count
    );
    app
}

#[tokio::test]
async fn movies_deleted_between_two_pages_hide_no_other() {
    let app = imported(700).await;
    let admin = app.admin().await;
    let nobody = app.anonymous();
    let start = |query: &'static str| nobody.get(query);
    let orders = [
        ("/api/movies/?limit=10", false),
        ("/api/movies/?limit=10&ordering=-id", true),
        ("/api/movies/?limit=10&genre=drama", false),
        ("/api/movies/?limit=10&genre=drama&ordering=-id", true),
    ];
    let mut nexts = Vec::new();
    for (path, down) in orders {
        let first = start(path).send().await.is(200);
        let expected: Vec<u64> = if down {
            (691..=700).rev().collect()
        } else {
            (1..=10).collect()
        };
        assert_eq!(first.ids(), expected);
        nexts.push((first.body["next"].as_str().unwrap().to_owned(), down));
    }
    let gone: Vec<u64> = (5..=300).chain(310..=690).chain(695..=696).collect();
    for some in gone.chunks(60) {
        join_all(some.iter().map(|id| async {
            admin
                .delete(&format!("/api/movies/{}/", *id))
                .send()
                .await
                .is(204);
        }))
        .await;
    }
    for (next, down) in nexts {
        let walked: Vec<u64> = pages(&nobody, &next, "next").await.concat();
        let mut expected: Vec<u64> = (301..=309).collect();
        if down {
            expected.reverse();
            expected.extend([4, 3, 2, 1]);
        } else {
            expected.extend((691..=694).chain(697..=700));
        }
        assert_eq!(walked, expected, "{next}");
        // Back from the first of what is left, and from the end.
        let back = nobody.get(&next).send().await.is(200);
        let before = nobody
            .get(back.body["previous"].as_str().unwrap())
            .send()
            .await
            .is(200)
            .ids();
        let left: Vec<u64> = if down {
            vec![700, 699, 698, 697, 694, 693, 692, 691]
        } else {
            vec![1, 2, 3, 4]
        };
        assert_eq!(before, left, "before {next}");
    }
    assert_eq!(nobody.get("/api/movies/").send().await.body["count"], 21);
    assert_eq!(
        nobody.get("/api/movies/?genre=drama").send().await.body["count"],
        21
    );
}

#[tokio::test]
async fn movies_added_while_a_list_is_walked_hide_no_other() {
    let app = TestApp::new().await;
    let member = member_with(&app, 4).await;
    for query in ["ordering=-release_date", "ordering=-id", "genre=drama"] {
        let path = format!("/api/movies/?limit=1&{query}");
        let existing = member
            .get(&format!("/api/movies/?limit=100&{query}"))
            .send()
            .await
            .ids();
        let (mut seen, mut at) = (Vec::new(), path);
        loop {
            let page = member.get(&at).send().await.is(200);
            seen.extend(page.ids());
            if seen.len() < 4 {
                member
                    .add(&movie("Newcomer", "Somebody", "Drama", "2024-01-01"))
                    .await;
            }
            match page.body["next"].as_str() {
                Some(next) => next.clone_into(&mut at),
                None => break,
            }
        }
        let of_before: Vec<u64> = seen.iter().copied().filter(|id| existing.contains(id)).collect();
        assert_eq!(of_before, existing, "{query}");
    }
}

#[tokio::test]
async fn categories_are_the_genres_in_alphabetical_order_with_five_newest_movies() {
    let app = TestApp::new().await;
    let member = app.member().await;
    // "drama" comes second, and is the same genre.
    for (n, genre) in [
        "western",
        "Drama, War",
        "drama",
        "Action",
        "DRAMA",
        "Drama",
        "Drama",
        "Drama",
    ]
    .into_iter()
    .enumerate()
    {
        let date = ["1990-01-01", "2001-01-01"][n % 2];
        member
            .add(&movie(&format!("Movie {n}"), "Somebody", genre, date))
            .await;
    }
    member.put("/api/movies/8/favorite/").send().await.is(200);
    let answer = member.get("/api/movies/categories/").send().await.is(200);
    assert_eq!(
        (&answer.body["count"], &answer.body["next"]),
        (&json!(4), &json!(null))
    );
    assert_eq!(texts(&answer, "genre"), ["Action", "Drama", "War", "western"]);
    let results = answer.body["results"].as_array().unwrap();
    let counts: Vec<u64> = results.iter().map(|c| c["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 6, 1, 1]);
    assert_eq!(
        results[0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["count", "genre", "movies"]
    );
    let dramas = results[1]["movies"].as_array().unwrap();
    let ids: Vec<u64> = dramas.iter().map(|f| f["id"].as_u64().unwrap()).collect();
    // The newest by date, and of one date the latest id first.
    assert_eq!(ids, [8, 6, 2, 7, 5]);
    assert_eq!(
        (&dramas[0]["favorite"], &dramas[0]["favorite_count"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(dramas[0], member.get("/api/movies/8/").send().await.body);

    // A page at a time, forward and back.
    let (mut names, mut at) = (Vec::new(), "/api/movies/categories/?limit=1".to_owned());
    let last = loop {
        let page = member.get(&at).send().await.is(200);
        assert_eq!(page.body["count"], 4);
        names.extend(texts(&page, "genre").into_iter().map(str::to_owned));
        match page.body["next"].as_str() {
            Some(next) => next.clone_into(&mut at),
            None => break page,
        }
    };
    assert_eq!(names, ["Action", "Drama", "War", "western"]);
    let before = member
        .get(last.body["previous"].as_str().unwrap())
        .send()
        .await
        .is(200);
    assert_eq!(texts(&before, "genre"), ["War"]);
}

#[tokio::test]
async fn a_category_follows_every_edit_and_goes_with_its_last_movie() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let one = movie("One", "Somebody", "Drama, War", "2000-01-01");
    member.add(&one).await;
    member.add(&but(&one, &json!({"title": "Two"}))).await;
    let state = async |expected: &[(&str, u64)]| {
        let answer = member.get("/api/movies/categories/").send().await.is(200);
        let found: Vec<(&str, u64)> = texts(&answer, "genre")
            .into_iter()
            .zip(
                answer.body["results"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|c| c["count"].as_u64().unwrap()),
            )
            .collect();
        assert_eq!(found, expected);
        assert_eq!(answer.body["count"], expected.len());
        for (name, count) in expected {
            let list = member
                .get(&format!("/api/movies/?genre={}", encode(name)))
                .send()
                .await
                .is(200);
            assert_eq!(list.body["count"], *count, "{name}");
            assert_eq!(list.ids().len() as u64, *count, "{name}");
        }
    };
    state(&[("Drama", 2), ("War", 2)]).await;
    member
        .patch("/api/movies/2/")
        .json(&json!({"genre": "DRAMA, Film-Noir"}))
        .send()
        .await
        .is(200);
    state(&[("Drama", 2), ("Film-Noir", 1), ("War", 1)]).await;
    member
        .put("/api/movies/1/")
        .json(&but(&one, &json!({"genre": "Western"})))
        .send()
        .await
        .is(200);
    state(&[("Drama", 1), ("Film-Noir", 1), ("Western", 1)]).await;
    member.delete("/api/movies/2/").send().await.is(204);
    state(&[("Western", 1)]).await;
}

#[tokio::test]
async fn the_most_liked_come_by_favorites_and_then_the_newest_id() {
    let app = TestApp::new().await;
    let member = member_with(&app, 14).await;
    let (two, three) = (app.member().await, app.member().await);
    for id in 1..=12 {
        member
            .put(&format!("/api/movies/{id}/favorite/"))
            .send()
            .await
            .is(200);
    }
    for (caller, id) in [(&two, 3), (&two, 7), (&three, 7), (&three, 1)] {
        caller
            .put(&format!("/api/movies/{id}/favorite/"))
            .send()
            .await
            .is(200);
    }
    let liked = async |query: &str| {
        let answer = two
            .get(&format!("/api/movies/most-liked/{query}"))
            .send()
            .await
            .is(200);
        assert_eq!(answer.body.as_object().unwrap().len(), 1, "results alone");
        answer
    };
    let all = liked("?limit=100").await;
    assert_eq!(all.ids(), [7, 3, 1, 12, 11, 10, 9, 8, 6, 5, 4, 2]);
    let counts: Vec<u64> = all.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|movie| movie["favorite_count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [3, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(all.body["results"][0]["favorite"], true);
    assert_eq!(all.body["results"][2]["favorite"], false);
    assert_eq!(liked("").await.ids(), all.ids()[..10]);
    assert_eq!(liked("?limit=1").await.ids(), [7]);
    two.delete("/api/movies/7/favorite/").send().await.is(200);
    member.delete("/api/movies/3/").send().await.is(204);
    member.post("/api/movies/2/favorite/").send().await.is(200);
    assert_eq!(liked("?limit=3").await.ids(), [7, 1, 12]);
    assert_eq!(liked("").await.ids().len(), 10);
}

#[tokio::test]
async fn the_newest_come_by_release_date_and_then_the_newest_id() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for date in [
        "1999-01-01",
        "2001-01-01",
        "2000-12-31",
        "2001-01-01",
        "1870-01-01",
        "9999-12-31",
        "1999-01-01",
    ] {
        member.add(&movie("Movie", "Somebody", "Drama", date)).await;
    }
    let newest = async |query: &str| {
        let answer = app
            .anonymous()
            .get(&format!("/api/movies/newest/{query}"))
            .send()
            .await
            .is(200);
        assert_eq!(answer.body.as_object().unwrap().len(), 1, "results alone");
        answer.ids()
    };
    assert_eq!(newest("").await, [6, 4, 2, 3, 7]);
    assert_eq!(newest("?limit=100").await, [6, 4, 2, 3, 7, 1, 5]);
    assert_eq!(newest("?limit=2").await, [6, 4]);
    member
        .patch("/api/movies/5/")
        .json(&json!({"release_date": "2001-01-01"}))
        .send()
        .await
        .is(200);
    member.delete("/api/movies/4/").send().await.is(204);
    assert_eq!(newest("").await, [6, 5, 2, 3, 7]);
}

/// DynamoDB ends a page of its own at 1 MB; ours may end there too, and then says where it goes on.
#[tokio::test]
async fn pages_of_the_longest_movies_leave_none_out() {
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

/// More ids than one request looks through lie between the two parts.
#[tokio::test]
async fn a_gap_of_thousands_of_ids_is_walked_across_both_ways() {
    let app = TestApp::new().await;
    let member = member_with(&app, 3).await;
    let ids = &app.running.state.store;
    ids.take_ids(Counter::MovieIds, 6000).await.unwrap();
    for n in 4..=6 {
        member.add(&numbered(n)).await;
    }
    let all = vec![1, 2, 3, 6004, 6005, 6006];
    for (path, expected) in [
        ("/api/movies/?limit=2", all.clone()),
        ("/api/movies/?limit=2&ordering=-id", reversed(all)),
    ] {
        assert_eq!(pages(&member, path, "next").await.concat(), expected, "{path}");
        let last = last_page(&member, path).await;
        // Each page is in order; the pages come from the end.
        let mut backward = pages(&member, &last, "previous").await;
        backward.reverse();
        assert_eq!(backward.concat(), expected, "{path}, backward");
        // From within the gap, either way.
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

/// A posting has a largest size, so one Query reads a page of a genre: one ligature spells out into eighteen characters of
/// two bytes.
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
