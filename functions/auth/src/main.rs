//! The auth function's process.

use auth::AuthState;
use shared::{AppState, auth::AuthSecrets, telemetry};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init(telemetry::Format::Json, "info");
    let app = AppState::from_env().await?;
    let secrets = AuthSecrets::from_env()?.into();
    lambda_http::run(auth::router(AuthState { app, secrets })?).await
}
