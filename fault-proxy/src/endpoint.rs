//! The endpoint behind the proxy: how a call is answered, forwarded and signed.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_dynamodb::config::ProvideCredentials as _;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    identity::Identity,
    orchestrator::HttpRequest,
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Request, Response, body::Incoming};
use marquee_shared::aws::client;
use serde_json::{Value, json};

use crate::{
    Rewriting, State,
    answers::{canceled, conflicting, error, halve, units, unprocessed_name},
    conflict::{InProgress, items},
    fault::{self, Fault},
    listen::{AnswerBody, Cut},
    record::{Exchange, Record},
};

/// The endpoint, and what it takes to call it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    url: String,
    region: String,
    identity: Identity,
    connector: SharedHttpConnector,
    state: Arc<Mutex<State>>,
}

impl Endpoint {
    pub(crate) async fn new(url: String, state: Arc<Mutex<State>>) -> Self {
        let settings = client::settings_of_operator(Some(&url)).await.unwrap();
        let credentials = settings.credentials_provider().expect("no credentials");
        let connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build();
        Self {
            region: settings.region().expect("no region").to_string(),
            identity: credentials.provide_credentials().await.unwrap().into(),
            connector: SharedHttpConnector::new(connector),
            url,
            state,
        }
    }

    /// Answers a call, with the fault that happens to it, and records it.
    ///
    /// # Errors
    /// Returns an error if the connection is to be closed.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Result<Response<AnswerBody>, Cut> {
        let start = Instant::now();
        let (parts, body) = request.into_parts();
        let target = parts.headers["x-amz-target"].to_str().unwrap();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        let mut call: Value = serde_json::from_slice(&body).unwrap();
        let fault = self.fault_of(&operation, start);

        let mut unprocessed = None;
        let mut forwarded = None;
        let (status, answer) = match fault {
            Some(Fault::NoAnswer) => std::future::pending().await,
            Some(Fault::CallLost) => return Err(Cut),
            Some(Fault::Refused(status, code)) => (status, error(code)),
            Some(Fault::Canceled(code)) => (400, canceled(&call, code)),
            Some(Fault::NothingDone) => {
                let name = unprocessed_name(&operation);
                (200, json!({"Responses": {}, name: call["RequestItems"]}))
            }
            _ => {
                if let Some(Fault::HalfDone) = fault {
                    unprocessed = halve(&mut call);
                }
                if let Some(Fault::Delayed(time)) = fault {
                    tokio::time::sleep(time).await;
                }
                if let Some(rewrite) = self.rewriting() {
                    rewrite(&operation, &mut call);
                }
                forwarded = self.records_bodies().then(|| call.clone());
                self.forward_unless_in_conflict(&parts.headers, &operation, call)
                    .await
            }
        };
        let mut answer = answer;
        if let Some(unprocessed) = unprocessed {
            answer[unprocessed_name(&operation)] = unprocessed;
        }
        let units = units(&answer);
        while let Some(wait) = self.time_to_quiet() {
            tokio::time::sleep(wait).await;
        }
        let is_read = matches!(
            operation.as_str(),
            "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems"
        );
        self.state.lock().unwrap().records.push(Record {
            operation,
            start,
            end: Instant::now(),
            reads: if is_read { units } else { 0.0 },
            writes: if is_read { 0.0 } else { units },
            exchange: forwarded.map(|call| Exchange {
                call,
                answer: answer.clone(),
            }),
        });
        if let Some(Fault::AnswerLost) = fault {
            return Err(Cut);
        }
        let is_cut = matches!(fault, Some(Fault::AnswerCut));
        // Without x-amz-crc32: the proxy may have changed the body, and the SDK checks the sum only where it is given.
        let response = Response::builder()
            .status(status)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amzn-requestid", "FAULT-PROXY");
        Ok(response.body(AnswerBody::new(&answer, is_cut)).unwrap())
    }

    /// How long an answer must still be held. `None` when it can be sent.
    fn time_to_quiet(&self) -> Option<Duration> {
        let state = self.state.lock().unwrap();
        let quiet = state.latest? + state.quiet;
        quiet
            .checked_duration_since(Instant::now())
            .filter(|wait| !wait.is_zero())
    }

    /// Counts a call, and returns the fault that happens to it.
    fn fault_of(&self, operation: &str, start: Instant) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        state.latest = Some(start);
        let named = fault::of_call(&mut state.rules, operation, start);
        named.or_else(|| state.random.as_mut()?.of_call(operation))
    }

    fn rewriting(&self) -> Option<Rewriting> {
        self.state.lock().unwrap().rewriting
    }

    fn records_bodies(&self) -> bool {
        self.state.lock().unwrap().records_bodies
    }

    /// Forwards a call, unless it conflicts with a transaction in progress.
    async fn forward_unless_in_conflict(
        &self,
        headers: &http::HeaderMap,
        operation: &str,
        call: Value,
    ) -> (u16, Value) {
        let window = self.state.lock().unwrap().window;
        let items = items(operation, &call);
        let (Some(window), false) = (window, items.is_empty()) else {
            return self.forward(headers, operation, call).await;
        };
        let is_transaction = operation == "TransactWriteItems";
        let in_progress = match InProgress::begin(&self.state, items, is_transaction) {
            Ok(in_progress) => in_progress,
            Err(conflicts) if is_transaction => return (400, conflicting(&conflicts)),
            Err(_) => return (400, error("TransactionConflictException")),
        };
        if in_progress.is_empty() {
            return self.forward(headers, operation, call).await;
        }
        tokio::time::sleep(window / 2).await;
        let (status, answer) = self.forward(headers, operation, call).await;
        if status == 200 {
            tokio::time::sleep(window / 2).await;
        }
        (status, answer)
    }

    /// Sends a call to the endpoint and returns the status and the body of the answer.
    async fn forward(&self, headers: &http::HeaderMap, operation: &str, mut call: Value) -> (u16, Value) {
        if !matches!(
            operation,
            "CreateTable" | "DescribeTable" | "UpdateTimeToLive" | "DescribeTimeToLive" | "ListTables"
        ) {
            let detail = if self.records_bodies() { "INDEXES" } else { "TOTAL" };
            call["ReturnConsumedCapacity"] = json!(detail);
        }
        let body = Bytes::from(serde_json::to_vec(&call).unwrap());
        let mut request = Request::post(&self.url);
        for name in ["x-amz-target", "content-type"] {
            request = request.header(name, &headers[name]);
        }
        let mut request = request.body(body).unwrap();
        self.sign(&mut request);
        let request = HttpRequest::try_from(request.map(Into::into)).unwrap();
        let response = self.connector.call(request).await.unwrap();
        let status = response.status().as_u16();
        let answer = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&answer);
        let answer = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status}: {text}"));
        (status, answer)
    }

    /// Signs a request with the credentials for this endpoint (AWS Signature Version 4).
    fn sign(&self, request: &mut Request<Bytes>) {
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name("dynamodb")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let signable = SignableRequest::new("POST", &self.url, headers, SignableBody::Bytes(request.body()));
        let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(request);
    }
}
