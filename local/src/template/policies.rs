//! Reads what each function's role allows from the template.
//!
//! A part of a role that can't be evaluated exactly is an error: a wildcard, a managed policy, a `NotAction`, an unknown
//! operator. So a role allows here exactly what it allows on AWS.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, de::IgnoredAny};
use serde_norway::Value;

use super::{
    error::TemplateError,
    others::{EVERYWHERE, STREAM_ACTIONS, are_traces, identity, sender},
    role::{Action, DYNAMODB, KeyPattern, Role, Statement, Target},
    table::TableSpec,
    values::{called, function, typed},
};

/// The version of the policy language. Older versions interpret patterns differently.
const LANGUAGE: &str = "2012-10-17";

/// The condition key that holds the partition keys of a request.
const LEADING_KEYS: &str = "dynamodb:LeadingKeys";

/// The beginning of a table's ARN, as `!Sub` expresses it.
const TABLE_ARN: &str = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/";

/// The supported condition operators for the table. A condition must have both: the first requires that each key matches a pattern, the
/// second that the request has keys, because `ForAllValues` is true for a request without any.
const EVERY_KEY_LIKE: &str = "ForAllValues:StringLike";
const NULL: &str = "Null";

/// Resources that could widen a role from outside. They aren't read, so the template must not have any.
const ATTACHED: [&str; 4] = [
    "AWS::IAM::Policy",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::RolePolicy",
    "AWS::Serverless::Connector",
];

/// Returns the role of each function, by the function's logical id.
pub(super) fn roles(document: &Value, table: &TableSpec) -> Result<BTreeMap<String, Role>, TemplateError> {
    let resources: BTreeMap<String, Declared> = document
        .get("Resources")
        .map(|resources| typed("Resources", resources.clone()))
        .transpose()?
        .unwrap_or_default();
    let reader = Reader {
        resources: &resources,
        parameters: document.get("Parameters").unwrap_or(&Value::Null),
        table,
    };
    let mut roles = BTreeMap::new();
    for (name, declared) in &resources {
        let in_resource = |reason: String| TemplateError::in_resource(name, reason);
        if declared.connectors.is_some() {
            return Err(in_resource("has Connectors, which aren't read".into()));
        }
        match declared.kind.as_str() {
            "AWS::Serverless::Function" => {
                let function: FunctionProperties = typed(name, declared.properties.clone())?;
                roles.insert(name.clone(), reader.role_of(&function).map_err(in_resource)?);
            }
            "AWS::DynamoDB::Table" if declared.properties.get("ResourcePolicy").is_some() => {
                return Err(in_resource("has a policy of its own, which isn't read".into()));
            }
            kind if ATTACHED.contains(&kind) => {
                return Err(in_resource(format!(
                    "is an {kind}; only a role's own policies are read"
                )));
            }
            _ => {}
        }
    }
    Ok(roles)
}

/// A resource whose CloudFormation functions haven't been replaced; they name the resources of a policy.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Declared {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    properties: Value,
    connectors: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionProperties {
    role: Option<Value>,
    policies: Option<IgnoredAny>,
}

/// Unknown properties are errors. The ignored ones don't change what a role allows.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RoleProperties {
    assume_role_policy_document: Document<Trust>,
    #[serde(default)]
    policies: Vec<RolePolicy>,
    #[serde(rename = "Description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "Tags")]
    _tags: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RolePolicy {
    #[serde(rename = "PolicyName")]
    _policy_name: IgnoredAny,
    policy_document: Document<Allowance>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document<S> {
    version: String,
    statement: Vec<S>,
}

/// A statement on who may assume a role.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Trust {
    effect: String,
    principal: Principal,
    action: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Principal {
    service: Value,
}

/// A statement on what a role allows.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Allowance {
    #[serde(rename = "Sid")]
    _sid: Option<IgnoredAny>,
    effect: String,
    action: Value,
    resource: Value,
    condition: Option<BTreeMap<String, BTreeMap<String, Value>>>,
}

/// The resource of a statement.
#[derive(Debug, PartialEq, Eq)]
enum PolicyResource {
    Target(Target),
    /// The table's stream.
    Stream(String),
    Other(String),
}

