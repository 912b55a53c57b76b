//! The header of a PNG, and the compressed stream of its pixels.

use flate2::{Decompress, FlushDecompress, Status};

use super::super::{BROKEN, INCOMPLETE, Refused};

/// The kinds of pixels.
const GRAY: u8 = 0;
const RGB: u8 = 2;
const INDEXED: u8 = 3;
const GRAY_ALPHA: u8 = 4;
const RGBA: u8 = 6;

/// The passes of an interlaced image: the first column and row, and the steps to the next ones.
const PASSES: [(u32, u32, u32, u32); 7] = [
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
];

pub(super) struct Header {
    pub(super) width: u32,
    pub(super) height: u32,
    depth: u8,
    color: u8,
    is_interlaced: bool,
}

impl Header {
    pub(super) fn read(content: &[u8]) -> Result<Self, Refused> {
        let [
            w1,
            w2,
            w3,
            w4,
            h1,
            h2,
            h3,
            h4,
            depth,
            color,
            0,
            0,
            interlace @ (0 | 1),
        ] = *content
        else {
            return Err(BROKEN);
        };
        let depths: &[u8] = match color {
            GRAY => &[1, 2, 4, 8, 16],
            INDEXED => &[1, 2, 4, 8],
            RGB | GRAY_ALPHA | RGBA => &[8, 16],
            _ => return Err(BROKEN),
        };
        if !depths.contains(&depth) {
            return Err(BROKEN);
        }
        Ok(Self {
            width: u32::from_be_bytes([w1, w2, w3, w4]),
            height: u32::from_be_bytes([h1, h2, h3, h4]),
            depth,
            color,
            is_interlaced: interlace == 1,
        })
    }

    pub(super) fn written(&self) -> Vec<u8> {
        let rest = [self.depth, self.color, 0, 0, u8::from(self.is_interlaced)];
        [&self.width.to_be_bytes()[..], &self.height.to_be_bytes(), &rest].concat()
    }

    pub(super) fn is_indexed(&self) -> bool {
        self.color == INDEXED
    }

    pub(super) fn is_gray(&self) -> bool {
        matches!(self.color, GRAY | GRAY_ALPHA)
    }

    pub(super) fn has_alpha(&self) -> bool {
        matches!(self.color, GRAY_ALPHA | RGBA)
    }

    /// Returns how many bytes all rows have, each with the byte of its filter.
    pub(super) fn data_length(&self) -> Result<u64, Refused> {
        let channels = match self.color {
            GRAY | INDEXED => 1,
            GRAY_ALPHA => 2,
            RGB => 3,
            _ => 4,
        };
        let of_rows = |width: u32, height: u32| -> Option<u64> {
            let bits = u64::from(width).checked_mul(channels * u64::from(self.depth))?;
            let row = if width == 0 { 0 } else { bits.div_ceil(8) + 1 };
            row.checked_mul(height.into())
        };
        let all = if self.is_interlaced {
            let pass = |(x, y, dx, dy): (u32, u32, u32, u32)| {
                let steps = |length: u32, first: u32, step: u32| length.saturating_sub(first).div_ceil(step);
                of_rows(steps(self.width, x, dx), steps(self.height, y, dy))
            };
            PASSES.into_iter().map(pass).sum()
        } else {
            of_rows(self.width, self.height)
        };
        all.ok_or(BROKEN)
    }
}

/// Returns where a compressed stream ends, which must have this many bytes when it is decompressed. More of them would be data that
/// no decoder shows.
pub(super) fn end(data: &[u8], decompressed: u64) -> Result<usize, Refused> {
    let mut decoder = Decompress::new(true);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = usize::try_from(decoder.total_in()).map_err(|_| BROKEN)?;
        let (before, rest) = (decoder.total_out(), data.get(read..).ok_or(INCOMPLETE)?);
        let status = decoder
            .decompress(rest, &mut buffer, FlushDecompress::None)
            .map_err(|_| BROKEN)?;
        if decoder.total_out() > decompressed {
            return Err(BROKEN);
        }
        match status {
            Status::StreamEnd if decoder.total_out() == decompressed => {
                return usize::try_from(decoder.total_in()).map_err(|_| BROKEN);
            }
            Status::StreamEnd => return Err(INCOMPLETE),
            _ if decoder.total_out() == before && decoder.total_in() == read as u64 => {
                return Err(INCOMPLETE);
            }
            _ => {}
        }
    }
}
