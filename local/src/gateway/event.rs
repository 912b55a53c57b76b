//! A request as API Gateway describes it to a function: the payload format 2.0 of HTTP APIs.
//!
//! Sources, all in the API Gateway developer guide: "Create AWS Lambda proxy integrations for HTTP APIs" (the format,
//! an example, how cookies and duplicates are combined) and "Create routes for HTTP APIs" (decoding). That HTTP APIs
//! percent-decode `rawPath` and cut it at a decoded `?` isn't in the guide; live captures show it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    USER_AGENT,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use url::{Url, form_urlencoded};

use crate::template::Match;

/// The stage every request goes to.
const STAGE: &str = "$default";

/// An account number as AWS writes it in its examples.
const ACCOUNT: &str = "123456789012";

/// The API's id; on AWS ten random characters.
const API_ID: &str = "local";

/// How `requestContext.time` is written, in UTC: `12/Mar/2020:19:03:58 +0000`.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");

/// Headers between one client and one server that a gateway doesn't pass on (RFC 9110 §7.6.1), and those that
/// [`event_for`] says in another way.
const NOT_PASSED_ON: [HeaderName; 7] = [
    CONNECTION,
    COOKIE,
    EXPECT,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Such headers that have no name in the `http` crate.
const NOT_PASSED_ON_BY_NAME: [&str; 2] = ["keep-alive", "proxy-connection"];

/// Everything about a request that its event is made from.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// The method.
    pub method: &'a Method,
    /// The request target; only its path and query are used.
    pub uri: &'a Uri,
    /// The HTTP version.
    pub version: Version,
    /// The headers as they came.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
    /// The host it is addressed to.
    pub host: &'a Host,
    /// The client's address.
    pub source: IpAddr,
    /// The id the gateway gave it.
    pub request_id: &'a str,
    /// When it came.
    pub time: OffsetDateTime,
}

/// The host a request is addressed to, known to be one that a function can build its URL from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    authority: String,
    name: String,
    port: Option<u16>,
}

/// A text that isn't a host with an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHost;

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a host with an optional port")
    }
}

impl std::error::Error for InvalidHost {}

impl Host {
    /// Checks the value of a `Host` header: `example.com`, `127.0.0.1:3000`, `[::1]:3000`.
    ///
    /// `lambda_http` builds each request's URL from this header, and panics when that fails. On AWS the gateway only
    /// lets through requests to its own domains; here this check stands in for that.
    ///
    /// # Errors
    ///
    /// [`InvalidHost`] when a URL with this host can't be built, or would have another path.
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        let authority: Authority = text.parse().map_err(|_| InvalidHost)?;
        if authority.as_str().contains('@') {
            return Err(InvalidHost);
        }
        // The very steps lambda_http takes.
        let url = Url::parse(&format!("http://{authority}/")).map_err(|_| InvalidHost)?;
        if url.path() != "/" || url.as_str().parse::<Uri>().is_err() {
            return Err(InvalidHost);
        }
        Ok(Self {
            name: authority.host().to_owned(),
            port: authority.port_u16(),
            authority: text.to_owned(),
        })
    }

    /// The host and port as they came.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// The path of a request as an event shows it: percent-decoded and cut at a decoded `?`, as HTTP APIs do; or as it came
/// if the decoded bytes aren't UTF-8. Routes are matched against this.
pub fn raw_path(uri: &Uri) -> String {
    let Ok(decoded) = percent_decode_str(uri.path()).decode_utf8() else {
        return uri.path().to_owned();
    };
    match decoded.split_once('?') {
        Some((path, _)) => path.to_owned(),
        None => decoded.into_owned(),
    }
}

/// The event that API Gateway would send for this request on this route, as JSON.
///
/// As on AWS, what is empty is left out: cookies, query and path parameters, the body.
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
            "domainName": arrival.host.name,
            "domainPrefix": arrival.host.name.split('.').next(),
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
            "time": arrival.time.to_offset(time::UtcOffset::UTC).format(TIME).unwrap_or_default(),
            "timeEpoch": arrival.time.unix_timestamp_nanos() / 1_000_000,
        }),
    );
    let mut is_base64 = false;
    if !arrival.body.is_empty() {
        let body = match std::str::from_utf8(arrival.body) {
            Ok(text) if is_text(&header(CONTENT_TYPE)) => text.to_owned(),
            _ => {
                is_base64 = true;
                STANDARD.encode(arrival.body)
            }
        };
        event.insert("body".to_owned(), Value::String(body));
    }
    event.insert("isBase64Encoded".to_owned(), json!(is_base64));
    Value::Object(event)
}

/// Whether a body with these headers is handed over as text, if it is UTF-8.
pub(super) fn has_text(headers: &HeaderMap) -> bool {
    is_text(&headers.get(CONTENT_TYPE).map(text).unwrap_or_default())
}

