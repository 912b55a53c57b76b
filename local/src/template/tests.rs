//! Reading templates: the deployed one, and broken ones.

use std::time::Duration;

use aws_sdk_dynamodb::types::{ProjectionType, ScalarAttributeType};

use super::*;

const OURS: &str = include_str!("../../../template.yaml");

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
            ("ANY /api/covers/{proxy+}", "covers"),
            ("ANY /api/health", "docs"),
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
    assert_eq!(names, ["auth", "covers", "docs", "movies", "users"]);
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
            "{part} is missing in: {reason}"
        );
    }
}

#[test]
fn two_events_cannot_have_the_same_route() {
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
        "the template can't be read: two events have the route ANY /x"
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
