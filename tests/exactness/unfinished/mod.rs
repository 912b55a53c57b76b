//! Edits that take two transactions, because one has room for a hundred actions only: interrupted between the two, raced by
//! others, and with lost answers.

mod lists;

use std::time::Duration;

use marquee_shared::{
    db::{Store, edit_movie::Edit, item::from_item, keys, movie::MovieItem, vocabulary::text_words},
    domain::{Director, Genres, ImdbId, MovieFields, MovieId, ReleaseDate, Title, UserId},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    crash::{RunningServer, send},
    faults::{FOR_EVER, SHORT, bounded},
    races::run_all,
};
use crate::support::{
    Caller,
    audit::{audit, discrepancies},
    encode, movie,
    proxy::{Cost, Fault, FaultProxy, ProxiedApp},
    table::TestTable,
};

/// Every transaction but the first.
const ALL_BUT_THE_FIRST: std::ops::Range<usize> = 1..usize::MAX;

/// A cancellation that no retry can change, as if the process ended there.
const ENDED: Fault = Fault::Canceled("ValidationError");

/// Longer than the time between two calls of one round trip, even on a busy machine.
const HOLD: Duration = Duration::from_millis(60);

/// One of the largest movies that are accepted: thirty words, nine directors and nine genres, and a word of a script without
/// spaces that has more runs than a movie has postings left. No two tags have a word in common.
fn largest(tag: &str) -> Value {
    let words: Vec<String> = (0..29).map(|n| format!("{tag}{n:02}")).collect();
    let first = 0x4E00 + 100 * u32::from(tag.as_bytes()[0] - b'a');
    let runs: String = (first..first + 40).filter_map(char::from_u32).collect();
    let (last, directors) = words[19..].split_last().unwrap();
    let mut fields = movie(
        &format!("{} {runs}", words[..19].join(" ")),
        &format!("{} {last}", directors.join(", ")),
        &words[10..19].join(", "),
        "2001-01-01",
    );
    fields["imdb_id"] = json!(format!("tt{:07}", tag.as_bytes()[0]));
    fields
}

/// The genres of the largest movie, as those of a smaller one. While it exists, no edit of the larger one finds that a genre is
/// new or that the last movie of one leaves it, which would take further transactions.
fn with_genres_of(tag: &str) -> Value {
    let mut fields = movie("Bystander", "Nobody", "-", "1999-01-01");
    fields["genre"] = largest(tag)["genre"].clone();
    fields
}

/// The words of the largest movie that one search each must find: words and names, the first and the last, and a run.
fn words_of(tag: &str) -> Vec<String> {
    let fields = largest(tag);
    let text = |name: &str| fields[name].as_str().unwrap().to_owned();
    let words = [text("title"), text("director").replace(',', "")].join(" ");
    let words = words.split(' ').map(str::to_owned);
    words.chain([text("title")]).collect()
}

async fn found(caller: &Caller, q: &str) -> Vec<u64> {
    let path = format!("/api/movies/search/?q={}", encode(q));
    caller.get(&path).send().await.is(200).ids()
}

/// Asserts that each word of `tag` finds the movie, and that no word of `other` finds anything.
async fn is_found_as(caller: &Caller, id: u64, tag: &str, other: &str) {
    for word in words_of(tag) {
        assert!(found(caller, &word).await.contains(&id), "{word}");
    }
    for word in words_of(other) {
        assert!(!found(caller, &word).await.contains(&id), "{word}");
    }
    let genre = |tag: &str| format!("/api/movies/?genre={tag}12&ordering=release_date");
    assert!(caller.get(&genre(tag)).send().await.is(200).ids().contains(&id));
    assert!(!caller.get(&genre(other)).send().await.is(200).ids().contains(&id));
}

/// A server with the largest movie `a`, [prepared](prepare) for edits to `b`. Its deadline is short. Returns the owner and the
/// movie too.
async fn with_largest() -> (ProxiedApp, Caller, Value) {
    let proxied = ProxiedApp::with(|options| options.config.http.deadline = SHORT).await;
    let owner = proxied.app.member().await;
    prepare(&owner).await;
    let movie = owner.add(&largest("a")).await;
    (proxied, owner, movie)
}

/// Makes the first transaction of an edit from `a` to `b` the first of its request: no genre is new or left empty by it, and no
/// word is new to the process, which knows those of a movie that was deleted.
async fn prepare(owner: &Caller) {
    for tag in ["a", "b"] {
        owner.add(&with_genres_of(tag)).await;
        let movie = owner.add(&largest(tag)).await;
        owner.delete(&path(&movie)).send().await.is(204);
    }
}

fn path(movie: &Value) -> String {
    format!("/api/movies/{}/", movie["id"])
}

