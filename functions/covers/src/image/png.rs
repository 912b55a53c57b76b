//! PNG (W3C, Portable Network Graphics).

mod stream;

use std::{collections::BTreeMap, io::Cursor};

use ::png::{Decoder, Transformations};
use flate2::{Compression, Crc, Decompress, FlushDecompress, Status, write::ZlibEncoder};
use image::{
    DynamicImage, GrayAlphaImage, GrayImage, Limits, RgbImage, RgbaImage, codecs::png::PngDecoder,
    metadata::Orientation,
};

use self::stream::Header;
use super::{
    BROKEN, DATA_AFTER_END, Decoded, Refused, Stripped, check_pixels, icc,
    reader::{Reader, length},
};

const SIGNATURE: usize = 8;

/// The bytes of the signature and of `IHDR` with its length and checksum. Chunks about colors are behind them.
const START: usize = SIGNATURE + 12 + 13;

/// The chunks that say how the colors are meant, with their lengths, in the order in which they are written.
const COLORS: [(&[u8; 4], usize); 6] = [
    (b"cICP", 4),
    (b"mDCV", 24),
    (b"cLLI", 8),
    (b"sRGB", 1),
    (b"gAMA", 4),
    (b"cHRM", 32),
];

/// The most bytes that decoding may take: 50 megapixels of four channels with 16 bits each, and something beside them.
const MEMORY: u64 = 512 * 1024 * 1024;

/// Copies the image and how its colors are meant, and leaves out everything else. The frames of an animation are left out: the
/// still image is served.
pub(super) fn strip(file: &[u8]) -> Result<Stripped, Refused> {
    let mut reader = Reader::new(file);
    let signature = reader.take(SIGNATURE)?;
    let mut header = None;
    let mut orientation = Orientation::NoTransforms;
    // The first of each kind.
    let mut others: BTreeMap<[u8; 4], &[u8]> = BTreeMap::new();
    let mut data = Vec::with_capacity(file.len());
    let mut is_within_data = false;
    loop {
        let Chunk {
            kind,
            content,
            is_whole,
        } = chunk(&mut reader)?;
        // A decoder ignores a damaged chunk of the kinds that it needn't know.
        let is_needed = kind.first().is_some_and(u8::is_ascii_uppercase);
        if is_needed && !is_whole {
            return Err(BROKEN);
        }
        if header.is_none() && &kind != b"IHDR" {
            return Err(BROKEN);
        }
        match &kind {
            b"IHDR" if header.is_none() => header = Some(Header::read(content)?),
            b"IDAT" => {
                // Its chunks are consecutive.
                if !is_within_data && !data.is_empty() {
                    return Err(BROKEN);
                }
                data.extend(content);
            }
            b"IEND" => break,
            b"PLTE" if data.is_empty() && !others.contains_key(&kind) => {
                others.insert(kind, content);
            }
            _ if is_needed => return Err(BROKEN),
            b"eXIf" if is_whole => {
                orientation = Orientation::from_exif_chunk(content).unwrap_or(orientation);
            }
            _ if is_whole && data.is_empty() => {
                others.entry(kind).or_insert(content);
            }
            _ => {}
        }
        is_within_data = &kind == b"IDAT";
    }
    if !reader.is_empty() {
        return Err(DATA_AFTER_END);
    }
    let header = header.ok_or(BROKEN)?;
    check_pixels(header.width, header.height)?;
    data.truncate(stream::end(&data, header.data_length()?)?);

    let (colors, icc_profile) = colors(&others)?;
    let (palette, transparency) = palette(&header, &others)?;
    let mut out = signature.to_vec();
    put(&mut out, b"IHDR", &header.written())?;
    out.extend(&colors);
    let of_palette = out.len();
    for (kind, content) in [(b"PLTE", &palette), (b"tRNS", &transparency)] {
        if !content.is_empty() {
            put(&mut out, kind, content)?;
        }
    }
    put(&mut out, b"IDAT", &data)?;
    put(&mut out, b"IEND", &[])?;
    if header.is_indexed() {
        blank(&mut out, of_palette, palette, transparency)?;
    }
    Ok(Stripped {
        bytes: out,
        width: header.width,
        height: header.height,
        orientation,
        icc_profile,
        is_animated: false,
    })
}

