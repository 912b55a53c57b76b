//! JSON bodies.

use std::{collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::fields::{Fields, check_field_count, find};
use crate::error::{Error, Result};

/// How deep JSON may be nested, including the body's own object. No field is nested deeper than a list.
const MAX_DEPTH: usize = 32;

/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Fields {
    /// Parses a JSON object, which a byte order mark may precede. Fields that aren't `known` are ignored.
    pub(super) fn from_json(bytes: &[u8], known: &'static [&'static str]) -> Result<Self> {
        // RFC 8259 §8.1 allows a parser to ignore the mark.
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        if bytes.iter().all(is_white_space) {
            return Err(Error::malformed("The body is empty."));
        }
        // RFC 8259 §8.1. The parser would not check the values of fields that are ignored.
        let text = str::from_utf8(bytes).map_err(|_| Error::malformed("The body is not UTF-8 text."))?;
        measure(bytes)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let values = KnownFields(known)
            .deserialize(&mut json)
            .and_then(|values| json.end().map(|()| values))
            .map_err(|e| {
                let e = match kind_of_other_json(bytes) {
                    None => e,
                    Some(Ok(kind)) => {
                        return Error::malformed(format!("The body must be a JSON object, not {kind}."));
                    }
                    Some(Err(e)) => e,
                };
                // The position only, since serde_json's message may quote the body.
                let (line, column) = (e.line(), e.column());
                let what = "The body is not a valid JSON object";
                Error::malformed(format!("{what}: see line {line}, column {column}."))
            })?;
        Ok(Self::of_json(values))
    }
}

/// Returns whether a byte is white space between JSON's tokens (RFC 8259 §2).
fn is_white_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Returns what a text is that doesn't begin as an object, or the error if it isn't JSON. The parser of an object would report
/// its first character, whichever is wrong.
fn kind_of_other_json(bytes: &[u8]) -> Option<serde_json::Result<&'static str>> {
    let kind = match bytes.iter().find(|byte| !is_white_space(byte))? {
        b'{' => return None,
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        _ => "a number",
    };
    Some(serde_json::from_slice::<IgnoredAny>(bytes).map(|_| kind))
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

    fn detail(json: &[u8]) -> String {
        Fields::from_json(json, &["n"]).unwrap_err().problem().detail
    }

    #[test]
    fn a_body_that_is_empty_or_no_object_says_so() {
        for json in ["", " ", "\r\n\t ", "\u{feff}", "\u{feff}\n"] {
            assert_eq!(detail(json.as_bytes()), "The body is empty.", "{json:?}");
        }
        for (json, kind) in [
            ("[]", "an array"),
            (" [{\"n\": 1}]\n", "an array"),
            ("\u{feff}[1, \"a\", {}]", "an array"),
            ("null", "null"),
            ("true", "a boolean"),
            ("false", "a boolean"),
            ("7", "a number"),
            ("-0.5e3", "a number"),
            ("\"x\"", "a string"),
            ("\"{}\"", "a string"),
        ] {
            let expected = format!("The body must be a JSON object, not {kind}.");
            assert_eq!(detail(json.as_bytes()), expected, "{json}");
        }
        // What isn't JSON has a position.
        for (json, line, column) in [
            ("[1, 2", 1, 5),
            ("nothing", 1, 2),
            ("{\n\"n\": }", 2, 6),
            ("{} {}", 1, 4),
            ("{\"n\": 1", 1, 7),
            ("7 7", 1, 3),
            ("'n'", 1, 1),
            ("\u{feff}\u{feff}{}", 1, 1),
        ] {
            let detail = detail(json.as_bytes());
            assert!(detail.contains("not a valid JSON object"), "{json}: {detail}");
            let place = format!("line {line}, column {column}.");
            assert!(detail.ends_with(&place), "{json}: {detail}");
        }
    }

    #[test]
    fn a_byte_order_mark_may_precede_json() {
        let mut fields = Fields::from_json("\u{feff} {\"n\": 7}".as_bytes(), &["n"]).unwrap();
        assert_eq!(fields.positive("n"), Field::Value(7));
    }

    #[test]
    fn a_list_of_strings_is_joined_with_commas() {
        let list = |json: &str| Fields::from_json(json.as_bytes(), &["n"]).unwrap().list("n");
        let value = |text: &str| Field::Value(text.to_owned());
        assert_eq!(
            list(r#"{"n": ["Drama", "Comedy, Crime"]}"#),
            value("Drama,Comedy, Crime")
        );
        assert_eq!(list(r#"{"n": "Drama"}"#), value("Drama"));
        assert_eq!(list(r#"{"n": []}"#), value(""));
        assert_eq!(list(r#"{"n": null}"#), Field::Null);
        assert_eq!(list("{}"), Field::Missing);
        // The last of two equal keys counts.
        assert_eq!(list(r#"{"n": ["a"], "n": ["b"]}"#), value("b"));
        for wrong in ["7", "[7]", r#"["a", null]"#, r#"[["a"]]"#, "{}", "true"] {
            assert!(
                matches!(list(&format!("{{\"n\": {wrong}}}")), Field::Wrong(_)),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated() {
        let error = Fields::from_json(format!("\"{}\"", "x".repeat(1000)).as_bytes(), &[]).unwrap_err();
        assert!(error.problem().detail.len() < 200);
    }
}
