//! What searches and lists answer while edits are unfinished: the same as when they are finished.

use marquee_shared::{
    db::{
        Store,
        expression::Condition,
        index,
        item::{Item, from_item, to_item},
        keys,
        movie::{MovieItem, TextsBefore},
    },
    domain::text,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::Value;

use super::{path, stored};
use crate::support::{
    Caller,
    audit::{audit, discrepancies},
    encode, movie,
    proxy::ProxiedApp,
};

/// The words of the movies. They begin with one another, so that one search finds several postings of a movie.
const WORDS: [&str; 14] = [
    "the",
    "man",
    "mango",
    "love",
    "of",
    "manhattan",
    "lover",
    "lovers",
    "ab",
    "night",
    "lo",
    "glove",
    "nightly",
    "\u{795e}\u{96a0}\u{3057}",
];

/// The texts of a movie. Some are so long that its postings don't hold all of it.
fn texts(dice: &mut StdRng) -> Value {
    let is_long = dice.random_bool(0.5);
    let words = |most: usize, between: &[&str], dice: &mut StdRng| {
        let count = dice.random_range(1..=most);
        let mut text = String::new();
        for n in 0..count {
            if n > 0 {
                text += between.choose(dice).unwrap();
            }
            text += WORDS.choose(dice).unwrap();
            if is_long && dice.random_bool(0.5) {
                let letters = dice.random_range(5..25);
                text += &"x".repeat(letters);
            }
        }
        text.chars().take(200).collect::<String>()
    };
    let title = words(8, &[" ", " ", "-", " & "], dice);
    let director = words(4, &[" ", ", "], dice);
    let genre = words(3, &[", ", " "], dice);
    let genre: Vec<String> = genre.split(", ").map(|g| g.chars().take(40).collect()).collect();
    let year = dice.random_range(1950..2000);
    movie(&title, &director, &genre.join(", "), &format!("{year}-01-01"))
}

/// The ids that all pages of a list have, forward, and those that they have backward from the last page. None of a search that
/// nothing matches: what it is corrected to depends on the postings that were read, also on those that are left of movies that
/// were not.
async fn pages(caller: &Caller, list: &str, limit: usize) -> (Vec<u64>, Vec<u64>) {
    let mut path = format!("{list}&limit={limit}");
    let (mut forward, mut backward) = (Vec::new(), Vec::new());
    for (pages, link) in [(&mut forward, "next"), (&mut backward, "previous")] {
        loop {
            let page = caller.get(&path).send().await.is(200);
            if page.body["corrected_query"].is_string() {
                return Default::default();
            }
            pages.push(page.ids());
            match page.body[link].as_str() {
                Some(url) => path = url.to_owned(),
                None => break,
            }
        }
    }
    backward.reverse();
    (forward.concat(), backward.concat())
}

/// A list or search that a test reads, and whether it is a search for several words.
struct List {
    path: String,
    is_of_several_words: bool,
}

impl List {
    fn search(q: &str) -> Self {
        Self {
            path: format!("/api/movies/search/?q={}", encode(q)),
            is_of_several_words: text::words(q).len() > 1,
        }
    }

    fn of_genre(genre: &str, ordering: &str) -> Self {
        Self {
            path: format!("/api/movies/?ordering={ordering}&genre={}", encode(genre)),
            is_of_several_words: false,
        }
    }
}

/// Guarantee 71. Every second movie looks as if all postings of its old words were left. Every list has the movies that it has
/// when they are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_and_lists_answer_as_if_every_edit_were_finished() {
    for seed in 0..2 {
        let dice = &mut StdRng::seed_from_u64(seed);
        let proxied = ProxiedApp::new().await;
        let owner = proxied.app.member().await;
        let store = proxied.proxy.store().await;
        let mut titles = Vec::new();
        let mut left = Vec::new();
        for n in 0..16 {
            let movie = owner.add(&texts(dice)).await;
            let before = stored(&store, movie["id"].as_u64().unwrap()).await;
            let new = texts(dice);
            owner.put(&path(&movie)).json(&new).send().await.is(200);
            titles.extend([movie, new].map(|movie| movie["title"].as_str().unwrap().to_owned()));
            if n % 2 == 0 {
                left_unfinished(&store, &before).await;
                left.push(before.id);
            }
        }
        let mut lists: Vec<List> = titles.iter().map(|title| List::search(title)).collect();
        for one in WORDS {
            lists.push(List::search(one));
            lists.extend(
                WORDS
                    .sample(dice, 2)
                    .map(|other| List::search(&format!("{one} {other}"))),
            );
            lists.extend(["id", "-release_date"].map(|ordering| List::of_genre(one, ordering)));
        }
        let read = async |limit: usize| {
            let mut answers = Vec::new();
            for list in &lists {
                answers.push(pages(&owner, &list.path, limit).await);
            }
            answers
        };
        let ([ones, threes], all) = ([read(1).await, read(3).await], read(100).await);
        let categories = owner.get("/api/movies/categories/").send().await.is(200);
        assert_eq!(discrepancies(&store).await.len(), left.len());
        for id in left {
            assert!(store.finish_edit(id).await.unwrap());
        }
        audit(&store).await;
        let finished = read(100).await;
        assert!(finished.iter().filter(|(ids, _)| ids.len() > 3).count() > 30);
        for (n, list) in lists.iter().enumerate() {
            let (mut is, mut expected) = (all[n].0.clone(), finished[n].0.clone());
            let about = format!("{} of seed {seed}", list.path);
            // Pages of any size, forward and backward, have the same movies in the same order.
            for (forward, backward) in [&ones[n], &threes[n], &all[n]] {
                assert_eq!((forward, backward), (&is, &is), "{about}");
            }
            // A search for several words is in the order of the rarest, and the postings that are left count as well.
            if list.is_of_several_words {
                is.sort_unstable();
                expected.sort_unstable();
            }
            assert_eq!(is, expected, "{about}");
        }
        let again = owner.get("/api/movies/categories/").send().await.is(200);
        assert_eq!(categories.body, again.body);
    }
}

