//! Account owners can sign in while others guess their password.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use marquee::server::Place;
use marquee_shared::domain::UserId;
use serde_json::{Value, json};

use super::{
    DAY, FREE, LIMIT, LOGIN, REFRESH, WINDOW, WRONG, attempt_until_throttled, email, fill_window, login,
    refreshed, retry_after, start_window,
};
use crate::support::{
    Answer, Caller, PASSWORD, TestApp,
    layouts::make_sessions_earlier,
    proxy::{Fault, ProxiedApp},
    tokens::without_user,
};

const LOGOUT: &str = "/api/auth/logout/";

async fn login_with(caller: &Caller, name: &str, password: &str, refresh: &str) -> Answer {
    let body = json!({"username": name, "password": password, "refresh": refresh});
    caller.post(LOGIN).json(&body).send().await
}

/// An attacker with one address who waits for `Retry-After`.
struct Attacker {
    caller: Caller,
    name: String,
    /// The second at which the next guess is accepted.
    next_guess_at: i64,
}

/// Guarantee 22: forty attackers, who wait for `Retry-After`, guess for more than half an hour. The owner can sign in
/// at any time.
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
            // Half of the attackers use the username, half the email.
            name: [owner.username.clone(), email(&owner)][usize::from(n % 2)].clone(),
            next_guess_at: 0,
        })
        .collect();
    start_window(&app);
    let (mut now, mut guesses, mut refusals) = (0, 0, 0);
    let mut token = owner.refresh.clone();
    for round in 0..14 {
        let guessing = attackers
            .iter_mut()
            .filter(|attacker| attacker.next_guess_at <= now);
        let guessing = join_all(guessing.map(|attacker| async move {
            // All free guesses in the first round, one guess in each later round.
            loop {
                let answer = login(&attacker.caller, &attacker.name, WRONG).await;
                if answer.status == 429 {
                    attacker.next_guess_at = now + retry_after(answer);
                    return (usize::from(round == 0) * FREE, 1);
                }
                answer.is(401);
                if round > 0 {
                    return (1, 0);
                }
            }
        }));
        // The owner signs in at a known address, and at a new address with a token of an earlier session.
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
            // The attack uses up both names: nobody can sign in with either of them from an unknown address.
            for name in [&owner.username, &email(&owner)] {
                retry_after(login(&stranger, name, PASSWORD).await);
            }
        }
        app.clock.advance(150);
        now += 150;
    }
    assert!(guesses > 100 && refusals > 40, "{guesses} {refusals}");
    // The owner's first session continues.
    refreshed(&owner, &owner.refresh).await;
}

/// Guarantee 22: an attacker with a few addresses does not throttle other addresses, known or unknown.
#[tokio::test]
async fn an_attacker_with_five_addresses_makes_no_other_address_wait() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    start_window(&app);
    let attackers: Vec<Caller> = (1..=5).map(|n| app.anonymous().at([127, 0, 1, n])).collect();
    let guesses = attackers.iter().flat_map(|attacker| [attacker; 20]);
    join_all(guesses.map(|attacker| login(attacker, &owner.username, WRONG))).await;
    login(&app.anonymous().at([127, 0, 9, 1]), &owner.username, PASSWORD)
        .await
        .is(200);
    login(&app.anonymous(), &owner.username, PASSWORD).await.is(200);
}

/// Guarantee 22: if the attacker has the owner's address, a refresh token of the account identifies the owner, even if
/// it has been replaced or revoked.
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

    let attack =
        async || attempt_until_throttled(&app, async || login(&app.anonymous(), name, WRONG).await).await;
    attack().await;
    for days in [0, 31] {
        for (state, token) in &tokens {
            let answer = login_with(&app.anonymous(), name, PASSWORD, token).await;
            assert_eq!(answer.status, 200, "{state}, {days} days on: {}", answer.text);
            // A login resets the count of the address, for the attacker too.
            attack().await;
        }
        app.clock.advance((31 - days) * DAY);
        if days == 0 {
            // The sessions have ended by now.
            attack().await;
        }
    }

    // Only refresh tokens of this account have an effect.
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
    // A login does not end the session of its token.
    let fresh = app.member().await;
    login_with(&app.anonymous(), &fresh.username, PASSWORD, &fresh.refresh)
        .await
        .is(200);
    refreshed(&fresh, &fresh.refresh).await;
}

