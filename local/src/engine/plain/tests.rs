use std::{collections::BTreeMap, fs, path::Path};

use dynoxide::{Database, actions};
use futures_util::FutureExt as _;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use super::*;
use crate::{
    engine::{self, Engine},
    server::template,
};

/// A reader of a new file with this table, and a database that writes to it.
struct Files {
    reader: Reader,
    database: Database,
    _directory: tempfile::TempDir,
}

impl Files {
    fn new(create: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table");
        let path = path.to_str().unwrap();
        let database = Database::new(path).unwrap();
        let create = serde_json::from_value(create.clone()).unwrap();
        database.create_table(create).unwrap();
        let reader = Reader::new(Storage::new(path).unwrap());
        Self {
            reader,
            database,
            _directory: directory,
        }
    }

    fn put(&self, item: &Value) {
        let request = json!({"TableName": "tab", "Item": item});
        self.database
            .put_item(serde_json::from_value(request).unwrap())
            .unwrap();
    }

    /// Returns the answer of a plain read.
    fn plainly(&mut self, operation: &str, body: &str) -> Option<Value> {
        let answer = named(operation).unwrap()(&mut self.reader, body).unwrap();
        answer.map(|answer| serde_json::from_str(&answer).unwrap())
    }

    /// Returns the answer of the engine. `None` if it refuses.
    fn by_the_engine(&self, operation: &str, body: &str) -> Option<Value> {
        macro_rules! run {
            ($module:ident) => {{
                let request = serde_json::from_str(body).ok()?;
                let answer = actions::$module::execute(&self.reader.storage, request);
                let answer = answer.now_or_never().unwrap().ok()?;
                Some(serde_json::to_value(answer).unwrap())
            }};
        }
        match operation {
            "GetItem" => run!(get_item),
            "BatchGetItem" => run!(batch_get_item),
            _ => run!(query),
        }
    }
}

