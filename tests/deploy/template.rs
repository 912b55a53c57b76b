//! Promise 38, on the template: what protects the data, bounds the load and notices trouble.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::{Router, body::Body};
use http::{Request, header};
use marquee::{
    server::TEMPLATE,
    template::{Template, resolve},
};
use serde_json::{Value, json};
use shared::{
    config::Config,
    http::{app::EDGE_KEY, serve},
};
use tower::ServiceExt as _;

/// API Gateway's own limit for an answer.
const GATEWAY_GIVES_UP: Duration = Duration::from_secs(30);

/// What a stack behind CloudFront needs besides.
const EDGE: [(&str, &str); 4] = [
    ("Edge", "true"),
    ("DomainName", "api.example.com"),
    (
        "CertificateArn",
        "arn:aws:acm:us-east-1:123456789012:certificate/x",
    ),
    ("HostedZoneId", "Z1"),
];

/// The template with these parameters, and the others at their defaults.
struct Stack(Value);

impl Stack {
    fn new(parameters: &[(&str, &str)]) -> Self {
        Self(serde_json::to_value(resolve(TEMPLATE, parameters).unwrap()).unwrap())
    }

    /// The resources of a type, by logical id.
    fn resources(&self, kind: &str) -> BTreeMap<&str, &Value> {
        let resources = self.0["Resources"].as_object().unwrap().iter();
        resources
            .filter(|(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), resource))
            .collect()
    }

    /// A resource's properties; null without it.
    fn properties(&self, id: &str) -> &Value {
        &self.0["Resources"][id]["Properties"]
    }

    /// Every function's properties with those of `Globals`, by logical id.
    fn functions(&self) -> BTreeMap<&str, Value> {
        let globals = &self.0["Globals"]["Function"];
        self.resources("AWS::Serverless::Function")
            .into_iter()
            .map(|(id, function)| (id, merged(globals, &function["Properties"])))
            .collect()
    }

    /// The functions with a route, whose answer somebody waits for.
    fn answering(&self) -> BTreeMap<&str, Value> {
        let mut functions = self.functions();
        functions.retain(|_, function| {
            let mut events = function["Events"].as_object().unwrap().values();
            events.any(|event| event["Type"] == "HttpApi")
        });
        functions
    }

    /// Every function's variables, by its logical id.
    fn variables(&self) -> BTreeMap<&str, Value> {
        let functions = self.functions().into_iter();
        functions
            .map(|(id, function)| (id, function["Environment"]["Variables"].clone()))
            .collect()
    }

    /// The alarms' properties, by logical id.
    fn alarms(&self) -> BTreeMap<&str, &Value> {
        let alarms = self.resources("AWS::CloudWatch::Alarm").into_iter();
        alarms.map(|(id, alarm)| (id, &alarm["Properties"])).collect()
    }
}

/// What SAM makes of a function's own properties and those for all: mappings are merged, anything else replaced.
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

/// Every text within a value, whether it is a key or a value.
fn texts(value: &Value) -> Vec<&str> {
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

fn number(value: &Value) -> f64 {
    let text = value.as_str().and_then(|text| text.parse().ok());
    value
        .as_f64()
        .or(text)
        .unwrap_or_else(|| panic!("{value} isn't a number"))
}

/// The names within `${…}`.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("${").skip(1);
    parts.map(|part| part.split('}').next().unwrap())
}

