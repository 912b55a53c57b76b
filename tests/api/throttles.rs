//! Guessing is slow, and nobody can lock an owner out by it: guarantees 18 to 22.
//!
//! A client's address is one of the loopback network's own, `127.0.0.0/8`, all of which Linux takes for this machine.
//! Attackers here never pause while the owner signs in, and never break a rule: they ask again when `Retry-After` is over.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use futures_util::future::join_all;
use marquee::server::Place;
use marquee_shared::{
    db::attempts::{Attempt, Claim},
    domain::password::Secret,
};
use serde_json::{Value, json};

use super::settled;
use crate::support::{
    Answer, Caller, PASSWORD, TestApp,
    audit::scan,
    proxy::{Cost, Fault, ProxiedApp},
    tokens::without_user,
};

const REGISTER: &str = "/api/auth/register/";
const LOGIN: &str = "/api/auth/login/";
const REFRESH: &str = "/api/auth/refresh/";
const LOGOUT: &str = "/api/auth/logout/";

const WRONG: &str = "a wrong passphrase";

/// How many attempts a name has from one address before the first wait.
const FREE: usize = 9;
/// The window of all addresses, in seconds, and how many attempts it takes.
const WINDOW: i64 = 900;
const LIMIT: usize = 50;

const DAY: i64 = 24 * 3600;

async fn login(caller: &Caller, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    caller.post(LOGIN).json(&body).send().await
}

async fn login_with(caller: &Caller, name: &str, password: &str, refresh: &str) -> Answer {
    let body = json!({"username": name, "password": password, "refresh": refresh});
    caller.post(LOGIN).json(&body).send().await
}

async fn refreshed(caller: &Caller, token: &str) -> String {
    let body = json!({"refresh": token});
    let answer = caller.post(REFRESH).json(&body).send().await.is(200);
    answer.body["refresh"].as_str().unwrap().to_owned()
}

fn email(of: &Caller) -> String {
    format!("{}@example.com", of.username)
}

/// The seconds that a refused attempt has to wait.
fn wait(answer: Answer) -> i64 {
    let answer = answer.is_problem(429, "too_many_requests");
    let wait = answer.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    wait
}

/// An attempt before the clock goes on, so that no wait is over because this machine is slow.
async fn at_once(app: &TestApp, attempt: impl AsyncFn() -> Answer) -> Answer {
    app.clock.advance(-3);
    let answer = attempt().await;
    app.clock.advance(3);
    answer
}

