//! Addresses: which one a request is counted by.

use marquee_shared::domain::password::Secret;
use serde_json::json;

use super::{FREE, LOGIN, WRONG, at_once, begin_window, fill, use_up, wait};
use crate::support::{PASSWORD, TestApp};

const REGISTER: &str = "/api/auth/register/";

/// Guarantee 21.
#[tokio::test]
async fn no_header_changes_the_address_of_a_client() {
    let app = TestApp::new().await;
    let owner = app.member().await;
    let attempt = async |n: usize| {
        let address = format!("192.0.2.{n}");
        let mut call = app.anonymous().post(LOGIN);
        for (name, value) in [
            ("x-forwarded-for", address.clone()),
            ("x-real-ip", address.clone()),
            ("true-client-ip", address.clone()),
            ("x-viewer-address", address.clone()),
            ("cloudfront-viewer-address", format!("{address}:443")),
            ("forwarded", format!("for={address}")),
        ] {
            call = call.header(name, &value);
        }
        call.json(&json!({"username": owner.username, "password": WRONG}))
            .send()
            .await
    };
    for n in 0..FREE {
        attempt(n).await.is(401);
    }
    wait(at_once(&app, async || attempt(FREE).await).await);
}

/// Guarantees 21 and 22: the gateway sees CloudFront's address, where it stands in front, and CloudFront says the client's.
#[tokio::test]
async fn behind_cloudfront_a_clients_address_is_the_one_that_cloudfront_reports() {
    let app = TestApp::with(|options| {
        options.config.http.edge_key = Some(Secret::new("the key".into()));
    })
    .await;
    let call = |path: &str, address: &str| {
        let call = app.anonymous().post(path).header("x-edge-key", "the key");
        match address {
            "" => call,
            address => call.header("x-viewer-address", address),
        }
    };
    let user = json!({"username": "ripley", "email": "r@example.com", "password": PASSWORD});
    call(REGISTER, "192.0.2.1").json(&user).send().await.is(201);
    let attempt = async |address: &str, password: &str| {
        let body = json!({"username": "ripley", "password": password});
        call(LOGIN, address).json(&body).send().await
    };
    use_up(&app, async || attempt("198.51.100.1", WRONG).await).await;
    use_up(&app, async || attempt("2001:db8::1", WRONG).await).await;
    // A client has a subnet of addresses.
    wait(attempt("2001:db8:0:1::2", WRONG).await);
    attempt("2001:db8:0:100::2", WRONG).await.is(401);
    // What is no address, or isn't there, is the gateway's own.
    use_up(&app, async || attempt("", WRONG).await).await;
    wait(attempt("x", PASSWORD).await);
    begin_window(&app);
    fill(&app, "ripley", "guess").await;
    wait(attempt("198.51.100.2", PASSWORD).await);
    attempt("192.0.2.1", PASSWORD).await.is(200);
}

/// Guarantees 19 and 21.
#[tokio::test]
async fn an_address_can_be_limited_and_cannot_be_spoofed() {
    let app = TestApp::with(|options| options.config.throttle.address_per_minute = 3).await;
    let attempt = async |n: u64| {
        let call = app
            .anonymous()
            .post(LOGIN)
            .header("x-forwarded-for", &format!("192.0.2.{n}"));
        call.json(&json!({"username": format!("nobody{n}"), "password": PASSWORD}))
            .send()
            .await
    };
    // A window may end between two of these, but not between all.
    let mut refused = None;
    for n in 0..7 {
        let answer = attempt(n).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        answer.is(401);
    }
    let left = wait(refused.unwrap());
    assert!(left <= 60, "{left}");
    app.clock.advance(left);
    attempt(9).await.is(401);
    for n in 0..7 {
        let name = format!("user{n}");
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        let answer = app.anonymous().post(REGISTER).json(&body).send().await;
        if answer.status == 429 {
            return;
        }
    }
    panic!("registering has no limit");
}
