//! Extractors: the client's address, and what it calls itself.

use std::{convert::Infallible, net::IpAddr};

use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderName, header, request::Parts};
use lambda_http::request::RequestContext;

use crate::{domain::text, state::AppState};

/// The header with the client's address, if CloudFront is deployed. A CloudFront Function sets it on every request and
/// overwrites what the client sent.
pub const VIEWER_ADDRESS: HeaderName = HeaderName::from_static("x-viewer-address");

/// The address from which the gateway received the request. `X-Forwarded-For` isn't read, because a client can set it.
///
/// Behind CloudFront the gateway sees an address of CloudFront's, so [`VIEWER_ADDRESS`] is read instead. It can be trusted,
/// because a request without CloudFront's key was rejected before. Without CloudFront the header isn't read.
#[derive(Clone, Debug)]
pub struct SourceAddress(pub Option<String>);

impl SourceAddress {
    /// Returns what identifies one client: its IPv4 address, or the first 56 bits of its IPv6 address, the prefix that an
    /// internet provider typically assigns to one home (RFC 6177 §2). Without an address it is empty, so all clients
    /// without one count as the same client.
    #[must_use]
    pub fn network(&self) -> String {
        let Some(text) = &self.0 else {
            return String::new();
        };
        match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{:x}::/56", d & 0xff00)
            }
            Ok(address) => address.to_string(),
            Err(_) => text.clone(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SourceAddress
where
    AppState: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        if AppState::from_ref(state).config.http.edge_key.is_some() {
            let viewer = parts.headers.get(VIEWER_ADDRESS);
            let viewer = viewer.and_then(|address| address.to_str().ok()?.parse::<IpAddr>().ok());
            if let Some(viewer) = viewer {
                return Ok(Self(Some(viewer.to_string())));
            }
        }
        Ok(Self(match parts.extensions.get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
            _ => None,
        }))
    }
}

/// The most characters of a `User-Agent` that are kept.
const USER_AGENT_CHARS: usize = 200;

/// What the client calls itself in `User-Agent` (RFC 9110 §10.1.5), on one line of at most 200 characters, without characters
/// that can't be seen or that change the direction of the text around them. `None` if nothing is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for UserAgent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let value = parts.headers.get(header::USER_AGENT);
        Ok(Self(value.and_then(|value| shown(value.as_bytes()))))
    }
}

fn shown(value: &[u8]) -> Option<String> {
    let value = String::from_utf8_lossy(value);
    let is_shown = |c: &char| !c.is_control() && !text::is_ignorable(*c);
    let shown: String = value.chars().filter(is_shown).take(USER_AGENT_CHARS).collect();
    let shown = shown.trim();
    (!shown.is_empty()).then(|| shown.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_one_short_line_that_can_be_seen() {
        for (value, expected) in [
            ("curl/8.5.0", Some("curl/8.5.0")),
            ("  Mozilla/5.0\t(X11) ", Some("Mozilla/5.0(X11)")),
            ("a\u{202e}b\u{200b}c\u{7f}\u{9b}d", Some("abcd")),
            ("Ärger 日本", Some("Ärger 日本")),
            (" \u{202e} ", None),
            ("", None),
        ] {
            assert_eq!(shown(value.as_bytes()).as_deref(), expected, "{value:?}");
        }
        assert_eq!(shown(b"a\xffb").as_deref(), Some("a\u{fffd}b"));
        let long = "é".repeat(10_000);
        assert_eq!(shown(long.as_bytes()).unwrap().chars().count(), USER_AGENT_CHARS);
    }

    /// Guarantee 21: whoever has a subnet has all of its addresses.
    #[test]
    fn a_client_is_its_ipv4_address_or_its_ipv6_subnet() {
        let network = |text: &str| SourceAddress(Some(text.into())).network();
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_ne!(network("192.0.2.7"), network("192.0.2.8"));
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2::1"), "2001:db8:1:0::/56");
        assert_eq!(network("2001:0DB8:1:2:ffff::9"), network("2001:db8:1:2::1"));
        assert_eq!(network("2001:db8:1:ff::1"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:100::1"), network("2001:db8:1:2::1"));
        assert_eq!(SourceAddress(None).network(), "");
        assert_eq!(network("not an address"), "not an address");
    }
}
