//! Searches that no movie matches as they stand: what they are corrected to, and the pages of what they find.

use serde_json::{Value, json};

use super::{last_page, pages, with_changes};
use crate::support::{Caller, TestApp, encode, movie};

/// Real movies: title, director, genre and date. Their ids are 1, 2 and so on.
const MOVIES: [[&str; 4]; 23] = [
    ["Seven Samurai", "Akira Kurosawa", "Drama, Action", "1954-01-01"],
    ["MASH", "Robert Altman", "War, Comedy", "1970-01-01"],
    [
        "The Godfather",
        "Francis Ford Coppola",
        "Thriller, Drama, Crime",
        "1972-03-15",
    ],
    [
        "The Godfather Part II",
        "Francis Ford Coppola",
        "Thriller, Drama, Crime",
        "1974-12-20",
    ],
    [
        "Star Wars: Episode IV – A New Hope",
        "George Lucas",
        "Sci-Fi, Action, Adventure",
        "1977-01-01",
    ],
    ["Rocky II", "Sylvester Stallone", "Drama, Sport", "1979-06-15"],
    ["Thelma & Louise", "Ridley Scott", "Comedy, Drama", "1991-01-01"],
    ["Malcolm X", "Spike Lee", "Biography, Drama", "1992-01-01"],
    [
        "Schindler's List",
        "Steven Spielberg",
        "Biography, War",
        "1993-01-01",
    ],
    [
        "L.A. Confidential",
        "Curtis Hanson",
        "Thriller, Mystery",
        "1997-09-19",
    ],
    [
        "The Matrix",
        "Lana Wachowski, Lilly Wachowski",
        "Sci-Fi, Action",
        "1999-03-31",
    ],
    ["Amélie", "Jean-Pierre Jeunet", "Romance, Comedy", "2001-02-28"],
    ["Spider-Man", "Sam Raimi", "Sci-Fi, Action", "2002-05-03"],
    ["Rain Man", "Barry Levinson", "Drama", "1988-12-16"],
    ["The Rock", "Michael Bay", "Action", "1996-06-07"],
    ["Friends with Benefits", "Will Gluck", "Comedy", "2011-07-22"],
    ["Брат", "Алексей Балабанов", "Драма", "1997-12-12"],
    ["Zodiac", "David Fincher", "Crime", "2007-03-02"],
    ["Terminator", "James Cameron", "Sci-Fi", "1984-10-26"],
    ["Super 8", "J.J. Abrams", "Sci-Fi", "2011-06-10"],
    [
        "Who Framed Roger Rabbit",
        "Robert Zemeckis",
        "Comedy",
        "1988-06-22",
    ],
    ["Marx Reloaded", "Jason Barker", "Documentary", "2011-04-11"],
    ["I Am Legend", "Francis Lawrence", "Drama", "2007-12-14"],
];

async fn app() -> (TestApp, Caller) {
    let app = TestApp::new().await;
    let member = app.member().await;
    for [title, director, genre, date] in MOVIES {
        member.add(&movie(title, director, genre, date)).await;
    }
    (app, member)
}

fn path(q: &str) -> String {
    format!("/api/movies/search/?limit=100&q={}", encode(q))
}

/// The ids that `q` finds, and the query that was answered instead, if there is one.
async fn find(caller: &Caller, q: &str) -> (Vec<u64>, Option<String>) {
    let answer = caller.get(&path(q)).send().await.is(200);
    let corrected = answer.body["corrected_query"].clone();
    assert!(corrected.is_null() || corrected.is_string(), "{q}: {corrected}");
    (answer.ids(), corrected.as_str().map(str::to_owned))
}

