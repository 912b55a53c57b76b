//! Response headers: request ids and CORS.

use reqwest::Method;
use serde_json::json;

use super::{member_with_movies, send_raw, stalker};
use crate::support::{Answer, TestApp};

#[tokio::test]
async fn every_answer_has_a_unique_request_id() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    let one = caller
        .get("/api/movies/")
        .header("x-request-id", "mine")
        .send()
        .await;
    let two = caller
        .get("/api/movies/")
        .header("x-request-id", "mine")
        .send()
        .await;
    let ids = [one.header("x-request-id"), two.header("x-request-id")];
    assert_ne!(ids[0], ids[1]);
    assert!(
        !ids.contains(&"mine"),
        "a client must not choose the request id, because it is logged"
    );
    assert_eq!(one.header("content-type"), "application/json");
}

fn list<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer.header(name).split(',').map(str::trim).collect()
}

#[tokio::test]
async fn any_origin_may_call_without_credentials() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    for path in [
        "/api/movies/",
        "/api/movies",
        "/api/movies/1/favorite/",
        "/api/users/me",
        "/api/auth/login/",
    ] {
        let answer = caller
            .call(Method::OPTIONS, path)
            .header("origin", "https://movies.example")
            .header("access-control-request-method", "PUT")
            .header(
                "access-control-request-headers",
                "authorization, content-encoding, content-type, idempotency-key, if-match, if-none-match",
            )
            .send()
            .await
            .is(200);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        let methods = list(&answer, "access-control-allow-methods");
        for name in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(methods.contains(&name), "{name}");
        }
        let headers = answer.header("access-control-allow-headers").to_ascii_lowercase();
        for name in [
            "authorization",
            "content-encoding",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-none-match",
        ] {
            assert!(headers.split(',').any(|h| h.trim() == name), "{name}");
        }
    }
}

#[tokio::test]
async fn every_answer_exposes_its_headers_to_other_origins() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    let nobody = app.anonymous();
    let calls = [
        (member.post("/api/movies/").json(&stalker()), 201),
        (member.get("/api/movies/1/"), 200),
        (member.post("/api/movies/").json(&json!({})), 400),
        (nobody.get("/api/users/"), 401),
        (nobody.get("/api/nothing/"), 404),
        (nobody.delete("/api/movies/"), 405),
        (
            member
                .patch("/api/movies/1/")
                .header("if-match", "\"0\"")
                .json(&json!({})),
            412,
        ),
        (member.post("/api/movies/").body("text/plain", "x"), 415),
    ];
    for (call, status) in calls {
        let answer = call
            .header("origin", "https://movies.example")
            .send()
            .await
            .is(status);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{status}");
        let exposed = answer
            .header("access-control-expose-headers")
            .to_ascii_lowercase();
        for name in [
            "x-request-id",
            "location",
            "etag",
            "link",
            "idempotency-replayed",
            "allow",
            "retry-after",
            "www-authenticate",
        ] {
            assert!(exposed.split(',').any(|h| h.trim() == name), "{name} of {status}");
        }
    }
}

#[tokio::test]
async fn only_the_configured_origins_may_call() {
    let app =
        TestApp::with(|options| options.config.http.cors_origins = vec!["https://a.example".into()]).await;
    let caller = app.anonymous();
    for (origin, allowed) in [
        ("https://a.example", "https://a.example"),
        ("https://b.example", ""),
    ] {
        let answer = caller
            .get("/api/movies/")
            .header("origin", origin)
            .send()
            .await
            .is(200);
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        assert!(
            list(&answer, "vary").contains(&"origin"),
            "a cache must distinguish origins"
        );
    }
}

/// A browser sends its origin behind the request line and some other headers.
#[tokio::test]
async fn a_configured_origin_reads_the_refusal_of_a_head_of_any_length() {
    let app =
        TestApp::with(|options| options.config.http.cors_origins = vec!["https://a.example".into()]).await;
    for (url, header, status) in [
        (20_000, 0, 414),
        (60_000, 0, 414),
        (300_000, 0, 414),
        (10, 20_000, 431),
        (10, 60_000, 431),
    ] {
        for (origin, allowed) in [("https://a.example", true), ("https://b.example", false)] {
            let request = format!(
                "GET /api/movies/?q={} HTTP/1.1\r\nhost: a\r\nx-long: {}\r\norigin: {origin}\r\n\r\n",
                "a".repeat(url),
                "a".repeat(header)
            );
            let answer = send_raw(&app, request.as_bytes()).await.to_lowercase();
            assert!(answer.starts_with(&format!("http/1.1 {status}")), "{answer}");
            let allow = format!("access-control-allow-origin: {origin}\r\n");
            assert_eq!(answer.contains(&allow), allowed, "{url} {header}: {answer}");
        }
    }
}
