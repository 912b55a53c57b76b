//! Two deployments that run every kind of request, and what every function needed meanwhile.

use std::{collections::BTreeMap, path::Path};

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use aws_sdk_dynamodb::types::ReturnValue;
use futures_util::future::join_all;
use marquee::{guard::Seen, server::Place};
use marquee_shared::{
    auth::password::PasswordHash,
    db::{
        covers::DOUBTFUL_SECONDS,
        expression::Update,
        keys,
        leaving::LEAVING_FOR,
        page::{Position, Window},
    },
    domain::{IdempotencyKey, MovieId, UserId},
};
use reqwest::multipart::{Form, Part};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::{
    api::{last_page, pages, with_changes},
    deploy::sweep::put_favorites,
    support::{
        Call, Caller, PASSWORD, TestApp,
        accounts::leave_behind,
        audit::audit,
        layouts::make_sessions_earlier,
        mail::token_in,
        movie,
        operations::{IMAGE, sample_movie},
        tokens::without_user,
    },
};

/// Returns what every function needed of its role while two deployments ran every kind of request.
pub(super) async fn seen() -> &'static BTreeMap<&'static str, Seen> {
    static SEEN: OnceCell<BTreeMap<&'static str, Seen>> = OnceCell::const_new();
    SEEN.get_or_init(|| async {
        let data = tempfile::tempdir().unwrap();
        let place = data.path().to_owned();
        let app = TestApp::with(|options| {
            options.config.throttle.address_per_minute = 1000;
            options.place = Place::Data(place);
        })
        .await;
        sign_in_and_out(&app, data.path()).await;
        own_account(&app).await;
        reset_passwords(&app).await;
        let (owner, admin) = (app.member().await, app.admin().await);
        let movies = add_movies(&owner, &admin).await;
        browse(&app, &owner).await;
        favorite(&app, &owner, &movies).await;
        edit(&owner, &admin, &movies).await;
        repeat(&app, &owner, movies[0]).await;
        app.running.state.store.forget_newest().await.unwrap();
        app.anonymous()
            .get("/api/movies/categories/")
            .send()
            .await
            .is(200);
        let sweep = &app.running.functions.sweep.state.store;
        assert_eq!(marquee_sweep::sweep(sweep, AMPLE_TIME).await.unwrap().genres, 3);
        delete(&app, &owner, &movies).await;
        let swept = marquee_sweep::sweep(&app.running.functions.sweep.state.store, AMPLE_TIME).await;
        assert!(swept.unwrap().is_done);
        covers(&app).await;
        delete_account(&app).await;
        // The first function that needs the cursor key creates it: `movies` above, `users` here.
        let other = TestApp::new().await;
        other.member().await;
        pages(&other.member().await, "/api/users/?limit=1", "next").await;

        let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
        for app in [app, other] {
            for (name, function) in app.running.functions.by_name() {
                let Seen { needs, refusals } = function.guard.seen();
                let seen = seen.entry(name).or_default();
                seen.needs.extend(needs);
                seen.refusals.extend(refusals);
            }
        }
        seen
    })
    .await
}

/// Longer than a sweep takes here.
const AMPLE_TIME: std::time::Duration = std::time::Duration::from_secs(60);

