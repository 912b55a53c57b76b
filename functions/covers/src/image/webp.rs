//! WebP (RFC 9649).

mod lossless;
mod lossy;
mod tables;

use std::io::Cursor;

use image::{DynamicImage, RgbImage, RgbaImage, metadata::Orientation};
use image_webp::WebPDecoder;

use super::{
    BROKEN, DATA_AFTER_END, Decoded, INCOMPLETE, MAX_FRAME_PIXELS, Refused, Stripped, TOO_LONG, check_pixels,
    icc,
    reader::{Reader, length},
};

/// The bytes of a frame before its chunks: its place and size, how long it is shown and how it is drawn.
const FRAME_HEAD: usize = 16;
const DRAWING: u8 = 0x03;

/// The bytes of `VP8X`, and those of `ANIM`.
const EXTENDED: usize = 10;
const ANIMATION: usize = 6;

/// Flags of `VP8X`: the file has a color profile, an alpha channel, an animation.
const HAS_PROFILE: u8 = 0x20;
const HAS_ALPHA: u8 = 0x10;
const IS_ANIMATED: u8 = 0x02;

/// How an alpha channel is compressed, and its flags: that, its filter, and what was done to it before.
const COMPRESSION: u8 = 0x03;
const ALPHA_FLAGS: u8 = 0x3f;

/// The most bytes that decoding may take beside the image.
const MEMORY: usize = 512 * 1024 * 1024;

/// Copies the image and its color profile, and leaves out every other chunk, and what is behind the codes of a bitmap.
pub(super) fn strip(file: &[u8]) -> Result<Stripped, Refused> {
    let mut reader = Reader::new(file);
    reader.take(4)?;
    let announced = length(reader.array().map(u32::from_le_bytes)?)?;
    // The length counts what is behind it.
    match announced.saturating_add(8).cmp(&file.len()) {
        std::cmp::Ordering::Less => return Err(DATA_AFTER_END),
        std::cmp::Ordering::Equal => {}
        std::cmp::Ordering::Greater => return Err(INCOMPLETE),
    }
    reader.take(4)?;
    let mut orientation = Orientation::NoTransforms;
    let (mut extended, mut profile, mut animation) = (None, None, None);
    let (mut bitmap, mut frames) = (Bitmap::default(), Vec::new());
    let mut canvas = None;
    while !reader.is_empty() {
        let (kind, data) = chunk(&mut reader)?;
        match &kind {
            b"VP8X" if extended.is_none() => {
                let [flags, _, _, _, w1, w2, w3, h1, h2, h3] =
                    *data.first_chunk::<EXTENDED>().ok_or(BROKEN)?;
                let size = |a, b, c| u32::from_le_bytes([a, b, c, 0]) + 1;
                canvas = Some((size(w1, w2, w3), size(h1, h2, h3)));
                extended = Some([flags & (HAS_ALPHA | IS_ANIMATED), 0, 0, 0, w1, w2, w3, h1, h2, h3]);
            }
            b"ICCP" if profile.is_none() => profile = icc::clean(data),
            b"ANIM" if animation.is_none() => animation = Some(data.get(..ANIMATION).ok_or(BROKEN)?),
            b"ANMF" => frames.push(frame(data)?),
            b"EXIF" => {
                let exif = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
                orientation = Orientation::from_exif_chunk(exif).unwrap_or(orientation);
            }
            _ => bitmap.read(kind, data, canvas)?,
        }
    }
    let is_animated = !frames.is_empty();
    if is_animated == bitmap.is_whole() || (is_animated && (extended.is_none() || animation.is_none())) {
        return Err(BROKEN);
    }
    let mut out = b"RIFF\0\0\0\0WEBP".to_vec();
    let mut icc_profile = None;
    if let Some(mut extended) = extended {
        icc_profile = profile;
        if icc_profile.is_some() {
            extended[0] |= HAS_PROFILE;
        }
        put(&mut out, *b"VP8X", &extended)?;
        if let Some(profile) = &icc_profile {
            put(&mut out, *b"ICCP", profile)?;
        }
    }
    if is_animated {
        put(&mut out, *b"ANIM", animation.unwrap_or_default())?;
    } else {
        bitmap.write(&mut out, extended.is_some())?;
    }
    for frame in &frames {
        put(&mut out, *b"ANMF", frame)?;
    }
    let announced = u32::try_from(out.len() - 8).map_err(|_| BROKEN)?;
    out.splice(4..8, announced.to_le_bytes());
    let (width, height) = decoder(&out)?.dimensions();
    Ok(Stripped {
        bytes: out,
        width,
        height,
        orientation,
        icc_profile,
        is_animated,
    })
}

/// Copies a frame of an animation.
fn frame(data: &[u8]) -> Result<Vec<u8>, Refused> {
    let (head, chunks) = data.split_at_checked(FRAME_HEAD).ok_or(BROKEN)?;
    let [_, _, _, _, _, _, w1, w2, w3, h1, h2, h3, ..] = *head else {
        return Err(BROKEN);
    };
    let size = |a, b, c| u32::from_le_bytes([a, b, c, 0]) + 1;
    let mut bitmap = Bitmap::default();
    let mut reader = Reader::new(chunks);
    while !reader.is_empty() {
        let (kind, data) = chunk(&mut reader)?;
        bitmap.read(kind, data, Some((size(w1, w2, w3), size(h1, h2, h3))))?;
    }
    let mut frame = head.to_vec();
    *frame.last_mut().ok_or(BROKEN)? &= DRAWING;
    bitmap.write(&mut frame, true)?;
    Ok(frame)
}

