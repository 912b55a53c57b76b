//! Query parameters: the documented ones are accepted, once each, and no others are.

use reqwest::Method;
use serde_json::{Value, json};

use super::{method, stalker};
use crate::support::{
    Answer, Caller, TestApp,
    operations::{NO_SESSION, Operation, Subject, operations, sample_movie},
};

/// Returns the names of the query parameters that the document lists for an operation, in alphabetical order.
fn documented(operation: &Operation) -> Vec<String> {
    let document = serde_json::to_value(marquee::openapi::document().unwrap()).unwrap();
    let parameters = &document["paths"][&operation.path][operation.method.to_lowercase()]["parameters"];
    let query = parameters.as_array().into_iter().flatten();
    let query = query.filter(|parameter| parameter["in"] == "query");
    let mut names: Vec<String> = query
        .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort_unstable();
    names
}

/// Sends an operation's sample request with this query.
async fn send(operation: &Operation, caller: &Caller, movie: &Value, user: &Caller, query: &str) -> Answer {
    let subject = Subject::of(&movie["id"], user);
    let body = operation.sample.body(&subject);
    operation.call(caller, &subject, query, body).send().await
}

/// The values with which each documented parameter is accepted.
fn value(name: &str) -> &'static str {
    match name {
        "limit" => "5",
        "ordering" => "id",
        "imdb_id" => "tt0079944",
        "year" => "1979",
        "released_from" | "released_to" => "1979-05-25",
        _ => "horror",
    }
}

#[tokio::test]
async fn no_operation_accepts_a_parameter_that_it_does_not_document() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let movie = owner.add(&sample_movie()).await;
    for operation in operations() {
        let id = &operation.id;
        let names = documented(&operation);
        let message = match names.as_slice() {
            [] => "Unknown parameter. This operation has no query parameters.".to_owned(),
            names => format!("Unknown parameter. Must be one of {}.", names.join(", ")),
        };
        for (query, unknown) in [
            ("?x=y", vec!["x"]),
            ("?x", vec!["x"]),
            ("?%78=y&x=z", vec!["x"]),
            ("?=y", vec![""]),
            ("?page=2&director=x&year=1999", vec!["director", "page", "year"]),
            ("?Limit=5&LIMIT=5&limit%20=5", vec!["LIMIT", "Limit", "limit "]),
            ("?title=Alien&id=1", vec!["id", "title"]),
            ("?%E6%98%A0=1", vec!["映"]),
            ("?%3Cscript%3E=1&a%00b", vec!["<script>", "a\0b"]),
        ] {
            // Other issues document more filters.
            if unknown.iter().any(|name| names.iter().any(|known| known == name)) {
                continue;
            }
            let answer = send(&operation, &owner, &movie, &owner, query).await;
            assert_eq!(answer.status, 400, "{id} {query}: {}", answer.text);
            let mut expected: Vec<(&str, Value)> =
                unknown.iter().map(|name| (*name, json!([message]))).collect();
            // The sample has no `q`, and all invalid parameters are named in one answer.
            if id == "search_movies" {
                expected.push(("q", json!(["This field is required."])));
            }
            let expected: Value = expected
                .into_iter()
                .map(|(name, all)| (name.to_owned(), all))
                .collect();
            assert_eq!(answer.body["errors"], expected, "{id} {query}");
            assert_eq!(answer.body["code"], "invalid_input", "{id} {query}");
        }
        assert!(operation.statuses.contains(&400), "{id} does not document 400");
        // A query without parameters is none.
        if operation.method == "GET" && !["search_movies", "get_cover"].contains(&&**id) {
            for query in ["?", "?&&"] {
                send(&operation, &owner, &movie, &owner, query).await.is(200);
            }
        }
    }
    // Nothing has been changed.
    let path = format!("/api/movies/{}/", movie["id"]);
    assert_eq!(owner.get(&path).send().await.is(200).body, movie);
    assert_eq!(owner.count("/api/movies/").await, 1);
    assert_eq!(owner.count("/api/users/").await, 1);
    owner.login().await.is(200);
}

