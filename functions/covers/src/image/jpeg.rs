//! JPEG (ITU-T T.81, JFIF, Exif).

mod bits;
mod scan;
mod tables;

use image::{DynamicImage, RgbImage, metadata::Orientation};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use self::{scan::Frame, tables::Tables};
use super::{BROKEN, DATA_AFTER_END, Decoded, Refused, Stripped, check_pixels, icc, reader::Reader};

/// Markers (T.81 table B.1). Of the kinds of frames, decoders know those with Huffman codes: baseline, extended and progressive.
const FRAMES: std::ops::RangeInclusive<u8> = 0xc0..=0xc2;
const OTHER_FRAMES: [std::ops::RangeInclusive<u8>; 4] = [0xc3..=0xc3, 0xc5..=0xc7, 0xc9..=0xcb, 0xcd..=0xcf];
const PROGRESSIVE: u8 = 0xc2;
const HUFFMAN: u8 = 0xc4;
const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const QUANTIZATION: u8 = 0xdb;
const RESTART_INTERVAL: u8 = 0xdd;
const RESTARTS: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;

const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;

const EXIF: &[u8] = b"Exif\0\0";
const ICC_PROFILE: &[u8] = b"ICC_PROFILE\0";
const JFIF: &[u8] = b"JFIF\0";
const ADOBE: &[u8] = b"Adobe";

/// Where Adobe's data says how the colors of the components are encoded.
const TRANSFORM: usize = 11;

/// JFIF's data without a resolution and a thumbnail: version 1.01, and square pixels.
const WRITTEN_JFIF: &[u8] = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0";

/// The most bytes of a color profile in one segment.
const PROFILE_PART: usize = 65_000;

/// The most scans. Each scan of a progressive image takes as long as the whole of another. Encoders write about ten.
const MAX_SCANS: usize = 30;

/// Copies the image and its color profile. Of each scan the codes of its last block are the last that are copied, and of the tables
/// only what the codes use.
pub(super) fn strip(file: &[u8]) -> Result<Stripped, Refused> {
    let mut reader = Reader::new(file);
    reader.take(2)?;
    let mut frame: Option<Frame> = None;
    let mut tables = Tables::default();
    let mut orientation = Orientation::NoTransforms;
    let (mut jfif, mut transform) = (false, None);
    let mut profile_parts: Vec<(u8, &[u8])> = Vec::new();
    let mut scans = Vec::with_capacity(file.len());
    let mut count = 0;
    loop {
        let marker = marker(&mut reader)?;
        match marker {
            END => break,
            0x00 | 0x01 | START => return Err(BROKEN),
            _ if RESTARTS.contains(&marker) => return Err(BROKEN),
            _ => {}
        }
        let length = usize::from(reader.u16()?).checked_sub(2).ok_or(BROKEN)?;
        let data = reader.take(length)?;
        match marker {
            SCAN => {
                count += 1;
                if count > MAX_SCANS {
                    return Err(BROKEN);
                }
                let frame = frame.as_mut().ok_or(BROKEN)?;
                let read = scan::copy(frame, &mut tables, data, reader.rest(), &mut scans)?;
                reader.take(read)?;
            }
            HUFFMAN => tables.read_huffman(data)?,
            QUANTIZATION => tables.read_quantization(data)?,
            RESTART_INTERVAL => tables.read_restart_interval(data)?,
            _ if FRAMES.contains(&marker) => {
                // A second frame is that of another image, or of a hierarchy, which no browser shows.
                if frame.is_some() {
                    return Err(BROKEN);
                }
                let read = Frame::read(marker, data)?;
                check_pixels(read.width.into(), read.height.into())?;
                frame = Some(read.with_blocks());
            }
            _ if OTHER_FRAMES.iter().any(|markers| markers.contains(&marker)) => return Err(BROKEN),
            APP0 => jfif |= data.starts_with(JFIF),
            APP14 if data.starts_with(ADOBE) => {
                let of_colors = *data.get(TRANSFORM).ok_or(BROKEN)?;
                transform = Some(if of_colors <= 2 {
                    of_colors
                } else {
                    return Err(BROKEN);
                });
            }
            APP2 => {
                if let Some([number, _, part @ ..]) = data.strip_prefix(ICC_PROFILE) {
                    profile_parts.push((*number, part));
                }
            }
            APP1 if data.starts_with(EXIF) => {
                let exif = data.get(EXIF.len()..).unwrap_or_default();
                orientation = Orientation::from_exif_chunk(exif).unwrap_or(orientation);
            }
            _ => {}
        }
    }
    if !reader.is_empty() {
        return Err(DATA_AFTER_END);
    }
    let frame = frame.ok_or(BROKEN)?;
    if count == 0 {
        return Err(BROKEN);
    }
    profile_parts.sort_by_key(|(number, _)| *number);
    let profile: Vec<u8> = profile_parts
        .iter()
        .flat_map(|(_, part)| *part)
        .copied()
        .collect();
    let icc_profile = icc::clean(&profile);

    let mut out = vec![0xff, START];
    if jfif {
        segment(&mut out, APP0, WRITTEN_JFIF)?;
    }
    if let Some(transform) = transform {
        segment(
            &mut out,
            APP14,
            &[ADOBE, &[0, 100, 0, 0, 0, 0, transform]].concat(),
        )?;
    }
    let parts: Vec<&[u8]> = icc_profile
        .iter()
        .flat_map(|profile| profile.chunks(PROFILE_PART))
        .collect();
    let all = u8::try_from(parts.len()).map_err(|_| BROKEN)?;
    for (number, part) in (1..).zip(parts) {
        segment(&mut out, APP2, &[ICC_PROFILE, &[number, all], part].concat())?;
    }
    out.extend(scans);
    out.extend([0xff, END]);
    Ok(Stripped {
        bytes: out,
        width: frame.width.into(),
        height: frame.height.into(),
        orientation,
        icc_profile,
        is_animated: false,
    })
}

/// Reads a marker, before which there may be fill bytes.
fn marker(reader: &mut Reader<'_>) -> Result<u8, Refused> {
    if reader.u8()? != 0xff {
        return Err(BROKEN);
    }
    loop {
        match reader.u8()? {
            0xff => {}
            marker => return Ok(marker),
        }
    }
}

fn segment(out: &mut Vec<u8>, marker: u8, data: &[u8]) -> Result<(), Refused> {
    let length = u16::try_from(data.len() + 2).map_err(|_| BROKEN)?;
    out.extend([0xff, marker]);
    out.extend(length.to_be_bytes());
    out.extend(data);
    Ok(())
}

/// Decodes the image.
pub(super) fn decode(stripped: &Stripped) -> Result<Decoded, Refused> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .jpeg_set_max_scans(MAX_SCANS);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&stripped.bytes), options);
    let pixels = decoder.decode().map_err(|_| BROKEN)?;
    let image = RgbImage::from_raw(stripped.width, stripped.height, pixels).ok_or(BROKEN)?;
    Ok(Decoded {
        image: DynamicImage::ImageRgb8(image),
        icc_profile: stripped.icc_profile.clone(),
    })
}
