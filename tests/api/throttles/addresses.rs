//! Throttles by address: which address a request has.

use marquee_shared::domain::password::Secret;
use serde_json::json;

use super::{FREE, LOGIN, WRONG, attempt_until_throttled, fill_window, retry_after, start_window};
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
    app.clock.stop();
    for n in 0..FREE {
        attempt(n).await.is(401);
    }
    retry_after(attempt(FREE).await);
}

/// Guarantees 21 and 22: behind CloudFront, the gateway sees CloudFront's address, and a header of CloudFront has the
/// client's.
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
    attempt_until_throttled(&app, async || attempt("198.51.100.1", WRONG).await).await;
    attempt_until_throttled(&app, async || attempt("2001:db8::1", WRONG).await).await;
    // All addresses of an IPv6 subnet are one client.
    retry_after(attempt("2001:db8:0:1::2", WRONG).await);
    attempt("2001:db8:0:100::2", WRONG).await.is(401);
    // If the header is missing or invalid, the address is the one that the gateway sees.
    attempt_until_throttled(&app, async || attempt("", WRONG).await).await;
    retry_after(attempt("x", PASSWORD).await);
    start_window(&app);
    fill_window(&app, "ripley", "guess").await;
    retry_after(attempt("198.51.100.2", PASSWORD).await);
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
    start_window(&app);
    for n in 0..3 {
        attempt(n).await.is(401);
    }
    let left = retry_after(attempt(3).await);
    assert_eq!(left, 60);
    app.clock.advance(left);
    attempt(9).await.is(401);
    let register = async |n: u64| {
        let name = format!("user{n}");
        let body = json!({"username": name, "email": format!("{name}@example.com"), "password": PASSWORD});
        app.anonymous().post(REGISTER).json(&body).send().await
    };
    for n in 0..2 {
        register(n).await.is(201);
    }
    retry_after(register(2).await);
}
