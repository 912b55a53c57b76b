//! The mails that a server has sent.

use std::time::{Duration, Instant};

use crate::app::TestApp;

/// The longest that a mail takes on a busy machine.
const ARRIVES_WITHIN: Duration = Duration::from_secs(20);

impl TestApp {
    /// The messages to this address that have been sent, the oldest first.
    #[must_use]
    pub fn mails_to(&self, address: &str) -> Vec<String> {
        let messages = self.running.mailbox.messages().unwrap().into_iter();
        let messages = messages.map(|message| String::from_utf8(message).unwrap());
        let to = format!("To: <{address}>");
        messages
            .filter(|message| message.lines().any(|line| line == to))
            .collect()
    }

    /// Waits until `count` messages to this address have been sent, and returns them, the oldest first.
    ///
    /// # Panics
    /// Panics if they don't arrive, or if there are more.
    pub async fn mails(&self, address: &str, count: usize) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let mails = self.mails_to(address);
            if mails.len() >= count {
                assert_eq!(mails.len(), count, "more mails than expected");
                return mails;
            }
            assert!(
                begun.elapsed() < ARRIVES_WITHIN,
                "{} of {count} mails to {address}",
                mails.len()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The token in a message.
///
/// # Panics
/// Panics if it has none.
#[must_use]
pub fn token_in(message: &str) -> String {
    let (_, rest) = message.split_once("#token=").expect("a mail has a token");
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
    rest[..end.unwrap_or(rest.len())].to_owned()
}
