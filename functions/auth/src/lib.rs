//! The auth function: register, log in, refresh, log out, and the public keys. The only one that holds the private ones.

mod handlers;
mod vault;
mod wire;

pub use vault::Vault;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use handlers::*;
use marquee_shared::{
    AppState,
    http::{openapi::complete, with_layers},
};

marquee_shared::operations! {
    AuthState;
    "/api/auth/register/" => post: register_user;
    "/api/auth/login/" => post: log_in;
    "/api/auth/refresh/" => post: refresh_session;
    "/api/auth/logout/" => post: log_out;
    // Registered with a trailing slash, like every route; documented as the file it is.
    "/.well-known/jwks.json/" => get: get_jwks;
}

/// What this function's handlers are given: what every function's are, and the way to the secrets.
#[derive(Clone, Debug)]
pub struct AuthState {
    /// What every handler is given.
    pub app: AppState,
    /// The private keys.
    pub vault: Arc<Vault>,
}

impl FromRef<AuthState> for AppState {
    fn from_ref(state: &AuthState) -> Self {
        state.app.clone()
    }
}

/// The whole function, with the layers that every function has.
///
/// # Errors
/// When a configured CORS origin isn't a header value.
pub fn router(state: AuthState) -> Result<Router, axum::http::Error> {
    let http = state.app.config.http.clone();
    with_layers(operations().with_state(state), &http)
}

/// This function's part of the OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(documented())
}
