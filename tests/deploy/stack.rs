//! The template as SAM resolves it for given parameters.

use std::collections::BTreeMap;

use marquee::{server::TEMPLATE, template::resolve};
use serde_json::Value;

/// The template with these parameters. Other parameters have their defaults.
pub struct Stack(pub Value);

impl Stack {
    pub fn new(parameters: &[(&str, &str)]) -> Self {
        Self(serde_json::to_value(resolve(TEMPLATE, parameters).unwrap()).unwrap())
    }

    /// Returns the resources of a type, by logical id.
    pub fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.0["Resources"].as_object().unwrap().iter();
        resources
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), resource))
            .collect()
    }

    /// Returns a resource's properties, or null if the resource does not exist.
    pub fn properties(&self, id: &str) -> &Value {
        &self.0["Resources"][id]["Properties"]
    }

    /// Returns every function's properties, merged with `Globals`, by logical id.
    pub fn functions(&self) -> BTreeMap<&str, Value> {
        let globals = &self.0["Globals"]["Function"];
        self.resources("AWS::Serverless::Function")
            .into_iter()
            .map(|(id, function)| (id, merged(globals, &function["Properties"])))
            .collect()
    }

    /// Returns the functions that answer requests, which are those with a route.
    pub fn request_functions(&self) -> BTreeMap<&str, Value> {
        let mut functions = self.functions();
        functions.retain(|_, function| {
            let mut events = function["Events"].as_object().into_iter().flatten();
            events.any(|(_, event)| event["Type"] == "HttpApi")
        });
        functions
    }

    /// Returns every function's environment variables, by logical id.
    pub fn variables(&self) -> BTreeMap<&str, Value> {
        let functions = self.functions().into_iter();
        functions
            .map(|(id, function)| (id, function["Environment"]["Variables"].clone()))
            .collect()
    }

    /// Returns the properties of the alarms, by logical id.
    pub fn alarms(&self) -> BTreeMap<&str, &Value> {
        let alarms = self.resources("AWS::CloudWatch::Alarm").into_iter();
        alarms.map(|(id, alarm)| (id, &alarm["Properties"])).collect()
    }
}

/// Merges a function's properties with those of `Globals`, as SAM does: mappings are merged, other values are replaced.
fn merged(all: &Value, own: &Value) -> Value {
    match (all, own) {
        (Value::Object(all), Value::Object(own)) => {
            let mut whole = all.clone();
            for (key, value) in own {
                let value = all
                    .get(key)
                    .map_or_else(|| value.clone(), |all| merged(all, value));
                whole.insert(key.clone(), value);
            }
            Value::Object(whole)
        }
        (_, own) => own.clone(),
    }
}

/// Returns every string in a value, keys included.
pub fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries
            .iter()
            .flat_map(|(key, value)| [vec![key.as_str()], texts(value)].concat())
            .collect(),
        _ => Vec::new(),
    }
}

pub fn number(value: &Value) -> f64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    value
        .as_f64()
        .or(text)
        .unwrap_or_else(|| panic!("{value} is not a number"))
}

/// Returns the names in `${…}`. `${!…}` stands for the text `${…}`.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("${").skip(1);
    let names = parts.map(|part| part.split('}').next().unwrap());
    names.filter(|name| !name.starts_with('!'))
}
