//! The size of a request's head, limited as on AWS.

use http::{HeaderValue, request::Parts};

use super::answer::Refusal;

/// The most bytes that a request line and the values of the headers have together ("Quotas for HTTP APIs", total combined
/// size of request line and header values).
pub(super) const MAX_HEAD: usize = 10_240;

/// The longest URL that the `http` crate accepts. `lambda_http` panics on a longer one. It builds the URL of the scheme,
/// the host and the encoded path, and encoding triples the length at most. All of these are within [`MAX_HEAD`].
const MAX_URL: usize = u16::MAX as usize - 1;
const _: () = assert!(3 * MAX_HEAD + "https://?".len() < MAX_URL);

/// Refuses a head that is larger than API Gateway accepts.
pub(super) fn check_head(parts: &Parts) -> Result<(), Refusal> {
    let target = parts
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len())
        + parts
            .uri
            .authority()
            .map_or(0, |host| host.as_str().len() + "http://".len());
    let line = parts.method.as_str().len() + target + "  HTTP/1.1".len();
    let values: usize = parts.headers.values().map(HeaderValue::len).sum();
    if line > MAX_HEAD {
        Err(Refusal::TargetTooLong)
    } else if line + values > MAX_HEAD {
        Err(Refusal::HeadersTooLarge)
    } else {
        Ok(())
    }
}
