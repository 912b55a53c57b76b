//! The DynamoDB client.

use aws_config::{Region, SdkConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Builder, Config, Credentials},
};

use crate::aws;

/// A client of the environment's region and credentials, or of `endpoint` when one is given.
///
/// A loopback endpoint takes any credentials, so none need be configured for it.
#[must_use]
pub fn connect(aws: &SdkConfig, endpoint: Option<&str>) -> Client {
    let mut config = Builder::from(aws);
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
        if is_loopback(endpoint) {
            config = on_this_machine(config);
        }
    }
    Client::from_conf(config.build())
}

/// A client of an endpoint on this machine: plain HTTP, any credentials.
#[must_use]
pub fn local(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(aws::retries())
        .timeout_config(aws::timeouts());
    Client::from_conf(on_this_machine(config).build())
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
fn on_this_machine(config: Builder) -> Builder {
    config
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
}
