//! The boxes that a file consists of.

use std::ops::Range;

use super::super::{
    BROKEN, INCOMPLETE, Refused,
    reader::{Reader, length},
};

/// A box: its kind, and where its content is.
pub(super) struct Found {
    pub(super) kind: [u8; 4],
    pub(super) content: Range<usize>,
}

/// Reads the headers of the boxes of a range, which they must fill.
pub(super) fn boxes(file: &[u8], range: Range<usize>) -> Result<Vec<Found>, Refused> {
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
            kind,
            content: start + head..start + whole,
        });
        start += whole;
    }
    Ok(all)
}

/// Returns the content of the one box of this kind.
pub(super) fn only(found: &[Found], kind: &[u8; 4]) -> Result<Option<Range<usize>>, Refused> {
    let mut of_kind = found.iter().filter(|found| &found.kind == kind);
    let first = of_kind.next();
    if of_kind.next().is_some() {
        return Err(BROKEN);
    }
    Ok(first.map(|found| found.content.clone()))
}

/// Reads a number of this many bytes.
pub(super) fn number(reader: &mut Reader<'_>, size: u8) -> Result<usize, Refused> {
    match size {
        0 => Ok(0),
        4 => length(reader.u32()?),
        8 => length(reader.u64()?),
        _ => Err(BROKEN),
    }
}

/// Reads the id of an item: of two bytes, or of four.
pub(super) fn id(reader: &mut Reader<'_>, is_long: bool) -> Result<u32, Refused> {
    if is_long {
        reader.u32()
    } else {
        reader.u16().map(u32::from)
    }
}
