//! The movies function: configuration, state, run.

use lambda_http::{Error, run};
use marquee_movies::covers_function::CoversFunction;
use marquee_shared::{AppState, aws, covers::Covers, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init_lambda()?;
    let aws = aws::function_config()?;
    let state = AppState::from_env(&aws)?;
    let covers = match &state.config.covers_function {
        Some(name) => CoversFunction::new(name, &aws, aws::function_connector()?).map(Covers::new),
        None => None,
    };
    run(marquee_movies::router(
        state.with_covers(covers.unwrap_or_default()),
    )?)
    .await
}
