//! Guarantee 23: every operation answers every kind of caller as documented. An operation without a case here fails.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    Call, Caller, PASSWORD, TestApp, movie,
    operations::{Operation, operations},
};

/// What nobody, a member, the movie's owner and an admin get.
#[rustfmt::skip]
const EXPECTED: [(&str, [u16; 4]); 22] = [
    ("register_user",          [201, 201, 201, 201]),
    ("log_in",                 [200, 200, 200, 200]),
    ("refresh_session",        [200, 200, 200, 200]),
    ("log_out",                [204, 204, 204, 204]),
    ("list_movies",            [200, 200, 200, 200]),
    ("create_movie",           [401, 201, 201, 201]),
    ("get_movie",              [200, 200, 200, 200]),
    ("replace_movie",          [401, 403, 200, 200]),
    ("update_movie",           [401, 403, 200, 200]),
    ("delete_movie",           [401, 403, 204, 204]),
    ("toggle_favorite",        [401, 200, 200, 200]),
    ("add_favorite",           [401, 200, 200, 200]),
    ("remove_favorite",        [401, 200, 200, 200]),
    ("search_movies",          [200, 200, 200, 200]),
    ("list_categories",        [200, 200, 200, 200]),
    ("list_most_liked_movies", [200, 200, 200, 200]),
    ("list_newest_movies",     [200, 200, 200, 200]),
    ("list_users",             [401, 200, 200, 200]),
    ("get_me",                 [401, 200, 200, 200]),
    ("list_my_favorites",      [401, 200, 200, 200]),
    ("get_jwks",               [200, 200, 200, 200]),
    ("get_openapi",            [200, 200, 200, 200]),
];

/// Operations that don't look at who calls.
const BLIND: [&str; 2] = ["get_jwks", "get_openapi"];

const CALLERS: [&str; 4] = ["nobody", "member", "owner", "admin"];

/// A request that an operation accepts from whoever may make it.
pub(super) fn request(operation: &Operation, caller: &Caller, movie_id: &Value, guest: &Caller) -> Call {
    let path = operation.path.replace("{id}", &movie_id.to_string());
    let query = if operation.id == "search_movies" {
        "?q=stalker"
    } else {
        ""
    };
    let call = caller.call(operation.method.parse().unwrap(), &format!("{path}{query}"));
    let name = format!("new-{}", guest.username);
    match operation.id.as_str() {
        "register_user" => call
            .json(&json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD})),
        "log_in" => call.json(&json!({"username": guest.username, "password": PASSWORD})),
        "refresh_session" | "log_out" => call.json(&json!({"refresh": guest.refresh})),
        "create_movie" | "replace_movie" => call.json(&stalker()),
        "update_movie" => call.json(&json!({"title": "Сталкер"})),
        _ => call,
    }
}

fn stalker() -> Value {
    movie("Stalker", "Andrei Tarkovsky", "Sci-Fi, Drama", "1979-05-25")
}

#[tokio::test]
async fn every_operation_answers_every_caller_as_the_contract_says() {
    let app = TestApp::new().await;
    let (member, owner, admin) = (app.member().await, app.member().await, app.admin().await);
    let callers = [&app.anonymous(), &member, &owner, &admin];
    let operations = operations();
    let documented: BTreeSet<&str> = operations.iter().map(|operation| operation.id.as_str()).collect();
    let expected: BTreeSet<&str> = EXPECTED.iter().map(|(id, _)| *id).collect();
    assert_eq!(
        documented, expected,
        "every operation needs a row, and every row an operation"
    );
    assert_eq!(operations.len(), documented.len(), "operation ids are unique");
    for operation in &operations {
        let (id, statuses) = EXPECTED.iter().find(|(id, _)| *id == operation.id).unwrap();
        for ((caller, who), expected) in callers.iter().zip(CALLERS).zip(statuses) {
            // A movie and a session that nobody has touched.
            let movie = owner.add(&stalker()).await;
            let needs_guest = operation.path.starts_with("/api/auth/");
            let guest = if needs_guest {
                app.member().await
            } else {
                app.anonymous()
            };
            let answer = request(operation, caller, &movie["id"], &guest).send().await;
            assert_eq!(answer.status, *expected, "{id} by {who}: {}", answer.text);
            assert!(
                operation.statuses.contains(expected),
                "{id} doesn't document {expected}"
            );
            if [401, 403].contains(expected) && *id != "create_movie" {
                let now = owner
                    .get(&format!("/api/movies/{}/", movie["id"]))
                    .send()
                    .await
                    .is(200);
                assert_eq!(now.body, movie, "{id} by {who} changed the movie");
            }
        }
        assert_eq!(
            operation.is_public,
            statuses[0] < 300,
            "{id}: the documented security is another"
        );
        assert!(
            operation.statuses.contains(&503) || operation.id == "get_openapi",
            "{id}"
        );
    }
}

