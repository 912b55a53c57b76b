//! The event that API Gateway makes of a request: the payload format 2.0 of HTTP APIs.
//!
//! Sources, both in the API Gateway developer guide: "Create AWS Lambda proxy integrations for HTTP APIs" (the format, an
//! example, how cookies and duplicates are combined) and "Create routes for HTTP APIs" (decoding). The guide doesn't say
//! that HTTP APIs percent-decode `rawPath` and cut it at a decoded `?`; captures of real events show it.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING,
        UPGRADE, USER_AGENT,
    },
};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use url::form_urlencoded;

use super::host::Host;
use crate::template::Match;

/// The stage of every request.
const STAGE: &str = "$default";

/// The account number of AWS's examples.
const ACCOUNT: &str = "123456789012";

/// The API's id. On AWS it has ten random characters.
const API_ID: &str = "local";

/// The format of `requestContext.time`, in UTC: `12/Mar/2020:19:03:58 +0000`.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// Headers that aren't in an event: those of one connection (RFC 9110 §7.6.1), and those that [`event_for`] puts elsewhere.
const NOT_PASSED_ON: [HeaderName; 7] = [
    CONNECTION,
    COOKIE,
    EXPECT,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// More headers of one connection, which have no constant in the `http` crate.
const NOT_PASSED_ON_BY_NAME: [&str; 2] = ["keep-alive", "proxy-connection"];

/// All that the event of a request is made of.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// The request's method.
    pub method: &'a Method,
    /// The request target, of which only the path and the query are used.
    pub uri: &'a Uri,
    /// The HTTP version.
    pub version: Version,
    /// The headers as the client sent them.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
    /// The host that the request is addressed to.
    pub host: &'a Host,
    /// The client's address.
    pub source: IpAddr,
    /// The id that the gateway has assigned.
    pub request_id: &'a str,
    /// When the request arrived.
    pub time: OffsetDateTime,
}

/// Returns the path of a request as its event has it: percent-decoded and cut at a decoded `?`, as HTTP APIs do. A path
/// whose decoded bytes aren't UTF-8 is returned as the client sent it. Routes are matched with this path.
pub fn raw_path(uri: &Uri) -> String {
    let Ok(decoded) = percent_decode_str(uri.path()).decode_utf8() else {
        return uri.path().to_owned();
    };
    match decoded.split_once('?') {
        Some((path, _)) => path.to_owned(),
        None => decoded.into_owned(),
    }
}

/// Returns the event that API Gateway would send for this request on this route, as JSON.
///
/// As on AWS, these fields are left out when they are empty: cookies, query parameters, path parameters and the body.
///
/// The event isn't made of the type in `aws_lambda_events`, because `ApiGatewayV2httpRequest` always writes fields that API
/// Gateway doesn't send, such as `type`, `methodArn` and `httpMethod`.
pub fn event_for(arrival: &Arrival<'_>, found: &Match<'_>) -> Value {
    let path = raw_path(arrival.uri);
    let query = arrival.uri.query().unwrap_or_default();
    let header = |name| arrival.headers.get(name).map(text).unwrap_or_default();
    let mut event = Map::new();
    event.insert("version".to_owned(), json!("2.0"));
    event.insert("routeKey".to_owned(), json!(found.route.key));
    event.insert("rawPath".to_owned(), json!(path));
    event.insert("rawQueryString".to_owned(), json!(query));
    let cookies = cookies(arrival.headers);
    if !cookies.is_empty() {
        event.insert("cookies".to_owned(), json!(cookies));
    }
    event.insert("headers".to_owned(), json!(headers(arrival)));
    if !query.is_empty() {
        event.insert("queryStringParameters".to_owned(), json!(query_parameters(query)));
    }
    if !found.path_parameters.is_empty() {
        event.insert("pathParameters".to_owned(), json!(found.path_parameters));
    }
    event.insert(
        "requestContext".to_owned(),
        json!({
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": arrival.host.name(),
            "domainPrefix": arrival.host.name().split('.').next(),
            "http": {
                "method": arrival.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", arrival.version),
                "sourceIp": source_ip(arrival),
                "userAgent": header(USER_AGENT),
            },
            "requestId": arrival.request_id,
            "routeKey": found.route.key,
            "stage": STAGE,
            "time": time(arrival),
            "timeEpoch": arrival.time.unix_timestamp_nanos() / 1_000_000,
        }),
    );
    let (body, is_base64) = body(arrival);
    if let Some(body) = body {
        event.insert("body".to_owned(), Value::String(body));
    }
    event.insert("isBase64Encoded".to_owned(), json!(is_base64));
    Value::Object(event)
}

