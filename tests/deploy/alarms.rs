//! Guarantee 38: every kind of failure has an alarm.

use std::collections::BTreeSet;

use marquee::{server::TEMPLATE, template::Template};
use marquee_shared::telemetry::metrics::{COUNTS, DURATION};
use serde_json::{Value, json};

use super::stack::{Stack, number, placeholders, texts};

/// A metric that an alarm watches: namespace, name, statistic and the values of its dimensions.
type Watched = (String, String, String, Vec<String>);

/// Returns the metrics that an alarm watches. A query counts as the metrics that it selects.
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
fn every_kind_of_failure_has_an_alarm() {
    let stack = Stack::new(&[("MailFrom", "movies@example.com")]);
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
            "no alarm watches {expected:?}: {seen:#?}"
        );
    };
    let api = ["HttpApi", "$default"];
    for name in ["conflicts", "read_units", "write_units"] {
        expect("AWS::StackName", name, "Sum", &[]);
    }
    expect("AWS/ApiGateway", "5xx", "Sum", &api);
    expect("AWS/ApiGateway", "Count", "Sum", &api);
    expect("AWS/ApiGateway", "Latency", "p99", &api);
    expect("${AWS::StackName}/gateway", "Throttled", "Sum", &[]);
    for id in stack.request_functions().keys() {
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
fn the_gateways_throttled_requests_are_counted_in_the_metric_of_their_alarm() {
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
fn every_alarm_is_described_and_sent_to_the_configured_address() {
    let mail = ("MailFrom", "movies@example.com");
    let silent = Stack::new(&[mail]);
    let heard = Stack::new(&[mail, ("AlarmEmail", "ops@example.com")]);
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
                    assert!(
                        ids.contains(word),
                        "{id}: {text:?} names {word}, which is not one of its metrics"
                    );
                }
            }
        }
    }
}

/// Returns what is written of the functions' metrics in the alarms and on the dashboard.
fn uses_of_metrics(stack: &Stack) -> BTreeSet<String> {
    let namespace = json!({"Ref": "AWS::StackName"});
    let mut used = BTreeSet::new();
    for alarm in stack.alarms().values() {
        let parts = alarm["Metrics"].as_array().into_iter().flatten();
        let parts = parts.map(|metric| &metric["MetricStat"]["Metric"]);
        for metric in parts
            .chain([*alarm])
            .filter(|metric| metric["Namespace"] == namespace)
        {
            assert_eq!(
                metric.get("Dimensions"),
                None,
                "only the metrics of all requests have an alarm"
            );
            used.insert(metric["MetricName"].as_str().unwrap().to_owned());
        }
    }
    let shown = dashboard(stack);
    for (start, end) in [("MetricName=\\\"", '\\'), ("[\"${AWS::StackName}\", \"", '"')] {
        let names = shown.split(start).skip(1);
        used.extend(names.map(|rest| rest.split(end).next().unwrap().to_owned()));
    }
    used
}

/// Guarantee 82.
#[test]
fn the_dashboard_and_the_alarms_use_every_metric_of_the_functions() {
    let expected: BTreeSet<String> = COUNTS.into_iter().chain([DURATION]).map(str::to_owned).collect();
    let stack = Stack::new(&[]);
    assert_eq!(uses_of_metrics(&stack), expected);
    for (id, variables) in stack.variables() {
        assert_eq!(
            variables["METRICS_NAMESPACE"],
            json!({"Ref": "AWS::StackName"}),
            "{id}"
        );
    }
    let without = Stack::new(&[("OperationMetrics", "false")]);
    assert_eq!(uses_of_metrics(&without), BTreeSet::new());
    for (id, variables) in without.variables() {
        assert_eq!(variables["METRICS_NAMESPACE"], "", "{id}");
    }
}

/// A function without reserved concurrency has the limit of the account.
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
fn the_dashboard_shows_every_alarm_and_names_only_existing_resources() {
    for parameters in [&[][..], &[("MailFrom", "movies@example.com")]] {
        check_dashboard(&Stack::new(parameters));
    }
}

/// Returns the dashboard's text with the parts that depend on parameters.
fn dashboard(stack: &Stack) -> String {
    let body = &stack.properties("Dashboard")["DashboardBody"]["Fn::Sub"];
    let mut text = body[0].as_str().unwrap().to_owned();
    for (name, part) in body[1].as_object().unwrap() {
        let part = part.as_str().or_else(|| part["Fn::Sub"].as_str()).unwrap();
        let place = format!("${{{name}}}");
        assert!(text.contains(&place), "{name} is not used");
        text = text.replace(&place, part);
    }
    text
}

fn check_dashboard(stack: &Stack) {
    let body = dashboard(stack);
    let body = body.as_str();
    for name in placeholders(body) {
        let id = name.strip_suffix(".Arn").unwrap_or(name);
        let known = id.starts_with("AWS::")
            || ["Resources", "Parameters"]
                .iter()
                .any(|section| stack.0[section].get(id).is_some());
        assert!(known, "the template has no {name}");
    }
    // CloudWatch parses the text as JSON after the substitution of names.
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
                    "{} overlaps another widget",
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
