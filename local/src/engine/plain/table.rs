//! The tables of plain reads: their keys and their SQL. The engine stores a table of DynamoDB in a table of SQLite, and each of its
//! indexes in another one.

use std::collections::HashMap;

use dynoxide::{
    storage::TableMetadata,
    types::{
        AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, KeyType, ScalarAttributeType,
        normalize_number_for_sort,
    },
};

use super::request::{Names, Query, Value};

/// The longest values of a key in bytes (AWS: "Quotas in Amazon DynamoDB", "Partition keys and sort keys").
const MAX_PARTITION_KEY: usize = 2048;
const MAX_SORT_KEY: usize = 1024;

/// The most digits of a number that is read here.
const MAX_DIGITS: usize = 18;

/// The conditions of a plain Query up to the name of its lowest sort key. The first also has a highest one.
const BETWEEN: &str = "#pk = :pk AND #sk BETWEEN ";
const AT_LEAST: &str = "#pk = :pk AND #sk >= ";

/// A table whose keys are texts.
pub(super) struct Table {
    /// Its name as JSON.
    pub(super) name: String,
    pub(super) key: Key,
    /// The SQL that reads one item.
    pub(super) get: String,
    /// The table as Query reads it. `None` if it has no sort key.
    pub(super) range: Option<Range>,
    /// Its indexes that have a sort key.
    pub(super) indexes: HashMap<String, Range>,
}

/// The names of the attributes of a table's key.
pub(super) struct Key {
    pub(super) partition: String,
    pub(super) sort: Option<String>,
}

/// What Query reads: a table or an index.
pub(super) struct Range {
    /// The names of the attributes of its key.
    pub(super) partition: String,
    pub(super) sort: String,
    sort_is_number: bool,
    /// The SQL for each condition and direction.
    sql: [[String; 2]; 2],
}

/// The keys between which a Query reads, in the form in which the engine stores them.
pub(super) struct Bounds {
    pub(super) partition: String,
    pub(super) low: String,
    pub(super) high: Option<String>,
}

impl Table {
    /// Returns the table of a definition. `None` if its keys aren't texts.
    pub(super) fn of(definition: &TableMetadata) -> Option<Self> {
        let table = &definition.table_name;
        // DynamoDB's names of tables and indexes have none.
        let is_quoted = |name: &str| name.contains('"');
        if is_quoted(table) {
            return None;
        }
        let attributes: Vec<AttributeDefinition> =
            serde_json::from_str(&definition.attribute_definitions).ok()?;
        let type_of = |name: &str| {
            let found = attributes
                .iter()
                .find(|attribute| attribute.attribute_name == name);
            found.map(|attribute| &attribute.attribute_type)
        };
        let is_text = |name: &str| type_of(name) == Some(&ScalarAttributeType::S);
        let (partition, sort) = names(&serde_json::from_str::<Vec<_>>(&definition.key_schema).ok()?)?;
        if !is_text(&partition) || !sort.as_deref().is_none_or(is_text) {
            return None;
        }
        let range = sort.as_ref().map(|sort| Range {
            partition: partition.clone(),
            sort: sort.clone(),
            sort_is_number: false,
            sql: sql(table, "pk", &["sk"]),
        });
        let indexes: Vec<GlobalSecondaryIndex> = match &definition.gsi_definitions {
            Some(indexes) => serde_json::from_str(indexes).ok()?,
            None => Vec::new(),
        };
        let indexes = indexes.into_iter().filter_map(|index| {
            let (partition, sort) = names(&index.key_schema)?;
            let sort = sort?;
            let sort_is_number = match type_of(&sort)? {
                ScalarAttributeType::S => false,
                ScalarAttributeType::N => true,
                ScalarAttributeType::B => return None,
            };
            if !is_text(&partition) || is_quoted(&index.index_name) {
                return None;
            }
            let stored = format!("{table}::gsi::{}", index.index_name);
            let range = Range {
                partition,
                sort,
                sort_is_number,
                sql: sql(&stored, "gsi_pk", &["gsi_sk", "table_pk", "table_sk"]),
            };
            Some((index.index_name, range))
        });
        Some(Self {
            name: serde_json::to_string(table).ok()?,
            get: format!("SELECT item_json FROM \"{table}\" WHERE pk = ?1 AND sk = ?2"),
            range,
            indexes: indexes.collect(),
            key: Key { partition, sort },
        })
    }
}

