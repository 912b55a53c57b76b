//! Reads the bits of a scan.

use super::super::{INCOMPLETE, Refused};

/// The bits up to the next marker. A byte of ones is followed by a byte of zeros, which isn't part of them (T.81 §B.1.1.5).
pub(super) struct Bits<'a> {
    data: &'a [u8],
    next: usize,
    buffer: u64,
    held: u32,
    consumed: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self {
            data,
            next: 0,
            buffer: 0,
            held: 0,
            consumed: 0,
        }
    }

    fn fill(&mut self) {
        while self.held <= 56 {
            let byte = match (self.data.get(self.next), self.data.get(self.next + 1)) {
                (Some(0xff), Some(0)) => {
                    self.next += 2;
                    0xff
                }
                (Some(byte), _) if *byte != 0xff => {
                    self.next += 1;
                    *byte
                }
                _ => return,
            };
            self.buffer |= u64::from(byte) << (56 - self.held);
            self.held += 8;
        }
    }

    /// Returns the next 16 bits. Behind the end are zeros.
    pub(super) fn peek(&mut self) -> usize {
        if self.held < 16 {
            self.fill();
        }
        (self.buffer >> 48) as usize
    }

    /// Skips up to 32 bits.
    pub(super) fn skip(&mut self, count: u32) -> Result<(), Refused> {
        if self.held < count {
            self.fill();
        }
        self.held = self.held.checked_sub(count).ok_or(INCOMPLETE)?;
        self.buffer <<= count;
        self.consumed += count as usize;
        Ok(())
    }

    /// Returns up to 16 bits as a number.
    pub(super) fn take(&mut self, count: u32) -> Result<u32, Refused> {
        let bits = (self.peek() as u32) >> (16 - count);
        self.skip(count)?;
        Ok(bits)
    }

    /// Copies the bytes of the bits that were read. What is left of the last byte is ones. Returns how many bytes there are up to
    /// the next marker.
    pub(super) fn copy(&self, out: &mut Vec<u8>) -> Result<usize, Refused> {
        let bytes = self.consumed.div_ceil(8);
        let mut data = self.data.iter();
        for number in 1..=bytes {
            let mut byte = *data.next().ok_or(INCOMPLETE)?;
            if byte == 0xff {
                data.next();
            }
            if number == bytes {
                byte |= (0xff_u16 >> ((self.consumed + 7) % 8 + 1)) as u8;
            }
            out.push(byte);
            if byte == 0xff {
                out.push(0);
            }
        }
        let from = self.data.len() - data.len();
        let rest = self.data.get(from..).unwrap_or_default();
        let is_marker = |pair: &[u8]| matches!(pair, [0xff, next] if *next != 0 && *next != 0xff);
        let end = rest.windows(2).position(is_marker).unwrap_or(rest.len());
        Ok(from + end)
    }
}
