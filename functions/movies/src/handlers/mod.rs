//! Handlers: parse, one store call, respond.

pub mod favorites;
pub mod lists;
pub mod movies;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use marquee_shared::{Error, Result, db::movie::NO_MOVIE, domain::MovieId};

/// The movie's id in a path. What isn't an id names no movie: `404`, before a body is looked at.
#[derive(Clone, Copy, Debug)]
pub struct PathId(pub MovieId);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| NO_MOVIE)?;
        MovieId::from_path(&text).map(Self).ok_or(NO_MOVIE)
    }
}
