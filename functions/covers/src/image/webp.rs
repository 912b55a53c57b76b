//! WebP (RFC 9649).

use std::io::Cursor;

use image::{DynamicImage, RgbImage, RgbaImage, metadata::Orientation};
use image_webp::WebPDecoder;

use super::{
    BROKEN, DATA_AFTER_END, Decoded, INCOMPLETE, MAX_FRAME_PIXELS, Refused, Stripped, TOO_LONG, check_pixels,
    reader::{Reader, length},
};

const HEAD: usize = 12;

/// The chunks that show the image, and those of a frame.
const KEPT: [&[u8; 4]; 7] = [b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF", b"ICCP"];
const KEPT_OF_FRAME: [&[u8; 4]; 3] = [b"VP8 ", b"VP8L", b"ALPH"];

/// The bytes of a frame before its chunks.
const FRAME_HEAD: usize = 16;

/// Flags of `VP8X`: the file has Exif, XMP.
const METADATA: u8 = 0x08 | 0x04;

/// The most bytes that decoding may take beside the image.
const MEMORY: usize = 512 * 1024 * 1024;

/// Copies the image, and leaves out every chunk that isn't [`KEPT`].
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
    let mut out = Vec::with_capacity(file.len());
    out.extend(file.get(..HEAD).ok_or(INCOMPLETE)?);
    let mut orientation = Orientation::NoTransforms;
    let (mut is_extended, mut images, mut frames) = (false, 0, 0);
    while !reader.is_empty() {
        let (kind, data) = chunk(&mut reader)?;
        match &kind {
            b"VP8X" => {
                let mut data = data.to_vec();
                *data.first_mut().ok_or(BROKEN)? &= !METADATA;
                put(&mut out, kind, &data)?;
                is_extended = true;
            }
            b"ANMF" => {
                let (head, chunks) = data.split_at_checked(FRAME_HEAD).ok_or(BROKEN)?;
                let mut frame = head.to_vec();
                let mut reader = Reader::new(chunks);
                while !reader.is_empty() {
                    let (kind, data) = chunk(&mut reader)?;
                    check_bitmap(kind, data)?;
                    if KEPT_OF_FRAME.contains(&&kind) {
                        put(&mut frame, kind, data)?;
                    }
                }
                put(&mut out, kind, &frame)?;
                frames += 1;
            }
            b"EXIF" => {
                let exif = data.strip_prefix(b"Exif\0\0").unwrap_or(data);
                orientation = Orientation::from_exif_chunk(exif).unwrap_or(orientation);
            }
            b"VP8 " | b"VP8L" => {
                check_bitmap(kind, data)?;
                put(&mut out, kind, data)?;
                images += 1;
            }
            kept if KEPT.contains(&kept) => put(&mut out, kind, data)?,
            _ => {}
        }
    }
    if images > 1 || images + frames == 0 || (frames > 0 && !is_extended) {
        return Err(BROKEN);
    }
    let announced = u32::try_from(out.len() - 8).map_err(|_| BROKEN)?;
    out.splice(4..8, announced.to_le_bytes());
    let (width, height) = decoder(&out)?.dimensions();
    Ok(Stripped {
        bytes: out,
        width,
        height,
        orientation,
        icc_profile: None,
        is_animated: frames > 0,
    })
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
    let icc_profile = decoder.icc_profile().ok().flatten();
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
        icc_profile,
    })
}
