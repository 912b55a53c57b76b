//! Passwords, and the wrapper that hides secret text from logs.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use crate::domain::username::fold_name;

/// The fewest characters (OWASP ASVS 5.0, 6.2.1).
pub const MIN_CHARS: usize = 8;
/// The most characters. OWASP ASVS 5.0, 6.2.9 requires that 64 are permitted.
pub const MAX_CHARS: usize = 128;

/// The most common passwords, in lower case and sorted: the lists of zxcvbn (MIT) and Django (BSD-3-Clause) combined.
/// `common_passwords.md`, beside the file, names the sources.
static COMMON: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("../auth/common_passwords.txt").lines().collect());

/// Text that must not be printed. It has no `Display`, and its `Debug` hides the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the text in the form in which passwords are counted and hashed: composed (NFC, UAX #15). Keyboards differ in
    /// whether they compose letters.
    #[must_use]
    pub fn composed(&self) -> Self {
        Self(self.0.nfc().collect())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A new password: 8 to 128 Unicode characters of any kind, counted in composed form (NFC). Nothing else is changed: white
/// space and case are kept. Common passwords are refused.
// OWASP ASVS 5.0: nothing is truncated, nor is its case changed (6.2.8), and no kinds of character are required (6.2.5).
// NFC is the form of RFC 8265 §4.2.2 (OpaqueString). Its mapping of spaces is not applied.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = Password, min_length = 8, max_length = 128, example = "in space no one can hear")]
pub struct Password(Secret);

impl Password {
    /// Parses a new password.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(typed: String) -> Result<Self, String> {
        let password = Secret(typed).composed();
        let text = password.expose();
        if !(MIN_CHARS..=MAX_CHARS).contains(&text.chars().count()) {
            return Err(format!("Must have {MIN_CHARS} to {MAX_CHARS} characters."));
        }
        if COMMON.binary_search(&text.to_lowercase().as_str()).is_ok() {
            return Err("This password is too common.".into());
        }
        Ok(Self(password))
    }

    /// Refuses a password that equals the username or the email, compared without case (OWASP ASVS 5.0, 6.2.11).
    ///
    /// # Errors
    /// The message for the field.
    pub fn unlike(self, username: Option<&str>, email: Option<&str>) -> Result<Self, String> {
        let folded = fold_name(self.0.expose());
        if username.is_some_and(|username| folded == fold_name(username)) {
            return Err("Must not be the username.".into());
        }
        if email.is_some_and(|email| folded == fold_name(email)) {
            return Err("Must not be the email.".into());
        }
        Ok(self)
    }

    /// Returns the password in composed form, for hashing.
    #[must_use]
    pub fn into_secret(self) -> Secret {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The binary search requires it.
    #[test]
    fn the_common_passwords_are_sorted_lowercase_and_long_enough_to_matter() {
        assert!(COMMON.is_sorted_by(|a, b| a < b));
        assert!(COMMON.len() > 16_000);
        for common in COMMON.iter() {
            assert_eq!(*common, common.to_lowercase());
            assert!(common.chars().count() >= MIN_CHARS, "{common}");
        }
    }

    /// Guarantees 14 and 15.
    #[test]
    fn a_password_is_any_8_to_128_characters_with_case_and_white_space_kept() {
        let longest = "🦀".repeat(128);
        for good in [
            "  spaces kept  ",
            "ÄÖÜäöüß€",
            "tab\tand\0nul",
            "aaaaaaab",
            &longest,
        ] {
            let password = Password::parse(good.into()).unwrap();
            assert_eq!(password.into_secret().expose(), good);
        }
        for bad in ["", "seven77", &"x".repeat(129)] {
            assert!(Password::parse(bad.into()).is_err(), "{bad}");
        }
    }

    /// Guarantee 15.
    #[test]
    fn a_password_is_counted_in_composed_form() {
        let password = |text: &str| Password::parse(text.into());
        assert_eq!(password("cafe\u{301} cafe\u{301}"), password("café café"));
        // Seven characters and fourteen, 128 and 256.
        assert!(password(&"e\u{301}".repeat(7)).is_err());
        assert!(password(&"e\u{301}".repeat(128)).is_ok());
        assert!(password(&"e\u{301}".repeat(129)).is_err());
        // Compatibility forms stay different.
        assert_ne!(password("ｐassword 1"), password("password 1"));
    }

    /// Guarantee 16.
    #[test]
    fn common_passwords_are_refused_in_any_case() {
        for common in ["password", "Password", "12345678", "QWERTYUIOP", "zxcvbnm,./"] {
            assert!(Password::parse(common.into()).is_err(), "{common}");
        }
    }

    /// Guarantee 16.
    #[test]
    fn the_username_and_the_email_are_refused_in_any_case() {
        let unlike = |text: &str| {
            Password::parse(text.into())
                .unwrap()
                .unlike(Some("EllenRipley"), Some("ellen@example.com"))
        };
        assert!(unlike("ellenripley").is_err());
        assert!(unlike("Ellen@Example.com").is_err());
        assert!(unlike("ellenripley2").is_ok());
    }

    /// Guarantee 39.
    #[test]
    fn debug_does_not_show_a_password() {
        let password = Password::parse("canary-canary".into()).unwrap();
        assert!(!format!("{password:?}").contains("canary"));
    }
}
