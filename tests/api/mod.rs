//! Every operation over HTTP: what it does, whom it lets, and how it refuses.

mod auth;
mod catalog;
mod ceilings;
mod coverage;
mod events;
mod favorites;
mod http;
mod keys;
mod lists;
mod logs;
mod movies;
mod search;
mod sizes;
mod texts;
mod throttles;
mod users;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Answer, Caller, encode};

/// The media types that every endpoint with a body takes.
pub const MEDIA: [&str; 3] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
];

/// A body of one of the [`MEDIA`] with these fields, and its content type.
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

/// An answer's status and body, without the id that every answer has of its own.
pub fn settled(answer: Answer) -> (u16, Value) {
    let mut body = answer.body;
    if let Some(problem) = body.as_object_mut() {
        problem.remove("request_id");
    }
    (answer.status.as_u16(), body)
}

/// `movie` with some fields replaced, or taken out where the new value is null.
pub fn but(movie: &Value, changes: &Value) -> Value {
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

/// A result's texts under `field`.
pub fn texts<'a>(answer: &'a Answer, field: &str) -> Vec<&'a str> {
    let results = answer.body["results"].as_array().unwrap();
    results.iter().map(|item| item[field].as_str().unwrap()).collect()
}

/// The ids on every page from `path` on, following `next` or `previous`, page by page.
pub async fn pages(caller: &Caller, path: &str, direction: &str) -> Vec<Vec<u64>> {
    let (mut pages, mut at) = (Vec::new(), path.to_owned());
    loop {
        let answer = caller.get(&at).send().await.is(200);
        pages.push(answer.ids());
        assert!(pages.len() < 200, "{path} has no end");
        match answer.body[direction].as_str() {
            Some(url) => url.clone_into(&mut at),
            None => return pages,
        }
    }
}

/// The URL of the last page.
pub async fn last_page(caller: &Caller, path: &str) -> String {
    let mut at = path.to_owned();
    loop {
        match caller.get(&at).send().await.is(200).body["next"].as_str() {
            Some(next) => next.clone_into(&mut at),
            None => return at,
        }
    }
}
