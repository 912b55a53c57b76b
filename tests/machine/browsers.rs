//! The embedded engine's endpoint answers DynamoDB's tools, and nothing that a web page can send.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use marquee::engine::{Engine, Storage};
use marquee_shared::aws::client;
use serde_json::{Value, json};

/// A request in the making: what a tool would send, changed in some way.
#[derive(Clone)]
struct Raw {
    start: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Raw {
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

    /// In place of what it has of this name.
    fn set(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.and(name, value)
    }

    /// Beside what it has of this name.
    fn and(mut self, name: &str, value: &str) -> Self {
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

    /// Its answer's status, head in lower case, and body.
    fn send(&self, to: SocketAddr) -> (u16, String, String) {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(self.text().as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        // A tool's connection stays open, so this reads as much as the answer says that it has.
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

/// An engine with a table in it that must not get out.
async fn engine() -> (Engine, SocketAddr) {
    let engine = Engine::start(Storage::Memory).unwrap();
    let addr = engine
        .endpoint()
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
    assert_eq!(Raw::new("CreateTable", &table).send(addr).0, 200);
    let item = json!({"TableName": "secret-table", "Item": {"pk": {"S": "a hash"}}});
    assert_eq!(Raw::new("PutItem", &item).send(addr).0, 200);
    (engine, addr)
}

fn read() -> Raw {
    Raw::new("Scan", &json!({"TableName": "secret-table"}))
}

fn delete() -> Raw {
    Raw::new("DeleteTable", &json!({"TableName": "secret-table"}))
}

/// Sends a request that reads everything and one that deletes everything, each changed in a way in which a browser
/// changes them, and holds that neither is done and that no script could read the answer.
fn is_refused(addr: SocketAddr, status: u16, what: &str, change: impl Fn(Raw) -> Raw) {
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
async fn a_request_with_an_origin_is_refused_whatever_else_it_has() {
    let (_engine, addr) = engine().await;
    for origin in [
        "https://example.com",
        "null",
        "http://127.0.0.1:3000",
        "http://localhost",
        "",
        &format!("http://{addr}"),
    ] {
        is_refused(addr, 403, origin, |request| request.set("Origin", origin));
        is_refused(addr, 403, origin, |request| {
            request.set("Origin", origin).set("Content-Type", "text/plain")
        });
    }
    is_refused(addr, 403, "cross-site", |request| {
        request.set("Sec-Fetch-Site", "cross-site")
    });
    is_refused(addr, 403, "typed in", |request| {
        request.set("sec-fetch-site", "none")
    });
}

/// Guarantee 51.
#[tokio::test]
async fn no_preflight_is_granted() {
    let (_engine, addr) = engine().await;
    let preflight = |request: Raw| {
        request
            .start("OPTIONS / HTTP/1.1")
            .set("Origin", "https://example.com")
            .set("Access-Control-Request-Method", "POST")
            .set(
                "Access-Control-Request-Headers",
                "content-type,x-amz-target,authorization",
            )
    };
    is_refused(addr, 403, "a preflight", preflight);
    is_refused(addr, 403, "a preflight to a private network", |request| {
        preflight(request).set("Access-Control-Request-Private-Network", "true")
    });
    is_refused(addr, 403, "a preflight without an origin", |request| {
        preflight(request).without("Origin")
    });
    is_refused(addr, 405, "another OPTIONS", |request| {
        request.start("OPTIONS / HTTP/1.1")
    });
    is_refused(addr, 403, "OPTIONS *", |request| {
        preflight(request).start("OPTIONS * HTTP/1.1")
    });
}

/// Guarantee 51.
#[tokio::test]
async fn a_host_that_a_name_server_can_point_here_is_refused() {
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
        is_refused(addr, 403, &host, |request| request.set("Host", &host));
    }
    is_refused(addr, 403, "no host", |request| request.without("Host"));
    is_refused(addr, 403, "no host in HTTP/1.0", |request| {
        request.start("POST / HTTP/1.0").without("Host")
    });
    is_refused(addr, 403, "two hosts", |request| {
        request.and("Host", "example.com")
    });
    is_refused(addr, 403, "another host in the target", |request| {
        request.start("POST http://example.com/ HTTP/1.1")
    });
}

/// Guarantee 51.
#[tokio::test]
async fn what_a_page_can_send_without_a_preflight_is_refused() {
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
        is_refused(addr, 415, media, |request| request.set("Content-Type", media));
    }
    is_refused(addr, 415, "no content type", |request| {
        request.without("Content-Type")
    });
    is_refused(addr, 415, "two content types", |request| {
        request.and("Content-Type", "text/plain")
    });
    for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "QUERY"] {
        is_refused(addr, 405, method, |request| {
            request
                .start(&format!("{method} / HTTP/1.1"))
                .set("X-HTTP-Method-Override", "POST")
        });
    }
    is_refused(addr, 404, "another path", |request| {
        request.start("POST /x HTTP/1.1")
    });
    // Neither can a page set these, and nothing is done without them.
    is_refused(addr, 400, "no target", |request| request.without("X-Amz-Target"));
    is_refused(addr, 400, "no signature", |request| {
        request.without("Authorization")
    });
}

#[tokio::test]
async fn a_tool_is_answered_by_any_name_of_this_machine_and_without_any_cors_header() {
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
    // Node.js sends it with every `fetch`.
    assert_eq!(read().set("Sec-Fetch-Mode", "cors").send(addr).0, 200);
    // A presigned request.
    let presigned = "POST /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20260101%2Fus-east-1%2Fdynamodb%2F\
                     aws4_request&X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=a HTTP/1.1";
    assert_eq!(read().start(presigned).without("Authorization").send(addr).0, 200);
}

#[tokio::test]
async fn what_dynamodb_refuses_has_dynamodbs_error() {
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
        let (status, _, answer) = Raw::new(operation, &body).send(addr);
        assert_eq!(status, 400, "{operation} {body}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let named = answer["__type"].as_str().unwrap();
        assert!(
            named.ends_with(&format!("#{kind}")),
            "{operation} {body}: {answer}"
        );
        assert!(!answer.to_string().contains("VALIDATION"), "{answer}");
    }
    // And the SDK reads it.
    let missing = client::local(&engine.endpoint())
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
