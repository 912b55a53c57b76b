//! Request bodies: JSON, URL-encoded forms and multipart forms, parsed into the fields that an endpoint accepts.

mod fields;
mod form;
mod json;

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use bytes::Bytes;
use http::{HeaderMap, header};

pub use self::fields::{Field, Fields, File};
use crate::{
    domain::cover_key::MAX_COVER_BYTES,
    error::{Error, Result},
    http::query::{CheckedQuery, ChecksQuery},
};

/// The largest body without a file, in bytes: 256 KiB.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// A value that is parsed from the fields of a body.
pub trait FromFields: Sized {
    /// The names of the fields. A body's other fields are ignored and never stored while it is parsed.
    const FIELDS: &'static [&'static str];

    /// The names of the fields that a form may have more than once: [`Fields::list`] reads them.
    const REPEATED: &'static [&'static str] = &[];

    /// The names of the fields that may be files in a multipart form: [`Fields::take_file`] returns them. Each may have
    /// [`MAX_COVER_BYTES`].
    const FILES: &'static [&'static str] = &[];

    /// Parses the fields.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the messages about all invalid fields.
    fn from_fields(fields: Fields) -> Result<Self>;
}

/// Extracts a body of any of the three media types.
///
/// Rejects with `400` for a query parameter that the operation doesn't document, with `415` for another media type and for a
/// body that is encoded, with `413` above [`MAX_BODY_BYTES`] without the file, with `400` if the body can't be read or a form
/// has a field twice, and with the errors of [`FromFields::from_fields`].
pub struct Form<T>(pub T);

impl<T> ChecksQuery for Form<T> {}

impl<S: Send + Sync, T: FromFields> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let form = FormWithFile::from_request(request, state).await?;
        form.value.map(Self)
    }
}

/// Extracts a body as [`Form`] does, with its file. Errors of its fields don't reject it, so that those of its file can be added.
pub struct FormWithFile<T> {
    /// What the fields say, or their errors.
    pub value: Result<T>,
    /// The file, if a field is one.
    pub file: Option<File>,
}

impl<T> ChecksQuery for FormWithFile<T> {}

impl<S: Send + Sync, T: FromFields> FromRequest<S> for FormWithFile<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        CheckedQuery::from_request_parts(&mut parts, state).await?;
        check_encoding(&parts.headers)?;
        let media = Media::of(&parts.headers)?;
        let takes_file = matches!(media, Media::Multipart(_)) && !T::FILES.is_empty();
        let bytes = if takes_file {
            let limit = MAX_BODY_BYTES + MAX_COVER_BYTES;
            let read = axum::body::to_bytes(body, limit).await;
            read.map_err(|_| Error::ImageTooLarge)?
        } else {
            let read = axum::body::to_bytes(body, MAX_BODY_BYTES).await;
            read.map_err(|_| Error::TooLarge)?
        };
        let length = bytes.len();
        let is_empty = bytes.is_empty();
        let mut fields = match media {
            Media::Json => Fields::from_json(&bytes, T::FIELDS)?,
            Media::UrlEncoded => Fields::from_urlencoded(&bytes, T::FIELDS)?,
            Media::Multipart(boundary) => Fields::from_multipart(bytes, boundary, T::FIELDS).await?,
            Media::None if bytes.is_empty() => Fields::default(),
            Media::None => return Err(Error::UnsupportedMediaType),
        };
        if takes_file {
            fields.check_lengths(length)?;
        }
        let mut errors = fields.check_repeated(T::REPEATED);
        let file = fields.file().cloned();
        let value = match T::from_fields(fields) {
            Ok(value) => errors.check().map(|()| value),
            Err(Error::Invalid(invalid)) if is_empty => Err(Error::EmptyBody(invalid)),
            Err(Error::Invalid(invalid)) => {
                errors.merge(invalid);
                Err(Error::Invalid(errors))
            }
            Err(error) => Err(error),
        };
        Ok(Self { value, file })
    }
}

