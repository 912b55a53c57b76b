//! Registration, login, refresh, logout and password resets, and the tokens that are refused.

mod login;
mod password_reset;
mod registration;
mod sessions;
mod tokens;

pub(super) use tokens::SigningFixture;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::api::with_changes;
use crate::support::{Answer, Caller, PASSWORD, TestApp};

pub(super) const REGISTER: &str = "/api/auth/register/";
pub(super) const LOGIN: &str = "/api/auth/login/";
pub(super) const REFRESH: &str = "/api/auth/refresh/";
pub(super) const LOGOUT: &str = "/api/auth/logout/";

pub(super) fn registration_body() -> Value {
    json!({"username": "Ripley", "email": "Ellen@Example.com", "password": PASSWORD})
}

pub(super) async fn post(app: &TestApp, path: &str, body: Value) -> Answer {
    app.anonymous().post(path).json(&body).send().await
}

pub(super) async fn register(app: &TestApp, changes: Value) -> Answer {
    post(app, REGISTER, with_changes(&registration_body(), &changes)).await
}

pub(super) async fn login(app: &TestApp, username: &str, password: &str) -> Answer {
    post(app, LOGIN, json!({"username": username, "password": password})).await
}

pub(super) async fn refresh(app: &TestApp, token: &str) -> Answer {
    post(app, REFRESH, json!({"refresh": token})).await
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Returns the header and the claims of a JWT.
pub(super) fn decode_jwt(token: &str) -> (Value, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let part = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    (part(parts[0]), part(parts[1]))
}

/// Returns a caller who sends this access token.
pub(super) fn caller_with(app: &TestApp, access: &str) -> Caller {
    Caller {
        access: Some(access.to_owned()),
        ..app.anonymous()
    }
}

pub(super) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}