/// A chunk, and whether its checksum is right.
struct Chunk<'a> {
    kind: [u8; 4],
    content: &'a [u8],
    is_whole: bool,
}

fn chunk<'a>(reader: &mut Reader<'a>) -> Result<Chunk<'a>, Refused> {
    let of_content = reader.u32()?;
    let kind = reader.array::<4>()?;
    let content = reader.take(length(of_content)?)?;
    let is_whole = reader.u32()? == checksum(kind, content);
    Ok(Chunk {
        kind,
        content,
        is_whole,
    })
}

fn checksum(kind: [u8; 4], content: &[u8]) -> u32 {
    let mut checksum = Crc::new();
    checksum.update(&kind);
    checksum.update(content);
    checksum.sum()
}

fn put(out: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) -> Result<(), Refused> {
    out.extend(u32::try_from(content.len()).map_err(|_| BROKEN)?.to_be_bytes());
    out.extend(kind);
    out.extend(content);
    out.extend(checksum(*kind, content).to_be_bytes());
    Ok(())
}

/// Returns the chunks that say how the colors are meant, and the color profile among them.
fn colors(others: &BTreeMap<[u8; 4], &[u8]>) -> Result<(Vec<u8>, Option<Vec<u8>>), Refused> {
    let mut out = Vec::new();
    for (kind, length) in COLORS {
        if let Some(content) = others.get(kind).filter(|content| content.len() == length) {
            put(&mut out, kind, content)?;
        }
    }
    let profile = others.get(b"iCCP").and_then(|content| profile(content));
    if let Some(profile) = &profile {
        let mut encoder = ZlibEncoder::new(b"ICC\0\0".to_vec(), Compression::default());
        std::io::Write::write_all(&mut encoder, profile).map_err(|_| BROKEN)?;
        put(&mut out, b"iCCP", &encoder.finish().map_err(|_| BROKEN)?)?;
    }
    Ok((out, profile))
}

/// Returns the color profile of an `iCCP` chunk: behind its name, which ends with a zero, are the method and the compressed profile.
fn profile(content: &[u8]) -> Option<Vec<u8>> {
    let name = content.iter().take(80).position(|byte| *byte == 0)?;
    let compressed = content.get(name + 1..)?.strip_prefix(&[0])?;
    let mut profile = Vec::with_capacity(icc::MAX_PROFILE.min(compressed.len().saturating_mul(8)).max(4096));
    let mut decoder = Decompress::new(true);
    loop {
        let read = usize::try_from(decoder.total_in()).ok()?;
        let status = decoder
            .decompress_vec(compressed.get(read..)?, &mut profile, FlushDecompress::None)
            .ok()?;
        match status {
            Status::StreamEnd => return icc::clean(&profile),
            _ if profile.len() < profile.capacity() => return None,
            _ if profile.len() >= icc::MAX_PROFILE => return None,
            _ => profile.reserve(profile.len()),
        }
    }
}

/// Returns the palette, and what is transparent.
fn palette(header: &Header, others: &BTreeMap<[u8; 4], &[u8]>) -> Result<(Vec<u8>, Vec<u8>), Refused> {
    let content = |kind| others.get(kind).copied().unwrap_or_default();
    let (palette, transparency) = (content(b"PLTE"), content(b"tRNS"));
    if !header.is_indexed() {
        // One color. A palette would be a suggestion.
        let of_color = if header.is_gray() { 2 } else { 6 };
        let has_color = !header.has_alpha() && transparency.len() == of_color;
        return Ok((
            Vec::new(),
            if has_color {
                transparency.to_vec()
            } else {
                Vec::new()
            },
        ));
    }
    let colors = palette.len() / 3;
    if !palette.len().is_multiple_of(3) || !(1..=256).contains(&colors) || transparency.len() > colors {
        return Err(BROKEN);
    }
    Ok((palette.to_vec(), transparency.to_vec()))
}

