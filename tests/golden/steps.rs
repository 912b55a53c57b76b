//! The requests that are recorded. They run in this order on one table, because later ones need the data of earlier ones.

mod covers;
mod operator;

use std::{collections::BTreeMap, time::Duration};

use aws_sdk_dynamodb::types::ReturnValue;
use marquee::mail::{self, Mailbox};
use marquee_mail::StreamEvent;
use marquee_shared::{
    db::{
        Store,
        expression::Update,
        item::{from_item, to_attribute},
        keys,
        likes::{LIKES_SHARDS, MAX_LIKES_SHARDS},
        movie::{MovieItem, TextsBefore},
        outbox::LANES,
    },
    domain::{MovieFields, MovieId, Title, UserId},
};
use serde_json::{Value, json};

use super::Golden;
use crate::support::{
    Call, Caller, PASSWORD, layouts::make_sessions_earlier, mail::token_in, movie, proxy::ProxiedApp,
};

/// Longer than the time between two calls of one trip.
const SIDE_BY_SIDE: Duration = Duration::from_millis(40);

/// Sends requests and collects their calls.
struct Recorder {
    proxied: ProxiedApp,
    table: String,
    golden: BTreeMap<String, Golden>,
}

impl Recorder {
    /// Sends a request and stores its calls for the file with this name. Returns the body of the answer.
    async fn send(&mut self, name: &str, patterns: &[&str], request: &str, call: Call, status: u16) -> Value {
        self.proxied.proxy.take();
        let body = call.send().await.is(status).body;
        self.store_calls(name, patterns, request);
        body
    }

    /// Stores the calls since the last request for the file with this name.
    fn store_calls(&mut self, name: &str, patterns: &[&str], request: &str) {
        let golden = Golden::of(request, patterns, &self.table, self.proxied.proxy.take());
        assert!(self.golden.insert(name.to_owned(), golden).is_none(), "{name}");
    }
}

/// Runs all steps and returns the content of each file, by its name.
pub(super) async fn record() -> BTreeMap<String, Golden> {
    let proxied = ProxiedApp::new().await;
    // At its start, the server looks for movies in the shards that it doesn't read, with one Query for each. Then it sweeps
    // once: one Query each for deleted movies, genres, deleted accounts and covers.
    let mut missing = MAX_LIKES_SHARDS - LIKES_SHARDS + 4;
    while missing > 0 {
        let calls = proxied.proxy.take();
        let queries = calls.iter().filter(|call| call.operation == "Query").count();
        missing = missing.saturating_sub(queries as u64);
        tokio::task::yield_now().await;
    }
    proxied.proxy.record_bodies();
    proxied.proxy.gather_calls(SIDE_BY_SIDE);
    let mut recorder = Recorder {
        table: proxied.proxy.table.name(),
        proxied,
        golden: BTreeMap::new(),
    };
    let owner = accounts(&mut recorder).await;
    writes(&mut recorder, &owner).await;
    reads(&mut recorder, &owner).await;
    unfinished(&mut recorder, &owner).await;
    deletion(&mut recorder, &owner).await;
    account(&mut recorder, &owner).await;
    sessions(&mut recorder, &owner).await;
    password_reset(&mut recorder, &owner).await;
    health(&mut recorder).await;
    operator::record(&mut recorder, &owner).await;
    leave(&mut recorder, &owner).await;
    keys_of_requests(&mut recorder).await;
    covers::record(&mut recorder).await;
    recorder.golden
}