#[test]
fn the_table_can_be_set_back_to_any_second_is_encrypted_and_loses_expired_rows() {
    let stack = Stack::new(&[]);
    let table = stack.properties("Table");
    assert_eq!(
        table["PointInTimeRecoverySpecification"],
        json!({"PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 35})
    );
    assert_eq!(table["SSESpecification"], json!({"SSEEnabled": true}));
    assert_eq!(
        table["TimeToLiveSpecification"],
        json!({"AttributeName": "ttl", "Enabled": true})
    );
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn in_prod_the_table_cannot_be_deleted_and_it_outlives_its_stack_everywhere() {
    for (stage, protected) in [("dev", false), ("prod", true)] {
        let stack = Stack::new(&[("Stage", stage)]);
        assert_eq!(
            stack.properties("Table")["DeletionProtectionEnabled"],
            protected,
            "{stage}"
        );
        for id in ["Table", "SigningSecret", "RefreshSecret"] {
            let resource = &stack.0["Resources"][id];
            assert_eq!(resource["DeletionPolicy"], "Retain", "{id}");
            assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{id}");
        }
    }
}

/// After a restoration the data is in a table that CloudFormation didn't make.
#[test]
fn a_table_that_exists_is_used_under_its_name_and_left_alone() {
    let stack = Stack::new(&[("ManageTable", "false"), ("TableName", "restored")]);
    assert!(stack.resources("AWS::DynamoDB::Table").is_empty());
    for section in ["Resources", "Outputs"] {
        for text in texts(&stack.0[section]) {
            let names_it = text == "Table"
                || text.starts_with("Table.")
                || placeholders(text).any(|name| name == "Table" || name.starts_with("Table."));
            assert!(!names_it, "{text:?} of the {section} needs the table's resource");
        }
    }
    let variables = stack.variables();
    let mut named = variables
        .values()
        .filter_map(|variables| variables.get("TABLE_NAME"));
    assert!(named.clone().count() >= 3);
    assert!(named.all(|name| name == "restored"));
    assert_eq!(stack.0["Outputs"]["TableName"]["Value"], "restored");
}

#[test]
fn every_log_is_kept_for_as_long_as_was_asked() {
    for (parameters, days) in [(&[][..], 30.0), (&[("LogRetentionDays", "7")], 7.0)] {
        let stack = Stack::new(parameters);
        let groups = stack.resources("AWS::Logs::LogGroup");
        assert_eq!(groups.len(), stack.functions().len() + 1);
        for (id, group) in groups {
            assert_eq!(number(&group["Properties"]["RetentionInDays"]), days, "{id}");
        }
    }
}

#[test]
fn every_function_logs_json_to_a_group_of_its_own() {
    let stack = Stack::new(&[]);
    for (id, function) in stack.functions() {
        let name = function["CodeUri"].as_str().unwrap().rsplit('/').next().unwrap();
        let logging = &function["LoggingConfig"];
        assert_eq!(logging["LogFormat"], "JSON", "{id}");
        let group = logging["LogGroup"]["Ref"].as_str().unwrap();
        assert_eq!(
            stack.properties(group)["LogGroupName"],
            json!({"Fn::Sub": format!("/aws/lambda/${{AWS::StackName}}/{name}")}),
            "{id}"
        );
    }
}

/// Promise 39: a path, a query or a header may hold anything.
#[test]
fn the_access_log_holds_nothing_that_a_client_wrote() {
    let stack = Stack::new(&[]);
    let settings = &stack.properties("HttpApi")["AccessLogSettings"];
    assert_eq!(
        settings["DestinationArn"],
        json!({"Fn::GetAtt": "AccessLogs.Arn"})
    );
    let format: BTreeMap<String, String> =
        serde_json::from_str(settings["Format"].as_str().unwrap()).unwrap();
    let variables: BTreeSet<&str> = format.values().map(String::as_str).collect();
    assert_eq!(
        variables,
        BTreeSet::from([
            "$context.requestId",
            "$context.requestTime",
            "$context.identity.sourceIp",
            "$context.httpMethod",
            "$context.routeKey",
            "$context.protocol",
            "$context.status",
            "$context.responseLength",
            "$context.responseLatency",
            "$context.integrationLatency",
            "$context.integrationStatus",
            "$context.integrationErrorMessage",
            "$context.error.message",
        ])
    );
    // What counts the gateway's refusals reads these two.
    assert_eq!(format["status"], "$context.status");
    assert_eq!(format["integrationStatus"], "$context.integrationStatus");
}

#[test]
fn the_gateway_throttles_every_route_and_those_of_auth_more() {
    let stack = Stack::new(&[
        ("DefaultRateLimit", "90"),
        ("DefaultBurstLimit", "91"),
        ("AuthRateLimit", "10"),
        ("AuthBurstLimit", "11"),
    ]);
    let api = stack.properties("HttpApi");
    let limits = |settings: &Value| {
        let limit = |name| number(&settings[name]);
        (limit("ThrottlingRateLimit"), limit("ThrottlingBurstLimit"))
    };
    assert_eq!(limits(&api["DefaultRouteSettings"]), (90.0, 91.0));
    let routes = Template::parse(TEMPLATE).unwrap().routes;
    let auth = routes.iter().filter(|route| route.path.starts_with("/api/auth/"));
    let own = api["RouteSettings"].as_object().unwrap();
    assert_eq!(
        own.keys().collect::<BTreeSet<_>>(),
        auth.map(|route| &route.key).collect::<BTreeSet<_>>()
    );
    assert!(own.values().all(|settings| limits(settings) == (10.0, 11.0)));

    let defaults = Stack::new(&[]);
    let api = defaults.properties("HttpApi");
    let (rate, burst) = limits(&api["DefaultRouteSettings"]);
    for (auth_rate, auth_burst) in api["RouteSettings"].as_object().unwrap().values().map(limits) {
        assert!(0.0 < auth_rate && auth_rate < rate && 0.0 < auth_burst && auth_burst < burst);
    }
}

#[test]
fn concurrency_is_reserved_where_a_parameter_says_so() {
    let reserved = |stack: &Stack| -> BTreeMap<String, Option<String>> {
        let functions = stack.answering().into_iter();
        functions
            .map(|(id, function)| {
                let limit = function.get("ReservedConcurrentExecutions");
                (
                    id.to_owned(),
                    limit.map(|limit| limit.as_str().unwrap().to_owned()),
                )
            })
            .collect()
    };
    let unreserved = reserved(&Stack::new(&[]));
    assert_eq!(unreserved.len(), 4);
    for id in unreserved.keys() {
        assert_eq!(unreserved[id], None);
        let parameter = id.replace("Function", "Concurrency");
        let mut expected = unreserved.clone();
        expected.insert(id.clone(), Some("17".to_owned()));
        assert_eq!(reserved(&Stack::new(&[(&parameter, "17")])), expected);
    }
}

/// Promise 35: so the client gets the function's own `503`, and not the gateway's.
#[test]
fn every_function_outlasts_its_own_deadline_and_not_the_gateway() {
    let deadline = Config::default().http.deadline;
    for (id, function) in Stack::new(&[]).answering() {
        let timeout = Duration::from_secs(function["Timeout"].as_u64().unwrap());
        assert!(deadline < timeout && timeout < GATEWAY_GIVES_UP, "{id}");
        assert!(
            function["Environment"]["Variables"]
                .get("REQUEST_DEADLINE_SECONDS")
                .is_none()
        );
    }
}

/// The header's values, in lowercase: HTTP doesn't tell the cases of header names apart.
fn list(header: &str) -> BTreeSet<String> {
    header.split(',').map(|part| part.trim().to_lowercase()).collect()
}

#[tokio::test]
async fn the_gateway_answers_cors_as_the_functions_do() {
    let stack = Stack::new(&[("CorsOrigins", "https://a.example,https://b.example")]);
    let cors = &stack.properties("HttpApi")["CorsConfiguration"];
    assert_eq!(
        cors["AllowOrigins"],
        json!({"Fn::Split": [",", "https://a.example,https://b.example"]})
    );
    let ours = |name: &str| match &cors[name] {
        Value::Array(values) => values
            .iter()
            .flat_map(|value| list(value.as_str().unwrap()))
            .collect(),
        value => list(&value.to_string()),
    };
    for (id, variables) in stack.variables() {
        let configured = Config::from_lookup(|name| Some(variables.get(name)?.as_str()?.to_owned()));
        let config = configured.unwrap().http;
        assert_eq!(
            config.cors_origins,
            ["https://a.example", "https://b.example"],
            "{id}"
        );
        let router = serve(Router::new(), &config).unwrap();
        for (method, expected) in [
            (
                "OPTIONS",
                [
                    (header::ACCESS_CONTROL_ALLOW_METHODS, "AllowMethods"),
                    (header::ACCESS_CONTROL_ALLOW_HEADERS, "AllowHeaders"),
                    (header::ACCESS_CONTROL_MAX_AGE, "MaxAge"),
                ]
                .as_slice(),
            ),
            ("GET", &[(header::ACCESS_CONTROL_EXPOSE_HEADERS, "ExposeHeaders")]),
        ] {
            let request = Request::builder()
                .method(method)
                .uri("/api/movies/")
                .header(header::ORIGIN, "https://b.example")
                .header(header::ACCESS_CONTROL_REQUEST_METHOD, "PATCH");
            let response = router
                .clone()
                .oneshot(request.body(Body::empty()).unwrap())
                .await
                .unwrap();
            let answered = |name| response.headers()[name].to_str().unwrap();
            assert_eq!(answered(header::ACCESS_CONTROL_ALLOW_ORIGIN), "https://b.example");
            for (name, property) in expected {
                assert_eq!(list(answered(name.clone())), ours(property), "{property}");
            }
        }
        assert!(cors.get("AllowCredentials").is_none());
    }
}

#[test]
fn cors_is_for_any_origin_unless_it_is_said_and_for_none_when_that_is_said() {
    let origins = |stack: &Stack| -> Vec<Value> {
        let variables = stack.variables();
        variables
            .into_values()
            .map(|v| v["CORS_ORIGINS"].clone())
            .collect()
    };
    let any = Stack::new(&[]);
    let cors = &any.properties("HttpApi")["CorsConfiguration"];
    assert_eq!(cors["AllowOrigins"], json!({"Fn::Split": [",", "*"]}));
    assert!(origins(&any).iter().all(|origin| origin == "*"));
    let none = Stack::new(&[("CorsOrigins", "")]);
    assert!(none.properties("HttpApi").get("CorsConfiguration").is_none());
    assert!(origins(&none).iter().all(|origin| origin == ""));
}

/// Promise 5, as far as it isn't the roles': `tests/deploy/privileges.rs`.
#[test]
fn only_auth_is_told_where_the_keys_are() {
    for (id, variables) in Stack::new(&[]).variables() {
        for (variable, secret) in [
            ("SIGNING_SECRET", "SigningSecret"),
            ("REFRESH_SECRET", "RefreshSecret"),
        ] {
            let told = variables.get(variable);
            let expected = (id == "AuthFunction").then(|| json!({"Ref": secret}));
            assert_eq!(told, expected.as_ref(), "{id}");
        }
    }
    let stack = Stack::new(&[]);
    for secret in ["SigningSecret", "RefreshSecret"] {
        assert_eq!(
            stack.properties(secret)["GenerateSecretString"],
            json!({"PasswordLength": 64, "ExcludePunctuation": true})
        );
    }
}

/// One metric that an alarm watches: namespace, name, the statistic, and what its dimensions name.
type Watched = (String, String, String, Vec<String>);

/// What an alarm watches. A query stands for its own metrics.
fn watched(alarm: &Value) -> Vec<Watched> {
    let one = |metric: &Value, statistic: &Value| -> Watched {
        let text = |value: &Value| {
            let inner = value.as_object().and_then(|entries| entries.values().next());
            inner.unwrap_or(value).as_str().unwrap_or_default().to_owned()
        };
        let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
        (
            text(&metric["Namespace"]),
            text(&metric["MetricName"]),
            text(statistic),
            dimensions.map(|dimension| text(&dimension["Value"])).collect(),
        )
    };
    match alarm["Metrics"].as_array() {
        None => {
            let statistic = alarm.get("Statistic").unwrap_or(&alarm["ExtendedStatistic"]);
            vec![one(alarm, statistic)]
        }
        Some(metrics) => {
            let metrics = metrics.iter().map(|metric| &metric["MetricStat"]);
            let metrics = metrics.filter(|metric| !metric.is_null());
            metrics
                .map(|metric| one(&metric["Metric"], &metric["Stat"]))
                .collect()
        }
    }
}

#[test]
fn there_is_an_alarm_for_whatever_goes_wrong() {
    let stack = Stack::new(&[]);
    let alarms = stack.alarms();
    let seen: Vec<Watched> = alarms.values().flat_map(|alarm| watched(alarm)).collect();
    let expect = |namespace: &str, name: &str, statistic: &str, dimensions: &[&str]| {
        let dimensions = dimensions.iter().map(|&name| name.to_owned()).collect();
        let expected = (
            namespace.to_owned(),
            name.to_owned(),
            statistic.to_owned(),
            dimensions,
        );
        assert!(
            seen.contains(&expected),
            "nothing watches {expected:?}: {seen:#?}"
        );
    };
    let api = ["HttpApi", "$default"];
    expect("AWS/ApiGateway", "5xx", "Sum", &api);
    expect("AWS/ApiGateway", "Count", "Sum", &api);
    expect("AWS/ApiGateway", "Latency", "p99", &api);
    expect("${AWS::StackName}/gateway", "Throttled", "Sum", &[]);
    for id in stack.answering().keys() {
        expect("AWS/Lambda", "Throttles", "Sum", &[id]);
        expect("AWS/Lambda", "ConcurrentExecutions", "Maximum", &[id]);
    }
    for id in stack.functions().keys() {
        expect("AWS/Lambda", "Errors", "Sum", &[id]);
    }
    expect("AWS/Lambda", "ConcurrentExecutions", "Maximum", &[]);
    let table = Template::parse(TEMPLATE).unwrap().table;
    for name in ["ReadThrottleEvents", "WriteThrottleEvents"] {
        expect("AWS/DynamoDB", name, "Sum", &["marquee"]);
        for index in &table.indexes {
            expect("AWS/DynamoDB", name, "Sum", &["marquee", &index.name]);
        }
    }
    expect("AWS/DynamoDB", "UserErrors", "Sum", &[]);
    let queries: Vec<&str> = alarms
        .values()
        .flat_map(|alarm| texts(&alarm["Metrics"]))
        .collect();
    assert!(queries.contains(
        &"SELECT SUM(SystemErrors) FROM SCHEMA(\"AWS/DynamoDB\", Operation, TableName) WHERE TableName = '${TableName}'"
    ));
}

#[test]
fn the_gateways_refusals_are_counted_where_their_alarm_looks() {
    let stack = Stack::new(&[]);
    let filter = stack.properties("GatewayThrottles");
    assert_eq!(filter["LogGroupName"], json!({"Ref": "AccessLogs"}));
    assert_eq!(
        filter["FilterPattern"],
        "{ $.status = \"429\" && $.integrationStatus = \"-\" }"
    );
    let made = &filter["MetricTransformations"][0];
    let alarm = stack.alarms()["GatewayThrottlesAlarm"];
    assert_eq!(
        (&made["MetricNamespace"], &made["MetricName"]),
        (&alarm["Namespace"], &alarm["MetricName"])
    );
}

#[test]
fn every_alarm_says_where_to_look_and_is_sent_where_a_parameter_says() {
    let silent = Stack::new(&[]);
    let heard = Stack::new(&[("AlarmEmail", "ops@example.com")]);
    assert!(silent.resources("AWS::SNS::Topic").is_empty());
    assert_eq!(
        heard.properties("AlarmTopic")["Subscription"],
        json!([{"Protocol": "email", "Endpoint": "ops@example.com"}])
    );
    for (id, alarm) in silent.alarms() {
        assert!(alarm["AlarmDescription"].as_str().unwrap().len() > 60, "{id}");
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{id}");
        for actions in ["AlarmActions", "OKActions"] {
            assert!(alarm.get(actions).is_none(), "{id}");
            assert_eq!(
                heard.alarms()[id][actions],
                json!([{"Ref": "AlarmTopic"}]),
                "{id}"
            );
        }
        let ids: BTreeSet<&str> = alarm["Metrics"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|metric| metric["Id"].as_str().unwrap())
            .collect();
        for metric in alarm["Metrics"].as_array().into_iter().flatten() {
            for text in texts(&metric["Expression"])
                .into_iter()
                .filter(|text| !text.starts_with("SELECT"))
            {
                let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"${}.:".contains(c));
                for word in words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase())) {
                    assert!(ids.contains(word), "{id}: {word} of {text:?} is no metric of it");
                }
            }
        }
    }
}

