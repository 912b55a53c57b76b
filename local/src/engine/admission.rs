//! Which requests the engine's endpoint accepts: those of DynamoDB's tools, and none that a web page can send.
//!
//! The engine accepts any signature, so without these rules a web page in a browser on this machine could read and change
//! the whole table. Each rule prevents one way to do that:
//!
//! - A script sends `Origin` with every POST (Fetch Standard, "append a request `Origin` header").
//! - A request without a preflight has one of three content types, and DynamoDB's isn't among them (Fetch Standard,
//!   "CORS-safelisted request-header").
//! - No preflight succeeds.
//! - A page whose domain name resolves to this machine (DNS rebinding) sends that name as `Host`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{
    HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HOST, ORIGIN},
    request::Parts,
};

use super::answer::{Failure, MEDIA_TYPE};

/// Headers that browsers send and DynamoDB's tools don't. `Sec-Fetch-Mode` isn't among them because Node.js sends it too.
const OF_BROWSERS: [HeaderName; 3] = [
    ORIGIN,
    ACCESS_CONTROL_REQUEST_METHOD,
    HeaderName::from_static("sec-fetch-site"),
];

/// Refuses a request, by its head, that a web page can send or that isn't of DynamoDB's protocol.
pub(super) fn admit(head: &Parts) -> Result<(), Failure> {
    if let Some(name) = OF_BROWSERS.iter().find(|name| head.headers.contains_key(*name)) {
        return Err(denied(format!(
            "This endpoint accepts requests of DynamoDB's tools only. A request with the header {name} comes from a browser."
        )));
    }
    if !names_loopback(head) {
        return Err(denied(
            "This endpoint accepts requests of this machine only. There must be one Host header, and it must be a loopback \
             address, localhost, or a name below .localhost, with any port."
                .to_owned(),
        ));
    }
    if head.method != Method::POST {
        return Err(Failure::unknown(
            StatusCode::METHOD_NOT_ALLOWED,
            "The method must be POST.",
        ));
    }
    if head.uri.path() != "/" {
        return Err(Failure::unknown(StatusCode::NOT_FOUND, "The path must be /."));
    }
    let mut media_types = head.headers.get_all(CONTENT_TYPE).iter();
    let is_dynamodbs = media_types.next().is_some_and(is_media_type) && media_types.next().is_none();
    if !is_dynamodbs {
        return Err(Failure::unknown(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The Content-Type header must be application/x-amz-json-1.0.",
        ));
    }
    Ok(())
}

fn denied(message: String) -> Failure {
    Failure {
        status: StatusCode::FORBIDDEN,
        kind: "com.amazonaws.dynamodb.v20120810#AccessDeniedException",
        message,
    }
}

/// Whether a header's value is DynamoDB's media type, with any parameters.
fn is_media_type(value: &HeaderValue) -> bool {
    let essence = value.to_str().ok().and_then(|text| text.split(';').next());
    essence.is_some_and(|text| text.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}

/// Whether a request has one `Host` header that names this machine, and no other host in its target.
fn names_loopback(head: &Parts) -> bool {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|value| value.to_str().ok());
    hosts.next().is_none()
        && host.is_some_and(is_loopback)
        && head
            .uri
            .authority()
            .is_none_or(|authority| is_loopback(authority.as_str()))
}

/// Whether a host with an optional port is this machine whatever a name server answers: a loopback address, `localhost`, or
/// a name below `localhost`, all of which are reserved for loopback (RFC 6761 §6.3). This also admits a container that
/// reaches its host by a name below `.localhost`.
fn is_loopback(authority: &str) -> bool {
    let authority = authority.trim();
    let (address, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let Some((address, rest)) = rest.split_once(']') else {
                return false;
            };
            let Ok(address) = address.parse::<Ipv6Addr>() else {
                return false;
            };
            (
                Ok(IpAddr::V6(address)),
                rest.strip_prefix(':').or(rest.is_empty().then_some("")),
            )
        }
        None => {
            let (name, port) = authority.split_once(':').unwrap_or((authority, ""));
            (
                name.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| name),
                Some(port),
            )
        }
    };
    if !port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    match address {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(name) => is_below_localhost(name),
    }
}

fn is_below_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut labels = name.rsplit('.');
    labels
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
        && labels.all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_loopback_by_its_address_or_by_a_name_that_no_name_server_can_point_elsewhere() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8000",
            "127.255.3.4:1",
            "[::1]",
            "[::1]:8000",
            "[::ffff:127.0.0.1]:8000",
            "localhost",
            "LocalHost:8000",
            "localhost.:8000",
            "table.localhost:8000",
            "127.0.0.1:",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":8000",
            "example.com",
            "example.com:8000",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "localhost@example.com",
            "example.com@localhost",
            "notlocalhost",
            ".localhost",
            "a..localhost",
            "localhost..",
            "host.docker.internal:8000",
            "0.0.0.0:8000",
            "10.0.0.1",
            "128.0.0.1",
            "2130706433",
            "127.1",
            "0177.0.0.1",
            "[::]:8000",
            "[::2]",
            "[::1]x",
            "[::1",
            "::1",
            "127.0.0.1:x",
            "127.0.0.1:80:80",
            "127.0.0.1, example.com",
            "example.com/localhost",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
