//! Events of payload format 2.0, as API Gateway sends them: those of `events/`, and those that a test makes.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use http::{HeaderMap, HeaderName, Method, Uri, Version, header};
use marquee::{
    gateway::{Arrival, Host, event_for, raw_path},
    server::TEMPLATE,
    template::Template,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{OffsetDateTime, macros::datetime};

/// The id of the API, which is part of its domain.
const API_ID: &str = "a1b2c3d4e5";

/// The domain of the API.
pub const DOMAIN: &str = "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com";

/// The address of the client, one reserved for documentation (RFC 5737).
const SOURCE: [u8; 4] = [192, 0, 2, 7];

/// The time of every request.
const TIME: OffsetDateTime = datetime!(2026-11-22 21:34:01.250 UTC);

/// The placeholder for the access token of the user who signed in last.
pub const ACCESS_TOKEN: &str = "ACCESS_TOKEN";

/// The placeholder for the refresh token of the user who signed in last.
pub const REFRESH_TOKEN: &str = "REFRESH_TOKEN";

/// The placeholder for the cursor of the last `next`.
pub const CURSOR: &str = "CURSOR";

/// The placeholder of the id of the current session.
pub const SESSION_ID: &str = "SESSION_ID";

/// The headers that the gateway sets, whatever the client sent.
const OF_THE_GATEWAY: [&str; 6] = [
    "content-length",
    "host",
    "x-amzn-trace-id",
    "x-forwarded-for",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// The characters that are encoded in the path of a URL. The gateway decodes them again.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?');

/// An event, with its fields in the order of AWS. It may have no others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    pub version: String,
    pub route_key: String,
    pub raw_path: String,
    pub raw_query_string: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<String>,
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub query_string_parameters: BTreeMap<String, String>,
    pub request_context: RequestContext,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub path_parameters: BTreeMap<String, String>,
    pub is_base64_encoded: bool,
}

/// The `requestContext` of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestContext {
    pub account_id: String,
    pub api_id: String,
    pub domain_name: String,
    pub domain_prefix: String,
    pub http: Http,
    pub request_id: String,
    pub route_key: String,
    pub stage: String,
    pub time: String,
    pub time_epoch: i64,
}

/// The `requestContext.http` of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    pub method: String,
    pub path: String,
    pub protocol: String,
    pub source_ip: String,
    pub user_agent: String,
}

/// The part of an event that comes from the client's request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Draft {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    request_context: DraftContext,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct DraftContext {
    http: DraftHttp,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct DraftHttp {
    method: String,
}

/// A client's request, as far as an event has it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Its path, decoded.
    pub path: String,
    pub query: String,
    /// Its headers, without those that the gateway sets.
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the event has the body in base64. `None` lets the gateway decide.
    base64: Option<bool>,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Vec::new(),
            base64: None,
        }
    }

    pub fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, value.parse().unwrap());
        self
    }

    pub fn body(self, media: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { body, ..self }.header("content-type", media)
    }

    /// Has the body in base64, or as text, whatever the gateway would do.
    pub fn base64(self, base64: bool) -> Self {
        let base64 = Some(base64);
        Self { base64, ..self }
    }

    /// Lets the gateway decide on base64 again.
    pub fn base64_as_the_gateway_does(self) -> Self {
        Self { base64: None, ..self }
    }

    /// The path and the query.
    pub fn target(&self) -> String {
        let path = utf8_percent_encode(&self.path, PATH);
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{path}{mark}{}", self.query)
    }

    /// The event that AWS sends for it: the one that the local gateway makes, with the id of an API, and the port and scheme of a
    /// domain instead of this machine's. Values that AWS generates, such as ids, are derived from `name`.
    pub fn event(&self, name: &str) -> Event {
        let template = Template::parse(TEMPLATE).unwrap();
        let uri: Uri = self.target().parse().unwrap();
        let found = template.routes.resolve(&self.method, &raw_path(&uri)).unwrap();
        let made_up = digest(&SHA256, name.as_bytes());
        let (request_id, trace_id) = made_up.as_ref().split_at(11);
        let arrival = Arrival {
            method: &self.method,
            uri: &uri,
            version: Version::HTTP_11,
            headers: &self.headers,
            body: &self.body,
            host: &Host::parse(DOMAIN).unwrap(),
            source: SOURCE.into(),
            request_id: &URL_SAFE.encode(request_id),
            time: TIME,
        };
        let mut event: Event = serde_json::from_value(event_for(&arrival, &found)).unwrap();
        API_ID.clone_into(&mut event.request_context.api_id);
        let trace_id: String = trace_id[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        for (name, value) in [
            (
                "x-amzn-trace-id",
                format!("Root=1-{:08x}-{trace_id}", TIME.unix_timestamp()),
            ),
            ("x-forwarded-port", "443".into()),
            ("x-forwarded-proto", "https".into()),
        ] {
            let given = event.headers.insert(name.into(), value);
            assert!(given.is_some(), "the gateway sets no {name}");
        }
        if let Some(base64) = self.base64 {
            event.set_body(&self.body, base64);
        }
        event
    }
}

