//! Searches all of whose words are common: first pages, their ceiling, and what all pages together find.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use marquee::import::{Importer, Report, Source};
use marquee_shared::db::{
    Store,
    page::{PageLimit, Window},
    search::SearchQuery,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::support::{
    encode,
    proxy::{Cost, FaultProxy, ProxiedApp},
};

/// Longer than the time between two calls that are sent at the same moment, also on a busy machine.
const HOLD: Duration = Duration::from_millis(60);

/// Imports movies with these titles, directors and genres; their ids are 1, 2 and so on.
async fn import(proxy: &FaultProxy, movies: &[[String; 3]]) {
    // An IMDb id of its own makes each row another movie, also where the texts are the same.
    let mut csv = String::from("title,description,release_date,director,genre,imdb_id\n");
    for (n, [title, director, genre]) in movies.iter().enumerate() {
        writeln!(csv, "{title},A movie.,2000-01-01,{director},\"{genre}\",tt{n:07}").unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("movies.csv");
    std::fs::write(&file, csv).unwrap();
    let importer = Importer::new(proxy.store().await, proxy.table.database());
    let report = importer.run(&Source::File(file)).await.unwrap();
    let movies = movies.len() as u64;
    assert_eq!(report, Report::of_all(movies));
}

/// A server with these movies, and a fault proxy to its table on which trips can be told apart.
async fn measured(movies: &[[String; 3]]) -> ProxiedApp {
    let proxied = ProxiedApp::new().await;
    import(&proxied.proxy, movies).await;
    // The keys that a warm function holds.
    proxied
        .app
        .anonymous()
        .get("/api/movies/?limit=1")
        .send()
        .await
        .is(200);
    proxied.proxy.gather_calls(HOLD);
    proxied
}

/// How many movies the first page of a search finds, whether it has a `next`, and what it costs. Of three runs, the one with the
/// fewest trips: on a busy machine, calls that are sent at the same moment may arrive apart and count as two trips.
async fn first_page(proxied: &ProxiedApp, q: &str) -> (usize, bool, Cost) {
    let mut best: Option<(usize, bool, Cost)> = None;
    for _ in 0..3 {
        proxied.proxy.take();
        let path = format!("/api/movies/search/?q={}", encode(q));
        let answer = proxied.app.anonymous().get(&path).send().await.is(200);
        let cost = Cost::of(proxied.proxy.take());
        if best.as_ref().is_none_or(|(_, _, least)| cost.trips < least.trips) {
            best = Some((answer.ids().len(), answer.body["next"].is_string(), cost));
        }
    }
    best.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_page_of_common_words_is_as_full_as_its_ceiling_allows() {
    // Half of the movies are amber, the others dogwood; birch are half, but seldom amber; a tenth are cedar, which amber ones
    // hardly ever are; a tenth are elm, and every one chestnut. Maple is a word of titles, all amber, and of directors,
    // who seldom made a dogwood.
    let movies: Vec<[String; 3]> = (0..4_000)
        .map(|n| {
            let color = ["Amber", "Dogwood"][n % 2];
            let third = match n {
                _ if n % 10 == 5 || n % 1_000 == 0 => "Cedar",
                _ if n % 26 == 2 => "Maple",
                _ => "Yew",
            };
            let first = match n {
                _ if n % 16 == 4 || n % 128 == 5 => "Maple",
                _ if n % 2 == 1 || n % 32 == 0 => "Birch",
                _ => "Oak",
            };
            let last = if n % 10 == 7 { "Elm" } else { "Fir" };
            [
                format!("The {color} {third} {n}"),
                format!("{first} {last}"),
                "Chestnut".to_owned(),
            ]
        })
        .collect();
    let proxied = measured(&movies).await;
    for (q, found, goes_on, trips) in [
        // One in sixteen.
        ("amber birch", 20, true, 3),
        // The third word costs as much as the last movie would.
        ("birch amber the", 19, true, 4),
        // The longest word isn't the rarest.
        ("chestnut elm", 20, true, 2),
        // After all the titles, one in nine.
        ("maple dogwood", 20, true, 4),
        // Four, a thousand apart.
        ("amber cedar", 4, false, 3),
        ("amber dogwood", 0, true, 3),
        ("dogwood amber the", 0, true, 3),
        ("birch dogwood chestnut the", 20, true, 2),
    ] {
        let (movies, next, cost) = first_page(&proxied, q).await;
        println!("{q}: {movies} movies, {} trips, {} units", cost.trips, cost.reads);
        assert_eq!((movies, next), (found, goes_on), "{q}: {cost:?}");
        assert!(cost.trips <= trips && cost.reads <= 40.0, "{q}: {cost:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn movies_that_a_first_page_has_no_units_left_for_are_on_the_next() {
    // Half of the movies are amber, and half are hazel. Thirty in a row are both, so far from the first movie that finding them
    // costs more than half of the ceiling.
    let movies: Vec<[String; 3]> = (0..4_000)
        .map(|n| {
            let color = ["Amber", "Dogwood"][n % 2];
            let both = (1_440..1_500).contains(&n);
            let genre = if n % 2 == 1 || both { "Hazel" } else { "Oak" };
            [
                format!("The {color} {n}"),
                "Somebody".to_owned(),
                genre.to_owned(),
            ]
        })
        .collect();
    let proxied = measured(&movies).await;
    let (shown, next, cost) = first_page(&proxied, "amber hazel").await;
    assert!(
        (1..20).contains(&shown) && next && cost.reads <= 40.0,
        "{shown} for {cost:?}"
    );
    let store = proxied.proxy.store().await;
    let query = SearchQuery::parse("amber hazel").unwrap();
    let (found, _) = pages(&store, &query, Window::First, PageLimit::of::<20>()).await;
    let expected: Vec<u64> = (1_441..=1_500).step_by(2).collect();
    assert_eq!(found.concat(), expected);
}

/// The words of the movies. Words at the start of the list are in most of them.
const WORDS: [&str; 12] = [
    "the",
    "man",
    "mango",
    "love",
    "of",
    "manhattan",
    "lover",
    "ab",
    "night",
    "lo",
    "glove",
    "nightly",
];

/// A movie of random words.
fn movie(dice: &mut StdRng) -> [String; 3] {
    let words = |most: usize, dice: &mut StdRng| {
        let count = dice.random_range(1..=most);
        let chosen = (0..count).map(|_| {
            let one = dice.random_range(0..WORDS.len());
            WORDS[one.min(dice.random_range(0..WORDS.len()))]
        });
        chosen.collect::<Vec<_>>().join(" ")
    };
    [words(4, dice), words(2, dice), words(2, dice)]
}

/// The class of this movie among the results of a search: 0 for the exact title, 1 for a title that begins with `q`, 2 for any
/// other match. `None` when a word is missing.
fn class([title, director, genre]: &[String; 3], q: &[&str]) -> Option<u8> {
    let begins = |own: &str, word: &str| own == word || (word.len() > 2 && own.starts_with(word));
    let own: Vec<&str> = [title, director, genre]
        .into_iter()
        .flat_map(|text| text.split(' '))
        .collect();
    if !q.iter().all(|word| own.iter().any(|own| begins(own, word))) {
        return None;
    }
    let title: Vec<&str> = title.split(' ').collect();
    let last = q.len() - 1;
    let so = title.len() > last && title[..last] == q[..last] && begins(title[last], q[last]);
    Some(if title == q { 0 } else { 2 - u8::from(so) })
}

/// The ids on each page from `window` on, forward or backward, and the window that leads back from the last page.
async fn pages(
    store: &Store,
    query: &SearchQuery,
    mut window: Window,
    limit: PageLimit,
) -> (Vec<Vec<u64>>, Option<Window>) {
    let back = window.is_backward();
    let mut pages = Vec::new();
    loop {
        let page = store
            .search_movies(query, &window, limit, None)
            .await
            .unwrap()
            .slice;
        pages.push(page.items.iter().map(|movie| movie.movie.id.get()).collect());
        let (on, way_back) = if back {
            (page.previous, page.next)
        } else {
            (page.next, page.previous)
        };
        match on {
            Some(on) => window = on,
            None => return (pages, way_back),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_pages_of_common_words_find_each_movie_once_in_one_order_both_ways() {
    let dice = &mut StdRng::seed_from_u64(4);
    let movies: Vec<[String; 3]> = (0..800).map(|_| movie(dice)).collect();
    let proxied = ProxiedApp::new().await;
    import(&proxied.proxy, &movies).await;
    let store = proxied.proxy.store().await;
    for (at, one) in WORDS.iter().enumerate() {
        for other in WORDS[at + 1..].iter().step_by(2) {
            let q = [*one, *other];
            let query = SearchQuery::parse(&q.join(" ")).unwrap();
            let (whole, _) = pages(&store, &query, Window::First, PageLimit::MAX).await;
            let whole = whole.concat();
            let all = (1..).zip(&movies).filter(|(_, movie)| class(movie, &q).is_some());
            let all: BTreeSet<u64> = all.map(|(id, _)| id).collect();
            assert_eq!(whole.len(), all.len(), "{q:?}");
            assert_eq!(whole.iter().copied().collect::<BTreeSet<u64>>(), all, "{q:?}");
            let movies = whole.iter().map(|id| &movies[usize::try_from(*id).unwrap() - 1]);
            assert!(movies.is_sorted_by_key(|movie| class(movie, &q)), "{q:?}");

            let (small, way_back) = pages(&store, &query, Window::First, PageLimit::of::<7>()).await;
            assert_eq!(small.concat(), whole, "{q:?}, 7 a page");
            let last = small.last().cloned().unwrap_or_default();
            if let Some(way_back) = way_back {
                let (mut back, _) = pages(&store, &query, way_back, PageLimit::of::<9>()).await;
                back.reverse();
                back.push(last);
                assert_eq!(back.concat(), whole, "{q:?}, backwards");
            }
        }
    }
}
