//! The files in `events/` are complete, equal to what API Gateway sends, and answered alike wherever the functions run.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use marquee::{server::TEMPLATE, template::Template};

use crate::support::{
    TestApp,
    emulator::Functions,
    event::{self, Event, Request},
    operations::{Operation, operations, with_ids},
    replay::{Gateway, Target, difference, differences},
    scenario::{self, Kept, SCENARIO},
};

/// Events with a base64 body that the gateway would send as text. A function must accept both.
const IN_BASE64_THOUGH_TEXT: [&str; 2] = ["auth/log_in_base64", "movies/create_movie_base64"];

/// What the names of events contain that only succeed with a mail, or with the bucket of covers. The release binaries have neither.
const NEEDS_MORE: [&str; 3] = ["confirm_password_reset", "set_cover", "get_cover"];

/// `cargo events` runs this. It completes the existing files and creates those that a new operation lacks.
#[test]
#[ignore = "writes events/"]
fn refresh() {
    let template = Template::parse(TEMPLATE).unwrap();
    for operation in operations() {
        for path in operation.spellings() {
            let name = name(&template, &operation, &path);
            let file = event::directory().join(&name).with_extension("json");
            if !file.exists() {
                let path = with_ids(&path, "1", event::SESSION_ID);
                let mut request = Request::new(&operation.method, &path)
                    .header(ACCEPT.as_str(), "*/*")
                    .header(USER_AGENT.as_str(), "curl/8.14.1");
                if !operation.is_public {
                    let token = format!("Bearer {}", event::ACCESS_TOKEN);
                    request = request.header(AUTHORIZATION.as_str(), &token);
                }
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, request.event(&name).to_text()).unwrap();
            }
        }
    }
    for name in event::names() {
        let file = event::directory().join(&name).with_extension("json");
        let complete = event::complete(&name, &event::text(&name));
        fs::write(file, complete.to_text()).unwrap();
    }
}

/// Returns the name of an operation's event for its path with or without a trailing slash.
fn name(template: &Template, operation: &Operation, path: &str) -> String {
    let method = operation.method.parse().unwrap();
    let group = &template.routes.resolve(&method, path).unwrap().route.function;
    let ending = match (path == operation.path, path.ends_with('/')) {
        (true, _) => "",
        (false, true) => "_slash",
        (false, false) => "_no_slash",
    };
    format!("{group}/{}{ending}", operation.id)
}

/// Guarantee 56.
/// The files contain everything that AWS adds and changes. The local gateway must make the same event of the same
/// request.
#[test]
fn every_event_file_equals_the_gateways_event_for_its_request() {
    for name in event::names() {
        let text = event::text(&name);
        let file = event::read(&name);
        let complete = event::complete(&name, &text);
        assert_eq!(
            difference(&name, &complete.to_value(), &file.to_value()),
            [""; 0],
            "the file is incomplete (run `cargo events`), or the gateway makes a different event than AWS"
        );
        assert_eq!(text, complete.to_text(), "{name}: run `cargo events`");
        let as_sent = file.request().base64_as_the_gateway_does().event(&name);
        assert_eq!(
            file.is_base64_encoded != as_sent.is_base64_encoded,
            IN_BASE64_THOUGH_TEXT.contains(&name.as_str()),
            "{name}"
        );
    }
}

type Events = BTreeMap<String, Event>;

fn all_events() -> Events {
    let names = event::names().into_iter();
    names.map(|name| (name.clone(), event::read(&name))).collect()
}

/// Returns what is missing. Every operation needs a succeeding event for its path with and without a trailing slash, but for
/// those of [`NEEDS_MORE`], and every event needs exactly one step in the scenario.
fn missing(operations: &[Operation], events: &Events, scenario: &[(&str, u16)]) -> Vec<String> {
    let succeeding: Vec<&Event> = scenario
        .iter()
        .filter(|(name, status)| *status < 400 || NEEDS_MORE.iter().any(|needs| name.contains(needs)))
        .filter_map(|(name, _)| events.get(*name))
        .collect();
    let mut missing = Vec::new();
    for operation in operations {
        for spelling in operation.spellings() {
            let is_there = succeeding.iter().any(|event| {
                operation.takes(&event.request_context.http.method, &event.raw_path)
                    && event.raw_path.ends_with('/') == spelling.ends_with('/')
            });
            if !is_there {
                missing.push(format!("an event for {} {spelling}", operation.method));
            }
        }
    }
    let steps: BTreeSet<&str> = scenario.iter().map(|(name, _)| *name).collect();
    let files: BTreeSet<&str> = events.keys().map(String::as_str).collect();
    missing.extend(files.difference(&steps).map(|name| format!("a step for {name}")));
    missing.extend(steps.difference(&files).map(|name| format!("the event {name}")));
    if steps.len() < scenario.len() {
        missing.push("a different event for every step".into());
    }
    missing
}

