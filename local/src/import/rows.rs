//! The rows of a file, whatever its format: CSV or JSON Lines.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use csv::StringRecord;

use super::{
    columns::{Columns, FIELDS, Field},
    decode::{Decoding, NO_TEXT, packed},
    error::ImportError,
    options::Options,
    records::{Fault, Record, Records, Syntax, lines},
};

/// The delimiters that a CSV file can have, the best first.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// The value of each field of [`Field::ALL`] in a row. `None` if the row has none.
pub(super) type Values = [Option<String>; FIELDS];

/// How the rows of a file are read.
#[derive(Clone, Debug)]
pub(super) enum Format {
    /// CSV.
    Csv {
        /// Where the fields are.
        columns: Columns,
        /// The names of the columns.
        header: Vec<String>,
        /// What separates them.
        delimiter: u8,
    },
    /// JSON Lines.
    JsonLines,
}

/// A row of a file.
pub(super) struct Row {
    /// The line on which it begins, or on which its fault is.
    pub(super) line: u64,
    /// Its values, or what is wrong with the row as a whole.
    pub(super) values: Result<Values, RowFault>,
    /// Its cells as they were, for the file of rejected rows.
    pub(super) cells: StringRecord,
    /// Whether its end is in the file: a line end or a closing brace. A quote at the end of the file may be the first half of a
    /// doubled one.
    pub(super) is_complete: bool,
}

/// What is wrong with a row as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RowFault {
    NotUtf8,
    NeverClosed,
    Fields {
        fields: usize,
        columns: usize,
    },
    TooLong,
    NotJson(String),
    /// A field that a movie must have is neither a string nor a number.
    WrongType(Field),
}

impl RowFault {
    /// A message that is equal for all rows with a fault of the same kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::NotUtf8 => "The text is not UTF-8. Save the file as UTF-8.",
            Self::NeverClosed => {
                "The quote that opens here is never closed, or not within 1 MiB. The lines after it are read as rows of their own."
            }
            Self::Fields { .. } => "The row must have as many fields as the header.",
            Self::TooLong => "A row must be at most 1 MiB.",
            Self::NotJson(_) => "The line must be a JSON object.",
            Self::WrongType(_) => "A value must be a string; genre and director may be lists of strings.",
        }
    }

    /// What is special about this row.
    pub(super) fn detail(&self) -> Option<String> {
        match self {
            Self::Fields { fields, columns } => Some(format!("{fields} instead of {columns}")),
            Self::NotJson(error) => Some(error.clone()),
            Self::WrongType(field) => Some(field.to_string()),
            Self::NotUtf8 | Self::NeverClosed | Self::TooLong => None,
        }
    }
}

/// Reads the rows of a file.
pub(super) struct Rows<R> {
    records: Records<Decoding<R>>,
    pub(super) format: Format,
    fields: FieldReader,
    /// The name of each field in JSON Lines.
    names: [String; FIELDS],
}

impl<R: Read> Rows<R> {
    /// Reads the header, and from it how the rows are to be read.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or isn't in a format that is known, or if it lacks a column.
    pub(super) fn open(file: R, options: &Options) -> Result<Self, ImportError> {
        let mut records = Records::new(Decoding::of(file)?, Syntax::Lines);
        let text = records.peek()?;
        let mut line_end = None;
        let format = match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => return Err(ImportError::File("the file is empty".into())),
            Some(_) if is_utf16(text) => {
                return Err(ImportError::File(
                    "line 1: the text is not UTF-8, and has no byte order mark that says what it is. Save the file as \
                     UTF-8"
                        .into(),
                ));
            }
            Some(b'{') => Format::JsonLines,
            Some(b'[') => {
                return Err(ImportError::File(
                    "the file is a JSON array. Write each movie as an object on a line of its own (JSON Lines)".into(),
                ));
            }
            Some(_) => {
                let (format, end) = header(&mut records, options)?;
                line_end = end;
                format
            }
        };
        let mut reader = FieldReader::new(b',');
        if let Format::Csv {
            header, delimiter, ..
        } = &format
        {
            reader = FieldReader::new(*delimiter);
            records.set_syntax(Syntax::Csv {
                delimiter: *delimiter,
                fields: Some(header.len()),
                end: line_end,
            });
        }
        Ok(Self {
            records,
            format,
            fields: reader,
            names: names(options),
        })
    }

    /// Skips the next row. Returns `false` at the end of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub(super) fn skip(&mut self) -> io::Result<bool> {
        Ok(self.records.next()?.is_some())
    }

    /// Returns the next row. `None` at the end of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Row>> {
        let Some(record) = self.records.next()? else {
            return Ok(None);
        };
        let valid_up_to = match std::str::from_utf8(record.bytes) {
            Ok(_) => None,
            Err(error) => record.bytes.get(..error.valid_up_to()),
        };
        let row = match &self.format {
            Format::Csv { columns, header, .. } => self.fields.row(&record, columns, header.len()),
            Format::JsonLines => json_row(&record, &self.names),
        };
        Ok(Some(match valid_up_to {
            None => row,
            Some(valid) => Row {
                line: record.line + lines(valid),
                values: Err(RowFault::NotUtf8),
                ..row
            },
        }))
    }
}

