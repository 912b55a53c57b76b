//! Reads the deployment template for one machine.
//!
//! `template.yaml` is the only declaration of the routes and the table. The binary embeds its text. This module makes of
//! it the [`Routes`] for the gateway, the [`Function`]s with their timeouts, the [`Role`] of each function, and the
//! [`TableSpec`] to create.
//!
//! Every parameter has its default value ([`resolve`]), but for the sender of mails: there is one on one machine. Only what the local server needs is read. A part of it that
//! depends on values known only on AWS is an error.

mod error;
mod functions;
mod others;
mod policies;
mod role;
mod routes;
mod table;
mod values;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_norway::Value;

pub use self::{
    error::TemplateError,
    functions::Function,
    role::{Action, Grant, KeyPattern, Need, Role, Statement, Target},
    routes::{Match, Route, Routes},
    table::{IndexSpec, KeySpec, TableSpec},
    values::resolve,
};
use self::{
    functions::Declared,
    values::{resolve_known, typed},
};

/// The parameters whose defaults don't apply on one machine. The sender is only that of the role: mails are written to files.
const ON_ONE_MACHINE: [(&str, &str); 1] = [("MailFrom", "no-reply@marquee.invalid")];

/// Lambda's timeout in seconds for a function that declares none.
const DEFAULT_TIMEOUT: u64 = 3;

/// The parts of a SAM template that one machine needs.
#[derive(Clone, Debug)]
pub struct Template {
    /// Every function with at least one HTTP route, in the order of the resource names.
    pub functions: Vec<Function>,
    /// The role of every function, with or without routes, by the function's [name](Function::name).
    pub roles: BTreeMap<String, Role>,
    /// Every route of the HTTP API.
    pub routes: Routes,
    /// The one DynamoDB table.
    pub table: TableSpec,
}

impl Template {
    /// Reads the text of a SAM template.
    ///
    /// # Errors
    /// [`TemplateError`] if the text isn't YAML, when a function or the table lacks something, when two events have the
    /// same route, or when there isn't exactly one `AWS::DynamoDB::Table`.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let unreadable = |error: serde_norway::Error| TemplateError::Unreadable(error.to_string());
        let whole = resolve_known(text, &ON_ONE_MACHINE)?;
        let document: Document = serde_norway::from_value(whole.clone()).map_err(unreadable)?;

        let default_timeout = document.globals.function.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let mut functions = Vec::new();
        let mut names = BTreeMap::new();
        let mut routes = Vec::new();
        let mut table = None;
        for (resource, Resource { kind, properties }) in document.resources {
            match kind.as_str() {
                "AWS::Serverless::Function" => {
                    let declared = Declared::from_properties(&resource, properties, default_timeout)?;
                    names.insert(resource, declared.function.name.clone());
                    if !declared.routes.is_empty() {
                        routes.extend(declared.routes);
                        functions.push(declared.function);
                    }
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

/// The sections of the document. The resources are sorted by name, so their order in the file makes no difference.
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

#[cfg(test)]
mod tests;