/// A request with a body of at most this many bytes makes an event that isn't too large, whatever the body holds: JSON makes
/// six bytes of one at most, and the head is within [`MAX_HEAD`](super::head::MAX_HEAD).
pub(super) const SMALL_BODY: usize = 512 * 1024;

/// Returns what `lambda_http` reads from the text of [`event_for`]'s event. It is made without the text, which takes as much
/// time as the rest of the gateway.
pub(super) fn request_for(arrival: &Arrival<'_>, found: &Match<'_>) -> ApiGatewayV2httpRequest {
    let path = raw_path(arrival.uri);
    let query = arrival.uri.query().unwrap_or_default();
    let header = |name| arrival.headers.get(name).map(text).unwrap_or_default();
    let mut event = ApiGatewayV2httpRequest::default();
    let http = &mut event.request_context.http;
    http.method = arrival.method.clone();
    http.path = Some(path.clone());
    http.protocol = Some(format!("{:?}", arrival.version));
    http.source_ip = Some(source_ip(arrival));
    http.user_agent = Some(header(USER_AGENT));
    let context = &mut event.request_context;
    context.route_key = Some(found.route.key.clone());
    context.account_id = Some(ACCOUNT.to_owned());
    context.stage = Some(STAGE.to_owned());
    context.request_id = Some(arrival.request_id.to_owned());
    context.apiid = Some(API_ID.to_owned());
    context.domain_name = Some(arrival.host.name().to_owned());
    context.domain_prefix = arrival.host.name().split('.').next().map(str::to_owned);
    context.time = Some(time(arrival));
    context.time_epoch = i64::try_from(arrival.time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
    event.version = Some("2.0".to_owned());
    event.route_key = Some(found.route.key.clone());
    event.raw_path = Some(path);
    event.raw_query_string = Some(query.to_owned());
    let cookies = cookies(arrival.headers);
    event.cookies = (!cookies.is_empty()).then_some(cookies);
    event.headers = header_map(arrival);
    let values = |values: String| values.split(',').map(str::to_owned).collect();
    let parameters = query_parameters(query).into_iter();
    let parameters: HashMap<String, Vec<String>> =
        parameters.map(|(name, joined)| (name, values(joined))).collect();
    event.query_string_parameters = parameters.into();
    event.path_parameters = found.path_parameters.clone().into_iter().collect();
    let (body, is_base64) = body(arrival);
    event.body = body;
    event.is_base64_encoded = is_base64;
    event
}

/// Returns the body of an event, which is `None` for an empty one, and whether it is encoded in base64.
fn body(arrival: &Arrival<'_>) -> (Option<String>, bool) {
    if arrival.body.is_empty() {
        return (None, false);
    }
    match std::str::from_utf8(arrival.body) {
        Ok(text) if has_text(arrival.headers) => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(arrival.body)), true),
    }
}

/// Returns the time of a request in the format of `requestContext.time`.
fn time(arrival: &Arrival<'_>) -> String {
    let time = arrival.time.to_offset(time::UtcOffset::UTC);
    time.format(TIME).unwrap_or_default()
}

