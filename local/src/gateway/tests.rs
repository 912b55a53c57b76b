//! The gateway from outside: with requests in memory, and over the wire where the wire matters.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Json;
use axum::extract::{Extension, Request as AxumRequest};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use lambda_http::request::RequestContext;
use marquee_shared::config::{Config, HttpConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use super::*;

const SOURCE: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)),
    50_000,
);

/// What the function sees of a request.
async fn echo(
    Extension(context): Extension<RequestContext>,
    Extension(invocation): Extension<Context>,
    request: AxumRequest,
) -> impl IntoResponse {
    let RequestContext::ApiGatewayV2(context) = context else {
        panic!("not of payload format 2.0")
    };
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = |name: &str| {
        parts
            .headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Json(json!({
        "method": parts.method.as_str(),
        "uri": parts.uri.to_string(),
        "host": header("host"),
        "cookie": header("cookie"),
        "forwarded_for": header("x-forwarded-for"),
        "source": context.http.source_ip,
        "same_id": context.request_id.as_deref() == Some(invocation.request_id.as_str()),
        "seconds_left": invocation.deadline().duration_since(SystemTime::now()).unwrap().as_secs(),
        "length": body.len(),
        "body": String::from_utf8_lossy(&body[..body.len().min(100)]),
    }))
}

fn movies() -> Router {
    Router::new()
        .route(
            "/api/movies/panic",
            any(|| async { panic!("a handler's own") as () }),
        )
        .route(
            "/api/movies/slow",
            any(|| tokio::time::sleep(Duration::from_secs(60))),
        )
        .route(
            "/api/movies/bytes",
            get(|| async { ([(CONTENT_TYPE, "image/png")], vec![0_u8, 159, 146, 150]) }),
        )
        .route(
            "/api/movies/cookies",
            get(|| async { axum::response::AppendHeaders([("set-cookie", "a=1"), ("set-cookie", "b=2")]) }),
        )
        .fallback(echo)
}

pub(super) fn functions() -> HashMap<String, Router> {
    let mut functions: HashMap<_, _> = ["auth", "users", "docs"]
        .map(|name| (name.to_owned(), named(name)))
        .into();
    functions.insert("movies".to_owned(), movies());
    functions
}

/// A function that says its name.
fn named(name: &'static str) -> Router {
    Router::new().fallback(move || async move { name })
}

/// A gateway over these functions, for these origins.
pub(super) fn gateway_of(
    template: &Template,
    functions: HashMap<String, Router>,
    origins: &[&str],
) -> Gateway {
    let config = HttpConfig {
        cors_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        ..Config::default().http
    };
    Gateway::new(
        template,
        functions,
        marquee_shared::http::layers::cors(&config).unwrap(),
    )
    .unwrap()
}

pub(super) fn template() -> Template {
    Template::parse(include_str!("../../../template.yaml")).unwrap()
}

pub(super) fn gateway() -> Gateway {
    gateway_of(&template(), functions(), &["*"])
}

/// The answer to a request in memory: status, headers, body. Its `Host` is `movies.example` when it names none.
pub(super) async fn call(
    gateway: &Gateway,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> (u16, http::HeaderMap, Bytes) {
    let mut request = request.body(Full::new(body.into())).unwrap();
    let host = HeaderValue::from_static("movies.example");
    request.headers_mut().entry(HOST).or_insert(host);
    let response = gateway.handle(request, SOURCE).await;
    let (parts, body) = response.into_parts();
    (
        parts.status.as_u16(),
        parts.headers,
        body.collect().await.unwrap().to_bytes(),
    )
}

async fn call_json(
    gateway: &Gateway,
    request: http::request::Builder,
    body: impl Into<Bytes>,
) -> (u16, Value) {
    let (status, _, body) = call(gateway, request, body).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// A gateway that serves until the sender is used or dropped.
pub(super) async fn serving(
    gateway: Gateway,
) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopping) = oneshot::channel::<()>();
    let served = tokio::spawn(Arc::new(gateway).serve(listener, async {
        let _ = stopping.await;
    }));
    (addr, stop, served)
}

/// Sends these bytes, closes the client's half, and returns all that comes back.
async fn raw(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn every_function_of_the_template_must_be_given() {
    let mut functions = functions();
    functions.remove("users");
    let cors = marquee_shared::http::layers::cors(&Config::default().http).unwrap();
    let error = Gateway::new(&template(), functions, cors).unwrap_err();
    assert_eq!(
        (error.name.as_str(), error.resource.as_str()),
        ("users", "UsersFunction")
    );
    assert!(error.to_string().contains("UsersFunction"));
}

#[tokio::test]
async fn each_route_leads_to_its_function() {
    for (path, function) in [
        ("/api/auth/login/", "auth"),
        ("/api/users/", "users"),
        ("/api/openapi.json", "docs"),
        ("/elsewhere", "docs"),
    ] {
        let (status, _, body) = call(&gateway(), Request::get(path), "").await;
        assert_eq!((status, &body[..]), (200, function.as_bytes()), "{path}");
    }
}

#[tokio::test]
async fn a_function_sees_the_request_as_on_aws() {
    let request = Request::put("/api/movies/caf%C3%A9/?q=a%20b&q=c")
        .header("Host", "movies.example:3000")
        .header("Cookie", "a=1;b=2")
        .header("X-Forwarded-For", "10.0.0.1")
        .header("Content-Type", "multipart/form-data; boundary=x");
    let (status, mut seen) = call_json(&gateway(), request, &b"bytes \xff"[..]).await;
    assert_eq!(status, 200);
    let seconds_left = seen
        .as_object_mut()
        .unwrap()
        .remove("seconds_left")
        .unwrap()
        .as_u64()
        .unwrap();
    assert!(
        (10..15).contains(&seconds_left),
        "{seconds_left} of the function's 15 seconds are left"
    );
    assert_eq!(
        seen,
        json!({
            "method": "PUT",
            "uri": "http://movies.example:3000/api/movies/caf%C3%A9/?q=a%20b&q=c",
            "host": "movies.example:3000",
            "cookie": "a=1; b=2",
            "forwarded_for": "192.0.2.7",
            "source": "192.0.2.7",
            "same_id": true,
            "length": 7,
            "body": "bytes \u{fffd}",
        })
    );
}

#[tokio::test]
async fn bytes_and_cookies_come_back_whole() {
    let (_, headers, body) = call(&gateway(), Request::get("/api/movies/bytes"), "").await;
    assert_eq!(
        (&body[..], &headers[CONTENT_TYPE]),
        (&[0_u8, 159, 146, 150][..], &"image/png".parse().unwrap())
    );
    let (_, headers, _) = call(&gateway(), Request::get("/api/movies/cookies"), "").await;
    assert_eq!(
        headers.get_all("set-cookie").iter().collect::<Vec<_>>(),
        ["a=1", "b=2"]
    );
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_gateway_lives() {
    let gateway = gateway();
    let (status, headers, body) = call(&gateway, Request::get("/api/movies/panic"), "").await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, &headers[CONTENT_TYPE]),
        (500, &"application/problem+json".parse().unwrap())
    );
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&json!("internal_error"), &json!(500))
    );
    assert_eq!(problem["request_id"], headers["x-request-id"].to_str().unwrap());
    assert!(
        !problem.to_string().contains("own"),
        "the panic's text is for the log"
    );
    assert_eq!(call(&gateway, Request::get("/api/movies"), "").await.0, 200);
}

