//! Refresh tokens: opaque to clients, each valid for one rotation of its session.
//!
//! A token is `session ‖ counter ‖ secret ‖ user ‖ tag` in base64url.
//!
//! * The secret has 256 bits. The first one is random. Each further one is derived from the one before it, so that
//!   every retry with a token gets the same successor. The table contains only its hash.
//! * The tag authenticates the token, because only an authentic token may end a session.
//! * The user identifies the account even after the session has been deleted.
//!
//! Tokens of an earlier version have no user. Their successors have one.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac::{self, HMAC_SHA256};

use crate::{
    digest::sha256_hex,
    domain::{SessionId, UserId, password::Secret, session_id},
    error::Result,
    random::random,
};

/// The length of a refresh key in bytes.
pub const KEY_BYTES: usize = 32;

const SESSION_BYTES: usize = session_id::BYTES;
const COUNTER_BYTES: usize = 4;
const SECRET_BYTES: usize = 32;
const USER_BYTES: usize = 8;
const TAG_BYTES: usize = 32;
/// The parts that every token has. The next token's secret is derived from them.
const CORE_BYTES: usize = SESSION_BYTES + COUNTER_BYTES + SECRET_BYTES;

/// The key that authenticates refresh tokens and derives each from the one before it.
pub struct RefreshKey(hmac::Key);

impl RefreshKey {
    /// Returns these bytes as a key.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, bytes))
    }

    fn tag(&self, body: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, &labeled("tag", body))
    }

    fn is_tag(&self, body: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, &labeled("tag", body), tag).is_ok()
    }

    /// Returns the secret of the token with the session and counter of `core`, whose predecessor has the secret of `core`.
    fn next_secret(&self, core: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, &labeled("next", core))
    }
}

/// Separates the two uses of the key: each signs texts with its own prefix, so neither can produce the other's output.
fn labeled(label: &str, body: &[u8]) -> Vec<u8> {
    [label.as_bytes(), body].concat()
}

/// An authentic refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    session: SessionId,
    counter: u32,
    secret: [u8; SECRET_BYTES],
    user: Option<UserId>,
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

impl RefreshToken {
    /// Returns the first token of a new session of this user.
    ///
    /// # Errors
    /// [`Internal`](crate::Error::Internal) if the system has no randomness.
    pub fn first(user: UserId) -> Result<Self> {
        Ok(Self {
            session: SessionId::new(random()?),
            counter: 0,
            secret: random()?,
            user: Some(user),
        })
    }

    /// Parses a token. Returns `None` for a text that wasn't made with `key`.
    #[must_use]
    pub fn parse(key: &RefreshKey, text: &str) -> Option<Self> {
        // The length is checked first, so that a text of 256 KiB isn't decoded.
        let is_length = |body| base64::encoded_len(body + TAG_BYTES, false) == Some(text.len());
        if !is_length(CORE_BYTES + USER_BYTES) && !is_length(CORE_BYTES) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        if !key.is_tag(body, tag) {
            return None;
        }
        let (session, rest) = body.split_first_chunk()?;
        let (counter, rest) = rest.split_first_chunk()?;
        let (secret, user) = rest.split_first_chunk()?;
        let user = match user {
            [] => None,
            user => Some(UserId::try_from(u64::from_be_bytes(user.try_into().ok()?)).ok()?),
        };
        Some(Self {
            session: SessionId::new(*session),
            counter: u32::from_be_bytes(*counter),
            secret: *secret,
            user,
        })
    }

    /// Returns the token that replaces this one.
    #[must_use]
    pub fn next(&self, key: &RefreshKey) -> Self {
        let mut next = Self {
            counter: self.counter.saturating_add(1),
            ..self.clone()
        };
        let secret = key.next_secret(&next.core());
        next.secret.copy_from_slice(secret.as_ref());
        next
    }

    /// Returns this token with its user.
    #[must_use]
    pub fn of(self, user: UserId) -> Self {
        Self {
            user: Some(user),
            ..self
        }
    }

    /// Returns the token's user, or `None` for a token of an earlier version.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.user
    }

    /// Returns the token as the client gets it.
    #[must_use]
    pub fn to_text(&self, key: &RefreshKey) -> Secret {
        let mut bytes = self.body();
        let tag = key.tag(&bytes);
        bytes.extend_from_slice(tag.as_ref());
        Secret::new(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Returns the session's id.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Returns the hash of the secret, as in the table.
    #[must_use]
    pub fn hash(&self) -> String {
        sha256_hex(&self.secret)
    }

    fn core(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(CORE_BYTES + USER_BYTES + TAG_BYTES);
        bytes.extend_from_slice(self.session.bytes());
        bytes.extend_from_slice(&self.counter.to_be_bytes());
        bytes.extend_from_slice(&self.secret);
        bytes
    }

    fn body(&self) -> Vec<u8> {
        let mut bytes = self.core();
        if let Some(user) = self.user {
            bytes.extend_from_slice(&user.get().to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;

    fn key() -> RefreshKey {
        RefreshKey::new(&[7; KEY_BYTES])
    }

    fn user() -> UserId {
        UserId::try_from(7).unwrap()
    }

    fn first() -> RefreshToken {
        RefreshToken::first(user()).unwrap()
    }

    #[test]
    fn a_token_is_read_back_with_its_key_alone() {
        let token = first();
        let text = token.to_text(&key());
        assert_eq!(RefreshToken::parse(&key(), text.expose()), Some(token));
        let other = RefreshKey::new(&[8; KEY_BYTES]);
        assert_eq!(RefreshToken::parse(&other, text.expose()), None);
        for garbage in ["", "x", &"A".repeat(112), &"A".repeat(123), &"é".repeat(56)] {
            assert_eq!(RefreshToken::parse(&key(), garbage), None);
        }
    }

    #[test]
    fn a_token_with_any_bit_flipped_is_refused() {
        let text = first().to_text(&key());
        for at in 0..text.expose().len() {
            for bit in 0..8 {
                let mut bytes = text.expose().as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                if let Ok(flipped) = String::from_utf8(bytes) {
                    assert_eq!(
                        RefreshToken::parse(&key(), &flipped),
                        None,
                        "byte {at}, bit {bit}"
                    );
                }
            }
        }
    }

    /// Guarantee 10: what makes a retry possible.
    #[test]
    fn every_retry_of_a_token_gets_the_same_successor() {
        let first = first();
        let second = first.next(&key());
        assert_eq!(second, first.next(&key()));
        assert_eq!(second.session(), first.session());
        assert_ne!(second.hash(), first.hash());
        assert_ne!(second.next(&key()).hash(), second.hash());
    }

    #[test]
    fn a_token_says_whose_it_is() {
        let token = first();
        assert_eq!(token.user(), Some(user()));
        assert_eq!(token.next(&key()).user(), Some(user()));
    }

    /// An older token keeps its user signed in.
    #[test]
    fn a_token_from_before_works_and_its_successor_is_the_same_in_both_forms() {
        let token = first();
        let before = RefreshToken {
            user: None,
            ..token.clone()
        };
        let text = before.to_text(&key());
        assert_eq!(text.expose().len(), 112);
        assert_eq!(RefreshToken::parse(&key(), text.expose()), Some(before.clone()));
        assert_eq!(before.user(), None);
        assert_eq!(before.hash(), token.hash());
        assert_eq!(before.next(&key()).of(user()), token.next(&key()));
    }

    /// Guarantee 11.
    #[test]
    fn a_hash_says_nothing_of_the_token() {
        let token = first();
        assert_eq!(token.hash().len(), 64);
        assert_ne!(token.hash(), hex(&token.secret));
    }
}
