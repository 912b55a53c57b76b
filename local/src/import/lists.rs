//! Lists as JSON and Python write them: `["Drama", "Comedy"]`, `[{'id': 18, 'name': "Children's"}]`.
//!
//! `serde_json` reads JSON only. What Python prints for a list has other quotes and other words for null, so it is read
//! here, with just the parts of the language that a list of names can have (Python: literals and `ast.literal_eval`).

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 8;

/// A value of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    /// A list, a tuple or a set.
    List(Vec<Value>),
    /// An object or a dictionary.
    Object(Vec<(Value, Value)>),
    /// A number, a truth value or nothing.
    Other,
}

/// Whether text looks like a list or an object in another notation, whether it can be read or not.
pub(super) fn is_list(text: &str) -> bool {
    let text = text.trim();
    [('[', ']'), ('{', '}'), ('(', ')')].iter().any(|(open, close)| {
        text.starts_with(*open) && (*open != '(' || text.contains('\'')) && text.ends_with(*close)
    })
}

/// Returns the names in a list of texts or of objects with `name`. `None` if the text isn't such a list.
pub(super) fn names(text: &str) -> Option<Vec<String>> {
    let mut reading = Reading { rest: text.trim() };
    let value = reading.value(0)?;
    if !reading.rest.is_empty() {
        return None;
    }
    match value {
        Value::List(values) => values.into_iter().map(name).collect(),
        object @ Value::Object(_) => Some(vec![name(object)?]),
        Value::Text(_) | Value::Other => None,
    }
}

fn name(value: Value) -> Option<String> {
    match value {
        Value::Text(name) => Some(name),
        Value::Object(entries) => {
            let mut entries = entries.into_iter();
            let (_, value) = entries.find(|(key, _)| *key == Value::Text("name".into()))?;
            match value {
                Value::Text(name) => Some(name),
                _ => None,
            }
        }
        Value::List(_) | Value::Other => None,
    }
}

/// What of a text isn't read yet.
struct Reading<'a> {
    rest: &'a str,
}

impl Reading<'_> {
    /// Reads a value and the white space after it.
    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.rest.chars().next()? {
            '[' => self.list(']', depth),
            '(' => self.list(')', depth),
            '{' => self.object(depth),
            quote @ ('"' | '\'') => self.text(quote).map(Value::Text),
            _ => self.word(),
        }
    }

    fn list(&mut self, close: char, depth: usize) -> Option<Value> {
        self.skip(1);
        let mut values = Vec::new();
        while !self.accept(close) {
            values.push(self.value(depth + 1)?);
            if !self.accept(',') && !self.rest.starts_with(close) {
                return None;
            }
        }
        Some(Value::List(values))
    }

    /// Reads a dictionary or a set.
    fn object(&mut self, depth: usize) -> Option<Value> {
        self.skip(1);
        let (mut entries, mut values) = (Vec::new(), Vec::new());
        while !self.accept('}') {
            let key = self.value(depth + 1)?;
            if self.accept(':') {
                entries.push((key, self.value(depth + 1)?));
            } else {
                values.push(key);
            }
            if !self.accept(',') && !self.rest.starts_with('}') {
                return None;
            }
        }
        match (entries.is_empty(), values.is_empty()) {
            (_, true) => Some(Value::Object(entries)),
            (true, false) => Some(Value::List(values)),
            (false, false) => None,
        }
    }

    fn text(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => {
                    let (at, escaped) = chars.next()?;
                    let digits = match escaped {
                        'n' => {
                            text.push('\n');
                            continue;
                        }
                        't' => {
                            text.push('\t');
                            continue;
                        }
                        'x' => 2,
                        'u' => 4,
                        'U' => 8,
                        other => {
                            text.push(other);
                            continue;
                        }
                    };
                    let begin = at + 1;
                    let unit = self.hexadecimal(begin, digits)?;
                    chars.nth(digits - 1)?;
                    // JSON writes a character beyond U+FFFF as two surrogates.
                    let low = || {
                        let escape = self.rest.get(begin + digits..)?.strip_prefix("\\u")?;
                        let low = u32::from_str_radix(escape.get(..4)?, 16).ok()?;
                        (0xdc00..0xe000).contains(&low).then_some(low - 0xdc00)
                    };
                    if (0xd800..0xdc00).contains(&unit) {
                        text.push(char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low()?)?);
                        chars.nth(5)?;
                    } else {
                        text.push(char::from_u32(unit)?);
                    }
                }
                _ if c == quote => {
                    self.skip(at + 1);
                    return Some(text);
                }
                _ => text.push(c),
            }
        }
        None
    }

    fn hexadecimal(&self, from: usize, digits: usize) -> Option<u32> {
        u32::from_str_radix(self.rest.get(from..from + digits)?, 16).ok()
    }

    /// Reads a number or a word such as `None`.
    fn word(&mut self) -> Option<Value> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let word = self.rest.get(..end)?;
        let known = ["None", "True", "False", "null", "true", "false"].contains(&word);
        if !known && word.parse::<f64>().is_err() {
            return None;
        }
        self.skip(end);
        Some(Value::Other)
    }

    fn accept(&mut self, c: char) -> bool {
        let accepted = self.rest.starts_with(c);
        if accepted {
            self.skip(c.len_utf8());
        }
        accepted
    }

    /// Skips this many bytes, and white space after them.
    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default().trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_names_and_of_objects_are_read_in_both_notations() {
        for (text, expected) in [
            (r#"["Drama", "Comedy"]"#, vec!["Drama", "Comedy"]),
            ("['Drama', 'Comedy']", vec!["Drama", "Comedy"]),
            ("['Drama', 'Comedy',]", vec!["Drama", "Comedy"]),
            ("('Drama',)", vec!["Drama"]),
            ("{'Drama', 'Comedy'}", vec!["Drama", "Comedy"]),
            (
                r#"['Drama', "Children's", 'Rock \'n\' Roll']"#,
                vec!["Drama", "Children's", "Rock 'n' Roll"],
            ),
            (
                r#"[{"id": 28, "name": "Action"}, {"id": 12, "name": "Adventure"}]"#,
                vec!["Action", "Adventure"],
            ),
            (
                r"[{'id': 28, 'name': 'Action', 'x': None, 'y': [1.5, -2]}]",
                vec!["Action"],
            ),
            (r#"{"id": 28, "name": "Action"}"#, vec!["Action"]),
            (
                r#"["Com\u00e9die", "\ud83d\ude00", "\"A\" \\ B\/C"]"#,
                vec!["Comédie", "😀", "\"A\" \\ B/C"],
            ),
            (r"['Com\xe9die', '\U0001f600']", vec!["Comédie", "😀"]),
            (" [ ] ", vec![]),
        ] {
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert!(is_list(text), "{text}");
            assert_eq!(names(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_such_a_list_is_not_read() {
        for text in [
            "[Drama, Comedy]",
            "['Drama'",
            "['Drama' 'Comedy']",
            "['Drama'] x",
            "[1, 2]",
            "[{'id': 28}]",
            "[{'name': 28}]",
            "[['Drama']]",
            r"['\x']",
            r#"["\ud83d"]"#,
            "{'a': 1, 'b'}",
            "Drama",
            "",
            &"[".repeat(100_000),
        ] {
            assert_eq!(names(text), None, "{text}");
        }
    }
}
