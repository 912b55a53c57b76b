//! Images: what is accepted, and what is served of it.
//!
//! A file passes three checks. Its first bytes decide its type. The structure of the file is read by a module of this one, which
//! refuses data after the image's end, finds the size in pixels, and copies only what shows the image: metadata is left out. Then
//! the copy is decoded, which finds an image that is broken, and makes the thumbnail.
//!
//! Nothing is decoded before its size is known, so a small file can't take much memory or time.

mod avif;
mod gif;
mod icc;
mod jpeg;
mod png;
mod reader;
mod thumbnail;
mod webp;

use ::image::{DynamicImage, metadata::Orientation};
use marquee_shared::domain::{ImageFormat, cover_key::MAX_COVER_BYTES};

/// The most pixels of an image: 50 megapixels.
pub const MAX_PIXELS: u64 = 50_000_000;

/// The most pixels of all frames of an animation together: as many as 2 s of a 50-megapixel animation, or 5 minutes of one of
/// the size of a thumbnail.
pub const MAX_FRAME_PIXELS: u64 = 250_000_000;

/// The most bytes of an image that is served. Lambda returns no more than 6 MB in base64.
const MAX_SERVED_BYTES: usize = 4_500_000;

/// The quality of a JPEG that had to be turned.
const QUALITY: u8 = 92;

/// An image as it is served.
#[derive(Clone, Debug)]
pub struct Cover {
    /// The type of the image.
    pub format: ImageFormat,
    /// The image without metadata.
    pub image: Vec<u8>,
    /// A JPEG that fits within the size of a thumbnail. `None` for an AVIF, which this program can't decode.
    pub thumbnail: Option<Vec<u8>>,
}

/// Why a file isn't accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has more than [`MAX_COVER_BYTES`].
    TooLarge,
    /// It isn't an image of a type that is accepted.
    Unsupported,
    /// It is an image of such a type, with this fault.
    Invalid(&'static str),
}

/// The faults of images.
const EMPTY: Refused = Refused::Invalid("The file is empty.");
const INCOMPLETE: Refused = Refused::Invalid("The image is incomplete.");
const BROKEN: Refused = Refused::Invalid("The image is broken.");
const DATA_AFTER_END: Refused =
    Refused::Invalid("The file has data after the image's end. Send the image alone.");
const TOO_MANY_PIXELS: Refused = Refused::Invalid("The image must have at most 50 megapixels.");
const TOO_LONG: Refused =
    Refused::Invalid("The frames of the animation must have at most 250 megapixels together.");

/// What the structure of a file says, and a copy of the file without metadata.
struct Stripped {
    bytes: Vec<u8>,
    width: u32,
    height: u32,
    orientation: Orientation,
    icc_profile: Option<Vec<u8>>,
    is_animated: bool,
}

/// A decoded image: of an animation, its first frame.
struct Decoded {
    image: DynamicImage,
    icc_profile: Option<Vec<u8>>,
}

/// Returns the type of a file by its first bytes.
#[must_use]
pub fn recognize(file: &[u8]) -> Option<ImageFormat> {
    let media_type = infer::get(file)?.mime_type();
    let format = ImageFormat::ALL
        .into_iter()
        .find(|format| format.media_type() == media_type)?;
    // `infer` looks at a part of these signatures, and a text may begin with that part of a GIF's.
    let has_signature = match format {
        ImageFormat::Gif => file.starts_with(b"GIF87a") || file.starts_with(b"GIF89a"),
        ImageFormat::Png => file.starts_with(b"\x89PNG\r\n\x1a\n"),
        ImageFormat::Webp => file.starts_with(b"RIFF"),
        ImageFormat::Jpeg | ImageFormat::Avif => true,
    };
    has_signature.then_some(format)
}

/// Checks an image, and returns what is served of it. It may take a second, so call it where blocking is allowed.
///
/// # Errors
/// [`Refused`] if it isn't accepted.
pub fn process(file: &[u8]) -> Result<Cover, Refused> {
    if file.is_empty() {
        return Err(EMPTY);
    }
    if file.len() > MAX_COVER_BYTES {
        return Err(Refused::TooLarge);
    }
    let format = recognize(file).ok_or(Refused::Unsupported)?;
    let stripped = match format {
        ImageFormat::Jpeg => jpeg::strip(file)?,
        ImageFormat::Png => png::strip(file)?,
        ImageFormat::Gif => gif::strip(file)?,
        ImageFormat::Webp => webp::strip(file)?,
        ImageFormat::Avif => {
            return Ok(Cover {
                format,
                image: avif::strip(file)?,
                thumbnail: None,
            });
        }
    };
    check_pixels(stripped.width, stripped.height)?;
    let decoded = match format {
        ImageFormat::Jpeg => jpeg::decode(&stripped)?,
        ImageFormat::Png => png::decode(&stripped)?,
        ImageFormat::Gif => gif::decode(&stripped)?,
        ImageFormat::Webp | ImageFormat::Avif => webp::decode(&stripped)?,
    };
    let Decoded {
        mut image,
        icc_profile,
    } = decoded;
    // An animation is not turned: it would have to be encoded frame by frame.
    let is_turned = stripped.orientation != Orientation::NoTransforms && !stripped.is_animated;
    let served = if is_turned {
        image.apply_orientation(stripped.orientation);
        encoded(&image, format, icc_profile.as_deref(), &stripped.bytes)?
    } else {
        stripped.bytes
    };
    Ok(Cover {
        format,
        image: served,
        thumbnail: Some(thumbnail::of(image, icc_profile.as_deref())?),
    })
}

/// Checks the size of an image before it is decoded.
fn check_pixels(width: u32, height: u32) -> Result<(), Refused> {
    match u64::from(width) * u64::from(height) {
        0 => Err(BROKEN),
        1..=MAX_PIXELS => Ok(()),
        _ => Err(TOO_MANY_PIXELS),
    }
}

/// Encodes an image that was turned. If the result is too large to be served, the image is made smaller.
fn encoded(
    image: &DynamicImage,
    format: ImageFormat,
    icc_profile: Option<&[u8]>,
    original: &[u8],
) -> Result<Vec<u8>, Refused> {
    let mut smaller: Option<DynamicImage> = None;
    loop {
        let image = smaller.as_ref().unwrap_or(image);
        let bytes = match format {
            // Beside a profile, it has other chunks about its colors.
            ImageFormat::Png => {
                png::with_colors_of(original, thumbnail::encode(image, format, QUALITY, None)?)?
            }
            _ => thumbnail::encode(image, format, QUALITY, icc_profile)?,
        };
        if bytes.len() <= MAX_SERVED_BYTES {
            return Ok(bytes);
        }
        let three_quarters = |length: u32| (length / 4 * 3).max(1);
        smaller = Some(image.thumbnail_exact(three_quarters(image.width()), three_quarters(image.height())));
    }
}

#[cfg(test)]
mod tests;
