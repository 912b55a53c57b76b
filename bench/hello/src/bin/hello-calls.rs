//! A bare function that makes the calls that its request names, and ignores the responses. For
//! `?calls=Query,Query-BatchGetItem` it sends two Queries in parallel, then a BatchGetItem. It is compared with a request
//! that makes the same calls.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem},
};
use futures_util::future::try_join_all;
use lambda_http::{Error, Request, RequestExt as _, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = hello::client()?;
    let table = std::env::var("TABLE_NAME")?;
    run(service_fn(|request: Request| {
        let (client, table) = (&client, &table);
        async move {
            let parameters = request.query_string_parameters();
            for calls in parameters.first("calls").unwrap_or_default().split('-') {
                try_join_all(calls.split(',').map(|name| call(client, table, name))).await?;
            }
            Ok::<_, Error>("hello")
        }
    }))
    .await
}

async fn call(client: &Client, table: &str, operation: &str) -> Result<(), Error> {
    let (pk, sk) = (text("MOVIES#0"), text("0000000000000001"));
    let key = || HashMap::from([("pk".to_owned(), pk.clone()), ("sk".to_owned(), sk.clone())]);
    match operation {
        "GetItem" => {
            let get = client.get_item().table_name(table).set_key(Some(key()));
            get.consistent_read(true).send().await?;
        }
        "Query" => {
            let query = client.query().table_name(table);
            let query = query.key_condition_expression("pk = :pk");
            query.expression_attribute_values(":pk", pk).send().await?;
        }
        "BatchGetItem" => {
            let keys = KeysAndAttributes::builder().keys(key()).build()?;
            client.batch_get_item().request_items(table, keys).send().await?;
        }
        "UpdateItem" => {
            let update = client.update_item().table_name(table).set_key(Some(key()));
            update.update_expression("REMOVE nothing").send().await?;
        }
        "PutItem" => {
            let put = client.put_item().table_name(table).set_item(Some(key()));
            put.send().await?;
        }
        "TransactWriteItems" => {
            let put = Put::builder().table_name(table).set_item(Some(key())).build()?;
            let put = TransactWriteItem::builder().put(put).build();
            client.transact_write_items().transact_items(put).send().await?;
        }
        _ => return Err(format!("the bare function can't make a {operation}").into()),
    }
    Ok(())
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.into())
}
