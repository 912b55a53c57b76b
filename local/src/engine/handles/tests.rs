use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use super::*;
use crate::engine::operations::run;

const CREATE: &str = r#"{"TableName":"tab","BillingMode":"PAY_PER_REQUEST",
    "AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]}"#;

/// Adds an index by the attribute `by`.
const INDEX: &str = r#"{"TableName":"tab","AttributeDefinitions":[{"AttributeName":"by","AttributeType":"S"}],
        "GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"idx","Projection":{"ProjectionType":"ALL"},
        "KeySchema":[{"AttributeName":"by","KeyType":"HASH"}]}}]}"#;

/// Reads that index.
const QUERY: &str = r##"{"TableName":"tab","IndexName":"idx","KeyConditionExpression":"#b = :x","ExpressionAttributeNames":{"#b":"by"},
        "ExpressionAttributeValues":{":x":{"S":"x"}}}"##;

fn put(key: &str) -> String {
    format!(r#"{{"TableName":"tab","Item":{{"pk":{{"S":"{key}"}},"by":{{"S":"x"}}}}}}"#)
}

fn get(key: &str) -> String {
    format!(r#"{{"TableName":"tab","ConsistentRead":true,"Key":{{"pk":{{"S":"{key}"}}}}}}"#)
}

/// SQLite: "The WAL-Reset Bug". Several handles and processes write to one file.
#[test]
fn sqlite_is_later_than_its_bug_that_loses_commits() {
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

/// The handles of a file with a table, and of one in memory.
async fn both() -> (tempfile::TempDir, [Arc<Handles>; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let file = Handles::file(directory.path().join("table").to_str().unwrap()).unwrap();
    let handles = [file, Handles::memory().unwrap()].map(Arc::new);
    for handles in &handles {
        call(handles, "CreateTable", CREATE).await.unwrap();
    }
    (directory, handles)
}

async fn call(handles: &Handles, operation: &str, body: &str) -> Result<String, DynoxideError> {
    run(&*handles.open()?, operation, body).await
}

/// Begins a write that ends when the returned sender is dropped, and waits until it has run `first`.
async fn begin_slow_write(
    open: &Arc<Open>,
    first: impl FnOnce(&Database) + Send + 'static,
) -> (mpsc::Sender<()>, JoinHandle<Result<(), DynoxideError>>) {
    let (begun, has_begun) = oneshot::channel();
    let (release, held) = mpsc::channel::<()>();
    let open = Arc::clone(open);
    let slow = tokio::spawn(async move {
        open.write(move |database| {
            first(database);
            begun.send(()).unwrap();
            let _ = held.recv();
            Ok(())
        })
        .await
    });
    has_begun.await.unwrap();
    (release, slow)
}

async fn has(handles: &Handles, key: &str) -> bool {
    let answer = call(handles, "GetItem", &get(key)).await.unwrap();
    answer.contains("Item")
}

/// Guarantee 65.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_begins_after_a_writes_answer_sees_it() {
    let (_directory, handles) = both().await;
    for handles in handles {
        let clients = (0..8).map(|client| {
            let handles = Arc::clone(&handles);
            tokio::spawn(async move {
                for n in 0..50 {
                    let key = format!("{client}-{n}");
                    call(&handles, "PutItem", &put(&key)).await.unwrap();
                    assert!(has(&handles, &key).await, "{key}");
                }
            })
        });
        for client in futures_util::future::join_all(clients).await {
            client.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_does_not_wait_for_a_long_operation() {
    let (_directory, [handles, _]) = both().await;
    call(&handles, "PutItem", &put("a")).await.unwrap();
    let (release, held) = mpsc::channel::<()>();
    let open = handles.open().unwrap();
    let general = {
        let open = Arc::clone(&open);
        tokio::spawn(async move {
            open.general(move |_| {
                let _ = held.recv();
                Ok(())
            })
            .await
        })
    };
    let read = timeout(Duration::from_secs(10), has(&handles, "a")).await;
    assert!(read.expect("the read waits for the long operation"));
    drop(release);
    general.await.unwrap().unwrap();
}

/// Guarantee 65.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_finishes_although_its_caller_stops_waiting() {
    let (_directory, [handles, _]) = both().await;
    let open = handles.open().unwrap();
    let (release, slow) = begin_slow_write(&open, |_| {}).await;
    // Waits behind the slow one, and is then abandoned.
    let body = put("abandoned");
    let mut abandoned = Box::pin(run(&open, "PutItem", &body));
    assert!(futures_util::poll!(&mut abandoned).is_pending());
    drop(abandoned);
    drop(release);
    slow.await.unwrap().unwrap();
    // In order: when this one has been answered, the abandoned one has been run.
    call(&handles, "PutItem", &put("later")).await.unwrap();
    assert!(has(&handles, "abandoned").await);
}

/// Guarantee 65.
#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_abandoned_writes() {
    let (directory, [handles, _]) = both().await;
    let open = handles.open().unwrap();
    let (release, slow) = begin_slow_write(&open, |_| {}).await;
    let body = put("abandoned");
    let mut abandoned = Box::pin(run(&open, "PutItem", &body));
    assert!(futures_util::poll!(&mut abandoned).is_pending());
    drop(abandoned);
    drop(open);
    slow.abort();
    slow.await.unwrap_err();
    let mut closing = tokio::task::spawn_blocking(move || handles.close());
    let closed = timeout(Duration::from_millis(100), &mut closing).await;
    assert!(closed.is_err(), "it was closed before its writes had ended");
    drop(release);
    closing.await.unwrap();
    let again = Handles::file(directory.path().join("table").to_str().unwrap()).unwrap();
    assert!(has(&again, "abandoned").await);
}

/// Guarantee 65.
#[tokio::test(flavor = "multi_thread")]
async fn no_read_shows_a_write_before_it_is_on_the_disk() {
    let (_directory, [handles, _]) = both().await;
    let open = handles.open().unwrap();
    // Once this has begun, the item is committed, and the disk hasn't been waited for.
    let (release, slow) = begin_slow_write(&open, |database| {
        let request = serde_json::from_str(&put("early")).unwrap();
        database.put_item(request).unwrap();
    })
    .await;
    let mut reading = Box::pin(has(&handles, "early"));
    assert!(futures_util::poll!(&mut reading).is_pending());
    drop(release);
    assert!(reading.await);
    slow.await.unwrap().unwrap();
}

/// Guarantee 65.
#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_error_and_the_next_call_works() {
    let (_directory, [handles, _]) = both().await;
    call(&handles, "PutItem", &put("before")).await.unwrap();
    let open = handles.open().unwrap();
    let write = open.write(|database| -> Result<(), DynoxideError> {
        let request = serde_json::from_str(&put("committed")).unwrap();
        database.put_item(request)?;
        panic!("of this test")
    });
    assert!(write.await.unwrap_err().to_string().contains("panicked"));
    let read = open.read(
        (),
        |_, ()| -> Result<(), DynoxideError> { panic!("of this test") },
        |_, ()| Ok(()),
    );
    assert!(read.await.unwrap_err().to_string().contains("panicked"));
    call(&handles, "PutItem", &put("after")).await.unwrap();
    for key in ["before", "committed", "after"] {
        assert!(has(&handles, key).await, "{key}");
    }
}

/// Guarantee 65.
#[tokio::test(flavor = "multi_thread")]
async fn every_handle_knows_a_changed_definition() {
    let (_directory, handles) = both().await;
    for handles in handles {
        call(&handles, "PutItem", &put("old")).await.unwrap();
        assert!(call(&handles, "Query", QUERY).await.is_err());
        call(&handles, "UpdateTable", INDEX).await.unwrap();
        call(&handles, "PutItem", &put("new")).await.unwrap();
        let found = call(&handles, "Query", QUERY).await.unwrap();
        assert!(found.contains("\"Count\":2"), "{found}");
    }
}

/// Guarantee 65.
#[tokio::test(flavor = "multi_thread")]
async fn every_handle_knows_a_definition_whose_change_was_abandoned() {
    let (_directory, [handles, _]) = both().await;
    // This reader has read the definition.
    assert!(call(&handles, "Query", QUERY).await.is_err());
    let open = handles.open().unwrap();
    let (release, slow) = begin_slow_write(&open, |_| {}).await;
    let mut abandoned = Box::pin(run(&open, "UpdateTable", INDEX));
    assert!(futures_util::poll!(&mut abandoned).is_pending());
    drop(abandoned);
    drop(release);
    slow.await.unwrap().unwrap();
    call(&handles, "PutItem", &put("new")).await.unwrap();
    let found = call(&handles, "Query", QUERY).await.unwrap();
    assert!(found.contains("\"Count\":1"), "{found}");
}

/// Guarantee 65.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_sent_twice_is_run_once() {
    let (_directory, handles) = both().await;
    let add = r#"{"ClientRequestToken":"1","TransactItems":[{"Update":{"TableName":"tab","Key":{"pk":{"S":"n"}},
        "UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}}}}]}"#;
    for handles in handles {
        for _ in 0..2 {
            call(&handles, "TransactWriteItems", add).await.unwrap();
        }
        let item = call(&handles, "GetItem", &get("n")).await.unwrap();
        assert!(item.contains(r#""n":{"N":"1"}"#), "{item}");
    }
}

/// Guarantee 65.
#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_the_writes_that_were_sent_and_refuses_others() {
    let (directory, [handles, _]) = both().await;
    let writes: Vec<_> = (0..20)
        .map(|n| {
            let handles = Arc::clone(&handles);
            tokio::spawn(async move { call(&handles, "PutItem", &put(&n.to_string())).await })
        })
        .collect();
    let begun = Instant::now();
    while !has(&handles, "0").await {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::task::yield_now().await;
    }
    let closing = Arc::clone(&handles);
    tokio::task::spawn_blocking(move || closing.close())
        .await
        .unwrap();
    assert!(call(&handles, "GetItem", &get("0")).await.is_err());
    let mut acknowledged = Vec::new();
    for (n, write) in writes.into_iter().enumerate() {
        if write.await.unwrap().is_ok() {
            acknowledged.push(n.to_string());
        }
    }
    let path = directory.path().join("table");
    let again = Handles::file(path.to_str().unwrap()).unwrap();
    for key in acknowledged {
        assert!(has(&again, &key).await, "{key}");
    }
}
