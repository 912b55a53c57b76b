//! The response to the client: a function's answer, or the gateway's own problem document.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE,
    },
};
use http_body_util::Full;
use lambda_http::{Body, aws_lambda_events::apigw::ApiGatewayV2httpResponse};
use marquee_shared::http::{
    layers::REQUEST_ID,
    problem::{MEDIA_TYPE, Problem},
};

use crate::bodies::BodyError;

/// Headers of a function's answer that the gateway drops, because they concern its own connection (RFC 9110 §7.6.1).
const OF_THE_GATEWAY: [HeaderName; 5] = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// A request that no function answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `400`: it can't be passed to a function. The text says why.
    Malformed(&'static str),
    /// `404`: no route matches, and there is no `$default`.
    NotFound,
    /// `408`: the head didn't arrive in time.
    HeadTimeout,
    /// `408`: the body didn't arrive in time.
    BodyTimeout,
    /// `413`: the body, or the event made of it, is too large.
    BodyTooLarge,
    /// `414`: the request line alone is longer than the gateway accepts.
    TargetTooLong,
    /// `431`: there are more headers, or longer ones, than the gateway accepts.
    HeadersTooLarge,
    /// `500`: the function failed. The log has the reason.
    FunctionFailed,
    /// `503`: the function didn't answer within its timeout.
    FunctionTimeout,
    /// `503`: too many requests are being processed.
    NoRoom,
}

