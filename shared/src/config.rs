//! The configuration, read from the environment when a process starts.

use std::{str::FromStr, time::Duration};

use crate::domain::password::Secret;

/// The configuration of a function's process.
#[derive(Clone, Debug)]
pub struct Config {
    /// `TABLE_NAME`, default `marquee`.
    pub table: String,
    /// `DYNAMODB_ENDPOINT`: an endpoint instead of the region's own, such as `http://127.0.0.1:8000`.
    pub dynamodb_endpoint: Option<String>,
    /// Tokens and sessions.
    pub tokens: TokenConfig,
    /// Throttles.
    pub throttle: ThrottleConfig,
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
    /// `ACCESS_TOKEN_SECONDS`, default 900.
    pub access_seconds: i64,
    /// `SESSION_SECONDS`, default 30 days: when a session ends, however often it is refreshed.
    pub session_seconds: i64,
    /// `REFRESH_GRACE_SECONDS`, from 0 to 60, default 10: how long the token before a session's current one counts as an
    /// honest retry.
    pub grace_seconds: i64,
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
    /// `CORS_ORIGINS`: origins, separated by commas, or `*`, the default, for any.
    pub cors_origins: Vec<String>,
    /// `REQUEST_DEADLINE_SECONDS`, default 10: how long a handler may take before the client gets `503`. API Gateway's
    /// timeout is 30 seconds (AWS: HTTP API quotas).
    pub deadline: Duration,
    /// `EDGE_KEY`: the key that every request must carry in the header `x-edge-key`. Without it, the default, none is
    /// required. CloudFront adds the header where it is in front of the API, so that no client can bypass it.
    pub edge_key: Option<Secret>,
}

/// The longest [grace](TokenConfig::grace_seconds). With a longer one, rotation would no longer protect against a stolen token.
pub const LONGEST_GRACE_SECONDS: i64 = 60;

/// A variable of the environment whose value isn't valid.
#[derive(Debug)]
pub struct ConfigError {
    variable: &'static str,
    text: String,
    /// What the value must be.
    expected: &'static str,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            variable,
            text,
            expected,
        } = self;
        write!(f, "{variable} must be {expected}, not {text:?}")
    }
}

impl std::error::Error for ConfigError {}

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
            },
            throttle: ThrottleConfig {
                address_per_minute: 0,
            },
            http: HttpConfig {
                cors_origins: vec!["*".into()],
                deadline: Duration::from_secs(10),
                edge_key: None,
            },
        }
    }
}

impl Config {
    /// Reads the environment. A variable that isn't set has its default.
    ///
    /// # Errors
    /// Fails with the first variable whose value isn't valid.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads the variables through `lookup`.
    ///
    /// # Errors
    /// Fails with the first variable whose value isn't valid.
    pub fn from_lookup(lookup: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let (tokens, http) = (&mut config.tokens, &mut config.http);
        set(&lookup, "TABLE_NAME", "text", &mut config.table)?;
        config.dynamodb_endpoint = lookup("DYNAMODB_ENDPOINT").filter(|text| !text.is_empty());
        set(&lookup, "TOKEN_ISSUER", "text", &mut tokens.issuer)?;
        set(&lookup, "TOKEN_AUDIENCE", "text", &mut tokens.audience)?;
        let seconds = "a whole number of seconds";
        set(
            &lookup,
            "ACCESS_TOKEN_SECONDS",
            seconds,
            &mut tokens.access_seconds,
        )?;
        set(&lookup, "SESSION_SECONDS", seconds, &mut tokens.session_seconds)?;
        let (variable, expected) = ("REFRESH_GRACE_SECONDS", "a whole number from 0 to 60");
        set(&lookup, variable, expected, &mut tokens.grace_seconds)?;
        if !(0..=LONGEST_GRACE_SECONDS).contains(&tokens.grace_seconds) {
            return Err(ConfigError {
                variable,
                text: tokens.grace_seconds.to_string(),
                expected,
            });
        }
        set(
            &lookup,
            "ADDRESS_LIMIT_PER_MINUTE",
            "a whole number from 0 on",
            &mut config.throttle.address_per_minute,
        )?;
        let mut deadline = http.deadline.as_secs();
        set(&lookup, "REQUEST_DEADLINE_SECONDS", seconds, &mut deadline)?;
        http.deadline = Duration::from_secs(deadline);
        if let Some(origins) = lookup("CORS_ORIGINS") {
            http.cors_origins = origins
                .split(',')
                .map(|origin| origin.trim().to_owned())
                .filter(|origin| !origin.is_empty())
                .collect();
        }
        http.edge_key = lookup("EDGE_KEY")
            .filter(|text| !text.is_empty())
            .map(Secret::new);
        Ok(config)
    }
}

/// Parses a variable into `value`, if it is set.
fn set<T: FromStr>(
    lookup: impl Fn(&'static str) -> Option<String>,
    variable: &'static str,
    expected: &'static str,
    value: &mut T,
) -> Result<(), ConfigError> {
    if let Some(text) = lookup(variable) {
        *value = text.parse().map_err(|_| ConfigError {
            variable,
            text,
            expected,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_has_its_default() {
        let config = Config::from_lookup(|_| None).unwrap();
        assert_eq!(config.tokens.access_seconds, 900);
        assert_eq!(config.http.cors_origins, ["*"]);
    }

    #[test]
    fn a_variable_that_cannot_be_read_is_named() {
        let error =
            Config::from_lookup(|name| (name == "SESSION_SECONDS").then(|| "soon".into())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "SESSION_SECONDS must be a whole number of seconds, not \"soon\""
        );
    }

    #[test]
    fn the_grace_of_a_refresh_is_60_seconds_at_most() {
        let grace = |text: &'static str| {
            Config::from_lookup(|name| (name == "REFRESH_GRACE_SECONDS").then(|| text.into()))
        };
        assert_eq!(Config::default().tokens.grace_seconds, 10);
        for (text, seconds) in [("0", 0), ("10", 10), ("60", 60)] {
            assert_eq!(grace(text).unwrap().tokens.grace_seconds, seconds);
        }
        for text in ["61", "-1", "", "10s", "1e1", "9223372036854775808"] {
            let expected =
                format!("REFRESH_GRACE_SECONDS must be a whole number from 0 to 60, not \"{text}\"");
            assert_eq!(grace(text).unwrap_err().to_string(), expected);
        }
    }
}