fn create() -> Value {
    let index = |name: &str, partition: &str, sort: &str, projection: &Value| {
        json!({"IndexName": name, "Projection": projection, "KeySchema": [
            {"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]})
    };
    json!({"TableName": "tab", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"},
            {"AttributeName": "by", "AttributeType": "S"}, {"AttributeName": "n", "AttributeType": "N"}],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "GlobalSecondaryIndexes": [
            index("number", "by", "n", &json!({"ProjectionType": "ALL"})),
            index("keys", "by", "sk", &json!({"ProjectionType": "KEYS_ONLY"}))]})
}

/// Values of every type, with characters that JSON escapes.
fn values() -> Value {
    json!({"s": {"S": "a\"b\\c\n\u{1F3AC}\u{0}é/\u{2028}"}, "empty": {"S": ""}, "num": {"N": "1.50"}, "big": {"N": "1E30"},
        "neg": {"N": "-0.001"}, "b": {"B": "AAEC/w=="}, "t": {"BOOL": true}, "f": {"BOOL": false}, "null": {"NULL": true},
        "ss": {"SS": ["b", "a", "é"]}, "ns": {"NS": ["10", "9", "-1"]}, "bs": {"BS": ["/w==", "AA=="]},
        "l": {"L": [{"S": "x"}, {"M": {"k": {"N": "1"}}}, {"L": []}]}, "m": {"M": {"\"": {"S": "q"}}},
        "ünï": {"S": "name"}})
}

/// Fills a table with items of every kind, of which several have the same keys in an index.
fn fill(files: &Files, random: &mut StdRng) {
    for pk in ["a", "b", "é\"\\"] {
        for n in 0..30 {
            let mut item = values();
            item["pk"] = json!({"S": pk});
            item["sk"] = json!({"S": format!("{n:02}")});
            if n % 3 > 0 {
                item["by"] = json!({"S": format!("by{}", n % 2)});
                item["n"] = json!({"N": random.random_range(0..12).to_string()});
            }
            files.put(&item);
        }
    }
}

#[test]
fn a_plain_read_answers_as_the_engine_does_or_leaves_the_request_to_it() {
    let mut random = StdRng::seed_from_u64(13);
    let mut files = Files::new(&create());
    fill(&files, &mut random);
    let mut plain = BTreeMap::new();
    for _ in 0..4_000 {
        let (operation, body) = request(&mut random);
        let body = body.to_string();
        let Some(answer) = files.plainly(operation, &body) else {
            continue;
        };
        *plain.entry(operation).or_insert(0) += 1;
        let expected = files.by_the_engine(operation, &body).expect(&body);
        assert_eq!(answer, expected, "{operation} {body}");
    }
    // Enough of the requests are plain for the comparison to mean something.
    for operation in ["GetItem", "BatchGetItem", "Query"] {
        assert!(plain[operation] > 150, "{plain:?}");
    }
}

/// A random request, which may be one that the engine refuses.
fn request(random: &mut StdRng) -> (&'static str, Value) {
    let mut one = |from: &[Value]| from[random.random_range(0..from.len())].clone();
    let texts = [
        json!({"S": "a"}),
        json!({"S": "é\"\\"}),
        json!({"S": "none"}),
        json!({"S": ""}),
        json!({"N": "1"}),
    ];
    let sorts = [
        json!({"S": "00"}),
        json!({"S": "07"}),
        json!({"S": "15"}),
        json!({"S": "29"}),
        json!({"S": "x"}),
    ];
    let key = |one: &mut dyn FnMut(&[Value]) -> Value| {
        let mut key = json!({"pk": one(&texts), "sk": one(&sorts)});
        if one(&[json!(0), json!(1), json!(2), json!(3), json!(4), json!(5)]) == 0 {
            key["more"] = json!({"S": "a"});
        }
        key
    };
    let tables = [
        json!("tab"),
        json!("tab"),
        json!("tab"),
        json!("tab"),
        json!("none"),
    ];
    let flags = [json!(true), json!(false), json!(null)];
    match one(&[json!(0), json!(1), json!(2), json!(3)]).as_u64() {
        Some(0) => {
            let mut body =
                json!({"TableName": one(&tables), "Key": key(&mut one), "ConsistentRead": one(&flags)});
            if one(&[json!(0), json!(1), json!(2)]) == 0 {
                body["ReturnConsumedCapacity"] = json!("TOTAL");
            }
            ("GetItem", body)
        }
        Some(1) => {
            let count = one(&[json!(0), json!(1), json!(2), json!(4)]).as_u64().unwrap();
            let keys: Vec<_> = (0..count).map(|_| key(&mut one)).collect();
            let wanted = json!({"Keys": keys, "ConsistentRead": one(&flags)});
            let table = one(&tables);
            (
                "BatchGetItem",
                json!({"RequestItems": {table.as_str().unwrap(): wanted}}),
            )
        }
        _ => {
            let index = one(&[json!(null), json!("number"), json!("keys"), json!("none")]);
            let (partition, sort) = match index.as_str() {
                None => ("pk", "sk"),
                Some("number") => ("by", "n"),
                Some(_) => ("by", "sk"),
            };
            let numbers = [
                json!({"N": "0"}),
                json!({"N": "3"}),
                json!({"N": "10"}),
                json!({"N": "-1"}),
                json!({"S": "3"}),
            ];
            let sorts = if sort == "n" { &numbers } else { &sorts };
            let partitions = if partition == "pk" {
                &texts[..]
            } else {
                &[json!({"S": "by0"}), json!({"S": "by1"})]
            };
            let mut body = json!({"TableName": one(&tables), "Limit": one(&[json!(1), json!(2), json!(7), json!(1000), json!(0)]),
                "ScanIndexForward": one(&flags), "ConsistentRead": one(&flags),
                "ExpressionAttributeNames": {"#pk": partition, "#sk": sort},
                "ExpressionAttributeValues": {":pk": one(partitions), ":low": one(sorts)}});
            if !index.is_null() {
                body["IndexName"] = index;
            }
            let has_high = one(&[json!(true), json!(true), json!(false)]) == true;
            body["KeyConditionExpression"] = match has_high {
                true => json!("#pk = :pk AND #sk BETWEEN :low AND :high"),
                false => json!("#pk = :pk AND #sk >= :low"),
            };
            if has_high {
                body["ExpressionAttributeValues"][":high"] = one(sorts);
            }
            ("Query", body)
        }
    }
}

#[tokio::test]
async fn every_read_of_the_functions_is_plain() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table");
    let engine = Engine::without_endpoint(&engine::Storage::File(path.clone())).unwrap();
    template()
        .unwrap()
        .table
        .create_in(&engine, "marquee")
        .await
        .unwrap();
    engine.shutdown().await.unwrap();
    let mut reader = Reader::new(Storage::new(path.to_str().unwrap()).unwrap());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut reads = 0;
    for file in fs::read_dir(golden).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let calls: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let trips = calls["trips"].as_array().unwrap().iter();
        for call in trips.flat_map(|trip| trip.as_array().unwrap()) {
            let operation = call["operation"].as_str().unwrap();
            let Some(read) = named(operation) else {
                continue;
            };
            let body = call["body"].to_string();
            assert!(
                read(&mut reader, &body).unwrap().is_some(),
                "{}: {body}",
                path.display()
            );
            reads += 1;
        }
    }
    assert!(reads > 100, "{reads}");
}

#[test]
fn an_answer_that_is_too_large_is_left_to_the_engine() {
    let mut files = Files::new(&create());
    for n in 0..4 {
        files.put(&json!({"pk": {"S": "a"}, "sk": {"S": n.to_string()}, "text": {"S": "x".repeat(350_000)}}));
    }
    let query = |limit: u32| {
        json!({"TableName": "tab", "Limit": limit, "KeyConditionExpression": "#pk = :pk AND #sk >= :low",
            "ExpressionAttributeNames": {"#pk": "pk", "#sk": "sk"},
            "ExpressionAttributeValues": {":pk": {"S": "a"}, ":low": {"S": "0"}}})
        .to_string()
    };
    assert_eq!(files.plainly("Query", &query(2)).unwrap()["Count"], 2);
    assert_eq!(files.plainly("Query", &query(3)), None);
}

#[test]
fn a_read_after_a_panic_has_a_snapshot() {
    let mut files = Files::new(&create());
    files.put(&json!({"pk": {"S": "a"}, "sk": {"S": "0"}}));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _snapshot = Snapshot::begin(&files.reader.storage).unwrap();
        panic!("of this test");
    }));
    assert!(panicked.is_err());
    let body = r#"{"RequestItems":{"tab":{"Keys":[{"pk":{"S":"a"},"sk":{"S":"0"}}]}}}"#;
    let answer = files.plainly("BatchGetItem", body).unwrap();
    assert_eq!(answer["Responses"]["tab"].as_array().unwrap().len(), 1);
}
