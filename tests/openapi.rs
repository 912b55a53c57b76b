//! The checked-in OpenAPI document equals what the routers produce, and describes what they serve.

use std::{collections::BTreeSet, fs, path::PathBuf};

use marquee::openapi;
use serde_json::Value;

use crate::support::{
    TestApp,
    operations::{NO_SESSION, with_ids},
};

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json")
}

fn from_routers() -> String {
    openapi::document().unwrap().to_pretty_json().unwrap() + "\n"
}

fn document() -> Value {
    serde_json::from_str(&from_routers()).unwrap()
}

/// Returns every operation: its method, its path with `1` for an id, and its object in the document.
fn operations() -> Vec<(String, String, Value)> {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        METHODS.iter().filter_map(move |method| {
            let operation = item.get(method)?;
            Some((
                method.to_uppercase(),
                with_ids(path, "1", NO_SESSION),
                operation.clone(),
            ))
        })
    });
    operations.collect()
}

/// `cargo openapi` runs this.
#[test]
#[ignore = "writes docs/openapi.json"]
fn refresh() {
    fs::write(path(), from_routers()).unwrap();
}

/// Guarantee 55.
#[test]
fn the_checked_in_document_is_what_the_routers_say() {
    let checked_in = fs::read_to_string(path()).unwrap();
    assert!(
        checked_in == from_routers(),
        "docs/openapi.json is out of date: run `cargo openapi`"
    );
}

/// The routers are not made from the document, so a route could be missing in it.
#[test]
fn every_route_is_documented() {
    let routers = [
        include_str!("../functions/auth/src/lib.rs"),
        include_str!("../functions/covers/src/lib.rs"),
        include_str!("../functions/docs/src/lib.rs"),
        include_str!("../functions/movies/src/lib.rs"),
        include_str!("../functions/users/src/lib.rs"),
    ];
    let routed: BTreeSet<&str> = routers
        .iter()
        .flat_map(|router| router.split('"').skip(1).step_by(2))
        // The page at the root isn't an operation.
        .filter(|text| text.starts_with('/') && *text != "/")
        .map(|path| path.trim_end_matches('/'))
        .collect();
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let documented: BTreeSet<&str> = paths.keys().map(|path| path.trim_end_matches('/')).collect();
    assert_eq!(routed, documented);
}

#[tokio::test]
async fn every_operation_is_served_and_an_undocumented_method_is_not() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    let operations = operations();
    for (_, path, _) in &operations {
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            let documented = operations.iter().any(|(m, p, _)| m == method && p == path);
            let answer = caller.call(method.parse().unwrap(), path).send().await;
            let refused = answer.status == 405;
            assert_eq!(documented, !refused, "{method} {path}: {}", answer.status);
            if refused {
                for (other, _, _) in operations.iter().filter(|(_, p, _)| p == path) {
                    assert!(
                        answer.header("allow").contains(other.as_str()),
                        "{method} {path}: {answer:?}"
                    );
                }
            }
        }
    }
    let answer = caller.get("/api/openapi.json").send().await.is(200);
    assert_eq!(answer.body, document());
}

/// Generators of clients do not expect one schema in several media types. The forms are described in words.
#[test]
fn every_body_is_declared_as_json_alone_and_names_the_forms() {
    let bodies: Vec<Value> = operations()
        .into_iter()
        .map(|(_, _, operation)| operation["requestBody"].clone())
        // The body of a cover is an image.
        .filter(|body| !body.is_null() && body["content"].get("application/octet-stream").is_none())
        .collect();
    assert_eq!(bodies.len(), 12);
    for body in bodies {
        let media: Vec<&String> = body["content"].as_object().unwrap().keys().collect();
        assert_eq!(media, ["application/json"]);
        let description = body["description"].as_str().unwrap();
        for form in ["application/x-www-form-urlencoded", "multipart/form-data"] {
            assert!(description.contains(form), "{description}");
        }
    }
}

/// Every answer with a movie and every answer to a `GET` has a tag, and no other answer has one. Every page has links.
#[test]
fn every_movie_and_every_read_is_described_with_its_entity_tag_and_every_page_with_its_links() {
    let document = document();
    for (method, path, operation) in operations() {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let takes_tags = parameters
            .iter()
            .any(|parameter| parameter["name"] == "if-none-match" && parameter["in"] == "header");
        assert_eq!(takes_tags, method == "GET", "{method} {path}");
        for (status, response) in operation["responses"].as_object().unwrap() {
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            let is_movie = schema == "#/components/schemas/Movie";
            let is_read = method == "GET" && status == "200";
            let has = |name: &str| !response["headers"][name].is_null();
            assert_eq!(is_movie || is_read, has("etag"), "{method} {path} {status}");
            let schema = schema.as_str().unwrap_or("#").trim_start_matches('#');
            let schema = document.pointer(schema).unwrap_or(&Value::Null);
            let is_page = schema["properties"]["next"].is_object();
            assert_eq!(is_page, has("link"), "{method} {path} {status}");
        }
        let is_conditional = operation["responses"]["304"].is_object();
        assert_eq!(is_conditional, method == "GET", "{method} {path}");
    }
}

#[test]
fn operation_ids_are_there_and_differ() {
    let mut ids: Vec<String> = operations()
        .iter()
        .map(|(_, _, o)| o["operationId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 35, "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 35, "{ids:?}");
}
