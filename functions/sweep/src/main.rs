//! The sweep function: configuration, state, run.

use lambda_runtime::{Error, run, service_fn};
use marquee_shared::{AppState, aws, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init_lambda()?;
    let store = AppState::from_env(&aws::function_config()?)?.store;
    run(service_fn(|event| marquee_sweep::handle(&store, event))).await
}
