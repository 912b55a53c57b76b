//! Which movie has which id.
//!
//! Ids are taken for the rows that are added and for no others: a list by id reads on where ids are missing, so a file whose
//! rows are in the table already must not leave a gap. And a row keeps its id when an import is interrupted, because postings
//! that were written before their movie name it. So the job stores spans: the ids that were taken for rows that aren't done.
//! If the response with the ids was lost, as many are taken again, and the first ones stay unused.

use std::fmt::Write as _;

use marquee_shared::{
    db::{Store, counter::Counter},
    domain::MovieId,
};

use super::error::ImportError;

/// Rows that are at most this far apart share a span. The ids of the rows between them stay unused.
const MAX_GAP: u64 = 8;

/// Consecutive rows with consecutive ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    row: u64,
    count: u64,
    base: u64,
}

/// The spans of an import.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ids {
    spans: Vec<Span>,
    /// The spans as the job has them.
    stored: String,
}

impl Ids {
    /// Reads the spans of a job.
    ///
    /// # Errors
    /// Returns an error if the text isn't what [`Ids::text`] returned.
    pub(super) fn stored(text: &str) -> Result<Self, ImportError> {
        let spans = text.split_whitespace().map(|span| {
            let mut numbers = span.split(['+', '@']).map(str::parse);
            match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
                (Some(Ok(row)), Some(Ok(count)), Some(Ok(base)), None) => Ok(Span { row, count, base }),
                _ => Err(ImportError::Stopped(format!(
                    "the import's job has a wrong span {span}"
                ))),
            }
        });
        Ok(Self {
            spans: spans.collect::<Result<_, _>>()?,
            stored: text.to_owned(),
        })
    }

    /// The spans as the job stores them.
    fn text(&self) -> String {
        let mut text = String::new();
        for Span { row, count, base } in &self.spans {
            // Writing to a string does not fail.
            let _ = write!(text, "{row}+{count}@{base} ");
        }
        text
    }

    /// Returns an id for each of these rows, which must be in order. Takes ids for those that have none, and stores them in
    /// the job. Rows before `committed` are done and forgotten.
    ///
    /// # Errors
    /// Returns an error if the table cannot be written, or if there are no ids left.
    pub(super) async fn assign(
        &mut self,
        store: &Store,
        hash: &str,
        rows: &[u64],
        committed: u64,
    ) -> Result<Vec<MovieId>, ImportError> {
        self.spans.retain(|span| span.row + span.count > committed);
        let mut new: Vec<Span> = Vec::new();
        for row in rows.iter().filter(|row| self.id(**row).is_none()) {
            match new.last_mut() {
                Some(last) if row - (last.row + last.count) < MAX_GAP => last.count = row - last.row + 1,
                _ => new.push(Span {
                    row: *row,
                    count: 1,
                    base: 0,
                }),
            }
        }
        let count = new.iter().map(|span| span.count).sum();
        if count > 0 {
            let mut base = store.take_ids(Counter::MovieIds, count).await?;
            for span in &mut new {
                span.base = base;
                base += span.count;
            }
            self.spans.append(&mut new);
            let text = self.text();
            if !store.keep_import_spans(hash, &self.stored, &text).await? {
                return Err(ImportError::taken_over());
            }
            self.stored = text;
        }
        let ids = rows.iter().map(|row| {
            let id = self.id(*row).unwrap_or_default();
            MovieId::try_from(id).map_err(|e| ImportError::Stopped(e.to_string()))
        });
        ids.collect()
    }

    /// The id of a row, if it has one.
    fn id(&self, row: u64) -> Option<u64> {
        let span = self
            .spans
            .iter()
            .rev()
            .find(|span| (span.row..span.row + span.count).contains(&row));
        span.map(|span| span.base + (row - span.row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_were_stored() {
        let span = |row, count, base| Span { row, count, base };
        let ids = Ids {
            spans: vec![span(0, 512, 1), span(700, 3, 513)],
            stored: "0+512@1 700+3@513 ".into(),
        };
        assert_eq!(ids.text(), ids.stored);
        assert_eq!(Ids::stored(&ids.text()).unwrap(), ids);
        assert_eq!(Ids::stored("").unwrap(), Ids::default());
        assert_eq!(
            [0, 511, 512, 702].map(|row| ids.id(row)),
            [Some(1), Some(512), None, Some(515)]
        );
        for wrong in ["1", "1+2", "1+2@x", "1+2@3@4"] {
            assert!(Ids::stored(wrong).is_err(), "{wrong}");
        }
    }
}
