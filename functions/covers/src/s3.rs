//! HTTP for S3, by the connector that the function's other calls use. So one TLS library and one set of roots is in the binary.

use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use object_store::{
    ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService},
};
use tokio::time::timeout;

/// The time limit of a call, several of which fit into the deadline of a request.
const CALL_WITHIN: Duration = Duration::from_secs(4);

/// Makes the calls of an object store.
#[derive(Clone, Debug)]
pub(crate) struct Connector(pub(crate) SharedHttpConnector);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// An answer that is no HTTP response. Its text has no address, because covers have secret ones.
#[derive(Debug)]
struct Failed(&'static str);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Failed {}

fn failed(kind: HttpErrorKind, text: &'static str) -> HttpError {
    HttpError::new(kind, Failed(text))
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let unreadable = |_| failed(HttpErrorKind::Request, "the request can't be sent");
        let body = body.collect().await.map_err(unreadable)?.to_bytes();
        let request = http::Request::from_parts(parts, SdkBody::from(body));
        let request = orchestrator::HttpRequest::try_from(request)
            .map_err(|_| failed(HttpErrorKind::Unknown, "the request isn't one"))?;
        let answered = timeout(CALL_WITHIN, async {
            let response = self.0.call(request).await;
            let response = response.map_err(|_| failed(HttpErrorKind::Connect, "no connection"))?;
            let response = response
                .try_into_http1x()
                .map_err(|_| failed(HttpErrorKind::Decode, "the response isn't one"))?;
            let (parts, body) = response.into_parts();
            let body: Bytes = body
                .collect()
                .await
                .map_err(|_| failed(HttpErrorKind::Interrupted, "the response was cut off"))?
                .to_bytes();
            Ok(http::Response::from_parts(parts, body.into()))
        });
        let late = |_| failed(HttpErrorKind::Timeout, "no response in time");
        answered.await.map_err(late)?
    }
}
