//! What goes back to the client: a function's answer, or the gateway's own.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use marquee_shared::http::layers::REQUEST_ID;
use marquee_shared::http::problem::{MEDIA_TYPE, Problem};
use serde::Deserialize;

use crate::bodies::Unread;

/// Headers of a function's answer that are the gateway's to set (RFC 9110 §7.6.1).
const OF_THE_GATEWAY: [HeaderName; 5] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// A request that no function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `400`: it isn't a request that can be handed on. The text says why.
    Malformed(&'static str),
    /// `404`: no route takes it, and there is no `$default`.
    NotFound,
    /// `408`: its head didn't come in time.
    HeadTimeout,
    /// `408`: its body didn't come in time.
    BodyTimeout,
    /// `413`: its body, or the event made from it, is too large.
    BodyTooLarge,
    /// `414`: its request line alone is longer than the gateway takes.
    TargetTooLong,
    /// `431`: it has too many headers, or they are longer than the gateway takes.
    HeadersTooLarge,
    /// `500`: the function failed. The log says how.
    FunctionFailed,
    /// `503`: the function didn't answer in time.
    FunctionTimeout,
    /// `503`: there is no room for it among the others.
    NoRoom,
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::BodyTooLarge,
            Unread::TooSlow => Self::BodyTimeout,
            Unread::NoMemory => Self::NoRoom,
            Unread::Broken => Self::Malformed("The request body is incomplete or broken."),
        }
    }
}

impl Refusal {
    fn problem(self) -> Problem {
        let (status, code, detail) = match self {
            Self::Malformed(detail) => (StatusCode::BAD_REQUEST, "malformed_request", detail),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "not_found",
                "There is nothing at this path.",
            ),
            Self::HeadTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The request line and headers didn't arrive in time.",
            ),
            Self::BodyTimeout => (
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "The request body didn't arrive in time.",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "The request body is too large.",
            ),
            Self::TargetTooLong => (
                StatusCode::URI_TOO_LONG,
                "uri_too_long",
                "The path and query are too long.",
            ),
            Self::HeadersTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "headers_too_large",
                "The request has too many headers, or they are too long.",
            ),
            Self::FunctionFailed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "An internal error occurred. Report it with the request id.",
            ),
            Self::FunctionTimeout | Self::NoRoom => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service is temporarily unavailable; try again shortly.",
            ),
        };
        Problem::new(status, code, detail, None)
    }

    /// The problem document for a request with this method and id, as it is before CORS.
    pub(super) fn response(self, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
        let mut problem = self.problem();
        request_id.clone_into(&mut problem.request_id);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        // Serializing a struct of strings and numbers doesn't fail.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        assemble(status, headers, body.into(), method)
    }
}

/// A function's answer: the response of payload format 2.0, as far as `lambda_http` writes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionAnswer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// The HTTP response that a function's answer stands for, or what is wrong with the answer.
///
/// The gateway sets the length and the headers that concern the connection; each cookie becomes a `Set-Cookie` header.
pub(super) fn response_from(answer: &[u8], method: &Method) -> Result<Response<Full<Bytes>>, String> {
    let answer: FunctionAnswer = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let status = StatusCode::from_u16(answer.status_code).map_err(|error| error.to_string())?;
    if status.is_informational() {
        return Err(format!("{status} isn't a final status"));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        let name: HeaderName = name
            .parse()
            .map_err(|_| format!("{name:?} isn't a header name"))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of {name} isn't one"))?;
        if !OF_THE_GATEWAY.contains(&name) && name.as_str() != "keep-alive" {
            headers.insert(name, value);
        }
    }
    for cookie in &answer.cookies {
        headers.append(
            SET_COOKIE,
            HeaderValue::from_str(cookie).map_err(|_| "a cookie isn't a header value".to_owned())?,
        );
    }
    let body = answer.body.unwrap_or_default();
    let body = match answer.is_base64_encoded {
        true => STANDARD
            .decode(body)
            .map_err(|error| format!("its body isn't base64: {error}"))?,
        false => body.into_bytes(),
    };
    Ok(assemble(status, headers, body.into(), method))
}