/// Reads roles from the template's resources.
struct Reader<'a> {
    resources: &'a BTreeMap<String, Declared>,
    parameters: &'a Value,
    table: &'a TableSpec,
}

impl Reader<'_> {
    fn role_of(&self, function: &FunctionProperties) -> Result<Role, String> {
        if function.policies.is_some() {
            // SAM makes another role of them, or ignores them beside a Role.
            return Err("has Policies, which aren't read; give it a Role".into());
        }
        let Some(role) = &function.role else {
            return Ok(Role::default());
        };
        let id = called(role, "Fn::GetAtt")
            .and_then(|name| name.strip_suffix(".Arn"))
            .ok_or("its Role must be the !GetAtt … .Arn of one in the template")?;
        let declared = self
            .resources
            .get(id)
            .filter(|declared| declared.kind == "AWS::IAM::Role")
            .ok_or_else(|| format!("its Role {id} isn't an AWS::IAM::Role of the template"))?;
        no_functions(&declared.properties)
            .and_then(|()| serde_norway::from_value(declared.properties.clone()).map_err(|e| e.to_string()))
            .and_then(|properties| self.role(id, properties))
            .map_err(|reason| format!("its Role {id}: {reason}"))
    }

    fn role(&self, id: &str, properties: RoleProperties) -> Result<Role, String> {
        let mut role = Role {
            resource: Some(id.to_owned()),
            ..Role::default()
        };
        for trust in statements(properties.assume_role_policy_document)? {
            is_allow(&trust.effect)?;
            if texts(&trust.action)? != ["sts:AssumeRole"] {
                return Err("its only trust action must be sts:AssumeRole".into());
            }
            role.principals
                .extend(texts(&trust.principal.service)?.into_iter().map(str::to_owned));
        }
        for policy in properties.policies {
            for allowance in statements(policy.policy_document)? {
                self.add(&mut role, &allowance)?;
            }
        }
        Ok(role)
    }

    /// Adds what a statement allows to a role.
    fn add(&self, role: &mut Role, allowance: &Allowance) -> Result<(), String> {
        is_allow(&allowance.effect)?;
        let actions = texts(&allowance.action)?;
        if are_traces(&actions, allowance.resource.as_str()) && allowance.condition.is_none() {
            let everywhere = |action: &&str| ((*action).to_owned(), EVERYWHERE.to_owned());
            role.others.extend(actions.iter().map(everywhere));
            return Ok(());
        }
        let resources = values(&allowance.resource);
        let resources = resources.iter().map(|value| self.named(value));
        let resources: Vec<PolicyResource> = resources.collect::<Result<_, _>>()?;
        if actions.is_empty() || resources.is_empty() {
            return Err("a statement has no action or no resource".into());
        }
        let is_about_stream = |named: &PolicyResource| matches!(named, PolicyResource::Stream(_));
        if resources.iter().any(is_about_stream) {
            return add_stream(role, &actions, &resources, allowance.condition.is_some());
        }
        let is_about_table = |action: &&str| action.split(':').next() == Some(DYNAMODB);
        if actions.iter().any(is_about_table) {
            let targets = resources.into_iter().map(|named| match named {
                PolicyResource::Target(target) => Ok(target),
                PolicyResource::Stream(name) | PolicyResource::Other(name) => {
                    Err(format!("{name} isn't the table or an index of it"))
                }
            });
            role.statements.push(Statement {
                actions: unique(actions.iter().map(|action| table_action(action)))?,
                targets: unique(targets)?,
                keys: leading_keys(allowance.condition.as_ref())?,
            });
            return Ok(());
        }
        let sender = sender(&actions, allowance.condition.as_ref())?;
        for action in actions {
            exact_action(action)?;
            for named in &resources {
                match named {
                    PolicyResource::Stream(name) | PolicyResource::Other(name) => {
                        let name = match sender {
                            Some(sender) => format!("{name} from {sender}"),
                            None => name.clone(),
                        };
                        role.others.insert((action.to_owned(), name))
                    }
                    PolicyResource::Target(target) => {
                        return Err(format!("{action} isn't an action on the {target}"));
                    }
                };
            }
        }
        Ok(())
    }

    /// Returns the resource that a value names. The table and its indexes are named by an ARN with the parameter for the
    /// table's name, or by `!GetAtt <table>.Arn`; the objects of a bucket by the bucket's ARN and `/*`; other resources of the template by `!GetAtt` or `!Ref`.
    fn named(&self, value: &Value) -> Result<PolicyResource, String> {
        if let Some(text) = called(value, "Fn::Sub") {
            if let Some(identity) = identity(text) {
                return Ok(PolicyResource::Other(identity.to_owned()));
            }
            if let Some(bucket) = self.bucket_of_objects(text) {
                return Ok(PolicyResource::Other(format!("the objects of {bucket}")));
            }
            return self
                .target(text)
                .map(PolicyResource::Target)
                .ok_or_else(|| format!("{text:?} isn't the table or an index of it"));
        }
        let read = called(value, "Fn::GetAtt");
        if let Some(table) = read.and_then(|name| name.strip_suffix(".StreamArn")) {
            return match self.is_table(table) {
                true => Ok(PolicyResource::Stream(format!("{table}.StreamArn"))),
                false => Err(format!("{table} isn't the table")),
            };
        }
        let attribute = read.and_then(|name| name.strip_suffix(".Arn"));
        let id = attribute.or_else(|| called(value, "Ref"));
        let declared = id.and_then(|id| Some((id, self.resources.get(id)?)));
        match declared {
            Some((id, _)) if self.is_table(id) => match attribute {
                Some(_) => Ok(PolicyResource::Target(Target::Table)),
                // `!Ref` is the table's name, and a policy needs the ARN.
                None => Err(format!("!Ref {id} isn't an ARN")),
            },
            Some((id, _)) => Ok(PolicyResource::Other(id.to_owned())),
            None => Err(format!("{value:?} isn't a resource of the template")),
        }
    }

    /// Returns the table or index of an ARN, as `!Sub` expresses it.
    fn target(&self, text: &str) -> Option<Target> {
        let (table, index) = match text.split_once("/index/") {
            Some((table, index)) => (table, Some(index)),
            None => (text, None),
        };
        let inner = |text: &str| Some(text.strip_prefix("${")?.strip_suffix('}')?.to_owned());
        let is_ours = match table.strip_prefix(TABLE_ARN) {
            Some(name) => {
                let parameter = self.parameters.get(inner(name)?)?;
                parameter.get("Default").and_then(Value::as_str) == Some(&self.table.name)
            }
            None => self.is_table(inner(table)?.strip_suffix(".Arn")?),
        };
        match index {
            _ if !is_ours => None,
            None => Some(Target::Table),
            Some(index) => {
                let mut indexes = self.table.indexes.iter();
                indexes
                    .any(|spec| spec.name == index)
                    .then(|| Target::Index(index.to_owned()))
            }
        }
    }

    /// Returns the bucket of the template whose objects are named by this ARN, as `!Sub` expresses it.
    fn bucket_of_objects<'t>(&self, text: &'t str) -> Option<&'t str> {
        let bucket = text.strip_prefix("${")?.strip_suffix(".Arn}/*")?;
        self.is_a(bucket, "AWS::S3::Bucket").then_some(bucket)
    }

    fn is_table(&self, id: &str) -> bool {
        self.is_a(id, "AWS::DynamoDB::Table")
    }

    fn is_a(&self, id: &str, kind: &str) -> bool {
        self.resources
            .get(id)
            .is_some_and(|declared| declared.kind == kind)
    }
}