/// Whether a text is probably UTF-16 without a byte order mark. A file begins with English names, in which every second byte
/// is zero then. In other text a zero is a character that a row is rejected for.
fn is_utf16(text: &[u8]) -> bool {
    const BEGINNING: usize = 64;
    let beginning = text.get(..BEGINNING).unwrap_or(text);
    let zeros = beginning.iter().filter(|byte| **byte == 0).count();
    zeros * 4 >= beginning.len()
}

/// Reads the header of a CSV file, and a line `sep=;` in front of it. Returns also the byte that ends it, if it is one.
fn header<R: Read>(records: &mut Records<R>, options: &Options) -> Result<(Format, Option<u8>), ImportError> {
    let mut said = None;
    let text = records.peek()?;
    if let Some(first) = Records::new(text, Syntax::Lines).next()? {
        said = separator(first.bytes);
    }
    if said.is_some() {
        records.next()?;
    }
    let text = records.peek()?;
    let mut best: Option<(usize, usize, u8)> = None;
    for delimiter in said.map_or(DELIMITERS.to_vec(), |said| vec![said]) {
        let syntax = Syntax::Csv {
            delimiter,
            fields: None,
            end: None,
        };
        let mut slice = Records::new(text, syntax);
        let Some(record) = slice.next()? else {
            continue;
        };
        let names = FieldReader::new(delimiter).split(&String::from_utf8_lossy(record.bytes));
        let names: Vec<&str> = names.iter().collect();
        let recognized = Columns::recognized(&names, &options.columns);
        if best.is_none_or(|(most, fields, _)| (recognized, names.len()) > (most, fields)) {
            best = Some((recognized, names.len(), delimiter));
        }
    }
    let delimiter = best.map_or(b',', |(.., delimiter)| delimiter);
    records.set_syntax(Syntax::Csv {
        delimiter,
        fields: None,
        end: None,
    });
    let Some(record) = records.next()? else {
        return Err(ImportError::File("the file has no header".into()));
    };
    let line = record.line;
    if let Some(what) = packed(record.bytes).filter(|_| line == 1) {
        return Err(ImportError::File(what.into()));
    }
    if let Some(fault) = record.fault {
        let what = match fault {
            Fault::TooLong => "the header is longer than 1 MiB",
            Fault::NeverClosed(_) | Fault::Fields(_) => "a quote in the header is never closed",
        };
        return Err(ImportError::File(format!("line {line}: {what}")));
    }
    let text = String::from_utf8_lossy(record.bytes);
    let names = FieldReader::new(delimiter).split(&text);
    let header: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    let columns = Columns::of(&header, &options.columns).map_err(|error| match (error, &text) {
        (_, Cow::Owned(text)) if text.contains(|c: char| c.is_control() && c != '\t') => {
            ImportError::File(NO_TEXT.into())
        }
        (ImportError::File(message), Cow::Owned(_)) => ImportError::File(format!(
            "line {line}: the text is not UTF-8. Save the file as UTF-8. As it is, {message}"
        )),
        (error, _) => error,
    })?;
    let end = match record.end {
        [end] => Some(*end),
        _ => None,
    };
    let format = Format::Csv {
        columns,
        header,
        delimiter,
    };
    Ok((format, end))
}

/// The delimiter that a line `sep=;` names, as Excel writes and reads it.
fn separator(line: &[u8]) -> Option<u8> {
    let line = line
        .strip_prefix(b"\"")
        .and_then(|l| l.strip_suffix(b"\""))
        .unwrap_or(line);
    let (name, delimiter) = line.split_at_checked(4)?;
    match delimiter {
        [delimiter] if name.eq_ignore_ascii_case(b"sep=") && DELIMITERS.contains(delimiter) => {
            Some(*delimiter)
        }
        _ => None,
    }
}

