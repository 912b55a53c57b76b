//! `If-Match`, the precondition of a change (RFC 9110 §13.1.1).

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use marquee_shared::{Error, Result, db::movie::MovieItem};
use utoipa::IntoParams;

/// A request's `If-Match`: the entity tags in it, or `None` without the header, when every version matches.
#[derive(Debug)]
pub(crate) struct IfMatch(Option<Vec<String>>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let values: Vec<String> = parts
            .headers
            .get_all(header::IF_MATCH)
            .iter()
            .flat_map(|value| value.as_bytes().split(|b| *b == b','))
            .map(|tag| String::from_utf8_lossy(tag).trim().to_owned())
            .collect();
        Ok(Self((!values.is_empty()).then_some(values)))
    }
}

impl IfMatch {
    /// Checks that the header names the movie's current version.
    ///
    /// # Errors
    /// [`Error::Stale`] when it does not.
    pub(crate) fn check(&self, movie: &MovieItem) -> Result<()> {
        let own = format!("\"{}\"", movie.version);
        match &self.0 {
            Some(tags) if !tags.iter().any(|tag| tag == "*" || *tag == own) => Err(Error::Stale),
            _ => Ok(()),
        }
    }
}

/// The precondition of a change.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described; IfMatch reads the header")]
pub(crate) struct IfMatchParam {
    /// The `ETag` of an earlier answer. The movie is changed only if nobody has edited it since (RFC 9110 §13.1.1).
    #[param(rename = "if-match", nullable = false, example = "\"1\"")]
    if_match: Option<String>,
}
