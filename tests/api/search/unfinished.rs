//! A query that matches as it stands is never corrected, and a query that is still typed doesn't jump to a correction of its
//! unfinished word.

use super::Movies;

const MOVIES: &[(&str, &str, &str, &str)] = &[
    (
        "The Matrix",
        "Lana Wachowski, Lilly Wachowski",
        "Sci-Fi",
        "1999-03-31",
    ),
    ("The Matrix Reloaded", "Lana Wachowski", "Sci-Fi", "2003-05-15"),
    ("Rocky II", "Sylvester Stallone", "Sport", "1979-06-15"),
    ("Saga XII", "Nobody", "Drama", "1979-06-15"),
    ("Epic XVIII", "Nobody", "Drama", "1979-06-15"),
    ("Thelma & Louise", "Ridley Scott", "Crime", "1991-05-24"),
    (
        "Star Wars: Episode IV – A New Hope",
        "George Lucas",
        "Sci-Fi",
        "1977-05-25",
    ),
    ("Starship Troopers", "Paul Verhoeven", "Sci-Fi", "1997-11-07"),
    ("Schindler's List", "Steven Spielberg", "War", "1993-12-15"),
    ("Spider-Man", "Sam Raimi", "Action", "2002-05-03"),
    ("L.A. Confidential", "Curtis Hanson", "Crime", "1997-09-19"),
    ("MASH", "Robert Altman", "War", "1970-01-25"),
    (
        "E.T. the Extra-Terrestrial",
        "Steven Spielberg",
        "Family",
        "1982-06-11",
    ),
    ("P.S. I Love You", "Richard LaGravenese", "Romance", "2007-12-21"),
    ("2001: A Space Odyssey", "Stanley Kubrick", "Sci-Fi", "1968-04-02"),
    (
        "The Godfather Part II",
        "Francis Ford Coppola",
        "Crime",
        "1974-12-20",
    ),
    ("Seven Samurai", "Akira Kurosawa", "Drama", "1954-04-26"),
    ("Amélie", "Jean-Pierre Jeunet", "Comedy", "2001-04-25"),
    ("Up", "Pete Docter", "Animation", "2009-05-16"),
    (
        "Crouching Tiger, Hidden Dragon",
        "Ang Lee",
        "Action",
        "2000-05-16",
    ),
    (
        "One Flew Over the Cuckoo's Nest",
        "Miloš Forman",
        "Drama",
        "1975-11-19",
    ),
    ("千と千尋の神隠し", "宮崎駿", "Animation", "2001-07-20"),
    ("기생충", "봉준호", "Drama", "2019-05-21"),
    (
        "Москва слезам не верит",
        "Владимир Меньшов",
        "Drama",
        "1980-02-11",
    ),
    ("ฉลาดเกมส์โกง", "นัฐวุฒิ", "Drama", "2017-05-03"),
];

/// What somebody types who looks for a movie of the catalog, and finds it.
const TYPED: &[&str] = &[
    "the matrix 1999",
    "matrix 2003",
    "2003 matrix",
    "rocky ii",
    "Rocky 2",
    "saga xii",
    "saga 12",
    "epic xviii",
    "epic 18",
    "thelma & louise",
    "thelma and louise",
    "star wars: episode iv – a new hope",
    "star wars episode 4",
    "starship troopers",
    "schindler's list",
    "schindlers list",
    "spider-man",
    "spiderman",
    "spider man raimi",
    "l.a. confidential",
    "la confidential",
    "mash altman",
    "e.t. the extra-terrestrial",
    "et the extraterrestrial",
    "p.s. i love you",
    "ps i love you",
    "2001: a space odyssey",
    "2001 space odyssey 1968",
    "the godfather part ii",
    "godfather coppola part 2",
    "kurosawa seven samurai",
    "seven samurai 1954",
    "amélie",
    "jeunet amelie",
    "jean-pierre jeunet 2001",
    "crouching tiger, hidden dragon",
    "cuckoo's nest",
    "cuckoos nest",
    "one flew over the cuckoos nest forman",
    "千と千尋の神隠し",
    "神隠し 宮崎",
    "기생충 봉준호",
    "москва слезам не верит",
    "ฉลาดเกมส์โกง",
    "sci-fi verhoeven",
    "drama samurai",
];

#[tokio::test]
async fn no_beginning_of_a_query_that_finds_a_movie_is_corrected() {
    let movies = Movies::of(MOVIES).await;
    for typed in TYPED {
        let letters: Vec<char> = typed.chars().collect();
        for end in 1..=letters.len() {
            let q: String = letters[..end].iter().collect();
            let found = movies.search(&q).await;
            assert_eq!(
                found.corrected, None,
                "{q:?} on the way to {typed:?} finds {found:?}"
            );
            if end == letters.len() {
                assert!(!found.ids.is_empty(), "{typed} finds nothing");
            }
        }
    }
}

/// What matches is not corrected, although a correction would find more, or what is much better known.
#[tokio::test]
async fn a_query_that_matches_is_never_corrected() {
    let movies = Movies::of(&[
        ("Martix", "Nobody", "Drama", "2000-01-01"),
        ("The Matrix", "Lana Wachowski", "Sci-Fi", "1999-03-31"),
        ("The Matrix Reloaded", "Lana Wachowski", "Sci-Fi", "2003-05-15"),
        ("The Matrix Revolutions", "Lana Wachowski", "Sci-Fi", "2003-11-05"),
        ("One", "Martin Godfahter", "Drama", "2000-01-01"),
        ("The Godfather", "Francis Ford Coppola", "Crime", "1972-03-15"),
        ("Two", "Nobody", "Wetsern", "2000-01-01"),
        ("Three", "Nobody", "Western", "2000-01-01"),
        ("Xyzzyq", "Nobody", "Drama", "2000-01-01"),
    ])
    .await;
    for (q, title) in [
        ("martix", "Martix"),
        ("mart", "Martix"),
        ("godfahter", "One"),
        ("martin godfah", "One"),
        ("wetsern", "Two"),
        ("wets", "Two"),
        ("xyzzyq", "Xyzzyq"),
    ] {
        let found = movies.search(q).await;
        assert_eq!(found.corrected, None, "{q}");
        assert!(
            found.titles.iter().any(|found| found == title),
            "{q} finds {found:?}"
        );
    }
    movies.finds("martix", &["Martix"]).await;
    movies.finds("godfahter", &["One"]).await;
}

#[tokio::test]
async fn a_blank_query_is_refused_and_one_without_words_is_not_corrected() {
    let movies = Movies::titled(&["Matrix"]).await;
    for q in ["...", "?", "-", "'", "*", "·", "🎬", "…", "\u{200b}"] {
        movies.finds_nothing(q).await;
    }
    let nobody = movies.app.anonymous();
    for path in [
        "/api/movies/search/",
        "/api/movies/search/?q=",
        "/api/movies/search/?q=%20",
    ] {
        let answer = nobody.get(path).send().await;
        answer.is_problem(400, "invalid_input").names(&["q"]);
    }
}
