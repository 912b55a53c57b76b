//! Words with typing errors: one insertion, deletion, substitution or swap of neighbors in a word of 4 to 7 letters, two in a
//! longer one.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::Movies;
use crate::support::typing::{TypingError, errors_between};

/// Words of 4 to 16 letters, of which none is near another.
const WORDS: &[&str] = &[
    "jaws",
    "rocky",
    "matrix",
    "titanic",
    "rashomon",
    "nosferatu",
    "casablanca",
    "poltergeist",
    "philadelphia",
    "frankenstein",
    "blackkklansmen",
    "chitchatchandler",
];

fn one_error(word: &str) -> Vec<String> {
    let mut typed = Vec::new();
    for place in 0..=word.chars().count() {
        for error in [
            TypingError::Insertion('q'),
            TypingError::Insertion('e'),
            TypingError::Deletion,
            TypingError::Substitution('q'),
            TypingError::Substitution('e'),
            TypingError::Swap,
        ] {
            typed.extend(error.at(word, place));
        }
    }
    typed
}

/// A catalog in which each word is the only one of a title, a director's name or a genre.
async fn catalog() -> Movies {
    let rows: Vec<(&str, &str, &str, &str)> = WORDS
        .iter()
        .enumerate()
        .map(|(n, word)| match n % 3 {
            0 => (*word, "Ob Uy", "Vv", "1913-01-01"),
            1 => ("Zz", *word, "Vv", "1913-01-01"),
            _ => ("The Zz", "Ob Uy", *word, "1913-01-01"),
        })
        .collect();
    Movies::of(&rows).await
}

#[tokio::test]
async fn one_error_anywhere_in_a_word_of_four_letters_or_more_is_corrected() {
    let movies = catalog().await;
    for (id, word) in (1..).zip(WORDS) {
        for q in one_error(word) {
            let found = movies.search(&q).await;
            assert_eq!(found.ids, [id], "{q} for {word}: {found:?}");
            // Without its last letter a word is unfinished, and matches.
            let matches = word.starts_with(&q);
            let expected = (!matches).then_some(*word);
            assert_eq!(found.corrected.as_deref(), expected, "{q} for {word}");
        }
    }
}

#[tokio::test]
async fn two_errors_anywhere_in_a_word_of_eight_letters_or_more_are_corrected() {
    let movies = catalog().await;
    let dice = &mut StdRng::seed_from_u64(14);
    let mut checked = 0;
    for (id, word) in (1..).zip(WORDS) {
        if word.len() < 8 {
            continue;
        }
        for _ in 0..60 {
            let all = one_error(word);
            let all = one_error(&all[dice.random_range(0..all.len())]);
            let q = &all[dice.random_range(0..all.len())];
            if errors_between(q, word) > 2 || word.starts_with(q.as_str()) {
                continue;
            }
            let found = movies.search(q).await;
            assert_eq!(
                (&found.ids[..], found.corrected.as_deref()),
                (&[id][..], Some(*word)),
                "{q}"
            );
            checked += 1;
        }
    }
    assert!(checked > 400, "{checked}");
}

#[tokio::test]
async fn more_errors_than_that_are_not_corrected() {
    let movies = catalog().await;
    for q in [
        // Two in a word of 4 to 7 letters.
        "jwxs",
        "jqwqs",
        "rqcqy",
        "orkcy",
        "mqtrqx",
        "amtrxi",
        "tqtanqc",
        "titcina",
        "ratrixx",
        // Three in a longer one.
        "rqshqmqn",
        "arhsmoon",
        "nqsfqrqtu",
        "casqblqncq",
        "phqlqdqlphia",
        "frqnkqnstqin",
        // Words without a letter in common.
        "xyzzy",
        "qqqqqqqq",
    ] {
        movies.finds_nothing(q).await;
    }
}

#[tokio::test]
async fn words_of_three_letters_or_fewer_and_numbers_are_not_corrected() {
    let movies = Movies::titled(&["Her", "Up", "2001", "Z", "1917", "12345678"]).await;
    for q in [
        "hxr", "hre", "hera", "he", "uq", "pu", "2010", "2011", "20011", "1971", "1918", "12345679", "y",
    ] {
        movies.finds_nothing(q).await;
    }
}

