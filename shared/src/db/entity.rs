//! Decoding an item that was read as an entity, by serde. Every value is moved, none is copied.

use std::borrow::Cow;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::db::attributes::StoredItem;

/// Decodes the attributes of an item as the fields of an entity.
///
/// # Errors
/// An error that may quote a value, so it must not be logged.
pub(super) fn decode<T: DeserializeOwned>(item: StoredItem) -> Result<T, Error> {
    let fields = item.into_attributes().map(|(name, value)| (name, Value(value)));
    T::deserialize(MapDeserializer::new(fields))
}

/// The value of an attribute, as serde reads it.
struct Value(AttributeValue);

impl IntoDeserializer<'_, Error> for Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            AttributeValue::S(text) => visitor.visit_string(text),
            AttributeValue::N(number) => visit_number(&number, visitor),
            AttributeValue::Bool(value) => visitor.visit_bool(value),
            AttributeValue::Null(_) => visitor.visit_unit(),
            AttributeValue::Ss(texts) => visitor.visit_seq(SeqDeserializer::new(texts.into_iter())),
            AttributeValue::L(values) => {
                visitor.visit_seq(SeqDeserializer::new(values.into_iter().map(Value)))
            }
            AttributeValue::M(values) => {
                let values = values.into_iter().map(|(name, value)| (name, Value(value)));
                visitor.visit_map(MapDeserializer::new(values))
            }
            _ => Err(Error::custom("a type that no entity has")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            AttributeValue::Null(_) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            AttributeValue::S(variant) => visitor.visit_enum(Cow::<str>::Owned(variant).into_deserializer()),
            _ => Err(Error::custom("an enum that isn't a string")),
        }
    }

    /// An attribute that the entity lacks can have any type.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

/// Visits a number of DynamoDB, which is text: as an integer if it is one that fits, and otherwise as a float.
fn visit_number<'de, V: Visitor<'de>>(number: &str, visitor: V) -> Result<V::Value, Error> {
    if let Ok(number) = number.parse() {
        return visitor.visit_u64(number);
    }
    if let Ok(number) = number.parse() {
        return visitor.visit_i64(number);
    }
    visitor.visit_f64(number.parse().map_err(Error::custom)?)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Debug};

    use serde::Deserialize;

    use super::*;
    use crate::db::attributes::Item;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Color {
        DarkRed,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Id(u64);

    /// Decodes a value as the field of a struct.
    fn field<T: DeserializeOwned + Debug>(value: AttributeValue) -> Option<T> {
        #[derive(Deserialize)]
        struct Field<T> {
            field: T,
        }
        // Attributes that the struct lacks can have any type.
        let item = Item::from([
            ("other".into(), AttributeValue::M(Item::new())),
            ("field".into(), value),
        ]);
        decode::<Field<T>>(item.into()).ok().map(|found| found.field)
    }

    #[test]
    fn values_are_decoded_by_the_type_of_their_field() {
        let text = |text: &str| AttributeValue::S(text.into());
        let number = |number: &str| AttributeValue::N(number.into());
        assert_eq!(field(text("é")), Some("é".to_owned()));
        assert_eq!(field(text("é")), Some(Some("é".to_owned())));
        assert_eq!(field(AttributeValue::Null(true)), Some(None::<String>));
        assert_eq!(field(number("18446744073709551615")), Some(u64::MAX));
        assert_eq!(field(number("-9223372036854775808")), Some(i64::MIN));
        assert_eq!(field(number("7")), Some(7_i64));
        assert_eq!(field(number("7")), Some(7_u8));
        assert_eq!(field(number("7")), Some(Some(Id(7))));
        assert_eq!(field(number("0.5")), Some(0.5_f64));
        assert_eq!(field(AttributeValue::Bool(true)), Some(true));
        assert_eq!(field(text("dark_red")), Some(Color::DarkRed));
        assert_eq!(
            field(AttributeValue::Ss(vec!["a".into()])),
            Some(vec!["a".to_owned()])
        );
        assert_eq!(field(AttributeValue::L(vec![number("1")])), Some(vec![1_u64]));
        let map = AttributeValue::M([("a".into(), number("1"))].into());
        assert_eq!(field(map), Some(BTreeMap::from([("a".to_owned(), 1_u64)])));
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let text = |text: &str| AttributeValue::S(text.into());
        let number = |number: &str| AttributeValue::N(number.into());
        assert_eq!(field::<u64>(text("7")), None);
        assert_eq!(field::<String>(number("7")), None);
        assert_eq!(field::<u64>(number("-7")), None);
        assert_eq!(field::<u8>(number("256")), None);
        assert_eq!(field::<u64>(number("7.5")), None);
        assert_eq!(field::<f64>(number("seven")), None);
        assert_eq!(field::<Color>(text("green")), None);
        assert_eq!(field::<Color>(number("0")), None);
        assert_eq!(field::<String>(AttributeValue::Null(true)), None);
        assert_eq!(field::<Vec<u8>>(AttributeValue::B(b"x".as_slice().into())), None);
    }
}
