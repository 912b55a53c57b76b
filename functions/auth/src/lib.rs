//! The auth function: register, log in, refresh, log out. The only one that holds the private keys.

mod handlers;
mod wire;

use std::sync::Arc;

use axum::{Router, extract::FromRef};
use shared::{
    AppState,
    auth::AuthSecrets,
    http::{openapi::complete, serve},
};
use utoipa_axum::{router::OpenApiRouter, routes};

/// What this function's handlers are given: what every function's are, and the secrets.
#[derive(Clone, Debug)]
pub struct AuthState {
    /// What every handler is given.
    pub app: AppState,
    /// The private keys.
    pub secrets: Arc<AuthSecrets>,
}

impl FromRef<AuthState> for AppState {
    fn from_ref(state: &AuthState) -> Self {
        state.app.clone()
    }
}

/// This function's routes, with their documentation.
#[must_use]
pub fn routes() -> OpenApiRouter<AuthState> {
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
    serve(router.with_state(state), &http)
}

/// This function's part of the OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(routes().into_openapi())
}
