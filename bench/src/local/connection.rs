//! An HTTP/1.1 client that costs little: a request is bytes that were made before, and of a response only the status and the
//! length are parsed. The benchmark and the servers share the processors, so a full client would take a large part of what is
//! measured.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::runtime::Failure;

/// The most headers of a response.
const MAX_HEADERS: usize = 32;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// A request: the bytes that are sent, and the status that the response must have.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    expected: u16,
}

/// A connection that is kept open.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Request {
    /// Returns a GET request.
    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path, None, None, 200)
    }

    /// Returns a POST request of a JSON body, or without a body for `None`.
    pub(crate) fn post(path: &str, token: Option<&str>, body: Option<&Value>, expected: u16) -> Self {
        Self::new("POST", path, token, body, expected)
    }

    fn new(method: &str, path: &str, token: Option<&str>, body: Option<&Value>, expected: u16) -> Self {
        // The servers listen on ports that differ from run to run, and none looks at the port.
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\n");
        if let Some(token) = token {
            text += &format!("authorization: Bearer {token}\r\n");
        }
        let body = body.map(Value::to_string);
        if method == "POST" {
            let length = body.as_ref().map_or(0, String::len);
            text += &format!("content-length: {length}\r\n");
        }
        if body.is_some() {
            text += "content-type: application/json\r\n";
        }
        text += "\r\n";
        text += &body.unwrap_or_default();
        Self {
            bytes: text.into_bytes(),
            expected,
        }
    }
}

impl Connection {
    /// Opens a connection.
    ///
    /// # Errors
    /// Returns an error if nothing listens there.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(CHUNK),
        })
    }

    /// Sends a request and returns the body of the response.
    ///
    /// # Errors
    /// Returns an error if the response has another status than the expected one or no `Content-Length`, or if the connection
    /// ends.
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<&[u8], Failure> {
        self.buffer.clear();
        self.stream.write_all(&request.bytes).await?;
        let (status, start, end) = loop {
            self.read().await?;
            if let Some((status, start, length)) = head(&self.buffer)? {
                break (status, start, start + length);
            }
        };
        while self.buffer.len() < end {
            self.read().await?;
        }
        let body = &self.buffer[start..];
        if status == request.expected && self.buffer.len() == end {
            return Ok(body);
        }
        let line = request.bytes.split(|byte| *byte == b'\r').next();
        Err(format!(
            "{}: {status}: {}",
            String::from_utf8_lossy(line.unwrap_or_default()),
            String::from_utf8_lossy(body)
        )
        .into())
    }

    /// Sends a request and returns the JSON of the response.
    ///
    /// # Errors
    /// As for [`Connection::ask`], and if the body isn't JSON.
    pub(crate) async fn json(&mut self, request: &Request) -> Result<Value, Failure> {
        Ok(serde_json::from_slice(self.ask(request).await?)?)
    }

    async fn read(&mut self) -> Result<(), Failure> {
        self.buffer.reserve(CHUNK);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the server closed a connection".into()),
            _ => Ok(()),
        }
    }
}

/// Returns the status, the start of the body and its length, or `None` if the head of the response isn't complete.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = response.parse(bytes)? else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .ok_or("a response has no Content-Length")?;
    let length = str::from_utf8(length.value)?.parse()?;
    Ok(Some((response.code.unwrap_or_default(), start, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let text = b"HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
        for end in 0..43 {
            assert!(head(&text[..end]).unwrap().is_none(), "{end}");
        }
        assert_eq!(head(text).unwrap(), Some((201, 43, 7)));
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_request_has_the_length_of_its_body() {
        let request = Request::post("/x/", Some("t"), Some(&serde_json::json!({"a": "é"})), 201);
        let text = String::from_utf8(request.bytes).unwrap();
        assert!(text.starts_with("POST /x/ HTTP/1.1\r\n"), "{text}");
        assert!(
            text.contains("\r\nauthorization: Bearer t\r\ncontent-length: 10\r\n"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\n{\"a\":\"é\"}"), "{text}");
    }
}
