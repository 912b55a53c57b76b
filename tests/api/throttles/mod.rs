//! Guessing is slow, and nobody can lock an owner out by it: guarantees 18 to 22.
//!
//! A client's address is one of the loopback network's own, `127.0.0.0/8`, all of which Linux takes for this machine.
//! Attackers here never pause while the owner signs in, and never break a rule: they ask again when `Retry-After` is over.

mod addresses;
mod guesses;
mod owners;

use futures_util::future::join_all;
use marquee_shared::db::attempts::{Attempt, Claim};
use serde_json::json;

use crate::support::{Answer, Caller, TestApp};

pub(super) const LOGIN: &str = "/api/auth/login/";
pub(super) const REFRESH: &str = "/api/auth/refresh/";
pub(super) const WRONG: &str = "a wrong passphrase";

/// How many attempts a name has from one address before the first wait.
pub(super) const FREE: usize = 9;

/// The window of all addresses, in seconds, and how many attempts it takes.
pub(super) const WINDOW: i64 = 900;
pub(super) const LIMIT: usize = 50;
pub(super) const DAY: i64 = 24 * 3600;

pub(super) async fn login(caller: &Caller, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    caller.post(LOGIN).json(&body).send().await
}

pub(super) async fn refreshed(caller: &Caller, token: &str) -> String {
    let body = json!({"refresh": token});
    let answer = caller.post(REFRESH).json(&body).send().await.is(200);
    answer.body["refresh"].as_str().unwrap().to_owned()
}

pub(super) fn email(of: &Caller) -> String {
    format!("{}@example.com", of.username)
}

/// The seconds that a refused attempt has to wait.
pub(super) fn wait(answer: Answer) -> i64 {
    let answer = answer.is_problem(429, "too_many_requests");
    let wait = answer.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    wait
}

/// An attempt before the clock goes on, so that no wait is over because this machine is slow.
pub(super) async fn at_once(app: &TestApp, attempt: impl AsyncFn() -> Answer) -> Answer {
    app.clock.advance(-3);
    let answer = attempt().await;
    app.clock.advance(3);
    answer
}

/// Attempts until the next has to wait, for longer than a test takes: nine that are free, and a few more in their time.
pub(super) async fn use_up(app: &TestApp, attempt: impl AsyncFn() -> Answer) {
    for _ in 0..FREE {
        attempt().await.is(401);
    }
    let mut left = wait(at_once(app, &attempt).await);
    while left < 20 {
        app.clock.advance(left);
        attempt().await.is(401);
        left = wait(at_once(app, &attempt).await);
    }
}

/// Attempts at a name from ever new addresses until all are refused, past the API, where none has its password hashed.
pub(super) async fn fill(app: &TestApp, name: &str, series: &str) -> usize {
    let store = &app.running.state.store;
    let mut taken = 0;
    loop {
        let from = |n: usize| Attempt::new(name, &format!("{series}.{n}"));
        let attempts = (0..20).map(|n| async move {
            let attempt = from(taken + n);
            let standing = store.read_attempts(&attempt).await.unwrap();
            let claim = Claim {
                login: None,
                session: None,
            };
            store.count_attempt(&attempt, standing, claim).await.is_ok()
        });
        let counted = join_all(attempts).await;
        taken += counted.iter().filter(|is_ok| **is_ok).count();
        if counted.contains(&false) {
            return taken;
        }
    }
}

/// Puts the clock to some seconds after the beginning of a window, so that none ends or began in the middle of a test.
pub(super) fn begin_window(app: &TestApp) {
    let into = app.clock.now().seconds().rem_euclid(WINDOW);
    app.clock.advance(WINDOW - into + 10);
}
