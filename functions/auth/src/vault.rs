//! The auth function's secrets: where they come from, and when they are read again.

use std::sync::{Arc, LazyLock};

use aws_sdk_secretsmanager::{Client, error::ProvideErrorMetadata};
use marquee_shared::{
    AppState, Error, Result,
    auth::{AuthSecrets, SecretTexts, keys::FRESH_SECONDS, secrets::SecretsError},
    clock::Instant,
    error::LogText,
    telemetry,
};
use tokio::sync::Mutex;

/// How long a new key is published before it signs, in seconds, as long as the previous key can sign. It is longer than a
/// verifier remembers that a key id is unknown, and than the public keys may be cached.
const LEAD_SECONDS: i64 = 90;

/// The call that reads a secret.
const GET_SECRET: &str = "GetSecretValue";

/// How long to wait before the next attempt after the secrets could not be read, in seconds.
const RETRY_SECONDS: i64 = 10;

/// How long secrets are used while they can't be read again, in seconds.
const STALE_SECONDS: i64 = 60 * 60;

/// The auth function's secrets. They are read when they are first needed and then every 5 minutes, so that a rotation needs
/// no restart. A public key is written to the table before its private key signs anything. After a rotation the previous key
/// goes on signing for `LEAD_SECONDS` more, so that every verifier can find the new key when it is first used.
#[derive(Debug)]
pub struct Vault {
    source: Source,
    held: Mutex<Option<Held>>,
}

/// A version of a secret, named by its staging label in Secrets Manager.
type Version = &'static str;

const CURRENT: Version = "AWSCURRENT";
const PREVIOUS: Version = "AWSPREVIOUS";

/// A client that is built when it is first used. Building one takes as long as the rest of the start, and requests that need
/// no secret should not wait for it.
type LazyClient = LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>;

#[derive(Debug)]
enum Source {
    Given(Arc<AuthSecrets>),
    SecretsManager {
        client: LazyClient,
        /// The name or ARN of the secret from which the signing key is derived.
        signing: String,
        /// The name or ARN of the secret from which the key of the refresh tokens is derived.
        refresh: String,
    },
}

#[derive(Debug)]
struct Held {
    secrets: Arc<AuthSecrets>,
    read: Instant,
    /// When to read again.
    due: Instant,
}

impl From<AuthSecrets> for Vault {
    fn from(secrets: AuthSecrets) -> Self {
        Self::new(Source::Given(secrets.into()))
    }
}

impl Vault {
    /// Returns a vault that reads its secrets from AWS Secrets Manager, each by its name or ARN.
    #[must_use]
    pub fn secrets_manager(
        client: impl FnOnce() -> Client + Send + 'static,
        signing: String,
        refresh: String,
    ) -> Self {
        Self::new(Source::SecretsManager {
            client: LazyLock::new(Box::new(client)),
            signing,
            refresh,
        })
    }

