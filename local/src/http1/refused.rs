//! What didn't become a request, and the response to it, which is written without hyper.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response,
    header::{CONNECTION, DATE, ORIGIN},
};
use http_body_util::{BodyExt, Full};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{exchange::Phase, stream::Stream};

/// The longest request line in bytes. When a head is too large and its line isn't longer than this, the headers are the
/// reason.
const MAX_LINE: usize = 10 * 1024;

/// The most bytes of a line with an origin: a scheme, a host name of 253 characters and a port.
const MAX_ORIGIN_LINE: usize = 512;
/// How many bytes of a head that is too long are read on in search of its origin.
const MAX_REST: usize = 1024 * 1024;

/// An instant as HTTP writes it (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
const IMF_FIXDATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// Why something didn't become a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It isn't HTTP/1, its headers contradict each other, or it ends in the middle of the head.
    Malformed,
    /// The request line is too long.
    LineTooLong,
    /// The head has too many headers or is too long.
    HeadTooLarge,
    /// It didn't arrive in time, or its slot was needed before it had arrived.
    TooSlow,
    /// As many requests as allowed are being processed.
    NoRoom,
}

/// What didn't become a request.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The reason.
    pub reason: Reason,
    /// `HEAD` if the head begins with it, else `GET`, which is as good as any other method here.
    pub method: Method,
    /// The headers that could be read.
    pub headers: HeaderMap,
}

impl Refused {
    pub(super) fn new(reason: Reason, method: Method, headers: HeaderMap) -> Self {
        Self {
            reason,
            method,
            headers,
        }
    }
}

/// Why hyper has ended with an error. Returns `None` when no response can be written, or when none is expected.
pub(super) fn reason_of_end(
    error: &hyper::Error,
    stream: &Stream,
    left_over: &[u8],
    phase: Phase,
) -> Option<Reason> {
    if phase != Phase::Idle {
        return None;
    }
    let head = stream.head(left_over);
    if error.is_parse_too_large() {
        let line = first_line(head);
        return Some(if line.is_none_or(|line| line.len() > MAX_LINE) {
            Reason::LineTooLong
        } else {
            Reason::HeadTooLarge
        });
    }
    if error.is_parse() {
        return Some(Reason::Malformed);
    }
    if head.trim_ascii().is_empty() {
        return None;
    }
    if stream.late || error.is_timeout() {
        Some(Reason::TooSlow)
    } else if error.is_incomplete_message() {
        Some(Reason::Malformed)
    } else {
        None
    }
}

/// The request line, if it is complete.
fn first_line(head: &[u8]) -> Option<&[u8]> {
    let head = head.trim_ascii_start();
    let end = head.iter().position(|byte| *byte == b'\n')?;
    Some(head[..end].trim_ascii_end())
}

/// Returns the parts of an invalid head that affect the response: whether the method is `HEAD`, so that the response has
/// no body, and the `Origin` header, for CORS.
pub(super) fn partial_head(head: &[u8]) -> (Method, HeaderMap) {
    let head = head.trim_ascii_start();
    let method = if head.starts_with(b"HEAD ") {
        Method::HEAD
    } else {
        Method::GET
    };
    let mut headers = HeaderMap::new();
    let mut lines = head.split(|byte| *byte == b'\n').skip(1);
    if let Some(Ok(origin)) = lines.find_map(origin_in).map(HeaderValue::from_bytes) {
        headers.insert(ORIGIN, origin);
    }
    (method, headers)
}

/// Reads on to the end of a head that is too long, and returns its `Origin` header. `head` is what was read before. A browser sends
/// the header behind the request line, so behind a long URL. Nothing is read if `head` is complete, as one with too many headers
/// is.
pub(super) async fn origin_behind(head: &[u8], rest: &mut (impl AsyncRead + Unpin)) -> Option<HeaderValue> {
    let head = head.trim_ascii_start();
    if head.windows(2).any(|end| end == b"\n\n") || head.windows(3).any(|end| end == b"\n\r\n") {
        return None;
    }
    let begun = head.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut line = begun[..begun.len().min(MAX_ORIGIN_LINE)].to_vec();
    let mut chunk = vec![0; 4 * 1024];
    let mut left = MAX_REST;
    while left > 0 {
        let read = rest.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        for byte in &chunk[..read] {
            if *byte != b'\n' {
                if line.len() < MAX_ORIGIN_LINE {
                    line.push(*byte);
                }
                continue;
            }
            if line.trim_ascii().is_empty() {
                return None;
            }
            if let Some(origin) = origin_in(&line) {
                return HeaderValue::from_bytes(origin).ok();
            }
            line.clear();
        }
        left = left.saturating_sub(read);
    }
    None
}

/// The value of a header line, if it is that of `Origin`.
fn origin_in(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    let is_origin = name.eq_ignore_ascii_case(ORIGIN.as_str().as_bytes());
    is_origin.then(|| value[1..].trim_ascii())
}

/// Serializes a response to bytes. It is the last on its connection.
pub(super) async fn serialize(mut answer: Response<Full<Bytes>>) -> Vec<u8> {
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
            let (seen, headers) = partial_head(head.as_bytes());
            assert_eq!(seen, method, "{head:?}");
            let seen = headers.get(ORIGIN).map(|value| value.to_str().unwrap());
            assert_eq!(seen, origin, "{head:?}");
        }
    }

    #[tokio::test]
    async fn the_origin_is_seen_behind_what_is_too_long() {
        let long = "a".repeat(10_000);
        for (head, rest, origin) in [
            (
                "GET /aaa",
                "aaa HTTP/1.1\r\nhost: a\r\nOrigin: https://a.example\r\n\r\n",
                Some("https://a.example"),
            ),
            ("GET / HTTP/1.1\r\nx: aaa", "aaa\r\norigin:null\r\n", Some("null")),
            (
                "GET / HTTP/1.1\r\nori",
                "gin: https://b.example\r\n",
                Some("https://b.example"),
            ),
            ("GET / HTTP/1.1\r\n", "origin: c\n", Some("c")),
            // Not in the head, or not in a whole line.
            ("GET / HTTP/1.1\r\nx: a", "\r\n\r\norigin: c\r\n", None),
            ("GET / HTTP/1.1\r\nx: a", "\r\norigin: c", None),
            ("GET / HTTP/1.1\r\nx: a", "\r\nx-origin: c\r\n\r\n", None),
        ] {
            for rest in [rest.to_owned(), rest.replacen('\r', &format!("{long}\r"), 1)] {
                if head.ends_with("ori") && rest.contains(&long) {
                    continue;
                }
                let seen = origin_behind(head.as_bytes(), &mut rest.as_bytes()).await;
                let seen = seen.as_ref().map(|value| value.to_str().unwrap());
                assert_eq!(seen, origin, "{head:?}");
            }
        }
        // Nobody waits for more of a head that is complete.
        for head in [
            "GET / HTTP/1.1\r\nx: a\r\n\r\n",
            "GET / HTTP/1.1\nx: a\n\nbody",
            "\r\n\r\nGET /\n\r\n",
        ] {
            let mut body = "origin: c\r\n".as_bytes();
            assert_eq!(origin_behind(head.as_bytes(), &mut body).await, None, "{head:?}");
            assert_eq!(body.len(), 11, "{head:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_written_as_hyper_would() {
        let answer = Response::builder().status(431).header("x-a", "b");
        let bytes = serialize(answer.body(Full::new(Bytes::from_static(b"{}"))).unwrap()).await;
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
