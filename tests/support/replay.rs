//! Replays the scenario against a target: the functions in this process, a gateway over HTTP, or release binaries
//! (`emulator.rs`). Every target must answer as the functions in this process do.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header::DATE};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::Url;

use super::{
    Answer, TestApp,
    event::{DOMAIN, Event},
    scenario::{self, Kept, SCENARIO, cursor_of},
};

/// Something that answers events.
pub trait Target {
    async fn answer(&self, event: &Event) -> Answer;

    /// The origins that the URLs in its answers may have.
    fn origins(&self) -> Vec<String>;

    /// The request id of its answer, where that is known.
    fn request_id(&self, event: &Event) -> Option<String>;

    /// Headers that it adds to every answer.
    fn own_headers(&self) -> &[HeaderName] {
        &[]
    }
}

/// Replays the scenario against `target`, whose table must be empty, and step by step against a server in this process with a
/// table of its own. Returns the differences between the answers. It stops after differences at the first step, since then the
/// table isn't empty, or something else answers.
pub async fn differences(target: &impl Target) -> Vec<String> {
    let app = TestApp::new().await;
    let (mut ours, mut theirs) = (Kept::default(), Kept::default());
    let mut differences = Vec::new();
    for (name, status, event) in scenario::events() {
        let expected = step(&app, &mut ours, &event).await;
        assert_eq!(expected["status"], status, "{name} in process: {expected:#}");
        let given = step(target, &mut theirs, &event).await;
        differences.extend(difference(name, &expected, &given));
        if name == SCENARIO[0].0 && !differences.is_empty() {
            break;
        }
    }
    differences
}

async fn step(target: &impl Target, kept: &mut Kept, event: &Event) -> Value {
    let event = kept.fill(event.clone());
    let answer = target.answer(&event).await;
    kept.keep(&answer);
    settle(target, &event, answer)
}

/// The differences between two values, such as `<at>/body/results/0/id: 2 and not 1`.
pub fn difference(at: &str, expected: &Value, given: &Value) -> Vec<String> {
    match (expected, given) {
        (Value::Object(expected), Value::Object(given)) => {
            let names: BTreeSet<&String> = expected.keys().chain(given.keys()).collect();
            let of = |fields: &Map<String, Value>, name: &String| match fields.get(name) {
                Some(value) => value.clone(),
                None => json!("<nothing>"),
            };
            let fields = names.into_iter();
            fields
                .flat_map(|name| difference(&format!("{at}/{name}"), &of(expected, name), &of(given, name)))
                .collect()
        }
        (Value::Array(expected), Value::Array(given)) if expected.len() == given.len() => {
            let items = expected.iter().zip(given).enumerate();
            items
                .flat_map(|(n, (expected, given))| difference(&format!("{at}/{n}"), expected, given))
                .collect()
        }
        _ if expected == given => Vec::new(),
        _ => vec![format!("{at}: {given} and not {expected}")],
    }
}

/// The part of an answer that must be the same for every target. Values that can't be the same are replaced after a check of
/// their form.
fn settle(target: &impl Target, event: &Event, answer: Answer) -> Value {
    let head = event.request_context.http.method == "HEAD";
    answer.check(head);
    let mut headers: Map<String, Value> = Map::new();
    for name in answer
        .headers
        .keys()
        .filter(|name| !target.own_headers().contains(name))
    {
        let values = answer.headers.get_all(name).iter();
        // Several lines and one list mean the same, with any spaces (RFC 9110 §5.3).
        let values: Vec<&str> = values
            .flat_map(|value| value.to_str().unwrap().split(','))
            .map(str::trim)
            .collect();
        headers.insert(name.to_string(), values.join(", ").into());
    }
    let request_id = answer.header("x-request-id");
    if let Some(given) = target.request_id(event) {
        assert_eq!(request_id, given, "{}", answer.text);
    }
    headers.insert("x-request-id".into(), "<request id>".into());
    let origins = target.origins();
    for (name, hidden) in [
        ("etag", hide_tag as fn(&[String], &str) -> Option<String>),
        ("link", hide_links),
    ] {
        if let Some(value) = headers.get_mut(name) {
            let text = value.as_str().unwrap();
            let hidden = hidden(&origins, text);
            *value = hidden.unwrap_or_else(|| panic!("{name}: {text}")).into();
        }
    }
    if !head && let Some(length) = headers.remove("content-length") {
        assert_eq!(length, answer.text.len().to_string(), "{}", answer.text);
    }
    let mut body = answer.body;
    if body.is_null() {
        // The body is empty or isn't JSON.
        body = answer.text.into();
    }
    hide(&origins, &mut body).unwrap_or_else(|e| panic!("{}: {e} in {body:#}", event.raw_path));
    json!({"status": answer.status.as_u16(), "headers": headers, "body": body})
}

