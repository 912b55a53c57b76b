//! Password guessing is slow, and guessing does not lock the owner out (guarantees 18 to 22).
//!
//! Clients have different addresses of the network `127.0.0.0/8`, all of which are this machine on Linux. Attackers do
//! not pause while the owner signs in. They always wait for `Retry-After`, which is the fastest way to guess.

mod addresses;
mod guesses;
mod owners;
mod times;

use futures_util::future::join_all;
use marquee_shared::db::attempts::{Attempt, Claim};
use serde_json::json;

use crate::support::{Answer, Caller, TestApp};

pub(super) const LOGIN: &str = "/api/auth/login/";
pub(super) const REFRESH: &str = "/api/auth/refresh/";
pub(super) const WRONG: &str = "a wrong passphrase";

/// The number of attempts that a name has from one address before the first wait.
pub(super) const FREE: usize = 9;

/// The window for all addresses together, in seconds, and the number of attempts in it.
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

/// Returns the seconds in `Retry-After`. Panics unless the answer is `429`.
pub(super) fn retry_after(answer: Answer) -> i64 {
    let answer = answer.is_problem(429, "too_many_requests");
    let wait = answer.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    wait
}

/// Stops the clock, and makes attempts until the next one has to wait for 20 seconds or more: nine free ones, and a few
/// more after their waits.
pub(super) async fn attempt_until_throttled(app: &TestApp, attempt: impl AsyncFn() -> Answer) {
    app.clock.stop();
    for _ in 0..FREE {
        attempt().await.is(401);
    }
    let mut left = retry_after(attempt().await);
    while left < 20 {
        app.clock.advance(left);
        attempt().await.is(401);
        left = retry_after(attempt().await);
    }
}

/// Makes attempts at a name from new addresses until one is refused, and returns how many were accepted. It calls the
/// store instead of the API, so no password is hashed.
pub(super) async fn fill_window(app: &TestApp, name: &str, series: &str) -> usize {
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

/// Stops the clock at the beginning of a window of 15 minutes, at which a minute begins too. So neither a window nor a wait ends
/// because this machine is slow.
pub(super) fn start_window(app: &TestApp) {
    app.clock.stop();
    let into = app.clock.now().seconds().rem_euclid(WINDOW);
    app.clock.advance(WINDOW - into);
}
