//! Condition expressions and update expressions, with their values.
//!
//! An attribute is written `#name` in both, and stands for the attribute `name`. This keeps DynamoDB's reserved words out of
//! the way. A value is written `:name`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::db::item::{Attributes, Item};

/// A condition that an item must satisfy for a write to succeed.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    text: Option<String>,
    values: Values,
}

type Values = HashMap<String, AttributeValue>;

impl Condition {
    /// No condition.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A condition expression, such as `#n > :one`.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            values: Values::new(),
        }
    }

    /// The item exists.
    #[must_use]
    pub fn exists() -> Self {
        Self::new("attribute_exists(#pk)")
    }

    /// The item does not exist.
    #[must_use]
    pub fn not_exists() -> Self {
        Self::new("attribute_not_exists(#pk)")
    }

    /// This condition and another one: both must hold.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.text = match (self.text, other.text) {
            (Some(one), Some(other)) => Some(format!("{one} AND {other}")),
            (one, other) => one.or(other),
        };
        self.values.extend(other.values);
        self
    }

    /// Sets the value of `:name`.
    #[must_use]
    pub fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// The condition expression, if there is a condition.
    pub(crate) fn text(&self) -> Option<String> {
        self.text.clone()
    }

    /// The same, for the last use of the condition.
    pub(crate) fn into_text(self) -> Option<String> {
        self.text
    }

    /// The attribute names that the expression mentions, as a request lists them.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        names([self.text.as_deref()])
    }

    /// The values of the expression, as a request lists them.
    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }
}

/// A condition that was not satisfied: nothing was written.
#[derive(Clone, Debug, Default)]
pub struct ConditionFailed {
    /// The item as it was then. `None` if there was no item, or if DynamoDB wasn't asked to return it.
    pub item: Option<Item>,
}

/// The result of a write with a condition. A failed condition is an expected outcome, so it is no
/// [`Error`](crate::error::Error).
pub type Conditional<T> = std::result::Result<T, ConditionFailed>;

/// An update of one item, with its condition.
#[derive(Clone, Debug)]
pub struct Update {
    text: String,
    condition: Condition,
    identified_by: Item,
}

impl Update {
    /// An update expression, such as `SET #done = :end`.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            condition: Condition::none(),
            identified_by: Item::new(),
        }
    }

    /// Makes the update depend on a condition expression. Called more than once, all conditions must hold.
    #[must_use]
    pub fn when(self, condition: impl Into<String>) -> Self {
        self.only_if(Condition::new(condition))
    }

    /// Makes the update depend on a condition with its own values. Called more than once, all conditions must hold.
    #[must_use]
    pub fn only_if(mut self, condition: Condition) -> Self {
        self.condition = self.condition.and(condition);
        self
    }

    /// Sets the value of `:name`, in the update expression or in the condition.
    #[must_use]
    pub fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.condition = self.condition.value(name, value);
        self
    }

    /// Declares that an item has this attribute value if and only if this very update was applied to it. If the condition
    /// fails after an attempt without a response, and the item has all declared values, then that attempt succeeded.
    #[must_use]
    pub fn identified_by(mut self, attribute: &str, value: AttributeValue) -> Self {
        self.identified_by.insert(attribute.to_owned(), value);
        self
    }

    /// Whether this very update was applied to `item`. Always `false` for an update without
    /// [`identified_by`](Update::identified_by).
    pub(crate) fn is_applied_to(&self, item: &Item) -> bool {
        !self.identified_by.is_empty() && has_all(item, &self.identified_by)
    }

    /// The update expression.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The update expression and the condition expression, for the last use of the update.
    pub(crate) fn into_texts(self) -> (String, Option<String>) {
        (self.text, self.condition.text)
    }

    /// The condition expression, if there is a condition.
    pub(crate) fn condition(&self) -> Option<String> {
        self.condition.text()
    }

    /// The attribute names that the expressions mention, as a request lists them.
    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        names([Some(self.text.as_str()), self.condition.text.as_deref()])
    }

    /// The values of the expressions, as a request lists them.
    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        self.condition.values()
    }
}

/// Whether `item` has all of `attributes`, with these values.
pub(crate) fn has_all(item: &impl Attributes, attributes: &Item) -> bool {
    attributes
        .iter()
        .all(|(name, value)| item.attribute(name) == Some(value))
}

/// Every `#word` of these texts, with the attribute name `word`.
fn names<const N: usize>(texts: [Option<&str>; N]) -> Option<HashMap<String, String>> {
    let names: HashMap<String, String> = texts
        .into_iter()
        .flatten()
        .flat_map(|text| text.split('#').skip(1))
        .map(|rest| {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            (format!("#{}", &rest[..end]), rest[..end].to_owned())
        })
        .collect();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::item::number;

    #[test]
    fn every_hashed_word_of_an_expression_stands_for_itself() {
        let names = Update::new("SET #a = :a, #long_name = if_not_exists(#b, :b)")
            .when("attribute_exists(#pk)")
            .names()
            .unwrap();
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        let expected = ["a", "b", "long_name", "pk"].map(|n| (format!("#{n}"), n.to_owned()));
        assert_eq!(names, expected);
    }

    #[test]
    fn conditions_are_joined_with_their_values() {
        assert_eq!(Condition::none().text(), None);
        assert_eq!(Condition::none().values(), None);
        let one = Condition::new("#n = :one").value(":one", number(1));
        assert_eq!(Condition::none().and(one.clone()).text().unwrap(), "#n = :one");
        let both = Condition::exists().and(one);
        assert_eq!(both.text().unwrap(), "attribute_exists(#pk) AND #n = :one");
        assert_eq!(both.values().unwrap()[":one"], number(1));
    }

    #[test]
    fn an_update_knows_an_item_that_it_was_applied_to() {
        let item = Item::from([("n".to_owned(), number(2)), ("last".to_owned(), number(7))]);
        let update = Update::new("SET #n = :n, #last = :last");
        assert!(!update.is_applied_to(&item));
        let update = update.identified_by("n", number(2));
        assert!(update.is_applied_to(&item));
        assert!(!update.identified_by("last", number(8)).is_applied_to(&item));
    }
}
