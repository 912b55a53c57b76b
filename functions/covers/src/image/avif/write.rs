//! Writes a file with one image.

use super::{
    super::{BROKEN, Refused},
    items::Property,
};

/// What a file has.
pub(super) struct Image {
    pub(super) primary: u32,
    pub(super) alpha: Option<u32>,
    pub(super) is_premultiplied: bool,
    pub(super) items: Vec<Written>,
    /// The images that an image is put together from.
    pub(super) parts: Vec<(u32, Vec<u32>)>,
}

/// An item with its properties and its data.
pub(super) struct Written {
    pub(super) id: u32,
    pub(super) kind: [u8; 4],
    pub(super) properties: Vec<Property>,
    pub(super) data: Vec<u8>,
}

/// Returns the file.
pub(super) fn file(image: &Image) -> Result<Vec<u8>, Refused> {
    let kinds = of_kind(b"ftyp", &[b"avif\0\0\0\0avifmif1miaf"])?;
    // Where the data is depends on how long its description is, which is the same for every place.
    let length = kinds.len() + meta(image, 0)?.len() + 8;
    let data: Vec<&[u8]> = image.items.iter().map(|item| item.data.as_slice()).collect();
    Ok([kinds, meta(image, length)?, of_kind(b"mdat", &data)?].concat())
}

/// Writes a box.
fn of_kind(kind: &[u8; 4], content: &[&[u8]]) -> Result<Vec<u8>, Refused> {
    let length: usize = content.iter().map(|part| part.len()).sum();
    let mut out = u32::try_from(length + 8)
        .map_err(|_| BROKEN)?
        .to_be_bytes()
        .to_vec();
    out.extend(kind);
    content.iter().for_each(|part| out.extend(*part));
    Ok(out)
}

/// The new number of an item: its place among those that are written.
fn number_of(image: &Image, id: u32) -> Result<[u8; 2], Refused> {
    let place = image.items.iter().position(|item| item.id == id).ok_or(BROKEN)?;
    short(place + 1)
}

fn short(number: usize) -> Result<[u8; 2], Refused> {
    u16::try_from(number).map(u16::to_be_bytes).map_err(|_| BROKEN)
}

fn long(number: usize) -> Result<[u8; 4], Refused> {
    u32::try_from(number).map(u32::to_be_bytes).map_err(|_| BROKEN)
}

/// The description of the items, whose data begins at this place.
fn meta(image: &Image, place: usize) -> Result<Vec<u8>, Refused> {
    let handler = of_kind(b"hdlr", &[&[0; 8], b"pict", &[0; 13]])?;
    let primary = of_kind(b"pitm", &[&[0; 4], &number_of(image, image.primary)?])?;
    let count = short(image.items.len())?;
    let (mut places, mut infos) = (Vec::new(), Vec::new());
    let mut start = place;
    for item in &image.items {
        let number = number_of(image, item.id)?;
        // In this file, in one part.
        places.extend([&number[..], &[0, 0, 0, 1], &long(start)?, &long(item.data.len())?].concat());
        infos.extend(of_kind(
            b"infe",
            &[&[2, 0, 0, 0], &number, &[0, 0], &item.kind, &[0]],
        )?);
        start += item.data.len();
    }
    // Places and lengths have four bytes.
    let places = of_kind(b"iloc", &[&[0, 0, 0, 0, 0x44, 0], &count, &places])?;
    let infos = of_kind(b"iinf", &[&[0; 4], &count, &infos])?;
    let described = [
        handler,
        primary,
        places,
        infos,
        references(image)?,
        properties(image)?,
    ]
    .concat();
    of_kind(b"meta", &[&[0; 4], &described])
}

/// Which items refer to which.
fn references(image: &Image) -> Result<Vec<u8>, Refused> {
    let mut all = Vec::new();
    let mut put = |kind: &[u8; 4], from: u32, others: &[u32]| -> Result<(), Refused> {
        let from = number_of(image, from)?;
        let mut numbers = Vec::new();
        for other in others {
            numbers.extend(number_of(image, *other)?);
        }
        all.extend(of_kind(kind, &[&from, &short(others.len())?, &numbers])?);
        Ok(())
    };
    if let Some(alpha) = image.alpha {
        put(b"auxl", alpha, &[image.primary])?;
        if image.is_premultiplied {
            put(b"prem", image.primary, &[alpha])?;
        }
    }
    for (whole, parts) in &image.parts {
        put(b"dimg", *whole, parts)?;
    }
    if all.is_empty() {
        return Ok(all);
    }
    of_kind(b"iref", &[&[0; 4], &all])
}

/// The properties, each once, and which item has which.
fn properties(image: &Image) -> Result<Vec<u8>, Refused> {
    let (mut all, mut of_items): (Vec<&[u8]>, Vec<u8>) = (Vec::new(), Vec::new());
    for item in &image.items {
        of_items.extend(number_of(image, item.id)?);
        of_items.push(u8::try_from(item.properties.len()).map_err(|_| BROKEN)?);
        for (is_needed, property) in &item.properties {
            let place = all.iter().position(|known| known == property).unwrap_or_else(|| {
                all.push(property);
                all.len() - 1
            });
            // The number has seven bits.
            let number = u8::try_from(place + 1)
                .ok()
                .filter(|number| *number < 0x80)
                .ok_or(BROKEN)?;
            of_items.push(number | u8::from(*is_needed) << 7);
        }
    }
    let all = of_kind(b"ipco", &all)?;
    let count = long(image.items.len())?;
    let of_items = of_kind(b"ipma", &[&[0; 4], &count, &of_items])?;
    of_kind(b"iprp", &[&all, &of_items])
}
