//! Request bodies: JSON, URL-encoded and multipart forms, read into the fields an endpoint knows.

use std::{collections::BTreeMap, fmt};

use axum::extract::{FromRequest, Request};
use http::header;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::error::{Error, FieldErrors, Result};

/// The largest body without a file: 256 KiB.
pub const MAX_BODY_BYTES: usize = 256 * 1024;

/// The most fields one body may carry, known or not.
const MAX_FIELDS: usize = 100;

/// How deep JSON may be nested, the body's own object included: no field here is deeper than a list.
const MAX_DEPTH: usize = 32;

/// What an endpoint reads from a body: its field names, and how they become a value.
pub trait FromFields: Sized {
    /// The fields this body may have. Others are ignored, as the contract says, and never stored on the way.
    const FIELDS: &'static [&'static str];

    /// Parses the fields.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every field that is wrong, all at once.
    fn from_fields(fields: Fields) -> Result<Self>;
}

/// Extracts a body of any of the three media types.
///
/// Rejects with `413` past [`MAX_BODY_BYTES`], `415` for another media type, `400` when it can't be read, and whatever
/// [`FromFields::from_fields`] says.
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

enum Media {
    Json,
    UrlEncoded,
    Multipart(String),
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
                .ok_or_else(|| Error::Malformed("The multipart body has no boundary.".into())),
            _ => Err(Error::UnsupportedMediaType),
        }
    }
}

/// One field of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<T> {
    /// The body doesn't have it.
    Missing,
    /// It is JSON's `null`.
    Null,
    /// It is there.
    Value(T),
    /// It is there, but of another type; the text says which type it must be.
    Wrong(&'static str),
}

/// The known fields of a body, before they are parsed.
#[derive(Debug, Default)]
pub struct Fields {
    values: BTreeMap<&'static str, Value>,
    /// Form fields are always text, so `"true"` may be a boolean and `"7"` a number there.
    from_text: bool,
    file: Option<&'static str>,
}

impl Fields {
    fn from_json(bytes: &[u8], known: &'static [&'static str]) -> Result<Self> {
        measure_json(bytes)?;
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let values = KnownFields(known)
            .deserialize(&mut json)
            .and_then(|values| json.end().map(|()| values))
            // Where, and not what: serde_json's own words may quote the body.
            .map_err(|e| {
                let (line, column) = (e.line(), e.column());
                let what = "The body is not a valid JSON object";
                Error::Malformed(format!("{what}: see line {line}, column {column}."))
            })?;
        Ok(Self {
            values,
            ..Self::default()
        })
    }

    fn from_urlencoded(bytes: &[u8], known: &'static [&'static str]) -> Result<Self> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|t| super::extract::decodes_to_utf8(t))
            .ok_or_else(|| Error::Malformed("The form is not valid UTF-8.".into()))?;
        // Counted before anything is decoded. Nothing between two signs is no field.
        within_field_limit(text.split('&').filter(|pair| !pair.is_empty()).count())?;
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(text)
            .map_err(|_| Error::Malformed("The form can't be read.".into()))?;
        let mut fields = Self::text();
        for (name, value) in pairs {
            fields.insert(known, &name, value);
        }
        Ok(fields)
    }

    async fn from_multipart(
        bytes: bytes::Bytes,
        boundary: String,
        known: &'static [&'static str],
    ) -> Result<Self> {
        let unreadable = |_| Error::Malformed("The multipart body can't be read.".into());
        let whole = futures_util::stream::once(async { Ok::<_, std::convert::Infallible>(bytes) });
        let mut parts = multer::Multipart::new(whole, boundary);
        let mut fields = Self::text();
        let mut count = 0;
        while let Some(part) = parts.next_field().await.map_err(unreadable)? {
            count += 1;
            within_field_limit(count)?;
            let Some(name) = part.name().map(str::to_owned) else {
                continue;
            };
            let file = part.file_name().map(str::to_owned);
            let value = part.bytes().await.map_err(unreadable)?;
            if let Some(file) = file {
                // A browser sends a nameless, empty file for an input in which nothing was chosen.
                if !(file.is_empty() && value.is_empty()) {
                    fields.file = fields.file.or(find(known, &name));
                }
                continue;
            }
            let value = String::from_utf8(value.into())
                .map_err(|_| Error::Malformed("The form is not valid UTF-8.".into()))?;
            fields.insert(known, &name, value);
        }
        Ok(fields)
    }

    fn text() -> Self {
        Self {
            from_text: true,
            ..Self::default()
        }
    }

    fn insert(&mut self, known: &'static [&'static str], name: &str, value: String) {
        if let Some(name) = find(known, name) {
            self.values.insert(name, Value::String(value));
        }
    }

    /// The field that came as a file, if one did.
    #[must_use]
    pub fn file(&self) -> Option<&'static str> {
        self.file
    }

    /// A text field.
    #[must_use]
    pub fn string(&mut self, name: &'static str) -> Field<String> {
        match self.values.remove(name) {
            None => Field::Missing,
            Some(Value::Null) => Field::Null,
            Some(Value::String(text)) => Field::Value(text),
            Some(_) => Field::Wrong("Must be a string."),
        }
    }

    /// Notes it when a field is missing.
    pub fn require(&self, name: &'static str, errors: &mut FieldErrors) {
        if !self.values.contains_key(name) {
            errors.add(name, "This field is required.");
        }
    }

    /// A text field that must be there.
    #[must_use]
    pub fn required(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<String> {
        self.require(name, errors);
        match self.string(name) {
            Field::Value(text) => return Some(text),
            Field::Missing => {}
            Field::Null => errors.add(name, "This field may not be null."),
            Field::Wrong(message) => errors.add(name, message),
        }
        None
    }

    /// A boolean; in a form `true`, `1`, `on` or `yes` and their opposites, in any case; `null` and nothing are missing.
    #[must_use]
    pub fn boolean(&mut self, name: &'static str) -> Field<bool> {
        match self.values.remove(name) {
            None => Field::Missing,
            Some(Value::Null) => Field::Null,
            Some(Value::Bool(value)) => Field::Value(value),
            Some(Value::String(text)) if self.from_text => match text.trim().to_ascii_lowercase().as_str() {
                // What a browser makes of a null.
                "" | "null" => Field::Missing,
                "true" | "1" | "on" | "yes" => Field::Value(true),
                "false" | "0" | "off" | "no" => Field::Value(false),
                _ => Field::Wrong("Must be true or false."),
            },
            Some(_) => Field::Wrong("Must be true or false."),
        }
    }

    /// A positive integer, such as an id.
    #[must_use]
    pub fn positive(&mut self, name: &'static str) -> Field<u64> {
        const WRONG: &str = "Must be a positive integer.";
        let number = match self.values.remove(name) {
            None => return Field::Missing,
            Some(Value::Null) => return Field::Null,
            // JSON has one kind of number: 7.0 is 7 (RFC 8259 §6).
            Some(Value::Number(n)) => n.as_u64().or_else(|| n.as_f64().and_then(whole)),
            Some(Value::String(text)) if self.from_text => match text.trim() {
                "" | "null" => return Field::Missing,
                digits => digits.parse().ok(),
            },
            Some(_) => None,
        };
        number
            .filter(|n| *n > 0)
            .map_or(Field::Wrong(WRONG), Field::Value)
    }

    /// Whether these came as a form, where every value is text.
    #[must_use]
    pub fn from_text(&self) -> bool {
        self.from_text
    }
}

