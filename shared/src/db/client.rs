//! The DynamoDB client. It makes each call once: the [store](crate::db::Store) repeats what failed, until the request's
//! deadline ([`retry`](crate::db::retry)).

use aws_config::{Region, SdkConfig, retry::RetryConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{self, BehaviorVersion, Config, Credentials, SharedCredentialsProvider},
};

use crate::aws;

/// The region of an engine on this machine, which has none.
const REGION: Region = Region::from_static("us-east-1");

/// A client of the environment's region and credentials, or of `endpoint` when one is given.
///
/// A loopback endpoint takes any credentials, so none need be configured for it.
#[must_use]
pub fn connect(aws: &SdkConfig, endpoint: Option<&str>) -> Client {
    let config = config::Builder::from(&settings(aws, endpoint)).retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

/// The same client, for calls that nobody else repeats: the SDK does.
#[must_use]
pub fn retrying(client: &Client) -> Client {
    let config = client.config().to_builder().retry_config(aws::retries());
    Client::from_conf(config.build())
}

/// What [`connect`] makes its client of.
#[must_use]
pub fn settings(aws: &SdkConfig, endpoint: Option<&str>) -> SdkConfig {
    let Some(endpoint) = endpoint else {
        return aws.clone();
    };
    let settings = aws.clone().into_builder().endpoint_url(endpoint);
    if !is_loopback(endpoint) {
        return settings.build();
    }
    settings
        .region(REGION)
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
        .build()
}

/// A client of an endpoint on this machine: plain HTTP, any credentials.
#[must_use]
pub fn local(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(REGION)
        .credentials_provider(credentials())
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(aws::timeouts())
        .build();
    Client::from_conf(config)
}

/// Whether `endpoint` is on this machine.
fn is_loopback(endpoint: &str) -> bool {
    let host = url::Url::parse(endpoint);
    match host.as_ref().ok().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The SDK signs every request; an engine on this machine reads no signature.
fn credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "local")
}