/// Adds what a statement on the table's stream allows to a role.
fn add_stream(
    role: &mut Role,
    actions: &[&str],
    resources: &[PolicyResource],
    has_condition: bool,
) -> Result<(), String> {
    let [PolicyResource::Stream(stream)] = resources else {
        return Err("a statement on the stream has another resource".into());
    };
    if has_condition {
        return Err("the condition on the stream isn't supported".into());
    }
    for action in actions {
        if !STREAM_ACTIONS.contains(action) {
            return Err(format!("{action} isn't an action on the stream"));
        }
        role.others.insert(((*action).to_owned(), stream.clone()));
    }
    Ok(())
}

/// Fails when a role has a CloudFormation function. Only the resources of its statements, and names that don't change what
/// it allows, may have one.
fn no_functions(value: &Value) -> Result<(), String> {
    const WITH_FUNCTIONS: [&str; 4] = ["Resource", "PolicyName", "Description", "Tags"];
    match value {
        Value::Sequence(values) => values.iter().try_for_each(no_functions),
        Value::Mapping(entries) => match function(entries) {
            Some((name, _)) => Err(format!("{name} isn't supported here")),
            None => entries
                .iter()
                .filter(|(key, _)| !key.as_str().is_some_and(|key| WITH_FUNCTIONS.contains(&key)))
                .try_for_each(|(_, value)| no_functions(value)),
        },
        _ => Ok(()),
    }
}

