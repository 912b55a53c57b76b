//! The mail function's process.

use lambda_runtime::{Error, run, service_fn};
use marquee_mail::{MailFunction, Ses, Settings, handle};
use marquee_shared::{AppState, aws, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init_lambda()?;
    let aws = aws::function_config()?;
    let app = AppState::from_env(&aws)?;
    let settings = Settings::of(&app.config)?;
    let function = MailFunction::new(app.store, settings, Ses::new(&aws));
    run(service_fn(|event| handle(&function, event))).await
}
