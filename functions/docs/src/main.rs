//! The docs function: configuration, state, run.

use lambda_http::{Error, run};
use marquee_docs::DocsState;
use marquee_shared::{
    aws::{self, client},
    clock::Clock,
    config::Config,
    db::Store,
    telemetry,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init_lambda()?;
    let (config, aws) = (Config::from_env()?, aws::function_config()?);
    let http = config.http.clone();
    let store = move || {
        let client = client::connect(&aws, config.dynamodb_endpoint.as_deref());
        let asks = config.metrics_namespace.is_some();
        Store::new(client, config.table, Clock::default()).that_asks_for_units(asks)
    };
    run(marquee_docs::router(DocsState::new(store, &http), &http)?).await
}
