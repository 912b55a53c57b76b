//! Bytes of a file become UTF-8.
//!
//! UTF-8 and UTF-16 are read, the latter if a byte order mark says so. What is neither is not converted: a wrong guess
//! would store wrong letters. Bytes that aren't UTF-8 are passed on, and whoever splits the text into rows reports them
//! with their line.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

/// How many bytes are read from the file at a time.
const BLOCK: usize = 64 * 1024;

/// A byte that is nowhere in UTF-8. It replaces what isn't UTF-16.
const NOT_UTF8: u8 = 0xff;

/// What is wrong with a file that is no text.
pub(super) const NO_TEXT: &str = "the file is no text. Name a file in CSV or JSON Lines";

/// What is wrong with a file whose beginning shows that it is no text, and what to do about it.
pub(super) fn packed(beginning: &[u8]) -> Option<&'static str> {
    const COMPRESSED: &str = "the file is compressed. Unpack it first";
    const WORKBOOK: &str = "the file is a workbook. Export it as CSV first";
    const SIGNATURES: [(&[u8], &str); 12] = [
        (b"\x89PNG", NO_TEXT),
        (b"\xff\xd8\xff", NO_TEXT),
        (b"%PDF-", NO_TEXT),
        (b"\x1f\x8b", COMPRESSED),
        (b"\x28\xb5\x2f\xfd", COMPRESSED),
        (b"\xfd7zXZ", COMPRESSED),
        (b"7z\xbc\xaf", COMPRESSED),
        (b"BZh", COMPRESSED),
        (
            b"PK\x03\x04",
            "the file is a zip archive or a workbook. Unpack it, or export it as CSV first",
        ),
        (b"\xd0\xcf\x11\xe0", WORKBOOK),
        (
            b"PAR1",
            "the file is in the format Parquet. Export it as CSV first",
        ),
        (
            b"SQLite format 3",
            "the file is a database of SQLite. Export the movies as CSV first",
        ),
    ];
    let found = SIGNATURES
        .iter()
        .find(|(signature, _)| beginning.starts_with(signature));
    found.map(|(_, what)| *what)
}

/// The UTF-8 of a file, without its byte order mark.
pub(super) struct Decoding<R> {
    file: R,
    /// What was read at the beginning to see the byte order mark, and isn't part of it.
    beginning: Vec<u8>,
    /// The decoder of UTF-16. `None` for UTF-8.
    decoder: Option<Decoder>,
    /// Bytes of UTF-16 that aren't decoded yet.
    undecoded: Vec<u8>,
    /// Decoded text that nobody has read yet.
    decoded: Vec<u8>,
    /// How much of `decoded` was read.
    read: usize,
    ended: bool,
}

impl<R: Read> Decoding<R> {
    /// Reads the byte order mark.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub(super) fn of(mut file: R) -> io::Result<Self> {
        let mut beginning = Vec::new();
        file.by_ref().take(3).read_to_end(&mut beginning)?;
        let marked = Encoding::for_bom(&beginning);
        if let Some((_, length)) = marked {
            beginning.drain(..length);
        }
        // A mark is that of UTF-8 or of UTF-16.
        let utf16 = marked
            .map(|(encoding, _)| encoding)
            .filter(|encoding| *encoding != UTF_8);
        let mut decoding = Self {
            file,
            beginning,
            decoder: utf16.map(Encoding::new_decoder_without_bom_handling),
            undecoded: Vec::new(),
            decoded: Vec::new(),
            read: 0,
            ended: false,
        };
        if decoding.decoder.is_some() {
            decoding.undecoded = std::mem::take(&mut decoding.beginning);
        }
        Ok(decoding)
    }

    /// Reads and decodes the next block of UTF-16.
    fn decode_block(&mut self, decoder: &mut Decoder) -> io::Result<()> {
        let count = self
            .file
            .by_ref()
            .take(BLOCK as u64)
            .read_to_end(&mut self.undecoded)?;
        self.ended = count == 0;
        self.decoded.clear();
        self.read = 0;
        let mut from = 0;
        loop {
            let rest = self.undecoded.get(from..).unwrap_or_default();
            let room = decoder
                .max_utf8_buffer_length_without_replacement(rest.len())
                .unwrap_or(BLOCK);
            let at = self.decoded.len();
            self.decoded.resize(at + room, 0);
            let (result, taken, written) = decoder.decode_to_utf8_without_replacement(
                rest,
                self.decoded.get_mut(at..).unwrap_or_default(),
                self.ended,
            );
            self.decoded.truncate(at + written);
            from += taken;
            match result {
                DecoderResult::InputEmpty => break,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.decoded.push(NOT_UTF8),
            }
        }
        self.undecoded.clear();
        Ok(())
    }
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.beginning.is_empty() {
            let count = self.beginning.as_slice().read(buffer)?;
            self.beginning.drain(..count);
            return Ok(count);
        }
        let Some(mut decoder) = self.decoder.take() else {
            return self.file.read(buffer);
        };
        while self.read == self.decoded.len() && !self.ended {
            self.decode_block(&mut decoder)?;
        }
        self.decoder = Some(decoder);
        let count = self.decoded.get(self.read..).unwrap_or_default().read(buffer)?;
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        Decoding::of(bytes).unwrap().read_to_end(&mut text).unwrap();
        text
    }

    fn utf16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
        units.flat_map(bytes).collect()
    }

    #[test]
    fn byte_order_marks_are_read_and_left_out() {
        let text = "é😀 title\r\n".repeat(20_000);
        assert_eq!(decoded(text.as_bytes()), text.as_bytes());
        assert_eq!(decoded(format!("\u{feff}{text}").as_bytes()), text.as_bytes());
        assert_eq!(decoded(&utf16(&text, true, u16::to_le_bytes)), text.as_bytes());
        assert_eq!(decoded(&utf16(&text, true, u16::to_be_bytes)), text.as_bytes());
        for short in ["", "a", "ab"] {
            assert_eq!(decoded(short.as_bytes()), short.as_bytes());
            assert_eq!(decoded(&utf16(short, true, u16::to_le_bytes)), short.as_bytes());
        }
    }

    #[test]
    fn what_is_not_utf_16_is_not_utf_8_either() {
        let mut cut = utf16("Dra", true, u16::to_le_bytes);
        cut.pop();
        assert_eq!(decoded(&cut), b"Dr\xff");
        let lone = [0xff, 0xfe, b'a', 0, 0x00, 0xd8, b'b', 0];
        assert_eq!(decoded(&lone), b"a\xffb");
        // Without a byte order mark nothing is guessed.
        assert_eq!(decoded(b"Am\xe9lie"), b"Am\xe9lie");
    }
}