#[tokio::test]
async fn a_documented_parameter_is_accepted_once() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let movie = owner.add(&sample_movie()).await;
    let mut checked = 0;
    for operation in operations() {
        let id = &operation.id;
        let needed = if id == "search_movies" { "&q=horror" } else { "" };
        for name in documented(&operation) {
            let value = value(&name);
            if name != "cursor" {
                let others = if name == "q" { "" } else { needed };
                let query = format!("?{name}={value}{others}");
                send(&operation, &owner, &movie, &owner, &query).await.is(200);
            }
            let encoded = format!("%{:02x}{}", name.as_bytes()[0], &name[1..]);
            if name == "genre" {
                let query = format!("?{name}={value}&{encoded}={value}");
                send(&operation, &owner, &movie, &owner, &query).await.is(200);
                continue;
            }
            for twice in [
                format!("?{name}={value}&{name}={value}{needed}"),
                format!("?{name}={value}{needed}&{encoded}=&{name}"),
            ] {
                let answer = send(&operation, &owner, &movie, &owner, &twice).await;
                assert_eq!(answer.status, 400, "{id} {twice}: {}", answer.text);
                let message = "This parameter may be given only once.";
                assert_eq!(answer.body["errors"][&name][0], message, "{id} {twice}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 30, "{checked}");
}

#[tokio::test]
async fn unknown_parameters_are_reported_together_with_invalid_values() {
    let app = TestApp::new().await;
    let member = app.member().await;
    for (path, names) in [
        (
            "/api/movies/?limit=0&ordering=x&genre=&page=2",
            &["genre", "limit", "ordering", "page"][..],
        ),
        (
            "/api/movies/?genre=a&genre=,&director=+&year=1869&released_from=2001-02-29&released_to=1&imdb_id=1&cursor=x",
            &[
                "director",
                "genre",
                "imdb_id",
                "released_from",
                "released_to",
                "year",
            ],
        ),
        (
            "/api/movies/search/?search=matrix&limit=0",
            &["limit", "q", "search"],
        ),
        ("/api/movies/newest/?limit=0&cursor=x", &["cursor", "limit"]),
        ("/api/movies/most-liked/?limit=0&genre=x", &["genre", "limit"]),
        ("/api/users/?limit=0&q=x", &["limit", "q"]),
    ] {
        let answer = member.get(path).send().await;
        answer.is_problem(400, "invalid_input").names(names);
    }
    let many = |count: usize| {
        let pairs: Vec<String> = (0..count).map(|n| format!("p{n}=1")).collect();
        format!("/api/movies/?{}", pairs.join("&"))
    };
    let answer = member
        .get(&many(100))
        .send()
        .await
        .is_problem(400, "invalid_input");
    assert_eq!(answer.body["errors"].as_object().unwrap().len(), 100);
    let answer = member
        .get(&many(101))
        .send()
        .await
        .is_problem(400, "malformed_request");
    assert_eq!(answer.body["detail"], "A query must have at most 100 parameters.");
}

/// An unknown parameter is reported after everything that is wrong with the path, the method or the token.
#[tokio::test]
async fn an_unknown_parameter_does_not_hide_another_error() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let stranger = Caller {
        access: Some("x.y.z".into()),
        ..app.anonymous()
    };
    let movie = member.add(&sample_movie()).await;
    for operation in operations() {
        let user = app.anonymous();
        if operation.sample.reads_token {
            send(&operation, &stranger, &movie, &user, "?x=y").await.is(401);
        }
        let expected = if operation.is_public { 400 } else { 401 };
        send(&operation, &user, &movie, &user, "?x=y").await.is(expected);
        for name in ["PROPFIND", "TRACE"] {
            let path = operation.path_of("1", NO_SESSION);
            let call = member.call(method(name), &format!("{path}?x=y"));
            call.send().await.is_problem(405, "method_not_allowed");
        }
    }
    for path in [
        "/api/?x=y",
        "/api/nothing?x=y",
        "/api/movies/x/?x=y",
        "/api/movies/0/?x=y",
    ] {
        member.get(path).send().await.is_problem(404, "not_found");
    }
    for name in ["GET", "PUT", "PATCH", "DELETE"] {
        let call = member.call(method(name), "/api/movies/x/?x=y").json(&stalker());
        call.send().await.is_problem(404, "not_found");
    }
    // HEAD is answered as GET is, and a preflight is no request of the operation.
    member.call(Method::HEAD, "/api/movies/?x=y").send().await.is(400);
    let preflight = member
        .call(Method::OPTIONS, "/api/movies/?x=y")
        .header("origin", "https://movies.example")
        .header("access-control-request-method", "GET");
    preflight.send().await.is(200);
}

#[tokio::test]
async fn links_begin_with_the_public_url() {
    let public = "https://movies.example:8443";
    let app = TestApp::with(|options| {
        options.config.http.public_url = Some(public.into());
    })
    .await;
    let member = app.member().await;
    for n in 0..3 {
        let title = format!("Movie {n}");
        member
            .add(&crate::api::with_changes(
                &stalker(),
                &json!({"title": title, "favorite": true}),
            ))
            .await;
    }
    app.member().await;
    for path in [
        "/api/movies/?limit=1",
        "/api/movies?ordering=-release_date&limit=1",
        "/api/movies/?genre=drama&limit=1",
        "/api/movies/search/?q=movie&limit=1",
        "/api/movies/categories/?limit=1",
        "/api/users/?limit=1",
        "/api/users/me/favorites/?limit=1",
    ] {
        let own = |url: &Value| {
            let path = url.as_str().unwrap().strip_prefix(public).unwrap().to_owned();
            assert!(path.starts_with("/api/"), "{path}");
            path
        };
        let first = member
            .get(path)
            .header("x-forwarded-host", "other.example")
            .send()
            .await
            .is(200);
        let second = member.get(&own(&first.body["next"])).send().await.is(200);
        let again = member.get(&own(&second.body["previous"])).send().await.is(200);
        assert_eq!(again.body["results"], first.body["results"], "{path}");
    }
}
