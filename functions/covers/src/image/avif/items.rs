//! The items of a file: images, and what says how to show them.

use std::{collections::BTreeMap, ops::Range};

use super::{
    super::{BROKEN, INCOMPLETE, Refused, check_pixels, icc, reader::Reader},
    boxes::{Found, boxes, id, number, only},
};

/// The most items, and the most parts of all items together. A file could otherwise name more than memory has room for.
const MAX_ITEMS: usize = 1024;

/// The kinds of the auxiliary image that is an alpha channel.
const ALPHA: [&[u8]; 2] = [
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
];

/// An item: its kind, where its data is, and the numbers of its properties, each with whether a reader must know it.
#[derive(Default)]
pub(super) struct Item {
    pub(super) kind: [u8; 4],
    places: Vec<Range<usize>>,
    properties: Vec<(bool, usize)>,
}

/// A property as it is written, and whether a reader must know it.
pub(super) type Property = (bool, Vec<u8>);

/// The kind of a reference, the item that refers, and those it refers to.
type Reference = ([u8; 4], u32, Vec<u32>);

pub(super) struct Items {
    pub(super) primary: u32,
    items: BTreeMap<u32, Item>,
    references: Vec<Reference>,
    properties: Vec<Found>,
}

impl Items {
    /// Reads the box that describes all items, whose content this is.
    pub(super) fn read(file: &[u8], meta: Range<usize>) -> Result<Self, Refused> {
        // A version and flags.
        let inner = meta.start + 4..meta.end;
        if inner.start > inner.end {
            return Err(BROKEN);
        }
        let found = boxes(file, inner)?;
        let needed = |kind| only(&found, kind)?.ok_or(BROKEN);
        let content = |range: Range<usize>| file.get(range).ok_or(INCOMPLETE);
        let mut reader = Reader::new(content(needed(b"pitm")?)?);
        let [version, ..] = reader.array::<4>()?;
        let primary = id(&mut reader, version > 0)?;
        let mut items = infos(file, needed(b"iinf")?)?;
        let data = only(&found, b"idat")?;
        places(content(needed(b"iloc")?)?, data.as_ref(), file.len(), &mut items)?;
        let references = match only(&found, b"iref")? {
            Some(range) => references(file, range)?,
            None => Vec::new(),
        };
        let of_properties = boxes(file, needed(b"iprp")?)?;
        let all = only(&of_properties, b"ipco")?.ok_or(BROKEN)?;
        for of_items in of_properties.iter().filter(|found| &found.kind == b"ipma") {
            associations(content(of_items.content.clone())?, &mut items)?;
        }
        Ok(Self {
            primary,
            items,
            references,
            properties: boxes(file, all)?,
        })
    }

    pub(super) fn item(&self, id: u32) -> Result<&Item, Refused> {
        self.items.get(&id).ok_or(BROKEN)
    }

    /// Returns whether an item has data in a range.
    pub(super) fn are_in(&self, range: &Range<usize>) -> bool {
        let mut places = self.items.values().flat_map(|item| &item.places);
        places.any(|place| place.start < range.end && place.end > range.start)
    }

    pub(super) fn refers(&self, kind: &[u8; 4], from: u32, to: u32) -> bool {
        let mut references = self.references.iter();
        references.any(|(known, item, others)| (known, *item) == (kind, from) && others.contains(&to))
    }

    /// Returns the images that an image is put together from.
    pub(super) fn parts_of(&self, item: u32) -> Result<&[u32], Refused> {
        let mut references = self.references.iter();
        let found = references.find(|(kind, from, _)| (kind, *from) == (b"dimg", item));
        found.map(|(_, _, parts)| parts.as_slice()).ok_or(BROKEN)
    }

    /// Returns the image that is the alpha channel of this one.
    pub(super) fn alpha_of(&self, file: &[u8], image: u32) -> Option<u32> {
        let is_alpha = |property: &&Found| {
            let content = file.get(property.content.clone()).unwrap_or_default();
            &property.kind == b"auxC" && matches!(self::property(property.kind, content), Ok(Some(_)))
        };
        let has_alpha = |item: &Item| {
            let numbers = item.properties.iter();
            let mut found = numbers.filter_map(|(_, number)| self.properties.get(number.checked_sub(1)?));
            found.any(|property| is_alpha(&property))
        };
        let mut items = self.items.iter();
        let found = items.find(|(id, item)| self.refers(b"auxl", **id, image) && has_alpha(item));
        found.map(|(id, _)| *id)
    }

