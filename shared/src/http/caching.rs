//! What caches may do with an answer: `Cache-Control`, `Vary`, the tag of a JSON answer, and `304` for a client that has the
//! answer already (RFC 9110 §13, RFC 9111).

use axum::{
    body::{Body, HttpBody as _, to_bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LOCATION, CONTENT_TYPE,
        DATE, ETAG, EXPIRES, IF_MATCH, IF_NONE_MATCH, VARY,
    },
};

use crate::{
    error::Error,
    http::{
        compression::{self, Accepts},
        validators::{TagList, body_tag, compressed_tag},
    },
};

/// The paths below which nothing may be stored: they show tokens, or who a user is.
const NEVER_STORED: [&str; 2] = ["/api/auth/", "/api/users/"];

/// The headers of the `200` that its `304` repeats (RFC 9110 §15.4.5).
const OF_NOT_MODIFIED: [HeaderName; 6] = [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, VARY];

/// An extension of a response that is the same for every caller, signed in or not.
#[derive(Clone, Copy, Debug)]
pub struct ForEveryone;

/// Returns what `Cache-Control` is for the answers that anyone gets. They are stale after `max_age` seconds, or, if that is 0,
/// at once: a cache may store them, and asks before it uses them.
#[must_use]
pub fn public(max_age: u32) -> HeaderValue {
    match max_age {
        0 => HeaderValue::from_static("public, no-cache"),
        seconds => HeaderValue::try_from(format!("public, max-age={seconds}"))
            .unwrap_or(HeaderValue::from_static("public, no-cache")),
    }
}

/// The layer that says what caches may do with an answer, and answers `304`. `public` is the `Cache-Control` of answers that
/// anyone gets.
///
/// * A handler's own `Cache-Control` stays.
/// * A failure must not be stored. Some depend on the moment, such as `429`, `503`, and the `404` of a movie that is added next;
///   the others cost no more than a revalidation.
/// * The answer to a request with credentials is private, whatever the handler made of them.
/// * A `GET` of JSON gets a weak [tag](body_tag), unless the handler has set one. If the request names the tag in
///   `If-None-Match`, the answer is `304` without a body. No second read of the table is needed, because the tag is that of
///   the answer that was just made.
pub(crate) async fn cached(State(public): State<HeaderValue>, mut request: Request, next: Next) -> Response {
    let asked = Asked::of(&request);
    if *request.method() == Method::HEAD {
        // The tag of an answer to HEAD is that of the body for GET. axum would remove the body before it gets here; the outermost
        // layer removes it instead.
        *request.method_mut() = Method::GET;
    }
    let mut response = next.run(request).await;
    let is_for_everyone = response.extensions().get::<ForEveryone>().is_some();
    if asked.is_read && response.status() == StatusCode::OK {
        response = tagged(response).await;
        if is_compressible(&response) {
            response.headers_mut().append(VARY, ACCEPT_ENCODING.into());
        }
        response = asked.conditional(response);
    }
    let control = if asked.is_never_stored || is_failure(response.status()) {
        HeaderValue::from_static("no-store")
    } else if asked.has_credentials && !is_for_everyone {
        HeaderValue::from_static("private, no-cache")
    } else {
        public
    };
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(control);
    if !is_for_everyone {
        headers.append(VARY, AUTHORIZATION.into());
    }
    response
}

/// Returns whether the answer is compressed for clients that accept it. A handler may have compressed it already.
fn is_compressible(response: &Response) -> bool {
    response.body().size_hint().lower() >= compression::SMALLEST
        || response.headers().contains_key(CONTENT_ENCODING)
}

fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// What the layer needs to know of a request.
struct Asked {
    /// Whether the method is `GET` or `HEAD`.
    is_read: bool,
    has_credentials: bool,
    is_never_stored: bool,
    /// The preconditions of a read.
    headers: HeaderMap,
    accepts: Accepts,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let path = request.uri().path();
        let is_below = |group: &str| path.starts_with(group) || Some(path) == group.strip_suffix('/');
        let mut headers = HeaderMap::new();
        if is_read {
            for name in [IF_MATCH, IF_NONE_MATCH] {
                for value in request.headers().get_all(&name) {
                    headers.append(name.clone(), value.clone());
                }
            }
        }
        Self {
            is_read,
            has_credentials: request.headers().contains_key(AUTHORIZATION),
            is_never_stored: NEVER_STORED.into_iter().any(is_below),
            headers,
            accepts: Accepts::of(request.headers()),
        }
    }

    /// Returns the tags of an answer with this tag as this client may have it: that of the answer that it would get now, then
    /// that of the other coding, if it accepts that.
    fn tags(&self, tag: &HeaderValue, is_compressible: bool) -> [Option<HeaderValue>; 2] {
        let plain = Some(tag.clone());
        match self.accepts {
            Accepts::Gzip if is_compressible => match compressed_tag(tag) {
                Some(compressed) => [Some(compressed), plain],
                None => [plain, None],
            },
            Accepts::Gzip | Accepts::Anything => [plain, compressed_tag(tag)],
            Accepts::Plain => [plain, None],
        }
    }

    /// Evaluates the preconditions of a read in the order of RFC 9110 §13.2.2. Returns `response` if they hold.
    ///
    /// A malformed `If-None-Match` is ignored: the client then gets the whole answer, which is never wrong.
    fn conditional(&self, response: Response) -> Response {
        let (false, Some(tag)) = (self.headers.is_empty(), response.headers().get(ETAG)) else {
            return response;
        };
        let own = self.tags(tag, is_compressible(&response));
        let named = |tags: &TagList| own.iter().flatten().find(|tag| tags.names(tag));
        match TagList::read(&self.headers, &IF_MATCH) {
            Ok(Some(tags)) if named(&tags).is_none() => return Error::PreconditionFailed.into_response(),
            Ok(_) => {}
            Err(error) => return error.into_response(),
        }
        let known = match TagList::read(&self.headers, &IF_NONE_MATCH) {
            Ok(Some(tags)) => named(&tags),
            _ => None,
        };
        match known {
            Some(tag) => not_modified(response.headers(), tag),
            None => response,
        }
    }
}

/// Adds the tag of the body to an answer of JSON that has none.
async fn tagged(response: Response) -> Response {
    let headers = response.headers();
    let is_json = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes() == b"application/json");
    if !is_json || headers.contains_key(ETAG) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // The body is in memory already, and its size is limited where it is made.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return Error::internal("a body can't be read").into_response();
    };
    if let Some(tag) = body_tag(&body) {
        parts.headers.insert(ETAG, tag);
    }
    Response::from_parts(parts, Body::from(body))
}

/// Returns the `304` that stands for an answer with these headers and this tag.
fn not_modified(headers: &HeaderMap, tag: &HeaderValue) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    for name in OF_NOT_MODIFIED {
        for value in headers.get_all(&name) {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    response.headers_mut().insert(ETAG, tag.clone());
    response
}