/// Guarantee 71. What an edit has left hides no typing error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_only_left_postings_have_is_corrected() {
    let proxied = ProxiedApp::new().await;
    let owner = proxied.app.member().await;
    let store = proxied.proxy.store().await;
    let right = owner
        .add(&movie("The Godfather", "Somebody", "Crime", "1972-01-01"))
        .await;
    let wrong = owner
        .add(&movie("Godfahter Quixotic", "Somebody", "Crime", "1980-01-01"))
        .await;
    let id = wrong["id"].as_u64().unwrap();
    let queries = [
        "godfahter",
        "godfahter 1972",
        "godfahter quixotic",
        "godfahter somebody",
    ];
    let search = async |q: &str| {
        let answer = owner
            .get(&format!("/api/movies/search/?q={}", encode(q)))
            .send()
            .await;
        let answer = answer.is(200);
        (answer.ids(), answer.body["corrected_query"].clone())
    };
    assert_eq!(search("godfahter").await, (vec![id], Value::Null));
    let before = stored(&store, id).await;
    let new = movie("Plain", "Nobody", "War", "1981-01-01");
    owner.put(&path(&wrong)).json(&new).send().await.is(200);
    left_unfinished(&store, &before).await;
    let mut unfinished = Vec::new();
    for q in queries {
        unfinished.push(search(q).await);
    }
    let right = vec![right["id"].as_u64().unwrap()];
    assert_eq!(unfinished[0], (right, "godfather".into()));
    assert!(store.finish_edit(before.id).await.unwrap());
    for (q, unfinished) in queries.into_iter().zip(unfinished) {
        assert_eq!(search(q).await, unfinished, "{q}");
    }
}

/// Makes a movie look as if its edit had left every posting of the old words.
async fn left_unfinished(store: &Store, before: &MovieItem) {
    let key = keys::movie(before.id);
    let mut movie = Item::from(store.get(&key).await.unwrap().unwrap());
    let now: MovieItem = from_item(movie.clone()).unwrap();
    let new = index::postings(&now.fields, now.id);
    for (key, posting) in index::postings(&before.fields, before.id) {
        if !posting.is_membership() && !new.contains_key(&key) {
            let item = posting.into_item(key);
            assert!(store.put(item, Condition::none()).await.unwrap().is_ok());
        }
    }
    let unfinished = MovieItem {
        unfinished: Some(TextsBefore::of(&before.fields)),
        ..now
    };
    let unfinished = to_item(&unfinished).unwrap();
    movie.insert("unfinished".into(), unfinished["unfinished"].clone());
    assert!(store.put(movie, Condition::none()).await.unwrap().is_ok());
}
