//! Password guesses: how many are free, and how long the waits are.

use futures_util::future::join_all;

use super::{
    DAY, FREE, LIMIT, WINDOW, WRONG, attempt_until_throttled, email, fill_window, login, refreshed,
    retry_after, start_window,
};
use crate::api::without_request_id;
use crate::support::{
    Caller, PASSWORD, TestApp,
    audit::scan,
    proxy::{Cost, ProxiedApp},
};

/// Returns the number of items in the table that count attempts.
async fn attempt_items(app: &TestApp) -> usize {
    let items = scan(&app.running.state.store).await;
    let is_attempts = |pk: &String| pk.starts_with("ATTEMPTS#");
    items
        .iter()
        .filter(|item| item["pk"].as_s().is_ok_and(is_attempts))
        .count()
}

/// Guarantees 20 and 22: waits from one address.
#[tokio::test]
async fn waits_begin_before_the_tenth_guess_and_grow_to_15_minutes() {
    let app = TestApp::new().await;
    let (owner, other) = (app.member().await, app.member().await);
    let guesser = app.anonymous();
    app.clock.stop();
    for _ in 0..FREE {
        login(&guesser, &owner.username, WRONG).await.is(401);
    }
    let mut waits = Vec::new();
    while waits.len() < 12 {
        waits.push(retry_after(login(&guesser, &owner.username, WRONG).await));
        // The right password must wait too, or the wait would reveal it.
        let right = login(&guesser, &owner.username, PASSWORD).await;
        right.is_problem(429, "too_many_requests");
        app.clock.advance(waits[waits.len() - 1]);
        login(&guesser, &owner.username, WRONG).await.is(401);
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);

    // Meanwhile the owner's session continues, and other users do not have to wait.
    login(&guesser, &owner.username, PASSWORD).await.is(429);
    login(&guesser, &other.username, PASSWORD).await.is(200);
    refreshed(&owner, &owner.refresh).await;

    // After the wait, the right password is accepted and resets the count.
    app.clock.advance(900);
    login(&guesser, &owner.username, PASSWORD).await.is(200);
    attempt_until_throttled(&app, async || login(&guesser, &owner.username, WRONG).await).await;
    // A day resets the count too.
    app.clock.advance(DAY);
    attempt_until_throttled(&app, async || login(&guesser, &owner.username, WRONG).await).await;
}

/// Guarantee 20: no more concurrent guesses are checked than sequential ones. The refused guesses do not count toward the
/// limit of all addresses together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_of_200_concurrent_guesses_are_checked() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let attacker = app.anonymous().at([127, 0, 1, 1]);
    start_window(&app);
    let answers = join_all((0..200).map(|_| login(&attacker, &owner.username, WRONG))).await;
    let checked = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(checked, FREE);
    for answer in answers {
        if answer.status != 401 {
            retry_after(answer);
        }
    }
    // Only the checked guesses count toward the limit of all addresses.
    assert_eq!(fill_window(&app, &owner.username, "after").await, LIMIT - checked);
}

/// Guarantees 20 and 22: a name has 50 attempts in 15 minutes from all addresses together where the account is not known.
/// Refused attempts add no items to the table, from however many addresses they come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_has_50_attempts_in_15_minutes_from_all_addresses_together() {
    let app = TestApp::new().await;
    for name in [app.member().await.username, "nobody".into()] {
        start_window(&app);
        let before = attempt_items(&app).await;
        let callers: Vec<Caller> = (1..=12).map(|n| app.anonymous().at([127, 0, 1, n])).collect();
        let guesses = callers.iter().flat_map(|caller| [caller; FREE]);
        let answers = join_all(guesses.map(|caller| login(caller, &name, WRONG))).await;
        let checked = answers.iter().filter(|answer| answer.status == 401).count();
        assert_eq!(checked, LIMIT);
        // One item for each address, and one for the window.
        assert!(attempt_items(&app).await <= before + 13);

        let before = attempt_items(&app).await;
        let more: Vec<Caller> = (1..=60).map(|n| app.anonymous().at([127, 0, 2, n])).collect();
        let refused = join_all(more.iter().map(|caller| login(caller, &name, WRONG))).await;
        let longest = refused.into_iter().map(retry_after).max().unwrap();
        assert_eq!(attempt_items(&app).await, before);
        app.clock.advance(longest);
        login(&app.anonymous().at([127, 0, 3, 1]), &name, WRONG)
            .await
            .is(401);
    }
}

