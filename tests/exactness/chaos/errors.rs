//! Errors of the product that the checks must find. The proxy changes the calls to what a product with the error would send.

use marquee_shared::db::keys::PK;
use serde_json::{Value, json};

use super::{FAULTS, Run, WINDOW};
use crate::{exactness::races::run_all, support::proxy::Fault};

/// Changes a call, as [`fault_proxy::Rewriting`].
type Rewriting = fn(&str, &mut Value);

/// Transactions that are sent again are made again.
fn without_tokens(_: &str, call: &mut Value) {
    call.as_object_mut().unwrap().remove("ClientRequestToken");
}

/// Makes the condition of a write true, if there is one that `is_wanted`.
fn weaken(write: &mut Value, is_wanted: impl Fn(&str) -> bool) {
    let Some(condition) = write["ConditionExpression"]
        .as_str()
        .filter(|text| is_wanted(text))
    else {
        return;
    };
    // The values of the condition must still be used.
    let always = format!("({condition}) OR attribute_exists({PK}) OR attribute_not_exists({PK})");
    write["ConditionExpression"] = json!(always);
}

/// The writes of a call.
fn writes<'a>(operation: &str, call: &'a mut Value) -> Vec<&'a mut Value> {
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => vec![call],
        "TransactWriteItems" => {
            let actions = call["TransactItems"].as_array_mut().unwrap().iter_mut();
            actions
                .flat_map(|action| action.as_object_mut().unwrap().values_mut())
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The partition key of a write.
fn partition(write: &Value) -> &str {
    let key = write.get("Key").unwrap_or(&write["Item"]);
    key[PK]["S"].as_str().unwrap_or_default()
}

/// An edit doesn't ask whether somebody else has edited the movie since it was read.
fn without_conditions_on_movies(operation: &str, call: &mut Value) {
    for write in writes(operation, call) {
        if partition(write).starts_with("MOVIE") {
            weaken(write, |condition| condition.contains("version"));
        }
    }
}

/// A favorite is added although it exists.
fn without_conditions_on_favorites(operation: &str, call: &mut Value) {
    for write in writes(operation, call) {
        if partition(write).starts_with("FAVORITES") {
            weaken(write, |_| true);
        }
    }
}

/// A rotation doesn't ask whether the token is the current one.
fn without_conditions_on_sessions(operation: &str, call: &mut Value) {
    for write in writes(operation, call) {
        if partition(write).starts_with("SESSION") {
            weaken(write, |_| true);
        }
    }
}

/// The answer to a request with a key isn't kept.
fn without_kept_answers(operation: &str, call: &mut Value) {
    if operation == "TransactWriteItems" {
        let actions = call["TransactItems"].as_array_mut().unwrap();
        actions.retain(|action| !partition(&action["Put"]).starts_with("IDEMPOTENCY"));
    }
}

/// A favorite changes without the movie's count.
fn without_counts(operation: &str, call: &mut Value) {
    if operation == "TransactWriteItems" {
        let actions = call["TransactItems"].as_array_mut().unwrap();
        if actions.len() > 1
            && actions
                .iter()
                .any(|action| partition(&action["Delete"]).starts_with("FAVORITES"))
        {
            actions.retain(|action| !partition(&action["Update"]).starts_with("MOVIE"));
        }
    }
}

/// The seeds of the runs in which an error must show. On a busy machine requests overlap less, so that more are needed.
const SEEDS: std::ops::Range<u64> = 81..105;

/// Guarantee 81: the check finds errors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_error_of_the_product_leaves_a_history_that_nothing_explains() {
    let lost = &[Fault::AnswerLost];
    let errors: [(_, Rewriting, &[Fault]); 6] = [
        ("tokens", without_tokens, lost),
        ("conditions on movies", without_conditions_on_movies, &FAULTS),
        ("conditions on favorites", without_conditions_on_favorites, lost),
        ("conditions on sessions", without_conditions_on_sessions, lost),
        ("kept answers", without_kept_answers, lost),
        ("counts", without_counts, lost),
    ];
    // Whether an error shows depends on how requests overlap, so one run may show nothing of it.
    let runs = errors.into_iter().map(|(what, error, faults)| async move {
        for seed in SEEDS {
            let run = Run {
                seed,
                window: Some(WINDOW),
                rewriting: Some(error),
                ..Run::new(300, 0.15, faults)
            };
            // The table of a product with an error can be such that a client gets a 500, which ends the run.
            let findings = match tokio::spawn(run.start()).await {
                Ok(outcome) => outcome.findings,
                Err(error) => vec![error.to_string()],
            };
            if !findings.is_empty() {
                return (what, findings);
            }
        }
        (what, Vec::new())
    });
    for (what, findings) in run_all(runs).await {
        for finding in &findings {
            eprintln!(
                "chaos: without {what}: {}",
                finding.lines().next().unwrap_or_default()
            );
        }
        assert!(!findings.is_empty(), "without {what}");
    }
}
