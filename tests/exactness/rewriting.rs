//! Tables of the second layout, whose postings are rewritten: completely, wherever that is interrupted, and whoever writes
//! meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use marquee::upgrade::{self, LayoutError, Older};
use marquee_shared::{
    db::{
        Key, Store,
        edit_movie::{Edit, EditView},
        expression::{Condition, Update},
        index,
        item::{Item, number, text},
        keys,
        layout::{Changed, LAYOUT, Layout},
        leaving::AccountDeletion,
        posting_keys,
        range::Direction,
        vocabulary::vocabulary_words,
    },
    domain::{MovieFields, MovieId, UserId},
};

use crate::support::{
    self,
    audit::{audit, scan},
    layouts::make_second_version,
    proxy::{Fault, FaultProxy, ProxiedApp},
};

/// Movies of every kind whose postings have changed: title, director, genres.
const MOVIES: [(&str, &str, &str); 12] = [
    ("Blade Runner", "Ridley Scott", "Sci-Fi, Film Noir"),
    ("Spider-Man II", "Sam Raimi", "Action & Adventure"),
    ("The Mummy", "Stephen Sommers", "Action Adventure"),
    ("Thelma & Louise", "Ridley Scott", "Drama, R&B"),
    ("기생충", "봉준호", "Thriller"),
    ("千と千尋の神隠し", "宮崎駿", "Animation & Fantasy, Drama"),
    ("Truth or Dare: Madonna", "Madonna", "Music, C++, C#"),
    ("1917", "Sam Mendes", "War"),
    ("M*A*S*H", "Robert Altman, J. J. Abrams", "War, Comedy"),
    ("…", "Jean-Pierre Jeunet", "Action & Adventure, Drama"),
    (
        "Night of the Day of the Dawn of the Son of the Bride of the Return of the Revenge of the Terror of the Attack of \
         the Evil Mutant Alien Zombified Flesh Eating Living Dead",
        "Lowell Mason, James Riffel",
        "Horror, Comedy",
    ),
    ("Both", "Nobody", "Action & Adventure"),
];

/// The last of them has two genres that were different then.
const BOTH: &str = "Action & Adventure, Action and Adventure";

fn fields((title, director, genre): (&str, &str, &str), day: usize) -> MovieFields {
    let movie = support::movie(title, director, genre, &format!("1999-03-{:02}", day + 1));
    serde_json::from_value(movie).unwrap()
}

/// The items of a table that follow from its movies, with sets in order.
async fn derived(store: &Store) -> BTreeMap<Key, Item> {
    let items = scan(store).await.into_iter().map(|mut item| {
        for value in item.values_mut() {
            if let AttributeValue::Ss(texts) = value {
                texts.sort_unstable();
            }
        }
        (Key::of(&item).unwrap(), item)
    });
    items.collect()
}

/// Asserts that a table has these items.
async fn assert_has(store: &Store, expected: &BTreeMap<Key, Item>) {
    let found = derived(store).await;
    let differs = |key: &&Key| found.get(*key) != expected.get(*key);
    let keys: BTreeSet<&Key> = found.keys().chain(expected.keys()).filter(differs).collect();
    let sentences = keys.iter().map(|key| {
        let (found, expected) = (found.get(*key), expected.get(*key));
        format!("{key:?} is {found:?} instead of {expected:?}\n")
    });
    assert!(keys.is_empty(), "{}", sentences.collect::<String>());
}

