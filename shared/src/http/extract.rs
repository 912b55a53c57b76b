//! The extractor of the client's address.

use std::{convert::Infallible, net::IpAddr};

use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderName, request::Parts};
use lambda_http::request::RequestContext;

use crate::state::AppState;

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

#[cfg(test)]
mod tests {
    use super::*;

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
