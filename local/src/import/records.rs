//! Splits CSV into records, each with its line.
//!
//! The `csv` crate does this too, but not what an import must do: it counts LF only as the end of a line, and a quote that
//! is never closed makes one record of the rest of the file. So records are split here, with the rules of that crate and of
//! Python's `csv` for quotes (RFC 4180, and text after a closing quote is part of the field), and `csv-core` splits a
//! record into its fields.
//!
//! A quote is taken as never closed if the file ends, if a record is longer than [`MAX_RECORD`], or if the next quote on a
//! later line doesn't end the field: then that one opens a field of a later row. Such a record ends with its first line, and
//! the lines after it are read as rows of their own.
//!
//! Python's `csv` up to 3.12, and so pandas, writes a CR without quotes if its lines end with LF, and the other way round. So
//! where the header ends with one of the two and a line ends with the other, that line end is text if the record has as many
//! fields as the header only with the lines after it.

use std::{
    io::{self, Read},
    ops::Range,
};

use memchr::{memchr, memchr2};

/// The longest record, in bytes. A record is in memory as a whole.
pub(super) const MAX_RECORD: usize = 1024 * 1024;

/// How many lines are joined at most, because the line ends between them may be text.
const MAX_JOINED: usize = 256;

/// How many bytes are read at a time.
const BLOCK: usize = 64 * 1024;

/// What separates records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// CSV with this delimiter.
    Csv {
        /// The byte between two fields.
        delimiter: u8,
        /// How many fields a record has. `None` in front of the header.
        fields: Option<usize>,
        /// The byte that ends the header, if it is one: LF or CR.
        end: Option<u8>,
    },
    /// Every line is a record.
    Lines,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The quote that opens on this line is never closed.
    NeverClosed(u64),
    /// It has this many fields, which is not the number that the header has.
    Fields(usize),
    /// It is longer than [`MAX_RECORD`].
    TooLong,
}

/// A record.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// Its bytes, without the line end.
    pub(super) bytes: &'a [u8],
    /// What is wrong with it.
    pub(super) fault: Option<Fault>,
    /// The line end that follows it. Empty at the end of the file.
    pub(super) end: &'a [u8],
}

/// The records of a file.
pub(super) struct Records<R> {
    file: R,
    syntax: Syntax,
    buffer: Vec<u8>,
    /// Where the next record begins in `buffer`.
    start: usize,
    /// The line on which it begins.
    line: u64,
    /// Whether `buffer` has the end of the file.
    ended: bool,
}

/// A line in the buffer.
struct Line {
    content: Range<usize>,
    /// Where the next line begins.
    next: usize,
}

/// How far the quotes of a record were read.
struct Quotes {
    delimiter: u8,
    fields: usize,
    /// The line of the quote that is open.
    open: Option<u64>,
}

impl Quotes {
    fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            fields: 1,
            open: None,
        }
    }

    /// Reads a line of the record. Returns `false` if a quote that was opened on an earlier line is followed, where it
    /// closes, by something other than a delimiter or the end of the line.
    fn read(&mut self, text: &[u8], line: u64) -> bool {
        let mut rest = text;
        if self.open.is_some() {
            let Some(after) = closing(rest) else { return true };
            if after.first().is_some_and(|byte| *byte != self.delimiter) {
                return false;
            }
            self.open = None;
            rest = after;
        } else if let Some(quoted) = rest.strip_prefix(b"\"") {
            let Some(after) = closing(quoted) else {
                self.open = Some(line);
                return true;
            };
            rest = after;
        }
        self.read_on(rest, line);
        true
    }

    /// Reads the text of a line that begins within a field without quotes.
    fn read_on(&mut self, mut rest: &[u8], line: u64) {
        while let Some(at) = memchr(self.delimiter, rest) {
            self.fields += 1;
            rest = rest.get(at + 1..).unwrap_or_default();
            if let Some(quoted) = rest.strip_prefix(b"\"") {
                let Some(after) = closing(quoted) else {
                    self.open = Some(line);
                    return;
                };
                rest = after;
            }
        }
    }
}

/// Whether a line can be read on its own: it has so many fields, and quotes at the ends of fields only, except doubled ones.
fn is_row(line: &[u8], delimiter: u8, fields: usize) -> bool {
    let mut count = 1;
    let mut rest = line;
    loop {
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            let Some(after) = closing(quoted) else {
                return false;
            };
            rest = after;
            if rest.first().is_some_and(|byte| *byte != delimiter) {
                return false;
            }
        }
        let end = memchr(delimiter, rest);
        if rest.get(..end.unwrap_or(rest.len())).and_then(closing).is_some() {
            return false;
        }
        match end {
            Some(end) => rest = rest.get(end + 1..).unwrap_or_default(),
            None => return count == fields,
        }
        count += 1;
    }
}

