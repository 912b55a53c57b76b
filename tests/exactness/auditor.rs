//! The auditor, with which other tests end, reports every kind of inconsistency.

use aws_sdk_dynamodb::types::AttributeValue;
use marquee_shared::{
    db::{
        Key, Store,
        counter::Counter,
        expression::Condition,
        item::{Item, number, text},
        keys,
        likes::LikesShards,
    },
    domain::{IdempotencyKey, ImdbId, MovieId, SessionId, UserId},
};
use serde_json::json;

use crate::support::{
    TestApp,
    audit::{audit, discrepancies},
    movie,
};

/// Replaces the item with this key, or deletes it if `item` is `None`.
pub(super) async fn replace(store: &Store, key: &Key, item: Option<Item>) {
    match item {
        Some(mut item) => {
            item.extend(key.attributes());
            assert!(store.put(item, Condition::none()).await.unwrap().is_ok());
        }
        None => store.delete(key).await.unwrap(),
    }
}

/// A change that makes one item inconsistent.
pub(super) type Mutation = Box<dyn Fn(Option<Item>) -> Option<Item>>;

pub(super) fn set(name: &'static str, value: AttributeValue) -> Mutation {
    Box::new(move |item| {
        let mut item = item.unwrap();
        item.insert(name.into(), value.clone())
            .expect("the attribute exists");
        Some(item)
    })
}

/// Adds an attribute that the item lacks.
pub(super) fn with(name: &'static str, value: AttributeValue) -> Mutation {
    Box::new(move |item| {
        let mut item = item.unwrap();
        assert_eq!(item.insert(name.into(), value.clone()), None);
        Some(item)
    })
}

pub(super) fn without(name: &'static str) -> Mutation {
    Box::new(move |item| {
        let mut item = item.unwrap();
        item.remove(name).expect("the attribute exists");
        Some(item)
    })
}

pub(super) fn plus(name: &'static str, value: AttributeValue) -> Mutation {
    Box::new(move |item| {
        let mut item = item.unwrap();
        assert_eq!(item.insert(name.into(), value.clone()), None);
        Some(item)
    })
}

/// The rests of words, as they are stored.
pub(super) fn words(rests: &[&str]) -> AttributeValue {
    AttributeValue::Ss(rests.iter().map(|rest| (*rest).to_owned()).collect())
}

/// As many different rests of three letters.
fn many_words(count: u32) -> AttributeValue {
    let letter = |n: u32| char::from_u32('a' as u32 + n % 26).unwrap();
    let rests = (0..count).map(|n| [letter(n / 676), letter(n / 26), letter(n)].iter().collect());
    AttributeValue::Ss(rests.collect())
}

/// The entries of a genre's newest movies, as they are stored.
pub(super) fn entries(entries: &[&str]) -> AttributeValue {
    let entries = entries.iter();
    AttributeValue::M(
        entries
            .map(|entry| ((*entry).to_owned(), AttributeValue::Bool(true)))
            .collect(),
    )
}

pub(super) fn removed() -> Mutation {
    Box::new(|item| {
        item.expect("the item exists");
        None
    })
}