#[tokio::test]
async fn the_other_words_of_a_query_stay_as_they_are() {
    let movies = Movies::of(&[
        ("Seven Samurai", "Akira Kurosawa", "Action, Drama", "1954-04-26"),
        ("The Godfather", "Francis Ford Coppola", "Crime", "1972-03-15"),
        ("Amélie", "Jean-Pierre Jeunet", "Romance", "2001-04-25"),
        ("The Matrix", "Lana Wachowski", "Sci-Fi", "1999-03-31"),
        ("Rocky II", "Sylvester Stallone", "Sport", "1979-06-15"),
        ("Spider-Man", "Sam Raimi", "Action", "2002-05-03"),
        ("Thelma & Louise", "Ridley Scott", "Crime", "1991-05-24"),
        ("Malcolm X", "Spike Lee", "Biography", "1992-11-18"),
        ("Schindler's List", "Steven Spielberg", "War", "1993-12-15"),
    ])
    .await;
    for (q, corrected, title) in [
        ("kurosowa seven", "kurosawa seven", "Seven Samurai"),
        ("seven kurosowa", "seven kurosawa", "Seven Samurai"),
        ("seven samuria", "seven samurai", "Seven Samurai"),
        ("godfahter", "godfather", "The Godfather"),
        ("the godfahter", "the godfather", "The Godfather"),
        ("THE GODFAHTER!", "the godfather", "The Godfather"),
        ("godfahter copola", "godfather coppola", "The Godfather"),
        ("godfathre crime", "godfather crime", "The Godfather"),
        ("amelei", "amelie", "Amélie"),
        ("ameliè jeunte", "amelie jeunet", "Amélie"),
        ("matirx 1999", "matrix 1999", "The Matrix"),
        ("1999 matirx", "1999 matrix", "The Matrix"),
        ("mtarix", "matrix", "The Matrix"),
        ("rocyk 2", "rocky 2", "Rocky II"),
        ("rokcy ii", "rocky ii", "Rocky II"),
        ("spidermna", "spiderman", "Spider-Man"),
        ("spidreman", "spiderman", "Spider-Man"),
        ("thelam and louise", "thelma and louise", "Thelma & Louise"),
        ("thelam & louise", "thelma and louise", "Thelma & Louise"),
        ("malcom x", "malcolm x", "Malcolm X"),
        ("shindlers list", "schindlers list", "Schindler's List"),
        ("spielburg list", "spielberg list", "Schindler's List"),
        ("romnace jeunet", "romance jeunet", "Amélie"),
    ] {
        movies.corrects(q, corrected, title).await;
    }
}

#[tokio::test]
async fn an_error_that_makes_another_word_of_the_catalog_is_corrected() {
    let movies = Movies::titled(&["Star Wars", "Stir Crazy", "Love Story", "Live Flesh"]).await;
    movies.corrects("stir wars", "star wars", "Star Wars").await;
    movies.corrects("live story", "love story", "Love Story").await;
    movies.corrects("love flesh", "live flesh", "Live Flesh").await;
    movies.finds("stir", &["Stir Crazy"]).await;
}

#[tokio::test]
async fn words_of_other_scripts_are_corrected_too() {
    let movies = Movies::titled(&[
        "Москва",
        "Сталкер",
        "Οδύσσεια",
        "살인의추억들",
        "מלחמה",
        "الرسالة",
        "となりのトトロ",
    ])
    .await;
    for (q, corrected, title) in [
        ("мосвка", "москва", "Москва"),
        ("москвва", "москва", "Москва"),
        ("сталкир", "сталкер", "Сталкер"),
        ("οδυσεια", "οδυσσεια", "Οδύσσεια"),
        ("살인의추락들", "살인의추억들", "살인의추억들"),
        ("מלחמא", "מלחמה", "מלחמה"),
        ("الرسلة", "الرسالة", "الرسالة"),
        ("となりのトトル", "となりのトトロ", "となりのトトロ"),
    ] {
        movies.corrects(q, corrected, title).await;
    }
}

#[tokio::test]
async fn the_word_with_the_fewest_errors_is_chosen_and_then_the_most_common_one() {
    let movies = Movies::titled(&[
        "The Germinators",
        "The Germinators Again",
        "The Terminator",
        "A Stove",
        "A Stone",
        "Another Stone",
        "The Third Stone",
        "Of Stone",
    ])
    .await;
    // One swap from one word, and two errors from another.
    movies
        .corrects("terminatro", "terminator", "The Terminator")
        .await;
    movies
        .corrects("germinatros", "germinators", "The Germinators")
        .await;
    let found = movies.search("stobe").await;
    assert_eq!(
        (found.corrected.as_deref(), found.ids.len()),
        (Some("stone"), 4),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_word_that_no_movie_has_any_more_is_no_correction() {
    let movies = Movies::titled(&["Casablanca", "Casablanco"]).await;
    movies.member.delete("/api/movies/1/").send().await.is(204);
    movies.corrects("casablanka", "casablanco", "Casablanco").await;
    movies.member.delete("/api/movies/2/").send().await.is(204);
    movies.finds_nothing("casablanka").await;
    let body = crate::support::movie("Casablanca", "Michael Curtiz", "War", "1942-11-26");
    movies.member.add(&body).await;
    movies.corrects("casablanka", "casablanca", "Casablanca").await;
    // A correction follows an edit as soon as it is answered.
    let change = serde_json::json!({"title": "Poltergeist"});
    movies
        .member
        .patch("/api/movies/3/")
        .json(&change)
        .send()
        .await
        .is(200);
    movies.finds_nothing("casablanka").await;
    movies.corrects("poltergiest", "poltergeist", "Poltergeist").await;
}
