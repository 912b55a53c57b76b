//! The fields of a body, before an endpoint parses them.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::MAX_BODY_BYTES;
use crate::{
    domain::cover_key::MAX_COVER_BYTES,
    error::{Error, FieldErrors, Result},
};

/// The most fields that one body may have, including unknown ones.
pub(super) const MAX_FIELDS: usize = 100;

/// One field of a body.
#[derive(Clone, Debug, PartialEq)]
pub enum Field<T> {
    /// The body doesn't have the field.
    Missing,
    /// The value is JSON's `null`.
    Null,
    /// The value.
    Value(T),
    /// The value has another type. The message says which type it must have.
    Wrong(&'static str),
}

impl<T> Field<T> {
    /// Returns the value of a field that may be left out but is never null. A field that is wrong or null adds its error under
    /// `name`.
    pub fn not_null(self, name: &'static str, errors: &mut FieldErrors) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing => None,
            Self::Null => {
                errors.add(name, "This field may not be null.");
                None
            }
            Self::Wrong(message) => {
                errors.add(name, message);
                None
            }
        }
    }
}

/// The known fields of a body, before they are parsed.
#[derive(Debug, Default)]
pub struct Fields {
    values: BTreeMap<&'static str, Value>,
    /// Whether the body is a form. Its values are always text, so `"true"` may be a boolean and `"7"` a number.
    from_text: bool,
    /// The first known field that is a file.
    file: Option<File>,
    /// Whether a known field is a file although it is another file or a text already.
    has_file_twice: bool,
}

/// A file of a form.
#[derive(Clone, Debug)]
pub struct File {
    /// The name of the field.
    pub field: &'static str,
    /// The content.
    pub content: Bytes,
}

impl Fields {
    /// Returns the fields of a JSON object.
    pub(super) fn of_json(values: BTreeMap<&'static str, Value>) -> Self {
        Self {
            values,
            ..Self::default()
        }
    }

    /// Returns a form without fields.
    pub(super) fn of_form() -> Self {
        Self {
            from_text: true,
            ..Self::default()
        }
    }