#[test]
fn every_operation_has_its_events_and_every_event_its_step() {
    let (operations, events) = (operations(), all_events());
    assert_eq!(missing(&operations, &events, SCENARIO), [""; 0]);
    for (name, status) in SCENARIO {
        let (method, path) = (
            &events[*name].request_context.http.method,
            &events[*name].raw_path,
        );
        if let Some(operation) = operations.iter().find(|operation| operation.takes(method, path)) {
            assert!(
                operation.statuses.contains(status),
                "{name}: {} does not document {status}",
                operation.id
            );
        }
    }
}

#[test]
fn a_missing_event_or_step_is_noticed() {
    let (operations, events) = (operations(), all_events());
    for name in events.keys() {
        let mut events = events.clone();
        events.remove(name);
        assert_ne!(
            missing(&operations, &events, SCENARIO),
            [""; 0],
            "without the event {name}"
        );
    }
    for at in 0..SCENARIO.len() {
        let mut scenario = SCENARIO.to_vec();
        let (name, _) = scenario.remove(at);
        assert_ne!(
            missing(&operations, &events, &scenario),
            [""; 0],
            "without the step {name}"
        );
    }
    let mut twice = SCENARIO.to_vec();
    twice.push(SCENARIO[0]);
    assert_ne!(
        missing(&operations, &events, &twice),
        [""; 0],
        "with a step twice"
    );
}

/// Guarantee 56.
#[tokio::test]
async fn every_event_gets_the_status_of_its_step() {
    let app = TestApp::new().await;
    let mut kept = Kept::default();
    for (name, status, event) in scenario::events() {
        let event = kept.fill(event);
        let answer = app.answer(&event).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text);
        answer.check(event.request_context.http.method == "HEAD");
        kept.keep(&answer);
    }
}

/// Asserts that the target answers every step of the scenario like the functions in process.
async fn assert_answers_as_in_process(target: &impl Target) {
    let differences = differences(target).await;
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Guarantee 56.
#[tokio::test]
async fn every_event_is_answered_over_http_by_the_local_server_as_in_process() {
    let app = TestApp::new().await;
    let gateway = Gateway::new(&app.base);
    assert_answers_as_in_process(&gateway).await;
}

/// `sed` can do this. The `content-length` of the placeholder then remains and must not matter.
#[tokio::test]
async fn a_token_can_be_put_into_the_text_of_an_event_file() {
    let app = TestApp::new().await;
    let member = app.member().await;
    let access = member.access.as_deref().unwrap();
    for (name, status) in [("users/get_me", 200), ("auth/log_out", 204)] {
        let text = event::text(name)
            .replace(event::ACCESS_TOKEN, access)
            .replace(event::REFRESH_TOKEN, &member.refresh);
        let event = serde_json::from_str(&text).unwrap();
        assert_eq!(app.answer(&event).await.status, status, "{name}");
    }
}

/// Returns a variable of the environment that a test needs.
fn required_variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set; CONTRIBUTING.md describes it"))
}

/// Returns a path from the environment, relative to the root of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(required_variable(name))
}

/// Guarantee 56.
#[tokio::test]
#[ignore = "needs MARQUEE_RIE and MARQUEE_BOOTSTRAPS"]
async fn every_event_is_answered_by_the_release_binaries() {
    let functions = Functions::start(&path("MARQUEE_RIE"), &path("MARQUEE_BOOTSTRAPS")).await;
    assert_answers_as_in_process(&functions).await;
}

#[tokio::test]
#[ignore = "needs MARQUEE_URL"]
async fn every_event_is_answered_over_http_as_in_process() {
    let gateway = Gateway::new(&required_variable("MARQUEE_URL"));
    assert_answers_as_in_process(&gateway).await;
}
