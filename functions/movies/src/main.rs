//! The movies function: configuration, state, run.

use lambda_http::{Error, run};
use shared::{AppState, aws, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::of_function();
    let state = AppState::from_env(&aws::of_function()?)?;
    run(movies::router(state)?).await
}
