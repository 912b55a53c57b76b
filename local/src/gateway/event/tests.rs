//! The events made of requests, against what API Gateway sends.

use http::Request;
use time::macros::datetime;

use super::*;
use crate::template::Template;

const ID: &str = "5f1c0f5e-6f2b-4f0e-9d0c-3a1f2b4c5d6e";

/// The event for a request on one of our routes.
fn event(request: &Request<Vec<u8>>) -> Value {
    let template = Template::parse(include_str!("../../../../template.yaml")).unwrap();
    let found = template
        .routes
        .resolve(request.method(), &raw_path(request.uri()))
        .unwrap();
    let arrival = Arrival {
        method: request.method(),
        uri: request.uri(),
        version: request.version(),
        headers: request.headers(),
        body: request.body(),
        host: &Host::parse("movies.example:3000").unwrap(),
        source: "192.0.2.7".parse().unwrap(),
        request_id: ID,
        time: datetime!(2020-03-12 20:03:58.348 +01:00),
    };
    let event = event_for(&arrival, &found);
    // What the gateway hands over in place of the text is what lambda_http reads from the text.
    let read: ApiGatewayV2httpRequest = serde_json::from_str(&event.to_string()).unwrap();
    assert_eq!(request_for(&arrival, &found), read);
    event
}

fn get(target: &str) -> Value {
    event(&Request::get(target).body(Vec::new()).unwrap())
}

#[test]
fn a_request_becomes_the_whole_event() {
    let request = Request::post("/api/movies/search/?q=caf%C3%A9+noir&q=x&limit=5&empty=")
        .header("Host", "ignored; the gateway has parsed it before")
        .header("Content-Type", "application/json")
        .header("User-Agent", "test/1")
        .header("X-Tag", "one")
        .header("X-Tag", "two, three")
        .header("Cookie", "a=1; b=2")
        .header("Cookie", "c=3;")
        .header("X-Forwarded-For", "10.0.0.1")
        .header("X-Forwarded-Proto", "https")
        .header("Connection", "keep-alive")
        .header("Transfer-Encoding", "chunked")
        .body(br#"{"a":1}"#.to_vec())
        .unwrap();
    assert_eq!(
        event(&request),
        json!({
            "version": "2.0",
            "routeKey": "ANY /api/movies/{proxy+}",
            "rawPath": "/api/movies/search/",
            "rawQueryString": "q=caf%C3%A9+noir&q=x&limit=5&empty=",
            "cookies": ["a=1", "b=2", "c=3"],
            "headers": {
                "content-length": "7",
                "content-type": "application/json",
                "host": "movies.example:3000",
                "user-agent": "test/1",
                "x-amzn-trace-id": "Root=1-5e6a879e-5f1c0f5e6f2b4f0e9d0c3a1f",
                "x-forwarded-for": "192.0.2.7",
                "x-forwarded-port": "3000",
                "x-forwarded-proto": "http",
                "x-tag": "one,two, three",
            },
            "queryStringParameters": { "q": "café noir,x", "limit": "5", "empty": "" },
            "pathParameters": { "proxy": "search/" },
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "local",
                "domainName": "movies.example",
                "domainPrefix": "movies",
                "http": {
                    "method": "POST",
                    "path": "/api/movies/search/",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.7",
                    "userAgent": "test/1",
                },
                "requestId": ID,
                "routeKey": "ANY /api/movies/{proxy+}",
                "stage": "$default",
                "time": "12/Mar/2020:19:03:58 +0000",
                "timeEpoch": 1_584_039_838_348_i64,
            },
            "body": r#"{"a":1}"#,
            "isBase64Encoded": false,
        })
    );
}

#[test]
fn what_is_empty_is_left_out() {
    let event = get("/elsewhere");
    assert_eq!(event["routeKey"], "$default");
    assert_eq!(event["rawQueryString"], "");
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event["headers"]["content-length"], "0");
    for field in ["cookies", "queryStringParameters", "pathParameters", "body"] {
        assert!(event.get(field).is_none(), "{field}");
    }
}

