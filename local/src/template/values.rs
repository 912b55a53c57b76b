//! Evaluates CloudFormation's functions as far as a template's parameters determine them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_norway::{Mapping, Value, value::TaggedValue};

use super::error::TemplateError;

/// Returns a template as a document, with these values of parameters and the defaults of all others.
///
/// Parameters, conditions, `Fn::If` and `AWS::NoValue` are evaluated. A part whose condition is false is left out. The
/// values of other functions are known only on AWS, so these functions stay in the document in their long form. Reading one
/// as text or a number fails.
///
/// # Errors
/// [`TemplateError::Unreadable`] if the text isn't YAML, or when a condition can't be evaluated.
pub fn resolve(text: &str, parameters: &[(&str, &str)]) -> Result<Value, TemplateError> {
    let document = document(text)?;
    for (name, _) in parameters {
        if !has_parameter(&document, name) {
            return Err(TemplateError::Unreadable(format!("there is no parameter {name}")));
        }
    }
    evaluate(document, parameters)
}

/// Returns a template as [`resolve`] does. A parameter that the template doesn't have is ignored.
pub(super) fn resolve_known(text: &str, parameters: &[(&str, &str)]) -> Result<Value, TemplateError> {
    let document = document(text)?;
    let known: Vec<_> = parameters
        .iter()
        .filter(|(name, _)| has_parameter(&document, name))
        .copied()
        .collect();
    evaluate(document, &known)
}

/// Parses a template. Its functions are in their long form.
fn document(text: &str) -> Result<Value, TemplateError> {
    serde_norway::from_str(text)
        .map(long_form)
        .map_err(|error| TemplateError::Unreadable(error.to_string()))
}

fn has_parameter(document: &Value, name: &str) -> bool {
    document.get("Parameters").and_then(|all| all.get(name)).is_some()
}

fn evaluate(document: Value, parameters: &[(&str, &str)]) -> Result<Value, TemplateError> {
    let mut values: BTreeMap<String, Value> = entries(document.get("Parameters"))
        .filter_map(|(name, parameter)| Some((name.as_str()?.to_owned(), parameter.get("Default")?.clone())))
        .collect();
    for (name, value) in parameters {
        values.insert((*name).to_owned(), Value::from(*value));
    }
    let conditions = entries(document.get("Conditions"))
        .filter_map(|(name, condition)| Some((name.as_str()?.to_owned(), condition.clone())))
        .collect();
    let scope = Scope {
        parameters: values,
        conditions,
    };
    scope
        .value(document)
        .map(Option::unwrap_or_default)
        .map_err(TemplateError::Unreadable)
}

/// The entries of a mapping. Empty for any other value.
fn entries(value: Option<&Value>) -> impl Iterator<Item = (&Value, &Value)> {
    value.and_then(Value::as_mapping).into_iter().flatten()
}

/// Replaces each short tag by its long form: `!Ref X` by `{Ref: X}`, `!If [..]` by `{Fn::If: [..]}`.
fn long_form(value: Value) -> Value {
    match value {
        Value::Tagged(tagged) => {
            let TaggedValue { tag, value } = *tagged;
            let tag = tag.to_string();
            let name = match tag.trim_start_matches('!') {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            Value::Mapping(Mapping::from_iter([(Value::from(name), long_form(value))]))
        }
        Value::Sequence(values) => values.into_iter().map(long_form).collect(),
        Value::Mapping(entries) => Value::Mapping(
            entries
                .into_iter()
                .map(|(key, value)| (key, long_form(value)))
                .collect(),
        ),
        plain => plain,
    }
}

/// The values that functions are evaluated with.
struct Scope {
    parameters: BTreeMap<String, Value>,
    conditions: BTreeMap<String, Value>,
}

impl Scope {
    /// Evaluates a value. Returns `None` for `AWS::NoValue` and for a part whose condition is false.
    fn value(&self, value: Value) -> Result<Option<Value>, String> {
        match value {
            Value::Sequence(values) => {
                let values = values
                    .into_iter()
                    .filter_map(|value| self.value(value).transpose());
                Ok(Some(Value::Sequence(values.collect::<Result<_, _>>()?)))
            }
            Value::Mapping(entries) => self.mapping(entries),
            plain => Ok(Some(plain)),
        }
    }

    fn mapping(&self, entries: Mapping) -> Result<Option<Value>, String> {
        if let Some((name, argument)) = function(&entries) {
            match (name, argument) {
                ("Ref", Value::String(name)) if name == "AWS::NoValue" => return Ok(None),
                ("Ref", Value::String(name)) if self.parameters.contains_key(name) => {
                    return Ok(self.parameters.get(name).cloned());
                }
                ("Fn::If", argument) => {
                    let Some([Value::String(condition), then, otherwise]) = array(argument) else {
                        return Err("an Fn::If needs a condition and two values".to_owned());
                    };
                    let chosen = if self.is_named_true(condition)? {
                        then
                    } else {
                        otherwise
                    };
                    return self.value(chosen.clone());
                }
                _ => {}
            }
        }
        // The condition of a resource or an output is a name. That of an IAM statement is a mapping.
        if let Some(Value::String(condition)) = entries.get("Condition")
            && entries.len() > 1
            && !self.is_named_true(condition)?
        {
            return Ok(None);
        }
        let entries = entries
            .into_iter()
            .filter_map(|(key, value)| Some(self.value(value).transpose()?.map(|value| (key, value))));
        Ok(Some(Value::Mapping(entries.collect::<Result<_, _>>()?)))
    }

    /// Whether a named condition of the template is true.
    fn is_named_true(&self, name: &str) -> Result<bool, String> {
        match self.conditions.get(name) {
            Some(condition) => self.is_true(condition),
            None => Err(format!("there is no condition {name}")),
        }
    }

    fn is_true(&self, condition: &Value) -> Result<bool, String> {
        let unknown = || format!("a condition can't be evaluated here: {condition:?}");
        let (name, argument) = condition.as_mapping().and_then(function).ok_or_else(unknown)?;
        match (name, argument, array::<1>(argument), array::<2>(argument)) {
            ("Condition", Value::String(name), ..) => self.is_named_true(name),
            ("Fn::Not", _, Some([condition]), _) => Ok(!self.is_true(condition)?),
            ("Fn::Equals", _, _, Some([one, other])) => {
                let text = |value: &Value| {
                    self.value(value.clone())?
                        .as_ref()
                        .and_then(text)
                        .ok_or_else(unknown)
                };
                Ok(text(one)? == text(other)?)
            }
            ("Fn::And" | "Fn::Or", Value::Sequence(conditions), ..) => {
                let truths = conditions
                    .iter()
                    .map(|condition| self.is_true(condition))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(if name == "Fn::And" {
                    truths.iter().all(|truth| *truth)
                } else {
                    truths.iter().any(|truth| *truth)
                })
            }
            _ => Err(unknown()),
        }
    }
}

/// Returns the name and the argument of a function in its long form, which is a mapping with one entry.
pub(super) fn function(entries: &Mapping) -> Option<(&str, &Value)> {
    let (name, argument) = entries.iter().next().filter(|_| entries.len() == 1)?;
    let name = name
        .as_str()
        .filter(|name| ["Ref", "Condition"].contains(name) || name.starts_with("Fn::"))?;
    Some((name, argument))
}

/// Returns the argument of the function `name`, if the value is that function and the argument is text.
pub(super) fn called<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let (function, argument) = value.as_mapping().and_then(function)?;
    argument.as_str().filter(|_| function == name)
}