/// An image, or a frame of one: the chunks that have its pixels, as they are written.
#[derive(Default)]
struct Bitmap {
    alpha: Option<Vec<u8>>,
    colors: Option<([u8; 4], Vec<u8>)>,
}

impl Bitmap {
    /// Copies a chunk if it has pixels. An alpha channel has as many as the canvas.
    fn read(&mut self, kind: [u8; 4], data: &[u8], canvas: Option<(u32, u32)>) -> Result<(), Refused> {
        check_bitmap(kind, data)?;
        let colors = match &kind {
            b"VP8 " => lossy::copy(data)?,
            b"VP8L" => lossless::copy(data)?,
            b"ALPH" if self.alpha.is_none() && self.colors.is_none() => {
                self.alpha = Some(alpha(data, canvas.ok_or(BROKEN)?)?);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if self.colors.replace((kind, colors)).is_some() {
            return Err(BROKEN);
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.colors.is_some()
    }

    fn write(&self, out: &mut Vec<u8>, is_extended: bool) -> Result<(), Refused> {
        let (kind, colors) = self.colors.as_ref().ok_or(BROKEN)?;
        // A lossless image has its own.
        if let (Some(alpha), b"VP8 ", true) = (&self.alpha, kind, is_extended) {
            put(out, *b"ALPH", alpha)?;
        }
        put(out, *kind, colors)
    }
}

/// Copies an alpha channel.
fn alpha(data: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>, Refused> {
    check_pixels(width, height)?;
    let (flags, data) = data.split_first().ok_or(BROKEN)?;
    let mut out = vec![flags & ALPHA_FLAGS];
    match flags & COMPRESSION {
        0 => out.extend(data.get(..width as usize * height as usize).ok_or(INCOMPLETE)?),
        1 => out.extend(lossless::copy_of_size(data, width, height)?),
        _ => return Err(BROKEN),
    }
    Ok(out)
}

/// Checks the size that a bitmap itself has (RFC 6386 §9.1, RFC 9649 §3.4). The file may say another one, which the decoder compares
/// only after it has decoded the bitmap.
fn check_bitmap(kind: [u8; 4], data: &[u8]) -> Result<(), Refused> {
    let (width, height) = match (&kind, data) {
        (b"VP8 ", [_, _, _, 0x9d, 0x01, 0x2a, w1, w2, h1, h2, ..]) => (
            u32::from(u16::from_le_bytes([*w1, *w2]) & 0x3fff),
            u32::from(u16::from_le_bytes([*h1, *h2]) & 0x3fff),
        ),
        (b"VP8L", [0x2f, a, b, c, d, ..]) => {
            let bits = u32::from_le_bytes([*a, *b, *c, *d]);
            ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
        }
        (b"VP8 " | b"VP8L", _) => return Err(BROKEN),
        _ => return Ok(()),
    };
    check_pixels(width, height)
}

/// Reads a chunk, which has an even length.
fn chunk<'a>(reader: &mut Reader<'a>) -> Result<([u8; 4], &'a [u8]), Refused> {
    let kind = reader.array()?;
    let length = length(reader.array().map(u32::from_le_bytes)?)?;
    let data = reader.take(length)?;
    // Some programs leave out the last byte of a file.
    if !length.is_multiple_of(2) && !reader.is_empty() {
        reader.take(1)?;
    }
    Ok((kind, data))
}

fn put(out: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) -> Result<(), Refused> {
    out.extend(kind);
    out.extend(u32::try_from(data.len()).map_err(|_| BROKEN)?.to_le_bytes());
    out.extend(data);
    if !data.len().is_multiple_of(2) {
        out.push(0);
    }
    Ok(())
}

fn decoder(bytes: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>, Refused> {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|_| BROKEN)?;
    decoder.set_memory_limit(MEMORY);
    Ok(decoder)
}

/// Decodes every frame, and returns the first one.
pub(super) fn decode(stripped: &Stripped) -> Result<Decoded, Refused> {
    let mut decoder = decoder(&stripped.bytes)?;
    let (width, height) = decoder.dimensions();
    let mut pixels = vec![0; decoder.output_buffer_size().ok_or(BROKEN)?];
    if decoder.is_animated() {
        let frames = u64::from(decoder.num_frames());
        // Each frame is drawn on the whole screen.
        if u64::from(width) * u64::from(height) * frames > MAX_FRAME_PIXELS {
            return Err(TOO_LONG);
        }
        decoder.read_frame(&mut pixels).map_err(|_| BROKEN)?;
        let mut others = vec![0; if frames > 1 { pixels.len() } else { 0 }];
        for _ in 1..frames {
            decoder.read_frame(&mut others).map_err(|_| BROKEN)?;
        }
    } else {
        decoder.read_image(&mut pixels).map_err(|_| BROKEN)?;
    }
    let image = if decoder.has_alpha() {
        RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    Ok(Decoded {
        image: image.ok_or(BROKEN)?,
        icc_profile: stripped.icc_profile.clone(),
    })
}