/// Runs registration; login with a right, a wrong and a weakly hashed password, and with a token; throttled logins from
/// one address and from all; refresh, replay and logout. The server keeps its secrets in `data`.
async fn sign_in_and_out(app: &TestApp, data: &Path) {
    let user = app.register("ripley").await;
    let taken = json!({"username": "ripley", "email": "r@example.com", "password": PASSWORD});
    user.post("/api/auth/register/").json(&taken).send().await.is(409);
    let log_in = |password: &str| {
        let body = json!({"username": "ripley@example.com", "password": password});
        user.post("/api/auth/login/").json(&body).send()
    };
    log_in(PASSWORD).await.is(200);
    // No wait ends because this machine is slow.
    app.clock.stop();
    for _ in 0..9 {
        log_in("another passphrase").await.is(401);
    }
    log_in(PASSWORD).await.is(429);
    for token in [&user.refresh, &without_user(&user.refresh, data)] {
        let body = json!({"username": "ripley", "password": PASSWORD, "refresh": token});
        user.post("/api/auth/login/").json(&body).send().await.is(200);
    }
    let strangers: Vec<Caller> = (1..=12).map(|n| app.anonymous().at([127, 0, 1, n])).collect();
    let guesses = strangers
        .iter()
        .flat_map(|stranger| [stranger; 9])
        .map(|stranger| {
            let body = json!({"username": "nobody", "password": PASSWORD});
            stranger.post("/api/auth/login/").json(&body).send()
        });
    assert!(join_all(guesses).await.iter().any(|answer| answer.status == 429));

    let store = &app.running.state.store;
    let login = async || store.find_login("ripley").await.unwrap().unwrap();
    store.upgrade_hash(&login().await, &weak_hash()).await.unwrap();
    // The wait after the wrong passwords is over.
    app.clock.advance(2);
    log_in(PASSWORD).await.is(200);
    assert_ne!(
        login().await.password_hash,
        weak_hash(),
        "the weak hash was not replaced"
    );

    let refresh = |token: &str| {
        let body = json!({"refresh": token});
        user.post("/api/auth/refresh/").json(&body).send()
    };
    refresh(&user.refresh).await.is(200);
    app.clock.advance(11);
    refresh(&user.refresh).await.is(401);
    let other = app.member().await;
    let body = json!({"refresh": other.refresh});
    other.post("/api/auth/logout/").json(&body).send().await.is(204);
    // A session of an earlier version is refreshed, another one ended.
    let [one, two] = [app.member().await, app.member().await];
    for user in [&one, &two] {
        make_sessions_earlier(store, UserId::try_from(user.id).unwrap()).await;
    }
    refresh(&without_user(&one.refresh, data)).await.is(200);
    let body = json!({"refresh": two.refresh});
    two.post("/api/auth/logout/").json(&body).send().await.is(204);
}

/// Asks for password resets of a user and of nobody, resets a password, and tries a used token.
async fn reset_passwords(app: &TestApp) {
    let user = app.member().await;
    let path = "/api/auth/password-reset/";
    let address = format!("{}@example.com", user.username);
    for email in ["nobody@example.com", &address] {
        let body = json!({"email": email});
        user.post(path).json(&body).send().await.is(202);
    }
    let token = token_in(&app.mails(&address, 1).await[0]);
    for status in [204, 400] {
        let body = json!({"token": token, "password": PASSWORD});
        let call = user.post(&format!("{path}confirm/")).json(&body);
        call.send().await.is(status);
    }
    // Of many at once, all but nine must wait, and are checked again before they are refused.
    let strangers: Vec<Caller> = (1..=12).map(|n| app.anonymous().at([127, 0, 2, n])).collect();
    let requests = strangers.iter().flat_map(|stranger| [stranger; 9]);
    let requests = requests.map(|stranger| {
        let body = json!({"email": "nobody@example.com"});
        stranger.post(path).json(&body).send()
    });
    assert!(join_all(requests).await.iter().any(|answer| answer.status == 429));
}

/// Returns a hash of the password with weak parameters.
fn weak_hash() -> PasswordHash {
    let params = Params::new(1024, 1, 1, None).unwrap();
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(PASSWORD.as_bytes(), b"salt salt salt")
        .unwrap();
    serde_json::from_value(json!(hash.to_string())).unwrap()
}

/// Adds movies with new and existing genres, with and without a favorite, and one for another owner.
async fn add_movies(owner: &Caller, admin: &Caller) -> Vec<u64> {
    let alien = movie("Alien", "Ridley Scott", "Horror, Sci-Fi", "1979-05-25");
    let mut ids = Vec::new();
    let with_imdb_id = json!({"title": "Aliens", "imdb_id": "tt0090605", "favorite": true});
    for changes in [json!({}), with_imdb_id] {
        ids.push(
            owner.add(&with_changes(&alien, &changes)).await["id"]
                .as_u64()
                .unwrap(),
        );
    }
    let named = with_changes(&alien, &json!({"title": "Alien³", "user": owner.id}));
    ids.push(admin.add(&named).await["id"].as_u64().unwrap());
    ids
}

