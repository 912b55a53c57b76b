//! What calls need, and what the guard does with them.

use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, DeleteRequest, KeysAndAttributes, Put, PutRequest, Update,
};
use marquee_shared::{
    aws::client,
    clock::Clock,
    db::{Key, Store, keys},
    error::Error,
};

use super::*;
use crate::{server::TEMPLATE, template::Template};

fn guard(function: &str) -> Guard {
    let template = Template::parse(TEMPLATE).unwrap();
    let role = template.roles[function].clone();
    Guard::new(function, role, "marquee", &template.table)
}

/// What a call needs, as displayed. The needs don't depend on the function.
fn needs(call: impl fmt::Debug + Send + Sync + 'static) -> Result<Vec<String>, &'static str> {
    let needs = guard("docs").0.needs(&Input::erase(call))?;
    Ok(needs.iter().map(ToString::to_string).collect())
}

fn item(pk: &str) -> Attributes {
    Key::new(pk, "1").attributes()
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.into())
}

#[test]
fn a_call_for_one_item_needs_its_own_action_on_the_table() {
    let get = GetItemInput::builder()
        .table_name("marquee")
        .set_key(Some(item("KEYS")));
    assert_eq!(
        needs(get.build().unwrap()).unwrap(),
        ["dynamodb:GetItem on table for KEYS"]
    );
    let put = PutItemInput::builder()
        .table_name("marquee")
        .set_item(Some(item("A#1")));
    assert_eq!(
        needs(put.build().unwrap()).unwrap(),
        ["dynamodb:PutItem on table for A#*"]
    );
    let update = UpdateItemInput::builder()
        .table_name("marquee")
        .set_key(Some(item("A#1")));
    assert_eq!(
        needs(update.build().unwrap()).unwrap(),
        ["dynamodb:UpdateItem on table for A#*"]
    );
    let delete = DeleteItemInput::builder()
        .table_name("marquee")
        .set_key(Some(item("A#1")));
    assert_eq!(
        needs(delete.build().unwrap()).unwrap(),
        ["dynamodb:DeleteItem on table for A#*"]
    );
}

#[test]
fn a_query_needs_the_value_of_its_own_indexs_partition_key() {
    let query = |index: Option<&str>, condition: &str| {
        let query = QueryInput::builder()
            .table_name("marquee")
            .set_index_name(index.map(str::to_owned))
            .key_condition_expression(condition)
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_names("#dated", "dated")
            .expression_attribute_values(":a", text("A#1"))
            .expression_attribute_values(":b", text("B"));
        needs(query.build().unwrap())
    };
    for condition in [
        "#pk = :a",
        "#pk=:a",
        "pk = :a AND sk = :b",
        "(#pk = :a) AND (#sk BETWEEN :b AND :b)",
        "#sk BETWEEN :b AND :b AND #pk = :a",
        "begins_with(#sk, :b) AND #pk = :a",
    ] {
        assert_eq!(
            query(None, condition).unwrap(),
            ["dynamodb:Query on table for A#*"],
            "{condition}"
        );
    }
    assert_eq!(
        query(Some("by-date"), "#dated = :b AND #pk = :a").unwrap(),
        ["dynamodb:Query on index/by-date for B"]
    );
    for (index, condition) in [
        (None, "#dated = :b"),
        (None, "#pk >= :a"),
        (None, "#pk = :a AND #pk = :b"),
        (None, "#pk = :c"),
        (None, "#pk = :a and sk = :b"),
        (Some("by-date"), "#pk = :a"),
        (Some("by-name"), "#pk = :a"),
    ] {
        assert!(query(index, condition).is_err(), "{index:?} {condition}");
    }
}

#[test]
fn a_batch_needs_its_action_for_all_its_keys_together() {
    let wanted = ["A#1", "B", "A#2"].map(item).to_vec();
    let wanted = KeysAndAttributes::builder()
        .set_keys(Some(wanted))
        .build()
        .unwrap();
    let get = BatchGetItemInput::builder().request_items("marquee", wanted);
    assert_eq!(
        needs(get.build().unwrap()).unwrap(),
        ["dynamodb:BatchGetItem on table for A#* B"]
    );
    let put = PutRequest::builder().set_item(Some(item("A#1"))).build().unwrap();
    let delete = DeleteRequest::builder().set_key(Some(item("B"))).build().unwrap();
    let writes = vec![
        WriteRequest::builder().put_request(put).build(),
        WriteRequest::builder().delete_request(delete).build(),
    ];
    let write = BatchWriteItemInput::builder().request_items("marquee", writes);
    assert_eq!(
        needs(write.build().unwrap()).unwrap(),
        ["dynamodb:BatchWriteItem on table for A#* B"]
    );
    let empty =
        BatchWriteItemInput::builder().request_items("marquee", vec![WriteRequest::builder().build()]);
    assert!(needs(empty.build().unwrap()).is_err());
}

