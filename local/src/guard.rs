//! The guard limits a function to its role. It checks each call of a function to the table against the function's role in
//! `template.yaml`, as IAM does on AWS, and fails the call when the role doesn't allow it. It also records what each call
//! needs, so that a test can find grants that are never used.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeSerializationInterceptorContextRef,
    },
    error::BoxError,
    operation::{
        batch_get_item::BatchGetItemInput, batch_write_item::BatchWriteItemInput,
        delete_item::DeleteItemInput, get_item::GetItemInput, put_item::PutItemInput, query::QueryInput,
        transact_write_items::TransactWriteItemsInput, update_item::UpdateItemInput,
    },
    types::{AttributeValue, TransactWriteItem, WriteRequest},
};
use aws_smithy_runtime_api::client::{interceptors::context::Input, orchestrator::Metadata};

use crate::template::{Action, KeyPattern, Need, Role, TableSpec, Target};

/// The attributes of an item or a key.
type Attributes = HashMap<String, AttributeValue>;

/// Limits one function to its role. A clone is the same guard.
#[derive(Clone, Debug)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    function: String,
    role: Role,
    table: String,
    /// The attribute of the partition key, for the table and each index.
    partition_keys: BTreeMap<Target, String>,
    seen: Mutex<Seen>,
}

/// What a guard has recorded.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What the function's calls needed of its role.
    pub needs: BTreeSet<Need>,
    /// The refused calls, described as in the log.
    pub refusals: BTreeSet<String>,
}

/// Why a call was refused. It names only the part of a key before `#`, since the rest may be an email.
#[derive(Debug)]
enum Refusal {
    /// The role doesn't allow it.
    NotAllowed(Need),
    /// The guard doesn't know what the call needs.
    Unreadable(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed(need) => write!(f, "its role doesn't allow {need}"),
            Self::Unreadable(what) => f.write_str(what),
        }
    }
}

impl Guard {
    /// A guard for `function` with this role, on the table named `table`.
    #[must_use]
    pub fn new(function: &str, role: Role, table: &str, spec: &TableSpec) -> Self {
        let mut partition_keys: BTreeMap<Target, String> = spec
            .indexes
            .iter()
            .map(|index| (Target::Index(index.name.clone()), index.key.partition.clone()))
            .collect();
        partition_keys.insert(Target::Table, spec.key.partition.clone());
        Self(Arc::new(Inner {
            function: function.to_owned(),
            role,
            table: table.to_owned(),
            partition_keys,
            seen: Mutex::default(),
        }))
    }

    /// Returns a client for the function. It shares connections with `client` and checks each call.
    #[must_use]
    pub fn client(&self, client: &Client) -> Client {
        Client::from_conf(client.config().to_builder().interceptor(self.clone()).build())
    }

    /// What the guard has recorded up to now.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen_now().clone()
    }

    fn seen_now(&self) -> MutexGuard<'_, Seen> {
        // A panic between two insertions leaves both sets valid.
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks a call and records what it needs.
    fn check(&self, input: &Input) -> Result<(), Refusal> {
        let needs = self.0.needs(input).map_err(Refusal::Unreadable)?;
        self.seen_now().needs.extend(needs.iter().cloned());
        match needs.into_iter().find(|need| !self.0.role.allows(need)) {
            Some(need) => Err(Refusal::NotAllowed(need)),
            None => Ok(()),
        }
    }
}

/// Runs before serialization: the call is still typed then, and the SDK doesn't retry an error.
impl Intercept for Guard {
    fn name(&self) -> &'static str {
        "Guard"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Err(refusal) = self.check(context.input()) else {
            return Ok(());
        };
        let operation = cfg.load::<Metadata>().map_or("a call", Metadata::name);
        let text = format!("{operation} by {}: {refusal}", self.0.function);
        tracing::error!(error = text, "call refused by the guard");
        self.seen_now().refusals.insert(text.clone());
        Err(text.into())
    }
}

