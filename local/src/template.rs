//! What the deployment template declares, read for one machine.
//!
//! `template.yaml` is the only place that names the routes and the table. The binary embeds its text, and this module
//! turns it into [`Routes`] for the gateway, [`Function`]s with their timeouts, the [`Role`] of each function, and the
//! [`TableSpec`] to create.
//!
//! Only what the local server needs is read, as it is with every parameter at its default ([`resolve`]). Where that
//! depends on what is known on AWS alone, reading it is an error.

mod policies;
mod routes;
mod table;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_norway::Value;

pub use policies::{Action, Grant, KeyPattern, Need, Role, Statement, Target};
pub use routes::{Match, Route, Routes};
pub use table::{IndexSpec, KeySpec, TableError, TableSpec};
pub use values::resolve;

/// Lambda's timeout for a function that declares none.
const DEFAULT_TIMEOUT: u64 = 3;

/// The parts of a SAM template that one machine needs.
#[derive(Clone, Debug)]
pub struct Template {
    /// Every function with at least one HTTP route, in the order of their resource names.
    pub functions: Vec<Function>,
    /// What every function may do, whether it has a route or not, by [name](Function::name).
    pub roles: BTreeMap<String, Role>,
    /// Every route of the HTTP API.
    pub routes: Routes,
    /// The one DynamoDB table.
    pub table: TableSpec,
}

/// A function that answers HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The last segment of its `CodeUri`, which is also the name of its package: `movies`.
    pub name: String,
    /// Its logical id in the template: `MoviesFunction`.
    pub resource: String,
    /// How long one invocation may take.
    pub timeout: Duration,
}

/// Why a template can't be used.
#[derive(Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// The text isn't YAML, or isn't a template at all.
    Unreadable(String),
    /// A resource lacks something, or declares something that one machine can't offer.
    Resource {
        /// The resource's logical id.
        resource: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "the template can't be read: {reason}"),
            Self::Resource { resource, reason } => write!(f, "the template's resource {resource}: {reason}"),
        }
    }
}

impl std::error::Error for TemplateError {}

impl TemplateError {
    /// An error about one resource.
    fn in_resource(resource: &str, reason: impl fmt::Display) -> Self {
        Self::Resource {
            resource: resource.to_owned(),
            reason: reason.to_string(),
        }
    }
}

impl Template {
    /// Reads a SAM template from its text.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] when the text isn't YAML, when a function or the table lacks what is needed here, when two
    /// events claim one route, or when there isn't exactly one `AWS::DynamoDB::Table`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let unreadable = |error: serde_norway::Error| TemplateError::Unreadable(error.to_string());
        let whole = resolve(text, &[])?;
        let document: Document = serde_norway::from_value(whole.clone()).map_err(unreadable)?;

        let default_timeout = document.globals.function.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let mut functions = Vec::new();
        let mut names = BTreeMap::new();
        let mut routes = Vec::new();
        let mut table = None;
        for (resource, Resource { kind, properties }) in document.resources {
            match kind.as_str() {
                "AWS::Serverless::Function" => {
                    let declared: FunctionProperties = typed(&resource, properties)?;
                    let timeout = declared.timeout.unwrap_or(default_timeout);
                    let events = route_events(&resource, declared.events)?;
                    let name = function_name(&resource, declared.code_uri.as_deref())?;
                    names.insert(resource.clone(), name.clone());
                    if events.is_empty() {
                        continue;
                    }
                    for event in events {
                        routes.push(event.into_route(&resource, &name)?);
                    }
                    functions.push(Function {
                        name,
                        resource,
                        timeout: Duration::from_secs(timeout),
                    });
                }
                "AWS::DynamoDB::Table" => {
                    let spec = TableSpec::from_properties(&resource, typed(&resource, properties)?)?;
                    if table.replace(spec).is_some() {
                        return Err(TemplateError::in_resource(
                            &resource,
                            "is a second table; there can be only one",
                        ));
                    }
                }
                _ => {}
            }
        }

        let table = table
            .ok_or_else(|| TemplateError::Unreadable("it declares no AWS::DynamoDB::Table".to_owned()))?;
        let roles = policies::roles(&whole, &table)?;
        Ok(Self {
            functions,
            roles: roles
                .into_iter()
                .filter_map(|(resource, role)| Some((names.remove(&resource)?, role)))
                .collect(),
            routes: Routes::new(routes)?,
            table,
        })
    }
}

