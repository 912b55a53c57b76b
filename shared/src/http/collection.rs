//! Collections: `{count, next, previous, results}` with a limit and a cursor.

use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    db::page::{PageLimit, Position, Slice, Window},
    error::{Error, FieldErrors, Result},
    http::{extract::Params, size},
    state::AppState,
};

/// The page size when `limit` isn't given.
pub const DEFAULT_LIMIT: PageLimit = PageLimit::of::<20>();

/// The parameters of every collection, for its documentation.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "documentation; Params and PageQuery read the values")]
pub struct PageParams {
    /// The page size.
    #[param(minimum = 1, maximum = 100, default = 20, example = 20)]
    limit: Option<u32>,
    /// Where to go on: the `cursor` of a `next` or `previous` URL.
    #[param(min_length = 1)]
    cursor: Option<String>,
}

/// A page of a collection.
#[derive(Debug, Serialize, ToSchema)]
pub struct Collection<T> {
    /// How many there are in all, exact; `null` where that isn't counted.
    #[schema(minimum = 0, example = 1)]
    pub count: Option<u64>,
    /// The next page, or `null` at the end.
    #[schema(format = "uri")]
    pub next: Option<String>,
    /// The page before, or `null` at the start.
    #[schema(format = "uri")]
    pub previous: Option<String>,
    /// This page.
    pub results: Vec<T>,
}

/// The `limit` and `cursor` of a request, checked.
#[derive(Debug)]
pub struct PageQuery {
    /// How many items a page has at most.
    pub limit: PageLimit,
    /// Where it starts.
    pub window: Window,
    params: Params,
    scope: String,
}

impl PageQuery {
    /// Reads the page's place. `scope` names the collection with its filters, and the caller where it is theirs.
    ///
    /// # Errors
    /// `400` for a limit outside 1–100 or a cursor that isn't of this scope; [`Error::Unavailable`] when the cursor
    /// key can't be read.
    pub async fn read(
        state: &AppState,
        params: Params,
        default_limit: PageLimit,
        scope: String,
    ) -> Result<Self> {
        Self::read_with(state, params, default_limit, scope, FieldErrors::default()).await
    }

    /// Likewise, together with what is wrong with the collection's own parameters. While those are wrong the scope isn't
    /// known, and the cursor isn't looked at.
    ///
    /// # Errors
    /// As [`PageQuery::read`], and `400` for `errors`.
    pub async fn read_with(
        state: &AppState,
        params: Params,
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
                Err(Error::Invalid(e)) => errors.0.extend(e.0),
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

    /// `slice` as bodies, cut short where they would be more than a function may answer: the rest is on the next page in
    /// the direction of reading. A page has one result at least.
    ///
    /// # Errors
    /// As [`size::sent_bytes`].
    pub fn within_answer<T, B: Serialize>(
        &self,
        slice: Slice<T>,
        position: impl Fn(&T) -> Position,
        body: impl Fn(T) -> B,
    ) -> Result<Slice<B>> {
        let back = self.window.is_backward();
        let (items, mut place) = slice.split();
        let mut bodies: Vec<(Position, B)> = items
            .into_iter()
            .map(|item| (position(&item), body(item)))
            .collect();
        if back {
            bodies.reverse();
        }
        let fits = size::fitting(bodies.iter().map(|(_, body)| body))?.max(1);
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

    /// The page's body: `slice` with its neighbors as URLs.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the cursor key can't be read.
    pub async fn collection<T>(
        self,
        state: &AppState,
        count: Option<u64>,
        slice: Slice<T>,
    ) -> Result<Collection<T>> {
        // A collection that fits on one page needs no cursor and so no key.
        let url = async |window: Option<Window>| match window {
            None => Ok::<_, Error>(None),
            Some(window) => {
                let cursor = state.cursor_key().await?.seal(&self.scope, &window)?;
                Ok(Some(self.params.url_with_cursor(&cursor)))
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

/// Reads a `limit` on its own, for the lists that have no cursor.
///
/// # Errors
/// The message for the parameter when it isn't a number of 1–100.
pub fn parse_limit(text: Option<&str>, default: PageLimit) -> Result<PageLimit, &'static str> {
    text.map_or(Ok(default), PageLimit::parse)
}