/// The content types whose bodies HTTP APIs hand over as text; all others they encode. A body that claims to be text
/// but isn't UTF-8 can't be handed over so either.
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

/// The headers of an event: lower-case names, duplicates joined by commas, and the gateway's own added, whatever the
/// client may have sent under their names.
fn headers(arrival: &Arrival<'_>) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in arrival.headers {
        if NOT_PASSED_ON.contains(name) || NOT_PASSED_ON_BY_NAME.contains(&name.as_str()) {
            continue;
        }
        let value = text(value);
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert(value);
    }
    let mut set = |name: &str, value: String| headers.insert(name.to_owned(), value);
    // Of a request without a body too: live captures show `"content-length": "0"`.
    set(CONTENT_LENGTH.as_str(), arrival.body.len().to_string());
    set(HOST.as_str(), arrival.host.authority.clone());
    set("x-amzn-trace-id", trace_id(arrival));
    set("x-forwarded-for", source_ip(arrival));
    set("x-forwarded-port", arrival.host.port.unwrap_or(80).to_string());
    set("x-forwarded-proto", "http".to_owned());
    headers
}

/// A header's value as a string: UTF-8, or else Latin-1, which every value is.
fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// Each cookie of each `Cookie` header.
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

/// The decoded query parameters, the values of one name joined by commas.
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

/// An X-Ray trace id, `Root=1-<time>-<24 digits>`, from the time and the request's id.
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
#[allow(clippy::unwrap_used)]
mod tests {
    use http::Request;
    use time::macros::datetime;

    use super::*;
    use crate::template::Template;

    const ID: &str = "5f1c0f5e-6f2b-4f0e-9d0c-3a1f2b4c5d6e";

    /// The event for a request on one of our routes.
    fn event(request: &Request<Vec<u8>>) -> Value {
        let template = Template::parse(include_str!("../../../template.yaml")).unwrap();
        let found = template
            .routes
            .resolve(request.method(), &raw_path(request.uri()))
            .unwrap();
        let arrival = Arrival {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            body: request.body(),
            host: &Host::parse("movies.example:3000").unwrap(),
            source: "192.0.2.7".parse().unwrap(),
            request_id: ID,
            time: datetime!(2020-03-12 20:03:58.348 +01:00),
        };
        event_for(&arrival, &found)
    }

    fn get(target: &str) -> Value {
        event(&Request::get(target).body(Vec::new()).unwrap())
    }