/// Reads every list in every order, page by page and back, and single movies, both signed in and anonymous.
async fn browse(app: &TestApp, member: &Caller) {
    for caller in [&app.anonymous(), member] {
        for path in [
            "/api/movies/?limit=1",
            "/api/movies/?limit=1&ordering=-id",
            "/api/movies/?limit=1&ordering=release_date",
            "/api/movies/?limit=1&genre=horror",
            "/api/movies/?limit=1&genre=horror&ordering=-release_date",
            "/api/movies/?limit=1&genre=horror,sci-fi&released_from=1900-01-01",
            "/api/movies/?limit=1&director=ridley+scott&ordering=-release_date",
            "/api/movies/?limit=1&year=1979",
            "/api/movies/search/?limit=1&q=alien",
            "/api/movies/search/?limit=1&q=scott+sci+1979",
        ] {
            assert_eq!(pages(caller, path, "next").await.concat().len(), 3, "{path}");
            let last = last_page(caller, path).await;
            assert_eq!(pages(caller, &last, "previous").await.len(), 3, "{path}");
        }
        for path in [
            "/api/movies/1/",
            "/api/movies/?imdb_id=tt0090605",
            "/api/movies/most-liked/",
            "/api/movies/newest/",
            "/api/movies/categories/",
            "/api/openapi.json",
            "/api/health/",
            "/.well-known/jwks.json",
        ] {
            caller.get(path).send().await.is(200);
        }
    }
    // A page by date of a director with more movies than are read for one.
    let first = Window::After(Position {
        driver: 1,
        ..Position::at("1870-01-01#0000000000000000")
    });
    let key = app.running.state.store.cursor_key().await.unwrap();
    let cursor = key
        .seal("movies ordering=release_date director=ridley-scott", &first)
        .unwrap();
    let path = format!("/api/movies/?ordering=release_date&director=ridley+scott&cursor={cursor}");
    assert_eq!(member.get(&path).send().await.is(200).ids().len(), 3);
    member.get("/api/users/me/").send().await.is(200);
    pages(member, "/api/users/?limit=1", "next").await;
}

/// Lists and ends sessions, changes the password and both names, and sends a wrong password.
async fn own_account(app: &TestApp) {
    let member = app.member().await;
    let (second, third) = (member.in_new_session().await, member.in_new_session().await);
    let sessions = "/api/users/me/sessions/";
    assert_eq!(member.get(sessions).send().await.is(200).body["count"], 3);
    let path = format!("{sessions}{}/", third.session().unwrap());
    member.delete(&path).send().await.is(204);
    second.delete(sessions).send().await.is(204);
    let member = member.in_new_session().await;
    let password = json!({"current_password": PASSWORD, "new_password": PASSWORD});
    member
        .put("/api/users/me/password/")
        .json(&password)
        .send()
        .await
        .is(204);
    let names = json!({"username": "kane", "email": "kane@example.com", "current_password": PASSWORD});
    member.patch("/api/users/me/").json(&names).send().await.is(200);
    let wrong = with_changes(&names, &json!({"current_password": "another passphrase"}));
    member.patch("/api/users/me/").json(&wrong).send().await.is(400);
}

/// Uploads covers of a movie and of a new one, reads, replaces and deletes them, and deletes what no movie has.
async fn covers(app: &TestApp) {
    let member = app.member().await;
    let form = Form::new().part("cover_image", Part::bytes(IMAGE).file_name("a.png"));
    let added = sample_movie();
    let form = added
        .as_object()
        .unwrap()
        .iter()
        .fold(form, |form, (name, value)| {
            form.text(name.clone(), value.as_str().unwrap().to_owned())
        });
    let call = member.post("/api/movies/").0.multipart(form);
    let movie = Call(call).send().await.is(201).body;
    let path = format!("/api/movies/{}/cover/", movie["id"]);
    member.put(&path).body("image/png", IMAGE).send().await.is(200);
    let cover = movie["cover_image"].as_str().unwrap();
    assert_eq!(reqwest::get(cover).await.unwrap().status(), 200);
    member.delete(&path).send().await.is(204);
    app.clock.advance(DOUBTFUL_SECONDS + 1);
    assert_eq!(app.running.functions.images.sweep().await.unwrap(), 2);
    assert_eq!(reqwest::get(cover).await.unwrap().status(), 404);
}

