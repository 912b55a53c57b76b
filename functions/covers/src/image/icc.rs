//! Color profiles (ICC.1:2022).
//!
//! A profile has texts, dates and any data of applications. Only what converts the colors of an image is copied.

use super::reader::Reader;

/// The most bytes of a profile. Those of printers have up to 3 MB.
pub(super) const MAX_PROFILE: usize = 4 * 1024 * 1024;

const HEADER: usize = 128;
const MAX_TAGS: u32 = 200;

/// Tags (§9.2): colorants and white, curves, tables from the device to the connection space.
const POINTS: [&[u8; 4]; 6] = [b"wtpt", b"bkpt", b"rXYZ", b"gXYZ", b"bXYZ", b"lumi"];
const CURVES: [&[u8; 4]; 4] = [b"rTRC", b"gTRC", b"bTRC", b"kTRC"];
const TABLES: [&[u8; 4]; 3] = [b"A2B0", b"A2B1", b"A2B2"];

const CLASSES: [&[u8]; 4] = [b"mntr", b"scnr", b"prtr", b"spac"];
const SPACES: [&[u8]; 3] = [b"RGB ", b"GRAY", b"CMYK"];
const CONNECTIONS: [&[u8]; 2] = [b"XYZ ", b"Lab "];

/// D50, the illuminant of every profile (§7.2.16).
const D50: [u8; 12] = [0, 0, 0xf6, 0xd6, 0, 1, 0, 0, 0, 0, 0xd3, 0x2d];

/// The texts that a profile must have.
const DESCRIPTION: &str = "Color profile";
const COPYRIGHT: &str = "None";

