//! Requests, events and answers that are too large, and too many at once.

use http::header::CONTENT_TYPE;
use marquee_shared::http::size::MAX_ANSWER_BYTES;

use super::*;
use crate::gateway::head::MAX_HEAD;

#[tokio::test]
async fn bodies_are_limited_as_on_aws() {
    let gateway = gateway();
    let text = || Request::post("/api/movies").header(CONTENT_TYPE, "text/plain");
    let binary = || Request::post("/api/movies").header(CONTENT_TYPE, "image/png");
    for (request, length, expected) in [
        (text(), 5 << 20, 200),
        // Fits the gateway, but not an event once the body is encoded.
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
async fn a_client_that_sends_too_much_receives_the_413() {
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
    // The gateway counts the request line and the values of the headers.
    let line = |path: &str| "GET  HTTP/1.1".len() + path.len();
    let host = "movies.example".len();
    // lambda_http encodes each brace as three characters when it writes the URL.
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
        let mut received = vec![0; 4096];
        let read = stream.read(&mut received).await.unwrap();
        let (answer, _) = Answer::first(&received[..read]).unwrap();
        answer.is_problem(413, "body_too_large", kind);
        assert_eq!(answer.header("connection"), "close");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_requests_are_processed_at_once_and_the_others_wait_for_their_turn() {
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
        assert_eq!(seen.available_permits(), 2, "the third is processed as well");
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
async fn an_answer_longer_than_lambda_accepts_is_a_500_and_the_invoker_sees_why() {
    // Lambda counts the bytes of the answer's JSON. A quotation mark in the body takes two bytes there, and four if the
    // body itself is JSON.
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
    // `content-length` has at most six digits more than in the answer with an empty string.
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
async fn an_event_longer_than_lambda_accepts_is_not_written() {
    // Each control character takes six bytes in an event.
    let request = Request::post("/api/movies").header("content-type", "text/plain");
    let (status, _, _) = call(&gateway(), request, vec![1; MAX_EVENT / 6 - 1_000]).await;
    assert_eq!(status, 200);
    let request = Request::post("/api/movies").header("content-type", "text/plain");
    let (status, headers, _) = call(&gateway(), request, vec![1; MAX_EVENT / 6 + 1_000]).await;
    assert_eq!(status, 413);
    assert_eq!(headers["access-control-allow-origin"], "*");
}
