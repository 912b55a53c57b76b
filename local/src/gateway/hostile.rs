//! The gateway against clients that send what is no request, too much, too slowly, or nothing at all.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Instant;

use axum::routing::any;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::tests::{call, functions, gateway, gateway_of, serving, template};
use super::*;

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    /// The first of some bytes, and the bytes behind it.
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

    /// Asserts a whole problem document that any origin may read, the last on its connection.
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

/// All that comes back until the server closes. The client keeps its own half open.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    // A reset after the answer is as good as an end.
    if timeout(Duration::from_secs(20), reading).await.is_err() {
        panic!("still open after {:?}", String::from_utf8_lossy(&bytes));
    }
    bytes
}

/// The answers to these bytes; nothing else may come.
async fn answers(addr: SocketAddr, bytes: &[u8]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let came = rest(&mut stream).await;
    let mut left = &came[..];
    let mut answers = Vec::new();
    while let Some((answer, behind)) = Answer::first(left) {
        answers.push(answer);
        left = behind;
    }
    assert!(left.is_empty(), "{:?}", String::from_utf8_lossy(left));
    answers
}

/// The one answer to these bytes.
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

/// Whether a fresh connection is answered, and how soon.
async fn is_served(addr: SocketAddr) -> Duration {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(b"GET /api/users HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let came = rest(&mut stream).await;
    let (answer, _) = Answer::first(&came).unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "users"));
    begun.elapsed()
}

