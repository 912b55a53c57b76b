//! The tables that a scan is decoded with, as the file has defined them last.

use super::{
    super::{BROKEN, Refused, reader::Reader},
    HUFFMAN, QUANTIZATION, RESTART_INTERVAL,
    bits::Bits,
    segment,
};

/// A table of Huffman codes: how many have each length, and their symbols (T.81 §B.2.4.2).
#[derive(Clone)]
struct Codes {
    counts: [u8; 16],
    symbols: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Tables {
    quantization: [Option<Vec<u8>>; 4],
    /// Those that the copy has.
    written: [Option<Vec<u8>>; 4],
    huffman: [[Option<Codes>; 4]; 2],
    pub(super) interval: u16,
    written_interval: u16,
}

/// The two kinds of Huffman codes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Dc = 0,
    Ac = 1,
}

impl Tables {
    pub(super) fn read_quantization(&mut self, data: &[u8]) -> Result<(), Refused> {
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            let head = reader.u8()?;
            let length = match head >> 4 {
                0 => 64,
                1 => 128,
                _ => return Err(BROKEN),
            };
            let table = [&[head], reader.take(length)?].concat();
            *self
                .quantization
                .get_mut(usize::from(head & 0x0f))
                .ok_or(BROKEN)? = Some(table);
        }
        Ok(())
    }

    pub(super) fn read_huffman(&mut self, data: &[u8]) -> Result<(), Refused> {
        let mut reader = Reader::new(data);
        while !reader.is_empty() {
            let head = reader.u8()?;
            let counts = reader.array::<16>()?;
            let all: usize = counts.iter().copied().map(usize::from).sum();
            if all > 256 {
                return Err(BROKEN);
            }
            let symbols = reader.take(all)?.to_vec();
            let of_kind = self.huffman.get_mut(usize::from(head >> 4)).ok_or(BROKEN)?;
            *of_kind.get_mut(usize::from(head & 0x0f)).ok_or(BROKEN)? = Some(Codes { counts, symbols });
        }
        Ok(())
    }

    pub(super) fn read_restart_interval(&mut self, data: &[u8]) -> Result<(), Refused> {
        self.interval = Reader::new(data).u16()?;
        Ok(())
    }

    /// Writes these quantization tables, unless the copy has them already.
    pub(super) fn write_quantization(&mut self, out: &mut Vec<u8>, number: u8) -> Result<(), Refused> {
        let number = usize::from(number);
        let table = self.quantization.get(number).ok_or(BROKEN)?;
        let written = self.written.get_mut(number).ok_or(BROKEN)?;
        if let (Some(table), true) = (table, table != written) {
            segment(out, QUANTIZATION, table)?;
            written.clone_from(&Some(table.clone()));
        }
        Ok(())
    }

    pub(super) fn has_quantization(&self, number: u8) -> bool {
        self.quantization
            .get(usize::from(number))
            .is_some_and(Option::is_some)
    }

    pub(super) fn write_restart_interval(&mut self, out: &mut Vec<u8>) -> Result<(), Refused> {
        if self.interval != self.written_interval {
            segment(out, RESTART_INTERVAL, &self.interval.to_be_bytes())?;
            self.written_interval = self.interval;
        }
        Ok(())
    }

    /// Returns a table of Huffman codes to decode with.
    pub(super) fn huffman(&self, kind: Kind, number: u8) -> Result<Huffman, Refused> {
        let codes = self
            .huffman
            .get(kind as usize)
            .and_then(|of_kind| of_kind.get(usize::from(number)));
        let codes = codes.and_then(Option::as_ref).ok_or(BROKEN)?;
        Huffman::new(codes.clone(), (kind as u8) << 4 | number)
    }
}

/// A table of Huffman codes by the next 16 bits.
pub(super) struct Huffman {
    codes: Codes,
    head: u8,
    /// The length of a code in the upper byte, and the index of its symbol in the lower one. 0 if no code begins with these bits.
    by_bits: Vec<u16>,
    used: [bool; 256],
}

impl Huffman {
    fn new(codes: Codes, head: u8) -> Result<Self, Refused> {
        let mut by_bits = Vec::with_capacity(1 << 16);
        let mut index = 0_u16;
        for (length, count) in (1_u16..).zip(codes.counts) {
            for _ in 0..count {
                by_bits.resize(by_bits.len() + (1 << (16 - length)), length << 8 | index);
                index += 1;
                if by_bits.len() > 1 << 16 {
                    return Err(BROKEN);
                }
            }
        }
        by_bits.resize(1 << 16, 0);
        Ok(Self {
            codes,
            head,
            by_bits,
            used: [false; 256],
        })
    }

    /// Reads a code, and returns its symbol.
    pub(super) fn symbol(&mut self, bits: &mut Bits<'_>) -> Result<u8, Refused> {
        let [length, index] = self.by_bits.get(bits.peek()).ok_or(BROKEN)?.to_be_bytes();
        if length == 0 {
            return Err(BROKEN);
        }
        bits.skip(length.into())?;
        if let Some(used) = self.used.get_mut(usize::from(index)) {
            *used = true;
        }
        self.codes.symbols.get(usize::from(index)).copied().ok_or(BROKEN)
    }

    /// Writes the table. The symbols of codes that weren't read are zeros: they may be anything.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), Refused> {
        let symbols = self.codes.symbols.iter().zip(self.used);
        let symbols: Vec<u8> = symbols
            .map(|(symbol, used)| if used { *symbol } else { 0 })
            .collect();
        segment(
            out,
            HUFFMAN,
            &[&[self.head][..], &self.codes.counts, &symbols].concat(),
        )
    }
}
