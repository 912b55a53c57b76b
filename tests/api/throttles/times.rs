//! Neither the time of an answer nor the calls behind it show whether somebody has a name.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{FREE, LIMIT, LOGIN, WRONG, email, login, start_window};
use crate::support::{Caller, TestApp, proxy::ProxiedApp};

/// How often the two times are compared.
const PAIRS: usize = 60;

/// How many of the pairs may have the same one slower. If each of two is slower in half of the pairs by chance, 50 or more of 60
/// happen once in ten million runs.
const MOST: usize = 49;

async fn time(caller: &Caller, name: &str) -> Duration {
    let body = json!({"username": name, "password": WRONG});
    let call = caller.post(LOGIN).json(&body);
    let begun = Instant::now();
    let answer = call.send().await;
    let time = begun.elapsed();
    answer.is(401);
    time
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Guarantee 18: a sign test. The two requests of a pair follow each other, in alternating order and from the same address, so
/// whatever else the machine does slows down either as often as the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_refused_as_fast_for_a_name_of_nobody() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let names = [owner.username.clone(), email(&owner)];
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // A name has 50 attempts in a window.
        if pair % (LIMIT - 10) == 0 {
            start_window(&app);
        }
        let caller = app.anonymous().at([127, 0, 12, u8::try_from(pair).unwrap()]);
        // The first request of a caller opens the connection.
        caller.get("/api/health/").send().await.is(200);
        let nobody = format!("nobody{pair}");
        let name = &names[pair / 2 % 2];
        if pair % 2 == 0 {
            known.push(time(&caller, name).await);
            unknown.push(time(&caller, &nobody).await);
        } else {
            unknown.push(time(&caller, &nobody).await);
            known.push(time(&caller, name).await);
        }
    }
    let slower = known
        .iter()
        .zip(&unknown)
        .filter(|(known, unknown)| known > unknown);
    let slower = slower.count();
    let medians = [median(known), median(unknown)];
    println!("slower for the known name in {slower} of {PAIRS} pairs; medians {medians:?}");
    assert!(
        (PAIRS - MOST..=MOST).contains(&slower),
        "slower for the known name in {slower} of {PAIRS} pairs; medians {medians:?}"
    );
}

/// Guarantee 18: from the first attempt until the name has to wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_causes_the_same_calls_for_a_name_of_nobody() {
    let proxied = ProxiedApp::new().await;
    let app = &proxied.app;
    let owner = app.member().await;
    let stranger = app.anonymous().at([127, 0, 12, 1]);
    let names = [
        owner.username.clone(),
        email(&owner),
        "nobody".to_owned(),
        "nobody@example.com".to_owned(),
    ];
    let mut seen = Vec::new();
    for name in &names {
        start_window(app);
        // Reads the keys and the secrets, which a process does once in five minutes.
        login(&app.anonymous(), &format!("another {name}"), WRONG)
            .await
            .is(401);
        let mut attempts = Vec::new();
        for _ in 0..=FREE {
            proxied.proxy.take();
            let answer = login(&stranger, name, WRONG).await;
            attempts.push((answer.status.as_u16(), proxied.proxy.take_operations()));
        }
        seen.push(attempts);
    }
    assert_eq!(seen[0].first().unwrap().0, 401);
    assert_eq!(seen[0].last().unwrap().0, 429);
    for (name, attempts) in names.iter().zip(&seen) {
        assert_eq!(attempts, &seen[0], "{name}");
    }
}
