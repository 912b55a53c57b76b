//! Guarantees 5 and 37: the role of each function allows exactly what the function's calls need.

mod requests;

use std::collections::{BTreeMap, BTreeSet};

use marquee::{
    server::TEMPLATE,
    template::{Action, Grant, KeyPattern, Need, Role, Statement, Target, Template, resolve},
};
use serde_json::json;
use serde_norway::{Value, value::TaggedValue};

use self::requests::seen;
use super::stack::Stack;

/// The functions, and the prefix of each function's logical ids in the template.
const FUNCTIONS: [(&str, &str); 7] = [
    ("auth", "Auth"),
    ("covers", "Covers"),
    ("docs", "Docs"),
    ("mail", "Mail"),
    ("movies", "Movies"),
    ("sweep", "Sweep"),
    ("users", "Users"),
];

fn roles() -> BTreeMap<String, Role> {
    Template::parse(TEMPLATE).unwrap().roles
}

fn grants(role: &Role) -> BTreeSet<Grant> {
    role.statements.iter().flat_map(Statement::grants).collect()
}

/// Returns the needs that a role does not allow, and its grants that were not needed.
fn differences(role: &Role, needs: &BTreeSet<Need>) -> (Vec<Need>, BTreeSet<Grant>) {
    let (allowed, missing): (Vec<Need>, Vec<Need>) =
        needs.iter().cloned().partition(|need| role.allows(need));
    let mut unused = grants(role);
    for need in allowed {
        for keys in need.keys {
            unused.remove(&Grant {
                action: need.action,
                target: need.target.clone(),
                keys,
            });
        }
    }
    (missing, unused)
}

fn grant(action: Action, target: Target, keys: &str) -> Grant {
    Grant {
        action,
        target,
        keys: keys.parse().unwrap(),
    }
}

#[tokio::test]
async fn every_role_allows_exactly_what_its_function_needs() {
    let (roles, seen) = (roles(), seen().await);
    for (name, seen) in seen {
        assert_eq!(seen.refusals, BTreeSet::new(), "{name}");
        let (missing, unused) = differences(&roles[*name], &seen.needs);
        assert_eq!(missing, [], "the role of {name} lacks permissions");
        assert_eq!(
            unused,
            BTreeSet::new(),
            "the role of {name} has superfluous permissions"
        );
    }
    let names = FUNCTIONS.map(|(name, _)| name);
    assert!(seen.keys().eq(names.iter()), "the program has other functions");
    assert!(roles.keys().eq(names.iter()), "the template has other functions");
}

/// The test above notices every change of a role: a missing action, a missing key and a superfluous key.
#[tokio::test]
async fn a_missing_or_superfluous_action_or_key_of_a_role_is_noticed() {
    let seen = seen().await;
    let notices = |function: &str, text: &str, what: &str| {
        let roles = Template::parse(text).unwrap().roles;
        let (missing, unused) = differences(&roles[function], &seen[function].needs);
        assert!(
            !missing.is_empty() || !unused.is_empty(),
            "the change is not noticed: {function} {what}"
        );
    };
    let template: Value = serde_norway::from_str(TEMPLATE).unwrap();
    let (mut actions, mut keys) = (0, 0);
    for (function, prefix) in FUNCTIONS {
        let role = format!("{prefix}Role");
        for at in 0..statements(&mut template.clone(), &role).len() {
            let changed = |change: &dyn Fn(&mut Value)| {
                let mut template = template.clone();
                change(&mut statements(&mut template, &role)[at]);
                drop_empty(statements(&mut template, &role));
                serde_norway::to_string(&template).unwrap()
            };
            let statement = statements(&mut template.clone(), &role)[at].clone();
            if !is_about_keys(&statement) {
                continue;
            }
            for (n, action) in list(&statement["Action"]).iter().enumerate() {
                actions += 1;
                let text = changed(&|statement| remove(&mut statement["Action"], n));
                notices(function, &text, &format!("without {action:?} of statement {at}"));
            }
            let count = list(leading_keys(&mut statement.clone())).len();
            for n in 0..count {
                keys += 1;
                let text = changed(&|statement| remove(leading_keys(statement), n));
                notices(function, &text, &format!("without key {n} of statement {at}"));
            }
            let text = changed(&|statement| {
                let keys = leading_keys(statement).as_sequence_mut().unwrap();
                keys.push("IMPORT#*".into());
            });
            notices(function, &text, &format!("with one more key in statement {at}"));
        }
    }
    let parsed = roles();
    let all = parsed.values().flat_map(|role| &role.statements);
    assert!(actions >= all.count() && keys > actions, "{actions} {keys}");
}

