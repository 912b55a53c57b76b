//! HTTP rules that apply to every path: trailing slashes, methods, parameters, media types, limits, malformed input, headers.

mod bodies;
mod caching;
mod compression;
mod encodings;
mod forms;
mod headers;
mod pages;
mod params;
mod routes;
mod server;

use std::time::Duration;

use marquee_shared::config::HttpConfig;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::api::with_changes;
use crate::support::{Caller, PASSWORD, TestApp, movie};

pub(super) fn method(name: &str) -> Method {
    name.parse().unwrap()
}

pub(super) fn stalker() -> Value {
    movie("Stalker", "Andrei Tarkovsky", "Sci-Fi, Drama", "1979-05-25")
}

/// Returns a member with two movies, the first of which is a favorite.
pub(super) async fn member_with_movies(app: &TestApp) -> Caller {
    let member = app.member().await;
    member
        .add(&with_changes(&stalker(), &json!({"favorite": true})))
        .await;
    member
        .add(&with_changes(&stalker(), &json!({"title": "Stalker 2"})))
        .await;
    member
}

/// Returns every endpoint with a body: its method, its path, a body that it accepts, and the status of the answer.
pub(super) async fn accepted_bodies(app: &TestApp, member: &Caller) -> [(Method, String, Value, u16); 7] {
    let movie = member.add(&stalker()).await;
    let path = format!("/api/movies/{}/", movie["id"]);
    // A separate session, because logout ends it.
    let guest = app.member().await;
    let name = format!("new-{}", guest.username);
    let register = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
    let login = json!({"username": guest.username, "password": PASSWORD});
    let token = json!({"refresh": guest.refresh});
    let post = |path: &str| (Method::POST, path.to_owned());
    let call = |(method, path): (Method, String), body: Value, status| (method, path, body, status);
    [
        call(post("/api/auth/register/"), register, 201),
        call(post("/api/auth/login/"), login, 200),
        call(post("/api/auth/refresh/"), token.clone(), 200),
        call(post("/api/auth/logout/"), token, 204),
        call(
            post("/api/movies/"),
            with_changes(&stalker(), &json!({"favorite": true, "user": member.id})),
            201,
        ),
        call(
            (Method::PUT, path.clone()),
            with_changes(&stalker(), &json!({"favorite": true})),
            200,
        ),
        call(
            (Method::PATCH, path),
            json!({"title": "Сталкер", "cover_image": "https://a.example/?b=c&d"}),
            200,
        ),
    ]
}

/// Sends these bytes over a new connection and returns everything that is received.
pub(super) async fn send_raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.running.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

pub(super) fn config(deadline: Duration) -> HttpConfig {
    HttpConfig {
        cors_origins: vec!["*".into()],
        deadline,
        edge_key: None,
        public_url: None,
        public_max_age: 0,
    }
}
