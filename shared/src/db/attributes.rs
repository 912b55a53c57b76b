//! The attributes of an item: as they are written, and as they are read.

use std::{borrow::Cow, collections::HashMap, fmt, ops::Index};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

/// An item as the SDK takes it in a request: its attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// An item that was read: its attributes in the order of the response.
///
/// It is decoded from the body of a response, and its attributes are then moved into an entity, one after another. So it has
/// no hash table, and no name of `NAMES` is copied: a movie takes a third of the instructions that the SDK's maps would take.
#[derive(Clone, Debug, Default)]
pub struct StoredItem(Vec<(Name, AttributeValue)>);

/// The name of an attribute.
type Name = Cow<'static, str>;

/// The names that most items have, the most frequent first. A name that is missing here is copied for each item.
static NAMES: [&str; 34] = [
    "pk",
    "sk",
    "date",
    "dated",
    "text",
    "id",
    "title",
    "description",
    "release_date",
    "director",
    "genre",
    "created_at",
    "updated_at",
    "version",
    "likes",
    "liked",
    "cover_image",
    "imdb_id",
    "user",
    "movie",
    "n",
    "name",
    "identity",
    "username",
    "email",
    "role",
    "joined",
    "kind",
    "account",
    "password_hash",
    "current",
    "previous",
    "expires",
    "w",
];

/// The number of attributes for which a [`StoredItem`] has room at first: as many as a movie has.
const ROOM: usize = 18;

/// Attributes by name: an [`Item`] or a [`StoredItem`].
pub trait Attributes {
    /// Returns the value of this attribute.
    fn attribute(&self, name: &str) -> Option<&AttributeValue>;

    /// Returns the value of this attribute, if it is a string.
    fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name)?.as_s().ok().map(String::as_str)
    }

    /// Returns the value of this attribute, if it is a whole number of 64 bits without a sign.
    fn number(&self, name: &str) -> Option<u64> {
        self.attribute(name)?.as_n().ok()?.parse().ok()
    }
}

impl Attributes for Item {
    fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.get(name)
    }
}

impl Attributes for StoredItem {
    fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }
}

impl StoredItem {
    /// Returns the value of this attribute.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AttributeValue> {
        self.attribute(name)
    }

    /// Returns the names and values of all attributes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Returns the names and values of all attributes.
    pub(super) fn into_attributes(self) -> impl ExactSizeIterator<Item = (Name, AttributeValue)> {
        self.0.into_iter()
    }
}

impl PartialEq for StoredItem {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.iter().all(|(name, value)| other.get(name) == Some(value))
    }
}

impl Index<&str> for StoredItem {
    type Output = AttributeValue;

    /// Returns the value of this attribute, or DynamoDB's null if the item lacks it.
    fn index(&self, name: &str) -> &AttributeValue {
        static ABSENT: AttributeValue = AttributeValue::Null(true);
        self.get(name).unwrap_or(&ABSENT)
    }
}

impl From<Item> for StoredItem {
    fn from(item: Item) -> Self {
        Self(
            item.into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    }
}

impl From<StoredItem> for Item {
    fn from(item: StoredItem) -> Self {
        item.into_attributes()
            .map(|(name, value)| (name.into_owned(), value))
            .collect()
    }
}

/// Decodes an item of a response, such as `{"n": {"N": "7"}}` (AWS: DynamoDB low-level API). An attribute of a type that no
/// item here has, such as a binary, is an error.
impl<'de> Deserialize<'de> for StoredItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = StoredItem;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StoredItem, A::Error> {
        let mut attributes = Vec::with_capacity(ROOM);
        while let Some(KnownName(name)) = map.next_key()? {
            attributes.push((name, map.next_value::<Typed>()?.into()));
        }
        Ok(StoredItem(attributes))
    }
}

/// The name of an attribute, copied only if it isn't one of [`NAMES`].
struct KnownName(Name);

