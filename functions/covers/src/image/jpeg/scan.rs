//! Follows the codes of a scan, without decoding what they mean, to find where they end (T.81 annexes F and G).

use super::{
    super::{BROKEN, INCOMPLETE, Refused, reader::Reader},
    PROGRESSIVE, RESTARTS, SCAN,
    bits::Bits,
    segment,
    tables::{Huffman, Kind, Tables},
};

const BLOCK: u32 = 8;

/// The longest number of a coefficient with 8 bits for each sample, in bits (T.81 tables F.1 and F.2).
const MAX_DC_BITS: u8 = 11;
const MAX_AC_BITS: u8 = 10;

pub(super) struct Frame {
    marker: u8,
    data: Vec<u8>,
    pub(super) width: u16,
    pub(super) height: u16,
    components: Vec<Component>,
    most: (u32, u32),
    is_written: bool,
}

struct Component {
    id: u8,
    quantization: u8,
    /// How many blocks a unit of all components has of this one.
    sampling: (u32, u32),
    /// How many blocks it has alone, and in whole units.
    blocks: (u32, u32),
    stride: u32,
    /// Which coefficients of each block aren't zero, of a progressive image: the length of later codes depends on that.
    nonzero: Vec<u64>,
}

impl Frame {
    /// Reads the header of a frame.
    pub(super) fn read(marker: u8, data: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new(data);
        // The bits of a sample.
        if reader.u8()? != 8 {
            return Err(BROKEN);
        }
        let (height, width) = (reader.u16()?, reader.u16()?);
        let count = reader.u8()?;
        if !matches!(count, 1..=4) {
            return Err(BROKEN);
        }
        let mut components: Vec<Component> = Vec::new();
        for _ in 0..count {
            let [id, sampling, quantization] = reader.array()?;
            let sampling = (u32::from(sampling >> 4), u32::from(sampling & 0x0f));
            let is_known = components.iter().any(|component| component.id == id);
            if is_known || !matches!(sampling, (1..=4, 1..=4)) || quantization > 3 {
                return Err(BROKEN);
            }
            components.push(Component {
                id,
                quantization,
                sampling,
                blocks: (0, 0),
                stride: 0,
                nonzero: Vec::new(),
            });
        }
        let most = |of: fn(&Component) -> u32| components.iter().map(of).max().unwrap_or(1);
        let most = (
            most(|component| component.sampling.0),
            most(|component| component.sampling.1),
        );
        Ok(Self {
            marker,
            data: data.get(..6 + 3 * usize::from(count)).ok_or(BROKEN)?.to_vec(),
            width,
            height,
            components,
            most,
            is_written: false,
        })
    }

    /// Counts the blocks. The size must have been checked.
    pub(super) fn with_blocks(mut self) -> Self {
        let (across, down) = self.units();
        let is_progressive = self.is_progressive();
        for component in &mut self.components {
            let blocks = |length: u16, sampling: u32, most: u32| {
                (u32::from(length) * sampling).div_ceil(most).div_ceil(BLOCK)
            };
            component.blocks = (
                blocks(self.width, component.sampling.0, self.most.0),
                blocks(self.height, component.sampling.1, self.most.1),
            );
            component.stride = across * component.sampling.0;
            let all = component.stride as usize * (down * component.sampling.1) as usize;
            component.nonzero = vec![0; if is_progressive { all } else { 0 }];
        }
        self
    }

    /// Returns how many units of all components there are across and down.
    fn units(&self) -> (u32, u32) {
        (
            u32::from(self.width).div_ceil(BLOCK * self.most.0),
            u32::from(self.height).div_ceil(BLOCK * self.most.1),
        )
    }

    fn is_progressive(&self) -> bool {
        self.marker == PROGRESSIVE
    }
}

/// A component of a scan, by its place in the frame, and the codes for it.
struct Part {
    component: usize,
    dc: Option<usize>,
    ac: Option<usize>,
}

/// What a scan has of each block (T.81 §G.1.2): these coefficients, from a bit on that is their first or a later one.
#[derive(Clone, Copy)]
struct Coefficients {
    is_progressive: bool,
    first: u8,
    last: u8,
    is_refinement: bool,
}

