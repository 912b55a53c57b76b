//! The process of a function, and the part of the Lambda Runtime API that a function uses.

use std::{
    collections::VecDeque,
    convert::Infallible,
    error::Error,
    fmt::Write as _,
    net::Ipv4Addr,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Notify, mpsc},
    time::timeout,
};

/// The time after which a step fails the measurement.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);

/// The time limit of an invocation: the timeout of a function in the template.
const DEADLINE: Duration = Duration::from_secs(15);

/// The reason why a measurement failed.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A call of the function to the Runtime API.
enum Report {
    /// The function asks for the next event.
    Polled(Instant),
    /// The function responds to an event.
    Answered(Instant, Bytes),
    /// The function reports an error.
    Failed(String),
}

#[derive(Default)]
struct Events {
    waiting: Mutex<VecDeque<Bytes>>,
    come: Notify,
}

/// The process of a function. It is killed when this is dropped.
pub struct Function {
    process: Child,
    spawned: Instant,
    reports: mpsc::UnboundedReceiver<Report>,
    events: Arc<Events>,
}

/// A response and its times.
pub struct Answer {
    /// The time when the event was ready for the function.
    pub handed: Instant,
    /// The time when the whole response had arrived.
    pub came: Instant,
    /// The response.
    pub body: Value,
}

impl Function {
    /// Starts `program` with the environment variables that Lambda sets, those of `environment`, and no others.
    ///
    /// # Errors
    /// Returns an error if the program can't be started, or the Runtime API can't listen.
    pub async fn start(program: &Path, environment: &[(&str, String)]) -> Result<Self, Failure> {
        Self::spawn(Command::new(program).stderr(Stdio::inherit()), environment).await
    }

    /// Does the same for a command, whose standard error the caller has set.
    ///
    /// # Errors
    /// Returns an error if the program can't be started, or the Runtime API can't listen.
    pub async fn spawn(command: &mut Command, environment: &[(&str, String)]) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let events = Arc::new(Events::default());
        let (sender, reports) = mpsc::unbounded_channel();
        tokio::spawn(serve(listener, Arc::clone(&events), sender));
        command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/function")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_SESSION_TOKEN", "local")
            .env("RUST_LOG", "error")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let spawned = Instant::now();
        let process = command
            .spawn()
            .map_err(|e| format!("{}: {e}", command.as_std().get_program().display()))?;
        Ok(Self {
            process,
            spawned,
            reports,
            events,
        })
    }

    /// Returns the time from the start of the process to its first poll.
    ///
    /// # Errors
    /// Returns an error if the function ends, or doesn't poll.
    pub async fn first_poll(&mut self) -> Result<Duration, Failure> {
        match self.next().await? {
            Report::Polled(at) => Ok(at - self.spawned),
            Report::Answered(..) => Err("the function answered before there was an event".into()),
            Report::Failed(text) => Err(text.into()),
        }
    }

    /// Sends the function an event and waits for the response.
    ///
    /// # Errors
    /// Returns an error if the function ends, fails, or doesn't answer.
    pub async fn invoke(&mut self, event: &Value) -> Result<Answer, Failure> {
        let event = Bytes::from(serde_json::to_vec(event)?);
        self.events
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(event);
        let handed = Instant::now();
        self.events.come.notify_one();
        loop {
            match self.next().await? {
                Report::Polled(_) => {}
                Report::Answered(came, body) => {
                    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                    return Ok(Answer { handed, came, body });
                }
                Report::Failed(text) => return Err(text.into()),
            }
        }
    }

    /// Returns the time from the start of the process until now.
    pub fn since_start(&self, at: Instant) -> Duration {
        at - self.spawned
    }

    /// Returns the id of the process, if it is running.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Returns the peak resident memory of the process until now, in KiB.
    ///
    /// # Errors
    /// Returns an error if `/proc` doesn't have it.
    pub fn peak_rss(&self) -> Result<u64, Failure> {
        let pid = self.pid().ok_or("the function has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib.ok_or("no VmHWM")?.trim().parse()?)
    }

    /// Kills the process and waits until it has ended.
    ///
    /// # Errors
    /// Returns an error if it can't be killed.
    pub async fn stop(mut self) -> Result<(), Failure> {
        Ok(self.process.kill().await?)
    }

    async fn next(&mut self) -> Result<Report, Failure> {
        tokio::select! {
            report = timeout(STEP_TIMEOUT, self.reports.recv()) => Ok(report?.ok_or("the Runtime API has ended")?),
            ended = self.process.wait() => Err(format!("the function has ended: {}", ended?).into()),
        }
    }
}

async fn serve(listener: TcpListener, events: Arc<Events>, sender: mpsc::UnboundedSender<Report>) {
    loop {
        let stream = tokio::select! {
            Ok((stream, _)) = listener.accept() => stream,
            () = sender.closed() => return,
        };
        // A failure only delays responses.
        let _ = stream.set_nodelay(true);
        let (events, sender) = (Arc::clone(&events), sender.clone());
        let service = service_fn(move |request| {
            let (events, sender) = (Arc::clone(&events), sender.clone());
            async move { Ok::<_, Infallible>(answer(request, &events, &sender).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Answers a call of the Runtime API (AWS: "Using the Lambda runtime API for custom runtimes").
async fn answer(
    request: Request<Incoming>,
    events: &Events,
    sender: &mpsc::UnboundedSender<Report>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    // The receiver is gone when the measurement has ended.
    if path.ends_with("/invocation/next") {
        let _ = sender.send(Report::Polled(Instant::now()));
        return event(events).await;
    }
    let body = request.into_body().collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let _ = sender.send(if path.ends_with("/response") {
        Report::Answered(Instant::now(), body)
    } else {
        let mut text = path;
        let _ = write!(text, ": {}", String::from_utf8_lossy(&body));
        Report::Failed(text)
    });
    let mut accepted = Response::new(Full::default());
    *accepted.status_mut() = StatusCode::ACCEPTED;
    accepted
}

/// Waits for the next event and answers it.
async fn event(events: &Events) -> Response<Full<Bytes>> {
    let event = loop {
        let next = events
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        match next {
            Some(event) => break event,
            None => events.come.notified().await,
        }
    };
    let deadline = SystemTime::now() + DEADLINE;
    let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
    let response = Response::builder()
        .header("content-type", "application/json")
        .header(
            "lambda-runtime-aws-request-id",
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        )
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:function",
        )
        .header(
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
        )
        .body(Full::new(event));
    // This can't fail: every header is a literal or a number.
    response.unwrap_or_default()
}

/// The event that API Gateway sends for a request without a body (payload format 2.0).
pub fn event_of(method: &str, path: &str, headers: &[(&str, &str)]) -> Value {
    let (raw_path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut all = json!({"accept": "*/*", "host": "api.example.com", "x-forwarded-proto": "https"});
    for (name, value) in headers {
        all[*name] = json!(value);
    }
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": all,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": raw_path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.7",
                "userAgent": "curl/8.14.1",
            },
            "requestId": "MNG46cME-K9wzfY=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "22/Nov/2026:21:34:01 +0000",
            "timeEpoch": 1_795_383_241_250_u64,
        },
        "isBase64Encoded": false,
    })
}
