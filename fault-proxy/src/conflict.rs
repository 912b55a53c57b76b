//! Transactions in progress, which cancel others as DynamoDB does.

use std::sync::{Arc, Mutex};

use marquee_shared::db::keys::{PK, SK};
use serde_json::Value;

use crate::State;

/// A transaction in progress. It ends when this is dropped, also when the client has closed the connection.
pub(crate) struct InProgress {
    items: Vec<String>,
    state: Arc<Mutex<State>>,
}

impl InProgress {
    /// Begins a transaction on these items. Any other write of them is only checked, and touches none.
    ///
    /// # Errors
    /// Returns, for each item, whether a transaction in progress touches it, if one touches any of them.
    pub(crate) fn begin(
        state: &Arc<Mutex<State>>,
        items: Vec<String>,
        is_transaction: bool,
    ) -> Result<Self, Vec<bool>> {
        let mut locked = state.lock().unwrap();
        let conflicts: Vec<bool> = items.iter().map(|item| locked.touched.contains(item)).collect();
        if conflicts.contains(&true) {
            return Err(conflicts);
        }
        let items = if is_transaction { items } else { Vec::new() };
        locked.touched.extend(items.iter().cloned());
        Ok(Self {
            items,
            state: Arc::clone(state),
        })
    }

    /// Whether this isn't a transaction.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap();
        for item in &self.items {
            state.touched.remove(item);
        }
    }
}

/// The items that a call writes or checks, alone or in a transaction, each with its table. Those of a transaction are in the
/// order of its actions.
pub(crate) fn items(operation: &str, call: &Value) -> Vec<String> {
    let item = |action: &Value| {
        let key = action.get("Key").unwrap_or(&action["Item"]);
        format!("{} {} {}", action["TableName"], key[PK], key[SK])
    };
    match operation {
        "PutItem" | "UpdateItem" | "DeleteItem" => vec![item(call)],
        "TransactWriteItems" => {
            let actions = call["TransactItems"].as_array().unwrap().iter();
            let of_any_kind = actions.flat_map(|action| action.as_object().unwrap().values());
            of_any_kind.map(item).collect()
        }
        _ => Vec::new(),
    }
}