/// Guarantee 69.
#[tokio::test]
async fn what_is_mistyped_run_together_split_or_unknown_is_corrected() {
    let (_app, member) = app().await;
    for (q, corrected, first) in [
        // One error: an insertion, a deletion, a substitution, a swap.
        ("matrxi", "matrix", 11),
        ("mmatrix", "matrix", 11),
        ("matix", "matrix", 11),
        ("matrik", "matrix", 11),
        ("the matrxi", "the matrix", 11),
        ("rck", "rock", 6),
        // Two errors in a long word.
        ("godfahter", "godfather", 3),
        ("godfahtre", "godfather", 3),
        ("gdofahter", "godfather", 3),
        ("termniatr", "terminator", 19),
        // In a director, with another word or alone.
        ("kurosowa seven", "kurosawa seven", 1),
        ("kurosowa", "kurosawa", 1),
        ("wachowsky matrix", "wachowski matrix", 11),
        // In a genre.
        ("thriler confidential", "thriller confidential", 10),
        // In a closed-up word.
        ("spidermann", "spiderman", 13),
        ("schindlrs list", "schindlers list", 9),
        // In a short part of a word with signs.
        ("spider-mna", "spiderman", 13),
        ("raimi spyder-mna", "raimi spiderman", 13),
        ("m-a-s-j", "mash", 2),
        ("jean-piere jeunet", "jean pierre jeunet", 12),
        // In another script.
        ("балабаноф", "балабанов", 17),
        // In each of two words.
        ("schindlr lisst", "schindler list", 9),
        // Another word of the catalog.
        ("sever samurai", "seven samurai", 1),
        // Run together, alone and among others.
        ("starwars", "star wars", 5),
        ("starwars lucas", "star wars lucas", 5),
        ("thegodfather", "the godfather", 3),
        ("rogerrabbit", "roger rabbit", 21),
        ("whoframedrogerrabbit", "who framed roger rabbit", 21),
        ("starwarsepisodeivanewhope", "star wars episode iv a new hope", 5),
        ("godfatherpartii", "godfather part ii", 4),
        (
            "whoframedrogerrabbitzemeckis",
            "who framed roger rabbit zemeckis",
            21,
        ),
        ("whoframedroger 1988", "who framed roger 1988", 21),
        ("zemeckis whoframedroger", "zemeckis who framed roger", 21),
        ("whoframedrog", "who framed rog", 21),
        ("iamlegend", "i am legend", 23),
        // Split.
        ("god father", "godfather", 3),
        ("god father coppola", "godfather coppola", 3),
        ("m a s h", "mash", 2),
        ("m*a*s*h", "mash", 2),
        ("ter minator", "terminator", 19),
        // Words that no movie has.
        ("matrix xylographically", "matrix", 11),
        ("qqqq matrix wwww", "matrix", 11),
        ("the matrix 3000", "the matrix", 11),
        // Several at once.
        ("starwars lucsa", "star wars lucas", 5),
        ("qqqq godfahter", "godfather", 3),
        // What isn't wrong stays as it is normalized.
        ("Malcolmm X", "malcolm x", 8),
        ("AMÉLLIE", "amelie", 12),
        ("rokcy II", "rocky ii", 6),
        ("confidental 1997", "confidential 1997", 10),
        ("thelma & luise", "thelma and louise", 7),
    ] {
        let (ids, answered) = find(&member, q).await;
        assert_eq!(answered.as_deref(), Some(corrected), "{q}: {ids:?}");
        assert_eq!(ids.first(), Some(&first), "{q}: {ids:?}");
        // The corrected query itself matches, and finds the same movies.
        let (mut again, answered) = find(&member, corrected).await;
        let mut ids = ids;
        assert_eq!((answered, again.first()), (None, ids.first()), "{corrected}");
        ids.sort_unstable();
        again.sort_unstable();
        assert_eq!(ids, again, "{q}");
    }
}

/// Guarantee 69.
#[tokio::test]
async fn the_queries_that_are_found_without_a_correction_are_not_corrected() {
    let (_app, member) = app().await;
    for (q, first) in [
        ("spiderman", 13),
        ("schindlers list", 9),
        ("la confidential", 10),
        ("mash", 2),
        ("rocky 2", 6),
        ("thelma and louise", 7),
        ("matrix 1999", 11),
        // A word of the catalog that is one error from another one.
        ("rain man", 14),
        ("rock", 6),
        ("marx", 22),
    ] {
        let (ids, answered) = find(&member, q).await;
        assert_eq!((ids.first(), answered), (Some(&first), None), "{q}");
    }
}

#[tokio::test]
async fn what_cannot_be_corrected_finds_nothing() {
    let (_app, member) = app().await;
    for q in [
        // Nothing is near.
        "xylographically",
        "qqqq wwww eeee",
        "🎬",
        // Too many errors for the length.
        "mtarxi",
        "rk",
        "teh",
        "godfahtrer1",
        // Words of movies that have no movie in common, and aren't near others.
        "samurai confidential",
        // A number isn't mistyped.
        "1998",
        "matrix 1954",
        // The only word is left out by no query.
        "ж",
    ] {
        let (ids, answered) = find(&member, q).await;
        assert_eq!((ids.as_slice(), answered), (&[][..], None), "{q}");
    }
}

