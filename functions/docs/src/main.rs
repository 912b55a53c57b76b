//! The docs function: configuration, run.

use lambda_http::{Error, run};
use shared::{config::Config, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::of_function();
    run(docs::router(&Config::from_env()?.http)?).await
}
