//! The same handlers, reached by the events that API Gateway sends.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{MEDIA, body_of};
use crate::support::{Caller, TestApp, film};

const ID: &str = "JKJaXmPLvHcESHA=";

/// An event of payload format 2.0.
fn event(method: &str, path: &str, query: &str, headers: &Value) -> Value {
    let mut all =
        json!({"host": "abc123.execute-api.eu-central-1.amazonaws.com", "x-forwarded-proto": "https"});
    for (name, value) in headers.as_object().unwrap() {
        all[name] = value.clone();
    }
    json!({
        "version": "2.0",
        "routeKey": "ANY /api/movies/{proxy+}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": all,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "abc123.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "abc123",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7", "userAgent": "test",
            },
            "requestId": ID,
            "routeKey": "ANY /api/movies/{proxy+}",
            "stage": "$default",
            "time": "22/Nov/2026:21:34:01 +0000",
            "timeEpoch": 1_795_383_241_250_i64,
        },
        "isBase64Encoded": false,
    })
}

fn with_body(mut event: Value, body: &str, is_base64: bool) -> Value {
    event["body"] = json!(if is_base64 {
        STANDARD.encode(body)
    } else {
        body.to_owned()
    });
    event["isBase64Encoded"] = json!(is_base64);
    event
}

fn bearer(caller: &Caller) -> Value {
    json!({"authorization": format!("Bearer {}", caller.access.as_deref().unwrap())})
}

struct Reply {
    status: u64,
    headers: Value,
    body: Value,
}

/// The answer, as API Gateway gets it.
async fn invoke(app: &TestApp, event: &Value) -> Reply {
    let answer = app.running.gateway.invoke(event).await.unwrap();
    let text = answer["body"].as_str().unwrap_or_default();
    assert_eq!(answer["isBase64Encoded"], false, "{answer}");
    assert_eq!(
        answer["headers"]["x-request-id"], ID,
        "the gateway's own id: {answer}"
    );
    assert!(answer["cookies"].as_array().is_none_or(Vec::is_empty), "{answer}");
    Reply {
        status: answer["statusCode"].as_u64().unwrap(),
        headers: answer["headers"].clone(),
        body: serde_json::from_str(text).unwrap_or_default(),
    }
}

fn stalker() -> Value {
    film("Stalker", "Andrei Tarkovsky", "Sci-Fi, Drama", "1979-05-25")
}

#[tokio::test]
async fn a_body_may_come_as_text_or_in_base64() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let mut id = 0;
    for media in MEDIA {
        for is_base64 in [true, false] {
            for path in ["/api/movies", "/api/movies/"] {
                let (kind, body) = body_of(media, &stalker());
                let mut headers = bearer(&member);
                headers["content-type"] = json!(kind);
                let event = with_body(event("POST", path, "", &headers), &body, is_base64);
                let reply = invoke(&app, &event).await;
                id += 1;
                assert_eq!(reply.status, 201, "{media}: {}", reply.body);
                assert_eq!(
                    (&reply.body["id"], &reply.body["genre"]),
                    (&json!(id), &json!("Sci-Fi, Drama"))
                );
                assert_eq!(reply.headers["location"], format!("/api/movies/{id}/"));
                assert_eq!(reply.headers["content-type"], "application/json");
            }
        }
    }
    assert_eq!(member.get("/api/movies/").send().await.body["count"], id);
}

#[tokio::test]
async fn both_spellings_of_a_path_answer_alike() {
    let app = TestApp::new().await;
    let member = app.member().await;
    member.add(&stalker()).await;
    for (path, query) in [
        ("/api/movies", ""),
        ("/api/movies/1", ""),
        ("/api/movies/search", "q=stal"),
        ("/api/movies/search", "q=Sta%6Cker+sci%2Dfi&limit=1"),
        ("/api/movies/categories", ""),
        ("/api/users/me", ""),
        ("/api/users", "limit=0"),
        ("/api/openapi.json", ""),
        ("/api/nothing", ""),
    ] {
        let plain = invoke(&app, &event("GET", path, query, &bearer(&member))).await;
        let slash = invoke(&app, &event("GET", &format!("{path}/"), query, &bearer(&member))).await;
        assert_eq!((plain.status, &plain.body), (slash.status, &slash.body), "{path}");
        // The same that the wire gives.
        let wire = member.get(&format!("{path}?{query}")).send().await;
        assert_eq!(u64::from(wire.status.as_u16()), plain.status, "{path}");
        if plain.status == 200 {
            assert_eq!(wire.body, plain.body, "{path}");
        }
    }
    let found = invoke(
        &app,
        &event(
            "GET",
            "/api/movies/search",
            "q=Sta%6Cker+sci%2Dfi&limit=1",
            &json!({}),
        ),
    )
    .await;
    assert_eq!(found.body["results"][0]["title"], "Stalker");
}

