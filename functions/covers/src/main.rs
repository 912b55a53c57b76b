//! The covers function: configuration, state, run.

use lambda_http::{Adapter, request::LambdaRequest};
use lambda_runtime::{Error, LambdaEvent, Service as _, run, service_fn};
use marquee_covers::{CoversFunction, CoversState, Objects, router};
use marquee_shared::{AppState, aws, covers::SentCover, telemetry};
use serde_json::Value;

/// The input of the schedule.
const SWEEP: &str = "covers";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init_lambda()?;
    let app = AppState::from_env(&aws::function_config()?)?;
    let bucket = app.config.covers_bucket.as_deref();
    let objects = match bucket {
        Some(name) => {
            let bucket = Objects::bucket(name, None, aws::function_connector()?);
            Some(bucket.map_err(|error| error.log_message())?)
        }
        None => None,
    };
    let function = CoversFunction::new(app.store.clone(), objects.clone());
    let router = router(CoversState { app, objects })?;
    run(service_fn(move |event: LambdaEvent<Value>| {
        let (router, function) = (router.clone(), function.clone());
        async move {
            // The gateway's events have neither.
            if event.payload.get("image").is_some() {
                let sent: SentCover = serde_json::from_value(event.payload)?;
                let receipt = function.answer(sent).await.map_err(|error| error.log_message())?;
                return Ok::<_, Error>(serde_json::to_value(receipt)?);
            }
            if event.payload["sweep"] == SWEEP {
                let covers = function.sweep().await.map_err(|error| error.log_message())?;
                tracing::info!(covers, "swept");
                return Ok(Value::Null);
            }
            let request: LambdaRequest = serde_json::from_value(event.payload)?;
            let mut adapter = Adapter::from(router);
            let response = adapter.call(LambdaEvent::new(request, event.context)).await?;
            Ok(serde_json::to_value(response)?)
        }
    }))
    .await
}
