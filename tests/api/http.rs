//! What holds for every path: spellings, methods, media types, limits, broken input, headers.

use std::time::Duration;

use axum::{Router, body::Body, routing::get};
use marquee_shared::{config::HttpConfig, http::with_layers};
use reqwest::{Method, multipart};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower::ServiceExt as _;

use super::{MEDIA, body_of, but, settled};
use crate::support::{Answer, Call, Caller, PASSWORD, TestApp, movie};

/// Every path with the methods it takes; `1` is a movie.
const PATHS: [(&str, &[&str]); 17] = [
    ("/api/auth/register", &["POST"]),
    ("/api/auth/login", &["POST"]),
    ("/api/auth/refresh", &["POST"]),
    ("/api/auth/logout", &["POST"]),
    ("/api/movies", &["GET", "HEAD", "POST"]),
    ("/api/movies/1", &["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
    ("/api/movies/1/favorite", &["DELETE", "POST", "PUT"]),
    ("/api/movies/999", &["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
    ("/api/movies/x", &["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
    ("/api/movies/search", &["GET", "HEAD"]),
    ("/api/movies/categories", &["GET", "HEAD"]),
    ("/api/movies/most-liked", &["GET", "HEAD"]),
    ("/api/movies/newest", &["GET", "HEAD"]),
    ("/api/users", &["GET", "HEAD"]),
    ("/api/users/me", &["GET", "HEAD"]),
    ("/api/users/me/favorites", &["GET", "HEAD"]),
    ("/api/openapi.json", &["GET", "HEAD"]),
];

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "MOVIE",
];

/// A query that has an answer wherever one is asked for.
const QUERY: &str = "?q=stalker&limit=1";

fn method(name: &str) -> Method {
    name.parse().unwrap()
}

fn stalker() -> Value {
    movie("Stalker", "Andrei Tarkovsky", "Sci-Fi, Drama", "1979-05-25")
}

/// A member with two movies, the first of them a favorite.
async fn member_with_movies(app: &TestApp) -> Caller {
    let member = app.member().await;
    member.add(&but(&stalker(), &json!({"favorite": true}))).await;
    member.add(&but(&stalker(), &json!({"title": "Stalker 2"}))).await;
    member
}

#[tokio::test]
async fn every_path_answers_alike_with_and_without_its_slash() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    for caller in [&member, &app.anonymous()] {
        for (path, methods) in PATHS {
            for name in methods.iter().filter(|m| !["DELETE", "HEAD"].contains(m)) {
                let mut answers = Vec::new();
                for slash in ["", "/", "", "/"] {
                    let call = caller.call(method(name), &format!("{path}{slash}{QUERY}"));
                    let call = if path.ends_with("favorite") || *name == "GET" {
                        call
                    } else {
                        call.json(&json!({"user": "nobody"}))
                    };
                    let (status, mut body) = settled(call.send().await);
                    // Every page has a cursor of its own, sealed anew.
                    for page in ["next", "previous"] {
                        if let Some(url) = body[page].as_str() {
                            body[page] = json!(url.split("cursor=").next());
                        }
                    }
                    answers.push((status, body));
                }
                // The toggle's second answer differs from its first, whatever the spelling.
                assert_eq!(answers[0].0, answers[1].0, "{name} {path}");
                if *name == "POST" && path.ends_with("favorite") {
                    assert_eq!(answers[0], answers[2], "{name} {path}");
                    assert_eq!(answers[1], answers[3], "{name} {path}");
                } else {
                    assert_eq!(answers[0], answers[1], "{name} {path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn both_spellings_create_and_delete() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for slash in ["", "/"] {
        let made = member
            .post(&format!("/api/movies{slash}"))
            .json(&stalker())
            .send()
            .await
            .is(201);
        let id = &made.body["id"];
        assert_eq!(made.header("location"), format!("/api/movies/{id}/"));
        member
            .delete(&format!("/api/movies/{id}{slash}"))
            .send()
            .await
            .is(204);
        member
            .delete(&format!("/api/movies/{id}{slash}"))
            .send()
            .await
            .is(404);
    }
}

#[tokio::test]
async fn head_answers_as_get_does_without_the_body() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    for caller in [&member, &app.anonymous()] {
        for (path, _) in PATHS.iter().filter(|(_, methods)| methods.contains(&"GET")) {
            for (slash, query) in [("/", QUERY), ("", "?limit=0")] {
                let target = format!("{path}{slash}{query}");
                let get = caller.get(&target).send().await;
                let head = caller.call(Method::HEAD, &target).send().await;
                assert_eq!(head.status, get.status, "{target}");
                assert_eq!(head.text, "", "{target}");
                for name in ["content-type", "content-length", "etag", "www-authenticate"] {
                    assert_eq!(head.header(name), get.header(name), "{name} of {target}");
                }
            }
        }
    }
}

#[tokio::test]
async fn another_method_is_405_and_names_those_that_are_taken() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    for (path, taken) in PATHS {
        for name in METHODS.iter().filter(|name| !taken.contains(name)) {
            let answer = caller
                .call(method(name), &format!("{path}/"))
                .send()
                .await
                .is(405);
            let mut allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
            allowed.sort_unstable();
            assert_eq!(allowed, taken, "{name} {path}");
            if *name != "HEAD" {
                assert_eq!(answer.body["code"], "method_not_allowed", "{name} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_path_of_nothing_is_404() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/nothing/",
        "/api/auth/",
        "/api/auth/unregister/",
        "/api/moviesx/",
        "/api/movies/1/favorites/",
        "/api/movies/1/favorite/2/",
        "/api/users/1/",
        "/api/users/me/favorites/1/",
        "/API/movies/",
        "/api/openapi.yaml",
        "/favicon.ico",
        "/api/%00/",
        "/api/movies/1/%FF/",
    ] {
        for name in ["GET", "POST", "DELETE"] {
            let answer = caller.call(method(name), path).send().await;
            answer.is_problem(404, "not_found");
        }
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    let one = caller
        .get("/api/movies/")
        .header("x-request-id", "mine")
        .send()
        .await;
    let two = caller
        .get("/api/movies/")
        .header("x-request-id", "mine")
        .send()
        .await;
    let ids = [one.header("x-request-id"), two.header("x-request-id")];
    assert_ne!(ids[0], ids[1]);
    assert!(
        !ids.contains(&"mine"),
        "a client can't name its request: it would write in our log"
    );
    assert_eq!(one.header("content-type"), "application/json");
}

fn list<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer.header(name).split(',').map(str::trim).collect()
}

#[tokio::test]
async fn any_origin_may_call_without_credentials() {
    let app = TestApp::new().await;
    let caller = app.anonymous();
    for path in [
        "/api/movies/",
        "/api/movies",
        "/api/movies/1/favorite/",
        "/api/users/me",
        "/api/auth/login/",
    ] {
        let answer = caller
            .call(Method::OPTIONS, path)
            .header("origin", "https://movies.example")
            .header("access-control-request-method", "PUT")
            .header(
                "access-control-request-headers",
                "authorization, content-type, if-match",
            )
            .send()
            .await
            .is(200);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
        let methods = list(&answer, "access-control-allow-methods");
        for name in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(methods.contains(&name), "{name}");
        }
        let headers = answer.header("access-control-allow-headers").to_ascii_lowercase();
        for name in ["authorization", "content-type", "if-match"] {
            assert!(headers.split(',').any(|h| h.trim() == name), "{name}");
        }
    }
}

#[tokio::test]
async fn every_answer_shows_its_headers_to_other_origins() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    let nobody = app.anonymous();
    let calls = [
        (member.post("/api/movies/").json(&stalker()), 201),
        (member.get("/api/movies/1/"), 200),
        (member.post("/api/movies/").json(&json!({})), 400),
        (nobody.get("/api/users/"), 401),
        (nobody.get("/api/nothing/"), 404),
        (nobody.delete("/api/movies/"), 405),
        (
            member
                .patch("/api/movies/1/")
                .header("if-match", "\"0\"")
                .json(&json!({})),
            412,
        ),
        (member.post("/api/movies/").body("text/plain", "x"), 415),
    ];
    for (call, status) in calls {
        let answer = call
            .header("origin", "https://movies.example")
            .send()
            .await
            .is(status);
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{status}");
        let exposed = answer
            .header("access-control-expose-headers")
            .to_ascii_lowercase();
        for name in [
            "x-request-id",
            "location",
            "etag",
            "allow",
            "retry-after",
            "www-authenticate",
        ] {
            assert!(exposed.split(',').any(|h| h.trim() == name), "{name} of {status}");
        }
    }
}

#[tokio::test]
async fn only_the_configured_origins_may_call() {
    let app =
        TestApp::with(|options| options.config.http.cors_origins = vec!["https://a.example".into()]).await;
    let caller = app.anonymous();
    for (origin, allowed) in [
        ("https://a.example", "https://a.example"),
        ("https://b.example", ""),
    ] {
        let answer = caller
            .get("/api/movies/")
            .header("origin", origin)
            .send()
            .await
            .is(200);
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        assert!(
            list(&answer, "vary").contains(&"origin"),
            "a cache must tell origins apart"
        );
    }
}

/// Every endpoint that takes a body, with one that it accepts.
async fn bodies(app: &TestApp, member: &Caller) -> [(Method, String, Value, u16); 7] {
    let movie = member.add(&stalker()).await;
    let path = format!("/api/movies/{}/", movie["id"]);
    // A session of its own, since logging out ends it.
    let guest = app.member().await;
    let name = format!("new-{}", guest.username);
    let register = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
    let login = json!({"username": guest.username, "password": PASSWORD});
    let token = json!({"refresh": guest.refresh});
    let post = |path: &str| (Method::POST, path.to_owned());
    let call = |(method, path): (Method, String), body: Value, status| (method, path, body, status);
    [
        call(post("/api/auth/register/"), register, 201),
        call(post("/api/auth/login/"), login, 200),
        call(post("/api/auth/refresh/"), token.clone(), 200),
        call(post("/api/auth/logout/"), token, 204),
        call(
            post("/api/movies/"),
            but(&stalker(), &json!({"favorite": true, "user": member.id})),
            201,
        ),
        call(
            (Method::PUT, path.clone()),
            but(&stalker(), &json!({"favorite": true})),
            200,
        ),
        call(
            (Method::PATCH, path),
            json!({"title": "Сталкер", "cover_image": "https://a.example/?b=c&d"}),
            200,
        ),
    ]
}

#[tokio::test]
async fn every_body_may_be_json_or_either_form() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for media in MEDIA {
        for (method, path, fields, status) in bodies(&app, &member).await {
            let (kind, body) = body_of(media, &fields);
            let answer = member.call(method.clone(), &path).body(&kind, body).send().await;
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{media} {method} {path}: {}",
                answer.text
            );
            for (name, value) in fields.as_object().unwrap() {
                if path.starts_with("/api/movies/") {
                    assert_eq!(answer.body[name], *value, "{media} {method} {path}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_media_type_is_the_same_in_any_case_and_with_parameters() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for kind in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/json;charset=\"utf-8\"",
    ] {
        member
            .post("/api/movies/")
            .body(kind, stalker().to_string())
            .send()
            .await
            .is(201);
    }
}

#[tokio::test]
async fn another_media_type_is_415() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for (method, path, fields, _) in bodies(&app, &member).await {
        for kind in [
            "text/plain",
            "application/xml",
            "application/json-patch+json",
            "json",
            "",
        ] {
            let call = member.call(method.clone(), &path).body(kind, fields.to_string());
            call.send().await.is_problem(415, "unsupported_media_type");
        }
        let untyped = Call(member.call(method.clone(), &path).0.body(fields.to_string()));
        untyped.send().await.is_problem(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn a_body_past_256_kib_is_413() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let padded = |media, fields: &Value, size: usize| {
        let bare = body_of(media, &but(fields, &json!({"padding": ""}))).1.len();
        body_of(media, &but(fields, &json!({"padding": "x".repeat(size - bare)})))
    };
    for media in MEDIA {
        for (method, path, fields, _) in bodies(&app, &member).await {
            // The percent-encoded padding is three times as long.
            let size = if media.ends_with("urlencoded") {
                400_000
            } else {
                256 * 1024 + 1
            };
            let (kind, body) = padded(media, &fields, size);
            let answer = member.call(method, &path).body(&kind, body).send().await;
            answer.is_problem(413, "body_too_large");
        }
    }
    let (kind, body) = padded(MEDIA[0], &stalker(), 256 * 1024);
    assert_eq!(body.len(), 256 * 1024);
    member.post("/api/movies/").body(&kind, body).send().await.is(201);
}

#[tokio::test]
async fn a_json_body_that_cannot_be_read_is_400() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let endpoints = bodies(&app, &member).await;
    let nested = |open: &str| open.repeat(100_000);
    let bodies: Vec<Vec<u8>> = [
        String::new(),
        " ".into(),
        "{".into(),
        "}".into(),
        "nothing".into(),
        "{\"title\":}".into(),
        "{'title': 'x'}".into(),
        "{\"title\": \"x\",}".into(),
        "{} {}".into(),
        "[]".into(),
        "[{\"title\": \"x\"}]".into(),
        "null".into(),
        "true".into(),
        "7".into(),
        "\"title\"".into(),
        "{\"n\": NaN}".into(),
        "{\"title\": 1e999, \"refresh\": 1e999, \"username\": 1e999}".into(),
        nested("["),
        "{\"a\":".repeat(50_000),
        format!("{{\"title\": {}", nested("[")),
    ]
    .map(String::into_bytes)
    .into_iter()
    .chain([
        b"{\"title\": \"\xff\", \"username\": \"\xff\"}".to_vec(),
        b"\xef\xbb\xbf{".to_vec(),
        b"\0".to_vec(),
    ])
    .collect();
    for (method, path, _, _) in endpoints {
        for body in &bodies {
            let sent = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let call = member
                .call(method.clone(), &path)
                .body("application/json", body.clone());
            let answer = call.send().await;
            // Some of it is a known field's wrong type at one endpoint, and unreadable at another.
            assert_eq!(answer.status, 400, "{method} {path} {sent}: {}", answer.text);
            assert!(answer.text.len() < 600, "{method} {path} {sent}: {}", answer.text);
        }
    }
}

/// Guarantee 27.
#[tokio::test]
async fn a_value_nested_too_deep_is_400_whether_its_field_is_read_or_not() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for (open, close, depth) in [("[", "]", 1000), ("[", "]", 100_000), ("{\"a\":", "}", 40_000)] {
        let deep = open.repeat(depth) + "0" + &close.repeat(depth);
        let movie = stalker().to_string();
        let read = movie.replace("\"Stalker\"", &deep);
        let ignored = movie.replace('{', &format!("{{\"other\": {deep}, "));
        for body in [read, ignored] {
            let answer = member.post("/api/movies/").body("application/json", body);
            let answer = answer.send().await.is_problem(400, "malformed_request");
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.contains("at most 32 deep"), "{detail}");
        }
    }
}

/// Guarantee 27.
#[tokio::test]
async fn a_form_of_more_fields_than_a_hundred_is_400_in_each_media_type() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let movies = "/api/movies/";
    // As many pairs as a body has room for, named and not.
    for pairs in ["&a".repeat(131_000), "a=1&".repeat(60_000), "a&".repeat(101)] {
        let call = member
            .post(movies)
            .body("application/x-www-form-urlencoded", pairs);
        let answer = call.send().await.is_problem(400, "malformed_request");
        assert!(answer.text.contains("at most 100 fields"), "{}", answer.text);
    }
    for media in MEDIA {
        for (others, status) in [(95, 201), (96, 400), (2_000, 400)] {
            let mut fields = stalker();
            for n in 0..others {
                fields[format!("other{n}")] = json!("x");
            }
            let (kind, body) = body_of(media, &fields);
            member.post(movies).body(&kind, body).send().await.is(status);
        }
    }
}

#[tokio::test]
async fn text_that_is_no_text_is_400() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let movie = stalker().to_string();
    for (title, code) in [
        ("\\ud800", "malformed_request"),
        ("\\udc00x", "malformed_request"),
        ("\\ud800\\ud800", "malformed_request"),
        ("a\0b", "malformed_request"),
        ("a\nb", "malformed_request"),
        ("\\x41", "malformed_request"),
        ("a\\u0000b", "invalid_input"),
        ("a\\u007fb", "invalid_input"),
        ("a\\u0085b", "invalid_input"),
        ("a\\nb", "invalid_input"),
    ] {
        let body = movie.replace("\"Stalker\"", &format!("\"{title}\""));
        assert_ne!(body, movie);
        let answer = member
            .post("/api/movies/")
            .body("application/json", body.clone())
            .send()
            .await;
        answer.is_problem(400, code);
        let answer = member
            .patch("/api/movies/1/")
            .body("application/json", body)
            .send()
            .await;
        answer.is_problem(400, code);
    }
    // 400 KB of it are too many before they are anything else.
    let body = movie.replace("Stalker", &"x".repeat(400_000));
    let answer = member
        .post("/api/movies/")
        .body("application/json", body)
        .send()
        .await;
    answer.is_problem(413, "body_too_large");
}

#[tokio::test]
async fn of_a_key_that_is_there_twice_the_last_counts() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let twice = stalker().to_string().replace('{', "{\"title\": \"first\", ");
    let answer = member
        .post("/api/movies/")
        .body("application/json", twice)
        .send()
        .await
        .is(201);
    assert_eq!(answer.body["title"], "Stalker");
}

#[tokio::test]
async fn a_value_of_another_type_names_its_field() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let path = format!("/api/movies/{}/", member.add(&stalker()).await["id"]);
    for (field, values) in [
        (
            "title",
            [json!(7), json!(true), json!(["x"]), json!({"a": 1})].to_vec(),
        ),
        ("description", [json!(7), json!([])].to_vec()),
        ("release_date", [json!(19_790_525), json!({})].to_vec()),
        ("director", [json!(1.5), json!(false)].to_vec()),
        ("genre", [json!(["Drama"]), json!(0)].to_vec()),
        (
            "cover_image",
            [json!(7), json!(true), json!(["https://a.example"])].to_vec(),
        ),
        (
            "favorite",
            [json!("true"), json!(1), json!([]), json!("")].to_vec(),
        ),
        (
            "user",
            [
                json!("1"),
                json!(1.5),
                json!(-1),
                json!(0),
                json!(true),
                json!(9_007_199_254_740_992_u64),
            ]
            .to_vec(),
        ),
    ] {
        for value in values {
            let body = but(&stalker(), &json!({field: value}));
            for call in [member.post("/api/movies/"), member.put(&path)] {
                call.json(&body)
                    .send()
                    .await
                    .is_problem(400, "invalid_input")
                    .names(&[field]);
            }
            let answer = member.patch(&path).json(&json!({field: value})).send().await;
            answer.is_problem(400, "invalid_input").names(&[field]);
        }
    }
    for (path, fields) in [
        (
            "/api/auth/register/",
            ["email", "password", "username"].as_slice(),
        ),
        ("/api/auth/login/", &["password", "refresh", "username"]),
        ("/api/auth/refresh/", &["refresh"]),
        ("/api/auth/logout/", &["refresh"]),
    ] {
        for value in [json!(7), json!(null), json!([]), json!({}), json!(true)] {
            let body = json!({"username": value, "email": value, "password": value, "refresh": value});
            let answer = app.anonymous().post(path).json(&body).send().await;
            let fields: Vec<&str> = fields
                .iter()
                .copied()
                // A login may do without a refresh token.
                .filter(|field| !(value.is_null() && path.ends_with("/login/") && *field == "refresh"))
                .collect();
            answer.is_problem(400, "invalid_input").names(&fields);
        }
    }
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_400() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let form = "application/x-www-form-urlencoded";
    let multi = "multipart/form-data; boundary=edge";
    let part = "--edge\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n";
    let bodies: [(&str, Vec<u8>); 9] = [
        (form, b"title=%FF".to_vec()),
        (form, b"title=\xff".to_vec()),
        (form, b"%C3=title".to_vec()),
        ("multipart/form-data", b"--edge--\r\n".to_vec()),
        (multi, b"nothing of the kind".to_vec()),
        (multi, part.as_bytes().to_vec()),
        (multi, format!("{part}x\r\n--edg").into_bytes()),
        (multi, [part.as_bytes(), b"\xff\r\n--edge--\r\n"].concat()),
        (
            multi,
            b"--edge\r\nContent-Disposition: form-data; name=\"title\"\xff\r\n".to_vec(),
        ),
    ];
    for (kind, body) in bodies {
        let shown = String::from_utf8_lossy(&body).into_owned();
        for path in ["/api/movies/", "/api/auth/register/"] {
            let answer = member.post(path).body(kind, body.clone()).send().await;
            assert_eq!(
                (answer.status.as_u16(), &answer.body["code"]),
                (400, &json!("malformed_request")),
                "{shown}"
            );
        }
    }
    // An empty form is a form without fields.
    let required = ["description", "director", "genre", "release_date", "title"];
    for (kind, body) in [(form, ""), (multi, "--edge--\r\n")] {
        let answer = member.post("/api/movies/").body(kind, body).send().await;
        answer.is_problem(400, "invalid_input").names(&required);
    }
    let answer = member.post("/api/movies/").send().await;
    answer.is_problem(400, "invalid_input").names(&required);
}

#[tokio::test]
async fn a_file_is_refused_by_the_name_of_its_field() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let path = format!("/api/movies/{}/", member.add(&stalker()).await["id"]);
    let file = || {
        multipart::Part::bytes(&[0xff, 0xd8, 0xff][..])
            .file_name("cover.jpg")
            .mime_str("image/jpeg")
            .unwrap()
    };
    let form = || {
        let text = stalker();
        let fields = text.as_object().unwrap().clone();
        fields
            .into_iter()
            .fold(multipart::Form::new(), |form, (name, value)| {
                form.text(name, value.as_str().unwrap().to_owned())
            })
    };
    for call in [
        member.post("/api/movies/"),
        member.put(&path),
        member.patch(&path),
    ] {
        let answer = Call(call.0.multipart(form().part("cover_image", file())))
            .send()
            .await;
        answer.is_problem(400, "invalid_input").names(&["cover_image"]);
    }
    // Of an input in which nothing was chosen, a browser sends a file without a name or a byte.
    let call = member.post("/api/movies/");
    let nothing = multipart::Part::bytes(&[][..]).file_name("");
    let answer = Call(call.0.multipart(form().part("cover_image", nothing)))
        .send()
        .await;
    assert_eq!(answer.is(201).body["cover_image"], Value::Null);
    // Unknown fields are ignored, files too.
    let call = member.post("/api/movies/");
    Call(call.0.multipart(form().part("attachment", file())))
        .send()
        .await
        .is(201);
    let call = member.post("/api/movies/");
    Call(call.0.multipart(form())).send().await.is(201);
}

#[tokio::test]
async fn a_body_of_more_than_100_fields_is_400() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for media in MEDIA {
        for (extra, status) in [(95, 201), (96, 400), (2000, 400)] {
            let mut fields = stalker();
            for n in 0..extra {
                fields[format!("f{n}")] = json!("x");
            }
            let (kind, body) = body_of(media, &fields);
            member
                .post("/api/movies/")
                .body(&kind, body)
                .send()
                .await
                .is(status);
        }
    }
}

#[tokio::test]
async fn a_query_that_is_not_utf_8_is_400() {
    let app = TestApp::new().await;
    for path in [
        "/api/movies/search/?q=%FF",
        "/api/movies/?limit=%C3",
        "/api/movies/newest/?%FF",
    ] {
        app.anonymous().get(path).send().await.is(400);
    }
}

/// Sends these bytes and returns all that comes back.
async fn raw(app: &TestApp, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(app.running.address).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_of_http_1_0_is_answered() {
    let app = TestApp::new().await;
    let answer = raw(&app, b"GET /api/movies HTTP/1.0\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.0 200 OK") || head.starts_with("HTTP/1.1 200 OK"),
        "{answer}"
    );
    assert!(head.contains("x-request-id: "), "{answer}");
    assert!(!head.contains("chunked"), "{answer}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        json!({"count": 0, "next": null, "previous": null, "results": []})
    );
}

#[tokio::test]
async fn a_bad_host_is_a_problem_and_the_server_goes_on() {
    let app = TestApp::new().await;
    for host in ["a b", "[::1", "x:99999", "a/b", "user@x", "\u{e9}", "1.2.3.4.5"] {
        let answer = raw(
            &app,
            format!("GET /api/movies/ HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes(),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{host}: {answer}");
        assert!(
            answer.contains("application/problem+json") && answer.contains("x-request-id: "),
            "{host}: {answer}"
        );
    }
    for line in [
        "GARBAGE",
        "GET /api/movies/",
        "GET \u{0} HTTP/1.1",
        "GET /api/movies/ HTTP/9.9",
    ] {
        let answer = raw(&app, format!("{line}\r\n\r\n").as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{line:?}: {answer}"
        );
    }
    app.anonymous().get("/api/movies/").send().await.is(200);
}

/// A URL parser on the way would find the movie in these.
#[tokio::test]
async fn a_path_that_only_resembles_a_movies_is_404() {
    let app = TestApp::new().await;
    let member = member_with_movies(&app).await;
    let access = member.access.as_deref().unwrap();
    for path in [
        "/api/movies/2/../1/",
        "/api/movies/./1/",
        "/api/movies/2/%2e%2e/1/",
        "/api/movies/1/%2e/",
        "/api/movies/1%23/",
        "/api/movies/1%20/",
        "/api/movies/1%09/",
        "/api//movies/1/",
        "/api/movies//1/",
    ] {
        let request = format!(
            "DELETE {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {access}\r\nconnection: close\r\n\r\n"
        );
        let answer = raw(&app, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        member.get("/api/movies/1/").send().await.is(200);
    }
}

/// The pages' URLs lead back to the host that was asked.
#[tokio::test]
async fn a_next_url_names_the_host_of_the_request() {
    let app = TestApp::new().await;
    member_with_movies(&app).await;
    let request = b"GET /api/movies?limit=1 HTTP/1.1\r\nhost: movies.example:81\r\nconnection: close\r\n\r\n";
    let answer = raw(&app, request).await;
    assert!(
        answer.contains("\"next\":\"http://movies.example:81/api/movies/?limit=1&cursor="),
        "{answer}"
    );
}

async fn ask(router: &Router, path: &str) -> (u16, String, Value) {
    let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
    };
    assert!(header("x-request-id").is_some());
    let kind = header("content-type").unwrap_or_default();
    let retry = header("retry-after").unwrap_or_default();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    (
        status,
        kind + &retry,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

fn config(deadline: Duration) -> HttpConfig {
    HttpConfig {
        cors_origins: vec!["*".into()],
        deadline,
        edge_key: None,
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_process_lives() {
    async fn panics() -> &'static str {
        panic!("a handler's own secret")
    }
    let router = Router::new()
        .route("/panic/", get(panics))
        .route("/well/", get(|| async { "\"well\"" }));
    let router = with_layers(router, &config(Duration::from_secs(10))).unwrap();
    for _ in 0..2 {
        let (status, kind, problem) = ask(&router, "/panic").await;
        assert_eq!((status, kind.as_str()), (500, "application/problem+json"));
        assert_eq!(
            (&problem["code"], &problem["status"]),
            (&json!("internal_error"), &json!(500))
        );
        assert!(
            !problem.to_string().contains("secret"),
            "the panic's text isn't for the client"
        );
        assert_eq!(ask(&router, "/well").await.2, "well");
    }
}

/// Guarantee 35.
#[tokio::test]
async fn a_handler_that_does_not_end_is_a_503_before_the_gateway_gives_up() {
    let router = Router::new().route("/endless/", get(std::future::pending::<String>));
    let router = with_layers(router, &config(Duration::ZERO)).unwrap();
    let (status, kind, problem) = ask(&router, "/endless/").await;
    assert_eq!((status, kind.as_str()), (503, "application/problem+json1"));
    assert_eq!(problem["code"], "unavailable");
    assert!(marquee_shared::config::Config::default().http.deadline < Duration::from_secs(30));
}

/// Where CloudFront stands in front, its web ACL counts the clients, so nobody may go around it.
#[tokio::test]
async fn behind_cloudfront_a_request_without_its_key_is_refused() {
    let key = |text: &str| {
        let text = text.to_owned();
        marquee_shared::config::Config::from_lookup(move |name| (name == "EDGE_KEY").then(|| text.clone()))
            .unwrap()
    };
    let app = TestApp::with(|options| options.config = key("the key")).await;
    let anonymous = app.anonymous();
    for path in ["/api/movies/", "/api/openapi.json", "/api/users/", "/nowhere"] {
        for shown in ["", "the ke", "the key,the key", "another"] {
            let call = anonymous.get(path).header("x-edge-key", shown);
            call.send().await.is_problem(403, "forbidden");
        }
        anonymous.get(path).send().await.is_problem(403, "forbidden");
        let answer = anonymous.get(path).header("x-edge-key", "the key").send().await;
        assert_ne!(answer.status.as_u16(), 403, "{path}");
    }
    let nothing_set = TestApp::with(|options| options.config = key("")).await;
    nothing_set.anonymous().get("/api/movies/").send().await.is(200);
}