/// Attempts until the next has to wait, for longer than a test takes: nine that are free, and a few more in their time.
async fn use_up(app: &TestApp, attempt: impl AsyncFn() -> Answer) {
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
async fn fill(app: &TestApp, name: &str, series: &str) -> usize {
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

/// How many waits may be over since then on a slow machine: of one second, of two more, of four more.
fn waits_over(begun: Instant) -> usize {
    let seconds = begun.elapsed().as_secs();
    [1, 3, 7, 15, 31, 63]
        .into_iter()
        .filter(|over| seconds >= *over)
        .count()
}

/// Puts the clock to some seconds after the beginning of a window, so that none ends or began in the middle of a test.
fn begin_window(app: &TestApp) {
    let into = app.clock.now().seconds().rem_euclid(WINDOW);
    app.clock.advance(WINDOW - into + 10);
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

/// Somebody who guesses from one address, and obeys.
struct Attacker {
    caller: Caller,
    name: String,
    /// The second from which on the next guess is taken.
    open: i64,
}

/// Guarantee 22: forty attackers guess for more than half an hour, and never break a rule; the owner signs in all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_signs_in_at_every_moment_while_forty_addresses_guess() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let home = app.anonymous();
    let traveling = app.anonymous().at([127, 0, 9, 1]);
    let stranger = app.anonymous().at([127, 0, 9, 2]);
    let mut attackers: Vec<Attacker> = (1..=40)
        .map(|n| Attacker {
            caller: app.anonymous().at([127, 0, 1, n]),
            // Both names of the account.
            name: [owner.username.clone(), email(&owner)][usize::from(n % 2)].clone(),
            open: 0,
        })
        .collect();
    begin_window(&app);
    let (mut now, mut guesses, mut refusals) = (0, 0, 0);
    let mut token = owner.refresh.clone();
    for round in 0..14 {
        let guessing = attackers.iter_mut().filter(|attacker| attacker.open <= now);
        let guessing = join_all(guessing.map(|attacker| async move {
            // As long as they are free, as many as there are.
            loop {
                let answer = login(&attacker.caller, &attacker.name, WRONG).await;
                if answer.status == 429 {
                    attacker.open = now + wait(answer);
                    return (usize::from(round == 0) * FREE, 1);
                }
                answer.is(401);
                if round > 0 {
                    return (1, 0);
                }
            }
        }));
        // At home, by either name; and abroad, with a token of an earlier session.
        let name = [&owner.username, &email(&owner)][round % 2].clone();
        let (guessed, at_home, abroad) = tokio::join!(
            guessing,
            login(&home, &name, PASSWORD),
            login_with(&traveling, &name, PASSWORD, &token),
        );
        at_home.is(200);
        token = abroad.is(200).body["refresh"].as_str().unwrap().to_owned();
        guesses += guessed.iter().map(|(guesses, _)| guesses).sum::<usize>();
        refusals += guessed.iter().map(|(_, refused)| refused).sum::<usize>();
        if round == 0 {
            // The attack is one: from an address that nobody knows, neither name can be signed in with.
            for name in [&owner.username, &email(&owner)] {
                wait(login(&stranger, name, PASSWORD).await);
            }
        }
        app.clock.advance(150);
        now += 150;
    }
    assert!(guesses > 100 && refusals > 40, "{guesses} {refusals}");
    // The session from before was never touched.
    refreshed(&owner, &owner.refresh).await;
}

/// Guarantee 22: an attacker with one address, or with a few, doesn't reach whoever comes from elsewhere, known or not.
#[tokio::test]
async fn an_attacker_with_five_addresses_makes_no_other_address_wait() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    begin_window(&app);
    let attackers: Vec<Caller> = (1..=5).map(|n| app.anonymous().at([127, 0, 1, n])).collect();
    let guesses = attackers.iter().flat_map(|attacker| [attacker; 20]);
    join_all(guesses.map(|attacker| login(attacker, &owner.username, WRONG))).await;
    login(&app.anonymous().at([127, 0, 9, 1]), &owner.username, PASSWORD)
        .await
        .is(200);
    login(&app.anonymous(), &owner.username, PASSWORD).await.is(200);
}

/// Guarantee 22: where the attacker shares the owner's address, a token of the account is what tells the owner from them,
/// whatever has become of it.
#[tokio::test]
async fn with_any_token_of_the_account_an_owner_signs_in_beside_the_attacker() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let other = app.member().await;
    let name = &owner.username;
    let mut tokens = vec![("in use", owner.refresh.clone())];
    let replaced = login(&owner, name, PASSWORD).await.is(200).body["refresh"].clone();
    let replaced = replaced.as_str().unwrap().to_owned();
    refreshed(&owner, &replaced).await;
    tokens.push(("replaced", replaced));
    let ended = login(&owner, name, PASSWORD).await.is(200).body["refresh"].clone();
    owner
        .post(LOGOUT)
        .json(&json!({"refresh": ended}))
        .send()
        .await
        .is(204);
    tokens.push(("signed out", ended.as_str().unwrap().to_owned()));

    let attack = async || use_up(&app, async || login(&app.anonymous(), name, WRONG).await).await;
    attack().await;
    for days in [0, 31] {
        for (state, token) in &tokens {
            let answer = login_with(&app.anonymous(), name, PASSWORD, token).await;
            assert_eq!(answer.status, 200, "{state}, {days} days on: {}", answer.text);
            // It starts the count of the address anew, for the attacker too.
            attack().await;
        }
        app.clock.advance((31 - days) * DAY);
        if days == 0 {
            // The sessions are over.
            attack().await;
        }
    }

    // What is no token of this account changes nothing.
    let access = other.access.clone().unwrap();
    let mut forged = owner.refresh.clone().into_bytes();
    forged[3] = if forged[3] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    for refresh in [
        &json!(other.refresh),
        &json!(access),
        &json!(forged),
        &json!("x"),
        &json!(""),
        &Value::Null,
        &json!("A".repeat(100_000)),
    ] {
        let body = json!({"username": name, "password": PASSWORD, "refresh": refresh});
        let answer = app.anonymous().post(LOGIN).json(&body).send().await;
        assert_eq!(answer.status, 429, "{}", answer.text);
    }
    let body = json!({"username": name, "password": PASSWORD, "refresh": 7});
    let answer = app.anonymous().post(LOGIN).json(&body).send().await;
    answer.is_problem(400, "invalid_input").names(&["refresh"]);
    // A login leaves the session of its token as it was.
    let fresh = app.member().await;
    login_with(&app.anonymous(), &fresh.username, PASSWORD, &fresh.refresh)
        .await
        .is(200);
    refreshed(&fresh, &fresh.refresh).await;
}