/// A table of the second version, its user, and the items that an upgrade must leave.
async fn second_version() -> (FaultProxy, UserId, BTreeMap<Key, Item>) {
    let ProxiedApp { app, proxy } = ProxiedApp::new().await;
    let user = UserId::try_from(app.member().await.id).unwrap();
    app.close().await;
    let store = proxy.store().await;
    for (day, movie) in MOVIES.into_iter().enumerate() {
        store.create_movie(&fields(movie, day), user, None).await.unwrap();
    }
    let both = Update::new("SET #genre = :genre").value(":genre", text(BOTH));
    let key = keys::movie(id(MOVIES.len() as u64));
    let set = store.update(&key, &both, ReturnValue::None).await.unwrap();
    assert!(set.is_ok());
    audit(&store).await;
    let mut present = derived(&store).await;
    // Of the two genres of then that are one now, this one has its identity.
    let one = present.get_mut(&keys::genre("action-and-adventure")).unwrap();
    one.insert("name".into(), text("Action and Adventure"));
    make_second_version(&store).await;
    (proxy, user, present)
}

fn id(id: u64) -> MovieId {
    MovieId::try_from(id).unwrap()
}

/// Asserts that each genre counts its memberships, and that each movie has one in each of its genres, of then or of now.
async fn genres_agree(store: &Store) {
    for genre in store.all_genres().await.unwrap() {
        let members = index::members(&genre.identity);
        let members = store.query(&members, Direction::Ascending, 100).await.unwrap();
        assert_eq!(members.items.len() as u64, genre.n, "{}", genre.identity);
    }
}

/// Guarantee 72.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgraded_table_is_what_this_version_would_have_written() {
    let (proxy, _, present) = second_version().await;
    let store = proxy.store().await;
    let older = derived(&store).await;
    let added = present.keys().filter(|key| !older.contains_key(*key)).count();
    let removed = older.keys().filter(|key| !present.contains_key(*key)).count();
    assert!(added > 100 && removed > 15, "{added} {removed}");
    genres_agree(&store).await;
    // An import that was interrupted left them.
    let orphan = posting_keys::title_word_posting("orphan", id(99));
    let mut membership = posting_keys::genre_membership("drama", id(99)).attributes();
    membership.extend([
        ("dated".to_owned(), text("GENRE#drama")),
        ("date".to_owned(), text("1999-03-01#0000000000000099")),
    ]);
    for mut left in [orphan.attributes(), membership] {
        left.insert("text".into(), text("an orphan|x|drama"));
        assert!(store.put(left, Condition::none()).await.unwrap().is_ok());
    }

    let changed = upgrade::check(&store, Older::Upgrade).await.unwrap();
    let rewritten = MOVIES.len() as u64;
    let expected = Changed {
        moved: 0,
        rewritten,
        owned: rewritten,
    };
    assert_eq!(changed, expected);
    audit(&store).await;
    assert_has(&store, &present).await;
    assert_eq!(
        upgrade::check(&store, Older::Upgrade).await.unwrap(),
        Changed::default()
    );
}

/// Guarantee 72. As by `kill -9`: a call fails, and nothing is called any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewriting_that_is_cut_off_anywhere_is_completed_by_the_next_start() {
    let (proxy, _, present) = second_version().await;
    let store = proxy.store().await;
    let refused = || Fault::Refused(400, "ValidationException");
    let mut cuts = 0;
    for (operation, step) in [("Scan", 1), ("BatchGetItem", 3), ("TransactWriteItems", 1)] {
        make_second_version(&store).await;
        for calls in (0..).step_by(step) {
            // From a new process, which knows no words.
            let cut = proxy.proxied_store();
            proxy.inject(operation, calls..usize::MAX, refused());
            let result = upgrade::check(&cut, Older::Upgrade).await;
            proxy.clear_faults();
            genres_agree(&store).await;
            match result {
                Err(LayoutError::Use(_)) => {
                    assert_eq!(store.layout().await.unwrap(), Layout::Version(2));
                    cuts += 1;
                }
                result => {
                    result.unwrap();
                    break;
                }
            }
        }
        assert_eq!(store.layout().await.unwrap(), Layout::Version(LAYOUT));
        audit(&store).await;
        assert_has(&store, &present).await;
    }
    assert!(cuts > 10, "{cuts}");
}

