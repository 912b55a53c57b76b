//! The configuration, read from the environment when a process starts.

mod setting;

use std::{env, time::Duration};

pub use self::setting::{ConfigError, endpoint, table_name};
use self::setting::{Lookup, edge_key, email, namespace, number, origins, public_url, text};
use crate::{
    db::likes::{LikesShards, MAX_LIKES_SHARDS},
    domain::{Email, password::Secret},
    telemetry::METRICS_NAMESPACE,
};

/// The configuration of a function's process.
#[derive(Clone, Debug)]
pub struct Config {
    /// `TABLE_NAME`, default `marquee`: a name that DynamoDB accepts.
    pub table: String,
    /// `DYNAMODB_ENDPOINT`: an endpoint instead of the region's own, such as `http://127.0.0.1:8000`. Empty means none.
    pub dynamodb_endpoint: Option<String>,
    /// Tokens and sessions.
    pub tokens: TokenConfig,
    /// Throttles.
    pub throttle: ThrottleConfig,
    /// `LIKES_SHARDS`, from 1 to 16, default 2, and `LIKES_SHARDS_READ`, from `LIKES_SHARDS` to 16. Empty, the default, means
    /// the same as `LIKES_SHARDS`.
    pub likes_shards: LikesShards,
    /// `MAIL_FROM`: the email address that mails are sent from. Empty, the default, means that no mail is sent. The local server
    /// has a default of its own.
    pub mail_from: Option<Email>,
    /// `COVERS_BUCKET`: the bucket of uploaded covers. Empty, the default, means none. The local server stores them by itself.
    pub covers_bucket: Option<String>,
    /// `COVERS_FUNCTION`: the function that the movies function sends images to. Empty, the default, means none.
    pub covers_function: Option<String>,
    /// `METRICS_NAMESPACE`: the namespace of the metrics in CloudWatch. With one, a function writes the line of each request in
    /// the embedded metric format, and its store asks for the units of each call. Empty, the default, means no metrics.
    pub metrics_namespace: Option<String>,
    /// The layers around every router.
    pub http: HttpConfig,
}

/// Tokens and sessions.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    /// `TOKEN_ISSUER`: the `iss` claim, default `marquee`.
    pub issuer: String,
    /// `TOKEN_AUDIENCE`: the `aud` claim, default `marquee-api`.
    pub audience: String,
    /// `ACCESS_TOKEN_SECONDS`, at least 1, default 900.
    pub access_seconds: i64,
    /// `SESSION_SECONDS`, at least 1, default 30 days: when a session ends, however often it is refreshed.
    pub session_seconds: i64,
    /// `REFRESH_GRACE_SECONDS`, from 0 to 60, default 10: how long the token before a session's current one counts as an
    /// honest retry.
    pub grace_seconds: i64,
    /// `RESET_TOKEN_SECONDS`, from 1 to 86,400, default 1800: how long a password reset token is good.
    pub reset_seconds: i64,
}

/// Throttles.
#[derive(Clone, Debug)]
pub struct ThrottleConfig {
    /// `ADDRESS_LIMIT_PER_MINUTE`: how many times a minute one address may register or log in. `0`, the default, means no
    /// limit.
    pub address_per_minute: u32,
}

/// The layers around every router.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// `CORS_ORIGINS`: origins, separated by commas, or `*`, the default, for any. Empty means none.
    pub cors_origins: Vec<String>,
    /// `REQUEST_DEADLINE_SECONDS`, from 1 to 29, default 10: how long a handler may take before the client gets `503`. API
    /// Gateway's timeout is 30 seconds (AWS: HTTP API quotas).
    pub deadline: Duration,
    /// `EDGE_KEY`: the key that every request must have in the header `x-edge-key`. Empty, the default, means that none is
    /// required. Where CloudFront is in front of the API, it adds the header, so that no client can bypass it.
    pub edge_key: Option<Secret>,
    /// `PUBLIC_URL`: the scheme, host and port at which clients reach the API, such as `https://api.example.com`, without a
    /// slash at its end. Links begin with it. Without it, the default, they begin with the URL of the request.
    pub public_url: Option<String>,
    /// `PUBLIC_MAX_AGE_SECONDS`, from 0 to 86,400, default 0: for how many seconds caches may use an answer that anyone gets
    /// without asking again. With 0 they ask every time.
    pub public_max_age: u32,
}