/// Guarantee 69. What a person types is searched at each letter.
#[tokio::test]
async fn no_beginning_of_a_query_that_matches_is_corrected() {
    let (_app, member) = app().await;
    let mut typed: Vec<String> = MOVIES.iter().map(|[title, ..]| (*title).to_owned()).collect();
    typed.extend(
        [
            "rocky 2",
            "matrix 1999",
            "the godfather 2",
            "l a confidential",
            "jj abrams super 8",
        ]
        .map(str::to_owned),
    );
    typed.extend(
        MOVIES
            .iter()
            .map(|[title, director, ..]| format!("{director} {title}")),
    );
    for whole in typed {
        for (end, _) in whole.char_indices().skip(1) {
            let q = &whole[..end];
            if q.trim().is_empty() {
                continue;
            }
            let (_, answered) = find(&member, q).await;
            assert_eq!(answered, None, "{q:?} on the way to {whole}");
        }
        assert_eq!(find(&member, &whole).await.1, None, "{whole}");
    }
}

#[tokio::test]
async fn among_alternatives_of_as_many_errors_the_likeliest_is_answered() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let add = async |title: &str| {
        member.add(&movie(title, "Somebody", "Drama", "2000-01-01")).await;
    };
    for title in ["A Matrix", "The Matrix Reloaded", "One More Matrix", "The Marx"] {
        add(title).await;
    }
    for title in [
        "The Fiend",
        "My Friend",
        "Winter Bone",
        "Winters",
        "A Bonfire",
        "Bonfires",
    ] {
        add(title).await;
    }
    for (q, corrected) in [
        // Three movies have the one, and one has the other.
        ("matrx", "matrix"),
        // A title that begins with it is likelier than one that doesn't.
        ("bonfiers", "bonfires"),
        // A title that is the whole query is likelier than one that begins with it.
        ("wintres", "winters"),
    ] {
        assert_eq!(find(&member, q).await.1.as_deref(), Some(corrected), "{q}");
    }
    add("Marx").await;
    assert_eq!(find(&member, "matrx").await.1.as_deref(), Some("marx"));
}

/// Guarantee 69.
#[tokio::test]
async fn the_pages_of_a_corrected_query_are_walked_in_both_directions() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let base = movie("Plain", "Somebody", "Drama", "2000-01-01");
    for n in 1..=60 {
        let change = match n % 4 {
            0 => json!({"title": format!("Matrix {n}")}),
            1 => json!({"title": format!("The Matrix {n}")}),
            2 => json!({"title": format!("Thing {n}"), "director": "Mister Matrix"}),
            _ => json!({"title": format!("Rare {n}"), "genre": "Matrix"}),
        };
        member.add(&with_changes(&base, &change)).await;
    }
    for (q, corrected, count) in [
        ("matrxi", "matrix", 60),
        ("matrxi drama", "matrix drama", 45),
        ("xylographs matrix", "matrix", 60),
    ] {
        let whole = find(&member, q).await;
        assert_eq!(
            (whole.0.len(), whole.1.as_deref()),
            (count, Some(corrected)),
            "{q}"
        );
        // For a single word, the order is that of the corrected query.
        if !corrected.contains(' ') {
            assert_eq!(whole.0, find(&member, corrected).await.0, "{q}");
        }
        let path = path(q).replace("limit=100", "limit=7");
        let forward = pages(&member, &path, "next").await;
        assert_eq!(forward.concat(), whole.0, "{q}, 7 a page");
        let last = last_page(&member, &path).await;
        let mut backward = pages(&member, &last, "previous").await;
        backward.reverse();
        assert_eq!(backward.concat(), whole.0, "{q}, 7 a page, backward");
        // Every page says what it answers.
        let mut next = Some(path.clone());
        while let Some(page) = next {
            let answer = member.get(&page).send().await.is(200);
            assert_eq!(answer.body["corrected_query"], corrected, "{page}");
            next = answer.body["next"].as_str().map(str::to_owned);
        }
        // The cursor is valid for the query as it was typed only.
        let first = member.get(&path).send().await.is(200);
        let next = first.body["next"].as_str().unwrap();
        let cursor = &next[next.find("cursor=").unwrap()..];
        let other = format!("{}&{cursor}", self::path(corrected));
        let answer = member.get(&other).send().await;
        answer.is_problem(400, "invalid_input").names(&["cursor"]);
    }
}

