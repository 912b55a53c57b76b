//! The embedded engine's endpoint answers DynamoDB's tools and refuses every request that a web page can send.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use marquee::engine::{Engine, Storage};
use marquee_shared::aws::client;
use serde_json::{Value, json};

/// A request as a tool sends it, which a test changes before it is sent.
#[derive(Clone)]
struct RawRequest {
    start: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl RawRequest {
    fn new(operation: &str, body: &Value) -> Self {
        let headers = [
            ("Host", "127.0.0.1"),
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", &format!("DynamoDB_20120810.{operation}")),
            ("X-Amz-Date", "20260101T000000Z"),
            (
                "Authorization",
                "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=a",
            ),
        ];
        Self {
            start: "POST / HTTP/1.1".into(),
            headers: headers.map(|(name, value)| (name.into(), value.into())).into(),
            body: body.to_string(),
        }
    }

    fn start(mut self, start: &str) -> Self {
        start.clone_into(&mut self.start);
        self
    }

    /// Replaces the headers with this name.
    fn set(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.add(name, value)
    }

    /// Adds a header and keeps the others with this name.
    fn add(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    fn text(&self) -> String {
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        format!(
            "{}\r\n{headers}Content-Length: {}\r\n\r\n{}",
            self.start,
            self.body.len(),
            self.body
        )
    }

    /// Sends the request. Returns the answer's status, its head in lower case, and its body.
    fn send(&self, to: SocketAddr) -> (u16, String, String) {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(self.text().as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        // The connection stays open, so this reads as many bytes as the answer's `Content-Length` says.
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "));
                if length.is_some_and(|length| body.len() >= length.parse().unwrap()) {
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return (status, head, body.to_owned());
                }
            }
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "the connection ended after {text:?}");
            answer.extend_from_slice(&part[..read]);
        }
    }
}

/// Returns an engine with a table that no web page may read.
async fn engine() -> (Engine, SocketAddr) {
    let engine = Engine::start(&Storage::Memory).unwrap();
    let addr = engine
        .endpoint()
        .unwrap()
        .strip_prefix("http://")
        .unwrap()
        .parse()
        .unwrap();
    let table = json!({
        "TableName": "secret-table",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    });
    assert_eq!(RawRequest::new("CreateTable", &table).send(addr).0, 200);
    let item = json!({"TableName": "secret-table", "Item": {"pk": {"S": "a hash"}}});
    assert_eq!(RawRequest::new("PutItem", &item).send(addr).0, 200);
    (engine, addr)
}

fn read() -> RawRequest {
    RawRequest::new("Scan", &json!({"TableName": "secret-table"}))
}

fn delete() -> RawRequest {
    RawRequest::new("DeleteTable", &json!({"TableName": "secret-table"}))
}

/// Sends a request that reads everything and one that deletes everything, both with this change. Asserts that both are
/// refused and that no script could read the answers.
fn assert_refused(addr: SocketAddr, status: u16, what: &str, change: impl Fn(RawRequest) -> RawRequest) {
    for request in [read(), delete()] {
        let (got, head, body) = change(request).send(addr);
        assert_eq!(got, status, "{what}: {body}");
        assert!(!head.contains("access-control"), "{what}: {head}");
        assert!(
            !body.contains("secret-table") && !body.contains("a hash"),
            "{what}: {body}"
        );
    }
    let (status, _, body) = read().send(addr);
    assert!(
        status == 200 && body.contains("a hash"),
        "{what}: the table is gone: {body}"
    );
}

