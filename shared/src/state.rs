//! The state that every handler gets.

use std::sync::Arc;

use aws_config::SdkConfig;
use tokio::sync::OnceCell;

use crate::{
    auth::keys::KeyRing,
    aws::client,
    clock::Clock,
    config::{Config, ConfigError},
    covers::Covers,
    db::{cursor::CursorKey, store::Store},
    error::Result,
};

/// The state that every handler gets. Clones are cheap and share it.
#[derive(Clone, Debug)]
pub struct AppState {
    /// The configuration.
    pub config: Arc<Config>,
    /// The table.
    pub store: Store,
    /// The public keys, cached from the table.
    pub keys: Arc<KeyRing>,
    /// The clock.
    pub clock: Clock,
    /// Where uploaded images are sent.
    pub covers: Covers,
    cursor_key: Arc<OnceCell<CursorKey>>,
}

impl AppState {
    /// Returns the state for an existing client, for the local server and tests.
    #[must_use]
    pub fn new(config: Config, client: aws_sdk_dynamodb::Client, clock: Clock) -> Self {
        Self {
            store: Store::new(client, config.table.clone(), clock.clone())
                .with_likes_shards(config.likes_shards)
                .that_asks_for_units(config.metrics_namespace.is_some()),
            keys: Arc::new(KeyRing::new(clock.clone())),
            config: Arc::new(config),
            clock,
            covers: Covers::default(),
            cursor_key: Arc::default(),
        }
    }

    /// Returns the state with a receiver of uploaded images.
    #[must_use]
    pub fn with_covers(self, covers: Covers) -> Self {
        Self { covers, ..self }
    }

    /// Returns the state for a Lambda function: the configuration comes from the environment.
    ///
    /// # Errors
    /// Returns an error if a variable of the environment isn't valid.
    pub fn from_env(aws: &SdkConfig) -> std::result::Result<Self, ConfigError> {
        let config = Config::from_env()?;
        let client = client::connect(aws, config.dynamodb_endpoint.as_deref());
        Ok(Self::new(config, client, Clock::default()))
    }

    /// Returns the key that encrypts cursors. A process reads it from the table once.
    ///
    /// # Errors
    /// [`Unavailable`](crate::Error::Unavailable) if the key can't be read.
    pub async fn cursor_key(&self) -> Result<&CursorKey> {
        self.cursor_key.get_or_try_init(|| self.store.cursor_key()).await
    }
}