#[tokio::test]
async fn a_movie_that_was_deleted_or_renamed_is_no_correction() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let base = movie("The Matrix", "Somebody", "Drama", "2000-01-01");
    let deleted = member.add(&base).await["id"].as_u64().unwrap();
    assert_eq!(
        find(&member, "matrxi").await,
        (vec![deleted], Some("matrix".to_owned()))
    );
    member
        .delete(&format!("/api/movies/{deleted}/"))
        .send()
        .await
        .is(204);
    assert_eq!(find(&member, "matrxi").await, (vec![], None));
    let renamed = with_changes(&base, &json!({"title": "Terminator"}));
    let renamed = member.add(&renamed).await["id"].as_u64().unwrap();
    member
        .patch(&format!("/api/movies/{renamed}/"))
        .json(&json!({"title": "Zodiac"}))
        .send()
        .await
        .is(200);
    assert_eq!(find(&member, "terminatro").await, (vec![], None));
    assert_eq!(
        find(&member, "zodaic").await,
        (vec![renamed], Some("zodiac".to_owned()))
    );
}

#[tokio::test]
async fn hostile_queries_are_answered() {
    let (_app, member) = app().await;
    let absent = |n: usize| format!("absent{n}word");
    let many = (0..30).map(absent).collect::<Vec<_>>().join(" ");
    for q in [
        "godfahtre ".repeat(20),
        "x ".repeat(250),
        "a b ".repeat(100),
        many.chars().take(200).collect(),
        (0..30).map(|n| format!("w{n:02}")).collect::<Vec<_>>().join(" "),
        "q".repeat(600),
        "🎬".repeat(600),
        "ﷺ".repeat(600),
        "é".repeat(600),
        "映".repeat(600),
        "m-".repeat(300),
        "godfather-".repeat(60),
        "%00\0\u{7f}".to_owned(),
    ] {
        let answer = member.get(&path(q.trim())).send().await;
        assert!(matches!(answer.status.as_u16(), 200), "{q}: {:?}", answer.body);
        assert!(
            answer.body["corrected_query"].is_null() || answer.body["results"] != json!([]),
            "{q}"
        );
    }
    let answer = member.get(&path(&"q".repeat(10_000))).send().await;
    assert_eq!(answer.body["corrected_query"], Value::Null);
    assert!(matches!(answer.status.as_u16(), 400 | 414), "{:?}", answer.body);
}

/// Where many movies have one word of a correction, the movie is found by the other word.
#[tokio::test]
async fn words_run_together_are_found_by_the_rarer_one() {
    let app = TestApp::new().await;
    let member = app.member().await;
    // More than are read of a word. They come before the movies that are looked for.
    for n in 0..90 {
        let title = format!("American Aa{n}");
        member
            .add(&movie(&title, "Robert Aaron", "Drama", "2001-01-01"))
            .await;
    }
    for (title, director, date) in [
        ("American Psycho", "Mary Harron", "2000-01-21"),
        ("Ira and Abby", "Robert Cary", "2006-06-01"),
        ("Adventureland", "Greg Mottola", "2009-03-18"),
        ("The Vow", "Michael Sucsy", "2012-02-06"),
    ] {
        member.add(&movie(title, director, "Drama", date)).await;
    }
    for (q, corrected, found) in [
        ("americanpsycho", "american psycho", 91),
        ("americanpsycho 2000", "american psycho 2000", 91),
        ("2000 americanpsycho", "2000 american psycho", 91),
        ("robertcary", "robert cary", 92),
        ("robertcary 2006", "robert cary 2006", 92),
        // A long word with an error, beside another word.
        ("adventurenland 2009", "adventureland 2009", 93),
        ("thevow 2012", "the vow 2012", 94),
    ] {
        let expected = (vec![found], Some(corrected.to_owned()));
        assert_eq!(find(&member, q).await, expected, "{q}");
    }
}
