//! How large an answer is to Lambda, which bounds it.
//!
//! A function's answer is a JSON object, and the body is a string in it: JSON in JSON. What the body's own JSON escapes is
//! escaped once more there. A `"` in a text is `\"` in the body and `\\\"` in the answer.

use std::io;

use serde::Serialize;

use crate::error::{Error, Result};

/// The most bytes of a function's whole answer. Lambda's quotas say 6 MB ("Invocation payload"); the exact figure is in the
/// error of a function that exceeds it.
pub const MAX_ANSWER_BYTES: usize = 6_291_556;

/// Held back for what is around a page's results: status, headers, the count, and two links, each of which repeats the
/// request's URL and a cursor. A gateway takes 10,240 bytes of URL and headers (AWS: API Gateway quotas), which percent
/// signs can double.
const AROUND: usize = 64 * 1024;

/// What `value` takes within an answer, in bytes: its JSON as it stands in a string of the answer's JSON.
///
/// # Errors
/// [`Error::Internal`] when it can't be serialized.
pub fn sent_bytes(value: &impl Serialize) -> Result<usize> {
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value)
        .map_err(|e| Error::Internal(format!("a result that can't be counted: {e}")))?;
    Ok(counter.0)
}

/// How many of these results fit into one answer, from the first on.
///
/// # Errors
/// As [`sent_bytes`].
pub fn fitting<'a, T: Serialize + 'a>(results: impl IntoIterator<Item = &'a T>) -> Result<usize> {
    let mut left = MAX_ANSWER_BYTES - AROUND;
    let mut count = 0;
    for result in results {
        // And the comma before it.
        match left.checked_sub(sent_bytes(result)? + 1) {
            Some(rest) => left = rest,
            None => break,
        }
        count += 1;
    }
    Ok(count)
}

/// Counts what bytes of JSON take as a JSON string (RFC 8259 §7).
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
#[allow(clippy::unwrap_used)]
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
