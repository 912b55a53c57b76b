//! The cost of a login in round trips and capacity units, in every state of the throttles.

use std::time::Duration;

use futures_util::future::join_all;
use marquee_shared::db::attempts::{Attempt, Claim};
use serde_json::json;

use crate::support::{
    Caller, PASSWORD,
    proxy::{Cost, ProxiedApp},
};

/// Longer than the time between two calls of one round trip, even on a busy machine.
const HOLD: Duration = Duration::from_millis(60);

/// The number of measurements of each case. On a busy machine, calls of one trip can look like two, so the fewest trips
/// count.
const RUNS: u8 = 3;

const LOGIN: &str = "/api/auth/login/";
const WRONG: &str = "a wrong passphrase";

async fn login(caller: &Caller, name: &str, password: &str, refresh: Option<&str>, status: u16) {
    let body = json!({"username": name, "password": password, "refresh": refresh});
    caller.post(LOGIN).json(&body).send().await.is(status);
}

/// Makes one attempt at a name from each of these networks.
async fn attempt(proxied: &ProxiedApp, name: &str, networks: impl Iterator<Item = String>) {
    let store = &proxied.app.running.state.store;
    let attempts = networks.map(|network| async move {
        let attempt = Attempt::new(name, &network);
        let standing = store.read_attempts(&attempt).await.unwrap();
        let claim = Claim {
            login: None,
            session: None,
        };
        let _ = store.count_attempt(&attempt, standing, claim).await;
    });
    join_all(attempts).await;
}

/// Guarantee 36.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_login_is_within_its_budget() {
    let proxied = ProxiedApp::new().await;
    let app = &proxied.app;
    let user = app.member().await;
    let name = user.username.as_str();
    let home = app.anonymous();
    let away: Vec<Caller> = (1..=RUNS).map(|n| home.at([127, 0, 9, n])).collect();
    let far: Vec<Caller> = (1..=RUNS).map(|n| home.at([127, 0, 8, n])).collect();
    let mut tokens: Vec<String> = Vec::new();
    for _ in 0..RUNS {
        let body = json!({"username": name, "password": PASSWORD});
        let answer = home.post(LOGIN).json(&body).send().await.is(200);
        tokens.push(answer.body["refresh"].as_str().unwrap().to_owned());
    }
    app.clock.stop();
    let full = "closed";
    attempt(&proxied, full, (0..110).map(|n| n.to_string())).await;
    // Lets the waits grow to half a minute.
    for seconds in [0, 1, 2, 4, 8, 16] {
        app.clock.advance(seconds);
        let tries = if seconds == 0 { 9 } else { 1 };
        for _ in 0..tries {
            attempt(&proxied, "slowed", ["127.0.0.1".to_owned()].into_iter()).await;
        }
    }
    proxied.proxy.gather_calls(HOLD);

    let mut lines: Vec<(&str, Cost)> = Vec::new();
    let run = async |n: u8, what: &str| {
        let n = usize::from(n);
        match what {
            "login, new address" => login(&away[n], name, PASSWORD, None, 200).await,
            "login, known address" => login(&home, name, PASSWORD, None, 200).await,
            "login, known address, the other name" => {
                login(&home, &format!("{name}@example.com"), PASSWORD, None, 200).await;
            }
            "login with a token" => login(&far[n], name, PASSWORD, Some(&tokens[n]), 200).await,
            "wrong password" => login(&home, name, WRONG, None, 401).await,
            "wrong password, new address" => login(&home.at([127, 0, 7, 1]), name, WRONG, None, 401).await,
            "wrong password with a token" => login(&home, name, WRONG, Some(&tokens[n]), 401).await,
            "slowed" => login(&home, "slowed", WRONG, None, 429).await,
            _ => login(&home, full, WRONG, None, 429).await,
        }
    };
    let budgets = [
        ("login, new address", 3, 4.0, 4.0),
        ("login, known address", 3, 4.0, 3.0),
        ("login, known address, the other name", 3, 4.0, 4.0),
        ("login with a token", 3, 4.0, 4.0),
        ("wrong password", 2, 2.0, 1.0),
        ("wrong password, new address", 2, 2.0, 2.0),
        ("wrong password with a token", 2, 2.0, 1.0),
        ("slowed", 2, 2.0, 1.0),
        ("over the limit of all addresses", 2, 4.0, 0.0),
    ];
    for (what, ..) in budgets {
        for n in 0..RUNS {
            proxied.proxy.take();
            run(n, what).await;
            lines.push((what, Cost::of(proxied.proxy.take())));
        }
    }
    println!("| request | trips | read units | write units |");
    println!("|---|---|---|---|");
    let mut wrong = Vec::new();
    for (what, trips, reads, writes) in budgets {
        let runs: Vec<&Cost> = lines
            .iter()
            .filter(|(name, _)| *name == what)
            .map(|(_, cost)| cost)
            .collect();
        let fewest = runs.iter().map(|cost| cost.trips).min().unwrap();
        let most = |of: fn(&Cost) -> f64| runs.iter().map(|cost| of(cost)).fold(0.0, f64::max);
        let (read, written) = (most(|cost| cost.reads), most(|cost| cost.writes));
        println!("| {what} | {fewest} | {read} | {written} |");
        if fewest > trips || read > reads || written > writes {
            wrong.push(format!(
                "{what} exceeds {trips} trips, {reads} read units or {writes} write units: {runs:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
