//! Requests that reach a function, and its answers.

use http::{
    Request,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use marquee_shared::config::Config;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;

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
        "{seconds_left} s of the function's 15 s are left"
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
    // A host that the gateway would refuse makes the conversion panic, as on Lambda.
    let mut hostile = event("GET", "/api/movies/");
    hostile["headers"]["host"] = json!("a b");
    assert!(matches!(
        gateway.invoke(&hostile).await,
        Err(InvokeError::Failed(_))
    ));
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
