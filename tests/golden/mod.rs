//! Golden requests: the exact calls that each access pattern sends to DynamoDB, one file for each request of the API. The
//! files document the data model; tests/golden/README.md says how to read them. `cargo golden` writes them anew.
//!
//! Values that differ from run to run, such as times and random ids, are replaced by names in angle brackets. A value is
//! only replaced if it has the shape that its name stands for, so the replacement checks it too.

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

/// The calls of one request, as its file holds them.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Golden {
    /// What was asked of the API, or of the library where no request does it.
    request: String,
    /// The access patterns that it uses.
    patterns: BTreeSet<String>,
    /// The calls, one list for each round trip. Calls in one list run side by side.
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
    fn of(request: &str, patterns: &[&str], table: &str, mut records: Vec<Record>) -> Self {
        records.sort_by_key(|record| record.start);
        let mut trips: Vec<Vec<GoldenCall>> = Vec::new();
        let mut ended: Vec<(Instant, usize)> = Vec::new();
        for record in records {
            let before = ended.iter().filter(|(end, _)| *end <= record.start);
            let trip = before.map(|(_, trip)| trip + 1).max().unwrap_or_default();
            ended.push((record.end, trip));
            let mut body = record.exchange.expect("bodies are recorded").call;
            placeholders::put(&mut body, table);
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

    /// The calls in one order, whichever of them ran side by side: on a busy machine calls of one trip can look like two.
    /// The budgets hold the number of trips.
    fn calls(&self) -> Vec<GoldenCall> {
        let mut calls: Vec<GoldenCall> = self.trips.iter().flatten().cloned().collect();
        calls.sort_by_key(sort_key);
        calls
    }
}

/// The access patterns that the data model defines.
fn defined() -> BTreeSet<String> {
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
    assert_eq!(names(&recorded), names(&checked_in), "run `cargo golden`");
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
                "{name}: if the change is meant, run `cargo golden`"
            );
        }
        assert_eq!(sent.len(), expected.len(), "{name}: {sent:#?}");
    }
}

#[test]
fn every_access_pattern_has_a_golden_file() {
    let covered: BTreeSet<String> = checked_in()
        .into_values()
        .flat_map(|golden| golden.patterns)
        .chain(EXCEPTIONS.iter().map(|(id, _)| (*id).to_owned()))
        .collect();
    assert_eq!(covered, defined());
}
