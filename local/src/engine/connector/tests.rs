use aws_sdk_dynamodb::types::AttributeValue;
use http::{HeaderMap, HeaderValue};
use marquee_shared::aws::client as clients;

use super::*;
use crate::engine::{Engine, Storage};

const CREATE: &str = r#"{"TableName":"tab","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"by","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"GlobalSecondaryIndexes":[{"IndexName":"idx",
    "KeySchema":[{"AttributeName":"by","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}]}"#;

/// Each operation that the functions use, with good and bad bodies, in an order in which they depend on each other.
const CALLS: &[(&str, &str)] = &[
    ("CreateTable", CREATE),
    ("CreateTable", CREATE),
    (
        "PutItem",
        r#"{"TableName":"tab","Item":{"pk":{"S":"a"},"by":{"S":"x"},"n":{"N":"1"}}}"#,
    ),
    (
        "PutItem",
        r#"{"TableName":"tab","Item":{"pk":{"S":"a"}},"ConditionExpression":"attribute_not_exists(pk)"}"#,
    ),
    ("PutItem", r#"{"TableName":"tab","Item":{"pk":{"N":"1"}}}"#),
    ("PutItem", r#"{"TableName":"none","Item":{"pk":{"S":"a"}}}"#),
    ("PutItem", r#"{"TableName":"tab"}"#),
    ("PutItem", r#"{"TableName":"tab","Item":"#),
    (
        "GetItem",
        r#"{"TableName":"tab","Key":{"pk":{"S":"a"}},"ReturnConsumedCapacity":"TOTAL"}"#,
    ),
    ("GetItem", r#"{"TableName":"tab","Key":{"pk":{"S":"none"}}}"#),
    ("GetItem", r#"{"TableName":"none","Key":{"pk":{"S":"a"}}}"#),
    ("GetItem", "[]"),
    ("GetItem", ""),
    (
        "BatchGetItem",
        r#"{"RequestItems":{"tab":{"Keys":[{"pk":{"S":"a"}},{"pk":{"S":"b"}}]}}}"#,
    ),
    ("BatchGetItem", r#"{"RequestItems":{}}"#),
    (
        "Query",
        r##"{"TableName":"tab","IndexName":"idx","KeyConditionExpression":"#b = :x","ExpressionAttributeNames":{"#b":"by"},"ExpressionAttributeValues":{":x":{"S":"x"}}}"##,
    ),
    ("Query", r#"{"TableName":"tab","KeyConditionExpression":"pk ="}"#),
    (
        "UpdateItem",
        r#"{"TableName":"tab","Key":{"pk":{"S":"a"}},"UpdateExpression":"ADD n :n","ExpressionAttributeValues":{":n":{"N":"2"}},"ReturnValues":"ALL_NEW"}"#,
    ),
    (
        "UpdateItem",
        r#"{"TableName":"tab","Key":{"pk":{"S":"z"}},"UpdateExpression":"SET n = n + :n","ExpressionAttributeValues":{":n":{"N":"2"}}}"#,
    ),
    (
        "TransactWriteItems",
        r#"{"ClientRequestToken":"1","TransactItems":[{"Put":{"TableName":"tab","Item":{"pk":{"S":"b"}}}}]}"#,
    ),
    (
        "TransactWriteItems",
        r#"{"ClientRequestToken":"1","TransactItems":[{"Put":{"TableName":"tab","Item":{"pk":{"S":"b"}}}}]}"#,
    ),
    (
        "TransactWriteItems",
        r#"{"ClientRequestToken":"1","TransactItems":[{"Put":{"TableName":"tab","Item":{"pk":{"S":"c"}}}}]}"#,
    ),
    (
        "TransactWriteItems",
        r#"{"TransactItems":[{"ConditionCheck":{"TableName":"tab","Key":{"pk":{"S":"none"}},"ConditionExpression":"attribute_exists(pk)"}}]}"#,
    ),
    (
        "BatchWriteItem",
        r#"{"RequestItems":{"tab":[{"PutRequest":{"Item":{"pk":{"S":"d"}}}},{"DeleteRequest":{"Key":{"pk":{"S":"b"}}}}]}}"#,
    ),
    (
        "DeleteItem",
        r#"{"TableName":"tab","Key":{"pk":{"S":"a"}},"ReturnValues":"ALL_OLD"}"#,
    ),
    ("DeleteItem", r#"{"TableName":"tab","Key":{}}"#),
    ("Scan", r#"{"TableName":"tab"}"#),
    ("DescribeTimeToLive", r#"{"TableName":"tab"}"#),
    ("DeleteTable", r#"{"TableName":"none"}"#),
    ("NoSuchOperation", "{}"),
];

/// A request as the SDK sends it over the wire.
fn request(operation: &str, body: &[u8]) -> HttpRequest {
    let mut request = HttpRequest::new(body.to_vec().into());
    request.set_method("POST").unwrap();
    request.set_uri("http://localhost/").unwrap();
    let headers = request.headers_mut();
    headers.insert("x-amz-target", format!("DynamoDB_20120810.{operation}"));
    headers.insert("content-type", "application/x-amz-json-1.0");
    headers.insert("x-amz-date", "20200101T000000Z");
    headers.insert(
        "authorization",
        "AWS4-HMAC-SHA256 Credential=a/20200101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=a",
    );
    request
}

/// The status, the headers except those that differ each time, and the body.
type Compared = (u16, Vec<(String, String)>, String);

fn compared(status: u16, headers: Vec<(String, String)>, body: &[u8]) -> Compared {
    let varies = ["x-amzn-requestid", "date", "content-length"];
    let mut headers: Vec<_> = headers
        .into_iter()
        .filter(|(name, _)| !varies.contains(&name.as_str()))
        .collect();
    headers.sort();
    (status, headers, String::from_utf8(body.to_vec()).unwrap())
}

async fn in_process(engine: &Engine, request: HttpRequest) -> Compared {
    let connector = Connector(Arc::clone(&engine.calls));
    let answer = connector.call(request).await.unwrap();
    assert!(answer.headers().get("x-amzn-requestid").is_some());
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    compared(answer.status().as_u16(), headers, answer.body().bytes().unwrap())
}

async fn over_the_wire(engine: &Engine, request: &HttpRequest) -> Compared {
    let mut sent = HeaderMap::new();
    for (name, value) in request.headers() {
        let name: http::HeaderName = name.parse().unwrap();
        sent.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let body = request.body().bytes().unwrap().to_vec();
    let client = reqwest::Client::new();
    let answer = client.post(engine.endpoint().unwrap()).headers(sent).body(body);
    let answer = answer.send().await.unwrap();
    let status = answer.status().as_u16();
    let headers = answer.headers().iter();
    let headers = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    compared(status, headers, &answer.bytes().await.unwrap())
}

/// Without what differs between two tables of the same definition, and without the order of attributes. The checksum must be
/// that of the body.
fn without_identity(mut answer: Compared) -> Compared {
    let checksum = crc32fast::hash(answer.2.as_bytes()).to_string();
    let is_checksum = |(name, value): &(String, String)| name == "x-amz-crc32" && *value == checksum;
    assert!(answer.1.iter().any(is_checksum), "{answer:?}");
    answer.1.retain(|header| !is_checksum(header));
    if let Ok(mut body) = serde_json::from_str::<serde_json::Value>(&answer.2) {
        if let Some(table) = body.get_mut("TableDescription") {
            for name in ["CreationDateTime", "TableId"] {
                table[name].take();
            }
        }
        answer.2 = body.to_string();
    }
    answer
}

/// Guarantee 64.
#[tokio::test]
async fn a_call_within_the_process_is_answered_as_over_the_wire() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| Storage::File(directory.path().join(name).join("table"));
    for [one, two] in [
        [Storage::Memory, Storage::Memory],
        [file("a"), file("b")],
        [Storage::Memory, file("c")],
    ] {
        let (one, two) = (Engine::start(&one).unwrap(), Engine::start(&two).unwrap());
        let mut successes = 0;
        for (operation, body) in CALLS {
            let wire = over_the_wire(&one, &request(operation, body.as_bytes())).await;
            let answer = in_process(&two, request(operation, body.as_bytes())).await;
            successes += usize::from(answer.0 == 200);
            assert_eq!(
                without_identity(answer),
                without_identity(wire),
                "{operation} {body}"
            );
        }
        assert_eq!(successes, 13);
        let large = vec![b' '; MAX_BODY + 1];
        for body in [&[0xff, 0xfe], &large[..]] {
            let wire = over_the_wire(&one, &request("GetItem", body)).await;
            let answer = in_process(&two, request("GetItem", body)).await;
            assert_eq!(answer, wire);
        }
        one.shutdown().await.unwrap();
        two.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_task_of_many_calls_lets_others_run() {
    let engine = Engine::without_endpoint(&Storage::Memory).unwrap();
    let other = tokio::spawn(async {});
    let mut calls = 0;
    while !other.is_finished() {
        calls += 1;
        assert!(calls < 1_000, "the task has kept its thread");
        in_process(&engine, request("GetItem", b"{}")).await;
    }
    engine.shutdown().await.unwrap();
}

/// Guarantee 64.
#[tokio::test]
async fn the_sdk_reads_answers_and_errors_alike_and_writes_are_seen_on_both_ways() {
    let engine = Engine::start(&Storage::Memory).unwrap();
    let (inside, outside) = (engine.client(), clients::local(&engine.endpoint().unwrap()));
    for client in [&inside, &outside] {
        let missing = client
            .delete_table()
            .table_name("none-such")
            .send()
            .await
            .unwrap_err();
        assert!(
            missing
                .as_service_error()
                .unwrap()
                .is_resource_not_found_exception()
        );
    }
    let created = in_process(&engine, request("CreateTable", CREATE.as_bytes())).await;
    assert_eq!(created.0, 200);
    for (writes, reads, key) in [(&inside, &outside, "a"), (&outside, &inside, "b")] {
        let put = writes
            .put_item()
            .table_name("tab")
            .item("pk", AttributeValue::S(key.into()));
        put.send().await.unwrap();
        let get = reads
            .get_item()
            .table_name("tab")
            .key("pk", AttributeValue::S(key.into()));
        assert!(get.consistent_read(true).send().await.unwrap().item.is_some());
    }
    engine.shutdown().await.unwrap();
    let closed = inside.list_tables().send().await.unwrap_err();
    assert!(
        closed
            .raw_response()
            .is_some_and(|answer| answer.status().as_u16() == 500)
    );
}
