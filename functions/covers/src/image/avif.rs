//! AVIF (AV1 Image File Format, on ISO/IEC 14496-12 and 23008-12).
//!
//! This program can't decode AV1. It reads the structure of the file, and writes a new one with the primary image alone: its data,
//! that of its alpha channel, and the properties that say how to show them. Of an animation that is its still image.

mod boxes;
mod items;
mod obu;
mod write;

use self::{
    boxes::{Found, boxes},
    items::{Item, Items},
};
use super::{BROKEN, DATA_AFTER_END, Refused, check_pixels};

/// The brands of an image and of a sequence of images.
const SEQUENCE: &[u8; 4] = b"avis";

/// The boxes of a sequence of images.
const OF_SEQUENCES: [&[u8; 4]; 4] = [b"moov", b"moof", b"mfra", b"sidx"];

/// The boxes that a file may have beside them.
const OF_FILE: [&[u8; 4]; 6] = [b"ftyp", b"meta", b"mdat", b"free", b"skip", b"uuid"];

const NO_STILL_IMAGE: Refused =
    Refused::Invalid("The AVIF is an animation without a still image. Send a still image.");

/// Returns the brands of a file that begins with them: the major one and the compatible ones.
fn brands(file: &[u8]) -> impl Iterator<Item = &[u8; 4]> {
    let is_first = file.get(4..8) == Some(b"ftyp");
    let length = file
        .first_chunk::<4>()
        .filter(|_| is_first)
        .map_or(0, |length| u32::from_be_bytes(*length));
    let end = usize::try_from(length).unwrap_or(usize::MAX).min(file.len());
    let brands = file.get(8..end).unwrap_or_default().as_chunks::<4>().0;
    // The second has the version of the first.
    brands
        .iter()
        .enumerate()
        .filter(|(place, _)| *place != 1)
        .map(|(_, brand)| brand)
}

/// Writes a file with the primary image alone.
pub(super) fn strip(file: &[u8]) -> Result<Vec<u8>, Refused> {
    let top = boxes(file, 0..file.len())?;
    // Only a file that says so is an animation. In another one, a film is of another format.
    let is_sequence = brands(file).any(|brand| brand == SEQUENCE);
    let count = |kind: &[u8; 4]| top.iter().filter(|found| &found.kind == kind).count();
    let is_known = |found: &Found| {
        OF_FILE.contains(&&found.kind) || (is_sequence && OF_SEQUENCES.contains(&&found.kind))
    };
    if count(b"ftyp") != 1 || count(b"meta") > 1 || !top.iter().all(is_known) {
        return Err(DATA_AFTER_END);
    }
    let Some(meta) = top.iter().find(|found| &found.kind == b"meta") else {
        return Err(if is_sequence { NO_STILL_IMAGE } else { BROKEN });
    };
    let items = Items::read(file, meta.content.clone())?;
    if !is_sequence {
        // Data of no item is of another format.
        let is_of_item = |data: &Found| data.content.is_empty() || items.are_in(&data.content);
        let mut data = top.iter().filter(|found| &found.kind == b"mdat");
        if !data.all(is_of_item) {
            return Err(DATA_AFTER_END);
        }
    }
    write::file(&chosen(file, &items)?)
}

/// Copies the primary image, its alpha channel, and the images that they are put together from.
fn chosen(file: &[u8], items: &Items) -> Result<write::Image, Refused> {
    let primary = items.primary;
    let alpha = items.alpha_of(file, primary);
    let mut image = write::Image {
        primary,
        alpha,
        is_premultiplied: alpha.is_some_and(|alpha| items.refers(b"prem", primary, alpha)),
        items: Vec::new(),
        parts: Vec::new(),
    };
    for whole in [Some(primary), alpha].into_iter().flatten() {
        let item = items.item(whole)?;
        image.items.push(copied(file, items, whole, item)?);
        if &item.kind == b"grid" {
            let parts = items.parts_of(whole)?;
            for part in parts {
                let item = items.item(*part)?;
                if &item.kind != b"av01" {
                    return Err(BROKEN);
                }
                // An image may be in several places of a grid.
                if !image.items.iter().any(|known| known.id == *part) {
                    image.items.push(copied(file, items, *part, item)?);
                }
            }
            image.parts.push((whole, parts.to_vec()));
        }
    }
    Ok(image)
}

fn copied(file: &[u8], items: &Items, id: u32, item: &Item) -> Result<write::Written, Refused> {
    let data = items.data(file, item)?;
    let data = match &item.kind {
        b"av01" => obu::clean(&data)?,
        b"grid" => grid(&data)?,
        _ => return Err(BROKEN),
    };
    Ok(write::Written {
        id,
        kind: item.kind,
        properties: items.properties(file, item)?,
        data,
    })
}

/// Copies how an image is put together (ISO/IEC 23008-12 §6.6.2.3.2): its version, the length of a number, how many rows and columns
/// it has, and its size.
fn grid(data: &[u8]) -> Result<Vec<u8>, Refused> {
    let (length, width, height) = match *data {
        [0, 0, _, _, w1, w2, h1, h2, ..] => (
            8,
            u16::from_be_bytes([w1, w2]).into(),
            u16::from_be_bytes([h1, h2]).into(),
        ),
        [0, 1, _, _, w1, w2, w3, w4, h1, h2, h3, h4, ..] => (
            12,
            u32::from_be_bytes([w1, w2, w3, w4]),
            u32::from_be_bytes([h1, h2, h3, h4]),
        ),
        _ => return Err(BROKEN),
    };
    check_pixels(width, height)?;
    data.get(..length).map(<[u8]>::to_vec).ok_or(BROKEN)
}
