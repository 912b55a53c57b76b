//! A custom domain, and CloudFront in front of the API.

use marquee_shared::http::{extract::VIEWER_ADDRESS, layers::EDGE_KEY};
use serde_json::{Value, json};

use super::stack::{Stack, number};

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
    // The managed policies CachingDisabled and AllViewer: nothing is cached by default, and `Host` is forwarded.
    let other = &distribution["DefaultCacheBehavior"];
    assert_eq!(other["CachePolicyId"], "4135ea2d-6df8-44a3-9df3-4b5a84be39ad");
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
    assert_eq!(cached, ["/api/openapi.json*", "/.well-known/*"]);

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
