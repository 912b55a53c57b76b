//! The movies function: configuration, state, run.

use lambda_http::{Error, run};
use shared::{AppState, aws, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(telemetry::Format::Json, "info");
    let state = AppState::from_env(&aws::config().await)?;
    run(movies::router(state)?).await
}
