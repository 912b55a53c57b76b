//! Searches that match as they stand: which forms of its words find a movie, whichever word drives.

use std::{collections::BTreeSet, fmt::Write as _};

use marquee::import::{Importer, Report, Source};
use marquee_shared::{
    db::{
        Store,
        encoded_words::EncodedWords,
        page::{PageLimit, Window},
        search::SearchQuery,
        words::Words,
    },
    domain::{Description, Director, Genres, MovieFields, ReleaseDate, Title},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::support::{TestApp, encode, movie, proxy::ProxiedApp};

/// Title, director, genre, release date.
const MOVIES: &[(&str, &str, &str, &str)] = &[
    ("Schindler's List", "Steven Spielberg", "Drama", "1993-12-15"),
    ("Spider-Man", "Sam Raimi", "Action & Adventure", "2002-05-03"),
    ("Spider-Man 2", "Sam Raimi", "Action and Adventure", "2004-06-30"),
    ("X-Men", "Bryan Singer", "Action", "2000-07-14"),
    ("L.A. Confidential", "Curtis Hanson", "Crime", "1997-09-19"),
    ("M*A*S*H", "Robert Altman", "War", "1970-01-25"),
    ("WALL·E", "Andrew Stanton", "Family", "2008-06-27"),
    (
        "E.T. the Extra-Terrestrial",
        "Steven Spielberg",
        "Family",
        "1982-06-11",
    ),
    ("Face/Off", "John Woo", "Action", "1997-06-27"),
    (
        "Rock-'n'-Roll High School",
        "Allan Arkush, Joe Dante",
        "Musical",
        "1979-04-27",
    ),
    ("Rocky II", "Sylvester Stallone", "Sport", "1979-06-15"),
    ("Rocky", "John G. Avildsen", "Sport", "1976-11-21"),
    ("Thelma & Louise", "Ridley Scott", "Road", "1991-05-24"),
    (
        "The Matrix",
        "Lana Wachowski, Lilly Wachowski",
        "Science",
        "1999-03-31",
    ),
    (
        "2001: A Space Odyssey",
        "Stanley Kubrick",
        "Science",
        "1968-04-03",
    ),
    ("1917", "Sam Mendes", "War", "2019-12-25"),
    ("千と千尋の神隠し", "宮崎 駿", "Anime", "2001-07-20"),
    ("기생충", "봉준호", "한국영화", "2019-05-30"),
    ("スター・ウォーズ", "ジョージ・ルーカス", "SF映画", "1977-05-25"),
    ("ลุงบุญมีระลึกชาติ", "อภิชาติพงศ์ วีระเศรษฐกุล", "Thai", "2010-05-21"),
    ("ສະບາຍດີຫຼວງພະບາງ", "Sakchai Deenan", "Lao", "2008-06-05"),
    ("ដុំភ្លើង", "រិទ្ធី ប៉ាន់", "Khmer", "2013-05-19"),
    ("မြန်မာပြည်", "မောင်", "Burmese", "2012-01-01"),
    (
        "Super 8: VIII",
        "J. J. Abrams, O'Connor",
        "ii, Sci-Fi",
        "2011-06-10",
    ),
    ("P.S. I Love You", "Richard LaGravenese", "Romance", "2007-12-21"),
    ("V.I. Warshawski", "Jeff Kanew", "Crime", "1991-07-26"),
    ("…", "?!", "Short", "1901-01-01"),
];

/// What is searched for, and the titles that are found, in order.
const FOUND: &[(&str, &[&str])] = &[
    ("schindlers list", &["Schindler's List"]),
    ("schindler's list", &["Schindler's List"]),
    ("SCHINDLER’S", &["Schindler's List"]),
    ("schindler s list", &["Schindler's List"]),
    ("spiderman", &["Spider-Man", "Spider-Man 2"]),
    ("spider man", &["Spider-Man", "Spider-Man 2"]),
    ("spider-man", &["Spider-Man", "Spider-Man 2"]),
    ("spiderm", &["Spider-Man", "Spider-Man 2"]),
    ("spiderman ii", &["Spider-Man 2"]),
    ("man spiderman", &["Spider-Man", "Spider-Man 2"]),
    ("xmen", &["X-Men"]),
    ("x men", &["X-Men"]),
    ("la confidential", &["L.A. Confidential"]),
    ("l a confidential", &["L.A. Confidential"]),
    ("L. A. Confidential", &["L.A. Confidential"]),
    ("mash", &["M*A*S*H"]),
    ("m*a*s*h", &["M*A*S*H"]),
    ("wall-e", &["WALL·E"]),
    ("walle", &["WALL·E"]),
    ("et", &["E.T. the Extra-Terrestrial"]),
    ("extraterrestrial", &["E.T. the Extra-Terrestrial"]),
    ("faceoff", &["Face/Off"]),
    ("face off", &["Face/Off"]),
    ("rocknroll", &["Rock-'n'-Roll High School"]),
    ("rock n roll", &["Rock-'n'-Roll High School"]),
    ("rocky 2", &["Rocky II"]),
    ("rocky ii", &["Rocky II"]),
    ("super viii", &["Super 8: VIII"]),
    ("super 8 8", &["Super 8: VIII"]),
    ("thelma and louise", &["Thelma & Louise"]),
    ("thelma ＆ louise", &["Thelma & Louise"]),
    ("matrix 1999", &["The Matrix"]),
    ("1999 matrix", &["The Matrix"]),
    ("matrix 1998", &[]),
    ("1999", &[]),
    ("2001", &["2001: A Space Odyssey"]),
    ("2001 1968", &["2001: A Space Odyssey"]),
    ("1917 2019", &["1917"]),
    ("rocky 1976", &["Rocky"]),
    ("神隠し", &["千と千尋の神隠し"]),
    ("千尋 神隠", &["千と千尋の神隠し"]),
    ("千尋 2001", &["千と千尋の神隠し"]),
    ("神", &[]),
    ("기생", &["기생충"]),
    ("생충", &["기생충"]),
    ("국영", &["기생충"]),
    ("준호 국영", &["기생충"]),
    ("スターウォーズ", &["スター・ウォーズ"]),
    ("ウォーズ", &["スター・ウォーズ"]),
    ("ォーズ", &["スター・ウォーズ"]),
    ("ーカス", &["スター・ウォーズ"]),
    ("ジョージルーカス", &["スター・ウォーズ"]),
    ("ｳｫｰｽﾞ", &["スター・ウォーズ"]),
    ("บุญมี", &["ลุงบุญมีระลึกชาติ"]),
    ("ระลึก", &["ลุงบุญมีระลึกชาติ"]),
    ("หຼ", &[]),
    ("ຫຼວງພະບາງ", &["ສະບາຍດີຫຼວງພະບາງ"]),
    ("ភ្លើង", &["ដុំភ្លើង"]),
    ("ပြည်", &["မြန်မာပြည်"]),
    ("jj abrams", &["Super 8: VIII"]),
    ("j j abrams", &["Super 8: VIII"]),
    ("oconnor", &["Super 8: VIII"]),
    ("ps i love you", &["P.S. I Love You"]),
    ("p s i love you", &["P.S. I Love You"]),
    ("vi warshawski", &["V.I. Warshawski"]),
    ("v i warshawski", &["V.I. Warshawski"]),
    ("action and adventure", &["Spider-Man", "Spider-Man 2"]),
    ("wachowski 1999 science", &["The Matrix"]),
];

/// Guarantee 67.
#[tokio::test]
async fn a_movie_is_found_by_every_form_of_its_words() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for (title, director, genre, date) in MOVIES {
        member.add(&movie(title, director, genre, date)).await;
    }
    for (q, titles) in FOUND {
        let path = format!("/api/movies/search/?q={}", encode(q));
        let answer = member.get(&path).send().await.is(200);
        if titles.is_empty() {
            // A second try may have found something.
            let is_corrected = answer.body["corrected_query"].is_string();
            assert!(is_corrected || answer.ids().is_empty(), "{q}: {}", answer.text);
            continue;
        }
        let results = answer.body["results"].as_array().unwrap();
        let found: Vec<&str> = results
            .iter()
            .filter_map(|movie| movie["title"].as_str())
            .collect();
        assert_eq!(found, *titles, "{q}");
        assert!(answer.body["corrected_query"].is_null(), "{q}");
    }
    let answer = member
        .get("/api/movies/?genre=action%20%26%20adventure")
        .send()
        .await;
    assert_eq!(answer.ids(), [2, 3]);
    let names = member.get("/api/movies/categories/").send().await.text;
    assert!(names.contains("Action & Adventure") && !names.contains("Action and Adventure\",\"count"));
}