/// Returns the statements of a role as the template has them.
fn statements<'a>(template: &'a mut Value, role: &str) -> &'a mut Vec<Value> {
    let policy = &mut template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"];
    policy["Statement"].as_sequence_mut().unwrap()
}

/// Whether a statement is about keys of the table, and not about its stream or another service.
fn is_about_keys(statement: &Value) -> bool {
    let condition = statement.get("Condition");
    condition.is_some_and(|condition| condition.get("ForAllValues:StringLike").is_some())
}

fn leading_keys(statement: &mut Value) -> &mut Value {
    &mut statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
}

fn list(value: &Value) -> Vec<Value> {
    value
        .as_sequence()
        .cloned()
        .unwrap_or_else(|| vec![value.clone()])
}

/// Removes an element from a value that is a list or a single element.
fn remove(value: &mut Value, at: usize) {
    let mut rest = list(value);
    rest.remove(at);
    *value = Value::Sequence(rest);
}

/// Removes statements without an action or a key, which are not valid.
fn drop_empty(statements: &mut Vec<Value>) {
    statements.retain_mut(|statement| {
        let has_keys = !is_about_keys(statement) || !list(leading_keys(statement)).is_empty();
        has_keys && !list(&statement["Action"]).is_empty()
    });
}

/// Permissions that are not measured, because only the table is on this machine: logs, traces, secrets, and who may assume
/// a role.
#[test]
fn every_function_has_its_own_role_and_logs_and_only_auth_reads_secrets() {
    assert_others(&roles(), &[]);
}

#[test]
fn with_traces_every_function_may_write_them() {
    let traced = TEMPLATE.replace("Default: PassThrough", "Default: Active");
    assert_ne!(traced, TEMPLATE);
    let traces = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"];
    assert_others(&Template::parse(&traced).unwrap().roles, &traces);
    for (parameter, mode) in [("Active", "Active"), ("PassThrough", "PassThrough")] {
        let stack = Stack::new(&[("Tracing", parameter)]);
        for (id, function) in stack.functions() {
            assert_eq!(function["Tracing"], mode, "{id}");
        }
    }
}

/// Panics unless each role has these actions for everything, and otherwise those of its function only.
fn assert_others(roles: &BTreeMap<String, Role>, everywhere: &[&str]) {
    for (name, prefix) in FUNCTIONS {
        let role = &roles[name];
        assert_eq!(role.resource, Some(format!("{prefix}Role")));
        assert_eq!(role.principals, BTreeSet::from(["lambda.amazonaws.com".into()]));
        let mut others = BTreeSet::from(
            ["logs:CreateLogStream", "logs:PutLogEvents"]
                .map(|action| (action.to_owned(), format!("{prefix}Logs"))),
        );
        others.extend(
            everywhere
                .iter()
                .map(|action| ((*action).to_owned(), "*".to_owned())),
        );
        if name == "mail" {
            let stream = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"];
            others.extend(stream.map(|action| (format!("dynamodb:{action}"), "Table.StreamArn".to_owned())));
            others.insert(("sqs:SendMessage".to_owned(), "MailFailures".to_owned()));
            // Only this function may send mail, and only from one address.
            others.extend(["SendEmail", "SendRawEmail"].map(|action| {
                let sender = "identity/${MailFrom} from no-reply@marquee.invalid";
                (format!("ses:{action}"), sender.to_owned())
            }));
        }
        if name == "covers" {
            let objects = ["GetObject", "PutObject", "DeleteObject"];
            others.extend(
                objects.map(|action| (format!("s3:{action}"), "the objects of CoverImages".to_owned())),
            );
            others.insert(("s3:ListBucket".to_owned(), "CoverImages".to_owned()));
        }
        if name == "movies" {
            others.insert(("lambda:InvokeFunction".to_owned(), "CoversFunction".to_owned()));
        }
        if name == "auth" {
            others.extend(
                ["SigningSecret", "RefreshSecret"]
                    .map(|secret| ("secretsmanager:GetSecretValue".to_owned(), secret.to_owned())),
            );
        }
        assert_eq!(role.others, others, "{name}");
    }
}

