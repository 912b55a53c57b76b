//! Words that are the same: `&` and `and`, Roman numerals and digits.

use super::Movies;
use crate::{
    api::texts,
    support::{audit::audit, encode},
};

#[tokio::test]
async fn an_ampersand_is_the_word_and() {
    let movies = Movies::of(&[
        ("Thelma & Louise", "Ridley Scott", "Crime", "1991-05-24"),
        ("Pride and Prejudice", "Simon Langton", "Drama", "1995-09-24"),
        ("R&B", "Smith & Wesson", "Rock&Roll", "2001-01-01"),
        ("Ｆａｓｔ ＆ Ｆｕｒｉｏｕｓ", "Rob Cohen", "Crime", "2009-01-01"),
        ("Andromeda", "Nobody", "Crime", "2009-01-01"),
    ])
    .await;
    let (thelma, pride, rhythm, fast) = (
        "Thelma & Louise",
        "Pride and Prejudice",
        "R&B",
        "Ｆａｓｔ ＆ Ｆｕｒｉｏｕｓ",
    );
    for (q, title) in [
        ("thelma and louise", thelma),
        ("Thelma & Louise", thelma),
        ("thelma ＆ louise", thelma),
        ("thelma ﹠ louise", thelma),
        ("thelma&louise", thelma),
        ("thelma louise", thelma),
        ("and thelma", thelma),
        ("& thelma", thelma),
        ("thelma AND lou", thelma),
        ("pride and prejudice", pride),
        ("pride & prejudice", pride),
        ("Pride&Prejudice", pride),
        ("prejudice &", pride),
        ("pride prejudice", pride),
        ("r and b", rhythm),
        ("r&b", rhythm),
        ("r & b", rhythm),
        ("smith and wesson", rhythm),
        ("smith & wesson", rhythm),
        ("rock and roll", rhythm),
        ("rock & roll", rhythm),
        ("fast and furious", fast),
        ("fast & furious", fast),
    ] {
        movies.finds(q, &[title]).await;
    }
    movies
        .finds("and", &[thelma, pride, rhythm, fast, "Andromeda"])
        .await;
    // The sign is no letter of its neighbors.
    for q in ["randb", "rb"] {
        let found = movies.search(q).await;
        assert!(
            found.titles.is_empty() || found.corrected.is_some(),
            "{q} finds {found:?}"
        );
    }
    audit(&movies.app.running.state.store).await;
}

#[tokio::test]
async fn a_title_with_an_ampersand_is_the_exact_title_of_its_words() {
    let movies = Movies::titled(&[
        "Sense and Sensibility and Sea Monsters",
        "About Sense and Sensibility",
        "Sense & Sensibility",
    ])
    .await;
    for q in ["sense and sensibility", "sense & sensibility"] {
        movies
            .finds_in_order(
                q,
                &[
                    "Sense & Sensibility",
                    "Sense and Sensibility and Sea Monsters",
                    "About Sense and Sensibility",
                ],
            )
            .await;
    }
}

#[tokio::test]
async fn genres_with_an_ampersand_and_with_the_word_are_one_genre() {
    let movies = Movies::of(&[
        ("One", "Nobody", "Action & Adventure", "2001-01-01"),
        ("Two", "Nobody", "Action and Adventure", "2002-01-01"),
        ("Three", "Nobody", "action&adventure", "2003-01-01"),
    ])
    .await;
    let nobody = movies.app.anonymous();
    for genre in ["Action & Adventure", "action and adventure", "ACTION&ADVENTURE"] {
        let path = format!("/api/movies/?genre={}", encode(genre));
        let list = nobody.get(&path).send().await.is(200);
        assert_eq!(
            (list.ids(), &list.body["count"]),
            (vec![1, 2, 3], &3.into()),
            "{genre}"
        );
    }
    let categories = nobody.get("/api/movies/categories/").send().await.is(200);
    // It is shown as it was first written.
    assert_eq!(texts(&categories, "genre"), ["Action & Adventure"]);
    for q in ["action and adventure", "action & adventure", "adventure &"] {
        movies.finds(q, &["One", "Two", "Three"]).await;
    }
    audit(&movies.app.running.state.store).await;
}