    /// Returns the data of an item, which has no more bytes than the file.
    pub(super) fn data(&self, file: &[u8], item: &Item) -> Result<Vec<u8>, Refused> {
        let mut data = Vec::new();
        for place in &item.places {
            if data.len() + place.len() > file.len() {
                return Err(BROKEN);
            }
            data.extend(file.get(place.clone()).ok_or(INCOMPLETE)?);
        }
        Ok(data)
    }

    /// Copies the properties of an item that say how to show it.
    pub(super) fn properties(&self, file: &[u8], item: &Item) -> Result<Vec<Property>, Refused> {
        let mut copied = Vec::new();
        let mut has_size = false;
        for (is_needed, number) in &item.properties {
            let found = number
                .checked_sub(1)
                .and_then(|at| self.properties.get(at))
                .ok_or(BROKEN)?;
            let content = file.get(found.content.clone()).ok_or(INCOMPLETE)?;
            has_size |= &found.kind == b"ispe";
            match property(found.kind, content)? {
                Some(content) => {
                    let length = u32::try_from(content.len() + 8).map_err(|_| BROKEN)?;
                    let written = [&length.to_be_bytes()[..], &found.kind, &content].concat();
                    copied.push((*is_needed, written));
                }
                // A reader that doesn't know it may not show the image.
                None if *is_needed => return Err(BROKEN),
                None => {}
            }
        }
        if has_size { Ok(copied) } else { Err(BROKEN) }
    }
}

/// Copies what a property says, and nothing behind it. `None` if it doesn't say how an image is shown.
fn property(kind: [u8; 4], content: &[u8]) -> Result<Option<Vec<u8>>, Refused> {
    let mut reader = Reader::new(content);
    let length = match &kind {
        b"ispe" => {
            reader.take(4)?;
            check_pixels(reader.u32()?, reader.u32()?)?;
            12
        }
        // The bits of each channel.
        b"pixi" => {
            reader.take(4)?;
            let channels @ 1..=4 = reader.u8()? else {
                return Err(BROKEN);
            };
            5 + usize::from(channels)
        }
        // Of the codec's configuration, the part that isn't in the image too.
        b"av1C" | b"clli" => 4,
        b"colr" => {
            return Ok(match &reader.array::<4>()? {
                b"nclx" => Some([&b"nclx"[..], reader.take(7)?].concat()),
                b"prof" | b"rICC" => {
                    icc::clean(reader.rest()).map(|profile| [&b"prof"[..], &profile].concat())
                }
                _ => None,
            });
        }
        b"auxC" => {
            reader.take(4)?;
            let alpha = ALPHA.into_iter().find(|alpha| reader.rest().starts_with(alpha));
            return Ok(alpha.map(|alpha| [&[0; 4][..], alpha, &[0]].concat()));
        }
        b"mdcv" => 24,
        b"clap" => 32,
        b"irot" | b"imir" | b"a1op" => 1,
        b"lsel" => 2,
        // The sizes of three layers, each in two bytes or four.
        b"a1lx" => 1 + if reader.u8()? & 1 == 0 { 6 } else { 12 },
        _ => return Ok(None),
    };
    let mut copied = content.get(..length).ok_or(INCOMPLETE)?.to_vec();
    if matches!(&kind, b"ispe" | b"pixi") {
        // The version and flags.
        copied.iter_mut().take(4).for_each(|byte| *byte = 0);
    }
    Ok(Some(copied))
}

/// Reads the kind of each item (ISO/IEC 14496-12, `iinf`).
fn infos(file: &[u8], content: Range<usize>) -> Result<BTreeMap<u32, Item>, Refused> {
    let mut reader = Reader::new(file.get(content.clone()).ok_or(INCOMPLETE)?);
    let [version, ..] = reader.array::<4>()?;
    let count = if version == 0 { 2 } else { 4 };
    reader.take(count)?;
    let mut items = BTreeMap::new();
    for info in boxes(file, content.start + 4 + count..content.end)? {
        if &info.kind != b"infe" {
            continue;
        }
        let mut reader = Reader::new(file.get(info.content).ok_or(INCOMPLETE)?);
        let [version @ (2 | 3), ..] = reader.array::<4>()? else {
            return Err(BROKEN);
        };
        let id = id(&mut reader, version == 3)?;
        reader.take(2)?;
        let item = Item {
            kind: reader.array()?,
            ..Item::default()
        };
        if items.insert(id, item).is_some() || items.len() > MAX_ITEMS {
            return Err(BROKEN);
        }
    }
    Ok(items)
}

