//! What caches may do with answers: tags, `304`, `Cache-Control`, `Vary`; and the links of pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{member_with_movies, method, stalker};
use crate::api::with_changes;
use crate::support::{
    Answer, Caller, TestApp,
    operations::{Operation, operations},
    proxy::{Cost, ProxiedApp},
};

/// Every operation that reads.
fn reads() -> Vec<Operation> {
    let mut reads = operations();
    // No sample finds a cover; `tests/api/movies/covers.rs` has the tests of covers.
    reads.retain(|operation| operation.method == "GET" && operation.id != "get_cover");
    reads
}

/// The names in a list such as `Vary`.
fn names(answer: &Answer, header: &str) -> BTreeSet<String> {
    let names = answer.header(header).split(',');
    names.map(|name| name.trim().to_lowercase()).collect()
}

/// Guarantee 73.
#[tokio::test]
async fn every_get_has_a_tag_and_answers_304_to_it() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    for operation in reads() {
        let id = &operation.id;
        for caller in [&app.anonymous(), &member] {
            if caller.access.is_none() && !operation.is_public {
                continue;
            }
            for (query, call) in operation.requests(caller, &json!(1), &member) {
                let path = format!("{}{query}", operation.path.replace("{id}", "1"));
                let full = call.send().await.is(200);
                let tag = full.header("etag").to_owned();
                assert_eq!(tag.starts_with("W/"), id != "get_movie", "{id}: {tag}");
                let strong = tag.trim_start_matches("W/");
                for name in ["GET", "HEAD"] {
                    let ask = |header: &str, tags: &str| {
                        let call = caller.call(method(name), &path);
                        call.header(header, tags).send()
                    };
                    for tags in [
                        tag.clone(),
                        strong.to_owned(),
                        format!("W/{strong}"),
                        format!("\"x\", {tag}"),
                        "*".to_owned(),
                    ] {
                        let answer = ask("if-none-match", &tags).await.is(304);
                        assert_eq!(answer.text, "", "{name} {path}");
                        for header in ["etag", "cache-control", "vary"] {
                            assert_eq!(
                                answer.header(header),
                                full.header(header),
                                "{name} {path}: {header}"
                            );
                        }
                        for header in ["content-type", "content-length", "link"] {
                            assert_eq!(answer.header(header), "", "{name} {path}: {header}");
                        }
                    }
                    // Nothing is kept from a client whose tags are unknown or can't be read.
                    for tags in ["\"x\"", "x", "", "\"a b\"", &strong.replace('"', "")] {
                        let answer = ask("if-none-match", tags).await.is(200);
                        assert_eq!(answer.header("etag"), tag, "{name} {path} {tags}");
                    }
                    for (tags, status) in [("*", 200), (strong, 200), ("\"x\"", 412), ("x", 400)] {
                        ask("if-match", tags).await.is(status);
                    }
                }
            }
        }
    }
}

/// Guarantee 73. A cache that revalidates with the tag never shows an old answer.
#[tokio::test]
async fn the_tag_of_a_movie_differs_whenever_the_answer_does_and_a_change_returns_the_new_one() {
    let app = TestApp::new().await;
    let (owner, other, admin) = (app.member().await, app.member().await, app.admin().await);
    let anonymous = app.anonymous();
    let made = owner.post("/api/movies/").json(&stalker()).send().await.is(201);
    let path = made.header("location").to_owned();
    let favorite = format!("{path}favorite/");
    let mut seen: Vec<(String, Value)> = Vec::new();
    let mut differing = 0;
    let mut see = |answer: &Answer| {
        let (tag, body) = (answer.header("etag").to_owned(), answer.body.clone());
        let begin = format!("\"{}.{}-", body["id"], body["version"]);
        assert!(tag.starts_with(&begin), "{tag}");
        for (other_tag, other_body) in &seen {
            assert_eq!(
                tag == *other_tag,
                body == *other_body,
                "{tag}: {body} and {other_body}"
            );
            differing += usize::from(tag != *other_tag);
        }
        seen.push((tag, body));
    };
    see(&made);
    let change = |caller: &Caller, changes: Value| caller.patch(&path).json(&changes).send();
    for step in 0..6 {
        match step {
            0 => {}
            1 => drop(owner.put(&favorite).send().await.is(200)),
            2 => drop(other.put(&favorite).send().await.is(200)),
            3 => drop(
                change(&owner, json!({"cover_image": "https://a.example/b.jpg"}))
                    .await
                    .is(200),
            ),
            4 => drop(change(&admin, json!({"user": other.id})).await.is(200)),
            _ => drop(other.delete(&favorite).send().await.is(200)),
        }
        for caller in [&anonymous, &owner, &other] {
            see(&caller.get(&path).send().await.is(200));
        }
    }
    assert!(differing > 50, "{differing}");
    // A change answers with the tag that the same caller reads next.
    for call in [
        other
            .patch(&path)
            .json(&json!({"title": "Stalker 2", "favorite": true})),
        other.put(&path).json(&stalker()),
        other.post("/api/movies/").json(&with_changes(
            &stalker(),
            &json!({"title": "Stalker 3", "favorite": true}),
        )),
    ] {
        let answer = call.send().await;
        let read = other
            .get(&format!("/api/movies/{}/", answer.body["id"]))
            .send()
            .await;
        assert_eq!(read.header("etag"), answer.header("etag"));
        assert_eq!(read.body, answer.body);
    }
}

