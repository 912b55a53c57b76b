//! The structure of an AV1 image: its open bitstream units (OBU), and the size that they announce. Sections are those of the AV1
//! Bitstream & Decoding Process Specification.

use super::{BROKEN, INCOMPLETE, Refused, check_pixels, reader::Reader};

/// The types of OBU that are looked at (6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// Checks that the data of an image consists of whole OBUs, among them a sequence header and a frame, and that the frame isn't
/// larger than a cover may be. A decoder makes room for the size in the sequence header, whatever the file around it says.
pub(super) fn check(data: &[u8]) -> Result<(), Refused> {
    let mut reader = Reader::new(data);
    let (mut has_sequence, mut has_frame) = (false, false);
    while !reader.is_empty() {
        // 5.3.2: a forbidden bit, the type, whether there is an extension and whether there is a size, a reserved bit.
        let header = reader.u8()?;
        if header & 0b1000_0001 != 0 {
            return Err(BROKEN);
        }
        if header & 0b100 != 0 {
            reader.u8()?;
        }
        let size = match header & 0b10 {
            0 => reader.rest().len(),
            _ => leb128(&mut reader)?,
        };
        let content = reader.take(size)?;
        match header >> 3 & 0b1111 {
            SEQUENCE_HEADER => {
                check_size(content)?;
                has_sequence = true;
            }
            // A frame follows the header that says how it is decoded.
            FRAME | FRAME_HEADER if !has_sequence || content.is_empty() => return Err(BROKEN),
            FRAME | FRAME_HEADER => has_frame = true,
            0 | 9..=14 => return Err(BROKEN),
            _ => {}
        }
    }
    if has_frame { Ok(()) } else { Err(BROKEN) }
}

/// Checks the size in a sequence header (5.5.1).
fn check_size(header: &[u8]) -> Result<(), Refused> {
    let mut bits = Bits { bytes: header, at: 0 };
    // The profile, and whether there is one picture only.
    bits.skip(4)?;
    if bits.is_set()? {
        // The reduced header of a still picture: its level.
        bits.skip(5)?;
    } else {
        let mut delay_bits = None;
        // Timing.
        if bits.is_set()? {
            bits.skip(64)?;
            if bits.is_set()? {
                bits.skip_unsigned()?;
            }
            // The model of the decoder.
            if bits.is_set()? {
                delay_bits = Some(bits.number(5)? + 1);
                bits.skip(42)?;
            }
        }
        let has_display_delay = bits.is_set()?;
        for _ in 0..=bits.number(5)? {
            bits.skip(12)?;
            // The tier is there from level 4 on.
            if bits.number(5)? > 7 {
                bits.skip(1)?;
            }
            if let Some(delay_bits) = delay_bits
                && bits.is_set()?
            {
                bits.skip(2 * delay_bits + 1)?;
            }
            if has_display_delay && bits.is_set()? {
                bits.skip(4)?;
            }
        }
    }
    let (width_bits, height_bits) = (bits.number(4)? + 1, bits.number(4)? + 1);
    check_pixels(bits.number(width_bits)? + 1, bits.number(height_bits)? + 1)
}

/// Reads a number of up to eight bytes, of which each has seven bits (4.10.5).
fn leb128(reader: &mut Reader<'_>) -> Result<usize, Refused> {
    let mut number: u64 = 0;
    for place in 0..8 {
        let byte = reader.u8()?;
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return super::reader::length(number);
        }
    }
    Err(BROKEN)
}

/// Reads bits, the most significant of a byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// Returns the next `count` bits as a number, at most 32.
    fn number(&mut self, count: u32) -> Result<u32, Refused> {
        let mut number = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(INCOMPLETE)?;
            number = number << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(number)
    }

    fn is_set(&mut self) -> Result<bool, Refused> {
        Ok(self.number(1)? == 1)
    }

    fn skip(&mut self, count: u32) -> Result<(), Refused> {
        (0..count).try_for_each(|_| self.number(1).map(drop))
    }

    /// Skips an unsigned number of variable length (4.10.3).
    fn skip_unsigned(&mut self) -> Result<(), Refused> {
        let mut zeros = 0;
        while !self.is_set()? {
            zeros += 1;
            if zeros == 32 {
                return Ok(());
            }
        }
        self.skip(zeros)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::TOO_MANY_PIXELS, *};

    /// A sequence header of a still picture with this size, reduced.
    fn reduced(width: u32, height: u32) -> Vec<u8> {
        let text = format!(
            "00011{:05b}{:04b}{:04b}{:016b}{:016b}",
            0,
            15,
            15,
            width - 1,
            height - 1
        );
        packed(&text)
    }

    fn packed(bits: &str) -> Vec<u8> {
        let padded = format!("{bits}{}", "0".repeat((8 - bits.len() % 8) % 8));
        let bytes = padded.as_bytes().chunks(8);
        bytes
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
            .collect()
    }

    fn unit(kind: u8, content: &[u8]) -> Vec<u8> {
        let size = u8::try_from(content.len()).unwrap();
        [&[kind << 3 | 0b10, size], content].concat()
    }

    #[test]
    fn an_image_has_a_sequence_header_and_then_a_frame_in_whole_units() {
        let (header, frame) = (unit(1, &reduced(200, 300)), unit(6, b"frame"));
        let whole = [unit(2, b""), header.clone(), frame.clone()].concat();
        assert_eq!(check(&whole), Ok(()));
        for length in 0..whole.len() {
            assert!(check(&whole[..length]).is_err(), "{length}");
        }
        for wrong in [
            [frame.clone(), header.clone()].concat(),
            [header.clone(), vec![0; 8]].concat(),
            [header.clone(), frame.clone(), b"PK\x03\x04".to_vec()].concat(),
            vec![0; 40],
        ] {
            assert!(check(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_size_of_the_sequence_header_is_checked_whatever_is_before_it() {
        let image = |header: &[u8]| check(&[unit(1, header), unit(6, b"frame")].concat());
        assert_eq!(image(&reduced(7_000, 7_000)), Ok(()));
        assert_eq!(image(&reduced(8_000, 8_000)), Err(TOO_MANY_PIXELS));
        // Timing with a model of the decoder, a display delay, and two operating points, of which one has a tier.
        let size = |width: u32| format!("{:04b}{:04b}{:016b}{:016b}", 15, 15, width - 1, 9_999);
        let full = |width: u32| {
            let timing = format!("1{:064b}1{}1{:05b}{:042b}", 7, "00101", 9, 3);
            let points = format!(
                "1{:05b}{:012b}{:05b}11{:021b}1{:04b}{:012b}{:05b}00",
                1, 5, 9, 3, 6, 5, 4
            );
            packed(&format!("00000{timing}{points}{}", size(width)))
        };
        assert_eq!(image(&full(4_000)), Ok(()));
        assert_eq!(image(&full(6_000)), Err(TOO_MANY_PIXELS));
    }
}
