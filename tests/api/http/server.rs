//! The server: HTTP/1.0 clients, bad hosts, panics, deadlines and CloudFront's key.

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use marquee_shared::http::with_layers;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{config, member_with_movies, send_raw};
use crate::support::TestApp;

#[tokio::test]
async fn an_http_1_0_request_is_answered() {
    let app = TestApp::new().await;
    let answer = send_raw(&app, b"GET /api/movies HTTP/1.0\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.0 200 OK") || head.starts_with("HTTP/1.1 200 OK"),
        "{answer}"
    );
    assert!(head.contains("x-request-id: "), "{answer}");
    assert!(!head.contains("chunked"), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        json!({"count": 0, "next": null, "previous": null, "results": []})
    );
}

#[tokio::test]
async fn a_bad_host_is_400_and_the_server_continues() {
    let app = TestApp::new().await;
    for host in ["a b", "[::1", "x:99999", "a/b", "user@x", "\u{e9}", "1.2.3.4.5"] {
        let answer = send_raw(
            &app,
            format!("GET /api/movies/ HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes(),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{host}: {answer}");
        assert!(
            answer.contains("application/problem+json") && answer.contains("x-request-id: "),
            "{host}: {answer}"
        );
    }
    for line in [
        "GARBAGE",
        "GET /api/movies/",
        "GET \u{0} HTTP/1.1",
        "GET /api/movies/ HTTP/9.9",
    ] {
        let answer = send_raw(&app, format!("{line}\r\n\r\n").as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{line:?}: {answer}"
        );
    }
    app.anonymous().get("/api/movies/").send().await.is(200);
}

/// A client reaches the next page at the host to which it sent the request.
#[tokio::test]
async fn page_urls_use_the_host_of_the_request() {
    let app = TestApp::new().await;
    member_with_movies(&app).await;
    let request = b"GET /api/movies?limit=1 HTTP/1.1\r\nhost: movies.example:81\r\nconnection: close\r\n\r\n";
    let answer = send_raw(&app, request).await;
    assert!(
        answer.contains("\"next\":\"http://movies.example:81/api/movies/?limit=1&cursor="),
        "{answer}"
    );
}

async fn send_to(router: &Router, path: &str) -> (u16, String, Value) {
    let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
    };
    assert!(header("x-request-id").is_some());
    let kind = header("content-type").unwrap_or_default();
    let retry = header("retry-after").unwrap_or_default();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    (
        status,
        kind + &retry,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

/// Guarantee 48.
#[tokio::test]
async fn a_panic_is_500_and_the_process_continues() {
    async fn panics() -> &'static str {
        panic!("a handler's own secret")
    }
    let router = Router::new()
        .route("/panic/", get(panics))
        .route("/well/", get(|| async { "\"well\"" }));
    let router = with_layers(router, &config(Duration::from_secs(10))).unwrap();
    for _ in 0..2 {
        let (status, kind, problem) = send_to(&router, "/panic").await;
        assert_eq!((status, kind.as_str()), (500, "application/problem+json"));
        assert_eq!(
            (&problem["code"], &problem["status"]),
            (&json!("internal_error"), &json!(500))
        );
        assert!(
            !problem.to_string().contains("secret"),
            "the message of a panic must not reach the client"
        );
        assert_eq!(send_to(&router, "/well").await.2, "well");
    }
}

/// Guarantee 35.
#[tokio::test]
async fn a_handler_that_never_ends_is_503_before_the_gateway_times_out() {
    let router = Router::new().route("/endless/", get(std::future::pending::<String>));
    let router = with_layers(router, &config(Duration::ZERO)).unwrap();
    let (status, kind, problem) = send_to(&router, "/endless/").await;
    assert_eq!((status, kind.as_str()), (503, "application/problem+json1"));
    assert_eq!(problem["code"], "unavailable");
    assert!(marquee_shared::config::Config::default().http.deadline < Duration::from_secs(30));
}

/// Behind CloudFront its web ACL throttles clients, so a request that bypasses CloudFront is refused.
#[tokio::test]
async fn behind_cloudfront_a_request_without_the_edge_key_is_403() {
    let key = |text: &str| {
        let text = text.to_owned();
        marquee_shared::config::Config::from_lookup(move |name| (name == "EDGE_KEY").then(|| text.clone()))
            .unwrap()
    };
    let app = TestApp::with(|options| options.config = key("the key")).await;
    let anonymous = app.anonymous();
    for path in ["/api/movies/", "/api/openapi.json", "/api/users/", "/nowhere"] {
        for shown in ["", "the ke", "the key,the key", "another"] {
            let call = anonymous.get(path).header("x-edge-key", shown);
            call.send().await.is_problem(403, "forbidden");
        }
        anonymous.get(path).send().await.is_problem(403, "forbidden");
        let answer = anonymous.get(path).header("x-edge-key", "the key").send().await;
        assert_ne!(answer.status.as_u16(), 403, "{path}");
    }
    let nothing_set = TestApp::with(|options| options.config = key("")).await;
    nothing_set.anonymous().get("/api/movies/").send().await.is(200);
}
