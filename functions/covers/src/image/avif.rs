//! AVIF (AV1 Image File Format, on ISO/IEC 14496-12 and 23008-12).
//!
//! This program can't decode AV1. It reads the structure of the file, and serves the file with its metadata overwritten by zeros.

use super::{
    BROKEN, DATA_AFTER_END, INCOMPLETE, Refused, check_pixels,
    reader::{Reader, length},
};

/// The brands of an image and of a sequence of images.
const BRANDS: [&[u8; 4]; 2] = [b"avif", b"avis"];

/// The kinds of items that are metadata: Exif, and XMP.
const METADATA: [&[u8; 4]; 3] = [b"Exif", b"mime", b"uri "];

/// How deep boxes are nested that are looked into.
const MAX_DEPTH: usize = 8;

/// The boxes that contain boxes which are looked into.
const CONTAINERS: [&[u8; 4]; 7] = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"iprp", b"ipco"];

/// The boxes that applications fill as they like.
const OF_APPLICATIONS: [&[u8; 4]; 4] = [b"free", b"skip", b"uuid", b"udta"];

/// The most items, and the most parts of all items together. A file could otherwise name more than memory has room for.
const MAX_ITEMS: usize = 1024;

/// The boxes of a sequence of images, whose data this program can't tell from other data.
const OF_SEQUENCES: [&[u8; 4]; 4] = [b"moov", b"moof", b"mfra", b"sidx"];

const SEQUENCE: Refused = Refused::Invalid("An animated AVIF is not accepted. Send a still image.");

/// A box: where it begins, its kind, and where its content is.
struct Found {
    start: usize,
    kind: [u8; 4],
    content: std::ops::Range<usize>,
}

/// Returns whether a file begins as an AVIF.
pub(super) fn is_avif(file: &[u8]) -> bool {
    let (Some(length), Some(b"ftyp")) = (file.first_chunk::<4>(), file.get(4..8)) else {
        return false;
    };
    let end = usize::try_from(u32::from_be_bytes(*length))
        .unwrap_or(usize::MAX)
        .min(file.len());
    // The major brand, its version, and the compatible brands.
    let brands = file.get(8..end).unwrap_or_default().as_chunks::<4>().0;
    let is_brand = |(place, brand): (usize, &[u8; 4])| place != 1 && BRANDS.contains(&brand);
    brands.iter().enumerate().any(is_brand)
}

/// Copies the file, and overwrites its metadata with zeros.
pub(super) fn strip(file: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut out = file.to_vec();
    let mut seen = Seen::default();
    let top = boxes(file, 0..file.len())?;
    for found in &top {
        if OF_SEQUENCES.contains(&&found.kind) {
            return Err(SEQUENCE);
        }
        if !matches!(
            &found.kind,
            b"ftyp" | b"meta" | b"mdat" | b"free" | b"skip" | b"uuid"
        ) {
            return Err(DATA_AFTER_END);
        }
    }
    let data = top.iter().filter(|found| &found.kind == b"mdat");
    let data: Vec<std::ops::Range<usize>> = data.map(|found| found.content.clone()).collect();
    walk(file, top, &mut out, &mut seen, 0)?;
    let meta = seen.meta.ok_or(BROKEN)?;
    if seen.sizes == 0 || !seen.has_codec {
        return Err(BROKEN);
    }
    let images = strip_items(file, meta, &mut out)?;
    for range in data {
        strip_between(range, &images, &mut out)?;
    }
    Ok(out)
}

/// What was found in the boxes.
#[derive(Default)]
struct Seen {
    /// The content of the first `meta` of the file itself, behind its version.
    meta: Option<std::ops::Range<usize>>,
    sizes: usize,
    has_codec: bool,
}

/// Reads the headers of the boxes of a range, which they must fill.
fn boxes(file: &[u8], range: std::ops::Range<usize>) -> Result<Vec<Found>, Refused> {
    let mut all = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let mut reader = Reader::new(file.get(start..range.end).ok_or(INCOMPLETE)?);
        let left = range.end - start;
        let (short, kind) = (reader.u32()?, reader.array::<4>()?);
        let (head, whole) = match short {
            0 => (8, left),
            1 => (16, length(reader.u64()?)?),
            short => (8, length(short)?),
        };
        if whole < head {
            return Err(BROKEN);
        }
        if whole > left {
            return Err(INCOMPLETE);
        }
        all.push(Found {
            start,
            kind,
            content: start + head..start + whole,
        });
        start += whole;
    }
    Ok(all)
}

