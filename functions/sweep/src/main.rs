//! The sweep function: configuration, state, run.

use lambda_runtime::{Error, run, service_fn};
use shared::{AppState, aws, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::of_function();
    let store = AppState::from_env(&aws::of_function()?)?.store;
    run(service_fn(|event| sweep::handle(&store, event))).await
}
