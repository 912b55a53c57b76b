//! Compression of answers with gzip (RFC 9110 §8.4.1.3), for clients that accept it.
//!
//! Tower's [`CompressionLayer`] compresses. [`encoded`] is around it: it tells the layer what the client accepts, and completes
//! what the layer leaves open.
//!
//! The strong tag of a compressed answer ends in `-gzip`: it is another representation than the plain one (RFC 9110 §8.8.3.3).

use axum::{
    body::{Body, Bytes, HttpBody as _, to_bytes},
    extract::Request,
    middleware::Next,
    response::Response,
};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, VARY},
};
use tower_http::compression::{
    CompressionLayer, CompressionLevel,
    predicate::{And, NotForContentType, Predicate as _, SizeAbove},
};

use crate::http::{size::MAX_BASE64_BYTES, validators::compressed_tag, weight::weight};

/// The size in bytes from which on a body is compressed. A smaller one fits into one packet anyway.
pub(crate) const SMALLEST: u64 = 1024;

/// The level of gzip. For a page of 20 movies level 1 takes 0.7 million instructions. Level 3 takes 1.2 million and saves 300 of
/// 2,700 bytes: docs/adr/0014-validators-and-compression.md.
const LEVEL: i32 = 1;

/// The size in bytes up to which a body is never too large for Lambda when it is compressed and then encoded in base64, whatever
/// it contains. Text without a pattern takes more bytes in base64 than as it is.
const ALWAYS_FITS: u64 = 4_600_000;

/// Returns the layer that compresses bodies of 1 KiB and more, except images and compressed fonts.
pub(crate) fn compression() -> CompressionLayer<And<And<SizeAbove, NotForContentType>, NotForContentType>> {
    CompressionLayer::new()
        .quality(CompressionLevel::Precise(LEVEL))
        .compress_when(
            SizeAbove::new(SMALLEST)
                .and(NotForContentType::IMAGES)
                .and(COMPRESSED_FONTS),
        )
}

/// A font of this type is compressed in itself.
const COMPRESSED_FONTS: NotForContentType = NotForContentType::const_new("font/woff2");

/// What a client accepts. [`encoded`] writes it into the request's `Accept-Encoding`, where the layers within read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    /// The client says nothing, so it accepts any coding (RFC 9110 §12.5.3). Its answers are not compressed.
    Anything,
    /// Plain answers only.
    Plain,
    /// Answers compressed with gzip, and plain ones.
    Gzip,
}

impl Accepts {
    /// Reads `Accept-Encoding`. A client that gives plain answers more weight gets them. So does one that accepts nothing that
    /// can be sent: the standard allows `406`, but a change would have been made by then.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        if !headers.contains_key(ACCEPT_ENCODING) {
            return Self::Anything;
        }
        let (mut gzip, mut any, mut plain) = (None, None, None);
        let values = headers.get_all(ACCEPT_ENCODING).iter();
        let items = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
        for item in items {
            let (coding, parameter) = item.split_once(';').unwrap_or((item, "q=1"));
            // Codings have no other parameter.
            let weight = weight(parameter).unwrap_or(0.0);
            match coding.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = Some(weight),
                "*" => any = Some(weight),
                "identity" => plain = Some(weight),
                _ => {}
            }
        }
        let gzip = gzip.or(any).unwrap_or(0.0);
        if gzip > 0.0 && gzip >= plain.unwrap_or(0.0) {
            Self::Gzip
        } else {
            Self::Plain
        }
    }
}

/// The body of an answer before it is compressed, if it may be [too large](ALWAYS_FITS).
#[derive(Clone)]
struct Plain(Bytes);

/// Keeps the body of a large answer, for the case that it is too large when it is compressed.
pub(crate) async fn keep_large(response: Response) -> Response {
    if response.body().size_hint().lower() <= ALWAYS_FITS {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // The body is in memory already. Its clone shares it.
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.extensions.insert(Plain(bytes.clone()));
    Response::from_parts(parts, Body::from(bytes))
}

/// The layer around [`compression`], and so the outermost one.
///
/// * It decides whether the answer is compressed.
/// * If a compressed answer would be too large for Lambda, it is sent plain.
/// * It marks the tag of a compressed answer.
/// * It removes the body of an answer to `HEAD`, whose headers are those of `GET` (RFC 9110 §9.3.2).
/// * It writes `Vary` into one header.
pub(crate) async fn encoded(mut request: Request, next: Next) -> Response {
    let is_head = *request.method() == Method::HEAD;
    match Accepts::of(request.headers()) {
        Accepts::Anything => {}
        Accepts::Plain => set(&mut request, "identity"),
        Accepts::Gzip => set(&mut request, "gzip"),
    }
    let mut response = next.run(request).await;
    if let Some(Plain(body)) = response.extensions_mut().remove()
        && response.headers().contains_key(CONTENT_ENCODING)
    {
        response = unless_too_large(response, body).await;
    }
    let headers = response.headers_mut();
    if headers.contains_key(CONTENT_ENCODING)
        && let Some(tag) = headers.get(ETAG).and_then(compressed_tag)
    {
        headers.insert(ETAG, tag);
    }
    merge_vary(headers);
    if is_head {
        *response.body_mut() = Body::empty();
    }
    response
}

fn set(request: &mut Request, coding: &'static str) {
    let headers = request.headers_mut();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(coding));
}

