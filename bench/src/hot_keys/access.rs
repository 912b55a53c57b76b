//! The units that a call to the table consumed of each partition key, computed from the call and its response by DynamoDB's
//! rules.

use std::error::Error;

use marquee_shared::db::{
    keys::{BY_DATE, BY_LIKES, PK, SK, id_at_end, likes_shard},
    likes::LIKES_SHARDS,
};
use serde_json::Value;
use test_kit::proxy::{Exchange, Record};

/// The table, or an index of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Space {
    Table,
    ByDate,
    ByLikes,
}

impl Space {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::ByDate => "by-date",
            Self::ByLikes => BY_LIKES,
        }
    }
}

/// The units that one call consumed of one partition key.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) space: Space,
    pub(crate) pk: String,
    /// The sort key, for an access to a single item of the table.
    pub(crate) sk: Option<String>,
    pub(crate) reads: f64,
    pub(crate) writes: f64,
}

/// Returns the accesses of a call.
///
/// # Errors
/// Returns an error for a DynamoDB operation that the server doesn't use.
pub(crate) fn accesses(record: &Record) -> Result<Vec<Access>, Box<dyn Error>> {
    let Some(Exchange { call, answer }) = &record.exchange else {
        return Err("the fault proxy doesn't record bodies".into());
    };
    let units = Units::of(answer);
    let single = |key: &Value, reads: f64, writes: f64| {
        let (pk, sk) = key_of(key)?;
        Ok(vec![item(Space::Table, &pk, &sk, reads, writes)])
    };
    match record.operation.as_str() {
        "GetItem" => single(&call["Key"], units.table, 0.0),
        "UpdateItem" | "DeleteItem" => single(&call["Key"], 0.0, units.table),
        "PutItem" => single(&call["Item"], 0.0, units.table),
        "Query" => Ok(vec![query(call, &units)?]),
        "BatchGetItem" => batch(call, &units),
        "BatchWriteItem" => Ok(written(&batch_actions(call)?, &units)),
        "TransactWriteItems" => Ok(written(&transaction_actions(call)?, &units)),
        other => Err(format!("{other} isn't a call whose units are known").into()),
    }
}

/// Returns the consumed units in a response.
struct Units {
    table: f64,
    by_date: f64,
    by_likes: f64,
}

impl Units {
    fn of(answer: &Value) -> Self {
        let capacity = match &answer["ConsumedCapacity"] {
            Value::Array(tables) => tables.first().unwrap_or(&Value::Null),
            capacity => capacity,
        };
        let number = |value: &Value| value["CapacityUnits"].as_f64().unwrap_or_default();
        let index = |name: &str| number(&capacity["GlobalSecondaryIndexes"][name]);
        let (by_date, by_likes) = (index("by-date"), index(BY_LIKES));
        Self {
            table: number(capacity) - by_date - by_likes,
            by_date,
            by_likes,
        }
    }
}

fn item(space: Space, pk: &str, sk: &str, reads: f64, writes: f64) -> Access {
    Access {
        space,
        pk: pk.to_owned(),
        sk: Some(sk.to_owned()),
        reads,
        writes,
    }
}

fn key_of(key: &Value) -> Result<(String, String), String> {
    let text = |name: &str| key[name]["S"].as_str().map(str::to_owned);
    text(PK).zip(text(SK)).ok_or_else(|| format!("no key: {key}"))
}

/// Returns the access of a Query. It reads one partition key, which is the first value of its condition.
fn query(call: &Value, units: &Units) -> Result<Access, String> {
    let condition = call["KeyConditionExpression"].as_str().unwrap_or_default();
    let value = condition.split_whitespace().nth(2).unwrap_or_default();
    let pk = call["ExpressionAttributeValues"][value]["S"].as_str();
    let space = match call["IndexName"].as_str() {
        None => Space::Table,
        name if name == BY_DATE.name => Space::ByDate,
        Some(_) => Space::ByLikes,
    };
    Ok(Access {
        space,
        pk: pk.ok_or_else(|| format!("no partition: {condition}"))?.to_owned(),
        sk: None,
        reads: units.table + units.by_date + units.by_likes,
        writes: 0.0,
    })
}

