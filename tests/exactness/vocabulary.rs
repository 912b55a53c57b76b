//! The vocabulary: it has every word of every movie, whatever is interrupted or lost and whoever writes at the same time. New
//! words cost what they must, and known ones nothing.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use marquee_shared::{
    Error,
    db::{
        Store,
        edit_movie::{Edit, EditView},
        item::Attributes as _,
        keys,
        vocabulary::{entries, entries_by_key, first_entry, has_rest, rests_of, room, vocabulary_words},
    },
    domain::{MovieFields, MovieId, UserId},
};

use super::faults::SHORT;
use crate::support::{
    audit::{audit, missing_words, scan},
    measure::HOLD,
    movie,
    proxy::{Cost, Fault, ProxiedApp},
};

fn fields(title: &str) -> MovieFields {
    serde_json::from_value(movie(title, "Ada Counter", "Drama, Crime", "2001-01-01")).unwrap()
}

/// The most write units of a movie whose words the vocabulary has.
fn budget(movie: &MovieFields) -> f64 {
    2.0 * (10 + vocabulary_words(movie).len()) as f64
}

/// The words that the vocabulary has, by their first entries.
async fn words(store: &Store, of: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = of.clone();
    for word in of {
        let entry = first_entry(word).unwrap();
        let item = store.get(&entry.key).await.unwrap();
        if !item.is_some_and(|item| has_rest(&item, &entry.rest)) {
            found.remove(word);
        }
    }
    found
}

/// Asserts that the table agrees with itself and that the vocabulary has the words of every movie.
async fn check(proxied: &ProxiedApp) {
    let store = proxied.proxy.store().await;
    audit(&store).await;
    assert_eq!(missing_words(&store).await, [""; 0]);
}

/// A server behind a proxy that gathers calls, and the id of a user.
async fn measured() -> (ProxiedApp, UserId) {
    let proxied = ProxiedApp::new().await;
    let user = UserId::try_from(proxied.app.member().await.id).unwrap();
    proxied.proxy.gather_calls(HOLD);
    proxied.proxy.take();
    (proxied, user)
}

/// Guarantee 68. A new process knows no words. So it looks them up, at the same time as it takes the id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_movie_of_new_words_takes_three_trips_and_one_of_known_words_two() {
    let (proxied, user) = measured().await;
    let of = async |store: &Store, movie: &MovieFields| {
        store.create_movie(movie, user, None).await.unwrap();
        Cost::of(proxied.proxy.take())
    };
    let [first, second] = [proxied.proxy.proxied_store(), proxied.proxy.proxied_store()];
    // So that the genres exist.
    of(&proxied.proxy.proxied_store(), &fields("Nothing")).await;

    // All but those of director and genres.
    let movie = fields("The Quixotic Zephyr");
    let new = ["the", "quixotic", "zephyr"];
    let before = of(&first, &movie).await;
    let known = of(&first, &movie).await;
    assert_eq!((before.trips, known.trips), (3, 2));
    let added: usize = new.iter().map(|word| entries(word).len()).sum();
    assert_eq!((added, before.writes), (6, known.writes + 12.0));
    assert!(known.writes <= budget(&movie), "{known:?}");
    assert_eq!(known.reads, 2.0, "only its genres and the user");

    let looked_up = of(&second, &movie).await;
    assert_eq!((looked_up.trips, looked_up.writes), (2, known.writes));
    assert_eq!(looked_up.reads, 2.0 + 0.5 * vocabulary_words(&movie).len() as f64);
    let again = of(&second, &movie).await;
    // The order of calls that are made at the same time is none.
    let of_both = [&again, &known].map(|cost| (cost.trips, cost.reads, cost.writes));
    assert_eq!(of_both[0], of_both[1]);

    // More words than are looked up.
    let many =
        fields("One Three Seven Eleven Twelve Twenty Thirty Forty Fifty Sixty Seventy Eighty Ninety Hundred");
    let all_new = of(&first, &many).await;
    assert_eq!((all_new.trips, all_new.reads), (3, 7.0));
    let some_known = of(&second, &many).await;
    assert_eq!((some_known.trips, some_known.reads), (3, 7.0));
    assert!(some_known.writes < all_new.writes, "{some_known:?} {all_new:?}");
    check(&proxied).await;
}