/// Returns the compressed `response`, or the same with its plain body if it would be too large.
async fn unless_too_large(response: Response, plain: Bytes) -> Response {
    let (mut parts, body) = response.into_parts();
    let body = match to_bytes(body, usize::MAX).await {
        Ok(compressed) if compressed.len() <= MAX_BASE64_BYTES => compressed,
        _ => {
            parts.headers.remove(CONTENT_ENCODING);
            parts.headers.insert(CONTENT_LENGTH, plain.len().into());
            plain
        }
    };
    Response::from_parts(parts, Body::from(body))
}

/// Writes the values of `Vary` into one header. `lambda_http` sends only the first of several headers of a name.
fn merge_vary(headers: &mut HeaderMap) {
    let mut values = headers.get_all(VARY).iter();
    let (Some(first), Some(second)) = (values.next(), values.next()) else {
        return;
    };
    let mut merged = first.as_bytes().to_vec();
    for value in std::iter::once(second).chain(values) {
        merged.extend_from_slice(b", ");
        merged.extend_from_slice(value.as_bytes());
    }
    if let Ok(merged) = HeaderValue::from_bytes(&merged) {
        headers.insert(VARY, merged);
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, http, routing::get};
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
    use tower::ServiceExt as _;

    use super::*;
    use crate::{
        config::Config,
        http::{size::MAX_ANSWER_BYTES, with_layers},
    };

    fn accepts(values: &[&str]) -> Accepts {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, value.parse().unwrap());
        }
        Accepts::of(&headers)
    }

    #[test]
    fn a_client_gets_gzip_if_it_prefers_it_to_plain_answers() {
        assert_eq!(accepts(&[]), Accepts::Anything);
        for values in [
            &["gzip"][..],
            &["GZip"],
            &["x-gzip"],
            &["gzip, deflate, br, zstd"],
            &["br;q=1.0, gzip ; q=0.8"],
            &["br", "gzip;q=0.001"],
            &["*"],
            &["*;q=0.5"],
            &["gzip;q=0.5, identity;q=0.5"],
            &["identity;q=0, gzip;Q=0.1"],
            &["br, *;q=0.1"],
        ] {
            assert_eq!(accepts(values), Accepts::Gzip, "{values:?}");
        }
        for values in [
            &[""][..],
            &["identity"],
            &["br"],
            &["gzip;q=0"],
            &["gzip;q=0.0, *"],
            &["*;q=0"],
            &["gzip;q=0.5, identity"],
            &["gzip;q=x"],
            &["gzip;level=9"],
            &["identity;q=0, *;q=0"],
            &["gzipped"],
        ] {
            assert_eq!(accepts(values), Accepts::Plain, "{values:?}");
        }
    }

    /// A router whose answer is this text.
    fn router(text: String) -> Router {
        let router = Router::new().route("/", get(move || std::future::ready(text.clone())));
        with_layers(router, &Config::default().http).unwrap()
    }

    async fn answer(text: &str) -> (HeaderMap, Bytes) {
        let request = http::Request::builder().uri("/").header(ACCEPT_ENCODING, "gzip");
        let request = request.body(Body::empty()).unwrap();
        let response = router(text.to_owned()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.headers, to_bytes(body, usize::MAX).await.unwrap())
    }

    /// Guarantee 46: base64 makes four bytes of three, so a large text without a pattern is sent as it is.
    #[tokio::test]
    async fn a_compressed_answer_is_never_too_large_for_lambda() {
        let mut dice = StdRng::seed_from_u64(7);
        let mut random = |bytes: u64| -> String {
            let length = usize::try_from(bytes).unwrap();
            let dice = &mut dice;
            (0..length)
                .map(|_| char::from(dice.random_range(b' '..=b'~')))
                .collect()
        };
        let largest = u64::try_from(MAX_ANSWER_BYTES).unwrap() - 70_000;
        for (text, is_compressed) in [
            (random(ALWAYS_FITS), true),
            (random(largest), false),
            ("pattern ".repeat(780_000), true),
        ] {
            let (headers, body) = answer(&text).await;
            assert_eq!(headers.contains_key(CONTENT_ENCODING), is_compressed);
            if is_compressed {
                assert!(body.len().div_ceil(3) * 4 <= MAX_ANSWER_BYTES, "{}", body.len());
                assert!(!headers.contains_key(CONTENT_LENGTH));
            } else {
                assert_eq!(body, text);
                assert_eq!(headers[CONTENT_LENGTH], text.len().to_string());
            }
        }
    }
}