/// Guarantee 72.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewriting_whose_answers_are_lost_does_nothing_twice() {
    let (proxy, _, present) = second_version().await;
    proxy.inject("TransactWriteItems", 0..3, Fault::AnswerLost);
    proxy.inject("UpdateItem", 0..1, Fault::AnswerLost);
    let store = proxy.proxied_store();
    upgrade::check(&store, Older::Upgrade).await.unwrap();
    audit(&store).await;
    assert_has(&store, &present).await;
}

/// Guarantee 72. Of the fourth version are the postings of numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_makes_numbers_searchable_as_people_write_them() {
    // A title that had the words of then as it has them now, and the title.
    const NUMBERS: [(&str, &str); 6] = [
        ("20 000 Leagues Under the Sea", "20,000 Leagues Under the Sea"),
        ("3 10 to Yuma", "3:10 to Yuma"),
        ("4 3 2 1", "4.3.2.1"),
        ("81 2", "8½"),
        ("331 3 the final insult", "33⅓: The Final Insult"),
        ("Cube2", "Cube²"),
    ];
    let ProxiedApp { app, proxy } = ProxiedApp::new().await;
    let user = UserId::try_from(app.member().await.id).unwrap();
    app.close().await;
    let store = proxy.store().await;
    for (day, (of_then, _)) in NUMBERS.into_iter().chain([("Plain", "Plain")]).enumerate() {
        let movie = fields((of_then, "Ada Various", "Drama"), day);
        store.create_movie(&movie, user, None).await.unwrap();
    }
    for (n, (_, title)) in (1..).zip(NUMBERS) {
        let real = Update::new("SET #title = :title").value(":title", text(title));
        let set = store.update(&keys::movie(id(n)), &real, ReturnValue::None).await;
        assert!(set.unwrap().is_ok());
    }
    let mut layout = keys::layout().attributes();
    layout.insert("version".into(), number(4));
    assert!(store.put(layout, Condition::none()).await.unwrap().is_ok());

    let changed = upgrade::check(&store, Older::Upgrade).await.unwrap();
    assert_eq!(changed.rewritten, NUMBERS.len() as u64);
    audit(&store).await;
    let stored = scan(&store).await;
    let stored: BTreeSet<Key> = stored.iter().filter_map(Key::of).collect();
    for (n, (_, title)) in (1..).zip(NUMBERS) {
        let movie = fields((title, "Ada Various", "Drama"), 0);
        let words = index::postings(&movie, id(n)).into_keys();
        let words: Vec<Key> = words.filter(|key| key.pk.starts_with("WORD")).collect();
        assert!(words.len() > 1, "{title}");
        assert!(words.iter().all(|key| stored.contains(key)), "{title}: {words:?}");
    }
    assert_eq!(
        upgrade::check(&store, Older::Upgrade).await.unwrap(),
        Changed::default()
    );
}

/// Guarantee 72. Functions of this version serve requests while the command runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn movies_that_are_changed_while_they_are_rewritten_keep_their_changes() {
    let (proxy, user, _) = second_version().await;
    let store = proxy.store().await;
    for n in 0..60 {
        let movie = fields(("Number Eleven", "Various", "Drama, Mystery"), n % 28);
        store.create_movie(&movie, user, None).await.unwrap();
    }
    make_second_version(&store).await;
    let all = MOVIES.len() as u64;
    let writing = async {
        for n in 1..=60 {
            let movie = id(all + n);
            match n % 3 {
                0 => store.delete_movie(movie, user, |_| Ok(())).await.unwrap(),
                1 => {
                    let new = fields(("Number Twelve", "Others", "Mystery, War"), 3);
                    let words = vocabulary_words(&new);
                    let decide = |seen: &EditView| {
                        assert_eq!(seen.view.movie.version, 1);
                        Ok(Edit {
                            fields: new.clone(),
                            user: None,
                            favorite: None,
                        })
                    };
                    let edited = store.edit_movie(movie, user, None, &words, decide).await;
                    assert_eq!(edited.unwrap().movie.fields, new);
                }
                _ => {
                    let new = fields(("Number Thirteen", "New", "Drama"), 4);
                    store.create_movie(&new, user, None).await.unwrap();
                }
            }
        }
    };
    let other = proxy.store().await;
    let (upgraded, ()) = tokio::join!(upgrade::check(&other, Older::Upgrade), writing);
    upgraded.unwrap();
    audit(&store).await;
}