async fn accounts(recorder: &mut Recorder) -> Caller {
    let anonymous = recorder.proxied.app.anonymous();
    let body = json!({"username": "ripley", "email": "ripley@example.com", "password": PASSWORD});
    let call = anonymous.post("/api/auth/register/").json(&body);
    let patterns = ["AP-17", "AP-19", "AP-25"];
    recorder
        .send(
            "register_user",
            &patterns,
            "POST /api/auth/register/, the first of a process",
            call,
            201,
        )
        .await;
    let body = json!({"username": "ripley", "password": PASSWORD});
    let call = anonymous.post("/api/auth/login/").json(&body);
    let patterns = ["AP-18", "AP-19", "AP-20", "AP-23"];
    let user = recorder
        .send("log_in", &patterns, "POST /api/auth/login/", call, 200)
        .await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Caller {
        id: user["user"]["id"].as_u64().unwrap(),
        username: "ripley".into(),
        access: Some(text(&user["access"])),
        refresh: text(&user["refresh"]),
        ..anonymous
    }
}

async fn writes(recorder: &mut Recorder, owner: &Caller) {
    let alien = movie("Alien", "Ridley Scott", "Horror, Sci-Fi", "1979-05-25");
    let call = owner.post("/api/movies/").json(&alien);
    let patterns = ["AP-10", "AP-23", "AP-25", "AP-37", "AP-40", "AP-41"];
    let request = "POST /api/movies/, the first of a process with a token";
    recorder.send("create_movie", &patterns, request, call, 201).await;
    let mut blade_runner = movie("Blade Runner", "Ridley Scott", "Sci-Fi", "1982-06-25");
    blade_runner["imdb_id"] = json!("tt0083658");
    let call = owner.post("/api/movies/").json(&blade_runner);
    let request = "POST /api/movies/ with an `imdb_id`";
    recorder
        .send(
            "create_movie_with_imdb_id",
            &["AP-10", "AP-23", "AP-37", "AP-40", "AP-41"],
            request,
            call,
            201,
        )
        .await;
    let path = "/api/movies/1/";
    let call = owner.patch(path).json(&json!({"title": "Aliens"}));
    recorder
        .send(
            "update_movie",
            &["AP-11", "AP-40", "AP-41"],
            "PATCH /api/movies/1/ with another title",
            call,
            200,
        )
        .await;
    let call = owner.patch(path).json(&json!({"favorite": true}));
    let request = "PATCH /api/movies/1/ with `favorite: true`";
    recorder
        .send("update_movie_favorite", &["AP-11"], request, call, 200)
        .await;
    let call = owner.patch(path).json(&json!({"imdb_id": "tt0078748"}));
    owner
        .patch(path)
        .json(&json!({"imdb_id": "tt0090605"}))
        .send()
        .await
        .is(200);
    let request = "PATCH /api/movies/1/ with another `imdb_id`";
    recorder
        .send("update_movie_imdb_id", &["AP-11"], request, call, 200)
        .await;
    let favorite = "/api/movies/2/favorite/";
    let patterns = ["AP-13", "AP-14"];
    let call = owner.put(favorite);
    recorder
        .send(
            "add_favorite",
            &patterns,
            "PUT /api/movies/2/favorite/",
            call,
            200,
        )
        .await;
    let call = owner.delete(favorite);
    recorder
        .send(
            "remove_favorite",
            &patterns,
            "DELETE /api/movies/2/favorite/",
            call,
            200,
        )
        .await;
    let call = owner.post(favorite);
    recorder
        .send(
            "toggle_favorite",
            &patterns,
            "POST /api/movies/2/favorite/",
            call,
            200,
        )
        .await;
}