/// Copies a scan with the tables that it uses. Returns how long its codes are.
pub(super) fn copy(
    frame: &mut Frame,
    tables: &mut Tables,
    header: &[u8],
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<usize, Refused> {
    let mut reader = Reader::new(header);
    let count = reader.u8()?;
    if !(1..=4).contains(&count) {
        return Err(BROKEN);
    }
    let selectors = reader.take(2 * usize::from(count))?.as_chunks::<2>().0;
    let [first, last, bits] = reader.array()?;
    let is_progressive = frame.is_progressive();
    let coefficients = Coefficients {
        is_progressive,
        first: if is_progressive { first } else { 0 },
        last: if is_progressive { last } else { 63 },
        is_refinement: is_progressive && bits >> 4 != 0,
    };
    let has_dc = coefficients.first == 0;
    let is_valid = match (is_progressive, has_dc) {
        (false, _) => (first, last, bits) == (0, 63, 0),
        (true, true) => last == 0,
        (true, false) => first <= last && last < 64 && count == 1,
    };
    if !is_valid {
        return Err(BROKEN);
    }
    let mut codes: Vec<((u8, u8), Huffman)> = Vec::new();
    let mut codes_of = |kind: Kind, number: u8, is_needed: bool| -> Result<Option<usize>, Refused> {
        let key = (kind as u8, number);
        if !is_needed {
            return Ok(None);
        }
        if let Some(place) = codes.iter().position(|(known, _)| *known == key) {
            return Ok(Some(place));
        }
        codes.push((key, tables.huffman(kind, number)?));
        Ok(Some(codes.len() - 1))
    };
    let mut parts: Vec<Part> = Vec::new();
    for [id, numbers] in selectors {
        let component = frame
            .components
            .iter()
            .position(|component| component.id == *id)
            .ok_or(BROKEN)?;
        if parts.iter().any(|part| part.component == component) {
            return Err(BROKEN);
        }
        let needs_dc = has_dc && !coefficients.is_refinement;
        parts.push(Part {
            component,
            dc: codes_of(Kind::Dc, numbers >> 4, needs_dc)?,
            ac: codes_of(Kind::Ac, numbers & 0x0f, coefficients.last > 0)?,
        });
    }
    let mut copied = Vec::new();
    let read = intervals(
        frame,
        &mut codes,
        &parts,
        coefficients,
        tables.interval,
        data,
        &mut copied,
    )?;

    for (number, component) in frame.components.iter().enumerate() {
        let is_of_scan = parts.iter().any(|part| part.component == number);
        if is_of_scan && !tables.has_quantization(component.quantization) {
            return Err(BROKEN);
        }
        if is_of_scan || !frame.is_written {
            tables.write_quantization(out, component.quantization)?;
        }
    }
    if !frame.is_written {
        segment(out, frame.marker, &frame.data)?;
        frame.is_written = true;
    }
    tables.write_restart_interval(out)?;
    for (_, codes) in &codes {
        codes.write(out)?;
    }
    // Numbers of tables that the scan doesn't use, and what is behind the header, may be anything.
    let mut written = vec![count];
    for ([id, numbers], part) in selectors.iter().zip(&parts) {
        let dc = if part.dc.is_some() { numbers & 0xf0 } else { 0 };
        let ac = if part.ac.is_some() { numbers & 0x0f } else { 0 };
        written.extend([*id, dc | ac]);
    }
    written.extend([first, last, bits]);
    segment(out, SCAN, &written)?;
    out.extend(copied);
    Ok(read)
}

/// Copies the codes of a scan, interval by interval. Returns how long they are.
fn intervals(
    frame: &mut Frame,
    codes: &mut [((u8, u8), Huffman)],
    parts: &[Part],
    coefficients: Coefficients,
    interval: u16,
    data: &[u8],
    out: &mut Vec<u8>,
) -> Result<usize, Refused> {
    let (across, down) = match parts {
        // A component alone has no units.
        [part] => frame.components.get(part.component).ok_or(BROKEN)?.blocks,
        _ => frame.units(),
    };
    let is_alone = parts.len() == 1;
    let all = across * down;
    let of_interval = if interval == 0 { all } else { interval.into() };
    let (mut unit, mut read, mut restarts) = (0, 0, RESTARTS.cycle());
    loop {
        let mut bits = Bits::new(data.get(read..).ok_or(INCOMPLETE)?);
        // How many blocks follow that have no more coefficients.
        let mut ended = 0_u32;
        for unit in unit..all.min(unit + of_interval) {
            let (x, y) = (unit % across, unit / across);
            for part in parts {
                let component = frame.components.get_mut(part.component).ok_or(BROKEN)?;
                let (wide, high) = if is_alone { (1, 1) } else { component.sampling };
                for block in 0..wide * high {
                    let (x, y) = (x * wide + block % wide, y * high + block / wide);
                    let mut unused = 0;
                    let place = (y * component.stride + x) as usize;
                    let nonzero = component.nonzero.get_mut(place).unwrap_or(&mut unused);
                    self::block(&mut bits, codes, part, coefficients, nonzero, &mut ended)?;
                }
            }
        }
        unit = all.min(unit + of_interval);
        read += bits.copy(out)?;
        if unit == all {
            break;
        }
        let marker = restarts.next().ok_or(BROKEN)?;
        let mut reader = Reader::new(data.get(read..).ok_or(INCOMPLETE)?);
        if reader.array()? != [0xff, marker] {
            return Err(BROKEN);
        }
        out.extend([0xff, marker]);
        read += 2;
    }
    // More restarts are of no block.
    while let Some([0xff, marker, rest @ ..]) = data.get(read..) {
        if !RESTARTS.contains(marker) {
            break;
        }
        read += 2 + Bits::new(rest).copy(out)?;
    }
    Ok(read)
}

fn codes_at(codes: &mut [((u8, u8), Huffman)], place: Option<usize>) -> Result<&mut Huffman, Refused> {
    let codes = place.and_then(|place| codes.get_mut(place));
    codes.map(|(_, codes)| codes).ok_or(BROKEN)
}

/// Follows the codes of a block.
fn block(
    bits: &mut Bits<'_>,
    codes: &mut [((u8, u8), Huffman)],
    part: &Part,
    coefficients: Coefficients,
    nonzero: &mut u64,
    ended: &mut u32,
) -> Result<(), Refused> {
    let Coefficients {
        is_progressive,
        first,
        last,
        is_refinement,
    } = coefficients;
    if first == 0 {
        if is_refinement {
            bits.skip(1)?;
        } else {
            let length = codes_at(codes, part.dc)?.symbol(bits)?;
            if length > MAX_DC_BITS {
                return Err(BROKEN);
            }
            bits.skip(length.into())?;
        }
    }
    if last == 0 {
        return Ok(());
    }
    let codes = codes_at(codes, part.ac)?;
    let mut next = first.max(1);
    if is_refinement {
        return refine(bits, codes, (next, last), nonzero, ended);
    }
    if *ended > 0 {
        *ended -= 1;
        return Ok(());
    }
    while next <= last {
        let symbol = codes.symbol(bits)?;
        let (zeros, length) = (symbol >> 4, symbol & 0x0f);
        match (zeros, length) {
            (15, 0) => next += 16,
            (_, 0) if is_progressive => {
                *ended = (1 << zeros) + bits.take(zeros.into())? - 1;
                return Ok(());
            }
            (_, 0) => return Ok(()),
            (_, 1..=MAX_AC_BITS) => {
                next += zeros;
                if next > last {
                    return Err(BROKEN);
                }
                *nonzero |= 1 << next;
                next += 1;
                bits.skip(length.into())?;
            }
            _ => return Err(BROKEN),
        }
    }
    Ok(())
}

/// Follows the codes of a block whose coefficients get one bit more (T.81 §G.1.2.3): each that isn't zero has a bit for itself.
fn refine(
    bits: &mut Bits<'_>,
    codes: &mut Huffman,
    (mut next, last): (u8, u8),
    nonzero: &mut u64,
    ended: &mut u32,
) -> Result<(), Refused> {
    if *ended == 0 {
        while next <= last {
            let symbol = codes.symbol(bits)?;
            let (mut zeros, length) = (symbol >> 4, symbol & 0x0f);
            match (zeros, length) {
                (15, 0) => {}
                (_, 0) => {
                    *ended = (1 << zeros) + bits.take(zeros.into())?;
                    break;
                }
                // The sign of a coefficient that was zero.
                (_, 1) => bits.skip(1)?,
                _ => return Err(BROKEN),
            }
            while next <= last {
                if *nonzero >> next & 1 == 1 {
                    bits.skip(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                next += 1;
            }
            if length == 1 {
                if next > last {
                    return Err(BROKEN);
                }
                *nonzero |= 1 << next;
            }
            next += 1;
        }
    }
    if *ended > 0 {
        let left = if next > last {
            0
        } else {
            *nonzero >> next << next & u64::MAX >> (63 - last)
        };
        // A block has 64 at most.
        let count = left.count_ones();
        bits.skip(count.min(32))?;
        bits.skip(count.saturating_sub(32))?;
        *ended -= 1;
    }
    Ok(())
}