/// The changes to the largest movie `b`: every word, every genre, the date, the `imdb_id` and the favorite.
fn changes() -> Value {
    let mut changes = largest("b");
    changes["favorite"] = json!(true);
    changes["release_date"] = json!("2002-02-02");
    changes
}

/// What the auditor says after an edit of this movie was interrupted between its transactions, and nothing else.
fn unfinished(movie: &Value) -> [String; 1] {
    [format!("the last edit of movie {} is not finished", movie["id"])]
}

/// Guarantee 71. One of the new genres exists already, so the number of genres changes too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_edit_is_made_whole_in_two_transactions_and_three_trips() {
    let proxied = ProxiedApp::new().await;
    let owner = proxied.app.member().await;
    owner
        .add(&movie("Bystander", "Nobody", "b12", "1999-01-01"))
        .await;
    let movie = owner.add(&largest("b")).await;
    owner.delete(&path(&movie)).send().await.is(204);
    let movie = owner.add(&largest("a")).await;
    let id = movie["id"].as_u64().unwrap();
    is_found_as(&owner, id, "a", "b").await;
    proxied.proxy.gather_calls(HOLD);
    proxied.proxy.record_bodies();
    proxied.proxy.take();
    let edited = owner.patch(&path(&movie)).json(&changes()).send().await.is(200);
    let records = proxied.proxy.take();
    let transactions: Vec<usize> = records
        .iter()
        .filter(|record| record.operation == "TransactWriteItems")
        .map(|record| {
            let call = &record.exchange.as_ref().unwrap().call;
            call["TransactItems"].as_array().unwrap().len()
        })
        .collect();
    // Of the genres some are new, and of others this is the last movie. The first attempt finds that.
    let [_, first, second] = transactions[..] else {
        panic!("{transactions:?}");
    };
    assert_eq!(first, 100, "{transactions:?}");
    assert!((2..100).contains(&second), "{transactions:?}");
    println!("{transactions:?}: {:?}", Cost::of(records));
    proxied.proxy.gather_calls(Duration::ZERO);
    for name in [
        "title",
        "director",
        "genre",
        "imdb_id",
        "release_date",
        "favorite",
    ] {
        assert_eq!(edited.body[name], changes()[name], "{name}");
    }
    let read = owner.get(&path(&movie)).send().await.is(200);
    assert_eq!(read.body, edited.body);
    // The second transaction is no edit of its own.
    assert_eq!(read.body["version"], 2);
    assert_eq!(read.header("etag"), edited.header("etag"));
    is_found_as(&owner, id, "b", "a").await;
    audit(&proxied.proxy.store().await).await;

    // Where no genre is new or left empty, it takes three trips.
    owner.add(&with_genres_of("a")).await;
    owner.add(&with_genres_of("b")).await;
    proxied.proxy.gather_calls(HOLD);
    let mut trips = usize::MAX;
    for (tag, is_favorite) in [("a", false), ("b", true), ("a", false)] {
        let mut changes = largest(tag);
        changes["favorite"] = json!(is_favorite);
        proxied.proxy.take();
        owner.put(&path(&movie)).json(&changes).send().await.is(200);
        trips = trips.min(Cost::of(proxied.proxy.take()).trips);
    }
    assert_eq!(trips, 3);
    proxied.proxy.gather_calls(Duration::ZERO);
    owner.delete(&path(&movie)).send().await.is(204);
    audit(&proxied.proxy.store().await).await;
}

/// What comes after the interruption.
#[derive(Clone, Copy, Debug)]
enum Next {
    Edit,
    Favorite,
    LargestEdit,
    Deletion,
    Operator,
}

/// Guarantee 71.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_was_interrupted_shows_nothing_old_and_the_next_change_finishes_it() {
    for next in [
        Next::Edit,
        Next::Favorite,
        Next::LargestEdit,
        Next::Deletion,
        Next::Operator,
    ] {
        let (proxied, owner, movie) = with_largest().await;
        let id = movie["id"].as_u64().unwrap();
        let store = proxied.proxy.store().await;
        interrupted_edit(&proxied, &owner, &movie).await;
        assert_eq!(discrepancies(&store).await, unfinished(&movie));
        is_found_as(&owner, id, "b", "a").await;
        // Toggles neither finish it nor disturb it.
        for is_favorite in [false, true] {
            let answer = owner.post(&format!("{}favorite/", path(&movie))).send().await;
            assert_eq!(answer.is(200).body["favorite"], is_favorite);
        }
        let read = owner.get(&path(&movie)).send().await.is(200);
        assert_eq!(read.body["title"], largest("b")["title"]);
        assert!(read.body.get("unfinished").is_none(), "{}", read.text);
        assert_eq!(discrepancies(&store).await, unfinished(&movie));

        let change = |body: Value| owner.patch(&path(&movie)).json(&body);
        match next {
            Next::Edit => drop(change(json!({"description": "Another."})).send().await.is(200)),
            Next::Favorite => drop(change(json!({"favorite": false})).send().await.is(200)),
            Next::LargestEdit => {
                let edited = change(largest("a")).send().await.is(200);
                assert_eq!(edited.body["version"], 3);
                is_found_as(&owner, id, "a", "b").await;
            }
            Next::Deletion => {
                owner.delete(&path(&movie)).send().await.is(204);
                for word in words_of("a").iter().chain(&words_of("b")) {
                    assert!(!found(&owner, word).await.contains(&id), "{word}");
                }
            }
            Next::Operator => {
                let id = MovieId::try_from(id).unwrap();
                assert!(store.finish_edit(id).await.unwrap());
                assert!(!store.finish_edit(id).await.unwrap());
            }
        }
        if matches!(next, Next::Edit | Next::Favorite | Next::Operator) {
            is_found_as(&owner, id, "b", "a").await;
        }
        audit(&store).await;
    }
}

