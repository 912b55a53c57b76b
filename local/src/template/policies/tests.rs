//! What roles allow, and which roles can't be read.

use super::*;
use crate::template::{Need, Template};

const CONDITION: &str = r#"{ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": [KEYS, "MOVIES#*"] },
    "Null": { "dynamodb:LeadingKeys": "false" } }"#;

const TRUST: &str = r#"{ Version: "2012-10-17", Statement: [
    { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: "sts:AssumeRole" }] }"#;

/// A template with a table, a log group, and a function whose role has this policy.
fn template(policy: &str) -> String {
    format!(
        "
Parameters:
  Name: {{ Type: String, Default: movies }}
  Other: {{ Type: String, Default: others }}
Resources:
  Movies:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: movies
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {{ AttributeName: pk, AttributeType: S }}
        - {{ AttributeName: day, AttributeType: S }}
      KeySchema: [{{ AttributeName: pk, KeyType: HASH }}]
      GlobalSecondaryIndexes:
        - IndexName: by-day
          KeySchema: [{{ AttributeName: day, KeyType: HASH }}]
          Projection: {{ ProjectionType: KEYS_ONLY }}
  Logs: {{ Type: AWS::Logs::LogGroup }}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/f
      Role: !GetAtt R.Arn
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {TRUST}
      Policies:
        - PolicyName: !Sub \"${{AWS::StackName}}-f\"
          PolicyDocument: {{ Version: \"2012-10-17\", Statement: [{policy}] }}
"
    )
}

fn statement(action: &str, resource: &str) -> String {
    format!("{{ Effect: Allow, Action: {action}, Resource: {resource}, Condition: {CONDITION} }}")
}

fn role(policy: &str) -> Role {
    Template::parse(&template(policy)).unwrap().roles["f"].clone()
}

fn refusal(text: &str) -> String {
    Template::parse(text).unwrap_err().to_string()
}

fn index() -> Target {
    Target::Index("by-day".into())
}

fn need(action: Action, target: Target, keys: &[&str]) -> Need {
    let keys = keys.iter().map(|key| KeyPattern::of_key(key).unwrap()).collect();
    Need { action, target, keys }
}

#[test]
fn a_key_matches_one_pattern_which_has_nothing_behind_its_hash() {
    let pattern = |key| KeyPattern::of_key(key).map(|pattern| pattern.to_string());
    assert_eq!(pattern("KEYS"), Some("KEYS".into()));
    assert_eq!(pattern("LOGIN#ripley@example.com#1"), Some("LOGIN#*".into()));
    assert_eq!(pattern("MOVIE_IDS#"), Some("MOVIE_IDS#*".into()));
    for key in ["", "#1", "ripley@example.com", "Keys", "login#1", "A*", "A*#1"] {
        assert_eq!(pattern(key), None, "{key}");
    }
    for text in ["KEYS", "MOVIES#*"] {
        assert_eq!(text.parse::<KeyPattern>().unwrap().to_string(), text);
    }
    for text in [
        "*",
        "",
        "#*",
        "MOVIES*",
        "MOVIES#",
        "MOVIES#1*",
        "MOVIE?",
        "MOVIES#*#*",
        "${x}#*",
    ] {
        assert!(text.parse::<KeyPattern>().is_err(), "{text}");
    }
}

#[test]
fn a_statement_allows_its_actions_on_its_targets_for_its_keys_and_nothing_else() {
    let role = role(&statement(
        "[dynamodb:Query, dynamodb:GetItem]",
        "!GetAtt Movies.Arn",
    ));
    let allows = |action, target, keys: &[&str]| role.allows(&need(action, target, keys));
    for action in [Action::Query, Action::GetItem] {
        for keys in [
            &["KEYS"][..],
            &["MOVIES#7"],
            &["MOVIES#"],
            &["KEYS", "MOVIES#1", "MOVIES#2"],
        ] {
            assert!(allows(action, Target::Table, keys), "{action} {keys:?}");
        }
        // Another key, alone or with others; the kind without `#`; a kind with the same beginning; no key.
        for keys in [
            &["USERS#1"][..],
            &["MOVIES#1", "USERS#1"],
            &["MOVIES"],
            &["KEYS#1"],
            &["FILMSX#1"],
            &[],
        ] {
            assert!(!allows(action, Target::Table, keys), "{action} {keys:?}");
        }
        assert!(
            !allows(action, index(), &["KEYS"]),
            "an index is another resource"
        );
    }
    for action in Action::ALL {
        let listed = matches!(action, Action::Query | Action::GetItem);
        assert_eq!(allows(action, Target::Table, &["KEYS"]), listed, "{action}");
    }
}

#[test]
fn an_index_is_allowed_apart_from_the_table() {
    let on_index = role(&statement(
        "dynamodb:Query",
        "!Sub \"${Movies.Arn}/index/by-day\"",
    ));
    assert!(on_index.allows(&need(Action::Query, index(), &["MOVIES#1"])));
    assert!(!on_index.allows(&need(Action::Query, Target::Table, &["MOVIES#1"])));
    let on_both = role(&statement(
        "dynamodb:Query",
        "[!GetAtt Movies.Arn, !Sub \"${Movies.Arn}/index/by-day\"]",
    ));
    assert_eq!(on_both.statements[0].grants().count(), 4);
}

/// A table named by the parameter, as for a table that the stack doesn't create.
#[test]
fn the_table_is_also_named_by_its_parameter() {
    let arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Name}";
    let by_name = statement(
        "dynamodb:Query",
        &format!("[!Sub \"{arn}\", !Sub \"{arn}/index/by-day\"]"),
    );
    let by_resource = statement(
        "dynamodb:Query",
        "[!GetAtt Movies.Arn, !Sub \"${Movies.Arn}/index/by-day\"]",
    );
    assert_eq!(role(&by_name), role(&by_resource));
}

#[test]
fn keys_of_one_request_are_allowed_by_one_statement_or_not_at_all() {
    let of = |key: &str| {
        statement("dynamodb:BatchGetItem", "!GetAtt Movies.Arn").replace("KEYS, \"MOVIES#*\"", key)
    };
    let apart = role(&format!("{}, {}", of("KEYS"), of("\"MOVIES#*\"")));
    let batch = |keys: &[&str]| need(Action::BatchGetItem, Target::Table, keys);
    assert!(apart.allows(&batch(&["KEYS"])) && apart.allows(&batch(&["MOVIES#1"])));
    assert!(!apart.allows(&batch(&["KEYS", "MOVIES#1"])));
    assert!(role(&of("KEYS, \"MOVIES#*\"")).allows(&batch(&["KEYS", "MOVIES#1"])));
}

#[test]
fn other_services_are_read_and_a_function_without_a_role_may_do_nothing() {
    let logs =
        "{ Effect: Allow, Action: [logs:PutLogEvents, logs:CreateLogStream], Resource: !GetAtt Logs.Arn }";
    let read = role(logs);
    assert_eq!(read.resource.as_deref(), Some("R"));
    assert_eq!(read.principals, BTreeSet::from(["lambda.amazonaws.com".into()]));
    assert!(read.statements.is_empty());
    let on_logs = |action: &str| (action.to_owned(), "Logs".to_owned());
    assert_eq!(
        read.others,
        BTreeSet::from([on_logs("logs:CreateLogStream"), on_logs("logs:PutLogEvents")])
    );
    let traces = "{ Effect: Allow, Action: [xray:PutTraceSegments], Resource: \"*\" }";
    let everywhere = BTreeSet::from([("xray:PutTraceSegments".to_owned(), "*".to_owned())]);
    assert_eq!(role(traces).others, everywhere);
    let without = template(logs).replace("Role: !GetAtt R.Arn", "");
    assert_eq!(Template::parse(&without).unwrap().roles["f"], Role::default());
}

/// Asserts that each text in place of `from` is refused for its reason.
fn refused(good: &str, from: &str, cases: &[(&str, &str)]) {
    role(good);
    assert!(good.contains(from), "{from}");
    for (to, reason) in cases {
        let refusal = refusal(&template(&good.replace(from, to)));
        assert!(
            refusal.starts_with("the template's resource F: its Role R: ") && refusal.contains(reason),
            "{to}: {refusal}"
        );
    }
}

#[test]
fn an_action_that_is_not_one_or_that_no_key_limits_is_refused() {
    let no_action = "isn't an action that can be allowed by partition key";
    let good = statement("dynamodb:Query", "!GetAtt Movies.Arn");
    let cases = [
        ("\"dynamodb:*\"", no_action),
        ("\"dynamodb:Get*\"", no_action),
        ("dynamodb:query", no_action),
        ("dynamodb:Scan", no_action),
        ("dynamodb:PartiQLSelect", no_action),
        ("dynamodb:DescribeTable", no_action),
        ("[dynamodb:Query, logs:PutLogEvents]", no_action),
        (
            "[dynamodb:Query, dynamodb:Query]",
            "dynamodb:Query is listed twice",
        ),
        ("[]", "no action or no resource"),
        ("\"*\"", "the condition on * isn't supported"),
        ("!Ref Action", "Ref isn't supported here"),
    ];
    refused(&good, "dynamodb:Query", &cases);
    let all_but = [("NotAction: dynamodb:Query", "unknown field `NotAction`")];
    refused(&good, "Action: dynamodb:Query", &all_but);
    let denied = [("Effect: Deny", "the effect Deny isn't supported")];
    refused(&good, "Effect: Allow", &denied);
}

#[test]
fn a_resource_that_is_neither_the_table_nor_an_index_of_it_is_refused() {
    let no_index = "isn't the table or an index of it";
    let by_name = |table: &str| {
        format!(
            "!Sub \"arn:${{AWS::Partition}}:dynamodb:${{AWS::Region}}:${{AWS::AccountId}}:table/{table}\""
        )
    };
    let [other, unnamed, any, every, no_day] = [
        "${Other}",
        "${Unnamed}",
        "*",
        "${Name}*",
        "${Name}/index/by-night",
    ]
    .map(by_name);
    let unknown = "isn't a resource of the template";
    let good = statement("dynamodb:Query", "!GetAtt Movies.Arn");
    let cases = [
        ("\"*\"", unknown),
        ("\"arn:aws:dynamodb:*:*:table/movies\"", unknown),
        (
            "!GetAtt Movies.StreamArn",
            "the condition on the stream isn't supported",
        ),
        ("!GetAtt Other.Arn", unknown),
        ("!GetAtt Logs.Arn", "Logs isn't the table"),
        ("!Ref Movies", "!Ref Movies isn't an ARN"),
        ("!Sub \"${Movies.Arn}/index/*\"", no_index),
        ("!Sub \"${Movies.Arn}/index/by-night\"", no_index),
        ("!Sub \"${Movies.Arn}*\"", no_index),
        ("!Sub \"${Logs.Arn}/index/by-day\"", no_index),
        (&other, no_index),
        (&unnamed, no_index),
        (&any, no_index),
        (&every, no_index),
        (&no_day, no_index),
        (
            "[!GetAtt Movies.Arn, !GetAtt Movies.Arn]",
            "table is listed twice",
        ),
        ("[]", "no action or no resource"),
    ];
    refused(&good, "!GetAtt Movies.Arn", &cases);
    let all_but = [("NotResource: movies", "unknown field `NotResource`")];
    refused(&good, "Resource: !GetAtt Movies.Arn", &all_but);
}

#[test]
fn a_condition_that_is_not_one_on_partition_keys_is_refused() {
    let good = statement("dynamodb:Query", "!GetAtt Movies.Arn");
    let only_key = "must have the one key dynamodb:LeadingKeys";
    for (from, to, reason) in [
        ("StringLike", "StringEquals", "lacks ForAllValues:StringLike"),
        ("ForAllValues:", "ForAnyValue:", "lacks ForAllValues:StringLike"),
        ("\"Null\"", "\"Bool\"", "lacks Null"),
        ("\"false\"", "\"true\"", "must be \"false\""),
        (
            "\"Null\": ",
            "Bool: {}, \"Null\": ",
            "operator Bool isn't supported",
        ),
        ("\"Null\": { ", "\"Null\": { x: \"true\", ", only_key),
        ("LeadingKeys\": [", "Attributes\": [", only_key),
        ("\"MOVIES#*\"", "\"*\"", "\"*\" is neither"),
        ("\"MOVIES#*\"", "\"MOVIES*\"", "\"MOVIES*\" is neither"),
        ("\"MOVIES#*\"", "KEYS", "KEYS is listed twice"),
        ("[KEYS, \"MOVIES#*\"]", "[]", "allows no key"),
        ("[KEYS, \"MOVIES#*\"]", "!Ref Keys", "Ref isn't supported here"),
        (", Condition: ", ", Unless: ", "unknown field `Unless`"),
    ] {
        refused(&good, from, &[(to, reason)]);
    }
    let bare = "{ Effect: Allow, Action: dynamodb:Query, Resource: !GetAtt Movies.Arn }";
    assert!(refusal(&template(bare)).contains("has no condition"));
}

#[test]
fn what_is_allowed_on_other_services_is_exact_as_well() {
    let good = "{ Effect: Allow, Action: logs:PutLogEvents, Resource: !GetAtt Logs.Arn }";
    let actions = [("\"logs:*\"", "isn't one action"), ("\"*\"", "isn't one action")];
    refused(good, "logs:PutLogEvents", &actions);
    let resources = [
        ("\"*\"", "isn't a resource"),
        (
            "!GetAtt Movies.Arn",
            "logs:PutLogEvents isn't an action on the table",
        ),
        (
            "!GetAtt Logs.Arn, Condition: {}",
            "the condition on logs:PutLogEvents",
        ),
    ];
    refused(good, "!GetAtt Logs.Arn", &resources);
    let traces = "{ Effect: Allow, Action: [xray:PutTraceSegments], Resource: \"*\" }";
    let more = [
        ("xray:PutTraceSegments, logs:PutLogEvents", "isn't a resource"),
        ("xray:GetTraceSummaries", "isn't a resource"),
        ("xray:*", "isn't a resource"),
    ];
    refused(traces, "xray:PutTraceSegments", &more);
    refused(
        traces,
        "\"*\" }",
        &[("\"*\", Condition: {} }", "isn't a resource")],
    );
}

/// Guarantee 37.
#[test]
fn a_role_that_could_be_wider_than_it_says_is_refused() {
    let good = template(&statement("dynamodb:Query", "!GetAtt Movies.Arn"));
    let more = |resource: &str| format!("{good}  More: {{ Type: {resource}, Properties: {{}} }}\n");
    let managed = "ManagedPolicyArns: [x]\n      Policies:";
    let boundary = "PermissionsBoundary: x\n      Policies:";
    let policy = "ResourcePolicy: {}\n      TableName:";
    let connectors = "Connectors: {}\n    Properties:\n      CodeUri";
    let with = |from: &str, to: &str| good.replace(from, to);
    for (text, reason) in [
        (with("Policies:", managed), "unknown field `ManagedPolicyArns`"),
        (with("Policies:", boundary), "unknown field `PermissionsBoundary`"),
        (with("2012-10-17", "2008-10-17"), "version 2008-10-17"),
        (with("sts:AssumeRole", "sts:*"), "must be sts:AssumeRole"),
        (
            with("{ Service: lambda.amazonaws.com }", "{ AWS: x }"),
            "unknown field `AWS`",
        ),
        (with("!GetAtt R.Arn", "!Ref R"), "must be the !GetAtt"),
        (with("!GetAtt R.Arn", "!GetAtt Q.Arn"), "isn't an AWS::IAM::Role"),
        (
            with("!GetAtt R.Arn", "!GetAtt Movies.Arn"),
            "isn't an AWS::IAM::Role",
        ),
        (with("Role: !GetAtt R.Arn", "Policies: []"), "has Policies"),
        (with("TableName:", policy), "a policy of its own"),
        (with("Properties:\n      CodeUri", connectors), "has Connectors"),
        (
            more("AWS::Serverless::Connector"),
            "is an AWS::Serverless::Connector",
        ),
        (more("AWS::IAM::Policy"), "is an AWS::IAM::Policy"),
        (more("AWS::IAM::RolePolicy"), "is an AWS::IAM::RolePolicy"),
        (more("AWS::IAM::ManagedPolicy"), "is an AWS::IAM::ManagedPolicy"),
    ] {
        assert_ne!(text, good, "{reason}");
        let refusal = refusal(&text);
        assert!(refusal.contains(reason), "{reason}: {refusal}");
    }
}

#[test]
fn the_stream_is_allowed_apart_from_the_table_and_only_what_reads_it() {
    let stream = "!GetAtt Movies.StreamArn";
    let on_stream = |action: &str| format!("{{ Effect: Allow, Action: {action}, Resource: {stream} }}");
    let role = role(&on_stream("[dynamodb:GetRecords, dynamodb:DescribeStream]"));
    let others = ["dynamodb:DescribeStream", "dynamodb:GetRecords"];
    let others = others.map(|action| (action.to_owned(), "Movies.StreamArn".to_owned()));
    assert_eq!(role.others, BTreeSet::from(others));
    assert_eq!(role.statements, []);
    for (policy, reason) in [
        (on_stream("dynamodb:Scan"), "isn't an action on the stream"),
        (on_stream("dynamodb:GetItem"), "isn't an action on the stream"),
        (
            statement("dynamodb:GetRecords", stream),
            "the condition on the stream",
        ),
        (
            format!(
                "{{ Effect: Allow, Action: dynamodb:GetRecords, Resource: [{stream}, !GetAtt Movies.Arn] }}"
            ),
            "has another resource",
        ),
        (
            "{ Effect: Allow, Action: dynamodb:GetRecords, Resource: !GetAtt Logs.StreamArn }".to_owned(),
            "isn't the table",
        ),
    ] {
        let refusal = refusal(&template(&policy));
        assert!(refusal.contains(reason), "{refusal}");
    }
}

#[test]
fn mails_are_allowed_from_one_identity_and_one_sender() {
    let identity = "!Sub \"arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/${Name}\"";
    let sender = r#"{ StringEquals: { "ses:FromAddress": a@b.co } }"#;
    let allowed = |action: &str, resource: &str, condition: &str| {
        format!("{{ Effect: Allow, Action: {action}, Resource: {resource}, Condition: {condition} }}")
    };
    let role = role(&allowed("ses:SendEmail", identity, sender));
    let expected = (
        "ses:SendEmail".to_owned(),
        "identity/${Name} from a@b.co".to_owned(),
    );
    assert_eq!(role.others, BTreeSet::from([expected]));
    let anyone = identity.replace("${Name}", "*");
    for (policy, reason) in [
        (
            allowed("ses:SendEmail", &anyone, sender),
            "isn't the table or an index",
        ),
        (
            allowed("[ses:SendEmail, logs:PutLogEvents]", identity, sender),
            "no other action",
        ),
        (allowed("logs:PutLogEvents", identity, sender), "isn't supported"),
        (
            allowed(
                "ses:SendEmail",
                identity,
                r#"{ StringLike: { "ses:FromAddress": a@b.co } }"#,
            ),
            "needs one ses:FromAddress",
        ),
        (
            allowed(
                "ses:SendEmail",
                identity,
                r#"{ StringEquals: { "ses:FromAddress": "" } }"#,
            ),
            "needs one ses:FromAddress",
        ),
        (
            format!("{{ Effect: Allow, Action: ses:SendEmail, Resource: {identity} }}"),
            "needs one ses:FromAddress",
        ),
    ] {
        let refusal = refusal(&template(&policy));
        assert!(refusal.contains(reason), "{refusal}");
    }
}
