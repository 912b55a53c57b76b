//! The auth function: register, log in, refresh, log out, and the public keys. The only one that holds the private ones.

mod handlers;
mod vault;
mod wire;

pub use vault::Vault;

use std::sync::Arc;

use axum::{Router, extract::FromRef, routing::get};
use shared::{
    AppState,
    http::{openapi::complete, serve},
};
use utoipa_axum::{router::OpenApiRouter, routes};

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

fn routes() -> OpenApiRouter<AuthState> {
    OpenApiRouter::new()
        .routes(routes!(handlers::register_user))
        .routes(routes!(handlers::log_in))
        .routes(routes!(handlers::refresh_session))
        .routes(routes!(handlers::log_out))
}

/// The whole function, with the layers that every function has.
///
/// # Errors
/// When a configured CORS origin isn't a header value.
pub fn router(state: AuthState) -> Result<Router, axum::http::Error> {
    let http = state.app.config.http.clone();
    let (router, _) = routes().split_for_parts();
    // Registered with a trailing slash, like every route; documented as the file it is.
    let router = router.route("/.well-known/jwks.json/", get(handlers::get_jwks));
    serve(router.with_state(state), &http)
}

/// This function's part of the OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(routes().routes(routes!(handlers::get_jwks)).into_openapi())
}
