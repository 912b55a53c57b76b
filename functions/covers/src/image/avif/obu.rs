//! The units that AV1 data consists of (AV1 Bitstream & Decoding Process Specification, §5).

use super::super::{BROKEN, INCOMPLETE, Refused, check_pixels, reader::Reader};

/// The kinds of units.
const SEQUENCE: u8 = 1;
const DELIMITER: u8 = 2;
const FRAMES: [u8; 4] = [3, 4, 6, 7];
const PADDING: u8 = 15;

/// A number that says that something isn't fixed (§5.5.1).
const SELECTED: u32 = 2;

/// Copies the units that show an image. The others, which have metadata or anything, are filled with padding: the lengths of layers
/// stay right.
pub(super) fn clean(data: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut reader = Reader::new(data);
    let mut out = Vec::with_capacity(data.len());
    let (mut has_sequence, mut has_frame) = (false, false);
    while !reader.is_empty() {
        let start = reader.rest();
        let header = reader.u8()?;
        let (kind, is_extended, has_length) = (header >> 3 & 0x0f, header & 4 != 0, header & 2 != 0);
        if header & 0x80 != 0 {
            return Err(BROKEN);
        }
        if is_extended {
            reader.u8()?;
        }
        let length = if has_length {
            leb128(&mut reader)?
        } else {
            reader.rest().len()
        };
        let head = start.get(..start.len() - reader.rest().len()).ok_or(BROKEN)?;
        let content = reader.take(length)?;
        let from = out.len();
        // The lowest bit has no meaning yet.
        out.push(header & !1);
        out.extend(head.get(1..).unwrap_or_default());
        match kind {
            SEQUENCE => {
                out.extend(sequence(content)?);
                has_sequence = true;
            }
            DELIMITER if content.is_empty() => {}
            _ if FRAMES.contains(&kind) => {
                if !has_sequence {
                    return Err(BROKEN);
                }
                out.extend(content);
                has_frame = true;
            }
            _ => {
                if let Some(header) = out.get_mut(from) {
                    *header = *header & !(0x0f << 3) | PADDING << 3;
                }
                let zeros = content.len().saturating_sub(1);
                out.resize(out.len() + zeros, 0);
                // The bit that ends what a unit has.
                out.extend((!content.is_empty()).then_some(0x80));
            }
        }
    }
    if has_frame { Ok(out) } else { Err(BROKEN) }
}

/// Reads a length, of which each byte has seven bits (§4.10.5).
fn leb128(reader: &mut Reader<'_>) -> Result<usize, Refused> {
    let mut length = 0_u64;
    for place in 0..5 {
        let byte = reader.u8()?;
        length |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return usize::try_from(length).map_err(|_| INCOMPLETE);
        }
    }
    Err(BROKEN)
}

struct Bits<'a> {
    data: &'a [u8],
    next: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Result<u32, Refused> {
        (0..count).try_fold(0_u32, |number, _| {
            let byte = self.data.get(self.next / 8).ok_or(INCOMPLETE)?;
            let bit = byte >> (7 - self.next % 8) & 1;
            self.next += 1;
            Ok(number << 1 | u32::from(bit))
        })
    }

    fn flag(&mut self) -> Result<bool, Refused> {
        self.take(1).map(|bit| bit == 1)
    }

    /// Skips a number that begins with as many zeros as it has bits (§4.10.3).
    fn skip_uvlc(&mut self) -> Result<(), Refused> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros == 32 {
                return Err(BROKEN);
            }
        }
        self.take(zeros).map(drop)
    }
}

/// Checks the size that the header of a sequence has (§5.5), and copies the header: behind it are a bit and zeros.
fn sequence(content: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bits = Bits {
        data: content,
        next: 0,
    };
    let profile = bits.take(3)?;
    // Whether it is a still image.
    bits.take(1)?;
    let is_reduced = bits.flag()?;
    if is_reduced {
        bits.take(5)?;
    } else {
        operating_points(&mut bits)?;
    }
    let (of_width, of_height) = (bits.take(4)? + 1, bits.take(4)? + 1);
    let (width, height) = (bits.take(of_width)? + 1, bits.take(of_height)? + 1);
    check_pixels(width, height)?;
    // The lengths of numbers of frames.
    if !is_reduced && bits.flag()? {
        bits.take(4 + 3)?;
    }
    // Tools of the codec.
    bits.take(3)?;
    if !is_reduced {
        bits.take(4)?;
        let has_order = bits.flag()?;
        if has_order {
            bits.take(2)?;
        }
        let tools = if bits.flag()? { SELECTED } else { bits.take(1)? };
        if tools > 0 && !bits.flag()? {
            bits.take(1)?;
        }
        if has_order {
            bits.take(3)?;
        }
    }
    bits.take(3)?;
    colors(&mut bits, profile)?;
    // Whether there is film grain.
    bits.take(1)?;
    let end = bits.next;
    let mut copied = content.get(..end / 8 + 1).unwrap_or_default().to_vec();
    // A header that fills its last byte has the bit in the next.
    let last = copied.get_mut(end / 8).ok_or(INCOMPLETE)?;
    *last = *last & !(0xff_u8 >> (end % 8)) | 0x80 >> (end % 8);
    copied.resize(content.len(), 0);
    Ok(copied)
}

/// Skips what isn't in the header of a still image: times, and which parts a decoder may leave out.
fn operating_points(bits: &mut Bits<'_>) -> Result<(), Refused> {
    let mut of_delays = None;
    if bits.flag()? {
        bits.take(32)?;
        bits.take(32)?;
        if bits.flag()? {
            bits.skip_uvlc()?;
        }
        if bits.flag()? {
            of_delays = Some(bits.take(5)? + 1);
            bits.take(32)?;
            bits.take(5 + 5)?;
        }
    }
    let has_display_delay = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.take(12)?;
        if bits.take(5)? > 7 {
            bits.take(1)?;
        }
        if let (Some(length), true) = (of_delays, of_delays.is_some() && bits.flag()?) {
            bits.take(length)?;
            bits.take(length)?;
            bits.take(1)?;
        }
        if has_display_delay && bits.flag()? {
            bits.take(4)?;
        }
    }
    Ok(())
}

/// Skips how the colors are meant (§5.5.2).
fn colors(bits: &mut Bits<'_>, profile: u32) -> Result<(), Refused> {
    const SRGB: (u32, u32, u32) = (1, 13, 0);
    let is_deep = bits.flag()?;
    let is_12_bits = profile == 2 && is_deep && bits.flag()?;
    let is_gray = profile != 1 && bits.flag()?;
    let described = if bits.flag()? {
        (bits.take(8)?, bits.take(8)?, bits.take(8)?)
    } else {
        (2, 2, 2)
    };
    if is_gray {
        return bits.take(1).map(drop);
    }
    if described != SRGB {
        // The range, and how much smaller the planes of colors are.
        bits.take(1)?;
        let (is_narrow, is_low) = match profile {
            0 => (true, true),
            1 => (false, false),
            _ if is_12_bits => {
                let is_narrow = bits.flag()?;
                (is_narrow, is_narrow && bits.flag()?)
            }
            _ => (true, false),
        };
        if is_narrow && is_low {
            bits.take(2)?;
        }
    }
    bits.take(1).map(drop)
}
