//! The answers that the proxy makes itself, the divided batches, and the units that an answer reports.

use serde_json::{Map, Value, json};

/// The message of every error that the proxy makes.
const MESSAGE: &str = "The fault proxy made this error.";

/// The consumed units that an answer reports, for one table or for several.
pub(crate) fn units(answer: &Value) -> f64 {
    let of = |capacity: &Value| capacity["CapacityUnits"].as_f64().unwrap_or_default();
    match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().map(of).sum(),
        capacity => of(capacity),
    }
}

/// An error with this code.
pub(crate) fn error(code: &str) -> Value {
    json!({
        "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
        "message": MESSAGE,
    })
}

/// A cancellation of this transaction, for this reason of its first action.
pub(crate) fn canceled(call: &Value, code: &str) -> Value {
    let actions = call["TransactItems"].as_array().unwrap().len();
    cancellation((0..actions).map(|action| if action == 0 { code } else { "None" }))
}

/// A cancellation of a transaction. `conflicts` says for each action whether it conflicts with another transaction.
pub(crate) fn conflicting(conflicts: &[bool]) -> Value {
    let codes = conflicts
        .iter()
        .map(|conflicts| if *conflicts { "TransactionConflict" } else { "None" });
    cancellation(codes)
}

/// A cancellation of a transaction, with the reason of each of its actions.
fn cancellation<'a>(codes: impl Iterator<Item = &'a str>) -> Value {
    let reasons: Vec<Value> = codes
        .map(|code| match code {
            "None" => json!({"Code": code}),
            code => json!({"Code": code, "Message": MESSAGE}),
        })
        .collect();
    let mut answer = error("TransactionCanceledException");
    answer["CancellationReasons"] = json!(reasons);
    answer
}

/// The member of a batch's answer that holds the unprocessed items.
pub(crate) fn unprocessed_name(operation: &str) -> &'static str {
    match operation {
        "BatchGetItem" => "UnprocessedKeys",
        "BatchWriteItem" => "UnprocessedItems",
        other => panic!("{other} is no batch"),
    }
}

/// Removes the second half of a batch and returns it. `None` for a batch of one item.
pub(crate) fn halve(call: &mut Value) -> Option<Value> {
    let mut unprocessed = Map::new();
    for (table, items) in call["RequestItems"].as_object_mut().unwrap() {
        let mut rest = items.clone();
        let list = if items.is_array() {
            items
        } else {
            &mut items["Keys"]
        };
        let list = list.as_array_mut().unwrap();
        let half = list.len().div_ceil(2);
        let removed = Value::from(list.split_off(half));
        if removed.as_array().unwrap().is_empty() {
            continue;
        }
        if rest.is_array() {
            rest = removed;
        } else {
            rest["Keys"] = removed;
        }
        unprocessed.insert(table.clone(), rest);
    }
    (!unprocessed.is_empty()).then_some(Value::Object(unprocessed))
}