impl From<Draft> for Request {
    fn from(draft: Draft) -> Self {
        let mut request = Self::new(&draft.request_context.http.method, &draft.raw_path);
        request.query = draft.raw_query_string;
        for (name, value) in &draft.headers {
            if !OF_THE_GATEWAY.contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        if !draft.cookies.is_empty() {
            request = request.header(header::COOKIE.as_str(), &draft.cookies.join("; "));
        }
        if let Some(body) = draft.body {
            request.base64 = draft.is_base64_encoded;
            request.body = match draft.is_base64_encoded {
                Some(true) => STANDARD.decode(body).unwrap(),
                _ => body.into_bytes(),
            };
        }
        request
    }
}

impl Event {
    /// The request in it.
    pub fn request(&self) -> Request {
        request(&self.to_text())
    }

    /// Its text in a file of `events/`.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap() + "\n"
    }

    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap()
    }

    fn set_body(&mut self, body: &[u8], base64: bool) {
        if body.is_empty() {
            return;
        }
        self.is_base64_encoded = base64;
        self.body = Some(match base64 {
            true => STANDARD.encode(body),
            false => String::from_utf8(body.to_vec()).unwrap(),
        });
        let length = body.len().to_string();
        self.headers
            .insert(header::CONTENT_LENGTH.as_str().into(), length);
    }

    /// The event with `placeholder` replaced in headers, cookies, the query and the body, also where the body is in base64. The
    /// value must need no encoding in a URL.
    pub fn with(mut self, placeholder: &str, value: &str) -> Self {
        let headers = self.headers.values_mut().chain(&mut self.cookies);
        let query = self
            .query_string_parameters
            .values_mut()
            .chain([&mut self.raw_query_string]);
        let path = self.path_parameters.values_mut();
        let path = path.chain([&mut self.raw_path, &mut self.request_context.http.path]);
        for text in headers.chain(query).chain(path) {
            *text = text.replace(placeholder, value);
        }
        // A body that isn't text, such as an image in a form, has no placeholders.
        if let Ok(body) = String::from_utf8(self.request().body) {
            self.set_body(
                body.replace(placeholder, value).as_bytes(),
                self.is_base64_encoded,
            );
        }
        self
    }
}

fn request(text: &str) -> Request {
    let draft: Draft = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"));
    draft.into()
}

/// The event in `text`, which may be incomplete. Everything that doesn't come from the request is made again.
pub fn complete(name: &str, text: &str) -> Event {
    request(text).event(name)
}

/// The directory of the events.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

/// The text of the file of an event.
pub fn text(name: &str) -> String {
    let path = directory().join(name).with_extension("json");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The event with this name, such as `movies/create_movie`.
pub fn read(name: &str) -> Event {
    serde_json::from_str(&text(name)).unwrap_or_else(|e| panic!("events/{name}.json: {e}"))
}

/// The names of all events.
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    for group in fs::read_dir(directory()).unwrap() {
        let group = group.unwrap();
        if !group.file_type().unwrap().is_dir() {
            continue;
        }
        for file in fs::read_dir(group.path()).unwrap() {
            let file = file.unwrap().file_name();
            let stem = file.to_str().and_then(|file| file.strip_suffix(".json"));
            let stem = stem.unwrap_or_else(|| panic!("{file:?} in events/ isn't a JSON file"));
            names.push(format!("{}/{stem}", group.file_name().to_str().unwrap()));
        }
    }
    names.sort_unstable();
    names
}
