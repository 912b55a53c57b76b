//! Tests of every operation over HTTP: its results, its permissions and its errors.

mod account;
mod auth;
mod captured_log;
mod catalog;
mod coverage;
mod events;
mod favorites;
mod fuzz;
mod http;
mod idempotency;
mod keys;
mod lists;
mod logged_events;
mod logs;
mod metrics;
mod movies;
mod scripts;
mod search;
mod search_corrected;
mod sizes;
mod texts;
mod throttles;
mod users;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Answer, Caller, encode};

/// The media types that every endpoint with a body accepts.
pub const MEDIA_TYPES: [&str; 3] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
];

/// Returns the content type and the body that encode these fields in one of the [`MEDIA_TYPES`].
pub fn body_of(media: &str, fields: &Value) -> (String, String) {
    let fields = fields.as_object().unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match media {
        "application/json" => (media.into(), json!(fields).to_string()),
        "multipart/form-data" => {
            let mut body = String::new();
            for (name, value) in fields {
                let _ = write!(
                    body,
                    "--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n",
                    text(value)
                );
            }
            (format!("{media}; boundary=edge"), body + "--edge--\r\n")
        }
        _ => {
            let pairs: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}={}", encode(&text(value))))
                .collect();
            (media.into(), pairs.join("&"))
        }
    }
}

/// Returns an answer's status and body. The body has no `request_id`, which is unique to each answer.
pub fn without_request_id(answer: Answer) -> (u16, Value) {
    let mut body = answer.body;
    if let Some(problem) = body.as_object_mut() {
        problem.remove("request_id");
    }
    (answer.status.as_u16(), body)
}

/// Returns `movie` with some fields replaced. A field whose new value is null is removed.
pub fn with_changes(movie: &Value, changes: &Value) -> Value {
    let mut movie = movie.clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            movie.as_object_mut().unwrap().remove(name);
        } else {
            movie[name] = value.clone();
        }
    }
    movie
}

/// Returns `field` of each result, which must be a string.
pub fn texts<'a>(answer: &'a Answer, field: &str) -> Vec<&'a str> {
    let results = answer.body["results"].as_array().unwrap();
    results.iter().map(|item| item[field].as_str().unwrap()).collect()
}

/// Returns the ids of each page, from `path` until `direction` (`next` or `previous`) is null.
pub async fn pages(caller: &Caller, path: &str, direction: &str) -> Vec<Vec<u64>> {
    let (mut pages, mut at) = (Vec::new(), path.to_owned());
    loop {
        let answer = caller.get(&at).send().await.is(200);
        pages.push(answer.ids());
        assert!(pages.len() < 200, "{path} does not end");
        match answer.body[direction].as_str() {
            Some(url) => url.clone_into(&mut at),
            None => return pages,
        }
    }
}

/// Returns the URL of the last page.
pub async fn last_page(caller: &Caller, path: &str) -> String {
    let mut at = path.to_owned();
    loop {
        match caller.get(&at).send().await.is(200).body["next"].as_str() {
            Some(next) => next.clone_into(&mut at),
            None => return at,
        }
    }
}
