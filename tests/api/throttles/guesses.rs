//! Guesses: how many are free, how long the waits are.

use std::time::Instant;

use futures_util::future::join_all;

use super::{
    DAY, FREE, LIMIT, WINDOW, WRONG, at_once, begin_window, email, fill, login, refreshed, use_up, wait,
};
use crate::api::settled;
use crate::support::{
    Caller, PASSWORD, TestApp,
    audit::scan,
    proxy::{Cost, ProxiedApp},
};

/// How many waits may be over since then on a slow machine: of one second, of two more, of four more.
fn waits_over(begun: Instant) -> usize {
    let seconds = begun.elapsed().as_secs();
    [1, 3, 7, 15, 31, 63]
        .into_iter()
        .filter(|over| seconds >= *over)
        .count()
}

/// How many items attempts take in the table.
async fn items(app: &TestApp) -> usize {
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
    let mut waits = Vec::new();
    let mut guesses = 0;
    let begun = Instant::now();
    while waits.len() < 12 {
        let answer = login(&guesser, &owner.username, WRONG).await;
        if answer.status == 401 {
            guesses += 1;
            let most = FREE + waits_over(begun);
            assert!(guesses <= most || !waits.is_empty(), "{guesses} without a wait");
            continue;
        }
        let wait = wait(answer);
        // The right password waits as well, or waiting would tell it. A short wait may be over by now.
        if wait > 60 {
            let right = login(&guesser, &owner.username, PASSWORD).await;
            right.is_problem(429, "too_many_requests");
        }
        waits.push(wait);
        app.clock.advance(wait);
    }
    // Of each some seconds may be over on a slow machine.
    assert!(waits.last() > Some(&890), "{waits:?}");
    assert!(waits.iter().step_by(4).is_sorted(), "{waits:?}");

    // Meanwhile the owner's session lives, and nobody else has to wait.
    login(&guesser, &owner.username, WRONG).await.is(401);
    login(&guesser, &owner.username, PASSWORD).await.is(429);
    login(&guesser, &other.username, PASSWORD).await.is(200);
    refreshed(&owner, &owner.refresh).await;

    // The wait over, the right password is taken, and wipes the slate clean.
    app.clock.advance(900);
    login(&guesser, &owner.username, PASSWORD).await.is(200);
    use_up(&app, async || login(&guesser, &owner.username, WRONG).await).await;
    // So does a day.
    app.clock.advance(DAY);
    use_up(&app, async || login(&guesser, &owner.username, WRONG).await).await;
}

/// Guarantee 20: of many at once no more are checked than of many one after another, and they don't use up what is taken
/// from everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nine_of_200_concurrent_guesses_are_checked() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let attacker = app.anonymous().at([127, 0, 1, 1]);
    begin_window(&app);
    let begun = Instant::now();
    let answers = join_all((0..200).map(|_| login(&attacker, &owner.username, WRONG))).await;
    // A wait may be over before the last is counted: of a second, two more, four more.
    let waited = [1, 3, 7, 15, 31].into_iter();
    let waited = waited
        .filter(|seconds| begun.elapsed().as_secs() >= *seconds)
        .count();
    let checked = answers.iter().filter(|answer| answer.status == 401).count();
    assert!(
        (FREE..=FREE + waited).contains(&checked),
        "{checked} of {waited} waits"
    );
    for answer in answers {
        if answer.status != 401 {
            wait(answer);
        }
    }
    // Of those from everywhere, what was checked is gone and nothing else.
    assert_eq!(fill(&app, &owner.username, "after").await, LIMIT - checked);
}

/// Guarantees 20 and 22: a name takes 50 attempts in 15 minutes from all addresses that it isn't known at. What is refused
/// then adds no item to the table, from however many addresses it comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_has_50_attempts_in_15_minutes_from_all_addresses_together() {
    let app = TestApp::new().await;
    for name in [app.member().await.username, "nobody".into()] {
        begin_window(&app);
        let before = items(&app).await;
        let callers: Vec<Caller> = (1..=12).map(|n| app.anonymous().at([127, 0, 1, n])).collect();
        let guesses = callers.iter().flat_map(|caller| [caller; FREE]);
        let answers = join_all(guesses.map(|caller| login(caller, &name, WRONG))).await;
        let checked = answers.iter().filter(|answer| answer.status == 401).count();
        assert_eq!(checked, LIMIT);
        // An item for each address, and one for the window.
        assert!(items(&app).await <= before + 13);

        let before = items(&app).await;
        let more: Vec<Caller> = (1..=60).map(|n| app.anonymous().at([127, 0, 2, n])).collect();
        let refused = join_all(more.iter().map(|caller| login(caller, &name, WRONG))).await;
        let longest = refused.into_iter().map(wait).max().unwrap();
        assert_eq!(items(&app).await, before);
        app.clock.advance(longest);
        login(&app.anonymous().at([127, 0, 3, 1]), &name, WRONG)
            .await
            .is(401);
    }
}

