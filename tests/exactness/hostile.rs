//! Hostile texts, which make searches and edits as expensive as possible: texts of maximal length in characters of one
//! to four bytes, characters that normalize to many, and words that are equal as far as a posting stores them. The cost
//! ceilings hold for them too.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use marquee::import::{Importer, Report, Source};
use marquee_shared::domain::text;
use serde_json::{Value, json};

use crate::support::{
    Call,
    audit::audit,
    encode, movie,
    proxy::{Cost, ProxiedApp},
};

/// Longer than the time between two calls of one round trip, even on a busy machine.
const HOLD: Duration = Duration::from_millis(60);

/// The bytes that one read unit reads.
const UNIT: usize = 4096;

/// A movie's title, description, director and genre.
type Texts = [String; 4];

/// Returns up to `count` words, in at most `most` characters. Each word is the tag, a number and `chars` characters of
/// `letter`.
fn words(tag: &str, letter: &str, chars: usize, count: usize, most: usize) -> String {
    // U+FDFA normalizes to several words, and a movie has at most 30.
    let count = if letter == "\u{fdfa}" { count.min(7) } else { count };
    let mut all = String::new();
    for n in 0..count {
        let letters: String = letter.chars().cycle().take(chars).collect();
        let word = format!("{tag}{n}{letters} ");
        if (all.clone() + word.trim_end()).chars().count() > most {
            break;
        }
        all.push_str(&word);
    }
    all.trim_end().to_owned()
}

/// Returns `count` genres, each as long as a genre may be in this letter.
fn genres(tag: &str, letter: &str, count: usize) -> String {
    // U+FDFA normalizes to 33 bytes.
    let chars = if letter == "\u{fdfa}" { 3 } else { 12 };
    words(tag, letter, chars, count, 150).replace(' ', ",")
}

/// Returns movies with the most expensive texts. Nearly all have the words amber, birch and cedar, in different fields.
/// The decoys lack one of these words and have words with the same first letters instead.
fn movies() -> Vec<Texts> {
    let letters = [
        "x",
        "Ж",
        "ก",
        "한",
        "\u{10400}",
        "\u{fdfa}",
        "ﬃ",
        "ß",
        "映",
        "\u{5d0}",
        // Marks that are part of their letter, some of which normalize to three.
        "कि",
        "ཀ\u{f77}\u{f77}",
        "ﾊﾟ",
    ];
    let short = || "Short.".to_owned();
    let long = || "😀".repeat(5_000);
    let mut movies: Vec<Texts> = Vec::new();
    for n in 0..330 {
        let letter = letters[n % letters.len()];
        let id = format!("n{n}");
        movies.push(match n % 11 {
            // Many words in every field, the common ones among them.
            0 | 1 => [
                format!("Amber {}", words("t", letter, 15, 10, 180)),
                if n % 2 == 0 { short() } else { long() },
                format!("Birch {} {id}", words("d", letter, 15, 10, 170)),
                format!("Cedar,{}", genres("g", letter, 5)),
            ],
            // The common words are last in their fields.
            2 | 3 => [
                format!("{} amber", words("a", letter, 20, 10, 190)),
                short(),
                format!("{} birch", words("b", letter, 20, 10, 190)),
                format!("{},cedar", genres("c", letter, 4)),
            ],
            // One word as long as a title.
            4 => [
                format!("{}{n}", letter.chars().cycle().take(190).collect::<String>()),
                short(),
                format!("amber {}", letter.chars().cycle().take(190).collect::<String>()),
                "Birch,Cedar".to_owned(),
            ],
            // All three are in the title, which begins with two of them.
            5 => [
                format!("Amber Birch {} cedar", words("q", letter, 15, 12, 170)),
                short(),
                words("r", letter, 15, 12, 190),
                "Oak".to_owned(),
            ],
            // Titles that are equal as far as a key stores them.
            6 => [
                format!("Amber {} {n}", words("long", "ก", 26, 5, 180)),
                short(),
                "Birch Cedar".to_owned(),
                "Oak".to_owned(),
            ],
            // Decoys, which cannot be excluded by their postings.
            7 | 8 => [
                format!("Amber {}", words("cede", letter, 8, 14, 190)),
                long(),
                format!("Birch {}", words("ceda", letter, 8, 10, 150)),
                genres("ced", letter, 4),
            ],
            9 => [
                format!("{} cedar", words("amb", letter, 8, 12, 190)),
                long(),
                format!("{} birch", words("ambe", letter, 8, 12, 190)),
                "Oak".to_owned(),
            ],
            // Ordinary movies.
            _ => [
                format!("The Amber {n}"),
                short(),
                "Robin Birch".to_owned(),
                "Cedar, Oak".to_owned(),
            ],
        });
    }
    movies
}