/// Returns a profile that converts colors as this one does, and has nothing else. `None` if it can't be used: then programs ignore it.
pub(super) fn clean(profile: &[u8]) -> Option<Vec<u8>> {
    let (header, tags) = profile.split_at_checked(HEADER)?;
    let is_one =
        |at: usize, known: &[&[u8]]| header.get(at..at + 4).is_some_and(|name| known.contains(&name));
    let version @ (2 | 4) = *header.get(8)? else {
        return None;
    };
    if !is_one(12, &CLASSES)
        || !is_one(16, &SPACES)
        || !is_one(20, &CONNECTIONS)
        || header.get(36..40)? != b"acsp"
    {
        return None;
    }
    let mut kept: Vec<([u8; 4], Vec<u8>)> =
        vec![(*b"desc", description(version)), (*b"cprt", copyright(version))];
    let mut reader = Reader::new(tags);
    let count = reader.u32().ok().filter(|count| *count <= MAX_TAGS)?;
    for _ in 0..count {
        let tag = reader.array::<4>().ok()?;
        let start = usize::try_from(reader.u32().ok()?).ok()?;
        let length = usize::try_from(reader.u32().ok()?).ok()?;
        if kept.iter().any(|(known, _)| *known == tag) {
            continue;
        }
        let data = profile.get(start..start.checked_add(length)?)?;
        let data = match &tag {
            tag if POINTS.contains(&tag) => exact(data, b"XYZ ", 20),
            tag if CURVES.contains(&tag) => curve(data),
            tag if TABLES.contains(&tag) => table(data),
            b"chad" => exact(data, b"sf32", 44),
            b"cicp" => exact(data, b"cicp", 12),
            _ => continue,
        };
        kept.push((tag, data?));
    }
    let has = |tag: &[u8; 4]| kept.iter().any(|(known, _)| known == tag);
    let is_usable = has(b"A2B0")
        || has(b"kTRC")
        || [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"]
            .into_iter()
            .all(has);
    is_usable.then(|| written(header, &kept)).flatten()
}

/// Writes a profile with the header's fields that convert colors.
fn written(header: &[u8], kept: &[([u8; 4], Vec<u8>)]) -> Option<Vec<u8>> {
    let mut out = vec![0; HEADER];
    for (range, mask) in [
        (8..9, 0xff),
        (9..10, 0xf0),
        (12..24, 0xff),
        (36..40, 0xff),
        (67..68, 0x03),
    ] {
        let from = header.get(range.clone())?;
        for (to, from) in out.get_mut(range)?.iter_mut().zip(from) {
            *to = from & mask;
        }
    }
    out.get_mut(68..80)?.copy_from_slice(&D50);
    out.extend(u32::try_from(kept.len()).ok()?.to_be_bytes());
    let mut data: Vec<u8> = Vec::new();
    let base = HEADER + 4 + 12 * kept.len();
    let mut places: Vec<(&[u8], usize)> = Vec::new();
    for (tag, content) in kept {
        // Curves are often the same for all colors.
        let same = places.iter().find(|(known, _)| known == content);
        let place = if let Some((_, place)) = same {
            *place
        } else {
            let place = base + data.len();
            data.extend(content);
            data.resize(data.len().next_multiple_of(4), 0);
            places.push((content, place));
            place
        };
        out.extend(tag);
        out.extend(u32::try_from(place).ok()?.to_be_bytes());
        out.extend(u32::try_from(content.len()).ok()?.to_be_bytes());
    }
    out.extend(data);
    let length = u32::try_from(out.len()).ok()?;
    out.get_mut(..4)?.copy_from_slice(&length.to_be_bytes());
    Some(out)
}

/// A text that is localized, in English (§10.15).
fn localized(text: &str) -> Vec<u8> {
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let length = (utf16.len() as u32).to_be_bytes();
    [
        &b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS"[..],
        &length,
        &[0, 0, 0, 28],
        &utf16,
    ]
    .concat()
}

fn description(version: u8) -> Vec<u8> {
    if version == 4 {
        return localized(DESCRIPTION);
    }
    // The type of version 2: the text, then the same in Unicode and for the Macintosh, which may be empty.
    let length = (DESCRIPTION.len() as u32 + 1).to_be_bytes();
    [
        &b"desc\0\0\0\0"[..],
        &length,
        DESCRIPTION.as_bytes(),
        &[0; 1 + 8 + 3 + 67],
    ]
    .concat()
}

fn copyright(version: u8) -> Vec<u8> {
    if version == 4 {
        return localized(COPYRIGHT);
    }
    [&b"text\0\0\0\0"[..], COPYRIGHT.as_bytes(), b"\0"].concat()
}

/// Returns a value of this type and length, in bytes.
fn exact(data: &[u8], kind: &[u8; 4], length: usize) -> Option<Vec<u8>> {
    let data = data.get(..length)?;
    let value = data.strip_prefix(kind)?.get(4..)?;
    Some([&kind[..], &[0; 4], value].concat())
}

/// Returns a curve (§10.6, §10.18) without what is behind it.
fn curve(data: &[u8]) -> Option<Vec<u8>> {
    match data.first_chunk::<4>()? {
        b"curv" => {
            let count = data.get(8..)?.first_chunk::<4>()?;
            let count = usize::try_from(u32::from_be_bytes(*count)).ok()?;
            exact(data, b"curv", count.checked_mul(2)?.checked_add(12)?)
        }
        b"para" => {
            let kind = *data.get(9)?;
            let parameters = *[1, 3, 4, 5, 7].get(usize::from(kind))?;
            let mut out = exact(data, b"para", 12 + 4 * parameters)?;
            for (at, value) in [(8, 0), (9, kind), (10, 0), (11, 0)] {
                *out.get_mut(at)? = value;
            }
            Some(out)
        }
        _ => None,
    }
}

/// Returns a table (§10.10 to §10.12) without what is behind it or between its parts.
fn table(data: &[u8]) -> Option<Vec<u8>> {
    let [inputs, outputs, grid, _] = *data.get(8..)?.first_chunk::<4>()?;
    let (inputs, outputs) = (usize::from(inputs), usize::from(outputs));
    if !matches!(inputs, 1 | 3 | 4) || outputs != 3 {
        return None;
    }
    let points = usize::from(grid)
        .checked_pow(u32::try_from(inputs).ok()?)?
        .checked_mul(outputs)?;
    match data.first_chunk::<4>()? {
        kind @ b"mft1" => {
            let mut out = exact(data, kind, 48 + 256 * inputs + points + 256 * outputs)?;
            *out.get_mut(11)? = 0;
            Some(out)
        }
        kind @ b"mft2" => {
            let [n1, n2, m1, m2] = *data.get(48..)?.first_chunk::<4>()?;
            let (before, after) = (u16::from_be_bytes([n1, n2]), u16::from_be_bytes([m1, m2]));
            let values = usize::from(before) * inputs + points + usize::from(after) * outputs;
            let mut out = exact(data, kind, values.checked_mul(2)?.checked_add(52)?)?;
            *out.get_mut(11)? = 0;
            Some(out)
        }
        b"mAB " => parts(data, inputs, outputs),
        _ => None,
    }
}

/// Returns a table that consists of curves, a matrix and a grid (§10.12), each of which may be missing.
fn parts(data: &[u8], inputs: usize, outputs: usize) -> Option<Vec<u8>> {
    let mut out = [
        &b"mAB \0\0\0\0"[..],
        &[inputs as u8, outputs as u8, 0, 0],
        &[0; 20],
    ]
    .concat();
    for (part, at) in (12..32).step_by(4).enumerate() {
        let place = data.get(at..)?.first_chunk::<4>()?;
        let place = usize::try_from(u32::from_be_bytes(*place)).ok()?;
        if place == 0 {
            continue;
        }
        let from = data.get(place..)?;
        let copied = match part {
            0 | 2 => curves(from, outputs)?,
            1 => from.get(..48)?.to_vec(),
            3 => grid(from, inputs, outputs)?,
            _ => curves(from, inputs)?,
        };
        let offset = u32::try_from(out.len()).ok()?;
        out.get_mut(at..at + 4)?.copy_from_slice(&offset.to_be_bytes());
        out.extend(copied);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    Some(out)
}

fn curves(mut data: &[u8], count: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for _ in 0..count {
        let curve = curve(data)?;
        let length = curve.len().next_multiple_of(4);
        data = data.get(length..).unwrap_or_default();
        out.extend(curve);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    Some(out)
}

/// The points in each direction, the bytes of a value, and the values.
fn grid(data: &[u8], inputs: usize, outputs: usize) -> Option<Vec<u8>> {
    let sizes = data.get(..inputs)?;
    let width @ (1 | 2) = *data.get(16)? else {
        return None;
    };
    let points = sizes
        .iter()
        .try_fold(outputs, |all, size| all.checked_mul(usize::from(*size)))?;
    let values = data.get(20..20_usize.checked_add(points.checked_mul(usize::from(width))?)?)?;
    let mut out = sizes.to_vec();
    out.resize(16, 0);
    out.extend([width, 0, 0, 0]);
    out.extend(values);
    Some(out)
}
