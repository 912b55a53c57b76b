//! The table as the template declares it.

use aws_sdk_dynamodb::types::{BillingMode, ProjectionType, ScalarAttributeType};
use serde::Deserialize;

use super::error::TemplateError;

/// A table as the template declares it: the parameters of `CreateTable`, and the time-to-live attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The declared name. If that is a parameter, its default.
    pub name: String,
    /// The attributes that are part of a key, with their types.
    pub attributes: Vec<(String, ScalarAttributeType)>,
    /// The table's primary key.
    pub key: KeySpec,
    /// The global secondary indexes.
    pub indexes: Vec<IndexSpec>,
    /// The attribute with an item's expiry, if items expire.
    pub ttl_attribute: Option<String>,
}

/// The key of a table or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// The attribute of the partition key.
    pub partition: String,
    /// The attribute of the sort key.
    pub sort: Option<String>,
}

/// A global secondary index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSpec {
    /// The index's name.
    pub name: String,
    /// The index's key.
    pub key: KeySpec,
    /// Which attributes the index copies from the table.
    pub projection: ProjectionType,
    /// The attributes that the index copies besides keys. Empty unless the projection is `INCLUDE`.
    pub projected: Vec<String>,
}

/// The properties of the resource, as CloudFormation names them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TableProperties {
    table_name: String,
    billing_mode: Option<String>,
    attribute_definitions: Vec<AttributeProperties>,
    key_schema: Vec<KeyProperties>,
    #[serde(default)]
    global_secondary_indexes: Vec<IndexProperties>,
    local_secondary_indexes: Option<serde::de::IgnoredAny>,
    time_to_live_specification: Option<TtlProperties>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeProperties {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyProperties {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexProperties {
    index_name: String,
    key_schema: Vec<KeyProperties>,
    projection: ProjectionProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProjectionProperties {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TtlProperties {
    attribute_name: Option<String>,
    enabled: bool,
}

impl TableSpec {
    /// Reads the declaration and checks all that the local server depends on.
    pub(super) fn from_properties(
        resource: &str,
        properties: TableProperties,
    ) -> Result<Self, TemplateError> {
        let refuse = |reason: String| TemplateError::in_resource(resource, reason);
        let name = properties.table_name;
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        {
            return Err(refuse(format!(
                "its TableName {name:?} must be a plain name, or a parameter with a default"
            )));
        }
        if properties.billing_mode.as_deref() != Some(BillingMode::PayPerRequest.as_str()) {
            return Err(refuse("its BillingMode must be PAY_PER_REQUEST".to_owned()));
        }
        if properties.local_secondary_indexes.is_some() {
            return Err(refuse("local secondary indexes aren't supported".to_owned()));
        }
        let attributes = properties
            .attribute_definitions
            .into_iter()
            .map(|attribute| {
                let kind = ScalarAttributeType::try_parse(&attribute.attribute_type).map_err(|_| {
                    refuse(format!(
                        "{} isn't a type of key attributes",
                        attribute.attribute_type
                    ))
                })?;
                Ok((attribute.attribute_name, kind))
            })
            .collect::<Result<Vec<_>, TemplateError>>()?;
        let indexes = properties
            .global_secondary_indexes
            .into_iter()
            .map(|index| {
                let kind = index.projection.projection_type;
                Ok(IndexSpec {
                    key: KeySpec::from_properties(index.key_schema).map_err(refuse)?,
                    projection: ProjectionType::try_parse(&kind)
                        .map_err(|_| refuse(format!("{kind} isn't a projection type")))?,
                    projected: index.projection.non_key_attributes,
                    name: index.index_name,
                })
            })
            .collect::<Result<Vec<_>, TemplateError>>()?;
        let key = KeySpec::from_properties(properties.key_schema).map_err(refuse)?;
        let keys = || {
            std::iter::once(&key)
                .chain(indexes.iter().map(|index| &index.key))
                .flat_map(KeySpec::attributes)
        };
        if let Some(undefined) = keys().find(|name| !attributes.iter().any(|(defined, _)| defined == *name)) {
            return Err(refuse(format!("the key attribute {undefined} has no definition")));
        }
        let ttl_attribute = match properties.time_to_live_specification {
            Some(TtlProperties {
                enabled: true,
                attribute_name,
            }) => {
                Some(attribute_name.ok_or_else(|| refuse("its time to live names no attribute".to_owned()))?)
            }
            _ => None,
        };
        Ok(Self {
            name,
            attributes,
            key,
            indexes,
            ttl_attribute,
        })
    }
}

impl KeySpec {
    fn from_properties(elements: Vec<KeyProperties>) -> Result<Self, String> {
        let (mut partition, mut sort) = (None, None);
        for element in elements {
            let place = match element.key_type.as_str() {
                "HASH" => &mut partition,
                "RANGE" => &mut sort,
                other => return Err(format!("{other} isn't a key type")),
            };
            if place.replace(element.attribute_name).is_some() {
                return Err(format!("a key has two attributes of type {}", element.key_type));
            }
        }
        Ok(Self {
            partition: partition.ok_or("a key needs an attribute of type HASH")?,
            sort,
        })
    }

    /// The key's attributes, the partition key first.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.partition).chain(&self.sort)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_that_cannot_be_created_here_is_refused() {
        let whole = "{ TableName: movies, BillingMode: PAY_PER_REQUEST,
            AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }],
            KeySchema: [{ AttributeName: pk, KeyType: HASH }] }";
        let refusal = |from: &str, to: &str| {
            assert!(whole.contains(from));
            let properties = serde_norway::from_str(&whole.replace(from, to)).unwrap();
            TableSpec::from_properties("Movies", properties)
                .unwrap_err()
                .to_string()
        };
        assert!(TableSpec::from_properties("Movies", serde_norway::from_str(whole).unwrap()).is_ok());
        for (from, to, reason) in [
            ("movies", "\"${Stage}-movies\"", "TableName"),
            ("PAY_PER_REQUEST", "PROVISIONED", "BillingMode"),
            ("AttributeType: S", "AttributeType: BOOL", "BOOL isn't a type"),
            ("KeyType: HASH", "KeyType: HUSH", "HUSH isn't a key type"),
            (
                "KeyType: HASH",
                "KeyType: RANGE",
                "needs an attribute of type HASH",
            ),
            (
                "AttributeName: pk, AttributeType",
                "AttributeName: id, AttributeType",
                "pk has no definition",
            ),
            (
                "TableName: movies",
                "TableName: movies, LocalSecondaryIndexes: []",
                "local secondary indexes",
            ),
            (
                "TableName: movies",
                "TableName: movies, TimeToLiveSpecification: { Enabled: true }",
                "names no attribute",
            ),
        ] {
            let refusal = refusal(from, to);
            assert!(
                refusal.starts_with("the template's resource Movies: ") && refusal.contains(reason),
                "{refusal}"
            );
        }
    }
}
