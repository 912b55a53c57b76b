//! Logs, on standard error. `RUST_LOG` says what is logged: a level (`debug`), levels by target (`warn,shared=debug`), or
//! both; without it each kind of process has a level of its own.

use std::{any::Any, env, panic};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Registry,
    filter::Targets,
    fmt::{self, Layer},
    layer::{Layered, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// Starts the log of a function: JSON lines, which Lambda sends to CloudWatch. A second call does nothing.
pub fn init_lambda() {
    let default = Targets::new().with_default(LevelFilter::INFO);
    start(default, |logs, levels| {
        levels.with(logs.json().flatten_event(true)).try_init().ok()
    });
}

/// Starts the log of a command: lines for a person. A second call does nothing.
pub fn of_command(level: LevelFilter) {
    let default = Targets::new()
        .with_default(level)
        // The engine warns of every request that it refuses, which whoever made it is told.
        .with_target("dynoxide", LevelFilter::ERROR);
    start(default, |logs, levels| {
        levels.with(logs.with_target(false)).try_init().ok()
    });
}

/// A layer that writes to standard error, and what is beneath it.
type Levels = Layered<Targets, Registry>;
type Logs = Layer<Levels, fmt::format::DefaultFields, fmt::format::Format, fn() -> std::io::Stderr>;

fn start(default: Targets, init: impl FnOnce(Logs, Levels) -> Option<()>) {
    let (levels, readable) = levels(env::var("RUST_LOG").ok().as_deref(), default);
    let logs = fmt::layer().with_writer(std::io::stderr as fn() -> std::io::Stderr);
    // Nothing comes of it when logging has been started already.
    init(logs, tracing_subscriber::registry().with(levels));
    if !readable {
        tracing::warn!("RUST_LOG can't be read");
    }
    panic::set_hook(Box::new(|panicked| {
        let at = panicked.location().map(ToString::to_string);
        tracing::error!(at, message = literal(panicked.payload()), "panicked");
    }));
}

/// A panic's message, where it is a literal of the code. One that was put together may quote a request or an item, as
/// those of slicing a text do.
fn literal(payload: &dyn Any) -> &'static str {
    let text = payload.downcast_ref::<&'static str>();
    text.copied()
        .unwrap_or("a message that may quote what was worked on")
}

/// The levels that are asked for, or else the default ones; and whether what is asked for can be read.
fn levels(named: Option<&str>, default: Targets) -> (Targets, bool) {
    match named.filter(|text| !text.is_empty()).map(str::parse) {
        Some(Ok(levels)) => (levels, true),
        Some(Err(_)) => (default, false),
        None => (default, true),
    }
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
    fn what_cannot_be_read_silences_nothing() {
        let (shared, other) = ("marquee_shared::db", "hyper");
        let logs = |named| {
            let (levels, readable) = levels(named, Targets::new().with_default(LevelFilter::INFO));
            let at = |target, level| levels.would_enable(target, &level);
            (
                [
                    at(shared, Level::DEBUG),
                    at(other, Level::INFO),
                    at(other, Level::WARN),
                ],
                readable,
            )
        };
        let default = [false, true, true];
        assert_eq!(logs(None), (default, true));
        assert_eq!(logs(Some("")), (default, true));
        assert_eq!(logs(Some("warn,shared=debug")), ([true, false, true], true));
        assert_eq!(logs(Some("shared=loud")), (default, false));
    }
}
