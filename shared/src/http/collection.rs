//! Collections: `{count, next, previous, results}` with a limit and a cursor.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header::LINK};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use crate::{
    db::page::{PageLimit, Position, Slice, Window},
    error::{Error, FieldErrors, Result},
    http::{
        query::{ParamValues, Params},
        size,
    },
    state::AppState,
};

/// The page size when `limit` isn't given.
pub const DEFAULT_LIMIT: PageLimit = PageLimit::of::<20>();

/// The parameters of every collection, for the OpenAPI document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described; PageQuery reads the values")]
pub struct PageParams {
    /// The most results on a page.
    #[param(minimum = 1, maximum = 100, default = 20, example = 20)]
    limit: Option<u32>,
    /// The start of the page: the `cursor` of a `next` or `previous` URL.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// A page of a collection.
#[derive(Debug, Serialize, ToSchema)]
pub struct Collection<T> {
    /// The exact number of results on all pages together, or null if they are not counted.
    #[schema(required, minimum = 0, example = 1)]
    pub count: Option<u64>,
    /// The URL of the next page, or null on the last one.
    #[schema(required, format = "uri")]
    pub next: Option<String>,
    /// The URL of the previous page, or null on the first one.
    #[schema(required, format = "uri")]
    pub previous: Option<String>,
    /// The results on this page.
    pub results: Vec<T>,
}

/// The most bytes of a `Link` header. Proxies limit the headers of a response; nginx reads 4 KiB by default (its
/// `proxy_buffer_size`).
const MAX_LINK_BYTES: usize = 3 * 1024;

impl<T: Serialize> IntoResponse for Collection<T> {
    fn into_response(self) -> Response {
        let link = link(self.next.as_deref(), self.previous.as_deref());
        linked(link, Json(self))
    }
}

/// Returns `body` as a response with this `Link` header.
pub fn linked(link: Option<HeaderValue>, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// Returns the `Link` header (RFC 8288 §3) with the URLs of a page's neighbors. A URL with which it would be longer than 3 KiB
/// is left out. `None` if no URL is left.
#[must_use]
pub fn link(next: Option<&str>, previous: Option<&str>) -> Option<HeaderValue> {
    let mut links = String::new();
    for (url, relation) in [(next, "next"), (previous, "prev")] {
        let Some(url) = url else { continue };
        let separator = if links.is_empty() { "" } else { ", " };
        let one = format!("{separator}<{url}>; rel=\"{relation}\"");
        if links.len() + one.len() <= MAX_LINK_BYTES {
            links.push_str(&one);
        }
    }
    HeaderValue::try_from(links)
        .ok()
        .filter(|links| !links.is_empty())
}

/// The parsed `limit` and `cursor` of a request.
#[derive(Debug)]
pub struct PageQuery {
    /// The most items on the page.
    pub limit: PageLimit,
    /// Where the page starts.
    pub window: Window,
    params: ParamValues,
    scope: String,
}

impl PageQuery {
    /// Parses the parameters of a page. `scope` names the collection and its filters, and the caller if the collection is the
    /// caller's own. A cursor is valid in its own scope only.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a limit outside 1–100 or a cursor of another scope; [`Error::Unavailable`] if the cursor key
    /// can't be read.
    pub async fn read(
        state: &AppState,
        params: Params,
        default_limit: PageLimit,
        scope: String,
    ) -> Result<Self> {
        let (params, errors) = params.open();
        Self::read_with(state, params, default_limit, scope, errors).await
    }

    /// Parses the parameters of a page, and reports their errors together with those of the collection's own parameters. If
    /// there are `errors`, the scope may be wrong, so the cursor isn't checked.
    ///
    /// # Errors
    /// As [`PageQuery::read`], and [`Error::Invalid`] with `errors`.
    pub async fn read_with(
        state: &AppState,
        params: ParamValues,
        default_limit: PageLimit,
        scope: String,
        mut errors: FieldErrors,
    ) -> Result<Self> {
        let has_scope = errors.0.is_empty();
        let limit = errors.take("limit", parse_limit(params.get("limit"), default_limit));
        let mut window = Window::First;
        if let Some(cursor) = params.get("cursor").filter(|_| has_scope) {
            match state.cursor_key().await?.open(&scope, cursor) {
                Ok(opened) => window = opened,
                Err(Error::Invalid(e)) => errors.merge(e),
                Err(e) => return Err(e),
            }
        }
        errors.check()?;
        Ok(Self {
            limit: limit.unwrap_or(default_limit),
            window,
            params,
            scope,
        })
    }

    /// Returns `slice` as bodies, as many as a function may return but at least one. The others are on the next page in the
    /// direction of reading. Each body is written as JSON here, so that its size is known without writing it twice.
    ///
    /// # Errors
    /// [`Error::Internal`] if a body can't be serialized.
    pub fn within_answer<T, B: Serialize>(
        &self,
        slice: Slice<T>,
        position: impl Fn(&T) -> Position,
        body: impl Fn(T) -> B,
    ) -> Result<Slice<Box<RawValue>>> {
        let back = self.window.is_backward();
        let (items, mut place) = slice.split();
        let written = items.into_iter().map(|item| {
            let position = position(&item);
            let body = serde_json::value::to_raw_value(&body(item));
            let body = body.map_err(|e| Error::internal(format!("a result can't be serialized: {e}")))?;
            Ok::<_, Error>((position, body))
        });
        let mut bodies = written.collect::<Result<Vec<(Position, Box<RawValue>)>>>()?;
        if back {
            bodies.reverse();
        }
        let fits = size::fitting(bodies.iter().map(|(_, body)| body.get())).max(1);
        if fits < bodies.len() {
            bodies.truncate(fits);
            let end = bodies.last().map(|(position, _)| position.clone());
            if back {
                place.previous = end.map(Window::Before);
            } else {
                place.next = end.map(Window::After);
            }
        }
        if back {
            bodies.reverse();
        }
        Ok(place.with_items(bodies.into_iter().map(|(_, body)| body).collect()))
    }

    /// Returns the page's body: the items of `slice`, and the URLs of its neighbors.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the cursor key can't be read.
    pub async fn collection<T>(
        self,
        state: &AppState,
        count: Option<u64>,
        slice: Slice<T>,
    ) -> Result<Collection<T>> {
        // A collection that fits on one page needs no cursor, so the key isn't read.
        let public_url = state.config.http.public_url.as_deref();
        let url = async |window: Option<Window>| match window {
            None => Ok::<_, Error>(None),
            Some(window) => {
                let cursor = state.cursor_key().await?.seal(&self.scope, &window)?;
                Ok(Some(self.params.url_with_cursor(public_url, &cursor)))
            }
        };
        Ok(Collection {
            count,
            next: url(slice.next).await?,
            previous: url(slice.previous).await?,
            results: slice.items,
        })
    }
}

/// Parses a `limit`, for the lists that have no cursor.
///
/// # Errors
/// The message for the parameter if it isn't a number from 1 to 100.
pub fn parse_limit(text: Option<&str>, default: PageLimit) -> Result<PageLimit, &'static str> {
    text.map_or(Ok(default), PageLimit::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_header_has_the_urls_that_fit() {
        let short = "https://movies.example/api/movies/?limit=2&cursor=a";
        let long = format!("{short}{}", "b".repeat(2_000));
        let header = |next: Option<&str>, previous: Option<&str>| {
            link(next, previous).map(|link| link.to_str().unwrap().to_owned())
        };
        assert_eq!(header(None, None), None);
        assert_eq!(
            header(Some(short), Some(short)).unwrap(),
            format!("<{short}>; rel=\"next\", <{short}>; rel=\"prev\"")
        );
        assert_eq!(
            header(None, Some(short)).unwrap(),
            format!("<{short}>; rel=\"prev\"")
        );
        assert_eq!(
            header(Some(&long), Some(&long)).unwrap(),
            format!("<{long}>; rel=\"next\"")
        );
        assert_eq!(
            header(Some(&long.repeat(2)), Some(short)).unwrap(),
            format!("<{short}>; rel=\"prev\"")
        );
        assert_eq!(header(Some(&long.repeat(2)), None), None);
    }
}
