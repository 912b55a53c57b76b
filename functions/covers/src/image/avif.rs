//! AVIF (AV1 Image File Format, on ISO/IEC 14496-12 and 23008-12).
//!
//! This program can't decode AV1. It reads the structure of the file and of the image's data, and serves the file with its metadata
//! overwritten by zeros. No box is removed or moved, so that every place that the file names stays right.

use std::collections::BTreeMap;

use super::{
    BROKEN, DATA_AFTER_END, INCOMPLETE, Refused, av1, check_pixels,
    reader::{Reader, length},
};

/// The brands of an image and of a sequence of images.
const BRANDS: [&[u8; 4]; 2] = [b"avif", b"avis"];

/// The kinds of items that are metadata: Exif, and XMP.
const METADATA: [&[u8; 4]; 3] = [b"Exif", b"mime", b"uri "];

/// How deep boxes are nested that are looked into.
const MAX_DEPTH: usize = 8;

/// The boxes that contain boxes which are looked into.
const CONTAINERS: [&[u8; 4]; 2] = [b"iprp", b"ipco"];

/// The boxes that applications fill as they like.
const OF_APPLICATIONS: [&[u8; 4]; 4] = [b"free", b"skip", b"uuid", b"udta"];

/// The boxes of `meta` that say what the image is. Every other one is metadata, such as XMP in `xml `.
const OF_META: [&[u8; 4]; 9] = [
    b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp", b"idat", b"grpl", b"dinf",
];

/// The properties of images (ISO/IEC 23008-12, 23000-22, 14496-12), and the box of their associations. Every other one is
/// metadata, such as a description by a user in `udes`.
const PROPERTIES: [&[u8; 4]; 24] = [
    b"ipco", b"ipma", b"ispe", b"pixi", b"av1C", b"colr", b"pasp", b"clap", b"irot", b"imir", b"auxC",
    b"a1op", b"a1lx", b"lsel", b"clli", b"mdcv", b"amve", b"cclv", b"rref", b"crtt", b"reve", b"ndwt",
    b"iscl", b"wipe",
];

