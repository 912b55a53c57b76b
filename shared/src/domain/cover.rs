//! Cover images.

use url::Url;

/// The longest URL that browsers and proxies are sure to carry.
const MAX_BYTES: usize = 2048;

/// The https URL of a cover image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverImage(String);

impl CoverImage {
    /// Reads an absolute https URL (WHATWG URL), kept as it was written.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err("May hold 2048 bytes.");
        }
        // The URL standard drops tabs and line breaks in silence; here they are a mistake.
        let url = Url::parse(text)
            .ok()
            .filter(|_| !text.contains(char::is_whitespace) && !text.contains(char::is_control));
        match url {
            Some(url) if url.scheme() == "https" && url.has_host() => Ok(Self(text.to_owned())),
            _ => Err("Must be an https URL."),
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
        assert!(CoverImage::parse("https://example.org/covers/godfather.jpg?size=2").is_ok());
        for bad in [
            "",
            "http://example.org/a.jpg",
            "javascript:alert(1)",
            "https://",
            "/a.jpg",
            "https://a/\u{0}",
            "https://a/b c",
        ] {
            assert!(CoverImage::parse(bad).is_err(), "{bad}");
        }
        assert!(CoverImage::parse(&format!("https://a/{}", "b".repeat(2048))).is_err());
    }
}
