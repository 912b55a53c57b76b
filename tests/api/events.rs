//! Requests that reach the handlers as API Gateway's events instead of over HTTP.

use serde_json::{Value, json};

use super::{MEDIA_TYPES, body_of};
use crate::support::{
    Answer, Caller, TestApp,
    event::{DOMAIN, Event, Request},
    movie,
    replay::{self, Target as _},
};

/// Returns a request with the caller's access token.
fn request(caller: &Caller, method: &str, path: &str) -> Request {
    let request = Request::new(method, path);
    match &caller.access {
        Some(access) => request.header("authorization", &format!("Bearer {access}")),
        None => request,
    }
}

fn event_of(request: &Request) -> Event {
    request.event("a test's")
}

/// Returns the answer to the request's event.
async fn invoke(app: &TestApp, request: &Request) -> Answer {
    invoke_event(app, &event_of(request)).await
}

/// Returns the answer to an event, after checking that it has the gateway's request id.
async fn invoke_event(app: &TestApp, event: &Event) -> Answer {
    let answer = app.answer(event).await;
    answer.check(event.request_context.http.method == "HEAD");
    assert_eq!(answer.header("x-request-id"), event.request_context.request_id);
    answer
}

fn stalker() -> Value {
    movie("Stalker", "Andrei Tarkovsky", "Sci-Fi, Drama", "1979-05-25")
}

#[tokio::test]
async fn a_body_may_be_text_or_base64() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let mut id = 0;
    for media in MEDIA_TYPES {
        for is_base64 in [true, false] {
            for path in ["/api/movies", "/api/movies/"] {
                let (kind, body) = body_of(media, &stalker());
                let request = request(&member, "POST", path).body(&kind, body).base64(is_base64);
                assert_eq!(event_of(&request).is_base64_encoded, is_base64);
                let reply = invoke(&app, &request).await.is(201);
                id += 1;
                assert_eq!(
                    (&reply.body["id"], &reply.body["genre"]),
                    (&json!(id), &json!("Sci-Fi, Drama")),
                    "{media}"
                );
                assert_eq!(reply.header("location"), format!("/api/movies/{id}/"));
                assert_eq!(reply.header("content-type"), "application/json");
            }
        }
    }
    assert_eq!(member.get("/api/movies/").send().await.body["count"], id);
}

#[tokio::test]
async fn a_path_gives_the_same_answer_with_or_without_a_trailing_slash() {
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
        ("/api/health", ""),
        ("/api/nothing", ""),
    ] {
        let plain = invoke(&app, &request(&member, "GET", path).query(query)).await;
        let slash = request(&member, "GET", &format!("{path}/")).query(query);
        let slash = invoke(&app, &slash).await;
        assert_eq!((plain.status, &plain.body), (slash.status, &slash.body), "{path}");
        // HTTP gives the same answer.
        let sent = member.get(&format!("{path}?{query}")).send().await;
        assert_eq!(sent.status, plain.status, "{path}");
        if plain.status == 200 {
            assert_eq!(sent.body, plain.body, "{path}");
        }
    }
    let search = request(&app.anonymous(), "GET", "/api/movies/search");
    let found = invoke(&app, &search.query("q=Sta%6Cker+sci%2Dfi&limit=1")).await;
    assert_eq!(found.body["results"][0]["title"], "Stalker");
}

#[tokio::test]
async fn page_urls_use_the_domain_of_the_event() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for _ in 0..2 {
        member.add(&stalker()).await;
    }
    let list = |query: &str| Request::new("GET", "/api/movies").query(query);
    let reply = invoke(&app, &list("limit=1")).await;
    let next = reply.body["next"].as_str().unwrap();
    let (url, query) = next.split_once('?').unwrap();
    assert_eq!(url, format!("https://{DOMAIN}/api/movies/"));
    let second = invoke(&app, &list(query)).await;
    assert_eq!(second.body["results"][0]["id"], 2);
}

#[tokio::test]
async fn cookies_are_not_credentials() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let access = member.access.as_deref().unwrap();
    let cookies = format!("access={access}; authorization=Bearer {access}");
    let of = |caller: &Caller| request(caller, "GET", "/api/users/me/").header("cookie", &cookies);
    assert_eq!(event_of(&of(&member)).cookies.len(), 2);
    invoke(&app, &of(&app.anonymous()))
        .await
        .is_problem(401, "unauthenticated");
    let reply = invoke(&app, &of(&member)).await.is(200);
    assert_eq!(reply.body["id"], member.id);
}

/// The gateway joins the values of a header with commas.
#[tokio::test]
async fn a_header_with_several_values_is_read_and_written_completely() {
    let app = TestApp::new().await;
    let member = app.member().await;
    member.add(&stalker()).await;
    let patch = |tags: [&str; 2]| {
        tags.iter()
            .fold(request(&member, "PATCH", "/api/movies/1"), |request, tag| {
                request.header("if-match", tag)
            })
            .header("origin", "https://movies.example")
            .body("application/json", "{\"title\": \"Stalker!\"}")
    };
    let stale = patch(["\"7\"", "\"8\""]);
    assert_eq!(event_of(&stale).headers["if-match"], "\"7\",\"8\"");
    invoke(&app, &stale).await.is_problem(412, "stale_precondition");
    let current = member.get("/api/movies/1").send().await.header("etag").to_owned();
    let reply = invoke(&app, &patch(["\"7\"", &current])).await.is(200);
    assert_eq!(reply.body["title"], "Stalker!");
    assert!(reply.header("etag").starts_with("\"1.2-"));
    let exposed = reply.header("access-control-expose-headers");
    assert!(
        exposed.contains("etag") && exposed.contains("x-request-id"),
        "{exposed}"
    );
    let wrong = invoke(&app, &Request::new("DELETE", "/api/movies")).await.is(405);
    let allow = wrong.header("allow");
    assert!(
        ["GET", "HEAD", "POST"]
            .iter()
            .all(|method| allow.contains(method)),
        "{allow}"
    );
}

#[tokio::test]
async fn empty_members_of_an_event_may_be_missing_or_null() {
    let app = TestApp::new().await;
    let mut bare = event_of(&Request::new("GET", "/api/movies")).to_value();
    bare.as_object_mut().unwrap().remove("rawQueryString");
    for name in ["body", "cookies", "queryStringParameters"] {
        bare[name] = Value::Null;
    }
    let reply = app.running.gateway.invoke(&bare).await.unwrap();
    let reply = replay::answer(&reply).is(200);
    assert_eq!(reply.body["count"], 0);
    let login = Request::new("POST", "/api/auth/login").body("application/json", "{}");
    for (body, is_base64) in [("not base64", false), ("eyJ0aXRsZSI6", true)] {
        let mut broken = event_of(&login);
        broken.body = Some(body.to_owned());
        broken.is_base64_encoded = is_base64;
        invoke_event(&app, &broken)
            .await
            .is_problem(400, "malformed_request");
    }
}