#[tokio::test]
async fn a_function_that_is_too_slow_is_a_503() {
    let text = include_str!("../../../template.yaml");
    assert!(text.contains("Timeout: 15"));
    let text = text.replace("Timeout: 15", "Timeout: 1");
    let gateway = gateway_of(&Template::parse(&text).unwrap(), functions(), &["*"]);
    let (status, headers, body) = call(&gateway, Request::get("/api/movies/slow"), "").await;
    assert_eq!(status, 503);
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap()["code"],
        "unavailable"
    );
}

#[tokio::test]
async fn without_a_catch_all_an_unknown_path_is_a_404() {
    let text = include_str!("../../../template.yaml");
    let catch_all = "        Everything:
          Type: HttpApi
          Properties:
            ApiId: !Ref HttpApi
";
    assert!(text.contains(catch_all));
    let template = Template::parse(&text.replace(catch_all, "")).unwrap();
    let gateway = gateway_of(&template, functions(), &["*"]);
    let (status, problem) = call_json(&gateway, Request::get("/elsewhere"), "").await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    assert!(matches!(
        gateway.invoke(&event("GET", "/elsewhere")).await,
        Err(InvokeError::NoRoute)
    ));
}

#[tokio::test]
async fn bodies_are_limited_as_on_aws() {
    let gateway = gateway();
    let text = || Request::post("/api/movies").header(CONTENT_TYPE, "text/plain");
    let binary = || Request::post("/api/movies").header(CONTENT_TYPE, "image/png");
    for (request, length, expected) in [
        (text(), 5 << 20, 200),
        // Fits the gateway, but not an event once it is encoded.
        (binary(), 5 << 20, 413),
        (binary(), 4 << 20, 200),
        (text(), MAX_EVENT, 413),
        (text(), 10 << 20, 413),
    ] {
        let (status, answer) = call_json(&gateway, request, vec![b'x'; length]).await;
        assert_eq!(status, expected, "{length}");
        match status {
            200 => assert_eq!(answer["length"], length),
            _ => assert_eq!(answer["code"], "body_too_large"),
        }
    }
}

