//! The auth function's process.

use auth::{AuthState, Vault};
use shared::{AppState, aws, telemetry};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init(telemetry::Format::Json, "info");
    let aws = aws::config().await;
    let app = AppState::from_env(&aws)?;
    let vault = Vault::from_env(&aws)?.into();
    lambda_http::run(auth::router(AuthState { app, vault })?).await
}