/// A bad token is refused by every operation that knows callers, whoever may call it.
#[tokio::test]
async fn every_operation_refuses_a_bad_token() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let movie = owner.add(&stalker()).await;
    let stranger = Caller {
        access: Some("x.y.z".into()),
        ..app.anonymous()
    };
    for operation in operations()
        .iter()
        .filter(|operation| !BLIND.contains(&&*operation.id))
    {
        let guest = app.anonymous();
        let answer = request(operation, &stranger, &movie["id"], &guest).send().await;
        assert_eq!(answer.status, 401, "{}: {}", operation.id, answer.text);
        assert!(
            operation.statuses.contains(&401),
            "{} doesn't document 401",
            operation.id
        );
    }
}

/// Guarantee 49.
/// What a page of another origin can make a browser send gains nothing: only a token in the `Authorization` header counts,
/// which no browser adds by itself. There are no cookies, in either direction.
#[tokio::test]
async fn nothing_is_changed_without_a_token_in_the_authorization_header() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let movie = owner.add(&stalker()).await;
    let access = owner.access.clone().unwrap();
    let (anonymous, guest) = (app.anonymous(), app.anonymous());
    let changing: Vec<Operation> = operations()
        .into_iter()
        .filter(|operation| !["GET", "HEAD"].contains(&&*operation.method))
        .filter(|operation| !operation.path.starts_with("/api/auth/"))
        .collect();
    assert!(changing.len() >= 7, "{}", changing.len());
    for operation in &changing {
        let call = || request(operation, &anonymous, &movie["id"], &guest);
        let path = operation.path.replace("{id}", &movie["id"].to_string());
        let in_query = format!("{path}?access_token={access}&token={access}&authorization=Bearer%20{access}");
        let mut form = stalker();
        for name in ["access", "access_token", "token", "authorization"] {
            form[name] = json!(access);
        }
        for call in [
            call(),
            call().header(
                "cookie",
                &format!("access={access}; access_token={access}; token={access}"),
            ),
            call().header("authorization", &format!("Basic {access}")),
            call().header("x-access-token", &access),
            call().header("x-forwarded-authorization", &format!("Bearer {access}")),
            anonymous
                .call(operation.method.parse().unwrap(), &in_query)
                .json(&form),
            // What needs no preflight.
            anonymous
                .call(operation.method.parse().unwrap(), &path)
                .header("origin", "https://example.com")
                .body("text/plain", stalker().to_string()),
            anonymous
                .call(operation.method.parse().unwrap(), &path)
                .header("origin", "null")
                .body("application/x-www-form-urlencoded", "title=Stalker"),
        ] {
            let answer = call.send().await;
            assert_eq!(answer.status, 401, "{}: {}", operation.id, answer.text);
            assert_eq!(
                answer.header("access-control-allow-credentials"),
                "",
                "{}",
                operation.id
            );
        }
        // Nor is a harmless method taken for this one.
        for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
            let call = anonymous.get(&path).header(name, &operation.method);
            call.header("cookie", &format!("access={access}")).send().await;
        }
    }
    let now = owner
        .get(&format!("/api/movies/{}/", movie["id"]))
        .send()
        .await
        .is(200);
    assert_eq!(now.body, movie);
    let all = owner.get("/api/movies/").send().await.is(200);
    assert_eq!(all.body["count"], 1);
}