/// Edits the largest movie `a` to `b` and ends after the first transaction, as a process that is killed there.
async fn interrupted_edit(proxied: &ProxiedApp, owner: &Caller, movie: &Value) {
    let id = MovieId::try_from(movie["id"].as_u64().unwrap()).unwrap();
    let user = UserId::try_from(owner.id).unwrap();
    let changes = changes();
    let text = |name: &str| changes[name].as_str().unwrap();
    let title = Title::parse(text("title")).unwrap();
    let director = Director::parse(text("director")).unwrap();
    let genres = Genres::parse(text("genre")).unwrap();
    let store = proxied.proxy.proxied_store();
    // From now on it knows the words of the edit, which are those of a movie that was deleted.
    let words = text_words(Some(&title), Some(&director), Some(&genres));
    assert!(store.new_words(&words, usize::MAX).await.unwrap().is_empty());
    proxied
        .proxy
        .inject("TransactWriteItems", ALL_BUT_THE_FIRST, ENDED);
    let edit = store.edit_movie(id, user, None, &words, |seen| {
        let fields = MovieFields {
            title: title.clone(),
            director: director.clone(),
            genres: genres.clone(),
            release_date: ReleaseDate::parse(text("release_date")).unwrap(),
            imdb_id: ImdbId::parse(text("imdb_id")).ok(),
            ..seen.view.movie.fields.clone()
        };
        Ok(Edit {
            fields: fields.check().unwrap(),
            user: seen.view.movie.user,
            favorite: Some(true),
        })
    });
    edit.await.unwrap_err();
    proxied.proxy.clear_faults();
}

/// Guarantees 32 and 71. The real program is killed between the two transactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_in_the_middle_of_an_edit_shows_nothing_old() {
    let data = tempfile::tempdir().unwrap();
    let proxy = FaultProxy::to(TestTable::in_memory()).await;
    let options = ["--dynamodb", &proxy.url];
    let mut server = RunningServer::start_with(data.path(), &options).await;
    let mut owner = server.register("ripley").await;
    prepare(&owner).await;
    let movie = owner.add(&largest("a")).await;
    let id = movie["id"].as_u64().unwrap();
    proxy.inject("TransactWriteItems", ALL_BUT_THE_FIRST, Fault::NoAnswer);
    let edit = {
        let (owner, path) = (owner.clone(), path(&movie));
        tokio::spawn(async move { send(&owner, Method::PATCH, &path, Some(changes())).await })
    };
    let store = proxy.store().await;
    while stored(&store, id).await.unfinished.is_none() {
        tokio::task::yield_now().await;
    }
    server.child.start_kill().unwrap();
    assert!(!server.wait_for_exit().await.0.success());
    assert_eq!(edit.await.unwrap(), None);
    proxy.clear_faults();
    assert_eq!(discrepancies(&store).await, unfinished(&movie));

    server = RunningServer::start_with(data.path(), &options).await;
    owner.base.clone_from(&server.base);
    is_found_as(&owner, id, "b", "a").await;
    let another = json!({"description": "Another."});
    owner.patch(&path(&movie)).json(&another).send().await.is(200);
    is_found_as(&owner, id, "b", "a").await;
    audit(&store).await;
}

async fn stored(store: &Store, id: u64) -> MovieItem {
    let key = keys::movie(MovieId::try_from(id).unwrap());
    from_item(store.get(&key).await.unwrap().unwrap()).unwrap()
}

