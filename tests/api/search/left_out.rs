//! Words that no movie has are left out of a query that would find nothing, if others remain.

use super::Movies;

async fn movies() -> Movies {
    Movies::of(&[
        ("The Godfather", "Francis Ford Coppola", "Crime", "1972-03-15"),
        ("Seven Samurai", "Akira Kurosawa", "Drama", "1954-04-26"),
        ("Rocky II", "Sylvester Stallone", "Sport", "1979-06-15"),
        ("千と千尋の神隠し", "宮崎駿", "Animation", "2001-07-20"),
    ])
    .await
}

#[tokio::test]
async fn words_that_no_movie_has_are_left_out() {
    let movies = movies().await;
    for (q, corrected, title) in [
        ("xyzzyq godfather", "godfather", "The Godfather"),
        ("godfather xyzzyq", "godfather", "The Godfather"),
        ("the godfather uncut", "the godfather", "The Godfather"),
        ("the xyzzyq godfather", "the godfather", "The Godfather"),
        ("xyzzyq the godfather plugh", "the godfather", "The Godfather"),
        ("xyzzyq plugh frotz godfather", "godfather", "The Godfather"),
        ("coppola xyzzyq godfather", "coppola godfather", "The Godfather"),
        ("watch seven samurai online", "seven samurai", "Seven Samurai"),
        ("samurai xyzzyq 1954", "samurai 1954", "Seven Samurai"),
        ("rocky 2 xyzzyq", "rocky 2", "Rocky II"),
        ("qz rocky ii", "rocky ii", "Rocky II"),
        ("xyzzyq 神隠し", "神隠し", "千と千尋の神隠し"),
        ("дурак godfather", "godfather", "The Godfather"),
        ("godfather 1899", "godfather", "The Godfather"),
        ("godfather 123456", "godfather", "The Godfather"),
    ] {
        movies.corrects(q, corrected, title).await;
    }
}

#[tokio::test]
async fn only_words_that_no_movie_has_find_nothing() {
    let movies = movies().await;
    for q in [
        "xyzzyq",
        "xyzzyq plugh",
        "qz",
        "qz xyzzyq",
        "xyzzyq 1899",
        "…",
        "?! xyzzyq",
        "дурак",
        "幽霊 xyzzyq",
    ] {
        movies.finds_nothing(q).await;
    }
}

/// No word is left out that some movie has.
#[tokio::test]
async fn words_of_different_movies_are_not_left_out() {
    let movies = movies().await;
    for q in [
        "godfather samurai",
        "samurai godfather",
        "kurosawa coppola",
        "godfather drama",
        "rocky godfather",
        "godfather 1954",
        "神隠し godfather",
    ] {
        movies.finds_nothing(q).await;
    }
}

/// A word with an error is corrected rather than left out.
#[tokio::test]
async fn a_word_is_left_out_only_if_no_correction_of_it_finds_something() {
    let movies = movies().await;
    movies
        .corrects("godfahter coppola", "godfather coppola", "The Godfather")
        .await;
    movies
        .corrects("seven samuria xyzzyq", "seven samurai", "Seven Samurai")
        .await;
    // The word that is near is a word of another movie.
    movies
        .corrects("samuria coppola", "coppola", "The Godfather")
        .await;
}

/// The first try reads few of the words.
#[tokio::test]
async fn a_word_that_no_movie_has_is_left_out_of_a_long_title() {
    let title = "I'm Through with White Girls: The Inevitable Undoing of Jay Brooks";
    let movies = Movies::of(&[
        (title, "Jennifer Sharp", "Comedy", "2007-04-14"),
        ("The Godfather", "Francis Ford Coppola", "Crime", "1972-03-15"),
    ])
    .await;
    let words: Vec<&str> = "i m through with white girls the inevitable undoing of jay brooks"
        .split(' ')
        .collect();
    for absent in ["1080p", "qzx", "xyzzyq", "xyzzyqplughfrotz"] {
        for place in 0..=words.len() {
            let mut q = words.clone();
            q.insert(place, absent);
            movies.corrects(&q.join(" "), &words.join(" "), title).await;
        }
    }
}
