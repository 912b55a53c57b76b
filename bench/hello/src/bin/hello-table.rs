//! The smallest function that reads a table: one GetItem for each request, with the simplest client.

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::{Error, Request, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = hello::client()?;
    let table = std::env::var("TABLE_NAME")?;
    run(service_fn(|_: Request| async {
        let item = client
            .get_item()
            .table_name(&table)
            .key("pk", AttributeValue::S("MOVIES#0".into()))
            .key("sk", AttributeValue::S("0000000000000001".into()))
            .consistent_read(true)
            .send()
            .await?;
        Ok::<_, Error>(if item.item.is_some() { "hello" } else { "nothing" })
    }))
    .await
}