async fn reads(recorder: &mut Recorder, owner: &Caller) {
    let anonymous = recorder.proxied.app.anonymous();
    let first = "GET /api/movies/?limit=1, the first of a process";
    let call = anonymous.get("/api/movies/?limit=1");
    recorder
        .send("list_movies", &["AP-02", "AP-29", "AP-30"], first, call, 200)
        .await;
    let lists: [(&str, &[&str], &str); 18] = [
        ("get_movie", &["AP-01"], "/api/movies/1/"),
        (
            "list_movies_by_descending_id",
            &["AP-02", "AP-29"],
            "/api/movies/?ordering=-id",
        ),
        (
            "list_movies_by_date",
            &["AP-03", "AP-14", "AP-29"],
            "/api/movies/?ordering=release_date",
        ),
        (
            "list_movies_of_genre",
            &["AP-04", "AP-14"],
            "/api/movies/?genre=sci-fi",
        ),
        (
            "list_movies_of_genre_by_date",
            &["AP-05", "AP-14"],
            "/api/movies/?genre=sci-fi&ordering=-release_date",
        ),
        (
            "list_movies_by_imdb_id",
            &["AP-01", "AP-31"],
            "/api/movies/?imdb_id=tt0083658",
        ),
        (
            "list_movies_of_two_genres_by_date",
            &["AP-14", "AP-43"],
            "/api/movies/?genre=sci-fi&genre=film-noir&ordering=-release_date",
        ),
        (
            "list_movies_of_director",
            &["AP-14", "AP-43"],
            "/api/movies/?director=ridley+scott",
        ),
        (
            "list_movies_of_year",
            &["AP-14", "AP-43"],
            "/api/movies/?year=1982",
        ),
        (
            "list_movies_of_many_years",
            &["AP-43"],
            "/api/movies/?released_from=1950-06-01",
        ),
        (
            "list_categories",
            &["AP-06", "AP-14", "AP-29"],
            "/api/movies/categories/",
        ),
        (
            "list_most_liked_movies",
            &["AP-07", "AP-14"],
            "/api/movies/most-liked/",
        ),
        ("list_newest_movies", &["AP-08", "AP-14"], "/api/movies/newest/"),
        (
            "search_movies_by_one_word",
            &["AP-09", "AP-14"],
            "/api/movies/search/?q=scott",
        ),
        (
            "search_movies_by_two_words",
            &["AP-09", "AP-14"],
            "/api/movies/search/?q=blade+scott",
        ),
        (
            "search_movies_by_a_short_word",
            &["AP-09", "AP-14"],
            "/api/movies/search/?q=fi",
        ),
        (
            "search_movies_by_a_mistyped_word",
            &["AP-09", "AP-14", "AP-42"],
            "/api/movies/search/?q=blaed+scott",
        ),
        (
            "search_movies_by_a_word_and_a_year",
            &["AP-09", "AP-14"],
            "/api/movies/search/?q=blade+1982",
        ),
    ];
    for (name, patterns, path) in lists {
        let call = anonymous.get(path);
        recorder
            .send(name, patterns, &format!("GET {path}"), call, 200)
            .await;
    }
    let signed_in: [(&str, &[&str], &str); 5] = [
        ("get_movie_signed_in", &["AP-14"], "/api/movies/1/"),
        (
            "list_my_favorites",
            &["AP-14", "AP-15", "AP-23"],
            "/api/users/me/favorites/",
        ),
        (
            "list_my_movies",
            &["AP-14", "AP-23", "AP-51"],
            "/api/users/me/movies/",
        ),
        ("get_me", &["AP-23"], "/api/users/me/"),
        ("list_users", &["AP-24", "AP-29"], "/api/users/"),
    ];
    for (name, patterns, path) in signed_in {
        let call = owner.get(path);
        recorder
            .send(name, patterns, &format!("GET {path}, signed in"), call, 200)
            .await;
    }
}

/// Edits a movie whose last edit was interrupted between its two transactions.
async fn unfinished(recorder: &mut Recorder, owner: &Caller) {
    let store = recorder.proxied.proxy.store().await;
    let texts = MovieFields {
        title: Title::parse("Alien Nation").unwrap(),
        ..stored(&store, 1).await.fields
    };
    let unfinished = Update::new("SET #unfinished = :before")
        .value(":before", to_attribute(&TextsBefore::of(&texts)).unwrap());
    let key = keys::movie(MovieId::try_from(1).unwrap());
    let updated = store.update(&key, &unfinished, ReturnValue::None).await.unwrap();
    assert!(updated.is_ok());
    let call = owner
        .patch("/api/movies/1/")
        .json(&json!({"description": "Another."}));
    let request = "PATCH /api/movies/1/, whose last edit isn't finished";
    recorder
        .send(
            "update_movie_after_an_unfinished_edit",
            &["AP-11", "AP-44"],
            request,
            call,
            200,
        )
        .await;
}

