//! Follows the codes of VP8 (RFC 6386), without decoding what they mean, to find where they end.

use super::{
    super::{BROKEN, INCOMPLETE, Refused},
    tables::{BLOCK_MODES, TOKENS, Tokens, UPDATES},
};

/// The bytes of a key frame before the first partition: three with its kind and length, three that are fixed, and the size.
const HEAD: usize = 10;

/// The modes of a block that follow from the mode of its macroblock.
const DC: u8 = 0;
const TRUE_MOTION: u8 = 1;
const VERTICAL: u8 = 2;
const HORIZONTAL: u8 = 3;

/// The band of each coefficient (§13.3).
const BANDS: [u8; 16] = [0, 1, 2, 3, 6, 4, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7];

/// The probabilities of the bits of large coefficients (§13.2).
const LARGE: [&[u8]; 4] = [
    &[173, 148, 140],
    &[176, 155, 140, 135],
    &[180, 157, 141, 134, 130],
    &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129],
];

/// The kinds of blocks.
const LUMA_WITHOUT_DC: usize = 0;
const LUMA_DC: usize = 1;
const CHROMA: usize = 2;
const LUMA: usize = 3;

/// Copies the image. What is behind the codes of each partition is zeros: programs that read ahead expect something.
pub(super) fn copy(data: &[u8]) -> Result<Vec<u8>, Refused> {
    let (head, rest) = data.split_at_checked(HEAD).ok_or(INCOMPLETE)?;
    let [tag, t2, t3, 0x9d, 0x01, 0x2a, w1, w2, h1, h2] = *head else {
        return Err(BROKEN);
    };
    // Bit 0 is 1 for a frame that needs another one.
    if tag & 1 == 1 {
        return Err(BROKEN);
    }
    let units = |low, high| usize::from(u16::from_le_bytes([low, high]) & 0x3fff).div_ceil(16);
    let (across, down) = (units(w1, w2), units(h1, h2));
    let of_first = (u32::from_le_bytes([tag, t2, t3, 0]) >> 5) as usize;
    let (first, rest) = rest.split_at_checked(of_first).ok_or(INCOMPLETE)?;
    let mut modes = Bits::new(first);
    let header = Header::read(&mut modes);
    let (lengths, mut rest) = rest
        .split_at_checked(3 * (header.partitions - 1))
        .ok_or(INCOMPLETE)?;
    let mut partitions = Vec::new();
    for length in lengths.as_chunks::<3>().0 {
        let [a, b, c] = *length;
        let (partition, others) = rest
            .split_at_checked(u32::from_le_bytes([a, b, c, 0]) as usize)
            .ok_or(INCOMPLETE)?;
        partitions.push(Bits::new(partition));
        rest = others;
    }
    partitions.push(Bits::new(rest));

    let mut above_modes = vec![[DC; 4]; across];
    let mut above = vec![Coded::default(); across];
    for y in 0..down {
        let (mut left_modes, mut left) = ([DC; 4], Coded::default());
        let place = y % partitions.len();
        let tokens = partitions.get_mut(place).ok_or(BROKEN)?;
        for (above_modes, above) in above_modes.iter_mut().zip(&mut above) {
            let unit = header.unit(&mut modes, above_modes, &mut left_modes);
            header.residue(tokens, unit, above, &mut left);
        }
    }
    let mut out = head.to_vec();
    modes.copy(&mut out);
    out.extend(lengths);
    for partition in &partitions {
        partition.copy(&mut out);
    }
    Ok(out)
}

/// Reads bits of known probability (§7.3).
struct Bits<'a> {
    data: &'a [u8],
    next: usize,
    value: u64,
    /// How many bits are held beyond the eight that are compared.
    held: i32,
    range: u32,
    shifts: usize,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            next: 0,
            value: 0,
            held: -8,
            range: 255,
            shifts: 0,
        }
    }

    fn bit(&mut self, probability: u8) -> bool {
        while self.held < 0 {
            // Behind the end are zeros.
            let byte = self.data.get(self.next).copied().unwrap_or_default();
            self.next += 1;
            self.value = self.value << 8 | u64::from(byte);
            self.held += 8;
        }
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        let at = u64::from(split) << self.held;
        let bit = self.value >= at;
        if bit {
            self.range -= split;
            self.value -= at;
        } else {
            self.range = split;
        }
        let shift = self.range.leading_zeros() - 24;
        self.range <<= shift;
        self.held -= shift as i32;
        self.shifts += shift as usize;
        bit
    }

    fn number(&mut self, bits: u32) -> u32 {
        (0..bits).fold(0, |number, _| number << 1 | u32::from(self.bit(128)))
    }

    /// Skips a number that may be missing: a bit says so.
    fn optional(&mut self, bits: u32) {
        if self.bit(128) {
            self.number(bits);
        }
    }

    /// Copies the bytes that were compared, and as many zeros as there are other bytes.
    fn copy(&self, out: &mut Vec<u8>) {
        let needed = (self.shifts + 8).div_ceil(8).min(self.data.len());
        out.extend(self.data.iter().take(needed));
        out.resize(out.len() + self.data.len() - needed, 0);
    }
}