/// Guarantee 51.
#[tokio::test]
async fn a_request_with_an_origin_is_always_refused() {
    let (_engine, addr) = engine().await;
    for origin in [
        "https://example.com",
        "null",
        "http://127.0.0.1:3000",
        "http://localhost",
        "",
        &format!("http://{addr}"),
    ] {
        assert_refused(addr, 403, origin, |request| request.set("Origin", origin));
        assert_refused(addr, 403, origin, |request| {
            request.set("Origin", origin).set("Content-Type", "text/plain")
        });
    }
    assert_refused(addr, 403, "cross-site", |request| {
        request.set("Sec-Fetch-Site", "cross-site")
    });
    assert_refused(addr, 403, "typed in", |request| {
        request.set("sec-fetch-site", "none")
    });
}

/// Guarantee 51.
#[tokio::test]
async fn no_preflight_is_granted() {
    let (_engine, addr) = engine().await;
    let preflight = |request: RawRequest| {
        request
            .start("OPTIONS / HTTP/1.1")
            .set("Origin", "https://example.com")
            .set("Access-Control-Request-Method", "POST")
            .set(
                "Access-Control-Request-Headers",
                "content-type,x-amz-target,authorization",
            )
    };
    assert_refused(addr, 403, "a preflight", preflight);
    assert_refused(addr, 403, "a preflight to a private network", |request| {
        preflight(request).set("Access-Control-Request-Private-Network", "true")
    });
    assert_refused(addr, 403, "a preflight without an origin", |request| {
        preflight(request).without("Origin")
    });
    assert_refused(addr, 405, "another OPTIONS", |request| {
        request.start("OPTIONS / HTTP/1.1")
    });
    assert_refused(addr, 403, "OPTIONS *", |request| {
        preflight(request).start("OPTIONS * HTTP/1.1")
    });
}

/// Guarantee 51.
#[tokio::test]
async fn a_host_name_that_dns_can_point_here_is_refused() {
    let (_engine, addr) = engine().await;
    for host in [
        "example.com".to_owned(),
        format!("example.com:{}", addr.port()),
        "localhost.example.com".to_owned(),
        "127.0.0.1.example.com:8000".to_owned(),
        "0.0.0.0:8000".to_owned(),
        "192.168.1.1".to_owned(),
        "127.0.0.1@example.com".to_owned(),
        "[::2]:8000".to_owned(),
        String::new(),
    ] {
        assert_refused(addr, 403, &host, |request| request.set("Host", &host));
    }
    assert_refused(addr, 403, "no host", |request| request.without("Host"));
    assert_refused(addr, 403, "no host in HTTP/1.0", |request| {
        request.start("POST / HTTP/1.0").without("Host")
    });
    assert_refused(addr, 403, "two hosts", |request| {
        request.add("Host", "example.com")
    });
    assert_refused(addr, 403, "another host in the target", |request| {
        request.start("POST http://example.com/ HTTP/1.1")
    });
}

/// Guarantee 51.
#[tokio::test]
async fn a_request_that_needs_no_preflight_is_refused() {
    let (_engine, addr) = engine().await;
    for media in [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json",
        "text/plain; application/x-amz-json-1.0",
        "text/plain, application/x-amz-json-1.0",
        "application/x-amz-json-1.1",
        "",
    ] {
        assert_refused(addr, 415, media, |request| request.set("Content-Type", media));
    }
    assert_refused(addr, 415, "no content type", |request| {
        request.without("Content-Type")
    });
    assert_refused(addr, 415, "two content types", |request| {
        request.add("Content-Type", "text/plain")
    });
    for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "QUERY"] {
        assert_refused(addr, 405, method, |request| {
            request
                .start(&format!("{method} / HTTP/1.1"))
                .set("X-HTTP-Method-Override", "POST")
        });
    }
    assert_refused(addr, 404, "another path", |request| {
        request.start("POST /x HTTP/1.1")
    });
    // A page cannot set these headers, and a request without them is refused.
    assert_refused(addr, 400, "no target", |request| request.without("X-Amz-Target"));
    assert_refused(addr, 400, "no signature", |request| {
        request.without("Authorization")
    });
}

