//! A function's process, and the Lambda Runtime API that it polls, as far as a function needs it.

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

/// How long anything may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long an invocation may take: the template's timeout of a function.
const DEADLINE: Duration = Duration::from_secs(15);

/// Why there is no measurement.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What the function tells the Runtime API.
enum Told {
    /// It asks for the next event.
    Polled(Instant),
    /// It has answered one.
    Answered(Instant, Bytes),
    /// It couldn't.
    Failed(String),
}

#[derive(Default)]
struct Events {
    waiting: Mutex<VecDeque<Bytes>>,
    come: Notify,
}

/// A function's process. It is killed when this is dropped.
pub struct Function {
    process: Child,
    spawned: Instant,
    told: mpsc::UnboundedReceiver<Told>,
    events: Arc<Events>,
}

/// An answer, and when it came.
pub struct Answer {
    /// When the event was there for the function to take.
    pub handed: Instant,
    /// When the whole of the answer had come.
    pub came: Instant,
    /// The answer.
    pub body: Value,
}

impl Function {
    /// Starts `program` with nothing in its environment but what Lambda puts there, and `environment`.
    ///
    /// # Errors
    /// When there is no such program, or no port to be had.
    pub async fn start(program: &Path, environment: &[(&str, String)]) -> Result<Self, Failure> {
        Self::spawn(Command::new(program).stderr(Stdio::inherit()), environment).await
    }

    /// The same by a command, whose standard error goes where it says.
    ///
    /// # Errors
    /// When there is no such program, or no port to be had.
    pub async fn spawn(command: &mut Command, environment: &[(&str, String)]) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let events = Arc::new(Events::default());
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(serve(listener, Arc::clone(&events), tell));
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
            told,
            events,
        })
    }

    /// How long after its start the function asked for its first event.
    ///
    /// # Errors
    /// When it ends, or doesn't ask.
    pub async fn first_poll(&mut self) -> Result<Duration, Failure> {
        match self.next().await? {
            Told::Polled(at) => Ok(at - self.spawned),
            Told::Answered(..) => Err("an answer before there was an event".into()),
            Told::Failed(text) => Err(text.into()),
        }
    }

    /// Hands the function an event, and waits for the answer.
    ///
    /// # Errors
    /// When it ends, fails, or doesn't answer.
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
                Told::Polled(_) => {}
                Told::Answered(came, body) => {
                    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                    return Ok(Answer { handed, came, body });
                }
                Told::Failed(text) => return Err(text.into()),
            }
        }
    }

    /// How long it is since the process was started, at this moment.
    pub fn since_start(&self, at: Instant) -> Duration {
        at - self.spawned
    }

    /// The process's id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// The most memory that the process had resident up to now, in KiB.
    ///
    /// # Errors
    /// When the system doesn't say.
    pub fn peak_rss(&self) -> Result<u64, Failure> {
        let pid = self.pid().ok_or("the function has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib.ok_or("no VmHWM")?.trim().parse()?)
    }

    /// Ends the process and waits until it is gone.
    ///
    /// # Errors
    /// When the system doesn't let it.
    pub async fn stop(mut self) -> Result<(), Failure> {
        Ok(self.process.kill().await?)
    }

    async fn next(&mut self) -> Result<Told, Failure> {
        tokio::select! {
            told = timeout(PATIENCE, self.told.recv()) => Ok(told?.ok_or("the Runtime API has ended")?),
            ended = self.process.wait() => Err(format!("the function has ended: {}", ended?).into()),
        }
    }
}

async fn serve(listener: TcpListener, events: Arc<Events>, tell: mpsc::UnboundedSender<Told>) {
    loop {
        let stream = tokio::select! {
            Ok((stream, _)) = listener.accept() => stream,
            () = tell.closed() => return,
        };
        // Without it the answers are as whole, only later.
        let _ = stream.set_nodelay(true);
        let (events, tell) = (Arc::clone(&events), tell.clone());
        let service = service_fn(move |request| {
            let (events, tell) = (Arc::clone(&events), tell.clone());
            async move { Ok::<_, Infallible>(answer(request, &events, &tell).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// One call of the Runtime API (AWS: Using the Lambda runtime API for custom runtimes).
async fn answer(
    request: Request<Incoming>,
    events: &Events,
    tell: &mpsc::UnboundedSender<Told>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    // Nobody listens any more when the measurement is over.
    if path.ends_with("/invocation/next") {
        let _ = tell.send(Told::Polled(Instant::now()));
        return event(events).await;
    }
    let body = request.into_body().collect().await;
    let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let _ = tell.send(if path.ends_with("/response") {
        Told::Answered(Instant::now(), body)
    } else {
        let mut text = path;
        let _ = write!(text, ": {}", String::from_utf8_lossy(&body));
        Told::Failed(text)
    });
    let mut accepted = Response::new(Full::default());
    *accepted.status_mut() = StatusCode::ACCEPTED;
    accepted
}

/// The next event, when it comes.
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
    // Every header is a literal or a number.
    response.unwrap_or_default()
}

/// What API Gateway sends for a request without a body (payload format 2.0).
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
