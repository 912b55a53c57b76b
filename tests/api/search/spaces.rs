//! Words run together, and words split.

use super::Movies;

#[tokio::test]
async fn words_run_together_are_found() {
    let movies = Movies::of(&[
        ("Star Wars", "George Lucas", "Sci-Fi", "1977-05-25"),
        ("The Godfather", "Francis Ford Coppola", "Crime", "1972-03-15"),
        ("Back to the Future", "Robert Zemeckis", "Sci-Fi", "1985-07-03"),
        ("The Big Lebowski", "Joel Coen", "Comedy", "1998-03-06"),
        ("Pulp Fiction", "Quentin Tarantino", "Crime", "1994-05-21"),
        (
            "Москва слезам не верит",
            "Владимир Меньшов",
            "Drama",
            "1980-02-11",
        ),
        ("살인의 추억", "봉준호", "Drama", "2003-04-25"),
        ("왕의 남자", "이준익", "Drama", "2005-12-29"),
        ("新 神隠し", "Somebody", "Drama", "2005-12-29"),
        // The vocabulary has no numbers: of two parts with the same length, the other one is looked up.
        ("2001 Noir", "Somebody", "Drama", "2001-12-29"),
        ("Blue 1968", "Somebody", "Drama", "1968-12-29"),
        ("12 Monkeys", "Terry Gilliam", "Sci-Fi", "1995-12-29"),
    ])
    .await;
    for (q, corrected, title) in [
        ("starwars", "star wars", "Star Wars"),
        ("STARWARS", "star wars", "Star Wars"),
        ("lucas starwars", "lucas star wars", "Star Wars"),
        ("starwars 1977", "star wars 1977", "Star Wars"),
        ("thegodfather", "the godfather", "The Godfather"),
        ("thegodfather coppola", "the godfather coppola", "The Godfather"),
        ("backto the future", "back to the future", "Back to the Future"),
        ("back to thefuture", "back to the future", "Back to the Future"),
        ("thebig lebowski", "the big lebowski", "The Big Lebowski"),
        ("the biglebowski", "the big lebowski", "The Big Lebowski"),
        ("pulpfiction", "pulp fiction", "Pulp Fiction"),
        ("quentintarantino", "quentin tarantino", "Pulp Fiction"),
        ("москваслезам", "москва слезам", "Москва слезам не верит"),
        ("살인의추억", "살인의 추억", "살인의 추억"),
        ("왕의남자", "왕의 남자", "왕의 남자"),
        ("新神隠し", "新 神隠し", "新 神隠し"),
        ("2001noir", "2001 noir", "2001 Noir"),
        ("blue1968", "blue 1968", "Blue 1968"),
        ("12monkeys", "12 monkeys", "12 Monkeys"),
    ] {
        movies.corrects(q, corrected, title).await;
    }
}

/// A word is split at each of its places.
#[tokio::test]
async fn a_word_that_is_split_anywhere_is_found() {
    let words = ["godfather", "batman", "casablanca", "psycho", "сталкер"];
    let movies = Movies::titled(&words).await;
    for word in words {
        let letters: Vec<char> = word.chars().collect();
        for place in 1..letters.len() {
            let (start, end) = letters.split_at(place);
            let [start, end] = [start, end].map(|part| part.iter().collect::<String>());
            // `casablan ca` may become `casablan cas`, which the word matches.
            if end.chars().count() < 3 && word.starts_with(&end) {
                movies.finds_nothing(&format!("{start} {end}")).await;
                continue;
            }
            movies.corrects(&format!("{start} {end}"), word, word).await;
        }
    }
}

#[tokio::test]
async fn split_words_are_joined_beside_others() {
    let movies = Movies::of(&[
        (
            "The Godfather Part II",
            "Francis Ford Coppola",
            "Crime",
            "1974-12-20",
        ),
        ("Superman Returns", "Bryan Singer", "Action", "2006-06-28"),
        ("Spider-Man", "Sam Raimi", "Action", "2002-05-03"),
        ("Spiderwick", "Mark Waters", "Family", "2008-02-14"),
        ("MASH", "Robert Altman", "War", "1970-01-25"),
        ("Schindler's List", "Steven Spielberg", "War", "1993-12-15"),
    ])
    .await;
    for (q, corrected, title) in [
        (
            "the god father part 2",
            "the godfather part 2",
            "The Godfather Part II",
        ),
        ("god father coppola", "godfather coppola", "The Godfather Part II"),
        ("super man returns", "superman returns", "Superman Returns"),
        ("super-man returns", "superman returns", "Superman Returns"),
        ("singer super man", "singer superman", "Superman Returns"),
        ("spi derman", "spiderman", "Spider-Man"),
        ("spider wick", "spiderwick", "Spiderwick"),
        ("spider-wick", "spiderwick", "Spiderwick"),
        ("m*a*s*h", "mash", "MASH"),
        ("m.a.s.h.", "mash", "MASH"),
        ("m a s h", "mash", "MASH"),
        ("schind lers list", "schindlers list", "Schindler's List"),
        ("spiel berg list", "spielberg list", "Schindler's List"),
    ] {
        movies.corrects(q, corrected, title).await;
    }
}

/// Which words are written together is compared by what a query finds as it stands.
#[tokio::test]
async fn a_query_that_finds_something_is_neither_joined_nor_split() {
    let movies = Movies::titled(&["Godfather", "God Father", "Starwars", "Star Wars"]).await;
    movies.finds("god father", &["God Father"]).await;
    movies.finds("godfather", &["Godfather"]).await;
    movies.finds("starwars", &["Starwars"]).await;
    movies.finds("star wars", &["Star Wars"]).await;
}
