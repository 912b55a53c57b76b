//! Secrets, and other texts that nobody may see in a log, an error or what a command prints.

use std::collections::BTreeSet;

/// The text that every planted value contains, in any case.
pub const CANARY: &str = "canary";

/// Panics if the text contains a canary or a part of one of these tokens and keys.
#[track_caller]
pub fn assert_no_secrets(what: &str, text: &str, secrets: &BTreeSet<String>) {
    let lower = text.to_lowercase();
    if let Some(at) = lower.find(CANARY) {
        let around: String = lower.chars().skip(at.saturating_sub(200)).take(400).collect();
        panic!("{what} contains the canary: {around}");
    }
    for secret in secrets {
        // The last part of a token. The header of a JWT is the same for all.
        let part = secret.rsplit('.').next().unwrap_or(secret);
        assert!(!text.contains(&part[..24]), "{what} contains a secret: {text}");
    }
}