    /// Returns the vault that the environment describes. `AUTH_SECRETS` or `AUTH_SECRETS_FILE` contain the secrets' texts;
    /// otherwise `SIGNING_SECRET` and `REFRESH_SECRET` name secrets in Secrets Manager.
    ///
    /// # Errors
    /// Returns an error if the texts can't be read, or if none of these variables is set.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, SecretsError> {
        if let Some(secrets) = AuthSecrets::from_env()? {
            return Ok(secrets.into());
        }
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        match (variable("SIGNING_SECRET"), variable("REFRESH_SECRET")) {
            (Some(signing), Some(refresh)) => {
                let aws = aws.clone();
                Ok(Self::secrets_manager(move || Client::new(&aws), signing, refresh))
            }
            _ => Err(SecretsError::new(
                "must both be names or ARNs of secrets, unless AUTH_SECRETS or AUTH_SECRETS_FILE is set",
            )
            .of("SIGNING_SECRET and REFRESH_SECRET")),
        }
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            held: Mutex::new(None),
        }
    }

    /// Returns the secrets. A token signed with them can be verified until it expires.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the secrets can't be read or their public key can't be published.
    pub async fn open(&self, app: &AppState) -> Result<Arc<AuthSecrets>> {
        // Locked while the secrets are read, so that concurrent requests share one read.
        let mut held = self.held.lock().await;
        let now = app.clock.now();
        if let Some(held) = held.as_ref().filter(|held| now < held.due) {
            return Ok(Arc::clone(&held.secrets));
        }
        let secrets = match (self.source.read(CURRENT).await, held.as_mut()) {
            (Ok(secrets), _) => secrets,
            (Err(error), Some(held)) if now < held.read.plus_seconds(STALE_SECONDS) => {
                telemetry::warn(&error, "the secrets could not be read again");
                held.due = now.plus_seconds(RETRY_SECONDS);
                return Ok(Arc::clone(&held.secrets));
            }
            (Err(error), _) => return Err(error),
        };
        // Only secrets read just now are published. A key that was stolen, replaced and deleted from the table must not
        // return from the memory of a process that has not read the new one yet.
        let signed_until = STALE_SECONDS.saturating_add(app.config.tokens.access_seconds);
        // Published for as long as a session lives: a client that returns after weeks may send its expired access token
        // with the call that refreshes it, and the token's signature must still be verifiable.
        let seconds = signed_until.max(app.config.tokens.session_seconds);
        let since = app
            .keys
            .publish(&app.store, secrets.public_key(), seconds)
            .await?;
        let in_use = since.plus_seconds(LEAD_SECONDS);
        let earlier = if now < in_use {
            self.earlier(app, held.as_ref(), signed_until).await
        } else {
            None
        };
        let (secrets, due) = match earlier {
            Some(earlier) => (earlier, in_use),
            None => (secrets, now.plus_seconds(FRESH_SECONDS)),
        };
        *held = Some(Held {
            secrets: Arc::clone(&secrets),
            read: now,
            due,
        });
        Ok(secrets)
    }

    /// Returns secrets whose signing key every verifier knows by now and that verifies for `seconds` more: those that this
    /// process used before, or the previous version of the secret.
    async fn earlier(&self, app: &AppState, held: Option<&Held>, seconds: i64) -> Option<Arc<AuthSecrets>> {
        let known = app.keys.known(LEAD_SECONDS, seconds).await;
        let is_known = |secrets: &Arc<AuthSecrets>| known.contains(&secrets.public_key().kid);
        if known.is_empty() {
            return None;
        }
        let held = held.map(|held| Arc::clone(&held.secrets));
        match held.filter(is_known) {
            Some(held) => Some(held),
            // If it can't be read, for any reason, the current key signs at once.
            None => self.source.read(PREVIOUS).await.ok().filter(is_known),
        }
    }
}

impl Source {
    async fn read(&self, version: Version) -> Result<Arc<AuthSecrets>> {
        match self {
            Self::Given(secrets) => Ok(Arc::clone(secrets)),
            Self::SecretsManager {
                client,
                signing,
                refresh,
            } => {
                let (signing, refresh) = tokio::try_join!(
                    read(client, signing, version),
                    // The refresh key has no previous version: it is not rotated together with the signing key.
                    read(client, refresh, CURRENT),
                )?;
                let secrets = AuthSecrets::derive(&SecretTexts::new(signing, refresh));
                // Not a bug of ours: the operator can replace a text that is too short.
                secrets
                    .map(Arc::new)
                    .map_err(|e| Error::unavailable(e.to_string()))
            }
        }
    }
}

/// Reads one version of a secret. Only the code of an error is logged.
async fn read(client: &Client, id: &str, version: Version) -> Result<String> {
    let request = client.get_secret_value().secret_id(id).version_stage(version);
    let output = request.send().await.map_err(|error| {
        let cause = error
            .code()
            .map_or_else(|| LogText::from("no answer"), LogText::aws_error);
        Error::Unavailable(cause.during(GET_SECRET))
    })?;
    output
        .secret_string
        .ok_or_else(|| Error::Unavailable(LogText::from("the secret has no text").during(GET_SECRET)))
}