/// Whether a body with these headers is text in the event, provided it is UTF-8.
pub(super) fn has_text(headers: &HeaderMap) -> bool {
    is_text(&headers.get(CONTENT_TYPE).map(text).unwrap_or_default())
}

/// Whether HTTP APIs put a body of this content type into the event as text. Other bodies, and text that isn't UTF-8, are
/// encoded in base64.
fn is_text(content_type: &str) -> bool {
    let kind = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
}

/// Returns the headers of an event: names in lower case, duplicates joined by commas. The gateway's own headers replace
/// whatever the client has sent under their names.
fn headers(arrival: &Arrival<'_>) -> BTreeMap<String, String> {
    let passed_on = arrival.headers.keys().filter(|name| is_passed_on(name));
    let mut headers: BTreeMap<String, String> = passed_on
        .map(|name| (name.as_str().to_owned(), joined(arrival.headers, name)))
        .collect();
    for (name, value) in own_headers(arrival) {
        headers.insert(name.as_str().to_owned(), value);
    }
    headers
}

/// Returns the headers of [`headers`]. A value that is sent once and is UTF-8 isn't copied.
fn header_map(arrival: &Arrival<'_>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(arrival.headers.keys_len() + OWN_HEADERS);
    // A text was decoded as UTF-8 or Latin-1, whose characters are visible or a tab.
    let made = |text: String| HeaderValue::from_maybe_shared(Bytes::from(text)).ok();
    for name in arrival.headers.keys().filter(|name| is_passed_on(name)) {
        let mut values = arrival.headers.get_all(name).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) if std::str::from_utf8(value.as_bytes()).is_ok() => Some(value.clone()),
            _ => made(joined(arrival.headers, name)),
        };
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    for (name, value) in own_headers(arrival) {
        if let Some(value) = made(value) {
            headers.insert(name, value);
        }
    }
    headers
}

/// Whether a header of the client is in the event.
fn is_passed_on(name: &HeaderName) -> bool {
    !NOT_PASSED_ON.contains(name) && !NOT_PASSED_ON_BY_NAME.contains(&name.as_str())
}

/// Returns the values of a header, joined by commas.
fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values: Vec<_> = headers.get_all(name).iter().map(text).collect();
    values.join(",")
}

/// The number of the gateway's own headers.
const OWN_HEADERS: usize = 6;

/// Returns the gateway's own headers.
fn own_headers(arrival: &Arrival<'_>) -> [(HeaderName, String); OWN_HEADERS] {
    let name = HeaderName::from_static;
    [
        // Also for a request without a body: captures of real events have `"content-length": "0"`.
        (CONTENT_LENGTH, arrival.body.len().to_string()),
        (HOST, arrival.host.authority().to_owned()),
        (name("x-amzn-trace-id"), trace_id(arrival)),
        (name("x-forwarded-for"), source_ip(arrival)),
        (
            name("x-forwarded-port"),
            arrival.host.port().unwrap_or(80).to_string(),
        ),
        (name("x-forwarded-proto"), "http".to_owned()),
    ]
}

/// Decodes a header's value as UTF-8, or as Latin-1 if it isn't UTF-8. Every value is valid Latin-1.
fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// Returns each cookie of each `Cookie` header.
fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(COOKIE).iter().map(text);
    lines
        .flat_map(|line| {
            line.split(';')
                .map(|cookie| cookie.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// Returns the decoded query parameters. The values of one name are joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters
}

fn source_ip(arrival: &Arrival<'_>) -> String {
    arrival.source.to_canonical().to_string()
}

/// Makes an X-Ray trace id, `Root=1-<time>-<24 digits>`, of the time and the request's id.
fn trace_id(arrival: &Arrival<'_>) -> String {
    let digits: String = arrival
        .request_id
        .chars()
        .filter(char::is_ascii_hexdigit)
        .take(24)
        .collect();
    format!("Root=1-{:08x}-{digits:0>24}", arrival.time.unix_timestamp())
}

#[cfg(test)]
mod tests;