/// The type that an item of metadata gets. Readers leave out items whose type they don't know.
const NO_ITEM: &[u8; 4] = b"none";

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
    walk(file, top, &mut out, &mut seen, None, 0)?;
    let meta = seen.meta.ok_or(BROKEN)?;
    if seen.sizes == 0 || !seen.has_codec {
        return Err(BROKEN);
    }
    let images = strip_items(file, &meta, &mut out)?;
    for range in data {
        if !strip_between(range, &images, &mut out)? {
            return Err(DATA_AFTER_END);
        }
    }
    for found in boxes(file, meta)?.iter().filter(|found| &found.kind == b"idat") {
        strip_between(found.content.clone(), &images, &mut out)?;
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
    parent: Option<[u8; 4]>,
    depth: usize,
) -> Result<(), Refused> {
    if depth > MAX_DEPTH {
        return Err(BROKEN);
    }
    for found in boxes_of {
        let content = file.get(found.content.clone()).ok_or(INCOMPLETE)?;
        match &found.kind {
            kind if OF_APPLICATIONS.contains(&kind) || !may_contain(parent, kind) => free(out, found)?,
            b"meta" if depth == 0 => {
                // A version and flags.
                let inner = found.content.start + 4..found.content.end;
                if inner.start > inner.end || seen.meta.is_some() {
                    return Err(BROKEN);
                }
                walk(
                    file,
                    boxes(file, inner.clone())?,
                    out,
                    seen,
                    Some(found.kind),
                    depth + 1,
                )?;
                seen.meta = Some(inner);
            }
            // Its version, what it was before, the handler and reserved bytes. Then a name.
            b"hdlr" => zero(out, found.content.start.saturating_add(24)..found.content.end)?,
            b"ispe" => {
                let mut reader = Reader::new(content);
                reader.take(4)?;
                check_pixels(reader.u32()?, reader.u32()?)?;
                seen.sizes += 1;
            }
            b"av1C" => seen.has_codec = true,
            kind if CONTAINERS.contains(&kind) => {
                walk(
                    file,
                    boxes(file, found.content)?,
                    out,
                    seen,
                    Some(found.kind),
                    depth + 1,
                )?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a box of this kind is one of those that a box consists of, or that the file itself does.
fn may_contain(parent: Option<[u8; 4]>, kind: &[u8; 4]) -> bool {
    match parent.as_ref() {
        Some(b"meta") => OF_META.contains(&kind),
        Some(_) => PROPERTIES.contains(&kind),
        None => true,
    }
}

/// Makes a box one that is skipped, and overwrites what it has.
fn free(out: &mut [u8], found: Found) -> Result<(), Refused> {
    let kind = out.get_mut(found.start + 4..found.start + 8).ok_or(BROKEN)?;
    kind.copy_from_slice(b"free");
    zero(out, found.content)
}

/// Overwrites what isn't part of an image in a range of data. `images` are in order. Returns whether an image has a part of it.
fn strip_between(
    data: std::ops::Range<usize>,
    images: &[std::ops::Range<usize>],
    out: &mut [u8],
) -> Result<bool, Refused> {
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
    if start < data.end {
        zero(out, start..data.end)?;
    }
    Ok(has_image)
}

/// Overwrites the data of items that are metadata, their types and the names of all items, and checks the images. Returns where the
/// data of the images is, in order.
fn strip_items(
    file: &[u8],
    meta: &std::ops::Range<usize>,
    out: &mut [u8],
) -> Result<Vec<std::ops::Range<usize>>, Refused> {
    let of_meta = boxes(file, meta.clone())?;
    let content = |kind: &[u8; 4]| {
        let found = of_meta.iter().find(|found| &found.kind == kind);
        found.map(|found| found.content.clone())
    };
    let items = item_infos(file, content(b"iinf").ok_or(BROKEN)?)?;
    let places = file.get(content(b"iloc").ok_or(BROKEN)?).ok_or(INCOMPLETE)?;
    let data = content(b"idat");
    for item in &items {
        let end = item.place.start + item.kind.len();
        if METADATA.contains(&&item.kind) {
            let kind = out.get_mut(item.place.start..end).ok_or(INCOMPLETE)?;
            kind.copy_from_slice(NO_ITEM);
        }
        zero(out, end..item.place.end)?;
    }
    let mut images = Vec::new();
    let mut coded: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for Extent { item, in_meta, place } in extents(places)? {
        let place = match (in_meta, &data) {
            (false, _) => place,
            (true, Some(data)) => data.start + place.start..data.start + place.end,
            (true, None) => return Err(BROKEN),
        };
        if place.end > file.len() || place.start > place.end {
            return Err(INCOMPLETE);
        }
        let info = items.iter().find(|info| info.id == item).ok_or(BROKEN)?;
        if METADATA.contains(&&info.kind) {
            zero(out, place)?;
            continue;
        }
        if &info.kind == b"av01" {
            let part = file.get(place.clone()).ok_or(INCOMPLETE)?;
            let data = coded.entry(item).or_default();
            // Parts that overlap could make of a small file any amount of data.
            if data.len() + part.len() > file.len() {
                return Err(BROKEN);
            }
            data.extend(part);
        }
        images.push(place);
    }
    coded.values().try_for_each(|data| av1::check(data))?;
    if images.is_empty() {
        return Err(BROKEN);
    }
    images.sort_unstable_by_key(|image| (image.start, image.end));
    Ok(images)
}

/// What is said of an item: its id, its type, and where the type is, with the names behind it.
struct Info {
    id: u32,
    kind: [u8; 4],
    place: std::ops::Range<usize>,
}

/// Reads the type of each item (ISO/IEC 14496-12, `iinf`).
fn item_infos(file: &[u8], content: std::ops::Range<usize>) -> Result<Vec<Info>, Refused> {
    let mut reader = Reader::new(file.get(content.clone()).ok_or(INCOMPLETE)?);
    let [version, ..] = reader.array::<4>()?;
    let count = if version == 0 { 2 } else { 4 };
    reader.take(count)?;
    let infos = boxes(file, content.start + 4 + count..content.end)?;
    let mut items = Vec::new();
    for info in infos.into_iter().filter(|info| &info.kind == b"infe") {
        let mut reader = Reader::new(file.get(info.content.clone()).ok_or(INCOMPLETE)?);
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
        let start = info.content.end - reader.rest().len();
        items.push(Info {
            id,
            kind: reader.array()?,
            place: start..info.content.end,
        });
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
