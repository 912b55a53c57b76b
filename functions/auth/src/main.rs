//! The auth function's process.

use auth::{AuthState, Vault};
use shared::{AppState, aws, telemetry};

// Passwords are hashed on threads of their own.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::of_function();
    let aws = aws::of_function()?;
    let app = AppState::from_env(&aws)?;
    let vault = Vault::from_env(&aws)?.into();
    lambda_http::run(auth::router(AuthState { app, vault })?).await
}