/// Titles, directors and genres of random movies are made of these.
const TITLE_PARTS: [&str; 22] = [
    "Spider-Man",
    "II",
    "2",
    "X-Men",
    "E.T.",
    "M*A*S*H",
    "千と千尋の神隠し",
    "기생충",
    "Love",
    "&",
    "and",
    "1999",
    "2001",
    "神隠し",
    "Face/Off",
    "O'Neil",
    "V.I.",
    "Spiderman",
    "The",
    "Lovely",
    "スター・ウォーズ",
    "IX",
];
const NAMES: [&str; 8] = [
    "Ann Love",
    "J. J. X",
    "봉준호",
    "Spider Man",
    "Jean-Pierre O'Neil",
    "宮崎",
    "Ann",
    "2 X",
];
const GENRES: [&str; 8] = [
    "Sci-Fi",
    "II",
    "한국드라마",
    "Action & X",
    "2",
    "Spider",
    "1999",
    "Love Story",
];
const DATES: [&str; 4] = ["1999-01-01", "2001-12-31", "2002-02-02", "1899-03-04"];
/// Words of searches, besides the words of movies and their beginnings.
const WORDS: [&str; 20] = [
    "spiderman",
    "xmen",
    "et",
    "mash",
    "faceoff",
    "oneil",
    "6",
    "vi",
    "9",
    "神隠",
    "千尋",
    "尋の",
    "생충",
    "기생",
    "ォー",
    "드라",
    "1999",
    "2001",
    "10",
    "ii",
];

