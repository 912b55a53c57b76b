//! The docs function: configuration, run.

use lambda_http::{Error, run};
use marquee_shared::{config::Config, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init_lambda();
    run(marquee_docs::router(&Config::from_env()?.http)?).await
}
