//! The least function that reads a table: one GetItem for each request, through a client made as plainly as it can be. For
//! `?calls=8,1` it makes eight side by side and then one more, to stand beside a request that makes as many.

use aws_config::{BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider};
use aws_sdk_dynamodb::{Client, config::SharedCredentialsProvider, types::AttributeValue};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use futures_util::future::try_join_all;
use lambda_http::{Error, Request, RequestExt as _, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let https = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(std::env::var("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(
            EnvironmentVariableCredentialsProvider::new(),
        ))
        .http_client(https);
    if let Ok(endpoint) = std::env::var("DYNAMODB_ENDPOINT") {
        config = config.endpoint_url(endpoint);
    }
    let client = Client::new(&config.build());
    let table = std::env::var("TABLE_NAME")?;
    run(service_fn(|request: Request| {
        let (client, table) = (&client, &table);
        async move {
            let parameters = request.query_string_parameters();
            for calls in parameters.first("calls").unwrap_or("1").split(',') {
                let calls = (0..calls.parse()?).map(|_: usize| get(client, table));
                try_join_all(calls).await?;
            }
            Ok::<_, Error>("hello")
        }
    }))
    .await
}

async fn get(client: &Client, table: &str) -> Result<(), Error> {
    let item = client
        .get_item()
        .table_name(table)
        .key("pk", AttributeValue::S("MOVIES#0".into()))
        .key("sk", AttributeValue::S("0000000000000001".into()))
        .consistent_read(true)
        .send()
        .await?;
    item.item.map(|_| ()).ok_or_else(|| "no item".into())
}