/// Overwrites the colors of the palette that no pixel has: they may be anything.
fn blank(
    out: &mut Vec<u8>,
    place: usize,
    mut palette: Vec<u8>,
    mut transparency: Vec<u8>,
) -> Result<(), Refused> {
    let mut decoder = decoder(out);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|_| BROKEN)?;
    let (_, depth) = reader.output_color_type();
    let line = reader.output_line_size(reader.info().width).ok_or(BROKEN)?;
    let width = reader.info().width as usize;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(BROKEN)?];
    reader.next_frame(&mut pixels).map_err(|_| BROKEN)?;
    drop(reader);
    let mut used = [false; 256];
    let depth = depth as u8;
    let mask = (0xff_u16 >> (8 - depth)) as u8;
    for row in pixels.chunks_exact(line.max(1)) {
        let pixels = row.iter().flat_map(|byte| {
            let in_byte = move |pixel: u8| (*byte >> (8 - depth - pixel * depth)) & mask;
            (0..8 / depth).map(in_byte)
        });
        for pixel in pixels.take(width) {
            if let Some(used) = used.get_mut(usize::from(pixel)) {
                *used = true;
            }
        }
    }
    let length = |content: &[u8]| if content.is_empty() { 0 } else { 12 + content.len() };
    let old = place..place + length(&palette) + length(&transparency);
    for (color, _) in palette
        .as_chunks_mut::<3>()
        .0
        .iter_mut()
        .zip(used)
        .filter(|(_, used)| !used)
    {
        *color = [0; 3];
    }
    for (alpha, _) in transparency.iter_mut().zip(used).filter(|(_, used)| !used) {
        *alpha = 0xff;
    }
    let mut new = Vec::new();
    put(&mut new, b"PLTE", &palette)?;
    if !transparency.is_empty() {
        put(&mut new, b"tRNS", &transparency)?;
    }
    out.splice(old, new);
    Ok(())
}

/// Returns a PNG that was encoded from the pixels of another, with the colors meant as they are there.
pub(super) fn with_colors_of(original: &[u8], mut encoded: Vec<u8>) -> Result<Vec<u8>, Refused> {
    let mut reader = Reader::new(original);
    reader.take(START)?;
    let (mut colors, mut rest) = (0, reader.rest());
    let is_color = |kind: &[u8; 4]| kind == b"iCCP" || COLORS.iter().any(|(color, _)| *color == kind);
    while is_color(&chunk(&mut reader)?.kind) {
        colors += rest.len() - reader.rest().len();
        rest = reader.rest();
    }
    let colors = original.get(START..START + colors).ok_or(BROKEN)?;
    encoded.splice(START..START, colors.iter().copied());
    Ok(encoded)
}

/// Decodes the image: with 16 bits for each channel if it is to be encoded again, and otherwise with 8.
pub(super) fn decode(stripped: &Stripped) -> Result<Decoded, Refused> {
    let image = if stripped.orientation == Orientation::NoTransforms {
        decode_8_bits(stripped)?
    } else {
        let mut limits = Limits::default();
        limits.max_alloc = Some(MEMORY);
        let decoder = PngDecoder::with_limits(Cursor::new(&stripped.bytes), limits).map_err(|_| BROKEN)?;
        DynamicImage::from_decoder(decoder).map_err(|_| BROKEN)?
    };
    Ok(Decoded {
        image,
        icc_profile: stripped.icc_profile.clone(),
    })
}

fn decoder(bytes: &[u8]) -> Decoder<Cursor<&[u8]>> {
    let bytes_of_memory = usize::try_from(MEMORY).unwrap_or(usize::MAX);
    Decoder::new_with_limits(
        Cursor::new(bytes),
        ::png::Limits {
            bytes: bytes_of_memory,
        },
    )
}

fn decode_8_bits(stripped: &Stripped) -> Result<DynamicImage, Refused> {
    let mut decoder = decoder(&stripped.bytes);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(|_| BROKEN)?;
    let (color, _) = reader.output_color_type();
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(BROKEN)?];
    reader.next_frame(&mut pixels).map_err(|_| BROKEN)?;
    let (width, height) = (stripped.width, stripped.height);
    let image = match color {
        ::png::ColorType::Grayscale => {
            GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
        }
        ::png::ColorType::GrayscaleAlpha => {
            GrayAlphaImage::from_raw(width, height, pixels).map(DynamicImage::ImageLumaA8)
        }
        ::png::ColorType::Rgb => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        ::png::ColorType::Rgba => RgbaImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgba8),
        ::png::ColorType::Indexed => None,
    };
    image.ok_or(BROKEN)
}