/// A function without a limit of its own has the account's.
#[test]
fn concurrency_is_measured_against_the_limit_that_applies() {
    let stack = Stack::new(&[("AccountConcurrency", "500"), ("AuthConcurrency", "20")]);
    let alarm = stack.alarms()["ConcurrencyAlarm"];
    let limit = |id: &str| {
        let mut metrics = alarm["Metrics"].as_array().unwrap().iter();
        let metric = metrics.find(|metric| metric["Id"] == id).unwrap();
        metric["Expression"]["Fn::Sub"][1]["Limit"].clone()
    };
    assert_eq!(number(&limit("authUse")), 20.0);
    for id in ["moviesUse", "usersUse", "docsUse"] {
        assert_eq!(number(&limit(id)), 500.0, "{id}");
    }
}

#[test]
fn the_dashboard_shows_every_alarm_and_only_what_is_there() {
    let stack = Stack::new(&[]);
    let body = stack.properties("Dashboard")["DashboardBody"]["Fn::Sub"]
        .as_str()
        .unwrap();
    for name in placeholders(body) {
        let id = name.strip_suffix(".Arn").unwrap_or(name);
        let known = id.starts_with("AWS::")
            || ["Resources", "Parameters"]
                .iter()
                .any(|section| stack.0[section].get(id).is_some());
        assert!(known, "there is no {name}");
    }
    // CloudWatch takes the text as JSON once names stand in it.
    let dashboard: Value = serde_json::from_str(body).unwrap();
    let widgets = dashboard["widgets"].as_array().unwrap();
    let shown = texts(&widgets[0]["properties"]["alarms"]);
    let alarms: Vec<String> = stack.alarms().keys().map(|id| format!("${{{id}.Arn}}")).collect();
    assert_eq!(
        shown.into_iter().collect::<BTreeSet<_>>(),
        alarms.iter().map(String::as_str).collect()
    );
    let mut taken = BTreeSet::new();
    for widget in widgets {
        let at = |name| widget[name].as_u64().unwrap();
        for x in at("x")..at("x") + at("width") {
            for y in at("y")..at("y") + at("height") {
                assert!(
                    x < 24 && taken.insert((x, y)),
                    "{} stands on another",
                    widget["properties"]["title"]
                );
            }
        }
    }
    for part in [
        "p50",
        "p99",
        "ConsumedReadCapacityUnits",
        "ConsumedWriteCapacityUnits",
        "initDurationMs",
    ] {
        assert!(body.contains(part), "{part}");
    }
}

