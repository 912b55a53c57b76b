//! A custom domain, and CloudFront in front of the API.

use std::collections::BTreeSet;

use marquee_shared::http::{extract::VIEWER_ADDRESS, layers::EDGE_KEY};
use serde_json::{Value, json};

use super::stack::{Stack, number};
use crate::support::{
    TestApp,
    operations::{NO_SESSION, operations, sample_movie},
};

/// The additional parameters of a stack behind CloudFront.
const EDGE: [(&str, &str); 4] = [
    ("Edge", "true"),
    ("DomainName", "api.example.com"),
    (
        "CertificateArn",
        "arn:aws:acm:us-east-1:123456789012:certificate/x",
    ),
    ("HostedZoneId", "Z1"),
];

/// Guarantee 21: behind CloudFront the gateway's source address is CloudFront's.
#[test]
fn behind_cloudfront_the_web_acl_counts_clients_and_cannot_be_bypassed() {
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
    // The managed policy AllViewer: `Host` is forwarded.
    let other = &distribution["DefaultCacheBehavior"];
    assert_eq!(other["CachePolicyId"], json!({"Ref": "ApiCache"}));
    assert_eq!(
        other["OriginRequestPolicyId"],
        "216adef6-5c7f-47e4-b989-5492eafa07d3"
    );
    // CloudFront's function sets the client's address in every request that may sign a user in, whatever the client sent.
    assert_eq!(
        other["FunctionAssociations"],
        json!([{
            "EventType": "viewer-request",
            "FunctionARN": {"Fn::GetAtt": "ViewerAddress.FunctionMetadata.FunctionARN"},
        }])
    );
    let function = stack.properties("ViewerAddress");
    let sets = format!("request.headers['{VIEWER_ADDRESS}'] = {{ value: event.viewer.ip }};");
    assert!(function["FunctionCode"].as_str().unwrap().contains(&sets));
    assert_eq!(function["AutoPublish"], true);
    let cached = distribution["CacheBehaviors"].as_array().unwrap().iter();
    let cached: Vec<&Value> = cached.map(|behavior| &behavior["PathPattern"]).collect();
    assert_eq!(cached, ["/api/covers/*", "/.well-known/*"]);
    // A deleted cover is served for at most an hour: it is swept within 20 minutes, and cached for 30.
    let kept = &stack.properties("CoverCache")["CachePolicyConfig"];
    assert_eq!(kept["MaxTTL"], 1800);

    // Errors are not cached either. By default CloudFront caches them for 10 seconds, whatever the policy says.
    let errors = distribution["CustomErrorResponses"].as_array().unwrap();
    let kept = errors
        .iter()
        .map(|error| (number(&error["ErrorCode"]), number(&error["ErrorCachingMinTTL"])));
    let codes = [400, 403, 404, 405, 414, 500, 501, 502, 503, 504];
    let none = codes.map(|code| (f64::from(code), 0.0));
    assert_eq!(kept.collect::<Vec<_>>(), none);

    // A key is published 90 seconds before it signs. A cached key set is at most 60 seconds old, so it contains that key.
    let kept = &stack.properties("BriefCache")["CachePolicyConfig"];
    assert_eq!((&kept["DefaultTTL"], &kept["MaxTTL"]), (&json!(60), &json!(60)));

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

/// What CloudFront finds a stored answer by: the policy of the behavior for this path, and the headers that the policy names.
struct CacheKey {
    policy: Value,
    headers: BTreeSet<String>,
}

impl CacheKey {
    fn of(stack: &Stack, path: &str) -> Self {
        let distribution = &stack.properties("Distribution")["DistributionConfig"];
        let behaviors = distribution["CacheBehaviors"].as_array().unwrap();
        let behavior = behaviors.iter().find(|behavior| {
            let pattern = behavior["PathPattern"].as_str().unwrap();
            path.starts_with(pattern.strip_suffix('*').unwrap())
        });
        let behavior = behavior.unwrap_or(&distribution["DefaultCacheBehavior"]);
        // By default CloudFront caches the answers to GET and HEAD.
        assert!(behavior.get("CachedMethods").is_none());
        let policy = behavior["CachePolicyId"]["Ref"].as_str().unwrap();
        let policy = stack.properties(policy)["CachePolicyConfig"].clone();
        let parameters = &policy["ParametersInCacheKeyAndForwardedToOrigin"];
        let named = parameters["HeadersConfig"]["Headers"].as_array().unwrap();
        let mut headers: BTreeSet<String> = named
            .iter()
            .map(|name| name.as_str().unwrap().to_lowercase())
            .collect();
        // With these, the key has the codings that the client accepts.
        if [
            &parameters["EnableAcceptEncodingGzip"],
            &parameters["EnableAcceptEncodingBrotli"],
        ] == [&json!(true); 2]
        {
            headers.insert("accept-encoding".into());
        }
        Self { policy, headers }
    }

    /// What of a request is part of the key.
    fn of_request(&self, headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let in_key = headers.iter().filter(|(name, _)| self.headers.contains(*name));
        in_key
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }
}

/// Guarantee 73: every answer is stored under everything that it depends on, so no caller gets that of another.
#[tokio::test]
async fn cloudfront_never_serves_one_callers_answer_to_another() {
    let stack = Stack::new(&EDGE);
    let app = TestApp::with(|options| {
        options.config.http.public_max_age = 60;
        options.config.http.cors_origins = vec!["https://a.example".into()];
    })
    .await;
    let (one, other) = (app.member().await, app.member().await);
    let movie = one.add(&sample_movie()).await;
    one.put(&format!("/api/movies/{}/favorite/", movie["id"]))
        .send()
        .await
        .is(200);
    let mut differing = 0;
    for operation in operations().iter().filter(|operation| operation.method == "GET") {
        let key = CacheKey::of(&stack, &operation.path);
        let queries = &key.policy["ParametersInCacheKeyAndForwardedToOrigin"]["QueryStringsConfig"];
        assert!(
            queries["QueryStringBehavior"] == "all" || operation.sample.queries == [""],
            "{}",
            operation.id
        );
        // An answer without Cache-Control isn't stored, and none is kept for longer than it says.
        assert_eq!(key.policy["MinTTL"], 0);
        for (query, _) in operation.requests(&one, &movie["id"], &one) {
            let mut answers = Vec::new();
            for caller in [&app.anonymous(), &one, &other] {
                let path = format!(
                    "{}{query}",
                    operation.path_of(&movie["id"].to_string(), NO_SESSION)
                );
                let answer = caller
                    .get(&path)
                    .header("origin", "https://a.example")
                    .send()
                    .await;
                let varies = answer
                    .header("vary")
                    .split(',')
                    .map(|name| name.trim().to_lowercase());
                for name in varies {
                    assert!(key.headers.contains(&name), "{path} varies with {name}");
                }
                let access = caller.access.clone().unwrap_or_default();
                let control = answer.header("cache-control");
                // CloudFront stores neither (Amazon's guide: "Managing how long content stays in the cache").
                let is_stored = !control.contains("private") && !control.contains("no-store");
                answers.push((
                    key.of_request(&[("authorization", &access)]),
                    is_stored,
                    answer.text,
                ));
            }
            for (at, (first, is_stored, text)) in answers.iter().enumerate() {
                for (second, _, other_text) in &answers[at + 1..] {
                    assert!(
                        first != second || text == other_text || !is_stored,
                        "{}",
                        operation.id
                    );
                    differing += usize::from(text != other_text);
                }
            }
        }
    }
    assert!(
        differing > 20,
        "{differing}: the test must compare answers that differ"
    );
}

/// A page can read an answer of another origin only if the answer allows the page's origin or any origin. The web ACL
/// can only send a fixed header.
#[test]
fn pages_can_read_the_web_acls_refusals_if_every_origin_is_allowed() {
    for (origins, readable) in [("*", true), ("https://a.example", false), ("", false)] {
        let stack = Stack::new(&[EDGE.as_slice(), &[("CorsOrigins", origins)]].concat());
        for rule in &stack.properties("WebAcl")["Rules"].as_array().unwrap()[..2] {
            let headers = rule["Action"]["Block"]["CustomResponse"]["ResponseHeaders"].as_array();
            let headers = headers.unwrap();
            assert!(headers.contains(&json!({"Name": "retry-after", "Value": "300"})));
            let any = json!({"Name": "access-control-allow-origin", "Value": "*"});
            assert_eq!(headers.contains(&any), readable, "{origins:?}");
            assert_eq!(headers.len(), if readable { 3 } else { 1 }, "{origins:?}");
        }
    }
}

#[test]
fn without_cloudfront_the_function_counts_addresses_and_no_edge_resource_exists() {
    let stack = Stack::new(&[]);
    for kind in [
        "AWS::CloudFront::Distribution",
        "AWS::CloudFront::CachePolicy",
        "AWS::CloudFront::Function",
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
fn the_api_answers_at_a_custom_domain() {
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