#[test]
fn a_function_writes_to_the_log_group_that_its_role_names() {
    let template: Value = serde_norway::from_str(TEMPLATE).unwrap();
    for (name, prefix) in FUNCTIONS {
        let function = &template["Resources"][format!("{prefix}Function")]["Properties"];
        assert_eq!(function["CodeUri"], format!("functions/{name}").as_str());
        let Value::Tagged(group) = &function["LoggingConfig"]["LogGroup"] else {
            panic!("{name} has no log group");
        };
        let TaggedValue { tag, value } = &**group;
        assert!(
            *tag == "Ref" && *value == format!("{prefix}Logs").as_str(),
            "{name}"
        );
        let kind = &template["Resources"][format!("{prefix}Logs")]["Type"];
        assert_eq!(*kind, "AWS::Logs::LogGroup");
    }
}

#[test]
fn no_permission_is_granted_twice() {
    for (name, role) in roles() {
        let count: usize = role.statements.iter().map(|s| s.grants().count()).sum();
        assert_eq!(grants(&role).len(), count, "{name}");
    }
}

/// No function has access to items that it does not need. Only `auth` and `users` have access to what signs users in.
#[test]
fn only_auth_and_users_access_logins_sessions_and_attempts_and_only_auth_publishes_keys() {
    let roles = roles();
    let who = |is: &dyn Fn(&Grant) -> bool| -> Vec<&str> {
        let of = roles.iter().filter(|(_, role)| grants(role).iter().any(is));
        of.map(|(name, _)| name.as_str()).collect()
    };
    let about = |keys: &str| -> Vec<&str> {
        let keys: KeyPattern = keys.parse().unwrap();
        who(&|grant| grant.keys == keys)
    };
    assert_eq!(about("SESSIONS#*"), ["auth", "sweep", "users"]);
    assert_eq!(about("ATTEMPTS#*"), ["auth", "users"]);
    assert_eq!(about("SESSION#*"), ["auth"]);
    assert_eq!(about("LOGIN#*"), ["auth", "mail", "users"]);
    assert_eq!(about("OUTBOX#*"), ["auth", "mail"]);
    // `sweep` and `users` delete the reset token of a deleted account, and read none.
    assert_eq!(about("RESET#*"), ["auth", "mail", "sweep", "users"]);
    let reset: KeyPattern = "RESET#*".parse().unwrap();
    let other_than_delete = who(&|grant| grant.keys == reset && grant.action != Action::DeleteItem);
    assert_eq!(other_than_delete, ["auth", "mail"]);
    // The mail function looks up an address, makes a reset token and removes the mail. It changes no login and no session.
    let of_mail = |grant: &Grant| grants(&roles["mail"]).contains(grant);
    for (action, keys) in [
        (Action::GetItem, "LOGIN#*"),
        (Action::GetItem, "OUTBOX#*"),
        (Action::GetItem, "RESET#*"),
        (Action::GetItem, "USERS#*"),
        (Action::PutItem, "RESET#*"),
        (Action::DeleteItem, "OUTBOX#*"),
    ] {
        assert!(of_mail(&grant(action, Target::Table, keys)), "{action} {keys}");
    }
    assert_eq!(grants(&roles["mail"]).len(), 6);
    let keys: KeyPattern = "KEYS".parse().unwrap();
    assert_eq!(about("KEYS"), ["auth", "movies", "users"]);
    let writes_keys = who(&|grant| grant.keys == keys && grant.action != Action::Query);
    assert_eq!(writes_keys, ["auth"]);
    assert_eq!(about("CURSOR"), ["movies", "users"]);
    let counters = grant(Action::GetItem, Target::Table, "META");
    assert_eq!(grants(&roles["docs"]), BTreeSet::from([counters]));
    // Only `auth` creates a user, and resets a password. `users` updates a user's names and password. No expression of either
    // names the role (`tests/golden`). So nobody becomes an admin through the API.
    let writes_users = |grant: &Grant| {
        let is_read = matches!(
            grant.action,
            Action::BatchGetItem | Action::ConditionCheckItem | Action::GetItem | Action::Query
        );
        grant.keys == "USERS#*".parse().unwrap() && !is_read
    };
    assert_eq!(who(&writes_users), ["auth", "users"]);
    for (name, actions) in [
        ("auth", &[Action::PutItem, Action::UpdateItem][..]),
        ("users", &[Action::DeleteItem, Action::UpdateItem]),
    ] {
        let made: BTreeSet<Grant> = grants(&roles[name]).into_iter().filter(writes_users).collect();
        let only = actions
            .iter()
            .map(|action| grant(*action, Target::Table, "USERS#*"));
        assert_eq!(made, only.collect(), "{name}");
    }
}