/// An entity tag with its digest, which depends on times and keys, as `<digest>`.
fn hide_tag(_: &[String], tag: &str) -> Option<String> {
    let (start, digest) = tag.strip_suffix('"')?.split_at_checked(tag.len() - 33)?;
    let is_digest = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let edition = start
        .strip_prefix('"')
        .and_then(|edition| edition.strip_suffix('-')?.split_once('.'));
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    let is_edition = edition.is_some_and(|(movie, version)| is_number(movie) && is_number(version));
    (is_digest && (is_edition || start == "W/\"")).then(|| format!("{start}<digest>\""))
}

/// The links of a `Link` header, each with its URL as a page's.
fn hide_links(origins: &[String], links: &str) -> Option<String> {
    let links = links.split(", ").map(|link| {
        let (url, relation) = link.strip_prefix('<')?.split_once('>')?;
        Some(format!("<{}>{relation}", page(origins, url)?.as_str()?))
    });
    Some(links.collect::<Option<Vec<_>>>()?.join(", "))
}

/// Replaces the values in a body that differ between replays.
///
/// # Errors
/// When such a value doesn't have its form.
fn hide(origins: &[String], value: &mut Value) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| hide(origins, item)),
        Value::Object(fields) => fields.iter_mut().try_for_each(|(name, value)| {
            let hidden = match value.as_str() {
                Some(text) => hidden(origins, name, text).ok_or_else(|| format!("{name} is {text:?}"))?,
                None => None,
            };
            match hidden {
                Some(hidden) => *value = hidden,
                None => hide(origins, value)?,
            }
            Ok(())
        }),
        _ => Ok(()),
    }
}

/// The replacement of a field's text, `Some(None)` when it needs none. `None` when the text doesn't have its form.
fn hidden(origins: &[String], name: &str, text: &str) -> Option<Option<Value>> {
    let hidden = match name {
        "access" => access_token(text)?,
        "refresh" => opaque(text)?,
        // In problem documents. The check of every answer compares it with the header.
        "request_id" => json!("<request id>"),
        "created_at" | "updated_at" | "date_joined" | "last_used_at" | "expires_at" => {
            OffsetDateTime::parse(text, &Rfc3339)
                .ok()
                .filter(|_| text.ends_with('Z'))?;
            json!(format!("<{} characters of time>", text.len()))
        }
        "next" | "previous" => page(origins, text)?,
        // In the list of sessions. Other ids are numbers.
        "id" => id(text).filter(|_| text.len() == 32)?,
        // In public keys (RFC 8037 §2).
        "kid" => id(text)?,
        "x" => opaque(text).filter(|hidden| hidden == "<32 bytes>")?,
        _ => return Some(None),
    };
    Some(Some(hidden))
}

fn id(text: &str) -> Option<Value> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (!text.is_empty() && text.bytes().all(good)).then(|| json!("<id>"))
}

fn opaque(text: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    (bytes.len() >= 16).then(|| json!(format!("<{} bytes>", bytes.len())))
}

