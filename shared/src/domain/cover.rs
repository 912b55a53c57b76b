//! Cover images.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::domain::text;

/// The most bytes of a URL. Browsers and proxies accept at least this many.
const MAX_BYTES: usize = 2048;

const NOT_HTTPS: &str = "Must be an https URL.";

/// An https URL without a username, a password, quotes, spaces or control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(
    value_type = String,
    format = "uri",
    max_length = 2048,
    pattern = r#"^https://[^\s/?#@"'`<>\\]+([/?#][^\s"'`<>\\]*)?$"#,
    example = "https://example.org/covers/the-godfather.jpg"
)]
pub struct CoverImage(String);

impl CoverImage {
    /// Parses an absolute https URL (WHATWG URL) and keeps it as written. Refuses characters that could end an HTML
    /// attribute, and text that a URL parser would silently correct.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err("Must be at most 2048 bytes.");
        }
        let after_scheme = text
            .split_at_checked("https://".len())
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("https://"))
            .map(|(_, rest)| rest)
            .ok_or(NOT_HTTPS)?;
        if text.contains(char::is_control) {
            return Err("Must not contain control characters.");
        }
        if text.contains(char::is_whitespace) {
            return Err("Must not contain spaces; write %20.");
        }
        if text.contains(['"', '\'', '`']) {
            return Err("Must not contain quotes; write %22, %27 or %60.");
        }
        if text.contains(['<', '>', '\\']) {
            return Err("Must not contain angle brackets or backslashes; write %3C, %3E or %5C.");
        }
        text::check_direction(text)?;
        // Checked on the text: the parser drops an empty name before the sign.
        let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err("Must not contain a username or password.");
        }
        // The parser would take the host from the path.
        if authority.is_empty() {
            return Err(NOT_HTTPS);
        }
        match Url::parse(text) {
            Ok(url) if url.scheme() == "https" && url.has_host() => Ok(Self(text.to_owned())),
            _ => Err(NOT_HTTPS),
        }
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cover_is_an_https_url() {
        for good in [
            "https://example.org/covers/godfather.jpg?size=2",
            "HTTPS://Example.org",
            "https://[2001:db8::1]:8443/a.jpg",
            "https://bücher.example/ü.jpg",
            "https://example.org/it%27s%20%22here%22%40.jpg#@",
            "https://example.org/@user/a(1),b.jpg",
            "https://example.org?by=a@b.co",
        ] {
            assert_eq!(CoverImage::parse(good).map(|c| c.0), Ok(good.to_owned()));
        }
        assert!(CoverImage::parse(" https://example.org/a.jpg\n").is_ok());
        assert!(CoverImage::parse(&format!("https://a/{}", "b".repeat(2048))).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_cover_is_said() {
        for (bad, why) in [
            ("", "https"),
            ("http://example.org/a.jpg", "https"),
            ("javascript:alert(1)", "https"),
            ("https:example.org/a.jpg", "https"),
            ("https:/example.org/a.jpg", "https"),
            ("https://", "https"),
            ("https:///example.org/a.jpg", "https"),
            ("https://?a", "https"),
            ("https://exa mple.org/", "spaces"),
            ("https://[::1/", "https"),
            ("https://a:99999/", "https"),
            ("/a.jpg", "https"),
            ("éhttps://a", "https"),
            ("https://a/\u{0}", "control"),
            ("https://a/b\tc", "control"),
            ("https://a/b\nc", "control"),
            ("https://a/b\u{85}c", "control"),
            ("https://a/b c", "spaces"),
            ("https://a/b\u{a0}c", "spaces"),
            ("https://a/b\u{3000}c", "spaces"),
            ("https://a/\"onerror=alert(1)", "quotes"),
            ("https://a/it's.jpg", "quotes"),
            ("https://a/`", "quotes"),
            ("https://a/<script>", "brackets"),
            ("https://a\\@b/", "backslashes"),
            ("https://user:pw@example.org/a.jpg", "password"),
            ("https://user@example.org/a.jpg", "password"),
            ("https://:@example.org/a.jpg", "password"),
            ("https://@example.org/a.jpg", "password"),
            ("https://user:pw@example.org?x", "password"),
            ("https://a/\u{202e}gpj.b", "direction"),
        ] {
            let error = CoverImage::parse(bad);
            assert!(
                matches!(error, Err(message) if message.contains(why)),
                "{bad}: {error:?}"
            );
        }
    }
}