/// A list's tag changes with what it shows.
#[tokio::test]
async fn the_tag_of_a_list_changes_with_a_favorite() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    for path in [
        "/api/movies/",
        "/api/movies/most-liked/",
        "/api/movies/search/?q=stalker",
    ] {
        let before = member.get(path).send().await.is(200);
        let ask = || member.get(path).header("if-none-match", before.header("etag"));
        ask().send().await.is(304);
        member.post("/api/movies/1/favorite/").send().await.is(200);
        let after = ask().send().await.is(200);
        assert_ne!(after.body, before.body, "{path}");
    }
}

/// Guarantee 73.
#[tokio::test]
async fn cache_control_and_vary_say_who_may_keep_an_answer() {
    for (max_age, public) in [(0, "public, no-cache"), (60, "public, max-age=60")] {
        let app = TestApp::with(|options| options.config.http.public_max_age = max_age).await;
        let member = member_with_movies(&app).await;
        let anonymous = app.anonymous();
        let (own, shared) = ("private, no-cache", "no-store");
        let refresh = json!({"refresh": member.refresh});
        for (call, status, expected) in [
            (anonymous.get("/api/movies/"), 200, public),
            (anonymous.get("/api/movies/1"), 200, public),
            (anonymous.get("/api/movies/search/?q=stalker"), 200, public),
            (anonymous.get("/api/openapi.json"), 200, public),
            (anonymous.get("/"), 200, public),
            (anonymous.call(method("HEAD"), "/api/movies/newest/"), 200, public),
            (member.get("/api/movies/"), 200, own),
            (member.get("/api/movies/1/"), 200, own),
            (member.post("/api/movies/1/favorite/"), 200, own),
            (
                member.patch("/api/movies/1/").json(&json!({"title": "Stalker!"})),
                200,
                own,
            ),
            (member.delete("/api/movies/2/"), 204, own),
            // These are the same for every caller.
            (member.get("/api/openapi.json"), 200, public),
            (member.get("/.well-known/jwks.json"), 200, "public, max-age=60"),
            (anonymous.get("/.well-known/jwks.json"), 200, "public, max-age=60"),
            (member.get("/api/users/"), 200, shared),
            (member.get("/api/users"), 200, shared),
            (member.get("/api/users/me/"), 200, shared),
            (member.get("/api/users/me/favorites"), 200, shared),
            (anonymous.get("/api/users/me/"), 401, shared),
            (member.post("/api/auth/refresh/").json(&refresh), 200, shared),
            (anonymous.post("/api/auth/login/").json(&json!({})), 400, shared),
            (
                anonymous.post("/api/auth/logout/").json(&json!({"refresh": "x"})),
                401,
                shared,
            ),
            (anonymous.get("/api/health/"), 200, shared),
            (anonymous.get("/api/movies/99/"), 404, shared),
            (anonymous.get("/api/movies/?limit=0"), 400, shared),
            (anonymous.get("/api/nothing/"), 404, shared),
            (anonymous.delete("/api/movies/"), 405, shared),
            (
                member
                    .patch("/api/movies/1/")
                    .header("if-match", "\"9\"")
                    .json(&json!({})),
                412,
                shared,
            ),
        ] {
            let what = format!("{:?}", call.0);
            let answer = call.send().await.is(status);
            assert_eq!(answer.header("cache-control"), expected, "{what}");
            let is_for_everyone = ["openapi.json", "jwks.json", "health"]
                .iter()
                .any(|name| what.contains(name))
                || what.contains("path: \"/\"");
            let varies = names(&answer, "vary").contains("authorization");
            assert_eq!(varies, !is_for_everyone, "{what}: {}", answer.header("vary"));
        }
    }
}