/// Deletes an account with a movie and a favorite, and leaves some of both, and a session, to the sweep.
async fn delete_account(app: &TestApp) {
    let member = app.member().await;
    let mut added = sample_movie();
    added["favorite"] = json!(true);
    let first = member.add(&added).await;
    for _ in 0..2 {
        assert_eq!(
            member
                .get("/api/users/me/movies/?limit=1")
                .send()
                .await
                .is(200)
                .ids()
                .len(),
            1
        );
    }
    let password = json!({"current_password": PASSWORD});
    member
        .delete("/api/users/me/")
        .json(&password)
        .send()
        .await
        .is(204);
    let store = &app.running.state.store;
    let (user, movie) = (
        UserId::try_from(member.id).unwrap(),
        MovieId::try_from(first["id"].as_u64().unwrap()).unwrap(),
    );
    leave_behind(store, user, movie).await;
    app.clock.advance(LEAVING_FOR + 1);
    let sweep = &app.running.functions.sweep.state.store;
    let swept = marquee_sweep::sweep(sweep, AMPLE_TIME).await.unwrap();
    assert_eq!(swept.accounts, 0);
    audit(store).await;
}

/// Adds, removes and lists favorites, also by several users concurrently.
async fn favorite(app: &TestApp, member: &Caller, movies: &[u64]) {
    let path = format!("/api/movies/{}/favorite/", movies[0]);
    for _ in 0..2 {
        member.post(&path).send().await.is(200);
    }
    let mut fans = vec![member.clone()];
    for _ in 0..5 {
        fans.push(app.member().await);
    }
    for answer in join_all(fans.iter().map(|fan| fan.put(&path).send())).await {
        answer.is(200);
    }
    let mine = "/api/users/me/favorites/?limit=1";
    assert_eq!(pages(member, mine, "next").await.len(), 2);
    member.delete(&path).send().await.is(200);
}

/// Adds a movie and toggles a favorite with keys, twice each. The count of the first toggle wasn't kept.
async fn repeat(app: &TestApp, member: &Caller, movie: u64) {
    let body = sample_movie();
    let store = &app.running.state.store;
    for status in [201, 201] {
        let call = member.post("/api/movies/").json(&body);
        call.header("idempotency-key", "a").send().await.is(status);
    }
    let added = member.get("/api/movies/?ordering=-id").send().await.is(200).ids()[0];
    member
        .delete(&format!("/api/movies/{added}/"))
        .send()
        .await
        .is(204);
    let path = format!("/api/movies/{movie}/favorite/");
    let key = IdempotencyKey::parse(b"b").unwrap();
    let kept = keys::kept_answer(UserId::try_from(member.id).unwrap(), &key);
    let toggle = || member.post(&path).header("idempotency-key", "b").send();
    toggle().await.is(200);
    let without_count = Update::new("REMOVE #count");
    let updated = store.update(&kept, &without_count, ReturnValue::None).await;
    assert!(updated.unwrap().is_ok());
    toggle().await.is(200);
    member.post(&path).send().await.is(200);
}

/// Edits words, genres, the favorite and the owner. One edit removes the last movie from a genre.
async fn edit(owner: &Caller, admin: &Caller, movies: &[u64]) {
    for id in movies {
        let path = format!("/api/movies/{id}/");
        let changes = json!({"title": "Gravity", "director": "Alfonso Cuarón", "genre": "Drama, Sci-Fi"});
        owner.patch(&path).json(&changes).send().await.is(200);
        for favorite in [true, false] {
            let changes = json!({"favorite": favorite});
            owner.patch(&path).json(&changes).send().await.is(200);
        }
    }
    let path = format!("/api/movies/{}/", movies[0]);
    for (imdb_id, status) in [
        (json!("tt0090605"), 409),
        (json!("tt1454468"), 200),
        (json!(null), 200),
    ] {
        let changes = json!({"imdb_id": imdb_id});
        owner.patch(&path).json(&changes).send().await.is(status);
    }
    let replaced = movie("Gravity", "Alfonso Cuarón", "Thriller", "2013-10-04");
    owner.put(&path).json(&replaced).send().await.is(200);
    for user in [admin.id, owner.id] {
        admin
            .patch(&path)
            .json(&json!({"user": user}))
            .send()
            .await
            .is(200);
    }
    admin.get("/api/users/").send().await.is(200);
}

/// Deletes a movie without favorites, one with a favorite, and one with more favorites than its deletion removes.
async fn delete(app: &TestApp, owner: &Caller, movies: &[u64]) {
    let mut favorites = [0, 1, 350].into_iter();
    for id in movies {
        let path = format!("/api/movies/{id}/");
        let more = favorites.next().unwrap();
        if more > 0 {
            owner.put(&format!("{path}favorite/")).send().await.is(200);
            put_favorites(&app.running.state.store, *id, more).await;
        }
        owner.delete(&path).send().await.is(204);
    }
}
