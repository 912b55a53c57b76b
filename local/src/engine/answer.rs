//! Answers as DynamoDB gives them: JSON, with a request id and a checksum.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use uuid::Uuid;

use super::admission::MEDIA_TYPE;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// CRC-32 of the body, which SDKs compare where it is given.
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-crc32");

/// Why a request isn't run.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    /// What SDKs take the error's name from.
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Failure {
    /// What isn't DynamoDB's protocol.
    pub(super) fn unknown(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            kind: "com.amazon.coral.service#UnknownOperationException",
            message: message.to_owned(),
        }
    }

    /// A body that can't be read.
    pub(super) fn unreadable(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            kind: "com.amazon.coral.service#SerializationException",
            message: message.to_owned(),
        }
    }

    /// The answer, after which the connection is closed: what else comes on it isn't for this endpoint either.
    pub(super) fn answer(&self) -> Response<Full<Bytes>> {
        let body = json!({"__type": self.kind, "message": self.message}).to_string();
        let mut answer = answer(self.status, body);
        let headers = answer.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        answer
    }
}

/// An answer with this JSON as its body.
pub(super) fn answer(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let checksum = crc32fast::hash(body.as_bytes());
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CHECKSUM, HeaderValue::from(checksum));
    // Hexadecimal digits, which are always a header's value.
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().simple().to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    answer
}
