//! The SDK client: timeouts, retries and TLS, chosen for a request that must be answered within seconds.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::{Client, config::Credentials};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// A client of the environment's region and credentials, or of `endpoint` when one is given.
pub async fn connect(endpoint: Option<&str>) -> Client {
    Client::new(&settings(endpoint).await)
}

/// What [`connect`] makes its client of.
///
/// A loopback endpoint takes any credentials, so none need be configured for it.
pub async fn settings(endpoint: Option<&str>) -> SdkConfig {
    // ring and not aws-lc: no C build beyond its own assembly, one library for TLS, tokens and cursors, and none of
    // the 60–90 ms that aws-lc's CPU-jitter entropy takes before the first handshake of a cold start.
    let https = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(https)
        .retry_config(retries())
        .timeout_config(timeouts());
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
        if is_loopback(endpoint) {
            loader = loader
                .region(Region::from_static("us-east-1"))
                .credentials_provider(local_credentials());
        }
    }
    loader.load().await
}

/// A client of an endpoint on this machine: plain HTTP, any credentials.
#[must_use]
pub fn local(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(local_credentials())
        .endpoint_url(endpoint)
        .http_client(Builder::new().build_http())
        .retry_config(retries())
        .timeout_config(timeouts())
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
fn local_credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "local")
}

/// DynamoDB answers in milliseconds, so the first retry needn't wait the SDK's default second.
fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(5)
        .with_initial_backoff(Duration::from_millis(25))
        .with_max_backoff(Duration::from_secs(1))
}

/// One attempt may take long enough for a slow partition, and short enough for several within a request's deadline.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(9))
        .build()
}
