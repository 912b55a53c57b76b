//! What each function's role allows, as the template declares it.
//!
//! A role is read whole or not at all: what can't be evaluated exactly (a wildcard, a managed policy, a `NotAction`, an
//! operator that isn't known) is an error, so that nothing is allowed here that AWS would refuse, nor the other way
//! round.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_norway::Value;

use super::values::function;
use super::{TableSpec, TemplateError, typed};

/// The version of the policy language. An older one reads patterns differently.
const LANGUAGE: &str = "2012-10-17";

/// The service of the table's actions.
const DYNAMODB: &str = "dynamodb";

/// The condition key that holds the partition keys of a request.
const LEADING_KEYS: &str = "dynamodb:LeadingKeys";

/// What a table's ARN begins with, in terms of `!Sub`.
const TABLE_ARN: &str = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/";

/// The condition operators that are understood, and only together: every key is of one of the patterns, and there is
/// one at all, since `ForAllValues` is true of none.
const EVERY_KEY_LIKE: &str = "ForAllValues:StringLike";
const NULL: &str = "Null";

/// Resources that could widen a role from outside. They aren't read, so there can be none.
const ATTACHED: [&str; 4] = [
    "AWS::IAM::Policy",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::RolePolicy",
    "AWS::Serverless::Connector",
];

/// An action on the table that can be allowed by partition key. A TransactWriteItems needs those of its members, and
/// has none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is the operation of that name")]
pub enum Action {
    BatchGetItem,
    BatchWriteItem,
    ConditionCheckItem,
    DeleteItem,
    GetItem,
    PutItem,
    Query,
    UpdateItem,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::BatchGetItem,
        Self::BatchWriteItem,
        Self::ConditionCheckItem,
        Self::DeleteItem,
        Self::GetItem,
        Self::PutItem,
        Self::Query,
        Self::UpdateItem,
    ];
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{DYNAMODB}:{self:?}")
    }
}

/// What an action is done to: the table or one of its indexes, each of which is a resource of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The table.
    Table,
    /// The index of this name.
    Index(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table => f.write_str("table"),
            Self::Index(name) => write!(f, "index/{name}"),
        }
    }
}

/// A pattern of partition keys: `KEYS`, which is that key alone, or `MOVIES#*`, which is every key that begins so. There
/// are no other patterns, so every key is of one pattern and no two patterns overlap.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPattern(String);

impl KeyPattern {
    /// The pattern that a partition key is of; `None` for a key of another form than this table's. Of a longer key only
    /// what stands before its `#` is kept, since an email may come after.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        match key.split_once('#') {
            Some((kind, _)) => is_kind(kind).then(|| Self(format!("{kind}#*"))),
            None => is_kind(key).then(|| Self(key.to_owned())),
        }
    }
}

/// Whether `text` says what kind of item a key is of.
fn is_kind(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

impl FromStr for KeyPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_kind(text.strip_suffix("#*").unwrap_or(text)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{text:?} is neither of the patterns KIND and KIND#*"))
        }
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one request asks of a role: an action on a target, for partition keys of these patterns together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The action.
    pub action: Action,
    /// What it is done to.
    pub target: Target,
    /// The patterns of all its keys.
    pub keys: BTreeSet<KeyPattern>,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} for", self.action, self.target)?;
        self.keys.iter().try_for_each(|key| write!(f, " {key}"))
    }
}

/// The least that a role can allow: an action on a target, for keys of one pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The action.
    pub action: Action,
    /// What it is done to.
    pub target: Target,
    /// The keys.
    pub keys: KeyPattern,
}

/// A statement about the table: each of its actions on each of its targets, for keys of any of its patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    actions: BTreeSet<Action>,
    targets: BTreeSet<Target>,
    keys: BTreeSet<KeyPattern>,
}

impl Statement {
    fn allows(&self, need: &Need) -> bool {
        self.actions.contains(&need.action)
            && self.targets.contains(&need.target)
            && !need.keys.is_empty()
            && need.keys.is_subset(&self.keys)
    }

