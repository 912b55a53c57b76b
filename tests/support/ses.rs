//! A stand-in for Amazon SES, with what the mail function uses: SendEmail of version 2 of its API, with a whole message.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use aws_sdk_sesv2::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region, retry::RetryConfig},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming};
use serde_json::{Value, json};

use super::stub::serve;

/// A mail that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// The message.
    pub message: String,
}

/// An SES for one test.
pub struct Ses {
    pub client: Client,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    sent: Vec<Sent>,
    /// The receiver whose mails are refused, with the error code.
    refused: Option<(String, &'static str)>,
}

impl Ses {
    /// An SES that sends every mail.
    pub async fn new() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let endpoint = serve(move |request| answer(Arc::clone(&shared), request)).await;
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(endpoint)
            .retry_config(RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self {
            client: Client::from_conf(config),
            state,
        }
    }

    /// Refuses mails to this address with this error from now on, or none for `None`.
    pub fn refuse(&self, refused: Option<(&str, &'static str)>) {
        let refused = refused.map(|(to, code)| (to.to_owned(), code));
        self.state.lock().unwrap().refused = refused;
    }

    /// The mails that were sent, the oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.state.lock().unwrap().sent.clone()
    }
}

async fn answer(
    state: Arc<Mutex<State>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri().path(), "/v2/email/outbound-emails");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let call: Value = serde_json::from_slice(&body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let to = call["Destination"]["ToAddresses"].as_array().unwrap();
    let message = STANDARD.decode(call["Content"]["Raw"]["Data"].as_str().unwrap());
    let mail = Sent {
        from: text(&call["FromEmailAddress"]),
        to: to.iter().map(text).collect(),
        message: String::from_utf8(message.unwrap()).unwrap(),
    };
    let mut state = state.lock().unwrap();
    let refused = state.refused.as_ref().filter(|(to, _)| mail.to.contains(to));
    let response = Response::builder().header("content-type", "application/json");
    let (response, body) = match refused {
        // As SES answers: the message quotes the address.
        Some((to, code)) => (
            response.status(400).header("x-amzn-errortype", *code),
            json!({"message": format!("Email address is not verified: {to}")}),
        ),
        None => {
            state.sent.push(mail);
            (response.status(200), json!({"MessageId": "1"}))
        }
    };
    Ok(response.body(Full::from(body.to_string())).unwrap())
}