/// Deserializes a value of the template.
pub(super) fn typed<T: DeserializeOwned>(resource: &str, value: Value) -> Result<T, TemplateError> {
    serde_norway::from_value(value).map_err(|error| TemplateError::in_resource(resource, error))
}

/// Returns the values of a sequence of this length.
fn array<const LENGTH: usize>(value: &Value) -> Option<&[Value; LENGTH]> {
    value.as_sequence()?.as_slice().try_into().ok()
}

/// Returns a plain value as text, which is how CloudFormation compares values.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
Parameters:
  Stage: { Type: String, Default: dev }
  Zone: { Type: String, Default: "" }
  Limit: { Type: Number, Default: 0 }
  Name: { Type: String }
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  HasLimit: { "Fn::Not": [{ "Fn::Equals": [{ Ref: Limit }, 0] }] }
  Both: !And [!Condition IsProd, !Condition HasLimit]
  Either: !Or [!Condition IsProd, !Not [!Equals [!Ref Zone, ""]]]
  Elsewhere: !Equals [!Ref AWS::Region, us-east-1]
Resources:
  Table:
    Condition: Either
    Properties: { Name: !Ref Stage, Limit: !If [HasLimit, !Ref Limit, !Ref AWS::NoValue], List: [!If [Both, 1, 2]] }
  Other:
    Properties: { Name: !Ref Name, Arn: !GetAtt Table.Arn, Text: !Sub "${Stage}", Condition: { Bool: { a: b } } }
"#;

    fn resources(parameters: &[(&str, &str)]) -> String {
        let document = resolve(TEMPLATE, parameters).unwrap();
        serde_json::to_string(&document["Resources"]).unwrap()
    }

    #[test]
    fn parameters_decide_what_is_there() {
        let other = r#""Other":{"Properties":{"Name":{"Ref":"Name"},"Arn":{"Fn::GetAtt":"Table.Arn"},"Text":{"Fn::Sub":"${Stage}"},"Condition":{"Bool":{"a":"b"}}}}"#;
        assert_eq!(resources(&[]), format!("{{{other}}}"));
        assert_eq!(
            resources(&[("Zone", "Z1")]),
            format!(
                r#"{{"Table":{{"Condition":"Either","Properties":{{"Name":"dev","List":[2]}}}},{other}}}"#
            )
        );
        assert_eq!(
            resources(&[("Stage", "prod"), ("Limit", "7")]),
            format!(
                r#"{{"Table":{{"Condition":"Either","Properties":{{"Name":"prod","Limit":"7","List":[1]}}}},{other}}}"#
            )
        );
    }

    #[test]
    fn what_cannot_be_evaluated_is_an_error() {
        let refusal =
            |text: &str, parameters: &[(&str, &str)]| resolve(text, parameters).unwrap_err().to_string();
        let asked = |condition: &str| format!("{TEMPLATE}  F: {{ Condition: {condition}, Type: X }}\n");
        assert!(refusal(&asked("Elsewhere"), &[]).contains("can't be evaluated here"));
        assert!(refusal(&asked("Nowhere"), &[]).contains("there is no condition Nowhere"));
        assert!(refusal("A: !If [B, C]", &[]).contains("needs a condition and two values"));
        assert!(refusal(TEMPLATE, &[("Stag", "prod")]).contains("there is no parameter Stag"));
        assert!(refusal("a: [", &[]).starts_with("the template can't be read: "));
    }
}