    #[test]
    fn a_request_becomes_the_whole_event() {
        let request = Request::post("/api/movies/search/?q=caf%C3%A9+noir&q=x&limit=5&empty=")
            .header("Host", "ignored, for the gateway has checked it already")
            .header("Content-Type", "application/json")
            .header("User-Agent", "test/1")
            .header("X-Tag", "one")
            .header("X-Tag", "two, three")
            .header("Cookie", "a=1; b=2")
            .header("Cookie", "c=3;")
            .header("X-Forwarded-For", "10.0.0.1")
            .header("X-Forwarded-Proto", "https")
            .header("Connection", "keep-alive")
            .header("Transfer-Encoding", "chunked")
            .body(br#"{"a":1}"#.to_vec())
            .unwrap();
        assert_eq!(
            event(&request),
            json!({
                "version": "2.0",
                "routeKey": "ANY /api/movies/{proxy+}",
                "rawPath": "/api/movies/search/",
                "rawQueryString": "q=caf%C3%A9+noir&q=x&limit=5&empty=",
                "cookies": ["a=1", "b=2", "c=3"],
                "headers": {
                    "content-length": "7",
                    "content-type": "application/json",
                    "host": "movies.example:3000",
                    "user-agent": "test/1",
                    "x-amzn-trace-id": "Root=1-5e6a879e-5f1c0f5e6f2b4f0e9d0c3a1f",
                    "x-forwarded-for": "192.0.2.7",
                    "x-forwarded-port": "3000",
                    "x-forwarded-proto": "http",
                    "x-tag": "one,two, three",
                },
                "queryStringParameters": { "q": "café noir,x", "limit": "5", "empty": "" },
                "pathParameters": { "proxy": "search/" },
                "requestContext": {
                    "accountId": "123456789012",
                    "apiId": "local",
                    "domainName": "movies.example",
                    "domainPrefix": "movies",
                    "http": {
                        "method": "POST",
                        "path": "/api/movies/search/",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "192.0.2.7",
                        "userAgent": "test/1",
                    },
                    "requestId": ID,
                    "routeKey": "ANY /api/movies/{proxy+}",
                    "stage": "$default",
                    "time": "12/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1_584_039_838_348_i64,
                },
                "body": r#"{"a":1}"#,
                "isBase64Encoded": false,
            })
        );
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let event = get("/elsewhere");
        assert_eq!(event["routeKey"], "$default");
        assert_eq!(event["rawQueryString"], "");
        assert_eq!(event["isBase64Encoded"], false);
        assert_eq!(event["headers"]["content-length"], "0");
        for field in ["cookies", "queryStringParameters", "pathParameters", "body"] {
            assert!(event.get(field).is_none(), "{field}");
        }
    }

    #[test]
    fn the_path_is_decoded_and_the_query_is_not() {
        for (target, path, query) in [
            ("/api/movies/caf%C3%A9?q=%20%41", "/api/movies/café", "q=%20%41"),
            ("/api/movies/a%2Fb%2f", "/api/movies/a/b/", ""),
            ("/api/movies/a+b", "/api/movies/a+b", ""),
            ("/api/movies/a%3Fb=c?d", "/api/movies/a", "d"),
            ("/api/movies/100%", "/api/movies/100%", ""),
            ("/api/movies/%2541", "/api/movies/%41", ""),
            ("/api/movies/%FF%41", "/api/movies/%FF%41", ""),
            ("/api/movies/%00", "/api/movies/\0", ""),
        ] {
            let event = get(target);
            assert_eq!(
                (&event["rawPath"], &event["rawQueryString"]),
                (&json!(path), &json!(query)),
                "{target}"
            );
            assert_eq!(event["rawPath"], event["requestContext"]["http"]["path"]);
        }
    }

    #[test]
    fn only_text_that_says_so_is_handed_over_as_text() {
        let encoded = |content_type: Option<&str>, body: &[u8]| {
            let mut request = Request::post("/api/movies").body(body.to_vec()).unwrap();
            if let Some(content_type) = content_type {
                request
                    .headers_mut()
                    .insert(CONTENT_TYPE, content_type.parse().unwrap());
            }
            let event = event(&request);
            let sent = event["body"].as_str().unwrap();
            let is_base64 = event["isBase64Encoded"].as_bool().unwrap();
            let bytes = if is_base64 {
                STANDARD.decode(sent).unwrap()
            } else {
                sent.as_bytes().to_vec()
            };
            assert_eq!(bytes, body);
            is_base64
        };
        for text in [
            "text/plain",
            "text/csv; charset=utf-8",
            "application/json",
            "Application/JSON;charset=utf-8",
        ] {
            assert!(!encoded(Some(text), b"x"), "{text}");
        }
        for text in ["application/javascript", "application/xml"] {
            assert!(!encoded(Some(text), b"x"), "{text}");
        }
        for binary in [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/problem+json",
            "image/png",
            "texts/plain",
            "",
        ] {
            assert!(encoded(Some(binary), b"x"), "{binary}");
        }
        assert!(encoded(None, b"x"));
        assert!(encoded(Some("application/json"), b"\"\xff\""));
    }

    #[test]
    fn header_values_survive_whatever_their_bytes() {
        let request = Request::get("/")
            .header("X-Utf8", HeaderValue::from_bytes("é".as_bytes()).unwrap())
            .header("X-Latin1", HeaderValue::from_bytes(b"\xe9").unwrap())
            .body(Vec::new())
            .unwrap();
        let event = event(&request);
        assert_eq!(event["headers"]["x-utf8"], "é");
        assert_eq!(event["headers"]["x-latin1"], "é");
    }

    #[test]
    fn an_address_of_version_4_inside_version_6_is_shown_as_version_4() {
        let request = Request::get("/").body(Vec::new()).unwrap();
        let template = Template::parse(include_str!("../../../template.yaml")).unwrap();
        let arrival = Arrival {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            body: request.body(),
            host: &Host::parse("[::1]").unwrap(),
            source: "::ffff:192.0.2.7".parse().unwrap(),
            request_id: "",
            time: OffsetDateTime::UNIX_EPOCH,
        };
        let event = event_for(&arrival, &template.routes.resolve(request.method(), "/").unwrap());
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "192.0.2.7");
        assert_eq!(event["requestContext"]["domainName"], "[::1]");
        assert_eq!(event["headers"]["x-forwarded-port"], "80");
        assert_eq!(
            event["headers"]["x-amzn-trace-id"],
            "Root=1-00000000-000000000000000000000000"
        );
    }

    #[test]
    fn hosts_are_those_a_url_can_be_built_from() {
        for good in [
            "localhost",
            "127.0.0.1:3000",
            "[::1]:3000",
            "movies.example.",
            "a_b",
            "xn--bcher-kva.example:80",
        ] {
            assert_eq!(Host::parse(good).unwrap().authority(), good);
        }
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "user@host",
            "host:port",
            "host:99999",
            "::1",
            "[::1",
            "[]",
            "256.1.1.1",
            "1.2.3.4.5",
            "xn--a.example",
            "%00",
            "ex%2fample",
            ":3000",
            "<script>",
        ] {
            assert_eq!(Host::parse(bad), Err(InvalidHost), "{bad:?}");
        }
    }
}