/// Promise 21: behind CloudFront the gateway's source address is CloudFront's.
#[test]
fn behind_cloudfront_its_web_acl_counts_the_clients_and_nobody_goes_around_it() {
    let stack = Stack::new(&EDGE);
    let key = json!({"Fn::Sub": "{{resolve:secretsmanager:${EdgeKey}}}"});
    for (id, variables) in stack.variables() {
        assert_eq!(variables["EDGE_KEY"], key, "{id}");
    }
    assert_eq!(stack.variables()["AuthFunction"]["ADDRESS_LIMIT_PER_MINUTE"], "0");
    let distribution = &stack.properties("Distribution")["DistributionConfig"];
    assert_eq!(
        distribution["Origins"][0]["OriginCustomHeaders"],
        json!([{"HeaderName": EDGE_KEY.as_str(), "HeaderValue": key}])
    );
    assert_eq!(distribution["WebACLId"], json!({"Fn::GetAtt": "WebAcl.Arn"}));
    assert_eq!(distribution["Aliases"], json!(["api.example.com"]));
    // The managed policies CachingDisabled and AllViewer: nothing is cached unless it is said, and Host is handed on.
    let other = &distribution["DefaultCacheBehavior"];
    assert_eq!(other["CachePolicyId"], "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
    assert_eq!(
        other["OriginRequestPolicyId"],
        "216adef6-5c7f-47e4-b989-5492eafa07d3"
    );
    let cached = distribution["CacheBehaviors"].as_array().unwrap().iter();
    let cached: Vec<&Value> = cached.map(|behaviour| &behaviour["PathPattern"]).collect();
    assert_eq!(cached, ["/api/openapi.json*", "/.well-known/*"]);

    let acl = stack.properties("WebAcl");
    assert_eq!(acl["Scope"], "CLOUDFRONT");
    let rules = acl["Rules"].as_array().unwrap();
    let counted = |at: usize| &rules[at]["Statement"]["RateBasedStatement"];
    assert_eq!(
        (number(&counted(0)["Limit"]), number(&counted(1)["Limit"])),
        (100.0, 3000.0)
    );
    assert_eq!(
        counted(0)["ScopeDownStatement"]["ByteMatchStatement"]["SearchString"],
        "/api/auth/"
    );
    for rule in rules {
        assert_eq!(rule["VisibilityConfig"]["SampledRequestsEnabled"], false);
    }
}

#[test]
fn without_cloudfront_the_function_counts_addresses_and_nothing_of_it_is_made() {
    let stack = Stack::new(&[]);
    for kind in [
        "AWS::CloudFront::Distribution",
        "AWS::CloudFront::CachePolicy",
        "AWS::WAFv2::WebACL",
        "AWS::Route53::RecordSet",
        "AWS::ApiGatewayV2::DomainName",
    ] {
        assert!(stack.resources(kind).is_empty(), "{kind}");
    }
    assert!(stack.0["Resources"].get("EdgeKey").is_none());
    assert!(
        stack
            .variables()
            .values()
            .all(|variables| variables["EDGE_KEY"] == "")
    );
    let limit = number(&stack.variables()["AuthFunction"]["ADDRESS_LIMIT_PER_MINUTE"]);
    assert!((10.0..=60.0).contains(&limit));
    let own = Stack::new(&[EDGE.as_slice(), &[("WebAclArn", "arn:aws:wafv2:acl")]].concat());
    assert!(own.resources("AWS::WAFv2::WebACL").is_empty());
    assert_eq!(
        own.properties("Distribution")["DistributionConfig"]["WebACLId"],
        "arn:aws:wafv2:acl"
    );
}

#[test]
fn a_domain_of_ones_own_is_where_the_api_answers() {
    let stack = Stack::new(&EDGE[1..]);
    assert_eq!(
        stack.0["Outputs"]["ApiUrl"]["Value"],
        json!({"Fn::Sub": "https://${DomainName}"})
    );
    assert_eq!(
        stack.properties("DomainMapping")["ApiId"],
        json!({"Ref": "HttpApi"})
    );
    assert_eq!(
        stack.properties("DomainMapping")["Stage"],
        json!({"Ref": "HttpApi.Stage"})
    );
    let record = stack.properties("DomainRecord");
    assert_eq!(record["Name"], "api.example.com");
    assert_eq!(
        record["AliasTarget"]["DNSName"],
        json!({"Fn::GetAtt": "Domain.RegionalDomainName"})
    );
    let elsewhere = Stack::new(&EDGE[1..3]);
    assert!(elsewhere.resources("AWS::Route53::RecordSet").is_empty());
    assert!(elsewhere.0["Outputs"].get("DomainTarget").is_some());
}

/// The settings of `samconfig.toml` for an environment, one line each.
fn settings(environment: &str) -> Vec<String> {
    let text = include_str!("../../samconfig.toml");
    let section = format!("[{environment}.deploy.parameters]\n");
    let after = text.split_once(&section).unwrap().1;
    after
        .split("\n[")
        .next()
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn dev_is_what_is_deployed_unless_prod_is_asked_for() {
    for (environment, stage) in [("default", "dev"), ("prod", "prod")] {
        let settings = settings(environment);
        let overrides = settings
            .iter()
            .find(|line| line.starts_with("parameter_overrides"))
            .unwrap();
        let overrides: BTreeMap<&str, &str> = overrides
            .split('"')
            .filter_map(|part| part.split_once('='))
            .filter(|(name, _)| !name.contains(' '))
            .collect();
        assert_eq!(overrides["Stage"], stage);
        // A parameter that the template lacks stops here.
        let parameters: Vec<_> = overrides.into_iter().collect();
        Stack::new(&parameters);
    }
}

/// checkov runs in CI; what it is told to pass over says why, at the resource it is about.
#[test]
fn every_check_that_is_passed_over_gives_its_reason() {
    let skips = TEMPLATE
        .lines()
        .filter_map(|line| line.split_once("checkov:skip="));
    let mut count = 0;
    for (_, skip) in skips {
        let (check, reason) = skip.split_once(':').unwrap_or((skip, ""));
        assert!(check.starts_with("CKV") && reason.len() > 30, "{skip}");
        count += 1;
    }
    assert!(count > 0);
}