/// What follows the quote that closes a field. A doubled quote is a quote in the text.
fn closing(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        let at = memchr(b'"', text)?;
        text = text.get(at + 1..)?;
        match text.strip_prefix(b"\"") {
            Some(after) => text = after,
            None => return Some(text),
        }
    }
}

impl<R: Read> Records<R> {
    pub(super) fn new(file: R, syntax: Syntax) -> Self {
        Self {
            file,
            syntax,
            buffer: Vec::new(),
            start: 0,
            line: 1,
            ended: false,
        }
    }

    /// Sets how the records from here on are separated.
    pub(super) fn set_syntax(&mut self, syntax: Syntax) {
        self.syntax = syntax;
    }

    /// Returns the text from the next record on, as far as a record may reach.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub(super) fn peek(&mut self) -> io::Result<&[u8]> {
        while self.buffer.len() - self.start < MAX_RECORD && self.fill()? {}
        Ok(self.buffer.get(self.start..).unwrap_or_default())
    }

    /// Returns the next record that isn't blank. `None` at the end of the file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        loop {
            if self.start >= BLOCK {
                self.buffer.drain(..self.start);
                self.start = 0;
            }
            let Some(first) = self.line_at(self.start)? else {
                return Ok(None);
            };
            let line = self.line;
            let syntax = self.syntax;
            let (read, fault) = match syntax {
                Syntax::Lines => (first, None),
                Syntax::Csv {
                    delimiter,
                    fields,
                    end,
                } => self.record(first, delimiter, fields, end)?,
            };
            let too_long = read.content.len() > MAX_RECORD;
            // At the end of the file, a line end that may be text may not be the end of the row.
            let end = match syntax {
                Syntax::Csv { end: Some(end), .. }
                    if self.ends_otherwise(&read, end) && self.line_at(read.next)?.is_none() =>
                {
                    read.next..read.next
                }
                _ => read.content.end..read.next,
            };
            let text = self.start..read.content.end;
            self.line += lines(self.bytes(self.start..read.next));
            self.start = read.next;
            if too_long {
                self.skip_line()?;
            }
            let blank = |byte: &u8| {
                let is_delimiter = matches!(syntax, Syntax::Csv { delimiter, .. } if delimiter == *byte);
                byte.is_ascii_whitespace() || is_delimiter
            };
            if !self.bytes(text.clone()).iter().all(blank) {
                return Ok(Some(Record {
                    line,
                    bytes: self.bytes(text),
                    fault: if too_long { Some(Fault::TooLong) } else { fault },
                    end: self.bytes(end),
                }));
            }
        }
    }

    /// Returns where the record ends whose first line is `first`, and what is wrong with it.
    fn record(
        &mut self,
        first: Line,
        delimiter: u8,
        fields: Option<usize>,
        end: Option<u8>,
    ) -> io::Result<(Line, Option<Fault>)> {
        let begin = first.content.start;
        let read = self.record_of_lines(first, delimiter, fields)?;
        if let (Some(fields), Some(end)) = (fields, end)
            && self.ends_otherwise(&read.0, end)
            && let Some(joined) = self.joined(begin, delimiter, fields, end)?
        {
            return Ok((joined, None));
        }
        Ok(read)
    }

    /// Whether a line ends with LF where lines end with CR, or the other way round.
    fn ends_otherwise(&self, line: &Line, end: u8) -> bool {
        matches!(self.bytes(line.content.end..line.next), [other] if *other != end)
    }

    /// Returns the record that begins at `begin` if line ends other than `end` are text. `None` if it doesn't have so many
    /// fields then.
    fn joined(&mut self, begin: usize, delimiter: u8, fields: usize, end: u8) -> io::Result<Option<Line>> {
        let mut quotes = Quotes::new(delimiter);
        let mut next = begin;
        let mut is_within_field = false;
        for _ in 0..MAX_JOINED {
            let Some(line) = self.line_at(next)? else { break };
            let text = self.bytes(line.content.clone());
            if is_within_field {
                quotes.read_on(text, 0);
            } else if !quotes.read(text, 0) {
                break;
            }
            is_within_field = quotes.open.is_none();
            if quotes.fields > fields || line.next - begin > MAX_RECORD {
                break;
            }
            if is_within_field && !self.ends_otherwise(&line, end) {
                let content = begin..line.content.end;
                let joined = Line { content, ..line };
                return Ok((quotes.fields == fields).then_some(joined));
            }
            next = line.next;
        }
        Ok(None)
    }

    /// Returns where the record ends whose first line is `first`, and what is wrong with it, if every line end outside of
    /// quotes ends a record.
    fn record_of_lines(
        &mut self,
        first: Line,
        delimiter: u8,
        fields: Option<usize>,
    ) -> io::Result<(Line, Option<Fault>)> {
        let begin = first.content.start;
        let mut quotes = Quotes::new(delimiter);
        let mut number = self.line;
        let mut last = first.content.clone();
        let mut next = first.next;
        let mut is_whole = quotes.read(self.bytes(last.clone()), number);
        while is_whole && quotes.open.is_some() && next > last.end && next - begin <= MAX_RECORD {
            let Some(line) = self.line_at(next)? else { break };
            number += 1;
            is_whole = quotes.read(self.bytes(line.content.clone()), number);
            last = line.content;
            next = line.next;
        }
        let record = Line {
            content: begin..last.end,
            next,
        };
        // Only at the end of the file are all lines known that the quote could have swallowed.
        let seen = is_whole && next - begin <= MAX_RECORD;
        let fault = match (quotes.open, fields) {
            (Some(line), _) => Fault::NeverClosed(line),
            (None, Some(fields)) if fields != quotes.fields => Fault::Fields(quotes.fields),
            (None, _) => return Ok((record, None)),
        };
        let is_row = |line: &[u8]| fields.is_some_and(|fields| is_row(line, delimiter, fields));
        let rest = self.bytes(first.next..record.content.end);
        if record.next == first.next || seen && !rest.split(|b| matches!(b, b'\n' | b'\r')).any(is_row) {
            return Ok((record, Some(fault)));
        }
        // A record has a second line only because a quote is open at the end of the first.
        Ok((first, Some(Fault::NeverClosed(self.line))))
    }

    /// Returns the line that begins at `from`. `None` at the end of the file. A line that is longer than [`MAX_RECORD`] is
    /// cut.
    fn line_at(&mut self, from: usize) -> io::Result<Option<Line>> {
        let mut searched = from;
        loop {
            let rest = self.bytes(searched..self.buffer.len());
            let found = memchr2(b'\n', b'\r', rest).map(|at| searched + at);
            let end = match found {
                // The second half of CRLF may not have been read yet.
                Some(at) if at + 1 == self.buffer.len() && !self.ended => {
                    self.fill()?;
                    searched = at;
                    continue;
                }
                Some(at) => at,
                None if self.buffer.len() - from > MAX_RECORD => self.buffer.len(),
                None => {
                    searched = self.buffer.len();
                    if self.fill()? {
                        continue;
                    }
                    self.buffer.len()
                }
            };
            let ending = match self.bytes(end..self.buffer.len()) {
                [] => 0,
                [b'\r', b'\n', ..] => 2,
                _ => 1,
            };
            let line = Line {
                content: from..end,
                next: end + ending,
            };
            return Ok((line.next > from).then_some(line));
        }
    }

    /// Skips the rest of a line that was cut.
    fn skip_line(&mut self) -> io::Result<()> {
        let cut = self.start.checked_sub(1).and_then(|at| self.buffer.get(at));
        if matches!(cut, Some(b'\n' | b'\r')) {
            return Ok(());
        }
        // The record itself stays in the buffer, because it is reported.
        let record = self.buffer.split_off(0);
        let begin = record.len();
        loop {
            if let Some(at) = memchr2(b'\n', b'\r', &self.buffer) {
                // The second half of CRLF may not have been read yet.
                if at + 1 == self.buffer.len() {
                    self.fill()?;
                }
                let pair = self.buffer.get(at..=at + 1) == Some(b"\r\n");
                self.buffer.drain(..at + 1 + usize::from(pair));
                self.line += 1;
                break;
            }
            self.buffer.clear();
            if !self.fill()? {
                break;
            }
        }
        self.buffer.splice(0..0, record);
        self.start = begin;
        Ok(())
    }

    /// Reads on. Returns `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        let block = BLOCK as u64;
        let count = self.file.by_ref().take(block).read_to_end(&mut self.buffer)?;
        self.ended |= count == 0;
        Ok(count > 0)
    }

    fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }
}

/// How many line ends there are: LF, CRLF or CR.
pub(super) fn lines(text: &[u8]) -> u64 {
    let mut count = 0;
    let mut rest = text;
    while let Some(at) = memchr2(b'\n', b'\r', rest) {
        count += 1;
        let pair = rest.get(at..).is_some_and(|end| end.starts_with(b"\r\n"));
        rest = rest.get(at + 1 + usize::from(pair)..).unwrap_or_default();
    }
    count
}

#[cfg(test)]
mod tests;
