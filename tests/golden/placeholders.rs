//! Placeholders, which replace values that differ from run to run.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

/// The shapes of the strings that are replaced, each with its placeholder. They are applied in this order. No
/// placeholder matches a later shape.
static SHAPES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let shapes = [
        (
            r"^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$",
            "<Argon2id hash>",
        ),
        (
            r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
            "<UUID>",
        ),
        (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>"),
        (r"^\d{16}#[0-9a-f]{16}$", "<time>#<random>"),
        (r"\b[0-9a-f]{64}\b", "<SHA-256>"),
        (r"^(SESSION#)?[0-9a-f]{32}$", "$1<16 bytes>"),
        (r"^(cover:)?[0-9a-f]{32}\.png$", "$1<16 bytes>.png"),
        (r"^[A-Za-z0-9_-]{43}$", "<32 bytes>"),
        (r"^[A-Za-z0-9+/]{43}=$", "<32 bytes>"),
        (r"^(WINDOW#)\d+$", "$1<window>"),
        (r"^(MINUTE#)\d+$", "$1<minute>"),
    ];
    shapes
        .map(|(shape, name)| (Regex::new(shape).unwrap(), name))
        .into()
});

/// Returns the placeholder for a number of as many digits: ten are seconds since 1970, thirteen are milliseconds, and sixteen
/// mark a refill. No other number has as many digits. A movie's `likes` has eleven.
fn number_placeholder(number: &str) -> Option<&'static str> {
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    match number.len() {
        10 if digits => Some("<seconds>"),
        13 if digits => Some("<milliseconds>"),
        16 if digits => Some("<refill>"),
        _ => None,
    }
}

/// Replaces values in the body of a call by placeholders, and the name of the table by `marquee`.
pub(super) fn substitute(body: &mut Value, table: &str) {
    match body {
        Value::String(text) => *text = substituted(text, table),
        Value::Array(values) => values.iter_mut().for_each(|value| substitute(value, table)),
        Value::Object(members) => {
            let old = std::mem::take(members);
            for (name, mut value) in old {
                match (name.as_str(), &mut value) {
                    ("N", Value::String(number)) => {
                        if let Some(name) = number_placeholder(number) {
                            name.clone_into(number);
                        }
                    }
                    _ => substitute(&mut value, table),
                }
                members.insert(substituted(&name, table), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns a string with placeholders.
fn substituted(text: &str, table: &str) -> String {
    if text == table {
        return "marquee".into();
    }
    let mut text = text.to_owned();
    for (shape, name) in SHAPES.iter() {
        text = shape.replace_all(&text, *name).into_owned();
    }
    text
}
