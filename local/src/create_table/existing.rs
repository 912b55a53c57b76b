//! The keys of a table that exists, to compare them with the declared ones.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{KeySchemaElement, KeyType, TableDescription};
use dynoxide::TableMetadata;
use serde::Deserialize;

use crate::template::KeySpec;

/// The keys of an existing table and its indexes. A key is `None` if it has no partition key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Existing {
    pub(super) key: Option<KeySpec>,
    pub(super) indexes: BTreeMap<String, Option<KeySpec>>,
}

/// An index of the embedded engine, as the engine stores its definition.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefinedIndex {
    index_name: String,
    key_schema: Vec<DefinedKey>,
}

/// An attribute of a key of the embedded engine.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DefinedKey {
    attribute_name: String,
    key_type: String,
}

impl Existing {
    /// The keys of a table that `DescribeTable` has described.
    pub(super) fn described(table: &TableDescription) -> Self {
        let key = |schema: &[KeySchemaElement]| {
            KeySpec::from_schema(schema.iter().map(|part| (part.key_type(), part.attribute_name())))
        };
        let indexes = table.global_secondary_indexes().iter().map(|index| {
            let name = index.index_name().unwrap_or_default();
            (name.to_owned(), key(index.key_schema()))
        });
        Self {
            key: key(table.key_schema()),
            indexes: indexes.collect(),
        }
    }

    /// The keys of a table of the embedded engine. What can't be read is missing.
    pub(super) fn defined(table: &TableMetadata) -> Self {
        let key = |schema: Vec<DefinedKey>| {
            let parts: Vec<_> = schema
                .iter()
                .map(|part| {
                    (
                        KeyType::from(part.key_type.as_str()),
                        part.attribute_name.as_str(),
                    )
                })
                .collect();
            KeySpec::from_schema(parts.iter().map(|(kind, name)| (kind, *name)))
        };
        let indexes = table.gsi_definitions.as_deref().unwrap_or("[]");
        let indexes: Vec<DefinedIndex> = serde_json::from_str(indexes).unwrap_or_default();
        Self {
            key: serde_json::from_str(&table.key_schema).ok().and_then(key),
            indexes: indexes
                .into_iter()
                .map(|index| (index.index_name, key(index.key_schema)))
                .collect(),
        }
    }
}
