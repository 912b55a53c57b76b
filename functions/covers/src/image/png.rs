//! PNG (W3C, Portable Network Graphics).

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, Limits, codecs::png::PngDecoder, metadata::Orientation};

use super::{
    BROKEN, DATA_AFTER_END, Decoded, Refused, Stripped,
    reader::{Reader, length},
};

const SIGNATURE: usize = 8;

/// The chunks that show the image, and its colors as they are meant. The frames of an animation aren't among them: the still
/// image is served.
const KEPT: [&[u8; 4]; 15] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"bKGD", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB",
    b"cICP", b"mDCV", b"cLLI", b"pHYs",
];

/// The most bytes that decoding may take: 50 megapixels of four channels with 16 bits each, and something beside them.
const MEMORY: u64 = 512 * 1024 * 1024;

/// Copies the image, and leaves out every chunk that isn't [`KEPT`].
pub(super) fn strip(file: &[u8]) -> Result<Stripped, Refused> {
    let mut reader = Reader::new(file);
    let mut out = Vec::with_capacity(file.len());
    out.extend(reader.take(SIGNATURE)?);
    let mut size = None;
    let mut orientation = Orientation::NoTransforms;
    loop {
        let header = reader.rest();
        let (data_length, kind) = (reader.u32()?, reader.array::<4>()?);
        let data = reader.take(length(data_length)?)?;
        // The checksum.
        reader.take(4)?;
        let chunk = header.get(..data.len() + 12).ok_or(BROKEN)?;
        if size.is_none() {
            let [w1, w2, w3, w4, h1, h2, h3, h4, ..] = *data else {
                return Err(BROKEN);
            };
            if &kind != b"IHDR" {
                return Err(BROKEN);
            }
            size = Some((
                u32::from_be_bytes([w1, w2, w3, w4]),
                u32::from_be_bytes([h1, h2, h3, h4]),
            ));
        }
        if KEPT.contains(&&kind) {
            out.extend(chunk);
        }
        if &kind == b"eXIf" {
            orientation = Orientation::from_exif_chunk(data).unwrap_or(orientation);
        }
        if &kind == b"IEND" {
            break;
        }
    }
    if !reader.is_empty() {
        return Err(DATA_AFTER_END);
    }
    let (width, height) = size.ok_or(BROKEN)?;
    Ok(Stripped {
        bytes: out,
        width,
        height,
        orientation,
        icc_profile: None,
        is_animated: false,
    })
}

/// Decodes the image.
pub(super) fn decode(stripped: &Stripped) -> Result<Decoded, Refused> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    let mut decoder = PngDecoder::with_limits(Cursor::new(&stripped.bytes), limits).map_err(|_| BROKEN)?;
    let icc_profile = decoder.icc_profile().ok().flatten();
    let image = DynamicImage::from_decoder(decoder).map_err(|_| BROKEN)?;
    Ok(Decoded { image, icc_profile })
}
