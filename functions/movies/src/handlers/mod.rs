//! The handlers. Each parses its request, calls the store, and responds.
//!
//! * [`movies`]: list, create, get, replace, update and delete movies.
//! * [`covers`]: set and delete the cover of a movie.
//! * [`favorites`]: toggle, add and remove a favorite.
//! * [`lists`]: search, the categories, the most liked and the newest movies.

pub(crate) mod covers;
pub(crate) mod favorites;
pub(crate) mod lists;
pub(crate) mod movies;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use marquee_shared::{Error, Result, db::movie::NO_MOVIE, domain::MovieId};

/// The id of a movie in a path. Text that is not an id is `404`, even if the body is not valid either.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathId(pub(crate) MovieId);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| NO_MOVIE)?;
        MovieId::from_path(&text).map(Self).ok_or(NO_MOVIE)
    }
}