#[test]
fn a_transaction_needs_each_of_its_actions_for_all_their_keys_together() {
    let put = |pk| {
        Put::builder()
            .table_name("marquee")
            .set_item(Some(item(pk)))
            .build()
            .unwrap()
    };
    let update = Update::builder()
        .table_name("marquee")
        .set_key(Some(item("C#1")))
        .update_expression("SET a = :a");
    let delete = Delete::builder().table_name("marquee").set_key(Some(item("D")));
    let check = ConditionCheck::builder()
        .table_name("marquee")
        .set_key(Some(item("E")))
        .condition_expression("attribute_exists(pk)");
    let member = TransactWriteItem::builder;
    let transaction = TransactWriteItemsInput::builder()
        .transact_items(member().put(put("B")).build())
        .transact_items(member().update(update.build().unwrap()).build())
        .transact_items(member().put(put("A#1")).build())
        .transact_items(member().delete(delete.build().unwrap()).build())
        .transact_items(member().condition_check(check.build().unwrap()).build());
    assert_eq!(
        needs(transaction.build().unwrap()).unwrap(),
        [
            "dynamodb:ConditionCheckItem on table for E",
            "dynamodb:DeleteItem on table for D",
            "dynamodb:PutItem on table for A#* B",
            "dynamodb:UpdateItem on table for C#*",
        ]
    );
    let nothing = TransactWriteItemsInput::builder().transact_items(member().build());
    assert!(needs(nothing.build().unwrap()).is_err());
}

#[test]
fn a_call_that_cannot_be_read_is_refused() {
    let other = GetItemInput::builder()
        .table_name("other")
        .set_key(Some(item("KEYS")));
    assert_eq!(needs(other.build().unwrap()), Err("a call to another table"));
    for key in ["ripley@example.com", "ripley#1", ""] {
        let get = GetItemInput::builder()
            .table_name("marquee")
            .set_key(Some(item(key)));
        assert_eq!(
            needs(get.build().unwrap()),
            Err("a partition key that can't be read"),
            "{key}"
        );
    }
    let scan = aws_sdk_dynamodb::operation::scan::ScanInput::builder().table_name("marquee");
    assert!(needs(scan.build().unwrap()).is_err());
}

/// No server listens at the client's endpoint. A call with another error than a failed connection was refused before.
fn store(guard: &Guard) -> Store {
    let client = guard.client(&client::local("http://127.0.0.1:9"));
    Store::new(client, "marquee", Clock::default())
}

#[tokio::test]
async fn a_call_that_the_role_lacks_fails_before_it_is_sent_and_is_reported_without_its_key() {
    let guard = guard("movies");
    let store = store(&guard);
    let error = store.get(&keys::login("ripley@example.com")).await.unwrap_err();
    assert!(matches!(error, Error::Internal(_)), "{error:?}");
    let seen = guard.seen();
    let refusals: Vec<&str> = seen.refusals.iter().map(String::as_str).collect();
    assert_eq!(
        refusals,
        ["GetItem by movies: its role doesn't allow dynamodb:GetItem on table for LOGIN#*"]
    );
    assert_eq!(seen.needs.len(), 1);
    let scan = store.client.scan().table_name("marquee").send().await;
    assert!(scan.unwrap_err().as_service_error().is_none());
    assert!(
        guard
            .seen()
            .refusals
            .contains("Scan by movies: not an operation that can be allowed by partition key")
    );
}

#[tokio::test]
async fn a_call_that_the_role_allows_is_sent_and_recorded() {
    let guard = guard("movies");
    let error = store(&guard).get(&keys::genre("drama")).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let seen = guard.seen();
    let needs: Vec<String> = seen.needs.iter().map(ToString::to_string).collect();
    assert_eq!(needs, ["dynamodb:GetItem on table for GENRES"]);
    assert!(seen.refusals.is_empty());
}