/// A response whose length is right: that of its body; none where there can't be a body; and for `HEAD` that of the
/// body `GET` would have (RFC 9110 §8.6), if the function's body or its own header tells.
fn assemble(
    status: StatusCode,
    mut headers: HeaderMap,
    body: Bytes,
    method: &Method,
) -> Response<Full<Bytes>> {
    let has_no_body = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if has_no_body {
        headers.remove(CONTENT_LENGTH);
        Bytes::new()
    } else if method == Method::HEAD {
        if !body.is_empty() {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        Bytes::new()
    } else {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        body
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    fn text(answer: &Value) -> Vec<u8> {
        answer.to_string().into_bytes()
    }

    /// Status, headers and body as text.
    async fn taken(response: Response<Full<Bytes>>) -> (u16, HeaderMap, String) {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            parts.status.as_u16(),
            parts.headers,
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn a_functions_answer_becomes_the_response() {
        let answer = json!({
            "statusCode": 201,
            "headers": {
                "content-type": "application/json",
                "x-id": "é",
                "connection": "close",
                "content-length": "99",
            },
            "multiValueHeaders": {},
            "cookies": ["a=1", "b=2"],
            "body": "{}",
            "isBase64Encoded": false,
        });
        let (status, headers, body) = taken(response_from(&text(&answer), &Method::POST).unwrap()).await;
        assert_eq!((status, body.as_str()), (201, "{}"));
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["x-id"].as_bytes(), "é".as_bytes());
        assert_eq!(headers["content-length"], "2");
        assert!(!headers.contains_key("connection"));
        assert_eq!(
            headers.get_all(SET_COOKIE).iter().collect::<Vec<_>>(),
            ["a=1", "b=2"]
        );
    }

    #[tokio::test]
    async fn an_encoded_body_is_decoded() {
        let answer = json!({ "statusCode": 200, "body": "Zm9v", "isBase64Encoded": true });
        assert_eq!(
            taken(response_from(&text(&answer), &Method::GET).unwrap())
                .await
                .2,
            "foo"
        );
    }

    #[tokio::test]
    async fn no_body_goes_where_none_can_be() {
        for (method, answer, length) in [
            (
                Method::HEAD,
                json!({ "statusCode": 200, "headers": { "content-length": "5" }, "body": "" }),
                Some("5"),
            ),
            (
                Method::HEAD,
                json!({ "statusCode": 200, "body": "four" }),
                Some("4"),
            ),
            (Method::HEAD, json!({ "statusCode": 404 }), None),
            (
                Method::DELETE,
                json!({ "statusCode": 204, "headers": { "content-length": "4" }, "body": "four" }),
                None,
            ),
            (Method::GET, json!({ "statusCode": 304, "body": "four" }), None),
        ] {
            let (_, headers, body) = taken(response_from(&text(&answer), &method).unwrap()).await;
            assert_eq!(body, "", "{answer}");
            assert_eq!(
                headers.get(CONTENT_LENGTH).map(|value| value.to_str().unwrap()),
                length,
                "{answer}"
            );
        }
    }

    #[test]
    fn an_answer_that_is_none_is_refused() {
        for answer in [
            json!(null),
            json!({}),
            json!({ "statusCode": 99 }),
            json!({ "statusCode": 101 }),
            json!({ "statusCode": 200, "headers": { "a b": "c" } }),
            json!({ "statusCode": 200, "headers": { "a": "b\nc" } }),
            json!({ "statusCode": 200, "cookies": ["a\n"] }),
            json!({ "statusCode": 200, "body": "?", "isBase64Encoded": true }),
        ] {
            assert!(response_from(&text(&answer), &Method::GET).is_err(), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_a_problem_document_with_the_requests_id() {
        let (status, headers, body) = taken(Refusal::BodyTooLarge.response(&Method::POST, "the-id")).await;
        assert_eq!(status, 413);
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers["x-request-id"], "the-id");
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap(),
            json!({
                "type": "about:blank",
                "title": "Payload Too Large",
                "status": 413,
                "detail": "The request body is too large.",
                "code": "body_too_large",
                "request_id": "the-id",
            })
        );
        let (_, headers, body) = taken(Refusal::FunctionTimeout.response(&Method::HEAD, "the-id")).await;
        assert_eq!((headers[RETRY_AFTER].to_str().unwrap(), body.as_str()), ("1", ""));
    }
}
