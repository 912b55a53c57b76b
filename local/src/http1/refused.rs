//! What never became a request, and how an answer to it is written without hyper.

use bytes::Bytes;
use http::header::{CONNECTION, DATE, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body_util::{BodyExt, Full};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::exchange::Phase;
use super::stream::Stream;

/// The longest request line that is anything but too long, whatever follows it.
const MAX_LINE: usize = 10 * 1024;

/// An instant as HTTP writes it (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
const IMF_FIXDATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// Why something never became a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It isn't HTTP/1, or its headers contradict each other, or it ends in the middle of its head.
    Malformed,
    /// Its request line is too long.
    LineTooLong,
    /// Its head has too many headers, or is too long.
    HeadTooLarge,
    /// It didn't come in time, or in no time that was left when its place was needed.
    TooSlow,
    /// As many requests as there is room for are being worked on.
    NoRoom,
}

/// What never became a request.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub why: Why,
    /// Its method, if that could be seen; else `GET`.
    pub method: Method,
    /// Of its headers, those that could be seen.
    pub headers: HeaderMap,
}

impl Refused {
    pub(super) fn new(why: Why, method: Method, headers: HeaderMap) -> Self {
        Self { why, method, headers }
    }
}

/// What to answer when hyper has ended with an error; nothing where no answer can be written, or none is expected.
pub(super) fn why_ended(
    error: &hyper::Error,
    stream: &Stream,
    left_over: &[u8],
    phase: Phase,
) -> Option<Why> {
    if phase != Phase::Idle {
        return None;
    }
    let head = stream.head(left_over);
    if error.is_parse_too_large() {
        let line = first_line(head);
        return Some(if line.is_none_or(|line| line.len() > MAX_LINE) {
            Why::LineTooLong
        } else {
            Why::HeadTooLarge
        });
    }
    if error.is_parse() {
        return Some(Why::Malformed);
    }
    if head.trim_ascii().is_empty() {
        return None;
    }
    if stream.late || error.is_timeout() {
        Some(Why::TooSlow)
    } else if error.is_incomplete_message() {
        Some(Why::Malformed)
    } else {
        None
    }
}

/// The request line, when the whole of it is there.
fn first_line(head: &[u8]) -> Option<&[u8]> {
    let head = head.trim_ascii_start();
    let end = head.iter().position(|byte| *byte == b'\n')?;
    Some(head[..end].trim_ascii_end())
}

/// What can be seen of a head that can't be parsed and still matters to its answer: whether a body may follow, and
/// which origin may read it.
pub(super) fn glimpse(head: &[u8]) -> (Method, HeaderMap) {
    let head = head.trim_ascii_start();
    let method = if head.starts_with(b"HEAD ") {
        Method::HEAD
    } else {
        Method::GET
    };
    let mut headers = HeaderMap::new();
    let mut lines = head.split(|byte| *byte == b'\n').skip(1);
    let origin = lines.find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let is_origin = name.eq_ignore_ascii_case(ORIGIN.as_str().as_bytes());
        is_origin.then(|| value[1..].trim_ascii())
    });
    if let Some(Ok(origin)) = origin.map(HeaderValue::from_bytes) {
        headers.insert(ORIGIN, origin);
    }
    (method, headers)
}

/// An answer as it goes over the wire, the last on its connection.
pub(super) async fn written(mut answer: Response<Full<Bytes>>) -> Vec<u8> {
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let date = OffsetDateTime::now_utc().format(IMF_FIXDATE);
    if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
        headers.insert(DATE, date);
    }
    let (parts, body) = answer.into_parts();
    let reason = parts.status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", parts.status.as_u16()).into_bytes();
    for (name, value) in &parts.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    let Ok(body) = body.collect().await;
    bytes.extend_from_slice(&body.to_bytes());
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_seen_in_what_cannot_be_parsed() {
        for (head, method, origin) in [
            (
                "GET / HTTP/1.1\r\nOrigin: https://a.example\r\nx: ",
                "GET",
                Some("https://a.example"),
            ),
            ("\r\nHEAD / HTTP/1.1\nORIGIN:null\n\n", "HEAD", Some("null")),
            ("HEADER / HTTP/1.1\r\nx-origin: a\r\n", "GET", None),
            ("origin: a", "GET", None),
            ("GET /\r\norigin: a\u{1}b\r\n", "GET", None),
            ("", "GET", None),
        ] {
            let (seen, headers) = glimpse(head.as_bytes());
            assert_eq!(seen, method, "{head:?}");
            let seen = headers.get(ORIGIN).map(|value| value.to_str().unwrap());
            assert_eq!(seen, origin, "{head:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_written_as_hyper_would() {
        let answer = Response::builder().status(431).header("x-a", "b");
        let bytes = written(answer.body(Full::new(Bytes::from_static(b"{}"))).unwrap()).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some("HTTP/1.1 431 Request Header Fields Too Large"));
        assert!(
            head.contains("\r\nx-a: b\r\n") && head.contains("\r\nconnection: close"),
            "{head}"
        );
        let date = lines.find_map(|line| line.strip_prefix("date: ")).unwrap();
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        assert_eq!(body, "{}");
    }
}