#[tokio::test]
async fn whatever_is_no_request_gets_a_problem_document() {
    let (addr, _stop, _) = serving(gateway()).await;
    let long = |length: usize| "x".repeat(length);
    let get = |headers: &str| format!("GET /api/movies HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n");
    let post = |headers: &str, body: &str| {
        format!("POST /api/movies HTTP/1.1\r\nhost: x\r\n{headers}\r\n\r\n{body}")
    };
    let many = |count: usize| (0..count).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    let malformed = [
        ("garbage", "\u{1}\u{2}\u{3} garbage\r\n\r\n".to_owned()),
        ("a line of text", "hello\r\n\r\n".to_owned()),
        ("HTTP/0.9", "GET /\r\n\r\n".to_owned()),
        (
            "HTTP/2's preface",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".to_owned(),
        ),
        ("another version", "GET / HTTP/3.0\r\nhost: x\r\n\r\n".to_owned()),
        ("another protocol", "GET / RTSP/1.0\r\n\r\n".to_owned()),
        ("a space in a name", get("a b: c")),
        ("a line without a colon", get("abc")),
        ("a folded line", get("a: b\r\n c")),
        ("a control character", get("a: b\u{0}c")),
        (
            "a bad target",
            "GET /a\u{7f}b HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        ),
        (
            "a target that is none",
            "GET api HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
        ),
        (
            "two lengths",
            post("content-length: 1\r\ncontent-length: 2", "ab"),
        ),
        ("a length that is none", post("content-length: one", "a")),
        ("a negative length", post("content-length: -1", "a")),
        (
            "an immense length",
            post("content-length: 99999999999999999999999", "a"),
        ),
        ("an unknown coding", post("transfer-encoding: gzip", "a")),
        (
            "chunked, and not last",
            post("transfer-encoding: chunked, gzip", "0\r\n\r\n"),
        ),
        (
            "chunked in HTTP/1.0",
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "a bad chunk",
            post("transfer-encoding: chunked", "zz\r\nabc\r\n0\r\n\r\n"),
        ),
        (
            "a chunk's length that overflows",
            post("transfer-encoding: chunked", "fffffffffffffffff\r\n"),
        ),
        (
            "no host",
            "GET / HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(),
        ),
        (
            "CONNECT",
            "CONNECT x:80 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned(),
        ),
    ];
    for (what, bytes) in malformed {
        answer(addr, bytes.as_bytes())
            .await
            .is_problem(400, "malformed_request", what);
    }
    // The greeting of TLS.
    answer(addr, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        .await
        .is_problem(400, "malformed_request", "TLS");
    for length in [10_300, 16_300, 20_000, 70_000, 2_000_000] {
        let bytes = format!(
            "GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            long(length)
        );
        answer(addr, bytes.as_bytes()).await.is_problem(
            414,
            "uri_too_long",
            &format!("a target of {length}"),
        );
        let bytes = get(&format!("connection: close\r\nx: {}", long(length)));
        answer(addr, bytes.as_bytes()).await.is_problem(
            431,
            "headers_too_large",
            &format!("a header of {length}"),
        );
    }
    // A line that never ends.
    answer(addr, format!("GET /{}", long(100_000)).as_bytes())
        .await
        .is_problem(414, "uri_too_long", "no line's end");
    for count in [101, 1_000, 10_000] {
        answer(addr, get(&many(count)).as_bytes()).await.is_problem(
            431,
            "headers_too_large",
            &format!("{count} headers"),
        );
    }
    // What is refused after all of it was read may share its connection with another request.
    let two = answers(
        addr,
        format!(
            "GET /api/users HTTP/1.1\r\n\r\nGET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            long(10_300)
        )
        .as_bytes(),
    )
    .await;
    two[0].is_problem(400, "malformed_request", "no host");
    two[1].is_problem(414, "uri_too_long", "after it");
    assert!(is_served(addr).await < Duration::from_secs(5));
}

#[tokio::test]
async fn a_head_that_ends_half_way_is_a_400_and_an_end_without_one_is_nothing() {
    let (addr, _stop, _) = serving(gateway()).await;
    for (bytes, expected) in [
        ("", false),
        ("\r\n", false),
        ("GET", true),
        ("GET / HTTP/1.1\r\nhost: x\r\n", true),
    ] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let came = rest(&mut stream).await;
        match Answer::first(&came) {
            Some((answer, _)) if expected => answer.is_problem(400, "malformed_request", bytes),
            other => assert!(
                other.is_none() && !expected && came.is_empty(),
                "{bytes:?}: {other:?}"
            ),
        }
    }
}

#[tokio::test]
async fn head_gets_no_body_even_where_it_cannot_be_parsed() {
    let (addr, _stop, _) = serving(gateway()).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(b"HEAD / HTTP/1.1\r\na b: c\r\n\r\n")
        .await
        .unwrap();
    let came = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(
        came.starts_with("HTTP/1.1 400 ") && came.ends_with("\r\n\r\n"),
        "{came}"
    );
    assert!(
        came.contains("\r\ncontent-length: ") && !came.contains("\r\ncontent-length: 0\r\n"),
        "{came}"
    );
}

#[tokio::test]
async fn refusals_name_the_configured_origins_alone() {
    let origins = ["https://a.example", "https://b.example"];
    let (addr, _stop, _) = serving(gateway_of(&template(), functions(), &origins)).await;
    for (origin, allowed) in [
        ("https://a.example", "https://a.example"),
        ("https://b.example", "https://b.example"),
        ("https://c.example", ""),
        ("null", ""),
    ] {
        for (what, bytes) in [
            (
                "a bad Host",
                format!("GET / HTTP/1.1\r\nhost: a b\r\norigin: {origin}\r\nconnection: close\r\n\r\n"),
            ),
            (
                "a preflight",
                format!(
                    "OPTIONS / HTTP/1.1\r\nhost: a b\r\norigin: {origin}\r\naccess-control-request-method: PUT\r\nconnection: close\r\n\r\n"
                ),
            ),
            (
                "no head",
                format!("GET / HTTP/1.1\r\nOrigin: {origin}\r\na b: c\r\n\r\n"),
            ),
            (
                "no body",
                format!("POST / HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\ncontent-length: 1, 2\r\n\r\n"),
            ),
        ] {
            let answer = answer(addr, bytes.as_bytes()).await;
            assert_eq!(answer.status, 400, "{what}");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                allowed,
                "{what} {origin}"
            );
            assert!(
                answer.header("vary").contains("origin"),
                "a cache must tell origins apart"
            );
        }
    }
}

