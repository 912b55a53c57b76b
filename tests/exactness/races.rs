//! Races: many concurrent requests, after which every count is exact.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use marquee_shared::{
    clock::Clock,
    db::{Key, Store, expression::Update, item::number, transaction::Transaction},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::support::{Answer, Caller, PASSWORD, TestApp, audit::audit, movie, proxy::ProxiedApp, table};

/// Returns a server with a long deadline. Many requests share two cores here, and none may fail because of that.
pub(super) async fn app_with_long_deadline() -> TestApp {
    TestApp::with(|options| options.config.http.deadline = Duration::from_secs(60)).await
}

/// Runs all tasks concurrently.
pub(super) async fn run_all<T: Send + 'static>(
    tasks: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = tasks.map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// Returns how many answers have this status.
pub(super) fn count(answers: &[Answer], status: StatusCode) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// Sends registrations for all names concurrently.
async fn register(app: &TestApp, names: impl Iterator<Item = (String, String)>) -> Vec<Answer> {
    let calls = names.map(|(username, email)| {
        let body = json!({"username": username, "email": email, "password": PASSWORD});
        let call = app.anonymous().post("/api/auth/register/").json(&body);
        async move { call.send().await }
    });
    run_all(calls).await
}

/// Returns `text` with those letters in upper case whose bit in `bits` is set.
fn with_case_of(text: &str, bits: usize) -> String {
    let letters = text.chars().enumerate();
    letters
        .map(|(at, c)| {
            if bits >> at & 1 == 1 {
                c.to_ascii_uppercase()
            } else {
                c
            }
        })
        .collect()
}

/// Guarantee 31.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_60_concurrent_registrations_of_a_name_succeeds() {
    let app = app_with_long_deadline().await;
    let names = |n: usize| ("ripley".to_owned(), format!("ripley{n}@example.com"));
    let answers = register(&app, (0..60).map(names)).await;
    assert_eq!(count(&answers, StatusCode::CREATED), 1);
    for answer in answers.into_iter().filter(|a| a.status != StatusCode::CREATED) {
        answer.is_problem(409, "conflict").names(&["username"]);
    }
    audit(&app.running.state.store).await;
}

/// Guarantee 31.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_or_emails_that_differ_only_in_case_are_registered_once() {
    let app = app_with_long_deadline().await;
    let by_name = (0..24).map(|n| (with_case_of("ripley", n), format!("crew{n}@example.com")));
    let by_email = (0..24).map(|n| (format!("crew{n}"), with_case_of("nostromo@example.com", n)));
    let (by_name, by_email) = tokio::join!(register(&app, by_name), register(&app, by_email));
    for (answers, field) in [(by_name, "username"), (by_email, "email")] {
        assert_eq!(count(&answers, StatusCode::CREATED), 1, "{field}");
        for answer in answers.into_iter().filter(|a| a.status != StatusCode::CREATED) {
            answer.is_problem(409, "conflict").names(&[field]);
        }
    }
    audit(&app.running.state.store).await;
}

