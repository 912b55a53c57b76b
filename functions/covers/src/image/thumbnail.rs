//! Thumbnails, and the encoding of images that had to be changed.

use image::{
    DynamicImage, ExtendedColorType, ImageEncoder, ImageResult, RgbImage,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType as PngFilter, PngEncoder},
        webp::WebPEncoder,
    },
    imageops::FilterType,
};
use marquee_shared::domain::ImageFormat;

use super::{BROKEN, Refused};

/// The size that a thumbnail fits within, in pixels.
pub(super) const WIDTH: u32 = 342;
pub(super) const HEIGHT: u32 = 513;

const QUALITY: u8 = 82;

/// A larger color profile isn't repeated in a thumbnail: it would be most of it.
const MAX_PROFILE: usize = 16 * 1024;

/// Returns the image as a JPEG that fits within a thumbnail's size, whole and not enlarged. Its transparent parts are white.
pub(super) fn of(image: DynamicImage, icc_profile: Option<&[u8]>) -> Result<Vec<u8>, Refused> {
    let (width, height) = fitting(image.width(), image.height());
    let image = DynamicImage::ImageRgb8(opaque(image));
    // A quick reduction to twice the size, then one that looks well.
    let reduced = (image.width() > 4 * width && image.height() > 4 * height)
        .then(|| image.thumbnail_exact(2 * width, 2 * height));
    let image = reduced.as_ref().unwrap_or(&image);
    let small = image.resize_exact(width, height, FilterType::Lanczos3);
    let icc_profile = icc_profile.filter(|profile| profile.len() <= MAX_PROFILE);
    encode(&small, ImageFormat::Jpeg, QUALITY, icc_profile)
}

/// Returns the largest size of the same shape that fits within a thumbnail's.
fn fitting(width: u32, height: u32) -> (u32, u32) {
    let (width, height) = (f64::from(width), f64::from(height));
    let scale = (f64::from(WIDTH) / width)
        .min(f64::from(HEIGHT) / height)
        .min(1.0);
    let scaled = |length: f64, most: u32| ((length * scale).round() as u32).clamp(1, most);
    (scaled(width, WIDTH), scaled(height, HEIGHT))
}

/// Returns the image on a white background.
fn opaque(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    let (width, height) = image.dimensions();
    let over_white = |[r, g, b, a]: &[u8; 4]| {
        let alpha = u32::from(*a);
        let mix = |c: u8| ((u32::from(c) * alpha + 255 * (255 - alpha)) / 255) as u8;
        [mix(*r), mix(*g), mix(*b)]
    };
    let pixels = image
        .as_raw()
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(over_white)
        .collect();
    RgbImage::from_raw(width, height, pixels).unwrap_or_default()
}

/// Encodes an image in this format.
pub(super) fn encode(
    image: &DynamicImage,
    format: ImageFormat,
    quality: u8,
    icc_profile: Option<&[u8]>,
) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::new();
    let written = match format {
        ImageFormat::Png => {
            let encoder =
                PngEncoder::new_with_quality(&mut out, CompressionType::Default, PngFilter::Adaptive);
            write(encoder, image, icc_profile)
        }
        ImageFormat::Webp => {
            let image = match image.color().has_alpha() {
                true => DynamicImage::ImageRgba8(image.to_rgba8()),
                false => DynamicImage::ImageRgb8(image.to_rgb8()),
            };
            write(WebPEncoder::new_lossless(&mut out), &image, icc_profile)
        }
        ImageFormat::Jpeg | ImageFormat::Gif | ImageFormat::Avif => write(
            JpegEncoder::new_with_quality(&mut out, quality),
            image,
            icc_profile,
        ),
    };
    written.map_err(|_| BROKEN)?;
    Ok(out)
}

/// Writes an image with its color profile, if the profile is for such images: that of the four inks of a CMYK image isn't.
fn write(
    mut encoder: impl ImageEncoder,
    image: &DynamicImage,
    icc_profile: Option<&[u8]>,
) -> ImageResult<()> {
    // The color space is in bytes 16 to 19 of the profile (ICC.1 §7.2.6).
    let space: &[u8] = if image.color().has_color() {
        b"RGB "
    } else {
        b"GRAY"
    };
    if let Some(profile) = icc_profile.filter(|profile| profile.get(16..20) == Some(space)) {
        // An encoder that can't write one leaves it out.
        let _ = encoder.set_icc_profile(profile.to_vec());
    }
    let color: ExtendedColorType = image.color().into();
    encoder.write_image(image.as_bytes(), image.width(), image.height(), color)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_fits_is_whole_and_is_not_enlarged() {
        for ((width, height), expected) in [
            ((342, 513), (342, 513)),
            ((684, 1026), (342, 513)),
            ((1000, 1000), (342, 342)),
            ((500, 3000), (86, 513)),
            ((10, 20), (10, 20)),
            ((1, 1), (1, 1)),
            ((50_000, 1), (342, 1)),
            ((1, 50_000), (1, 513)),
            ((343, 1), (342, 1)),
        ] {
            assert_eq!(fitting(width, height), expected, "{width} x {height}");
        }
    }

    #[test]
    fn what_is_transparent_is_white() {
        let pixels = vec![0, 0, 0, 0, 10, 20, 30, 255, 0, 0, 0, 127];
        let image = image::RgbaImage::from_raw(3, 1, pixels).unwrap();
        let opaque = opaque(DynamicImage::ImageRgba8(image));
        assert_eq!(opaque.as_raw(), &[255, 255, 255, 10, 20, 30, 128, 128, 128]);
    }
}
