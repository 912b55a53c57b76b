//! What a test has logged.

use std::{
    io,
    sync::{Arc, Mutex, Once},
};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

/// What was written to a log. A clone is the same.
#[derive(Clone)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    /// Nothing yet. No event of a subscriber that writes here is lost.
    pub(crate) fn new() -> Self {
        // While a process has one subscriber, tracing asks only the thread on which an event happens first whether anybody wants
        // that event, and keeps the answer for all threads. Another test's thread says no. With a second subscriber, for all
        // threads, tracing asks both.
        static FOR_ALL_THREADS: Once = Once::new();
        FOR_ALL_THREADS.call_once(|| {
            let quiet = tracing_subscriber::registry().with(LevelFilter::INFO);
            tracing::subscriber::set_global_default(quiet).unwrap();
        });
        Self(Arc::default())
    }

    /// Returns it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
