//! Access tokens whose signature was verified, so that a process doesn't verify it again for each request.
//!
//! A token is found by its SHA-256 digest, so only the very bytes that were verified are found: header, claims and signature.
//! Digests are kept instead of tokens, so that the memory of a process holds no list of credentials. `nbf` and `exp` are
//! checked for each request. The tokens of a key are forgotten when the keys are read again, after five minutes at the latest
//! ([`FRESH_SECONDS`](crate::auth::keys::FRESH_SECONDS)): a withdrawn key verifies tokens no longer than without this.
//!
//! Only tokens whose signature is right are kept, and at most [`MAX_TOKENS`] of them. If a user sends many, the tokens of others
//! are verified again, which costs what it would cost without this.

use std::collections::{HashMap, VecDeque};

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::domain::{SessionId, UserId};

/// The most tokens that are kept for one key. They take less than 225 KB.
pub const MAX_TOKENS: usize = 1_024;

/// The SHA-256 digest of a token.
type Digest = [u8; SHA256_OUTPUT_LEN];

/// What a verified token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The user.
    pub user: UserId,
    /// The session. `None` for a token of an earlier version.
    pub session: Option<SessionId>,
    /// When the token starts to be valid, in seconds since 1970.
    pub nbf: i64,
    /// When the token expires, in seconds since 1970.
    pub exp: i64,
}

/// The verified tokens of one key.
#[derive(Debug, Default)]
pub struct VerifiedTokens {
    by_digest: HashMap<Digest, Verified>,
    /// The digests in the order in which they were added.
    order: VecDeque<Digest>,
}

impl VerifiedTokens {
    /// Returns what `token` says, if its signature was verified.
    #[must_use]
    pub fn get(&self, token: &str) -> Option<Verified> {
        self.by_digest.get(&digest_of(token)?).copied()
    }

    /// Adds a token whose signature was verified. If there are [`MAX_TOKENS`], the oldest one is forgotten.
    pub fn add(&mut self, token: &str, verified: Verified) {
        let Some(digest) = digest_of(token) else {
            return;
        };
        if self.by_digest.insert(digest, verified).is_some() {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > MAX_TOKENS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_digest.remove(&oldest);
        }
    }
}

fn digest_of(token: &str) -> Option<Digest> {
    digest(&SHA256, token.as_bytes()).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(user: u64) -> Verified {
        Verified {
            user: UserId::try_from(user).unwrap(),
            session: Some(SessionId::new([7; 16])),
            nbf: 0,
            exp: 900,
        }
    }

    #[test]
    fn only_the_same_bytes_are_found() {
        let mut tokens = VerifiedTokens::default();
        tokens.add("a.b.c", verified(7));
        assert_eq!(tokens.get("a.b.c"), Some(verified(7)));
        for other in ["a.b.c ", "a.b.C", "a.b.", "a.b", ""] {
            assert_eq!(tokens.get(other), None, "{other}");
        }
    }

    #[test]
    fn the_oldest_token_is_forgotten_and_no_more_are_kept_than_the_limit() {
        let mut tokens = VerifiedTokens::default();
        for user in 1..=MAX_TOKENS as u64 + 2 {
            // Twice, as by two requests at once.
            tokens.add(&user.to_string(), verified(user));
            tokens.add(&user.to_string(), verified(user));
        }
        assert_eq!(tokens.by_digest.len(), MAX_TOKENS);
        assert_eq!(tokens.order.len(), MAX_TOKENS);
        let bytes = tokens.by_digest.capacity() * size_of::<(Digest, Verified)>()
            + tokens.order.capacity() * size_of::<Digest>();
        assert!(bytes < 225_000, "{bytes}");
        assert_eq!(tokens.get("2"), None);
        assert_eq!(tokens.get("3"), Some(verified(3)));
    }
}
