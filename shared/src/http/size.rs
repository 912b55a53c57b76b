//! The size of a response as Lambda counts it.
//!
//! A function returns a JSON object that contains the response's body as a string: JSON in JSON. Characters that are escaped
//! in the body are escaped once more there. A `"` in a text is `\"` in the body and `\\\"` in the function's output.

use std::io;

use serde::Serialize;

use crate::error::{Error, Result};

/// The most bytes that a function may return. Lambda's quotas say 6 MB ("Invocation payload"); the exact number is in the
/// error message of a function that exceeds it.
pub const MAX_ANSWER_BYTES: usize = 6_291_556;

/// Bytes reserved for everything around a page's results: status, headers, the count, and two links, each with the
/// request's URL and a cursor. API Gateway accepts 10,240 bytes of URL and headers (AWS: API Gateway quotas), and
/// percent-encoding can double them.
const RESERVED_BYTES: usize = 64 * 1024;

/// Returns how many bytes `value` takes in a function's output: its JSON, escaped once more as part of a JSON string.
///
/// # Errors
/// [`Error::Internal`] if it can't be serialized.
pub fn sent_bytes(value: &impl Serialize) -> Result<usize> {
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value)
        .map_err(|e| Error::internal(format!("a result can't be serialized: {e}")))?;
    Ok(counter.0)
}

/// Returns how many of these results fit into one response, counted from the first.
///
/// # Errors
/// As [`sent_bytes`].
pub fn fitting<'a, T: Serialize + 'a>(results: impl IntoIterator<Item = &'a T>) -> Result<usize> {
    let mut left = MAX_ANSWER_BYTES - RESERVED_BYTES;
    let mut count = 0;
    for result in results {
        // One more for the comma between two results.
        match left.checked_sub(sent_bytes(result)? + 1) {
            Some(rest) => left = rest,
            None => break,
        }
        count += 1;
    }
    Ok(count)
}

/// Counts the bytes that JSON takes as part of a JSON string (RFC 8259 §7).
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let escaped = |byte: &u8| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
            // `\u00XX`.
            ..0x20 => 5,
            _ => 0,
        };
        self.0 += bytes.len() + bytes.iter().map(escaped).sum::<usize>();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_counted_as_it_stands_in_the_answer() {
        let every: String = ('\0'..='\u{ff}')
            .chain(['\u{2028}', '한', '😀', '\u{10ffff}'])
            .collect();
        for text in [
            "", "plain", "\"", "\\", "\n", "\r", "\t", "\u{8}", "\u{c}", "\0", "\u{7f}", "é", &every,
        ] {
            let body = json!({"title": text, "n": [1, null, true]});
            let answer = json!({"body": body.to_string()}).to_string();
            let around = json!({"body": ""}).to_string();
            assert_eq!(
                sent_bytes(&body).unwrap(),
                answer.len() - around.len(),
                "{text:?}"
            );
        }
        // The quotes around the text, escaped once, and the text itself.
        let text = |text: &str| sent_bytes(&text).unwrap() - 4;
        assert_eq!(["\"", "\\", "\n", "\0", "😀"].map(text), [4, 4, 3, 7, 4]);
    }

    #[test]
    fn results_fit_until_the_answer_is_full() {
        let quotes = "\"".repeat(1_000_000);
        assert_eq!(fitting(&[&quotes, &quotes]).unwrap(), 1);
        let plain = "x".repeat(1_000_000);
        assert_eq!(fitting(&vec![plain; 10]).unwrap(), 6);
        assert_eq!(fitting::<u8>(&[]).unwrap(), 0);
    }
}
