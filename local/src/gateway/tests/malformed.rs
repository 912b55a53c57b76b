//! What isn't a valid HTTP request.

use super::*;

#[tokio::test]
async fn a_request_that_cannot_be_passed_on_is_a_400() {
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
async fn what_is_not_a_request_gets_a_problem_document() {
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
    // The beginning of a TLS handshake.
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
    // A request line without an end.
    answer(addr, format!("GET /{}", long(100_000)).as_bytes())
        .await
        .is_problem(414, "uri_too_long", "a line without an end");
    for count in [101, 1_000, 10_000] {
        answer(addr, get(&many(count)).as_bytes()).await.is_problem(
            431,
            "headers_too_large",
            &format!("{count} headers"),
        );
    }
    // A refused request that has been read completely leaves the connection open for another request.
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
    two[1].is_problem(414, "uri_too_long", "the second request");
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
        let received = rest(&mut stream).await;
        match Answer::first(&received) {
            Some((answer, _)) if expected => answer.is_problem(400, "malformed_request", bytes),
            other => assert!(
                other.is_none() && !expected && received.is_empty(),
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
    let received = String::from_utf8(rest(&mut stream).await).unwrap();
    assert!(
        received.starts_with("HTTP/1.1 400 ") && received.ends_with("\r\n\r\n"),
        "{received}"
    );
    assert!(
        received.contains("\r\ncontent-length: ") && !received.contains("\r\ncontent-length: 0\r\n"),
        "{received}"
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
                "a cache must distinguish origins"
            );
        }
    }
}

#[tokio::test]
async fn what_follows_a_request_does_not_spoil_its_answer() {
    let (addr, _stop, _) = serving(gateway()).await;
    for behind in ["garbage\u{1}\r\n\r\n", "GET / HTTP/1.1\r\na b: c\r\n\r\n"] {
        // Sent together.
        let bytes = [GET, behind.as_bytes()].concat();
        let two = answers(addr, &bytes).await;
        assert_eq!((two[0].status, two[0].body.as_str()), (200, "users"));
        two[1].is_problem(400, "malformed_request", behind);
        assert_eq!(two.len(), 2);
        // Sent after the first response.
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(GET).await.unwrap();
        let mut first = [0; 4096];
        let length = stream.read(&mut first).await.unwrap();
        assert!(first[..length].ends_with(b"users"));
        stream.write_all(behind.as_bytes()).await.unwrap();
        let received = rest(&mut stream).await;
        Answer::first(&received)
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
