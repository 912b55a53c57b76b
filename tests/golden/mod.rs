//! Golden requests: one file for each request of the API, with the exact calls that it sends to DynamoDB. The files document
//! the access patterns. `tests/golden/README.md` describes their format, and `cargo golden` writes them.
//!
//! Values that differ from run to run, such as times and random ids, are replaced by placeholders. A value is replaced only
//! if it has the expected shape, so a value of another shape fails the comparison.

mod placeholders;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::Instant,
};

use fault_proxy::Record;
use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::docs;

/// Access patterns without a file, each with the reason.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// The content of a file: the calls of one request.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Golden {
    /// The request of the API, or a description of what was run instead.
    request: String,
    /// The ids of the access patterns that it uses.
    patterns: BTreeSet<String>,
    /// The calls of each round trip, in order. Calls of one trip run at the same time.
    trips: Vec<Vec<GoldenCall>>,
}

/// One call to DynamoDB.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct GoldenCall {
    /// The operation, such as `GetItem`.
    operation: String,
    /// The request body.
    body: Value,
}

impl Golden {
    /// Groups the recorded calls into round trips. A call belongs to the trip after the last one that ended before it
    /// started.
    fn of(request: &str, patterns: &[&str], table: &str, mut records: Vec<Record>) -> Self {
        records.sort_by_key(|record| record.start);
        let mut trips: Vec<Vec<GoldenCall>> = Vec::new();
        let mut ended: Vec<(Instant, usize)> = Vec::new();
        for record in records {
            let before = ended.iter().filter(|(end, _)| *end <= record.start);
            let trip = before.map(|(_, trip)| trip + 1).max().unwrap_or_default();
            ended.push((record.end, trip));
            let mut body = record.exchange.expect("bodies are recorded").call;
            placeholders::substitute(&mut body, table);
            trips.resize_with(trips.len().max(trip + 1), Vec::new);
            trips[trip].push(GoldenCall {
                operation: record.operation,
                body,
            });
        }
        for trip in &mut trips {
            trip.sort_by_key(sort_key);
        }
        Self {
            request: request.to_owned(),
            patterns: patterns.iter().map(|id| (*id).to_owned()).collect(),
            trips,
        }
    }

    /// Returns the calls of all trips in a fixed order. The trips themselves are not compared, because on a busy machine one
    /// trip can look like two. `tests/exactness/budgets.rs` checks the number of trips.
    fn calls(&self) -> Vec<GoldenCall> {
        let mut calls: Vec<GoldenCall> = self.trips.iter().flatten().cloned().collect();
        calls.sort_by_key(sort_key);
        calls
    }
}

/// Returns the ids of the access patterns that the data model defines.
fn defined_patterns() -> BTreeSet<String> {
    let model = docs::read("docs/data-model.md");
    let rows = model.lines().filter(|line| line.starts_with("| AP-"));
    rows.map(|line| line[2..].split(' ').next().unwrap().to_owned())
        .collect()
}

fn sort_key(call: &GoldenCall) -> String {
    format!("{} {}", call.operation, call.body)
}

fn folder() -> PathBuf {
    docs::root().join("tests/golden")
}

/// Returns the content of every file, by its name without the extension.
fn checked_in() -> BTreeMap<String, Golden> {
    let files = docs::files(&["tests/golden"], "json").into_iter();
    files
        .map(|file| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let golden = serde_json::from_str(&fs::read_to_string(&file).unwrap());
            (name, golden.unwrap_or_else(|e| panic!("{}: {e}", file.display())))
        })
        .collect()
}

/// `cargo golden` runs this.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes tests/golden/"]
async fn refresh() {
    for name in checked_in().keys() {
        fs::remove_file(folder().join(format!("{name}.json"))).unwrap();
    }
    let value = Regex::new(r#"\{\n\s+("[SN]": "[^"\n]*")\n\s+\}"#).unwrap();
    for (name, golden) in steps::record().await {
        let text = serde_json::to_string_pretty(&golden).unwrap();
        // An attribute value takes one line instead of three.
        let text = value.replace_all(&text, "{ $1 }").into_owned() + "\n";
        fs::write(folder().join(format!("{name}.json")), text).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_sends_the_calls_of_its_golden_file() {
    let checked_in = checked_in();
    let recorded = steps::record().await;
    let names = |all: &BTreeMap<String, Golden>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&recorded),
        names(&checked_in),
        "left: recorded; right: files; run `cargo golden`"
    );
    for (name, golden) in &recorded {
        let expected = &checked_in[name];
        assert_eq!(
            (&golden.request, &golden.patterns),
            (&expected.request, &expected.patterns),
            "{name}: run `cargo golden`"
        );
        let (sent, expected) = (golden.calls(), expected.calls());
        for (call, expected) in sent.iter().zip(&expected) {
            assert_eq!(
                call, expected,
                "{name}: if this change is intended, run `cargo golden`"
            );
        }
        assert_eq!(
            sent.len(),
            expected.len(),
            "{name} sent other calls than its file has: {sent:#?}"
        );
    }
}

#[test]
fn every_access_pattern_has_a_golden_file() {
    let covered: BTreeSet<String> = checked_in()
        .into_values()
        .flat_map(|golden| golden.patterns)
        .chain(EXCEPTIONS.iter().map(|(id, _)| (*id).to_owned()))
        .collect();
    assert_eq!(
        covered,
        defined_patterns(),
        "left: in a golden file; right: in the data model"
    );
}