impl Inner {
    /// Returns what a call needs of the role.
    fn needs(&self, input: &Input) -> Result<Vec<Need>, &'static str> {
        let one = |action, table: Option<&str>, attributes| {
            self.needs_on_table(std::iter::once((action, table.unwrap_or_default(), attributes)))
        };
        if let Some(call) = input.downcast_ref::<GetItemInput>() {
            one(Action::GetItem, call.table_name(), call.key())
        } else if let Some(call) = input.downcast_ref::<PutItemInput>() {
            one(Action::PutItem, call.table_name(), call.item())
        } else if let Some(call) = input.downcast_ref::<UpdateItemInput>() {
            one(Action::UpdateItem, call.table_name(), call.key())
        } else if let Some(call) = input.downcast_ref::<DeleteItemInput>() {
            one(Action::DeleteItem, call.table_name(), call.key())
        } else if let Some(call) = input.downcast_ref::<QueryInput>() {
            Ok(vec![self.query(call)?])
        } else if let Some(call) = input.downcast_ref::<BatchGetItemInput>() {
            let tables = call.request_items().into_iter().flatten();
            let keys = tables.flat_map(|(table, wanted)| wanted.keys().iter().map(move |key| (table, key)));
            self.needs_on_table(keys.map(|(table, key)| (Action::BatchGetItem, table.as_str(), Some(key))))
        } else if let Some(call) = input.downcast_ref::<BatchWriteItemInput>() {
            let tables = call.request_items().into_iter().flatten();
            let writes = tables.flat_map(|(table, writes)| writes.iter().map(move |write| (table, write)));
            self.needs_on_table(
                writes.map(|(table, write)| (Action::BatchWriteItem, table.as_str(), written(write))),
            )
        } else if let Some(call) = input.downcast_ref::<TransactWriteItemsInput>() {
            let members: Option<Vec<_>> = call.transact_items().iter().map(member).collect();
            let members = members.ok_or("a transaction with an unknown member")?;
            self.needs_on_table(members.into_iter())
        } else {
            Err("not an operation that can be allowed by partition key")
        }
    }

    /// Returns the needs of a call on the table. Each action is one need with all its keys, because IAM evaluates the keys of
    /// a request together.
    fn needs_on_table<'a>(
        &self,
        parts: impl Iterator<Item = (Action, &'a str, Option<&'a Attributes>)>,
    ) -> Result<Vec<Need>, &'static str> {
        let name = self.partition_keys.get(&Target::Table);
        let mut keys: BTreeMap<Action, BTreeSet<KeyPattern>> = BTreeMap::new();
        for (action, table, attributes) in parts {
            self.check_table(table)?;
            let value = name.and_then(|name| attributes?.get(name));
            keys.entry(action).or_default().insert(pattern(value)?);
        }
        if keys.is_empty() {
            return Err("a call for no key");
        }
        let needs = keys.into_iter().map(|(action, keys)| Need {
            action,
            target: Target::Table,
            keys,
        });
        Ok(needs.collect())
    }

    /// Returns the need of a Query. Its key is the value that the key condition compares the partition key with.
    fn query(&self, call: &QueryInput) -> Result<Need, &'static str> {
        self.check_table(call.table_name().unwrap_or_default())?;
        let target = call
            .index_name()
            .map_or(Target::Table, |name| Target::Index(name.to_owned()));
        let attribute = self
            .partition_keys
            .get(&target)
            .ok_or("a Query of an index that isn't declared")?;
        let value = call
            .key_condition_expression()
            .and_then(|condition| value_of(condition, attribute, call.expression_attribute_names()))
            .and_then(|name| call.expression_attribute_values()?.get(name));
        Ok(Need {
            action: Action::Query,
            target,
            keys: BTreeSet::from([pattern(value)?]),
        })
    }

    fn check_table(&self, table: &str) -> Result<(), &'static str> {
        if table == self.table {
            Ok(())
        } else {
            Err("a call to another table")
        }
    }
}

/// Returns the pattern of a partition key.
fn pattern(value: Option<&AttributeValue>) -> Result<KeyPattern, &'static str> {
    value
        .and_then(|value| value.as_s().ok())
        .and_then(|key| KeyPattern::of_key(key))
        .ok_or("a partition key that can't be read")
}

/// Returns the key or the item of a write in a batch.
fn written(write: &WriteRequest) -> Option<&Attributes> {
    match (write.put_request(), write.delete_request()) {
        (Some(put), None) => Some(put.item()),
        (None, Some(delete)) => Some(delete.key()),
        _ => None,
    }
}

/// Returns the action of a transaction's member, its table, and its key or item.
fn member(item: &TransactWriteItem) -> Option<(Action, &str, Option<&Attributes>)> {
    if let Some(put) = item.put() {
        Some((Action::PutItem, put.table_name(), Some(put.item())))
    } else if let Some(update) = item.update() {
        Some((Action::UpdateItem, update.table_name(), Some(update.key())))
    } else if let Some(delete) = item.delete() {
        Some((Action::DeleteItem, delete.table_name(), Some(delete.key())))
    } else {
        let check = item.condition_check()?;
        Some((Action::ConditionCheckItem, check.table_name(), Some(check.key())))
    }
}

/// Returns the placeholder of the value that a key condition compares `attribute` with by `=`.
fn value_of<'a>(
    condition: &'a str,
    attribute: &str,
    names: Option<&HashMap<String, String>>,
) -> Option<&'a str> {
    let is_attribute = |name: &str| match names.and_then(|names| names.get(name)) {
        Some(named) => named == attribute,
        None => name == attribute,
    };
    // The AND of a `BETWEEN` makes parts without `=`. There must be exactly one equality of this attribute.
    let mut equals = condition.split(" AND ").filter_map(|part| {
        let (name, value) = part.trim_matches([' ', '(', ')']).split_once('=')?;
        is_attribute(name.trim()).then(|| value.trim())
    });
    equals.next().filter(|_| equals.next().is_none())
}

#[cfg(test)]
mod tests;
