//! The demonstration catalog: the 16,975 real movies that the first `cargo run` imports.

use std::collections::BTreeSet;

use marquee::server::Catalog;
use serde_json::{Value, json};

use super::{pages, texts};
use crate::support::{Caller, TestApp, encode};

const COUNT: u64 = 16_975;

async fn search(caller: &Caller, q: &str) -> crate::support::Answer {
    caller
        .get(&format!("/api/movies/search/?limit=100&q={}", encode(q)))
        .send()
        .await
        .is(200)
}

// All checks share one import, because it takes longer than the checks.
#[tokio::test]
async fn the_demonstration_catalog_is_listed_found_and_counted() {
    let app = TestApp::with(|options| options.catalog = Catalog::Demonstration).await;
    let nobody = app.anonymous();
    the_lists_hold_all_movies(&nobody).await;
    the_genres_are_counted(&nobody).await;
    real_names_find_real_movies(&nobody).await;
    what_people_type_finds_what_they_mean(&nobody).await;
    the_rarest_word_drives_a_search(&nobody).await;
    common_words_are_paged_to_the_end(&nobody).await;
    a_movie_can_be_added_to_the_catalog(&app).await;
}

/// Each query finds its movie first. Those that match nothing are corrected.
async fn what_people_type_finds_what_they_mean(nobody: &Caller) {
    for (q, title, corrected) in [
        ("spiderman", "Spider-Man", None),
        ("schindlers list", "Schindler's List", None),
        ("la confidential", "L.A. Confidential", None),
        ("mash", "MASH", None),
        ("rocky 2", "Rocky II", None),
        ("thelma and louise", "Thelma & Louise", None),
        ("matrix 1999", "The Matrix", None),
        ("godfahter", "The Godfather", Some("godfather")),
        ("starwars", "Star Wars", Some("star wars")),
        ("god father", "The Godfather", Some("godfather")),
        ("kurosowa seven", "Seven Samurai", Some("kurosawa seven")),
        ("m*a*s*h", "MASH", Some("mash")),
        ("ps i love you", "P.S. I Love You", None),
        ("vi warshawski", "V.I. Warshawski", None),
        ("the vips", "The V.I.P.s", None),
        ("face off", "Face/Off", None),
        ("faceoff", "Face/Off", None),
        ("xmen", "X-Men", None),
        ("oceans eleven", "Ocean's Eleven", None),
        ("rocky iv", "Rocky IV", None),
        ("rocky 4", "Rocky IV", None),
        ("the godfather part 2", "The Godfather Part II", None),
        ("godfather 1972", "The Godfather", None),
        (
            "shawshenk redemption",
            "The Shawshank Redemption",
            Some("shawshank redemption"),
        ),
        ("pulpfiction", "Pulp Fiction", Some("pulp fiction")),
        ("kieslowsky blue", "Three Colours: Blue", Some("kieslowski blue")),
    ] {
        let found = search(nobody, q).await;
        let first = found.body["results"][0]["title"].as_str().unwrap_or_default();
        assert!(
            first.starts_with(title),
            "{q} finds {first}: {:?}",
            texts(&found, "title")
        );
        assert_eq!(found.body["corrected_query"].as_str(), corrected, "{q}");
    }
    // What is still typed doesn't jump.
    for typed in [
        "the matrix 1999",
        "star wars: episode iv",
        "schindlers list",
        "kurosawa seven samurai",
        "rocky 2",
        "thelma & louise",
        "spiderman 2",
        "ps i love you",
        "godfather part iii",
    ] {
        for (end, _) in typed.char_indices().skip(1) {
            let found = search(nobody, &typed[..end]).await;
            assert_eq!(
                found.body["corrected_query"],
                Value::Null,
                "{} of {typed}",
                &typed[..end]
            );
        }
    }
}

/// There are thousands of comedies and dozens of movies by somebody called Allen. The first page must already have movies
/// that match both words, so the search must start from the rare word.
async fn the_rarest_word_drives_a_search(nobody: &Caller) {
    for q in ["comedy allen", "drama lumet", "drama smith"] {
        let path = format!("/api/movies/search/?q={}", encode(q));
        let first = nobody.get(&path).send().await.is(200);
        assert!(first.ids().len() >= 10, "{q}: {}", first.ids().len());
    }
}

async fn the_lists_hold_all_movies(nobody: &Caller) {
    let list = nobody.get("/api/movies/").send().await.is(200);
    assert_eq!(list.body["count"], COUNT);
    assert_eq!(list.ids(), (1..=20).collect::<Vec<_>>());
    let movie = &list.body["results"][0];
    assert_eq!(
        (&movie["user"], &movie["favorite_count"]),
        (&Value::Null, &json!(0))
    );
    let last = nobody
        .get("/api/movies/?ordering=-id&limit=1")
        .send()
        .await
        .is(200);
    assert_eq!(last.ids(), [COUNT]);
    let oldest = nobody
        .get("/api/movies/?ordering=release_date&limit=100")
        .send()
        .await
        .is(200);
    assert!(texts(&oldest, "release_date").is_sorted());
    let newest = nobody.get("/api/movies/newest/?limit=100").send().await.is(200);
    assert!(texts(&newest, "release_date").iter().rev().is_sorted());
    assert!(texts(&newest, "release_date")[0] >= texts(&oldest, "release_date")[99]);
    assert!(
        nobody
            .get("/api/movies/most-liked/")
            .send()
            .await
            .is(200)
            .ids()
            .is_empty()
    );
}

