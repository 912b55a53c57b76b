//! JSON bodies.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::fields::{Fields, check_field_count, find};
use crate::error::{Error, Result};

/// How deep JSON may be nested, including the body's own object. No field is nested deeper than a list.
const MAX_DEPTH: usize = 32;

impl Fields {
    /// Parses a JSON object. Fields that aren't `known` are ignored.
    pub(super) fn from_json(bytes: &[u8], known: &'static [&'static str]) -> Result<Self> {
        measure(bytes)?;
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let values = KnownFields(known)
            .deserialize(&mut json)
            .and_then(|values| json.end().map(|()| values))
            // The position only, since serde_json's message may quote the body.
            .map_err(|e| {
                let (line, column) = (e.line(), e.column());
                let what = "The body is not a valid JSON object";
                Error::malformed(format!("{what}: see line {line}, column {column}."))
            })?;
        Ok(Self::of_json(values))
    }
}

/// Checks how deep JSON is nested and how many fields its outer object has, before it is parsed. serde_json limits only the
/// depth of values that it keeps, not of fields that are ignored. For a text that isn't JSON the numbers may be wrong, but
/// such a text is refused anyway.
fn measure(bytes: &[u8]) -> Result<()> {
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
            let detail = format!("JSON must be nested at most {MAX_DEPTH} levels deep.");
            return Err(Error::malformed(detail));
        }
        check_field_count(fields)?;
    }
    Ok(())
}

/// Parses a JSON object's known fields and skips the others without storing them.
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
mod tests {
    use super::*;
    use crate::http::body::fields::Field;

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
                        detail.contains("32 levels deep"),
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