/// The document's sections. Resources are sorted by name, so that nothing depends on their order in the file.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    #[serde(default)]
    globals: Globals,
    resources: BTreeMap<String, Resource>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Globals {
    function: FunctionGlobals,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct FunctionGlobals {
    timeout: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionProperties {
    code_uri: Option<String>,
    timeout: Option<u64>,
    #[serde(default)]
    events: BTreeMap<String, Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RouteEvent {
    method: Option<String>,
    path: Option<String>,
}

impl RouteEvent {
    /// The route an `HttpApi` event stands for; without method and path it is `$default` (SAM's reference, `HttpApi`).
    fn into_route(self, resource: &str, function: &str) -> Result<Route, TemplateError> {
        let (method, path) = match (self.method, self.path) {
            (None, None) => return Ok(Route::catch_all(function)),
            (Some(method), Some(path)) => (method, path),
            _ => {
                return Err(TemplateError::in_resource(
                    resource,
                    "an HttpApi event needs both Method and Path",
                ));
            }
        };
        // SAM takes the method in any case; a route key holds it in capitals.
        let method = match method.to_ascii_uppercase().as_str() {
            "ANY" | "X-AMAZON-APIGATEWAY-ANY-METHOD" => None,
            name => Some(Method::from_bytes(name.as_bytes()).map_err(|error| {
                TemplateError::in_resource(resource, format_args!("{name:?} isn't a method: {error}"))
            })?),
        };
        Route::new(method, &path, function).map_err(|reason| TemplateError::in_resource(resource, reason))
    }
}

/// The events that are routes of the HTTP API; a function may have others, which nothing sends here.
fn route_events(resource: &str, events: BTreeMap<String, Event>) -> Result<Vec<RouteEvent>, TemplateError> {
    events
        .into_values()
        .filter(|event| event.kind == "HttpApi")
        .map(|event| match event.properties {
            Value::Null => Ok(RouteEvent::default()),
            properties => typed(resource, properties),
        })
        .collect()
}

/// `functions/movies` names the function `movies`.
fn function_name(resource: &str, code_uri: Option<&str>) -> Result<String, TemplateError> {
    let name = code_uri
        .unwrap_or_default()
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if name.is_empty() || name == "." {
        return Err(TemplateError::in_resource(
            resource,
            "its CodeUri must end in the function's name",
        ));
    }
    Ok(name.to_owned())
}

/// A value of the template as a type of ours.
fn typed<T: DeserializeOwned>(resource: &str, value: Value) -> Result<T, TemplateError> {
    serde_norway::from_value(value).map_err(|error| TemplateError::in_resource(resource, error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_sdk_dynamodb::types::{ProjectionType, ScalarAttributeType};

    use super::*;

    const OURS: &str = include_str!("../../template.yaml");

    const TABLE: &str = "
  Movies:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: movies
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
";

    fn parse_resources(resources: &str) -> Result<Template, TemplateError> {
        Template::parse(&format!("Resources:{TABLE}{resources}"))
    }

    fn reason(resources: &str) -> String {
        parse_resources(resources).unwrap_err().to_string()
    }

    #[test]
    fn our_template_declares_two_routes_per_group_the_documents_and_the_catch_all() {
        let template = Template::parse(OURS).unwrap();
        let mut routes: Vec<_> = template
            .routes
            .iter()
            .map(|route| (route.key.as_str(), route.function.as_str()))
            .collect();
        routes.sort_unstable();
        assert_eq!(
            routes,
            [
                ("$default", "docs"),
                ("ANY /.well-known/{proxy+}", "auth"),
                ("ANY /api/auth", "auth"),
                ("ANY /api/auth/{proxy+}", "auth"),
                ("ANY /api/movies", "movies"),
                ("ANY /api/movies/{proxy+}", "movies"),
                ("ANY /api/openapi.json", "docs"),
                ("ANY /api/users", "users"),
                ("ANY /api/users/{proxy+}", "users"),
            ]
        );
    }

    #[test]
    fn our_functions_answer_before_the_gateway_gives_up() {
        let template = Template::parse(OURS).unwrap();
        let names: Vec<_> = template
            .functions
            .iter()
            .map(|function| function.name.as_str())
            .collect();
        assert_eq!(names, ["auth", "docs", "movies", "users"]);
        for function in &template.functions {
            assert!(
                function.timeout > Duration::from_secs(DEFAULT_TIMEOUT),
                "{} has no timeout",
                function.resource
            );
            assert!(
                function.timeout < Duration::from_secs(30),
                "{} outlasts the gateway",
                function.resource
            );
        }
    }

    #[test]
    fn our_table_has_its_keys_indexes_and_time_to_live() {
        let table = Template::parse(OURS).unwrap().table;
        let key = |partition: &str, sort: &str| KeySpec {
            partition: partition.to_owned(),
            sort: Some(sort.to_owned()),
        };
        let index = |name: &str, key: KeySpec| IndexSpec {
            name: name.to_owned(),
            key,
            projection: ProjectionType::KeysOnly,
            projected: Vec::new(),
        };
        let string = |name: &str| (name.to_owned(), ScalarAttributeType::S);
        assert_eq!(
            table,
            TableSpec {
                name: "marquee".to_owned(),
                attributes: vec![
                    string("pk"),
                    string("sk"),
                    string("dated"),
                    string("date"),
                    string("liked"),
                    ("likes".to_owned(), ScalarAttributeType::N),
                ],
                key: key("pk", "sk"),
                indexes: vec![
                    index("by-date", key("dated", "date")),
                    index("by-likes", key("liked", "likes"))
                ],
                ttl_attribute: Some("ttl".to_owned()),
            }
        );
    }

    #[test]
    fn timeouts_come_from_the_function_then_the_globals_then_lambda() {
        let template = |globals: &str, own: &str| {
            let text = format!(
                "{globals}Resources:{TABLE}
  F:
    Type: AWS::Serverless::Function
    Properties: {{ CodeUri: functions/f/, {own} Events: {{ All: {{ Type: HttpApi }} }} }}
"
            );
            Template::parse(&text).unwrap().functions[0].timeout.as_secs()
        };
        assert_eq!(template("", ""), 3);
        assert_eq!(template("Globals: { Function: { Timeout: 7 } }\n", ""), 7);
        assert_eq!(
            template("Globals: { Function: { Timeout: 7 } }\n", "Timeout: 9,"),
            9
        );
    }

    #[test]
    fn functions_without_a_route_and_events_of_other_kinds_are_left_out() {
        let template = parse_resources(
            "
  Nightly:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/nightly
      Events: { Night: { Type: Schedule, Properties: { Schedule: rate(1 day) } } }
",
        )
        .unwrap();
        assert!(template.functions.is_empty());
        assert_eq!(template.routes.iter().count(), 0);
    }

    #[test]
    fn a_broken_declaration_is_reported_with_its_resource() {
        let function = |properties: &str| {
            reason(&format!(
                "\n  F: {{ Type: AWS::Serverless::Function, Properties: {properties} }}\n"
            ))
        };
        let event = |properties: &str| {
            function(&format!(
                "{{ CodeUri: functions/f, Events: {{ E: {{ Type: HttpApi, Properties: {properties} }} }} }}"
            ))
        };
        for (reason, part) in [
            (event("{ Path: /x }"), "needs both Method and Path"),
            (
                event("{ Method: ANY, Path: !Sub '/${Stage}' }"),
                "expected a string",
            ),
            (event("{ Method: ANY, Path: !Ref Stage }"), "expected a string"),
            (event("{ Method: GET }"), "needs both Method and Path"),
            (event("{ Method: 'NO GOOD', Path: /x }"), "isn't a method"),
            (event("{ Method: ANY, Path: x }"), "must begin with a slash"),
            (event("{ Method: ANY, Path: /x/ }"), "can't end in a slash"),
            (event("{ Method: ANY, Path: '/{a+}/x' }"), "must come last"),
            (event("{ Method: ANY, Path: '/a{b}' }"), "a whole segment"),
            (
                function("{ CodeUri: ., Events: { E: { Type: HttpApi } } }"),
                "CodeUri",
            ),
            (
                function("{ CodeUri: functions/f, Timeout: soon, Events: { E: { Type: HttpApi } } }"),
                "soon",
            ),
        ] {
            assert!(
                reason.contains("resource F: ") && reason.contains(part),
                "{reason} should say {part}"
            );
        }
    }

    #[test]
    fn two_events_cannot_claim_one_route() {
        let resources = "
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/f
      Events:
        One: { Type: HttpApi, Properties: { Method: any, Path: /x } }
        Two: { Type: HttpApi, Properties: { Method: ANY, Path: /x } }
";
        assert_eq!(
            reason(resources),
            "the template can't be read: two events claim the route ANY /x"
        );
    }

    #[test]
    fn there_is_exactly_one_table() {
        assert!(
            Template::parse("Resources: {}")
                .unwrap_err()
                .to_string()
                .contains("no AWS::DynamoDB::Table")
        );
        let second = TABLE.replace("Movies", "OtherMovies");
        assert!(reason(&second).contains("resource OtherMovies: is a second table"));
        assert!(Template::parse("no template").is_err());
        assert!(Template::parse("a: [").is_err());
    }
}