/// Reads where the data of the items is (ISO/IEC 14496-12, `iloc`). `data` is that of the description itself.
fn places(
    content: &[u8],
    data: Option<&Range<usize>>,
    of_file: usize,
    items: &mut BTreeMap<u32, Item>,
) -> Result<(), Refused> {
    let mut reader = Reader::new(content);
    let [version, ..] = reader.array::<4>()?;
    let [sizes, more] = reader.array()?;
    let (offset_size, length_size) = (sizes >> 4, sizes & 0x0f);
    let base_size = more >> 4;
    let index_size = if version > 0 { more & 0x0f } else { 0 };
    let count = id(&mut reader, version >= 2)?;
    let mut all = 0;
    for _ in 0..count {
        let item = id(&mut reader, version >= 2)?;
        let method = if version > 0 { reader.u16()? & 0x0f } else { 0 };
        // The index of a file elsewhere. 0 is this one.
        if reader.u16()? != 0 {
            return Err(BROKEN);
        }
        let base = number(&mut reader, base_size)?;
        let origin = match (method, data) {
            (0, _) => 0..of_file,
            (1, Some(data)) => data.clone(),
            // The data of another item: of no image that browsers show.
            _ => return Err(BROKEN),
        };
        let item = items.get_mut(&item).ok_or(BROKEN)?;
        for _ in 0..reader.u16()? {
            number(&mut reader, index_size)?;
            let offset = number(&mut reader, offset_size)?;
            let length = number(&mut reader, length_size)?;
            all += 1;
            // No length means the whole file, of which a part would be something else.
            if length == 0 || all > MAX_ITEMS {
                return Err(BROKEN);
            }
            let start = [base, offset]
                .into_iter()
                .try_fold(origin.start, usize::checked_add)
                .ok_or(BROKEN)?;
            let end = start
                .checked_add(length)
                .filter(|end| *end <= origin.end)
                .ok_or(INCOMPLETE)?;
            item.places.push(start..end);
        }
    }
    Ok(())
}

/// Reads which items refer to which (ISO/IEC 14496-12, `iref`).
fn references(file: &[u8], content: Range<usize>) -> Result<Vec<Reference>, Refused> {
    let mut reader = Reader::new(file.get(content.clone()).ok_or(INCOMPLETE)?);
    let [version, ..] = reader.array::<4>()?;
    let mut all = Vec::new();
    for found in boxes(file, content.start + 4..content.end)? {
        let mut reader = Reader::new(file.get(found.content).ok_or(INCOMPLETE)?);
        let from = id(&mut reader, version > 0)?;
        let count = reader.u16()?;
        let others = (0..count)
            .map(|_| id(&mut reader, version > 0))
            .collect::<Result<Vec<_>, _>>()?;
        if all.len() == MAX_ITEMS || others.len() > MAX_ITEMS {
            return Err(BROKEN);
        }
        all.push((found.kind, from, others));
    }
    Ok(all)
}

/// Reads which item has which properties (ISO/IEC 23008-12, `ipma`).
fn associations(content: &[u8], items: &mut BTreeMap<u32, Item>) -> Result<(), Refused> {
    let mut reader = Reader::new(content);
    let [version, _, _, flags] = reader.array::<4>()?;
    for _ in 0..reader.u32()? {
        let id = id(&mut reader, version > 0)?;
        let count = reader.u8()?;
        for _ in 0..count {
            let association = if flags & 1 == 1 {
                let number = reader.u16()?;
                (number >> 15 == 1, usize::from(number & 0x7fff))
            } else {
                let number = reader.u8()?;
                (number >> 7 == 1, usize::from(number & 0x7f))
            };
            if let Some(item) = items.get_mut(&id).filter(|item| item.properties.len() < 64) {
                item.properties.push(association);
            }
        }
    }
    Ok(())
}