/// What the header of a frame says (§9.2 to §9.11).
struct Header {
    partitions: usize,
    segments: Option<[u8; 3]>,
    skipped: Option<u8>,
    tokens: Tokens,
}

impl Header {
    fn read(bits: &mut Bits<'_>) -> Self {
        // The space and the range of colors.
        bits.number(2);
        let mut segments = None;
        if bits.bit(128) {
            let has_map = bits.bit(128);
            if bits.bit(128) {
                bits.bit(128);
                // A quantizer and a level of the filter for each segment, with their signs.
                (0..4).for_each(|_| bits.optional(8));
                (0..4).for_each(|_| bits.optional(7));
            }
            if has_map {
                segments = Some([(); 3].map(|()| if bits.bit(128) { bits.number(8) as u8 } else { 255 }));
            }
        }
        // The filter: its kind, level and sharpness.
        bits.number(1 + 6 + 3);
        // Its adjustments, with their signs.
        if bits.bit(128) && bits.bit(128) {
            (0..8).for_each(|_| bits.optional(7));
        }
        let partitions = 1 << bits.number(2);
        // The quantizers, with the signs of all but the first.
        bits.number(7);
        (0..5).for_each(|_| bits.optional(5));
        // Whether the probabilities are for later frames too.
        bits.bit(128);
        let mut tokens = TOKENS;
        let all = tokens.as_flattened_mut().as_flattened_mut().as_flattened_mut();
        for (token, update) in all
            .iter_mut()
            .zip(UPDATES.as_flattened().as_flattened().as_flattened())
        {
            if bits.bit(*update) {
                *token = bits.number(8) as u8;
            }
        }
        let skipped = bits.bit(128).then(|| bits.number(8) as u8);
        Self {
            partitions,
            segments,
            skipped,
            tokens,
        }
    }

    /// Reads how a macroblock is predicted (§11.2 to §11.4).
    fn unit(&self, bits: &mut Bits<'_>, above: &mut [u8; 4], left: &mut [u8; 4]) -> Unit {
        if let Some([first, second, third]) = self.segments {
            let is_upper = bits.bit(first);
            bits.bit(if is_upper { third } else { second });
        }
        let is_skipped = self.skipped.is_some_and(|probability| bits.bit(probability));
        let is_whole = bits.bit(145);
        if is_whole {
            let is_upper = bits.bit(156);
            let mode = match (is_upper, bits.bit(if is_upper { 128 } else { 163 })) {
                (false, false) => DC,
                (false, true) => VERTICAL,
                (true, false) => HORIZONTAL,
                (true, true) => TRUE_MOTION,
            };
            (*above, *left) = ([mode; 4], [mode; 4]);
        } else {
            for left in left.iter_mut() {
                for above in above.iter_mut() {
                    let probabilities = BLOCK_MODES
                        .get(usize::from(*above))
                        .and_then(|of_above| of_above.get(usize::from(*left)));
                    let mode = block_mode(bits, probabilities.unwrap_or(&[128; 9]));
                    (*above, *left) = (mode, mode);
                }
            }
        }
        // The mode of the colors.
        if bits.bit(142) && bits.bit(114) {
            bits.bit(183);
        }
        Unit { is_skipped, is_whole }
    }

