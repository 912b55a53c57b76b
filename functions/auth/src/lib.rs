//! The auth function: register, sign in, refresh, sign out, and list the public keys. No other function has the private keys.

mod handlers;
mod password_reset;
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
use password_reset::*;

marquee_shared::operations! {
    AuthState;
    "/api/auth/register/" => post: register_user;
    "/api/auth/login/" => post: log_in;
    "/api/auth/refresh/" => post: refresh_session;
    "/api/auth/logout/" => post: log_out;
    "/api/auth/password-reset/" => post: request_password_reset;
    "/api/auth/password-reset/confirm/" => post: confirm_password_reset;
    // The route has a trailing slash like every other. The documented path has none, as usual for a file.
    "/.well-known/jwks.json/" => get: get_jwks;
}

/// The state of this function's handlers.
#[derive(Clone, Debug)]
pub struct AuthState {
    /// The state of every function's handlers.
    pub app: AppState,
    /// The secrets, among them the private key.
    pub vault: Arc<Vault>,
}

impl FromRef<AuthState> for AppState {
    fn from_ref(state: &AuthState) -> Self {
        state.app.clone()
    }
}

/// Returns the function's router with the layers of every function.
///
/// # Errors
/// Returns an error if a configured CORS origin is not a valid header value.
pub fn router(state: AuthState) -> Result<Router, axum::http::Error> {
    let http = state.app.config.http.clone();
    with_layers(operations().of_callers(state), &http)
}

/// Returns this function's part of the OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(documented())
}