/// Guarantee 20: the most that anybody can guess at one name, with all the addresses of the world.
#[tokio::test]
async fn an_account_has_at_most_500_attempts_in_any_hour() {
    const STEP: i64 = 300;
    let app = TestApp::new().await;
    app.clock
        .advance(WINDOW - app.clock.now().seconds().rem_euclid(WINDOW) - STEP / 2);
    let mut taken = Vec::new();
    for step in 0..30 {
        taken.push(fill(&app, "ripley", &format!("step{step}")).await);
        app.clock.advance(STEP);
    }
    let hour = usize::try_from(3600 / STEP).unwrap();
    let most = taken
        .windows(hour + 1)
        .map(|hour| hour.iter().sum::<usize>())
        .max();
    assert!((LIMIT * 4..=LIMIT * 5).contains(&most.unwrap()), "{taken:?}");
}

/// Guarantee 18: neither how long a name waits nor what is asked of the table tells whether it is anybody's.
#[tokio::test]
async fn guesses_at_an_unknown_name_are_throttled_alike() {
    let proxied = ProxiedApp::new().await;
    let app = &proxied.app;
    let member = app.member().await;
    let mut seen = Vec::new();
    for name in [&member.username, &email(&member), "nobody"] {
        let attacker = app.anonymous().at([127, 0, 1, 1]);
        begin_window(app);
        // The keys are read again after some minutes, whoever comes first.
        login(&app.anonymous(), "somebody else", WRONG).await.is(401);
        let mut calls = Vec::new();
        let mut attempt = async |caller: &Caller| {
            proxied.proxy.take();
            let answer = at_once(app, async || login(caller, name, WRONG).await).await;
            let mut cost = Cost::of(proxied.proxy.take());
            cost.calls.sort_unstable();
            calls.push((cost.calls, cost.reads, cost.writes));
            let (status, mut body) = settled(answer);
            // How long is for the clock to say.
            body.as_object_mut().unwrap().remove("detail");
            (status, body)
        };
        let mut answers = Vec::new();
        for _ in 0..=FREE {
            answers.push(attempt(&attacker).await);
        }
        fill(app, name, "elsewhere").await;
        let elsewhere = app.anonymous().at([127, 0, 1, 2]);
        answers.push(attempt(&elsewhere).await);
        assert_eq!((answers[FREE].0, answers[FREE + 1].0), (429, 429));
        seen.push((answers, calls));
    }
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[1], seen[2]);
}

/// Guarantee 22: a clock that was set back makes nobody wait for what is ahead of it.
#[tokio::test]
async fn waits_survive_a_clock_that_is_set_back() {
    for back in [60, 3600, 400 * DAY] {
        let app = TestApp::new().await;
        let owner = app.member().await;
        let guesser = app.anonymous();
        for _ in 0..8 {
            let mut answer = login(&guesser, &owner.username, WRONG).await;
            while answer.status == 401 {
                answer = login(&guesser, &owner.username, WRONG).await;
            }
            app.clock.advance(wait(answer));
        }
        login(&guesser, &owner.username, WRONG).await.is(401);
        wait(login(&guesser, &owner.username, WRONG).await);
        app.clock.advance(-back);
        // Guessing is as slow as it was, by this clock.
        login(&guesser, &owner.username, WRONG).await.is(401);
        let left = wait(login(&guesser, &owner.username, WRONG).await);
        assert!(left > 60, "{left}");
        app.clock.advance(left);
        login(&guesser, &owner.username, PASSWORD).await.is(200);

        fill(&app, &owner.username, "guess").await;
        app.clock.advance(-back);
        login(&guesser, &owner.username, PASSWORD).await.is(200);
        let left = fill(&app, &owner.username, "more").await;
        assert!(left <= LIMIT);
        wait(login(&app.anonymous().at([127, 0, 9, 1]), &owner.username, PASSWORD).await);
    }
}