/// The longest [grace](TokenConfig::grace_seconds). With a longer one, rotation would no longer protect against a stolen token.
pub const LONGEST_GRACE_SECONDS: i64 = 60;

/// The longest lifetime of a token or session: 100 years. The end of a longer one may not be a time that a token can name.
pub const LONGEST_LIFETIME_SECONDS: i64 = 100 * 365 * 24 * 60 * 60;

/// The longest lifetime of a password reset token: a day. Whoever reads an old mail must not get the account.
pub const LONGEST_RESET_SECONDS: i64 = 24 * 60 * 60;

/// The longest [deadline](HttpConfig::deadline), which is shorter than API Gateway's timeout.
pub const LONGEST_DEADLINE_SECONDS: u64 = 29;

/// The longest [age](HttpConfig::public_max_age) of an answer in a cache: one day.
pub const LONGEST_PUBLIC_MAX_AGE_SECONDS: u32 = 24 * 60 * 60;

/// Every variable that [`Config`] is read from.
pub const VARIABLES: [&str; 20] = [
    "TABLE_NAME",
    "DYNAMODB_ENDPOINT",
    "TOKEN_ISSUER",
    "TOKEN_AUDIENCE",
    "ACCESS_TOKEN_SECONDS",
    "SESSION_SECONDS",
    "REFRESH_GRACE_SECONDS",
    "RESET_TOKEN_SECONDS",
    "ADDRESS_LIMIT_PER_MINUTE",
    "LIKES_SHARDS",
    "LIKES_SHARDS_READ",
    "MAIL_FROM",
    "COVERS_BUCKET",
    "COVERS_FUNCTION",
    METRICS_NAMESPACE,
    "CORS_ORIGINS",
    "REQUEST_DEADLINE_SECONDS",
    "EDGE_KEY",
    "PUBLIC_URL",
    "PUBLIC_MAX_AGE_SECONDS",
];

impl Default for Config {
    fn default() -> Self {
        Self {
            table: "marquee".into(),
            dynamodb_endpoint: None,
            tokens: TokenConfig {
                issuer: "marquee".into(),
                audience: "marquee-api".into(),
                access_seconds: 15 * 60,
                session_seconds: 30 * 24 * 60 * 60,
                grace_seconds: 10,
                reset_seconds: 30 * 60,
            },
            throttle: ThrottleConfig {
                address_per_minute: 0,
            },
            likes_shards: LikesShards::default(),
            mail_from: None,
            covers_bucket: None,
            covers_function: None,
            metrics_namespace: None,
            http: HttpConfig {
                cors_origins: vec!["*".into()],
                deadline: Duration::from_secs(10),
                edge_key: None,
                public_url: None,
                public_max_age: 0,
            },
        }
    }
}

impl Config {
    /// Reads the environment. A variable that isn't set has its default.
    ///
    /// # Errors
    /// Fails with the first variable whose value can't work.
    pub fn from_env() -> Result<Self, ConfigError> {
        for variable in VARIABLES {
            if let Err(env::VarError::NotUnicode(_)) = env::var(variable) {
                return Err(ConfigError::not_unicode(variable));
            }
        }
        Self::from_lookup(|name| env::var(name).ok())
    }

