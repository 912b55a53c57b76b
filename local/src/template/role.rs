//! What a role allows: actions on the table or an index, for partition keys that match a pattern.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// The service of the table's actions.
pub(super) const DYNAMODB: &str = "dynamodb";

/// An action on the table that IAM can allow by partition key. TransactWriteItems has no action of its own; it needs the
/// actions of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the operation of that name")]
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
    /// Every action.
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

/// What an action is applied to: the table or one of its indexes. Each is a resource of its own.
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

/// A pattern of partition keys: `KEYS` matches this key only, `MOVIES#*` matches every key that begins with `MOVIES#`.
/// There are no other patterns, so each key matches exactly one pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPattern(String);

impl KeyPattern {
    /// Returns the pattern that matches a partition key, or `None` for a key that isn't of this table's form. The part of
    /// the key behind `#` is dropped, since it may be an email.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        match key.split_once('#') {
            Some((kind, _)) => is_kind(kind).then(|| Self(format!("{kind}#*"))),
            None => is_kind(key).then(|| Self(key.to_owned())),
        }
    }
}

/// Whether `text` is the kind of item that a key begins with.
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

/// What one request needs of a role: an action on a target, for partition keys of all these patterns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// The action.
    pub action: Action,
    /// What the action is applied to.
    pub target: Target,
    /// The patterns of the request's keys.
    pub keys: BTreeSet<KeyPattern>,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} for", self.action, self.target)?;
        self.keys.iter().try_for_each(|key| write!(f, " {key}"))
    }
}

/// One element of what a role allows: an action on a target, for keys of one pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The action.
    pub action: Action,
    /// What the action is applied to.
    pub target: Target,
    /// The pattern of the keys.
    pub keys: KeyPattern,
}

/// A statement of a policy on the table. It allows each of its actions on each of its targets, for keys of any of its
/// patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub(super) actions: BTreeSet<Action>,
    pub(super) targets: BTreeSet<Target>,
    pub(super) keys: BTreeSet<KeyPattern>,
}

impl Statement {
    fn allows(&self, need: &Need) -> bool {
        self.actions.contains(&need.action)
            && self.targets.contains(&need.target)
            && !need.keys.is_empty()
            && need.keys.is_subset(&self.keys)
    }

    /// Returns every grant of the statement.
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

/// What a function may do. The default is the role of a function that declares none, which may only log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// The role's logical id.
    pub resource: Option<String>,
    /// The services that may assume the role.
    pub principals: BTreeSet<String>,
    /// What the role allows on the table.
    pub statements: Vec<Statement>,
    /// What the role allows on other resources: the action, and the logical id of the resource.
    pub others: BTreeSet<(String, String)>,
}

impl Role {
    /// Whether one statement allows all of `need`. A request whose keys are allowed only by two statements together is
    /// denied, because IAM evaluates the whole request against each statement.
    #[must_use]
    pub fn allows(&self, need: &Need) -> bool {
        self.statements.iter().any(|statement| statement.allows(need))
    }
}
