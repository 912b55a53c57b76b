//! Guarantee 74: requests with an `Idempotency-Key`. Races and faults are in `tests/exactness/idempotency.rs`.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::api::{MEDIA_TYPES, body_of, with_changes, without_request_id};
use crate::support::{Answer, Call, Caller, TestApp, audit::audit, movie};

const MOVIES: &str = "/api/movies/";
const FAVORITE: &str = "/api/movies/1/favorite/";

fn ran() -> Value {
    movie("Ran", "Akira Kurosawa", "Drama, War", "1985-06-01")
}

fn keyed(call: Call, key: &str) -> Call {
    call.header("idempotency-key", key)
}

async fn create(caller: &Caller, key: &str, changes: Value) -> Answer {
    let call = caller.post(MOVIES).json(&with_changes(&ran(), &changes));
    keyed(call, key).send().await
}

async fn toggle(caller: &Caller, key: &str) -> Answer {
    keyed(caller.post(FAVORITE), key).send().await
}

/// Asserts that an answer isn't a replay, and returns it.
fn first(answer: Answer) -> Answer {
    assert!(!answer.headers.contains_key("idempotency-replayed"), "{answer:?}");
    answer
}

/// Asserts that `answer` is a replay of `first`.
fn assert_replays(answer: &Answer, first: &Answer) {
    assert_eq!(answer.header("idempotency-replayed"), "true", "{answer:?}");
    assert_eq!(answer.status, first.status, "{}", answer.text);
    assert_eq!(answer.text, first.text);
    for header in ["location", "etag", "content-type"] {
        assert_eq!(answer.header(header), first.header(header), "{header}");
    }
}

