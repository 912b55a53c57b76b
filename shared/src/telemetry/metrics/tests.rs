use serde_json::{Value as Json, json};

use super::*;
use crate::telemetry::{
    request::{Deed, add, note_operation, note_user, observed},
    written::Written,
};

/// Returns the lines that a function with metrics writes of these requests: the deeds of each, and its status.
async fn lines(requests: &[(&[Deed], u16)]) -> Vec<Json> {
    let written = Written::new();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .event_format(MetricLines::new("a/namespace"))
        .fmt_fields(JsonLines)
        .with_writer(move || writer.clone())
        .finish();
    let _log = tracing::subscriber::set_default(subscriber);
    tracing::info!(answer = 42, "another line");
    for (deeds, status) in requests {
        let ((), answered) = observed(async {
            note_operation("/api/movies/{id}/", "get_movie");
            note_user(7.try_into().unwrap());
            deeds.iter().copied().for_each(add);
        })
        .await;
        answered.log("an id", "GET", *status, (*status >= 400).then_some("a_code"));
    }
    let text = written.text();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the names of a line's metrics, each with its unit.
fn metrics(line: &Json) -> Vec<(&str, &str)> {
    let declared = line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        .as_array()
        .unwrap();
    declared
        .iter()
        .map(|metric| {
            (
                metric["Name"].as_str().unwrap(),
                metric["Unit"].as_str().unwrap_or(""),
            )
        })
        .collect()
}

#[tokio::test]
async fn the_line_of_a_request_declares_its_metrics_and_other_lines_none() {
    let deeds = [
        Deed::Call,
        Deed::Read(2.5),
        Deed::Call,
        Deed::Write(4.0),
        Deed::Conflict,
        Deed::Throttle,
    ];
    let all = lines(&[(&deeds, 503), (&[], 200)]).await;
    let [other, busy, idle] = &all[..] else {
        panic!("{all:?}")
    };
    assert_eq!((&other["answer"], &other["_aws"]), (&json!(42), &Json::Null));
    for line in [busy, idle] {
        let declared = &line["_aws"]["CloudWatchMetrics"];
        assert_eq!(declared.as_array().unwrap().len(), 1);
        assert_eq!(declared[0]["Namespace"], "a/namespace");
        assert_eq!(declared[0]["Dimensions"], json!([["operation"], []]));
        let milliseconds = line["_aws"]["Timestamp"].as_u64().unwrap();
        assert!(milliseconds > 1_700_000_000_000, "{milliseconds}");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
        assert!(line[DURATION].as_f64().unwrap() >= 0.0);
        for (name, text) in [
            ("level", "INFO"),
            ("message", "answered"),
            ("request_id", "an id"),
            ("method", "GET"),
            ("route", "/api/movies/{id}/"),
            ("operation", "get_movie"),
        ] {
            assert_eq!(line[name], text, "{name}");
        }
        assert_eq!(line["user"], 7);
    }
    // A number that is 0 is in the line, and no metric.
    let of = |line: &Json| COUNTS.map(|name| line[name].as_f64().unwrap());
    let [.., starts] = of(busy);
    assert_eq!(of(busy), [2.0, 2.5, 4.0, 1.0, 1.0, 1.0, starts]);
    assert_eq!(of(idle), [0.0; 7]);
    assert_eq!((&busy["status"], &busy["code"]), (&json!(503), &json!("a_code")));
    assert_eq!((&idle["status"], &idle["code"]), (&json!(200), &Json::Null));
    assert_eq!(metrics(idle), [(DURATION, "Milliseconds")]);
    let declared: Vec<_> = metrics(busy)
        .into_iter()
        .filter(|(name, _)| *name != "cold_starts")
        .collect();
    let counts = COUNTS.iter().filter(|name| **name != "cold_starts");
    let expected: Vec<_> = [(DURATION, "Milliseconds")]
        .into_iter()
        .chain(counts.map(|name| (*name, "Count")))
        .collect();
    assert_eq!(declared, expected);
}

#[tokio::test]
async fn one_request_of_a_process_counts_its_start() {
    // Other tests of this process may have had the first one.
    let all = lines(&[(&[], 200), (&[], 200)]).await;
    assert_eq!(all[2]["cold_starts"], 0);
}