fn statements<S>(document: Document<S>) -> Result<Vec<S>, String> {
    if document.version == LANGUAGE {
        Ok(document.statement)
    } else {
        Err(format!("a policy of version {}", document.version))
    }
}

fn is_allow(effect: &str) -> Result<(), String> {
    if effect == "Allow" {
        Ok(())
    } else {
        Err(format!("the effect {effect} isn't supported"))
    }
}

fn table_action(text: &str) -> Result<Action, String> {
    Action::ALL
        .into_iter()
        .find(|action| action.to_string() == text)
        .ok_or_else(|| format!("{text} isn't an action that can be allowed by partition key"))
}

/// Checks an action of another service, which isn't evaluated but must be a single action.
fn exact_action(text: &str) -> Result<(), String> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    match text.split_once(':') {
        Some((service, action)) if is_name(service) && is_name(action) => Ok(()),
        _ => Err(format!("{text} isn't one action")),
    }
}

/// Returns the key patterns of a condition. The condition must exist and have nothing else.
fn leading_keys(
    condition: Option<&BTreeMap<String, BTreeMap<String, Value>>>,
) -> Result<BTreeSet<KeyPattern>, String> {
    let condition = condition.ok_or("a statement on the table has no condition")?;
    let of = |operator: &str| {
        let tests = condition
            .get(operator)
            .ok_or_else(|| format!("a condition lacks {operator}"))?;
        match tests.get(LEADING_KEYS) {
            Some(value) if tests.len() == 1 => texts(value),
            _ => Err(format!("{operator} must have the one key {LEADING_KEYS}")),
        }
    };
    let (patterns, null) = (of(EVERY_KEY_LIKE)?, of(NULL)?);
    if let Some(operator) = condition.keys().find(|o| *o != EVERY_KEY_LIKE && *o != NULL) {
        return Err(format!("the condition operator {operator} isn't supported"));
    }
    if null != ["false"] {
        return Err(format!("{NULL} must be \"false\""));
    }
    let keys: BTreeSet<KeyPattern> = unique(patterns.into_iter().map(str::parse))?;
    if keys.is_empty() {
        return Err("a condition allows no key".into());
    }
    Ok(keys)
}

/// Collects a list into a set. Fails when an element is listed twice.
fn unique<T: Ord + fmt::Display>(
    listed: impl Iterator<Item = Result<T, String>>,
) -> Result<BTreeSet<T>, String> {
    let mut set = BTreeSet::new();
    for item in listed {
        let item = item?;
        if set.contains(&item) {
            return Err(format!("{item} is listed twice"));
        }
        set.insert(item);
    }
    Ok(set)
}

/// A list, or a single value as a list of one.
fn values(value: &Value) -> &[Value] {
    match value {
        Value::Sequence(values) => values,
        single => std::slice::from_ref(single),
    }
}

/// A list of texts, or a single text as a list of one.
fn texts(value: &Value) -> Result<Vec<&str>, String> {
    let texts = values(value).iter().map(|value| value.as_str());
    texts
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{value:?} isn't a list of texts"))
}

#[cfg(test)]
mod tests;