/// Splits records into fields.
struct FieldReader {
    delimiter: u8,
    csv: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl FieldReader {
    fn new(delimiter: u8) -> Self {
        let mut csv = csv_core::ReaderBuilder::new();
        // A record is split from the others already, and what it holds of line ends is text. This byte is nowhere in UTF-8.
        csv.delimiter(delimiter)
            .terminator(csv_core::Terminator::Any(0xff));
        Self {
            delimiter,
            csv: csv.build(),
            text: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The fields of a record.
    fn split(&mut self, record: &str) -> StringRecord {
        // No text is longer than the record, and no record has more fields than bytes and one.
        self.text.resize(record.len() + 1, 0);
        self.csv.reset();
        let (mut input, mut written, mut fields) = (record.as_bytes(), 0, 0);
        loop {
            if fields == self.ends.len() {
                self.ends.resize(fields * 2 + 8, 0);
            }
            let text = self.text.get_mut(written..).unwrap_or_default();
            let ends = self.ends.get_mut(fields..).unwrap_or_default();
            let (result, taken, wrote, ended) = self.csv.read_record(input, text, ends);
            input = input.get(taken..).unwrap_or_default();
            written += wrote;
            fields += ended;
            if let csv_core::ReadRecordResult::Record | csv_core::ReadRecordResult::End = result {
                break;
            }
        }
        let mut begin = 0;
        let ends = self.ends.get(..fields).unwrap_or_default();
        ends.iter()
            .map(|end| {
                let field = self.text.get(begin..*end).unwrap_or_default();
                begin = *end;
                // The record is UTF-8, and quotes and delimiters are ASCII.
                std::str::from_utf8(field).unwrap_or_default()
            })
            .collect()
    }

    fn row(&mut self, record: &Record<'_>, columns: &Columns, count: usize) -> Row {
        let text = String::from_utf8_lossy(record.bytes);
        let mut cells = self.split(&text);
        let fault = match record.fault {
            None => None,
            Some(Fault::NeverClosed(line)) => {
                if line == record.line {
                    // With the quote as a part of the text, if the line has all fields then.
                    let fields: StringRecord = text.split(char::from(self.delimiter)).collect();
                    cells = if fields.len() == count { fields } else { cells };
                }
                Some((line, RowFault::NeverClosed))
            }
            Some(Fault::Fields(fields)) => Some((
                record.line,
                RowFault::Fields {
                    fields,
                    columns: count,
                },
            )),
            Some(Fault::TooLong) => {
                cells = StringRecord::new();
                Some((record.line, RowFault::TooLong))
            }
        };
        let value = |field| Some(cells.get(columns.index(field)?)?.to_owned());
        let (line, values) = match fault {
            None => (record.line, Ok(Field::ALL.map(value))),
            Some((line, fault)) => (line, Err(fault)),
        };
        Row {
            line,
            values,
            cells,
            is_complete: !record.end.is_empty(),
        }
    }
}

fn json_row(record: &Record<'_>, names: &[String; FIELDS]) -> Row {
    let text = String::from_utf8_lossy(record.bytes);
    let values = match record.fault {
        Some(_) => Err(RowFault::TooLong),
        None => json_values(&text, names),
    };
    let cells = match &values {
        Ok(values) => values
            .iter()
            .map(|value| value.as_deref().unwrap_or_default())
            .collect(),
        // Its columns aren't known, or a cell can't hold a value.
        Err(RowFault::NotJson(_) | RowFault::WrongType(_)) => StringRecord::from(vec![&*text]),
        Err(_) => StringRecord::new(),
    };
    Row {
        line: record.line,
        values,
        cells,
        is_complete: true,
    }
}

/// The name of each field in JSON Lines: that of the API, unless the operator says another one.
fn names(options: &Options) -> [String; FIELDS] {
    Field::ALL.map(|field| {
        let mut named = options.columns.iter();
        let named = named.find_map(|(own, name)| (*own == field).then(|| name.clone()));
        named.unwrap_or_else(|| field.name().to_owned())
    })
}

/// The values of a JSON object whose fields have these names.
fn json_values(line: &str, names: &[String; FIELDS]) -> Result<Values, RowFault> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).map_err(|error| RowFault::NotJson(what_is_wrong(&error)))?;
    let mut values = Values::default();
    for ((value, field), name) in values.iter_mut().zip(Field::ALL).zip(names) {
        *value = match object.get(name) {
            None | Some(serde_json::Value::Null) => None,
            Some(serde_json::Value::String(text)) => Some(text.clone()),
            Some(serde_json::Value::Number(number)) => Some(number.to_string()),
            // As CSV has it.
            Some(list @ serde_json::Value::Array(_)) if matches!(field, Field::Genre | Field::Director) => {
                Some(list.to_string())
            }
            // It is left out with a warning that quotes it.
            Some(other) if matches!(field, Field::ImdbId | Field::CoverImage) => Some(other.to_string()),
            Some(_) => return Err(RowFault::WrongType(field)),
        };
    }
    Ok(values)
}

/// What is wrong with JSON, in words.
fn what_is_wrong(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    match error.classify() {
        Category::Eof => "the line ends within the object".into(),
        Category::Data => "this is no object".into(),
        Category::Syntax | Category::Io => format!("this is no JSON at column {}", error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::records::MAX_RECORD, *};

    #[test]
    fn a_header_that_cannot_be_read_is_said_to_be_too_long_or_to_have_an_open_quote() {
        let error = |text: &str| match Rows::open(text.as_bytes(), &Options::default()) {
            Ok(_) => panic!("{text:.80} is read"),
            Err(error) => error.to_string(),
        };
        let long = format!("title,{}\n", "x".repeat(MAX_RECORD));
        assert_eq!(error(&long), "import: line 1: the header is longer than 1 MiB");
        assert_eq!(
            error("\ntitle,\"x\n1,2\n"),
            "import: line 2: a quote in the header is never closed"
        );
    }
}