/// Returns the names of the attributes of a key. `None` if it has more than one of a kind.
fn names(schema: &[KeySchemaElement]) -> Option<(String, Option<String>)> {
    let of = |kind| {
        let mut elements = schema.iter().filter(move |element| element.key_type == kind);
        let first = elements.next().map(|element| element.attribute_name.clone());
        elements.next().is_none().then_some(first)
    };
    Some((of(KeyType::HASH)??, of(KeyType::RANGE)?))
}

/// Returns the SQL of a [`Range`]. `sort` are the columns of the order; the first is the sort key.
fn sql(stored: &str, partition: &str, sort: &[&str]) -> [[String; 2]; 2] {
    let first = sort.first().copied().unwrap_or_default();
    let condition = |high: &str, direction: &str| {
        let order: Vec<_> = sort
            .iter()
            .map(|column| format!("{column} {direction}"))
            .collect();
        format!(
            "SELECT item_json FROM \"{stored}\" WHERE {partition} = ?1 AND {first} >= ?2{high} ORDER BY {} LIMIT ?3",
            order.join(", ")
        )
    };
    let high = format!(" AND {first} <= ?4");
    [String::new(), high].map(|high| ["DESC", "ASC"].map(|direction| condition(&high, direction)))
}

impl Key {
    /// Returns a key in the form in which the engine stores it. `None` if it isn't one of the table, or too long.
    pub(super) fn of(&self, key: &Names<'_, Value<'_>>) -> Option<(String, String)> {
        let sort = self.sort.as_deref();
        if key.len() != 1 + usize::from(sort.is_some()) {
            return None;
        }
        let partition = stored(key.get(self.partition.as_str())?, false, MAX_PARTITION_KEY)?;
        let sort = match sort {
            Some(name) => stored(key.get(name)?, false, MAX_SORT_KEY)?,
            None => String::new(),
        };
        Some((partition, sort))
    }
}

impl Range {
    /// Returns the SQL for a condition with or without a highest key. Its parameters are the partition, the lowest key, the
    /// limit and the highest key.
    pub(super) fn sql(&self, has_high: bool, forward: bool) -> &str {
        &self.sql[usize::from(has_high)][usize::from(forward)]
    }

    /// Returns the keys of a Query. `None` if its condition has another form or is empty.
    pub(super) fn bounds(&self, query: &Query<'_>) -> Option<Bounds> {
        let names = &query.expression_attribute_names;
        let named = |name: &str| names.get(name).map(|name| &*name.0);
        if names.len() != 2 || named("#pk") != Some(&self.partition) || named("#sk") != Some(&self.sort) {
            return None;
        }
        let condition = &*query.key_condition_expression;
        let (low, high) = match condition.strip_prefix(BETWEEN) {
            Some(names) => names.split_once(" AND ").map(|(low, high)| (low, Some(high)))?,
            None => (condition.strip_prefix(AT_LEAST)?, None),
        };
        let values = &query.expression_attribute_values;
        if values.len() != 2 + usize::from(high.is_some()) {
            return None;
        }
        let sort = |name: &str| stored(values.get(name)?, self.sort_is_number, MAX_SORT_KEY);
        let bounds = Bounds {
            partition: stored(values.get(":pk")?, false, MAX_PARTITION_KEY)?,
            low: sort(low)?,
            high: match high {
                Some(high) => Some(sort(high)?),
                None => None,
            },
        };
        let is_empty = bounds.high.as_ref().is_some_and(|high| *high < bounds.low);
        (!is_empty).then_some(bounds)
    }
}

/// Returns a value of a key in the form in which the engine stores it. `None` if it has another type, is empty or too long, or is
/// a number that isn't simple.
fn stored(value: &Value<'_>, is_number: bool, max: usize) -> Option<String> {
    match (value, is_number) {
        (Value::S(text), false) => (1..=max).contains(&text.len()).then(|| format!("S:{text}")),
        (Value::N(number), true) => {
            let is_simple =
                (1..=MAX_DIGITS).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
            is_simple.then(|| format!("N:{}", normalize_number_for_sort(number)))
        }
        _ => None,
    }
}