/// Guarantees 30 and 71.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_in_two_transactions_is_made_once_whichever_answers_are_lost() {
    let (proxied, owner, movie) = with_largest().await;
    let id = movie["id"].as_u64().unwrap();
    let store = proxied.proxy.store().await;
    let faults = [
        Fault::AnswerLost,
        Fault::AnswerCut,
        Fault::CallLost,
        Fault::Canceled("TransactionConflict"),
        Fault::Refused(500, "InternalServerError"),
    ];
    let mut version = 1;
    for fault in faults {
        for which in [0..1, 1..2, 2..3, 0..3] {
            let [tag, other] = if version % 2 == 1 { ["b", "a"] } else { ["a", "b"] };
            proxied.proxy.inject("TransactWriteItems", which.clone(), fault);
            let answer = bounded(owner.patch(&path(&movie)).json(&largest(tag)).send()).await;
            proxied.proxy.clear_faults();
            version += 1;
            answer.is(200);
            assert_eq!(
                stored(&store, id).await.version,
                version,
                "{fault:?} of {which:?}"
            );
            let word = |tag: &str| format!("{tag}27");
            assert_eq!(found(&owner, &word(tag)).await, [id], "{fault:?} of {which:?}");
            assert_eq!(
                found(&owner, &word(other)).await,
                [0_u64; 0],
                "{fault:?} of {which:?}"
            );
            audit(&store).await;
        }
    }
}

/// Guarantees 33 and 71.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_whose_second_transaction_cannot_be_made_is_answered_as_made() {
    let (proxied, owner, movie) = with_largest().await;
    let id = movie["id"].as_u64().unwrap();
    let store = proxied.proxy.store().await;
    let refused = Fault::Refused(500, "InternalServerError");
    proxied
        .proxy
        .inject("TransactWriteItems", ALL_BUT_THE_FIRST, refused);
    let edited = bounded(owner.patch(&path(&movie)).json(&changes()).send()).await;
    proxied.proxy.clear_faults();
    assert_eq!(edited.is(200).body["title"], largest("b")["title"]);
    assert_eq!(discrepancies(&store).await, unfinished(&movie));

    // A later change that can't finish it isn't made.
    proxied.proxy.inject("TransactWriteItems", FOR_EVER, refused);
    let another = owner
        .patch(&path(&movie))
        .json(&json!({"description": "Another."}));
    bounded(another.send()).await.is(503);
    bounded(owner.delete(&path(&movie)).send()).await.is(503);
    proxied.proxy.clear_faults();
    assert_eq!(stored(&store, id).await.version, 2);
    assert_eq!(discrepancies(&store).await, unfinished(&movie));
    is_found_as(&owner, id, "b", "a").await;
    owner.delete(&path(&movie)).send().await.is(204);
    audit(&store).await;
}

/// Guarantees 42 and 71. With conflicts as in DynamoDB, and without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_in_two_transactions_amid_favorites_and_each_other_end_as_one_of_them() {
    for conflicts in [None, Some(Duration::from_millis(5))] {
        let proxied =
            ProxiedApp::with(|options| options.config.http.deadline = Duration::from_secs(60)).await;
        let owner = proxied.app.member().await;
        let fans = [proxied.app.member().await, proxied.app.member().await];
        let movie = owner.add(&largest("a")).await;
        let id = movie["id"].as_u64().unwrap();
        proxied.proxy.conflict(conflicts);
        let tags = ["b", "c", "d", "a"];
        let edits = (0..12).map(|n| {
            let call = owner.patch(&path(&movie)).json(&largest(tags[n % tags.len()]));
            async move { assert_eq!(call.send().await.status, StatusCode::OK) }
        });
        let toggles = fans.iter().cycle().take(8).map(|fan| {
            let call = fan.post(&format!("{}favorite/", path(&movie)));
            async move { assert_eq!(call.send().await.status, StatusCode::OK) }
        });
        tokio::join!(run_all(edits), run_all(toggles));
        let store = proxied.proxy.store().await;
        let is = stored(&store, id).await;
        assert_eq!((is.version, is.favorite_count()), (13, 0));
        for tag in tags {
            let title = largest(tag)["title"].as_str().unwrap().to_owned();
            let is_last = is.fields.title.as_str() == title;
            for q in [title, format!("{tag}27"), format!("{tag}12")] {
                assert_eq!(found(&owner, &q).await.len(), usize::from(is_last), "{q}");
            }
        }
        audit(&store).await;

        // The movie is deleted in the middle of others.
        let edits = tags.iter().map(|tag| {
            let call = owner.patch(&path(&movie)).json(&largest(tag));
            async move {
                let status = call.send().await.status.as_u16();
                assert!(matches!(status, 200 | 404), "{status}");
            }
        });
        let deletion = async {
            owner.delete(&path(&movie)).send().await.is(204);
        };
        tokio::join!(run_all(edits), deletion);
        proxied.proxy.conflict(None);
        audit(&store).await;
        assert_eq!(owner.count("/api/movies/").await, 0);
    }
}