    /// Adds a form's text field, if its name is one of `known`. A field that is there already becomes a list of its values.
    pub(super) fn insert(&mut self, known: &'static [&'static str], name: &str, value: String) {
        let Some(name) = find(known, name) else {
            return;
        };
        let value = Value::String(value);
        let all = match self.values.remove(name) {
            None => value,
            Some(Value::Array(mut values)) => {
                values.push(value);
                Value::Array(values)
            }
            Some(first) => Value::Array(vec![first, value]),
        };
        self.values.insert(name, all);
    }

    /// Returns the errors of a form's fields that are there more than once and aren't `allowed` to be. Each of them keeps its
    /// first value, so that it is not also reported as a value of a wrong type.
    pub(super) fn check_repeated(&mut self, allowed: &[&str]) -> FieldErrors {
        let mut errors = FieldErrors::default();
        if !self.from_text {
            return errors;
        }
        if let Some(file) = &self.file
            && (self.has_file_twice || self.values.contains_key(file.field))
        {
            errors.add(file.field, "This field may be given only once.");
        }
        for (name, value) in &mut self.values {
            if let Value::Array(values) = value
                && !allowed.contains(name)
            {
                errors.add(*name, "This field may be given only once.");
                *value = values.swap_remove(0);
            }
        }
        errors
    }

    /// Records that a form's field is a file, if its name is one of `known`.
    pub(super) fn insert_file(&mut self, known: &'static [&'static str], name: &str, content: Bytes) {
        let Some(field) = find(known, name) else {
            return;
        };
        self.has_file_twice |= self.file.is_some();
        self.file.get_or_insert(File { field, content });
    }

    /// Checks the lengths of the file and of the rest of a body of `length` bytes.
    ///
    /// # Errors
    /// [`Error::ImageTooLarge`] and [`Error::TooLarge`].
    pub(super) fn check_lengths(&self, length: usize) -> Result<()> {
        let of_file = self.file.as_ref().map_or(0, |file| file.content.len());
        if of_file > MAX_COVER_BYTES {
            return Err(Error::ImageTooLarge);
        }
        if length.saturating_sub(of_file) > MAX_BODY_BYTES {
            return Err(Error::TooLarge);
        }
        Ok(())
    }

    /// Returns the file, if a field is one, and leaves it.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Returns the file, if a field is one.
    #[must_use]
    pub fn take_file(&mut self) -> Option<File> {
        self.file.take()
    }

    /// Returns a text field.
    #[must_use]
    pub fn string(&mut self, name: &'static str) -> Field<String> {
        match self.values.remove(name) {
            None => Field::Missing,
            Some(Value::Null) => Field::Null,
            Some(Value::String(text)) => Field::Value(text),
            Some(_) => Field::Wrong("Must be a string."),
        }
    }

    /// Returns a text field that may also be a list of strings: a JSON list, or a form's field that is there more than once. The
    /// strings are joined with commas.
    #[must_use]
    pub fn list(&mut self, name: &'static str) -> Field<String> {
        const WRONG: &str = "Must be a string or a list of strings.";
        match self.values.remove(name) {
            None => Field::Missing,
            Some(Value::Null) => Field::Null,
            Some(Value::String(text)) => Field::Value(text),
            Some(Value::Array(values)) => {
                let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
                texts.map_or(Field::Wrong(WRONG), |texts| Field::Value(texts.join(",")))
            }
            Some(_) => Field::Wrong(WRONG),
        }
    }

    /// Adds an error if a field is missing.
    pub fn require(&self, name: &'static str, errors: &mut FieldErrors) {
        if !self.values.contains_key(name) {
            errors.add(name, "This field is required.");
        }
    }

    /// Returns a required text field, or adds an error and returns `None`.
    #[must_use]
    pub fn required(&mut self, name: &'static str, errors: &mut FieldErrors) -> Option<String> {
        self.require(name, errors);
        self.string(name).not_null(name, errors)
    }

    /// Returns a boolean. A form may write it as `true`, `1`, `on` or `yes`, or `false`, `0`, `off` or `no`, in any case. Empty
    /// text and `null` in a form count as missing.
    #[must_use]
    pub fn boolean(&mut self, name: &'static str) -> Field<bool> {
        match self.values.remove(name) {
            None => Field::Missing,
            Some(Value::Null) => Field::Null,
            Some(Value::Bool(value)) => Field::Value(value),
            Some(Value::String(text)) if self.from_text => match text.trim().to_ascii_lowercase().as_str() {
                // A browser's script sends null as the text `null`.
                "" | "null" => Field::Missing,
                "true" | "1" | "on" | "yes" => Field::Value(true),
                "false" | "0" | "off" | "no" => Field::Value(false),
                _ => Field::Wrong("Must be true or false."),
            },
            Some(_) => Field::Wrong("Must be true or false."),
        }
    }

    /// Returns a positive integer, such as an id. Empty text and `null` in a form count as missing.
    #[must_use]
    pub fn positive(&mut self, name: &'static str) -> Field<u64> {
        const WRONG: &str = "Must be a positive integer.";
        let number = match self.values.remove(name) {
            None => return Field::Missing,
            Some(Value::Null) => return Field::Null,
            // JSON has only one kind of number, so 7.0 is 7 (RFC 8259 §6).
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

    /// Returns whether the body is a form, where every value is text.
    #[must_use]
    pub fn from_text(&self) -> bool {
        self.from_text
    }
}

/// Returns a number without a fraction as an integer, up to 2⁵³ − 1: below that a float represents every integer.
fn whole(number: f64) -> Option<u64> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    // The range makes the conversion exact.
    (number.fract() == 0.0 && (0.0..=LARGEST).contains(&number)).then_some(number as u64)
}

/// Returns the name among `known`.
pub(super) fn find(known: &'static [&'static str], name: &str) -> Option<&'static str> {
    known.iter().copied().find(|k| *k == name)
}

/// Checks the number of fields in a body.
pub(super) fn check_field_count(count: usize) -> Result<()> {
    if count <= MAX_FIELDS {
        Ok(())
    } else {
        let detail = format!("A body must have at most {MAX_FIELDS} fields.");
        Err(Error::malformed(detail))
    }
}
