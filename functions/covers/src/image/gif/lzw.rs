//! LZW as GIF has it (GIF89a, appendix F).

use super::super::{BROKEN, INCOMPLETE, Refused};

/// The longest code, in bits.
const MAX_BITS: u32 = 12;
const MAX_CODES: usize = 1 << MAX_BITS;

/// Follows the codes of a frame up to its last pixel, and marks the colors that they use. Returns these codes and the one that
/// ends them: what is behind them isn't returned.
pub(super) fn image(
    data: &[u8],
    code_size: u8,
    pixels: u64,
    used: &mut [bool; 256],
) -> Result<Vec<u8>, Refused> {
    if !(1..=8).contains(&code_size) {
        return Err(BROKEN);
    }
    let (clear, end) = (1_usize << code_size, (1_usize << code_size) + 1);
    // The pixels of each code.
    let mut lengths = [0_u32; MAX_CODES];
    lengths.iter_mut().take(clear).for_each(|length| *length = 1);
    let (mut next, mut bits) = (end + 1, u32::from(code_size) + 1);
    let mut previous: Option<u32> = None;
    let (mut buffer, mut held, mut read) = (0_u32, 0_u32, 0_usize);
    let (mut shown, mut position) = (0_u64, 0_usize);
    while shown < pixels {
        while held < bits {
            let byte = data.get(read).ok_or(INCOMPLETE)?;
            buffer |= u32::from(*byte) << held;
            held += 8;
            read += 1;
        }
        let code = (buffer & ((1 << bits) - 1)) as usize;
        buffer >>= bits;
        held -= bits;
        position += bits as usize;
        if code == clear {
            (next, bits, previous) = (end + 1, u32::from(code_size) + 1, None);
            continue;
        }
        if code == end {
            return Err(INCOMPLETE);
        }
        let length = match previous {
            None if code < clear => 1,
            // The code that is being made: the one before, and its first pixel again.
            Some(previous) if code == next && next < MAX_CODES => previous + 1,
            Some(_) if code < next => *lengths.get(code).ok_or(BROKEN)?,
            _ => return Err(BROKEN),
        };
        if let (true, Some(color)) = (code < clear, used.get_mut(code)) {
            *color = true;
        }
        if let (Some(previous), Some(made)) = (previous, lengths.get_mut(next)) {
            *made = previous + 1;
            next += 1;
            if next == 1 << bits && bits < MAX_BITS {
                bits += 1;
            }
        }
        previous = Some(length);
        shown += u64::from(length);
    }
    let mut out = data.get(..position.div_ceil(8)).ok_or(INCOMPLETE)?.to_vec();
    put(&mut out, position, end as u32, bits);
    Ok(out)
}

/// Writes a code behind the first `position` bits.
fn put(out: &mut Vec<u8>, position: usize, code: u32, bits: u32) {
    let kept = position % 8;
    let partial = if kept == 0 {
        0
    } else {
        out.pop().unwrap_or_default() & ((1 << kept) - 1)
    };
    let value = u32::from(partial) | code << kept;
    let bytes = (kept + bits as usize).div_ceil(8);
    out.extend(value.to_le_bytes().iter().take(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the format's definition: ten by ten pixels of three colors.
    const SAMPLE: [u8; 22] = [
        0x8c, 0x2d, 0x99, 0x87, 0x2a, 0x1c, 0xdc, 0x33, 0xa0, 0x02, 0x75, 0xec, 0x95, 0xfa, 0xa8, 0xde, 0x60,
        0x8c, 0x04, 0x91, 0x4c, 0x01,
    ];

    #[test]
    fn codes_end_with_the_last_pixel() {
        let mut used = [false; 256];
        assert_eq!(image(&SAMPLE, 2, 100, &mut used).unwrap(), SAMPLE);
        assert_eq!(used.iter().filter(|used| **used).count(), 3);
        let more = [&SAMPLE[..], b"more"].concat();
        assert_eq!(image(&more, 2, 100, &mut used).unwrap(), SAMPLE);
        assert!(image(&SAMPLE, 2, 101, &mut used).is_err());
        assert!(image(&SAMPLE[..20], 2, 100, &mut used).is_err());
    }
}