    /// Reads the variables through `lookup`.
    ///
    /// # Errors
    /// Fails with the first variable whose value can't work.
    pub fn from_lookup(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let (tokens, http) = (&mut config.tokens, &mut config.http);
        let lookup: Lookup<'_> = &lookup;
        if let Some(name) = lookup("TABLE_NAME") {
            config.table = table_name("TABLE_NAME", &name)?;
        }
        if let Some(url) = lookup("DYNAMODB_ENDPOINT").filter(|text| !text.is_empty()) {
            config.dynamodb_endpoint = Some(endpoint("DYNAMODB_ENDPOINT", &url)?);
        }
        text(lookup, "TOKEN_ISSUER", &mut tokens.issuer)?;
        text(lookup, "TOKEN_AUDIENCE", &mut tokens.audience)?;
        let lifetimes = 1..=LONGEST_LIFETIME_SECONDS;
        number(
            lookup,
            "ACCESS_TOKEN_SECONDS",
            lifetimes.clone(),
            &mut tokens.access_seconds,
        )?;
        number(lookup, "SESSION_SECONDS", lifetimes, &mut tokens.session_seconds)?;
        number(
            lookup,
            "REFRESH_GRACE_SECONDS",
            0..=LONGEST_GRACE_SECONDS,
            &mut tokens.grace_seconds,
        )?;
        number(
            lookup,
            "RESET_TOKEN_SECONDS",
            1..=LONGEST_RESET_SECONDS,
            &mut tokens.reset_seconds,
        )?;
        number(
            lookup,
            "ADDRESS_LIMIT_PER_MINUTE",
            0..=u32::MAX,
            &mut config.throttle.address_per_minute,
        )?;
        config.likes_shards = likes_shards(lookup)?;
        if let Some(address) = lookup("MAIL_FROM").filter(|text| !text.is_empty()) {
            config.mail_from = Some(email("MAIL_FROM", &address)?);
        }
        config.covers_bucket = lookup("COVERS_BUCKET").filter(|text| !text.is_empty());
        config.covers_function = lookup("COVERS_FUNCTION").filter(|text| !text.is_empty());
        if let Some(name) = lookup(METRICS_NAMESPACE).filter(|text| !text.is_empty()) {
            config.metrics_namespace = Some(namespace(METRICS_NAMESPACE, &name)?);
        }
        if let Some(text) = lookup("CORS_ORIGINS") {
            http.cors_origins = origins("CORS_ORIGINS", &text)?;
        }
        let mut deadline = http.deadline.as_secs();
        number(
            lookup,
            "REQUEST_DEADLINE_SECONDS",
            1..=LONGEST_DEADLINE_SECONDS,
            &mut deadline,
        )?;
        http.deadline = Duration::from_secs(deadline);
        if let Some(key) = lookup("EDGE_KEY").filter(|text| !text.is_empty()) {
            http.edge_key = Some(edge_key("EDGE_KEY", key)?);
        }
        if let Some(url) = lookup("PUBLIC_URL").filter(|text| !text.is_empty()) {
            http.public_url = Some(public_url("PUBLIC_URL", &url)?);
        }
        number(
            lookup,
            "PUBLIC_MAX_AGE_SECONDS",
            0..=LONGEST_PUBLIC_MAX_AGE_SECONDS,
            &mut http.public_max_age,
        )?;
        Ok(config)
    }
}

/// Reads the shards of the likes index.
fn likes_shards(lookup: Lookup<'_>) -> Result<LikesShards, ConfigError> {
    let default = LikesShards::default();
    let mut written = default.written();
    number(lookup, "LIKES_SHARDS", LikesShards::allowed(), &mut written)?;
    let mut read = written;
    // Shards that are written must be read, or movies would be missing from the list.
    number(
        &|name| lookup(name).filter(|text| !text.is_empty()),
        "LIKES_SHARDS_READ",
        written..=MAX_LIKES_SHARDS,
        &mut read,
    )?;
    Ok(LikesShards::new(written, read).unwrap_or(default))
}

#[cfg(test)]
mod tests;
