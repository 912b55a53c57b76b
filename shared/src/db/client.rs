//! The DynamoDB client. It makes each call once: the [store](crate::db::Store) repeats what failed, until the request's
//! deadline ([`retry`](crate::db::retry)).

use aws_config::{Region, SdkConfig, retry::RetryConfig};
use aws_sdk_dynamodb::{
    Client,
    config::{self, BehaviorVersion, Credentials, SharedCredentialsProvider, SharedHttpClient},
};
use aws_smithy_http_client::{Builder, HttpClientError};

use crate::aws;

/// The region of an engine on this machine, which has none.
const REGION: Region = Region::from_static("us-east-1");

/// A function's client: of the environment's region and credentials, or of `endpoint` when one is given.
///
/// A loopback endpoint takes any credentials, so none need be configured for it.
#[must_use]
pub fn connect(aws: &SdkConfig, endpoint: Option<&str>) -> Client {
    made_of(&settings(aws, endpoint))
}

/// A client of these settings that makes each call once.
fn made_of(settings: &SdkConfig) -> Client {
    let config = config::Builder::from(settings).retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

/// The same client, for calls that nobody else repeats: the SDK does.
#[must_use]
pub fn retrying(client: &Client) -> Client {
    let config = client.config().to_builder().retry_config(aws::retries());
    Client::from_conf(config.build())
}

fn settings(aws: &SdkConfig, endpoint: Option<&str>) -> SdkConfig {
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

/// An operator's client: of the region and the credentials that the AWS command line finds, or of `endpoint` when one is
/// given.
///
/// # Errors
/// As [`settings_of_operator`].
pub async fn of_operator(endpoint: Option<&str>) -> Result<Client, HttpClientError> {
    Ok(made_of(&settings_of_operator(endpoint).await?))
}

/// What [`of_operator`] makes its client of.
///
/// For a loopback endpoint nothing is looked for, neither region nor credentials nor a proxy: not in the environment, not in
/// files, and not at any other address, such as the instance metadata service's.
///
/// # Errors
/// When rustls takes none of the system's roots.
pub async fn settings_of_operator(endpoint: Option<&str>) -> Result<SdkConfig, HttpClientError> {
    match endpoint {
        Some(endpoint) if is_loopback(endpoint) => {
            let http = if endpoint.starts_with("https:") {
                aws::https_with_system_roots()?
            } else {
                Builder::new().build_http()
            };
            Ok(settings_of_loopback(endpoint, http))
        }
        _ => Ok(settings(&aws::operator_config().await?, endpoint)),
    }
}

/// A client of an endpoint on this machine: plain HTTP, any credentials.
#[must_use]
pub fn local(endpoint: &str) -> Client {
    Client::new(&settings_of_loopback(endpoint, Builder::new().build_http()))
}

fn settings_of_loopback(endpoint: &str, http: SharedHttpClient) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(REGION)
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
        .endpoint_url(endpoint)
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        .timeout_config(aws::timeouts())
        .build()
}

/// Whether `endpoint` is on this machine.
fn is_loopback(endpoint: &str) -> bool {
    let host = url::Url::parse(endpoint);
    match host.as_ref().ok().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name) == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// The SDK signs every request; an engine on this machine reads no signature.
fn credentials() -> Credentials {
    Credentials::new("local", "local", None, None, "local")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_on_this_machine_by_its_address_or_by_the_name_localhost() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(&format!("http://{host}:8000")), "{host}");
            assert!(is_loopback(&format!("https://{host}/")), "{host}");
        }
        for host in [
            "localhost.example.com",
            "example.com",
            "0.0.0.0",
            "10.0.0.1",
            "[::2]",
            "db.localhost",
        ] {
            assert!(!is_loopback(&format!("http://{host}:8000")), "{host}");
        }
        assert!(!is_loopback("localhost:8000"));
        assert!(!is_loopback("http://localhost@example.com"));
    }
}
