//! Functions that fail, and events that no function is for.

use std::sync::atomic::{AtomicBool, Ordering};

use http::header::CONTENT_TYPE;

use super::*;

#[tokio::test]
async fn a_panic_is_a_500_and_the_gateway_lives() {
    let gateway = gateway();
    let (status, headers, body) = call(&gateway, Request::get("/api/movies/panic"), "").await;
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, &headers[CONTENT_TYPE]),
        (500, &"application/problem+json".parse().unwrap())
    );
    assert_eq!(
        (&problem["code"], &problem["status"]),
        (&json!("internal_error"), &json!(500))
    );
    assert_eq!(problem["request_id"], headers["x-request-id"].to_str().unwrap());
    assert!(
        !problem.to_string().contains("own"),
        "the response has the panic's message"
    );
    assert_eq!(call(&gateway, Request::get("/api/movies"), "").await.0, 200);
}

#[tokio::test]
async fn a_function_that_is_too_slow_is_a_503() {
    let text = include_str!("../../../../template.yaml");
    assert!(text.contains("Timeout: 15"));
    let text = text.replace("Timeout: 15", "Timeout: 1");
    let gateway = gateway_of(&Template::parse(&text).unwrap(), functions(), &["*"]);
    let (status, headers, body) = call(&gateway, Request::get("/api/movies/slow"), "").await;
    assert_eq!(status, 503);
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(
        serde_json::from_slice::<Value>(&body).unwrap()["code"],
        "unavailable"
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_may_have_another_timeout_than_the_templates() {
    for (limit, seconds) in [(None, 15), (Some(Duration::from_secs(40)), 40)] {
        let gateway = match limit {
            None => gateway(),
            Some(limit) => gateway().with_function_timeout(limit),
        };
        let begun = tokio::time::Instant::now();
        let (status, ..) = call(&gateway, Request::get("/api/movies/slow"), "").await;
        assert_eq!((status, begun.elapsed().as_secs()), (503, seconds));
    }
}

#[tokio::test]
async fn without_a_catch_all_an_unknown_path_is_a_404() {
    let text = include_str!("../../../../template.yaml");
    let catch_all = "        Everything:
          Type: HttpApi
          Properties:
            ApiId: !Ref HttpApi
";
    assert!(text.contains(catch_all));
    let template = Template::parse(&text.replace(catch_all, "")).unwrap();
    let gateway = gateway_of(&template, functions(), &["*"]);
    let (status, problem) = call_json(&gateway, Request::get("/elsewhere"), "").await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
    assert!(matches!(
        gateway.invoke(&event("GET", "/elsewhere")).await,
        Err(InvokeError::NoRoute)
    ));
}

#[tokio::test]
async fn a_function_finishes_when_the_client_has_gone() {
    let done = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&done);
    let handler = move || async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        flag.store(true, Ordering::SeqCst);
    };
    let mut functions = functions();
    functions.insert("movies".to_owned(), Router::new().fallback(handler));
    let gateway = gateway_of(&template(), functions, &["*"]);
    let request = Request::get("/api/movies").header(HOST, "x");
    let request = request.body(Full::new(Bytes::new())).unwrap();
    assert!(
        timeout(Duration::from_millis(50), gateway.handle(request, SOURCE))
            .await
            .is_err()
    );
    assert!(!done.load(Ordering::SeqCst));
    let waiting = Instant::now();
    while !done.load(Ordering::SeqCst) {
        assert!(
            waiting.elapsed() < Duration::from_secs(5),
            "the function was interrupted"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