/// Returns a server with these movies. Their ids are 1, 2 and so on.
async fn server(movies: &[Texts]) -> ProxiedApp {
    let proxied = ProxiedApp::new().await;
    let quoted = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
    // An IMDb id of its own makes each row another movie, also where the texts are the same.
    let mut csv = String::from("title,description,director,genre,release_date,imdb_id\n");
    for (n, texts) in movies.iter().enumerate() {
        let texts: Vec<String> = texts.iter().map(quoted).collect();
        csv += &format!("{},2000-01-01,tt{n:07}\n", texts.join(","));
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("movies.csv");
    std::fs::write(&file, csv).unwrap();
    let importer = Importer::new(proxied.proxy.store().await, proxied.proxy.table.database());
    let report = importer.run(&Source::File(file)).await.unwrap();
    let movies = movies.len() as u64;
    assert_eq!(report, Report::of_all(movies));
    proxied
        .app
        .anonymous()
        .get("/api/movies/?limit=1")
        .send()
        .await
        .is(200);
    proxied
}

/// Returns the words of a movie's title, and all its words.
fn words_of([title, _, director, genre]: &Texts) -> (Vec<String>, Vec<String>) {
    let title = text::words(title);
    let mut all = title.clone();
    all.extend(text::words(director));
    all.extend(genre.split(',').flat_map(text::words));
    (title, all)
}

/// Returns `None` unless the movie has all words of `q`, otherwise whether its title begins with them.
fn class(texts: &Texts, q: &str) -> Option<bool> {
    let satisfies =
        |own: &str, word: &str| own == word || (word.chars().count() > 2 && own.starts_with(word));
    let (title, all) = words_of(texts);
    let q = text::words(q);
    let has = |word: &String| all.iter().any(|own| satisfies(own, word));
    let (last, whole) = q.split_last().unwrap();
    let begins = title.starts_with(whole) && title.get(whole.len()).is_some_and(|own| satisfies(own, last));
    q.iter().all(has).then_some(begins)
}

/// Returns the read units of these movies beyond one for each.
fn further_units(results: &[Value]) -> usize {
    let units = |movie: &Value| {
        let texts = ["title", "description", "director", "genre", "cover_image"];
        let bytes: usize = texts
            .iter()
            .filter_map(|name| movie[name].as_str())
            .map(str::len)
            .sum();
        // 330 bytes are attribute names, keys, times and numbers.
        (bytes + 330).div_ceil(UNIT)
    };
    results.iter().map(|movie| units(movie) - 1).sum()
}

/// Guarantee 46.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_among_hostile_texts_costs_at_most_40_units_and_finds_every_match() {
    let movies = movies();
    let proxied = server(&movies).await;
    let caller = proxied.app.anonymous();
    let title = |n: usize| movies[n].first().cloned().unwrap();
    let ways = [
        "amber".to_owned(),
        "ced".to_owned(),
        "amber birch".to_owned(),
        "cedar amber birch".to_owned(),
        "birch cedar oak".to_owned(),
        "amb ced".to_owned(),
        "t1x amber d1x".to_owned(),
        "\u{fdfa}".to_owned(),
        "ก".repeat(100),
        "कि".repeat(50),
        "ཀ\u{f77}\u{f77}".repeat(20),
        "\u{10428}".repeat(60) + " amber",
        title(0),
        title(6),
        title(15),
        // A prefix of a word, longer than a key.
        title(6).chars().take(140).collect(),
    ];
    let mut most = (0.0, String::new());
    for q in &ways {
        let expected: BTreeSet<u64> = (1..)
            .zip(&movies)
            .filter(|(_, texts)| class(texts, q).is_some())
            .map(|(id, _)| id)
            .collect();
        let mut path = format!("/api/movies/search/?q={}", encode(q));
        let mut forward: Vec<Vec<u64>> = Vec::new();
        let mut backward: Vec<Vec<u64>> = Vec::new();
        for (pages, link) in [(&mut forward, "next"), (&mut backward, "previous")] {
            loop {
                proxied.proxy.take();
                let page = caller.get(&path).send().await.is(200);
                let cost = Cost::of(proxied.proxy.take());
                let results = page.body["results"].as_array().unwrap();
                let base = cost.reads - further_units(results) as f64;
                assert!(
                    base <= 40.0,
                    "{q}: {base} beside the texts, page {}: {cost:?}",
                    pages.len()
                );
                if base > most.0 {
                    most = (base, q.clone());
                }
                pages.push(page.ids());
                assert!(pages.len() <= 400, "{q} has more than 400 pages");
                match page.body[link].as_str() {
                    Some(url) => path = url.to_owned(),
                    None => break,
                }
                // Clients limit the length of a URL, and the gateway limits the whole head.
                assert!(path.len() < 8_192, "{q}: {}", path.len());
            }
        }
        backward.reverse();
        let found = forward.concat();
        println!(
            "{}…: {} movies on {} pages forward, {} back",
            q.chars().take(30).collect::<String>(),
            found.len(),
            forward.len(),
            backward.len()
        );
        assert_eq!(found.len(), expected.len(), "{q}");
        assert_eq!(found.iter().copied().collect::<BTreeSet<u64>>(), expected, "{q}");
        assert_eq!(backward.concat(), found, "{q}, backward");
        let begins = found
            .iter()
            .map(|id| class(&movies[usize::try_from(*id).unwrap() - 1], q));
        assert!(begins.is_sorted_by_key(std::cmp::Reverse), "{q}");
    }
    println!("{} units at most, for {}", most.0, most.1);
}

