//! URL-encoded and multipart forms.

use super::fields::{Fields, check_field_count};
use crate::{
    error::{Error, Result},
    http::query::decodes_to_utf8,
};

impl Fields {
    /// Parses a URL-encoded form. Fields that aren't `known` are ignored.
    pub(super) fn from_urlencoded(bytes: &[u8], known: &'static [&'static str]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|t| decodes_to_utf8(t))
            .ok_or_else(|| Error::malformed("The form is not valid UTF-8."))?;
        // Counted before anything is decoded. Two `&` in a row have no field between them.
        check_field_count(text.split('&').filter(|pair| !pair.is_empty()).count())?;
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(text).map_err(|_| Error::malformed("The form can't be read."))?;
        let mut fields = Self::of_form();
        for (name, value) in pairs {
            fields.insert(known, &name, value);
        }
        Ok(fields)
    }

    /// Parses a multipart form. Fields that aren't `known` are ignored.
    pub(super) async fn from_multipart(
        bytes: bytes::Bytes,
        boundary: String,
        known: &'static [&'static str],
    ) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Error::malformed("The body is empty."));
        }
        let unreadable = |_| Error::malformed("The multipart body can't be read.");
        let whole = futures_util::stream::once(async { Ok::<_, std::convert::Infallible>(bytes) });
        let mut parts = multer::Multipart::new(whole, boundary);
        let mut fields = Self::of_form();
        let mut count = 0;
        while let Some(part) = parts.next_field().await.map_err(unreadable)? {
            count += 1;
            check_field_count(count)?;
            let Some(name) = part.name().map(str::to_owned) else {
                continue;
            };
            // A client may send a file without a name. Then its type tells it from a field.
            let is_image = part
                .content_type()
                .is_some_and(|media| media.type_() == mime::IMAGE);
            let file = part.file_name().map(str::to_owned);
            let file = file.or_else(|| is_image.then(String::new));
            let value = part.bytes().await.map_err(unreadable)?;
            if let Some(file) = file {
                // A browser sends an empty file without a name for a file input without a choice.
                if !(file.is_empty() && value.is_empty()) {
                    fields.insert_file(known, &name, value);
                }
                continue;
            }
            let value = String::from_utf8(value.into())
                .map_err(|_| Error::malformed("The form is not valid UTF-8."))?;
            fields.insert(known, &name, value);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::fields::Field;

    #[test]
    fn a_form_says_null_as_a_browser_writes_it() {
        let mut fields = Fields::from_urlencoded(b"n=null&b=null", &["n", "b"]).unwrap();
        assert_eq!(fields.positive("n"), Field::Missing);
        assert_eq!(fields.boolean("b"), Field::Missing);
    }

    #[tokio::test]
    async fn a_field_that_is_there_twice_is_an_error_unless_it_may_repeat() {
        let part = |name: &str, value: &str| {
            format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        for (pairs, names) in [
            (vec![("n", "1"), ("g", "a")], vec![]),
            (vec![("n", "1"), ("n", "1")], vec!["n"]),
            (vec![("n", ""), ("g", "a"), ("n", ""), ("n", "2")], vec!["n"]),
            (
                vec![
                    ("g", "a"),
                    ("g", "b"),
                    ("m", "1"),
                    ("n", "1"),
                    ("m", "2"),
                    ("n", "2"),
                ],
                vec!["m", "n"],
            ),
            (vec![("g", "a"), ("g", ""), ("g", "c")], vec![]),
            (vec![("unknown", "1"), ("unknown", "2")], vec![]),
        ] {
            let known = &["n", "m", "g"];
            let encoded = serde_urlencoded::to_string(&pairs).unwrap();
            let parts: String = pairs.iter().map(|(name, value)| part(name, value)).collect();
            let parts = format!("{parts}--b--\r\n");
            for mut fields in [
                Fields::from_urlencoded(encoded.as_bytes(), known).unwrap(),
                Fields::from_multipart(parts.into(), "b".into(), known)
                    .await
                    .unwrap(),
            ] {
                let errors = fields.check_repeated(&["g"]);
                assert!(errors.0.keys().eq(names.iter()), "{encoded}: {errors:?}");
            }
        }
        let mut fields = Fields::from_urlencoded(b"g=a&g=b%2Cc&g=", &["g"]).unwrap();
        assert_eq!(fields.list("g"), Field::Value("a,b,c,".to_owned()));
    }
}