/// Guarantee 20: this limit holds for an attacker with any number of addresses.
#[tokio::test]
async fn an_account_has_at_most_500_attempts_in_any_hour() {
    const STEP: i64 = 300;
    let app = TestApp::new().await;
    app.clock
        .advance(WINDOW - app.clock.now().seconds().rem_euclid(WINDOW) - STEP / 2);
    let mut taken = Vec::new();
    for step in 0..30 {
        taken.push(fill_window(&app, "ripley", &format!("step{step}")).await);
        app.clock.advance(STEP);
    }
    let hour = usize::try_from(3600 / STEP).unwrap();
    let most = taken
        .windows(hour + 1)
        .map(|hour| hour.iter().sum::<usize>())
        .max();
    assert!((LIMIT * 4..=LIMIT * 5).contains(&most.unwrap()), "{taken:?}");
}

/// Guarantee 18: neither the waits nor the calls to the table reveal whether a user has the name.
#[tokio::test]
async fn guesses_at_an_unknown_name_are_throttled_alike() {
    let proxied = ProxiedApp::new().await;
    let app = &proxied.app;
    let member = app.member().await;
    let mut seen = Vec::new();
    for name in [&member.username, &email(&member), "nobody"] {
        let attacker = app.anonymous().at([127, 0, 1, 1]);
        start_window(app);
        // The first request after some minutes reads the keys again. This one does, so that the measured requests do not.
        login(&app.anonymous(), "somebody else", WRONG).await.is(401);
        let mut calls = Vec::new();
        let mut attempt = async |caller: &Caller| {
            proxied.proxy.take();
            let answer = login(caller, name, WRONG).await;
            let mut cost = Cost::of(proxied.proxy.take());
            cost.calls.sort_unstable();
            calls.push((cost.calls, cost.reads, cost.writes));
            without_request_id(answer)
        };
        let mut answers = Vec::new();
        for _ in 0..=FREE {
            answers.push(attempt(&attacker).await);
        }
        fill_window(app, name, "elsewhere").await;
        let elsewhere = app.anonymous().at([127, 0, 1, 2]);
        answers.push(attempt(&elsewhere).await);
        assert_eq!((answers[FREE].0, answers[FREE + 1].0), (429, 429));
        seen.push((answers, calls));
    }
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[1], seen[2]);
}

/// Guarantee 22: after the clock is set back, nobody waits because of timestamps in the future.
#[tokio::test]
async fn waits_survive_a_clock_that_is_set_back() {
    for back in [60, 3600, 400 * DAY] {
        let app = TestApp::new().await;
        let owner = app.member().await;
        let guesser = app.anonymous();
        app.clock.stop();
        for _ in 0..8 {
            let mut answer = login(&guesser, &owner.username, WRONG).await;
            while answer.status == 401 {
                answer = login(&guesser, &owner.username, WRONG).await;
            }
            app.clock.advance(retry_after(answer));
        }
        login(&guesser, &owner.username, WRONG).await.is(401);
        retry_after(login(&guesser, &owner.username, WRONG).await);
        app.clock.advance(-back);
        // Guessing is throttled as before, by the clock that was set back.
        login(&guesser, &owner.username, WRONG).await.is(401);
        let left = retry_after(login(&guesser, &owner.username, WRONG).await);
        assert!(left > 60, "{left}");
        app.clock.advance(left);
        login(&guesser, &owner.username, PASSWORD).await.is(200);

        fill_window(&app, &owner.username, "guess").await;
        app.clock.advance(-back);
        login(&guesser, &owner.username, PASSWORD).await.is(200);
        let left = fill_window(&app, &owner.username, "more").await;
        assert!(left <= LIMIT);
        retry_after(login(&app.anonymous().at([127, 0, 9, 1]), &owner.username, PASSWORD).await);
    }
}
