//! Words of a query: prefixes, fields, orders and pages.

use serde_json::{Value, json};

use super::path;
use crate::{
    api::{last_page, pages, texts, with_changes},
    support::{Caller, TestApp, movie},
};

/// Returns a member who has added movies with this title, director and genre. Their ids are 1, 2 and so on.
async fn member_with(app: &TestApp, movies: &[(&str, &str, &str)]) -> Caller {
    let member = app.member().await;
    for (title, director, genre) in movies {
        member.add(&movie(title, director, genre, "2000-01-01")).await;
    }
    member
}

/// Returns the ids that `q` finds, in order.
async fn find(caller: &Caller, q: &str) -> Vec<u64> {
    let answer = caller.get(&path(q)).send().await.is(200);
    assert_eq!(
        (&answer.body["count"], &answer.body["previous"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(answer.body["corrected_query"], Value::Null, "{q}");
    answer.ids()
}

#[tokio::test]
async fn search_ignores_case_and_accents() {
    let app = TestApp::new().await;
    let member = member_with(
        &app,
        &[
            ("Amélie", "Jean-Pierre Jeunet", "Comédie"),
            ("Łódź, ØRSTED, Straße und Æon", "Dušan Þór", "x"),
            ("ΟΔΥΣΣΕΥΣ", "Ingmar Bergman", "x"),
            ("기생충", "봉준호", "x"),
            ("Война и мир", "Сергей Бондарчук", "x"),
            ("Œuvre Naïve", "Ğüneş İÇ", "x"),
            ("ﬁlm № ４２", "x", "x"),
        ],
    )
    .await;
    for (q, found) in [
        ("amelie", 1),
        ("AMÉLIE", 1),
        ("Ame\u{301}lie", 1),
        ("amélié", 1),
        ("jeunet", 1),
        ("jean-pierre", 1),
        ("comedie", 1),
        ("lodz", 2),
        ("ŁÓDŹ", 2),
        ("orsted", 2),
        ("ørsted", 2),
        ("strasse", 2),
        ("STRASSE", 2),
        ("straße", 2),
        ("aeon", 2),
        ("æon", 2),
        ("dusan thor", 2),
        ("οδυσσευς", 3),
        ("기생", 4),
        ("생충", 4),
        ("준호", 4),
        ("충", 0),
        ("기생충", 4),
        ("봉준호", 4),
        ("ВОЙНА", 5),
        ("бонд", 5),
        ("oeuvre", 6),
        ("naive", 6),
        ("gunes", 6),
        ("film", 7),
        ("42", 7),
        ("no", 7),
    ] {
        let expected: Vec<u64> = (found > 0).then_some(found).into_iter().collect();
        assert_eq!(find(&member, q).await, expected, "{q}");
    }
}

#[tokio::test]
async fn words_of_three_or_more_characters_match_as_prefixes_and_shorter_ones_exactly() {
    let app = TestApp::new().await;
    let member = member_with(
        &app,
        &[
            ("It Happened One Night", "Frank Capra", "Comedy"),
            ("Italian Job", "Peter Collinson", "Crime"),
            ("M", "Fritz Lang", "Thriller"),
            ("Marnie", "Alfred Hitchcock", "Sci-Fi"),
            ("The Fifth Element", "Luc Besson", "Sci-Fi"),
        ],
    )
    .await;
    for (q, expected) in [
        ("it", vec![1]),
        ("ita", vec![2]),
        ("ital", vec![2]),
        ("m", vec![3]),
        ("ma", vec![]),
        ("mar", vec![4]),
        ("fi", vec![4, 5]),
        ("fif", vec![5]),
        ("sci", vec![4, 5]),
        ("sc", vec![]),
        ("sci fi", vec![4, 5]),
        ("sci-fi", vec![4, 5]),
        ("scif", vec![]),
        // A query does not match in the middle of a word.
        ("lian", vec![]),
        ("element", vec![5]),
        // Words with a typing error, or run together, are found otherwise.
        ("elementary", vec![]),
        ("happened it", vec![1]),
        ("happ night on", vec![]),
        ("happ nig one", vec![1]),
    ] {
        assert_eq!(find(&member, q).await, expected, "{q}");
    }
}

#[tokio::test]
async fn all_words_must_match_but_may_match_different_fields() {
    let app = TestApp::new().await;
    let member = member_with(
        &app,
        &[
            ("Seven Samurai", "Akira Kurosawa", "Action, Drama"),
            ("Rashomon", "Akira Kurosawa", "Drama, Mystery"),
            ("Akira", "Katsuhiro Otomo", "Animation, Action"),
            ("The Magnificent Seven", "John Sturges", "Western"),
        ],
    )
    .await;
    for (q, expected) in [
        ("akira drama", vec![1, 2]),
        ("drama akira", vec![1, 2]),
        ("kurosawa action", vec![1]),
        ("seven kuro", vec![1]),
        ("akira action", vec![1, 3]),
        ("seven western sturges", vec![4]),
        ("seven western kurosawa", vec![]),
        ("akira akira akira", vec![1, 2, 3]),
        ("aki akira", vec![1, 2, 3]),
        ("  seven ,, samurai!! ", vec![1]),
        ("mystery rash", vec![2]),
    ] {
        let mut found = find(&member, q).await;
        // The order of these movies is not documented.
        found.sort_unstable();
        assert_eq!(found, expected, "{q}");
    }
}

#[tokio::test]
async fn exact_titles_come_first_then_title_prefixes_then_other_matches() {
    let app = TestApp::new().await;
    let member = member_with(
        &app,
        &[
            ("Love and Drama", "Somebody Else", "Romance"),
            ("Drama Queen", "Somebody Else", "Comedy"),
            ("Nothing", "Nobody", "Drama"),
            ("Something", "Mister Drama", "Comedy"),
            ("Drama", "Somebody Else", "Drama"),
            ("A Drama in Drama", "Drama", "Drama"),
            ("Dramatic", "Somebody Else", "Comedy"),
            ("DRAMA!", "Somebody Else", "x"),
            ("Anything", "Nobody", "Melodrama, Drama-Noir"),
        ],
    )
    .await;
    let found = find(&member, "drama").await;
    let sorted = |mut ids: Vec<u64>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted(found[..2].to_vec()), [5, 8], "exact titles: {found:?}");
    assert_eq!(
        sorted(found[2..4].to_vec()),
        [2, 7],
        "titles that begin with the query: {found:?}"
    );
    assert_eq!(
        sorted(found[4..6].to_vec()),
        [1, 6],
        "other title matches: {found:?}"
    );
    assert_eq!(found[6], 4, "director matches: {found:?}");
    assert_eq!(sorted(found[7..].to_vec()), [3, 9], "genre matches: {found:?}");
    // The order is stable.
    for _ in 0..3 {
        assert_eq!(find(&member, "drama").await, found);
    }
    assert_eq!(find(&app.anonymous(), "DRÁMA").await, found);
}

#[tokio::test]
async fn with_several_words_exact_titles_come_first_and_title_prefixes_next() {
    let app = TestApp::new().await;
    let member = member_with(
        &app,
        &[
            ("Godfather, The", "Somebody", "Drama"),
            ("The Godfather Part II", "Francis Ford Coppola", "Crime"),
            ("The Godfathers of the Block", "Somebody", "Drama"),
            ("Waiting", "The Godfather", "Drama"),
            ("The Godfather", "Francis Ford Coppola", "Crime"),
        ],
    )
    .await;
    let found = find(&member, "the godfather").await;
    assert_eq!(found[0], 5, "{found:?}");
    let mut next = found[1..3].to_vec();
    next.sort_unstable();
    assert_eq!(next, [2, 3], "{found:?}");
    let mut rest = found[3..].to_vec();
    rest.sort_unstable();
    assert_eq!(rest, [1, 4], "{found:?}");
    assert_eq!(find(&member, "the godfather part").await, [2]);
    let mut by_director = find(&member, "the god coppola").await;
    by_director.sort_unstable();
    assert_eq!(by_director, [2, 5]);
}

#[tokio::test]
async fn a_movie_with_many_matches_is_listed_once() {
    let app = TestApp::new().await;
    let member = member_with(
        &app,
        &[
            (
                "Drama Dramatic Drama",
                "Drama Dramas",
                "Drama, Drama-Comedy, Dramatic",
            ),
            ("New York, New York", "York Newman", "Newsreel"),
        ],
    )
    .await;
    for q in ["drama", "dram", "drama drama", "dram drama dramatic"] {
        assert_eq!(find(&member, q).await, [1], "{q}");
        let pages = pages(&member, &path(q).replace("limit=100", "limit=1"), "next").await;
        assert_eq!(pages.concat(), [1], "{q}");
    }
    for q in ["new", "york", "new york", "york new", "news york"] {
        assert_eq!(find(&member, q).await, [2], "{q}");
    }
}

#[tokio::test]
async fn a_blank_query_is_400_and_punctuation_finds_nothing() {
    let app = TestApp::new().await;
    let member = member_with(&app, &[("…", "?!", "x"), ("Movie", "Somebody", "Drama")]).await;
    for query in ["", "?", "?q=", "?q=%20", "?q=%09%0A+", "?q=%C2%A0", "?limit=5"] {
        let answer = member.get(&format!("/api/movies/search/{query}")).send().await;
        answer.is_problem(400, "invalid_input").names(&["q"]);
    }
    for q in [
        "?", "...", "-", "…", "%", "#", "\u{301}", "🎬", "\u{200b}", "|", "!'\"",
    ] {
        let body = member.get(&path(q)).send().await.is(200).body;
        assert_eq!(
            body,
            json!({"corrected_query": null, "count": null, "next": null, "previous": null, "results": []}),
            "{q}"
        );
    }
    // A movie whose title has no words is found by its other fields.
    assert_eq!(find(&member, "x").await, [1]);
}

#[tokio::test]
async fn no_character_of_a_query_has_a_special_meaning() {
    let app = TestApp::new().await;
    let member = member_with(&app, &[("Movie", "Somebody", "Drama")]).await;
    let long = "longword".repeat(70);
    let many = (0..100).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
    for (q, finds, corrected) in [
        ("\0", false, None),
        ("movie\0", true, None),
        ("#movie", true, None),
        ("{movie}", true, None),
        ("' OR 1=1", false, None),
        ("\u{10ffff}", false, None),
        ("nothing", false, None),
        (&long, false, None),
        (&many, false, None),
    ] {
        let answer = member.get(&path(q)).send().await.is(200);
        assert_eq!(answer.ids().len(), usize::from(finds), "{q:?}");
        assert_eq!(answer.body["corrected_query"].as_str(), corrected, "{q:?}");
    }
    let endless = member.get(&path(&"x".repeat(2_500))).send().await;
    endless.is_problem(400, "invalid_input").names(&["q"]);
}

/// Guarantee 44.
#[tokio::test]
async fn search_finds_a_change_as_soon_as_it_is_answered() {
    let app = TestApp::new().await;
    let member = member_with(&app, &[("Alpha Beta", "Gamma", "Delta")]).await;
    assert_eq!(find(&member, "alpha beta gamma delta").await, [1]);
    for (change, gone, found) in [
        (
            json!({"title": "Epsilon Beta"}),
            "alpha",
            "epsilon beta gamma delta",
        ),
        (json!({"director": "Sigma"}), "gamma", "epsilon beta sigma delta"),
        (
            json!({"genre": "Eta, Theta-Iota"}),
            "delta",
            "epsilon beta sigma eta theta iota",
        ),
        (
            json!({"title": "Kappa", "director": "Beta", "genre": "Epsilon"}),
            "theta",
            "kappa beta epsilon",
        ),
        // The same words move to other fields.
        (
            json!({"title": "Epsilon", "director": "Kappa", "genre": "Beta"}),
            "sigma",
            "kappa beta epsilon",
        ),
    ] {
        member.patch("/api/movies/1/").json(&change).send().await.is(200);
        assert_eq!(find(&member, gone).await, Vec::<u64>::new(), "{gone}");
        assert_eq!(find(&member, found).await, [1], "{found}");
        for word in found.split(' ') {
            assert_eq!(find(&member, word).await, [1], "{word}");
        }
    }
    let whole = movie("Lambda", "Mu Mumu", "Nunu", "2000-01-01");
    member.put("/api/movies/1/").json(&whole).send().await.is(200);
    assert_eq!(find(&member, "kappa").await, Vec::<u64>::new());
    assert_eq!(find(&member, "lambda mu nunu").await, [1]);
    let shown = member.get(&path("lambda")).send().await;
    assert_eq!(texts(&shown, "director"), ["Mu Mumu"]);
    // A search shows the stored movie, not the words of its postings.
    member
        .patch("/api/movies/1/")
        .json(&json!({"description": "New."}))
        .send()
        .await
        .is(200);
    assert_eq!(
        texts(&member.get(&path("mumu")).send().await, "description"),
        ["New."]
    );
    member.delete("/api/movies/1/").send().await.is(204);
    for q in ["lambda", "mumu", "nunu", "mu"] {
        assert_eq!(find(&member, q).await, Vec::<u64>::new(), "{q}");
    }
}

/// These words and titles are longer than the keys of their postings.
#[tokio::test]
async fn the_longest_words_and_titles_are_distinguished() {
    let app = TestApp::new().await;
    let long = "x".repeat(199);
    // One character that normalizes to four words with eighteen letters in total.
    let wide = "\u{fdfa}".repeat(30);
    let movies = [
        (format!("{long}a"), "Somebody"),
        (format!("{long}b"), "Somebody"),
        (format!("{wide} one"), "Somebody"),
        (format!("{wide} two"), "Somebody"),
        ("Short".into(), &long[..150]),
    ];
    let movies: Vec<(&str, &str, &str)> = movies.iter().map(|(t, d)| (t.as_str(), *d, "Drama")).collect();
    let member = member_with(&app, &movies).await;
    for (q, expected) in [
        (format!("{long}a"), vec![1]),
        (format!("{long}b"), vec![2]),
        (long.clone(), vec![1, 2]),
        (format!("{long}c"), vec![]),
        ("x".repeat(150), vec![1, 2, 5]),
        ("x".repeat(64), vec![1, 2, 5]),
        (format!("{wide} one"), vec![3]),
        (format!("{wide} two"), vec![4]),
        (wide.clone(), vec![3, 4]),
    ] {
        assert_eq!(
            find(&member, &q).await,
            expected,
            "{} characters",
            q.chars().count()
        );
    }
}

/// Guarantee 45.
/// There are more matching movies than one request reads items. The word is in different fields.
#[tokio::test]
async fn paging_through_a_common_word_finds_every_movie_once_in_both_directions() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let add = |n: u64| {
        let base = movie(&format!("Plain {n}"), "Somebody", "Drama", "2000-01-01");
        let change = match n % 6 {
            0 => json!({"title": "Common"}),
            1 => json!({"title": format!("Common Thing {n}")}),
            2 => json!({"title": format!("Very Common {n}"), "director": "Common"}),
            3 => json!({"director": "Mister Common"}),
            4 => json!({"genre": "Common"}),
            _ => json!({"title": format!("Rare {n}"), "genre": "Drama, Commonplace"}),
        };
        with_changes(&base, &change)
    };
    for n in 1..=120 {
        member.add(&add(n)).await;
    }
    for (q, expected) in [
        ("common", 120),
        ("common drama", 100),
        ("com", 120),
        ("common some", 80),
        ("common rare", 20),
    ] {
        let whole = pages(&member, &path(q), "next").await.concat();
        let mut ids = whole.clone();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((whole.len(), ids.len()), (expected, expected), "{q}");
        // The order does not depend on the limit.
        let path = path(q).replace("limit=100", "limit=9");
        let forward = pages(&member, &path, "next").await;
        assert_eq!(forward.concat(), whole, "{q}, 9 a page");
        let last = last_page(&member, &path).await;
        let mut backward = pages(&member, &last, "previous").await;
        backward.reverse();
        assert_eq!(backward.concat(), whole, "{q}, 9 a page, backward");
    }
    let exact = member.get(&path("common").replace("100", "20")).send().await;
    assert_eq!(texts(&exact, "title"), ["Common"; 20]);
}