/// Guarantee 22: whatever somebody sends who has none of the owner's refresh tokens and not the password, the owner's sessions
/// continue. Even the session's id, which is in every access token, ends nothing.
#[tokio::test]
async fn nothing_that_is_sent_without_a_secret_of_the_owner_ends_a_session() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let second = owner.in_new_session().await;
    let attacker = app.member().await;
    let nobody = app.anonymous().at([127, 0, 1, 1]);
    let sessions = [&owner, &second].map(|caller| caller.session().unwrap());

    let mut forged = vec![attacker.refresh.clone(), owner.access.clone().unwrap()];
    forged.extend(sessions.iter().cloned());
    for at in 0..owner.refresh.len() {
        let mut bytes = owner.refresh.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'Q' } else { b'A' };
        let text = String::from_utf8(bytes).unwrap();
        forged.extend((text != owner.refresh).then_some(text));
    }
    for token in &forged {
        let body = json!({"refresh": token});
        for path in [REFRESH, LOGOUT] {
            let status = nobody.post(path).json(&body).send().await.status.as_u16();
            let is_own = *token == attacker.refresh;
            assert_eq!(status == 401, !is_own, "{path} {token}: {status}");
        }
    }

    let attacker = attacker.in_new_session().await;
    for session in &sessions {
        let path = format!("/api/users/me/sessions/{session}/");
        attacker.delete(&path).send().await.is(404);
        nobody.delete(&path).send().await.is(401);
    }
    attacker.delete("/api/users/me/sessions/").send().await.is(204);

    for name in [&owner.username, &email(&owner)] {
        attempt_until_throttled(&app, async || login(&nobody, name, WRONG).await).await;
        let taken = json!({"username": name, "email": email(&owner), "password": PASSWORD});
        nobody
            .post("/api/auth/register/")
            .json(&taken)
            .send()
            .await
            .is(409);
    }
    let passwords = json!({"current_password": WRONG, "new_password": "another long passphrase"});
    for caller in [&nobody, &attacker] {
        let status = if caller.id == 0 { 401 } else { 400 };
        caller
            .put("/api/users/me/password/")
            .json(&passwords)
            .send()
            .await
            .is(status);
        caller
            .delete("/api/users/me/")
            .json(&passwords)
            .send()
            .await
            .is(status);
    }
    for n in 0..FREE {
        let asked = json!({"email": email(&owner)});
        nobody
            .post("/api/auth/password-reset/")
            .json(&asked)
            .send()
            .await
            .is(202);
        let guess = json!({"token": format!("{n:032}"), "password": "another long passphrase"});
        let path = "/api/auth/password-reset/confirm/";
        nobody.post(path).json(&guess).send().await.is(400);
    }
    let own = json!({"current_password": PASSWORD});
    attacker.delete("/api/users/me/").json(&own).send().await.is(204);

    for caller in [&owner, &second] {
        caller.get("/api/users/me/").send().await.is(200);
        refreshed(caller, &caller.refresh).await;
    }
}

