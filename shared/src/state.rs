//! What every handler is given.

use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::OnceCell;

use crate::{
    auth::keys::KeyRing,
    clock::Clock,
    config::{Config, ConfigError},
    db::{self, Store},
    error::Result,
    http::cursor::CursorKey,
};

/// What every handler is given. Cloning it is cheap.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The configuration.
    pub config: Arc<Config>,
    /// The table.
    pub store: Store,
    /// The public keys, read from the table now and then.
    pub keys: Arc<KeyRing>,
    /// The time.
    pub clock: Clock,
    cursor_key: Arc<OnceCell<CursorKey>>,
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
            cursor_key: Arc::default(),
        }
    }

    /// State for a Lambda function: the configuration from the environment, the region's table.
    ///
    /// # Errors
    /// When the environment can't be read.
    pub fn from_env(aws: &SdkConfig) -> std::result::Result<Self, ConfigError> {
        let config = Config::from_env()?;
        let client = db::client::connect(aws, config.dynamodb_endpoint.as_deref());
        Ok(Self::new(config, client, Clock::default()))
    }

    /// The key that seals cursors, read from the table once in the life of a process.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when it can't be read.
    pub async fn cursor_key(&self) -> Result<&CursorKey> {
        self.cursor_key.get_or_try_init(|| self.store.cursor_key()).await
    }
}
