//! Items, and the conversion of entities to items and back.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};

pub use crate::db::attributes::{Attributes, Item, StoredItem};
use crate::{
    db::{entity, keys},
    error::{Error, Result},
};

/// A string attribute.
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number attribute.
pub fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Encodes an entity as an item. A value that is null is no attribute of the item.
///
/// # Errors
/// [`Error::Internal`] if the entity can't be encoded, which is a bug. The error quotes no value.
pub fn to_item<T: Serialize>(entity: &T) -> Result<Item> {
    let mut item: Item = serde_dynamo::to_item(entity)
        .map_err(|_| Error::internal(format!("a {} can't be encoded", entity_name::<T>())))?;
    item.retain(|_, value| !value.is_null());
    Ok(item)
}

/// Encodes one value of an entity as an attribute.
///
/// # Errors
/// [`Error::Internal`] if the value can't be encoded, which is a bug. The error doesn't quote the value.
pub fn to_attribute<T: Serialize>(value: &T) -> Result<AttributeValue> {
    serde_dynamo::to_attribute_value(value)
        .map_err(|_| Error::internal(format!("a {} can't be encoded", entity_name::<T>())))
}

/// Decodes an item as an entity. The error names the entity and the class of the item's key. It quotes no value, because a
/// value may be an email or a password's hash.
pub fn from_item<T: DeserializeOwned>(item: impl Into<StoredItem>) -> Result<T> {
    let item = item.into();
    let class = keys::class_of(&item);
    entity::decode(item)
        .map_err(|_| corrupt(&format!("an item of {class} that isn't a {}", entity_name::<T>())))
}

/// Returns the error for an item that this code can't have written.
#[must_use]
pub fn corrupt(what: &str) -> Error {
    Error::internal(format!("the table holds {what}"))
}

/// The name of a type, without its path.
fn entity_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit_once("::").map_or(name, |(_, name)| name)
}
