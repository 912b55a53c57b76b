//! The users function: configuration, state, run.

use lambda_http::{Error, run};
use shared::{AppState, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(telemetry::Format::Json, "info");
    run(users::router(AppState::from_env().await?)?).await
}
