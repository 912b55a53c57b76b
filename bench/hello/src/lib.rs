//! The DynamoDB client of the bare functions.

use std::env::{self, VarError};

use aws_config::{BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider};
use aws_sdk_dynamodb::{Client, config::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// Returns the simplest client, with the region and the credentials of the environment. It uses `DYNAMODB_ENDPOINT` if that
/// is set.
///
/// # Errors
/// Returns an error if the environment has no region.
pub fn client() -> Result<Client, VarError> {
    let https = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env::var("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(
            EnvironmentVariableCredentialsProvider::new(),
        ))
        .http_client(https);
    if let Ok(endpoint) = env::var("DYNAMODB_ENDPOINT") {
        config = config.endpoint_url(endpoint);
    }
    Ok(Client::new(&config.build()))
}