/// A number without a fraction, where a float still holds every integer.
fn whole(number: f64) -> Option<u64> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    // The range makes the conversion exact.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (number.fract() == 0.0 && (0.0..=LARGEST).contains(&number)).then_some(number as u64)
}

fn find(known: &'static [&'static str], name: &str) -> Option<&'static str> {
    known.iter().copied().find(|k| *k == name)
}

fn within_field_limit(count: usize) -> Result<()> {
    if count <= MAX_FIELDS {
        Ok(())
    } else {
        let detail = format!("A body must have at most {MAX_FIELDS} fields.");
        Err(Error::Malformed(detail))
    }
}

/// Counts how deep JSON is nested, and how many fields its outer object has, before it is parsed: serde_json bounds the depth
/// of what it keeps, and passes over the fields that nobody reads however deep they are. In what isn't JSON it may count
/// wrong, and that is refused either way.
fn measure_json(bytes: &[u8]) -> Result<()> {
    let (mut depth, mut fields) = (0_usize, 1_usize);
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => loop {
                match bytes.next() {
                    Some(b'\\') => {
                        bytes.next();
                    }
                    Some(b'"') | None => break,
                    Some(_) => {}
                }
            },
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => fields += 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            let detail = format!("JSON must be nested at most {MAX_DEPTH} deep.");
            return Err(Error::Malformed(detail));
        }
        within_field_limit(fields)?;
    }
    Ok(())
}

/// Reads a JSON object's known fields, and passes over the others without keeping them.
struct KnownFields(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for KnownFields {
    type Value = BTreeMap<&'static str, Value>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KnownFields {
    type Value = BTreeMap<&'static str, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            match find(self.0, &name) {
                Some(known) => {
                    values.insert(known, map.next_value()?);
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn positive(json: &str) -> Field<u64> {
        let mut fields = Fields::from_json(json.as_bytes(), &["n"]).unwrap();
        fields.positive("n")
    }

    #[test]
    fn a_positive_integer_is_one_however_json_writes_it() {
        for (text, number) in [
            ("7", 7),
            ("7.0", 7),
            ("7e2", 700),
            ("9007199254740991", 9_007_199_254_740_991),
        ] {
            assert_eq!(
                positive(&format!(r#"{{"n": {text}}}"#)),
                Field::Value(number),
                "{text}"
            );
        }
        for text in ["0", "-1", "7.5", "1e300", "-0.0", "\"7\"", "true", "[7]"] {
            assert!(
                matches!(positive(&format!(r#"{{"n": {text}}}"#)), Field::Wrong(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_form_says_null_as_a_browser_writes_it() {
        let mut fields = Fields::from_urlencoded(b"n=null&b=null", &["n", "b"]).unwrap();
        assert_eq!(fields.positive("n"), Field::Missing);
        assert_eq!(fields.boolean("b"), Field::Missing);
    }

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

    /// Guarantee 27.
    #[test]
    fn json_is_nested_32_deep_at_most_whether_the_field_is_read_or_not() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"]\":", "}]")] {
            let nested = |field: &str, times: usize| {
                let value = format!("{}0{}", open.repeat(times), close.repeat(times));
                let json = format!("{{\"{field}\": {value}, \"\\\\\": \"[[[\\\"[[[\"}}");
                Fields::from_json(json.as_bytes(), &["n"]).map(|_| ())
            };
            let levels = open.matches(['[', '{']).count();
            let deepest = (MAX_DEPTH - 1) / levels;
            for field in ["n", "unread"] {
                assert!(nested(field, deepest).is_ok(), "{open} {deepest} times, {field}");
                for times in [deepest + 1, 60_000 / open.len()] {
                    let detail = nested(field, times).unwrap_err().problem().detail;
                    assert!(
                        detail.contains("32 deep"),
                        "{open} {times} times, {field}: {detail}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let error = Fields::from_json(format!("\"{}\"", "x".repeat(1000)).as_bytes(), &[]).unwrap_err();
        assert!(error.problem().detail.len() < 200);
    }
}
