//! Compression of answers.

use std::io::Read as _;

use flate2::read::GzDecoder;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{method, stalker};
use crate::api::with_changes;
use crate::support::{
    Call, Caller, TestApp,
    operations::{Operation, operations},
};

/// The most bytes of a body that is sent as it is.
const PLAIN: usize = 1023;

/// An answer whose body may be compressed.
struct Raw {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Raw {
    async fn of(call: Call) -> Self {
        let response = call.0.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn is_compressed(&self) -> bool {
        assert_eq!(
            self.headers.get_all("vary").iter().count(),
            usize::from(!self.header("vary").is_empty())
        );
        match self.header("content-encoding") {
            "" => false,
            "gzip" => true,
            other => panic!("{other}"),
        }
    }

    /// The body, decompressed.
    fn text(&self) -> String {
        let mut text = String::new();
        if self.is_compressed() {
            GzDecoder::new(&*self.bytes).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(self.bytes.clone()).unwrap();
        }
        text
    }

    fn varies(&self) -> bool {
        self.header("vary")
            .split(", ")
            .any(|name| name == "accept-encoding")
    }
}

/// Adds movies, so that lists are long.
async fn with_movies(app: &TestApp) -> Caller {
    let member = app.member().await;
    for n in 0..6 {
        let changes =
            json!({"title": format!("Stalker {n}"), "favorite": true, "description": "A zone. ".repeat(40)});
        member.add(&with_changes(&stalker(), &changes)).await;
    }
    member
}

/// Guarantee 73.
#[tokio::test]
async fn answers_of_1_kib_and_more_are_compressed_for_clients_that_accept_it() {
    let app = TestApp::new().await;
    let member = with_movies(&app).await;
    let (mut long, mut short) = (0, 0);
    // No sample finds a cover. Images are not compressed: `tests/api/movies/covers.rs`.
    let is_read = |operation: &&Operation| operation.method == "GET" && operation.id != "get_cover";
    for operation in operations().iter().filter(is_read) {
        for (query, call) in operation.requests(&member, &json!(1), &member) {
            let what = format!("{}{query}", operation.path);
            let plain = Raw::of(call).await;
            let path = what.replace("{id}", "1");
            let ask = |name: &str, accepted: &str| {
                Raw::of(
                    member
                        .call(method(name), &path)
                        .header("accept-encoding", accepted),
                )
            };
            let gzip = ask("GET", "br, gzip").await;
            assert!(!plain.is_compressed(), "{what}");
            assert_eq!(gzip.status, plain.status, "{what}");
            assert_eq!(gzip.text(), plain.text(), "{what}");
            let is_long = plain.bytes.len() > PLAIN;
            assert_eq!(gzip.is_compressed(), is_long, "{what}");
            assert_eq!((gzip.varies(), plain.varies()), (is_long, is_long), "{what}");
            assert_eq!(
                gzip.header("content-length"),
                gzip.bytes.len().to_string(),
                "{what}"
            );
            if is_long {
                assert!(gzip.bytes.len() < plain.bytes.len(), "{what}");
                long += 1;
            } else {
                short += 1;
            }
            for accepted in ["identity", "br", "gzip;q=0", "identity;q=0"] {
                let answer = ask("GET", accepted).await;
                assert_eq!(
                    (answer.status, answer.bytes == plain.bytes),
                    (plain.status, true),
                    "{what} {accepted}"
                );
            }
            let head = ask("HEAD", "gzip").await;
            assert!(head.bytes.is_empty(), "{what}");
            for name in [
                "content-encoding",
                "etag",
                "vary",
                "cache-control",
                "content-type",
            ] {
                assert_eq!(head.header(name), gzip.header(name), "{what} {name}");
            }
        }
    }
    assert!(long >= 10 && short >= 10, "{long} {short}");
}

/// Changes and failures are compressed too, and a change is made once whatever the client accepts.
#[tokio::test]
async fn long_answers_to_changes_and_long_problem_documents_are_compressed() {
    let app = TestApp::new().await;
    let member = with_movies(&app).await;
    let unknown = (0..60)
        .map(|n| format!("unknown{n}=1"))
        .collect::<Vec<_>>()
        .join("&");
    let body = with_changes(&stalker(), &json!({"description": "The zone. ".repeat(200)}));
    for (call, status) in [
        (member.post("/api/movies/").json(&body), 201),
        (member.get(&format!("/api/movies/?{unknown}")), 400),
    ] {
        let answer = Raw::of(call.header("accept-encoding", "gzip")).await;
        assert_eq!(answer.status, status);
        assert!(answer.is_compressed() && answer.varies());
        let body: Value = serde_json::from_str(&answer.text()).unwrap();
        assert!(body["title"].is_string());
    }
    let before = member.count("/api/movies/").await;
    let call = member.post("/api/movies/").json(&stalker());
    let nothing = "identity;q=0, gzip;q=0";
    let answer = Raw::of(call.header("accept-encoding", nothing)).await;
    assert_eq!(answer.status, 201);
    assert_eq!(member.count("/api/movies/").await, before + 1);
}

/// Guarantee 73.
#[tokio::test]
async fn the_tag_of_a_compressed_answer_is_known_wherever_it_is_sent() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let body = with_changes(&stalker(), &json!({"description": "The zone. ".repeat(200)}));
    member.add(&body).await;
    let path = "/api/movies/1/";
    let ask = |accepted: &str, tags: &str| {
        let call = member.get(path).header("if-none-match", tags);
        match accepted {
            "" => Raw::of(call),
            accepted => Raw::of(call.header("accept-encoding", accepted)),
        }
    };
    let plain = ask("", "\"x\"").await.header("etag").to_owned();
    let gzip = ask("gzip", "\"x\"").await.header("etag").to_owned();
    assert_eq!(gzip, format!("{}-gzip\"", plain.trim_end_matches('"')));
    let both = format!("{plain}, {gzip}");
    let weak = format!("W/{gzip}");
    for (accepted, tags, expected) in [
        ("", &plain, Some(&plain)),
        ("", &gzip, Some(&gzip)),
        ("", &both, Some(&plain)),
        ("gzip", &gzip, Some(&gzip)),
        ("gzip", &weak, Some(&gzip)),
        ("gzip", &plain, Some(&plain)),
        ("gzip", &both, Some(&gzip)),
        ("identity", &plain, Some(&plain)),
        ("identity", &both, Some(&plain)),
        // A cache must not give the compressed answer to this client.
        ("identity", &gzip, None),
    ] {
        let answer = ask(accepted, tags).await;
        let known = (answer.status == 304).then_some(answer.header("etag"));
        assert_eq!(known, expected.map(String::as_str), "{accepted} {tags}");
        assert!(answer.varies(), "{accepted} {tags}");
        assert_eq!(answer.bytes.is_empty(), known.is_some(), "{accepted} {tags}");
    }
    let excluded = member.patch(path).header("if-none-match", &gzip).json(&json!({}));
    excluded.send().await.is(412);
    let stale = gzip.replace("\"1.1-", "\"1.2-");
    for (tag, status) in [(&stale, 412), (&gzip, 200)] {
        let call = member.patch(path).header("if-match", tag);
        call.json(&json!({"title": "Stalker!"})).send().await.is(status);
    }
    // The weak tags of lists are the same for both.
    let list =
        |accepted: &'static str| Raw::of(member.get("/api/movies/").header("accept-encoding", accepted));
    let (gzip, plain) = (list("gzip").await, list("identity").await);
    assert!(gzip.is_compressed());
    assert_eq!(gzip.header("etag"), plain.header("etag"));
}

#[tokio::test]
async fn every_page_and_file_is_the_same_compressed_and_not() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    for path in [
        "/",
        "/movies/7",
        "/api/docs/",
        "/api/docs/vendor/swagger-ui.css",
        "/explorer/app.js",
        "/explorer/style.css",
        "/explorer/vendor/sans-latin.woff2",
    ] {
        let ask = |name: &str, accepted: &str| {
            let call = caller.call(method(name), path).header("accept", "text/html, */*");
            Raw::of(call.header("accept-encoding", accepted))
        };
        let (plain, gzip) = (ask("GET", "identity").await, ask("GET", "gzip").await);
        assert_eq!((plain.status, gzip.status), (200, 200));
        assert!(!plain.is_compressed(), "{path}");
        assert_eq!(
            gzip.is_compressed(),
            plain.bytes.len() >= 1024 && !path.ends_with(".woff2"),
            "{path}"
        );
        if gzip.is_compressed() {
            assert_eq!(gzip.text(), plain.text(), "{path}");
            assert_ne!(gzip.header("etag"), plain.header("etag"), "{path}");
            assert!(gzip.varies() && plain.varies(), "{path}");
        } else {
            assert_eq!(gzip.bytes, plain.bytes, "{path}");
        }
        let head = ask("HEAD", "gzip").await;
        assert!(head.bytes.is_empty(), "{path}");
        for name in [
            "etag",
            "content-type",
            "content-encoding",
            "content-length",
            "content-security-policy",
        ] {
            assert_eq!(head.header(name), gzip.header(name), "{path}: {name}");
        }
    }
}