#[tokio::test]
async fn a_tool_is_answered_under_every_name_of_this_machine_without_cors_headers() {
    let (_engine, addr) = engine().await;
    for host in [
        addr.to_string(),
        "127.0.0.1".to_owned(),
        "127.1.2.3:1".to_owned(),
        "localhost:8000".to_owned(),
        "LOCALHOST.:8000".to_owned(),
        "[::1]:8000".to_owned(),
        "table.localhost:8000".to_owned(),
    ] {
        let (status, head, body) = read().set("Host", &host).send(addr);
        assert!(status == 200 && body.contains("a hash"), "{host}: {body}");
        assert!(
            !head.contains("access-control") && !head.contains("server:"),
            "{head}"
        );
        assert!(
            head.contains("content-type: application/x-amz-json-1.0"),
            "{head}"
        );
        assert!(
            head.contains("x-amzn-requestid: ") && head.contains("x-amz-crc32: "),
            "{head}"
        );
    }
    for media in [
        "Application/X-Amz-Json-1.0",
        "application/x-amz-json-1.0; charset=utf-8",
    ] {
        assert_eq!(read().set("Content-Type", media).send(addr).0, 200, "{media}");
    }
    // Node.js sends this header with every `fetch`.
    assert_eq!(read().set("Sec-Fetch-Mode", "cors").send(addr).0, 200);
    // A presigned request.
    let presigned = "POST /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20260101%2Fus-east-1%2Fdynamodb%2F\
                     aws4_request&X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=a HTTP/1.1";
    assert_eq!(read().start(presigned).without("Authorization").send(addr).0, 200);
}

#[tokio::test]
async fn a_refused_request_gets_dynamodbs_error() {
    let (engine, addr) = engine().await;
    for (operation, body, kind) in [
        (
            "GetItem",
            json!({"TableName": "none-such", "Key": {"pk": {"S": "a"}}}),
            "ResourceNotFoundException",
        ),
        ("CreateTable", json!({"TableName": "x"}), "ValidationException"),
        (
            "GetItem",
            json!({"TableName": "secret-table"}),
            "ValidationException",
        ),
        (
            "GetItem",
            json!({"TableName": "secret-table", "Key": {"pk": {}}}),
            "ValidationException",
        ),
        (
            "PutItem",
            json!({"TableName": "secret-table", "Item": {"pk": {"NULL": false}}}),
            "ValidationException",
        ),
        ("CreateTable", json!({}), "ValidationException"),
        ("BatchWriteItem", json!({}), "ValidationException"),
        (
            "GetItem",
            json!({"TableName": "secret-table", "Key": {"pk": {"S": 1}}}),
            "SerializationException",
        ),
        (
            "GetItem",
            json!({"TableName": "secret-table", "Key": 1}),
            "SerializationException",
        ),
        (
            "PutItem",
            json!({"TableName": "secret-table", "Item": {"pk": {"N": "x"}}}),
            "ValidationException",
        ),
        (
            "PutItem",
            json!({"TableName": "secret-table", "Item": {"pk": {"S": "a hash"}},
                "ConditionExpression": "attribute_not_exists(pk)"}),
            "ConditionalCheckFailedException",
        ),
        ("Scan", json!([]), "SerializationException"),
        ("NoSuchOperation", json!({}), "UnknownOperationException"),
    ] {
        let (status, _, answer) = RawRequest::new(operation, &body).send(addr);
        assert_eq!(status, 400, "{operation} {body}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let named = answer["__type"].as_str().unwrap();
        assert!(
            named.ends_with(&format!("#{kind}")),
            "{operation} {body}: {answer}"
        );
        assert!(!answer.to_string().contains("VALIDATION"), "{answer}");
    }
    // The SDK understands the error.
    let missing = client::local(&engine.endpoint().unwrap())
        .delete_table()
        .table_name("none-such")
        .send()
        .await;
    assert!(
        missing
            .unwrap_err()
            .into_service_error()
            .is_resource_not_found_exception()
    );
}