    /// Everything it allows, one by one.
    pub fn grants(&self) -> impl Iterator<Item = Grant> {
        self.actions.iter().flat_map(move |action| {
            self.targets.iter().flat_map(move |target| {
                self.keys.iter().map(move |keys| Grant {
                    action: *action,
                    target: target.clone(),
                    keys: keys.clone(),
                })
            })
        })
    }
}

/// What a function may do. One that declares no role may do nothing but log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its logical id.
    pub resource: Option<String>,
    /// The services that may take it on.
    pub principals: BTreeSet<String>,
    /// What it allows on the table.
    pub statements: Vec<Statement>,
    /// What else it allows: an action, and the logical id of the resource it is allowed on.
    pub others: BTreeSet<(String, String)>,
}

impl Role {
    /// Whether some statement allows all of `need`. Keys that two statements allow between them aren't allowed together
    /// (IAM: a request's context is held against each statement).
    #[must_use]
    pub fn allows(&self, need: &Need) -> bool {
        self.statements.iter().any(|statement| statement.allows(need))
    }
}

/// The role of each function, by the function's logical id.
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

/// A resource with its functions, which say what a policy's resources are.
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

/// Only what doesn't change what a role may do is passed over.
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

/// A statement about who may take a role on.
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

/// A statement about what a role allows.
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

/// What a statement's resource is.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Target(Target),
    Other(String),
}

/// Reads roles among the template's resources.
struct Reader<'a> {
    resources: &'a BTreeMap<String, Declared>,
    parameters: &'a Value,
    table: &'a TableSpec,
}

