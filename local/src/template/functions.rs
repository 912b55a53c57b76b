//! The functions as the template declares them, with their routes.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use serde::Deserialize;
use serde_norway::Value;

use super::{error::TemplateError, routes::Route, values::typed};

/// A function that answers HTTP requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The last segment of the function's `CodeUri`, which is also the name of its package: `movies`.
    pub name: String,
    /// The logical id in the template: `MoviesFunction`.
    pub resource: String,
    /// How long one invocation may take.
    pub timeout: Duration,
}

/// What the template declares of a function.
pub(super) struct Declared {
    pub(super) function: Function,
    /// Its routes. Empty for a function that something else invokes.
    pub(super) routes: Vec<Route>,
}

impl Declared {
    /// Reads the properties of an `AWS::Serverless::Function`. `default_timeout` is in seconds.
    pub(super) fn from_properties(
        resource: &str,
        properties: Value,
        default_timeout: u64,
    ) -> Result<Self, TemplateError> {
        let declared: FunctionProperties = typed(resource, properties)?;
        let timeout = declared.timeout.unwrap_or(default_timeout);
        let events = route_events(resource, declared.events)?;
        let name = function_name(resource, declared.code_uri.as_deref())?;
        let routes = events.into_iter().map(|event| event.into_route(resource, &name));
        Ok(Self {
            routes: routes.collect::<Result<_, _>>()?,
            function: Function {
                name,
                resource: resource.to_owned(),
                timeout: Duration::from_secs(timeout),
            },
        })
    }
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
    /// The route that an `HttpApi` event declares. An event without method and path is `$default` (SAM's reference,
    /// `HttpApi`).
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
        // SAM accepts the method in any case. A route key has it in capitals.
        let method = match method.to_ascii_uppercase().as_str() {
            "ANY" | "X-AMAZON-APIGATEWAY-ANY-METHOD" => None,
            name => Some(Method::from_bytes(name.as_bytes()).map_err(|error| {
                TemplateError::in_resource(resource, format_args!("{name:?} isn't a method: {error}"))
            })?),
        };
        Route::new(method, &path, function).map_err(|reason| TemplateError::in_resource(resource, reason))
    }
}

/// The events that are routes of the HTTP API. Events of other kinds, such as a schedule, are ignored: nothing sends them
/// here.
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

/// Returns the function's name: `movies` for the `CodeUri` `functions/movies`.
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
