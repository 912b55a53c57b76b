//! What every handler is given.

use std::sync::Arc;

use crate::{
    auth::keys::KeyRing,
    clock::Clock,
    config::Config,
    db::{self, Store},
};

/// What every handler is given. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The configuration.
    pub config: Arc<Config>,
    /// The table.
    pub store: Store,
    /// The public keys and the cursor key, read from the table once.
    pub keys: Arc<KeyRing>,
    /// The time.
    pub clock: Clock,
}

impl AppState {
    /// State over an existing client, for the local server and tests.
    #[must_use]
    pub fn new(config: Config, client: aws_sdk_dynamodb::Client, clock: Clock) -> Self {
        Self {
            store: Store::new(client, config.table.clone(), clock.clone()),
            keys: Arc::new(KeyRing::new(clock.clone())),
            config: Arc::new(config),
            clock,
        }
    }

    /// State for a Lambda function: the configuration from the environment, the region's table.
    ///
    /// # Errors
    /// When the environment can't be read.
    pub async fn from_env() -> Result<Self, crate::config::ConfigError> {
        let config = Config::from_env()?;
        let client = db::client::connect(config.dynamodb_endpoint.as_deref()).await;
        Ok(Self::new(config, client, Clock::default()))
    }
}