/// Guarantee 29.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_favorite_and_count_is_exact_after_1200_toggles_by_12_users() {
    let app = app_with_long_deadline().await;
    let owner = app.member().await;
    let mut movies = Vec::new();
    for title in ["Alien", "Aliens", "Alien 3"] {
        let added = owner.add(&movie(title, "Various", "Sci-Fi", "1979-05-25")).await;
        movies.push(added["id"].as_u64().unwrap());
    }
    let mut users = vec![owner];
    for _ in 1..12 {
        users.push(app.member().await);
    }

    // Each user has 100 toggles. Two tasks of a user race on the first movie. On the other movies, each answer is
    // predictable.
    let tasks = users.iter().enumerate().flat_map(|(n, user)| {
        let odd = n % 2;
        let tasks = [
            (movies[0], 25),
            (movies[0], 25 + odd),
            (movies[1], 25),
            (movies[2], 25 - odd),
        ];
        tasks.map(|(movie, times)| (user.clone(), movie, times))
    });
    let racing = movies[0];
    run_all(tasks.map(|(user, movie, times)| async move {
        for time in 0..times {
            let path = format!("/api/movies/{movie}/favorite/");
            let answer = user.post(&path).send().await.is(200);
            let favorite = answer.body["favorite"].as_bool().unwrap();
            let count = answer.body["favorite_count"].as_u64().unwrap();
            assert!(count <= 12, "{count}");
            if movie != racing {
                assert_eq!(favorite, time % 2 == 0);
                let own = u64::from(favorite);
                assert!((own..=own + 11).contains(&count), "{favorite}, {count}");
            }
        }
    }))
    .await;

    for (n, user) in users.iter().enumerate() {
        let odd = n % 2 == 1;
        for (movie, (favorite, count)) in movies.iter().zip([(odd, 6), (true, 12), (!odd, 6)]) {
            let answer = user.get(&format!("/api/movies/{movie}/")).send().await.is(200);
            assert_eq!(
                answer.body["favorite"],
                json!(favorite),
                "user {n}, movie {movie}"
            );
            assert_eq!(answer.body["favorite_count"], json!(count), "movie {movie}");
        }
    }
    let liked = users[0].get("/api/movies/most-liked/").send().await.is(200);
    assert_eq!(liked.ids(), [movies[1], movies[2], movies[0]]);
    audit(&app.running.state.store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_240_movies_added_at_once_is_listed_once() {
    let app = app_with_long_deadline().await;
    let user = app.member().await;
    let genres = ["Drama", "DRAMA, Crime", "crime", "Sci-Fi, drama", "Sci-Fi"];
    let movies = (0..240).map(|n| {
        let movie = movie(&format!("Movie {n}"), "Many Hands", genres[n % 5], "2001-01-01");
        let user = user.clone();
        async move { user.add(&movie).await }
    });
    let movies: Vec<Value> = run_all(movies).await;
    let ids: BTreeSet<u64> = movies.iter().map(|movie| movie["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), 240);
    let list = user.get("/api/movies/").send().await.is(200);
    assert_eq!(list.body["count"], json!(240));
    let categories = user.get("/api/movies/categories/").send().await.is(200);
    let counts: Vec<(String, u64)> = categories.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|genre| {
            let name = genre["genre"].as_str().unwrap().to_lowercase();
            (name, genre["count"].as_u64().unwrap())
        })
        .collect();
    let expected = [("crime", 96), ("drama", 144), ("sci-fi", 96)];
    assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)));
    audit(&app.running.state.store).await;
}

/// Guarantee 42.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_movie_is_found_only_by_its_last_name_after_60_concurrent_renames() {
    let app = app_with_long_deadline().await;
    let user = app.member().await;
    let added = user
        .add(&movie("Untitled", "Alan Smithee", "Drama", "2001-01-01"))
        .await;
    let path = format!("/api/movies/{}/", added["id"]);
    let title = |n: usize| format!("Title{n:02}");
    let renames = (0..60).map(|n| {
        let call = user.patch(&path).json(&json!({"title": title(n)}));
        async move { call.send().await }
    });
    let answers = run_all(renames).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.body["title"], json!(title(n)));
    }
    let is = user.get(&path).send().await.is(200);
    // The version counts the edits, so all of them are stored.
    assert_eq!(is.body["version"], 61);
    let is = is.body["title"].as_str().unwrap().to_owned();
    assert!((0..60).any(|n| title(n) == is), "{is}");
    for name in (0..60).map(title).chain(["Untitled".into()]) {
        let path = format!("/api/movies/search/?q={name}");
        let found = user.get(&path).send().await.is(200);
        // Another name is corrected to the last one, if there is one letter between them.
        let is_corrected = !found.body["corrected_query"].is_null();
        let count = if is_corrected { 0 } else { found.ids().len() };
        assert_eq!(count, usize::from(name == is), "{name}");
    }
    audit(&app.running.state.store).await;
}

/// Guarantees 9 and 10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_concurrent_refreshes_of_one_token_get_the_same_new_token() {
    let app = app_with_long_deadline().await;
    let user = app.member().await;
    let refresh = |user: Caller, token: &str| {
        let call = user.post("/api/auth/refresh/").json(&json!({"refresh": token}));
        async move { call.send().await }
    };
    let answers = run_all((0..30).map(|_| refresh(app.anonymous(), &user.refresh))).await;
    let mut next = BTreeSet::new();
    for answer in answers {
        let answer = answer.is(200);
        next.insert(answer.body["refresh"].as_str().unwrap().to_owned());
        let caller = Caller {
            access: Some(answer.body["access"].as_str().unwrap().to_owned()),
            ..user.clone()
        };
        caller.get("/api/users/me/").send().await.is(200);
    }
    // All answers contain the same token, so a client can continue with any of them.
    assert_eq!(next.len(), 1);
    let next = next.pop_first().unwrap();
    assert_ne!(next, user.refresh);
    refresh(app.anonymous(), &next).await.is(200);
    // The first token is now older than the previous one.
    refresh(app.anonymous(), &user.refresh).await.is(401);
    audit(&app.running.state.store).await;
}

