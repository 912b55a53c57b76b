//! Cover images.

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::domain::{
    cover_key::{COVERS_PATH, CoverKey},
    text,
};

/// The most bytes of a URL. Browsers and proxies accept at least this many.
const MAX_BYTES: usize = 2048;

const NOT_HTTPS: &str = "Must be an https URL.";

/// What the text of an uploaded cover begins with. No URL begins with it that [`CoverImage::parse`] accepts.
const UPLOADED: &str = "cover:";

/// The cover of a movie: an https URL without a username, a password, quotes, spaces or control characters, or an uploaded image,
/// which is stored as `cover:` and its [key](CoverKey).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(
    value_type = String,
    format = "uri",
    max_length = 2048,
    pattern = r#"^https://[^\s\u0000-\u001f\u007f-\u009f/?#@"'`<>\\]+([/?#][^\s\u0000-\u001f\u007f-\u009f"'`<>\\]*)?$"#,
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
        if text.contains(text::is_quotation_mark) {
            return Err("Must not contain quotes; write %22, %27 or %60 for those of ASCII.");
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

    /// Returns the text as it is stored.
    #[must_use]
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// Returns the cover with this uploaded image.
    #[must_use]
    pub fn uploaded(key: &CoverKey) -> Self {
        Self(format!("{UPLOADED}{key}"))
    }

    /// Returns the key of the uploaded image. `None` if the cover is a URL.
    #[must_use]
    pub fn key(&self) -> Option<CoverKey> {
        Self::key_of(&self.0)
    }

    /// Returns the key of the uploaded image that is stored as this text. `None` for every other text.
    #[must_use]
    pub fn key_of(text: &str) -> Option<CoverKey> {
        CoverKey::parse(text.strip_prefix(UPLOADED)?)
    }

    /// Returns the URL. That of an uploaded image begins with `origin`, the scheme and host of the API.
    #[must_use]
    pub fn url(&self, origin: &str) -> String {
        match self.key() {
            Some(key) => cover_url(origin, &key.to_string()),
            None => self.0.clone(),
        }
    }

    /// Returns the cover as clients see it.
    #[must_use]
    pub fn shown(self, origin: &str) -> Self {
        match self.key() {
            Some(_) => Self(self.url(origin)),
            None => self,
        }
    }

    /// Returns the URL of the thumbnail. `None` if the cover is a URL.
    #[must_use]
    pub fn thumbnail_url(&self, origin: &str) -> Option<String> {
        self.key().map(|key| cover_url(origin, &key.thumbnail()))
    }
}

fn cover_url(origin: &str, name: &str) -> String {
    format!("{origin}{COVERS_PATH}{name}")
}

/// A `cover_image` in a request: a URL, which may be that of an uploaded cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCover {
    text: String,
    /// The cover, if the text is an https URL.
    image: Result<CoverImage, &'static str>,
    /// The origin and the key of the URL, if it has the form of an uploaded cover's.
    uploaded: Option<(String, CoverKey)>,
}

impl NamedCover {
    /// Parses a URL that [`CoverImage::parse`] accepts, or one of the form of an uploaded cover's, which may also be an http URL.
    ///
    /// # Errors
    /// The message for the field.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let uploaded = text.rsplit_once(COVERS_PATH).and_then(|(origin, name)| {
            let key = CoverKey::parse(name.strip_suffix('/').unwrap_or(name))?;
            Some((origin.to_owned(), key))
        });
        let image = CoverImage::parse(text);
        if uploaded.is_none() {
            image.as_ref().map_err(|message| *message)?;
        }
        Ok(Self {
            text: text.to_owned(),
            image,
            uploaded,
        })
    }

    /// Returns the key of the uploaded cover whose URL this is, of whichever deployment. `None` if it hasn't the form of one.
    #[must_use]
    pub fn key(&self) -> Option<CoverKey> {
        self.uploaded.as_ref().map(|(_, key)| *key)
    }

    /// Returns the cover that a movie has after a request that names this one. `old` is the cover that it has, and `origin` that of
    /// the API.
    ///
    /// # Errors
    /// The message for the field, if the URL is that of an uploaded cover that the movie doesn't have.
    pub fn of_movie(&self, old: Option<&CoverImage>, origin: &str) -> Result<CoverImage, &'static str> {
        if let Some(old) = old.filter(|old| old.as_text() == self.text) {
            return Ok(old.clone());
        }
        if let Some((of_url, key)) = &self.uploaded {
            if let Some(old) = old.filter(|old| old.key().as_ref() == Some(key)) {
                return Ok(old.clone());
            }
            if of_url == origin {
                return Err("This uploaded cover isn't the movie's. Upload the image instead.");
            }
        }
        self.image.clone()
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
            ("https://a/“b”", "quotes"),
            ("https://a/「b」", "quotes"),
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
