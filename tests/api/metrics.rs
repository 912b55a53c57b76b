//! Guarantee 82: the line of each request says what the request did, and is its metrics.

use fault_proxy::{Cost, Fault};
use marquee_shared::telemetry::metrics::{COUNTS, DURATION};
use reqwest::Method;
use serde_json::{Value, json};

use super::captured_log::Log;
use crate::support::{Call, movie, proxy::ProxiedApp};

/// A server whose functions have metrics.
async fn with_metrics() -> ProxiedApp {
    let proxied = ProxiedApp::with(|options| options.config.metrics_namespace = Some("test".into())).await;
    proxied.proxy.record_bodies();
    proxied
}

/// Sends a request, and returns its line and what the proxy saw of it.
async fn line_of(proxied: &ProxiedApp, log: &Log, call: Call, status: u16) -> (Value, Cost) {
    proxied.proxy.take();
    let earlier = log.requests().len();
    let answer = call.send().await.is(status);
    let line = log.requests().remove(earlier);
    assert_eq!(
        line["request_id"].as_str(),
        answer.headers["x-request-id"].to_str().ok()
    );
    assert_eq!(line["status"], status);
    let records = proxied.proxy.take();
    for record in &records {
        if let Some(exchange) = &record.exchange {
            assert_eq!(
                exchange.call["ReturnConsumedCapacity"], "TOTAL",
                "{}",
                record.operation
            );
        }
    }
    (line, Cost::of(records))
}

/// Returns the names of a line's metrics.
fn metrics(line: &Value) -> Vec<&str> {
    let declared = line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        .as_array()
        .unwrap();
    declared
        .iter()
        .map(|metric| metric["Name"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_line_of_a_request_has_the_calls_and_units_that_the_table_saw() {
    let log = Log::capture();
    let proxied = with_metrics().await;
    let (user, anonymous) = (proxied.app.member().await, proxied.app.anonymous());
    let me = user.get("/api/users/me/").send().await.is(200).body["id"].clone();
    let created = user
        .post("/api/movies/")
        .json(&movie("One", "Someone", "Drama", "2001-02-03"));
    let (line, _) = line_of(&proxied, &log, created, 201).await;
    assert_eq!((&line["operation"], &line["user"]), (&json!("create_movie"), &me));
    let none = json!("none");
    let operation = |id: &str| json!(id);
    let login = json!({"username": user.username, "password": crate::support::PASSWORD});
    let cases = [
        (
            user.get("/api/movies/1/"),
            200,
            operation("get_movie"),
            "/api/movies/{id}/",
            me.clone(),
        ),
        (
            anonymous.get("/api/movies/1/"),
            200,
            operation("get_movie"),
            "/api/movies/{id}/",
            Value::Null,
        ),
        (
            anonymous.get("/api/movies/"),
            200,
            operation("list_movies"),
            "/api/movies/",
            Value::Null,
        ),
        (
            user.get("/api/movies/search/?q=one"),
            200,
            operation("search_movies"),
            "/api/movies/search/",
            me.clone(),
        ),
        (
            user.post("/api/movies/1/favorite/"),
            200,
            operation("toggle_favorite"),
            "/api/movies/{id}/favorite/",
            me.clone(),
        ),
        (
            anonymous.get("/api/movies/2/"),
            404,
            operation("get_movie"),
            "/api/movies/{id}/",
            Value::Null,
        ),
        (
            anonymous.post("/api/auth/login/").json(&login),
            200,
            operation("log_in"),
            "/api/auth/login/",
            Value::Null,
        ),
        (
            anonymous.call(Method::PUT, "/api/movies/"),
            405,
            none.clone(),
            "",
            Value::Null,
        ),
        (
            anonymous.get("/api/health/"),
            200,
            operation("get_health"),
            "/api/health/",
            Value::Null,
        ),
        (
            user.delete("/api/movies/1/"),
            204,
            operation("delete_movie"),
            "/api/movies/{id}/",
            me.clone(),
        ),
    ];
    for (call, status, operation, route, user) in cases {
        let (line, cost) = line_of(&proxied, &log, call, status).await;
        let what = format!("{line}\n{cost:?}");
        let route = (!route.is_empty()).then_some(route);
        assert_eq!(
            (&line["operation"], &line["route"], &line["user"]),
            (&operation, &json!(route), &user),
            "{what}"
        );
        assert_eq!(line["calls"], cost.calls.len(), "{what}");
        assert_eq!(line["read_units"].as_f64(), Some(cost.reads), "{what}");
        assert_eq!(line["write_units"].as_f64(), Some(cost.writes), "{what}");
        for zero in ["conflicts", "throttles", "failures"] {
            assert_eq!(line[zero], 0, "{zero}: {what}");
        }
        let expected: Vec<_> = [DURATION]
            .into_iter()
            .chain(COUNTS)
            .filter(|name| line[name].as_f64() != Some(0.0) || *name == DURATION)
            .collect();
        assert_eq!(metrics(&line), expected, "{what}");
    }
    let (line, cost) = line_of(&proxied, &log, anonymous.get("/api/nothing/"), 404).await;
    assert_eq!((&line["operation"], &line["route"]), (&none, &Value::Null));
    assert_eq!((&line["calls"], cost.calls.len()), (&json!(0), 0));
}

#[tokio::test]
async fn the_line_of_a_request_counts_what_the_table_refused() {
    let log = Log::capture();
    let proxied = with_metrics().await;
    let user = proxied.app.member().await;
    user.post("/api/movies/")
        .json(&movie("One", "Someone", "Drama", "2001-02-03"))
        .send()
        .await
        .is(201);
    let counts = |line: &Value| {
        COUNTS[3..6]
            .iter()
            .map(|name| line[name].as_u64().unwrap())
            .collect::<Vec<_>>()
    };

    let throttled = Fault::Refused(400, "ProvisionedThroughputExceededException");
    proxied.proxy.inject("TransactWriteItems", 0..2, throttled);
    let (line, cost) = line_of(&proxied, &log, user.put("/api/movies/1/favorite/"), 200).await;
    assert_eq!(
        (counts(&line), line["calls"].as_u64()),
        (vec![0, 2, 0], Some(cost.calls.len() as u64)),
        "{line}"
    );

    for (reason, expected) in [("TransactionConflict", [1, 0, 0]), ("ThrottlingError", [0, 1, 0])] {
        proxied.proxy.clear_faults();
        proxied
            .proxy
            .inject("TransactWriteItems", 0..1, Fault::Canceled(reason));
        let (line, _) = line_of(&proxied, &log, user.post("/api/movies/1/favorite/"), 200).await;
        assert_eq!(counts(&line), expected, "{reason}: {line}");
    }

    proxied.proxy.clear_faults();
    proxied.proxy.inject(
        "BatchGetItem",
        0..usize::MAX,
        Fault::Refused(400, "AccessDeniedException"),
    );
    let response = user.put("/api/movies/1/favorite/").0.send().await.unwrap();
    assert_eq!(response.status(), 500);
    let line = log.requests().pop().unwrap();
    assert_eq!(
        (counts(&line), &line["code"]),
        (vec![0, 0, 1], &json!("internal_error")),
        "{line}"
    );
}