/// Guarantee 12: a session that was ended while it was refreshed without pause stays ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_end_amid_their_refreshes_stay_ended() {
    const PATH: &str = "/api/users/me/sessions/";
    let app = Arc::new(app_with_long_deadline().await);
    let user = app.member().await;
    for round in 0..4 {
        let mut others = Vec::new();
        for _ in 0..6 {
            others.push(user.in_new_session().await);
        }
        let ended: Arc<Vec<AtomicBool>> = Arc::new(others.iter().map(|_| AtomicBool::new(false)).collect());
        let begun = Arc::new(Barrier::new(others.len() + 1));
        let refreshing: Vec<_> = others
            .iter()
            .enumerate()
            .map(|(at, other)| {
                let (app, ended, begun) = (Arc::clone(&app), Arc::clone(&ended), Arc::clone(&begun));
                let mut token = other.refresh.clone();
                tokio::spawn(async move {
                    for n in 0.. {
                        let was_ended = ended[at].load(Ordering::SeqCst);
                        let answer = app.anonymous().with_token("refresh", &token).send().await;
                        if answer.status == StatusCode::UNAUTHORIZED {
                            return;
                        }
                        let answer = answer.is(200);
                        assert!(!was_ended, "a refresh succeeded after its session was ended");
                        token = answer.body["refresh"].as_str().unwrap().to_owned();
                        if n == 0 {
                            begun.wait().await;
                        }
                    }
                })
            })
            .collect();
        begun.wait().await;
        if round % 2 == 0 {
            user.delete(PATH).send().await.is(204);
            ended.iter().for_each(|ended| ended.store(true, Ordering::SeqCst));
        } else {
            for (other, ended) in others.iter().zip(&*ended) {
                let path = format!("{PATH}{}/", other.session().unwrap());
                user.delete(&path).send().await.is(204);
                ended.store(true, Ordering::SeqCst);
            }
        }
        for task in refreshing {
            task.await.unwrap();
        }
        let left = user.get(PATH).send().await.is(200).body;
        assert_eq!(left["count"], 1, "{left}");
    }
    audit(&app.running.state.store).await;
}