/// Extracts a body that is an image, of any media type: the content shows what it is.
///
/// Rejects with `400` for a query parameter that the operation doesn't document, with `415` for a body that is encoded, and with
/// `413` above [`MAX_COVER_BYTES`].
pub struct ImageBody(pub Bytes);

impl ChecksQuery for ImageBody {}

impl<S: Send + Sync> FromRequest<S> for ImageBody {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        CheckedQuery::from_request_parts(&mut parts, state).await?;
        check_encoding(&parts.headers)?;
        let read = axum::body::to_bytes(body, MAX_COVER_BYTES).await;
        read.map(Self).map_err(|_| Error::ImageTooLarge)
    }
}

/// Checks that the body isn't compressed or encoded in another way (RFC 9110 §8.4).
fn check_encoding(headers: &HeaderMap) -> Result<()> {
    /// The longest name of an encoding that is repeated in the answer. The longest registered one has 12 characters.
    const LONGEST: usize = 40;
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let encodings: Vec<String> = values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"))
        .map(|name| name.chars().take(LONGEST).collect())
        .collect();
    if encodings.is_empty() {
        Ok(())
    } else {
        Err(Error::UnsupportedEncoding(encodings.join(", ").into()))
    }
}

/// The media type of a request's body.
enum Media {
    Json,
    UrlEncoded,
    /// With the boundary between its parts (RFC 2046 §5.1.1).
    Multipart(String),
    /// There is no `Content-Type`.
    None,
}

impl Media {
    fn of(headers: &HeaderMap) -> Result<Self> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else {
            return Ok(Self::None);
        };
        let media: mime::Mime = value
            .to_str()
            .ok()
            .and_then(|v| v.parse().ok())
            .ok_or(Error::UnsupportedMediaType)?;
        match media.essence_str() {
            "application/json" => Ok(Self::Json),
            "application/x-www-form-urlencoded" => Ok(Self::UrlEncoded),
            "multipart/form-data" => media
                .get_param(mime::BOUNDARY)
                .map(|b| Self::Multipart(b.to_string()))
                .ok_or_else(|| Error::malformed("The multipart body has no boundary.")),
            _ => Err(Error::UnsupportedMediaType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{fields::MAX_FIELDS, *};

    /// Guarantee 27.
    #[tokio::test]
    async fn a_body_has_a_hundred_fields_at_most_in_every_form() {
        for (count, is_ok) in [(MAX_FIELDS, true), (MAX_FIELDS + 1, false), (20_000, false)] {
            let all = |one: &dyn Fn(usize) -> String, between: &str| {
                (0..count).map(one).collect::<Vec<_>>().join(between)
            };
            let json = format!("{{{}}}", all(&|n| format!("\"f{n}\": \"a,b\""), ","));
            let same = format!("{{{}}}", all(&|_| "\"n\": [1, 2]".to_owned(), ","));
            let form = format!("&&{}&&&", all(&|_| "n=1".to_owned(), "&&"));
            let bare = all(&|_| "n".to_owned(), "&");
            let part = "--b\r\ncontent-disposition: form-data; name=\"n\"\r\n\r\n1\r\n";
            let multipart = format!("{}--b--\r\n", all(&|_| part.to_owned(), ""));
            let multipart = Fields::from_multipart(multipart.into(), "b".into(), &["n"]).await;
            for (form, read) in [
                ("json", Fields::from_json(json.as_bytes(), &["n"])),
                ("json, one field", Fields::from_json(same.as_bytes(), &["n"])),
                ("form", Fields::from_urlencoded(form.as_bytes(), &["n"])),
                ("form of names", Fields::from_urlencoded(bare.as_bytes(), &["n"])),
                ("multipart", multipart),
            ] {
                match read {
                    Ok(_) => assert!(is_ok, "{count} fields, {form}"),
                    Err(error) => {
                        let detail = error.problem().detail;
                        assert!(
                            !is_ok && detail.contains("100 fields"),
                            "{count}, {form}: {detail}"
                        );
                    }
                }
            }
        }
    }
}
