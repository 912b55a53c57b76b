//! Follows the codes of lossless WebP (RFC 9649 §3), without decoding what they mean, to find where they end.

use super::super::{BROKEN, INCOMPLETE, Refused, check_pixels};

/// The order of the lengths of the codes for lengths (§3.7.2.1.2).
const ORDER: [u8; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The distances that are meant as places around a pixel, by their code (§3.5): rows above in the upper half, and in the
/// lower one 8 less the columns to the left.
const PLACES: [u8; 120] = [
    0x18, 0x07, 0x17, 0x19, 0x28, 0x06, 0x27, 0x29, 0x16, 0x1a, 0x26, 0x2a, 0x38, 0x05, 0x37, 0x39, 0x15,
    0x1b, 0x36, 0x3a, 0x25, 0x2b, 0x48, 0x04, 0x47, 0x49, 0x14, 0x1c, 0x35, 0x3b, 0x46, 0x4a, 0x24, 0x2c,
    0x58, 0x45, 0x4b, 0x34, 0x3c, 0x03, 0x57, 0x59, 0x13, 0x1d, 0x56, 0x5a, 0x23, 0x2d, 0x44, 0x4c, 0x55,
    0x5b, 0x33, 0x3d, 0x68, 0x02, 0x67, 0x69, 0x12, 0x1e, 0x66, 0x6a, 0x22, 0x2e, 0x54, 0x5c, 0x43, 0x4d,
    0x65, 0x6b, 0x32, 0x3e, 0x78, 0x01, 0x77, 0x79, 0x53, 0x5d, 0x11, 0x1f, 0x64, 0x6c, 0x42, 0x4e, 0x76,
    0x7a, 0x21, 0x2f, 0x75, 0x7b, 0x31, 0x3f, 0x63, 0x6d, 0x52, 0x5e, 0x00, 0x74, 0x7c, 0x41, 0x4f, 0x10,
    0x20, 0x62, 0x6e, 0x30, 0x73, 0x7d, 0x51, 0x5f, 0x40, 0x72, 0x7e, 0x61, 0x6f, 0x50, 0x71, 0x7f, 0x60,
    0x70,
];

/// The symbols of each code of a group: green with lengths, red, blue, alpha, distances.
const SYMBOLS: [usize; 5] = [256 + 24, 256, 256, 256, 40];

/// The most groups of codes. Each takes a decoder several kilobytes; libwebp's encoder writes at most 2,600.
const MAX_GROUPS: usize = 4096;

/// Copies the image with its size.
pub(super) fn copy(data: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bits = Bits::new(data);
    if bits.take(8)? != 0x2f {
        return Err(BROKEN);
    }
    let (width, height) = (bits.take(14)? + 1, bits.take(14)? + 1);
    // Whether it has an alpha channel, and the version.
    bits.take(4)?;
    image(&mut bits, width, height)?;
    bits.copied()
}

/// Copies an image whose size is known.
pub(super) fn copy_of_size(data: &[u8], width: u32, height: u32) -> Result<Vec<u8>, Refused> {
    let mut bits = Bits::new(data);
    image(&mut bits, width, height)?;
    bits.copied()
}

fn image(bits: &mut Bits<'_>, width: u32, height: u32) -> Result<(), Refused> {
    check_pixels(width, height)?;
    let (mut across, mut seen) = (width, 0_u32);
    // The transforms, each at most once.
    while bits.take(1)? == 1 {
        let kind = bits.take(2)?;
        if seen >> kind & 1 == 1 {
            return Err(BROKEN);
        }
        seen |= 1 << kind;
        match kind {
            // Prediction, and correlation of colors: for each square of pixels.
            0 | 1 => {
                let size = bits.take(3)? + 2;
                pixels(
                    bits,
                    across.div_ceil(1 << size),
                    height.div_ceil(1 << size),
                    false,
                    None,
                )?;
            }
            2 => {}
            _ => {
                let colors = bits.take(8)? + 1;
                pixels(bits, colors, 1, false, None)?;
                let in_byte = match colors {
                    ..=2 => 8,
                    3..=4 => 4,
                    5..=16 => 2,
                    _ => 1,
                };
                across = across.div_ceil(in_byte);
            }
        }
    }
    pixels(bits, across, height, true, None)
}

/// Follows the codes of pixels, and returns the pixels where they are asked for.
fn pixels(
    bits: &mut Bits<'_>,
    width: u32,
    height: u32,
    is_main: bool,
    mut shown: Option<&mut Vec<u32>>,
) -> Result<(), Refused> {
    let cache_bits = if bits.take(1)? == 1 { bits.take(4)? } else { 0 };
    if cache_bits > 11 {
        return Err(BROKEN);
    }
    let mut cache = Cache {
        bits: cache_bits,
        colors: vec![0; if shown.is_some() { 1 << cache_bits } else { 0 }],
    };
    let (mut square, mut of_squares) = (0, Vec::new());
    if is_main && bits.take(1)? == 1 {
        square = bits.take(3)? + 2;
        pixels(
            bits,
            width.div_ceil(1 << square),
            height.div_ceil(1 << square),
            false,
            Some(&mut of_squares),
        )?;
    }
    // The number of a group is in red and green.
    let group_of = |pixel: &u32| (pixel >> 8 & 0xffff) as usize;
    let count = of_squares.iter().map(group_of).max().unwrap_or(0) + 1;
    if count > MAX_GROUPS {
        return Err(BROKEN);
    }
    let mut groups = Vec::new();
    for _ in 0..count {
        let mut group = Vec::with_capacity(5);
        for (number, symbols) in SYMBOLS.into_iter().enumerate() {
            let of_cache = if number == 0 && cache_bits > 0 {
                1 << cache_bits
            } else {
                0
            };
            group.push(Codes::read(bits, symbols + of_cache)?);
        }
        groups.push(<[Codes; 5]>::try_from(group).map_err(|_| BROKEN)?);
    }
    let all = u64::from(width) * u64::from(height);
    let in_row = u64::from(width.div_ceil(1 << square));
    let mut place = 0_u64;
    while place < all {
        let group = if of_squares.is_empty() {
            0
        } else {
            let (x, y) = (place % u64::from(width), place / u64::from(width));
            of_squares
                .get(((y >> square) * in_row + (x >> square)) as usize)
                .map(group_of)
                .ok_or(BROKEN)?
        };
        let [green, red, blue, alpha, distance] = groups.get(group).ok_or(BROKEN)?;
        let symbol = green.symbol(bits)?;
        let mut count = 1;
        match symbol {
            ..256 => {
                let (red, blue, alpha) = (red.symbol(bits)?, blue.symbol(bits)?, alpha.symbol(bits)?);
                if let Some(shown) = &mut shown {
                    let color = u32::from(alpha) << 24
                        | u32::from(red) << 16
                        | u32::from(symbol) << 8
                        | u32::from(blue);
                    shown.push(color);
                    cache.insert(color);
                }
            }
            256..280 => {
                count = number(bits, symbol - 256)?;
                let code = distance.symbol(bits)?;
                let back = back(width, number(bits, code)?);
                if back > place || count > all - place {
                    return Err(BROKEN);
                }
                if let Some(shown) = &mut shown {
                    for _ in 0..count {
                        let color = *shown.get(shown.len() - back as usize).ok_or(BROKEN)?;
                        shown.push(color);
                        cache.insert(color);
                    }
                }
            }
            _ => {
                if let Some(shown) = &mut shown {
                    shown.push(*cache.colors.get(usize::from(symbol - 280)).ok_or(BROKEN)?);
                }
            }
        }
        place += count;
    }
    Ok(())
}

/// Reads a number whose size is coded (§3.5).
fn number(bits: &mut Bits<'_>, code: u16) -> Result<u64, Refused> {
    if code < 4 {
        return Ok(u64::from(code) + 1);
    }
    let extra = u32::from(code - 2) >> 1;
    let offset = (2 + u64::from(code & 1)) << extra;
    Ok(offset + u64::from(bits.take(extra)?) + 1)
}

/// Returns how many pixels a distance goes back.
fn back(width: u32, distance: u64) -> u64 {
    let place = usize::try_from(distance - 1).ok().and_then(|at| PLACES.get(at));
    place.map_or(distance.saturating_sub(120), |place| {
        let back = i64::from(place >> 4) * i64::from(width) + 8 - i64::from(place & 0x0f);
        u64::try_from(back).unwrap_or(0).max(1)
    })
}

/// The colors that were shown last, by a hash of them (§3.5.3).
struct Cache {
    bits: u32,
    colors: Vec<u32>,
}

impl Cache {
    fn insert(&mut self, color: u32) {
        if self.bits > 0 {
            let at = color.wrapping_mul(0x1e35_a7bd) >> (32 - self.bits);
            if let Some(kept) = self.colors.get_mut(at as usize) {
                *kept = color;
            }
        }
    }
}

/// Reads bits, the lowest of a byte first.
struct Bits<'a> {
    data: &'a [u8],
    next: usize,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, next: 0 }
    }

    fn bit(&mut self) -> Result<u32, Refused> {
        let byte = self.data.get(self.next / 8).ok_or(INCOMPLETE)?;
        let bit = byte >> (self.next % 8) & 1;
        self.next += 1;
        Ok(bit.into())
    }

    fn take(&mut self, count: u32) -> Result<u32, Refused> {
        (0..count).try_fold(0, |number, at| Ok(number | self.bit()? << at))
    }

    /// Returns the bytes of the bits that were read.
    fn copied(&self) -> Result<Vec<u8>, Refused> {
        let mut out = self.data.get(..self.next.div_ceil(8)).ok_or(INCOMPLETE)?.to_vec();
        if let (Some(last), false) = (out.last_mut(), self.next.is_multiple_of(8)) {
            *last &= (1 << (self.next % 8)) - 1;
        }
        Ok(out)
    }
}

