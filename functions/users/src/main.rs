//! The users function: configuration, state, run.

use lambda_http::{Error, run};
use marquee_shared::{AppState, aws, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init_lambda()?;
    let state = AppState::from_env(&aws::function_config()?)?;
    run(marquee_users::router(state)?).await
}
