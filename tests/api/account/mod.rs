//! What a user does with their own account: sessions, the password, the names.

mod deletion;
mod names;
mod password;
mod sessions;

use serde_json::{Value, json};

use super::auth::{LOGIN, post};
use crate::support::{Answer, Caller, PASSWORD, TestApp};

pub(super) const ME: &str = "/api/users/me/";
pub(super) const PASSWORD_PATH: &str = "/api/users/me/password/";
pub(super) const SESSIONS: &str = "/api/users/me/sessions/";

/// Another password.
const OTHER: &str = "you are my lucky star";

/// The body of a change from the usual password to another one.
fn other_password() -> Value {
    json!({"current_password": PASSWORD, "new_password": OTHER})
}

/// Changes the password of a user from the usual one to another one.
async fn change_password(member: &Caller) -> Answer {
    let call = member.put(PASSWORD_PATH).json(&other_password());
    call.send().await.is(204)
}

async fn sign_in(app: &TestApp, name: &str, password: &str) -> Answer {
    post(app, LOGIN, json!({"username": name, "password": password})).await
}

/// The ids of a caller's sessions, in the order of the list.
async fn session_ids(caller: &Caller) -> Vec<String> {
    let list = caller.get(SESSIONS).send().await.is(200);
    let results = list.body["results"].as_array().unwrap();
    assert_eq!(list.body["count"], json!(results.len()));
    let ids = results
        .iter()
        .map(|session| session["id"].as_str().unwrap().to_owned());
    ids.collect()
}
