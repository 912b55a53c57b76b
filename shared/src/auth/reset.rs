//! Password reset tokens: opaque to clients, each good for one new password.
//!
//! A token is `user ‖ secret` in base64url. The secret has 192 random bits, and the table contains only its hash. A user has at
//! most one token, so a new one ends the one before.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    digest::sha256_hex,
    domain::{UserId, password::Secret},
    error::Result,
    random::random,
};

const USER_BYTES: usize = 8;
const SECRET_BYTES: usize = 24;

/// A password reset token. Only the table knows whether it is good.
#[derive(Clone, PartialEq, Eq)]
pub struct ResetToken {
    user: UserId,
    secret: [u8; SECRET_BYTES],
}

impl std::fmt::Debug for ResetToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResetToken(..)")
    }
}

impl ResetToken {
    /// Returns a new token of this user.
    ///
    /// # Errors
    /// [`Internal`](crate::Error::Internal) if the system has no randomness.
    pub fn new(user: UserId) -> Result<Self> {
        Ok(Self {
            user,
            secret: random()?,
        })
    }

    /// Parses a token. White space at its ends is ignored, since people copy tokens from mails. Returns `None` for a text that
    /// isn't of a token's form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // The length is checked first, so that a text of 256 KiB isn't decoded.
        if base64::encoded_len(USER_BYTES + SECRET_BYTES, false) != Some(text.len()) {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (user, secret) = bytes.split_first_chunk()?;
        Some(Self {
            user: UserId::try_from(u64::from_be_bytes(*user)).ok()?,
            secret: secret.try_into().ok()?,
        })
    }

    /// Returns the user whose password it resets.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Returns the hash of the secret, as in the table.
    #[must_use]
    pub fn hash(&self) -> String {
        sha256_hex(&self.secret)
    }

    /// Returns the token as the user gets it: 43 letters, digits, `-` and `_`.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let bytes = [&self.user.get().to_be_bytes()[..], &self.secret].concat();
        Secret::new(URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;

    fn new(user: u64) -> ResetToken {
        ResetToken::new(UserId::try_from(user).unwrap()).unwrap()
    }

    #[test]
    fn a_token_is_read_back_also_with_white_space_around_it() {
        let token = new(7);
        let text = token.to_text();
        assert_eq!(text.expose().len(), 43);
        assert_eq!(ResetToken::parse(text.expose()), Some(token.clone()));
        assert_eq!(
            ResetToken::parse(&format!(" {}\r\n", text.expose())),
            Some(token.clone())
        );
        assert_eq!(token.user().get(), 7);
        for garbage in [
            "",
            "x",
            &"A".repeat(42),
            &"A".repeat(44),
            &"é".repeat(21),
            &format!("{}=", &text.expose()[1..]),
        ] {
            assert_eq!(ResetToken::parse(garbage), None, "{garbage}");
        }
        // There is no user 0.
        assert_eq!(ResetToken::parse(&"A".repeat(43)), None);
    }

    /// Guarantee 77.
    #[test]
    fn no_two_tokens_are_alike_and_a_hash_says_nothing_of_its_token() {
        let tokens = [new(7), new(7)];
        assert_ne!(tokens[0], tokens[1]);
        assert_ne!(tokens[0].hash(), tokens[1].hash());
        assert_eq!(tokens[0].hash().len(), 64);
        assert!(!tokens[0].hash().contains(&hex(&tokens[0].secret)));
        assert!(tokens[0].secret.len() * 8 >= 128);
    }

    /// Guarantee 39.
    #[test]
    fn debug_shows_nothing_of_a_token() {
        assert_eq!(format!("{:?}", new(7)), "ResetToken(..)");
    }
}