#[tokio::test]
async fn an_addition_with_a_key_is_made_once_and_answered_alike_whatever_becomes_of_the_movie() {
    let app = TestApp::new().await;
    let (one, two) = (app.member().await, app.member().await);
    let all = json!({
        "favorite": true, "imdb_id": "tt0089881", "cover_image": "https://example.org/ran.jpg", "user": one.id,
    });
    let added = first(create(&one, "a", all.clone()).await).is(201);
    assert_eq!(added.header("location"), "/api/movies/1/");
    assert_eq!(added.body["favorite_count"], 1);
    assert_replays(&create(&one, "a", all.clone()).await, &added);
    let body = with_changes(&ran(), &all);
    for media in MEDIA_TYPES {
        let (kind, body) = body_of(media, &body);
        let again = keyed(one.post(MOVIES).body(&kind, body), "a").send().await;
        assert_replays(&again, &added);
    }
    two.put(FAVORITE).send().await.is(200);
    one.patch("/api/movies/1/")
        .json(&json!({"title": "Chaos", "genre": "Epic", "imdb_id": null, "favorite": false}))
        .send()
        .await
        .is(200);
    assert_replays(&create(&one, "a", all.clone()).await, &added);
    one.delete("/api/movies/1/").send().await.is(204);
    assert_replays(&create(&one, "a", all.clone()).await, &added);
    assert_eq!(one.count(MOVIES).await, 0);
    // Without the key, or with another one, it is another request.
    create(&one, "b", all.clone()).await.is(201);
    one.post(MOVIES).json(&ran()).send().await.is(201);
    one.post(MOVIES).json(&ran()).send().await.is(201);
    assert_eq!(one.count(MOVIES).await, 3);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_toggle_with_a_key_is_made_once_and_answered_alike_whatever_others_do() {
    let app = TestApp::new().await;
    let (one, two) = (app.member().await, app.member().await);
    one.add(&ran()).await;
    let on = first(toggle(&one, "a").await).is(200);
    assert_eq!(
        (&on.body["favorite"], &on.body["favorite_count"]),
        (&json!(true), &json!(1))
    );
    assert_replays(&toggle(&one, "a").await, &on);
    // A key is its user's own.
    let other = first(toggle(&two, "a").await).is(200);
    assert_eq!(other.body["favorite_count"], 2);
    assert_replays(&toggle(&one, "a").await, &on);
    let off = first(toggle(&one, "b").await).is(200);
    assert_eq!(
        (&off.body["favorite"], &off.body["favorite_count"]),
        (&json!(false), &json!(1))
    );
    assert_replays(&toggle(&one, "a").await, &on);
    assert_replays(&toggle(&one, "b").await, &off);
    let seen = one.get("/api/movies/1/").send().await.is(200);
    assert_eq!(
        (&seen.body["favorite"], &seen.body["favorite_count"]),
        (&json!(false), &json!(1))
    );
    one.delete("/api/movies/1/").send().await.is(204);
    assert_replays(&toggle(&one, "b").await, &off);
    first(toggle(&one, "c").await).is_problem(404, "not_found");
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn another_request_with_a_key_is_422_and_changes_nothing() {
    let app = TestApp::new().await;
    let (member, admin) = (app.member().await, app.admin().await);
    create(&member, "a", json!({})).await.is(201);
    create(&admin, "a", json!({})).await.is(201);
    toggle(&member, "b").await.is(200);
    let before = member.get(MOVIES).send().await.is(200).text;
    for changes in [
        json!({"title": "ran"}),
        json!({"description": "Another."}),
        json!({"favorite": true}),
        json!({"imdb_id": "tt0089881"}),
    ] {
        create(&member, "a", changes)
            .await
            .is_problem(422, "idempotency_key_reused");
    }
    create(&admin, "a", json!({"user": member.id}))
        .await
        .is_problem(422, "idempotency_key_reused");
    for reused in [
        toggle(&member, "a").await,
        create(&member, "b", json!({})).await,
        keyed(member.post("/api/movies/2/favorite/"), "b").send().await,
        keyed(member.post("/api/movies/99/favorite/"), "b").send().await,
    ] {
        first(reused).is_problem(422, "idempotency_key_reused");
    }
    assert_eq!(member.get(MOVIES).send().await.text, before);
    // Unknown fields are ignored, and the default owner may be named.
    let same = create(
        &member,
        "a",
        json!({"user": member.id, "favorite": false, "color": "red"}),
    )
    .await;
    assert_eq!(same.is(201).header("idempotency-replayed"), "true");
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_refused_request_leaves_its_key_free() {
    let app = TestApp::new().await;
    let (one, two) = (app.member().await, app.member().await);
    first(create(&one, "a", json!({"title": ""})).await).is(400);
    first(create(&one, "a", json!({"user": two.id})).await).is(403);
    first(create(&one, "a", json!({"user": 99})).await).is(403);
    first(toggle(&one, "a").await).is(404);
    two.post(MOVIES)
        .json(&with_changes(&ran(), &json!({"imdb_id": "tt0089881"})))
        .send()
        .await
        .is(201);
    let taken = json!({"imdb_id": "tt0089881"});
    for _ in 0..2 {
        create(&one, "a", taken.clone())
            .await
            .is_problem(409, "conflict")
            .names(&["imdb_id"]);
    }
    two.delete("/api/movies/1/").send().await.is(204);
    let added = first(create(&one, "a", taken.clone()).await).is(201);
    assert_replays(&create(&one, "a", taken).await, &added);
    audit(&app.running.state.store).await;
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_ascii_characters_sent_once() {
    let app = TestApp::new().await;
    let member = app.member().await;
    member.add(&ran()).await;
    let all: String = ('!'..='~').collect();
    for good in ["k", &all, &"k".repeat(255)] {
        let added = first(create(&member, good, json!({})).await).is(201);
        assert_replays(&create(&member, good, json!({})).await, &added);
    }
    let before = member.count(MOVIES).await;
    for bad in ["", &"k".repeat(256), "a b", "a\tb", "é"] {
        create(&member, bad, json!({}))
            .await
            .is_problem(400, "malformed_request");
        toggle(&member, bad).await.is_problem(400, "malformed_request");
    }
    for pair in [["a", "a"], ["a", "b"]] {
        let call = pair
            .iter()
            .fold(member.post(FAVORITE), |call, key| keyed(call, key));
        call.send().await.is_problem(400, "malformed_request");
    }
    let seen = member.get("/api/movies/1/").send().await.is(200);
    assert_eq!(seen.body["favorite"], false);
    assert_eq!(member.count(MOVIES).await, before);
    // Who may not make the request at all learns that first, and other operations have no key.
    toggle(&app.anonymous(), "").await.is(401);
    keyed(member.put(FAVORITE), "").send().await.is(200);
    keyed(member.get(MOVIES), "").send().await.is(200);
}

/// The HTTP client of the other tests trims the white space around a value, as the server does.
#[tokio::test]
async fn white_space_around_a_key_is_no_part_of_it() {
    let app = TestApp::new().await;
    let member = app.member().await;
    member.add(&ran()).await;
    let on = toggle(&member, "a").await.is(200);
    let address = app.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST {FAVORITE} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nidempotency-key: \t a  \r\n\
         content-length: 0\r\nconnection: close\r\n\r\n",
        member.access.as_ref().unwrap()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("idempotency-replayed: true"), "{answer}");
    assert!(answer.ends_with(&on.text), "{answer}");
}

#[tokio::test]
async fn an_answer_is_kept_for_24_hours() {
    let app = TestApp::new().await;
    let mut member = app.member().await;
    let day = 24 * 60 * 60;
    let added = create(&member, "a", json!({})).await.is(201);
    let on = toggle(&member, "b").await.is(200);
    app.clock.advance(day - 60);
    member.access = Some(access(&member).await);
    assert_replays(&create(&member, "a", json!({})).await, &added);
    assert_replays(&toggle(&member, "b").await, &on);
    app.clock.advance(61);
    let second = first(create(&member, "a", json!({})).await).is(201);
    assert_ne!(second.body["id"], added.body["id"]);
    assert_replays(&create(&member, "a", json!({})).await, &second);
    // Also for another request.
    let off = first(keyed(member.post(FAVORITE), "b").send().await).is(200);
    assert_eq!(off.body["favorite"], false);
    assert_replays(&toggle(&member, "b").await, &off);
    audit(&app.running.state.store).await;
}

async fn access(member: &Caller) -> String {
    let session = member.login().await.is(200);
    session.body["access"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_movie_that_an_admin_added_for_another_user_is_answered_alike_after_the_demotion() {
    let app = TestApp::new().await;
    let (owner, admin) = (app.member().await, app.admin().await);
    let store = &app.running.state.store;
    let named = json!({"user": owner.id, "favorite": true});
    first(create(&admin, "a", json!({"user": 99})).await).is(400);
    let added = first(create(&admin, "a", named.clone()).await).is(201);
    assert_eq!(
        (&added.body["user"], &added.body["favorite"]),
        (&json!(owner.id), &json!(true))
    );
    assert_replays(&create(&admin, "a", named.clone()).await, &added);
    store
        .promote(&admin.username, marquee_shared::domain::Role::Member)
        .await
        .unwrap();
    assert_replays(&create(&admin, "a", named.clone()).await, &added);
    create(&admin, "a", json!({"user": owner.id}))
        .await
        .is_problem(422, "idempotency_key_reused");
    first(create(&admin, "b", named).await).is(403);
    assert_eq!(owner.count(MOVIES).await, 1);
    audit(store).await;
}

/// A problem isn't kept: the same request may succeed later.
#[tokio::test]
async fn a_problem_is_never_a_replay() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let one = first(toggle(&member, "a").await);
    let two = first(toggle(&member, "a").await);
    assert_eq!(without_request_id(one), without_request_id(two));
}
