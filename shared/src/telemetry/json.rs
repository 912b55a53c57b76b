//! The log of a function: one JSON object per line.
//!
//! ```json
//! {"timestamp":"…","level":"INFO","status":200,"message":"answered","target":"…","span":{"request_id":"…","name":"request"}}
//! ```
//!
//! `tracing_subscriber` has such a format too. It keeps a span's fields as JSON text, and parses that text for each field that
//! is recorded later and for each line, twice. Here the text is written once and then copied. That saves a
//! tenth of the instructions of a whole request.

use std::{fmt, io};

use serde::Serialize;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    registry::{LookupSpan, SpanRef},
};

/// The format of lines and of the fields in them.
#[derive(Clone, Copy, Debug)]
pub struct JsonLines;

impl<'writer> FormatFields<'writer> for JsonLines {
    /// Writes the fields as a part of a JSON object, without its braces.
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        Fields::write(writer, false, |members| fields.record(members))
    }

    /// Adds the fields at the end. One that was recorded before is there twice then, and the last value counts.
    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let follows = !current.fields.is_empty();
        Fields::write(current.as_writer(), follows, |members| fields.record(members))
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let about = event.metadata();
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        write!(writer, "\",\"level\":\"{}\"", about.level())?;
        Fields::write(writer.by_ref(), true, |members| event.record(members))?;
        writer.write_str(",\"target\":")?;
        json(&mut writer, about.target())?;
        // The innermost span, and all of them if there are more: the outermost one is the request's.
        let mut spans = event.parent().and_then(|id| context.span(id));
        spans = spans.or_else(|| context.lookup_current());
        if let Some(span) = spans {
            writer.write_str(",\"span\":")?;
            write_span::<S, N>(&mut writer, &span)?;
            if span.parent().is_some() {
                let mut before = ",\"spans\":[";
                for span in span.scope().from_root() {
                    writer.write_str(before)?;
                    write_span::<S, N>(&mut writer, &span)?;
                    before = ",";
                }
                writer.write_char(']')?;
            }
        }
        writer.write_str("}\n")
    }
}

/// Writes a span as a JSON object: its fields, and then its name.
fn write_span<S, N>(writer: &mut Writer<'_>, span: &SpanRef<'_, S>) -> fmt::Result
where
    S: for<'span> LookupSpan<'span>,
    N: 'static,
{
    writer.write_char('{')?;
    if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
        && !fields.is_empty()
    {
        write!(writer, "{fields},")?;
    }
    writer.write_str("\"name\":")?;
    json(writer, span.name())?;
    writer.write_char('}')
}

/// Writes fields as members of a JSON object.
struct Fields<'writer> {
    writer: Writer<'writer>,
    /// Whether a member comes before the next one.
    follows: bool,
    result: fmt::Result,
}

impl<'writer> Fields<'writer> {
    fn write(writer: Writer<'writer>, follows: bool, record: impl FnOnce(&mut Self)) -> fmt::Result {
        let mut members = Self {
            writer,
            follows,
            result: Ok(()),
        };
        record(&mut members);
        members.result
    }

    fn member(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        if self.result.is_ok() {
            self.result = self.write_member(field.name(), value);
        }
    }

    fn write_member(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> fmt::Result {
        if std::mem::replace(&mut self.follows, true) {
            self.writer.write_char(',')?;
        }
        json(&mut self.writer, name)?;
        self.writer.write_char(':')?;
        json(&mut self.writer, value)
    }
}

impl Visit for Fields<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, &format!("{value:?}"));
    }
}

/// Writes a value as JSON.
fn json(writer: &mut Writer<'_>, value: &(impl Serialize + ?Sized)) -> fmt::Result {
    serde_json::to_writer(Text(writer), value).map_err(|_| fmt::Error)
}

/// Writes bytes that are UTF-8 as text.
struct Text<'a, 'writer>(&'a mut Writer<'writer>);

impl io::Write for Text<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tracing::field::Empty;

    use super::*;
    use crate::telemetry::written::Written;

    /// Returns the lines that `log` writes, without their times.
    fn lines(log: impl FnOnce()) -> Vec<Value> {
        let written = Written::new();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonLines)
            .fmt_fields(JsonLines)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let text = written.text();
        let parse = |line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let time = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            let time = time.as_str().unwrap();
            assert!(time.len() > 20 && time.ends_with('Z'), "{time}");
            line
        };
        text.lines().map(parse).collect()
    }

    #[test]
    fn a_line_has_its_fields_and_the_span_of_the_request_as_it_is_then() {
        let lines = lines(|| {
            tracing::warn!("outside");
            let span = tracing::info_span!("request", request_id = "a\"b", route = Empty, operation = Empty);
            let _in_span = span.enter();
            tracing::info!(
                status = 200,
                code = None::<&str>,
                ratio = 0.5,
                is = true,
                "answered"
            );
            span.record("route", "/a/");
            span.record("operation", "get_a");
            tracing::error!(delta = -1, error = "line\nbreak é", cause = ?Some(1));
        });
        let target = module_path!();
        let first = json!({"request_id": "a\"b", "name": "request"});
        let last = json!({"request_id": "a\"b", "route": "/a/", "operation": "get_a", "name": "request"});
        let expected = json!([
            {"level": "WARN", "message": "outside", "target": target},
            {
                "level": "INFO", "status": 200, "ratio": 0.5, "is": true, "message": "answered", "target": target,
                "span": first
            },
            {
                "level": "ERROR", "delta": -1, "error": "line\nbreak é", "cause": "Some(1)", "target": target,
                "span": last
            },
        ]);
        assert_eq!(json!(lines), expected);
    }

    #[test]
    fn no_character_of_a_text_ends_its_line_or_its_string() {
        let text: String = ('\0'..='\u{100}').chain(['\u{2028}', '\u{feff}', '😀']).collect();
        let lines = lines(|| {
            let span = tracing::info_span!("request", request_id = &*text, route = Empty);
            let _in_span = span.enter();
            span.record("route", &*text);
            tracing::info!(written = &*text, displayed = %text, debugged = ?text, "{text}");
        });
        let expected = json!([{
            "level": "INFO", "message": text, "written": text, "displayed": text, "debugged": format!("{text:?}"),
            "target": module_path!(), "span": {"request_id": text, "route": text, "name": "request"},
        }]);
        assert_eq!(json!(lines), expected);
    }

    #[test]
    fn a_line_in_several_spans_names_all_of_them() {
        let lines = lines(|| {
            let request = tracing::info_span!("request", request_id = 7, route = Empty);
            let call = tracing::info_span!(parent: &request, "call");
            call.in_scope(|| tracing::info!("inside"));
            request.record("route", "/a/");
            tracing::info!(parent: &call, "after");
        });
        for (line, request) in lines.iter().zip([
            json!({"request_id": 7, "name": "request"}),
            json!({"request_id": 7, "route": "/a/", "name": "request"}),
        ]) {
            assert_eq!(line["span"], json!({"name": "call"}));
            assert_eq!(line["spans"], json!([request, {"name": "call"}]));
        }
        assert_eq!(lines.len(), 2);
    }
}