impl From<BodyError> for Refusal {
    fn from(unread: BodyError) -> Self {
        match unread {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::TooSlow => Self::BodyTimeout,
            BodyError::NoMemory => Self::NoRoom,
            BodyError::Broken => Self::Malformed("The request body is incomplete or broken."),
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
                "The request body is too large: an image may have 4 MB (4000000 bytes), any other body 256 KiB.",
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

    /// Returns the problem document for a request with this method and id. CORS headers aren't set yet.
    pub(super) fn response(self, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
        let mut problem = self.problem();
        request_id.clone_into(&mut problem.request_id);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
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

/// Returns the answer that `lambda_http` makes of a function's response. The crate's own function for this isn't public.
pub(super) fn answer_of(response: Response<Body>) -> ApiGatewayV2httpResponse {
    let (mut head, body) = response.into_parts();
    let cookies = head.headers.get_all(SET_COOKIE).iter();
    let cookies = cookies.map(|cookie| cookie.to_str().unwrap_or_default().to_owned());
    let mut answer = ApiGatewayV2httpResponse::default();
    answer.cookies = cookies.collect();
    head.headers.remove(SET_COOKIE);
    answer.headers = head.headers;
    answer.status_code = head.status.as_u16().into();
    answer.is_base64_encoded = matches!(body, Body::Binary(_));
    answer.body = match body {
        Body::Text(_) | Body::Binary(_) => Some(body),
        _ => None,
    };
    answer
}

/// Returns the length in bytes of an answer's body, which is encoded in base64 if it is binary.
pub(super) fn length_of_body(answer: &ApiGatewayV2httpResponse) -> usize {
    answer.body.as_ref().map_or(0, |body| body.len())
}

/// Returns the HTTP response that a function's answer describes, or what is wrong with the answer.
///
/// An answer has one value of each header: the first, because the JSON of an answer has only that one. The gateway sets the
/// length and the headers that concern the connection. Each cookie becomes a `Set-Cookie` header.
pub(super) fn response_from(
    answer: ApiGatewayV2httpResponse,
    method: &Method,
) -> Result<Response<Full<Bytes>>, String> {
    let status = u16::try_from(answer.status_code)
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| format!("{} isn't a status", answer.status_code))?;
    if status.is_informational() {
        return Err(format!("{status} isn't a final status"));
    }
    let mut headers = answer.headers;
    if let Some(name) = headers.keys().find(|name| !is_text(&headers[*name])) {
        return Err(format!("the value of {name} isn't UTF-8"));
    }
    if headers.len() > headers.keys_len() {
        let names: Vec<_> = headers.keys().cloned().collect();
        let first = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
        headers = first.collect();
    }
    for name in OF_THE_GATEWAY {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    for cookie in &answer.cookies {
        headers.append(
            SET_COOKIE,
            HeaderValue::from_str(cookie).map_err(|_| "a cookie isn't a header value".to_owned())?,
        );
    }
    let body = match answer.body {
        None => Bytes::new(),
        Some(Body::Text(text)) if answer.is_base64_encoded => STANDARD
            .decode(text)
            .map_err(|error| format!("its body isn't base64: {error}"))?
            .into(),
        Some(Body::Text(text)) => text.into(),
        // Its base64 isn't written and read.
        Some(Body::Binary(bytes)) if answer.is_base64_encoded => bytes.into(),
        Some(_) => return Err("its body isn't a string".to_owned()),
    };
    Ok(assemble(status, headers, body, method))
}

fn is_text(value: &HeaderValue) -> bool {
    std::str::from_utf8(value.as_bytes()).is_ok()
}

/// Makes a response with the right `Content-Length`: the length of the body, or no header where a response has no body. For
/// `HEAD` it is the length of the body that `GET` would have (RFC 9110 §8.6), if the function has sent that body or the
/// header.
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
mod tests {
    use http_body_util::BodyExt;
    use lambda_http::{
        Adapter, IntoResponse as _, LambdaEvent, Service as _,
        aws_lambda_events::apigw::ApiGatewayV2httpRequest, request::LambdaRequest,
    };
    use serde_json::{Value, json};

    use super::*;

    /// The response that an answer in Lambda's JSON describes. The JSON always has cookies.
    fn described(answer: &Value, method: &Method) -> Result<Response<Full<Bytes>>, String> {
        let mut answer = answer.clone();
        if let Some(fields) = answer.as_object_mut() {
            fields.entry("cookies").or_insert(json!([]));
        }
        let answer = serde_json::from_value(answer).map_err(|error| error.to_string())?;
        response_from(answer, method)
    }

    /// The status, the headers, and the body as text.
    async fn parts_of(response: Response<Full<Bytes>>) -> (u16, HeaderMap, String) {
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
        let (status, headers, body) = parts_of(described(&answer, &Method::POST).unwrap()).await;
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

    /// As `lambda_http` passes it to Lambda, and as API Gateway reads it.
    async fn by_json(response: Response<axum::body::Body>) -> Result<(u16, HeaderMap, String), String> {
        let mut response = Some(response);
        let service = tower::service_fn(move |_: lambda_http::Request| {
            std::future::ready(Ok::<_, std::convert::Infallible>(response.take().unwrap()))
        });
        let event = LambdaRequest::ApiGatewayV2(ApiGatewayV2httpRequest::default());
        let event = LambdaEvent::new(event, lambda_http::Context::default());
        let Ok(answer) = Adapter::from(service).call(event).await;
        let json = serde_json::to_vec(&answer).map_err(|error| error.to_string())?;
        let answer = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
        Ok(parts_of(response_from(answer, &Method::GET)?).await)
    }

    #[tokio::test]
    async fn an_answer_that_is_not_written_as_json_gives_the_same_response() {
        let bodies: [(&str, &[u8]); 5] = [
            ("application/json", "{\"a\":\"é\n\"}".as_bytes()),
            ("text/plain; charset=utf-8", b"text"),
            ("application/problem+json", b"{}"),
            ("image/png", b"png"),
            ("application/json", b""),
        ];
        let headers: [&[(&str, &[u8])]; 6] = [
            &[],
            &[("content-encoding", b"gzip")],
            &[("vary", b"origin"), ("vary", b"accept-encoding"), ("x-one", b"1")],
            &[
                ("set-cookie", b"a=1"),
                ("set-cookie", b"b=2"),
                ("connection", b"close"),
            ],
            &[("x-text", "é".as_bytes())],
            &[("x-bytes", b"\xff")],
        ];
        let mut refused = 0;
        for (content_type, body) in bodies {
            for headers in headers {
                for status in [200, 204, 404] {
                    let make = || {
                        let mut response = Response::builder().status(status);
                        for (name, value) in [("content-type", content_type.as_bytes())].iter().chain(headers)
                        {
                            response = response.header(*name, *value);
                        }
                        response.body(axum::body::Body::from(body)).unwrap()
                    };
                    let answer = answer_of(make().into_response().await);
                    let direct = match response_from(answer, &Method::GET) {
                        Ok(response) => Some(parts_of(response).await),
                        Err(_) => None,
                    };
                    refused += usize::from(direct.is_none());
                    assert_eq!(
                        direct,
                        by_json(make()).await.ok(),
                        "{content_type} {headers:?} {status}"
                    );
                }
            }
        }
        assert_eq!(refused, bodies.len() * 3);
    }

    #[tokio::test]
    async fn an_encoded_body_is_decoded() {
        let answer = json!({ "statusCode": 200, "body": "Zm9v", "isBase64Encoded": true });
        assert_eq!(parts_of(described(&answer, &Method::GET).unwrap()).await.2, "foo");
    }

    #[tokio::test]
    async fn a_response_that_cannot_have_a_body_has_none() {
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
            let (_, headers, body) = parts_of(described(&answer, &method).unwrap()).await;
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
            assert!(described(&answer, &Method::GET).is_err(), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_refusal_is_a_problem_document_with_the_requests_id() {
        let (status, headers, body) = parts_of(Refusal::BodyTooLarge.response(&Method::POST, "the-id")).await;
        assert_eq!(status, 413);
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers["x-request-id"], "the-id");
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap(),
            json!({
                "type": "about:blank",
                "title": "Payload Too Large",
                "status": 413,
                "detail": "The request body is too large: an image may have 4 MB (4000000 bytes), any other body 256 KiB.",
                "code": "body_too_large",
                "request_id": "the-id",
            })
        );
        let (_, headers, body) = parts_of(Refusal::FunctionTimeout.response(&Method::HEAD, "the-id")).await;
        assert_eq!((headers[RETRY_AFTER].to_str().unwrap(), body.as_str()), ("1", ""));
    }
}