#[tokio::test]
async fn a_client_that_sends_too_much_gets_to_see_the_413() {
    let (addr, _stop, _) = serving(gateway()).await;
    for framing in ["content-length", "chunked", "expect"] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = match framing {
            "chunked" => "transfer-encoding: chunked".to_owned(),
            "expect" => format!("content-length: {}\r\nexpect: 100-continue", (10 << 20) + 1),
            _ => format!("content-length: {}", (10 << 20) + 1),
        };
        stream
            .write_all(format!("POST /api/movies HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        match framing {
            "chunked" => {
                stream
                    .write_all(format!("{:x}\r\n", (10 << 20) + 1).as_bytes())
                    .await
                    .unwrap();
                stream.write_all(&vec![b'x'; (10 << 20) + 1]).await.unwrap();
                stream.write_all(b"\r\n0\r\n\r\n").await.unwrap();
            }
            "expect" => {}
            _ => stream.write_all(&vec![b'x'; (10 << 20) + 1]).await.unwrap(),
        }
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413", "{framing}");
    }
}

#[tokio::test]
async fn a_head_may_have_as_much_as_api_gateway_takes() {
    let gateway = gateway();
    // The gateway counts the request line and the headers' values.
    let line = |path: &str| "GET  HTTP/1.1".len() + path.len();
    let host = "movies.example".len();
    // Each brace becomes three characters when lambda_http writes the URL.
    let longest = format!(
        "/api/movies/{}",
        "{".repeat(MAX_HEAD - host - line("/api/movies/"))
    );
    let (status, _, _) = call(&gateway, Request::get(&longest), "").await;
    assert_eq!(status, 200);
    let (status, problem) = call_json(&gateway, Request::get(format!("{longest}{{")), "").await;
    assert_eq!((status, &problem["code"]), (431, &json!("headers_too_large")));
    let (status, problem) = call_json(&gateway, Request::get(longest + &"x".repeat(host + 1)), "").await;
    assert_eq!((status, &problem["code"]), (414, &json!("uri_too_long")));
    let path = "/api/movies/";
    let value = "x".repeat(MAX_HEAD - host - line(path));
    let (status, _, _) = call(&gateway, Request::get(path).header("x", &value), "").await;
    assert_eq!(status, 200);
    let request = Request::get(path).header("x", &value).header("y", "z");
    let (status, problem) = call_json(&gateway, request, "").await;
    assert_eq!((status, &problem["code"]), (431, &json!("headers_too_large")));
}

