//! A stand-in for AWS Secrets Manager, with what the auth function uses: GetSecretValue of the current or the previous version of
//! a secret, over AWS JSON 1.1.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use aws_sdk_secretsmanager::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming};
use serde_json::{Value, json};

use super::stub::serve;

/// A Secrets Manager for one test.
pub struct SecretsManager {
    pub client: Client,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The versions of each secret, latest last.
    secrets: HashMap<String, Vec<String>>,
    /// The error code of every answer, while it fails.
    failing: Option<&'static str>,
    reads: usize,
}

impl SecretsManager {
    /// A Secrets Manager without secrets.
    pub async fn new() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let endpoint = serve(move |request| answer(Arc::clone(&shared), request)).await;
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(endpoint)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self {
            client: Client::from_conf(config),
            state,
        }
    }

    /// Makes `text` the current version of the secret `name`.
    pub fn put(&self, name: &str, text: impl Into<String>) {
        let mut state = self.state.lock().unwrap();
        state
            .secrets
            .entry(name.to_owned())
            .or_default()
            .push(text.into());
    }

    /// Answers every call with this error from now on, or none for `None`.
    pub fn fail(&self, code: Option<&'static str>) {
        self.state.lock().unwrap().failing = code;
    }

    /// How many calls there have been.
    pub fn reads(&self) -> usize {
        self.state.lock().unwrap().reads
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.headers()["x-amz-target"], "secretsmanager.GetSecretValue");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let call: Value = serde_json::from_slice(&body).unwrap();
    let id = call["SecretId"].as_str().unwrap();
    let back = match call["VersionStage"].as_str().unwrap() {
        "AWSCURRENT" => 0,
        "AWSPREVIOUS" => 1,
        other => panic!("{other}"),
    };
    let mut state = state.lock().unwrap();
    state.reads += 1;
    let versions = state.secrets.get(id);
    let (status, body) = match (state.failing, versions.and_then(|v| v.iter().nth_back(back))) {
        (Some(code), _) => (500, json!({"__type": code})),
        (None, None) => (400, json!({"__type": "ResourceNotFoundException"})),
        (None, Some(text)) => (
            200,
            json!({"Name": id, "SecretString": text, "VersionStages": [call["VersionStage"]]}),
        ),
    };
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.1");
    Ok(response.body(Full::from(body.to_string())).unwrap())
}