impl<'de> Deserialize<'de> for KnownName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl Visitor<'_> for NameVisitor {
            type Value = KnownName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an attribute")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<KnownName, E> {
                let known = NAMES.iter().find(|known| **known == name);
                Ok(KnownName(match known {
                    Some(known) => Cow::Borrowed(known),
                    None => Cow::Owned(name.to_owned()),
                }))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

/// A value with its type, such as `{"N": "7"}`: the types that items here have.
#[derive(Deserialize)]
enum Typed {
    #[serde(rename = "S")]
    String(String),
    #[serde(rename = "N")]
    Number(String),
    #[serde(rename = "BOOL")]
    Bool(bool),
    #[serde(rename = "NULL")]
    Null(bool),
    #[serde(rename = "SS")]
    Strings(Vec<String>),
    #[serde(rename = "L")]
    List(Vec<Typed>),
    #[serde(rename = "M")]
    Map(HashMap<String, Typed>),
}

impl From<Typed> for AttributeValue {
    fn from(value: Typed) -> Self {
        match value {
            Typed::String(text) => Self::S(text),
            Typed::Number(number) => Self::N(number),
            Typed::Bool(value) => Self::Bool(value),
            Typed::Null(value) => Self::Null(value),
            Typed::Strings(texts) => Self::Ss(texts),
            Typed::List(values) => Self::L(values.into_iter().map(Self::from).collect()),
            Typed::Map(values) => {
                let values = values.into_iter().map(|(name, value)| (name, value.into()));
                Self::M(values.collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_is_decoded_with_every_type_that_items_here_have() {
        let item: StoredItem = serde_json::from_value(json!({
            "pk": {"S": "MOVIES#0"}, "n": {"N": "-7.5"}, "seen": {"BOOL": true}, "none": {"NULL": true},
            "set": {"SS": ["a", "b\"\n"]}, "list": {"L": [{"S": "é😀"}, {"L": []}]}, "map": {"M": {"a": {"BOOL": true}}},
        }))
        .unwrap();
        let list = [AttributeValue::S("é😀".into()), AttributeValue::L(Vec::new())];
        let expected = StoredItem::from(Item::from([
            ("pk".into(), AttributeValue::S("MOVIES#0".into())),
            ("n".into(), AttributeValue::N("-7.5".into())),
            ("seen".into(), AttributeValue::Bool(true)),
            ("none".into(), AttributeValue::Null(true)),
            ("set".into(), AttributeValue::Ss(vec!["a".into(), "b\"\n".into()])),
            ("list".into(), AttributeValue::L(list.into())),
            (
                "map".into(),
                AttributeValue::M([("a".into(), AttributeValue::Bool(true))].into()),
            ),
        ]));
        assert_eq!(item, expected);
        assert_eq!(item.text("pk"), Some("MOVIES#0"));
        assert_eq!(item.text("n"), None);
        assert_eq!(item.get("absent"), None);
        assert_ne!(item, StoredItem::default());
        assert_eq!(StoredItem::from(Item::from(item.clone())), item);
    }

    #[test]
    fn what_is_no_item_is_refused() {
        for bad in [
            json!([]),
            json!("x"),
            json!({"a": "x"}),
            json!({"a": {}}),
            json!({"a": {"S": null}}),
            json!({"a": {"S": 7}}),
            json!({"a": {"N": 7}}),
            json!({"a": {"B": "AA=="}}),
            json!({"a": {"M": {"b": "x"}}}),
            json!({"a": {"S": "x", "N": "7"}}),
            json!({"a": "S"}),
            json!({"a": ["S", "x"]}),
        ] {
            // As text too, as in the body of a response.
            assert!(
                serde_json::from_str::<StoredItem>(&bad.to_string()).is_err(),
                "{bad}"
            );
            assert!(
                serde_json::from_value::<StoredItem>(bad.clone()).is_err(),
                "{bad}"
            );
        }
        assert!(serde_json::from_str::<StoredItem>(r#"{"a": {"S": "x", "S": "y"}}"#).is_err());
    }
}
