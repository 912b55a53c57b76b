//! Usernames, by the rules of Django's `AbstractUser`, and the form by which usernames and emails are compared.

use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use crate::domain::text::{self, fold};

/// The fewest characters.
pub const MIN_CHARS: usize = 3;
/// The most characters.
pub const MAX_CHARS: usize = 150;

/// The most bytes of a folded name. An email has at most 254 bytes, a username at most 150 characters of 5 bytes. The limit
/// keeps a key well under DynamoDB's 2,048 bytes (AWS: Constraints).
const MAX_FOLDED_BYTES: usize = 1024;

/// A username: 3 to 150 letters, digits and `@ . + - _`. Letters and digits of every script are allowed. White space at the
/// ends is removed. The rest is stored and compared in Unicode's compatibility form (NFKC, UAX #15), in which characters that
/// look alike, such as full-width and ordinary letters, are the same; the limits apply to that form.
// The pattern excludes only ASCII characters: no regular expression without flags knows the letters of every script.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(
    value_type = String,
    min_length = 1,
    pattern = r"^\s*[^\s\u0000-*,/:-?\[-^`{-\u007f]+\s*$",
    example = "ripley"
)]
pub struct Username(String);

impl Username {
    /// Parses a username. White space at its ends is removed; elsewhere it is not valid.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text: String = text.trim().nfkc().collect();
        if !(MIN_CHARS..=MAX_CHARS).contains(&text.chars().count()) {
            return Err(format!("Must have {MIN_CHARS} to {MAX_CHARS} characters."));
        }
        text::check_direction(&text)?;
        // By their Unicode properties the Hangul fillers are letters, and some combining marks are alphabetic.
        let allowed = |c: char| (c.is_alphanumeric() && !text::is_ignorable(c)) || "@.+-_".contains(c);
        if !text.chars().all(allowed) {
            return Err("May contain only letters, digits and @ . + - _.".into());
        }
        if !text.chars().any(text::is_visible) {
            return Err(text::INVISIBLE.into());
        }
        Ok(Self(text))
    }

    /// Returns the username as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the form by which two usernames are compared.
    #[must_use]
    pub fn folded(&self) -> String {
        fold_name(&self.0)
    }
}

/// Returns the form in which usernames and emails are unique and looked up: NFKC, then case folded. Both use one form,
/// because either can be typed to sign in. Text that is too long for any name folds to an empty string, which is no name.
#[must_use]
pub fn fold_name(text: &str) -> String {
    if text.len() > MAX_FOLDED_BYTES {
        return String::new();
    }
    let folded = fold(&text.nfkc().collect::<String>());
    if folded.len() > MAX_FOLDED_BYTES {
        return String::new();
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_every_script_and_five_signs_are_allowed() {
        for good in ["bob", "José", "名無し", "a.b@c+d-e_f", "007", &"x".repeat(150)] {
            assert_eq!(Username::parse(good).map(|u| u.0), Ok(good.into()));
        }
        let long = "x".repeat(151);
        for bad in [
            "",
            "ab",
            " ab ",
            "b b",
            "b\nb",
            "\u{200b}bob",
            "bob!",
            "b\0b",
            "½½½",
            &long,
        ] {
            assert!(Username::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn white_space_at_the_ends_is_no_part_of_a_username() {
        let widest = format!(" {} ", "x".repeat(150));
        for text in [" bob", "bob ", "\tbob\r\n", "\u{a0}bob\u{3000}", &widest] {
            assert_eq!(Username::parse(text).map(|u| u.0), Ok(text.trim().into()));
        }
    }

    #[test]
    fn a_username_can_be_seen_and_leaves_the_text_around_it_alone() {
        for filler in [
            "\u{3164}", "\u{ffa0}", "\u{115f}", "\u{1160}", "\u{93e}", "\u{345}",
        ] {
            assert!(Username::parse(&filler.repeat(3)).is_err(), "{filler:?}");
        }
        assert!(Username::parse("bob\u{3164}").is_err());
        let error = Username::parse("bob\u{202e}").unwrap_err();
        assert!(error.contains("direction"), "{error}");
        assert!(Username::parse("राधिका").is_ok());
    }

    #[test]
    fn usernames_that_look_alike_are_one() {
        let wide = Username::parse("Ｂｏｂ").unwrap();
        assert_eq!(wide.as_str(), "Bob");
        assert_eq!(wide.folded(), Username::parse("bOB").unwrap().folded());
        assert_eq!(fold_name("ＢＯＢ"), "bob");
        assert_eq!(
            Username::parse("jose\u{301}").unwrap(),
            Username::parse("jos\u{e9}").unwrap()
        );
    }

    #[test]
    fn no_valid_name_is_too_long_to_fold() {
        // The letters whose folded form is longest: U+1FB7 folds to two letters of 5 bytes together; Deseret letters have 4.
        for widest in ["\u{1fb7}", "\u{10400}"] {
            let name = Username::parse(&widest.repeat(MAX_CHARS)).unwrap();
            assert_ne!(name.folded(), "");
        }
        assert_eq!(fold_name(&"x".repeat(2000)), "");
        assert_eq!(fold_name(&"\u{fdfa}".repeat(254)), "");
    }
}
