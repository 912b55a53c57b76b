//! The covers function: checks images and stores them, serves them, and deletes those that no movie has.
//!
//! It is invoked in three ways. The gateway sends requests for covers, whose paths nobody can guess. The movies function sends images
//! ([`receive`]): it reads the request, knows who may change which movie, and writes the movie. A schedule asks for the sweep. So
//! only this function has decoders of images, and only it may write to the store.
//!
//! No client is sent a file that another one has uploaded: an image is served as it was read here, without metadata.

#[cfg(feature = "directory")]
mod directory;
pub mod image;
pub mod objects;
pub mod receive;
#[cfg(feature = "s3")]
mod s3;
mod serve;

use axum::{Router, extract::FromRef};
use marquee_shared::{
    AppState,
    http::{openapi::complete, with_layers},
};
// `#[utoipa::path]` generates an item beside each handler, which `operations!` needs too. So the handlers are imported by `*`.
use serve::*;

pub use self::{
    objects::{Object, Objects},
    receive::CoversFunction,
};

/// The state of the handlers.
#[derive(Clone, Debug)]
pub struct CoversState {
    /// The state of every function.
    pub app: AppState,
    /// Where covers are stored. `None` if none are: then none is found.
    pub objects: Option<Objects>,
}

impl FromRef<CoversState> for AppState {
    fn from_ref(state: &CoversState) -> Self {
        state.app.clone()
    }
}

marquee_shared::operations! {
    CoversState;
    "/api/covers/{name}/" => get: get_cover;
}

/// Returns the function's router with the layers of every function.
///
/// # Errors
/// Returns an error if a configured CORS origin is not a valid header value.
pub fn router(state: CoversState) -> Result<Router, axum::http::Error> {
    let config = state.app.config.clone();
    with_layers(operations().with_state(state), &config.http)
}

/// Returns this function's part of the OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(documented())
}
