//! The clients of DynamoDB: a function's, an operator's, and one for an endpoint on this machine.
//!
//! They make each call once, because the [store](crate::db::Store) itself retries ([`retry`](crate::db::retry)).

use aws_config::{Region, SdkConfig, retry::RetryConfig};
use aws_runtime::user_agent::UserAgentInterceptor;
use aws_sdk_dynamodb::{
    Client,
    config::{
        self, BehaviorVersion, ConfigBag, Credentials, Intercept, RuntimeComponents,
        SharedCredentialsProvider, SharedHttpClient, StalledStreamProtectionConfig,
    },
};
use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::interceptors::{
        context::{BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut},
        disable_interceptor,
    },
};
use aws_smithy_types::retry::ReconnectMode;

use crate::{
    aws::{self, RootsError},
    db::answer::DecodesAnswers,
};

/// The region for an engine on this machine. The SDK needs one, and the engine ignores it.
const REGION: Region = Region::from_static("us-east-1");

/// A function's client, for the region and credentials of its environment. With `endpoint`, its calls go there.
///
/// A loopback endpoint accepts any credentials, so for it none need to be configured.
#[must_use]
pub fn connect(aws: &SdkConfig, endpoint: Option<&str>) -> Client {
    made_of(&settings(aws, endpoint))
}

/// A client with these settings that makes each call once, and lets the store decode what it reads.
fn made_of(settings: &SdkConfig) -> Client {
    Client::from_conf(config_of(settings).build())
}

fn config_of(settings: &SdkConfig) -> config::Builder {
    config::Builder::from(settings)
        .retry_config(RetryConfig::disabled())
        // The time limit of an attempt is shorter than the SDK's grace for a stalled stream.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .interceptor(PlainUserAgent)
        .interceptor(DecodesAnswers)
}

/// Sends a constant as `User-Agent`. The SDK's own lists versions and the features that a call uses; it is composed for each
/// call, which takes a twentieth of the call's instructions.
#[derive(Debug)]
struct PlainUserAgent;

impl Intercept for PlainUserAgent {
    fn name(&self) -> &'static str {
        "PlainUserAgent"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let own = disable_interceptor::<UserAgentInterceptor>("a constant is sent");
        cfg.interceptor_state().store_put(own);
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context
            .request_mut()
            .headers_mut()
            .insert("user-agent", "marquee");
        Ok(())
    }
}

/// The same client, but the SDK retries its calls. For calls that are not made by the store.
#[must_use]
pub fn retrying(client: &Client) -> Client {
    let config = client.config();
    let reconnect_mode = config.retry_config().map(RetryConfig::reconnect_mode);
    let retries = aws::retries()
        .with_reconnect_mode(reconnect_mode.unwrap_or(ReconnectMode::ReconnectOnTransientError));
    Client::from_conf(config.to_builder().retry_config(retries).build())
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

/// An operator's client, for the region and credentials that the AWS command line finds. With `endpoint`, its calls go
/// there.
///
/// # Errors
/// As [`settings_of_operator`].
pub async fn of_operator(endpoint: Option<&str>) -> Result<Client, RootsError> {
    Ok(made_of(&settings_of_operator(endpoint).await?))
}

/// The settings of [`of_operator`].
///
/// For a loopback endpoint no region, credentials or proxy are looked up: not in the environment, not in files, and not at
/// another address such as the instance metadata service's.
///
/// # Errors
/// If rustls accepts none of the system's root certificates.
pub async fn settings_of_operator(endpoint: Option<&str>) -> Result<SdkConfig, RootsError> {
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

/// A client for an endpoint on this machine, over plain HTTP and with made-up credentials.
#[must_use]
pub fn local(endpoint: &str) -> Client {
    made_of(&settings_of_loopback(endpoint, Builder::new().build_http()))
}

/// A client with made-up credentials whose requests `http` answers, whatever their address.
#[must_use]
pub fn in_process(http: SharedHttpClient) -> Client {
    // There is no connection that the SDK could close after an error.
    let retries = RetryConfig::disabled().with_reconnect_mode(ReconnectMode::ReuseAllConnections);
    let config = config_of(&settings_of_loopback("http://localhost", http));
    Client::from_conf(config.retry_config(retries).build())
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
#[must_use]
pub fn is_loopback(endpoint: &str) -> bool {
    let host = url::Url::parse(endpoint);
    match host.as_ref().ok().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name) == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// Made-up credentials. The SDK signs every request, but an engine on this machine doesn't check the signature.
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

    #[test]
    fn every_client_lets_the_store_decode_what_it_reads_and_makes_each_call_once() {
        let http = Builder::new().build_http();
        let aws = settings_of_loopback("http://localhost", http.clone());
        for client in [connect(&aws, None), local("http://localhost"), in_process(http)] {
            let config = client.config();
            let mut interceptors = config
                .interceptors()
                .map(|interceptor| interceptor.name().to_owned());
            assert!(interceptors.any(|name| name == DecodesAnswers.name()));
            assert_eq!(config.retry_config().map(RetryConfig::max_attempts), Some(1));
        }
    }
}