/// Guarantee 72. Between a deployment and the command, functions of this version change movies of genres that have another
/// identity by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_before_an_upgrade_leave_no_genre_wrong() {
    let (proxy, user, _) = second_version().await;
    let store = proxy.store().await;
    for title in ["One", "Two"] {
        let movie = fields((title, "Somebody", "Action & Adventure"), 1);
        store.create_movie(&movie, user, None).await.unwrap();
    }
    // It is counted by the genre of then, and taken out of the one of now.
    store.delete_movie(id(2), user, |_| Ok(())).await.unwrap();
    let (title, director, genre) = ("Renamed", MOVIES[9].1, MOVIES[9].2);
    let renamed = fields((title, director, genre), 9);
    let decide = |_: &EditView| {
        Ok(Edit {
            fields: renamed.clone(),
            user: None,
            favorite: None,
        })
    };
    let words = vocabulary_words(&renamed);
    store
        .edit_movie(id(10), user, None, &words, decide)
        .await
        .unwrap();
    upgrade::run(&store, None).await.unwrap();
    audit(&store).await;
    let genre = store.genre("action-and-adventure").await.unwrap().unwrap();
    assert_eq!((genre.n, genre.name.as_str()), (4, "Action and Adventure"));
}

/// Guarantee 72. Two processes upgrade one table at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_upgrades_at_once_leave_the_table_right() {
    let (proxy, _, present) = second_version().await;
    let (one, other) = (proxy.store().await, proxy.store().await);
    let (first, second) = tokio::join!(
        upgrade::check(&one, Older::Upgrade),
        upgrade::check(&other, Older::Upgrade)
    );
    first.unwrap();
    second.unwrap();
    audit(&one).await;
    assert_has(&one, &present).await;
}

/// Guarantee 72. Functions of the earlier version may still write, so a command on AWS doesn't upgrade unasked.
#[tokio::test]
async fn a_command_on_aws_refuses_a_table_whose_postings_are_old() {
    let (proxy, _, _) = second_version().await;
    let store = proxy.store().await;
    let refused = upgrade::check(&store, Older::Refuse).await;
    assert!(matches!(refused, Err(LayoutError::Older)), "{refused:?}");
    assert_eq!(store.layout().await.unwrap(), Layout::Version(2));
    let report = upgrade::run(&store, None).await.unwrap();
    let expected = format!(
        "the table has layout {LAYOUT}; moved 0 movies to another shard; rewrote the postings of {0} movies; listed {0} movies \
         of their owners",
        MOVIES.len()
    );
    assert_eq!(report.to_string(), expected);
    audit(&store).await;
}

/// Guarantee 76. Between a deployment and the command, an account is deleted. Nothing finds its movies by their owner then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn movies_of_an_account_that_was_deleted_before_an_upgrade_lose_their_owner() {
    let (proxy, user, _) = second_version().await;
    let store = proxy.store().await;
    let deleted = store.delete_user(user, None).await.unwrap();
    assert_eq!(deleted, AccountDeletion::Made);
    let owned = async || {
        let items = scan(&store).await;
        items
            .iter()
            .filter(|item| item.contains_key("version") && item.contains_key("user"))
            .count()
    };
    assert_eq!(owned().await, MOVIES.len());
    upgrade::run(&store, None).await.unwrap();
    assert_eq!(owned().await, 0);
    audit(&store).await;
}
