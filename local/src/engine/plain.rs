//! Plain reads: GetItem, BatchGetItem and Query in the forms in which the functions send them, answered from SQLite's rows.
//!
//! The engine compiles its SQL for each item that it reads, makes a tree of the item's JSON, and makes JSON of the tree. But
//! the JSON that it stores is the JSON that it answers with. So a plain read keeps its compiled SQL and copies the stored text
//! into the answer. A request of any other form, or one that the engine refuses, is left to the engine.

mod request;
mod table;

use std::collections::{HashMap, HashSet, hash_map::Entry};

use dynoxide::{DynoxideError, storage::Storage};
use serde_json::value::RawValue;

use self::{
    request::{BatchGet, Get, Name, Names, Query},
    table::{Key, Range, Table},
};

/// The largest answer to a Query in bytes (AWS: Query, "the maximum of 1 MB").
const MAX_QUERY: usize = 1024 * 1024;

/// The largest answer to a BatchGetItem in bytes, and the largest number of its keys (AWS: BatchGetItem).
const MAX_BATCH: usize = 16 * 1024 * 1024;
const MAX_KEYS: usize = 100;

/// A handle that only reads.
pub(super) struct Reader {
    pub(super) storage: Storage,
    /// The tables that were read, by name. A handle is opened again after a change of a definition.
    tables: HashMap<String, Table>,
}

/// A plain read. Returns the body of the answer, or `None` if the engine must read.
pub(super) type Read = fn(&mut Reader, &str) -> Result<Option<String>, DynoxideError>;

/// Returns the plain read of an operation.
pub(super) fn named(operation: &str) -> Option<Read> {
    match operation {
        "GetItem" => Some(get),
        "BatchGetItem" => Some(batch_get),
        "Query" => Some(query),
        _ => None,
    }
}

impl Reader {
    pub(super) fn new(storage: Storage) -> Self {
        let tables = HashMap::new();
        Self { storage, tables }
    }

    /// Returns a table whose keys are texts, and the storage.
    fn table(&mut self, name: &str) -> Result<Option<(&Table, &Storage)>, DynoxideError> {
        // Twice, because a name that is there is looked up without a copy.
        if !self.tables.contains_key(name) {
            let Some(definition) = self.storage.get_table_metadata(name)? else {
                return Ok(None);
            };
            if let (Entry::Vacant(entry), Some(table)) =
                (self.tables.entry(name.to_owned()), Table::of(&definition))
            {
                entry.insert(table);
            }
        }
        Ok(self.tables.get(name).map(|table| (table, &self.storage)))
    }
}

/// One snapshot for several statements. Dropping it ends it.
pub(super) struct Snapshot<'a>(&'a Storage);

impl<'a> Snapshot<'a> {
    pub(super) fn begin(storage: &'a Storage) -> Result<Self, DynoxideError> {
        storage.conn().prepare_cached("BEGIN")?.execute(())?;
        Ok(Self(storage))
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        let end = self.0.conn().prepare_cached("ROLLBACK");
        // If it fails, the next read reports it, because it can't begin a snapshot.
        let _ = end.and_then(|mut end| end.execute(()));
    }
}

fn get(reader: &mut Reader, body: &str) -> Result<Option<String>, DynoxideError> {
    let Some(request) = request::read::<Get<'_>>(body) else {
        return Ok(None);
    };
    let Some((table, storage)) = reader.table(&request.table_name)? else {
        return Ok(None);
    };
    let Some(key) = table.key.of(&request.key) else {
        return Ok(None);
    };
    let mut answer = String::from("{");
    if item(storage, table, &key, "\"Item\":", &mut answer)? == Found::Unreadable {
        return Ok(None);
    }
    answer.push('}');
    Ok(Some(answer))
}