/// Guarantee 68.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_adds_its_new_words_in_three_trips_and_a_refused_one_adds_none() {
    let (proxied, user) = measured().await;
    let store = proxied.proxy.proxied_store();
    let id = store
        .create_movie(&fields("Nothing"), user, None)
        .await
        .unwrap()
        .movie
        .id;
    let edit = async |store: &Store, id: MovieId, title: &str, is_allowed: bool| {
        proxied.proxy.take();
        let fields = fields(title);
        let decide = |_: &EditView| match is_allowed {
            false => Err(Error::forbidden("Not yours.")),
            true => Ok(Edit {
                fields: fields.clone(),
                user: Some(user),
                favorite: None,
            }),
        };
        let words = vocabulary_words(&fields);
        let edited = store.edit_movie(id, user, None, &words, decide).await;
        assert_eq!(edited.is_ok(), is_allowed && id.get() == 1);
        Cost::of(proxied.proxy.take())
    };
    let no_words = BTreeSet::new();
    let gamma: BTreeSet<String> = ["gamma", "delta"].map(str::to_owned).into();
    let direct = proxied.proxy.store().await;
    let refused = edit(&store, id, "Gamma Delta", false).await;
    assert_eq!((refused.trips, refused.writes), (1, 0.0));
    edit(&store, MovieId::try_from(99).unwrap(), "Gamma Delta", true).await;
    assert_eq!(words(&direct, &gamma).await, no_words);

    let added = edit(&store, id, "Gamma Delta", true).await;
    assert_eq!((added.trips, added.reads), (3, 3.0 + 1.0));
    assert_eq!(words(&direct, &gamma).await, gamma);
    // Known words, and words that a new process looks up.
    let back = edit(&store, id, "Nothing", true).await;
    assert_eq!((back.trips, back.reads), (2, 3.0));
    let other = proxied.proxy.proxied_store();
    let looked_up = edit(&other, id, "Gamma Delta", true).await;
    // Two words of the title, two of the director and two of the genres.
    assert_eq!((looked_up.trips, looked_up.reads), (2, 3.0 + 3.0));
    assert_eq!(looked_up.writes, back.writes, "no word");

    // An edit of so many words may take two transactions, so it doesn't wait.
    let many = "aaa bbb ccc ddd eee fff ggg hhh iij jjj kkk lll mmm nnn ooo";
    let added = edit(&store, id, many, true).await;
    assert_eq!((added.trips, added.reads), (2, 3.0));
    check(&proxied).await;
}

/// Guarantee 68.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_movie_that_is_cut_off_after_its_words_leaves_words_and_nothing_else() {
    let proxied = ProxiedApp::with(|options| options.config.http.deadline = SHORT).await;
    let user = proxied.app.member().await;
    // The first transaction adds the words.
    proxied
        .proxy
        .inject("TransactWriteItems", 1..usize::MAX, Fault::CallLost);
    let body = movie("The Quixotic Zephyr", "Ada Counter", "Drama", "2001-01-01");
    let answer = user.post("/api/movies/").json(&body).send().await;
    answer.is_problem(503, "unavailable");
    proxied.proxy.clear_faults();
    let store = proxied.proxy.store().await;
    let all = vocabulary_words(&serde_json::from_value(body.clone()).unwrap());
    assert_eq!(words(&store, &all).await, all);
    assert_eq!(user.count("/api/movies/").await, 0);
    check(&proxied).await;

    user.add(&body).await;
    check(&proxied).await;
}

