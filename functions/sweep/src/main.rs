//! The sweep function: configuration, state, run.

use lambda_runtime::{Error, run, service_fn};
use shared::{AppState, aws, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(telemetry::Format::Json, "info");
    let store = AppState::from_env(&aws::config().await)?.store;
    run(service_fn(|event| sweep::handle(&store, event))).await
}