async fn the_genres_are_counted(nobody: &Caller) {
    let categories = nobody.get("/api/movies/categories/").send().await.is(200);
    let names = texts(&categories, "genre");
    assert_eq!(
        (names.len(), &categories.body["count"], &categories.body["next"]),
        (21, &json!(21), &Value::Null)
    );
    assert!(names.is_sorted(), "{names:?}");
    let count = |name: &str| {
        let results = categories.body["results"].as_array().unwrap();
        results.iter().find(|category| category["genre"] == name).unwrap()["count"]
            .as_u64()
            .unwrap()
    };
    assert_eq!((count("Drama"), count("Western")), (8_917, 311));
    for category in categories.body["results"].as_array().unwrap() {
        assert_eq!(
            category["movies"].as_array().unwrap().len(),
            5,
            "{}",
            category["genre"]
        );
    }
    let westerns = pages(nobody, "/api/movies/?genre=western&limit=100", "next")
        .await
        .concat();
    let different: BTreeSet<&u64> = westerns.iter().collect();
    assert_eq!((westerns.len(), different.len()), (311, 311));
    assert_eq!(
        nobody.get("/api/movies/?genre=DRAMA").send().await.body["count"],
        8_917
    );
}

async fn real_names_find_real_movies(nobody: &Caller) {
    let found = search(nobody, "the godfather").await;
    assert_eq!(texts(&found, "title")[0], "The Godfather");
    assert_eq!(texts(&found, "director")[0], "Francis Ford Coppola");
    assert!(
        texts(&found, "title")[1..]
            .iter()
            .all(|title| *title != "The Godfather")
    );

    let found = search(nobody, "kieslowski").await;
    let by_him = texts(&found, "director")
        .iter()
        .filter(|d| d.contains("Krzysztof Kieślowski"))
        .count();
    let named_after_him = texts(&found, "title")
        .iter()
        .filter(|t| **t == "The Young Kieslowski")
        .count();
    assert_eq!((found.ids().len(), by_him, named_after_him), (10, 9, 1));
    assert_eq!(
        texts(&found, "title")[0],
        "The Young Kieslowski",
        "a match in a title precedes a match in a director"
    );
    assert_eq!(search(nobody, "KIEŚLOWSKI").await.ids(), found.ids());

    for q in ["amelie", "AMÉLIE"] {
        let found = search(nobody, q).await;
        assert!(
            texts(&found, "title")
                .iter()
                .any(|title| title.contains("Amélie")),
            "{q}"
        );
    }
    let found = search(nobody, "kurosawa seven").await;
    assert!(texts(&found, "title").contains(&"Seven Samurai"));
    let found = search(nobody, "m").await;
    for movie in found.body["results"].as_array().unwrap() {
        let said = format!("{} {} {}", movie["title"], movie["director"], movie["genre"]).to_lowercase();
        assert!(
            said.split(|c: char| !c.is_alphanumeric()).any(|word| word == "m"),
            "{said}"
        );
    }
}

async fn common_words_are_paged_to_the_end(nobody: &Caller) {
    for (q, at_least) in [("western", 311), ("war drama", 100), ("the of", 500)] {
        let path = format!("/api/movies/search/?limit=100&q={}", encode(q));
        let found = pages(nobody, &path, "next").await.concat();
        let different: BTreeSet<&u64> = found.iter().collect();
        assert!(found.len() >= at_least, "{q} finds {}", found.len());
        assert_eq!(found.len(), different.len(), "{q} finds a movie twice");
    }
}

async fn a_movie_can_be_added_to_the_catalog(app: &TestApp) {
    let member = app.member().await;
    let movie = crate::support::movie("The Godfather", "Somebody Else", "Drama, Western", "2024-01-01");
    let made = member.add(&movie).await;
    assert_eq!(made["id"], COUNT + 1);
    let found = search(&member, "the godfather").await;
    assert_eq!(texts(&found, "title")[..2], ["The Godfather"; 2]);
    assert_eq!(
        member.get("/api/movies/?genre=western&limit=1").send().await.body["count"],
        312
    );
    // Only admins may change movies without an owner.
    member
        .patch("/api/movies/1/")
        .json(&json!({"title": "Mine"}))
        .send()
        .await
        .is_problem(403, "forbidden");
    let admin = app.admin().await;
    let edited = admin
        .patch("/api/movies/1/")
        .json(&json!({"title": "Ours"}))
        .send()
        .await
        .is(200);
    assert_eq!(
        (&edited.body["title"], &edited.body["user"]),
        (&json!("Ours"), &Value::Null)
    );
    assert_eq!(search(&member, "ours").await.ids()[0], 1);
    admin.delete("/api/movies/1/").send().await.is(204);
    assert_eq!(member.get("/api/movies/").send().await.body["count"], COUNT);
}
