//! Responses in DynamoDB's form: JSON with a request id and a checksum.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CONNECTION, CONTENT_TYPE},
};
use serde_json::json;
use uuid::Uuid;

/// The media type of DynamoDB's protocol (AWS: "DynamoDB low-level API").
pub(super) const MEDIA_TYPE: &str = "application/x-amz-json-1.0";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The CRC-32 of the body. SDKs check it when it is present.
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-crc32");

/// Why a request isn't executed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    /// The error's type. SDKs take its name from the part behind `#`.
    pub(super) kind: &'static str,
    pub(super) message: String,
}

impl Failure {
    /// For a request that isn't of DynamoDB's protocol.
    pub(super) fn unknown(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            kind: "com.amazon.coral.service#UnknownOperationException",
            message: message.to_owned(),
        }
    }

    /// For a body that can't be read.
    pub(super) fn unreadable(status: StatusCode, message: &str) -> Self {
        Self {
            status,
            kind: "com.amazon.coral.service#SerializationException",
            message: message.to_owned(),
        }
    }

    /// The response, after which the connection is closed: its further requests aren't for this endpoint either.
    pub(super) fn answer(&self) -> Response<Bytes> {
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

/// A response with this JSON body.
pub(super) fn answer(status: StatusCode, body: String) -> Response<Bytes> {
    let checksum = crc32fast::hash(body.as_bytes());
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CHECKSUM, HeaderValue::from(checksum));
    // Hexadecimal digits are always a valid header value.
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().simple().to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    answer
}
