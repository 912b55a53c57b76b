//! A request's line in the log as its metrics: CloudWatch's embedded metric format.
//!
//! The member `_aws` of such a line says which of its numbers CloudWatch adds to which metrics
//! (AWS: Specification: Embedded metric format). So one line is the log and the metrics of a request, and no call is made.
//!
//! ```json
//! {"_aws":{"CloudWatchMetrics":[{"Namespace":"marquee","Dimensions":[["operation"],[]],"Metrics":[{"Name":"calls",…}]}],
//! "Timestamp":…},"calls":2,"status":200,"timestamp":"…","level":"INFO","operation":"get_movie","message":"answered"}
//! ```
//!
//! Each metric is there for each operation, and for all requests together. A number that is 0 is in the line but is no metric,
//! because CloudWatch charges for each metric that gets a value within an hour. [`DURATION`] is always one: the number of its
//! values is the number of requests.

use std::{
    fmt::{self, Debug},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use metrique_writer_core::{
    Entry, EntryWriter, MetricFlags, Observation, Unit, Value, ValueWriter, format::Format as _,
    unit::NegativeScale, value::FlagConstructor as _,
};
use metrique_writer_format_emf::{Emf, NoMetricCtor};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime as _, SystemTime as Timer},
    },
    registry::LookupSpan,
};

use super::{json::JsonLines, request::TARGET};

/// The metric that every request has a value of: how long it took, in milliseconds.
pub const DURATION: &str = "duration_ms";

/// The metrics that count something.
pub const COUNTS: [&str; 7] = [
    "calls",
    "read_units",
    "write_units",
    "conflicts",
    "throttles",
    "failures",
    "cold_starts",
];

/// The format of the lines of a function with metrics: [`JsonLines`], except that the line of a request has its metrics.
pub struct MetricLines(Mutex<Emf>);

impl MetricLines {
    /// Returns the format whose metrics have this namespace in CloudWatch.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        let dimensions = vec![vec!["operation".to_owned()], Vec::new()];
        Self(Mutex::new(Emf::builder(namespace.to_owned(), dimensions).build()))
    }
}

impl Debug for MetricLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricLines").finish_non_exhaustive()
    }
}

impl<S, N> FormatEvent<S, N> for MetricLines
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
        if event.metadata().target() != TARGET {
            return JsonLines.format_event(context, writer, event);
        }
        let mut line = Vec::with_capacity(1024);
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .format(&Request(event), &mut line)
            .map_err(|_| fmt::Error)?;
        writer.write_str(std::str::from_utf8(&line).map_err(|_| fmt::Error)?)
    }
}

/// The line of a request.
struct Request<'a>(&'a Event<'a>);

impl Entry for Request<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        let about = self.0.metadata();
        writer.timestamp(SystemTime::now());
        // Lambda filters lines by these two, and takes a line without them for one of the level INFO.
        let mut time = String::with_capacity(32);
        if Timer.format_time(&mut Writer::new(&mut time)).is_ok() {
            writer.value("timestamp", &time);
        }
        writer.value("level", about.level().as_str());
        self.0.record(&mut Members(writer));
    }
}

/// Writes the fields of an event as values of an entry.
struct Members<'a, W>(&'a mut W);

impl<'entry, W: EntryWriter<'entry>> Members<'_, W> {
    fn number(&mut self, field: &Field, number: Observation) {
        self.0.value(
            field.name(),
            &Number {
                number,
                unit: unit(field.name()),
            },
        );
    }
}

impl<'entry, W: EntryWriter<'entry>> Visit for Members<'_, W> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, Observation::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.number(field, Observation::Floating(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.value(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.value(field.name(), &format!("{value:?}"));
    }
}

/// Returns the unit of a metric. `None` for a number that is no metric, such as a status.
fn unit(name: &str) -> Option<Unit> {
    match name {
        DURATION => Some(Unit::Second(NegativeScale::Milli)),
        name if COUNTS.contains(&name) => Some(Unit::Count),
        _ => None,
    }
}

/// A number in the line.
struct Number {
    number: Observation,
    unit: Option<Unit>,
}

impl Value for Number {
    fn write(&self, writer: impl ValueWriter) {
        let is_zero = match self.number {
            Observation::Unsigned(number) => number == 0,
            Observation::Floating(number) => number == 0.0,
            _ => false,
        };
        let (unit, flags) = match self.unit {
            Some(unit @ Unit::Second(_)) => (unit, MetricFlags::empty()),
            Some(unit) if !is_zero => (unit, MetricFlags::empty()),
            _ => (Unit::None, NoMetricCtor::construct()),
        };
        writer.metric([self.number], unit, [], flags);
    }
}

#[cfg(test)]
mod tests;
