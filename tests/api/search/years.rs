//! A year: in a query of two words or more, a word of four digits finds the movies that were released in that year.

use serde_json::json;

use super::Movies;
use crate::support::audit::audit;

const MOVIES: &[(&str, &str, &str, &str)] = &[
    (
        "The Matrix",
        "Lana Wachowski, Lilly Wachowski",
        "Sci-Fi",
        "1999-03-31",
    ),
    (
        "The Matrix Reloaded",
        "Lana Wachowski, Lilly Wachowski",
        "Sci-Fi",
        "2003-05-15",
    ),
    ("2001: A Space Odyssey", "Stanley Kubrick", "Sci-Fi", "1968-04-02"),
    ("Shrek", "Andrew Adamson", "Comedy", "2001-05-18"),
    ("1984", "Michael Anderson", "Drama", "1956-03-06"),
    ("Nineteen Eighty-Four", "Michael Radford", "Drama", "1984-10-10"),
    ("Fight Club", "David Fincher", "Drama", "1999-10-15"),
    ("Roundhay Garden Scene", "Louis Le Prince", "Short", "1888-10-14"),
    ("Far Future", "Nobody", "Sci-Fi", "9999-12-31"),
    ("First Day", "Nobody", "Short", "2000-01-01"),
    ("Last Day", "Nobody", "Short", "1999-12-31"),
    ("19990 Leagues", "Nobody", "Short", "1907-01-01"),
];

#[tokio::test]
async fn a_year_in_a_query_of_two_words_or_more_is_the_year_of_release() {
    let movies = Movies::of(MOVIES).await;
    for (q, titles) in [
        ("matrix 1999", &["The Matrix"][..]),
        ("1999 matrix", &["The Matrix"]),
        ("the matrix 1999", &["The Matrix"]),
        ("matrix (1999)", &["The Matrix"]),
        ("matrix, 1999", &["The Matrix"]),
        ("ｍａｔｒｉｘ １９９９", &["The Matrix"]),
        ("matr 1999", &["The Matrix"]),
        ("matrix 2003", &["The Matrix Reloaded"]),
        ("wachowski 2003", &["The Matrix Reloaded"]),
        ("sci-fi 1999", &["The Matrix"]),
        ("drama 1999", &["Fight Club"]),
        ("fincher 1999 club", &["Fight Club"]),
        ("short 1888", &["Roundhay Garden Scene"]),
        ("future 9999", &["Far Future"]),
        ("day 2000", &["First Day"]),
        ("day 1999", &["Last Day"]),
        // Both words are the same year.
        ("1984 1984", &["1984", "Nineteen Eighty-Four"]),
        (
            "1999 1999",
            &["The Matrix", "Fight Club", "Last Day", "19990 Leagues"],
        ),
        ("michael 1984", &["1984", "Nineteen Eighty-Four"]),
        ("eighty four 1984", &["Nineteen Eighty-Four"]),
        // It may be a word of the movie's text.
        ("2001 odyssey", &["2001: A Space Odyssey"]),
        ("odyssey 1968", &["2001: A Space Odyssey"]),
        ("2001 1968", &["2001: A Space Odyssey"]),
        ("2001 shrek", &["Shrek"]),
        ("2001 comedy", &["Shrek"]),
        ("1984 anderson", &["1984"]),
        ("1984 1956", &["1984"]),
        ("leagues 1999", &["19990 Leagues"]),
        ("leagues 1907", &["19990 Leagues"]),
    ] {
        movies.finds(q, titles).await;
    }
    // Every order of the words finds the same.
    movies.finds("1999 fincher fight", &["Fight Club"]).await;
    movies.finds("fight 1999 fincher", &["Fight Club"]).await;
    audit(&movies.app.running.state.store).await;
}

#[tokio::test]
async fn a_year_alone_is_a_word_like_others() {
    let movies = Movies::of(MOVIES).await;
    movies.finds("1984", &["1984"]).await;
    movies.finds("2001", &["2001: A Space Odyssey"]).await;
    movies.finds("1999", &["19990 Leagues"]).await;
    for q in ["2003", "1968", "9999", "(1956)"] {
        movies.finds_nothing(q).await;
    }
}

#[tokio::test]
async fn other_years_and_other_numbers_find_nothing() {
    let movies = Movies::of(MOVIES).await;
    // There are movies of these years, so no word is left out.
    for q in [
        "matrix 2001",
        "shrek 1999",
        "matrix 1984",
        "fight 2000",
        "odyssey 1999",
        "matrix 1999 2003",
        // The beginning of a year is no year.
        "1968 196",
    ] {
        movies.finds_nothing(q).await;
    }
    for q in ["matrix 99", "matrix 01999", "matrix 19999", "matrix 1999a"] {
        let found = movies.search(q).await;
        assert!(
            found.titles.is_empty() || found.corrected.is_some(),
            "{q} finds {found:?}"
        );
    }
}

#[tokio::test]
async fn a_year_follows_the_date_of_its_movie() {
    let movies = Movies::of(&MOVIES[..2]).await;
    let change = json!({"release_date": "1998-12-31"});
    movies
        .member
        .patch("/api/movies/1/")
        .json(&change)
        .send()
        .await
        .is(200);
    movies.finds("matrix 1998", &["The Matrix"]).await;
    // No movie is of this year any more, so it is left out.
    movies.corrects("matrix 1999", "matrix", "The Matrix").await;
    movies.member.delete("/api/movies/2/").send().await.is(204);
    movies.corrects("matrix 2003", "matrix", "The Matrix").await;
    movies.finds("1998 wachowski", &["The Matrix"]).await;
    audit(&movies.app.running.state.store).await;
}

/// A year has more movies than a page, and than one read.
#[tokio::test]
async fn all_movies_of_a_year_are_found_over_pages() {
    let titles: Vec<String> = (0..70).map(|n| format!("Thing {n}x")).collect();
    let rows: Vec<(&str, &str, &str, &str)> = titles
        .iter()
        .enumerate()
        .map(|(n, title)| {
            let date = if n % 2 == 0 { "1999-06-01" } else { "2000-06-01" };
            (
                title.as_str(),
                if n % 5 == 0 { "Ann" } else { "Bob" },
                "Drama",
                date,
            )
        })
        .collect();
    let movies = Movies::of(&rows).await;
    assert_eq!(movies.search("1999 drama").await.ids.len(), 35);
    assert_eq!(movies.search("thing 1999").await.ids.len(), 35);
    assert_eq!(movies.search("2000 1999").await.ids.len(), 0);
    assert_eq!(movies.search("1999 ann").await.ids.len(), 7);
    assert_eq!(movies.search("1999 1999").await.ids.len(), 35);
    let caller = movies.app.anonymous();
    let path = super::path("1999 drama").replace("limit=100", "limit=4");
    let small = crate::api::pages(&caller, &path, "next").await.concat();
    assert_eq!(small, movies.search("1999 drama").await.ids);
}
