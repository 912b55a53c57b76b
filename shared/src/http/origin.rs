//! The scheme and host at which a client reaches the API.

use std::convert::Infallible;

use axum::extract::{FromRef, FromRequestParts};
use http::{Uri, request::Parts};

use crate::state::AppState;

/// What the absolute URLs in an answer begin with, without a slash at its end: `PUBLIC_URL`, or else the scheme and host of the
/// request.
#[derive(Clone, Debug)]
pub struct Origin(pub String);

impl Origin {
    /// Returns the origin for a request with this URL. Empty if the URL has no host, which a gateway always adds.
    #[must_use]
    pub fn of(public_url: Option<&str>, uri: &Uri) -> Self {
        Self(match (public_url, uri.scheme_str(), uri.authority()) {
            (Some(public_url), ..) => public_url.to_owned(),
            (None, Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
            _ => String::new(),
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin
where
    AppState: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let config = AppState::from_ref(state).config;
        Ok(Self::of(config.http.public_url.as_deref(), &parts.uri))
    }
}