fn walk(
    file: &[u8],
    boxes_of: Vec<Found>,
    out: &mut [u8],
    seen: &mut Seen,
    depth: usize,
) -> Result<(), Refused> {
    if depth > MAX_DEPTH {
        return Err(BROKEN);
    }
    for found in boxes_of {
        let content = file.get(found.content.clone()).ok_or(INCOMPLETE)?;
        match &found.kind {
            kind if OF_APPLICATIONS.contains(&kind) => {
                zero(out, found.content)?;
                out.get_mut(found.start + 4..found.start + 8)
                    .ok_or(BROKEN)?
                    .copy_from_slice(b"free");
            }
            b"meta" if depth == 0 => {
                // A version and flags.
                let inner = found.content.start + 4..found.content.end;
                if inner.start > inner.end || seen.meta.is_some() {
                    return Err(BROKEN);
                }
                walk(file, boxes(file, inner.clone())?, out, seen, depth + 1)?;
                seen.meta = Some(inner);
            }
            // Of a track: only metadata.
            b"meta" => {
                zero(out, found.content)?;
                out.get_mut(found.start + 4..found.start + 8)
                    .ok_or(BROKEN)?
                    .copy_from_slice(b"free");
            }
            b"ispe" => {
                let mut reader = Reader::new(content);
                reader.take(4)?;
                check_pixels(reader.u32()?, reader.u32()?)?;
                seen.sizes += 1;
            }
            b"av1C" => seen.has_codec = true,
            b"tkhd" => {
                // The size in 16.16 is at the end.
                let mut reader = Reader::new(content.last_chunk::<8>().ok_or(BROKEN)?);
                let (width, height) = (reader.u32()? >> 16, reader.u32()? >> 16);
                if width > 0 && height > 0 {
                    check_pixels(width, height)?;
                }
            }
            kind if CONTAINERS.contains(&kind) => {
                walk(file, boxes(file, found.content)?, out, seen, depth + 1)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Overwrites what isn't part of an image in a range of data. `images` are in order.
fn strip_between(
    data: std::ops::Range<usize>,
    images: &[std::ops::Range<usize>],
    out: &mut [u8],
) -> Result<(), Refused> {
    let mut start = data.start;
    let mut has_image = data.is_empty();
    for image in images
        .iter()
        .filter(|image| image.start < data.end && image.end > data.start)
    {
        has_image = true;
        if image.start > start {
            zero(out, start..image.start)?;
        }
        start = start.max(image.end);
    }
    if !has_image {
        return Err(DATA_AFTER_END);
    }
    if start < data.end {
        zero(out, start..data.end)?;
    }
    Ok(())
}

/// Overwrites the data of items that are metadata. Returns where the data of the others is, in order.
fn strip_items(
    file: &[u8],
    meta: std::ops::Range<usize>,
    out: &mut [u8],
) -> Result<Vec<std::ops::Range<usize>>, Refused> {
    let of_meta = boxes(file, meta)?;
    let content = |kind: &[u8; 4]| {
        let found = of_meta.iter().find(|found| &found.kind == kind);
        found.map(|found| found.content.clone())
    };
    let items = item_infos(file, content(b"iinf").ok_or(BROKEN)?)?;
    let places = file.get(content(b"iloc").ok_or(BROKEN)?).ok_or(INCOMPLETE)?;
    let data = content(b"idat");
    let mut images = Vec::new();
    for Extent { item, in_meta, place } in extents(places)? {
        let place = match (in_meta, &data) {
            (false, _) => place,
            (true, Some(data)) => data.start + place.start..data.start + place.end,
            (true, None) => return Err(BROKEN),
        };
        if place.end > file.len() || place.start > place.end {
            return Err(INCOMPLETE);
        }
        let kind = items.iter().find(|(id, _)| *id == item).map(|(_, kind)| kind);
        match kind {
            Some(kind) if METADATA.contains(&kind) => zero(out, place)?,
            Some(_) => images.push(place),
            None => return Err(BROKEN),
        }
    }
    if images.is_empty() {
        return Err(BROKEN);
    }
    images.sort_unstable_by_key(|image| (image.start, image.end));
    Ok(images)
}

/// Reads the kind of each item (ISO/IEC 14496-12, `iinf`).
fn item_infos(file: &[u8], content: std::ops::Range<usize>) -> Result<Vec<(u32, [u8; 4])>, Refused> {
    let mut reader = Reader::new(file.get(content.clone()).ok_or(INCOMPLETE)?);
    let [version, ..] = reader.array::<4>()?;
    let count = if version == 0 { 2 } else { 4 };
    reader.take(count)?;
    let infos = boxes(file, content.start + 4 + count..content.end)?;
    let mut items = Vec::new();
    for info in infos.into_iter().filter(|info| &info.kind == b"infe") {
        let mut reader = Reader::new(file.get(info.content).ok_or(INCOMPLETE)?);
        let [version, ..] = reader.array::<4>()?;
        let id = match version {
            2 => reader.u16()?.into(),
            3 => reader.u32()?,
            _ => return Err(BROKEN),
        };
        reader.take(2)?;
        if items.len() == MAX_ITEMS {
            return Err(BROKEN);
        }
        items.push((id, reader.array()?));
    }
    Ok(items)
}

/// A part of an item's data.
struct Extent {
    item: u32,
    /// Whether it is in the `idat` of `meta`. Otherwise its place is one of the file.
    in_meta: bool,
    place: std::ops::Range<usize>,
}

/// Reads where the data of the items is (ISO/IEC 14496-12, `iloc`).
fn extents(iloc: &[u8]) -> Result<Vec<Extent>, Refused> {
    let mut reader = Reader::new(iloc);
    let [version, ..] = reader.array::<4>()?;
    let [sizes, more] = reader.array()?;
    let (offset_size, length_size) = (sizes >> 4, sizes & 0x0f);
    let base_size = more >> 4;
    let index_size = if version > 0 { more & 0x0f } else { 0 };
    let count = if version < 2 {
        reader.u16()?.into()
    } else {
        reader.u32()?
    };
    let mut all = Vec::new();
    for _ in 0..count {
        let item = if version < 2 {
            reader.u16()?.into()
        } else {
            reader.u32()?
        };
        let method = if version > 0 { reader.u16()? & 0x0f } else { 0 };
        // The data of another item: of no image that browsers show.
        if method > 1 {
            return Err(BROKEN);
        }
        // The index of a file elsewhere. 0 is this one.
        if reader.u16()? != 0 {
            return Err(BROKEN);
        }
        let base = number(&mut reader, base_size)?;
        for _ in 0..reader.u16()? {
            number(&mut reader, index_size)?;
            let start = number(&mut reader, offset_size)?
                .checked_add(base)
                .ok_or(BROKEN)?;
            let length = number(&mut reader, length_size)?;
            // No length means the whole file, of which a part would be metadata.
            if length == 0 || all.len() == MAX_ITEMS {
                return Err(BROKEN);
            }
            let end = length.checked_add(start).ok_or(BROKEN)?;
            all.push(Extent {
                item,
                in_meta: method == 1,
                place: start..end,
            });
        }
    }
    Ok(all)
}

/// Reads a number of this many bytes.
fn number(reader: &mut Reader<'_>, size: u8) -> Result<usize, Refused> {
    match size {
        0 => Ok(0),
        4 => length(reader.u32()?),
        8 => {
            let number = length(reader.u64()?)?;
            // Sums of two such numbers don't overflow.
            if number > usize::MAX / 4 {
                Err(INCOMPLETE)
            } else {
                Ok(number)
            }
        }
        _ => Err(BROKEN),
    }
}

fn zero(out: &mut [u8], range: std::ops::Range<usize>) -> Result<(), Refused> {
    out.get_mut(range).ok_or(INCOMPLETE)?.fill(0);
    Ok(())
}