/// Guarantee 68, with conflicts as DynamoDB makes them, which the embedded engine doesn't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn movies_with_the_same_new_words_are_added_at_once_although_their_transactions_conflict() {
    let proxied = ProxiedApp::with(|options| options.config.http.deadline = Duration::from_secs(60)).await;
    let user = UserId::try_from(proxied.app.member().await.id).unwrap();
    let processes = [(); 4].map(|()| proxied.proxy.proxied_store());
    proxied.proxy.conflict(Some(Duration::from_millis(10)));
    let added = join_all((0..12).map(|n| {
        let store = &processes[n % processes.len()];
        // The same words, and words that share items with them.
        let title = ["The Quixotic Zephyr", "The Quixotry", "Zephyrs That Thaw"][n % 3];
        async move { store.create_movie(&fields(title), user, None).await }
    }))
    .await;
    proxied.proxy.conflict(None);
    let ids: BTreeSet<_> = added.into_iter().map(|added| added.unwrap().movie.id).collect();
    assert_eq!(ids.len(), 12);
    check(&proxied).await;
}

/// Guarantee 68.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_item_takes_no_more_words_and_its_words_have_their_other_entries() {
    let proxied = ProxiedApp::new().await;
    let user = UserId::try_from(proxied.app.member().await.id).unwrap();
    let store = proxied.proxy.proxied_store();
    let letters = "abcdefghij";
    let three = |n: usize| -> String {
        let digits = [n / 100, n / 10 % 10, n % 10];
        digits.iter().map(|digit| &letters[*digit..=*digit]).collect()
    };
    // They share their first piece, and some of them the others.
    let fillers: BTreeSet<String> = (0..700)
        .map(|n| format!("god{}{}", three(n), three(n * 7 % 1000)))
        .collect();
    store.add_words(&fillers).await.unwrap();
    let key = keys::near(9, 0, "god");
    let full = store.get(&key).await.unwrap().unwrap();
    assert_eq!(rests_of(&full).len(), room(&key));
    for (key, rests) in entries_by_key(&fillers) {
        let item = store.get(&key).await.unwrap().unwrap();
        let there = rests_of(&item).len();
        assert_eq!(there, rests.len().min(room(&key)), "{key:?}");
    }

    let godfather = fields("Godfather");
    for store in [&store, &proxied.proxy.proxied_store()] {
        store.create_movie(&godfather, user, None).await.unwrap();
    }
    let now = store.get(&key).await.unwrap().unwrap();
    assert_eq!(now, full);
    let lacks: Vec<bool> = {
        let mut lacks = Vec::new();
        for entry in entries("godfather") {
            let item = store.get(&entry.key).await.unwrap();
            lacks.push(!item.is_some_and(|item| has_rest(&item, &entry.rest)));
        }
        lacks
    };
    assert_eq!(lacks, [true, false, false]);
    // The items were read whole: none is larger than 4 KB.
    for item in scan(&store).await {
        assert!(item.text(keys::PK).is_some_and(|pk| !pk.is_empty()));
    }
    check(&proxied).await;
}

/// Guarantee 68. The largest text has more entries than one transaction takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_movie_of_as_many_long_words_as_fit_adds_them_in_three_trips() {
    let (proxied, user) = measured().await;
    let store = proxied.proxy.proxied_store();
    let pairs = |letters: &str| {
        let letters: Vec<char> = letters.chars().collect();
        let word = |letter: &char| letter.to_string().repeat(8);
        let pair = |pair: &[char]| pair.iter().map(word).collect::<Vec<_>>().join("-");
        letters.chunks(2).map(pair).collect::<Vec<_>>().join(" ")
    };
    let body = movie(
        &pairs("abcdefghijklmnopqrstuv"),
        &pairs("wxyzжя"),
        "Drama",
        "2001-01-01",
    );
    let movie: MovieFields = serde_json::from_value(body).unwrap();
    store.create_movie(&movie, user, None).await.unwrap();
    assert_eq!(Cost::of(proxied.proxy.take()).trips, 3);
    check(&proxied).await;
}
