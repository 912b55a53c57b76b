//! Guarantee 23: every operation answers every kind of caller with the status that `test-kit/src/operations.rs` gives. A
//! documented operation that isn't in that list fails.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{
    Caller, TestApp,
    operations::{CALLERS, NO_SESSION, Operation, SAMPLES, operations, sample_movie},
};

#[tokio::test]
async fn every_operation_answers_every_caller_as_the_contract_says() {
    let app = TestApp::new().await;
    let (member, owner, admin) = (app.member().await, app.member().await, app.admin().await);
    let callers = [&app.anonymous(), &member, &owner, &admin];
    let operations = operations();
    let documented: BTreeSet<&str> = operations.iter().map(|operation| operation.id.as_str()).collect();
    let listed: BTreeSet<&str> = SAMPLES.iter().map(|sample| sample.id).collect();
    assert_eq!(
        documented, listed,
        "operations in the OpenAPI document, against those in test-kit/src/operations.rs"
    );
    assert_eq!(operations.len(), documented.len(), "operation ids are unique");
    for operation in &operations {
        let (id, statuses) = (&operation.id, operation.sample.expected);
        for ((caller, who), expected) in callers.iter().zip(CALLERS).zip(statuses) {
            // A movie and a session that no other request has changed.
            let movie = owner.add(&sample_movie()).await;
            let user = if operation.path.starts_with("/api/auth/") {
                app.with_reset_token(app.member().await).await
            } else {
                app.anonymous()
            };
            // A deleted account can make no further request.
            let fresh = match (id.as_str(), who) {
                ("delete_me", "admin") => Some(app.admin().await),
                ("delete_me", "member" | "owner") => Some(app.member().await),
                _ => None,
            };
            let caller = fresh.as_ref().unwrap_or(caller);
            for (query, call) in operation.requests(caller, &movie["id"], &user) {
                let answer = call.send().await;
                assert_eq!(answer.status, expected, "{id}{query} by {who}: {}", answer.text);
            }
            assert!(
                operation.statuses.contains(&expected),
                "{id} doesn't document {expected}"
            );
            if [401, 403].contains(&expected) && id != "create_movie" {
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
            statuses[0] < 300 || operation.id == "get_cover",
            "{id}: the documented security doesn't say who may call it"
        );
        assert!(
            operation.statuses.contains(&503) || operation.id == "get_openapi",
            "{id}"
        );
    }
}

/// Every operation that reads the caller's token refuses a bad one, also where none is needed.
#[tokio::test]
async fn every_operation_refuses_a_bad_token() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let movie = owner.add(&sample_movie()).await;
    let stranger = Caller {
        access: Some("x.y.z".into()),
        ..app.anonymous()
    };
    for operation in operations()
        .iter()
        .filter(|operation| operation.sample.reads_token)
    {
        let answer = operation
            .request(&stranger, &movie["id"], &app.anonymous())
            .send()
            .await;
        assert_eq!(answer.status, 401, "{}: {}", operation.id, answer.text);
        assert!(
            operation.statuses.contains(&401),
            "{} doesn't document 401",
            operation.id
        );
    }
}

/// Guarantee 49.
///
/// A page of another origin can make a browser send a request, but not a token in the `Authorization` header, which is the only
/// place where a token counts. No cookie is read or set.
#[tokio::test]
async fn nothing_is_changed_without_a_token_in_the_authorization_header() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let movie = owner.add(&sample_movie()).await;
    let access = owner.access.clone().unwrap();
    let anonymous = app.anonymous();
    let changing: Vec<Operation> = operations()
        .into_iter()
        .filter(|operation| !["GET", "HEAD"].contains(&&*operation.method))
        .filter(|operation| !operation.path.starts_with("/api/auth/"))
        .collect();
    assert!(changing.len() >= 7, "{}", changing.len());
    for operation in &changing {
        let call = || operation.request(&anonymous, &movie["id"], &anonymous);
        let path = operation.path_of(&movie["id"].to_string(), NO_SESSION);
        let in_query = format!("{path}?access_token={access}&token={access}&authorization=Bearer%20{access}");
        let mut form = sample_movie();
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
            // Requests that a browser sends without a preflight.
            anonymous
                .call(operation.method.parse().unwrap(), &path)
                .header("origin", "https://example.com")
                .body("text/plain", sample_movie().to_string()),
            anonymous
                .call(operation.method.parse().unwrap(), &path)
                .header("origin", "null")
                .body("application/x-www-form-urlencoded", "title=Alien"),
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
        // No header turns a GET into this method.
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
