//! Refresh tokens: opaque to clients, each good for one rotation of its session.
//!
//! A token is `session ‖ counter ‖ secret ‖ tag` in base64url. The secret is 256 bits, at first random and from then on
//! derived from the one before it, so that every honest retry of one token is given the same successor. The tag tells
//! what we made from what we didn't: only an authentic token can end a session. The table holds the secret's hash alone.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac::{self, HMAC_SHA256};

use crate::{
    auth::{hex, random, sha256_hex},
    domain::password::Secret,
    error::Result,
};

/// The length of a refresh key.
pub const KEY_BYTES: usize = 32;

const SESSION_BYTES: usize = 16;
const COUNTER_BYTES: usize = 4;
const SECRET_BYTES: usize = 32;
const TAG_BYTES: usize = 32;
const BODY_BYTES: usize = SESSION_BYTES + COUNTER_BYTES + SECRET_BYTES;

/// The key that tags refresh tokens and derives each from the one before it.
pub struct RefreshKey(hmac::Key);

impl RefreshKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, bytes))
    }

    fn tag(&self, body: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, &labelled("tag", body))
    }

    fn is_tag(&self, body: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, &labelled("tag", body), tag).is_ok()
    }

    /// The secret of the token whose session and counter, and predecessor's secret, are `body`.
    fn next_secret(&self, body: &[u8]) -> hmac::Tag {
        hmac::sign(&self.0, &labelled("next", body))
    }
}

/// The two uses of the key sign texts that begin differently, so what one makes is never good for the other.
fn labelled(label: &str, body: &[u8]) -> Vec<u8> {
    [label.as_bytes(), body].concat()
}

/// An authentic refresh token.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    session: [u8; SESSION_BYTES],
    counter: u32,
    secret: [u8; SECRET_BYTES],
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

impl RefreshToken {
    /// The first token of a new session.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when the system has no randomness.
    pub fn first() -> Result<Self> {
        Ok(Self {
            session: random()?,
            counter: 0,
            secret: random()?,
        })
    }

    /// Reads a token, or gives `None` for anything that wasn't made with `key`.
    #[must_use]
    pub fn parse(key: &RefreshKey, text: &str) -> Option<Self> {
        // Checked before decoding, so that a body of 256 KiB isn't decoded for nothing.
        let length = base64::encoded_len(BODY_BYTES + TAG_BYTES, false)?;
        let bytes = (text.len() == length).then(|| URL_SAFE_NO_PAD.decode(text).ok())??;
        let (body, tag) = bytes.split_at_checked(BODY_BYTES)?;
        if !key.is_tag(body, tag) {
            return None;
        }
        let (session, rest) = body.split_first_chunk()?;
        let (counter, secret) = rest.split_first_chunk()?;
        Some(Self {
            session: *session,
            counter: u32::from_be_bytes(*counter),
            secret: secret.try_into().ok()?,
        })
    }

    /// The token that replaces this one.
    #[must_use]
    pub fn next(&self, key: &RefreshKey) -> Self {
        let mut next = Self {
            counter: self.counter.saturating_add(1),
            ..self.clone()
        };
        let secret = key.next_secret(&next.body());
        next.secret.copy_from_slice(secret.as_ref());
        next
    }

    /// The token as a client gets it.
    #[must_use]
    pub fn to_text(&self, key: &RefreshKey) -> Secret {
        let mut bytes = self.body();
        let tag = key.tag(&bytes);
        bytes.extend_from_slice(tag.as_ref());
        Secret::new(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The session's id, as it stands in the table.
    #[must_use]
    pub fn session(&self) -> String {
        hex(&self.session)
    }

    /// What the table holds of this token.
    #[must_use]
    pub fn hash(&self) -> String {
        sha256_hex(&self.secret)
    }

    fn body(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BODY_BYTES + TAG_BYTES);
        bytes.extend_from_slice(&self.session);
        bytes.extend_from_slice(&self.counter.to_be_bytes());
        bytes.extend_from_slice(&self.secret);
        bytes
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key() -> RefreshKey {
        RefreshKey::new(&[7; KEY_BYTES])
    }

    #[test]
    fn a_token_is_read_back_with_its_key_alone() {
        let token = RefreshToken::first().unwrap();
        let text = token.to_text(&key());
        assert_eq!(RefreshToken::parse(&key(), text.expose()), Some(token));
        let other = RefreshKey::new(&[8; KEY_BYTES]);
        assert_eq!(RefreshToken::parse(&other, text.expose()), None);
        for garbage in ["", "x", &"A".repeat(112), &"é".repeat(56)] {
            assert_eq!(RefreshToken::parse(&key(), garbage), None);
        }
    }

    #[test]
    fn a_token_with_any_bit_flipped_is_refused() {
        let text = RefreshToken::first().unwrap().to_text(&key());
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
        let first = RefreshToken::first().unwrap();
        let second = first.next(&key());
        assert_eq!(second, first.next(&key()));
        assert_eq!(second.session(), first.session());
        assert_ne!(second.hash(), first.hash());
        assert_ne!(second.next(&key()).hash(), second.hash());
    }

    /// Guarantee 11.
    #[test]
    fn a_hash_says_nothing_of_the_token() {
        let token = RefreshToken::first().unwrap();
        assert_eq!(token.hash().len(), 64);
        assert_ne!(token.hash(), hex(&token.secret));
    }
}