/// The header and the claims of an access token, with its times relative to `iat`.
fn access_token(text: &str) -> Option<Value> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return None;
    };
    let json = |part: &str| {
        let json = URL_SAFE_NO_PAD.decode(part).ok()?;
        serde_json::from_slice::<Map<String, Value>>(&json).ok()
    };
    let (mut header, mut claims) = (json(header)?, json(claims)?);
    header.insert("kid".into(), id(header.get("kid")?.as_str()?)?);
    claims.insert("jti".into(), id(claims.get("jti")?.as_str()?)?);
    claims.insert("sid".into(), id(claims.get("sid")?.as_str()?)?);
    let issued = claims.get("iat")?.as_i64()?;
    for name in ["iat", "nbf", "exp"] {
        let time = claims.get(name)?.as_i64()?;
        claims.insert(name.into(), json!(time - issued));
    }
    Some(json!({"header": header, "claims": claims, "signature": opaque(signature)?}))
}

/// The URL of another page, which must have a known origin and a cursor.
fn page(origins: &[String], text: &str) -> Option<Value> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| origins.contains(&url.origin().ascii_serialization()))?;
    let cursor = cursor_of(&url)?;
    let target = &url[url::Position::BeforePath..];
    Some(json!(target.replace(&cursor, opaque(&cursor)?.as_str()?)))
}

/// The answer of a function, in payload format 2.0. It may have no other fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Response {
    status_code: u16,
    headers: HashMap<String, String>,
    /// `lambda_http` writes it. It isn't part of the format, so it must be empty.
    multi_value_headers: HashMap<String, Value>,
    cookies: Vec<String>,
    body: Option<String>,
    is_base64_encoded: bool,
}

/// The answer in a function's response.
pub fn answer(response: &Value) -> Answer {
    let response: Response =
        serde_json::from_value(response.clone()).unwrap_or_else(|e| panic!("{e} in {response:#}"));
    assert!(response.multi_value_headers.is_empty() && response.cookies.is_empty());
    assert!(!response.is_base64_encoded, "every answer is text");
    let mut headers = HeaderMap::new();
    for (name, value) in &response.headers {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, value.parse::<HeaderValue>().unwrap());
    }
    let text = response.body.unwrap_or_default();
    Answer {
        status: StatusCode::from_u16(response.status_code).unwrap(),
        headers,
        body: serde_json::from_str(&text).unwrap_or_default(),
        text,
    }
}

/// The functions in this process.
impl Target for TestApp {
    async fn answer(&self, event: &Event) -> Answer {
        let response = self.running.gateway.invoke(&event.to_value()).await;
        answer(&response.unwrap())
    }

    fn origins(&self) -> Vec<String> {
        vec![format!("https://{DOMAIN}")]
    }

    fn request_id(&self, event: &Event) -> Option<String> {
        Some(event.request_context.request_id.clone())
    }
}

/// A gateway over HTTP.
pub struct Gateway {
    base: String,
    http: reqwest::Client,
}

impl Gateway {
    /// The gateway at `http://<host>:<port>`.
    pub fn new(base: &str) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            http: reqwest::Client::builder()
                .no_proxy()
                // A redirect is an answer, which the functions never give.
                .redirect(reqwest::redirect::Policy::none())
                // `cargo lambda watch` may compile a function at its first request.
                .timeout(Duration::from_secs(600))
                .build()
                .unwrap(),
        }
    }
}

