//! Guarantee 38: the protection of the data, limits on the load, logs, and names in the template.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use axum::{Router, body::Body};
use http::{Request, header};
use marquee::{server::TEMPLATE, template::Template};
use marquee_shared::{config::Config, http::with_layers};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::stack::{Stack, number, placeholders, texts};

/// API Gateway's time limit for an answer.
const GATEWAY_GIVES_UP: Duration = Duration::from_secs(30);

#[test]
fn the_table_has_point_in_time_recovery_encryption_and_expiry() {
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
fn the_table_outlives_its_stack_and_cannot_be_deleted_in_prod() {
    for (stage, protected) in [("dev", false), ("prod", true)] {
        let stack = Stack::new(&[("Stage", stage)]);
        assert_eq!(
            stack.properties("Table")["DeletionProtectionEnabled"],
            protected,
            "{stage}"
        );
        for id in ["Table", "SigningSecret", "RefreshSecret"] {
            let resource = &stack.0["Resources"][id];
            // Retained, unless the operation that created it fails. Otherwise that operation could not be repeated.
            assert_eq!(resource["DeletionPolicy"], "RetainExceptOnCreate", "{id}");
            assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{id}");
        }
    }
}

/// After a point-in-time recovery, the data is in a table that CloudFormation did not create.
#[test]
fn an_existing_table_is_used_by_name_and_left_unchanged() {
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
fn every_log_is_kept_for_the_configured_days() {
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
fn every_function_logs_json_to_its_own_group() {
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

/// Guarantee 39: a path, a query or a header may contain secrets.
#[test]
fn the_access_log_contains_nothing_that_a_client_sent() {
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
    // The metric filter for throttled requests reads these two fields.
    assert_eq!(format["status"], "$context.status");
    assert_eq!(format["integrationStatus"], "$context.integrationStatus");
}

#[test]
fn the_gateway_throttles_every_route_and_the_routes_of_auth_more() {
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
fn concurrency_is_reserved_if_a_parameter_sets_it() {
    let reserved = |stack: &Stack| -> BTreeMap<String, Option<String>> {
        let functions = stack.request_functions().into_iter();
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
    assert_eq!(unreserved.len(), 5);
    for id in unreserved.keys() {
        assert_eq!(unreserved[id], None);
        let parameter = id.replace("Function", "Concurrency");
        let mut expected = unreserved.clone();
        expected.insert(id.clone(), Some("17".to_owned()));
        assert_eq!(reserved(&Stack::new(&[(&parameter, "17")])), expected);
    }
}

/// Guarantee 35: the client gets the function's `503` instead of the gateway's.
#[test]
fn every_functions_timeout_is_between_its_deadline_and_the_gateways() {
    let deadline = Config::default().http.deadline;
    for (id, function) in Stack::new(&[]).request_functions() {
        let timeout = Duration::from_secs(function["Timeout"].as_u64().unwrap());
        assert!(deadline < timeout && timeout < GATEWAY_GIVES_UP, "{id}");
        assert!(
            function["Environment"]["Variables"]
                .get("REQUEST_DEADLINE_SECONDS")
                .is_none()
        );
    }
}

/// Returns the values of a header in lower case, because header names are case-insensitive.
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
        let router = with_layers(Router::new(), &config).unwrap();
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
fn cors_allows_any_origin_by_default_and_none_if_the_parameter_is_empty() {
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

#[test]
fn every_function_that_answers_requests_has_the_public_url() {
    for url in ["", "https://movies.example"] {
        let stack = Stack::new(&[("PublicUrl", url)]);
        for (id, variables) in stack.variables() {
            let configured = Config::from_lookup(|name| Some(variables.get(name)?.as_str()?.to_owned()));
            let expected = (!url.is_empty()).then_some(url);
            assert_eq!(configured.unwrap().http.public_url.as_deref(), expected, "{id}");
        }
    }
    let default = Stack::new(&[]);
    assert!(
        default
            .variables()
            .values()
            .all(|variables| variables["PUBLIC_URL"] == "")
    );
}

#[test]
fn every_function_that_answers_requests_has_the_age_of_public_answers() {
    for seconds in ["0", "60"] {
        let stack = Stack::new(&[("PublicMaxAgeSeconds", seconds)]);
        for (id, variables) in stack.variables() {
            let value = variables["PUBLIC_MAX_AGE_SECONDS"].to_string();
            assert_eq!(value.trim_matches('"'), seconds, "{id}");
        }
    }
}

/// Guarantee 58.
#[test]
fn only_movies_is_told_the_shards_and_reads_as_many_as_it_writes() {
    for (parameters, expected) in [
        (&[][..], (2, 2)),
        (&[("LikesShardsRead", "4")], (2, 4)),
        (&[("LikesShards", "4"), ("LikesShardsRead", "4")], (4, 4)),
        (&[("LikesShards", "4")], (4, 4)),
    ] {
        for (id, variables) in Stack::new(parameters).variables() {
            let named = |name: &str| match &variables[name] {
                Value::Number(number) => Some(number.to_string()),
                value => value.as_str().map(str::to_owned),
            };
            let is_told = named("LIKES_SHARDS").is_some() && named("LIKES_SHARDS_READ").is_some();
            assert_eq!(is_told, id == "MoviesFunction", "{id}");
            if is_told {
                let shards = Config::from_lookup(|name| {
                    named(name).filter(|_| ["LIKES_SHARDS", "LIKES_SHARDS_READ"].contains(&name))
                });
                let shards = shards.unwrap().likes_shards;
                assert_eq!((shards.written(), shards.read()), expected);
            }
        }
    }
}

/// Guarantee 5. `tests/deploy/privileges.rs` checks the roles.
#[test]
fn only_auth_knows_the_names_of_the_secrets() {
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

/// The names of CloudFront's policies and CloudWatch's dashboards must be unique in an account across all regions.
#[test]
fn names_shared_by_all_regions_contain_the_region() {
    let stack = Stack::new(&[
        ("Edge", "true"),
        ("DomainName", "api.example.com"),
        (
            "CertificateArn",
            "arn:aws:acm:us-east-1:123456789012:certificate/x",
        ),
    ]);
    let policy = &stack.properties("BriefCache")["CachePolicyConfig"]["Name"];
    for name in [policy, &stack.properties("Dashboard")["DashboardName"]] {
        let named: Vec<&str> = placeholders(name["Fn::Sub"].as_str().unwrap()).collect();
        assert_eq!(named, ["AWS::StackName", "AWS::Region"]);
    }
}

/// The role that deploys an environment may access resources whose names begin with the name of its stack.
#[test]
fn no_environments_names_begin_with_those_of_another() {
    let names = ["default", "prod"].map(|environment| {
        let settings = settings(environment);
        let value = |key: &str| {
            let line = settings.iter().find(|line| line.starts_with(key)).unwrap();
            line.split('"').nth(1).unwrap().to_owned()
        };
        let stack = value("stack_name");
        assert!(
            settings
                .iter()
                .any(|line| line.contains(&format!("\"TableName={stack}\"")))
        );
        assert_eq!(value("s3_prefix"), stack);
        stack
    });
    assert!(
        !names[0].starts_with(&names[1]) && !names[1].starts_with(&names[0]),
        "{names:?}"
    );
}

/// Returns the lines of an environment's settings in `samconfig.toml`.
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
fn dev_is_deployed_by_default() {
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
        // `Stack::new` panics if the template does not have a parameter.
        let parameters: Vec<_> = overrides.into_iter().collect();
        Stack::new(&parameters);
    }
}

/// CI runs checkov. A comment at the resource skips a check and says why.
#[test]
fn every_skipped_check_gives_a_reason() {
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
