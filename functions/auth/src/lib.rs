//! The auth function: register, log in, refresh, log out, and the public keys. The only one that holds the private ones.

mod handlers;
mod vault;
mod wire;

pub use vault::Vault;

use std::sync::Arc;

use axum::{
    Router,
    extract::FromRef,
    routing::{get, post},
};
use shared::{
    AppState,
    http::{openapi::complete, serve},
};
use utoipa::OpenApi as _;

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
    let router = Router::new()
        .route("/api/auth/register/", post(handlers::register_user))
        .route("/api/auth/login/", post(handlers::log_in))
        .route("/api/auth/refresh/", post(handlers::refresh_session))
        .route("/api/auth/logout/", post(handlers::log_out))
        // Registered with a trailing slash, like every route; documented as the file it is.
        .route("/.well-known/jwks.json/", get(handlers::get_jwks));
    serve(router.with_state(state), &http)
}

/// Every operation. Not made of the router: at a cold start nobody asks for the description.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    handlers::register_user,
    handlers::log_in,
    handlers::refresh_session,
    handlers::log_out,
    handlers::get_jwks,
))]
struct Documented;

/// This function's part of the OpenAPI document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    complete(Documented::openapi())
}
