//! The requests of plain reads. A request with any other member isn't one.

use std::{
    borrow::{Borrow, Cow},
    collections::BTreeMap,
    num::NonZeroU32,
};

use serde::{Deserialize, Serialize};

/// A name of an attribute, a table or a placeholder, borrowed from the request where it has no escapes.
#[derive(Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Values by name.
pub(super) type Names<'a, T> = BTreeMap<Name<'a>, T>;

/// The value of an attribute of a key.
#[derive(Debug, Deserialize)]
pub(super) enum Value<'a> {
    S(#[serde(borrow)] Cow<'a, str>),
    N(#[serde(borrow)] Cow<'a, str>),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Get<'a> {
    #[serde(borrow)]
    pub(super) table_name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) key: Names<'a, Value<'a>>,
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct BatchGet<'a> {
    #[serde(borrow)]
    pub(super) request_items: Names<'a, Wanted<'a>>,
}

/// The keys that are wanted of a table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Wanted<'a> {
    #[serde(borrow)]
    pub(super) keys: Vec<Names<'a, Value<'a>>>,
    #[serde(rename = "ConsistentRead")]
    _consistent_read: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Query<'a> {
    #[serde(borrow)]
    pub(super) table_name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) index_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) key_condition_expression: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) expression_attribute_names: Names<'a, Name<'a>>,
    #[serde(borrow)]
    pub(super) expression_attribute_values: Names<'a, Value<'a>>,
    pub(super) limit: NonZeroU32,
    pub(super) scan_index_forward: Option<bool>,
    pub(super) consistent_read: Option<bool>,
}

/// Reads the body of a request. `None` if it has another form.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a str) -> Option<T> {
    // serde would also accept a list in place of an object.
    let is_object = body.starts_with('{');
    is_object.then(|| serde_json::from_str(body).ok()).flatten()
}

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}
