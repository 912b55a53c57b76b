//! Where the auth function's secrets come from, and when they are looked at again.

use std::sync::{Arc, LazyLock};

use aws_sdk_secretsmanager::{Client, error::ProvideErrorMetadata};
use marquee_shared::{
    AppState, Error, Result,
    auth::{AuthSecrets, SecretTexts, keys::FRESH_SECONDS, secrets::SecretsError},
    clock::Instant,
};
use tokio::sync::Mutex;

/// How long a key is published before it signs while the one before it still can, in seconds: longer than a verifier
/// believes that a key id is unknown, and than the public keys may be cached on their way.
const LEAD_SECONDS: i64 = 90;

/// How long after a failure to read the secrets the next try is made, in seconds.
const RETRY_SECONDS: i64 = 10;

/// How old secrets may become while they can't be read again, in seconds.
const STALE_SECONDS: i64 = 60 * 60;

/// The auth function's secrets. They are read when they are first needed, and again every 5 minutes, so that a rotation
/// is noticed without a restart. The public key is in the table before anything is signed with its other half, and for
/// a while before that when there is another key to sign with meanwhile: so no verifier ever meets a key it can't find.
#[derive(Debug)]
pub struct Vault {
    source: Source,
    held: Mutex<Option<Held>>,
}

/// A version of a secret, by the label that Secrets Manager gives it.
type Version = &'static str;

const CURRENT: Version = "AWSCURRENT";
const PREVIOUS: Version = "AWSPREVIOUS";

/// Made when it is first needed: a client takes as long to make as all else that is done before the first poll, and what
/// needs no secret shouldn't wait for it.
type LazyClient = LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>;

#[derive(Debug)]
enum Source {
    Given(Arc<AuthSecrets>),
    SecretsManager {
        client: LazyClient,
        /// Name or ARN of the secret whose text the signing key is derived from.
        signing: String,
        /// Name or ARN of the one for refresh tokens.
        refresh: String,
    },
}

#[derive(Debug)]
struct Held {
    secrets: Arc<AuthSecrets>,
    read: Instant,
    /// When to look again.
    due: Instant,
}

impl From<AuthSecrets> for Vault {
    fn from(secrets: AuthSecrets) -> Self {
        Self::new(Source::Given(secrets.into()))
    }
}

impl Vault {
    /// Secrets from AWS Secrets Manager, each by its name or ARN.
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

    /// The vault that the environment describes: `AUTH_SECRETS` or `AUTH_SECRETS_FILE` give the texts themselves;
    /// otherwise `SIGNING_SECRET` and `REFRESH_SECRET` name them in Secrets Manager.
    ///
    /// # Errors
    /// When the texts can't be read, or nothing says where they are.
    pub fn from_env(aws: &aws_config::SdkConfig) -> Result<Self, SecretsError> {
        if let Some(texts) = SecretTexts::from_env()? {
            return AuthSecrets::derive(&texts).map(Self::from);
        }
        match (std::env::var("SIGNING_SECRET"), std::env::var("REFRESH_SECRET")) {
            (Ok(signing), Ok(refresh)) => {
                let aws = aws.clone();
                Ok(Self::secrets_manager(move || Client::new(&aws), signing, refresh))
            }
            _ => Err(SecretsError(
                "set SIGNING_SECRET and REFRESH_SECRET, AUTH_SECRETS or AUTH_SECRETS_FILE",
            )),
        }
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            held: Mutex::new(None),
        }
    }

    /// The secrets. Whatever is signed with them can be verified to its end.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when they have to be read or their public key published, and that can't be done.
    pub async fn open(&self, app: &AppState) -> Result<Arc<AuthSecrets>> {
        // Held over the reading, so that requests that come together share it.
        let mut held = self.held.lock().await;
        let now = app.clock.now();
        if let Some(held) = held.as_ref().filter(|held| now < held.due) {
            return Ok(Arc::clone(&held.secrets));
        }
        let secrets = match (self.source.read(CURRENT).await, held.as_mut()) {
            (Ok(secrets), _) => secrets,
            (Err(error), Some(held)) if now < held.read.plus_seconds(STALE_SECONDS) => {
                tracing::warn!(error = %error.log_message(), "the secrets can't be read again");
                held.due = now.plus_seconds(RETRY_SECONDS);
                return Ok(Arc::clone(&held.secrets));
            }
            (Err(error), _) => return Err(error),
        };
        // Only secrets that were read just now may be published: a key that was replaced because somebody stole it, and
        // then withdrawn from the table, must not come back from the memory of a process that hasn't noticed.
        let signed_until = STALE_SECONDS.saturating_add(app.config.tokens.access_seconds);
        // For as long as a session may live: a client that comes back after weeks may attach the access token it has to
        // the very call that refreshes it, and that it was ours must still be seen.
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

    /// Secrets with a signing key that every verifier knows by now and that verifies for `seconds` more: those that this
    /// process has used, or the version before the current one.
    async fn earlier(&self, app: &AppState, held: Option<&Held>, seconds: i64) -> Option<Arc<AuthSecrets>> {
        let known = app.keys.known(LEAD_SECONDS, seconds).await;
        let is_known = |secrets: &Arc<AuthSecrets>| known.contains(&secrets.public_key().kid);
        if known.is_empty() {
            return None;
        }
        let held = held.map(|held| Arc::clone(&held.secrets));
        match held.filter(is_known) {
            Some(held) => Some(held),
            // Without one the current key signs at once, so why it can't be read doesn't matter.
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
                    // The refresh key has no use for a version before: it isn't rotated with the other.
                    read(client, refresh, CURRENT),
                )?;
                let secrets = AuthSecrets::derive(&SecretTexts::new(signing, refresh));
                // Whoever put a short text there can mend it, so this passes.
                secrets
                    .map(Arc::new)
                    .map_err(|e| Error::Unavailable(e.to_string()))
            }
        }
    }
}

/// Reads one version of a secret. Only an error's code goes to the log.
async fn read(client: &Client, id: &str, version: Version) -> Result<String> {
    let request = client.get_secret_value().secret_id(id).version_stage(version);
    let output = request.send().await.map_err(|error| {
        let code = error.code().unwrap_or("no answer");
        Error::Unavailable(format!("GetSecretValue: {code}"))
    })?;
    output
        .secret_string
        .ok_or_else(|| Error::Unavailable("GetSecretValue: a secret without text".into()))
}
