//! Extractors for who is calling, and from where.

use std::{convert::Infallible, net::IpAddr};

use axum::extract::{FromRef, FromRequestParts};
use http::{header, request::Parts};
use lambda_http::request::RequestContext;

use crate::{
    auth::token,
    domain::UserId,
    error::{Error, Result},
    http::layers::VIEWER_ADDRESS,
    state::AppState,
};

/// Someone who is signed in. Rejects with `401` when nobody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub id: UserId,
}

/// Someone who may be signed in. Credentials that aren't valid are `401` on a public route too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaybeCaller(pub Option<Caller>);

/// No credentials, or some that are or were ours: what the auth endpoints ask for. A client may well attach the expired
/// access token to the very call that refreshes it.
#[derive(Clone, Copy, Debug)]
pub struct RejectInvalidToken;

/// The address the gateway saw the request come from. `X-Forwarded-For` isn't read: anyone can write it.
///
/// Behind CloudFront the gateway sees CloudFront's addresses, and [`VIEWER_ADDRESS`] is read instead. It is CloudFront's own
/// word there, since a request without CloudFront's key is refused before this. Nobody reads it elsewhere.
#[derive(Clone, Debug)]
pub struct SourceAddress(pub Option<String>);

impl SourceAddress {
    /// What a client counts as: its IPv4 address, or the /56 of its IPv6 address, which is what a home is given (RFC 6177
    /// §2). Empty where the gateway gives no address: all such clients are one.
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

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let MaybeCaller(caller) = MaybeCaller::from_request_parts(parts, state).await?;
        caller.ok_or(Error::Unauthenticated(
            "Sign in: send an access token as `Authorization: Bearer …`.",
        ))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MaybeCaller
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Some(token) = bearer_token(parts)? else {
            return Ok(Self(None));
        };
        let id = token::verify(&AppState::from_ref(state), token).await?;
        Ok(Self(Some(Caller { id })))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RejectInvalidToken
where
    AppState: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        match MaybeCaller::from_request_parts(parts, state).await {
            Ok(_) | Err(Error::TokenExpired) => Ok(Self),
            Err(error) => Err(error),
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

/// The token of `Authorization: Bearer <token>` (RFC 6750 §2.1), or `None` without that header. A scheme is the same in
/// any case (RFC 9110 §11.1).
fn bearer_token(parts: &Parts) -> Result<Option<&str>> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Some(token.trim_start_matches(' ')))
        .ok_or(Error::Unauthenticated(
            "Credentials must be sent as `Authorization: Bearer …`.",
        ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Guarantee 21: who has a subnet has all of its addresses.
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

    fn parts(authorization: Option<&str>) -> Parts {
        let mut request = http::Request::builder();
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        assert_eq!(bearer_token(&parts(None)).unwrap(), None);
        for header in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            assert_eq!(
                bearer_token(&parts(Some(header))).unwrap(),
                Some("abc"),
                "{header}"
            );
        }
        for header in ["", "Bearer", "Basic abc", "abc", "Token abc"] {
            assert!(bearer_token(&parts(Some(header))).is_err(), "{header}");
        }
    }
}
