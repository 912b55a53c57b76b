//! Owners: guesses by others don't lock them out.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use marquee::server::Place;
use serde_json::{Value, json};

use super::{
    DAY, FREE, LIMIT, LOGIN, WINDOW, WRONG, begin_window, email, fill, login, refreshed, use_up, wait,
};
use crate::support::{
    Answer, Caller, PASSWORD, TestApp,
    proxy::{Fault, ProxiedApp},
    tokens::without_user,
};

const LOGOUT: &str = "/api/auth/logout/";

async fn login_with(caller: &Caller, name: &str, password: &str, refresh: &str) -> Answer {
    let body = json!({"username": name, "password": password, "refresh": refresh});
    caller.post(LOGIN).json(&body).send().await
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
async fn an_owner_can_always_sign_in_while_forty_addresses_guess() {
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
async fn any_token_of_the_account_lets_its_owner_sign_in_from_the_attackers_address() {
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
async fn a_token_of_the_format_without_a_user_still_works() {
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
async fn an_address_is_known_for_30_days_after_registration_or_login_by_either_name() {
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
async fn the_two_names_of_an_account_are_throttled_separately() {
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

/// What is only noted of a sign-in doesn't refuse the right password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_cannot_be_recorded_succeeds() {
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