#[tokio::test]
async fn a_request_that_cannot_be_handed_on_is_a_400() {
    let (addr, _stop, _) = serving(gateway()).await;
    for head in [
        "GET /api/movies HTTP/1.1\r\nhost: a b",
        "GET /api/movies HTTP/1.1\r\nhost: [::1",
        "GET /api/movies HTTP/1.1\r\nhost: 1.2.3.4.5",
        "GET /api/movies HTTP/1.1\r\nhost: x:99999",
        "GET /api/movies HTTP/1.1\r\nhost: x/../y?",
        "GET /api/movies HTTP/1.1\r\nhost: \u{e9}",
        "GET /api/movies HTTP/1.1\r\nhost: x\r\nhost: y",
        "GET /api/movies HTTP/1.1\r\nhost: x\r\nhost: x",
        "GET /api/movies HTTP/1.1\r\nhost:",
        "GET /api/movies HTTP/1.1",
        "GET http://movies.example/api/movies HTTP/1.1",
        "OPTIONS * HTTP/1.1\r\nhost: x",
        "OPTIONS /api/movies HTTP/1.1\r\nhost: a b\r\norigin: https://a.example",
    ] {
        let answer = raw(addr, &format!("{head}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
        assert!(
            answer.contains("x-request-id: ") && answer.contains(r#""code":"malformed_request""#),
            "{head}: {answer}"
        );
        assert!(
            answer.contains("\r\naccess-control-allow-origin: *\r\n"),
            "{head}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_request_may_name_its_host_elsewhere_and_http_1_0_not_at_all() {
    let (addr, _stop, _) = serving(gateway()).await;
    let own = addr.to_string();
    for (head, host) in [
        ("GET /api/movies HTTP/1.0", own.as_str()),
        (
            "GET http://movies.example/api/movies HTTP/1.1\r\nhost: other",
            "movies.example",
        ),
        ("GET /api/movies HTTP/1.1\r\nhost: [::1]:80", "[::1]:80"),
    ] {
        let answer = raw(addr, &format!("{head}\r\n\r\n")).await;
        assert!(answer.contains(" 200 OK\r\n"), "{head}: {answer}");
        assert!(
            answer.contains(&format!(r#""host":"{host}""#)),
            "{head}: {answer}"
        );
    }
}

#[tokio::test]
async fn no_path_makes_the_conversion_fail() {
    let gateway = gateway();
    let mut paths: Vec<String> = (0..=255)
        .map(|byte| format!("/api/movies/%{byte:02X}x?q=%{byte:02X}"))
        .collect();
    paths.extend(
        [
            "//",
            "/../..",
            "/%2e%2e/%2f%2fhost/",
            "/api/movies/%23?q",
            "/%5c%5chost",
            "/api/movies/%",
        ]
        .map(str::to_owned),
    );
    for path in paths {
        let (status, _, body) = call(&gateway, Request::get(&path), "").await;
        assert_eq!(status, 200, "{path}: {body:?}");
    }
}

#[tokio::test]
async fn head_has_the_length_but_no_body() {
    let (addr, _stop, _) = serving(gateway()).await;
    let answer = raw(addr, "HEAD /api/users HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("content-length: 5\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    let request = Request::head("/api/movies/panic");
    let (status, headers, body) = call(&gateway(), request, "").await;
    assert_eq!((status, body.len()), (500, 0));
    assert_ne!(headers[CONTENT_LENGTH], "0");
}

/// A minimal event.
fn event(method: &str, path: &str) -> Value {
    json!({
        "version": "2.0",
        "rawPath": path,
        "headers": { "host": "movies.example" },
        "requestContext": { "stage": "$default", "requestId": "the-id", "http": { "method": method } },
    })
}

#[tokio::test]
async fn an_event_can_be_replayed() {
    let gateway = gateway();
    let answer = gateway.invoke(&event("DELETE", "/api/movies/7/")).await.unwrap();
    assert_eq!(
        (&answer["statusCode"], &answer["isBase64Encoded"]),
        (&json!(200), &json!(false))
    );
    let seen: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&seen["method"], &seen["uri"]),
        (&json!("DELETE"), &json!("https://movies.example/api/movies/7/"))
    );

    for broken in [json!({}), json!({ "rawPath": "/" }), json!("text")] {
        assert!(
            matches!(gateway.invoke(&broken).await, Err(InvokeError::Event(_))),
            "{broken}"
        );
    }
    // A host that never comes through the gateway makes the conversion panic, as it would on Lambda.
    let mut hostile = event("GET", "/api/movies/");
    hostile["headers"]["host"] = json!("a b");
    assert!(matches!(
        gateway.invoke(&hostile).await,
        Err(InvokeError::Failed(_))
    ));
}

#[tokio::test]
async fn a_function_finishes_when_the_client_has_gone() {
    let done = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&done);
    let handler = move || async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        flag.store(true, Ordering::SeqCst);
    };
    let mut functions = functions();
    functions.insert("movies".to_owned(), Router::new().fallback(handler));
    let gateway = gateway_of(&template(), functions, &["*"]);
    let request = Request::get("/api/movies").header(HOST, "x");
    let request = request.body(Full::new(Bytes::new())).unwrap();
    assert!(
        timeout(Duration::from_millis(50), gateway.handle(request, SOURCE))
            .await
            .is_err()
    );
    assert!(!done.load(Ordering::SeqCst));
    let waiting = Instant::now();
    while !done.load(Ordering::SeqCst) {
        assert!(waiting.elapsed() < Duration::from_secs(5), "it was cut short");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish_and_drops_idle_connections() {
    let mut functions = functions();
    let begun = Arc::new(Notify::new());
    let begins = Arc::clone(&begun);
    let slow = move || async move {
        begins.notify_one();
        tokio::time::sleep(Duration::from_millis(300)).await;
        "finished"
    };
    functions.insert("movies".to_owned(), Router::new().fallback(slow));
    let (addr, stop, served) = serving(gateway_of(&template(), functions, &["*"])).await;
    let _unused = TcpStream::connect(addr).await.unwrap();
    let mut idle = TcpStream::connect(addr).await.unwrap();
    idle.write_all(b"GET /api/users HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    assert_ne!(idle.read(&mut [0; 1024]).await.unwrap(), 0);
    let busy = tokio::spawn(async move { raw(addr, "GET /api/movies HTTP/1.1\r\nhost: x\r\n\r\n").await });
    begun.notified().await;

    stop.send(()).unwrap();
    // Far sooner than the grace for connections that won't end.
    timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
    let answer = busy.await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("finished"),
        "{answer}"
    );
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let (addr, _stop, _) = serving(gateway()).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    for body in ["one", "three", ""] {
        let request = format!(
            "POST /api/movies HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 2048];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.contains(&format!(r#""body":"{body}""#)), "{answer}");
    }
}