#[test]
fn the_path_is_decoded_and_the_query_is_not() {
    for (target, path, query) in [
        ("/api/movies/caf%C3%A9?q=%20%41", "/api/movies/café", "q=%20%41"),
        ("/api/movies/a%2Fb%2f", "/api/movies/a/b/", ""),
        ("/api/movies/a+b", "/api/movies/a+b", ""),
        ("/api/movies/a%3Fb=c?d", "/api/movies/a", "d"),
        ("/api/movies/100%", "/api/movies/100%", ""),
        ("/api/movies/%2541", "/api/movies/%41", ""),
        ("/api/movies/%FF%41", "/api/movies/%FF%41", ""),
        ("/api/movies/%00", "/api/movies/\0", ""),
    ] {
        let event = get(target);
        assert_eq!(
            (&event["rawPath"], &event["rawQueryString"]),
            (&json!(path), &json!(query)),
            "{target}"
        );
        assert_eq!(event["rawPath"], event["requestContext"]["http"]["path"]);
    }
}

#[test]
fn only_a_body_of_a_text_type_is_text_in_the_event() {
    let encoded = |content_type: Option<&str>, body: &[u8]| {
        let mut request = Request::post("/api/movies").body(body.to_vec()).unwrap();
        if let Some(content_type) = content_type {
            request
                .headers_mut()
                .insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        let event = event(&request);
        let sent = event["body"].as_str().unwrap();
        let is_base64 = event["isBase64Encoded"].as_bool().unwrap();
        let bytes = if is_base64 {
            STANDARD.decode(sent).unwrap()
        } else {
            sent.as_bytes().to_vec()
        };
        assert_eq!(bytes, body);
        is_base64
    };
    for text in [
        "text/plain",
        "text/csv; charset=utf-8",
        "application/json",
        "Application/JSON;charset=utf-8",
    ] {
        assert!(!encoded(Some(text), b"x"), "{text}");
    }
    for text in ["application/javascript", "application/xml"] {
        assert!(!encoded(Some(text), b"x"), "{text}");
    }
    for binary in [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/problem+json",
        "image/png",
        "texts/plain",
        "",
    ] {
        assert!(encoded(Some(binary), b"x"), "{binary}");
    }
    assert!(encoded(None, b"x"));
    assert!(encoded(Some("application/json"), b"\"\xff\""));
}

#[test]
fn header_values_are_kept_whatever_their_bytes() {
    let request = Request::get("/")
        .header("X-Utf8", HeaderValue::from_bytes("é".as_bytes()).unwrap())
        .header("X-Latin1", HeaderValue::from_bytes(b"\xe9").unwrap())
        .body(Vec::new())
        .unwrap();
    let event = event(&request);
    assert_eq!(event["headers"]["x-utf8"], "é");
    assert_eq!(event["headers"]["x-latin1"], "é");
}

#[test]
fn an_address_of_version_4_inside_version_6_is_shown_as_version_4() {
    let request = Request::get("/").body(Vec::new()).unwrap();
    let template = Template::parse(include_str!("../../../../template.yaml")).unwrap();
    let arrival = Arrival {
        method: request.method(),
        uri: request.uri(),
        version: request.version(),
        headers: request.headers(),
        body: request.body(),
        host: &Host::parse("[::1]").unwrap(),
        source: "::ffff:192.0.2.7".parse().unwrap(),
        request_id: "",
        time: OffsetDateTime::UNIX_EPOCH,
    };
    let event = event_for(&arrival, &template.routes.resolve(request.method(), "/").unwrap());
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "192.0.2.7");
    assert_eq!(event["requestContext"]["domainName"], "[::1]");
    assert_eq!(event["headers"]["x-forwarded-port"], "80");
    assert_eq!(
        event["headers"]["x-amzn-trace-id"],
        "Root=1-00000000-000000000000000000000000"
    );
}
