//! What an import says about the rows of a file.
//!
//! A file can be wrong in the same way in every row. So complaints of the same kind are printed for the first rows, and
//! counted for the others.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use super::columns::Field;

/// How many complaints of one kind are printed.
const PRINTED: u64 = 20;

/// How many kinds are told apart. There are far fewer messages.
const MAX_KINDS: usize = 1_000;

/// The most characters of a value that a complaint quotes.
const QUOTED: usize = 80;

/// What is wrong with a row, or with one of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    field: Option<Field>,
    /// The message. It is equal in all complaints of one kind.
    message: Cow<'static, str>,
    /// What is special about this row, such as the value.
    detail: Option<String>,
    loses: Loses,
}

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loses {
    Row,
    Value,
    Nothing,
}

impl Complaint {
    /// A complaint about a value.
    pub(super) fn of_field(field: Field, message: String, value: &str) -> Self {
        Self {
            field: Some(field),
            message: message.into(),
            detail: (!value.is_empty()).then(|| quoted(value)),
            loses: Loses::Row,
        }
    }

    /// A complaint about a row as a whole.
    pub(super) fn of_row(message: &'static str, detail: Option<String>) -> Self {
        Self {
            field: None,
            message: message.into(),
            detail,
            loses: Loses::Row,
        }
    }

    /// The same complaint about a value that a movie can be without.
    pub(super) fn left_out(self) -> Self {
        Self {
            loses: Loses::Value,
            ..self
        }
    }

    /// The same as a note about a row that isn't lost.
    pub(super) fn note(self) -> Self {
        Self {
            loses: Loses::Nothing,
            ..self
        }
    }

    /// Whether the row is left out because of it.
    pub(super) fn loses_row(&self) -> bool {
        self.loses == Loses::Row
    }

    /// The complaint as text, without a line.
    pub(super) fn text(&self) -> String {
        let mut text = String::from(match self.loses {
            Loses::Row => "",
            Loses::Value => "warning: left out ",
            Loses::Nothing => "warning: ",
        });
        // Writing to a string does not fail.
        if let Some(field) = self.field {
            let _ = write!(text, "{field}: ");
        }
        if let Some(detail) = &self.detail {
            let _ = write!(text, "{detail}: ");
        }
        text.push_str(&self.message);
        text
    }

    /// The complaint as text for all rows of its kind.
    fn kind(&self) -> String {
        let general = Self {
            detail: None,
            ..self.clone()
        };
        general.text()
    }
}

/// A value in quotation marks, cut if it is long. Control characters are escaped, so that a value cannot write on the
/// terminal.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars().take(QUOTED) {
        if c.is_control() {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    if value.chars().nth(QUOTED).is_some() {
        text.push('…');
    }
    text.push('"');
    text
}

/// Counts complaints by their kind.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    kinds: BTreeMap<String, u64>,
}

impl Complaints {
    /// Counts a complaint. Returns it as a line to print, unless enough of its kind were printed.
    pub(super) fn add(&mut self, line: u64, complaint: &Complaint) -> Option<String> {
        let kind = complaint.kind();
        if !self.kinds.contains_key(&kind) && self.kinds.len() >= MAX_KINDS {
            return None;
        }
        let count = self.kinds.entry(kind).or_default();
        *count += 1;
        (*count <= PRINTED).then(|| format!("line {line}: {}", complaint.text()))
    }

    /// Returns a line for each kind of which not all complaints were printed.
    pub(super) fn summary(&self) -> Vec<String> {
        let more = self.kinds.iter().filter(|(_, count)| **count > PRINTED);
        more.map(|(kind, count)| format!("and {} more: {kind}", count - PRINTED))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_quoted_cut_and_cannot_write_on_the_terminal() {
        let complaint = |value: &str| Complaint::of_field(Field::Title, "Must be.".into(), value).text();
        assert_eq!(complaint("a \"b\" é"), "title: \"a \"b\" é\": Must be.");
        assert_eq!(complaint(""), "title: Must be.");
        assert_eq!(complaint("a\u{1b}[31m\n"), "title: \"a\\u{1b}[31m\\n\": Must be.");
        let long = complaint(&"é".repeat(81));
        assert_eq!(long, format!("title: \"{}…\": Must be.", "é".repeat(80)));
    }

    #[test]
    fn complaints_of_one_kind_are_summed_up_after_twenty() {
        let mut complaints = Complaints::default();
        let mut printed = Vec::new();
        for line in 1..=25 {
            let one = Complaint::of_field(Field::Genre, "Must be.".into(), &line.to_string());
            printed.extend(complaints.add(line, &one));
            let other = Complaint::of_row("Must have.", Some(format!("{line} instead of 3")));
            if line <= 20 {
                printed.extend(complaints.add(line, &other));
            }
        }
        assert_eq!(printed.len(), 40);
        assert_eq!(printed[0], "line 1: genre: \"1\": Must be.");
        assert_eq!(printed[1], "line 1: 1 instead of 3: Must have.");
        assert_eq!(complaints.summary(), ["and 5 more: genre: Must be."]);
    }
}