const NUMERALS: [(&str, u32); 19] = [
    ("II", 2),
    ("III", 3),
    ("IV", 4),
    ("V", 5),
    ("VI", 6),
    ("VII", 7),
    ("VIII", 8),
    ("IX", 9),
    ("X", 10),
    ("XI", 11),
    ("XII", 12),
    ("XIII", 13),
    ("XIV", 14),
    ("XV", 15),
    ("XVI", 16),
    ("XVII", 17),
    ("XVIII", 18),
    ("XIX", 19),
    ("XX", 20),
];

#[tokio::test]
async fn a_roman_numeral_from_2_to_20_equals_its_digits_both_ways() {
    let mut titles = Vec::new();
    for (numeral, number) in NUMERALS {
        titles.push(format!("Saga {numeral}"));
        titles.push(format!("Epic {number}"));
        titles.push(format!("{numeral} Brothers"));
    }
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let movies = Movies::titled(&titles).await;
    for (numeral, number) in NUMERALS {
        let [saga, epic, brothers] = [
            format!("Saga {numeral}"),
            format!("Epic {number}"),
            format!("{numeral} Brothers"),
        ];
        for number in [number.to_string(), numeral.to_owned(), numeral.to_lowercase()] {
            movies.finds(&format!("saga {number}"), &[&saga]).await;
            movies.finds(&format!("{number} epic"), &[&epic]).await;
            movies.finds(&format!("{number} brothers"), &[&brothers]).await;
            movies.finds(&number, &[&saga, &epic, &brothers]).await;
        }
    }
    audit(&movies.app.running.state.store).await;
}

#[tokio::test]
async fn only_whole_words_are_numerals_and_only_from_2_to_20() {
    let movies = Movies::titled(&[
        "Part I",
        "Part 1",
        "Part XXI",
        "Part IIII",
        "Civil Action",
        "Viiksi",
        "Mix",
        "Part IIb",
        "Part 2b",
        "Rocky200",
    ])
    .await;
    movies.finds("part i", &["Part I"]).await;
    movies.finds("part 1", &["Part 1"]).await;
    movies.finds("part xxi", &["Part XXI"]).await;
    movies.finds("part iiii", &["Part IIII"]).await;
    movies.finds("civ", &["Civil Action"]).await;
    for q in ["part 2", "4", "9", "7", "21", "part 21", "6", "20"] {
        let found = movies.search(q).await;
        assert!(
            found.titles.is_empty() || found.corrected.is_some(),
            "{q} finds {found:?}"
        );
    }
}

#[tokio::test]
async fn a_title_with_a_numeral_is_the_exact_title_of_its_digits() {
    let movies = Movies::titled(&[
        "The Making of Rocky II",
        "Rocky II: The Return",
        "Rocky III",
        "Rocky II",
        "Rocky",
        "Malcolm X",
        "Henry V",
        "2 Fast 2 Furious",
        "X-Men 2",
        "Rocky 10",
    ])
    .await;
    for q in ["rocky 2", "rocky ii", "Rocky II", "ROCKY 2"] {
        movies
            .finds_in_order(q, &["Rocky II", "Rocky II: The Return", "The Making of Rocky II"])
            .await;
    }
    for (q, title) in [
        ("rocky 3", "Rocky III"),
        ("malcolm x", "Malcolm X"),
        ("malcolm 10", "Malcolm X"),
        ("henry v", "Henry V"),
        ("henry 5", "Henry V"),
        ("ii fast ii furious", "2 Fast 2 Furious"),
        ("2 fast ii furious", "2 Fast 2 Furious"),
        ("xmen ii", "X-Men 2"),
        ("x-men ii", "X-Men 2"),
        ("xmen 2", "X-Men 2"),
        ("rocky x", "Rocky 10"),
    ] {
        movies.finds(q, &[title]).await;
    }
    movies.finds_first("rocky", "Rocky").await;
}