fn random_movie(dice: &mut StdRng) -> [String; 4] {
    let some = |all: &[&str], most: usize, between: &str, dice: &mut StdRng| {
        let count = dice.random_range(1..=most);
        let chosen = (0..count).map(|_| *all.choose(dice).unwrap());
        chosen.collect::<Vec<_>>().join(between)
    };
    let mut title = some(&TITLE_PARTS, 4, " ", dice);
    if dice.random_range(0..4) == 0 {
        // Too long for a posting to carry all words.
        let n = dice.random_range(0..9);
        write!(
            title,
            " {}",
            format!("{n}extraordinarily long-windedness{n} ").repeat(3)
        )
        .unwrap();
    }
    [
        title,
        some(&NAMES, 2, ", ", dice),
        some(&GENRES, 3, ",", dice),
        (*DATES.choose(dice).unwrap()).to_owned(),
    ]
}

fn fields([title, director, genre, date]: &[String; 4]) -> MovieFields {
    MovieFields {
        title: Title::parse(title).unwrap(),
        description: Description::parse("x").unwrap(),
        release_date: ReleaseDate::parse(date).unwrap(),
        director: Director::parse(director).unwrap(),
        genres: Genres::parse(genre).unwrap(),
        imdb_id: None,
        cover_image: None,
    }
}

/// The ids that a search finds, page by page from the first one on, and then back from the last one.
async fn all_pages(store: &Store, query: &SearchQuery, limit: PageLimit) -> [Vec<u64>; 2] {
    let mut forward: Vec<u64> = Vec::new();
    let mut window = Window::First;
    let (last, mut before) = loop {
        let page = store
            .search_movies(query, &window, limit, None)
            .await
            .unwrap()
            .slice;
        let ids: Vec<u64> = page.items.iter().map(|view| view.movie.id.get()).collect();
        match page.next {
            Some(next) => {
                forward.extend(ids);
                window = next;
            }
            None => break (ids, page.previous),
        }
    };
    forward.extend(&last);
    let mut backward = last;
    while let Some(window) = before {
        let page = store
            .search_movies(query, &window, limit, None)
            .await
            .unwrap()
            .slice;
        let ids = page.items.iter().map(|view| view.movie.id.get());
        backward.splice(0..0, ids.collect::<Vec<_>>());
        before = page.previous;
    }
    [forward, backward]
}

/// Guarantee 67.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_word_drives_a_search_finds_each_movie_that_matches_once() {
    let dice = &mut StdRng::seed_from_u64(14);
    let movies: Vec<[String; 4]> = (0..600).map(|_| random_movie(dice)).collect();
    let proxied = ProxiedApp::new().await;
    let mut csv = String::from("title,description,release_date,director,genre,imdb_id\n");
    for (n, [title, director, genre, date]) in movies.iter().enumerate() {
        writeln!(csv, "{title},x,{date},\"{director}\",\"{genre}\",tt{n:07}").unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("movies.csv");
    std::fs::write(&file, csv).unwrap();
    let store = proxied.proxy.store().await;
    let importer = Importer::new(proxied.proxy.store().await, proxied.proxy.table.database());
    assert_eq!(
        importer.run(&Source::File(file)).await.unwrap(),
        Report::of_all(600)
    );

    let words: Vec<EncodedWords> = movies
        .iter()
        .map(|movie| EncodedWords::of(&Words::of(&fields(movie))))
        .collect();
    let mut found_movies = 0;
    for n in 0..250 {
        let q: Vec<String> = (0..dice.random_range(1..=3))
            .map(|_| match dice.random_range(0..3) {
                0 => (*WORDS.choose(dice).unwrap()).to_owned(),
                _ => {
                    let own: Vec<String> = words.choose(dice).unwrap().compared().map(Into::into).collect();
                    let word = own.choose(dice).unwrap();
                    let chars = dice.random_range(1..=word.chars().count());
                    word.chars().take(if chars < 2 { 99 } else { chars }).collect()
                }
            })
            .collect();
        let Some(query) = SearchQuery::of_words(&q) else {
            continue;
        };
        let expected: BTreeSet<u64> = (1..)
            .zip(&words)
            .filter(|(_, words)| query.matches(words))
            .map(|(id, _)| id)
            .collect();
        if expected.is_empty() {
            continue;
        }
        found_movies += expected.len();
        let limit = if n % 2 == 0 {
            PageLimit::MAX
        } else {
            PageLimit::of::<7>()
        };
        let [forward, backward] = all_pages(&store, &query, limit).await;
        assert_eq!(
            forward.iter().copied().collect::<BTreeSet<u64>>(),
            expected,
            "{q:?}"
        );
        assert_eq!(forward.len(), expected.len(), "{q:?}: {forward:?}");
        assert_eq!(backward, forward, "{q:?}, backward");
        let begins = |id: &u64| !words[usize::try_from(*id).unwrap() - 1].title_begins_with(query.words());
        assert!(forward.is_sorted_by_key(begins), "{q:?}");
    }
    assert!(found_movies > 2_000, "{found_movies}");
}