async fn stored(store: &Store, id: u64) -> MovieItem {
    let key = keys::movie(MovieId::try_from(id).unwrap());
    from_item(store.get(&key).await.unwrap().unwrap()).unwrap()
}

async fn deletion(recorder: &mut Recorder, owner: &Caller) {
    let call = owner.delete("/api/movies/2/");
    let request = "DELETE /api/movies/2/, which has a favorite";
    recorder
        .send("delete_movie", &["AP-12", "AP-16"], request, call, 204)
        .await;
}

/// The owner's sessions, password and names.
async fn account(recorder: &mut Recorder, owner: &Caller) {
    let sessions = "/api/users/me/sessions/";
    let call = owner.get(sessions);
    let request = format!("GET {sessions}, with two sessions");
    recorder
        .send("list_sessions", &["AP-23", "AP-47"], &request, call, 200)
        .await;
    let other = owner.in_new_session().await.session().unwrap();
    let call = owner.delete(&format!("{sessions}{other}/"));
    let request = "DELETE /api/users/me/sessions/{session}/";
    recorder
        .send("end_session", &["AP-22", "AP-23"], request, call, 204)
        .await;
    let call = owner.delete(sessions);
    let request = format!("DELETE {sessions}, with one other session");
    recorder
        .send(
            "end_other_sessions",
            &["AP-22", "AP-23", "AP-47"],
            &request,
            call,
            204,
        )
        .await;
    owner.in_new_session().await;
    let body = json!({"current_password": PASSWORD, "new_password": PASSWORD});
    let call = owner.put("/api/users/me/password/").json(&body);
    let request = "PUT /api/users/me/password/, with one other session";
    recorder
        .send(
            "change_password",
            &["AP-18", "AP-23", "AP-47", "AP-48"],
            request,
            call,
            204,
        )
        .await;
    let body = json!({"email": "ellen@example.com", "current_password": PASSWORD});
    let call = owner.patch("/api/users/me/").json(&body);
    let request = "PATCH /api/users/me/ with another email";
    recorder
        .send(
            "update_me",
            &["AP-18", "AP-23", "AP-48", "AP-49"],
            request,
            call,
            200,
        )
        .await;
    // Without the proxy in between: the session is one of an earlier version.
    let store = recorder.proxied.proxy.store().await;
    make_sessions_earlier(&store, UserId::try_from(owner.id).unwrap()).await;
    let call = owner
        .post("/api/auth/refresh/")
        .json(&json!({"refresh": owner.refresh}));
    let request = "POST /api/auth/refresh/, a session of an earlier version";
    recorder
        .send("refresh_earlier_session", &["AP-21", "AP-23"], request, call, 200)
        .await;
}

async fn sessions(recorder: &mut Recorder, owner: &Caller) {
    let owner = &owner.in_new_session().await;
    let call = owner
        .post("/api/auth/refresh/")
        .json(&json!({"refresh": owner.refresh}));
    let tokens = recorder
        .send(
            "refresh_session",
            &["AP-21", "AP-23"],
            "POST /api/auth/refresh/",
            call,
            200,
        )
        .await;
    let call = owner
        .post("/api/auth/logout/")
        .json(&json!({"refresh": tokens["refresh"]}));
    recorder
        .send("log_out", &["AP-22"], "POST /api/auth/logout/", call, 204)
        .await;
}

