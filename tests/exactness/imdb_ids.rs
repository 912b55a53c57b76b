//! Races for one `imdb_id`: exactly one movie gets it, whatever else the requests change.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::races::{app_with_long_deadline, count, run_all};
use crate::support::{Answer, Caller, audit::audit, movie, proxy::ProxiedApp};

const IMDB_ID: &str = "tt0069293";

/// A movie with a title of its own, in a genre of its own and in one that all have.
fn numbered(n: usize, imdb_id: &str) -> Value {
    let mut movie = movie(
        &format!("Movie {n}"),
        "Many Hands",
        &format!("Shared, Own {n}"),
        "2001-01-01",
    );
    movie["imdb_id"] = json!(imdb_id);
    movie
}

/// The movies with this `imdb_id`.
async fn holders(caller: &Caller, imdb_id: &str) -> Vec<u64> {
    let list = caller
        .get(&format!("/api/movies/?imdb_id={imdb_id}"))
        .send()
        .await;
    list.is(200).ids()
}

/// Asserts that exactly one request got the id, and that the others were told why they did not.
fn one_of(answers: Vec<Answer>, status: StatusCode) -> Answer {
    assert_eq!(count(&answers, status), 1);
    let (mut winners, losers): (Vec<_>, Vec<_>) = answers.into_iter().partition(|a| a.status == status);
    for loser in losers {
        loser.is_problem(409, "conflict").names(&["imdb_id"]);
    }
    winners.remove(0)
}

/// Guarantee 31.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_60_concurrent_additions_of_an_imdb_id_succeeds() {
    let app = app_with_long_deadline().await;
    let user = app.member().await;
    let answers = run_all((0..60).map(|n| {
        let mut body = numbered(n, IMDB_ID);
        body["favorite"] = json!(n % 2 == 0);
        let call = user.post("/api/movies/").json(&body);
        async move { call.send().await }
    }))
    .await;
    let added = one_of(answers, StatusCode::CREATED).body;
    assert_eq!(holders(&user, IMDB_ID).await, [added["id"].as_u64().unwrap()]);
    let list = user.get("/api/movies/").send().await.is(200);
    assert_eq!(
        (&list.body["count"], &list.body["results"]),
        (&json!(1), &json!([added]))
    );
    let categories = user.get("/api/movies/categories/").send().await.is(200);
    assert_eq!(categories.body["count"], 2, "the losers' genres");
    audit(&app.running.state.store).await;
}

/// Guarantee 31, with conflicts as DynamoDB makes them, which the embedded engine doesn't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_16_additions_of_an_imdb_id_succeeds_when_transactions_conflict() {
    let proxied = ProxiedApp::with(|options| options.config.http.deadline = Duration::from_secs(60)).await;
    let user = proxied.app.member().await;
    proxied.proxy.conflict(Some(Duration::from_millis(10)));
    let answers = run_all((0..16).map(|n| {
        let call = user.post("/api/movies/").json(&numbered(n, IMDB_ID));
        async move { call.send().await }
    }))
    .await;
    proxied.proxy.conflict(None);
    let added = one_of(answers, StatusCode::CREATED);
    assert_eq!(
        holders(&user, IMDB_ID).await,
        [added.body["id"].as_u64().unwrap()]
    );
    audit(&proxied.proxy.store().await).await;
}

/// Guarantee 31.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_24_movies_that_are_edited_to_one_imdb_id_gets_it() {
    let app = app_with_long_deadline().await;
    let user = app.member().await;
    let mut movies = Vec::new();
    for n in 0..24 {
        movies.push(user.add(&numbered(n, &format!("tt000000{n:02}"))).await);
    }
    let answers = run_all(movies.iter().map(|movie| {
        let changes =
            json!({"imdb_id": IMDB_ID, "title": "Changed", "genre": "Shared, Changed", "favorite": true});
        let call = user
            .patch(&format!("/api/movies/{}/", movie["id"]))
            .json(&changes);
        async move { call.send().await }
    }))
    .await;
    let changed = one_of(answers, StatusCode::OK).body;
    let id = changed["id"].as_u64().unwrap();
    assert_eq!(holders(&user, IMDB_ID).await, [id]);
    for (n, movie) in movies.iter().enumerate() {
        let is_winner = movie["id"] == id;
        let expected = if is_winner { &changed } else { movie };
        let now = user
            .get(&format!("/api/movies/{}/", movie["id"]))
            .send()
            .await
            .is(200);
        assert_eq!(now.body, *expected);
        let old = holders(&user, &format!("tt000000{n:02}")).await;
        assert_eq!(old.is_empty(), is_winner, "{n}: {old:?}");
    }
    audit(&app.running.state.store).await;
}

/// Guarantee 31. Ids move between movies that are edited and deleted at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imdb_id_has_at_most_one_movie_while_many_requests_move_it() {
    const IDS: [&str; 3] = ["tt0000001", "tt0000002", "tt0000003"];
    let app = app_with_long_deadline().await;
    let user = app.member().await;
    run_all((0..6).map(|worker| {
        let user = user.clone();
        async move {
            for n in 0..8 {
                let imdb_id = |step: usize| IDS[(worker + n + step) % IDS.len()];
                let answer = user
                    .post("/api/movies/")
                    .json(&numbered(worker, imdb_id(0)))
                    .send()
                    .await;
                if answer.status == StatusCode::CONFLICT {
                    continue;
                }
                let path = format!("/api/movies/{}/", answer.is(201).body["id"]);
                for imdb_id in [json!(imdb_id(1)), json!(null), json!(imdb_id(2))] {
                    let answer = user.patch(&path).json(&json!({"imdb_id": imdb_id})).send().await;
                    assert!(matches!(answer.status.as_u16(), 200 | 409), "{}", answer.text);
                    if answer.status == StatusCode::OK {
                        assert_eq!(answer.body["imdb_id"], imdb_id);
                    }
                }
                if n % 3 > 0 {
                    user.delete(&path).send().await.is(204);
                }
            }
        }
    }))
    .await;
    for imdb_id in IDS {
        assert!(holders(&user, imdb_id).await.len() <= 1, "{imdb_id}");
    }
    audit(&app.running.state.store).await;
}