impl Target for Gateway {
    async fn answer(&self, event: &Event) -> Answer {
        let request = event.request();
        let url = format!("{}{}", self.base, request.target());
        let response = self
            .http
            .request(request.method, &url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .unwrap_or_else(|e| panic!("{url}: {e}"));
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        Answer {
            status,
            headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    /// Its own, with either scheme: `cargo lambda watch` doesn't send functions the scheme, and `lambda_http` then assumes
    /// https.
    fn origins(&self) -> Vec<String> {
        let (_, host) = self.base.split_once("://").unwrap();
        ["http", "https"]
            .map(|scheme| format!("{scheme}://{host}"))
            .to_vec()
    }

    fn request_id(&self, _: &Event) -> Option<String> {
        None
    }

    /// `cargo run` and `cargo lambda watch` are both hyper's server.
    fn own_headers(&self) -> &[HeaderName] {
        &[DATE]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://movies.example.com";

    fn jwt(claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = part(&json!({"alg": "EdDSA", "kid": "one"}));
        format!("{header}.{}.{}", part(claims), URL_SAFE_NO_PAD.encode([7; 64]))
    }

    #[test]
    fn what_is_hidden_has_its_shape_and_shows_what_it_must_agree_in() {
        let bytes = URL_SAFE_NO_PAD.encode([7; 32]);
        let claims = json!({"sub": "1", "sid": "b", "jti": "a", "iat": 100, "nbf": 100, "exp": 1000});
        let shown = json!({"sub": "1", "sid": "<id>", "jti": "<id>", "iat": 0, "nbf": 0, "exp": 900});
        for (name, text, hidden) in [
            (
                "access",
                jwt(&claims).as_str(),
                json!({
                    "header": {"alg": "EdDSA", "kid": "<id>"}, "claims": shown, "signature": "<64 bytes>",
                }),
            ),
            ("refresh", &bytes, json!("<32 bytes>")),
            (
                "created_at",
                "2026-11-22T21:34:01.250Z",
                json!("<24 characters of time>"),
            ),
            (
                "next",
                &format!("{ORIGIN}/api/movies/?limit=2&cursor={bytes}"),
                json!("/api/movies/?limit=2&cursor=<32 bytes>"),
            ),
            ("kid", "2026-11", json!("<id>")),
            ("x", &bytes, json!("<32 bytes>")),
        ] {
            let mut body = json!({"results": [{name: text, "title": text}]});
            hide(&[ORIGIN.to_owned()], &mut body).unwrap();
            assert_eq!(body, json!({"results": [{name: hidden, "title": text}]}));
        }
    }

    #[test]
    fn nothing_is_hidden_that_has_another_shape() {
        let bytes = URL_SAFE_NO_PAD.encode([7; 31]);
        for (name, text) in [
            ("access", ""),
            ("access", "a.b.c"),
            ("access", &jwt(&json!({"jti": "a", "iat": 100, "nbf": 100}))),
            (
                "access",
                &jwt(&json!({"sid": "b", "jti": "", "iat": 100, "nbf": 100, "exp": 1000})),
            ),
            ("refresh", ""),
            ("refresh", "dG9vIHNob3J0"),
            ("refresh", "not base64, though it is long enough to be"),
            ("updated_at", "2026-11-22 21:34:01"),
            ("date_joined", "2026-11-22T22:34:01.250+01:00"),
            (
                "next",
                &format!("http://movies.example.com/api/movies/?cursor={bytes}"),
            ),
            (
                "next",
                &format!("{ORIGIN}.example.org/api/movies/?cursor={bytes}"),
            ),
            ("next", &format!("{ORIGIN}/api/movies/?limit=2")),
            ("previous", &format!("/api/movies/?cursor={bytes}")),
            ("kid", ""),
            ("kid", "two words"),
            ("x", &bytes),
        ] {
            let mut body = json!({name: text});
            assert!(hide(&[ORIGIN.to_owned()], &mut body).is_err(), "{name}: {text}");
        }
    }

    #[test]
    fn every_difference_is_one_and_says_where() {
        let answer = json!({"status": 200, "headers": {"etag": "\"1\""}, "body": {"ids": [1, 2]}});
        assert_eq!(difference("x", &answer, &answer), [""; 0]);
        for (field, value, says) in [
            ("status", json!(201), "x/status: 201 and not 200"),
            (
                "headers",
                json!({"etag": "\"1\"", "a": "b"}),
                r#"x/headers/a: "b" and not "<nothing>""#,
            ),
            (
                "headers",
                json!({}),
                r#"x/headers/etag: "<nothing>" and not "\"1\"""#,
            ),
            ("body", json!({"ids": [1, 3]}), "x/body/ids/1: 3 and not 2"),
            ("body", json!({"ids": [1]}), "x/body/ids: [1] and not [1,2]"),
            ("body", json!(""), r#"x/body: "" and not {"ids":[1,2]}"#),
        ] {
            let mut other = answer.clone();
            other[field] = value;
            assert_eq!(difference("x", &answer, &other), [says]);
        }
    }
}
