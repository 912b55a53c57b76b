//! The gateway with requests in memory, and over TCP where the connection matters. This file has what the tests share: the
//! functions behind the gateway, and clients.

mod connections;
mod failures;
mod limits;
mod malformed;
mod requests;

use std::time::{Instant, SystemTime};

use axum::{
    Json,
    extract::{Extension, Request as AxumRequest},
    response::IntoResponse,
    routing::{any, get},
};
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::BodyExt as _;
use lambda_http::{Context, request::RequestContext};
use marquee_shared::config::{Config, HttpConfig};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::*;

const SOURCE: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)),
    50_000,
);

/// A handler that answers with what it has received.
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

fn functions() -> HashMap<String, Router> {
    let mut functions: HashMap<_, _> = ["auth", "covers", "users", "docs"]
        .map(|name| (name.to_owned(), named(name)))
        .into();
    functions.insert("movies".to_owned(), movies());
    functions
}

/// A function that answers with its name.
fn named(name: &'static str) -> Router {
    Router::new().fallback(move || async move { name })
}

/// A gateway for these functions and CORS origins.
fn gateway_of(template: &Template, functions: HashMap<String, Router>, origins: &[&str]) -> Gateway {
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

fn template() -> Template {
    Template::parse(include_str!("../../../template.yaml")).unwrap()
}

fn gateway() -> Gateway {
    gateway_of(&template(), functions(), &["*"])
}

/// Sends a request in memory. Returns status, headers and body of the response. The `Host` is `movies.example` unless the
/// request has one.
async fn call(
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

/// Serves a gateway on a free port until the sender is used or dropped. Returns the address, the sender, and the task.
async fn serving(gateway: Gateway) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopping) = oneshot::channel::<()>();
    let served = tokio::spawn(Arc::new(gateway).serve(listener, async {
        let _ = stopping.await;
    }));
    (addr, stop, served)
}

/// Sends these bytes, closes the client's half of the connection, and returns the whole response.
async fn raw(addr: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// An event with the fields that the gateway and `lambda_http` need.
fn event(method: &str, path: &str) -> Value {
    json!({
        "version": "2.0",
        "rawPath": path,
        "headers": { "host": "movies.example" },
        "requestContext": { "stage": "$default", "requestId": "the-id", "http": { "method": method } },
    })
}

/// A response as received over TCP.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    /// Parses the first response of some bytes. Also returns the bytes behind it.
    fn first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut answer = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = answer.parse(bytes).ok()? else {
            return None;
        };
        let headers: Vec<_> = answer
            .headers
            .iter()
            .map(|header| {
                (
                    header.name.to_owned(),
                    String::from_utf8(header.value.to_vec()).unwrap(),
                )
            })
            .collect();
        let status = answer.code.unwrap();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.map_or(0, |(_, value)| value.parse().unwrap());
        let body = bytes.get(head..head + length)?;
        let body = String::from_utf8_lossy(body).into_owned();
        Some((
            Self {
                status,
                headers,
                body,
            },
            &bytes[head + length..],
        ))
    }

    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|header| header.0 == name);
        found.map_or("", |(_, value)| value)
    }

    /// Asserts that this is a complete problem document that any origin may read.
    #[track_caller]
    fn is_problem(&self, status: u16, code: &str, what: &str) {
        assert_eq!(self.status, status, "{what}: {self:?}");
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["code"], code, "{what}");
        assert_eq!(problem["status"], status, "{what}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{what}");
        assert_eq!(self.header("x-request-id").len(), 36, "{what}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{what}");
        assert_eq!(self.header("access-control-allow-origin"), "*", "{what}");
        let exposed = self.header("access-control-expose-headers");
        assert!(exposed.contains("x-request-id"), "{what}: {exposed}");
        assert!(!self.header("date").is_empty(), "{what}");
        assert_eq!(self.header("server"), "", "{what}");
        if status == 503 {
            assert_eq!(self.header("retry-after"), "1", "{what}");
        }
    }
}

/// Reads until the server closes. The client keeps its own half open.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    // A reset after the response counts as the end.
    if timeout(Duration::from_secs(20), reading).await.is_err() {
        panic!("still open after {:?}", String::from_utf8_lossy(&bytes));
    }
    bytes
}

/// Sends these bytes and returns the responses. The server must send nothing else.
async fn answers(addr: SocketAddr, bytes: &[u8]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let received = rest(&mut stream).await;
    let mut left = &received[..];
    let mut answers = Vec::new();
    while let Some((answer, behind)) = Answer::first(left) {
        answers.push(answer);
        left = behind;
    }
    assert!(left.is_empty(), "{:?}", String::from_utf8_lossy(left));
    answers
}

/// Sends these bytes and returns the only response.
async fn answer(addr: SocketAddr, bytes: &[u8]) -> Answer {
    let mut answers = answers(addr, bytes).await;
    assert_eq!(
        answers.len(),
        1,
        "{:?}: {answers:?}",
        String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
    );
    answers.remove(0)
}

const GET: &[u8] = b"GET /api/users HTTP/1.1\r\nhost: x\r\n\r\n";

/// Asserts that a new connection is served. Returns how long that took.
async fn is_served(addr: SocketAddr) -> Duration {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(b"GET /api/users HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let received = rest(&mut stream).await;
    let (answer, _) = Answer::first(&received).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "users"));
    begun.elapsed()
}
