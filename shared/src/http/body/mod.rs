//! Request bodies: JSON, URL-encoded forms and multipart forms, parsed into the fields that an endpoint accepts.

mod fields;
mod form;
mod json;

use axum::extract::{FromRequest, Request};
use http::header;

pub use self::fields::{Field, Fields};
use crate::error::{Error, Result};

/// The largest body without a file, in bytes: 256 KiB.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// A value that is parsed from the fields of a body.
pub trait FromFields: Sized {
    /// The names of the fields. A body's other fields are ignored and never stored while it is parsed.
    const FIELDS: &'static [&'static str];

    /// Parses the fields.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the messages about all invalid fields.
    fn from_fields(fields: Fields) -> Result<Self>;
}

/// Extracts a body of any of the three media types.
///
/// Rejects with `413` above [`MAX_BODY_BYTES`], with `415` for another media type, with `400` if the body can't be read, and
/// with the errors of [`FromFields::from_fields`].
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: FromFields> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let media = Media::of(&request)?;
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| Error::TooLarge)?;
        let fields = match media {
            Media::Json => Fields::from_json(&bytes, T::FIELDS)?,
            Media::UrlEncoded => Fields::from_urlencoded(&bytes, T::FIELDS)?,
            Media::Multipart(boundary) => Fields::from_multipart(bytes, boundary, T::FIELDS).await?,
            Media::None if bytes.is_empty() => Fields::default(),
            Media::None => return Err(Error::UnsupportedMediaType),
        };
        T::from_fields(fields).map(Self)
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
    fn of(request: &Request) -> Result<Self> {
        let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
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