pub(super) fn inserted(item: &[(&'static str, AttributeValue)]) -> Mutation {
    let new: Item = item
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    Box::new(move |item| {
        assert_eq!(item, None, "the item must not exist");
        Some(new.clone())
    })
}

/// Guarantee 32: the audit finds every kind of orphan and inconsistency. A raw write makes each of them, and another
/// undoes it.
#[tokio::test]
async fn the_auditor_reports_every_inconsistency_and_nothing_else() {
    let app = TestApp::new().await;
    let (ripley, dallas) = (app.register("ripley").await, app.register("dallas").await);
    let mut alien = movie("Alien Nation", "Ridley Scott", "Sci-Fi, Horror", "1979-05-25");
    alien["imdb_id"] = json!("tt0078748");
    let alien = ripley.add(&alien).await["id"].as_u64().unwrap();
    ripley
        .add(&movie("Heat", "Michael Mann", "Crime", "1995-12-15"))
        .await;
    let toggle = dallas.post(&format!("/api/movies/{alien}/favorite/"));
    let toggle = toggle.header("idempotency-key", "key").send().await;
    assert_eq!(toggle.is(200).body["favorite_count"], json!(1));
    let store = &app.running.state.store;
    audit(store).await;

    let id = MovieId::try_from(alien).unwrap();
    let imdb_id = ImdbId::parse("tt0078748").unwrap();
    let user = UserId::try_from(dallas.id).unwrap();
    let owner = UserId::try_from(ripley.id).unwrap();
    let kept = keys::kept_answer(user, &IdempotencyKey::parse(b"key").unwrap());
    let nobody = UserId::try_from(99).unwrap();
    let nothing = MovieId::try_from(99).unwrap();
    let item = |pk: &str, sk: &str| Key::new(pk, format!("{sk}#{}", keys::id_text(alien)));
    let before =
        ["title", "director", "genre", "release_date"].map(|name| (name.to_owned(), text("1999-01-01")));
    let before = AttributeValue::M(before.into());
    let year = |year: &str| Key::new(format!("YEAR#{year}"), keys::id_text(alien));
    let near = |piece: &str, place: usize| keys::near(6, place, piece);
    let breaks: Vec<(&str, Key, Mutation)> = vec![
        ("META MOVIES", Counter::Movies.key(), set("n", number(3))),
        ("META USERS", Counter::Users.key(), set("n", number(1))),
        ("META GENRES", Counter::Genres.key(), set("n", number(0))),
        ("META MOVIE_IDS", Counter::MovieIds.key(), removed()),
        ("META USER_IDS", Counter::UserIds.key(), set("n", number(1))),
        (
            "has 1 favorites and likes",
            keys::movie(id),
            set("likes", number(alien)),
        ),
        (
            "is in the shard LIKES#2",
            keys::movie(id),
            set("liked", text("LIKES#2")),
        ),
        (
            "is in the shard LIKES#x",
            keys::movie(id),
            set("liked", text("LIKES#x")),
        ),
        ("is in no shard", keys::movie(id), without("liked")),
        ("layout is 99", keys::layout(), set("version", number(99))),
        (
            "has the date keys",
            keys::movie(id),
            set("date", text("1979-05-26#0000000000000001")),
        ),
        ("has the date keys", keys::movie(id), set("dated", text("OTHERS"))),
        (
            "has the date keys",
            keys::movie(id),
            set("release_date", text("1980-05-25")),
        ),
        ("is not finished", keys::movie(id), with("unfinished", before)),
        ("the owner of movie", keys::movie(id), set("user", number(99))),
        ("missing", keys::movie(id), set("title", text("Aliens"))),
        ("orphan", keys::movie(id), removed()),
        (
            "more than 296",
            item("WORD#ali", "0#alien-nation"),
            set("text", text("x".repeat(296))),
        ),
        ("missing", item("WORD#ali", "0#alien-nation"), removed()),
        ("missing", item("WORD#nat", "1#nation"), removed()),
        ("missing", item("WORD#rid", "2#ridley-scott"), removed()),
        ("missing", item("WORD#sco", "2#scott+"), removed()),
        (
            "instead of",
            item("WORD#rid", "2#ridley-scott"),
            set("date", text("1979-05-26")),
        ),
        ("missing", year("1979"), removed()),
        ("orphan", year("1980"), inserted(&[("text", text("||x|1980"))])),
        ("more than 204", year("1979"), set("text", text("x".repeat(204)))),
        ("missing", item("GENRE#sci", "sci-fi"), removed()),
        ("missing", item("GENRE#fi", "fi+"), removed()),
        (
            "instead of",
            item("WORD#nat", "1#nation"),
            set("text", text("other|words|x")),
        ),
        (
            "instead of",
            item("GENRE#sci", "sci-fi"),
            set("date", text("1979-05-26#1")),
        ),
        (
            "instead of",
            item("GENRE#sci", "sci-fi"),
            set("date", text("1979-05-25#0000000000000001#war")),
        ),
        (
            "instead of",
            item("GENRE#sci", "sci-fi"),
            set("dated", text("GENRE#horror")),
        ),
        (
            "orphan",
            item("WORD#ghi", "1#ghibli"),
            inserted(&[("text", text("ghibli||"))]),
        ),
        (
            "orphan",
            item("GENRE#war", "war"),
            inserted(&[("text", text("||war"))]),
        ),
        (
            "counts 2 movies and has 1",
            keys::genre("sci-fi"),
            set("n", number(2)),
        ),
        ("has 1 movies and no item", keys::genre("sci-fi"), removed()),
        ("lists no newest movies", keys::genre("sci-fi"), without("newest")),
        ("lists no newest movies", keys::genre("sci-fi"), without("floor")),
        (
            "doesn't list 197905250000000001",
            keys::genre("sci-fi"),
            set("newest", entries(&[])),
        ),
        (
            "lists 197905260000000001",
            keys::genre("sci-fi"),
            set("newest", entries(&["197905250000000001", "197905260000000001"])),
        ),
        (
            "has 1025 bytes",
            keys::genre("sci-fi"),
            set("floor", text("0".repeat(948))),
        ),
        ("not a valid genre", keys::genre("sci-fi"), set("n", text("x"))),
        ("has the name", keys::genre("sci-fi"), set("name", text("Drama"))),
        (
            "has the identity",
            keys::genre("sci-fi"),
            set("identity", text("drama")),
        ),
        ("whose item is missing", keys::imdb_id(&imdb_id), removed()),
        (
            "whose item is missing",
            keys::imdb_id(&imdb_id),
            set("movie", number(2)),
        ),
        (
            "has the imdb_id tt1",
            keys::movie(id),
            set("imdb_id", text("tt1")),
        ),
        ("orphan", keys::movie(id), set("imdb_id", text("tt0090605"))),
        (
            "orphan",
            Key::new("IMDB#tt0090605", "IMDB"),
            inserted(&[("movie", number(alien))]),
        ),
        (
            "is not a valid imdb_id",
            keys::imdb_id(&imdb_id),
            set("movie", text("x")),
        ),
        ("has 0 favorites", keys::favorite(id, user), removed()),
        (
            "'s favorite on movie",
            keys::favorite(id, user),
            set("date", text("2026-01-01T00:00:00.000Z#1")),
        ),
        (
            "'s favorite on movie",
            keys::favorite(id, user),
            set("dated", text("USER_FAVORITES#9")),
        ),
        ("orphan", keys::favorite(nothing, user), inserted(&[])),
        (
            "has a favorite of user",
            keys::favorite(id, nobody),
            inserted(&[]),
        ),
        ("by the sweep", keys::sweep(id), inserted(&[])),
        ("has no right login", keys::login("ripley"), removed()),
        ("has no right login", keys::login("ripley@example.com"), removed()),
        (
            "has no right login",
            keys::login("ripley"),
            set("user", number(dallas.id)),
        ),
        (
            "two passwords",
            keys::login("ripley"),
            set("password_hash", text("x")),
        ),
        ("the login", keys::user(user), removed()),
        (
            "has no right login",
            keys::user(user),
            set("username", text("RIPLEY")),
        ),
        (
            "has no right login",
            keys::user(user),
            set("email", text("Ripley@example.com")),
        ),
        (
            "the user of the session",
            keys::session(nobody, SessionId::new([1; 16])),
            inserted(&[("user", number(nobody))]),
        ),
        (
            "under another user's key",
            keys::session(nobody, SessionId::new([1; 16])),
            inserted(&[("user", number(user))]),
        ),
        (
            "under another user's key",
            Key::new(keys::sessions(user), "x"),
            inserted(&[("user", number(user))]),
        ),
        (
            "of a reset token does not exist",
            keys::reset(nobody),
            inserted(&[
                ("hash", text("x")),
                ("email", text("x")),
                ("expires", number(1)),
                ("ttl", number(1)),
            ]),
        ),
        (
            "is not among those of its owner",
            keys::owned_movie(owner, id),
            removed(),
        ),
        (
            "is among those of user",
            keys::owned_movie(nobody, id),
            inserted(&[]),
        ),
        (
            "is looked after as deleted",
            keys::leaving(user),
            inserted(&[("left", number(1))]),
        ),
        (
            "a login of another password version",
            keys::user(user),
            plus("password_version", number(1)),
        ),
        ("the word nation isn't in", near("nat", 0), removed()),
        ("the word nation isn't in", near("ion", 1), removed()),
        // A word of no movie, of which the first entry is there.
        (
            "the word xenoms isn't in",
            near("xen", 0),
            inserted(&[("w", words(&["oms"]))]),
        ),
        (
            "has oms1, which is no entry",
            near("xen", 0),
            inserted(&[("w", words(&["oms1"]))]),
        ),
        (
            "has 1 words and 2 attributes",
            near("nat", 0),
            plus("n", number(1)),
        ),
        (
            "has 0 words and 1 attributes",
            near("xen", 0),
            inserted(&[("n", number(1))]),
        ),
        (
            "has 976 words",
            near("xen", 0),
            inserted(&[("w", many_words(976))]),
        ),
        (
            "has 4821 bytes",
            near("xen", 0),
            inserted(&[("w", many_words(1_200))]),
        ),
        ("is not a valid kept answer", kept.clone(), without("expires")),
        (
            "is deleted too soon or too late",
            kept.clone(),
            set("ttl", number(1)),
        ),
        ("is to the request x", kept.clone(), set("request", text("x"))),
        (
            "is of two operations",
            kept.clone(),
            with("created_at", text("2026-01-01T00:00:00.000Z")),
        ),
        (
            "is not a kept answer's key",
            Key::new("IDEMPOTENCY#1#x", "IDEMPOTENCY"),
            inserted(&[]),
        ),
        ("of no known class", Key::new("ELSE", "x"), inserted(&[])),
        ("not a valid movie", Key::new("MOVIES#0", "x"), inserted(&[])),
    ];
    for (what, key, change) in breaks {
        let item = store.get(&key).await.unwrap().map(Item::from);
        replace(store, &key, change(item.clone())).await;
        let found = discrepancies(store).await;
        assert!(
            found.iter().any(|text| text.contains(what)),
            "{what} at {key:?}: {found:?}"
        );
        replace(store, &key, item).await;
    }
    audit(store).await;

    // A movie may be in any shard that is read.
    let there = store.get(&keys::movie(id)).await.unwrap().map(Item::from);
    let other = set("liked", text("LIKES#0"));
    assert_ne!(there.as_ref().unwrap()["liked"], text("LIKES#0"));
    replace(store, &keys::movie(id), other(there.clone())).await;
    audit(store).await;
    let last = set("liked", text("LIKES#3"));
    replace(store, &keys::movie(id), last(there.clone())).await;
    let wider = store.clone().with_likes_shards(LikesShards::new(2, 4).unwrap());
    audit(&wider).await;
    assert_eq!(discrepancies(store).await.len(), 1);
    replace(store, &keys::movie(id), there).await;

    // The favorites of a movie whose deletion was interrupted wait for the sweep.
    replace(store, &keys::sweep(nothing), Some(Item::new())).await;
    let favorite = store.get(&keys::favorite(id, user)).await.unwrap().unwrap();
    let moved = |name: &str, value: AttributeValue| (name.to_owned(), value);
    let mut left = Item::from(favorite.clone());
    left.extend([
        moved("movie", number(99)),
        moved("date", text("2026-01-01T00:00:00.000Z#0000000000000099")),
    ]);
    replace(store, &keys::favorite(nothing, user), Some(left)).await;
    audit(store).await;
    assert_eq!(store.sweep_favorites().await.unwrap(), 1);
    assert_eq!(store.get(&keys::favorite(nothing, user)).await.unwrap(), None);
    audit(store).await;
}

/// Guarantee 32. The embedded engine accepts keys that are too long for DynamoDB, so the audit checks their lengths.
#[tokio::test]
async fn the_auditor_reports_a_key_that_dynamodb_would_refuse() {
    let app = TestApp::new().await;
    let ripley = app.register("ripley").await;
    let alien = movie("Alien", "Ridley Scott", "Horror", "1979-05-25");
    let alien = ripley.add(&alien).await["id"].as_u64().unwrap();
    let favorite = ripley.put(&format!("/api/movies/{alien}/favorite/")).send().await;
    favorite.is(200);
    let store = &app.running.state.store;
    audit(store).await;
    let key = keys::favorite(
        MovieId::try_from(alien).unwrap(),
        UserId::try_from(ripley.id).unwrap(),
    );
    let item = store.get(&key).await.unwrap().map(Item::from);
    let longer = set("date", text("x".repeat(1025)));
    replace(store, &key, longer(item)).await;
    let found = discrepancies(store).await;
    assert!(
        found
            .iter()
            .any(|text| text.contains("a key of 1025 bytes: date")),
        "{found:?}"
    );
}