impl Reader<'_> {
    fn role_of(&self, function: &FunctionProperties) -> Result<Role, String> {
        if function.policies.is_some() {
            // SAM makes a role of its own of them, or passes over them where there is a Role.
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
                return Err("it can be taken on by sts:AssumeRole alone".into());
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

    /// Adds what a statement allows.
    fn add(&self, role: &mut Role, allowance: &Allowance) -> Result<(), String> {
        is_allow(&allowance.effect)?;
        let actions = texts(&allowance.action)?;
        let resources = values(&allowance.resource);
        let resources = resources.iter().map(|value| self.named(value));
        let resources: Vec<Named> = resources.collect::<Result<_, _>>()?;
        if actions.is_empty() || resources.is_empty() {
            return Err("a statement is about nothing".into());
        }
        let is_about_table = |action: &&str| action.split(':').next() == Some(DYNAMODB);
        if actions.iter().any(is_about_table) {
            let targets = resources.into_iter().map(|named| match named {
                Named::Target(target) => Ok(target),
                Named::Other(name) => Err(format!("{name} isn't the table or an index of it")),
            });
            role.statements.push(Statement {
                actions: once_each(actions.iter().map(|action| table_action(action)))?,
                targets: once_each(targets)?,
                keys: leading_keys(allowance.condition.as_ref())?,
            });
            return Ok(());
        }
        if allowance.condition.is_some() {
            return Err(format!(
                "the condition on {} isn't understood",
                actions.join(", ")
            ));
        }
        for action in actions {
            exact_action(action)?;
            for named in &resources {
                match named {
                    Named::Other(name) => role.others.insert((action.to_owned(), name.clone())),
                    Named::Target(target) => return Err(format!("{action} isn't an action on the {target}")),
                };
            }
        }
        Ok(())
    }

    /// What a resource is called: the table's ARN by the parameter that names it, `!GetAtt <table>.Arn`, an index of
    /// either, or `!GetAtt` or `!Ref` of another resource of the template.
    fn named(&self, value: &Value) -> Result<Named, String> {
        if let Some(text) = called(value, "Fn::Sub") {
            return self
                .target(text)
                .map(Named::Target)
                .ok_or_else(|| format!("{text:?} isn't the table or an index of it"));
        }
        let attribute = called(value, "Fn::GetAtt").and_then(|name| name.strip_suffix(".Arn"));
        let id = attribute.or_else(|| called(value, "Ref"));
        let declared = id.and_then(|id| Some((id, self.resources.get(id)?)));
        match declared {
            Some((id, _)) if self.is_table(id) => match attribute {
                Some(_) => Ok(Named::Target(Target::Table)),
                // The reference is the table's name, which is no resource of a policy.
                None => Err(format!("!Ref {id} isn't an ARN")),
            },
            Some((id, _)) => Ok(Named::Other(id.to_owned())),
            None => Err(format!("{value:?} isn't a resource of the template")),
        }
    }

    /// The table or the index whose ARN this is, in terms of `!Sub`.
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

    fn is_table(&self, id: &str) -> bool {
        self.resources
            .get(id)
            .is_some_and(|declared| declared.kind == "AWS::DynamoDB::Table")
    }
}

/// What a role says must stand there as it is. Only the resources of its statements, and names that change nothing, may
/// be CloudFormation's to fill in.
fn no_functions(value: &Value) -> Result<(), String> {
    const FILLED_IN: [&str; 4] = ["Resource", "PolicyName", "Description", "Tags"];
    match value {
        Value::Sequence(values) => values.iter().try_for_each(no_functions),
        Value::Mapping(entries) => match function(entries) {
            Some((name, _)) => Err(format!("{name} isn't understood here")),
            None => entries
                .iter()
                .filter(|(key, _)| !key.as_str().is_some_and(|key| FILLED_IN.contains(&key)))
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
        Err(format!("the effect {effect} isn't understood"))
    }
}

fn table_action(text: &str) -> Result<Action, String> {
    Action::ALL
        .into_iter()
        .find(|action| action.to_string() == text)
        .ok_or_else(|| format!("{text} isn't an action that can be allowed by partition key"))
}

/// An action of another service is only read, not evaluated; but it must be one.
fn exact_action(text: &str) -> Result<(), String> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
    match text.split_once(':') {
        Some((service, action)) if is_name(service) && is_name(action) => Ok(()),
        _ => Err(format!("{text} isn't one action")),
    }
}

/// The patterns of a condition on partition keys, which must be there and be all of it.
fn leading_keys(
    condition: Option<&BTreeMap<String, BTreeMap<String, Value>>>,
) -> Result<BTreeSet<KeyPattern>, String> {
    let condition = condition.ok_or("a statement about the table has no condition")?;
    let of = |operator: &str| {
        let tests = condition
            .get(operator)
            .ok_or_else(|| format!("a condition lacks {operator}"))?;
        match tests.get(LEADING_KEYS) {
            Some(value) if tests.len() == 1 => texts(value),
            _ => Err(format!("{operator} must be about {LEADING_KEYS} alone")),
        }
    };
    let (patterns, null) = (of(EVERY_KEY_LIKE)?, of(NULL)?);
    if let Some(operator) = condition.keys().find(|o| *o != EVERY_KEY_LIKE && *o != NULL) {
        return Err(format!("the condition operator {operator} isn't understood"));
    }
    if null != ["false"] {
        return Err(format!("{NULL} must be \"false\""));
    }
    let keys: BTreeSet<KeyPattern> = once_each(patterns.into_iter().map(str::parse))?;
    if keys.is_empty() {
        return Err("a condition allows no key".into());
    }
    Ok(keys)
}

/// A set of what is listed, unless something is listed twice.
fn once_each<T: Ord + fmt::Display>(
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

/// The argument of this function, if the value is that function and the argument is a text.
fn called<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let (function, argument) = value.as_mapping().and_then(function)?;
    argument.as_str().filter(|_| function == name)
}

/// A list, or a single value as a list of one.
fn values(value: &Value) -> &[Value] {
    match value {
        Value::Sequence(values) => values,
        single => std::slice::from_ref(single),
    }
}

/// A list of texts, or a single one.
fn texts(value: &Value) -> Result<Vec<&str>, String> {
    let texts = values(value).iter().map(|value| value.as_str());
    texts
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{value:?} isn't a list of texts"))
}

#[cfg(test)]
mod tests;
