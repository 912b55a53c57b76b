//! The size of a response as Lambda counts it.
//!
//! A function returns a JSON object that contains the response's body as a string: JSON in JSON. Characters that are escaped
//! in the body are escaped once more there. A `"` in a text is `\"` in the body and `\\\"` in the function's output.

/// The most bytes that a function may return. Lambda's quotas say 6 MB ("Invocation payload"); the exact number is in the
/// error message of a function that exceeds it.
pub const MAX_ANSWER_BYTES: usize = 6_291_556;

/// Bytes reserved for everything around a page's results: status, headers, the count, and two links, each with the
/// request's URL and a cursor. API Gateway accepts 10,240 bytes of URL and headers (AWS: API Gateway quotas), and
/// percent-encoding can double them.
const RESERVED_BYTES: usize = 64 * 1024;

/// The most bytes of a body that is sent in base64, which makes four bytes of three.
pub const MAX_BASE64_BYTES: usize = (MAX_ANSWER_BYTES - RESERVED_BYTES) / 4 * 3;

/// Returns how many bytes this JSON takes in a function's output, where it is part of a JSON string: its quotes and backslashes
/// are escaped (RFC 8259 §7). It has no other characters to escape if it has no line breaks between its tokens.
fn sent_bytes(json: &str) -> usize {
    json.len() + json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// Returns how many of these results, each as JSON without line breaks, fit into one response, counted from the first.
pub fn fitting<'a>(results: impl IntoIterator<Item = &'a str>) -> usize {
    let mut left = MAX_ANSWER_BYTES - RESERVED_BYTES;
    let mut count = 0;
    for result in results {
        // One more for the comma between two results.
        match left.checked_sub(sent_bytes(result) + 1) {
            Some(rest) => left = rest,
            None => break,
        }
        count += 1;
    }
    count
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
                sent_bytes(&body.to_string()),
                answer.len() - around.len(),
                "{text:?}"
            );
        }
        // The quotes around the text, escaped once, and the text itself.
        let text = |text: &str| sent_bytes(&json!(text).to_string()) - 4;
        assert_eq!(["\"", "\\", "\n", "\0", "😀"].map(text), [4, 4, 3, 7, 4]);
    }

    #[test]
    fn results_fit_until_the_answer_is_full() {
        let quotes = json!("\"".repeat(1_000_000)).to_string();
        assert_eq!(fitting([&*quotes, &*quotes]), 1);
        let plain = json!("x".repeat(1_000_000)).to_string();
        assert_eq!(fitting(std::iter::repeat_n(&*plain, 10)), 6);
        assert_eq!(fitting([]), 0);
    }
}