fn batch_get(reader: &mut Reader, body: &str) -> Result<Option<String>, DynoxideError> {
    let Some(request) = request::read::<BatchGet<'_>>(body) else {
        return Ok(None);
    };
    let mut tables = request.request_items.into_iter();
    let (Some((name, wanted)), None) = (tables.next(), tables.next()) else {
        return Ok(None);
    };
    let Some((table, storage)) = reader.table(&name.0)? else {
        return Ok(None);
    };
    let keys: Option<Vec<_>> = wanted.keys.iter().map(|key| table.key.of(key)).collect();
    let Some(keys) = keys.filter(|keys| (1..=MAX_KEYS).contains(&keys.len())) else {
        return Ok(None);
    };
    if keys.iter().collect::<HashSet<_>>().len() < keys.len() {
        return Ok(None);
    }
    let mut answer = format!("{{\"Responses\":{{{}:[", table.name);
    let snapshot = Snapshot::begin(storage)?;
    let mut before = "";
    for key in &keys {
        match item(storage, table, key, before, &mut answer)? {
            Found::Item => before = ",",
            Found::Nothing => {}
            Found::Unreadable => return Ok(None),
        }
        if answer.len() > MAX_BATCH {
            return Ok(None);
        }
    }
    drop(snapshot);
    answer.push_str("]},\"UnprocessedKeys\":{}}");
    Ok(Some(answer))
}

/// What there is under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Item,
    Nothing,
    /// Something else than text, which only the engine can report.
    Unreadable,
}

/// Appends `before` and the item with this key to `answer`, if there is one.
fn item(
    storage: &Storage,
    table: &Table,
    key: &(String, String),
    before: &str,
    answer: &mut String,
) -> Result<Found, DynoxideError> {
    let mut statement = storage.conn().prepare_cached(&table.get)?;
    let mut rows = statement.query((&key.0, &key.1))?;
    let Some(row) = rows.next()? else {
        return Ok(Found::Nothing);
    };
    let Ok(text) = row.get_ref(0)?.as_str() else {
        return Ok(Found::Unreadable);
    };
    answer.push_str(before);
    answer.push_str(text);
    Ok(Found::Item)
}

fn query(reader: &mut Reader, body: &str) -> Result<Option<String>, DynoxideError> {
    let Some(request) = request::read::<Query<'_>>(body) else {
        return Ok(None);
    };
    let Some((table, storage)) = reader.table(&request.table_name)? else {
        return Ok(None);
    };
    let range = match &request.index_name {
        None => table.range.as_ref(),
        // An index isn't read consistently.
        Some(_) if request.consistent_read == Some(true) => None,
        Some(name) => table.indexes.get(&**name),
    };
    let Some((range, bounds)) = range.and_then(|range| Some((range, range.bounds(&request)?))) else {
        return Ok(None);
    };
    let limit = request.limit.get();
    let sql = range.sql(bounds.high.is_some(), request.scan_index_forward.unwrap_or(true));
    let mut statement = storage.conn().prepare_cached(sql)?;
    let mut rows = match &bounds.high {
        Some(high) => statement.query((&bounds.partition, &bounds.low, limit, high))?,
        None => statement.query((&bounds.partition, &bounds.low, limit))?,
    };
    let mut answer = String::from("{\"Items\":[");
    let (mut count, mut last) = (0, 0..0);
    while let Some(row) = rows.next()? {
        let Ok(text) = row.get_ref(0)?.as_str() else {
            return Ok(None);
        };
        if count > 0 {
            answer.push(',');
        }
        last = answer.len()..answer.len() + text.len();
        answer.push_str(text);
        count += 1;
        // The text of an item isn't shorter than what DynamoDB counts.
        if answer.len() > MAX_QUERY {
            return Ok(None);
        }
    }
    let more = match count == limit {
        false => None,
        true => match key_of(&answer[last], range, &table.key) {
            None => return Ok(None),
            key => key,
        },
    };
    answer.push_str(&format!("],\"Count\":{count},\"ScannedCount\":{count}"));
    if let Some(key) = more {
        answer.push_str(",\"LastEvaluatedKey\":");
        answer.push_str(&key);
    }
    answer.push('}');
    Ok(Some(answer))
}

/// Returns the part of an item at which the next Query of this range continues: its keys in the range and in the table.
fn key_of(item: &str, range: &Range, key: &Key) -> Option<String> {
    let attributes: Names<'_, &RawValue> = serde_json::from_str(item).ok()?;
    let keys = [
        Some(&range.partition),
        Some(&range.sort),
        Some(&key.partition),
        key.sort.as_ref(),
    ];
    let keys: Names<'_, &RawValue> = keys
        .into_iter()
        .flatten()
        .map(|name| {
            let value = attributes.get(name.as_str())?;
            Some((Name(name.as_str().into()), *value))
        })
        .collect::<Option<_>>()?;
    serde_json::to_string(&keys).ok()
}

#[cfg(test)]
mod tests;
