//! Prints the sample requests of every operation as JSON, in an order in which each finds what the ones before it made.
//!
//! `.ci/smoke` sends them. `{movie}`, `{refresh}` and `{session}` stand for what an answer gave, `{reset}` for a token of
//! `marquee reset-password`; the body of a request that has an image is `test-kit/src/image.png`; the status is the owner's.

use serde_json::{Value, json};
use test_kit::operations::{Body, CALLERS, Subject, operations};

fn main() {
    let subject = Subject {
        movie: "{movie}".into(),
        username: "smoke".into(),
        new_username: "smoke".into(),
        refresh: "{refresh}".into(),
        reset: "{reset}".into(),
    };
    let owner = CALLERS.iter().position(|caller| *caller == "owner");
    let mut requests: Vec<Value> = Vec::new();
    for operation in operations() {
        for query in operation.sample.queries {
            let path = operation.path_of(&subject.movie, "{session}");
            requests.push(json!({
                "operation": operation.id,
                "method": operation.method,
                "path": format!("{path}{query}"),
                "body": operation.sample.body(&subject),
                "has_image": matches!(operation.sample.body, Body::Image),
                "status": owner.map(|owner| operation.sample.expected[owner]),
            }));
        }
    }
    println!("{}", Value::from(requests));
}