/// Guarantee 29.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn movies_deleted_amid_favorites_and_edits_leave_no_trace() {
    let app = app_with_long_deadline().await;
    let owner = app.member().await;
    let mut fans = Vec::new();
    for _ in 0..4 {
        fans.push(app.member().await);
    }
    let mut movies = Vec::new();
    for n in 0..12 {
        let added = owner
            .add(&movie(&format!("Doomed {n}"), "Nobody", "Tragedy", "2001-01-01"))
            .await;
        movies.push(added["id"].as_u64().unwrap());
    }
    let kept = movies.split_off(10);
    let mut tasks = tokio::task::JoinSet::new();
    for (n, id) in movies.iter().chain(&kept).copied().enumerate() {
        for fan in fans.clone() {
            tasks.spawn(async move {
                for _ in 0..6 {
                    let answer = fan.post(&format!("/api/movies/{id}/favorite/")).send().await;
                    assert!(matches!(answer.status.as_u16(), 200 | 404), "{}", answer.text);
                }
            });
        }
        let editor = owner.clone();
        tasks.spawn(async move {
            for edit in 0..4 {
                let change = json!({"title": format!("Doomed {n} {edit}"), "genre": format!("G{edit}"), "favorite": edit % 2 == 0});
                let answer = editor.patch(&format!("/api/movies/{id}/")).json(&change).send().await;
                assert!(matches!(answer.status.as_u16(), 200 | 404), "{}", answer.text);
            }
        });
        if n < 10 {
            let (owner, fan) = (owner.clone(), fans[n % 4].clone());
            tasks.spawn(async move {
                // The number of favorite requests before the deletion differs from movie to movie.
                for _ in 0..n {
                    fan.put(&format!("/api/movies/{id}/favorite/"))
                        .send()
                        .await
                        .is(200);
                }
                owner.delete(&format!("/api/movies/{id}/")).send().await.is(204);
            });
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let list = owner.get("/api/movies/").send().await.is(200);
    assert_eq!((list.ids(), &list.body["count"]), (kept, &json!(2)));
    let found = owner.get("/api/movies/search/?q=doomed").send().await.is(200);
    assert_eq!(found.ids().len(), 2);
    for id in movies {
        owner.get(&format!("/api/movies/{id}/")).send().await.is(404);
        owner.delete(&format!("/api/movies/{id}/")).send().await.is(404);
    }
    for fan in fans {
        let answer = fan.get("/api/users/me/favorites/").send().await.is(200);
        assert!(
            answer.ids().iter().all(|id| list.ids().contains(id)),
            "{}",
            answer.text
        );
    }
    audit(&app.running.state.store).await;
}

/// Guarantees 29 and 33, with conflicts as in DynamoDB. The embedded engine alone has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicting_toggles_are_counted_exactly() {
    let proxied = ProxiedApp::with(|options| options.config.http.deadline = Duration::from_secs(60)).await;
    let mut users = Vec::new();
    for _ in 0..8 {
        users.push(proxied.app.member().await);
    }
    let id = users[0]
        .add(&movie("Solaris", "Andrei Tarkovsky", "Sci-Fi", "1972-03-20"))
        .await["id"]
        .clone();
    let path = format!("/api/movies/{id}/favorite/");
    proxied.proxy.record_bodies();
    proxied.proxy.conflict(Some(Duration::from_millis(10)));
    run_all(users.iter().cloned().map(|user| {
        let path = path.clone();
        async move {
            for time in 0..5 {
                let answer = user.post(&path).send().await.is(200);
                assert_eq!(answer.body["favorite"], json!(time % 2 == 0));
            }
        }
    }))
    .await;
    proxied.proxy.conflict(None);

    let conflicts = proxied.proxy.take().into_iter().filter(|record| {
        let exchange = record.exchange.as_ref();
        exchange.is_some_and(|exchange| exchange.answer.to_string().contains("TransactionConflict"))
    });
    assert!(conflicts.count() > 0, "no toggle conflicted");
    let shown = users[0].get(&format!("/api/movies/{id}/")).send().await.is(200);
    assert_eq!(shown.body["favorite_count"], 8);
    audit(&proxied.proxy.store().await).await;
}

/// The fault proxy applies DynamoDB's rules of conflicts. The tests and measurements of conflicts depend on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_transaction_conflicts_only_with_calls_on_its_items_behind_the_fault_proxy() {
    let proxied = ProxiedApp::new().await;
    let client = table::connect(&proxied.proxy.url).await;
    let name = proxied.proxy.table.name();
    let store = Store::new(client.clone(), name.clone(), Clock::default());
    let add = || Update::new("ADD #n :one").value(":one", number(1));
    let transaction = |keys: &[&str]| {
        let mut transaction = Transaction::default();
        for key in keys {
            transaction.add(store.on(Key::new("RACE", *key)).update(add()).unwrap());
        }
        transaction
    };
    // Longer than this test.
    proxied.proxy.conflict(Some(Duration::from_secs(600)));
    let under_way = transaction(&["a", "b"]);
    let under_way = {
        let store = store.clone();
        tokio::spawn(async move { store.transact(&under_way).await })
    };
    while proxied.proxy.under_way() == 0 {
        tokio::task::yield_now().await;
    }

    let items = ["c", "b", "d"].map(|key| store.on(Key::new("RACE", key)).update(add()).unwrap());
    let canceled = client
        .transact_write_items()
        .set_transact_items(Some(items.into()))
        .send()
        .await;
    let canceled = canceled.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(canceled) = canceled else {
        panic!("{canceled:?}");
    };
    let codes: Vec<_> = canceled
        .cancellation_reasons()
        .iter()
        .map(|reason| reason.code().unwrap())
        .collect();
    assert_eq!(codes, ["None", "TransactionConflict", "None"]);

    let put = |key: &str| {
        let put = client.put_item().table_name(&name);
        put.set_item(Some(Key::new("RACE", key).attributes())).send()
    };
    let refused = put("a").await.unwrap_err().into_service_error();
    assert!(refused.is_transaction_conflict_exception(), "{refused:?}");
    put("c").await.unwrap();
    let read = store.get(&Key::new("RACE", "a")).await.unwrap();
    assert!(
        read.is_none(),
        "the writes of a running transaction are not visible"
    );

    // The client of the transaction disconnects.
    under_way.abort();
    while proxied.proxy.under_way() > 0 {
        tokio::task::yield_now().await;
    }
    put("a").await.unwrap();
}
