//! Invokes the covers function on AWS.
//!
//! One operation of Lambda's API (`Invoke`, 2015-03-31), signed with the libraries that the DynamoDB client brings along. Lambda's
//! own client would make the function larger by an eighth.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector as _, SharedHttpConnector},
    orchestrator::HttpRequest,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Limited};
use marquee_shared::{
    Error, Result,
    covers::{Checked, NewCover, Receipt, ReceiveCover, Received, SentCover},
};
use tokio::time::{sleep, timeout};

/// The pauses between attempts. An attempt that failed may have stored the image; the sweep deletes it.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// How long an attempt may take: several seconds for a cold start, then for decoding the largest image.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(8);

/// The header of an answer that isn't the function's own.
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// The most bytes of an answer, which is a receipt.
const MAX_ANSWER: usize = 64 * 1024;

/// The covers function, by its name.
pub struct CoversFunction {
    url: String,
    region: Region,
    credentials: SharedCredentialsProvider,
    connector: SharedHttpConnector,
}

impl fmt::Debug for CoversFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoversFunction")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// What came of an attempt.
enum Attempt {
    Answered(Receipt),
    /// It may be made again.
    Failed(&'static str),
}

impl CoversFunction {
    /// Returns the function of this name in the region of these settings. `None` if the settings lack a region or credentials.
    #[must_use]
    pub fn new(name: &str, aws: &SdkConfig, connector: SharedHttpConnector) -> Option<Self> {
        let region = aws.region()?.clone();
        let host = match region.as_ref() {
            china if china.starts_with("cn-") => format!("https://lambda.{china}.amazonaws.com.cn"),
            region => format!("https://lambda.{region}.amazonaws.com"),
        };
        let host = aws.endpoint_url().map_or(host, str::to_owned);
        Some(Self {
            url: format!("{host}/2015-03-31/functions/{name}/invocations"),
            region,
            credentials: aws.credentials_provider()?,
            connector,
        })
    }

    async fn invoke(&self, sent: SentCover) -> Result<Receipt> {
        let payload = serde_json::to_vec(&sent).map_err(|_| Error::internal("an image can't be encoded"))?;
        let mut pauses = PAUSES.into_iter();
        loop {
            let attempt = timeout(ATTEMPT_WITHIN, self.attempt(&payload)).await;
            let reason = match attempt {
                Ok(attempt) => match attempt? {
                    Attempt::Answered(receipt) => return Ok(receipt),
                    Attempt::Failed(reason) => reason,
                },
                Err(_) => "no answer in time",
            };
            let Some(pause) = pauses.next() else {
                return Err(Error::unavailable(format!(
                    "the covers function failed: {reason}"
                )));
            };
            sleep(pause).await;
        }
    }

    async fn attempt(&self, payload: &[u8]) -> Result<Attempt> {
        let Ok(answer) = self.connector.call(self.request(payload).await?).await else {
            return Ok(Attempt::Failed("no connection"));
        };
        match answer.status().as_u16() {
            200 if answer.headers().get(FUNCTION_ERROR).is_none() => {}
            200 => return Ok(Attempt::Failed("it ended with an error")),
            429 => return Ok(Attempt::Failed("Lambda throttles it")),
            500.. => return Ok(Attempt::Failed("Lambda failed")),
            status => return Err(Error::internal(format!("Lambda refused an invocation: {status}"))),
        }
        let Ok(body) = Limited::new(answer.into_body(), MAX_ANSWER).collect().await else {
            return Ok(Attempt::Failed("its answer was cut off"));
        };
        let receipt = serde_json::from_slice(&body.to_bytes());
        receipt
            .map(Attempt::Answered)
            .map_err(|_| Error::internal("the covers function's answer isn't a receipt"))
    }

    /// Returns a signed request (AWS Signature Version 4).
    async fn request(&self, payload: &[u8]) -> Result<HttpRequest> {
        let unsigned = |_| Error::internal("an invocation can't be signed");
        let credentials = self.credentials.provide_credentials().await;
        let identity = credentials
            .map_err(|_| Error::unavailable("there are no credentials"))?
            .into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region.as_ref())
            .name("lambda")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| Error::internal("an invocation can't be signed"))?
            .into();
        let body = SignableBody::Bytes(payload);
        let signable = SignableRequest::new("POST", &self.url, std::iter::empty(), body).map_err(unsigned)?;
        let (instructions, _) = sign(signable, &params).map_err(unsigned)?.into_parts();
        let request = Request::post(&self.url).body(payload.to_vec());
        let mut request = request.map_err(|_| Error::internal("the function's URL isn't one"))?;
        instructions.apply_to_request_http1x(&mut request);
        HttpRequest::try_from(request.map(Into::into))
            .map_err(|_| Error::internal("an invocation can't be sent"))
    }
}

impl ReceiveCover for CoversFunction {
    fn receive(&self, cover: NewCover) -> Received<'_> {
        let sent = SentCover {
            image: STANDARD.encode(&cover.image),
            movie: cover.movie,
            is_only_checked: false,
        };
        Box::pin(async {
            let stored = self.invoke(sent).await?.into_result()?;
            stored.ok_or_else(|| Error::internal("the covers function didn't store an image"))
        })
    }

    fn check(&self, image: Bytes) -> Checked<'_> {
        let sent = SentCover {
            image: STANDARD.encode(&image),
            movie: None,
            is_only_checked: true,
        };
        Box::pin(async { self.invoke(sent).await?.into_result().map(drop) })
    }
}