/// This test searches the text of the template, in case the parsed roles omit something.
#[test]
fn the_template_has_no_wildcard_no_scan_and_no_managed_policy() {
    let policies = TEMPLATE
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let (mut actions, mut everywhere) = (0, Vec::new());
    let mut before = "";
    for line in policies {
        if let Some((_, action)) = line.split_once(" Action: ") {
            actions += 1;
            assert!(!action.contains(['*', '?']), "{line}");
        }
        if let Some((_, resource)) = line.split_once(" Resource: ") {
            // Every object of the bucket.
            let resource = resource.replace("${CoverImages.Arn}/*", "");
            match resource == "\"*\"" {
                true => everywhere.push(before.trim()),
                false => assert!(!resource.contains('*'), "{line}"),
            }
        }
        for word in ["Scan", "PartiQL", "ManagedPolic", "CrudPolicy", "NotAction"] {
            assert!(!line.contains(word), "{line}");
        }
        before = line;
    }
    assert!(actions > 20, "{actions}");
    // Traces have no resources.
    let traces = "Action: [xray:PutTelemetryRecords, xray:PutTraceSegments]";
    assert_eq!(everywhere, [traces; FUNCTIONS.len()]);
}

/// `.github/deploy-role.yaml`: GitHub protects the environment `prod`, so only that environment may assume the role of
/// `prod`, and no deployment may change the role.
#[test]
fn each_github_environment_has_its_own_role_that_cannot_change_itself() {
    let text = include_str!("../../.github/deploy-role.yaml");
    let parameters = [
        ("Repository", "o/r"),
        ("Environment", "dev"),
        ("Prefix", "marquee-dev"),
    ];
    let resources = serde_json::to_value(resolve(text, &parameters).unwrap()).unwrap()["Resources"].take();
    let trust = &resources["Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"];
    assert_eq!(trust.as_array().unwrap().len(), 1);
    assert_eq!(
        trust[0]["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"],
        json!({"Fn::Sub": "repo:${Repository}:environment:${Environment}"})
    );
    let own = &resources["NotItself"]["Properties"];
    assert_eq!(own["RoleName"], json!({"Ref": "Role"}));
    assert_eq!(
        own["PolicyDocument"]["Statement"],
        json!([
            {"Effect": "Deny", "Action": "iam:*", "Resource": {"Fn::GetAtt": "Role.Arn"}},
            {"Effect": "Deny", "Action": "cloudformation:*", "Resource": {"Ref": "AWS::StackId"}},
        ])
    );
}
