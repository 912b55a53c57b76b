//! Handlers: parse, one store call, respond.

pub mod favorites;
pub mod films;
pub mod lists;

use shared::{Error, Result, db::movie::no_movie, domain::MovieId};

/// The film's id in a path; what isn't an id names no film.
pub(crate) fn movie_id(text: &str) -> Result<MovieId> {
    MovieId::from_path(text).ok_or_else(no_movie)
}

/// The error for a caller who neither owns the film nor is an admin.
pub(crate) const NOT_YOURS: Error =
    Error::Forbidden("Only the user who added this film, or an admin, may change it.");