/// An operator deletes the owner's account, with movies and no favorite. The same calls follow the check of the password in
/// `DELETE /api/users/me/`.
async fn leave(recorder: &mut Recorder, owner: &Caller) {
    let store = recorder.proxied.app.running.state.store.clone();
    recorder.proxied.proxy.take();
    assert!(store.delete_user_named(&owner.username).await.unwrap());
    let patterns = ["AP-18", "AP-23", "AP-47", "AP-50"];
    recorder.store_calls("delete_user", &patterns, "marquee delete-user ripley");
}

/// A request for a password reset, the mail that follows, and its use.
async fn password_reset(recorder: &mut Recorder, owner: &Caller) {
    let anonymous = recorder.proxied.app.anonymous();
    let store = recorder.proxied.proxy.store().await;
    let user = store.get_user(UserId::try_from(owner.id).unwrap()).await;
    let body = json!({"email": user.unwrap().unwrap().email});
    let call = anonymous.post("/api/auth/password-reset/").json(&body);
    let request = "POST /api/auth/password-reset/";
    recorder
        .send("request_password_reset", &["AP-19", "AP-52"], request, call, 202)
        .await;
    let mut keys = Vec::new();
    for lane in 0..LANES {
        keys.extend(store.asked_mails(lane, 10).await.unwrap());
    }
    let mailbox = Mailbox::memory();
    let function = &recorder.proxied.app.running.functions.mail.state;
    let function = mail::function(function, recorder.proxied.app.running.address, mailbox.clone());
    let failures = function.unwrap().deliver(&StreamEvent::of(keys)).await;
    assert!(failures.is_empty());
    recorder.store_calls(
        "mail",
        &["AP-18", "AP-23", "AP-53"],
        "an invocation of the mail function",
    );
    let message = String::from_utf8(mailbox.messages().unwrap().remove(0)).unwrap();
    let body = json!({"token": token_in(&message), "password": PASSWORD});
    let call = owner
        .signed_out()
        .post("/api/auth/password-reset/confirm/")
        .json(&body);
    let request = "POST /api/auth/password-reset/confirm/";
    let patterns = ["AP-19", "AP-23", "AP-47", "AP-48", "AP-54"];
    recorder
        .send("confirm_password_reset", &patterns, request, call, 204)
        .await;
}

async fn health(recorder: &mut Recorder) {
    let call = recorder.proxied.app.anonymous().get("/api/health/");
    recorder
        .send("get_health", &["AP-32"], "GET /api/health/", call, 200)
        .await;
}

/// Requests with an `Idempotency-Key`, by a user of their own.
async fn keys_of_requests(recorder: &mut Recorder) {
    let user = recorder.proxied.app.register("lambert").await;
    let stalker = movie("Stalker", "Andrei Tarkovsky", "Sci-Fi", "1979-05-25");
    let create = || {
        let call = user.post("/api/movies/").json(&stalker);
        call.header("idempotency-key", "a")
    };
    let request = "POST /api/movies/ with an `Idempotency-Key`";
    let patterns = ["AP-10", "AP-37", "AP-40", "AP-41", "AP-46"];
    let added = recorder
        .send("create_movie_with_key", &patterns, request, create(), 201)
        .await;
    let request = "the same request again";
    let patterns = ["AP-10", "AP-37", "AP-46"];
    recorder
        .send(
            "create_movie_again_with_its_key",
            &patterns,
            request,
            create(),
            201,
        )
        .await;
    let path = format!("/api/movies/{}/favorite/", added["id"]);
    let toggle = || user.post(&path).header("idempotency-key", "b");
    let request = "POST /api/movies/4/favorite/ with an `Idempotency-Key`";
    let patterns = ["AP-13", "AP-46"];
    recorder
        .send("toggle_favorite_with_key", &patterns, request, toggle(), 200)
        .await;
    let request = "the same request again";
    recorder
        .send(
            "toggle_favorite_again_with_its_key",
            &["AP-46"],
            request,
            toggle(),
            200,
        )
        .await;
}
