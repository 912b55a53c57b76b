//! The auth function's process.

use marquee_auth::{AuthState, Vault};
use marquee_shared::{AppState, aws, telemetry};

// One thread is enough: passwords are hashed on blocking threads.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    telemetry::init_lambda()?;
    let aws = aws::function_config()?;
    let app = AppState::from_env(&aws)?;
    let vault = Vault::from_env(&aws)?.into();
    lambda_http::run(marquee_auth::router(AuthState { app, vault })?).await
}
