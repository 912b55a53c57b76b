//! What every client of an AWS service has in common: TLS, retries and timeouts, chosen for a request that must be
//! answered within seconds.

use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

/// The environment's region and credentials, with one HTTPS connector for all clients that are made of it.
pub async fn config() -> SdkConfig {
    // ring and not aws-lc: no C build beyond its own assembly, one library for TLS, tokens and cursors, and none of
    // the 60–90 ms that aws-lc's CPU-jitter entropy takes before the first handshake of a cold start.
    let https = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(https)
        .retry_config(retries())
        .timeout_config(timeouts())
        .load()
        .await
}

/// AWS answers in milliseconds, so the first retry needn't wait the SDK's default second.
pub(crate) fn retries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(5)
        .with_initial_backoff(Duration::from_millis(25))
        .with_max_backoff(Duration::from_secs(1))
}

/// One attempt may take long enough for a slow partition, and short enough for several within a request's deadline.
pub(crate) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(9))
        .build()
}
