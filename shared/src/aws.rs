//! The settings of every client of an AWS service: region, credentials, TLS, and the retries and timeouts of a request that
//! must be answered within seconds.

pub mod client;

use std::{env, fmt, time::Duration};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, environment::EnvironmentVariableCredentialsProvider,
    retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_sdk_dynamodb::config::{SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::{
    Builder, Connector, HttpClientError,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    connector_metadata::ConnectorMetadata,
    http::{HttpClient, HttpConnectorSettings, SharedHttpConnector},
    runtime_components::RuntimeComponents,
};

/// The five roots of Amazon Trust Services. It recommends all of them for a custom trust store
/// (<https://www.amazontrust.com/repository/>).
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// Root certificates that rustls doesn't accept. Its text is one sentence that names the variables that choose them.
///
/// A function that can't start prints its error with `Debug`, so that is the same sentence.
pub struct RootsError(HttpClientError);

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the root certificates can't be used: {}; SSL_CERT_FILE and SSL_CERT_DIR, if they are set, must name PEM certificates",
            self.0
        )
    }
}

impl fmt::Debug for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for RootsError {}

/// Returns the settings of a Lambda function: region and credentials from Lambda's environment variables, and trust in
/// Amazon's roots only. No file is read and nothing is searched for, which would take time at a cold start.
///
/// The system's roots are used instead where Amazon's don't suffice: if `SSL_CERT_FILE` or `SSL_CERT_DIR` is set, and in
/// China's regions, whose certificates aren't from Amazon Trust Services.
///
/// # Errors
/// Returns an error if rustls doesn't accept the roots.
pub fn function_config() -> Result<SdkConfig, RootsError> {
    let region = env::var("AWS_REGION").ok();
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region.map(Region::new))
        .credentials_provider(SharedCredentialsProvider::new(
            EnvironmentVariableCredentialsProvider::new(),
        ))
        .http_client(https(roots_of_function())?)
        .retry_config(retries())
        .timeout_config(timeouts());
    Ok(config.build())
}

/// Returns a connector with the trust of [`function_config`], for calls that no client of the SDK makes.
///
/// # Errors
/// Returns an error if rustls doesn't accept the roots.
pub fn function_connector() -> Result<SharedHttpConnector, RootsError> {
    let connector = Connector::builder()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(trusting(roots_of_function())?);
    Ok(SharedHttpConnector::new(connector.build()))
}

/// Returns the roots that a Lambda function trusts.
fn roots_of_function() -> TrustStore {
    let region = env::var("AWS_REGION").ok();
    if trusts_the_system(region.as_deref(), |name| env::var_os(name).is_some()) {
        TrustStore::default()
    } else {
        TrustStore::empty().with_pem_certificate(AMAZON_ROOTS)
    }
}

/// Returns whether a function needs the system's roots, by its region and its environment variables.
fn trusts_the_system(region: Option<&str>, is_set: impl Fn(&str) -> bool) -> bool {
    ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(is_set)
        || region.is_some_and(|region| region.starts_with("cn-"))
}

/// Returns the settings of an operator's command: region and credentials from the same places as the AWS command line, and
/// the system's roots.
///
/// # Errors
/// Returns an error if rustls doesn't accept the roots.
pub async fn operator_config() -> Result<SdkConfig, RootsError> {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(https_with_system_roots()?)
        .retry_config(retries())
        .timeout_config(timeouts());
    Ok(loader.load().await)
}

/// Returns an HTTPS client that trusts the system's roots.
pub(crate) fn https_with_system_roots() -> Result<SharedHttpClient, RootsError> {
    https(TrustStore::default())
}

/// Returns the HTTPS client that all clients of one configuration share.
fn https(roots: TrustStore) -> Result<SharedHttpClient, RootsError> {
    // ring instead of aws-lc: it needs no C build beyond its own assembly, TLS, tokens and cursors share one library, and a
    // cold start saves the 60–90 ms that aws-lc's CPU-jitter entropy takes before the first handshake.
    let tls = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    Ok(SharedHttpClient::new(LazyHttpClient(
        tls.tls_context(trusting(roots)?).build_https(),
    )))
}

fn trusting(roots: TrustStore) -> Result<TlsContext, RootsError> {
    let context = TlsContext::builder().with_trust_store(roots);
    context.build().map_err(RootsError)
}

/// An HTTP client that creates its connector for the first request, not earlier.
///
/// The SDK's own client also creates one when a service's client is created, discards it, and creates it again for the first
/// request. It caches the system's roots, but parses those of a custom trust store twice.
#[derive(Debug)]
struct LazyHttpClient(SharedHttpClient);

impl HttpClient for LazyHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    // `validate_base_client_config`, which creates the connector that is discarded, isn't forwarded. The SDK's own
    // `validate_final_config` does nothing.

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

/// Returns the retry settings. AWS answers in milliseconds, so the first retry needn't wait the SDK's default second.
pub(crate) fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(5)
        .with_initial_backoff(Duration::from_millis(25))
        .with_max_backoff(Duration::from_secs(1))
}

/// Returns the timeouts. One attempt is long enough for a slow partition and short enough for several within a request's
/// deadline.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(9))
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use aws_sdk_dynamodb::{
        Client,
        config::{Config, ConfigBag, Credentials},
    };
    use aws_smithy_runtime_api::{box_error::BoxError, client::runtime_components::RuntimeComponentsBuilder};
    use rustls_pki_types::{CertificateDer, pem::PemObject as _};
    use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

    use super::*;

    #[test]
    fn amazons_roots_are_five_of_those_that_browsers_trust() {
        let roots: Vec<_> = CertificateDer::pem_slice_iter(AMAZON_ROOTS)
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(roots.len(), 5);
        for (n, root) in roots.iter().enumerate() {
            let text = String::from_utf8_lossy(root);
            assert!(text.contains(["Amazon Root CA", "Starfield Services Root"][n / 4]));
            assert!(TLS_SERVER_ROOT_CERTS.contains(root), "the root number {n}");
            assert!(!roots[..n].contains(root), "the root number {n} is there twice");
        }
    }

    #[test]
    fn the_systems_roots_are_for_china_and_whoever_asks() {
        let none = |_: &str| false;
        assert!(!trusts_the_system(None, none));
        assert!(!trusts_the_system(Some("eu-central-1"), none));
        assert!(trusts_the_system(Some("cn-north-1"), none));
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            assert!(trusts_the_system(Some("eu-central-1"), |name| name == variable));
        }
    }

    /// Counts the connectors that are created from it.
    #[derive(Debug)]
    struct Counting(SharedHttpClient, Arc<AtomicUsize>);

    impl HttpClient for Counting {
        fn http_connector(
            &self,
            settings: &HttpConnectorSettings,
            components: &RuntimeComponents,
        ) -> SharedHttpConnector {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.http_connector(settings, components)
        }

        fn validate_base_client_config(
            &self,
            _: &RuntimeComponentsBuilder,
            _: &ConfigBag,
        ) -> Result<(), BoxError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_connector_is_made_for_a_request_and_not_for_a_client() {
        let made = Arc::new(AtomicUsize::new(0));
        let http = SharedHttpClient::new(Counting(Builder::new().build_http(), Arc::clone(&made)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
            .retry_config(RetryConfig::disabled())
            .http_client(SharedHttpClient::new(LazyHttpClient(http)));
        let client = Client::from_conf(config.build());
        assert_eq!(made.load(Ordering::Relaxed), 0);
        // The connection is refused: nothing listens.
        drop(listener);
        assert!(client.list_tables().send().await.is_err());
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }
}