/// Guarantee 20: whoever has stolen a token guesses no faster by it; all tokens of a session are one.
#[tokio::test]
async fn all_tokens_of_a_session_share_nine_attempts() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let name = &owner.username;
    let session = login(&owner, name, PASSWORD).await.is(200).body["refresh"].clone();
    let mut tokens = vec![owner.refresh.clone()];
    for n in 0..3 {
        tokens.push(refreshed(&owner, &tokens[n]).await);
    }
    let turn = AtomicUsize::new(0);
    use_up(&app, async || {
        let token = &tokens[turn.fetch_add(1, Ordering::Relaxed) % 4];
        login_with(&owner, name, WRONG, token).await
    })
    .await;
    for token in &tokens {
        // The owner as well, and from anywhere; but not without it.
        wait(login_with(&owner.at([127, 0, 9, 1]), name, PASSWORD, token).await);
    }
    login_with(&owner, name, WRONG, session.as_str().unwrap())
        .await
        .is(401);
    login(&owner, name, WRONG).await.is(401);
    app.clock.advance(900);
    login_with(&owner, name, PASSWORD, &tokens[0]).await.is(200);
    for _ in 0..FREE {
        login_with(&owner, name, WRONG, &tokens[0]).await.is(401);
    }
}

/// A token from before tokens said whose they are works as they do while its session is there, and so does the next.
#[tokio::test]
async fn a_token_from_before_tokens_named_their_user_works_on() {
    let data = tempfile::tempdir().unwrap();
    let place = data.path().to_owned();
    let app = TestApp::with(|options| options.place = Place::Data(place)).await;
    let owner = app.member().await;
    let name = &owner.username;
    let before = without_user(&owner.refresh, data.path());
    let attack = async || use_up(&app, async || login(&app.anonymous(), name, WRONG).await).await;
    attack().await;
    login_with(&app.anonymous(), name, PASSWORD, &before)
        .await
        .is(200);
    let next = refreshed(&owner, &before).await;
    assert_eq!(
        next,
        refreshed(&owner, &owner.refresh).await,
        "both are one token"
    );
    let body = json!({"refresh": without_user(&next, data.path())});
    owner.post(LOGOUT).json(&body).send().await.is(204);
    attack().await;
    wait(login_with(&app.anonymous(), name, PASSWORD, &before).await);
    login_with(&app.anonymous(), name, PASSWORD, &next).await.is(200);
}

/// Guarantee 22: registering is signing in. The owner is known there by both names, for 30 days.
#[tokio::test]
async fn an_address_is_known_for_30_days_after_a_registration_or_a_sign_in_by_either_name() {
    let app = TestApp::new().await;
    let owner = app.register("ripley").await;
    let (home, work) = (app.anonymous(), app.anonymous().at([127, 0, 9, 1]));
    let both = [owner.username.clone(), email(&owner)];
    let close = async |series: &str| {
        begin_window(&app);
        for name in &both {
            assert!(fill(&app, name, series).await <= LIMIT);
        }
    };
    close("registered").await;
    for name in &both {
        login(&home, name, WRONG).await.is(401);
        wait(login(&work, name, PASSWORD).await);
    }
    app.clock.advance(29 * DAY);
    close("later").await;
    login(&home, &both[1], WRONG).await.is(401);
    app.clock.advance(DAY);
    close("too late").await;
    for name in &both {
        wait(login(&home, name, PASSWORD).await);
    }
    // The window over, and signed in by the email alone.
    app.clock.advance(WINDOW);
    login(&work, &both[1], PASSWORD).await.is(200);
    close("signed in").await;
    for name in &both {
        login(&work, name, WRONG).await.is(401);
        wait(login(&home, name, PASSWORD).await);
    }
    // Whoever else is at a known address isn't known there by a name of their own.
    let other = app.member().await;
    begin_window(&app);
    fill(&app, &other.username, "other").await;
    wait(login(&work, &other.username, PASSWORD).await);
}

/// Guarantee 18: no throttle tells which email belongs to which username.
#[tokio::test]
async fn the_two_names_of_an_account_are_throttled_apart() {
    let app = TestApp::new().await;
    let (owner, other) = (app.member().await, app.member().await);
    let attacker = app.anonymous().at([127, 0, 1, 1]);
    use_up(&app, async || login(&attacker, &owner.username, WRONG).await).await;
    let others = [email(&owner), email(&other), "nobody@example.com".into()];
    for name in &others {
        use_up(&app, async || login(&attacker, name, WRONG).await).await;
    }
    // Nor does the limit over all addresses.
    begin_window(&app);
    fill(&app, &owner.username, "guess").await;
    let elsewhere = app.anonymous().at([127, 0, 1, 2]);
    wait(login(&elsewhere, &owner.username, WRONG).await);
    for name in &others {
        login(&elsewhere, name, WRONG).await.is(401);
    }
}

