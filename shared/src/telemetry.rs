//! Logs: JSON lines on standard error, which Lambda sends to CloudWatch.

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line, for machines.
    Json,
    /// Text, for a person at a terminal.
    Text,
}

/// Starts logging at `default_level`, or as `RUST_LOG` says. A second call does nothing.
pub fn init(format: Format, default_level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // An error here says that logging has been started already.
    let _ = match format {
        Format::Json => logs.json().flatten_event(true).try_init(),
        Format::Text => logs.with_target(false).try_init(),
    };
}
