//! JPEG (ITU-T T.81, JFIF, Exif).

use image::{DynamicImage, RgbImage, metadata::Orientation};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::{BROKEN, DATA_AFTER_END, Decoded, Refused, Stripped, reader::Reader};

/// Markers (T.81 table B.1).
const SOF: [std::ops::RangeInclusive<u8>; 4] = [0xc0..=0xc3, 0xc5..=0xc7, 0xc9..=0xcb, 0xcd..=0xcf];
const START: u8 = 0xd8;
const END: u8 = 0xd9;
const SCAN: u8 = 0xda;
const RESTARTS: std::ops::RangeInclusive<u8> = 0xd0..=0xd7;

/// What the image is decoded with: the tables, the restart interval and the number of lines.
const TABLES: [u8; 5] = [0xc4, 0xcc, 0xdb, 0xdc, 0xdd];

const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;

const EXIF: &[u8] = b"Exif\0\0";
const ICC_PROFILE: &[u8] = b"ICC_PROFILE\0";
const JFIF: &[u8] = b"JFIF\0";
const ADOBE: &[u8] = b"Adobe";

/// The length of JFIF's data without a thumbnail, and of Adobe's.
const JFIF_LENGTH: usize = 14;
const ADOBE_LENGTH: usize = 12;

/// Copies the image with its color profile, and without every other segment that only applications read.
pub(super) fn strip(file: &[u8]) -> Result<Stripped, Refused> {
    let mut reader = Reader::new(file);
    let mut out = Vec::with_capacity(file.len());
    out.extend(reader.take(2)?);
    let mut size = None;
    let mut orientation = Orientation::NoTransforms;
    let mut icc_profile = Vec::new();
    let mut has_scan = false;
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
                segment(&mut out, marker, data)?;
                let scan = scan(reader.rest());
                out.extend(reader.take(scan)?);
                has_scan = true;
            }
            _ if SOF.iter().any(|markers| markers.contains(&marker)) => {
                let [_, h1, h2, w1, w2, ..] = *data else {
                    return Err(BROKEN);
                };
                let of_frame = (u16::from_be_bytes([w1, w2]), u16::from_be_bytes([h1, h2]));
                // A second frame is that of another image, or of a hierarchy, which no browser shows.
                if size.replace(of_frame).is_some() {
                    return Err(BROKEN);
                }
                segment(&mut out, marker, data)?;
            }
            _ if TABLES.contains(&marker) => segment(&mut out, marker, data)?,
            APP0 if data.starts_with(JFIF) => {
                let mut data = data.get(..JFIF_LENGTH).ok_or(BROKEN)?.to_vec();
                // No thumbnail.
                data.splice(JFIF_LENGTH - 2.., [0, 0]);
                segment(&mut out, marker, &data)?;
            }
            // Says how the colors of the components are encoded.
            APP14 if data.starts_with(ADOBE) => {
                segment(&mut out, marker, data.get(..ADOBE_LENGTH).ok_or(BROKEN)?)?;
            }
            APP2 if data.starts_with(ICC_PROFILE) => {
                segment(&mut out, marker, data)?;
                // Behind the name are the number of this part and that of all.
                icc_profile.extend(data.get(ICC_PROFILE.len() + 2..).unwrap_or_default());
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
    let ((width, height), true) = (size.ok_or(BROKEN)?, has_scan) else {
        return Err(BROKEN);
    };
    out.extend([0xff, END]);
    Ok(Stripped {
        bytes: out,
        width: width.into(),
        height: height.into(),
        orientation,
        icc_profile: (!icc_profile.is_empty()).then_some(icc_profile),
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

/// Returns the length of the data of a scan: up to the next marker that doesn't belong to it.
fn scan(data: &[u8]) -> usize {
    let belongs = |pair: &[u8]| match pair {
        [0xff, next] => *next == 0x00 || RESTARTS.contains(next),
        _ => true,
    };
    let end = data.windows(2).position(|pair| !belongs(pair));
    end.unwrap_or(data.len())
}

/// Decodes the image.
pub(super) fn decode(stripped: &Stripped) -> Result<Decoded, Refused> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        // Each scan of a progressive image takes as long as the whole of another. Encoders write about ten.
        .jpeg_set_max_scans(30);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&stripped.bytes), options);
    let pixels = decoder.decode().map_err(|_| BROKEN)?;
    let image = RgbImage::from_raw(stripped.width, stripped.height, pixels).ok_or(BROKEN)?;
    Ok(Decoded {
        image: DynamicImage::ImageRgb8(image),
        icc_profile: stripped.icc_profile.clone(),
    })
}