/// Guarantee 20: a stolen token does not allow faster guessing. All tokens of a session are counted as one.
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
    attempt_until_throttled(&app, async || {
        let token = &tokens[turn.fetch_add(1, Ordering::Relaxed) % 4];
        login_with(&owner, name, WRONG, token).await
    })
    .await;
    for token in &tokens {
        // With the token, the owner must wait at every address. Without it, the owner need not.
        retry_after(login_with(&owner.at([127, 0, 9, 1]), name, PASSWORD, token).await);
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

/// Older refresh tokens do not name their user. Such a token works like any other while its session lasts, and so does
/// its successor.
#[tokio::test]
async fn a_token_of_the_format_without_a_user_still_works() {
    let data = tempfile::tempdir().unwrap();
    let place = data.path().to_owned();
    let app = TestApp::with(|options| options.place = Place::Data(place)).await;
    let owner = app.member().await;
    let name = &owner.username;
    let user = UserId::try_from(owner.id).unwrap();
    make_sessions_earlier(&app.running.state.store, user).await;
    let before = without_user(&owner.refresh, data.path());
    let attack =
        async || attempt_until_throttled(&app, async || login(&app.anonymous(), name, WRONG).await).await;
    attack().await;
    login_with(&app.anonymous(), name, PASSWORD, &before)
        .await
        .is(200);
    let next = refreshed(&owner, &before).await;
    assert_eq!(
        next,
        refreshed(&owner, &owner.refresh).await,
        "both formats of a token have the same successor"
    );
    let body = json!({"refresh": without_user(&next, data.path())});
    owner.post(LOGOUT).json(&body).send().await.is(204);
    attack().await;
    retry_after(login_with(&app.anonymous(), name, PASSWORD, &before).await);
    login_with(&app.anonymous(), name, PASSWORD, &next).await.is(200);
}

/// Guarantee 22: a registration signs the user in. The address is then known for both names, for 30 days.
#[tokio::test]
async fn an_address_is_known_for_30_days_after_registration_or_login_by_either_name() {
    let app = TestApp::new().await;
    let owner = app.register("ripley").await;
    let (home, work) = (app.anonymous(), app.anonymous().at([127, 0, 9, 1]));
    let both = [owner.username.clone(), email(&owner)];
    let close = async |series: &str| {
        start_window(&app);
        for name in &both {
            assert!(fill_window(&app, name, series).await <= LIMIT);
        }
    };
    close("registered").await;
    for name in &both {
        login(&home, name, WRONG).await.is(401);
        retry_after(login(&work, name, PASSWORD).await);
    }
    app.clock.advance(29 * DAY);
    close("later").await;
    login(&home, &both[1], WRONG).await.is(401);
    app.clock.advance(DAY);
    close("too late").await;
    for name in &both {
        retry_after(login(&home, name, PASSWORD).await);
    }
    // After the window, a login by the email makes the address known for both names.
    app.clock.advance(WINDOW);
    login(&work, &both[1], PASSWORD).await.is(200);
    close("signed in").await;
    for name in &both {
        login(&work, name, WRONG).await.is(401);
        retry_after(login(&home, name, PASSWORD).await);
    }
    // An address that is known for one account is not known for another.
    let other = app.member().await;
    start_window(&app);
    fill_window(&app, &other.username, "other").await;
    retry_after(login(&work, &other.username, PASSWORD).await);
}

/// Guarantee 18: no throttle reveals which email belongs to which username.
#[tokio::test]
async fn the_two_names_of_an_account_are_throttled_separately() {
    let app = TestApp::new().await;
    let (owner, other) = (app.member().await, app.member().await);
    let attacker = app.anonymous().at([127, 0, 1, 1]);
    attempt_until_throttled(&app, async || login(&attacker, &owner.username, WRONG).await).await;
    let others = [email(&owner), email(&other), "nobody@example.com".into()];
    for name in &others {
        attempt_until_throttled(&app, async || login(&attacker, name, WRONG).await).await;
    }
    // This also holds for the limit of all addresses.
    start_window(&app);
    fill_window(&app, &owner.username, "guess").await;
    let elsewhere = app.anonymous().at([127, 0, 1, 2]);
    retry_after(login(&elsewhere, &owner.username, WRONG).await);
    for name in &others {
        login(&elsewhere, name, WRONG).await.is(401);
    }
}

/// A failure to record the known address does not refuse the right password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_cannot_be_recorded_succeeds() {
    let proxied = ProxiedApp::new().await;
    let owner = proxied.app.member().await;
    login(&owner, &owner.username, PASSWORD).await.is(200);
    // The first UpdateItem counts the attempt and is let through. The later ones record the login.
    proxied.proxy.inject("UpdateItem", 1..usize::MAX, Fault::CallLost);
    let answer = login(&proxied.app.anonymous(), &owner.username, PASSWORD)
        .await
        .is(200);
    proxied.proxy.clear_faults();
    refreshed(&owner, answer.body["refresh"].as_str().unwrap()).await;
}