/// The origins that may read an answer and the caller who asked are both named, in one header: `lambda_http` sends only the
/// first of several.
#[tokio::test]
async fn vary_names_the_origin_too_where_some_origins_are_allowed() {
    let app =
        TestApp::with(|options| options.config.http.cors_origins = vec!["https://a.example".into()]).await;
    for path in ["/api/movies/", "/api/movies/99/"] {
        let answer = app.anonymous().get(path).send().await;
        for name in ["origin", "authorization"] {
            assert!(names(&answer, "vary").contains(name), "{}", answer.header("vary"));
        }
    }
}

/// Guarantee 73: the tag is computed from the answer, not from a second read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_304_reads_what_its_200_reads() {
    let proxied = ProxiedApp::new().await;
    let member = member_with_movies(&proxied.app).await;
    let cost = async |path: &str, tag: &str| {
        proxied.proxy.take();
        let answer = member.get(path).header("if-none-match", tag).send().await;
        let cost = Cost::of(proxied.proxy.take());
        (answer.status.as_u16(), answer.header("etag").to_owned(), cost)
    };
    // Calls that are sent together arrive in any order.
    let calls = |cost: &Cost| {
        let mut calls = cost.calls.clone();
        calls.sort_unstable();
        (calls, cost.reads)
    };
    for path in ["/api/movies/1/", "/api/movies/", "/api/users/me/favorites/"] {
        cost(path, "\"x\"").await;
        let (status, tag, full) = cost(path, "\"x\"").await;
        assert_eq!(status, 200);
        let (status, _, conditional) = cost(path, &tag).await;
        assert_eq!(status, 304);
        assert_eq!(calls(&conditional), calls(&full), "{path}");
        assert!(full.reads > 0.0);
    }
}

/// Guarantee 73.
#[tokio::test]
async fn the_link_header_of_a_page_has_its_neighbors() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for n in 0..3 {
        let movie = json!({"title": format!("Stalker {n}"), "favorite": true, "genre": format!("G{n}")});
        member.add(&with_changes(&stalker(), &movie)).await;
        app.member().await;
    }
    for path in [
        "/api/movies/?limit=1",
        "/api/movies/?director=andrei+tarkovsky&ordering=-release_date&limit=1",
        "/api/movies/search/?limit=1&q=stalker",
        "/api/movies/categories?limit=1",
        "/api/users/?limit=1",
        "/api/users/me/favorites/?limit=1",
    ] {
        let mut page = member.get(path).send().await.is(200);
        // The links of a page that has not changed are the same.
        let again = member.get(path).header("if-none-match", page.header("etag"));
        again.send().await.is(304);
        let mut linked = 0;
        loop {
            let links = ["next", "previous"].into_iter().zip(["next", "prev"]);
            let links = links.filter_map(|(field, relation)| {
                let url = page.body[field].as_str()?;
                Some(format!("<{url}>; rel=\"{relation}\""))
            });
            let links: Vec<String> = links.collect();
            linked += links.len();
            assert_eq!(page.header("link"), links.join(", "), "{path}");
            match page.body["next"].as_str() {
                Some(next) => page = member.get(next).send().await.is(200),
                None => break,
            }
        }
        assert!(linked >= 4, "{path}");
        // HEAD finds its way without a body.
        let head = member.call(method("HEAD"), path).send().await;
        assert!(head.header("link").contains("rel=\"next\""), "{path}");
    }
    for path in ["/api/movies/newest/", "/api/movies/1/", "/api/movies/?limit=100"] {
        let answer = member.get(path).send().await.is(200);
        assert_eq!(answer.header("link"), "", "{path}");
    }
}