/// Huffman codes: how many have each length, and the symbols in the order of their codes.
struct Codes {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Codes {
    fn read(bits: &mut Bits<'_>, all: usize) -> Result<Self, Refused> {
        if bits.take(1)? == 1 {
            // One or two symbols, of which the first may have one bit.
            let has_second = bits.take(1)? == 1;
            let of_first = if bits.take(1)? == 1 { 8 } else { 1 };
            let mut lengths = vec![0; all];
            let first = bits.take(of_first)?;
            *lengths.get_mut(first as usize).ok_or(BROKEN)? = 1;
            if has_second {
                let second = bits.take(8)?;
                // Decoders disagree on a code of two equal symbols.
                if second == first {
                    return Err(BROKEN);
                }
                *lengths.get_mut(second as usize).ok_or(BROKEN)? = 1;
            }
            return Self::of_lengths(&lengths);
        }
        let count = bits.take(4)? as usize + 4;
        let mut lengths = [0; 19];
        for symbol in ORDER.iter().take(count) {
            *lengths.get_mut(usize::from(*symbol)).ok_or(BROKEN)? = bits.take(3)? as u8;
        }
        let codes = Self::of_lengths(&lengths)?;
        let mut left = if bits.take(1)? == 1 {
            let size = 2 + 2 * bits.take(3)?;
            bits.take(size)? as usize + 2
        } else {
            all
        };
        if left > all {
            return Err(BROKEN);
        }
        let (mut lengths, mut previous) = (Vec::with_capacity(all), 8);
        while lengths.len() < all && left > 0 {
            left -= 1;
            let (length, times) = match codes.symbol(bits)? {
                16 => (previous, bits.take(2)? + 3),
                17 => (0, bits.take(3)? + 3),
                18 => (0, bits.take(7)? + 11),
                length => (length as u8, 1),
            };
            lengths.resize(lengths.len() + times as usize, length);
            if length != 0 {
                previous = length;
            }
        }
        if lengths.len() > all {
            return Err(BROKEN);
        }
        Self::of_lengths(&lengths)
    }

