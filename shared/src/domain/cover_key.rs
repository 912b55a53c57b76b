//! Keys of uploaded covers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    digest::{from_hex, hex},
    error::Result,
    random::random,
};

/// The most bytes of an uploaded image. In base64 it still fits into what API Gateway passes to a function, 6 MB (AWS: Lambda
/// quotas).
pub const MAX_COVER_BYTES: usize = 4_000_000;

/// The path below which covers are served.
pub const COVERS_PATH: &str = "/api/covers/";

/// What the name of a thumbnail has behind the digits of its cover.
const THUMBNAIL: &str = "-thumbnail.jpg";

/// The type of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
    /// GIF.
    Gif,
    /// AVIF.
    Avif,
}

impl ImageFormat {
    /// Every type.
    pub const ALL: [Self; 5] = [Self::Jpeg, Self::Png, Self::Webp, Self::Gif, Self::Avif];

    /// Returns the media type, as registered with IANA.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
            Self::Gif => "image/gif",
            Self::Avif => "image/avif",
        }
    }

    /// Returns the extension of a file of this type, without the dot.
    const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
            Self::Gif => "gif",
            Self::Avif => "avif",
        }
    }
}

/// The key of an uploaded cover: 128 random bits, and the type of the image. Its text is the name of the image in the store and
/// in its URL: 32 hexadecimal digits in lower case and an extension. Nobody can guess it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CoverKey {
    bits: [u8; 16],
    format: ImageFormat,
}

impl CoverKey {
    /// Returns a new key.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) if the system has no randomness.
    pub fn random(format: ImageFormat) -> Result<Self> {
        let bits = random()?;
        Ok(Self { bits, format })
    }

    /// Parses the name of a cover. Returns `None` for every other text, also for the name of a thumbnail.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (digits, extension) = name.split_once('.')?;
        let format = ImageFormat::ALL
            .into_iter()
            .find(|format| format.extension() == extension)?;
        let bits = from_hex(digits)?;
        Some(Self { bits, format })
    }

    /// Returns the type of the image.
    #[must_use]
    pub const fn format(&self) -> ImageFormat {
        self.format
    }

    /// Returns the random digits, by which the table orders covers that are looked after.
    #[must_use]
    pub fn digits(&self) -> String {
        hex(&self.bits)
    }

    /// Returns the name of the thumbnail. An AVIF has none, and is shown itself.
    #[must_use]
    pub fn thumbnail(&self) -> String {
        match self.format {
            ImageFormat::Avif => self.to_string(),
            _ => format!("{}{THUMBNAIL}", self.digits()),
        }
    }

    /// Returns the key of the image with this name, of a cover or a thumbnail. `None` for every other text. The name of a thumbnail
    /// doesn't say the type of its cover; its key is that of a JPEG.
    #[must_use]
    pub fn of_object(name: &str) -> Option<Self> {
        match name.strip_suffix(THUMBNAIL) {
            Some(digits) => from_hex(digits).map(|bits| Self {
                bits,
                format: ImageFormat::Jpeg,
            }),
            None => Self::parse(name),
        }
    }

    /// Returns the media type of the image with this name, of a cover or a thumbnail. Returns `None` for every other text.
    #[must_use]
    pub fn media_type_of(name: &str) -> Option<&'static str> {
        Self::of_object(name).map(|key| key.format.media_type())
    }
}

impl fmt::Display for CoverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.digits(), self.format.extension())
    }
}

/// Without the digits, since whoever knows them can read the image.
impl fmt::Debug for CoverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CoverKey({:?})", self.format)
    }
}

impl From<CoverKey> for String {
    fn from(key: CoverKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for CoverKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not the key of a cover")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee 78.
    #[test]
    fn a_key_is_read_as_it_is_written_and_nothing_else_is_one() {
        for format in ImageFormat::ALL {
            let key = CoverKey::random(format).unwrap();
            let name = key.to_string();
            assert_eq!(CoverKey::parse(&name), Some(key));
            assert_eq!(CoverKey::media_type_of(&name), Some(format.media_type()));
            let thumbnail = CoverKey::media_type_of(&key.thumbnail());
            assert_eq!(
                thumbnail.is_some_and(|kind| kind == "image/jpeg"),
                format != ImageFormat::Avif
            );
            let of_thumbnail = CoverKey::of_object(&key.thumbnail());
            assert_eq!(of_thumbnail.map(|own| own.digits()), Some(key.digits()));
            assert!(!format!("{key:?}").contains(&key.digits()));
            for other in [
                name.to_uppercase(),
                format!("../{name}"),
                format!("{name}/"),
                format!("{name}.jpg"),
                name.replace('.', "-thumbnail."),
                name.split_at(1).1.to_owned(),
                format!("0{name}"),
            ] {
                let is_thumbnail = other == key.thumbnail();
                assert_eq!(CoverKey::parse(&other), None, "{other}");
                assert_eq!(CoverKey::media_type_of(&other).is_some(), is_thumbnail, "{other}");
            }
        }
        for other in [
            "",
            ".",
            ".jpg",
            "é.jpg",
            "0f3b6c1d9e8a47525d1c0b9a8f7e6d5c",
            "0f3b6c1d9e8a47525d1c0b9a8f7e6d5c.svg",
        ] {
            assert_eq!(CoverKey::parse(other), None, "{other}");
            assert_eq!(CoverKey::media_type_of(other), None, "{other}");
        }
    }
}
