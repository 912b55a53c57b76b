//! Calls of the engine within the process: the SDK hands its HTTP request to this connector, which answers it without a
//! socket. What the SDK does before and after, such as limiting times and reading errors, stays as it is on AWS. Only the
//! signature is left out: it takes a tenth of the time of a request, and nobody reads it.

use std::{fmt, sync::Arc};

use aws_sdk_dynamodb::{
    Client,
    config::{
        ConfigBag, RuntimeComponents, SharedHttpClient,
        auth::{Params, ResolveAuthScheme},
        http::{HttpRequest, HttpResponse},
    },
};
use aws_smithy_runtime_api::client::{
    auth::{AuthSchemeId, AuthSchemeOption, AuthSchemeOptionsFuture},
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    result::ConnectorError,
};
use bytes::Bytes;
use http::Response;
use marquee_shared::aws::client;
use tokio::task::coop::consume_budget;

use super::{
    answer::Failure,
    calls::{Calls, MAX_BODY, operation_of, too_large},
};

/// A client whose requests are answered by the engine.
pub(super) fn client(calls: Arc<Calls>) -> Client {
    let http = InProcess(SharedHttpConnector::new(Connector(calls)));
    let client = client::in_process(SharedHttpClient::new(http));
    let unsigned = client.config().to_builder();
    Client::from_conf(unsigned.allow_no_auth().auth_scheme_resolver(Unsigned).build())
}

/// Chooses for each operation not to sign its request.
#[derive(Debug)]
struct Unsigned;

impl ResolveAuthScheme for Unsigned {
    fn resolve_auth_scheme<'a>(
        &'a self,
        _: &'a Params,
        _: &'a ConfigBag,
        _: &'a RuntimeComponents,
    ) -> AuthSchemeOptionsFuture<'a> {
        let unsigned = AuthSchemeOption::from(AuthSchemeId::new("noAuth"));
        AuthSchemeOptionsFuture::ready(Ok(vec![unsigned]))
    }
}

#[derive(Debug)]
struct InProcess(SharedHttpConnector);

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.0.clone()
    }
}

#[derive(Clone)]
struct Connector(Arc<Calls>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let calls = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            // Most answers are ready without a wait. Without this, a task that makes many calls would keep all other tasks of
            // its thread waiting.
            consume_budget().await;
            let answer = run(&calls, &request).await;
            response(answer.unwrap_or_else(|failure| failure.answer()))
        })
    }
}

async fn run(calls: &Calls, request: &HttpRequest) -> Result<Response<Bytes>, Failure> {
    let operation = operation_of(request.headers().get("x-amz-target"))?;
    // The SDK has the whole body of each of DynamoDB's operations in memory.
    let body = request.body().bytes().unwrap_or_default();
    if body.len() > MAX_BODY {
        return Err(too_large());
    }
    calls.run(operation, body).await
}

/// The answer in the SDK's form.
fn response(answer: Response<Bytes>) -> Result<HttpResponse, ConnectorError> {
    let (head, body) = answer.into_parts();
    let invalid = |error| ConnectorError::other(error, None);
    let status = head.status.as_u16().try_into();
    let mut response = HttpResponse::new(status.map_err(|error| invalid(Box::new(error)))?, body.into());
    for (name, value) in &head.headers {
        let value = value.to_str().map_err(|error| invalid(error.into()))?;
        response
            .headers_mut()
            .insert(name.as_str().to_owned(), value.to_owned());
    }
    Ok(response)
}

#[cfg(test)]
mod tests;