#[tokio::test]
async fn what_follows_a_request_does_not_spoil_its_answer() {
    let (addr, _stop, _) = serving(gateway()).await;
    for behind in ["garbage\u{1}\r\n\r\n", "GET / HTTP/1.1\r\na b: c\r\n\r\n"] {
        // At once.
        let bytes = [GET, behind.as_bytes()].concat();
        let two = answers(addr, &bytes).await;
        assert_eq!((two[0].status, two[0].body.as_str()), (200, "users"));
        two[1].is_problem(400, "malformed_request", behind);
        assert_eq!(two.len(), 2);
        // After the first answer.
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(GET).await.unwrap();
        let mut first = [0; 4096];
        let length = stream.read(&mut first).await.unwrap();
        assert!(first[..length].ends_with(b"users"));
        stream.write_all(behind.as_bytes()).await.unwrap();
        let came = rest(&mut stream).await;
        Answer::first(&came)
            .unwrap()
            .0
            .is_problem(400, "malformed_request", behind);
    }
}

/// Guarantee 53.
#[tokio::test]
async fn nothing_is_smuggled_behind_a_body() {
    let (addr, _stop, _) = serving(gateway()).await;
    for framing in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "transfer-encoding: chunked\r\ncontent-length: 0",
    ] {
        let smuggled = [
            format!("POST /api/movies HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n0\r\n\r\n").as_bytes(),
            GET,
        ]
        .concat();
        let only = answer(addr, &smuggled).await;
        let seen: Value = serde_json::from_str(&only.body).unwrap();
        assert_eq!((only.status, &seen["length"]), (200, &json!(0)), "{framing}");
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_refused_before_it_is_sent() {
    let (addr, _stop, _) = serving(gateway()).await;
    for (kind, length) in [
        ("text/plain", MAX_EVENT + 1),
        ("image/png", MAX_EVENT / 4 * 3 + 1),
        ("text/plain", 1 << 40),
    ] {
        let begun = Instant::now();
        let head = format!(
            "POST /api/movies HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut came = vec![0; 4096];
        let read = stream.read(&mut came).await.unwrap();
        let (answer, _) = Answer::first(&came[..read]).unwrap();
        answer.is_problem(413, "body_too_large", kind);
        assert_eq!(answer.header("connection"), "close");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

fn patient(head: u64, idle: u64, answer: u64) -> Gateway {
    Gateway {
        patience: Patience {
            idle: Duration::from_millis(idle),
            head: Duration::from_millis(head),
            answer: Duration::from_millis(answer),
            room: Duration::ZERO,
        },
        ..gateway()
    }
}

#[tokio::test]
async fn a_head_must_be_whole_in_time_however_steadily_it_comes() {
    let (addr, _stop, _) = serving(patient(500, 60_000, 60_000)).await;
    for after_a_request in [false, true] {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        if after_a_request {
            // Not the first head's time, nor that between the two.
            stream.write_all(GET).await.unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            sleep(Duration::from_millis(600)).await;
        }
        let begun = Instant::now();
        let mut came = vec![0; 4096];
        let read = loop {
            stream.write_all(b"G").await.unwrap();
            if let Ok(read) = timeout(Duration::from_millis(50), stream.read(&mut came)).await {
                break read.unwrap();
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "it is still taken");
        };
        Answer::first(&came[..read])
            .unwrap()
            .0
            .is_problem(408, "request_timeout", "a head");
        assert!(
            begun.elapsed() >= Duration::from_millis(450),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let (addr, _stop, _) = serving(patient(60_000, 300, 60_000)).await;
    let mut unused = TcpStream::connect(addr).await.unwrap();
    let begun = Instant::now();
    assert_eq!(rest(&mut unused).await, b"");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// A function whose answer is more than the system takes for a client that reads none of it.
fn immense() -> HashMap<String, Router> {
    let mut functions = functions();
    let text = "x".repeat(6_000_000);
    functions.insert(
        "movies".to_owned(),
        Router::new().fallback(move || async move { text }),
    );
    functions
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_cut_off() {
    let gateway = Gateway {
        patience: patient(60_000, 60_000, 300).patience,
        ..gateway_of(&template(), immense(), &["*"])
    };
    let connections = Arc::clone(&gateway.connections);
    let (addr, _stop, _) = serving(gateway).await;
    let _stream = ask_and_not_read(addr).await;
    let begun = Instant::now();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(connections.open(), 1);
    while connections.open() > 0 {
        // And the time in which the rest of what it sends is thrown away.
        assert!(begun.elapsed() < Duration::from_secs(5), "its connection is kept");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A gateway with room for so many connections.
fn with_room(limit: usize) -> Gateway {
    Gateway {
        connections: Connections::new(limit),
        ..gateway()
    }
}

/// Asks for an immense answer, and takes next to none of it.
async fn ask_and_not_read(addr: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut stream = socket.connect(addr).await.unwrap();
    let get = b"GET /api/movies HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(get).await.unwrap();
    stream
}

async fn send(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn idle_connections_and_half_heads_make_room_for_newcomers_in_the_order_they_came() {
    for bytes in [&b""[..], b"GET / HTTP/1.1\r\nhost:"] {
        let (addr, _stop, _) = serving(with_room(8)).await;
        let mut held = Vec::new();
        for _ in 0..100 {
            held.push(send(addr, bytes).await);
        }
        for _ in 0..20 {
            assert!(is_served(addr).await < Duration::from_secs(2));
        }
        // The first to come has gone; with an answer if there was anything to answer.
        let came = rest(&mut held[0]).await;
        match bytes {
            b"" => assert_eq!(came, b""),
            _ => Answer::first(&came)
                .unwrap()
                .0
                .is_problem(408, "request_timeout", "half a head"),
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_in_use_outlives_the_idle_ones() {
    let (addr, _stop, _) = serving(with_room(8)).await;
    let mut used = send(addr, b"").await;
    let mut held = Vec::new();
    for round in 0..30 {
        held.push(send(addr, b"").await);
        used.write_all(GET).await.unwrap();
        let mut answer = [0; 4096];
        let length = used.read(&mut answer).await.unwrap();
        assert!(answer[..length].ends_with(b"users"), "round {round}");
    }
}

#[tokio::test]
async fn half_bodies_make_room_for_newcomers_once_they_stall() {
    let (addr, _stop, _) = serving(with_room(8)).await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(
            send(
                addr,
                b"POST /api/movies HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf",
            )
            .await,
        );
    }
    sleep(Duration::from_millis(1_200)).await;
    for _ in 0..7 {
        assert!(is_served(addr).await < Duration::from_secs(2));
    }
    let came = rest(&mut held[0]).await;
    Answer::first(&came)
        .unwrap()
        .0
        .is_problem(408, "request_timeout", "half a body");
}

#[tokio::test]
async fn answers_that_nobody_reads_make_room_for_newcomers() {
    let gateway = Gateway {
        connections: Connections::new(4),
        ..gateway_of(&template(), immense(), &["*"])
    };
    let (addr, _stop, _) = serving(gateway).await;
    let begun = Instant::now();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(ask_and_not_read(addr).await);
    }
    // Each is closed for the next once it has had its second, and not before.
    is_served(addr).await;
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    sleep(Duration::from_millis(500)).await;
    for _ in 0..4 {
        assert!(is_served(addr).await < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn no_request_that_is_worked_on_makes_room_and_newcomers_are_told_to_come_back() {
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let mut functions = functions();
    let slow = Router::new().route(
        "/api/movies",
        any(move || async move {
            waiting.notified().await;
            "finished"
        }),
    );
    functions.insert("movies".to_owned(), slow);
    let gateway = Gateway {
        connections: Connections::new(2),
        ..gateway_of(&template(), functions, &["*"])
    };
    let (addr, _stop, _) = serving(gateway).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(
            send(
                addr,
                b"GET /api/movies HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            )
            .await,
        );
    }
    sleep(Duration::from_millis(1_200)).await;
    for _ in 0..3 {
        answer(addr, GET).await.is_problem(503, "unavailable", "no room");
    }
    // Without a request there is nothing to answer.
    assert_eq!(rest(&mut send(addr, b"").await).await, b"");
    for mut stream in held {
        go_on.notify_one();
        let came = rest(&mut stream).await;
        assert_eq!(Answer::first(&came).unwrap().0.body, "finished");
    }
    assert!(is_served(addr).await < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn only_so_many_requests_are_worked_on_at_once_and_the_others_wait_their_turn() {
    let ends = Arc::new(Semaphore::new(0));
    let begun = Arc::new(Semaphore::new(0));
    let (release, seen) = (Arc::clone(&ends), Arc::clone(&begun));
    let mut functions = functions();
    let slow = Router::new().fallback(move || async move {
        begun.add_permits(1);
        let _until_released = ends.acquire().await.map(tokio::sync::SemaphorePermit::forget);
    });
    functions.insert("movies".to_owned(), slow);
    let gateway = Gateway {
        turns: Arc::new(Semaphore::new(2)),
        ..gateway_of(&template(), functions, &["*"])
    };
    let get = || call(&gateway, Request::get("/api/movies"), "");
    let release_soon = async {
        tokio::time::sleep(TURN_WITHIN / 2).await;
        assert_eq!(seen.available_permits(), 2, "the third is worked on as well");
        release.add_permits(3);
    };
    let (one, two, three, ()) = tokio::join!(get(), get(), get(), release_soon);
    assert_eq!([one.0, two.0, three.0], [200; 3]);
    let release_late = async {
        tokio::time::sleep(TURN_WITHIN * 5 / 4).await;
        release.add_permits(2);
    };
    let (one, two, three, ()) = tokio::join!(get(), get(), get(), release_late);
    assert_eq!([one.0, two.0, three.0], [200, 200, 503]);
    assert_eq!(three.1["retry-after"], "1");
}

#[tokio::test]
async fn an_answer_longer_than_lambda_takes_is_a_500_and_whoever_invokes_sees_why() {
    // As Lambda counts: a quotation mark in the body takes two bytes more of the answer, and four in all when it is
    // within JSON.
    let mut functions = functions();
    let quotes = Router::new().fallback(|request: axum::extract::Request| async move {
        let count: usize = request.uri().path().rsplit('/').next().unwrap().parse().unwrap();
        axum::Json("\"".repeat(count))
    });
    functions.insert("movies".to_owned(), quotes);
    let gateway = gateway_of(&template(), functions, &["*"]);
    let event = |count: usize| {
        json!({
            "version": "2.0",
            "rawPath": format!("/api/movies/{count}"),
            "headers": { "host": "movies.example" },
            "requestContext": { "stage": "$default", "requestId": "the-id", "http": { "method": "GET" } },
        })
    };
    let overhead = gateway.invoke(&event(0)).await.unwrap().to_string().len();
    // Not more than a header's `content-length` of six digits more.
    let most = (MAX_ANSWER_BYTES - overhead - 6) / 4;
    let answer = gateway.invoke(&event(most)).await.unwrap();
    let length = answer.to_string().len();
    assert!(
        (MAX_ANSWER_BYTES - 4..=MAX_ANSWER_BYTES).contains(&length),
        "{length}"
    );
    match gateway.invoke(&event(most + 1)).await {
        Err(InvokeError::AnswerTooLarge { bytes }) => assert_eq!(bytes, length + 4),
        other => panic!("{other:?}"),
    }
    let (status, _, body) = call(&gateway, Request::get(format!("/api/movies/{most}")), "").await;
    assert_eq!((status, body.len()), (200, 2 + 2 * most));
    let (status, headers, body) = call(&gateway, Request::get(format!("/api/movies/{}", most + 1)), "").await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &problem["code"]), (500, &json!("internal_error")));
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert!(headers.get("server").is_none());
}

#[tokio::test]
async fn an_event_longer_than_lambda_takes_is_not_written_out() {
    // Each control character takes six bytes of an event.
    let request = Request::post("/api/movies").header("content-type", "text/plain");
    let (status, _, _) = call(&gateway(), request, vec![1; MAX_EVENT / 6 - 1_000]).await;
    assert_eq!(status, 200);
    let request = Request::post("/api/movies").header("content-type", "text/plain");
    let (status, headers, _) = call(&gateway(), request, vec![1; MAX_EVENT / 6 + 1_000]).await;
    assert_eq!(status, 413);
    assert_eq!(headers["access-control-allow-origin"], "*");
}
