//! `Idempotency-Key`: the key of a request, and the header of an answer that was replayed.

use axum::{extract::FromRequestParts, response::Response};
use http::{HeaderName, HeaderValue, request::Parts};
use utoipa::IntoParams;

use crate::{
    domain::IdempotencyKey,
    error::{Error, Result},
};

/// The header with the key of a request.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header of an answer that is that of an earlier request with the same key. Its value is `true`.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The header as the OpenAPI document describes it.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only described; MaybeKey reads the header")]
pub struct IdempotencyKeyParam {
    /// A key that you choose for this request, such as a UUID. For 24 hours, the same request with the same key changes nothing
    /// more and gets the same answer, with `Idempotency-Replayed: true`. Another request with the key is `422`. A request that
    /// was refused or failed leaves its key free. So if you got no answer, or a `503`, send the request again with its key.
    /// Each user has keys of their own.
    #[param(
        rename = "idempotency-key",
        nullable = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$",
        example = "0b0cf0a4-6c6e-4b8f-9d5e-2f0a5d3c1e77"
    )]
    key: Option<String>,
}

/// A request's idempotency key, or `None` without the header.
#[derive(Clone, Debug)]
pub struct MaybeKey(pub Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for MaybeKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next() else {
            return Ok(Self(None));
        };
        if keys.next().is_some() {
            return Err(Error::malformed("Idempotency-Key must be sent once."));
        }
        let key = IdempotencyKey::parse(key.as_bytes()).map_err(Error::malformed)?;
        Ok(Self(Some(key)))
    }
}

/// Marks a response as replayed if it is.
#[must_use]
pub fn mark_replayed(mut response: Response, is_replayed: bool) -> Response {
    if is_replayed {
        let headers = response.headers_mut();
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    async fn key_of(values: &[&[u8]]) -> Result<Option<IdempotencyKey>> {
        let mut request = Request::new(());
        for value in values {
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(IDEMPOTENCY_KEY, value);
        }
        let (mut parts, ()) = request.into_parts();
        let key = MaybeKey::from_request_parts(&mut parts, &()).await?;
        Ok(key.0)
    }

    #[tokio::test]
    async fn a_request_has_one_key_or_none_and_a_malformed_one_is_400() {
        assert_eq!(key_of(&[]).await.unwrap(), None);
        assert!(key_of(&[b"a"]).await.unwrap().is_some());
        for bad in [&[b"a".as_slice(), b"a"][..], &[b""], &[b"a b"], &[b"\xe9"]] {
            assert!(matches!(key_of(bad).await, Err(Error::Malformed(_))), "{bad:?}");
        }
    }
}