#[tokio::test]
async fn a_pages_url_names_the_domain_of_the_event() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for _ in 0..2 {
        member.add(&stalker()).await;
    }
    let reply = invoke(&app, &event("GET", "/api/movies", "limit=1", &json!({}))).await;
    let next = reply.body["next"].as_str().unwrap();
    let (url, query) = next.split_once('?').unwrap();
    assert_eq!(
        url,
        "https://abc123.execute-api.eu-central-1.amazonaws.com/api/movies/"
    );
    let second = invoke(&app, &event("GET", "/api/movies/", query, &json!({}))).await;
    assert_eq!(second.body["results"][0]["id"], 2);
}

#[tokio::test]
async fn cookies_are_nobodys_credentials() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let access = member.access.as_deref().unwrap();
    let mut event = event("GET", "/api/users/me/", "", &json!({}));
    event["cookies"] = json!([
        format!("access={access}"),
        format!("authorization=Bearer {access}")
    ]);
    let reply = invoke(&app, &event).await;
    assert_eq!(
        (reply.status, &reply.body["code"]),
        (401, &json!("unauthenticated"))
    );
    assert_eq!(reply.body["request_id"], ID);
    event["headers"]["authorization"] = json!(format!("Bearer {access}"));
    let reply = invoke(&app, &event).await;
    assert_eq!((reply.status, &reply.body["id"]), (200, &json!(member.id)));
}

/// The gateway joins a header's values by commas.
#[tokio::test]
async fn a_header_of_several_values_is_read_and_written_whole() {
    let app = TestApp::new().await;
    let member = app.member().await;
    member.add(&stalker()).await;
    let patch = |tags: &str| {
        let mut headers = bearer(&member);
        headers["content-type"] = json!("application/json");
        headers["if-match"] = json!(tags);
        headers["origin"] = json!("https://films.example");
        with_body(
            event("PATCH", "/api/movies/1", "", &headers),
            "{\"title\": \"Stalker!\"}",
            false,
        )
    };
    let reply = invoke(&app, &patch("\"7\",\"8\"")).await;
    assert_eq!(
        (reply.status, &reply.body["code"]),
        (412, &json!("stale_precondition"))
    );
    let reply = invoke(&app, &patch("\"7\",\"1\"")).await;
    assert_eq!((reply.status, &reply.body["title"]), (200, &json!("Stalker!")));
    assert_eq!(reply.headers["etag"], "\"2\"");
    let exposed = reply.headers["access-control-expose-headers"].as_str().unwrap();
    assert!(
        exposed.contains("etag") && exposed.contains("x-request-id"),
        "{exposed}"
    );
    let wrong = invoke(&app, &event("DELETE", "/api/movies", "", &json!({}))).await;
    assert_eq!(wrong.status, 405);
    let allow = wrong.headers["allow"].as_str().unwrap();
    assert!(
        ["GET", "HEAD", "POST"]
            .iter()
            .all(|method| allow.contains(method)),
        "{allow}"
    );
}

#[tokio::test]
async fn what_is_empty_may_be_left_out_or_null() {
    let app = TestApp::new().await;
    let mut bare = event("GET", "/api/movies", "", &json!({}));
    bare.as_object_mut().unwrap().remove("rawQueryString");
    for (name, value) in [
        ("body", json!(null)),
        ("cookies", json!(null)),
        ("queryStringParameters", json!(null)),
    ] {
        bare[name] = value;
    }
    let reply = invoke(&app, &bare).await;
    assert_eq!((reply.status, &reply.body["count"]), (200, &json!(0)));
    for body in ["not base64", "eyJ0aXRsZSI6"] {
        let mut broken = event(
            "POST",
            "/api/auth/login",
            "",
            &json!({"content-type": "application/json"}),
        );
        broken["body"] = json!(body);
        broken["isBase64Encoded"] = json!(body.len() == 12);
        let reply = invoke(&app, &broken).await;
        assert_eq!(
            (reply.status, &reply.body["code"]),
            (400, &json!("malformed_request"))
        );
    }
}