/// Returns the accesses of a batch of reads. They assume that the items have the same size.
fn batch(call: &Value, units: &Units) -> Result<Vec<Access>, Box<dyn Error>> {
    let tables = call["RequestItems"].as_object().ok_or("no batch")?;
    let keys = tables.values().filter_map(|table| table["Keys"].as_array());
    let keys: Vec<&Value> = keys.flatten().collect();
    let each = units.table / keys.len() as f64;
    keys.into_iter()
        .map(|key| {
            let (pk, sk) = key_of(key)?;
            Ok(item(Space::Table, &pk, &sk, each, 0.0))
        })
        .collect()
}

/// A write of one item.
struct Action {
    pk: String,
    sk: String,
    /// Whether it puts or deletes the item.
    is_whole: bool,
    /// Whether it only checks a condition.
    is_checked_only: bool,
    /// The item's partition key in the index by date, if the action sets it.
    dated: Option<String>,
}

fn transaction_actions(call: &Value) -> Result<Vec<Action>, Box<dyn Error>> {
    let actions = call["TransactItems"].as_array().ok_or("no transaction")?;
    let actions = actions.iter().filter_map(Value::as_object).flatten();
    actions.map(|(kind, action)| action_of(kind, action)).collect()
}

fn batch_actions(call: &Value) -> Result<Vec<Action>, Box<dyn Error>> {
    let tables = call["RequestItems"].as_object().ok_or("no batch")?;
    let requests = tables.values().filter_map(Value::as_array).flatten();
    let requests = requests.filter_map(Value::as_object).flatten();
    requests.map(|(kind, action)| action_of(kind, action)).collect()
}

fn action_of(kind: &str, action: &Value) -> Result<Action, Box<dyn Error>> {
    let item = action.get("Key").unwrap_or(&action["Item"]);
    let (pk, sk) = key_of(item)?;
    Ok(Action {
        pk,
        sk,
        is_whole: kind != "Update",
        is_checked_only: kind == "ConditionCheck",
        dated: item[BY_DATE.pk]["S"].as_str().map(str::to_owned),
    })
}

/// Returns the units of writes. The table's units are divided evenly among the actions: no item exceeds 1 KB, except a
/// movie with a long description. The units of an index are divided evenly among the items in it.
fn written(actions: &[Action], units: &Units) -> Vec<Access> {
    let mut accesses = Vec::new();
    let each = units.table / actions.len() as f64;
    for action in actions {
        accesses.push(item(Space::Table, &action.pk, &action.sk, 0.0, each));
    }
    let whole = |action: &&Action| action.is_whole && !action.is_checked_only;
    let mut by_date: Vec<String> = actions.iter().filter(whole).filter_map(dated).collect();
    if by_date.is_empty() {
        by_date = actions.iter().filter_map(dated).collect();
    }
    let by_likes: Vec<String> = actions.iter().filter_map(liked).collect();
    for (space, keys, units) in [
        (Space::ByDate, by_date, units.by_date),
        (Space::ByLikes, by_likes, units.by_likes),
    ] {
        let each = units / keys.len() as f64;
        let of_key = |pk| Access {
            space,
            pk,
            sk: None,
            reads: 0.0,
            writes: each,
        };
        accesses.extend(keys.into_iter().filter(|_| units > 0.0).map(of_key));
    }
    accesses
}

/// Returns the partition key of an item in the index by date, if the item is in that index.
fn dated(action: &Action) -> Option<String> {
    if action.dated.is_some() {
        return action.dated.clone();
    }
    match action.pk.split_once('#')? {
        ("MOVIES", _) => Some("MOVIES".into()),
        ("FAVORITES", _) => Some(format!("USER_FAVORITES#{}", id_at_end(&action.sk)?)),
        ("GENRE", _) => {
            let (genre, _) = action.sk.split_once('#')?;
            (!genre.ends_with('+')).then(|| format!("GENRE#{genre}"))
        }
        _ => None,
    }
}

/// Returns the partition key of a movie in the index by likes.
fn liked(action: &Action) -> Option<String> {
    let (kind, _) = action.pk.split_once('#')?;
    let id = id_at_end(&action.sk).filter(|_| kind == "MOVIES")?;
    Some(likes_shard(id % LIKES_SHARDS))
}
