//! How a body is encoded: `Content-Encoding`, the byte order mark, and bodies that are empty or no object.

use serde_json::json;

use super::{accepted_bodies, stalker};
use crate::api::{MEDIA_TYPES, body_of};
use crate::support::TestApp;

#[tokio::test]
async fn an_encoded_body_is_415_and_names_the_encoding() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for media in MEDIA_TYPES {
        for (method, path, fields, _) in accepted_bodies(&app, &member).await {
            let (kind, body) = body_of(media, &fields);
            for (sent, named) in [
                ("gzip", "gzip"),
                ("GZip", "GZip"),
                ("br", "br"),
                ("zstd", "zstd"),
                ("x-unknown", "x-unknown"),
                ("gzip, br", "gzip, br"),
                ("identity, deflate", "deflate"),
            ] {
                let call = member.call(method.clone(), &path).body(&kind, body.clone());
                let answer = call.header("content-encoding", sent).send().await;
                let answer = answer.is_problem(415, "unsupported_content_encoding");
                assert_eq!(
                    answer.body["detail"],
                    format!(
                        "The content encoding of the body is not supported: {named}. Send the body without Content-Encoding."
                    ),
                    "{method} {path}"
                );
                assert_eq!(answer.header("accept-encoding"), "identity", "{method} {path}");
            }
        }
    }
    let long = "x".repeat(5_000);
    let call = member.post("/api/movies/").json(&stalker());
    let answer = call.header("content-encoding", &long).send().await;
    let answer = answer.is_problem(415, "unsupported_content_encoding");
    assert!(answer.text.len() < 600, "{}", answer.text);
}

#[tokio::test]
async fn the_identity_encoding_changes_nothing() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for encoding in ["identity", "Identity", "", " , identity,"] {
        let call = member.post("/api/movies/").json(&stalker());
        call.header("content-encoding", encoding).send().await.is(201);
    }
}

#[tokio::test]
async fn a_json_body_may_start_with_a_byte_order_mark() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for (method, path, fields, status) in accepted_bodies(&app, &member).await {
        let call = member.call(method.clone(), &path);
        let call = call.body("application/json", format!("\u{feff}{fields}"));
        let answer = call.send().await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_body_that_is_empty_or_no_object_says_so() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for (method, path, _, _) in accepted_bodies(&app, &member).await {
        for (body, detail) in [
            ("", "The body is empty."),
            ("\r\n ", "The body is empty."),
            ("\u{feff}", "The body is empty."),
            ("[]", "The body must be a JSON object, not an array."),
            (
                "[{\"title\": \"x\"}]",
                "The body must be a JSON object, not an array.",
            ),
            ("null", "The body must be a JSON object, not null."),
            ("true", "The body must be a JSON object, not a boolean."),
            (" 7 ", "The body must be a JSON object, not a number."),
            ("\"title\"", "The body must be a JSON object, not a string."),
        ] {
            let call = member.call(method.clone(), &path).body("application/json", body);
            let answer = call.send().await.is_problem(400, "malformed_request");
            assert_eq!(answer.body["detail"], detail, "{method} {path} {body}");
        }
        if method == "PATCH" {
            continue;
        }
        // An empty form lacks each field, and so does a request without a body.
        let empty = member.call(method.clone(), &path);
        let form = member
            .call(method.clone(), &path)
            .body("application/x-www-form-urlencoded", "");
        for call in [empty, form] {
            let answer = call.send().await.is_problem(400, "invalid_input");
            let detail = "The body is empty; see `errors` for the fields that it must have.";
            assert_eq!(answer.body["detail"], detail, "{method} {path}");
            assert!(answer.body["errors"].is_object(), "{method} {path}");
        }
    }
    // A change of nothing is one.
    let id = &member.add(&stalker()).await["id"];
    let answer = member.patch(&format!("/api/movies/{id}/")).send().await.is(200);
    assert_eq!(answer.body["title"], json!("Stalker"));
}