    /// Reads the coefficients of a macroblock (§13).
    fn residue(&self, bits: &mut Bits<'_>, unit: Unit, above: &mut Coded, left: &mut Coded) {
        if unit.is_skipped {
            for coded in [above, left] {
                let dc = coded.dc && !unit.is_whole;
                *coded = Coded {
                    dc,
                    ..Coded::default()
                };
            }
            return;
        }
        let (kind, first) = if unit.is_whole {
            let coded = self.block(bits, LUMA_DC, 0, above.dc, left.dc);
            (above.dc, left.dc) = (coded, coded);
            (LUMA_WITHOUT_DC, 1)
        } else {
            (LUMA, 0)
        };
        for left in &mut left.luma {
            for above in &mut above.luma {
                let coded = self.block(bits, kind, first, *above, *left);
                (*above, *left) = (coded, coded);
            }
        }
        for (above, left) in above.chroma.iter_mut().zip(&mut left.chroma) {
            for left in left.iter_mut() {
                for above in above.iter_mut() {
                    let coded = self.block(bits, CHROMA, 0, *above, *left);
                    (*above, *left) = (coded, coded);
                }
            }
        }
    }

    /// Reads the coefficients of a block. Returns whether it has any.
    fn block(&self, bits: &mut Bits<'_>, kind: usize, first: usize, above: bool, left: bool) -> bool {
        let Some(of_kind) = self.tokens.get(kind) else {
            return false;
        };
        let probabilities = |place: usize, context: usize| {
            let band = BANDS.get(place).copied().unwrap_or_default();
            of_kind
                .get(usize::from(band))
                .and_then(|of_band| of_band.get(context))
                .copied()
                .unwrap_or([128; 11])
        };
        let mut place = first;
        let mut p = probabilities(place, usize::from(above) + usize::from(left));
        while place < 16 {
            let [end, mut zero, ..] = p;
            if !bits.bit(end) {
                return place > first;
            }
            while !bits.bit(zero) {
                place += 1;
                if place == 16 {
                    return true;
                }
                p = probabilities(place, 0);
                [_, zero, ..] = p;
            }
            let [_, _, one, rest @ ..] = p;
            let is_large = bits.bit(one);
            if is_large {
                large(bits, rest);
            }
            // The sign.
            bits.bit(128);
            place += 1;
            p = probabilities(place, 1 + usize::from(is_large));
        }
        true
    }
}

/// Reads the rest of a coefficient that is larger than 1.
fn large(bits: &mut Bits<'_>, [p3, p4, p5, p6, p7, p8, p9, p10]: [u8; 8]) {
    if !bits.bit(p3) {
        if bits.bit(p4) {
            bits.bit(p5);
        }
    } else if !bits.bit(p6) {
        if bits.bit(p7) {
            bits.bit(165);
            bits.bit(145);
        } else {
            bits.bit(159);
        }
    } else {
        let upper = bits.bit(p8);
        let lower = bits.bit(if upper { p10 } else { p9 });
        let extra = LARGE.get(2 * usize::from(upper) + usize::from(lower));
        for probability in extra.copied().unwrap_or_default() {
            bits.bit(*probability);
        }
    }
}

/// Reads the mode of a block (§11.2).
fn block_mode(bits: &mut Bits<'_>, [p0, p1, p2, p3, p4, p5, p6, p7, p8]: &[u8; 9]) -> u8 {
    const LEFT_DOWN: u8 = 4;
    const RIGHT_DOWN: u8 = 5;
    const VERTICAL_RIGHT: u8 = 6;
    const VERTICAL_LEFT: u8 = 7;
    const HORIZONTAL_DOWN: u8 = 8;
    const HORIZONTAL_UP: u8 = 9;
    let mut is = |probability: &u8| !bits.bit(*probability);
    if is(p0) {
        DC
    } else if is(p1) {
        TRUE_MOTION
    } else if is(p2) {
        VERTICAL
    } else if is(p3) {
        if is(p4) {
            HORIZONTAL
        } else if is(p5) {
            RIGHT_DOWN
        } else {
            VERTICAL_RIGHT
        }
    } else if is(p6) {
        LEFT_DOWN
    } else if is(p7) {
        VERTICAL_LEFT
    } else if is(p8) {
        HORIZONTAL_DOWN
    } else {
        HORIZONTAL_UP
    }
}

/// How a macroblock is predicted.
#[derive(Clone, Copy)]
struct Unit {
    is_skipped: bool,
    /// Whether all of its blocks have the same mode. Their first coefficients are then in a block of their own.
    is_whole: bool,
}

/// Which blocks at the edge of a macroblock have coefficients.
#[derive(Clone, Copy, Default)]
struct Coded {
    dc: bool,
    luma: [bool; 4],
    chroma: [[bool; 2]; 2],
}