/// A search takes three trips unless all its words are common, and four otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_among_hostile_texts_takes_at_most_four_trips() {
    let proxied = server(&movies()).await;
    let caller = proxied.app.anonymous();
    proxied.proxy.gather_calls(HOLD);
    for q in ["amber", "amber birch", "cedar amber birch", "oak ced"] {
        let mut trips = usize::MAX;
        for _ in 0..3 {
            proxied.proxy.take();
            let path = format!("/api/movies/search/?q={}", encode(q));
            caller.get(&path).send().await.is(200);
            trips = trips.min(Cost::of(proxied.proxy.take()).trips);
        }
        assert!(trips <= 4, "{q}: {trips}");
    }
}

/// Returns movies with the largest allowed number of words (30) and with nine genres, in letters of one to four bytes.
fn heaviest_movies(tag: &str) -> Vec<Value> {
    let wide = |letter: &str, chars: usize| letter.chars().cycle().take(chars).collect::<String>();
    let letters = ["x", "ก", "한", "\u{10400}", "\u{fdfa}"];
    let mut imdb_ids = (0..).map(|n| format!("tt{:010}", n + 100 * u32::from(tag.as_bytes()[0])));
    let all = letters.map(|letter| {
        let words = |from: usize, to: usize, chars: usize, between: &str| {
            let words = (from..to).map(|n| format!("{tag}{n}{}", wide(letter, chars)));
            words.collect::<Vec<_>>().join(between)
        };
        // U+FDFA normalizes to four words, which are always the same.
        let of = match letter {
            "\u{fdfa}" => [(0, 8, 1), (8, 16, 1), (16, 19, 1)],
            _ => [(0, 11, 13), (11, 21, 13), (21, 30, 18)],
        };
        let [title, director, genre] = of;
        let mut movie = movie(
            &words(title.0, title.1, title.2, " "),
            &words(director.0, director.1, director.2, " "),
            &words(genre.0, genre.1, genre.2, ","),
            "2000-01-01",
        );
        movie["description"] = json!("😀".repeat(5_000));
        movie["cover_image"] = json!(format!("https://example.org/{}", "x".repeat(2_028)));
        movie["imdb_id"] = json!(imdb_ids.next());
        movie
    });
    all.into()
}

/// The most write units of adding a movie, without its new words: one for its id; two per KB or item for a transaction of
/// the movie (at most 25 KB), the count of movies, 58 postings, nine genres, the genres' count and the `imdb_id`; and ten for
/// the index by date.
const CREATE_UNITS: f64 = 1.0 + 2.0 * (25.0 + 1.0 + 58.0 + 9.0 + 1.0 + 1.0) + 10.0;

/// The most write units of the new words of a movie: two for each of the three items of a word, each of which is smaller than
/// 1 KB here.
const WORD_UNITS: f64 = 2.0 * 3.0 * 30.0;

/// Guarantee 46.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_do_not_raise_the_cost_of_an_edit_above_its_ceiling() {
    let proxied = ProxiedApp::new().await;
    let user = proxied.app.member().await;
    let cost = async |what: &str, call: Call| {
        proxied.proxy.take();
        let answer = call.send().await;
        let cost = Cost::of(proxied.proxy.take());
        assert!(answer.status.is_success(), "{what}: {}", answer.text);
        println!("{what}: {} write units", cost.writes);
        (answer, cost.writes)
    };
    let mut paths: BTreeMap<usize, String> = BTreeMap::new();
    for (n, movie) in heaviest_movies("a").iter().enumerate() {
        let (answer, writes) = cost("create", user.post("/api/movies/").json(movie)).await;
        assert!(writes <= CREATE_UNITS + WORD_UNITS, "{writes} for movie {n}");
        paths.insert(n, answer.header("location").to_owned());
    }
    audit(&proxied.proxy.store().await).await;
    for (n, movie) in heaviest_movies("b").iter().enumerate() {
        let (_, writes) = cost("edit of everything", user.put(&paths[&n]).json(movie)).await;
        // An edit may remove all postings and add as many.
        assert!(
            writes <= 2.0 * CREATE_UNITS + WORD_UNITS,
            "{writes} for movie {n}"
        );
    }
    // The same words again: the vocabulary has them.
    for (n, movie) in heaviest_movies("a").iter().enumerate() {
        let (_, writes) = cost(
            "edit of everything to known words",
            user.put(&paths[&n]).json(movie),
        )
        .await;
        assert!(writes <= 2.0 * CREATE_UNITS, "{writes} for movie {n}");
    }
    for path in paths.values() {
        let (_, writes) = cost("delete", user.delete(path)).await;
        assert!(writes <= CREATE_UNITS, "{writes}");
    }
    audit(&proxied.proxy.store().await).await;
}
