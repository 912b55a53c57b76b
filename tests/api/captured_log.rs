//! Captures the log of a test's own thread, in the format of the deployed functions.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, Once},
};

use marquee_shared::telemetry::{json::JsonLines, metrics::MetricLines};
use serde_json::Value;
use tracing::{Level, level_filters::LevelFilter, subscriber::DefaultGuard};
use tracing_subscriber::layer::SubscriberExt as _;

/// What this thread has logged.
pub(super) struct Log {
    written: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

impl Log {
    /// Begins to capture.
    pub(super) fn capture() -> Self {
        // While a process has one subscriber, tracing asks only the thread on which an event happens first whether anybody wants
        // that event, and keeps the answer for all threads. Another test's thread says no. With a second subscriber, for all
        // threads, tracing asks both.
        static FOR_ALL_THREADS: Once = Once::new();
        FOR_ALL_THREADS.call_once(|| {
            let quiet = tracing_subscriber::registry().with(LevelFilter::INFO);
            tracing::subscriber::set_global_default(quiet).unwrap();
        });
        let written = Arc::default();
        let writer = Writer(Arc::clone(&written));
        let log = tracing_subscriber::fmt()
            .event_format(MetricLines::new("test"))
            .fmt_fields(JsonLines)
            .with_max_level(Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        Self {
            written,
            _guard: tracing::subscriber::set_default(log),
        }
    }

    /// Returns what was written.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.written.lock().unwrap().clone()).unwrap()
    }

    /// Returns every line.
    pub(super) fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }

    /// Returns the lines of requests that were answered.
    pub(super) fn requests(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["message"] == "answered");
        lines
    }

    /// Returns the lines of events, such as sign-ins.
    pub(super) fn events(&self) -> Vec<Value> {
        let mut lines = self.lines();
        lines.retain(|line| line["event"].is_string());
        lines
    }

    /// Returns the route that the line of a request of each operation names.
    pub(super) fn routes(&self) -> BTreeMap<String, String> {
        let named = self.requests().into_iter().filter_map(|line| {
            let text = |name: &str| Some(line.get(name)?.as_str()?.to_owned());
            Some((text("operation")?, text("route")?))
        });
        named.collect()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
