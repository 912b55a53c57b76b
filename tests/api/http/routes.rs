//! Paths and methods: trailing slashes, HEAD, 404 and 405.

use reqwest::Method;
use serde_json::json;

use super::{member_with_movies, method, send_raw, stalker};
use crate::api::without_request_id;
use crate::support::TestApp;

/// Every path with its allowed methods. `1` is the id of a movie.
const PATHS: [(&str, &[&str]); 22] = [
    ("/api/auth/register", &["POST"]),
    ("/api/auth/login", &["POST"]),
    ("/api/auth/refresh", &["POST"]),
    ("/api/auth/logout", &["POST"]),
    ("/api/movies", &["GET", "HEAD", "POST"]),
    ("/api/movies/1", &["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
    ("/api/movies/1/favorite", &["DELETE", "POST", "PUT"]),
    ("/api/movies/999", &["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
    ("/api/movies/x", &["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
    ("/api/movies/search", &["GET", "HEAD"]),
    ("/api/movies/categories", &["GET", "HEAD"]),
    ("/api/movies/most-liked", &["GET", "HEAD"]),
    ("/api/movies/newest", &["GET", "HEAD"]),
    ("/api/users", &["GET", "HEAD"]),
    ("/api/users/me", &["DELETE", "GET", "HEAD", "PATCH"]),
    ("/api/users/me/movies", &["GET", "HEAD"]),
    ("/api/users/me/password", &["PUT"]),
    ("/api/users/me/sessions", &["DELETE", "GET", "HEAD"]),
    (
        "/api/users/me/sessions/00000000000000000000000000000000",
        &["DELETE"],
    ),
    ("/api/users/me/favorites", &["GET", "HEAD"]),
    ("/api/openapi.json", &["GET", "HEAD"]),
    ("/api/health", &["GET", "HEAD"]),
];

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "MOVIE",
];

/// Returns a query that an operation accepts.
fn query(method: &str, path: &str) -> &'static str {
    match (method, path) {
        ("GET", "/api/movies/search") => "?q=stalker&limit=1",
        (
            "GET",
            "/api/movies"
            | "/api/movies/categories"
            | "/api/movies/most-liked"
            | "/api/movies/newest"
            | "/api/users"
            | "/api/users/me/favorites"
            | "/api/users/me/movies"
            | "/api/users/me/sessions",
        ) => "?limit=1",
        _ => "",
    }
}

#[tokio::test]
async fn every_path_gives_the_same_answer_with_and_without_a_trailing_slash() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    for caller in [&member, &app.anonymous()] {
        for (path, methods) in PATHS {
            for name in methods.iter().filter(|m| !["DELETE", "HEAD"].contains(m)) {
                let mut answers = Vec::new();
                for slash in ["", "/", "", "/"] {
                    let call = caller.call(method(name), &format!("{path}{slash}{}", query(name, path)));
                    let call = if path.ends_with("favorite") || *name == "GET" {
                        call
                    } else {
                        call.json(&json!({"user": "nobody"}))
                    };
                    let (status, mut body) = without_request_id(call.send().await);
                    // Cursors are encrypted with a new nonce each time, so they differ between answers.
                    for page in ["next", "previous"] {
                        if let Some(url) = body[page].as_str() {
                            body[page] = json!(url.split("cursor=").next());
                        }
                    }
                    answers.push((status, body));
                }
                // A second toggle reverts the first, so its answers alternate.
                assert_eq!(answers[0].0, answers[1].0, "{name} {path}");
                if *name == "POST" && path.ends_with("favorite") {
                    assert_eq!(answers[0], answers[2], "{name} {path}");
                    assert_eq!(answers[1], answers[3], "{name} {path}");
                } else {
                    assert_eq!(answers[0], answers[1], "{name} {path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn creation_and_deletion_work_with_and_without_a_trailing_slash() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for slash in ["", "/"] {
        let made = member
            .post(&format!("/api/movies{slash}"))
            .json(&stalker())
            .send()
            .await
            .is(201);
        let id = &made.body["id"];
        assert_eq!(made.header("location"), format!("/api/movies/{id}/"));
        member
            .delete(&format!("/api/movies/{id}{slash}"))
            .send()
            .await
            .is(204);
        member
            .delete(&format!("/api/movies/{id}{slash}"))
            .send()
            .await
            .is(404);
    }
}

#[tokio::test]
async fn head_gives_the_answer_of_get_without_the_body() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    for caller in [&member, &app.anonymous()] {
        for (path, _) in PATHS.iter().filter(|(_, methods)| methods.contains(&"GET")) {
            for (slash, query) in [("/", query("GET", path)), ("", "?limit=0")] {
                let target = format!("{path}{slash}{query}");
                let get = caller.get(&target).send().await;
                let head = caller.call(Method::HEAD, &target).send().await;
                assert_eq!(head.status, get.status, "{target}");
                assert_eq!(head.text, "", "{target}");
                for name in ["content-type", "content-length", "etag", "www-authenticate"] {
                    assert_eq!(head.header(name), get.header(name), "{name} of {target}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_unsupported_method_is_405_and_lists_the_allowed_ones() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    for (path, taken) in PATHS {
        for name in METHODS.iter().filter(|name| !taken.contains(name)) {
            let answer = caller
                .call(method(name), &format!("{path}/"))
                .send()
                .await
                .is(405);
            let mut allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
            allowed.sort_unstable();
            assert_eq!(allowed, taken, "{name} {path}");
            if *name != "HEAD" {
                assert_eq!(answer.body["code"], "method_not_allowed", "{name} {path}");
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_404() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    for path in [
        "/api",
        "/api/",
        "/api/nothing/",
        "/api/health/1/",
        "/api/auth/",
        "/api/auth/unregister/",
        "/api/moviesx/",
        "/api/movies/1/favorites/",
        "/api/movies/1/favorite/2/",
        "/api/users/1/",
        "/api/users/me/favorites/1/",
        "/API/movies/",
        "/api/openapi.yaml",
        "/api/%00/",
        "/api/movies/1/%FF/",
    ] {
        for name in ["GET", "POST", "DELETE"] {
            let answer = caller.call(method(name), path).send().await;
            answer.is_problem(404, "not_found");
        }
    }
}

/// The document of the API itself, for every client but a browser. Its links lead somewhere.
#[tokio::test]
async fn the_root_names_the_api_and_links_to_its_documents() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    for accept in ["*/*", "application/json", "application/json, text/plain, */*"] {
        let root = caller.get("/").header("accept", accept).send().await.is(200);
        assert_eq!(root.header("content-type"), "application/json");
        assert_eq!(root.body["name"], "Marquee");
        assert_eq!(root.body["version"], env!("CARGO_PKG_VERSION"));
        let links = root.body["links"].as_object().unwrap();
        assert!(links.keys().eq(["docs", "health", "openapi"]), "{links:?}");
        for link in links.values() {
            caller.get(link.as_str().unwrap()).send().await.is(200);
        }
    }
    assert_eq!(caller.call(method("HEAD"), "/").send().await.status, 200);
    let answer = caller.post("/").send().await;
    answer.is_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn the_health_is_200_with_the_version_and_is_not_cached() {
    let app = TestApp::new().await;
    let health = app.anonymous().get("/api/health/").send().await.is(200);
    assert_eq!(
        health.body,
        json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})
    );
    assert_eq!(health.header("cache-control"), "no-store");
}

/// A URL parser that normalizes paths would turn these into the path of the movie.
#[tokio::test]
async fn a_path_that_only_resembles_a_movie_path_is_404() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    let access = member.access.as_deref().unwrap();
    for path in [
        "/api/movies/2/../1/",
        "/api/movies/./1/",
        "/api/movies/2/%2e%2e/1/",
        "/api/movies/1/%2e/",
        "/api/movies/1%23/",
        "/api/movies/1%20/",
        "/api/movies/1%09/",
        "/api//movies/1/",
        "/api/movies//1/",
    ] {
        let request = format!(
            "DELETE {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {access}\r\nconnection: close\r\n\r\n"
        );
        let answer = send_raw(&app, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        member.get("/api/movies/1/").send().await.is(200);
    }
}