/// Guarantees 20 and 22: waits from one address.
#[tokio::test]
async fn guessing_is_slowed_before_the_tenth_by_waits_that_grow_to_15_minutes() {
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
async fn of_200_guesses_at_once_nine_are_checked() {
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
async fn from_all_addresses_together_a_name_takes_50_attempts_in_15_minutes() {
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
async fn in_no_hour_an_account_takes_more_than_500_attempts() {
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
async fn guessing_at_an_unknown_name_is_slowed_alike() {
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

/// Guarantee 21.
#[tokio::test]
async fn no_header_makes_a_guesser_another() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let attempt = async |n: usize| {
        let address = format!("192.0.2.{n}");
        let mut call = app.anonymous().post(LOGIN);
        for (name, value) in [
            ("x-forwarded-for", address.clone()),
            ("x-real-ip", address.clone()),
            ("true-client-ip", address.clone()),
            ("x-viewer-address", address.clone()),
            ("cloudfront-viewer-address", format!("{address}:443")),
            ("forwarded", format!("for={address}")),
        ] {
            call = call.header(name, &value);
        }
        call.json(&json!({"username": owner.username, "password": WRONG}))
            .send()
            .await
    };
    for n in 0..FREE {
        attempt(n).await.is(401);
    }
    wait(at_once(&app, async || attempt(FREE).await).await);
}

/// Guarantees 21 and 22: the gateway sees CloudFront's address, where it stands in front, and CloudFront says the client's.
#[tokio::test]
async fn behind_cloudfront_a_client_is_who_cloudfront_says() {
    let app = TestApp::with(|options| {
        options.config.http.edge_key = Some(Secret::new("the key".into()));
    })
    .await;
    let call = |path: &str, address: &str| {
        let call = app.anonymous().post(path).header("x-edge-key", "the key");
        match address {
            "" => call,
            address => call.header("x-viewer-address", address),
        }
    };
    let user = json!({"username": "ripley", "email": "r@example.com", "password": PASSWORD});
    call(REGISTER, "192.0.2.1").json(&user).send().await.is(201);
    let attempt = async |address: &str, password: &str| {
        let body = json!({"username": "ripley", "password": password});
        call(LOGIN, address).json(&body).send().await
    };
    use_up(&app, async || attempt("198.51.100.1", WRONG).await).await;
    use_up(&app, async || attempt("2001:db8::1", WRONG).await).await;
    // A client has a subnet of addresses.
    wait(attempt("2001:db8:0:1::2", WRONG).await);
    attempt("2001:db8:0:100::2", WRONG).await.is(401);
    // What is no address, or isn't there, is the gateway's own.
    use_up(&app, async || attempt("", WRONG).await).await;
    wait(attempt("x", PASSWORD).await);
    begin_window(&app);
    fill(&app, "ripley", "guess").await;
    wait(attempt("198.51.100.2", PASSWORD).await);
    attempt("192.0.2.1", PASSWORD).await.is(200);
}

/// Guarantees 19 and 21.
#[tokio::test]
async fn an_address_may_be_limited_and_cannot_pretend_to_be_another() {
    let app = TestApp::with(|options| options.config.throttle.address_per_minute = 3).await;
    let attempt = async |n: u64| {
        let call = app
            .anonymous()
            .post(LOGIN)
            .header("x-forwarded-for", &format!("192.0.2.{n}"));
        call.json(&json!({"username": format!("nobody{n}"), "password": PASSWORD}))
            .send()
            .await
    };
    // A window may end between two of these, but not between all.
    let mut refused = None;
    for n in 0..7 {
        let answer = attempt(n).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        answer.is(401);
    }
    let left = wait(refused.unwrap());
    assert!(left <= 60, "{left}");
    app.clock.advance(left);
    attempt(9).await.is(401);
    for n in 0..7 {
        let name = format!("user{n}");
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let answer = app.anonymous().post(REGISTER).json(&body).send().await;
        if answer.status == 429 {
            return;
        }
    }
    panic!("registering has no limit");
}

/// What is only noted of a sign-in doesn't refuse the right password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_cannot_be_noted_is_a_sign_in() {
    let proxied = ProxiedApp::new().await;
    let owner = proxied.app.member().await;
    login(&owner, &owner.username, PASSWORD).await.is(200);
    // The first counts the attempt, here where the account is known.
    proxied.proxy.inject("UpdateItem", 1..usize::MAX, Fault::CallLost);
    let answer = login(&proxied.app.anonymous(), &owner.username, PASSWORD)
        .await
        .is(200);
    proxied.proxy.clear_faults();
    refreshed(&owner, answer.body["refresh"].as_str().unwrap()).await;
}