    fn of_lengths(lengths: &[u8]) -> Result<Self, Refused> {
        let mut counts = [0_u16; 16];
        for length in lengths {
            *counts.get_mut(usize::from(*length)).ok_or(BROKEN)? += 1;
        }
        counts[0] = 0;
        let mut symbols: Vec<(u8, u16)> = (0..)
            .zip(lengths)
            .map(|(symbol, length)| (*length, symbol))
            .collect();
        symbols.retain(|(length, _)| *length > 0);
        symbols.sort_unstable();
        // Together the codes are all sequences of bits; a single one has none.
        let space: u32 = (0..16)
            .zip(counts)
            .map(|(length, count)| u32::from(count) << (15 - length))
            .sum();
        if symbols.is_empty() || (symbols.len() > 1 && space != 1 << 15) {
            return Err(BROKEN);
        }
        Ok(Self {
            counts,
            symbols: symbols.into_iter().map(|(_, symbol)| symbol).collect(),
        })
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<u16, Refused> {
        if let [single] = *self.symbols {
            return Ok(single);
        }
        let (mut code, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for count in self.counts.iter().skip(1).copied().map(u32::from) {
            code |= bits.bit()?;
            if code < first + count {
                return self
                    .symbols
                    .get((index + code - first) as usize)
                    .copied()
                    .ok_or(BROKEN);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(BROKEN)
    }
}
