//! Logs, on standard error. `RUST_LOG` sets what is logged: a level (`debug`), levels by target
//! (`warn,marquee_shared=debug`), or both. Without it, each kind of process has its default level.

pub mod json;
pub mod metrics;
pub mod request;
#[cfg(test)]
mod written;

use std::{any::Any, env, panic};

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Registry,
    filter::Targets,
    fmt::{self, Layer},
    layer::{Layered, SubscriberExt as _},
};

use self::{json::JsonLines, metrics::MetricLines};
use crate::{config::ConfigError, error::Error};

/// The variable with the namespace of a function's metrics. [`Config`](crate::config::Config) checks its value.
pub const METRICS_NAMESPACE: &str = "METRICS_NAMESPACE";

/// The variable with the levels of the log.
const RUST_LOG: &str = "RUST_LOG";

/// Starts the log of a Lambda function: JSON lines, which Lambda sends to CloudWatch. With `METRICS_NAMESPACE`, the line of
/// each request has its metrics. A second call does nothing.
///
/// # Errors
/// If `RUST_LOG` can't be parsed.
pub fn init_lambda() -> Result<(), ConfigError> {
    let default = Targets::new().with_default(LevelFilter::INFO);
    let namespace = env::var(METRICS_NAMESPACE).ok().filter(|name| !name.is_empty());
    start(default, |logs, levels| {
        let logs = logs.fmt_fields(JsonLines);
        match namespace {
            None => begin(levels.with(logs.event_format(JsonLines))),
            Some(name) => {
                let lines = MetricLines::new(&name);
                begin(levels.with(logs.event_format(lines)));
            }
        }
    })
}

/// Starts the log of a command: lines for people. A second call does nothing.
///
/// # Errors
/// If `RUST_LOG` can't be parsed.
pub fn init_command(level: LevelFilter) -> Result<(), ConfigError> {
    let default = Targets::new()
        .with_default(level)
        // The engine warns of every request that it refuses. The caller gets that error anyway.
        .with_target("dynoxide", LevelFilter::ERROR)
        // The SDK warns of each place that has no credentials with a Debug print. The error of the call says the same in words.
        .with_target("aws_config", LevelFilter::ERROR);
    start(default, |logs, levels| {
        begin(levels.with(logs.with_target(false)));
    })
}

/// The registry with a filter, and the layer above it that writes to standard error.
type Levels = Layered<Targets, Registry>;
type Logs = Layer<Levels, fmt::format::DefaultFields, fmt::format::Format, fn() -> std::io::Stderr>;

/// Makes this the log of the process. Does nothing if there is one already.
///
/// `try_init` would also take what other crates write with the crate `log`.
fn begin(log: impl Subscriber + Send + Sync) {
    drop(tracing::subscriber::set_global_default(log));
}

fn start(default: Targets, begin: impl FnOnce(Logs, Levels)) -> Result<(), ConfigError> {
    let named = match env::var(RUST_LOG) {
        Err(env::VarError::NotUnicode(_)) => return Err(ConfigError::not_unicode(RUST_LOG)),
        named => named.ok(),
    };
    let levels = levels(named.as_deref(), default)?;
    // Without colors, which a file or a terminal of another kind would show as characters.
    let logs = fmt::layer()
        .with_ansi(false)
        .with_writer(std::io::stderr as fn() -> std::io::Stderr);
    begin(logs, tracing_subscriber::registry().with(levels));
    panic::set_hook(Box::new(|panicked| {
        let at = panicked.location().map(ToString::to_string);
        tracing::error!(at, message = literal(panicked.payload()), "panicked");
    }));
    Ok(())
}

/// Logs, as a warning, an error that doesn't fail the request, and its consequence.
pub fn warn(error: &Error, consequence: &'static str) {
    let cause = error.log_text();
    tracing::warn!(
        code = error.code(),
        error = cause.text(),
        aws_operation = cause.aws_operation(),
        aws_error_code = cause.aws_error_code(),
        "{consequence}"
    );
}

/// Returns a panic's message if it is a literal of the code. A formatted message may quote a request or an item, as that of
/// a failed string slice does.
fn literal(payload: &dyn Any) -> &'static str {
    let text = payload.downcast_ref::<&'static str>();
    text.copied()
        .unwrap_or("a message that may quote a request or an item")
}

/// Returns the levels of `RUST_LOG`, or the default ones. [`Targets`] would take a word that is no level for a target, and log
/// nothing else.
fn levels(named: Option<&str>, default: Targets) -> Result<Targets, ConfigError> {
    const EXPECTED: &str =
        "a level such as debug, levels by target such as warn,marquee_shared=debug, or both";
    let Some(text) = named.filter(|text| !text.is_empty()) else {
        return Ok(default);
    };
    let is_target = |target: &str| {
        let in_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        !target.is_empty() && target.chars().all(in_path)
    };
    let is_directive = |part: &str| match part.split_once('=') {
        Some((target, level)) => is_target(target) && !level.is_empty(),
        None => !part.is_empty() && part.parse::<LevelFilter>().is_ok(),
    };
    let directives: Vec<&str> = text.split(',').map(str::trim).collect();
    let are_readable = directives.iter().all(|part| is_directive(part));
    let levels = are_readable.then(|| directives.join(",").parse().ok()).flatten();
    levels.ok_or_else(|| ConfigError::new(RUST_LOG, EXPECTED, text))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn of_a_panics_message_only_a_literal_is_logged() {
        assert_eq!(literal(&"index out of range"), "index out of range");
        assert!(!literal(&format!("not a boundary in {}", "a password")).contains("password"));
    }

    #[test]
    fn levels_that_cannot_be_read_are_refused() {
        let (shared, other) = ("marquee_shared::db", "hyper");
        let logs = |named| {
            let levels = levels(named, Targets::new().with_default(LevelFilter::INFO)).unwrap();
            let at = |target, level| levels.would_enable(target, &level);
            [
                at(shared, Level::DEBUG),
                at(other, Level::INFO),
                at(other, Level::WARN),
            ]
        };
        let default = [false, true, true];
        assert_eq!(logs(None), default);
        assert_eq!(logs(Some("")), default);
        assert_eq!(logs(Some("warn,marquee_shared=debug")), [true, false, true]);
        assert_eq!(logs(Some("marquee_shared::db=debug,warn")), [true, false, true]);
        assert_eq!(logs(Some(" warn, marquee_shared=debug ")), [true, false, true]);
        assert_eq!(logs(Some("OFF")), [false; 3]);
        for bad in [
            "marquee_shared=loud",
            "a=b=c",
            "inof",
            "warning",
            "warn;marquee_shared=debug",
            "marquee_shared:debug",
            "=debug",
            "marquee_shared=",
            "warn,",
        ] {
            let error = levels(Some(bad), Targets::new()).unwrap_err().to_string();
            assert!(
                error.starts_with("RUST_LOG must be a level such as debug"),
                "{error}"
            );
        }
    }
}
